//! What is known of the freeze, for how long, and how soon it is known that another process froze everything.

use super::*;
use crate::{app, service::Parts};
use jiff::Timestamp;
use tokio::time::Instant;

fn known(alone: bool, freeze: Option<Freeze>, asked: i64) -> Works {
    let frozen = watch::Sender::new(freeze.is_some());
    let known = Known { freeze: freeze.map(Arc::new), asked: SignedDuration::from_millis(asked) };
    Works {
        alone,
        frozen,
        known: Mutex::new(known),
        erasures: Mutex::default(),
        news: Mutex::default(),
        writing: tokio::sync::Mutex::default(),
    }
}

fn freeze() -> Freeze {
    Freeze { since: Timestamp::UNIX_EPOCH, by: "admin".into(), why: None }
}

#[test]
fn that_nothing_is_frozen_is_believed_for_two_seconds_from_the_question_on() {
    let frozen = Gate::Frozen(Arc::new(freeze()));
    for (works, now, expected) in [
        (known(false, None, 1000), 1000, Gate::Open),
        (known(false, None, 1000), 3000, Gate::Open),
        (known(false, None, 1000), 3001, Gate::Unknown),
        (known(true, None, 1000), 9_999_999, Gate::Open),
        (known(false, Some(freeze()), 1000), 9_999_999, frozen.clone()),
        (known(true, Some(freeze()), 1000), 1000, frozen),
    ] {
        assert_eq!(works.gate_at(SignedDuration::from_millis(now)), expected, "{now}");
    }
}

#[test]
fn what_was_asked_before_tells_nothing_of_what_was_written_since() {
    let at = SignedDuration::from_millis;
    let works = known(false, None, 1000);
    assert_eq!(works.take(Some(freeze()), at(2000)), Some(false));
    assert_eq!(works.take(None, at(1999)), None, "asked before it was frozen, and answered after");
    assert_eq!(works.shown().as_deref(), Some(&freeze()));
    assert_eq!(works.take(None, at(2001)), Some(true), "it thaws");
    assert_eq!(works.take(None, at(2002)), Some(false), "once");
}

/// Waits until this process knows so; how long that took.
async fn until(service: &Service, expected: impl Fn(&Gate) -> bool) -> Duration {
    let begun = Instant::now();
    while !expected(&service.works.gate()) {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is never known");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    begun.elapsed()
}

#[tokio::test]
async fn a_freeze_by_another_process_is_known_within_two_seconds_and_its_end_wakes_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let set = async |store: &_, parts: &mut Parts| parts.works = Works::open(store, false).await.unwrap();
    let service = app::tests::service_with(folder.path(), set).await;
    let stop = CancellationToken::new();
    let following = tokio::spawn(follow(Arc::clone(&service), stop.clone()));
    let freeze = service.store.works_freeze("another", Some("x")).await.unwrap().0;
    let took = until(&service, |gate| matches!(gate, Gate::Frozen(_))).await;
    // From 2 s on it would be asked; how soon it is known here hangs on the machine, too.
    assert!(took <= Duration::from_secs(20), "{took:?}");
    assert_eq!(service.frozen().await.unwrap().as_deref(), Some(&freeze));
    service.hub.poke(Poke::Pending);
    service.hub.taken().await;
    service.store.works_thaw(|id, _| NewEvent::machine(id, "request", "x"), clock::now()).await.unwrap();
    assert!(service.hub.taken().await.contains(&Poke::All));
    assert_eq!(service.frozen().await.unwrap(), None);
    stop.cancel();
    following.await.unwrap().unwrap();
}

#[tokio::test]
async fn whoever_freezes_knows_at_once_and_a_second_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    let (first, _) = service.freeze("admin", Some("the wrong rack")).await.unwrap();
    assert_eq!(service.works.gate(), Gate::Frozen(Arc::new(first.clone())));
    let (second, _) = service.freeze("other", None).await.unwrap();
    assert_eq!(second, first);
    service.unfreeze("admin").await.unwrap();
    assert_eq!(service.works.gate(), Gate::Open);
    service.unfreeze("admin").await.unwrap();
    assert_eq!(service.frozen_by_row().await.unwrap(), None);
}

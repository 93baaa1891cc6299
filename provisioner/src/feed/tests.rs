//! What a look does to the history.

use super::*;
use crate::app;
use provisioner_api::WatchKind;

fn census(count: u128, version: i64) -> HashMap<Object, Seen> {
    let one = |id| {
        let object = Object { kind: WatchKind::Machine, id: Uuid::from_u128(id) };
        let (name, labels) = (format!("m{id}"), Labels::default());
        let facet = Facet { name, pool: Pool::Shared, state: None, held: false, labels };
        (object, Seen::new([version, 0], None, facet))
    };
    (0..count).map(one).collect()
}

#[test]
fn a_freeze_begins_a_new_history_and_nothing_new_is_no_news() {
    let mut log = Some(Log::new(Uuid::from_u128(1), census(2, 1)));
    let start = log.as_ref().unwrap().newest();
    assert!(!take(&mut log, census(2, 1), false));
    assert!(take(&mut log, census(2, 1), true), "nobody's version is another, and what is shown is");
    assert_eq!(log.as_ref().unwrap().behind(start, 1), Err(Missed::OtherHistory));
    assert!(!take(&mut None, census(2, 2), true));
}

#[test]
fn a_whole_fleet_may_change_four_times_while_somebody_is_away() {
    let fleet = 3000;
    let mut log = Some(Log::new(Uuid::from_u128(1), census(fleet, 0)));
    let start = log.as_ref().unwrap().newest();
    for version in 1..=4 {
        assert!(take(&mut log, census(fleet, version), false));
    }
    assert!(log.as_ref().unwrap().behind(start, 1).is_ok());
    take(&mut log, census(fleet, 5), false);
    assert_eq!(log.as_ref().unwrap().behind(start, 1), Err(Missed::TooOld));
}

#[tokio::test]
async fn a_look_that_fails_is_tried_again_and_after_a_minute_of_them_the_feed_ends() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    let log = Log::new(Uuid::from_u128(1), service.store.census(&mut KnownLabels::default()).await.unwrap());
    let start = log.newest();
    *held(&service.feed.log) = Some(log);
    service.store.close().await;
    let mut news = service.hub.news();
    let mut looks = Looks { frozen: false, failing: None, labels: KnownLabels::default() };
    assert_eq!(look(&service, &mut news, &mut looks).await, AGAIN);
    let since = looks.failing.expect("it is known since when");
    assert!(news.has_changed().unwrap(), "what was told of is still to be looked for");
    look(&service, &mut news, &mut looks).await;
    assert_eq!(looks.failing, Some(since), "the first of them counts");
    assert!(service.feed.behind(start, 1).is_ok(), "nobody is cut off by that alone");
    let mut bell = service.feed.bell();
    bell.mark_unchanged();
    looks.failing = Some(since.checked_sub(BLIND).expect("this machine runs for a minute"));
    run(Arc::clone(&service), news, looks).await;
    assert_eq!(service.feed.behind(start, 1), Err(Missed::OtherHistory), "nobody waits for what never comes");
    assert!(bell.has_changed().unwrap());
    assert!(position(&service).await.is_err(), "who comes again is told so");
}

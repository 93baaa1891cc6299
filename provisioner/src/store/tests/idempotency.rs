//! A name is claimed once, also by many at once, and stands until it is given up or old.

use super::{super::*, NOW, on_both, store};
use futures::future::join_all;
use jiff::SignedDuration;

on_both! {
    of_many_who_claim_a_name_at_once_one_has_it
    what_was_answered_stands_until_it_is_old
}

fn after(seconds: i64) -> Timestamp {
    NOW + SignedDuration::from_secs(seconds)
}

async fn of_many_who_claim_a_name_at_once_one_has_it() {
    let (_place, store) = store().await;
    let claims = (0..16).map(|_| store.idempotency_claim(("c", "k"), "asked", after(1), NOW));
    let claimed = join_all(claims).await.into_iter().map(Result::unwrap);
    assert_eq!(claimed.filter(Option::is_none).count(), 1);
    store.close().await;
}

async fn what_was_answered_stands_until_it_is_old() {
    let (_place, store) = store().await;
    let claim = async |request: &'static str, now, oldest| {
        store.idempotency_claim(("c", "k"), request, after(now), after(oldest)).await.unwrap()
    };
    assert_eq!(claim("asked", 10, 0).await, None);
    let under_way = KnownRequest { request: "asked".into(), began: after(10), answer: None };
    assert_eq!(claim("other", 11, 0).await, Some(under_way.clone()));
    let answer = KeptAnswer {
        status: 201,
        etag: Some("\"1\"".into()),
        content_type: None,
        body: "{\"name\":\"ä\"}".into(),
    };
    store.idempotency_keep(("c", "k"), &answer).await.unwrap();
    let known = KnownRequest { answer: Some(answer), ..under_way };
    assert_eq!(claim("asked", 12, 10).await, Some(known));
    assert_eq!(store.idempotency_claim(("d", "k"), "asked", NOW, NOW).await.unwrap(), None, "another caller");
    assert_eq!(claim("asked", 13, 11).await, None, "it is old");
    store.idempotency_prune(after(13)).await.unwrap();
    assert!(claim("asked", 14, 0).await.is_some(), "it is not old enough");
    store.idempotency_release(("c", "k")).await.unwrap();
    assert_eq!(claim("asked", 15, 0).await, None);
    let count = async |caller| store.idempotency_count(caller).await.unwrap();
    assert_eq!((count("c").await, count("d").await), (1, 0), "what the other had was pruned");
    store.idempotency_prune(after(16)).await.unwrap();
    assert_eq!(claim("asked", 17, 0).await, None);
    store.close().await;
}

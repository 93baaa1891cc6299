//! Caches are asked before the service is, and what they give is only taken if it is right.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn caches_are_asked_first_and_believed_in_nothing() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    let (manifest, raw) = image(&service, 30);
    let [dead, rotten, good] = ["http://dead", "http://rotten", "http://good"].map(str::to_owned);
    service.with(|state| {
        state.faults.caches.insert(rotten.clone(), CacheDoes::Damages);
        state.faults.caches.insert(good.clone(), CacheDoes::Gives);
    });
    let order = Order { caches: vec![dead.clone(), rotten.clone(), good], ..write_order(&manifest, "A") };
    let outcomes = live(&host, &service, vec![order]).await;
    let [Outcome::Done { evidence, .. }] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    assert!(evidence.contains("20 chunks from http://good"), "{evidence}");
    assert!(content(&host, "A", raw.len()) == raw);
    let said = host.console();
    let silenced = |cache: &str| {
        said.iter().any(|line| line.contains(cache) && line.ends_with("it isn't asked any more"))
    };
    assert!(silenced(&dead) && silenced(&rotten), "{said:?}");
    service.with(|state| {
        assert_eq!(state.fetched.len(), 0, "the service was not asked: {:?}", state.fetched);
        // Threads that had asked it already may go beyond three.
        assert!(state.cached[&dead] < 10 && state.cached[&rotten] < 10, "{:?}", state.cached);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_cache_the_service_gives_everything() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    let (manifest, raw) = image(&service, 30);
    service.with(|state| state.faults.caches.insert("http://rotten".into(), CacheDoes::Damages));
    let order = Order { caches: vec!["http://rotten".into()], ..write_order(&manifest, "A") };
    let outcomes = live(&host, &service, vec![order]).await;
    let [Outcome::Done { evidence, .. }] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    assert!(!evidence.contains("rotten"), "{evidence}");
    assert!(content(&host, "A", raw.len()) == raw);
    service.with(|state| assert_eq!(state.fetched.len(), 20));
}

//! An agent that is to start the rescue system.

use super::*;

fn rescue_order(epoch: u64, archive: &[u8], bytes: u64, keys: &[&str]) -> Order {
    let authorized_keys = keys.iter().map(|key| (*key).to_owned()).collect();
    order("rescue", epoch, Action::Rescue { authorized_keys, archive: sha256_hex(archive), bytes })
}

fn knows(service: &FakeService, archive: &'static [u8]) {
    service.with(|state| state.files.insert(sha256_hex(archive), Bytes::from_static(archive)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archive_is_fetched_and_started_and_no_disk_is_opened() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    knows(&service, b"archive");
    let orders = vec![rescue_order(1, b"archive", 7, &["ssh-ed25519 ME"])];
    let outcomes = live_on(Arc::new(host.clone()), &service, orders).await;
    let [Outcome::Rescued { access }] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    assert_eq!(
        (access.addresses.as_slice(), access.host_key.as_str()),
        (&["192.0.2.9".to_owned()][..], "SHA256:fake")
    );
    assert_eq!(host.rescued().unwrap(), ["ssh-ed25519 ME"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_archive_of_the_order_is_never_started() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    knows(&service, b"archive");
    service.with(|state| state.faults.damaged = true);
    let orders = vec![
        rescue_order(1, b"archive", 7, &[]),
        rescue_order(2, b"another", 7, &[]),
        rescue_order(3, b"archive", 65 << 20, &[]),
    ];
    let outcomes = live_on(Arc::new(host.clone()), &service, orders).await;
    let [Outcome::Failed { why: damaged }, Outcome::Failed { why: unknown }, Outcome::Refused { why: large }] =
        outcomes.as_slice()
    else {
        panic!("{outcomes:?}")
    };
    assert!(
        damaged.contains("arrived damaged") && unknown.contains("no such archive"),
        "{damaged} {unknown}"
    );
    assert!(large.contains("65 MiB, and 64 MiB are taken at most"), "{large}");
    assert_eq!(host.rescued(), None);
}

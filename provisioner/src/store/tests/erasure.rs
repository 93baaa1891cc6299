//! A wiping that ends and its record are one: there is no way to have either alone.

use super::{super::*, NOW, on_both, store};
use crate::{
    erasures::{ErasureSigner, to_pem, verify},
    keys::SiteKey,
    samples,
    store::db::sql,
};
use provisioner_lifecycle::Reported;

on_both! {
    a_wiping_ends_with_its_record_once
    nothing_is_written_of_a_wiping_without_proof_or_without_a_signature
    records_are_found_by_machine_serial_time_and_pool
}

/// Signs with a site key of its own; the folder may go, the key stays in memory.
fn signed(store: &Store) -> Arc<SiteKey> {
    let folder = tempfile::tempdir().unwrap();
    let key = Arc::new(SiteKey::open(&folder.path().join("site.key"), false).unwrap());
    store.sign_with(ErasureSigner::new(Arc::clone(&key)));
    key
}

/// Puts the record of an erasure there, whose machine is gone.
pub(super) async fn wiped(store: &Store) {
    signed(store);
    end(store, 50, "default").await;
    let machine = store.machine_find("m50").await.unwrap().unwrap();
    assert_eq!(store.machine_delete(&machine, &[], NOW).await.unwrap(), Swap::Updated);
}

/// A machine of this pool whose wiping ends; its record before and after, as written.
async fn end(store: &Store, number: u128, pool: &str) -> (MachineRecord, MachineRecord) {
    let (mut before, mut after) = samples::wiping(number);
    (before.spec.pool, after.spec.pool) = (pool.into(), pool.into());
    store.machine_insert(&before, &[], &[], NOW).await.unwrap();
    // A machine that is inserted has no job yet.
    let job = before.machine.job.take();
    let mut begun = before.clone();
    begun.machine.job = job;
    assert_eq!(store.machine_update(&before, &begun, &[], &[], NOW).await.unwrap(), Swap::Updated);
    begun.version += 1;
    after.version = begun.version;
    assert_eq!(store.machine_update(&begun, &after, &[], &[], NOW).await.unwrap(), Swap::Updated);
    (begun, after)
}

async fn all(store: &Store) -> Vec<ErasureRecord> {
    store.erasure_page(&ErasureFilter::default(), None, 100).await.unwrap()
}

async fn a_wiping_ends_with_its_record_once() {
    let (_place, store) = store().await;
    let key = signed(&store);
    let (before, after) = end(&store, 1, "default").await;
    let found = all(&store).await;
    let [record] = &found[..] else { panic!("{found:?}") };
    let said = &record.erasure.certificate;
    assert_eq!((said.id, said.machine.id), (record.erasure.id, after.id()));
    assert_eq!(said.machine.serial.as_deref(), Some("SN1"));
    assert_eq!(said.asked_by.as_deref(), Some("user `ann`"));
    assert_eq!(said.previous_owner.as_ref().unwrap().name.as_deref(), Some("web"));
    assert_eq!((said.policy_asked.as_str(), said.policy_done.as_str()), ("metadata", "overwrite"));
    assert_eq!(said.disks[0].serial, "serial of sda");
    let public = ErasureSigner::new(Arc::clone(&key)).public_key().unwrap();
    let file = serde_json::to_vec(&record.signed).unwrap();
    assert_eq!(&verify(&file, &to_pem(&public)).unwrap(), said);
    // Whoever comes second changes nothing, and tells nothing.
    assert_eq!(store.machine_update(&before, &after, &[], &[], NOW).await.unwrap(), Swap::Stale);
    // What follows is no wiping.
    let mut known = store.machine_find("m1").await.unwrap().unwrap();
    let next = known.with(provisioner_lifecycle::observe(
        &known.machine,
        &provisioner_lifecycle::Fact::AgentSeen,
        NOW,
    ));
    assert_eq!(store.machine_update(&known, &next, &[], &[], NOW).await.unwrap(), Swap::Updated);
    assert_eq!(all(&store).await, found);
    // It outlives its machine.
    known.version += 1;
    assert_eq!(store.machine_delete(&known, &[], NOW).await.unwrap(), Swap::Updated);
    assert_eq!(store.erasure_get(record.erasure.id, None).await.unwrap().as_ref(), Some(record));
    let keys = store.erasure_keys().await.unwrap();
    assert_eq!(keys.iter().map(|key| &key.public_key).collect::<Vec<_>>(), [&public]);
}

async fn nothing_is_written_of_a_wiping_without_proof_or_without_a_signature() {
    let (_place, store) = store().await;
    let (before, after) = samples::wiping(1);
    let mut unproven = after.clone();
    unproven.machine.facts.report.as_mut().unwrap().said =
        Reported::Done { evidence: "wiped".into(), disks: Vec::new() };
    store.machine_insert(&before, &[], &[], NOW).await.unwrap();
    let error = store.machine_update(&before, &after, &[], &[], NOW).await.unwrap_err();
    assert!(matches!(error, StoreError::Unsigned), "{error:?}");
    signed(&store);
    let error = store.machine_update(&before, &unproven, &[], &[], NOW).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unproven(why) if why.to_string().contains("no proof")), "{error:?}");
    assert!(all(&store).await.is_empty());
    let found = store.machine_find("m1").await.unwrap().unwrap();
    assert_eq!(found.version, before.version, "the step has not ended");
    // Nor does the record come without the rest of the transaction.
    let ended = store.ended(&before, &after, NOW).unwrap();
    let mut transaction = store.writer.begin().await.unwrap();
    ended.insert_on_conn(&mut transaction).await.unwrap();
    drop(transaction);
    assert!(all(&store).await.is_empty());
    let mut lent = store.reader.get().await.unwrap();
    let count: i64 = sql("SELECT COUNT(*) FROM erasure_disk").scalar(&mut lent).await.unwrap();
    assert_eq!(count, 0);
}

async fn records_are_found_by_machine_serial_time_and_pool() {
    let (_place, store) = store().await;
    signed(&store);
    for (number, pool) in [(1, "a"), (2, "b"), (3, "a")] {
        end(&store, number, pool).await;
    }
    let whose = async |filter: ErasureFilter| {
        let found = store.erasure_page(&filter, None, 100).await.unwrap();
        found.into_iter().map(|record| record.erasure.certificate.machine.name).collect::<Vec<_>>()
    };
    let any = ErasureFilter::default;
    assert_eq!(whose(any()).await, ["m1", "m2", "m3"]);
    assert_eq!(whose(ErasureFilter { machine: Some("m2".into()), ..any() }).await, ["m2"]);
    let id = samples::machine_id(3).to_string();
    assert_eq!(whose(ErasureFilter { machine: Some(id), ..any() }).await, ["m3"]);
    let serial = |serial: &str| ErasureFilter { serial: Some(serial.into()), ..any() };
    assert_eq!(whose(serial("serial of sda")).await.len(), 3);
    assert!(whose(serial("serial of sd")).await.is_empty());
    assert_eq!(whose(ErasureFilter { since: Some(NOW), ..any() }).await.len(), 3);
    assert!(whose(ErasureFilter { until: Some(NOW), ..any() }).await.is_empty());
    let pools = |pools: &[&str]| Some(pools.iter().map(|pool| (*pool).to_owned()).collect::<Vec<_>>());
    assert_eq!(whose(ErasureFilter { pools: pools(&["a"]), ..any() }).await, ["m1", "m3"]);
    assert!(whose(ErasureFilter { pools: pools(&[]), ..any() }).await.is_empty());
    let page = store.erasure_page(&any(), None, 1).await.unwrap();
    let id = page[0].erasure.id;
    assert_eq!(store.erasure_page(&any(), Some(id), 100).await.unwrap().len(), 2);
    assert!(store.erasure_get(id, pools(&["b"]).as_deref()).await.unwrap().is_none());
    assert!(store.erasure_get(id, pools(&["b", "a"]).as_deref()).await.unwrap().is_some());
}

//! What is remembered is what the database says, whatever was written between.

use super::*;
use crate::{
    samples::{self, NOW},
    store::{InstanceRecord, Swap},
};
use jiff::SignedDuration;
use proptest::prelude::*;
use provisioner_api::{JobId, JobKind};
use provisioner_lifecycle::Job;
use uuid::Uuid;

const MACS: [&str; 3] = ["52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"];

fn later() -> Timestamp {
    NOW.checked_add(SignedDuration::from_hours(1)).unwrap()
}

async fn open(folder: &tempfile::TempDir) -> Store {
    Store::open(&folder.path().join("billet.db")).await.unwrap()
}

fn record(number: u8, macs: &[&str]) -> MachineRecord {
    let mut record = samples::machine(number.into());
    record.spec.macs = macs.iter().map(|mac| (*mac).to_owned()).collect();
    record.spec.accepted = false;
    record
}

fn job(number: u128) -> Job {
    samples::job(number, JobKind::Inspect, Vec::new())
}

fn window(id: &str, mac: &str, job: Option<(JobId, u64)>, machine: Option<MachineId>) -> Window {
    Window { machine, job, ..samples::window(id, mac) }
}

/// What a store that was opened just now, and remembers nothing, says of all MACs.
async fn truth(folder: &tempfile::TempDir) -> Vec<(Option<BootMachine>, Option<Window>)> {
    let store = open(folder).await;
    let answers = told(&store).await;
    store.close().await;
    answers
}

async fn told(store: &Store) -> Vec<(Option<BootMachine>, Option<Window>)> {
    let mut answers = Vec::new();
    for mac in MACS {
        let machine = store.boot_machine(mac).await.unwrap().map(|machine| (*machine).clone());
        answers.push((machine, store.boot_discovery(mac, NOW).await.unwrap()));
    }
    answers
}

/// Something that changes what booting clients are told.
#[derive(Debug, Clone)]
enum Deed {
    Insert(u8),
    Delete(u8),
    Accept(u8, bool),
    /// Takes this MAC besides its first.
    Macs(u8, usize),
    Job(u8),
    EndJob(u8),
    Window(u8),
    Discovery(usize),
    ClaimJob(u8),
    ClaimDiscovery(usize, u8),
}

fn deed() -> impl Strategy<Value = Deed> {
    let (machine, mac) = (0_u8..2, 0_usize..MACS.len());
    prop_oneof![
        machine.clone().prop_map(Deed::Insert),
        machine.clone().prop_map(Deed::Delete),
        (machine.clone(), any::<bool>()).prop_map(|(machine, accepted)| Deed::Accept(machine, accepted)),
        (machine.clone(), mac.clone()).prop_map(|(machine, mac)| Deed::Macs(machine, mac)),
        machine.clone().prop_map(Deed::Job),
        machine.clone().prop_map(Deed::EndJob),
        machine.clone().prop_map(Deed::Window),
        mac.clone().prop_map(Deed::Discovery),
        machine.clone().prop_map(Deed::ClaimJob),
        (mac, machine).prop_map(|(mac, machine)| Deed::ClaimDiscovery(mac, machine)),
    ]
}

async fn change(store: &Store, number: u8, change: impl FnOnce(&mut MachineRecord)) {
    let Some(before) = store.machine_get(record(number, &[]).id()).await.unwrap() else { return };
    let mut next = before.clone();
    change(&mut next);
    // A MAC that another machine has is refused: nothing changes then.
    let _ = store.machine_update(&before, &next, &[], &[], NOW).await;
}

async fn open_window(store: &Store, window: &Window) {
    match store.window_get(&window.id).await.unwrap() {
        Some(_) => store.window_extend(window).await.unwrap(),
        None => store.window_insert(window).await.unwrap(),
    }
}

async fn claim(store: &Store, id: &str, machine: MachineId) {
    if let (Some(window), Some(known)) =
        (store.window_get(id).await.unwrap(), store.machine_get(machine).await.unwrap())
    {
        store.window_claim(&window, "nonce", (&known, &known), &[], NOW).await.unwrap();
    }
}

/// Does it through the store, as the service does; what is not possible just now is left.
async fn perform(store: &Store, deed: &Deed) {
    let get = async |number: u8| store.machine_get(record(number, &[]).id()).await.unwrap();
    match *deed {
        Deed::Insert(number) => {
            let _ = store.machine_insert(&record(number, &[MACS[number as usize]]), &[], &[], NOW).await;
        }
        Deed::Delete(number) => {
            if let Some(record) = get(number).await {
                store.machine_delete(&record, &[], NOW).await.unwrap();
            }
        }
        Deed::Accept(number, accepted) => {
            change(store, number, |record| record.machine.want.accepted = accepted).await;
        }
        Deed::Macs(number, mac) => {
            let first = MACS[number as usize].to_owned();
            change(store, number, |record| record.spec.macs = vec![first, MACS[mac].to_owned()]).await;
        }
        Deed::Job(number) => {
            change(store, number, |record| record.machine.job = Some(job(u128::from(number) + 1))).await;
        }
        Deed::EndJob(number) => {
            change(store, number, |record| {
                if let Some(job) = &mut record.machine.job {
                    job.ended = Some(NOW);
                }
            })
            .await;
        }
        Deed::Window(number) => {
            if let Some(record) = get(number).await
                && let Some(job) = &record.machine.job
            {
                let mac = MACS[number as usize];
                open_window(
                    store,
                    &window(&format!("job {number}"), mac, Some((job.id, 1)), Some(record.id())),
                )
                .await;
            }
        }
        Deed::Discovery(mac) => {
            open_window(store, &window(&format!("found {mac}"), MACS[mac], None, None)).await;
        }
        Deed::ClaimJob(number) => {
            if let Some(record) = get(number).await {
                claim(store, &format!("job {number}"), record.id()).await;
            }
        }
        Deed::ClaimDiscovery(mac, number) => {
            if let Some(record) = get(number).await {
                claim(store, &format!("found {mac}"), record.id()).await;
            }
        }
    }
}

/// After each deed, what is told is what the database says: nothing that was remembered outlives it.
async fn check(deeds: &[Deed]) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    for deed in deeds {
        told(&store).await;
        perform(&store, deed).await;
        assert_eq!(told(&store).await, truth(&folder).await, "after {deed:?} of {deeds:?}");
    }
    (folder, store)
}

/// Each deed where it makes a difference; without any one of the store's calls to `changing` this fails.
#[tokio::test]
async fn each_kind_of_change_is_told_at_once() {
    let deeds = [
        Deed::Insert(0),
        Deed::Accept(0, true),
        Deed::Job(0),
        Deed::Window(0),
        Deed::ClaimJob(0),
        Deed::EndJob(0),
        Deed::Discovery(1),
        Deed::Insert(1),
        Deed::ClaimDiscovery(1, 1),
        Deed::Macs(0, 2),
        Deed::Macs(0, 0),
        Deed::Macs(1, 2),
        Deed::Delete(1),
    ];
    let (folder, store) = check(&deeds).await;
    store.image_insert(&samples::image()).await.unwrap();
    let instance = samples::instance(7);
    store.instance_insert(&instance, None, &[], NOW).await.unwrap();
    let before = store.machine_get(record(0, &[]).id()).await.unwrap().unwrap();
    let with = |before: &MachineRecord, accepted: bool| {
        let mut next = before.clone();
        next.machine.want.accepted = accepted;
        next
    };
    let allocated = InstanceRecord { machine: Some(before.id()), ..instance.clone() };
    let next = with(&before, false);
    let swap = store.instance_and_machine_update(&allocated, (&before, &next), &[], NOW).await;
    assert_eq!(swap.unwrap(), Swap::Updated);
    assert_eq!(told(&store).await, truth(&folder).await);
    let before = store.machine_get(before.id()).await.unwrap().unwrap();
    let allocated = store.instance_get(instance.id).await.unwrap().unwrap();
    let next = with(&before, true);
    let swap = store.instance_delete(&allocated, Some((&before, &next)), &[], NOW).await;
    assert_eq!(swap.unwrap(), Swap::Updated);
    assert_eq!(told(&store).await, truth(&folder).await);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn nothing_remembered_outlives_a_change(deeds in proptest::collection::vec(deed(), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(&deeds));
    }
}

#[tokio::test]
async fn a_window_is_open_until_it_is_claimed_or_expires() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    for deed in [Deed::Insert(0), Deed::Job(0), Deed::Window(0)] {
        perform(&store, &deed).await;
    }
    let open = async |now| store.boot_machine(MACS[0]).await.unwrap().unwrap().open_window(now).is_some();
    assert!(open(NOW).await && !open(later()).await);
    perform(&store, &Deed::ClaimJob(0)).await;
    assert!(!open(NOW).await);
}

/// Another replica's write is not seen at once, since nothing is asked, but it is seen when the limit is over.
#[tokio::test]
async fn the_database_is_asked_once_in_a_while_and_not_more() {
    let folder = tempfile::tempdir().unwrap();
    let (store, other) = (open(&folder).await, open(&folder).await);
    perform(&other, &Deed::Insert(0)).await;
    let now = Instant::now();
    let accepted = async |at: Instant| store.boot_machine_at(MACS[0], at).await.unwrap().unwrap().accepted;
    assert!(!accepted(now).await);
    perform(&other, &Deed::Accept(0, true)).await;
    assert!(!accepted(now).await, "from memory");
    assert!(accepted(now + BELIEVED).await);
}

/// While the database can't be asked, only a window that was open lately counts, and only until something changes it.
#[tokio::test]
async fn an_open_window_is_remembered_for_when_the_database_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    for deed in [Deed::Insert(0), Deed::Insert(1), Deed::Job(0), Deed::Window(0)] {
        perform(&store, &deed).await;
    }
    let now = Instant::now();
    let last = |number: usize, after: Duration| store.boot_index.last_open(MACS[number], now + after, NOW);
    assert_eq!(last(0, Duration::ZERO), None, "nobody asked yet");
    told(&store).await;
    assert!(last(0, Duration::ZERO).is_some() && last(0, IN_NEED).is_some());
    assert_eq!(last(0, IN_NEED + BELIEVED + Duration::from_secs(60)), None, "too long ago");
    assert_eq!(store.boot_index.last_open(MACS[0], now, later()), None, "it expired");
    assert_eq!(last(1, Duration::ZERO), None, "its window is not open: that is not known to be so still");
    assert_eq!(last(2, Duration::ZERO), None, "nobody's");
    perform(&store, &Deed::ClaimJob(0)).await;
    assert_eq!(last(0, Duration::ZERO), None, "it was used");
}

/// A change that is committed while an answer is being read: the answer is not remembered.
#[tokio::test]
async fn what_changed_while_it_was_read_is_not_remembered() {
    let index = Arc::new(BootIndex::default());
    let (key, now) = (MACS[0].to_owned(), Instant::now());
    let ask = async |answer: Option<MachineId>, meanwhile: &str| {
        let read = async {
            drop(index.changing(None).and_mac(meanwhile));
            Ok(answer)
        };
        index.get(&key, |known| &mut known.owners, now, read).await.unwrap()
    };
    let (old, new) = (MachineId(Uuid::from_u128(1)), MachineId(Uuid::from_u128(2)));
    assert_eq!(ask(Some(old), MACS[0]).await, Some(old));
    assert_eq!(ask(Some(new), MACS[0]).await, Some(new), "the first answer was remembered");
    // What nothing interfered with is remembered.
    let quiet = async { Ok(Some(new)) };
    index.get(&key, |known| &mut known.owners, now, quiet).await.unwrap();
    assert_eq!(ask(Some(old), MACS[0]).await, Some(new));
}

#[tokio::test]
async fn made_up_addresses_do_not_fill_the_memory() {
    let index = Arc::new(BootIndex::default());
    let now = Instant::now();
    for number in 0..MOST + 10 {
        let none = async { Ok(None) };
        index.get(&number.to_string(), |known| &mut known.owners, now, none).await.unwrap();
    }
    assert!(index.lock().owners.0.len() <= MOST);
}

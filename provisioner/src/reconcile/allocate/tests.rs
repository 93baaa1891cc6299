//! Allocation against a real database: a thousand at once, races, and a kill at any moment.

use super::*;
use crate::samples::{self, NOW};
use futures::FutureExt;
use provisioner_api::{InstanceId, InstanceSpec, MachineState};
use provisioner_lifecycle::admit;
use uuid::Uuid;

async fn site(machines: u128, instances: u128) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("billet.db")).await.unwrap();
    store.image_insert(&samples::image()).await.unwrap();
    for number in 0..machines {
        store.machine_insert(&machine(number), &[], &[], NOW).await.unwrap();
    }
    for number in 0..instances {
        store.instance_insert(&instance(number, None), None, &[], NOW).await.unwrap();
    }
    (folder, store)
}

fn machine(number: u128) -> MachineRecord {
    let mut record = samples::machine(1000 + number);
    record.name = format!("m{number:05}");
    (record.machine.want.accepted, record.machine.want.bmc) = (true, true);
    record.machine.state.name = MachineState::Available;
    record
}

fn instance(number: u128, wanted: Option<u128>) -> InstanceRecord {
    let created = Timestamp::from_second(i64::try_from(number).unwrap()).unwrap();
    let machine = wanted.map(|number| samples::machine_id(1000 + number).to_string());
    InstanceRecord {
        name: format!("i{number}"),
        since: created,
        spec: InstanceSpec { machine, ..InstanceSpec::new("os") },
        created,
        ..samples::instance(100_000 - number)
    }
}

/// Instances and machines say the same of each other, and no machine has two. Answers how many have one.
async fn agreed(store: &Store) -> usize {
    let mut owners = HashMap::new();
    store
        .machine_each(None, |machine| {
            if let Some(owner) = machine.owner() {
                assert_eq!(owners.insert(owner, machine.id()), None, "two machines for {owner}");
            }
        })
        .await
        .unwrap();
    let mut instances = Vec::new();
    for id in store.instance_ids().await.unwrap() {
        instances.extend(store.instance_get(id).await.unwrap());
    }
    for one in &instances {
        assert_eq!(owners.get(&one.id), one.machine.as_ref(), "{}", one.name);
        assert_eq!(one.machine.is_some(), one.state == InstanceState::Deploying, "{}", one.name);
    }
    instances.iter().filter(|one| one.machine.is_some()).count()
}

#[tokio::test]
async fn a_thousand_get_a_thousand_machines_in_one_pass_that_reads_each_machine_once() {
    let (_folder, store) = site(1000, 1000).await;
    let (hub, mut memory) = (Hub::default(), Memory::default());
    let done = give(&store, &hub, &mut memory, NOW).await.unwrap();
    assert_eq!(done, Done { given: 1000, pages: 4, ..Done::default() });
    assert_eq!(agreed(&store).await, 1000);
    // The oldest took the first by name, and each machine is poked, once.
    let oldest = store.instance_get(instance(0, None).id).await.unwrap().unwrap();
    assert_eq!(oldest.machine, Some(machine(0).id()));
    let poked = hub.taken().now_or_never().unwrap();
    assert_eq!(poked.len(), 1000);
    assert!(!poked.contains(&Poke::Pending));
    // Nobody waits any more: the next one reads nothing but that.
    assert_eq!(give(&store, &hub, &mut memory, NOW).await.unwrap(), Done::default());
}

#[tokio::test]
async fn one_that_waits_reads_one_page_however_many_machines_are_free() {
    let (_folder, store) = site(600, 1).await;
    let done = give(&store, &Hub::default(), &mut Memory::default(), NOW).await.unwrap();
    assert_eq!((done.given, done.pages), (1, 1));
}

/// Adds many at once: they are committed in groups.
async fn add_many(store: &Store, pool: &str, numbers: std::ops::Range<u128>) {
    let all: Vec<_> = numbers.collect();
    for some in all.chunks(500) {
        let add = some.iter().map(async |number| {
            let mut record = machine(*number);
            record.spec.pool = pool.into();
            store.machine_insert(&record, &[], &[], NOW).await.unwrap();
        });
        futures::future::join_all(add).await;
    }
}

/// In a fleet of ten thousand a pass reads of the pools that are asked for what it needs, and of the others nothing.
#[tokio::test]
async fn what_a_pass_reads_does_not_grow_with_the_fleet() {
    let (_folder, store) = site(0, 0).await;
    add_many(&store, "default", 0..9_000).await;
    add_many(&store, "racks", 9_000..9_960).await;
    add_many(&store, "small", 9_960..10_000).await;
    let (hub, mut memory) = (Hub::default(), Memory::default());
    let ask = async |number: u128, pool: &str, zone: Option<&str>| {
        let mut one = instance(number, None);
        (one.spec.pool, one.spec.zone) = (Some(pool.into()), zone.map(Into::into));
        store.instance_insert(&one, None, &[], NOW).await.unwrap();
        one.id
    };
    ask(1, "default", None).await;
    let done = give(&store, &hub, &mut memory, NOW).await.unwrap();
    assert_eq!(done, Done { given: 1, pages: 1, ..Done::default() }, "one page of nine thousand machines");
    // Nothing in that pool fits: its machines are gone through twice, once to give and once to say why.
    let waits = ask(2, "small", Some("none")).await;
    let done = give(&store, &hub, &mut memory, NOW).await.unwrap();
    assert_eq!(done, Done { left: 1, told: 1, pages: 1, looked: 40, ..Done::default() });
    let why = store.instance_get(waits).await.unwrap().unwrap().standing.waiting.unwrap().0;
    assert_eq!(why, "no machine fits: 10000 machines: 9960 in other pools, 40 outside zone none");
    // As many as wait: each machine of both pools once more, however many ask.
    for number in 3..103 {
        ask(number, "racks", Some("none")).await;
    }
    let done = give(&store, &hub, &mut memory, NOW).await.unwrap();
    assert_eq!(done, Done { left: 101, told: 100, pages: 5, looked: 1000, ..Done::default() });
    // One that names a machine of a pool that nobody asks for reads that one.
    let named = instance(200, Some(0));
    store.instance_insert(&named, None, &[], NOW).await.unwrap();
    let done = give(&store, &hub, &mut memory, NOW).await.unwrap();
    assert_eq!((done.left, done.looked), (102, 1001));
    let why = async |id| store.instance_get(id).await.unwrap().unwrap().standing.waiting.unwrap().0;
    assert_eq!(why(named.id).await, "machine m00000 has to become free: it is taken");
    let counted = "no machine fits: 10000 machines: 9960 in other pools, 40 outside zone none";
    assert_eq!(why(waits).await, counted, "each machine is counted once");
}

#[tokio::test]
async fn those_that_get_none_are_told_once_and_the_numbers_now_and_then() {
    let (_folder, store) = site(2, 5).await;
    for number in [5, 6] {
        store.instance_insert(&instance(number, Some(1)), None, &[], NOW).await.unwrap();
    }
    let (hub, mut memory) = (Hub::default(), Memory::default());
    let pass = async |memory: &mut Memory, second| {
        give(&store, &hub, memory, Timestamp::from_second(second).unwrap()).await.unwrap()
    };
    let why = async |number| {
        let one = store.instance_get(instance(number, None).id).await.unwrap().unwrap();
        one.standing.waiting.map(|(why, since)| (why, since.as_second()))
    };
    let done = pass(&mut memory, 0).await;
    assert_eq!((done.given, done.left, done.told), (2, 5, 5));
    assert_eq!(agreed(&store).await, 2);
    let first = Some(("no machine fits: 2 machines: 2 taken".to_owned(), 0));
    assert_eq!(why(2).await, first);
    assert_eq!(why(6).await, Some(("machine m00001 has to become free: it is taken".into(), 0)));
    assert_eq!(pass(&mut memory, 60).await.told, 0, "nothing changed");
    // A third one that is taken: other numbers are written only now and then, and told to nobody.
    let mut third = machine(2);
    third.machine.want.owner = Some(provisioner_lifecycle::Owner {
        instance: InstanceId(Uuid::nil()),
        manifest: String::new(),
        disk_bytes: 0,
        ram: None,
        installation: 0,
        adopted: false,
        rescue: None,
        root_disk_serial: None,
        root_disk: None,
        name: Default::default(),
        release: None,
        least: None,
    });
    store.machine_insert(&third, &[], &[], NOW).await.unwrap();
    assert_eq!(pass(&mut memory, 70).await.told, 0, "too soon");
    assert_eq!(why(2).await, first);
    assert_eq!(pass(&mut memory, 100).await.told, 4, "all but the one that names its machine");
    assert_eq!(why(2).await, Some(("no machine fits: 3 machines: 3 taken".into(), 0)));
    // Another reason is written at once, and told.
    let mut held = machine(3);
    held.machine.want.maintenance = true;
    store.machine_insert(&held, &[], &[], NOW).await.unwrap();
    assert_eq!(pass(&mut memory, 101).await.told, 4);
    assert_eq!(why(2).await, Some(("no machine fits: 4 machines: 1 in maintenance, 3 taken".into(), 0)));
    let told = store.event_newest(crate::store::EventsOf::Instance(instance(2, None).id), 100).await;
    let told = told.unwrap().into_iter().filter(|event| event.kind == "waiting").count();
    assert_eq!(told, 2, "the first reason, and another one");
}

#[tokio::test]
async fn two_passes_at_once_give_no_machine_twice() {
    let (_folder, store) = site(60, 60).await;
    let (hub, mut one, mut two) = (Hub::default(), Memory::default(), Memory::default());
    for _ in 0..60 {
        let passes = futures::join!(give(&store, &hub, &mut one, NOW), give(&store, &hub, &mut two, NOW));
        passes.0.unwrap();
        passes.1.unwrap();
        if agreed(&store).await == 60 {
            return;
        }
    }
    panic!("they stand in each other's way for ever");
}

#[tokio::test]
async fn a_pass_that_is_cut_off_anywhere_leaves_pairs_or_nothing() {
    let (_folder, store) = site(40, 45).await;
    let (hub, mut memory) = (Hub::default(), Memory::default());
    let mut given = 0;
    for polls in 1..200 {
        {
            let mut pass = Box::pin(give(&store, &hub, &mut memory, NOW));
            for _ in 0..polls {
                if pass.as_mut().now_or_never().is_some() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        // Whatever the database was at when nobody waited for it any more, it has done now.
        store.event_insert(&[], NOW).await.unwrap();
        let now = agreed(&store).await;
        assert!(now >= given, "what was given stays given");
        given = now;
    }
    let done = give(&store, &hub, &mut memory, NOW).await.unwrap();
    assert_eq!((agreed(&store).await, done.left), (40, 5));
}

#[tokio::test]
async fn whose_image_is_damaged_waits_with_the_reason() {
    let (folder, store) = site(2, 2).await;
    store.close().await;
    let path = folder.path().join("billet.db");
    let other = sqlx::SqlitePool::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    assert_eq!(
        sqlx::query("UPDATE image SET status = '{'").execute(&other).await.unwrap().rows_affected(),
        1
    );
    other.close().await;
    let store = Store::open(&path).await.unwrap();
    for told in [2, 0] {
        let done = give(&store, &Hub::default(), &mut Memory::default(), NOW).await.unwrap();
        assert_eq!((done.given, done.left, done.told), (0, 2, told));
        for number in 0..2 {
            let one = store.instance_get(instance(number, None).id).await.unwrap().unwrap();
            let (why, _) = one.standing.waiting.unwrap();
            assert!(why.contains("image") && why.contains("damaged"), "{why}");
        }
    }
}

#[tokio::test]
async fn damaged_records_keep_nobody_else_waiting() {
    let (folder, store) = site(4, 3).await;
    store.instance_insert(&instance(3, Some(1)), None, &[], NOW).await.unwrap();
    store.instance_insert(&instance(4, Some(2)), None, &[], NOW).await.unwrap();
    store.close().await;
    // As sqlite3 may do it, or a broken disk.
    let path = folder.path().join("billet.db");
    let other = sqlx::SqlitePool::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    for text in [
        "UPDATE machine SET facts = '{' WHERE name = 'm00001'",
        "UPDATE instance SET spec = '{' WHERE name = 'i0'",
    ] {
        assert_eq!(sqlx::query(text).execute(&other).await.unwrap().rows_affected(), 1);
    }
    other.close().await;
    let store = Store::open(&path).await.unwrap();
    let done = give(&store, &Hub::default(), &mut Memory::default(), NOW).await.unwrap();
    assert_eq!((done.given, done.left), (3, 1));
    let why = async |number| {
        let one = store.instance_get(instance(number, None).id).await.unwrap().unwrap();
        one.standing.waiting.map(|(why, _)| why)
    };
    let damaged = "the machine that it wants has to be readable again: its records are damaged";
    assert_eq!(why(3).await.as_deref(), Some(damaged), "it is not gone");
    // Also beside those that would take any.
    store.instance_insert(&instance(5, None), None, &[], NOW).await.unwrap();
    give(&store, &Hub::default(), &mut Memory::default(), NOW).await.unwrap();
    assert_eq!(why(3).await.as_deref(), Some(damaged));
    assert_eq!(why(5).await.as_deref(), Some("no machine fits: 4 machines: 3 taken, 1 with damaged records"));
}

#[tokio::test]
async fn a_group_is_spread_also_over_those_that_it_has_and_the_same_name_gets_the_same_machine() {
    use provisioner_api::{ErasePolicy, Spread, SpreadBy};
    let (_folder, store) = site(0, 0).await;
    for (number, zone) in [(0, "a"), (1, "a"), (2, "b"), (3, "b")] {
        let mut record = machine(number);
        record.spec.zone = Some(zone.into());
        store.machine_insert(&record, &[], &[], NOW).await.unwrap();
    }
    let spread = |number| {
        let mut record = instance(number, None);
        record.spec.spread = Some(Spread { group: "web".into(), by: SpreadBy::Zone });
        record
    };
    let (hub, mut memory) = (Hub::default(), Memory::default());
    let mut has = Vec::new();
    for number in 0..3 {
        // Each in a pass of its own: what the group has is read.
        store.instance_insert(&spread(number), None, &[], NOW).await.unwrap();
        assert_eq!(give(&store, &hub, &mut memory, NOW).await.unwrap().given, 1);
        let machine = store.instance_get(spread(number).id).await.unwrap().unwrap().machine.unwrap();
        has.push(store.machine_get(machine).await.unwrap().unwrap());
    }
    assert_eq!(has.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["m00000", "m00002", "m00001"]);
    assert_eq!(store.group_members().await.unwrap().len(), 3);

    // The second is given back: it counts no longer, and its machine knows whose it was.
    let owner = store.instance_get(spread(1).id).await.unwrap().unwrap();
    let release = Request::Release { instance: owner.id, erase: ErasePolicy::Metadata, by: None };
    let released = MachineRecord { machine: admit(&has[1].machine, &release).unwrap(), ..has[1].clone() };
    assert_eq!(store.machine_update(&has[1], &released, &[], &[], NOW).await.unwrap(), Swap::Updated);
    assert_eq!(store.group_members().await.unwrap().len(), 2);
    let before = store.machine_get(released.id()).await.unwrap().unwrap();
    let free = admit(&before.machine, &Request::Disown { instance: owner.id }).unwrap();
    let free = MachineRecord { machine: free, ..before.clone() };
    store.instance_delete(&owner, Some((&before, &free)), &[], NOW).await.unwrap();
    let mut again = instance(7, None);
    again.name.clone_from(&owner.name);
    again.spec.sticky = true;
    store.machine_insert(&machine(4), &[], &[], NOW).await.unwrap();
    store.instance_insert(&again, None, &[], NOW).await.unwrap();
    assert_eq!(give(&store, &hub, &mut memory, NOW).await.unwrap().given, 1);
    assert_eq!(store.instance_get(again.id).await.unwrap().unwrap().machine, Some(before.id()));
}

#[tokio::test]
async fn who_is_not_spread_costs_no_look_at_all_machines_and_who_is_gets_one() {
    use provisioner_api::{Spread, SpreadBy};
    let (_folder, store) = site(600, 1).await;
    let mut spread = instance(1, None);
    spread.spec.spread = Some(Spread { group: "web".into(), by: SpreadBy::Rack });
    let done = give(&store, &Hub::default(), &mut Memory::default(), NOW).await.unwrap();
    assert_eq!((done.given, done.pages), (1, 1));
    store.instance_insert(&spread, None, &[], NOW).await.unwrap();
    let done = give(&store, &Hub::default(), &mut Memory::default(), NOW).await.unwrap();
    assert_eq!((done.given, done.pages), (1, 3));
    assert_eq!(agreed(&store).await, 2);
}

#[tokio::test]
async fn who_waited_as_long_as_it_was_to_gets_none_any_more() {
    let (_folder, store) = site(1, 0).await;
    let mut late = instance(0, None);
    late.spec.deadline = Some(NOW);
    store.instance_insert(&late, None, &[], NOW).await.unwrap();
    let done = give(&store, &Hub::default(), &mut Memory::default(), NOW).await.unwrap();
    assert_eq!(done, Done::default());
    let before = Timestamp::from_second(-1).unwrap();
    let done = give(&store, &Hub::default(), &mut Memory::default(), before).await.unwrap();
    assert_eq!(done.given, 1);
}

#[tokio::test]
async fn what_was_chosen_and_fits_no_more_is_given_to_nobody() {
    use provisioner_api::{Spread, SpreadBy};
    for gone in [false, true] {
        let (_folder, store) = site(1, 0).await;
        let mut record = instance(0, None);
        record.spec.spread = Some(Spread { group: "web".into(), by: SpreadBy::Zone });
        record.spec.pool = Some("default".into());
        store.instance_insert(&record, None, &[], NOW).await.unwrap();
        let hub = Hub::default();
        let mut pass = Pass {
            store: &store,
            hub: &hub,
            now: NOW,
            read: Duration::ZERO,
            done: Done::default(),
            least: LeastWiping::default(),
            quotas: BTreeMap::new(),
        };
        let (records, pending): (Vec<_>, Vec<_>) = pass.waiting().await.unwrap().into_iter().unzip();
        let mut allocation = Allocation::new(&pending);
        pass.give_free(&records, &mut allocation).await.unwrap();
        // It was looked at and noted. Now somebody forgets it, or moves it into another pool.
        let before = store.machine_get(machine(0).id()).await.unwrap().unwrap();
        let mut moved = before.clone();
        moved.spec.pool = "other".into();
        let changed = if gone {
            store.machine_delete(&before, &[], NOW).await
        } else {
            store.machine_update(&before, &moved, &[], &[], NOW).await
        };
        assert_eq!(changed.unwrap(), Swap::Updated);
        pass.give_noted(&records, &mut allocation).await.unwrap();
        assert_eq!((pass.done.given, pass.done.lost), (0, 1), "{gone}");
        assert_eq!(agreed(&store).await, 0);
        let poked = hub.taken().now_or_never().unwrap();
        assert!(poked.contains(&Poke::Pending), "it is decided anew");
    }
}

#[tokio::test]
async fn no_more_are_given_of_a_pool_than_may_be_and_the_others_say_why_they_wait() {
    use crate::store::PoolRecord;
    use provisioner_api::{ErasePolicy, PoolSpec};
    let (_folder, store) = site(6, 5).await;
    let erase = Some(ErasePolicy::Overwrite);
    let spec = PoolSpec { max_machines: Some(2), erase, ..PoolSpec::default() };
    let pool = PoolRecord {
        id: Uuid::from_u128(1),
        name: "default".into(),
        spec,
        version: 1,
        created: NOW,
        changed: NOW,
    };
    store.pool_insert(&pool).await.unwrap();
    let (hub, mut one, mut two) = (Hub::default(), Memory::default(), Memory::default());
    for _ in 0..20 {
        let passes = futures::join!(give(&store, &hub, &mut one, NOW), give(&store, &hub, &mut two, NOW));
        passes.0.unwrap();
        passes.1.unwrap();
        assert!(agreed(&store).await <= 2);
    }
    assert_eq!(agreed(&store).await, 2);
    let full = "pool default is at its limit: 2 of its machines have an instance, 2 may";
    for number in 2..5 {
        let waits = store.instance_get(instance(number, None).id).await.unwrap().unwrap();
        assert_eq!(waits.standing.waiting.unwrap().0, full);
        assert!(waits.standing.mend.unwrap().contains("billet pool set default"));
    }
    let has = store.instance_get(instance(0, None).id).await.unwrap().unwrap().machine.unwrap();
    let owner = store.machine_get(has).await.unwrap().unwrap().machine.want.owner.unwrap();
    assert_eq!(owner.least, erase, "what the pool says of wiping stays with who has the machine");
    let before = store.pool_find("default").await.unwrap().unwrap();
    let more = PoolSpec { max_machines: Some(4), ..before.spec.clone() };
    assert_eq!(store.pool_update(&before, &more, NOW).await.unwrap(), Swap::Updated);
    assert_eq!(give(&store, &hub, &mut one, NOW).await.unwrap().given, 2);
    assert_eq!(agreed(&store).await, 4);
}

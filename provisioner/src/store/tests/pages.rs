//! Lists, a page at a time: each object once, in order, none that was not asked for.

use super::{super::*, NOW, Place, on_both, record, store};
use crate::{samples, store::db::sql};
use provisioner_api::{InstanceState, MachineState};

on_both! {
    pages_of_any_size_make_the_same_list
    instances_come_with_their_machines_and_machines_with_their_owners
    machines_are_named_by_their_macs
    a_timeline_is_read_onwards_and_from_its_end
}

/// A store with machines `m1` to `m25`: every second available, every fifth of another pool, every tenth held.
async fn fleet() -> (Place, Store) {
    let (folder, store) = store().await;
    for number in 1..=25_u128 {
        let mut machine = record(number, &format!("52:54:00:00:00:{number:02x}"));
        if number.is_multiple_of(2) {
            machine.machine.state.name = MachineState::Available;
        }
        if number.is_multiple_of(5) {
            machine.spec.pool = "racks".into();
        }
        if number.is_multiple_of(10) {
            machine.machine.state.hold = Some(provisioner_lifecycle::Hold::new("a person", NOW));
        }
        store.machine_insert(&machine, &[], &[], NOW).await.unwrap();
    }
    (folder, store)
}

/// The names of a list, read in pages of so many.
async fn names(store: &Store, filter: &MachineFilter, limit: u32) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    loop {
        let page = store.machine_page(filter, names.last().map(String::as_str), limit).await.unwrap();
        assert!(page.len() <= limit as usize);
        if page.is_empty() {
            return names;
        }
        names.extend(page.into_iter().map(|row| row.record.name));
    }
}

async fn pages_of_any_size_make_the_same_list() {
    let (_folder, store) = fleet().await;
    let racks = || Some("racks".to_owned());
    for filter in [
        MachineFilter::default(),
        MachineFilter { state: Some(MachineState::Available), ..Default::default() },
        MachineFilter { pool: racks(), ..Default::default() },
        MachineFilter { held: Some(true), ..Default::default() },
        MachineFilter { pools: Some(vec!["racks".into(), "none".into(), "x".into()]), ..Default::default() },
        MachineFilter { pools: Some(Vec::new()), ..Default::default() },
        MachineFilter {
            held: Some(false),
            pool: racks(),
            state: Some(MachineState::Available),
            ..Default::default()
        },
    ] {
        let fits = |machine: &MachineRecord| {
            filter.state.is_none_or(|state| machine.machine.state.name == state)
                && filter.pool.as_ref().is_none_or(|pool| machine.spec.pool == *pool)
                && filter.pools.as_ref().is_none_or(|pools| pools.contains(&machine.spec.pool))
                && filter.held.is_none_or(|held| machine.machine.state.hold.is_some() == held)
        };
        let all = store.machine_list().await.unwrap();
        let expected: Vec<_> =
            all.into_iter().filter(|machine| fits(machine)).map(|machine| machine.name).collect();
        for limit in [1, 2, 7, 100] {
            assert_eq!(names(&store, &filter, limit).await, expected, "{filter:?} by {limit}");
        }
    }
    assert_eq!(
        store.machine_counts().await.unwrap(),
        [("available".to_owned(), 12), ("discovered".to_owned(), 13)]
    );
    assert_eq!(store.machine_held_count().await.unwrap(), 2);
}

#[tokio::test]
async fn lists_are_read_from_indexes() {
    let (_folder, store) = fleet().await;
    for (query, index) in [
        ("SELECT facts FROM machine WHERE name > 'a' AND state = 'x' ORDER BY name LIMIT 9", "machine_state"),
        ("SELECT facts FROM machine WHERE name > 'a' AND pool = 'x' ORDER BY name LIMIT 9", "machine_pool"),
        ("SELECT state, COUNT(*) FROM machine GROUP BY state ORDER BY state", "COVERING INDEX machine_state"),
        ("SELECT COUNT(*) FROM machine WHERE held", "machine_held"),
        ("SELECT facts FROM machine WHERE name > 'a' AND held ORDER BY name LIMIT 9", "machine_held"),
        (
            "SELECT state, COUNT(*) FROM instance GROUP BY state ORDER BY state",
            "COVERING INDEX instance_state",
        ),
        ("SELECT id FROM boot_window WHERE job = 'a' AND epoch = 1", "boot_window_job"),
        (
            "SELECT COUNT(*) FROM boot_window WHERE job IS NULL AND claimed IS NULL AND expires > 1",
            "boot_window_open",
        ),
        ("SELECT kind FROM event WHERE machine = 'a' AND id > 'b' ORDER BY id LIMIT 9", "event_machine"),
        ("SELECT kind FROM event WHERE instance = 'a' ORDER BY id DESC LIMIT 9", "event_instance"),
        (
            "DELETE FROM job WHERE ended < 5 AND id NOT IN (SELECT job FROM machine WHERE job IS NOT NULL)",
            "job_ended",
        ),
        ("DELETE FROM job WHERE machine = 'a'", "job_machine"),
    ] {
        let text = format!("EXPLAIN QUERY PLAN {query}");
        let rows = sql(text).fetch_all(&mut store.writer.get().await.unwrap()).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.try_get("detail").unwrap()).collect();
        assert!(plan[0].contains(index), "{query}: {plan:?}");
        assert!(plan.iter().all(|line| !line.contains("TEMP B-TREE")), "{query}: {plan:?}");
    }
}

fn instance(number: u128, machine: Option<&MachineRecord>) -> InstanceRecord {
    InstanceRecord {
        state: if machine.is_some() { InstanceState::Running } else { InstanceState::Pending },
        machine: machine.map(MachineRecord::id),
        ..samples::instance(number)
    }
}

async fn instances_come_with_their_machines_and_machines_with_their_owners() {
    let (_folder, store) = fleet().await;
    store.image_insert(&samples::image()).await.unwrap();
    let owned = store.machine_find("m3").await.unwrap().unwrap();
    for number in 1..=3 {
        let with = (number == 2).then_some(&owned);
        let plain = InstanceRecord { machine: None, ..instance(number, with) };
        store.instance_insert(&plain, None, &[], NOW).await.unwrap();
    }
    let bound = instance(2, Some(&owned));
    let mut next = owned.clone();
    next.machine.want.owner = Some(provisioner_lifecycle::Owner {
        instance: bound.id,
        manifest: String::new(),
        disk_bytes: 1,
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
    let swap = store.instance_and_machine_update(&bound, (&owned, &next), &[], NOW).await.unwrap();
    assert_eq!(swap, Swap::Updated);
    let after = MachineRecord { version: 2, ..next };

    let all = store.instance_page(None, None, None, 10).await.unwrap();
    let shown: Vec<_> = all.iter().map(|row| (row.record.name.as_str(), row.machine.as_ref())).collect();
    assert_eq!(shown, [("i1", None), ("i2", Some(&after)), ("i3", None)]);
    let pending = store.instance_page(Some(InstanceState::Pending), None, Some("i1"), 10).await.unwrap();
    assert_eq!(pending.len(), 1);
    let own = [owned.spec.pool.clone()];
    assert_eq!(store.instance_page(None, Some(&own), None, 10).await.unwrap(), all);
    let others = store.instance_page(None, Some(&["none".to_owned()]), None, 10).await.unwrap();
    assert_eq!(
        others.iter().map(|row| &*row.record.name).collect::<Vec<_>>(),
        ["i1", "i3"],
        "those without one"
    );
    assert_eq!(store.instance_with_machine("i2").await.unwrap().unwrap().machine, Some(after.clone()));
    assert_eq!(store.instance_with_machine("nobody").await.unwrap(), None);
    let listed = store.machine_page(&MachineFilter::default(), Some("m24"), 2).await.unwrap();
    let owners: Vec<_> = listed.into_iter().map(|row| (row.record.name, row.instance)).collect();
    assert_eq!(owners, [("m25".into(), None), ("m3".into(), Some("i2".to_owned()))]);
    assert_eq!(store.instance_name(bound.id).await.unwrap().as_deref(), Some("i2"));
    assert_eq!(
        store.instance_counts().await.unwrap(),
        [("pending".to_owned(), 2), ("running".to_owned(), 1)]
    );
}

async fn machines_are_named_by_their_macs() {
    let (_folder, store) = fleet().await;
    for number in [0, 1, 3, 25] {
        let macs: Vec<_> = (1..=number).map(|last| format!("52:54:00:00:00:{last:02x}")).collect();
        let asked: Vec<_> = macs.iter().cloned().chain(["52:54:00:00:00:ff".to_owned()]).collect();
        let names = store.machine_names_by_mac(&asked).await.unwrap();
        assert_eq!(names.len(), macs.len());
        for (number, mac) in macs.iter().enumerate() {
            assert_eq!(names[mac].1, format!("m{}", number + 1));
        }
    }
}

async fn a_timeline_is_read_onwards_and_from_its_end() {
    let (_folder, store) = store().await;
    let machine = record(1, "52:54:00:00:00:01").id();
    let many: Vec<_> = (0..20).map(|number| NewEvent::machine(machine, "boot", number.to_string())).collect();
    store.event_insert(&many, NOW).await.unwrap();
    let of = EventsOf::Machine(machine);
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = store.event_page(of, after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.into_iter().map(|event| event.message));
    }
    let all: Vec<_> = many.into_iter().map(|event| event.message).collect();
    assert_eq!(seen, all);
    let newest = store.event_newest(of, 2).await.unwrap();
    assert_eq!(newest.into_iter().map(|event| event.message).collect::<Vec<_>>(), ["18", "19"]);
}

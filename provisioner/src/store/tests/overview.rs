//! The whole fleet at a glance: whose it is, in which order, and counted.

use super::{super::*, NOW, jobs::job, on_both, record, store};
use crate::samples;
use provisioner_api::{FleetEvent, JobKind, MachineState};

on_both! {
    jobs_are_listed_newest_first_and_those_of_other_pools_are_not
    events_of_all_are_those_of_the_pools
    machines_are_counted_by_pool_and_zone
}

/// Machines 1 to 6, of the pools `a` and `b` in turns, each with a job and an event; every third is held.
async fn fleet() -> (super::Place, Store) {
    let (place, store) = store().await;
    for number in 1..=6_u128 {
        let mut machine = record(number, &format!("52:54:00:00:00:{number:02x}"));
        machine.spec.pool = if number.is_multiple_of(2) { "b".into() } else { "a".into() };
        machine.spec.zone = (number > 2).then(|| format!("zone {}", number / 5));
        machine.spec.rack = Some(format!("r{number}"));
        if number.is_multiple_of(3) {
            machine.machine.state.hold = Some(provisioner_lifecycle::Hold::new("a person", NOW));
        }
        if number == 6 {
            machine.machine.state.name = MachineState::Available;
        }
        store.machine_insert(&machine, &[], &[], NOW).await.unwrap();
        let mut next = machine.clone();
        let mut work = job(number);
        work.ended = (number < 3).then_some(NOW);
        next.machine.job = Some(work);
        let kind = if number < 4 { "step" } else { "bmc" };
        let event = NewEvent::machine(machine.id(), kind, format!("{number}"));
        assert_eq!(store.machine_update(&machine, &next, &[], &[event], NOW).await.unwrap(), Swap::Updated);
    }
    (place, store)
}

fn only(pool: &str) -> Option<Vec<String>> {
    Some(vec![pool.to_owned()])
}

async fn jobs_are_listed_newest_first_and_those_of_other_pools_are_not() {
    let (_place, store) = fleet().await;
    let all = store.job_page(&JobFilter::default(), None, 9).await.unwrap();
    assert_eq!(all[0].job, job(6));
    let third = store.machine_get(samples::machine_id(3)).await.unwrap();
    for (filter, before, wanted) in [
        (JobFilter::default(), None, "m6 m5 m4 m3 m2 m1"),
        (JobFilter::default(), Some(&all[3]), "m2 m1"),
        (JobFilter { running: Some(true), ..Default::default() }, None, "m6 m5 m4 m3"),
        (JobFilter { running: Some(false), ..Default::default() }, None, "m2 m1"),
        (JobFilter { kind: Some(JobKind::Deploy), ..Default::default() }, None, ""),
        (
            JobFilter { kind: Some(JobKind::Inspect), pools: only("b"), ..Default::default() },
            None,
            "m6 m4 m2",
        ),
        (JobFilter { machine: third.map(|third| third.id()), ..Default::default() }, None, "m3"),
        (JobFilter { id: Some(all[1].job.id), ..Default::default() }, None, "m5"),
        (JobFilter { id: Some(all[1].job.id), pools: only("b"), ..Default::default() }, None, ""),
        (JobFilter { pools: Some(Vec::new()), ..Default::default() }, None, ""),
    ] {
        let page = store.job_page(&filter, before.map(|job| job.job.id), 9).await.unwrap();
        let names: Vec<_> = page.iter().map(|job| job.name.as_str()).collect();
        assert_eq!(names.join(" "), wanted, "{filter:?}");
    }
    assert_eq!(store.job_page(&JobFilter::default(), None, 2).await.unwrap(), all[..2]);
}

async fn events_of_all_are_those_of_the_pools() {
    let (_place, store) = fleet().await;
    store.image_insert(&samples::image()).await.unwrap();
    let fourth = store.machine_get(samples::machine_id(4)).await.unwrap().unwrap();
    let mut instance = samples::instance(1);
    instance.machine = Some(fourth.id());
    let event = NewEvent::instance(instance.id, "request", "i");
    store.instance_insert(&instance, None, &[event], NOW).await.unwrap();
    let gone = NewEvent::machine(samples::machine_id(99), "step", "gone");
    store.event_insert(&[gone], NOW).await.unwrap();
    let said = |events: Vec<FleetEvent>| {
        events.iter().map(|told| told.event.message.clone()).collect::<Vec<_>>().join(" ")
    };
    for (kinds, pools, wanted) in [
        (vec![], None, "1 2 3 4 5 6 i gone"),
        (vec!["step"], None, "1 2 3 gone"),
        (vec!["bmc", "request"], None, "4 5 6 i"),
        (vec![], only("a"), "1 3 5"),
        (vec![], only("b"), "2 4 6 i"),
        (vec!["bmc"], only("b"), "4 6"),
        (vec![], Some(Vec::new()), ""),
    ] {
        let kinds = kinds.into_iter().map(str::to_owned).collect();
        let filter = EventFilter { kinds, pools };
        let all = store.event_page_of_all(&filter, None, 99).await.unwrap();
        assert_eq!(said(all.clone()), wanted, "{filter:?}");
        assert_eq!(store.event_newest_of_all(&filter, 99).await.unwrap(), all, "{filter:?}");
        let mut paged = Vec::new();
        loop {
            let after = paged.last().map(|told: &FleetEvent| told.event.id);
            let page = store.event_page_of_all(&filter, after, 2).await.unwrap();
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        assert_eq!(paged, all, "{filter:?}");
    }
    let newest = store.event_newest_of_all(&EventFilter::default(), 3).await.unwrap();
    let names: Vec<_> =
        newest.iter().map(|told| (told.machine_name.clone(), told.instance_name.clone())).collect();
    assert_eq!(names, [(Some("m6".into()), None), (None, Some(instance.name.clone())), (None, None)]);
}

async fn machines_are_counted_by_pool_and_zone() {
    let (_place, store) = fleet().await;
    let pools = store.pool_counts().await.unwrap();
    let told = |group: &provisioner_api::Group| {
        let states: Vec<_> = group.states.iter().map(|(state, number)| format!("{state} {number}")).collect();
        format!(
            "{} {} {}: {} {}",
            group.name,
            group.machines,
            group.held,
            states.join(","),
            group.racks.join(",")
        )
    };
    let pools: Vec<_> = pools.values().map(told).collect();
    assert_eq!(pools, ["a 3 1: discovered 3 ", "b 3 1: available 1,discovered 2 "]);
    for (pools, wanted) in [
        (None, vec!["zone 0 2 1: discovered 2 r3,r4", "zone 1 2 1: available 1,discovered 1 r5,r6"]),
        (only("b"), vec!["zone 0 1 0: discovered 1 r4", "zone 1 1 1: available 1 r6"]),
        (Some(Vec::new()), vec![]),
    ] {
        let zones = store.zone_counts(pools.as_deref()).await.unwrap();
        assert_eq!(zones.values().map(told).collect::<Vec<_>>(), wanted);
    }
}

//! A machine's job, as it goes on: what is written, and what is left as it was.

use super::{super::*, NOW, on_both, record, store};
use crate::{samples, store::db::sql};
use provisioner_api::{InstanceId, JobKind, MachineState, StepPhase};
use provisioner_lifecycle::{Fact, Job, StepName, observe};
use uuid::Uuid;

on_both! {
    a_job_that_another_takes_the_place_of_ends_with_its_beginning
    every_part_of_a_machine_is_written_when_it_changes
    windows_of_ended_jobs_are_forgotten_and_those_of_running_ones_stay
    who_owns_a_machine_is_told_by_name
}

pub(super) fn job(number: u128) -> Job {
    let step = |name| samples::step(name, 0, StepPhase::Todo);
    samples::job(number, JobKind::Inspect, StepName::ALL.map(step).to_vec())
}

/// Writes a machine, and checks that it reads as it was written; how many rows that took.
async fn put(store: &Store, before: &mut MachineRecord, next: MachineRecord, events: &[NewEvent]) -> u64 {
    let rows = store.writer.changes();
    assert_eq!(store.machine_update(before, &next, &[], events, NOW).await.unwrap(), Swap::Updated);
    let rows = store.writer.changes() - rows;
    let found = store.machine_get(next.id()).await.unwrap().unwrap();
    assert_eq!(found, MachineRecord { version: next.version + 1, ..next });
    *before = found;
    rows
}

#[tokio::test]
async fn a_settle_writes_a_row_of_the_machine_one_of_the_job_and_its_events() {
    let (_folder, store) = store().await;
    let mut machine = record(1, "52:54:00:00:00:01");
    store.machine_insert(&machine, &[], &[], NOW).await.unwrap();
    let event = NewEvent::machine(machine.id(), "step", "goes on");

    let mut next = machine.clone();
    next.machine.job = Some(job(1));
    next.machine.state.name = MachineState::Inspecting;
    assert_eq!(put(&store, &mut machine, next, std::slice::from_ref(&event)).await, 3);

    let mut next = machine.clone();
    next.machine.job.as_mut().unwrap().steps[3].phase = StepPhase::Intent;
    assert_eq!(put(&store, &mut machine, next, &[event.clone(), event.clone()]).await, 4);

    let mut next = machine.clone();
    next.machine = observe(&next.machine, &Fact::AgentSeen, NOW);
    assert_eq!(put(&store, &mut machine, next, &[]).await, 1, "a fact is no matter of the job");
}

async fn a_job_that_another_takes_the_place_of_ends_with_its_beginning() {
    let (_folder, store) = store().await;
    let mut machine = record(1, "52:54:00:00:00:01");
    store.machine_insert(&machine, &[], &[], NOW).await.unwrap();
    for number in [1, 2] {
        let mut next = machine.clone();
        next.machine.job = Some(job(number));
        put(&store, &mut machine, next, &[]).await;
    }
    let running: Vec<String> = sql("SELECT id FROM job WHERE ended IS NULL")
        .scalars(&mut store.reader.get().await.unwrap())
        .await
        .unwrap();
    assert_eq!(running, [job(2).id.to_string()]);
    assert_eq!(store.machines_listen(NOW).await.unwrap(), [machine.id()]);
}

async fn every_part_of_a_machine_is_written_when_it_changes() {
    let (_folder, store) = store().await;
    let mut machine = record(1, "52:54:00:00:00:01");
    store.machine_insert(&machine, &[], &[], NOW).await.unwrap();
    let changes: [fn(&mut MachineRecord); 8] = [
        |record| record.name = "other".into(),
        |record| record.generation += 1,
        |record| record.spec.pool = "racks".into(),
        |record| record.spec.maintenance = true,
        |record| record.machine.want.inspect += 1,
        |record| record.machine.state.epoch += 1,
        |record| record.machine.state.name = MachineState::Available,
        |record| record.machine.job = Some(job(1)),
    ];
    for change in changes {
        let mut next = machine.clone();
        change(&mut next);
        assert_ne!(next, machine);
        put(&store, &mut machine, next, &[]).await;
    }
}

async fn windows_of_ended_jobs_are_forgotten_and_those_of_running_ones_stay() {
    let (_folder, store) = store().await;
    let mut machine = record(1, "52:54:00:00:00:01");
    store.machine_insert(&machine, &[], &[], NOW).await.unwrap();
    let later = |hours| NOW.checked_add(jiff::SignedDuration::from_hours(hours)).unwrap();
    let (mut ended, running) = (job(1), job(2));
    ended.ended = Some(NOW);
    for job in [ended, running] {
        let window = Window {
            machine: Some(machine.id()),
            job: Some((job.id, 1)),
            ..samples::window(&job.id.to_string(), "52:54:00:00:00:01")
        };
        store.window_insert(&window).await.unwrap();
        let pair = (&machine, &machine);
        assert_eq!(store.window_claim(&window, "nonce", pair, &[], NOW).await.unwrap(), Swap::Updated);
        machine = store.machine_get(machine.id()).await.unwrap().unwrap();
        let mut next = machine.clone();
        next.machine.job = Some(job);
        put(&store, &mut machine, next, &[]).await;
    }
    store.window_prune(later(2), NOW).await.unwrap();
    let of = async |number| store.window_of_job(job(number).id, 1).await.unwrap().is_some();
    assert!(!of(1).await && of(2).await);
    let mut rescued = machine.clone();
    rescued.machine.state.name = MachineState::Rescue;
    let mut ended = job(2);
    ended.ended = Some(NOW);
    rescued.machine.job = Some(ended);
    put(&store, &mut machine, rescued, &[]).await;
    store.window_prune(later(2), NOW).await.unwrap();
    assert!(of(2).await, "the agent of a rescue is heard as long as that lasts");
    let mut back = machine.clone();
    back.machine.state.name = MachineState::Deployed;
    put(&store, &mut machine, back, &[]).await;
    store.window_prune(later(2), NOW).await.unwrap();
    assert!(!of(2).await);
}

async fn who_owns_a_machine_is_told_by_name() {
    let (_folder, store) = store().await;
    let mut machine = record(1, "52:54:00:00:00:01");
    store.machine_insert(&machine, &[], &[], NOW).await.unwrap();
    let mut next = machine.clone();
    next.machine.want.owner = Some(provisioner_lifecycle::Owner {
        instance: InstanceId(Uuid::from_u128(5)),
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
    put(&store, &mut machine, next, &[]).await;
    let owner: Option<String> =
        sql("SELECT owner FROM machine").scalar(&mut store.reader.get().await.unwrap()).await.unwrap();
    assert_eq!(owner, Some(InstanceId(Uuid::from_u128(5)).to_string()));
    let mut next = machine.clone();
    next.machine.want.owner = None;
    put(&store, &mut machine, next, &[]).await;
    let owner: Option<String> =
        sql("SELECT owner FROM machine").scalar(&mut store.reader.get().await.unwrap()).await.unwrap();
    assert_eq!(owner, None);
}

#[tokio::test]
async fn a_claim_is_of_window_and_machine_or_of_neither() {
    let (_folder, store) = store().await;
    let first = record(1, "52:54:00:00:00:01");
    store.machine_insert(&first, &[], &[], NOW).await.unwrap();
    let window = samples::window("w", "52:54:00:00:00:01");
    store.window_insert(&window).await.unwrap();
    let event = NewEvent::machine(first.id(), "agent", "called in");
    let claim = async |nonce: &str, before: &MachineRecord| {
        let machine = observe(&before.machine, &Fact::Power { on: true }, NOW);
        let (rows, pair) = (store.writer.changes(), (before, &before.with(machine)));
        let events = std::slice::from_ref(&event);
        let swap = store.window_claim(&window, nonce, pair, events, NOW).await.unwrap();
        (swap, store.writer.changes() - rows)
    };
    let stored = async || {
        let machine = store.machine_get(first.id()).await.unwrap().unwrap();
        (
            machine.version,
            machine.machine.facts.power.is_some(),
            store.window_get("w").await.unwrap().unwrap().nonce,
        )
    };
    let late = MachineRecord { version: 7, ..first.clone() };
    assert_eq!(claim("a", &late).await, (Swap::Stale, 0));
    assert_eq!(stored().await, (1, false, None));
    assert_eq!(claim("a", &first).await, (Swap::Updated, 3));
    assert_eq!(stored().await, (2, true, Some("a".into())));
    let second = store.machine_get(first.id()).await.unwrap().unwrap();
    assert_eq!(claim("b", &second).await.0, Swap::Stale);
    assert_eq!(stored().await, (2, true, Some("a".into())));
    assert_eq!(claim("a", &second).await.0, Swap::Updated, "the same agent asks again");
    assert_eq!(stored().await, (3, true, Some("a".into())));
    let told = store.event_newest(EventsOf::Machine(first.id()), 9).await.unwrap();
    assert_eq!(told.len(), 2, "what was refused tells nothing");
}

//! What a mass release costs: each machine is read a few times, and all of them never again.

use super::*;
use crate::{app, samples, store::MachineRecord};
use provisioner_api::{JobKind, MachineState, StepPhase};
use provisioner_lifecycle::{EraseLimit, Job};

const MANY: u128 = 120;

/// A machine whose agent can prove all along that the wiping ended: no end is stored without.
fn proving(number: u128) -> MachineRecord {
    let (mut before, after) = samples::wiping(number);
    before.machine.facts.report = after.machine.facts.report;
    before
}

/// The machine with a release whose wiping is so far.
fn releasing(before: &MachineRecord, number: u128, phase: StepPhase) -> MachineRecord {
    let steps = vec![
        samples::step(StepName::Agent, 1, StepPhase::Done),
        samples::step(StepName::Erase, 1, phase),
        samples::step(StepName::Rest, 1, StepPhase::Todo),
    ];
    let mut machine = before.machine.clone();
    machine.job = Some(Job { ..samples::job(number, JobKind::Release, steps) });
    machine.state.name = MachineState::Releasing;
    before.with(machine)
}

async fn set(service: &Service, number: u128, phase: StepPhase) {
    let id = samples::machine_id(number);
    let change = |record: &MachineRecord, _| {
        Ok::<_, ServiceError>(Some(Change::new(releasing(record, number, phase), Vec::new())))
    };
    service.machine_change(id, change).await.unwrap().unwrap();
}

/// What is known now, as a pass would.
async fn known(service: &Service, memory: &mut Memory, at: i64) -> (u64, usize) {
    let counted = counted(service, memory, SignedDuration::from_secs(at)).await.unwrap();
    let shown = counted.line.shown();
    let anew = service.store.erasures(service.config.limits.erase_limit).await.unwrap();
    assert_eq!(shown, anew, "it is what is stored");
    memory.counted = Some(counted);
    (shown.running(), shown.queue().len())
}

#[tokio::test]
async fn a_mass_release_reads_each_machine_as_often_as_it_gets_further() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    for number in 1..=MANY {
        service.store.machine_insert(&proving(number), &[], &[], samples::NOW).await.unwrap();
        set(&service, number, StepPhase::Todo).await;
    }
    let mut memory = Memory::default();
    assert_eq!(known(&service, &mut memory, 1).await, (0, MANY as usize));
    let first = memory.read;
    assert_eq!(first, MANY as usize, "all, once");
    for number in 1..=MANY {
        set(&service, number, StepPhase::Intent).await;
        assert_eq!(known(&service, &mut memory, 2).await, (1, (MANY - number) as usize));
        set(&service, number, StepPhase::Done).await;
        assert_eq!(known(&service, &mut memory, 2).await.0, 0);
    }
    assert_eq!(memory.read - first, 2 * MANY as usize, "two changes of each machine, and no more");
    // Nothing is read without news.
    known(&service, &mut memory, 2).await;
    assert_eq!(memory.read - first, 2 * MANY as usize);
    set(&service, 1, StepPhase::Todo).await;
    known(&service, &mut memory, 62).await;
    assert_eq!(memory.read - first, 3 * MANY as usize, "now and then all are read");
    service.works.erase_news_of_all();
    known(&service, &mut memory, 63).await;
    assert_eq!(memory.read - first, 4 * MANY as usize, "pokes may have been lost");
    let mut another = Memory::default();
    known(&service, &mut another, 63).await;
    assert_eq!(another.read, MANY as usize, "another turn reads all");
}

/// Behind the back of this process, as another replica does, or a write whose answer was lost.
async fn set_unseen(service: &Service, number: u128, phase: StepPhase) {
    set(service, number, phase).await;
    service.works.take_erase_news();
}

#[tokio::test]
async fn a_machine_that_is_not_where_it_was_taken_to_be_gets_no_other_leave() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    let most = service.config.limits.erase_limit.of(0);
    for number in 1..=u128::from(most) + 2 {
        service.store.machine_insert(&proving(number), &[], &[], samples::NOW).await.unwrap();
        set(&service, number, StepPhase::Todo).await;
    }
    let mut memory = Memory::default();
    known(&service, &mut memory, 1).await;
    for number in 1..=u128::from(most) {
        set_unseen(&service, number, StepPhase::Intent).await;
    }
    memory.counted.as_mut().unwrap().at = clock::since_boot();
    pass(&service, &mut memory).await.unwrap();
    let limit = service.config.limits.erase_limit;
    let anew = service.store.erasures(limit).await.unwrap();
    assert_eq!((anew.running(), anew.queue().len()), (most, 2), "no more than the limit were begun");
    assert_eq!(memory.counted.unwrap().line.shown(), anew);
}

#[tokio::test]
async fn who_waits_and_of_whom_nobody_told_is_found_within_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    let mut memory = Memory::default();
    service.store.machine_insert(&samples::machine(1), &[], &[], samples::NOW).await.unwrap();
    assert_eq!(known(&service, &mut memory, 1).await, (0, 0));
    set_unseen(&service, 1, StepPhase::Todo).await;
    let stale = counted(&service, &mut memory, SignedDuration::from_secs(60)).await.unwrap();
    assert_eq!(stale.line.waiting(), 0, "nobody knows of it");
    memory.counted = Some(stale);
    // A look at the machine, which comes at least once a minute, asks for a pass.
    assert_eq!(known(&service, &mut memory, 61).await, (0, 1));
}

#[tokio::test]
async fn of_very_many_machines_it_is_news_of_all() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    for number in 0..5000 {
        service.works.erase_news(samples::machine_id(number));
    }
    assert!(matches!(service.works.take_erase_news(), EraseNews::OfAll));
    assert!(matches!(service.works.take_erase_news(), EraseNews::Of(none) if none.is_empty()));
}

#[tokio::test]
async fn fewer_machines_are_a_lower_limit_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    for number in 1..=8 {
        service.store.machine_insert(&proving(number), &[], &[], samples::NOW).await.unwrap();
        set(&service, number, StepPhase::Todo).await;
    }
    service.works.take_erase_news();
    // Of a hundred a moment ago.
    let (line, at) = (EraseLine::new(EraseLimit::percent(50), 100, []), SignedDuration::ZERO);
    assert_eq!(line.room(), 50);
    let mut memory = Memory { counted: Some(Counted { line, at }), ..Memory::default() };
    let counted = counted(&service, &mut memory, SignedDuration::from_secs(2)).await.unwrap();
    assert_eq!((counted.line.room(), memory.read), (4, 0), "of eight, and no release was read for that");
}

#[tokio::test]
async fn after_an_error_all_is_counted_anew() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    let mut memory = Memory::default();
    pass(&service, &mut memory).await.unwrap();
    assert!(memory.counted.is_some());
    service.store.close().await;
    pass(&service, &mut memory).await.unwrap_err();
    assert!(memory.counted.is_none());
}

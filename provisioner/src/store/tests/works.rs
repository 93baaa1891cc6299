//! The freeze in its row, what is forgiven at its end, and who is being wiped by what is stored.

use super::{super::*, NOW, on_both, record, store};
use crate::{samples, store::db::sql};
use jiff::SignedDuration;
use provisioner_api::{JobKind, MachineId, MachineState, StepPhase};
use provisioner_lifecycle::{EraseLimit, Freeze, Hold, Job, StepName};
use std::sync::atomic::Ordering;

on_both! {
    a_freeze_lasts_until_it_is_ended_through_restarts
    what_nobody_could_say_while_everything_was_frozen_is_forgiven_with_its_end
    erasures_are_counted_by_what_is_stored
    without_its_row_nobody_takes_anything_for_open
}

fn at(second: i64) -> Timestamp {
    NOW.checked_add(SignedDuration::from_secs(second)).unwrap()
}

fn tell(id: MachineId, was: &Freeze) -> NewEvent {
    NewEvent::machine(id, "request", format!("the freeze by {} is over", was.by))
}

async fn a_freeze_lasts_until_it_is_ended_through_restarts() {
    let (place, store) = store().await;
    store.clock.store(5_000, Ordering::Relaxed);
    assert_eq!(store.works().await.unwrap(), None);
    assert_eq!(store.works_thaw(tell, NOW).await.unwrap(), None, "there is nothing to end");
    let first = Freeze { since: at(5), by: "admin".into(), why: Some("x".into()) };
    assert_eq!(store.works_freeze("admin", Some("x")).await.unwrap(), (first.clone(), true));
    store.clock.store(9_000, Ordering::Relaxed);
    assert_eq!(store.works_freeze("other", None).await.unwrap(), (first.clone(), false), "it stays as it is");
    store.close().await;
    let store = place.open().await;
    assert_eq!(store.works().await.unwrap(), Some(first.clone()));
    assert_eq!(store.works_thaw(tell, NOW).await.unwrap(), Some(first));
    assert_eq!(store.works().await.unwrap(), None);
    store.clock.store(11_000, Ordering::Relaxed);
    let second = Freeze { since: at(11), by: "other".into(), why: None };
    assert_eq!(store.works_freeze("other", None).await.unwrap(), (second, true));
    store.close().await;
}

async fn what_nobody_could_say_while_everything_was_frozen_is_forgiven_with_its_end() {
    let (_place, store) = store().await;
    let record = record(1, "52:54:00:00:00:01");
    store.machine_insert(&record, &[], &[], NOW).await.unwrap();
    let mut works = record.clone();
    let step = samples::step(StepName::WriteImage, 1, StepPhase::Intent);
    works.machine.job = Some(samples::job(1, JobKind::Deploy, vec![step]));
    works.machine.facts.agent_seen = Some(at(70));
    assert_eq!(store.machine_update(&record, &works, &[], &[], NOW).await.unwrap(), Swap::Updated);
    assert_eq!(store.machines_at_work().await.unwrap(), [record.id()]);
    store.clock.store(1_000_000, Ordering::Relaxed);
    store.works_freeze("admin", None).await.unwrap();
    store.clock.store(1_030_000, Ordering::Relaxed);
    // The service's clock is another one: what counts is how long it was.
    store.works_thaw(tell, at(130)).await.unwrap();
    let after = store.machine_get(record.id()).await.unwrap().unwrap();
    // Of the minute since it was heard, half was before the freeze.
    assert_eq!(after.machine.facts.listening, Some(at(100)));
    let events = store.event_newest(EventsOf::Machine(record.id()), 9).await.unwrap();
    assert_eq!(events.last().unwrap().message, "the freeze by admin is over");
    store.close().await;
}

/// A release whose wiping is so far, which began then; each third one is the servicing of a machine.
async fn release(store: &Store, number: u128, second: i64, phase: StepPhase, held: bool) {
    let before = record(number, &format!("52:54:00:00:01:{number:02x}"));
    store.machine_insert(&before, &[], &[], NOW).await.unwrap();
    let steps = vec![
        samples::step(StepName::Agent, 1, StepPhase::Done),
        samples::step(StepName::Erase, 1, phase),
        samples::step(StepName::Rest, 1, StepPhase::Todo),
    ];
    let kind = if number % 3 == 1 { JobKind::Service } else { JobKind::Release };
    let mut next = before.clone();
    next.machine.job = Some(Job { started: at(second), ..samples::job(number, kind, steps) });
    next.machine.state.name = MachineState::Releasing;
    next.machine.state.hold = held.then(|| Hold::new("x", NOW));
    assert_eq!(store.machine_update(&before, &next, &[], &[], NOW).await.unwrap(), Swap::Updated);
}

async fn erasures_are_counted_by_what_is_stored() {
    let (_place, store) = store().await;
    let none = store.erasures(EraseLimit::default()).await.unwrap();
    assert_eq!((none.running(), none.queue().len(), none.most()), (0, 0, 10));
    // One that was never inspected makes no room for others.
    store.machine_insert(&record(99, "52:54:00:00:00:63"), &[], &[], NOW).await.unwrap();
    for (number, second, phase, held) in [
        (1, 10, StepPhase::Intent, false),
        (2, 20, StepPhase::Intent, true),
        (3, 30, StepPhase::Done, false),
        (4, 50, StepPhase::Todo, false),
        (5, 40, StepPhase::Todo, false),
        (6, 30, StepPhase::Todo, true),
        (7, 60, StepPhase::Intent, false),
    ] {
        release(&store, number, second, phase, held).await;
    }
    let all = store.erasures(EraseLimit::percent(50)).await.unwrap();
    assert_eq!((all.running(), all.most(), all.room()), (2, 3, 1), "half of seven");
    assert_eq!(all.queue(), [samples::machine_id(5), samples::machine_id(4)], "the oldest job first");
    for number in 1..=8 {
        let (line, read) = store.erase_line(EraseLimit::percent(50)).await.unwrap();
        let one = store.erasing(samples::machine_id(number)).await.unwrap();
        let mut same = line.clone();
        same.set(samples::machine_id(number), one);
        assert_eq!((same.shown(), read), (line.shown(), 7), "machine {number} alone is as among all");
    }
    // What can't be read may be wiping.
    sql("UPDATE job SET steps = 'x' WHERE machine = $1")
        .bind(samples::machine_id(5).to_string())
        .execute(&mut store.writer.get().await.unwrap())
        .await
        .unwrap();
    let damaged = store.erasures(EraseLimit::percent(50)).await.unwrap();
    assert_eq!((damaged.running(), damaged.queue()), (3, &[samples::machine_id(4)][..]));
    store.close().await;
}

async fn without_its_row_nobody_takes_anything_for_open() {
    let (_place, store) = store().await;
    sql("DELETE FROM works").execute(&mut store.writer.get().await.unwrap()).await.unwrap();
    assert!(matches!(store.works().await, Err(StoreError::NoWorks)));
    assert!(matches!(store.works_freeze("admin", None).await, Err(StoreError::NoWorks)));
    assert!(matches!(store.works_thaw(tell, NOW).await, Err(StoreError::NoWorks)));
    store.close().await;
}

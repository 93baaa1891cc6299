//! What a report costs and is answered, against a real database.

use super::*;
use crate::{app, samples};
use provisioner_api::{JobKind, Progress, StepPhase};
use provisioner_lifecycle::{Hold, Job, Step};

const JOB: JobId = JobId(Uuid::from_u128(7));

/// A machine that is just being written, and its agent's session.
async fn writing(service: &Service) -> (MachineId, Session) {
    let now = clock::now();
    let record = samples::machine(1);
    let id = record.id();
    service.store.machine_insert(&record, &[], &[], now).await.unwrap();
    let step = Step { started: Some(now), ..samples::step(StepName::WriteImage, 1, StepPhase::Intent) };
    let job = Job { epoch: 3, started: now, ..samples::job(7, JobKind::Deploy, vec![step]) };
    let mut next = record.clone();
    next.machine.job = Some(job);
    next.machine.state.epoch = 3;
    service.store.machine_update(&record, &next, &[], &[], now).await.unwrap();
    let window = Window {
        machine: Some(id),
        job: Some((JOB, 3)),
        opened: now,
        expires: now,
        nonce: Some("n".into()),
        claimed: Some(now),
        ..samples::window("w", "")
    };
    (id, Session { machine: id, window })
}

/// Tells how far it is; whether the order stands.
async fn tells(service: &Arc<Service>, session: &Session, done: u64) -> bool {
    let outcome = Outcome::Progress { progress: Progress { done, total: 100 } };
    let step = StepName::WriteImage.to_string();
    let said = Report { job: JOB, epoch: 3, step, attempt: 1, outcome };
    let answer = report(State(Arc::clone(service)), Extension(session.clone()), Body(said)).await;
    let Ok(Json(answer)) = answer else { panic!("it is not answered") };
    answer.stands
}

#[tokio::test]
async fn progress_is_shown_at_once_and_written_seldom_and_an_order_that_is_taken_back_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    let (id, session) = writing(&service).await;
    assert!(tells(&service, &session, 1).await);
    let first = service.store.machine_get(id).await.unwrap().unwrap();
    assert!(first.machine.facts.agent_seen.is_some(), "that it was heard is written down");
    for done in 2..40 {
        assert!(tells(&service, &session, done).await);
    }
    let stored = service.store.machine_get(id).await.unwrap().unwrap();
    assert_eq!(stored, first, "nothing more was written");
    let job = stored.machine.running_job().unwrap();
    assert_eq!(service.progress.of(job, job.current().unwrap()).unwrap().done, 39);

    // Long ago, as far as the database knows: it is written down again, with how far it is.
    let mut older = stored.clone();
    older.machine.facts.agent_seen = clock::now().checked_sub(jiff::SignedDuration::from_secs(25)).ok();
    service.store.machine_update(&stored, &older, &[], &[], clock::now()).await.unwrap();
    assert!(tells(&service, &session, 40).await);
    let stored = service.store.machine_get(id).await.unwrap().unwrap();
    let said = stored.machine.facts.report.as_ref().map(|report| &report.said);
    assert_eq!(said, Some(&Reported::Progress(Progress { done: 40, total: 100 })));
    assert!(stored.machine.facts.agent_seen > older.machine.facts.agent_seen);

    let mut held = stored.clone();
    let hold = Hold { why: "x".into(), since: clock::now(), choices: Vec::new(), retry: 0 };
    held.machine.state.hold = Some(hold);
    service.store.machine_update(&stored, &held, &[], &[], clock::now()).await.unwrap();
    assert!(!tells(&service, &session, 41).await, "held");
    let held = service.store.machine_get(id).await.unwrap().unwrap();
    let mut anew = held.clone();
    anew.machine.state.hold = None;
    anew.machine.job.as_mut().unwrap().epoch = 4;
    service.store.machine_update(&held, &anew, &[], &[], clock::now()).await.unwrap();
    assert!(!tells(&service, &session, 42).await, "begun anew");
}

#[tokio::test]
async fn a_thousand_agents_leave_threads_for_others() {
    let all = READING.acquire_many(READS as u32).await.unwrap();
    let mut read = Box::pin(read_apart(|| 7));
    assert!(futures::future::poll_immediate(&mut read).await.is_none());
    drop(all);
    assert_eq!(read.await.unwrap(), 7);
}

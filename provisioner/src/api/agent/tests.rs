//! What a report costs and is answered, against a real database.

use super::*;
use crate::{app, samples};
use provisioner_api::{JobKind, Progress, StepPhase};
use provisioner_lifecycle::{Claim, Hold, Job, Owner, Step};

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
    says(service, session, Outcome::Progress { progress: Progress { done, total: 100 } }).await
}

/// Says something of its order; whether that stands.
async fn says(service: &Arc<Service>, session: &Session, outcome: Outcome) -> bool {
    let step = StepName::WriteImage.to_string();
    let said = Report { job: JOB, epoch: 3, step, attempt: 1, outcome };
    let answer = report(State(Arc::clone(service)), Extension(session.clone()), Body(said)).await;
    let Ok(answer) = answer else { panic!("it is not answered") };
    let fence: Fence = answer.headers()[FENCE_HEADER].to_str().unwrap().parse().unwrap();
    assert_eq!(
        fence.epoch,
        service.store.machine_get(session.machine).await.unwrap().unwrap().machine.state.epoch
    );
    let body = axum::body::to_bytes(answer.into_body(), 1000).await.unwrap();
    serde_json::from_slice::<ReportResponse>(&body).unwrap().stands
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
    let hold = Hold::new("x", clock::now());
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
async fn a_report_that_ends_a_step_is_one_write_with_what_follows_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    let (id, session) = writing(&service).await;
    let stored = async || service.store.machine_get(id).await.unwrap().unwrap();
    let told = async || service.store.event_newest(EventsOf::Machine(id), 9).await.unwrap().len();
    let mut before = stored().await;
    let mut two = before.clone();
    let seed = samples::step(StepName::Reboot, 1, StepPhase::Todo);
    two.machine.job.as_mut().unwrap().steps.push(seed);
    service.store.machine_update(&before, &two, &[], &[], clock::now()).await.unwrap();
    before = stored().await;

    // A failure is the reconciler's to settle.
    assert!(says(&service, &session, Outcome::Failed { why: "x".into() }).await);
    let failed = stored().await;
    assert_eq!((failed.version, &failed.machine.job), (before.version + 1, &before.machine.job));
    assert_eq!((&failed.machine.state, told().await), (&before.machine.state, 0));
    let mut again = failed.clone();
    again.machine.facts.report = None;
    service.store.machine_update(&failed, &again, &[], &[], clock::now()).await.unwrap();

    assert!(says(&service, &session, Outcome::Done { evidence: "e".into(), disks: Vec::new() }).await);
    let done = stored().await;
    assert_eq!(done.version, again.version + 2);
    let steps = &done.machine.running_job().unwrap().steps;
    assert_eq!(steps[0].result.as_deref(), Some("e"));
    assert_eq!((steps[0].phase, steps[1].phase), (StepPhase::Done, StepPhase::Intent));
    assert!(done.machine.facts.report.is_some());
    assert_eq!(told().await, 2);
}

#[tokio::test]
async fn a_claim_is_one_write_and_only_the_first_agent_has_its_way() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    let (id, session) = writing(&service).await;
    let stored = async || service.store.machine_get(id).await.unwrap().unwrap();
    let before = stored().await;
    let mut waits = before.clone();
    let mut job = before.machine.job.clone().unwrap();
    job.steps = vec![
        Step { name: StepName::Agent, ..job.steps[0].clone() },
        samples::step(StepName::Reboot, 1, StepPhase::Todo),
    ];
    waits.machine.job = Some(job);
    service.store.machine_update(&before, &waits, &[], &[], clock::now()).await.unwrap();
    let window = Window { nonce: None, claimed: None, ..session.window };
    service.store.window_insert(&window).await.unwrap();
    let loaded = stored().await;
    let fact = Fact::Claimed { job: window.job, inventory: Inventory::default() };
    let take = async |nonce: &str| {
        let told = [NewEvent::machine(id, "agent", nonce)];
        take_down(&service, &window, nonce, loaded.clone(), &fact, &told).await
    };
    let Ok(first) = take("a").await else { panic!("it is refused") };
    assert_eq!(stored().await, first);
    assert_eq!(first.version, loaded.version + 1);
    let steps = &first.machine.running_job().unwrap().steps;
    assert_eq!((steps[0].phase, steps[1].phase), (StepPhase::Done, StepPhase::Intent));
    assert!(take("b").await.is_err());
    assert_eq!(stored().await, first, "who is refused changes nothing");
    // The machine is another than was loaded; the agent is the same.
    let Ok(again) = take("a").await else { panic!("it is refused") };
    assert_eq!((again.version, &again.machine.job), (first.version + 1, &first.machine.job));
    let told = service.store.event_newest(EventsOf::Machine(id), 9).await.unwrap();
    let told: Vec<_> = told.iter().map(|event| event.message.as_str()).collect();
    assert_eq!(told, ["a", "agent done: the agent called in", "reboot begins"], "asked twice, told once");
}

/// Whoever adds a machine by a card that another has as well must not have that one written over.
#[tokio::test]
async fn a_machine_with_a_card_of_another_one_is_not_the_one_that_is_expected() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    let (id, session) = writing(&service).await;
    let (own, spare, foreign) = ("52:54:00:00:01:01", "52:54:00:00:01:02", "52:54:00:00:01:03");
    let stored = service.store.machine_get(id).await.unwrap().unwrap();
    let mut listed = stored.clone();
    listed.spec.macs = vec![own.into()];
    service.store.machine_update(&stored, &listed, &[], &[], clock::now()).await.unwrap();
    let mut other = samples::machine(2);
    other.spec.macs = vec![foreign.into()];
    service.store.machine_insert(&other, &[], &[], clock::now()).await.unwrap();
    for (nics, good) in [
        (vec![own], true),
        (vec![spare, own], true),
        (vec![own, foreign], false),
        (vec![foreign], false),
        (vec![spare], false),
    ] {
        let nic = |mac: &&str| {
            serde_json::from_value(serde_json::json!({"name": "eth0", "mac": mac, "link": true})).unwrap()
        };
        let inventory = Inventory { nics: nics.iter().map(nic).collect(), ..Inventory::default() };
        let found = expected(&service, &session.window, id, &inventory).await;
        assert_eq!(found.is_ok(), good, "{nics:?}");
    }
    let told = service.store.event_newest(EventsOf::Machine(id), 9).await.unwrap();
    let told: Vec<_> = told.iter().map(|event| event.message.as_str()).collect();
    assert!(told[0].contains(foreign) && !told[0].contains(&other.name), "{told:?}");
}

#[tokio::test]
async fn a_claim_that_meets_a_change_is_judged_anew() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    let (id, session) = writing(&service).await;
    let stored = async || service.store.machine_get(id).await.unwrap().unwrap();
    let change = async |change: fn(&mut Core)| {
        let (before, mut next) = (stored().await, stored().await);
        change(&mut next.machine);
        service.store.machine_update(&before, &next, &[], &[], clock::now()).await.unwrap();
        before
    };
    let take = async |window: &Window, loaded: MachineRecord| {
        service.store.window_insert(window).await.unwrap();
        let fact = Fact::Claimed { job: window.job, inventory: Inventory::default() };
        let told = [NewEvent::machine(id, "agent", "called in")];
        let taken = take_down(&service, window, "a", loaded, &fact, &told).await;
        let window = service.store.window_get(&window.id).await.unwrap().unwrap();
        (taken.is_ok(), window.nonce.is_some())
    };
    let of_job = Window { id: "j".into(), nonce: None, claimed: None, ..session.window };
    let discovery = Window { id: "d".into(), job: None, machine: None, ..of_job.clone() };
    // Its job begins anew between the look and the write.
    let loaded = change(|machine| machine.job.as_mut().unwrap().epoch += 1).await;
    let before = stored().await;
    assert_eq!(take(&of_job, loaded).await, (false, false));
    assert_eq!(stored().await, before);
    // It is accepted meanwhile: what a discovery says of it counts no more.
    change(|machine| {
        (machine.job.as_mut().unwrap().ended, machine.want.accepted) = (Some(samples::NOW), false)
    })
    .await;
    let loaded = change(|machine| machine.want.accepted = true).await;
    let before = stored().await;
    assert_eq!(take(&discovery, loaded).await, (false, false));
    assert_eq!(stored().await, before);
    assert_eq!(service.store.event_newest(EventsOf::Machine(id), 9).await.unwrap(), []);
    // Any other change it gets along with.
    let loaded = change(|machine| machine.want.accepted = false).await;
    assert_eq!(take(&discovery, loaded).await, (true, true));
    assert!(stored().await.machine.facts.inventory.is_some());
}

#[tokio::test]
async fn a_thousand_agents_leave_threads_for_others() {
    let all = crate::reads::READING.acquire_many(crate::reads::READS as u32).await.unwrap();
    let mut read = Box::pin(read_apart(|| 7));
    assert!(futures::future::poll_immediate(&mut read).await.is_none());
    drop(all);
    assert_eq!(read.await.unwrap(), 7);
}

/// What the agent is answered that asks with this challenge.
async fn asks(service: &Arc<Service>, session: &Session, challenge: Option<&str>) -> Option<Order> {
    let mut headers = HeaderMap::new();
    if let Some(challenge) = challenge {
        headers.insert(permit::CHALLENGE_HEADER, challenge.parse().unwrap());
    }
    let asked = (State(Arc::clone(service)), Extension(session.clone()), Query(Poll { wait: 0 }));
    let Ok(answer) = orders(asked.0, asked.1, asked.2, headers).await else { panic!("it is refused") };
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (!body.is_empty()).then(|| serde_json::from_slice(&body).unwrap())
}

/// A machine whose agent waits for its order to write; and its session.
async fn to_be_written(service: &Service) -> (MachineId, Session) {
    let (id, session) = writing(service).await;
    let record = service.store.machine_get(id).await.unwrap().unwrap();
    let mut next = record.clone();
    let machine = &mut next.machine;
    machine.state.name = provisioner_api::MachineState::Deploying;
    machine.facts.claim = Some(Claim { job: Some((JOB, 3)), at: clock::now() });
    let disk = provisioner_api::Disk { wwn: Some("0x5".into()), ..samples::disk("vda") };
    let uuid = Some("u1".to_owned());
    machine.facts.inventory = Some(Arc::new(Inventory { uuid, disks: vec![disk], ..Inventory::default() }));
    machine.want.owner = Some(Owner {
        instance: InstanceId(Uuid::from_u128(5)),
        name: Default::default(),
        manifest: "ab".into(),
        disk_bytes: 1,
        ram: None,
        installation: 0,
        adopted: false,
        rescue: None,
        root_disk_serial: None,
        root_disk: None,
        release: None,
        least: None,
    });
    service.store.machine_update(&record, &next, &[], &[], clock::now()).await.unwrap();
    (id, session)
}

#[tokio::test]
async fn a_permit_is_signed_for_the_question_that_it_answers() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    let (id, session) = to_be_written(&service).await;
    let key = hex::decode(service.permits.public_key()).unwrap();
    let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, key);
    for challenge in ["00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"] {
        let order = asks(&service, &session, Some(challenge)).await.expect("its order stands");
        let Action::WriteImage { permit: signed, .. } = order.action else { panic!("it is to write") };
        key.verify(&permit::message(&signed.text), &hex::decode(&signed.signature).unwrap()).unwrap();
        let permit = permit::Permit::from_text(&signed.text).unwrap();
        assert_eq!((permit.challenge.as_str(), permit.machine, permit.job), (challenge, id, JOB));
        assert_eq!((permit.epoch, permit.step.as_str(), permit.attempt), (3, "write-image", 1));
        assert_eq!(permit.method, PermitMethod::WriteImage { manifest: "ab".into() });
        assert_eq!(permit.chassis.uuid.as_deref(), Some("u1"));
        assert_eq!(permit.disks[0].wwn.as_deref(), Some("0x5"));
        assert_eq!(
            (permit.now, permit.expires),
            (order.now, order.now + jiff::SignedDuration::from_mins(15))
        );
    }
}

#[tokio::test]
async fn an_agent_without_challenges_writes_nothing_and_is_booted_anew() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    let (id, session) = to_be_written(&service).await;
    assert!(asks(&service, &session, None).await.is_none());
    let record = service.store.machine_get(id).await.unwrap().unwrap();
    let decision = provisioner_lifecycle::decide(&record.machine, &service.config.limits, clock::now());
    let provisioner_lifecycle::Decision::Move(change) = decision else { panic!("{decision:?}") };
    assert_eq!(change, provisioner_lifecycle::Move::Restart { why: TOO_OLD.into() });
    let mut headers = HeaderMap::new();
    headers.insert(permit::CHALLENGE_HEADER, "short".parse().unwrap());
    let answer = orders(State(service), Extension(session), Query(Poll { wait: 0 }), headers).await;
    assert!(answer.is_err(), "what is no challenge is not signed");
}

/// What the works are frozen for.
async fn frozen(service: &Service) -> Option<String> {
    service.frozen().await.unwrap().and_then(|freeze| freeze.why.clone())
}

#[tokio::test]
async fn an_agent_of_an_epoch_that_the_database_never_gave_freezes_everything() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    let (id, session) = writing(&service).await;
    let token = |epoch, machine| {
        let window = Window { job: Some((JOB, epoch)), id: "lost".into(), ..session.window.clone() };
        windows::session_token(&service.key, &window, machine, "n")
    };
    let stranger = MachineId(Uuid::from_u128(99));
    let forged = token(9, id).replace("/9.", "/8.");
    for harmless in [token(3, id), token(9, stranger), forged, "lost.x~y".into()] {
        assert!(sessions::session(&service, &harmless).await.unwrap().is_none());
        assert_eq!(frozen(&service).await, None, "{harmless}");
    }
    assert!(sessions::session(&service, &token(4, id)).await.unwrap().is_none());
    let why = frozen(&service).await.unwrap();
    assert!(
        why.contains("epoch 4") && why.contains("none above 3") && why.contains("restore --replace"),
        "{why}"
    );
    // Who froze it first is not written over.
    assert!(sessions::session(&service, &token(5, id)).await.unwrap().is_none());
    assert_eq!(frozen(&service).await.unwrap(), why);
    let told = service.store.event_newest(EventsOf::Machine(id), 9).await.unwrap();
    assert_eq!(told.iter().filter(|event| event.message == why).count(), 1);
}

#[tokio::test]
async fn sessions_of_earlier_versions_and_of_this_one_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    let (id, session) = writing(&service).await;
    service.store.window_insert(&session.window).await.unwrap();
    let record = service.store.machine_get(id).await.unwrap().unwrap();
    service.store.window_claim(&session.window, "n", (&record, &record), &[], clock::now()).await.unwrap();
    let token = windows::session_token(&service.key, &session.window, id, "n");
    let (old, _) = token.split_once('~').unwrap();
    for token in [&token, old] {
        assert_eq!(sessions::session(&service, token).await.unwrap().unwrap().machine, id);
    }
    assert_eq!(frozen(&service).await, None);
}

#[tokio::test]
async fn while_everything_is_frozen_what_destroys_is_stopped_and_what_is_done_begins_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    let (id, session) = writing(&service).await;
    let stored = async || service.store.machine_get(id).await.unwrap().unwrap();
    let before = stored().await;
    let mut two = before.clone();
    let seed = samples::step(StepName::Reboot, 1, StepPhase::Todo);
    two.machine.job.as_mut().unwrap().steps.push(seed);
    service.store.machine_update(&before, &two, &[], &[], clock::now()).await.unwrap();
    assert!(tells(&service, &session, 1).await);
    service.freeze("admin", Some("the wrong rack")).await.unwrap();
    assert!(!tells(&service, &session, 2).await);
    let done = Outcome::Done { evidence: "e".into(), disks: Vec::new() };
    assert!(says(&service, &session, done).await, "what is done is so");
    let machine = stored().await.machine;
    let steps = &machine.running_job().unwrap().steps;
    assert_eq!((steps[0].phase, steps[1].phase), (StepPhase::Intent, StepPhase::Todo));
    assert!(matches!(machine.facts.report.map(|report| report.said), Some(Reported::Done { .. })));
    let events = service.store.event_newest(EventsOf::Machine(id), 9).await.unwrap();
    assert!(events.last().unwrap().message.ends_with("by admin: the wrong rack"), "{events:?}");
    service.unfreeze("admin").await.unwrap();
    assert!(tells(&service, &session, 3).await);
    let events = service.store.event_newest(EventsOf::Machine(id), 9).await.unwrap();
    assert!(events.last().unwrap().message.starts_with("admin ends the freeze since"), "{events:?}");
}

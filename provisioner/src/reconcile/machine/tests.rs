//! When the power is looked at, and what a look at a machine costs that rests.

use super::*;
use crate::{app, bmcs, samples};
use bmc_mock::{Chassis, MemoryChassis, ipmi};
use provisioner_api::{BmcProtocol, JobKind, MachineState, StepPhase};
use provisioner_lifecycle::{Fact, Job, Step, StepName};
use std::sync::Arc;
use tokio_util::sync::{CancellationToken, DropGuard};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn record(facts: &[(Fact, i64)]) -> MachineRecord {
    let mut record = MachineRecord { generation: 7, ..samples::machine(1) };
    for (fact, second) in facts {
        record.machine = observe(&record.machine, fact, at(*second));
    }
    record
}

#[test]
fn a_bmc_in_trouble_is_not_asked_at_each_poke_and_one_that_refuses_us_seldom() {
    let trouble = |authentication| Fact::BmcTrouble { why: "x".into(), authentication };
    let seen = (Fact::Power { on: true }, 100);
    let glance = |second, generation| Some((at(second), generation));
    let (minute, long) = (60, 30 * 60);
    for (facts, glance, expected, why) in [
        (vec![], None, None, "never asked: at once"),
        (vec![seen.clone()], None, Some(100 + minute), "a deed showed it"),
        (vec![seen.clone()], glance(130, 7), Some(130 + minute), "asked since"),
        (vec![seen.clone(), (trouble(false), 110)], glance(110, 7), Some(115), "it did not answer just now"),
        (vec![seen.clone(), (trouble(false), 110)], glance(130, 7), Some(150), "nor since"),
        (vec![seen.clone(), (trouble(false), 110)], glance(900, 7), Some(900 + minute), "in lasting trouble"),
        (
            vec![seen.clone(), (trouble(false), 110), (trouble(false), 899)],
            glance(900, 7),
            Some(900 + minute),
            "that was told again",
        ),
        (vec![seen, (trouble(true), 110)], glance(120, 7), Some(120 + long), "refused"),
        (vec![(trouble(true), 110)], glance(120, 6), None, "a person changed it"),
    ] {
        assert_eq!(due(&record(&facts), glance), expected.map(at), "{why}");
    }
}

#[test]
fn machines_that_rest_are_asked_at_full_seconds_whoever_asked_before() {
    let asked = at(130) + SignedDuration::from_millis(700);
    let rests = record(&[(Fact::Power { on: true }, 100)]);
    assert_eq!(due(&rests, Some((asked, 7))), Some(at(190)));
    assert_eq!(next_poll(asked), at(190));
    let trouble = record(&[(Fact::BmcTrouble { why: "x".into(), authentication: true }, 90)]);
    assert_eq!(due(&trouble, Some((asked, 7))), Some(asked + POLL_REFUSED), "not together with others");
}

#[test]
fn what_an_earlier_process_saw_is_asked_for_in_the_first_minute_one_after_the_other() {
    let started = at(100_000);
    let known = [
        record(&[(Fact::Power { on: true }, 999)]),
        // Somebody may have corrected it meanwhile.
        record(&[(Fact::BmcTrouble { why: "x".into(), authentication: true }, 990)]),
    ];
    for record in known {
        let due = |number| due(&record, Some((first(&record, started, number), 7))).unwrap();
        assert_eq!(due(0), started);
        assert!((1..20_000).all(|number| (started..at(100_060)).contains(&due(number))));
        let second = (0..10_000).filter(|number| due(*number) < at(100_001)).count();
        assert!((100..200).contains(&second), "{second} in the first second");
    }
}

/// A resting machine with a simulated BMC, in a service of its own.
struct Resting {
    _folder: tempfile::TempDir,
    service: Arc<Service>,
    chassis: Arc<MemoryChassis>,
    id: MachineId,
    slots: Slots,
    left: Option<Glance>,
    _end: DropGuard,
}

impl Resting {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let service = app::tests::service(folder.path()).await;
        let (chassis, end) = (Arc::new(MemoryChassis::new()), CancellationToken::new());
        let users = vec![ipmi::User::administrator("admin", "right")];
        let local = "127.0.0.1:0".parse().unwrap();
        let server = ipmi::Server::bind(local, users, Arc::clone(&chassis) as _, [7; 16]).await.unwrap();
        let address = server.local_addr().unwrap().to_string();
        tokio::spawn(server.run(end.clone()));
        let mut record = record(&[]);
        record.spec.bmc =
            Some(BmcSpec { address, username: "admin".into(), ..BmcSpec::new(BmcProtocol::Ipmi) });
        (record.machine.want.accepted, record.machine.want.bmc) = (true, true);
        record.machine.state.name = MachineState::Available;
        let id = record.id();
        let secrets = bmcs::new_password(&service.key, id, "right").unwrap();
        service.store.machine_insert(&record, &secrets, &[], clock::now()).await.unwrap();
        let slots = Slots::new(Arc::default(), None);
        Self { _folder: folder, service, chassis, id, slots, left: None, _end: end.drop_guard() }
    }

    async fn glance(&mut self) -> Option<Next> {
        glance(&self.service, self.id, &self.slots, &mut self.left).await
    }

    async fn look(&mut self) -> Next {
        reconcile(&Led::alone(&self.service), self.id, &self.slots, &mut self.left).await.unwrap()
    }

    /// The first look asks its BMC; what that shows pokes, and the second finds nothing to do.
    async fn settled() -> Self {
        let mut resting = Self::new().await;
        for _ in 0..2 {
            let next = resting.look().await;
            assert!(matches!(next, Next::At(at) if at > clock::now()), "{next:?}");
        }
        resting
    }

    /// As if it had been asked for its power that much earlier.
    fn asked_earlier(&mut self, time: SignedDuration) {
        let left = self.left.as_mut().unwrap();
        left.power = left.power.map(|(at, generation)| (at - time, generation));
    }

    async fn stored(&self) -> MachineRecord {
        self.service.store.machine_get(self.id).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn a_resting_machine_is_asked_for_its_power_without_being_read_until_it_changes() {
    let mut fresh = Resting::new().await;
    assert_eq!(fresh.glance().await, None, "it was never looked at");

    let mut resting = Resting::settled().await;
    assert_eq!(resting.stored().await.machine.facts.power.map(|(on, _)| on), Some(false));

    resting.asked_earlier(POLL);
    // Whoever read or wrote now would fail.
    resting.service.store.close().await;
    let before = resting.left.unwrap().power.unwrap();
    let next = resting.glance().await.unwrap();
    assert!(matches!(next, Next::At(at) if at > clock::now()), "{next:?}");
    assert!(resting.left.unwrap().power.unwrap() > before, "it was asked");

    resting.asked_earlier(POLL);
    resting.chassis.set_power(true).await.unwrap();
    assert_eq!(resting.glance().await, None, "it has to be looked at in full");
}

#[tokio::test]
async fn what_a_person_changed_is_not_asked_by_the_driver_that_was_made_before() {
    let mut resting = Resting::settled().await;
    // It was asked a moment ago, so it is not due; then somebody gives it another password.
    let secrets = bmcs::new_password(&resting.service.key, resting.id, "wrong").unwrap();
    let change = |record: &MachineRecord, _| {
        let mut next = record.clone();
        next.generation += 1;
        Ok::<_, ServiceError>(Some(Change {
            secrets: secrets.clone().into(),
            ..Change::new(next, Vec::new())
        }))
    };
    resting.service.machine_change(resting.id, change).await.unwrap();
    resting.look().await;
    resting.asked_earlier(POLL);
    assert_eq!(resting.glance().await, None, "the old driver is not asked");
}

#[tokio::test]
async fn that_a_machine_at_work_was_seen_is_written_down() {
    let mut resting = Resting::settled().await;
    let (now, earlier) = (clock::now(), later(clock::now(), -POLL * 2));
    let step = samples::step(StepName::PhoneHome, 1, StepPhase::Intent);
    let step = Step { started: Some(now), ..step };
    let job = Job { started: now, ..samples::job(7, JobKind::Deploy, vec![step]) };
    let begin = |record: &MachineRecord, _| {
        let mut next = record.clone();
        next.machine.job = Some(job.clone());
        next.machine.state.name = MachineState::Deploying;
        next.machine.facts.power = Some((false, earlier));
        Ok::<_, ServiceError>(Some(Change::new(next, Vec::new())))
    };
    resting.service.machine_change(resting.id, begin).await.unwrap();
    resting.asked_earlier(POLL * 2);
    resting.look().await;
    let facts = resting.stored().await.machine.facts;
    assert!(facts.power.is_some_and(|(on, at)| !on && at >= now), "{facts:?}");
    assert!(resting.left.unwrap().idle.is_none(), "so it is looked at in full each time");
}

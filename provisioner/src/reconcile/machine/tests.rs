//! When the power is looked at, and what a look at a machine costs that rests.

use super::*;
use crate::{app, bmcs};
use bmc_mock::{Chassis, MemoryChassis, ipmi};
use provisioner_api::{BmcProtocol, MachineSpec, MachineState};
use provisioner_lifecycle::Fact;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn record(facts: &[(Fact, i64)]) -> MachineRecord {
    let mut machine = Machine::new(MachineId(Uuid::from_u128(1)), at(0));
    for (fact, second) in facts {
        machine = observe(&machine, fact, at(*second));
    }
    let spec = MachineSpec {
        pool: "default".into(),
        macs: Vec::new(),
        bmc: None,
        boot_mode: None,
        boot_chain: None,
        accepted: true,
        maintenance: false,
        labels: Default::default(),
    };
    MachineRecord { version: 1, generation: 7, name: "m".into(), spec, machine, created: at(0) }
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

/// A resting machine with a simulated BMC.
async fn resting(service: &Service, chassis: &Arc<MemoryChassis>, end: &CancellationToken) -> MachineId {
    let users = vec![ipmi::User::administrator("admin", "right")];
    let address = "127.0.0.1:0".parse().unwrap();
    let server = ipmi::Server::bind(address, users, Arc::clone(chassis) as _, [7; 16]).await.unwrap();
    let mut record = record(&[]);
    record.spec.bmc = Some(BmcSpec {
        protocol: BmcProtocol::Ipmi,
        address: server.local_addr().unwrap().to_string(),
        username: "admin".into(),
        cipher_suite: None,
        tls_sha256: None,
        tls_ca: None,
        domain: None,
        mac: None,
    });
    tokio::spawn(server.run(end.clone()));
    record.machine.want.accepted = true;
    record.machine.want.bmc = true;
    record.machine.state.name = MachineState::Available;
    let secrets = bmcs::new_password(&service.key, record.id(), "right").unwrap();
    service.store.machine_insert(&record, &secrets, &[], clock::now()).await.unwrap();
    record.id()
}

#[tokio::test]
async fn a_resting_machine_is_asked_for_its_power_without_being_read_until_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    let (chassis, end) = (Arc::new(MemoryChassis::new()), CancellationToken::new());
    let id = resting(&service, &chassis, &end).await;
    let slots = Slots::new(Arc::default(), None);
    let mut left = None;
    assert_eq!(glance(&service, id, &slots, &mut left).await, None, "it was never looked at");
    // The first look asks its BMC; what that shows pokes, and the second finds nothing to do.
    for _ in 0..2 {
        let next = reconcile(&service, id, &slots, &mut left).await.unwrap();
        assert!(matches!(next, Next::At(at) if at > clock::now()), "{next:?}");
    }
    let stored = service.store.machine_get(id).await.unwrap().unwrap();
    assert_eq!(stored.machine.facts.power.map(|(on, _)| on), Some(false));

    let a_minute_ago = |left: &mut Option<Glance>| {
        let glance = left.as_mut().unwrap();
        glance.power = glance.power.map(|(at, generation)| (at - POLL, generation));
    };
    a_minute_ago(&mut left);
    // Whoever read or wrote now would fail.
    service.store.close().await;
    let before = left.unwrap().power.unwrap();
    let next = glance(&service, id, &slots, &mut left).await.unwrap();
    assert!(matches!(next, Next::At(at) if at > clock::now()), "{next:?}");
    assert!(left.unwrap().power.unwrap() > before, "it was asked");

    a_minute_ago(&mut left);
    chassis.set_power(true).await.unwrap();
    assert_eq!(glance(&service, id, &slots, &mut left).await, None, "it has to be looked at in full");
    end.cancel();
}

#[tokio::test]
async fn what_a_person_changed_is_not_asked_by_the_driver_that_was_made_before() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    let (chassis, end) = (Arc::new(MemoryChassis::new()), CancellationToken::new());
    let id = resting(&service, &chassis, &end).await;
    let slots = Slots::new(Arc::default(), None);
    let mut left = None;
    for _ in 0..2 {
        reconcile(&service, id, &slots, &mut left).await.unwrap();
    }
    // It was asked a moment ago, so it is not due; then somebody gives it another password.
    let secrets = bmcs::new_password(&service.key, id, "wrong").unwrap();
    let change = |record: &MachineRecord, _| {
        let mut next = record.clone();
        next.generation += 1;
        Ok::<_, ServiceError>(Some(Change {
            secrets: secrets.clone().into(),
            ..Change::new(next, Vec::new())
        }))
    };
    service.machine_change(id, change).await.unwrap();
    reconcile(&service, id, &slots, &mut left).await.unwrap();
    let asked = left.as_mut().unwrap();
    asked.power = asked.power.map(|(at, generation)| (at - POLL, generation));
    assert_eq!(glance(&service, id, &slots, &mut left).await, None, "the old driver is not asked");
    end.cancel();
}

#[tokio::test]
async fn that_a_machine_at_work_was_seen_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    let (chassis, end) = (Arc::new(MemoryChassis::new()), CancellationToken::new());
    let id = resting(&service, &chassis, &end).await;
    let slots = Slots::new(Arc::default(), None);
    let mut left = None;
    for _ in 0..2 {
        reconcile(&service, id, &slots, &mut left).await.unwrap();
    }
    let (now, earlier) = (clock::now(), later(clock::now(), -POLL * 2));
    let step = provisioner_lifecycle::Step {
        name: StepName::PhoneHome,
        attempt: 1,
        phase: provisioner_api::StepPhase::Intent,
        started: Some(now),
        ended: None,
        not_before: None,
        result: None,
        asked: None,
    };
    let job = provisioner_lifecycle::Job {
        id: JobId(Uuid::from_u128(7)),
        kind: provisioner_api::JobKind::Deploy,
        epoch: 1,
        started: now,
        ended: None,
        restarts: 0,
        steps: vec![step],
    };
    let begin = |record: &MachineRecord, _| {
        let mut next = record.clone();
        next.machine.job = Some(job.clone());
        next.machine.state.name = MachineState::Deploying;
        next.machine.facts.power = Some((false, earlier));
        Ok::<_, ServiceError>(Some(Change::new(next, Vec::new())))
    };
    service.machine_change(id, begin).await.unwrap();
    let asked = left.as_mut().unwrap();
    asked.power = asked.power.map(|(_, generation)| (earlier, generation));
    reconcile(&service, id, &slots, &mut left).await.unwrap();
    let stored = service.store.machine_get(id).await.unwrap().unwrap();
    assert!(
        stored.machine.facts.power.is_some_and(|(on, at)| !on && at >= now),
        "{:?}",
        stored.machine.facts
    );
    assert!(left.unwrap().idle.is_none(), "so it is looked at in full each time");
    end.cancel();
}

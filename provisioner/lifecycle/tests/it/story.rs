//! The story of one machine, and what goes wrong in it.

use super::world::{World, inventory, owner, release};
use jiff::SignedDuration;
use provisioner_api::{JobKind, MachineState, Progress, StepPhase};
use provisioner_lifecycle::{
    Decision, Fact, Failure, Move, Outcome, Reported, Request, StepName, Task, order,
};

#[test]
fn from_the_rack_to_an_owner_and_back() {
    let mut world = World::added();
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Available);
    world.request(&Request::Assign(owner())).unwrap();
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Deployed);
    assert!(world.machine.state.dirty);
    world.request(&release()).unwrap();
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Available);
    assert!(!world.machine.state.dirty);
    world.request(&Request::Disown { instance: owner().instance }).unwrap();
    assert_eq!(world.machine.want.owner, None);
}

#[test]
fn a_discovered_machine_waits_for_a_person_for_ever() {
    let mut world = World::new();
    world.fact(&Fact::Claimed { job: None, inventory: inventory() });
    for _ in 0..100 {
        world.pass(SignedDuration::from_hours(24));
        assert!(matches!(world.decide(), Decision::Wait(patience) if patience.why.contains("accept")));
        assert_eq!(order(&world.machine, world.now), None, "and its agent gets no order");
    }
}

#[test]
fn a_wrong_password_is_held_at_once_and_a_retry_starts_anew() {
    let mut world = World::at(JobKind::Inspect, StepName::PowerOff);
    let why = "the BMC refuses user `admin`".to_owned();
    world.reconcile(|_| Err(Failure { why: why.clone(), permanent: true }));
    assert_eq!(world.machine.state.hold.as_ref().unwrap().why, why);
    assert_eq!(world.decide(), Decision::Done);
    let epoch = world.machine.job.as_ref().unwrap().epoch;
    world.request(&Request::Retry).unwrap();
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Available);
    assert!(world.machine.job.as_ref().unwrap().epoch > epoch);
}

#[test]
fn an_unreachable_bmc_is_tried_until_the_limit_and_held_then() {
    let mut world = World::at(JobKind::Inspect, StepName::PowerOff);
    let started = world.now;
    let mut tries = 0;
    while world.machine.state.hold.is_none() {
        match world.reconcile(|_| Err(Failure { why: "no answer".into(), permanent: false })) {
            Decision::Act(_) => tries += 1,
            Decision::Wait(patience) => world.now = patience.until.expect("it says until when"),
            _ => {}
        }
        assert!(tries < 100);
    }
    assert!(world.now.duration_since(started) >= world.limits.bmc);
    assert!(tries > 5, "{tries}");
}

#[test]
fn an_agent_that_never_calls_gets_new_boots_and_then_a_person() {
    let mut world = World::at(JobKind::Inspect, StepName::Agent);
    let mut epochs = vec![world.machine.job.as_ref().unwrap().epoch];
    while world.machine.state.hold.is_none() {
        if let Decision::Wait(patience) = world.reconcile(|_| Ok("done".into())) {
            world.now = patience.until.expect("it says until when");
        }
        epochs.push(world.machine.job.as_ref().unwrap().epoch);
    }
    epochs.dedup();
    assert_eq!(epochs.len() as u32, world.limits.restarts + 1);
}

#[test]
fn imaging_outlives_silence_shorter_than_the_limit_and_starts_anew_after_it() {
    let mut world = World::at(JobKind::Deploy, StepName::WriteImage);
    let progress = Reported::Progress(Progress { done: 1, total: 2 });
    for _ in 0..50 {
        world.pass(SignedDuration::from_secs(100));
        let fact = world.report(progress.clone()).unwrap();
        world.fact(&fact);
        assert!(matches!(world.decide(), Decision::Wait(patience) if patience.why.contains("50 %")));
    }
    world.pass(world.limits.agent_silence);
    assert!(matches!(world.decide(), Decision::Move(Move::Restart { .. })));
}

#[test]
fn an_order_that_failed_is_given_again_a_few_times_and_a_refusal_is_final() {
    let mut world = World::at(JobKind::Deploy, StepName::WriteImage);
    let mut attempts = Vec::new();
    while world.machine.state.hold.is_none() {
        if let Some(draft) = order(&world.machine, world.now) {
            attempts.push(draft.step.attempt);
            let fact = world.report(Reported::Failed("the disk says no".into())).unwrap();
            world.fact(&fact);
        }
        if let Decision::Wait(patience) = world.reconcile(|_| Ok("done".into())) {
            world.now = patience.until.unwrap();
        }
    }
    assert_eq!(attempts, [1, 2, 3]);

    let mut world = World::at(JobKind::Deploy, StepName::WriteImage);
    let fact = world.report(Reported::Refused("that disk is not here".into())).unwrap();
    world.fact(&fact);
    assert!(matches!(world.decide(), Decision::Hold { why, .. } if why.contains("that disk is not here")));
}

#[test]
fn a_report_of_an_older_epoch_counts_for_nothing() {
    let mut world = World::at(JobKind::Deploy, StepName::WriteImage);
    let late = world.report(Reported::Done { evidence: "old".into(), disks: Vec::new() }).unwrap();
    let change = Move::Restart { why: "test".into() };
    world.settle(&Outcome::Moved { change, fresh: provisioner_api::JobId(uuid::Uuid::nil()) });
    while world.machine.job.as_ref().unwrap().current().unwrap().name != StepName::WriteImage {
        world.live();
    }
    world.reconcile(|_| Ok("done".into()));
    world.fact(&late);
    assert!(matches!(world.decide(), Decision::Wait(_)), "{:?}", world.decide());
}

#[test]
fn an_image_larger_than_every_disk_is_held_before_anything_is_written() {
    let mut world = World::assigned();
    world.machine.want.owner.as_mut().unwrap().disk_bytes = 1_000_000;
    while world.machine.state.hold.is_none() {
        world.live();
    }
    let hold = world.machine.state.hold.clone().unwrap();
    assert!(hold.why.contains("1000000 bytes") && hold.why.contains("root"), "{}", hold.why);
    assert!(!world.machine.state.dirty);
    // Nothing was written, so giving it back needs no wiping.
    world.request(&release()).unwrap();
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Available);
}

#[test]
fn a_deployment_that_wrote_is_wiped_when_it_is_given_back() {
    let mut world = World::at(JobKind::Deploy, StepName::WriteSeed);
    world.request(&release()).unwrap();
    world.reconcile(|_| Ok("done".into()));
    assert_eq!(world.machine.state.name, MachineState::Releasing);
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Available);
    assert!(!world.machine.state.dirty);
}

#[test]
fn wiped_needs_proof_for_every_disk() {
    let mut world = World::at(JobKind::Release, StepName::Erase);
    let Task::Erase { permit, .. } = order(&world.machine, world.now).unwrap().task else {
        panic!("no erase order")
    };
    assert_eq!(permit.disks, ["root", "data"]);
    let fact = world.report(Reported::Done { evidence: "trust me".into(), disks: Vec::new() }).unwrap();
    world.fact(&fact);
    assert!(matches!(world.decide(), Decision::Hold { why, .. } if why.contains("no proof")));
}

#[test]
fn an_inspection_can_be_cancelled_even_when_held() {
    let mut world = World::at(JobKind::Inspect, StepName::Agent);
    world.settle(&Outcome::Held { why: "test".into(), choices: Vec::new() });
    world.request(&Request::Cancel).unwrap();
    world.reconcile(|_| Ok("done".into()));
    assert_eq!(world.machine.state.name, MachineState::Discovered);
    assert!(matches!(world.decide(), Decision::Wait(patience) if patience.why.contains("inspected")));
    world.request(&Request::Inspect).unwrap();
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Available);
}

#[test]
fn a_step_is_begun_in_the_books_before_its_effect() {
    let mut world = World::added();
    for _ in 0..100 {
        if let Decision::Act(_) = world.decide() {
            let step = world.machine.running_job().unwrap().current().unwrap().clone();
            assert_eq!(step.phase, StepPhase::Intent, "{step:?}");
        }
        world.live();
    }
}

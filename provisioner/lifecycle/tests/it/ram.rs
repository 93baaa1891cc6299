//! Instances that run from RAM: their deployment, each way in which what runs can be lost, and their end.

use super::world::{World, cancel, held, inventory_of, ram_owner, reinstall, release};
use jiff::SignedDuration;
use provisioner_api::{Inventory, JobKind, MachineState, StepPhase};
use provisioner_lifecycle::{
    Decision, Effect, Fact, Limits, Machine, Move, Refusal, Reported, Request, StepName, Task, Then, admit,
    order, ram_steps, steps_of,
};

fn steps(machine: &Machine) -> Vec<StepName> {
    machine.job.iter().flat_map(|job| &job.steps).map(|step| step.name).collect()
}

fn epoch(world: &World) -> u64 {
    world.machine.state.epoch
}

#[test]
fn nothing_that_destroys_is_among_its_steps() {
    for again in [false, true] {
        assert!(ram_steps(again).iter().all(|step| !step.destroys()));
        assert!(ram_steps(again).contains(&StepName::BootRam));
    }
    for kind in [JobKind::Inspect, JobKind::Deploy, JobKind::Reinstall, JobKind::Release] {
        assert!(!steps_of(kind, false).contains(&StepName::BootRam));
    }
}

#[test]
fn it_is_booted_and_its_disks_count_as_written_to() {
    let mut world = World::ram_at(StepName::Agent);
    assert!(!world.machine.state.dirty, "nothing ran yet");
    world.run_to(StepName::BootRam);
    assert!(world.machine.state.dirty);
    assert_eq!(world.machine.state.root_disk, None);
    let task = order(&world.machine, world.now).map(|draft| draft.task);
    assert!(matches!(task, Some(Task::BootRam { manifest, .. }) if manifest == "f00d"));
    world.run_to_rest();
    assert_eq!(steps(&world.machine), ram_steps(false));
    assert_eq!(world.machine.state.name, MachineState::Deployed);
    assert_eq!(world.machine.state.owed, ["root", "data"]);
}

#[test]
fn a_boot_from_the_network_starts_it_again_under_a_new_epoch() {
    let mut world = World::ram_deployed();
    let (before, owed) = (epoch(&world), world.machine.state.owed.clone());
    world.fact(&Fact::Netboot);
    assert_eq!(world.decide(), Decision::Done, "that may be taken down late");
    world.fact(&Fact::BootsAgain);
    let Decision::Move(Move::Start { kind: JobKind::Deploy, .. }) = world.decide() else {
        panic!("{:?}", world.decide())
    };
    world.run_to(StepName::BootNetwork);
    assert!(world.machine.awaits_its_window() && !world.machine.boots_again());
    world.run_to(StepName::Agent);
    assert!(!world.machine.awaits_its_window(), "it is open");
    assert_eq!(steps(&world.machine), ram_steps(true), "it is not switched off in the middle of its boot");
    assert_eq!((epoch(&world), &world.machine.state.owed), (before + 1, &owed));
    world.run_to_rest();
    assert_eq!((world.machine.state.name, epoch(&world)), (MachineState::Deployed, before + 1));
    assert!(world.machine.state.dirty);
}

#[test]
fn one_whose_agent_never_comes_is_started_from_power_off() {
    let mut world = World::ram_deployed();
    world.fact(&Fact::BootsAgain);
    world.run_to(StepName::Agent);
    world.pass(world.limits.agent_call_in);
    assert!(matches!(world.decide(), Decision::Move(Move::Restart { .. })), "{:?}", world.decide());
    world.run_to(StepName::PowerOff);
    assert_eq!(steps(&world.machine), ram_steps(false));
}

#[test]
fn one_that_was_off_is_started_when_it_is_on() {
    let mut world = World::ram_deployed();
    world.fact(&Fact::Power { on: true });
    assert_eq!(world.decide(), Decision::Done);
    world.pass(SignedDuration::from_mins(1));
    world.fact(&Fact::Power { on: false });
    let Decision::Wait(patience) = world.decide() else { panic!("{:?}", world.decide()) };
    assert_eq!((patience.then, patience.since), (Then::Person, world.now));
    assert!(patience.hint.is_some_and(|hint| hint.contains("power on")));
    world.request(&Request::Power { on: true }).unwrap();
    assert!(matches!(world.decide(), Decision::Act(Effect::Power { on: true, wish: Some(_) })));
    world.reconcile(|_| Ok(String::new()));
    world.fact(&Fact::Power { on: true });
    assert!(matches!(world.decide(), Decision::Move(Move::Start { kind: JobKind::Deploy, .. })));
    world.run_to_rest();
    assert_eq!((world.machine.state.name, world.decide()), (MachineState::Deployed, Decision::Done));
}

#[test]
fn one_that_starts_anew_before_it_reported_in_is_started_again_at_most_twice() {
    let mut world = World::ram_at(StepName::PhoneHome);
    for _ in 0..Limits::default().restarts {
        world.fact(&Fact::BootsAgain);
        assert!(matches!(world.decide(), Decision::Move(Move::Restart { .. })));
        world.reconcile(|_| Ok(String::new()));
        world.run_to(StepName::PhoneHome);
    }
    world.fact(&Fact::BootsAgain);
    assert!(matches!(world.decide(), Decision::Hold { .. }));
}

#[test]
fn others_and_held_ones_are_not_started_by_a_boot() {
    let mut held_one = World::ram_deployed();
    held_one.settle(&held());
    let mut given_back = World::ram_deployed();
    given_back.request(&release()).unwrap();
    for mut world in
        [World::deployed(), held_one, given_back, World::available(), World::ram_at(StepName::Agent)]
    {
        let before = world.machine.clone();
        assert!(!before.boots_again());
        world.fact(&Fact::BootsAgain);
        assert_eq!(world.machine, before);
    }
}

#[test]
fn too_little_memory_is_held_with_the_numbers() {
    for (seen, holds) in [(3999, true), (4000, false), (0, false)] {
        let mut world = World::ram_at(StepName::Agent);
        let job = world.machine.running_job().map(|job| (job.id, job.epoch));
        let inventory = Inventory { memory_bytes: seen, ..inventory_of(&["root"]) };
        world.fact(&Fact::Claimed { job, inventory });
        world.reconcile(|_| Ok(String::new()));
        let decision = world.decide();
        assert_eq!(
            matches!(&decision, Decision::Hold { why, .. } if why.contains("MiB")),
            holds,
            "{decision:?}"
        );
    }
}

#[test]
fn what_the_agent_refuses_is_held_with_a_way_on() {
    let mut world = World::ram_at(StepName::BootRam);
    world.says(Reported::Refused("lockdown".into()));
    world.reconcile(|_| Ok(String::new()));
    let hold = world.machine.state.hold.clone().unwrap();
    assert!(hold.why.contains("lockdown"), "{hold:?}");
    let ways: Vec<_> =
        provisioner_lifecycle::ways_out(&world.machine).into_iter().map(|way| way.what).collect();
    assert!(ways.iter().any(|way| way.contains("booted again")), "{ways:?}");
    assert!(!ways.iter().any(|way| way.contains("disk is written")), "{ways:?}");
}

#[test]
fn a_release_wipes_what_it_could_have_written() {
    let mut world = World::ram_deployed();
    world.request(&release()).unwrap();
    world.run_to(StepName::Erase);
    let task = order(&world.machine, world.now).map(|draft| draft.task);
    let Some(Task::Erase { leave, .. }) = task else { panic!("{task:?}") };
    assert_eq!(leave.disks.len(), 2);
    world.run_to_rest();
    assert_eq!((world.machine.state.name, world.machine.state.dirty), (MachineState::Available, false));
}

#[test]
fn a_machine_without_a_disk_is_given_back_without_a_wiping() {
    let mut world = World::ram_assigned();
    world.disks.clear();
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Deployed);
    world.request(&release()).unwrap();
    world.run_to_rest();
    assert_eq!((world.machine.state.name, world.machine.state.dirty), (MachineState::Available, false));
    let erase =
        world.machine.job.as_ref().and_then(|job| job.steps.iter().find(|step| step.name == StepName::Erase));
    assert!(erase.is_some_and(|step| step.phase == StepPhase::Done && step.started.is_none()));
    // A disk that was there before is missed all the same.
    let mut gone = World::ram_deployed();
    gone.disks.clear();
    gone.request(&release()).unwrap();
    for _ in 0..60 {
        gone.live();
    }
    assert!(gone.machine.state.hold.is_some_and(|hold| hold.why.contains("sees no disk")));
}

#[test]
fn one_that_is_given_back_before_it_ran_is_only_switched_off() {
    let mut world = World::ram_at(StepName::Agent);
    world.request(&release()).unwrap();
    world.run_to_rest();
    assert_eq!(steps(&world.machine), [StepName::Rest]);
    assert_eq!(world.machine.state.name, MachineState::Available);
}

#[test]
fn there_is_nothing_to_install_anew() {
    let refused = admit(&World::ram_deployed().machine, &reinstall()).unwrap_err();
    assert_eq!(refused, Refusal::RunsFromRam);
}

#[test]
fn a_disk_that_was_left_unwiped_is_in_nobodys_reach() {
    let mut world = World::ram_at(StepName::Agent);
    world.machine.state.unwiped = vec!["data".into()];
    let answer = world.good_answer().unwrap();
    world.fact(&answer);
    world.reconcile(|_| Ok(String::new()));
    assert!(matches!(world.decide(), Decision::Hold { why, .. } if why.contains("data")));
}

#[test]
fn documents_of_earlier_versions_are_read() {
    let machine = World::deployed().machine;
    let stored = serde_json::to_value(&machine).unwrap();
    assert!(stored["want"]["owner"].get("ram").is_none() && stored["facts"].get("boots_again").is_none());
    let owner = serde_json::to_value(ram_owner()).unwrap();
    assert_eq!(owner["ram"]["memory_bytes"], 4000);
}

/// Its disks hold what it wrote while it ran: whoever stops the new start does not ask for them to be wiped.
#[test]
fn a_start_that_comes_again_is_not_cancelled_into_a_wiping() {
    let mut world = World::ram_deployed();
    world.fact(&Fact::BootsAgain);
    world.run_to(StepName::Agent);
    let cancelled = admit(&world.machine, &cancel());
    assert_eq!(cancelled.unwrap_err(), Refusal::NothingToCancel);
    world.request(&release()).unwrap();
    world.run_to(StepName::Erase);
}

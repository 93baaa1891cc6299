//! An instance that is installed anew: which disk is written, what an old system may still say, and what cancelling does.

use super::world::{INSTANCE, World, cancel, choose, held, inventory_of, reinstall, release};
use jiff::SignedDuration;
use provisioner_api::{Choice, InstanceState, JobKind, MachineState};
use provisioner_lifecycle::{
    Decision, Effect, Fact, Instance, InstanceDecision, Leave, Machine, NoRootDisk, Refusal, Reinstall,
    Reported, Request, StepName, Task, choices, decide_instance, order,
};
use std::sync::Arc;

/// The disks that a permit names just now.
fn permitted(world: &World) -> Vec<String> {
    let leave: Leave = match order(&world.machine, world.now).map(|draft| draft.task) {
        Some(Task::WriteImage { leave, .. } | Task::WriteSeed { leave, .. } | Task::Erase { leave, .. }) => {
            leave
        }
        other => panic!("nothing is permitted: {other:?}"),
    };
    leave.disks.into_iter().map(|disk| disk.serial).collect()
}

fn asks(disk: Option<&str>, bytes: u64) -> Request {
    let manifest = "beef".into();
    Request::Reinstall(Reinstall {
        instance: INSTANCE,
        manifest,
        disk_bytes: bytes,
        root_disk_serial: disk.map(Into::into),
    })
}

/// The instance, as it is stored once it was asked to be installed anew.
fn instance(machine: &Machine, state: InstanceState) -> Instance {
    Instance {
        id: INSTANCE,
        state,
        machine: Some(machine.id),
        release: None,
        installation: 1,
        reinstalls: true,
        deadline: None,
    }
}

fn follows(world: &World, state: InstanceState) -> InstanceDecision {
    decide_instance(&instance(&world.machine, state), Some(&world.machine), world.now)
}

#[test]
fn the_disk_that_was_written_is_written_again_even_if_another_one_would_fit_better() {
    let mut world = World::deployed();
    assert_eq!(world.machine.state.root_disk.as_deref(), Some("root"));
    // 3000 bytes don't fit the disk with the system, but the data disk.
    let refused = world.request(&asks(None, 3000)).unwrap_err();
    assert!(matches!(refused, Refusal::RootDisk(NoRootDisk::Unfit(_))), "{refused}");
    let refused = world.request(&asks(Some("data"), 1000)).unwrap_err();
    assert_eq!(refused, Refusal::RootDisk(NoRootDisk::Other { there: "root".into() }));
    world.request(&asks(Some("root"), 1500)).unwrap();
    world.disks = vec!["data", "root", "smaller"];
    for step in [StepName::WriteImage, StepName::WriteSeed] {
        world.run_to(step);
        assert_eq!(permitted(&world), ["root"]);
    }
    world.run_to_rest();
    assert_eq!((world.machine.state.name, world.machine.state.installed), (MachineState::Deployed, 1));
    // All that was ever seen is wiped once it is given back.
    world.request(&release()).unwrap();
    world.run_to(StepName::Erase);
    assert_eq!(permitted(&world), ["data", "root", "smaller"]);
}

#[test]
fn a_root_disk_that_is_gone_holds_it_and_no_other_one_is_taken() {
    let mut world = World::deployed();
    world.request(&reinstall()).unwrap();
    world.disks = vec!["data"];
    world.run_to_rest();
    let hold = world.machine.state.hold.clone().unwrap();
    assert!(hold.why.contains("no disk has the serial number `root`"), "{}", hold.why);
    assert_eq!(order(&world.machine, world.now), None);
    assert_eq!(choices(&world.machine), [Choice::Retry, Choice::Cancel, Choice::GiveBack, Choice::Abandon]);
    world.disks = vec!["root", "data"];
    world.request(&choose(&world.machine, Choice::Retry)).unwrap();
    world.run_to_rest();
    assert_eq!((world.machine.state.name, world.machine.state.installed), (MachineState::Deployed, 1));
}

#[test]
fn of_earlier_versions_the_disk_is_the_one_that_they_chose() {
    let mut world = World::deployed();
    world.machine.state.root_disk = None;
    // The new image would go elsewhere by itself: it is too large for the disk with the system.
    assert!(matches!(world.request(&asks(None, 3000)), Err(Refusal::RootDisk(_))));
    world.request(&reinstall()).unwrap();
    world.run_to(StepName::WriteImage);
    assert_eq!(permitted(&world), ["root"]);
}

#[test]
fn only_the_system_that_was_just_written_ends_it() {
    let mut world = World::deployed();
    world.request(&reinstall()).unwrap();
    let says = |installation| Fact::PhonedHome { instance: INSTANCE, installation };
    for step in [StepName::PowerOff, StepName::Agent, StepName::WriteImage, StepName::Reboot] {
        world.run_to(step);
        world.fact(&says(0));
        assert_eq!(world.machine.running_job().unwrap().current().unwrap().name, step);
    }
    world.run_to(StepName::PhoneHome);
    let waits = world.decide();
    for other in [0, 2] {
        world.fact(&says(other));
        assert_eq!(world.decide(), waits, "installation {other} is another's");
    }
    world.fact(&says(1));
    assert!(matches!(world.decide(), Decision::Move(_)));
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Deployed);
}

#[test]
fn what_can_not_be_installed_anew_is_refused() {
    let refused = |mut world: World| world.request(&reinstall()).unwrap_err();
    assert_eq!(refused(World::available()), Refusal::NotYours);
    assert!(matches!(refused(World::at(JobKind::Deploy, StepName::PhoneHome)), Refusal::State { .. }));
    assert_eq!(refused(World::at(JobKind::Release, StepName::Erase)), Refusal::GivenBack);
    let mut world = World::deployed();
    world.request(&Request::Protected(true)).unwrap();
    assert_eq!(refused(world), Refusal::Protected);
    let mut world = World::deployed();
    world.request(&Request::Bmc(false)).unwrap();
    assert_eq!(refused(world), Refusal::NoBmc);
    let mut world = World::deployed();
    world.request(&reinstall()).unwrap();
    assert_eq!(refused(world.clone()), Refusal::Reinstalling, "asked for");
    assert_eq!(world.request(&Request::Protected(true)), Err(Refusal::ToBeWritten));
    world.run_to(StepName::Agent);
    assert_eq!(refused(world.clone()), Refusal::Reinstalling, "begun");
    assert_eq!(world.request(&Request::Protected(true)), Err(Refusal::ToBeWritten));
    let refused = refused(World::cancelled_reinstallation(StepName::PowerOn));
    assert!(matches!(refused, Refusal::State { .. }), "its old system does not run yet: {refused}");
}

#[test]
fn cancelled_before_it_wrote_the_old_system_boots_again() {
    for step in [StepName::PowerOff, StepName::PowerOn, StepName::Agent] {
        for is_held in [false, true] {
            let mut world = World::at(JobKind::Reinstall, step);
            if is_held {
                world.settle(&held());
            }
            let epoch = world.machine.state.epoch;
            world.request(&cancel()).unwrap();
            assert_eq!(follows(&world, InstanceState::Reinstalling), InstanceDecision::Done);
            let mut done = Vec::new();
            while world.decide() != Decision::Done {
                world.reconcile(|effect| {
                    done.push(effect);
                    Ok(String::new())
                });
            }
            let power = |on| Effect::Power { on, wish: None };
            assert_eq!(done, [power(false), Effect::BootDisk, power(true)], "{step}");
            let state = &world.machine.state;
            assert_eq!((state.name, state.installed), (MachineState::Deployed, 0));
            assert!(state.epoch > epoch && state.dirty && state.root_disk.is_some());
            assert_eq!(follows(&world, InstanceState::Reinstalling), InstanceDecision::Restore);
            // What ended is over, and another one may be asked for.
            world.request(&reinstall()).unwrap();
            world.run_to_rest();
            assert_eq!(world.machine.state.installed, 2);
        }
    }
    let mut world = World::deployed();
    world.request(&reinstall()).unwrap();
    world.request(&cancel()).unwrap();
    assert_eq!(world.decide(), Decision::Done, "it did not begin: its system runs on");
    assert_eq!(follows(&world, InstanceState::Reinstalling), InstanceDecision::Restore);
}

#[test]
fn cancelled_after_it_wrote_it_is_held_and_goes_on_or_is_given_back() {
    let mut world = World::at(JobKind::Reinstall, StepName::WriteImage);
    world.request(&cancel()).unwrap();
    world.run_to_rest();
    assert!(world.machine.state.hold.as_ref().unwrap().why.contains("neither the old system"));
    assert_eq!(world.request(&cancel()), Err(Refusal::OldSystemGone));
    assert_eq!(choices(&world.machine), [Choice::Retry, Choice::GiveBack, Choice::Abandon]);
    // Also once it begins anew: what was written does not come back.
    let mut again = world.clone();
    again.request(&Request::Retry).unwrap();
    again.run_to(StepName::Agent);
    again.request(&cancel()).unwrap();
    again.run_to_rest();
    assert!(again.machine.state.hold.is_some());
    again.request(&Request::Retry).unwrap();
    again.run_to_rest();
    assert_eq!(again.machine.state.name, MachineState::Deployed);
    assert_eq!(follows(&again, InstanceState::Reinstalling), InstanceDecision::Move(InstanceState::Running));

    world.request(&choose(&world.machine, Choice::GiveBack)).unwrap();
    world.run_to(StepName::Erase);
    assert_eq!(permitted(&world), ["root", "data"]);
    world.run_to_rest();
    assert_eq!((world.machine.state.name, world.machine.state.dirty), (MachineState::Available, false));
}

#[test]
fn given_back_meanwhile_everything_is_wiped() {
    for step in [StepName::PowerOff, StepName::Agent, StepName::WriteImage, StepName::PhoneHome] {
        let mut world = World::at(JobKind::Reinstall, step);
        world.request(&release()).unwrap();
        world.run_to(StepName::Erase);
        assert_eq!(permitted(&world), ["root", "data"], "{step}");
        world.run_to_rest();
        assert_eq!(world.machine.state.name, MachineState::Available);
    }
}

#[test]
fn a_reinstallation_that_fails_is_tried_again_by_itself_and_then_held() {
    let mut world = World::at(JobKind::Reinstall, StepName::WriteImage);
    for _ in 0..3 {
        world.run_to(StepName::WriteImage);
        world.says(Reported::Failed("the disk is slow to answer".into()));
        world.reconcile(|_| Ok(String::new()));
        world.pass(SignedDuration::from_secs(60));
    }
    world.run_to_rest();
    assert!(world.machine.state.hold.as_ref().unwrap().why.contains("failed 3 times"));
}

#[test]
fn documents_of_earlier_versions_are_read() {
    let mut world = World::deployed();
    world.machine.facts.inventory = Some(Arc::new(inventory_of(&["root", "data"])));
    let mut document = serde_json::to_value(&world.machine).unwrap();
    for (part, field) in [("state", "installation"), ("state", "installed"), ("state", "root_disk")] {
        assert!(document[part].as_object_mut().unwrap().remove(field).is_some(), "{field}");
    }
    assert!(document["want"]["owner"].as_object_mut().unwrap().remove("installation").is_some());
    let read: Machine = serde_json::from_value(document).unwrap();
    assert_eq!((read.state.installed, read.state.root_disk.clone(), read.reinstalls()), (0, None, false));
}

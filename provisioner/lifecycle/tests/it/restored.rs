//! A machine out of a restored database: nothing is done to it before somebody confirmed what is known of it.

use super::world::{INSTANCE, World, cancel, choose, owner, reinstall, release};
use jiff::{SignedDuration, Timestamp};
use provisioner_api::{Choice, JobKind, MachineState};
use provisioner_lifecycle::{
    Decision, Fact, Machine, Move, Refusal, Request, StepName, choices, confirm_first, order, ways_out,
};

/// The world's machine as the database gives it back that was restored an hour later.
fn restored(mut world: World) -> World {
    let backup = world.now;
    world.pass(SignedDuration::from_hours(1));
    world.machine = confirm_first(&world.machine, backup, world.now);
    world
}

/// Every situation that a backup may show.
fn situations() -> Vec<World> {
    let mut list =
        vec![World::new(), World::added(), World::available(), World::assigned(), World::deployed()];
    let mut given_back = World::deployed();
    given_back.request(&release()).unwrap();
    list.push(given_back);
    let mut anew = World::deployed();
    anew.request(&reinstall()).unwrap();
    list.push(anew);
    let mut adopted = World::new();
    adopted.request(&Request::Adopt(owner())).unwrap();
    list.extend([adopted, World::adopted()]);
    list.extend([StepName::PowerOff, StepName::PowerOn].map(World::cancelled_reinstallation));
    for kind in [JobKind::Inspect, JobKind::Deploy, JobKind::Reinstall, JobKind::Release] {
        let first = World::at(kind, StepName::PowerOff);
        let steps = first.machine.job.as_ref().unwrap().steps.clone();
        list.extend(steps.iter().map(|step| World::at(kind, step.name)));
        if kind == JobKind::Deploy {
            list.extend(steps.iter().map(|step| {
                let mut world = World::at(kind, step.name);
                world.request(&release()).unwrap();
                world
            }));
        }
    }
    list
}

#[test]
fn nothing_is_done_to_any_machine_before_a_choice() {
    for world in situations() {
        let before = world.machine.clone();
        let mut world = restored(world);
        let name =
            format!("{:?}, {:?}", before.state.name, before.running_job().and_then(|job| job.current()));
        assert!(
            world.machine.state.epoch > before.state.epoch + 1_000_000,
            "{name}: every epoch since is lower"
        );
        assert_eq!(world.machine.running_job().is_some(), before.running_job().is_some());
        assert!(
            world.machine.running_job().is_none_or(|job| job.epoch == world.machine.state.epoch),
            "{name}"
        );
        assert_eq!(world.decide(), Decision::Done, "{name}");
        assert_eq!(order(&world.machine, world.now), None, "{name}");
        // Nor by what somebody asks who does not know.
        let asked = [
            Request::Accept,
            release(),
            Request::Power { on: false },
            Request::Inspect,
            Request::Cancel { erase: Default::default() },
            Request::Assign(owner()),
            Request::Maintenance(true),
            reinstall(),
            Request::Adopt(owner()),
            Request::Protected(true),
            Request::Protected(false),
        ];
        for request in &asked {
            let _ = world.request(request);
        }
        world.pass(SignedDuration::from_hours(1000));
        assert_eq!(world.decide(), Decision::Done, "{name}");
        let offered = choices(&world.machine);
        let to_go = before.running_job().is_none() && is_given_back(&world.machine);
        let goes_on = if to_go { Choice::GiveBack } else { Choice::Retry };
        assert!(offered.contains(&goes_on), "{name}: {offered:?}");
        let ways = ways_out(&world.machine);
        assert!(ways.iter().all(|way| !way.what.contains("mend the cause")), "{name}: {ways:?}");
    }
}

fn is_given_back(machine: &Machine) -> bool {
    machine.want.owner.as_ref().is_some_and(|owner| owner.release.is_some())
}

#[test]
fn who_confirms_that_an_instance_runs_never_gives_it_back_by_that() {
    let mut world = restored(World::deployed());
    let confirms = choose(&world.machine, Choice::Retry);
    // While the operator looks, its owner gives it back.
    world.request(&release()).unwrap();
    assert!(matches!(world.request(&confirms), Err(Refusal::NoChoice { .. })));
    assert_eq!(world.request(&Request::Retry), Err(Refusal::Unconfirmed));
    assert_eq!(world.decide(), Decision::Done);
    let ways = ways_out(&world.machine);
    assert!(ways.iter().any(|way| way.what.contains("give-back` wipes")), "{ways:?}");
    world.request(&choose(&world.machine, Choice::GiveBack)).unwrap();
    assert_eq!(world.decide(), Decision::Move(Move::Lift));
}

#[test]
fn a_reinstallation_that_did_not_begin_is_taken_back_before_the_system_is_confirmed() {
    let mut world = World::deployed();
    world.request(&reinstall()).unwrap();
    let mut world = restored(world);
    assert_eq!(restored(World::deployed()).request(&reinstall()), Err(Refusal::Unconfirmed));
    world.machine.want.protected = true;
    assert_eq!(world.request(&Request::Retry), Err(Refusal::Protected), "it would write over what runs");
    world.machine.want.protected = false;
    world.request(&cancel()).unwrap();
    world.request(&choose(&world.machine, Choice::Retry)).unwrap();
    world.reconcile(|_| panic!("nothing is done to it"));
    assert_eq!(world.machine.state.name, MachineState::Deployed);
    assert_eq!(world.machine.state.hold, None);
}

#[test]
fn what_is_taken_for_deployed_is_the_installation_that_was_wanted() {
    for step in [StepName::Agent, StepName::WriteImage, StepName::PhoneHome] {
        let world = restored(World::at(JobKind::Reinstall, step));
        let (mut said, mut reported) = (world.clone(), world);
        let wanted = said.machine.want.owner.as_ref().unwrap().installation;
        said.request(&choose(&said.machine, Choice::ItRuns)).unwrap();
        reported.pass(SignedDuration::from_secs(1));
        reported.fact(&Fact::PhonedHome { instance: INSTANCE, installation: wanted });
        for world in [&mut said, &mut reported] {
            world.reconcile(|_| panic!("nothing is done to it"));
            assert_eq!(world.machine.state.name, MachineState::Deployed, "{step}");
            assert_eq!((world.machine.state.installed, world.machine.state.installation), (wanted, wanted));
        }
    }
}

#[test]
fn a_system_that_runs_is_taken_for_deployed_by_an_operators_word_or_its_own() {
    for step in
        [StepName::PowerOff, StepName::Agent, StepName::WriteImage, StepName::Reboot, StepName::PhoneHome]
    {
        let world = restored(World::at(JobKind::Deploy, step));
        let (mut said, mut reported, mut old) = (world.clone(), world.clone(), world);
        said.request(&choose(&said.machine, Choice::ItRuns)).unwrap();
        reported.pass(SignedDuration::from_secs(1));
        let fact = reported.phones_home();
        reported.fact(&fact);
        for world in [&mut said, &mut reported] {
            let decision = world.reconcile(|_| panic!("nothing is switched"));
            assert!(
                matches!(decision, Decision::Move(Move::Finish { to: MachineState::Deployed, .. })),
                "{step}"
            );
            let state = &world.machine.state;
            assert_eq!(
                (state.name, state.dirty, &state.hold),
                (MachineState::Deployed, true, &None),
                "{step}"
            );
            assert_eq!(world.decide(), Decision::Done, "{step}");
        }
        // What the backup had heard says nothing of now.
        old.now = Timestamp::from_second(1_700_000_000).unwrap();
        let fact = old.phones_home();
        old.fact(&fact);
        assert_eq!(old.decide(), Decision::Done, "{step}");
    }
}

#[test]
fn what_is_tried_again_begins_from_power_off_and_ends_wiped_or_deployed() {
    for step in [StepName::PowerOff, StepName::WriteImage, StepName::PhoneHome] {
        let mut world = restored(World::at(JobKind::Deploy, step));
        world.request(&Request::Retry).unwrap();
        world.run_to_rest();
        assert_eq!(world.machine.state.name, MachineState::Deployed, "{step}");
        // A machine that had nothing written in the backup may have something by now.
        let mut world = restored(World::at(JobKind::Deploy, step));
        world.request(&choose(&world.machine, Choice::GiveBack)).unwrap();
        world.run_to(StepName::Erase);
        world.run_to_rest();
        assert_eq!((world.machine.state.name, world.machine.state.dirty), (MachineState::Available, false));
    }
    for step in [StepName::PowerOff, StepName::Erase, StepName::Rest] {
        let mut world = restored(World::at(JobKind::Release, step));
        world.request(&Request::Retry).unwrap();
        world.run_to(StepName::Erase);
        world.run_to_rest();
        assert_eq!((world.machine.state.name, world.machine.state.dirty), (MachineState::Available, false));
    }
}

#[test]
fn a_machine_at_rest_is_confirmed_and_nothing_is_done_to_it() {
    for world in [World::available(), World::deployed()] {
        let name = world.machine.state.name;
        let mut world = restored(world);
        assert_eq!(world.request(&Request::Assign(owner())).is_ok(), name == MachineState::Deployed);
        world.request(&Request::Retry).unwrap();
        world.run_to_rest();
        assert_eq!((world.machine.state.name, &world.machine.state.hold), (name, &None));
    }
    let mut world = restored(World::available());
    assert_eq!(world.request(&Request::Power { on: true }), Err(Refusal::Unconfirmed));
    assert_eq!(choices(&world.machine), [Choice::Retry, Choice::Abandon]);
    world.request(&choose(&world.machine, Choice::Abandon)).unwrap();
    assert!(world.machine.want.maintenance && world.decide() == Decision::Done, "it is set aside, and held");
}

#[test]
fn what_is_protected_is_not_written_again() {
    let mut world = World::at(JobKind::Deploy, StepName::PhoneHome);
    world.request(&Request::Protected(true)).unwrap();
    let mut world = restored(world);
    assert_eq!(world.request(&Request::Retry), Err(Refusal::Protected));
    assert_eq!(choices(&world.machine), [Choice::ItRuns, Choice::Abandon]);
}

#[test]
fn a_wish_to_switch_it_that_nobody_remembers_is_dropped() {
    let mut world = World::deployed();
    world.request(&Request::Power { on: false }).unwrap();
    let mut world = restored(world);
    world.request(&Request::Retry).unwrap();
    world.reconcile(|_| panic!("it runs"));
    assert_eq!(world.decide(), Decision::Done);
}

/// A machine that was off at the time of the backup was switched on since: its system runs, and stays.
#[test]
fn what_runs_from_ram_is_not_started_again_for_what_the_backup_saw() {
    let mut off = World::ram_deployed();
    off.pass(SignedDuration::from_mins(1));
    off.fact(&Fact::Power { on: false });
    let mut boots = World::ram_deployed();
    boots.pass(SignedDuration::from_mins(1));
    boots.fact(&Fact::BootsAgain);
    for world in [off, boots] {
        let mut world = restored(world);
        world.fact(&Fact::Power { on: true });
        world.request(&Request::Retry).unwrap();
        world.run_to_rest();
        assert_eq!((world.machine.state.name, world.decide()), (MachineState::Deployed, Decision::Done));
        assert!(world.machine.running_job().is_none(), "nothing is done to it");
    }
}

/// An instance that was in rescue at the time of the backup runs its own system by now: nothing has to be switched to say so.
#[test]
fn what_left_its_rescue_since_is_taken_for_deployed_by_an_operators_word() {
    for world in
        [World::in_rescue(), World::at(JobKind::Rescue, StepName::Agent), World::unrescued(StepName::PowerOn)]
    {
        let mut world = restored(world);
        assert!(choices(&world.machine).contains(&Choice::ItRuns), "{:?}", choices(&world.machine));
        let word = choose(&world.machine, Choice::ItRuns);
        world.request(&word).unwrap();
        assert!(matches!(world.decide(), Decision::Move(Move::Finish { to: MachineState::Deployed, .. })));
        world.run_to_rest();
        assert_eq!((world.machine.state.name, world.decide()), (MachineState::Deployed, Decision::Done));
        assert!(world.machine.state.hold.is_none() && world.machine.want.owner.is_some());
    }
}

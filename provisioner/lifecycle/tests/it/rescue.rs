//! A rescue: there and back, told apart from all that destroys.

use super::world::{INSTANCE, World, cancel, held, owner, reinstall, release, rescue, unrescue};
use jiff::SignedDuration;
use provisioner_api::{Choice, InstanceState, JobKind, MachineState, RescueAccess, StepPhase};
use provisioner_lifecycle::{
    Decision, Fact, Instance, InstanceDecision, Move, Refusal, Request, Rescued, StepName, Task, Then, admit,
    choices, confirm_first, decide_instance, order,
};

fn steps(world: &World) -> Vec<StepName> {
    world.machine.job.as_ref().unwrap().steps.iter().map(|step| step.name).collect()
}

const BACK: [StepName; 3] = [StepName::PowerOff, StepName::BootDisk, StepName::PowerOn];

/// The rescue is over, and everything is what it was.
fn is_back(world: &World, before: &World) {
    let state = &world.machine.state;
    assert_eq!((state.name, &state.hold), (MachineState::Deployed, &None));
    assert_eq!(world.decide(), Decision::Done);
    assert_eq!(world.machine.want.owner, before.machine.want.owner);
    assert_eq!(
        (state.dirty, &state.root_disk, state.installed),
        (before.machine.state.dirty, &before.machine.state.root_disk, before.machine.state.installed)
    );
}

#[test]
fn there_and_back_nothing_is_written() {
    let before = World::deployed();
    let mut world = before.clone();
    world.request(&rescue()).unwrap();
    assert!(world.machine.is_rescued() && !world.machine.rests_in_rescue());
    world.run_to(StepName::Rescue);
    assert_eq!(steps(&world)[3..], [StepName::Agent, StepName::Rescue]);
    let draft = order(&world.machine, world.now).unwrap();
    assert_eq!(draft.task, Task::Rescue { authorized_keys: vec!["ssh-ed25519 AAAA".into()] });
    let (job, epoch) = world.machine.attended().unwrap();
    let access = RescueAccess { addresses: vec!["10.0.0.7".into()], host_key: "SHA256:x".into() };
    world.fact(&Fact::Rescued(Rescued { job, epoch, access: access.clone() }));
    assert_eq!(world.machine.rescue_access(), None, "not before it was reported as done");
    world.good_answer().iter().for_each(|fact| world.fact(fact));
    world.reconcile(|_| Ok(String::new()));
    assert!(world.machine.rests_in_rescue());
    assert_eq!(world.machine.rescue_access(), Some(&access));
    assert_eq!(world.machine.attended(), Some((job, epoch)), "its agent has to be heard still");
    assert_eq!(order(&world.machine, world.now), None);

    world.request(&unrescue()).unwrap();
    world.run_to(StepName::PowerOff);
    assert_eq!(steps(&world), BACK);
    assert_eq!(world.machine.rescue_access(), None);
    // Once more changes nothing.
    let asked = world.machine.clone();
    world.request(&unrescue()).unwrap();
    assert_eq!(world.machine, asked);
    world.run_to_rest();
    is_back(&world, &before);
    assert_eq!(world.request(&unrescue()), Err(Refusal::NotRescued));
}

#[test]
fn it_is_refused_where_it_makes_no_sense_and_protection_is_no_reason() {
    let refused = |world: &World| admit(&world.machine, &rescue()).unwrap_err();
    assert_eq!(refused(&World::available()), Refusal::NotYours);
    let other = provisioner_api::InstanceId(uuid::Uuid::from_u128(9));
    let strange = Request::Rescue { instance: other, authorized_keys: Vec::new() };
    assert_eq!(admit(&World::deployed().machine, &strange).unwrap_err(), Refusal::NotYours);
    let strange = Request::Unrescue { instance: other };
    assert_eq!(admit(&World::in_rescue().machine, &strange).unwrap_err(), Refusal::NotYours);
    assert!(matches!(refused(&World::at(JobKind::Deploy, StepName::Agent)), Refusal::State { .. }));
    assert_eq!(refused(&World::at(JobKind::Reinstall, StepName::Agent)), Refusal::Reinstalling);
    assert_eq!(refused(&World::at(JobKind::Release, StepName::Agent)), Refusal::GivenBack);
    for world in
        [World::at(JobKind::Rescue, StepName::Agent), World::in_rescue(), World::unrescued(StepName::PowerOn)]
    {
        assert_eq!(refused(&world), Refusal::Rescued);
        assert_eq!(admit(&world.machine, &reinstall()).unwrap_err(), Refusal::Rescued);
    }
    let mut restored = World::deployed();
    restored.machine = confirm_first(&restored.machine, restored.now, restored.now);
    assert_eq!(refused(&restored), Refusal::Unconfirmed);
    let mut bare = World::deployed();
    bare.request(&Request::Bmc(false)).unwrap();
    assert_eq!(refused(&bare), Refusal::NoBmc);
    let mut protected = World::adopted();
    protected.request(&Request::Protected(true)).unwrap();
    protected.request(&rescue()).unwrap();
    protected.run_to(StepName::Rescue);
}

#[test]
fn it_can_be_ended_from_everywhere() {
    let before = World::deployed();
    for step in
        [StepName::PowerOff, StepName::BootNetwork, StepName::PowerOn, StepName::Agent, StepName::Rescue]
    {
        for hold in [false, true] {
            for request in [unrescue(), cancel()] {
                let mut world = World::at(JobKind::Rescue, step);
                if hold {
                    world.settle(&held());
                    assert!(choices(&world.machine).contains(&Choice::Cancel));
                }
                world.request(&request).unwrap();
                world.run_to_rest();
                assert_eq!(steps(&world), BACK);
                is_back(&world, &before);
            }
            let mut world = World::at(JobKind::Rescue, step);
            if hold {
                world.settle(&held());
            }
            world.request(&release()).unwrap();
            world.run_to_rest();
            let state = &world.machine.state;
            assert_eq!((state.name, state.dirty), (MachineState::Available, false), "given back at {step}");
        }
    }
    // Before it began, too.
    let mut world = World::deployed();
    world.request(&rescue()).unwrap();
    world.request(&cancel()).unwrap();
    is_back(&world, &before);
    let mut world = World::in_rescue();
    world.request(&release()).unwrap();
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Available);
}

#[test]
fn a_silent_agent_is_waited_for_and_the_machine_is_not_switched_unasked() {
    let mut world = World::in_rescue();
    let Decision::Wait(calm) = world.decide() else { panic!("{:?}", world.decide()) };
    let wakes = calm.wakes().unwrap();
    assert_eq!(calm.then, Then::Person);
    world.now = wakes;
    let Decision::Wait(patience) = world.decide() else { panic!("it is switched") };
    assert!(patience.why.contains("not heard for 180 s"), "{}", patience.why);
    assert_eq!(patience.wakes(), None);
    // It is heard again: as if nothing had been.
    let mut back = world.clone();
    back.fact(&Fact::AgentSeen);
    assert!(matches!(back.decide(), Decision::Wait(patience) if patience.why == calm.why));
    // Somebody says so: it is rescued anew.
    let mut again = world.clone();
    again.request(&Request::Retry).unwrap();
    again.run_to(StepName::PowerOff);
    assert_eq!(steps(&again).last(), Some(&StepName::Rescue));
    // Its firmware asked to boot since: its rescue system is gone.
    world.fact(&Fact::Netboot);
    let started = world.decide();
    assert!(matches!(started, Decision::Move(Move::Start { kind: JobKind::Rescue, .. })), "{started:?}");
    world.run_to(StepName::Rescue);
    world.good_answer().iter().for_each(|fact| world.fact(fact));
    world.reconcile(|_| Ok(String::new()));
    assert!(matches!(world.decide(), Decision::Wait(patience) if patience.why == calm.why));
}

#[test]
fn an_agent_that_falls_silent_on_the_way_is_booted_anew() {
    let mut world = World::at(JobKind::Rescue, StepName::Rescue);
    world.pass(SignedDuration::from_mins(4));
    assert!(matches!(world.decide(), Decision::Move(Move::Restart { .. })), "{:?}", world.decide());
    world.reconcile(|_| Ok(String::new()));
    assert_eq!(steps(&world).last(), Some(&StepName::Rescue));
    assert!(world.machine.job.as_ref().unwrap().steps.iter().all(|step| step.phase != StepPhase::Done));
}

#[test]
fn what_is_seen_in_rescue_is_owed_to_the_release() {
    let mut world = World::deployed();
    world.disks = vec!["root", "data", "spare"];
    world.request(&rescue()).unwrap();
    world.run_to(StepName::Rescue);
    assert!(world.machine.state.owed.iter().any(|disk| disk == "spare"));
}

#[test]
fn its_instance_follows() {
    let instance = Instance {
        id: INSTANCE,
        state: InstanceState::Running,
        machine: None,
        release: None,
        installation: owner().installation,
        reinstalls: false,
        deadline: None,
    };
    let mut world = World::deployed();
    let follow = |world: &World, state| {
        let instance = Instance { state, machine: Some(world.machine.id), ..instance };
        decide_instance(&instance, Some(&world.machine), world.now)
    };
    assert_eq!(follow(&world, InstanceState::Running), InstanceDecision::Done);
    world.request(&rescue()).unwrap();
    assert_eq!(follow(&world, InstanceState::Running), InstanceDecision::Move(InstanceState::Rescue));
    let world = World::unrescued(StepName::PowerOn);
    assert_eq!(follow(&world, InstanceState::Rescue), InstanceDecision::Done, "not before it boots");
    let mut world = world;
    world.run_to_rest();
    assert_eq!(follow(&world, InstanceState::Rescue), InstanceDecision::Move(InstanceState::Running));
}

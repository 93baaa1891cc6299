//! A machine that runs somebody's system already: it is not touched, and given back it is wiped as any other.

use super::world::{INSTANCE, World, cancel, inventory, inventory_of, owner, reinstall, release};
use provisioner_api::{ErasePolicy, InstanceState, JobKind, MachineState};
use provisioner_lifecycle::{
    Decision, Fact, Instance, InstanceDecision, Move, NoRootDisk, Refusal, Reinstall, Request, StepName,
    Task, decide_instance, order,
};

fn adopt() -> Request {
    Request::Adopt(owner())
}

/// Lives on until it rests. Answers whether anything was done in the world.
fn touches(world: &mut World) -> bool {
    let mut touched = false;
    while world.decide() != Decision::Done {
        touched |= matches!(world.reconcile(|_| Ok(String::new())), Decision::Act(_));
    }
    touched
}

fn wiped(world: &mut World) -> Vec<String> {
    world.run_to(StepName::Erase);
    let task = order(&world.machine, world.now).map(|draft| draft.task);
    let Some(Task::Erase { leave, .. }) = task else { panic!("{task:?}") };
    leave.disks.into_iter().map(|disk| disk.serial).collect()
}

#[test]
fn what_runs_is_not_touched_whatever_was_asked_of_the_machine_before() {
    let mut found = World::new();
    found.fact(&Fact::Claimed { job: None, inventory: inventory() });
    // Accepted, so that its inspection would begin at once and switch it off, as would the operator's wish.
    let mut accepted = World::added();
    accepted.request(&Request::Power { on: false }).unwrap();
    for mut world in [World::new(), found, accepted, World::available()] {
        world.request(&adopt()).unwrap();
        assert!(matches!(world.decide(), Decision::Move(Move::Adopt { .. })));
        let instance = Instance {
            id: INSTANCE,
            state: InstanceState::Running,
            machine: Some(world.machine.id),
            release: None,
            installation: 0,
            reinstalls: false,
            deadline: None,
        };
        let follows = |world: &World| decide_instance(&instance, Some(&world.machine), world.now);
        assert_eq!(follows(&world), InstanceDecision::Done);
        let jobs = world.machine.job.clone();
        assert!(!touches(&mut world));
        let (state, want) = (&world.machine.state, &world.machine.want);
        assert_eq!((state.name, state.dirty, want.accepted), (MachineState::Deployed, true, true));
        assert_eq!((world.machine.running_job(), &world.machine.job), (None, &jobs), "no job began");
        assert_eq!(follows(&world), InstanceDecision::Done);
        assert_eq!(world.request(&adopt()), Ok(()), "again: it is so");
    }
}

#[test]
fn what_is_at_work_or_somebody_elses_is_not_adopted() {
    assert_eq!(World::at(JobKind::Inspect, StepName::PowerOff).request(&adopt()), Err(Refusal::Busy));
    let mut taken = World::deployed();
    taken.machine.want.owner.as_mut().unwrap().instance = provisioner_api::InstanceId(uuid::Uuid::nil());
    assert_eq!(taken.request(&adopt()), Err(Refusal::Owned));
    // Until it is in the books as what may have written, nobody gives it back as clean.
    let mut world = World::available();
    world.request(&adopt()).unwrap();
    assert!(matches!(world.request(&release()), Err(Refusal::State { .. })));
    assert_eq!(world.request(&cancel()), Err(Refusal::NothingToCancel));
    assert!(world.request(&Request::Disown { instance: INSTANCE }).is_err());
}

#[test]
fn given_back_it_is_wiped_once_an_agent_has_named_its_disks() {
    let mut world = World::adopted();
    assert_eq!(world.machine.state.owed, [""; 0], "nobody saw its disks");
    world.request(&Request::Protected(true)).unwrap();
    assert_eq!(world.request(&release()), Err(Refusal::Protected));
    world.request(&Request::Protected(false)).unwrap();
    world.request(&release()).unwrap();
    world.disks = vec!["theirs", "more"];
    assert_eq!(wiped(&mut world), ["theirs", "more"]);
    world.run_to_rest();
    assert_eq!((world.machine.state.name, world.machine.state.dirty), (MachineState::Available, false));
    world.request(&Request::Disown { instance: INSTANCE }).unwrap();
}

#[test]
fn a_disk_that_was_seen_before_it_was_adopted_is_missed() {
    let mut world = World::new();
    world.request(&Request::Bmc(true)).unwrap();
    world.fact(&Fact::Claimed { job: None, inventory: inventory_of(&["root", "pulled"]) });
    world.request(&adopt()).unwrap();
    world.run_to_rest();
    world.request(&release()).unwrap();
    world.disks = vec!["root"];
    world.run_to_rest();
    assert!(world.machine.state.hold.as_ref().unwrap().why.contains("`pulled`"));
}

#[test]
fn installed_anew_somebody_has_to_name_the_disk() {
    let mut world = World::adopted();
    assert_eq!(world.request(&reinstall()), Err(Refusal::RootDisk(NoRootDisk::Unknown)));
    let Request::Reinstall(asked) = reinstall() else { unreachable!("it is one") };
    let asked = Reinstall { root_disk_serial: Some("root".into()), ..asked };
    world.request(&Request::Reinstall(asked)).unwrap();
    world.run_to(StepName::WriteImage);
    world.run_to_rest();
    assert_eq!(world.machine.state.root_disk.as_deref(), Some("root"));
    world.request(&reinstall()).unwrap();
    world.run_to_rest();
    assert_eq!(world.machine.state.installed, 2);
    world.request(&Request::Release { instance: INSTANCE, erase: ErasePolicy::Overwrite, by: None }).unwrap();
    assert_eq!(wiped(&mut world), ["root", "data"]);
}

//! Servicing: a machine is taken out for planned work, and given back as it was.

use super::world::{INSTANCE, World, cancel, choose, erase, held, owner, reinstall, release, service};
use jiff::SignedDuration;
use provisioner_api::{Choice, ErasePolicy, InstanceState, JobKind, MachineState, ServiceStep, StepPhase};
use provisioner_lifecycle::{
    Decision, Effect, Fact, Failure, Instance, InstanceDecision, Move, NoScrap, NoService, Outcome, Refusal,
    Reported, Request, StepName, Task, choices, confirm_first, decide_instance, order, scrap,
};

fn steps(world: &World) -> Vec<StepName> {
    world.machine.running_job().expect("a job runs").steps.iter().map(|step| step.name).collect()
}

/// What becomes of an instance in this state.
fn follows(world: &World, state: InstanceState) -> InstanceDecision {
    let instance = Instance {
        id: INSTANCE,
        state,
        machine: Some(world.machine.id),
        release: None,
        installation: 0,
        reinstalls: false,
        deadline: None,
    };
    decide_instance(&instance, Some(&world.machine), world.now)
}

fn refused(mut world: World, request: &Request) -> Refusal {
    let before = world.machine.clone();
    let refusal = world.request(request).unwrap_err();
    assert_eq!(world.machine, before);
    refusal
}

fn erasing(disks: &[&str]) -> Request {
    Request::Service(vec![erase(disks)])
}

#[test]
fn a_deployed_machine_is_deployed_again_and_its_system_untouched() {
    use StepName as S;
    let mut world = World::deployed();
    let before = world.machine.state.clone();
    world.request(&service()).unwrap();
    world.run_to(S::ShutDown);
    assert_eq!(world.machine.state.name, MachineState::Servicing);
    assert_eq!(world.decide(), Decision::Act(Effect::ShutDown));
    assert_eq!(follows(&world, InstanceState::Running), InstanceDecision::Move(InstanceState::Servicing));
    let all = [
        S::ShutDown,
        S::PowerOff,
        S::BootNetwork,
        S::PowerOn,
        S::Agent,
        S::Inspect,
        S::Erase,
        S::BootDisk,
        S::Reboot,
    ];
    assert_eq!(steps(&world), all);
    world.run_to(S::Erase);
    let task = order(&world.machine, world.now).map(|draft| draft.task);
    let Some(Task::Erase { policy: ErasePolicy::Overwrite, leave }) = task else { panic!("{task:?}") };
    assert_eq!(leave.disks.iter().map(|disk| disk.serial.as_str()).collect::<Vec<_>>(), ["data"]);
    world.run_to_rest();
    let state = &world.machine.state;
    assert_eq!(state.name, MachineState::Deployed);
    assert_eq!(
        (state.dirty, &state.root_disk, &state.owed, state.installed),
        (true, &before.root_disk, &before.owed, before.installed),
        "what the next release wipes is what it was"
    );
    assert_eq!(follows(&world, InstanceState::Servicing), InstanceDecision::Move(InstanceState::Running));
    world.request(&release()).unwrap();
    world.run_to_rest();
    assert_eq!((world.machine.state.name, world.machine.state.dirty), (MachineState::Available, false));
}

#[test]
fn the_steps_are_done_in_the_order_that_was_asked_for() {
    let mut world = World::deployed();
    world.request(&Request::Service(vec![erase(&["data"]), ServiceStep::Inspect])).unwrap();
    world.run_to(StepName::Agent);
    assert_eq!(steps(&world)[5..7], [StepName::Erase, StepName::Inspect]);
}

#[test]
fn a_machine_that_was_off_is_off_after_it() {
    let mut world = World::deployed();
    world.fact(&Fact::Power { on: false });
    world.request(&Request::Service(vec![ServiceStep::Inspect])).unwrap();
    world.run_to(StepName::Agent);
    let steps = steps(&world);
    assert_eq!((steps.first(), steps.last()), (Some(&StepName::PowerOff), Some(&StepName::Rest)));
    world.request(&cancel()).unwrap();
    world.reconcile(|_| Ok(String::new()));
    assert_eq!(self::steps(&world), [StepName::PowerOff, StepName::BootDisk]);
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Deployed);
}

#[test]
fn a_free_machine_is_free_and_off_again() {
    let mut world = World::available();
    world.request(&erasing(&["root", "data"])).unwrap();
    let assign = Request::Assign(owner());
    assert!(matches!(refused(world.clone(), &assign), Refusal::State { .. }), "nobody gets it meanwhile");
    world.run_to(StepName::Rest);
    assert!(matches!(refused(world.clone(), &assign), Refusal::State { .. }));
    world.run_to_rest();
    assert_eq!((world.machine.state.name, world.machine.state.dirty), (MachineState::Available, false));
    world.request(&assign).unwrap();
    let mut stopped = World::serviced_free(StepName::Agent);
    stopped.request(&cancel()).unwrap();
    stopped.run_to(StepName::Rest);
    assert_eq!(steps(&stopped), [StepName::Rest]);
    stopped.run_to_rest();
    assert_eq!(stopped.machine.state.name, MachineState::Available);
}

#[test]
fn only_named_data_disks_that_are_there_can_be_erased() {
    let no = |world: World, request: &Request| match refused(world, request) {
        Refusal::Service(no) => no,
        other => panic!("{other}"),
    };
    let system = NoService::System { disk: "root".into() };
    assert_eq!(no(World::deployed(), &erasing(&["data", "root"])), system);
    let nowhere = no(World::deployed(), &erasing(&["other"]));
    assert!(nowhere.to_string().contains("this machine has: `root`, `data`"), "{nowhere}");
    assert_eq!(no(World::deployed(), &erasing(&[])), NoService::NoDisk);
    assert_eq!(no(World::deployed(), &Request::Service(Vec::new())), NoService::Nothing);
    let twice = NoService::Ambiguous { disk: "data".into() };
    assert_eq!(no(World::deployed(), &erasing(&["data", "data"])), twice);
    let again = Request::Service(vec![ServiceStep::Inspect, erase(&["data"]), ServiceStep::Inspect]);
    assert_eq!(no(World::deployed(), &again), NoService::Twice { step: StepName::Inspect });
    let mut adopted = World::adopted();
    adopted.fact(&Fact::Inventory(super::world::inventory()));
    assert_eq!(no(adopted.clone(), &erasing(&["data"])), NoService::SystemUnknown);
    adopted.request(&Request::Service(vec![ServiceStep::Inspect])).unwrap();
    // By another path, and under another serial number.
    let mut twofold = World::deployed();
    let mut inventory = super::world::inventory();
    inventory.disks.iter_mut().for_each(|disk| disk.wwn = Some("one".into()));
    twofold.fact(&Fact::Inventory(inventory.clone()));
    assert_eq!(no(twofold, &erasing(&["data"])), NoService::System { disk: "data".into() });
    for (change, what) in [(true, "removable"), (false, "read-only")] {
        let mut world = World::deployed();
        let mut inventory = super::world::inventory();
        (inventory.disks[1].removable, inventory.disks[1].read_only) = (change, !change);
        world.fact(&Fact::Inventory(inventory));
        assert_eq!(no(world, &erasing(&["data"])), NoService::NotWritable { disk: "data".into(), what });
    }
}

#[test]
fn where_it_does_not_fit_it_is_refused() {
    let asked = service();
    assert!(matches!(refused(World::added(), &asked), Refusal::State { .. }));
    assert_eq!(refused(World::new(), &asked), Refusal::NotAccepted);
    assert_eq!(refused(World::assigned(), &asked), Refusal::Busy);
    assert_eq!(refused(World::at(JobKind::Release, StepName::Erase), &asked), Refusal::Busy);
    assert_eq!(refused(World::at(JobKind::Service, StepName::Erase), &asked), Refusal::Busy);
    for (request, refusal) in [(release(), Refusal::GivenBack), (reinstall(), Refusal::Reinstalling)] {
        let mut world = World::deployed();
        world.request(&request).unwrap();
        assert_eq!(refused(world, &asked), refusal);
    }
    let mut world = World::deployed();
    world.request(&asked).unwrap();
    assert_eq!(refused(world, &reinstall()), Refusal::Busy);
}

#[test]
fn what_is_protected_is_inspected_but_not_erased() {
    let mut world = World::deployed();
    world.request(&Request::Protected(true)).unwrap();
    assert_eq!(refused(world.clone(), &service()), Refusal::Protected);
    world.request(&Request::Service(vec![ServiceStep::Inspect])).unwrap();
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Deployed);
    // And protection would stop nothing that was asked for before.
    let mut asked = World::deployed();
    asked.request(&service()).unwrap();
    assert_eq!(refused(asked, &Request::Protected(true)), Refusal::ToBeErased);
    let mut erasing = World::at(JobKind::Service, StepName::Erase);
    assert_eq!(refused(erasing.clone(), &Request::Protected(true)), Refusal::ToBeErased);
    erasing.run_to(StepName::BootDisk);
    erasing.request(&Request::Protected(true)).unwrap();
}

#[test]
fn cancelled_before_it_erases_it_leads_back_and_while_it_erases_it_pauses() {
    let mut wish = World::deployed();
    wish.request(&service()).unwrap();
    wish.request(&cancel()).unwrap();
    assert_eq!(wish.decide(), Decision::Done, "nothing began");
    let back = [StepName::PowerOff, StepName::BootDisk, StepName::PowerOn];
    // Its system runs still, or again.
    let soft = [StepName::ShutDown, StepName::PowerOff, StepName::BootDisk, StepName::PowerOn];
    for (step, back) in [
        (StepName::ShutDown, &soft[..]),
        (StepName::PowerOff, &soft),
        (StepName::Agent, &soft),
        (StepName::Inspect, &back),
        (StepName::BootDisk, &back),
    ] {
        let mut world = World::at(JobKind::Service, step);
        world.request(&cancel()).unwrap();
        world.reconcile(|_| Ok(String::new()));
        assert_eq!(steps(&world), back, "{step}");
        world.run_to_rest();
        assert_eq!(world.machine.state.name, MachineState::Deployed, "{step}");
    }
    let mut world = World::at(JobKind::Service, StepName::Erase);
    world.request(&cancel()).unwrap();
    assert!(matches!(world.reconcile(|_| Ok(String::new())), Decision::Hold { .. }));
    assert_eq!(order(&world.machine, world.now), None, "its agent stops");
    let offered = [Choice::Retry, Choice::Cancel, Choice::GiveBack, Choice::Abandon];
    assert_eq!(choices(&world.machine), offered);
    let mut again = world.clone();
    again.request(&choose(&world.machine, Choice::Retry)).unwrap();
    again.run_to(StepName::Erase);
    world.request(&choose(&world.machine, Choice::Cancel)).unwrap();
    world.reconcile(|_| Ok(String::new()));
    assert_eq!(steps(&world), back);
    world.run_to_rest();
    assert_eq!((world.machine.state.name, world.machine.state.dirty), (MachineState::Deployed, true));
}

#[test]
fn given_back_meanwhile_all_its_disks_are_wiped() {
    for step in [StepName::ShutDown, StepName::Agent, StepName::Erase, StepName::Reboot] {
        let mut world = World::at(JobKind::Service, step);
        world.request(&release()).unwrap();
        world.reconcile(|_| panic!("nothing is done before it is in the books"));
        assert_eq!(world.machine.state.name, MachineState::Releasing, "{step}");
        world.run_to(StepName::Erase);
        let Some(Task::Erase { leave, .. }) = order(&world.machine, world.now).map(|draft| draft.task) else {
            panic!("an order to erase")
        };
        assert_eq!(leave.disks.len(), 2, "{step}");
        world.run_to_rest();
        assert_eq!((world.machine.state.name, world.machine.state.dirty), (MachineState::Available, false));
        assert_eq!(world.decide(), Decision::Done, "nothing of it is made up for");
    }
}

#[test]
fn a_disk_that_shows_meanwhile_is_wiped_when_the_machine_is_given_back() {
    let mut world = World::deployed();
    world.disks = vec!["root", "data", "spare"];
    world.request(&Request::Service(vec![ServiceStep::Inspect])).unwrap();
    world.run_to_rest();
    assert!(world.machine.state.owed.contains(&"spare".into()));
    assert_eq!(world.machine.state.root_disk.as_deref(), Some("root"));
}

#[test]
fn a_disk_that_is_gone_or_not_proven_wiped_holds_it() {
    let mut world = World::deployed();
    world.request(&erasing(&["data"])).unwrap();
    world.disks = vec!["root"];
    world.run_to_rest();
    let hold = world.machine.state.hold.as_ref().expect("it is held");
    assert!(hold.why.contains("no disk has the serial number `data`"), "{}", hold.why);
    let mut world = World::at(JobKind::Service, StepName::Erase);
    world.says(Reported::Done { evidence: "trust me".into(), disks: Vec::new() });
    assert!(matches!(world.decide(), Decision::Hold { why, .. } if why.contains("no proof for disk `data`")));
}

#[test]
fn a_system_that_does_not_shut_down_is_switched_off() {
    let mut world = World::at(JobKind::Service, StepName::ShutDown);
    let began = world.now;
    let on = || Err(Failure { why: "it is on".into(), permanent: false, rest: None });
    while world.machine.running_job().unwrap().current().unwrap().name == StepName::ShutDown {
        if let Decision::Wait(_) = world.reconcile(|_| on()) {
            world.pass(SignedDuration::from_secs(10));
        }
        assert!(world.now.duration_since(began) < world.limits.bmc * 2, "it comes to an end");
    }
    let job = world.machine.running_job().unwrap();
    assert!(job.steps[0].result.as_ref().unwrap().contains("its power is cut"), "{:?}", job.steps[0]);
    assert_eq!((job.steps[0].phase, job.current().unwrap().name), (StepPhase::Done, StepName::PowerOff));
}

#[test]
fn a_restored_servicing_waits_for_a_word_and_a_restored_wish_is_dropped() {
    let mut wish = World::deployed();
    wish.request(&service()).unwrap();
    wish.machine = confirm_first(&wish.machine, wish.now, wish.now);
    wish.request(&choose(&wish.machine, Choice::Retry)).unwrap();
    wish.run_to_rest();
    assert_eq!(wish.machine.state.name, MachineState::Deployed);
    assert!(wish.machine.running_job().is_none() && wish.machine.state.hold.is_none());

    let mut world = World::at(JobKind::Service, StepName::Erase);
    world.machine = confirm_first(&world.machine, world.now, world.now);
    assert_eq!(world.decide(), Decision::Done);
    let offered = [Choice::Retry, Choice::ItRuns, Choice::Cancel, Choice::GiveBack, Choice::Abandon];
    assert_eq!(choices(&world.machine), offered);
    let mut runs = world.clone();
    runs.request(&choose(&world.machine, Choice::ItRuns)).unwrap();
    let decision = runs.reconcile(|_| panic!("nothing is switched"));
    assert!(matches!(decision, Decision::Move(Move::Finish { to: MachineState::Deployed, .. })));
    world.request(&choose(&world.machine, Choice::Cancel)).unwrap();
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Deployed);
}

#[test]
fn it_is_started_anew_with_all_its_steps_after_a_hold() {
    for (step, left_out) in [(StepName::ShutDown, 0), (StepName::Inspect, 1)] {
        let mut world = World::at(JobKind::Service, step);
        let before = steps(&world);
        // What is known of the power then is not what it was found at.
        world.fact(&Fact::Power { on: false });
        world.settle(&held());
        world.request(&Request::Retry).unwrap();
        world.reconcile(|_| Ok(String::new()));
        assert_eq!(steps(&world), before[left_out..], "an agent is not asked to shut down");
    }
    let failed = Outcome::Performed(Err(Failure { why: "no".into(), permanent: true, rest: None }));
    let mut back = World::cancelled_service(StepName::BootDisk);
    let before = steps(&back);
    back.settle(&failed);
    back.request(&Request::Retry).unwrap();
    back.reconcile(|_| Ok(String::new()));
    assert_eq!(steps(&back), before, "what leads back goes on leading back");
}

#[test]
fn documents_of_earlier_versions_are_read() {
    let mut state = serde_json::to_value(&World::deployed().machine.state).unwrap();
    state.as_object_mut().unwrap().remove("service").expect("it is written");
    let state: provisioner_lifecycle::State = serde_json::from_value(state).unwrap();
    assert_eq!((state.service, state.found_off), (0, false));
    // Which disk holds the system is taken down before another one could be taken for it.
    let mut old = World::deployed();
    old.machine.state.root_disk = None;
    old.disks = vec!["root", "data", "spare"];
    old.request(&Request::Service(vec![ServiceStep::Inspect])).unwrap();
    old.run_to_rest();
    assert_eq!(old.machine.state.root_disk.as_deref(), Some("root"));
}

/// The system may have booted again where the agent did not come.
#[test]
fn whatever_runs_is_asked_to_shut_down_before_each_power_cut() {
    let mut world = World::at(JobKind::Service, StepName::Agent);
    world.pass(world.limits.agent_call_in);
    assert!(matches!(world.decide(), Decision::Move(Move::Restart { .. })), "{:?}", world.decide());
    world.reconcile(|_| Ok(String::new()));
    assert_eq!(steps(&world)[..2], [StepName::ShutDown, StepName::PowerOff]);
}

/// Its other disks hold what the instance wrote.
#[test]
fn a_wiped_data_disk_is_no_proof_of_the_others() {
    let mut world = World::at(JobKind::Service, StepName::BootDisk);
    world.settle(&held());
    world.request(&release()).unwrap();
    let hold = world.machine.state.hold.as_ref().unwrap().number;
    let refused = scrap(&world.machine, Some(hold), &[]).unwrap_err();
    assert!(matches!(&refused, NoScrap::Disks { unwiped } if unwiped.len() >= 2), "{refused:?}");
}

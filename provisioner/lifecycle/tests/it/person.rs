//! What people decide: cancelling, trying again, answers to holds, and flags.

use super::world::{World, cancel, choose, held, inventory, inventory_of, owner, release};
use jiff::SignedDuration;
use provisioner_api::{Choice, JobKind, MachineState, StepPhase};
use provisioner_lifecycle::{
    Decision, Effect, Fact, Failure, Machine, Move, NoScrap, Refusal, Reported, Request, Skipped, StepName,
    Task, choices, order, scrap, scrap_command, skippable, ways_out,
};

#[test]
fn a_second_inspection_that_is_cancelled_leaves_the_machine_available_and_off() {
    let mut early = World::inspected_again(StepName::PowerOff);
    early.request(&cancel()).unwrap();
    early.reconcile(|_| panic!("nothing is to be done"));
    assert_eq!((early.machine.state.name, early.decide()), (MachineState::Available, Decision::Done));
    let mut late = World::inspected_again(StepName::Agent);
    let epoch = late.machine.job.as_ref().unwrap().epoch;
    late.request(&cancel()).unwrap();
    let cut = late.reconcile(|_| panic!("that is decided first"));
    assert!(matches!(cut, Decision::Move(Move::CutShort { .. })), "{cut:?}");
    assert!(late.machine.job.as_ref().unwrap().epoch > epoch, "its agent is not listened to any more");
    assert_eq!(late.decide(), Decision::Act(Effect::Power { on: false, wish: None }));
    // To cancel it again changes nothing; that its BMC refuses is held, and tried again when somebody says so.
    let before = late.machine.clone();
    late.request(&cancel()).unwrap();
    assert_eq!(late.machine, before);
    late.reconcile(|_| Err(Failure { why: "no".into(), permanent: true, rest: None }));
    assert_eq!(choices(&late.machine), [Choice::Retry, Choice::Abandon]);
    late.request(&Request::Retry).unwrap();
    late.run_to_rest();
    let state = &late.machine.state;
    assert_eq!((state.name, state.switched_on), (MachineState::Available, false));
    assert_eq!(late.machine.job.as_ref().unwrap().steps.len(), 1, "it was not inspected after all");
}

#[test]
fn a_deployment_that_is_cancelled_is_given_back() {
    let mut unwritten = World::at(JobKind::Deploy, StepName::Agent);
    unwritten.request(&cancel()).unwrap();
    unwritten.run_to(StepName::Rest);
    unwritten.run_to_rest();
    assert_eq!(unwritten.machine.state.name, MachineState::Available);
    let mut written = World::at(JobKind::Deploy, StepName::WriteImage);
    written.request(&cancel()).unwrap();
    written.run_to(StepName::Erase);
    written.run_to_rest();
    assert_eq!((written.machine.state.name, written.machine.state.dirty), (MachineState::Available, false));
    let mut runs = World::deployed();
    assert_eq!(runs.request(&cancel()), Err(Refusal::NothingToCancel));
}

#[test]
fn a_wiping_can_be_paused_but_not_cancelled_into_clean() {
    for step in [StepName::PowerOff, StepName::Agent] {
        assert_eq!(World::at(JobKind::Release, step).request(&cancel()), Err(Refusal::NotWiping), "{step}");
    }
    let mut world = World::at(JobKind::Release, StepName::Erase);
    world.request(&cancel()).unwrap();
    world.reconcile(|_| panic!("nothing is to be done"));
    assert!(world.machine.state.hold.as_ref().unwrap().why.contains("paused"));
    assert_eq!(order(&world.machine, world.now), None, "its agent is told to stop");
    assert_eq!((world.decide(), world.machine.state.dirty), (Decision::Done, true));
    assert_eq!(world.request(&cancel()), Err(Refusal::NotWiping));
    assert_eq!(choices(&world.machine), [Choice::Retry, Choice::Abandon]);
    world.request(&choose(&world.machine, Choice::Abandon)).unwrap();
    assert!(world.machine.want.maintenance && world.decide() == Decision::Done, "it stays held, and unwiped");
    assert_eq!(choices(&world.machine), [Choice::Retry]);
    world.request(&Request::Retry).unwrap();
    world.run_to_rest();
    assert_eq!((world.machine.state.name, world.machine.state.dirty), (MachineState::Available, false));
}

#[test]
fn what_waits_to_be_tried_again_is_tried_at_once_when_somebody_says_so() {
    let mut world = World::at(JobKind::Inspect, StepName::PowerOff);
    assert_eq!(world.request(&Request::Retry), Err(Refusal::NotHeld), "it is being tried");
    let resting =
        || Failure { why: "no".into(), permanent: false, rest: Some(SignedDuration::from_secs(80)) };
    world.reconcile(|_| Err(resting()));
    assert!(matches!(world.decide(), Decision::Wait(_)), "{:?}", world.decide());
    world.request(&Request::Retry).unwrap();
    let once = world.machine.clone();
    world.request(&Request::Retry).unwrap();
    assert_eq!(world.machine, once);
    assert_eq!(world.reconcile(|_| panic!("first the books")), Decision::Move(Move::Now));
    assert!(matches!(world.decide(), Decision::Act(_)), "{:?}", world.decide());
    world.reconcile(|_| Err(resting()));
    assert!(matches!(world.decide(), Decision::Wait(_)), "once for each word");
    let mut order = World::at(JobKind::Deploy, StepName::WriteImage);
    order.says(Reported::Failed("x".into()));
    order.reconcile(|_| panic!("nothing is to be done"));
    order.request(&Request::Retry).unwrap();
    order.reconcile(|_| panic!("first the books"));
    let step = order.machine.running_job().unwrap().current().unwrap();
    assert_eq!((step.name, step.phase, step.attempt), (StepName::WriteImage, StepPhase::Intent, 2));
}

#[test]
fn nobody_answers_another_hold_than_the_one_that_they_saw() {
    let mut world = World::at(JobKind::Deploy, StepName::Agent);
    assert_eq!(world.request(&choose(&world.machine, Choice::Retry)), Err(Refusal::NotHeld));
    world.settle(&held());
    let seen = choose(&world.machine, Choice::GiveBack);
    world.request(&Request::Retry).unwrap();
    world.run_to(StepName::Agent);
    world.settle(&held());
    assert_eq!(world.request(&seen), Err(Refusal::OtherHold { asked: 1, stands: 2 }));
    let refused = world.request(&choose(&world.machine, Choice::Cancel)).unwrap_err();
    assert!(refused.to_string().ends_with("there is `retry`, `give-back`, `abandon`"), "{refused}");
    world.request(&choose(&world.machine, Choice::GiveBack)).unwrap();
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Available);
}

#[test]
fn a_system_that_cannot_report_in_runs_all_the_same_when_somebody_saw_it() {
    let mut world = World::at(JobKind::Deploy, StepName::PhoneHome);
    world.pass(world.limits.phone_home);
    while world.machine.state.hold.is_none() {
        world.reconcile(|_| panic!("nothing is to be done"));
    }
    assert_eq!(choices(&world.machine), [Choice::Retry, Choice::ItRuns, Choice::GiveBack, Choice::Abandon]);
    world.request(&choose(&world.machine, Choice::ItRuns)).unwrap();
    world.run_to_rest();
    let state = &world.machine.state;
    assert_eq!((state.name, state.dirty, state.hold.is_some()), (MachineState::Deployed, true, false));
    // It is a word on one hold: the next deployment has to report in again.
    let mut held_early = World::at(JobKind::Deploy, StepName::WriteImage);
    held_early.settle(&held());
    assert!(!choices(&held_early.machine).contains(&Choice::ItRuns));
}

#[test]
fn a_protected_system_that_may_run_is_not_written_over() {
    let mut world = World::at(JobKind::Deploy, StepName::PhoneHome);
    world.settle(&held());
    world.request(&Request::Protected(true)).unwrap();
    assert_eq!(world.request(&Request::Retry), Err(Refusal::Protected));
    assert_eq!(world.request(&choose(&world.machine, Choice::Retry)), Err(Refusal::Protected));
    assert_eq!(choices(&world.machine), [Choice::ItRuns]);
    let mut unprotected = world.clone();
    unprotected.request(&Request::Protected(false)).unwrap();
    unprotected.request(&Request::Retry).unwrap();
    world.request(&choose(&world.machine, Choice::ItRuns)).unwrap();
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Deployed);
}

#[test]
fn what_is_abandoned_is_nobodys() {
    let mut inspected = World::at(JobKind::Inspect, StepName::Agent);
    inspected.settle(&held());
    inspected.request(&choose(&inspected.machine, Choice::Abandon)).unwrap();
    inspected.reconcile(|_| panic!("nothing is to be done"));
    assert_eq!(inspected.machine.state.name, MachineState::Discovered);
    let mut deployed = World::at(JobKind::Deploy, StepName::WriteSeed);
    deployed.settle(&held());
    deployed.request(&choose(&deployed.machine, Choice::Abandon)).unwrap();
    deployed.run_to(StepName::Erase);
    deployed.run_to_rest();
    deployed.request(&Request::Disown { instance: owner().instance }).unwrap();
    assert_eq!(deployed.request(&Request::Assign(owner())), Err(Refusal::Maintenance));
}

#[test]
fn what_is_protected_is_not_given_back_and_gets_nothing_new() {
    let mut world = World::deployed();
    world.request(&Request::Protected(true)).unwrap();
    assert_eq!(world.request(&release()), Err(Refusal::Protected));
    assert_eq!(world.machine.want.owner.as_ref().unwrap().release, None);
    world.request(&Request::Protected(false)).unwrap();
    world.request(&release()).unwrap();
    assert_eq!(
        world.request(&Request::Protected(true)),
        Err(Refusal::GivenBack),
        "its disks are being wiped"
    );
    let mut writes = World::at(JobKind::Deploy, StepName::WriteImage);
    writes.request(&Request::Protected(true)).unwrap();
    assert_eq!(writes.request(&cancel()), Err(Refusal::Protected));
    writes.settle(&held());
    assert_eq!(
        choices(&writes.machine),
        [Choice::Retry],
        "neither of the others would leave the disks alone"
    );
    let mut before = [World::assigned(), World::at(JobKind::Deploy, StepName::Agent)];
    for world in &mut before {
        assert_eq!(world.request(&Request::Protected(true)), Err(Refusal::ToBeWritten));
        // An earlier version took it: what would save the disks must not be refused for it.
        world.machine.want.protected = true;
        world.request(&Request::Protected(true)).unwrap();
        world.request(&cancel()).unwrap();
        world.run_to_rest();
        assert_eq!((world.machine.state.name, world.machine.state.dirty), (MachineState::Available, false));
    }
    let mut free = World::available();
    free.request(&Request::Protected(true)).unwrap();
    assert_eq!(free.request(&Request::Assign(owner())), Err(Refusal::Protected));
    free.request(&Request::Protected(false)).unwrap();
    free.request(&Request::Retired(true)).unwrap();
    assert_eq!(free.request(&Request::Assign(owner())), Err(Refusal::Retired));
    free.request(&Request::Retired(false)).unwrap();
    free.request(&Request::Assign(owner())).unwrap();
}

#[test]
fn holds_and_steps_of_earlier_versions_still_load() {
    let mut world = World::at(JobKind::Release, StepName::Erase);
    world.settle(&held());
    let mut stored = serde_json::to_value(&world.machine).unwrap();
    let hold = stored["state"]["hold"].as_object_mut().unwrap();
    hold.remove("number");
    hold.insert(
        "choices".into(),
        serde_json::json!(["mend the cause, then `billet machine retry {machine}`"]),
    );
    for field in ["retry", "holds", "came_from", "owed", "unwiped"] {
        stored["state"].as_object_mut().unwrap().remove(field);
    }
    for field in ["protected", "retired", "vouched", "skipped"] {
        stored["want"].as_object_mut().unwrap().remove(field);
    }
    let inventory = world.machine.facts.inventory.clone();
    world.machine = serde_json::from_value(stored).unwrap();
    world.machine.facts.inventory = inventory;
    assert_eq!(world.machine.state.hold.as_ref().unwrap().number, 0);
    world.request(&choose(&world.machine, Choice::Retry)).unwrap();
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Available);
}

/// The agent of a release calls in and sees this.
fn released_with(change: impl FnOnce(&mut provisioner_api::Inventory)) -> World {
    let mut world = World::at(JobKind::Release, StepName::Agent);
    let mut found = inventory();
    change(&mut found);
    let job = world.machine.running_job().map(|job| (job.id, job.epoch));
    world.fact(&Fact::Claimed { job, inventory: found });
    world.reconcile(|_| panic!("nothing is to be done"));
    world
}

#[test]
fn a_disk_that_is_gone_by_the_release_is_held_until_somebody_leaves_it_out() {
    let mut world = released_with(|found| drop(found.disks.pop()));
    world.reconcile(|_| panic!("nothing is to be done"));
    let hold = world.machine.state.hold.clone().unwrap();
    assert!(hold.why.starts_with("disk `data`, which the last instance could write"), "{}", hold.why);
    assert_eq!(skippable(&world.machine), ["data"], "something has to be wiped");
    let skip = |disk: &str| Request::SkipDisk { hold: hold.number, disk: disk.into() };
    assert!(matches!(world.request(&skip("other")), Err(Refusal::NoSkip { .. })));
    world.request(&skip("data")).unwrap();
    assert!(world.machine.want.retired);
    let found = world.machine.facts.inventory.clone().unwrap();
    world.run_to(StepName::Agent);
    let job = world.machine.running_job().map(|job| (job.id, job.epoch));
    world.fact(&Fact::Claimed { job, inventory: (*found).clone() });
    world.run_to(StepName::Erase);
    let Task::Erase { leave, .. } = order(&world.machine, world.now).unwrap().task else { panic!() };
    assert_eq!(leave.disks.iter().map(|disk| disk.serial.as_str()).collect::<Vec<_>>(), ["root"]);
    world.run_to_rest();
    let state = &world.machine.state;
    assert_eq!(
        (state.name, state.unwiped.as_slice()),
        (MachineState::Available, ["data".to_owned()].as_slice())
    );
    world.request(&Request::Disown { instance: owner().instance }).unwrap();
    assert_eq!(world.request(&Request::Assign(owner())), Err(Refusal::Retired));

    // Lifted while it is not there, the disk keeps the next instance away when it is back.
    world.request(&Request::Retired(false)).unwrap();
    world.request(&Request::Assign(owner())).unwrap();
    for _ in 0..100 {
        world.live();
    }
    let why = &world.machine.state.hold.as_ref().unwrap().why;
    assert!(why.contains("`data`") && why.contains("unwiped"), "{why}");
    assert!(!world.machine.state.dirty);
    assert_eq!(world.request(&Request::Retired(false)), Err(Refusal::Unwiped { disk: "data".into() }));
}

#[test]
fn a_machine_whose_release_is_held_is_forgotten_as_scrap_when_all_unwiped_disks_are_named() {
    let both = ["data".to_owned(), "root".to_owned()];
    let mut world = World::at(JobKind::Release, StepName::PowerOff);
    assert_eq!(scrap(&world.machine, None, &both), Err(NoScrap::Working));
    world.settle(&held());
    let hold = world.machine.state.hold.as_ref().unwrap().number;
    let ask = |machine: &Machine, named: &[String]| scrap(machine, Some(hold), named);
    assert_eq!(scrap(&world.machine, None, &both), Err(NoScrap::Held { stands: hold }));
    let other = Refusal::OtherHold { asked: hold + 1, stands: hold };
    assert_eq!(scrap(&world.machine, Some(hold + 1), &both), Err(other.into()));
    let all = NoScrap::Disks { unwiped: both.to_vec() };
    for named in [&[][..], &both[..1], &["data".to_owned(), "root".to_owned(), "x".to_owned()]] {
        assert_eq!(ask(&world.machine, named), Err(all.clone()));
    }
    assert!(all.to_string().contains("--scrap --unwiped data --unwiped root"), "{all}");
    let [data, root] = both.clone();
    assert_eq!(ask(&world.machine, &[root, data.clone(), data]), Ok(both.to_vec()), "in any order");
    let command = scrap_command(&world.machine).unwrap();
    assert!(command.ends_with("--scrap --unwiped data --unwiped root"), "{command}");
    assert!(ways_out(&world.machine).iter().any(|way| way.what.contains(&command)));
    let mut protected = world.machine.clone();
    protected.want.protected = true;
    assert_eq!(ask(&protected, &both), Err(Refusal::Protected.into()));
    assert_eq!(scrap_command(&protected), None);
}

#[test]
fn scrap_is_only_what_nobody_has_and_what_is_wiped_need_not_be_named() {
    let mut owned = World::at(JobKind::Deploy, StepName::WriteImage);
    owned.settle(&held());
    let hold = owned.machine.state.hold.as_ref().map(|hold| hold.number);
    assert_eq!(scrap(&owned.machine, hold, &[]), Err(NoScrap::Owned));
    assert_eq!(scrap_command(&owned.machine), None);
    let mut wiped = World::at(JobKind::Release, StepName::Rest);
    wiped.settle(&held());
    let hold = wiped.machine.state.hold.as_ref().map(|hold| hold.number);
    assert_eq!(scrap(&wiped.machine, hold, &[]), Ok(vec![]));
    // Left out of the wiping before: that stays to be named.
    wiped.machine.state.unwiped = vec!["data".into()];
    assert_eq!(scrap(&wiped.machine, hold, &[]), Err(NoScrap::Disks { unwiped: vec!["data".into()] }));
}

#[test]
fn a_disk_that_was_left_out_is_wiped_by_a_later_release_that_sees_it() {
    let mut world = World::at(JobKind::Release, StepName::Erase);
    world.settle(&held());
    world.request(&Request::SkipDisk { hold: 1, disk: "data".into() }).unwrap();
    world.run_to_rest();
    assert_eq!(world.machine.state.unwiped, ["data"]);
    world.request(&Request::Disown { instance: owner().instance }).unwrap();
    // Out of the machine it is nobody's concern, and back in a machine that runs it is wiped with the others.
    world.machine.want.retired = false;
    world.machine.state.unwiped.clear();
    world.request(&Request::Assign(owner())).unwrap();
    world.run_to_rest();
    world.machine.state.unwiped = vec!["data".into()];
    world.request(&release()).unwrap();
    world.run_to_rest();
    assert_eq!((world.machine.state.name, world.machine.state.unwiped.len()), (MachineState::Available, 0));
}

/// Lives on until the machine is held, and answers for what.
fn why_held(world: &mut World) -> String {
    for _ in 0..100 {
        if let Some(hold) = &world.machine.state.hold {
            return hold.why.clone();
        }
        world.live();
    }
    panic!("it is not held: {:?}", world.machine);
}

/// A release that comes to the wiping with these disks, and whose agent is never heard again.
fn begun_with(disks: &[&'static str]) -> World {
    let mut world = World::deployed();
    world.disks = disks.to_vec();
    world.request(&release()).unwrap();
    world.run_to(StepName::Erase);
    world.pass(world.limits.agent_silence);
    let anew = world.reconcile(|_| panic!("first the books"));
    assert!(matches!(anew, Decision::Move(Move::Restart { .. })), "{anew:?}");
    world
}

#[test]
fn a_disk_that_vanishes_between_two_boots_of_a_release_is_missed() {
    let mut world = begun_with(&["root", "data", "late"]);
    world.disks.pop();
    assert!(
        why_held(&mut world).starts_with("disk `late`, which the last instance could write, is not seen")
    );
    // Left out, it is remembered, though no later boot sees it either.
    let hold = world.machine.state.hold.as_ref().unwrap().number;
    world.request(&Request::SkipDisk { hold, disk: "late".into() }).unwrap();
    world.run_to_rest();
    let state = &world.machine.state;
    assert_eq!((state.name, state.unwiped.as_slice()), (MachineState::Available, &["late".to_owned()][..]));
}

#[test]
fn a_release_that_an_earlier_version_began_misses_what_it_saw() {
    let mut world = World::at(JobKind::Release, StepName::Erase);
    world.machine.state.owed.clear();
    world.settle(&held());
    world.request(&Request::Retry).unwrap();
    world.reconcile(|_| panic!("first the books"));
    world.disks = vec!["root"];
    assert!(why_held(&mut world).contains("disk `data`"));
    // A disk that nobody knew of any more is remembered because it was left out.
    let job = world.machine.running_job().unwrap().id;
    world.machine.want.skipped = ["data", "older"].map(|disk| Skipped { job, disk: disk.into() }).to_vec();
    world.request(&Request::Retry).unwrap();
    world.run_to_rest();
    assert_eq!(world.machine.state.unwiped, ["data", "older"]);
}

#[test]
fn a_disk_that_a_deployment_wrote_and_lost_is_missed_by_the_release() {
    let mut world = World::at(JobKind::Deploy, StepName::WriteImage);
    world.settle(&held());
    world.disks = vec!["data"];
    world.request(&Request::Retry).unwrap();
    world.reconcile(|_| panic!("first the books"));
    // No other disk is written unless a person says so.
    assert!(why_held(&mut world).starts_with("no disk has the serial number `root`"));
    let hold = world.machine.state.holds;
    world.request(&Request::UseDisk { hold, disk: "data".into() }).unwrap();
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Deployed);
    assert_eq!(world.machine.state.written, ["root", "data"]);
    world.request(&release()).unwrap();
    assert!(
        why_held(&mut world).starts_with("disk `root`, which the last instance could write, is not seen")
    );
    // What is seen before anything is written was nobody's to write.
    let mut early = World::at(JobKind::Deploy, StepName::Agent);
    early.disks = vec!["root", "early"];
    early.run_to(StepName::PhoneHome);
    assert_eq!(early.machine.state.owed, ["root", "early"]);
}

#[test]
fn a_disk_that_reads_as_read_only_or_removable_is_still_in_the_machine() {
    for (read_only, removable, how) in
        [(true, false, "seen, but read-only"), (false, true, "seen, but as one that can be taken out")]
    {
        let turn = |found: &mut provisioner_api::Inventory| {
            (found.disks[1].read_only, found.disks[1].removable) = (read_only, removable);
        };
        let mut world = released_with(turn);
        let why = why_held(&mut world);
        assert_eq!(
            why,
            format!("disk `data`, which the last instance could write, is {how}, so it can't be wiped")
        );
        let hold = world.machine.state.hold.as_ref().unwrap().number;
        world.request(&Request::SkipDisk { hold, disk: "data".into() }).unwrap();
        world.run_to(StepName::Agent);
        let mut found = inventory_of(&["root", "data"]);
        turn(&mut found);
        let job = world.machine.running_job().map(|job| (job.id, job.epoch));
        world.fact(&Fact::Claimed { job, inventory: found });
        world.run_to_rest();
        world.request(&Request::Disown { instance: owner().instance }).unwrap();
        let unwiped = Err(Refusal::Unwiped { disk: "data".into() });
        assert_eq!(world.request(&Request::Assign(owner())), unwiped);
        assert_eq!(world.request(&Request::Retired(false)), unwiped);
        // Whoever got it all the same has nothing written beside that disk.
        let found = world.machine.facts.inventory.take();
        world.machine.want.retired = false;
        world.request(&Request::Assign(owner())).unwrap();
        world.machine.facts.inventory.clone_from(&found);
        world.run_to(StepName::Agent);
        let job = world.machine.running_job().map(|job| (job.id, job.epoch));
        world.fact(&Fact::Claimed { job, inventory: (*found.unwrap()).clone() });
        assert_eq!(
            why_held(&mut world),
            format!("disk `data` is there again ({how}), which an earlier release left unwiped: take it out")
        );
    }
}

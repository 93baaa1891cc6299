//! The story of one machine, and what goes wrong in it.

use super::world::{World, cancel, held, inventory, owner, release};
use jiff::SignedDuration;
use provisioner_api::{ErasePolicy, JobKind, MachineState, Progress, StepPhase};
use provisioner_lifecycle::{
    AgentReport, Decision, Effect, Fact, Facts, Failure, Move, Outcome, Refusal, Reported, Request, StepName,
    Task, order, settle_on, ways_out,
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
    world.reconcile(|_| Err(Failure { why: why.clone(), permanent: true, rest: None }));
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
        match world.reconcile(|_| Err(Failure { why: "no answer".into(), permanent: false, rest: None })) {
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
fn a_bmc_that_is_let_alone_is_waited_for_with_the_time() {
    let mut world = World::at(JobKind::Inspect, StepName::PowerOff);
    let rest = SignedDuration::from_secs(80);
    let resting = Failure { why: "no answer".into(), permanent: false, rest: Some(rest) };
    world.reconcile(|_| Err(resting));
    let Decision::Wait(patience) = world.decide() else { panic!("{:?}", world.decide()) };
    assert_eq!(patience.until, Some(world.now + rest));
    assert!(patience.why.contains("no answer"), "{}", patience.why);
    world.pass(rest);
    assert!(matches!(world.decide(), Decision::Act(_)), "{:?}", world.decide());
}

#[test]
fn a_machine_that_a_person_switches_is_waited_for_with_its_words() {
    let mut world = World::at(JobKind::Inspect, StepName::PowerOff);
    world.settle(&Outcome::Asked);
    let waits = |world: &World| match world.decide() {
        Decision::Wait(patience) => patience,
        other => panic!("{other:?}"),
    };
    let patience = waits(&world);
    assert_eq!(patience.why, "somebody has to switch {machine} off");
    assert_eq!(patience.hint.as_deref(), Some("then run `billet bmc confirm {machine} off`"));
    assert_eq!(patience.until, Some(world.now + world.limits.person));
    // Longer than a BMC may take; what a person says of the other state changes nothing.
    world.pass(world.limits.bmc);
    world.fact(&Fact::Power { on: true });
    assert_eq!(waits(&world), patience);
    world.fact(&Fact::Power { on: false });
    assert!(matches!(world.decide(), Decision::Act(Effect::Power { on: false, wish: None })));
    world.run_to(StepName::PowerOn);
    world.settle(&Outcome::Asked);
    assert!(waits(&world).why.ends_with("on, so that it boots from the network"), "{:?}", waits(&world));
    // Who switches it on may forget to say so: the agent does.
    let job = world.machine.running_job().unwrap();
    let claimed = Fact::Claimed { job: Some((job.id, job.epoch)), inventory: inventory() };
    world.fact(&claimed);
    assert!(matches!(world.decide(), Decision::Act(Effect::Power { on: true, wish: None })));
}

#[test]
fn a_bmc_that_the_machine_gets_meanwhile_does_what_a_person_was_asked_for() {
    let mut world = World::at(JobKind::Inspect, StepName::PowerOff);
    world.settle(&Outcome::Asked);
    world.pass(SignedDuration::from_hours(1));
    world.fact(&Fact::BmcChanged);
    assert!(matches!(world.decide(), Decision::Act(Effect::Power { on: false, wish: None })));
    // Should nobody but a person be able to do it this time either, they have their time anew.
    world.settle(&Outcome::Asked);
    let Decision::Wait(patience) = world.decide() else { panic!("{:?}", world.decide()) };
    assert_eq!(patience.until, Some(world.now + world.limits.person));
}

#[test]
fn nobody_who_confirms_is_a_hold_and_a_retry_asks_again() {
    let mut world = World::at(JobKind::Inspect, StepName::PowerOff);
    world.settle(&Outcome::Asked);
    world.pass(world.limits.person);
    world.reconcile(|_| panic!("nothing can be done"));
    let hold = world.machine.state.hold.clone().unwrap();
    assert_eq!(hold.why, "nobody confirmed within 72 hours that the machine is off");
    world.request(&Request::Retry).unwrap();
    world.reconcile(|_| panic!("the hold is lifted first"));
    world.run_to(StepName::PowerOff);
    assert!(matches!(world.decide(), Decision::Act(_)), "the driver is asked anew, and it asks a person");
}

#[test]
fn nobody_switches_a_machine_while_its_firmware_is_written_and_that_time_is_nobodys_silence() {
    let mut world = World::at(JobKind::Deploy, StepName::Agent);
    let update = world.update(false);
    world.fact(&Fact::Firmware(Some(update.clone())));
    assert!(matches!(
        world.request(&Request::Power { on: false }),
        Err(Refusal::Updating { .. } | Refusal::Busy)
    ));
    world.pass(world.limits.agent_call_in * 3);
    let Decision::Wait(patience) = world.decide() else { panic!("{:?}", world.decide()) };
    assert!(patience.why.contains("firmware update (bios.bin)") && patience.until.is_none(), "{patience:?}");
    // From its end on the agent has as long as ever.
    world.fact(&Fact::Firmware(None));
    let Decision::Wait(patience) = world.decide() else { panic!("{:?}", world.decide()) };
    assert_eq!(patience.until, Some(world.now + world.limits.agent_call_in));
    // One that waits for a boot stands in nobody's way.
    let mut world = World::available();
    world.fact(&Fact::Firmware(Some(world.update(true))));
    assert_eq!(world.decide(), Decision::Done);
    world.request(&Request::Power { on: true }).unwrap();
    world.fact(&Fact::Firmware(Some(update)));
    assert!(matches!(world.decide(), Decision::Wait(_)), "a wish from before waits, too");
    assert!(matches!(world.request(&Request::Power { on: false }), Err(Refusal::Updating { .. })));
}

#[test]
fn another_bmc_makes_what_the_old_one_said_unknown() {
    let mut world = World::available();
    world.fact(&Fact::Power { on: true });
    world.fact(&Fact::BmcTrouble { why: "x".into(), authentication: true });
    world.fact(&Fact::BmcChanged);
    assert_eq!((world.machine.facts.power, world.machine.facts.bmc_trouble.clone()), (None, None));
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
    for done in 0..50 {
        world.pass(SignedDuration::from_secs(100));
        world.says(Reported::Progress(Progress { done, total: 50 }));
        let percent = format!("{} %", done * 2);
        assert!(matches!(world.decide(), Decision::Wait(patience) if patience.why.contains(&percent)));
    }
    world.pass(world.limits.agent_silence);
    assert!(matches!(world.decide(), Decision::Move(Move::Restart { .. })));
}

#[test]
fn an_agent_that_speaks_but_gets_no_further_is_started_anew_with_the_reason() {
    let limits = World::added().limits;
    for (kind, step, limit) in [
        (JobKind::Deploy, StepName::WriteImage, limits.write_stall),
        (JobKind::Deploy, StepName::WriteSeed, limits.write_stall),
        (JobKind::Release, StepName::Erase, limits.erase_stall),
    ] {
        for said in [Progress { done: 0, total: 0 }, Progress { done: 3, total: 8 }] {
            let mut world = World::at(kind, step);
            let told = |world: &mut World, done| {
                world.says(Reported::Progress(Progress { done, ..said }));
            };
            // Slowly, but further.
            for done in 0..said.done {
                world.pass(limit / 2);
                told(&mut world, done);
                assert!(matches!(world.decide(), Decision::Wait(_)), "{step}: {:?}", world.decide());
            }
            told(&mut world, said.done);
            let (stuck, minute) = (world.now, SignedDuration::from_mins(1));
            let why = loop {
                match world.decide() {
                    Decision::Wait(patience) => assert!(patience.until.is_some_and(|at| at <= stuck + limit)),
                    Decision::Move(Move::Restart { why }) => break why,
                    other => panic!("{step}: {other:?}"),
                }
                world.pass(minute);
                told(&mut world, said.done);
                // Nobody could be told of progress while the service was down.
                world.goes_unheard(SignedDuration::ZERO);
            };
            assert_eq!(world.now, stuck + limit, "{step}");
            let at = if said.total > 0 { ", at 37 %" } else { "" };
            assert_eq!(why, format!("{step} made no progress for {} minutes{at}", limit.as_mins()));
        }
    }
}

#[test]
fn while_nobody_listens_nobody_can_tell_how_far_it_is() {
    let mut world = World::at(JobKind::Deploy, StepName::WriteImage);
    world.says(Reported::Progress(Progress { done: 1, total: 2 }));
    world.goes_unheard(world.limits.write_stall * 2);
    assert!(matches!(world.decide(), Decision::Wait(_)), "{:?}", world.decide());
}

#[test]
fn an_order_that_failed_is_given_again_a_few_times_and_a_refusal_is_final() {
    let mut world = World::at(JobKind::Deploy, StepName::WriteImage);
    let mut attempts = Vec::new();
    while world.machine.state.hold.is_none() {
        if let Some(draft) = order(&world.machine, world.now) {
            attempts.push(draft.step.attempt);
            world.says(Reported::Failed("the disk says no".into()));
        }
        if let Decision::Wait(patience) = world.reconcile(|_| Ok("done".into())) {
            world.now = patience.until.unwrap();
        }
    }
    assert_eq!(attempts, [1, 2, 3]);

    let mut world = World::at(JobKind::Deploy, StepName::WriteImage);
    world.says(Reported::Refused("that disk is not here".into()));
    assert!(matches!(world.decide(), Decision::Hold { why, .. } if why.contains("that disk is not here")));
}

#[test]
fn an_outdated_agent_is_booted_anew_and_held_over_if_it_stays_so() {
    let mut world = World::at(JobKind::Deploy, StepName::WriteImage);
    let epoch = world.machine.state.epoch;
    while world.machine.state.hold.is_none() {
        let decision = world.reconcile(|_| Ok("done".into()));
        if order(&world.machine, world.now).is_some_and(|draft| draft.step.name == StepName::WriteImage) {
            world.says(Reported::Outdated("of an older build".into()));
        } else if let (Decision::Wait(_), Some(fact)) = (decision, world.good_answer()) {
            world.fact(&fact);
        }
    }
    let why = &world.machine.state.hold.as_ref().unwrap().why;
    assert!(why.contains("of an older build; it was tried 3 times"), "{why}");
    assert_eq!(world.machine.state.epoch, epoch + u64::from(world.limits.restarts));
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
fn what_is_given_back_before_anything_was_written_is_switched_off_if_we_switched_it_on() {
    use StepName as S;
    for (step, anew, on) in [
        (S::PowerOff, false, false),
        (S::BootNetwork, false, false),
        // Its answer may have been lost: the machine may be on.
        (S::PowerOn, false, true),
        (S::Agent, false, true),
        // The second try begins while the first one's agent still runs.
        (S::PowerOff, true, true),
        (S::BootNetwork, true, false),
    ] {
        let mut world = World::at(JobKind::Deploy, if anew { S::Agent } else { step });
        if anew {
            let change = Move::Restart { why: "test".into() };
            world.settle(&Outcome::Moved { change, fresh: provisioner_api::JobId(uuid::Uuid::nil()) });
            world.run_to(step);
        }
        let held = held();
        for held in [None, Some(held)] {
            let mut world = world.clone();
            held.iter().for_each(|held| world.settle(held));
            world.request(&release()).unwrap();
            let mut deeds = Vec::new();
            while world.decide() != Decision::Done {
                world.reconcile(|effect| {
                    deeds.push(effect);
                    Ok("done".into())
                });
                assert!(order(&world.machine, world.now).is_none(), "nobody is to do anything more");
            }
            let off = Effect::Power { on: false, wish: None };
            assert_eq!(deeds, if on { vec![off] } else { Vec::new() }, "{step}, {anew}, {held:?}");
            assert_eq!(world.machine.state.name, MachineState::Available);
            world.request(&Request::Disown { instance: owner().instance }).unwrap();
        }
    }
}

#[test]
fn switching_off_what_was_never_written_may_be_tried_again_and_wipes_nothing() {
    let mut world = World::at(JobKind::Deploy, StepName::Agent);
    world.request(&release()).unwrap();
    world.run_to(StepName::Rest);
    let epoch = world.machine.state.epoch;
    world.reconcile(|_| Err(Failure { why: "no".into(), permanent: true, rest: None }));
    assert!(world.machine.state.hold.is_some(), "nobody knows that it is off");
    world.request(&Request::Retry).unwrap();
    while world.machine.state.name != MachineState::Available {
        let decision = world.reconcile(|_| Ok("done".into()));
        assert!(!matches!(decision, Decision::Wait(_)), "{decision:?}");
    }
    assert!(world.machine.state.epoch > epoch);
    // What was deployed is wiped, even if somebody lost the mark that it was written.
    let mut world = World::deployed();
    world.machine.state.dirty = false;
    world.request(&release()).unwrap();
    world.run_to(StepName::Erase);
}

#[test]
fn what_an_earlier_version_switched_on_is_switched_off_too() {
    for step in [StepName::PowerOn, StepName::Agent] {
        let mut world = World::at(JobKind::Deploy, step);
        let mut state = serde_json::to_value(&world.machine.state).unwrap();
        assert!(state.as_object_mut().unwrap().remove("switched_on").is_some());
        world.machine.state = serde_json::from_value(state).unwrap();
        world.request(&release()).unwrap();
        let mut deeds = Vec::new();
        while world.decide() != Decision::Done {
            world.reconcile(|effect| {
                deeds.push(effect);
                Ok("done".into())
            });
        }
        assert_eq!(deeds, [Effect::Power { on: false, wish: None }], "{step}");
    }
}

#[test]
fn a_release_whose_steps_are_lost_never_makes_a_written_machine_available() {
    let mut world = World::at(JobKind::Release, StepName::Agent);
    world.machine.job.as_mut().unwrap().steps.clear();
    assert!(matches!(world.decide(), Decision::Hold { .. }), "{:?}", world.decide());
    world.reconcile(|_| Ok("done".into()));
    world.request(&Request::Retry).unwrap();
    world.run_to(StepName::Erase);
    world.run_to_rest();
    assert_eq!((world.machine.state.name, world.machine.state.dirty), (MachineState::Available, false));
}

#[test]
fn nobody_is_told_to_wipe_in_another_way_where_nothing_is_wiped() {
    let choices = |world: &mut World| {
        world.reconcile(|_| Err(Failure { why: "no".into(), permanent: true, rest: None }));
        let ways: Vec<_> = ways_out(&world.machine).into_iter().map(|way| way.what).collect();
        ways.join("; ")
    };
    let mut wiping = World::at(JobKind::Release, StepName::Rest);
    assert!(choices(&mut wiping).contains("--erase"));
    let mut unwritten = World::at(JobKind::Deploy, StepName::Agent);
    unwritten.request(&release()).unwrap();
    unwritten.run_to(StepName::Rest);
    let choices = choices(&mut unwritten);
    assert!(
        choices.contains("retry") && choices.contains("--bmc") && !choices.contains("--erase"),
        "{choices}"
    );
}

#[test]
fn wiped_needs_proof_for_every_disk() {
    let mut world = World::at(JobKind::Release, StepName::Erase);
    let Task::Erase { leave, .. } = order(&world.machine, world.now).unwrap().task else {
        panic!("no erase order")
    };
    let serials: Vec<_> = leave.disks.iter().map(|disk| disk.serial.as_str()).collect();
    assert_eq!(serials, ["root", "data"]);
    world.says(Reported::Done { evidence: "trust me".into(), disks: Vec::new() });
    assert!(matches!(world.decide(), Decision::Hold { why, .. } if why.contains("no proof")));
}

#[test]
fn an_inspection_can_be_cancelled_even_when_held() {
    let mut world = World::at(JobKind::Inspect, StepName::Agent);
    world.settle(&held());
    world.request(&cancel()).unwrap();
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

#[test]
fn a_claim_of_another_epoch_or_of_a_discovery_hides_nothing() {
    let mut world = World::at(JobKind::Deploy, StepName::WriteImage);
    let known = world.machine.facts.clone();
    let job = world.machine.job.clone().unwrap();
    for stale in [None, Some((job.id, job.epoch - 1)), Some((provisioner_api::JobId(uuid::Uuid::nil()), 99))]
    {
        world.fact(&Fact::Claimed { job: stale, inventory: Default::default() });
        assert_eq!(world.machine.facts, known, "{stale:?}");
    }
    assert!(order(&world.machine, world.now).is_some(), "the agent that claimed is still given its order");
}

#[test]
fn an_agent_does_not_reboot_a_machine_whose_firmware_is_being_written() {
    let mut world = World::at(JobKind::Deploy, StepName::Reboot);
    assert_eq!(order(&world.machine, world.now).map(|draft| draft.task), Some(Task::Reboot));
    // It waited for the boot that brought the agent, and went on under it.
    let update = world.update(false);
    world.fact(&Fact::Firmware(Some(update)));
    assert_eq!(order(&world.machine, world.now), None);
    world.fact(&Fact::Firmware(None));
    assert!(order(&world.machine, world.now).is_some());
}

#[test]
fn what_was_not_ordered_yet_is_not_done_already() {
    let mut world = World::at(JobKind::Deploy, StepName::WriteImage);
    let Some(Fact::Reported(early)) =
        world.report(Reported::Done { evidence: "?".into(), disks: Vec::new() })
    else {
        panic!("no report")
    };
    world.fact(&Fact::Reported(AgentReport { step: StepName::WriteSeed, ..early }));
    while world.machine.job.as_ref().unwrap().current().unwrap().name == StepName::WriteImage {
        world.live();
    }
    world.reconcile(|_| Ok("done".into()));
    assert!(order(&world.machine, world.now).is_some(), "the seed is ordered");
}

#[test]
fn a_system_of_an_earlier_epoch_does_not_report_in_for_the_next() {
    let mut world = World::at(JobKind::Deploy, StepName::PhoneHome);
    let change = Move::Restart { why: "test".into() };
    world.fact(&Fact::PhonedHome { instance: owner().instance, installation: 0 });
    world.settle(&Outcome::Moved { change, fresh: provisioner_api::JobId(uuid::Uuid::nil()) });
    while world.machine.job.as_ref().unwrap().current().unwrap().name != StepName::PhoneHome {
        world.live();
        assert_eq!(world.machine.state.name, MachineState::Deploying);
    }
    world.reconcile(|_| Ok("done".into()));
    assert!(matches!(world.decide(), Decision::Wait(_)), "{:?}", world.decide());
}

#[test]
fn a_late_report_of_the_system_ends_the_hold_without_writing_again() {
    let mut world = World::at(JobKind::Deploy, StepName::PhoneHome);
    world.pass(world.limits.phone_home);
    world.reconcile(|_| Ok("done".into()));
    assert!(world.machine.state.hold.is_some());
    let epoch = world.machine.state.epoch;
    world.request(&Request::Retry).unwrap();
    world.fact(&Fact::PhonedHome { instance: owner().instance, installation: 0 });
    world.run_to_rest();
    assert_eq!((world.machine.state.name, world.machine.state.epoch), (MachineState::Deployed, epoch));
    assert_eq!(world.machine.state.hold, None);
}

#[test]
fn the_time_in_which_the_service_was_down_is_nobodys_silence() {
    for (kind, step) in [
        (JobKind::Release, StepName::Erase),
        (JobKind::Deploy, StepName::WriteImage),
        (JobKind::Deploy, StepName::Agent),
        (JobKind::Deploy, StepName::PhoneHome),
    ] {
        let world = World::at(kind, step);
        let stopped = world.now;
        for last in [None, Some(stopped)] {
            let mut world = world.clone();
            world.pass(SignedDuration::from_hours(30));
            let mut deaf = world.clone();
            assert!(!matches!(deaf.decide(), Decision::Wait(_)), "{step} has a limit");
            world.fact(&Fact::Listening { last });
            assert!(matches!(world.decide(), Decision::Wait(_)), "{step}: {:?}", world.decide());
            deaf.fact(&Fact::Listening { last });
            deaf.pass(SignedDuration::from_hours(30));
            assert!(!matches!(deaf.decide(), Decision::Wait(_)), "{step} has a limit again");
        }
    }
}

#[test]
fn a_service_that_is_down_again_and_again_puts_a_limit_off_only_by_as_long_as_it_is_down() {
    let limits = World::added().limits;
    let (minute, seconds) = (SignedDuration::from_mins(1), SignedDuration::from_secs(7));
    for (kind, step, limit) in [
        (JobKind::Deploy, StepName::Agent, limits.agent_call_in),
        (JobKind::Deploy, StepName::PhoneHome, limits.phone_home),
        (JobKind::Inspect, StepName::PowerOff, limits.bmc),
        // An agent that died, long before the step's own limit.
        (JobKind::Deploy, StepName::WriteImage, limits.agent_silence),
        (JobKind::Release, StepName::Erase, limits.agent_silence),
        (JobKind::Inspect, StepName::Inspect, limits.agent_silence),
    ] {
        for up in [seconds, minute] {
            let down = up * 7;
            let mut world = World::at(kind, step);
            let begun = world.now;
            let waits = |world: &World| match step {
                // Its BMC does not answer: it is asked again and again, until a person is.
                StepName::PowerOff => !matches!(world.decide(), Decision::Hold { .. }),
                _ => matches!(world.decide(), Decision::Wait(_)),
            };
            let mut was_up = SignedDuration::ZERO;
            while waits(&world) {
                assert!(was_up <= limit + up * 5, "{step}: it never ends");
                if step == StepName::PowerOff {
                    let failure = Failure { why: "no answer".into(), permanent: false, rest: None };
                    world.reconcile(|_| Err(failure.clone()));
                }
                world.pass(up);
                was_up += up;
                if !waits(&world) {
                    break;
                }
                world.goes_unheard(down);
            }
            assert!(was_up >= limit, "{step}: {was_up:?} is too soon");
            assert!(world.now.duration_since(begun) > limit * 3, "{step}: while it was down nothing ended");
        }
    }
}

#[test]
fn an_agent_that_is_heard_between_two_starts_of_the_service_is_not_silent() {
    let mut world = World::at(JobKind::Deploy, StepName::WriteImage);
    for done in 0..50 {
        world.pass(world.limits.agent_silence / 3);
        world.says(Reported::Progress(Progress { done, total: 50 }));
        world.pass(world.limits.agent_silence / 3);
        world.goes_unheard(world.limits.agent_silence * 2);
        assert!(matches!(world.decide(), Decision::Wait(_)), "{:?}", world.decide());
    }
}

#[test]
fn what_an_earlier_version_wrote_of_being_down_counts_on() {
    let mut world = World::at(JobKind::Deploy, StepName::Agent);
    world.pass(SignedDuration::from_hours(30));
    world.fact(&Fact::Listening { last: None });
    let mut facts = serde_json::to_value(&world.machine.facts).unwrap();
    facts.as_object_mut().unwrap().remove("counts_from").unwrap();
    let facts: Facts = serde_json::from_value(facts).unwrap();
    world.machine.facts = Facts { inventory: world.machine.facts.inventory.take(), ..facts };
    assert!(matches!(world.decide(), Decision::Wait(_)), "{:?}", world.decide());
    world.pass(SignedDuration::from_mins(10));
    world.goes_unheard(SignedDuration::ZERO);
    assert!(matches!(world.decide(), Decision::Wait(_)), "{:?}", world.decide());
    world.pass(SignedDuration::from_mins(5));
    assert!(!matches!(world.decide(), Decision::Wait(_)), "ten minutes and five: {:?}", world.decide());
}

#[test]
fn a_bmc_that_failed_before_the_service_was_down_is_asked_again_before_a_person() {
    let mut world = World::at(JobKind::Inspect, StepName::PowerOff);
    world.reconcile(|_| Err(Failure { why: "no answer".into(), permanent: false, rest: None }));
    world.pass(SignedDuration::from_hours(1));
    assert!(matches!(world.decide(), Decision::Act(_)), "{:?}", world.decide());
    let told = world.reconcile(|_| panic!("that it takes long is told first"));
    assert!(matches!(told, Decision::Move(Move::Slow { .. })), "{told:?}");
    world.reconcile(|_| Err(Failure { why: "no answer".into(), permanent: false, rest: None }));
    world.pass(SignedDuration::from_mins(1));
    assert!(matches!(world.decide(), Decision::Hold { .. }), "{:?}", world.decide());
}

#[test]
fn an_erasure_that_can_not_be_done_may_be_asked_for_in_another_way() {
    let other = Request::Release { instance: owner().instance, erase: ErasePolicy::Overwrite, by: None };
    let mut world = World::at(JobKind::Release, StepName::Erase);
    world.request(&other).unwrap();
    let stands = |world: &World| world.machine.want.owner.as_ref().and_then(|owner| owner.release);
    assert_eq!(stands(&world), Some(ErasePolicy::Metadata), "the first word stands while it is done");
    world.says(Reported::Refused("this disk can't".into()));
    world.reconcile(|_| Ok("done".into()));
    world.request(&other).unwrap();
    assert_eq!(stands(&world), Some(ErasePolicy::Overwrite));
    world.request(&Request::Retry).unwrap();
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Available);
}

#[test]
fn a_machine_that_lost_power_while_its_system_boots_can_be_switched_on() {
    let mut world = World::at(JobKind::Deploy, StepName::PhoneHome);
    world.request(&Request::Power { on: true }).unwrap();
    let deed = world.reconcile(|_| Ok("power is on".into()));
    assert!(
        matches!(deed, Decision::Act(provisioner_lifecycle::Effect::Power { on: true, wish: Some(1) })),
        "{deed:?}"
    );
    assert!(matches!(world.decide(), Decision::Wait(_)), "and it goes on waiting");
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Deployed);
    let mut world = World::at(JobKind::Deploy, StepName::WriteImage);
    assert!(world.request(&Request::Power { on: false }).is_err(), "but never while it is written");
}

#[test]
fn an_agent_that_was_faster_than_the_bmc_ends_the_step_that_waits_for_it_in_the_same_write() {
    let mut world = World::at(JobKind::Deploy, StepName::PowerOn);
    let job = world.machine.running_job().unwrap();
    let claimed = Fact::Claimed { job: Some((job.id, job.epoch)), inventory: inventory() };
    world.fact(&claimed);
    let done = Outcome::Performed(Ok("power is on".into()));
    let stages = settle_on(&world.machine, &done, &world.limits, world.now);
    let last = &stages.last().unwrap().machine;
    let step = last.running_job().unwrap().current().unwrap();
    assert_eq!((step.name, step.phase, stages.len()), (StepName::WriteImage, StepPhase::Intent, 4));
}

#[test]
fn what_takes_longer_than_usual_is_told_once_and_shown_until_it_is_over() {
    let mut world = World::at(JobKind::Deploy, StepName::Agent);
    let began = world.now;
    let Decision::Wait(patience) = world.decide() else { panic!("{:?}", world.decide()) };
    assert_eq!((patience.wakes(), patience.slow), (patience.soft, false), "it is looked at in time");
    world.now = patience.soft.unwrap();
    assert!(world.now < began + world.limits.agent_call_in);
    let told = world.reconcile(|_| panic!("nothing is to be done"));
    let Decision::Move(Move::Slow { step: StepName::Agent, why }) = told else { panic!("{told:?}") };
    assert!(why.starts_with("more than 6 min; after 15 min the job starts anew"), "{why}");
    let Decision::Wait(patience) = world.decide() else { panic!("{:?}", world.decide()) };
    assert_eq!((patience.wakes(), patience.slow), (patience.until, true));
    // Told once for each time that the job starts.
    let job = world.machine.job.clone().unwrap();
    world.now = patience.until.unwrap();
    world.reconcile(|_| panic!("nothing is to be done"));
    assert!(world.machine.job.as_ref().unwrap().restarts > job.restarts);
    world.run_to(StepName::WriteImage);
    assert!(world.machine.job.unwrap().steps.iter().all(|step| step.slow.is_none()));
}

#[test]
fn a_large_image_may_take_longer_than_a_small_one_before_it_is_told() {
    let soft = |bytes: u64| {
        let mut world = World::at(JobKind::Deploy, StepName::WriteImage);
        world.machine.want.owner.as_mut().unwrap().disk_bytes = bytes;
        // Its disk must hold it, or it is held.
        let mut found = inventory();
        found.disks[0].size_bytes = bytes;
        world.fact(&Fact::Inventory(found));
        match world.decide() {
            Decision::Wait(patience) => patience.soft.unwrap().duration_since(patience.since),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(soft(1000), SignedDuration::from_mins(2));
    assert_eq!(soft(50_000_000 * 60), SignedDuration::from_mins(3));
    assert_eq!(
        soft(u64::MAX),
        SignedDuration::from_hours(3),
        "never more than half of what it may take at most"
    );
}

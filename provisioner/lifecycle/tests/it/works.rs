//! What concerns all machines at once: the freeze, and leave to wipe.

use super::world::{World, cancel, held};
use jiff::SignedDuration;
use proptest::prelude::*;
use provisioner_api::{JobKind, MachineState};
use provisioner_lifecycle::{
    Decision, Erasing, Fact, Freeze, Limits, Machine, Move, Outcome, Pace, Request, StepName, Then, Works,
    decide, decide_while, order, silent_in_line,
};

fn freeze(world: &World) -> Freeze {
    Freeze { since: world.now, by: "admin".into(), why: Some("the wrong rack".into()) }
}

/// Each step of each job, in hand and begun.
fn at_every_step() -> Vec<World> {
    let mut worlds = Vec::new();
    for kind in [JobKind::Inspect, JobKind::Deploy, JobKind::Release] {
        let first = World::at(kind, StepName::PowerOff);
        let steps = &first.machine.running_job().unwrap().steps;
        worlds.extend(steps.iter().map(|step| World::at(kind, step.name)));
    }
    worlds.push(World::in_line());
    worlds
}

#[test]
fn nothing_is_begun_while_everything_is_frozen_and_no_time_runs_out() {
    for world in at_every_step() {
        let stopped = freeze(&world);
        let step = world.machine.running_job().unwrap().current().unwrap().name;
        let mut frozen = world.clone();
        frozen.pass(SignedDuration::from_hours(24 * 365));
        for world in [&world, &frozen] {
            let decision = decide_while(Some(&stopped), &world.machine, &world.limits, world.now);
            let Decision::Wait(patience) = decision else { panic!("{step}: {decision:?}") };
            assert!(patience.why.ends_with("by admin: the wrong rack"), "{patience:?}");
            assert_eq!((patience.since, patience.until, patience.then), (stopped.since, None, Then::Person));
            assert!(patience.hint.unwrap().contains("billet unfreeze"));
        }
        // Afterwards it is as it was.
        let before = decide(&world.machine, &world.limits, world.now);
        frozen.fact(&Fact::Listening { last: Some(stopped.since) });
        let after = decide(&frozen.machine, &frozen.limits, frozen.now);
        let kind = |decision: &Decision| std::mem::discriminant(decision);
        assert_eq!(kind(&after), kind(&before), "{step}: {after:?} instead of {before:?}");
    }
}

#[test]
fn what_rests_or_is_held_does_so_while_everything_is_frozen() {
    let mut stopped = World::at(JobKind::Deploy, StepName::WriteImage);
    stopped.settle(&held());
    for world in [World::available(), World::deployed(), stopped] {
        let freeze = freeze(&world);
        let decision = decide_while(Some(&freeze), &world.machine, &world.limits, world.now);
        assert_eq!(decision, Decision::Done);
    }
    let found = World::new();
    let decision = decide_while(Some(&freeze(&found)), &found.machine, &found.limits, found.now);
    let Decision::Wait(patience) = decision else { panic!("{decision:?}") };
    assert!(patience.why.contains("accept"), "a person's deed goes before: {patience:?}");
    for asked in [World::assigned(), World::in_line()] {
        let freeze = freeze(&asked);
        let decision = decide_while(Some(&freeze), &asked.machine, &asked.limits, asked.now);
        assert!(matches!(decision, Decision::Wait(_)), "{decision:?}");
        assert_eq!(decide_while(None, &asked.machine, &asked.limits, asked.now), asked.decide());
    }
}

#[test]
fn a_freeze_is_in_force_when_leave_that_was_given_before_is_over() {
    let world = World::new();
    let works = Works { frozen: Some(world.now) };
    let pace = Pace::default();
    assert_eq!(pace.leave, SignedDuration::from_secs(2), "agents have the same number");
    let at = |millis| world.now.checked_add(SignedDuration::from_millis(millis)).unwrap();
    assert!(!works.in_force(at(2000), &pace) && works.in_force(at(2001), &pace));
}

#[test]
fn who_waits_for_leave_to_wipe_has_no_step_limit_but_has_to_be_heard() {
    let mut world = World::in_line();
    let begin = Decision::Move(Move::Begin { step: StepName::Erase });
    assert_eq!(order(&world.machine, world.now), None, "nothing is ordered without leave");
    for _ in 0..10_000 {
        world.pass(SignedDuration::from_secs(60));
        world.fact(&Fact::AgentSeen);
        assert_eq!(world.decide(), begin);
    }
    let silent = silent_in_line(&world.machine, &world.limits).unwrap();
    assert_eq!(silent, world.now.checked_add(world.limits.agent_silence).unwrap());
    world.now = silent;
    let Decision::Move(Move::Restart { why }) = world.decide() else { panic!("{:?}", world.decide()) };
    assert!(why.contains("180 s while it waited for leave to wipe"), "{why}");
    world.reconcile(|_| panic!("nothing is done"));
    assert_eq!(Erasing::of_machine(&world.machine), None, "its place is another's");
    world.run_to(StepName::Erase);
    assert_eq!(Erasing::of_machine(&world.machine), Some(Erasing::Runs));
    assert_eq!(silent_in_line(&world.machine, &world.limits), None);
}

#[test]
fn who_waits_for_leave_to_wipe_can_be_paused() {
    let mut world = World::in_line();
    world.request(&cancel()).unwrap();
    world.reconcile(|_| panic!("nothing is done"));
    assert!(world.machine.state.hold.as_ref().unwrap().why.contains("paused"));
    assert_eq!(Erasing::of_machine(&world.machine), None);
    world.request(&Request::Retry).unwrap();
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Available);
}

/// What a wiping that failed, and is to be tried again, does with its leave.
#[test]
fn who_is_to_be_tried_again_needs_leave_anew() {
    let mut world = World::at(JobKind::Release, StepName::Erase);
    let again = Outcome::Moved {
        change: Move::Again { why: "a disk failed".into() },
        fresh: world.machine.running_job().unwrap().id,
    };
    world.settle(&again);
    assert_eq!(Erasing::of_machine(&world.machine), Some(Erasing::Waits));
    world.settle(&held());
    assert_eq!(Erasing::of_machine(&world.machine), None);
}

proptest! {
    #[test]
    fn no_time_is_lost_to_a_freeze(silent in 0_i64..180, frozen in 0_i64..1_000_000, later in 0_i64..400) {
        let seconds = SignedDuration::from_secs;
        let limits = Limits::default();
        let overdue = |machine: &Machine, world: &World| !matches!(decide(machine, &limits, world.now), Decision::Wait(_));
        let mut world = World::at(JobKind::Deploy, StepName::WriteImage);
        // One that has heard nothing of a freeze.
        let mut plain = world.clone();
        plain.pass(seconds(silent + later));
        world.pass(seconds(silent));
        let since = world.now;
        world.pass(seconds(frozen));
        world.fact(&Fact::Listening { last: Some(since) });
        world.pass(seconds(later));
        prop_assert_eq!(overdue(&world.machine, &world), overdue(&plain.machine, &plain));
    }
}

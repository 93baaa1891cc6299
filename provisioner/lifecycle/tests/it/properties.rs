//! What holds whatever happens: random requests, facts, failures and restarts.

use super::world::{INSTANCE, World, inventory, owner, release};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use provisioner_api::{JobId, MachineState, Progress, StepPhase};
use provisioner_lifecycle::{
    Decision, Fact, Failure, Leave, Machine, Move, Outcome, Reported, Request, Task, admit, decide, observe,
    order, settle, settle_on,
};
use uuid::Uuid;

#[derive(Debug, Clone)]
enum Event {
    Reconcile,
    Fail { permanent: bool },
    GoodAnswer,
    Say(Reported),
    Request(Request),
    Fact(Fact),
    Pass(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let request = prop_oneof![
        Just(Request::Accept),
        Just(Request::Inspect),
        Just(Request::Retry),
        Just(Request::Cancel),
        any::<bool>().prop_map(|on| Request::Power { on }),
        Just(Request::Assign(owner())),
        Just(release()),
        Just(Request::Disown { instance: INSTANCE }),
        any::<bool>().prop_map(Request::Bmc),
        any::<bool>().prop_map(Request::Maintenance),
    ];
    let said = prop_oneof![
        Just(Reported::Failed("no".into())),
        Just(Reported::Refused("never".into())),
        Just(Reported::Done { evidence: "yes".into(), disks: Vec::new() }),
        (0_u64..3).prop_map(|done| Reported::Progress(Progress { done, total: 2 })),
    ];
    let fact = prop_oneof![
        any::<bool>().prop_map(|on| Fact::Power { on }),
        Just(Fact::BmcTrouble { why: "silence".into(), authentication: false }),
        Just(Fact::AgentSeen),
        Just(Fact::Netboot),
        proptest::option::of(0_i64..4000).prop_map(|ago| {
            let begin = Timestamp::from_second(1_800_000_000).unwrap();
            Fact::Listening { last: ago.map(|ago| begin + SignedDuration::from_secs(ago)) }
        }),
        Just(Fact::Inventory(inventory())),
        Just(Fact::PhonedHome { instance: INSTANCE }),
        Just(Fact::Claimed { job: None, inventory: inventory() }),
        Just(Fact::Claimed { job: Some((JobId(Uuid::from_u128(101)), 1)), inventory: inventory() }),
    ];
    prop_oneof![
        8 => Just(Event::Reconcile),
        1 => any::<bool>().prop_map(|permanent| Event::Fail { permanent }),
        4 => Just(Event::GoodAnswer),
        1 => said.prop_map(Event::Say),
        2 => request.prop_map(Event::Request),
        1 => fact.prop_map(Event::Fact),
        2 => (1_i64..4000).prop_map(Event::Pass),
    ]
}

fn happen(world: &mut World, event: &Event) {
    match event {
        Event::Reconcile => drop(world.reconcile(|_| Ok("done".into()))),
        Event::Fail { permanent } => {
            world.reconcile(|_| Err(Failure { why: "failed".into(), permanent: *permanent, rest: None }));
        }
        Event::GoodAnswer => world.good_answer().iter().for_each(|fact| world.fact(fact)),
        Event::Say(said) => world.report(said.clone()).iter().for_each(|fact| world.fact(fact)),
        Event::Request(request) => drop(world.request(request)),
        Event::Fact(fact) => world.fact(fact),
        Event::Pass(seconds) => world.pass(SignedDuration::from_secs(*seconds)),
    }
}

fn leave_of(task: &Task) -> Option<&Leave> {
    match task {
        Task::WriteImage { leave, .. } | Task::WriteSeed { leave, .. } | Task::Erase { leave, .. } => {
            Some(leave)
        }
        Task::Inspect | Task::Reboot => None,
    }
}

/// Nothing is destroyed outside deploying and releasing, and never without a permit for this machine, job and epoch.
fn check_order(world: &World) {
    let Some(draft) = order(&world.machine, world.now) else { return };
    let job = world.machine.running_job().expect("an order belongs to a running job");
    assert!(world.machine.want.accepted, "an order for a machine that nobody accepted");
    assert_eq!(
        world.machine.facts.claim.unwrap().job,
        Some((job.id, job.epoch)),
        "its agent claimed this very epoch"
    );
    assert_eq!(draft.step.name.destroys(), leave_of(&draft.task).is_some());
    if let Some(leave) = leave_of(&draft.task) {
        assert!(matches!(world.machine.state.name, MachineState::Deploying | MachineState::Releasing));
        assert_eq!((leave.machine, leave.job, leave.epoch), (world.machine.id, job.id, job.epoch));
        assert_eq!((leave.step, leave.attempt), (draft.step.name, draft.step.attempt));
        assert!(!leave.disks.is_empty() && leave.now == world.now && leave.expires > world.now);
        assert!(world.machine.want.owner.is_some(), "somebody asked for it");
    }
}

fn check(world: &World, before: &Machine) {
    let machine = &world.machine;
    assert!(machine.state.epoch >= before.state.epoch, "epochs never fall");
    if machine.state.name == MachineState::Available {
        assert!(!machine.state.dirty, "an available machine is clean");
        assert!(!machine.state.switched_on, "an available machine was switched off");
    }
    let working = matches!(
        machine.state.name,
        MachineState::Inspecting | MachineState::Deploying | MachineState::Releasing
    );
    assert_eq!(working, machine.running_job().is_some(), "a job runs exactly in the working states");
    if machine.want.owner.is_none() {
        assert!(!matches!(
            machine.state.name,
            MachineState::Deploying | MachineState::Deployed | MachineState::Releasing
        ));
    }
    if working && machine.state.hold.is_none() {
        match world.decide() {
            Decision::Wait(patience) => {
                assert!(patience.until.is_some(), "waits without an end: {patience:?}")
            }
            Decision::Done => panic!("a working state with nothing to do"),
            _ => {}
        }
    }
    check_order(world);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(events in proptest::collection::vec(event(), 1..160)) {
        let mut world = World::added();
        for event in &events {
            let before = world.machine.clone();
            happen(&mut world, event);
            check(&world, &before);
        }
    }

    #[test]
    fn from_everywhere_a_good_world_leads_to_rest(events in proptest::collection::vec(event(), 1..160)) {
        let mut world = World::added();
        for event in &events {
            happen(&mut world, event);
        }
        let _ = world.request(&Request::Bmc(true));
        for _ in 0..6 {
            let _ = world.request(&Request::Retry);
            for _ in 0..400 {
                if world.decide() == Decision::Done {
                    break;
                }
                world.live();
            }
        }
        let job = world.machine.running_job().and_then(|job| job.current());
        prop_assert!(world.machine.state.hold.is_none() && job.is_none(), "{:?}", world.machine);
    }

    #[test]
    fn each_verb_changes_its_own_part_only(events in proptest::collection::vec(event(), 1..80)) {
        let mut world = World::added();
        for event in &events {
            let before = world.machine.clone();
            match event {
                Event::Request(request) => if let Ok(after) = admit(&before, request) {
                    let after = Machine { want: before.want.clone(), ..after };
                    prop_assert_eq!(&after, &before);
                },
                Event::Fact(fact) => {
                    let after = observe(&before, fact, world.now);
                    let after = Machine { facts: before.facts.clone(), ..after };
                    prop_assert_eq!(&after, &before);
                }
                Event::Fail { permanent } => {
                    let failure = Failure { why: "no".into(), permanent: *permanent, rest: None };
                    let after = settle(&before, &Outcome::Performed(Err(failure)), world.now);
                    prop_assert_eq!((&after.want, &after.facts, after.id), (&before.want, &before.facts, before.id));
                }
                _ => {}
            }
            happen(&mut world, event);
        }
    }

    #[test]
    fn deciding_is_a_function_of_what_is_stored(events in proptest::collection::vec(event(), 1..60)) {
        let mut world = World::added();
        for event in &events {
            happen(&mut world, event);
            let stored = serde_json::to_string(&world.machine).unwrap();
            let mut restarted: Machine = serde_json::from_str(&stored).unwrap();
            // Stored beside the facts.
            restarted.facts.inventory.clone_from(&world.machine.facts.inventory);
            prop_assert_eq!(&restarted, &world.machine);
            let again = World { machine: restarted, ..world.clone() };
            prop_assert_eq!(again.decide(), world.decide());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn several_changes_in_one_write_lead_where_one_by_one_leads(
        events in proptest::collection::vec(event(), 1..120),
    ) {
        let mut world = World::added();
        for event in &events {
            happen(&mut world, event);
            let Decision::Move(change) = world.decide() else { continue };
            let outcome = Outcome::Moved { change, fresh: JobId(Uuid::from_u128(7)) };
            let stages = settle_on(&world.machine, &outcome, &world.limits, world.now);
            let steps = stages[0].machine.job.as_ref().map_or(0, |job| job.steps.len());
            prop_assert!(stages.len() <= 2 * steps + 2, "{stages:?}");
            let mut alone = world.machine.clone();
            for stage in &stages {
                // Each is what would have been decided anyway: nothing is passed over.
                let Decision::Move(decided) = decide(&alone, &world.limits, world.now) else { panic!("{stage:?}") };
                let fresh = match &stage.outcome {
                    Outcome::Moved { change, fresh } if *change == decided => *fresh,
                    other => panic!("{other:?} instead of {decided:?}"),
                };
                alone = settle(&alone, &Outcome::Moved { change: decided, fresh }, world.now);
                prop_assert_eq!(&alone, &stage.machine);
            }
            // What is left to do is a deed, a wait, or another state's: no step that is done waits for its next one.
            if let Decision::Move(next) = decide(&alone, &world.limits, world.now) {
                let books = matches!(next, Move::Begin { .. } | Move::StepDone { .. } | Move::Finish { .. });
                prop_assert!(!books, "{next:?}");
            }
        }
    }
}

#[test]
fn steps_begin_before_they_act() {
    let world = World::available();
    assert!(world.machine.job.as_ref().unwrap().steps.iter().all(|step| step.phase == StepPhase::Done));
}

//! What holds whatever happens: random requests, facts, failures and restarts.

use super::world::{
    INSTANCE, World, cancel, choose, erase, held, inventory, open_owner, owner, ram_owner, reinstall,
    release, rescue, service, unrescue,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use provisioner_api::{
    Choice, ErasePolicy, JobId, JobKind, MachineState, Progress, ServiceStep, StepPhase, agent::DiskEvidence,
};
use provisioner_lifecycle::{
    Deadline, Decision, Fact, Failure, Leave, Limits, Machine, Move, Outcome, Reported, Request, StepKind,
    StepName, Task, Then, admit, awaits_report, choices, decide, observe, order, settle, settle_on,
    skippable, usable,
};
use std::collections::BTreeSet;
use uuid::Uuid;

#[derive(Debug, Clone)]
enum Event {
    Reconcile,
    Fail {
        permanent: bool,
    },
    GoodAnswer,
    Say(Reported),
    Request(Request),
    Fact(Fact),
    Pass(i64),
    /// From now on an agent that calls in finds these disks.
    Disks(Vec<&'static str>),
}

/// All disks that were ever in the machine.
const DISKS: [&str; 3] = ["root", "data", "spare"];

fn event() -> impl Strategy<Value = Event> {
    let request = prop_oneof![
        Just(Request::Accept),
        Just(Request::Inspect),
        Just(Request::Retry),
        Just(cancel()),
        (0_u64..4, 0..Choice::ALL.len()).prop_map(|(hold, choice)| Request::Choose {
            hold,
            choice: Choice::ALL[choice],
            erase: ErasePolicy::Metadata,
        }),
        (0_u64..4, proptest::sample::select(&DISKS[..]))
            .prop_map(|(hold, disk)| Request::SkipDisk { hold, disk: disk.into() }),
        (0_u64..4, proptest::sample::select(&DISKS[..]))
            .prop_map(|(hold, disk)| Request::UseDisk { hold, disk: disk.into() }),
        any::<bool>().prop_map(Request::Protected),
        any::<bool>().prop_map(Request::Retired),
        any::<bool>().prop_map(|on| Request::Power { on }),
        Just(Request::Assign(owner())),
        Just(Request::Assign(open_owner())),
        Just(Request::Assign(ram_owner())),
        Just(release()),
        Just(reinstall()),
        Just(rescue()),
        Just(unrescue()),
        Just(Request::Adopt(owner())),
        Just(service()),
        proptest::sample::select(&DISKS[..]).prop_map(|disk| Request::Service(vec![erase(&[disk])])),
        Just(Request::Disown { instance: INSTANCE }),
        any::<bool>().prop_map(Request::Bmc),
        any::<bool>().prop_map(Request::Maintenance),
    ];
    let said = prop_oneof![
        Just(Reported::Failed("no".into())),
        Just(Reported::Refused("never".into())),
        Just(Reported::Outdated("old".into())),
        Just(Reported::Done { evidence: "yes".into(), disks: Vec::new() }),
        (0_u64..3).prop_map(|done| Reported::Progress(Progress { done, total: 2 })),
    ];
    let fact = prop_oneof![
        any::<bool>().prop_map(|on| Fact::Power { on }),
        Just(Fact::BmcTrouble { why: "silence".into(), authentication: false }),
        Just(Fact::AgentSeen),
        Just(Fact::Netboot),
        Just(Fact::BootsAgain),
        proptest::option::of(0_i64..4000).prop_map(|ago| {
            let begin = Timestamp::from_second(1_800_000_000).unwrap();
            Fact::Listening { last: ago.map(|ago| begin + SignedDuration::from_secs(ago)) }
        }),
        Just(Fact::Inventory(inventory())),
        (0_u32..3).prop_map(|installation| Fact::PhonedHome { instance: INSTANCE, installation }),
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
        1 => proptest::sample::subsequence(DISKS.to_vec(), 1..=3).prop_map(Event::Disks),
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
        Event::Disks(disks) => world.disks.clone_from(disks),
    }
}

fn leave_of(task: &Task) -> Option<&Leave> {
    match task {
        Task::WriteImage { leave, .. } | Task::WriteSeed { leave, .. } | Task::Erase { leave, .. } => {
            Some(leave)
        }
        Task::Inspect | Task::BootRam { .. } | Task::Rescue { .. } | Task::Reboot => None,
    }
}

/// What befalls a machine whose disks come and go while it is deployed and given back.
fn disks_come_and_go() -> impl Strategy<Value = Event> {
    let skip = (1_u64..4, proptest::sample::select(&DISKS[..]))
        .prop_map(|(hold, disk)| Request::SkipDisk { hold, disk: disk.into() });
    let request = prop_oneof![2 => Just(Request::Retry), 1 => Just(release()), 1 => Just(reinstall()), 1 => Just(service()), 2 => skip];
    prop_oneof![
        8 => Just(Event::Reconcile),
        6 => Just(Event::GoodAnswer),
        3 => proptest::sample::subsequence(DISKS.to_vec(), 1..=3).prop_map(Event::Disks),
        // An agent may be silent for no longer.
        1 => Just(Event::Pass(200)),
        2 => request.prop_map(Event::Request),
    ]
}

/// Nothing is destroyed outside deploying, releasing and servicing, and never without a permit for this machine, job and epoch.
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
    // What runs from RAM is never written to a disk, and what is to be written never runs from RAM.
    let from_ram = world.machine.want.owner.as_ref().is_some_and(|owner| owner.ram.is_some());
    let writes = matches!(draft.task, Task::WriteImage { .. } | Task::WriteSeed { .. });
    assert!(!(from_ram && writes), "leave to write for an image that runs from RAM");
    assert!(from_ram || !matches!(draft.task, Task::BootRam { .. }));
    if let Some(leave) = leave_of(&draft.task) {
        assert!(job.kind != JobKind::Rescue, "a rescue destroys nothing");
        let services = world.machine.state.name == MachineState::Servicing;
        assert!(
            services || matches!(world.machine.state.name, MachineState::Deploying | MachineState::Releasing)
        );
        assert_eq!((leave.machine, leave.job, leave.epoch), (world.machine.id, job.id, job.epoch));
        assert_eq!((leave.step, leave.attempt), (draft.step.name, draft.step.attempt));
        assert!(!leave.disks.is_empty() && leave.now == world.now && leave.expires > world.now);
        assert!(services || world.machine.want.owner.is_some(), "somebody asked for it");
        let named: Vec<_> = leave.disks.iter().map(|disk| disk.serial.as_str()).collect();
        let root = world.machine.state.root_disk.as_deref();
        assert!(
            job.kind != JobKind::Reinstall || named == [root.unwrap()],
            "only the root disk is written anew"
        );
        if services {
            check_serviced(world, draft.step.name, &named);
        }
    }
}

/// In servicing exactly the named disks are wiped, and never one that may hold its owner's system.
fn check_serviced(world: &World, step: StepName, named: &[&str]) {
    let machine = &world.machine;
    assert_eq!(step, StepName::Erase, "nothing is written in servicing");
    assert!(!machine.want.protected, "what is protected stays");
    let wish = machine.want.service.as_ref().expect("somebody asked for it");
    let asked = wish.steps.iter().find_map(|step| match step {
        ServiceStep::Erase { disks, .. } => Some(disks),
        ServiceStep::Inspect => None,
    });
    assert_eq!(named, asked.expect("a wiping was asked for"));
    if machine.want.owner.is_some() {
        let root = machine.state.root_disk.as_deref().expect("where the system is is known");
        assert!(!named.contains(&root), "the disk with the system stays");
    }
}

fn check(world: &World, before: &Machine) {
    let machine = &world.machine;
    assert!(machine.state.epoch >= before.state.epoch, "epochs never fall");
    if before.state.dirty && !machine.state.dirty {
        let skipped: Vec<_> = machine.want.skipped.iter().map(|skipped| skipped.disk.as_str()).collect();
        let disks = before.facts.inventory.iter().flat_map(|inventory| &inventory.disks);
        for disk in disks.filter_map(|disk| disk.serial.as_deref()) {
            let left = machine.state.unwiped.iter().any(|unwiped| unwiped == disk);
            assert!(!left || skipped.contains(&disk), "{disk} was left unwiped, and nobody said so");
        }
    }
    // Whatever is done to it, until it is given back its system stays where it is.
    let deployed = matches!(machine.state.name, MachineState::Deployed);
    let worked = matches!(before.state.name, MachineState::Deploying | MachineState::Servicing);
    if before.state.name == MachineState::Servicing && machine.state.name != MachineState::Servicing {
        let ends = [before.state.came_from, Some(MachineState::Releasing)];
        assert!(ends.contains(&Some(machine.state.name)), "it is what it was, or given back");
        assert_eq!(machine.state.dirty, before.state.dirty, "servicing makes nobody's disks clean");
    }
    if deployed && worked && before.state.root_disk.is_some() {
        assert_eq!(machine.state.root_disk, before.state.root_disk);
    }
    if machine.state.name == MachineState::Available {
        assert!(!machine.state.dirty, "an available machine is clean");
        assert!(!machine.state.switched_on, "an available machine was switched off");
    }
    let working = matches!(
        machine.state.name,
        MachineState::Inspecting
            | MachineState::Deploying
            | MachineState::Releasing
            | MachineState::Servicing
    );
    let rescue = machine.state.name == MachineState::Rescue;
    assert!(rescue || working == machine.running_job().is_some(), "a job runs exactly in the working states");
    let rests = machine.rests_in_rescue();
    assert!(!rests || machine.state.dirty, "whoever is in rescue may have written");
    if machine.want.owner.is_none() {
        assert!(!matches!(
            machine.state.name,
            MachineState::Deploying | MachineState::Deployed | MachineState::Releasing | MachineState::Rescue
        ));
    }
    if rests && machine.state.hold.is_none() {
        assert!(world.decide() != Decision::Done, "it says what it waits for");
    }
    if (working || rescue && !rests) && machine.state.hold.is_none() {
        match world.decide() {
            Decision::Wait(patience) => {
                assert!(patience.until.is_some(), "waits without an end: {patience:?}");
                assert!(patience.then != Then::Person && patience.hint.is_some(), "{patience:?}");
                assert!(patience.soft.is_some() || patience.then == Then::Again, "{patience:?}");
            }
            Decision::Done => panic!("a working state with nothing to do"),
            _ => {}
        }
    }
    check_hold(world);
    check_order(world);
}

/// The disks that were seen since the image may have been written, each at a moment at which something was taken down.
#[derive(Default)]
struct Seen(BTreeSet<String>);

impl Seen {
    /// "Seen during the job, or while something was written: proven wiped, or on record as unwiped."
    fn check(&mut self, before: &Machine, after: &Machine) {
        let inventory = before.facts.inventory.iter().flat_map(|inventory| &inventory.disks);
        let kind = before.running_job().map(|job| job.kind);
        let unwiped = |disk: &String| before.state.unwiped.contains(disk);
        let settled = (&before.state, &before.job) != (&after.state, &after.job);
        if settled && before.state.dirty && matches!(kind, Some(JobKind::Deploy | JobKind::Release)) {
            let disks = inventory.filter_map(|disk| disk.serial.clone());
            // Nothing is written beside one that is known to be unwiped.
            self.0.extend(disks.filter(|disk| kind == Some(JobKind::Release) || !unwiped(disk)));
        }
        if !before.state.dirty || after.state.dirty {
            return;
        }
        let proof: &[DiskEvidence] = match before.facts.report.as_ref().map(|report| &report.said) {
            Some(Reported::Done { disks, .. }) => disks,
            other => panic!("clean without a proof: {other:?}"),
        };
        for disk in std::mem::take(&mut self.0) {
            let proven = proof.iter().any(|proof| proof.serial == disk);
            assert!(proven || after.state.unwiped.contains(&disk), "{disk} is nobody's: {after:?}");
        }
    }
}

/// What is held can be answered, each choice that is offered is admitted and ends the hold or sets the machine aside, and
/// none makes a machine available whose disks are not wiped (`check` sees to that).
fn check_hold(world: &World) {
    let Some(hold) = &world.machine.state.hold else { return };
    let offered = choices(&world.machine);
    let asked = world.machine.want.retry > hold.retry;
    // To try again would write over the system that may run, unless it runs from RAM; that it does can be said still.
    let awaited = world.machine.want.protected && awaits_report(&world.machine);
    let kept = awaited && !world.machine.runs_from_ram();
    assert!(asked || kept != offered.contains(&Choice::Retry), "{hold:?}: {offered:?}");
    let vouched = world.machine.want.vouched == Some(hold.number);
    assert!(!awaited || vouched || offered.contains(&Choice::ItRuns), "{hold:?}: {offered:?}");
    for disk in skippable(&world.machine) {
        let mut after = world.clone();
        after.request(&Request::SkipDisk { hold: hold.number, disk }).unwrap();
        assert!(after.machine.want.retired);
    }
    for disk in usable(&world.machine) {
        let mut after = world.clone();
        after.request(&Request::UseDisk { hold: hold.number, disk: disk.clone() }).unwrap();
        let chosen = after.machine.want.owner.and_then(|owner| owner.root_disk_serial);
        assert_eq!(chosen, Some(disk));
    }
    for choice in offered {
        let mut after = world.clone();
        after.request(&choose(&world.machine, choice)).unwrap_or_else(|no| panic!("{choice:?}: {no}"));
        assert_ne!(after.machine.want, world.machine.want, "{choice:?}");
        let aside = choice == Choice::Abandon && after.machine.want.maintenance;
        assert!(aside || after.decide() != Decision::Done, "{choice:?} leads to nothing: {hold:?}");
    }
}

/// Lives on in a good world until there is nothing to do, or only for a person. Answers how many moments that took.
fn live_to_rest(world: &mut World) -> usize {
    for moment in 0..400 {
        match world.decide() {
            Decision::Done => return moment,
            Decision::Wait(patience) if patience.then == Then::Person => return moment,
            _ => world.live(),
        }
    }
    panic!("no rest: {:?}", world.machine);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(events in proptest::collection::vec(event(), 1..160)) {
        let (mut world, mut seen) = (World::added(), Seen::default());
        for event in &events {
            let before = world.machine.clone();
            happen(&mut world, event);
            check(&world, &before);
            seen.check(&before, &world.machine);
        }
    }

    #[test]
    fn from_everywhere_a_good_world_leads_to_rest(events in proptest::collection::vec(event(), 1..160)) {
        let mut world = World::added();
        for event in &events {
            happen(&mut world, event);
        }
        let _ = world.request(&Request::Bmc(true));
        world.request(&Request::Protected(false)).unwrap();
        for _ in 0..6 {
            // Who is asked which disk is meant, says it.
            let chosen = usable(&world.machine).into_iter().next();
            let hold = world.machine.state.holds;
            let answer = chosen.map_or(Request::Retry, |disk| Request::UseDisk { hold, disk });
            let _ = world.request(&answer);
            let _ = world.request(&unrescue());
            for _ in 0..400 {
                if world.decide() == Decision::Done {
                    break;
                }
                // Disks that are missed are put back, and what was left unwiped is taken out.
                let state = &world.machine.state;
                let releasing = state.name == MachineState::Releasing;
                let there = |disk: &&str| releasing || !state.unwiped.iter().any(|unwiped| unwiped == disk);
                world.disks = DISKS.into_iter().filter(there).collect();
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
    fn from_everywhere_it_comes_to_rest_or_is_held(events in proptest::collection::vec(event(), 1..120)) {
        let mut world = World::added();
        for event in &events {
            happen(&mut world, event);
        }
        // Each restart does all steps anew, some of which begin, are done, and are told to take long.
        prop_assert!(live_to_rest(&mut world) < 150);
    }

    #[test]
    fn from_everywhere_cancelling_leads_to_rest_or_a_hold(events in proptest::collection::vec(event(), 1..120)) {
        let mut world = World::added();
        for event in &events {
            happen(&mut world, event);
        }
        let (before, hold) = (world.machine.clone(), world.machine.state.hold.clone());
        if world.request(&cancel()).is_err() {
            prop_assert_eq!(&world.machine, &before);
        }
        if world.machine == before {
            return Ok(());
        }
        live_to_rest(&mut world);
        let state = &world.machine.state;
        let ended = match before.state.name {
            MachineState::Inspecting => matches!(state.name, MachineState::Discovered | MachineState::Available),
            MachineState::Releasing => state.hold.is_some() || !state.dirty,
            // Back where it was, or it was given back.
            MachineState::Servicing => {
                Some(state.name) == before.state.came_from || state.name == MachineState::Available
            }
            // Back to the old system, or on: the new one may have reported in just before.
            _ if before.reinstalls() || before.is_rescued() => state.name == MachineState::Deployed,
            // A servicing was cancelled that had not begun; what runs on it is adopted all the same.
            _ if before.want.owner.as_ref().is_some_and(|owner| owner.adopted && owner.release.is_none()) => {
                state.name == MachineState::Deployed
            }
            _ => state.name == MachineState::Available,
        };
        prop_assert!(ended || state.hold.is_some() && state.hold != hold, "{:?}", world.machine);
    }

    #[test]
    fn a_release_ends_clean_or_held(events in proptest::collection::vec(event(), 1..120)) {
        let mut world = World::added();
        let mut released = false;
        for event in &events {
            let before = world.machine.state.name;
            happen(&mut world, event);
            let state = &world.machine.state;
            released |= state.name == MachineState::Releasing;
            if before == MachineState::Releasing && state.name != MachineState::Releasing {
                prop_assert_eq!((state.name, state.dirty), (MachineState::Available, false));
            }
        }
        if released && world.machine.state.name == MachineState::Releasing {
            live_to_rest(&mut world);
            let state = &world.machine.state;
            prop_assert!(state.hold.is_some() || state.name == MachineState::Available && !state.dirty);
        }
    }

    #[test]
    fn what_was_seen_is_wiped_or_on_record(
        from in 0..10,
        events in proptest::collection::vec(disks_come_and_go(), 1..160),
    ) {
        let mut world = match from {
            0 => World::at(JobKind::Deploy, StepName::Agent),
            1 => World::deployed(),
            2 => World::at(JobKind::Reinstall, StepName::Agent),
            3 => World::at(JobKind::Reinstall, StepName::WriteImage),
            4 => World::adopted(),
            5 => World::ram_at(StepName::BootRam),
            6 => World::ram_deployed(),
            7 => World::at(JobKind::Service, StepName::Agent),
            8 => World::in_rescue(),
            _ => World::at(JobKind::Release, StepName::Erase),
        };
        let mut seen = Seen::default();
        for event in events.iter().chain([&Event::Request(Request::Retry)]) {
            let before = world.machine.clone();
            happen(&mut world, event);
            seen.check(&before, &world.machine);
        }
        for _ in 0..100 {
            let before = world.machine.clone();
            world.live();
            seen.check(&before, &world.machine);
        }
    }

    #[test]
    fn what_is_protected_is_not_wiped(
        from in 0..4,
        events in proptest::collection::vec(event(), 1..120),
    ) {
        let mut world = match from {
            0 => World::deployed(),
            3 => World::in_rescue(),
            1 => World::at(JobKind::Deploy, StepName::WriteImage),
            _ => World::at(JobKind::Deploy, StepName::PhoneHome),
        };
        if from == 2 {
            world.settle(&held());
        }
        world.request(&Request::Protected(true)).unwrap();
        for event in &events {
            if !matches!(event, Event::Request(Request::Protected(false))) {
                happen(&mut world, event);
            }
            let deploys = from > 0 && world.machine.state.name == MachineState::Deploying;
            let stays = matches!(
                world.machine.state.name,
                MachineState::Deployed | MachineState::Rescue | MachineState::Servicing
            );
            prop_assert!(deploys || stays);
            prop_assert!(world.machine.state.dirty);
            let writing =
                |job: &&provisioner_lifecycle::Job| !matches!(job.kind, JobKind::Rescue | JobKind::Service);
            let job = world.machine.running_job().filter(writing);
            let writes = job.is_some() && !awaits_report(&world.machine);
            prop_assert!(from == 1 || !writes, "what may run is written over");
            let task = order(&world.machine, world.now).map(|draft| draft.task);
            let harmless =
                matches!(task, None | Some(Task::Inspect | Task::Reboot | Task::Rescue { .. }));
            prop_assert!(from == 1 && !matches!(task, Some(Task::Erase { .. })) || harmless, "{task:?}");
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
            let Decision::Move(change) = decide(&world.machine, &world.limits, world.now) else { continue };
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
            // What is left to do is a deed, a wait, or another state's: no step that is done waits for its next one, but
            // for a wiping, which needs leave.
            let begun = stages.iter().any(|stage| matches!(
                stage.outcome,
                Outcome::Moved { change: Move::Begin { step: StepName::Erase }, .. }
            ));
            let asked = matches!(&outcome, Outcome::Moved { change: Move::Begin { step: StepName::Erase }, .. });
            prop_assert_eq!(begun, asked, "leave to wipe was given by the way");
            if let Decision::Move(next) = decide(&alone, &world.limits, world.now) {
                let books = matches!(next, Move::Begin { .. } | Move::StepDone { .. } | Move::Finish { .. })
                    && next != Move::Begin { step: StepName::Erase };
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

#[test]
fn each_step_has_a_deadline_and_a_next_action() {
    let limits = Limits::default();
    for (step, bytes) in StepName::ALL.into_iter().flat_map(|step| [(step, 0), (step, u64::MAX)]) {
        let Deadline { soft, hard, then, silence, stall, reason } = limits.deadline(step, bytes);
        assert!(soft > SignedDuration::ZERO && soft <= hard / 2, "{step}: {soft} of {hard}");
        assert!(then != Then::Person && then != Then::Again, "{step}: {then:?}");
        assert_eq!(silence.is_some(), step.kind() == StepKind::Order, "{step}");
        assert!(stall.is_none_or(|stall| stall < hard) && !reason.is_empty(), "{step}");
    }
}

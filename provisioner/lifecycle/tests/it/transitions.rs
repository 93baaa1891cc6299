//! Prints `transitions.md`: every situation, what is decided in it, which requests it admits, what facts lead to.
//!
//! The file is checked in and compared; `UPDATE=1 cargo test` rewrites it.

use super::world::{
    INSTANCE, World, cancel, choose, held, inventory, owner, reinstall, release, rescue, service, unrescue,
};
use jiff::SignedDuration;
use provisioner_api::{Choice, JobKind, MachineState};
use provisioner_lifecycle::{
    Deadline, Decision, Effect, Fact, Failure, Limits, Move, Outcome, Reported, Request, StepName, choices,
    confirm_first, ram_steps, skippable, usable,
};
use std::{fmt::Write, path::Path};

fn situations() -> Vec<(String, World)> {
    let mut list: Vec<(String, World)> = Vec::new();
    let mut found = World::new();
    found.fact(&Fact::Claimed { job: None, inventory: inventory() });
    list.push(("discovered, not accepted".into(), found.clone()));
    found.request(&Request::Accept).unwrap();
    list.push(("discovered, accepted, no BMC".into(), found));
    list.push(("discovered, accepted".into(), World::added()));
    let mut cancelled = World::at(JobKind::Inspect, StepName::Agent);
    cancelled.request(&cancel()).unwrap();
    cancelled.reconcile(|_| Ok(String::new()));
    list.push(("discovered, inspection cancelled".into(), cancelled));
    steps(&mut list, JobKind::Inspect, "inspecting");
    list.push(("available".into(), World::available()));
    adoptions(&mut list);
    list.push(("available, given to an instance".into(), World::assigned()));
    steps(&mut list, JobKind::Deploy, "deploying");
    list.push(("deployed".into(), World::deployed()));
    let mut given_back = World::deployed();
    given_back.request(&release()).unwrap();
    list.push(("deployed, given back".into(), given_back));
    reinstallations(&mut list);
    from_ram(&mut list);
    services(&mut list);
    rescues(&mut list);
    steps(&mut list, JobKind::Release, "releasing");
    list.push(("releasing: erase, waits for leave".into(), World::in_line()));
    let mut unwritten = World::at(JobKind::Deploy, StepName::Agent);
    unwritten.request(&release()).unwrap();
    unwritten.run_to(StepName::Rest);
    list.push(("releasing, nothing was written: rest".into(), unwritten));
    for (kind, step, name) in [
        (JobKind::Inspect, StepName::PowerOff, "inspecting, held"),
        (JobKind::Deploy, StepName::Agent, "deploying, held before writing"),
        (JobKind::Deploy, StepName::WriteImage, "deploying, held while writing"),
        (JobKind::Deploy, StepName::PhoneHome, "deploying, held while booting"),
        (JobKind::Reinstall, StepName::Agent, "reinstalling, held before writing"),
        (JobKind::Reinstall, StepName::WriteImage, "reinstalling, held while writing"),
        (JobKind::Reinstall, StepName::PhoneHome, "reinstalling, held while booting"),
        (JobKind::Rescue, StepName::Agent, "rescue, held"),
        (JobKind::Release, StepName::Erase, "releasing, held"),
        (JobKind::Service, StepName::Agent, "servicing, held before erasing"),
        (JobKind::Service, StepName::Erase, "servicing, held while erasing"),
    ] {
        let mut world = World::at(kind, step);
        world.settle(&held());
        list.push((name.into(), world));
    }
    let mut again = World::inspected_again(StepName::Agent);
    list.push(("inspecting an available machine: agent".into(), again.clone()));
    again.settle(&held());
    list.push(("inspecting an available machine, held".into(), again));
    let mut waits = World::at(JobKind::Inspect, StepName::PowerOff);
    let failure = Failure { why: "for example".into(), permanent: false, rest: None };
    waits.settle(&Outcome::Performed(Err(failure)));
    list.push(("inspecting: power-off, waits for its next try".into(), waits));
    let mut protected = World::deployed();
    protected.request(&Request::Protected(true)).unwrap();
    list.push(("deployed, protected".into(), protected));
    restored(&mut list);
    for (step, name) in [
        (StepName::PowerOff, "inspecting: power-off, a person is asked"),
        (StepName::PowerOn, "inspecting: power-on, a person is asked"),
    ] {
        let mut world = World::at(JobKind::Inspect, step);
        world.settle(&Outcome::Asked);
        list.push((name.into(), world));
    }
    updated(&mut list);
    list
}

/// Machines whose BMC is at a firmware update.
fn updated(list: &mut Vec<(String, World)>) {
    for (mut world, name) in [
        (World::available(), "available, its firmware is updated"),
        (World::at(JobKind::Inspect, StepName::PowerOff), "inspecting: power-off, its firmware is updated"),
        (World::at(JobKind::Deploy, StepName::Agent), "deploying: agent, its firmware is updated"),
        (World::at(JobKind::Deploy, StepName::PhoneHome), "deploying: phone-home, its firmware is updated"),
    ] {
        world.fact(&Fact::Firmware(Some(world.update(false))));
        list.push((name.into(), world));
    }
}

/// Machines out of a database that was restored.
fn restored(list: &mut Vec<(String, World)>) {
    for (mut world, name) in [
        (World::available(), "available, restored"),
        (World::at(JobKind::Deploy, StepName::WriteImage), "deploying, restored"),
        (World::deployed(), "deployed, restored"),
        (World::at(JobKind::Rescue, StepName::Rescue), "rescue, on the way there, restored"),
        (World::in_rescue(), "rescue, restored"),
        (World::at(JobKind::Release, StepName::Erase), "releasing, restored"),
        (World::at(JobKind::Service, StepName::Erase), "servicing, restored"),
        (World::serviced_free(StepName::Erase), "servicing a free machine, restored"),
    ] {
        world.machine = confirm_first(&world.machine, world.now, world.now);
        list.push((name.into(), world));
    }
}

fn adoptions(list: &mut Vec<(String, World)>) {
    let mut adopted = World::new();
    adopted.request(&Request::Adopt(owner())).unwrap();
    list.push(("discovered, to be adopted".into(), adopted));
    list.push(("adopted".into(), World::adopted()));
}

/// Machines whose instance runs from RAM.
fn from_ram(list: &mut Vec<(String, World)>) {
    for step in ram_steps(false) {
        list.push((format!("deploying from RAM: {step}"), World::ram_at(*step)));
    }
    let runs = World::ram_deployed();
    list.push(("deployed from RAM".into(), runs.clone()));
    let mut off = runs.clone();
    off.fact(&Fact::Power { on: false });
    list.push(("deployed from RAM, switched off".into(), off));
    let mut again = runs;
    again.fact(&Fact::BootsAgain);
    list.push(("deployed from RAM, boots again".into(), again.clone()));
    again.run_to(StepName::Agent);
    list.push(("deploying from RAM, again: agent".into(), again));
}

fn reinstallations(list: &mut Vec<(String, World)>) {
    let mut asked = World::deployed();
    asked.request(&reinstall()).unwrap();
    list.push(("deployed, to be installed anew".into(), asked));
    steps(list, JobKind::Reinstall, "reinstalling");
    for step in [StepName::PowerOff, StepName::BootDisk, StepName::PowerOn] {
        list.push((format!("reinstalling, cancelled: {step}"), World::cancelled_reinstallation(step)));
    }
}

fn services(list: &mut Vec<(String, World)>) {
    let mut asked = World::deployed();
    asked.request(&service()).unwrap();
    list.push(("deployed, to be serviced".into(), asked));
    steps(list, JobKind::Service, "servicing");
    for step in [StepName::PowerOff, StepName::BootDisk, StepName::PowerOn] {
        list.push((format!("servicing, cancelled: {step}"), World::cancelled_service(step)));
    }
    for step in [StepName::Erase, StepName::Rest] {
        list.push((format!("servicing a free machine: {step}"), World::serviced_free(step)));
    }
}

fn rescues(list: &mut Vec<(String, World)>) {
    let mut asked = World::deployed();
    asked.request(&rescue()).unwrap();
    list.push(("deployed, to be rescued".into(), asked));
    steps(list, JobKind::Rescue, "rescue, on the way there");
    let world = World::in_rescue();
    list.push(("rescue".into(), world.clone()));
    for (name, request) in
        [("to be ended", unrescue()), ("to be tried again", Request::Retry), ("given back", release())]
    {
        let mut world = world.clone();
        world.request(&request).unwrap();
        list.push((format!("rescue, {name}"), world));
    }
    let mut silent = world;
    silent.pass(SignedDuration::from_hours(1));
    list.push(("rescue, its agent is silent".into(), silent.clone()));
    silent.fact(&Fact::Netboot);
    list.push(("rescue, it booted anew".into(), silent));
    for step in [StepName::PowerOff, StepName::BootDisk, StepName::PowerOn] {
        list.push((format!("rescue, on the way back: {step}"), World::unrescued(step)));
    }
}

fn steps(list: &mut Vec<(String, World)>, kind: JobKind, state: &str) {
    let first = if kind == JobKind::Service { StepName::ShutDown } else { StepName::PowerOff };
    let first = World::at(kind, first);
    for step in &first.machine.job.as_ref().unwrap().steps {
        list.push((format!("{state}: {}", step.name), World::at(kind, step.name)));
    }
}

fn requests() -> Vec<(&'static str, Request)> {
    vec![
        ("accept", Request::Accept),
        ("inspect", Request::Inspect),
        ("retry", Request::Retry),
        ("cancel", cancel()),
        ("power", Request::Power { on: true }),
        ("assign", Request::Assign(provisioner_lifecycle::Owner { instance: other(), ..owner() })),
        ("adopt", Request::Adopt(provisioner_lifecycle::Owner { instance: other(), ..owner() })),
        ("release", release()),
        ("reinstall", reinstall()),
        ("service", service()),
        ("rescue", rescue()),
        ("unrescue", unrescue()),
        ("disown", Request::Disown { instance: INSTANCE }),
        ("take the BMC away", Request::Bmc(false)),
        ("protect", Request::Protected(true)),
    ]
}

fn other() -> provisioner_api::InstanceId {
    provisioner_api::InstanceId(uuid::Uuid::from_u128(0xabc))
}

type MakeFact = fn(&World) -> Option<Fact>;

fn facts() -> Vec<(&'static str, MakeFact)> {
    vec![
        ("what is waited for", World::good_answer),
        ("the agent failed", |world| world.report(Reported::Failed("x".into()))),
        ("the agent refused", |world| world.report(Reported::Refused("x".into()))),
        ("the agent is outdated", |world| world.report(Reported::Outdated("x".into()))),
        ("the OS phoned home", |world| Some(world.phones_home())),
        ("an older OS phoned home", |world| {
            let older = world.machine.state.installed.checked_sub(1)?;
            Some(Fact::PhonedHome { instance: INSTANCE, installation: older })
        }),
        ("an unexpected netboot", |_| Some(Fact::Netboot)),
        ("an unexpected netboot, right now", |_| Some(Fact::BootsAgain)),
        ("power is on", |_| Some(Fact::Power { on: true })),
        ("power is off", |_| Some(Fact::Power { on: false })),
        ("an agent without a window", |_| Some(Fact::Claimed { job: None, inventory: inventory() })),
        ("a firmware update begins", |world| Some(Fact::Firmware(Some(world.update(false))))),
        ("it waits for a boot", |world| Some(Fact::Firmware(Some(world.update(true))))),
        ("it ended", |_| Some(Fact::Firmware(None))),
        ("the BMC falls silent", |_| Some(Fact::BmcTrouble { why: "x".into(), authentication: false })),
    ]
}

fn state(name: MachineState) -> String {
    serde_json::to_value(name).unwrap().as_str().unwrap().to_owned()
}

fn say(world: &World) -> String {
    match world.decide() {
        Decision::Wait(patience) => {
            let until = patience.until.map_or(String::new(), |until| {
                format!(" (until {} min)", until.duration_since(patience.since).as_mins())
            });
            format!("wait: {}{until}", patience.why)
        }
        Decision::Act(Effect::Power { on, .. }) => format!("**power {}**", if on { "on" } else { "off" }),
        Decision::Act(Effect::ShutDown) => "**ask the system to shut down**".into(),
        Decision::Act(Effect::BootNetwork) => "**open the boot window, boot from the network**".into(),
        Decision::Act(Effect::BootDisk) => "**boot from the disk**".into(),
        Decision::Move(Move::Start { kind, .. }) => format!("start {}", serde_json::to_value(kind).unwrap()),
        Decision::Move(Move::Begin { step }) => format!("begin {step}"),
        Decision::Move(Move::StepDone { .. }) => "step done".into(),
        Decision::Move(Move::Again { .. }) => "order again".into(),
        Decision::Move(Move::Slow { .. }) => "it takes longer than usual".into(),
        Decision::Move(Move::Restart { .. }) => "job anew".into(),
        Decision::Move(Move::Finish { to, .. }) => format!("→ {}", state(to)),
        Decision::Move(Move::Lift) => "lift the hold, job anew".into(),
        Decision::Move(Move::Now) => "try now".into(),
        Decision::Move(Move::Adopt { .. }) => "→ deployed, as it is".into(),
        Decision::Move(Move::CutShort { .. }) => "cut the job short".into(),
        Decision::Hold { .. } => "hold".into(),
        Decision::Done => "rest".into(),
    }
}

fn print() -> String {
    let mut out = String::from(
        "# Transitions\n\nPrinted by `tests/it/transitions.rs` from the code; `make generate` rewrites it.\n\n\
         ## What is decided\n\n| situation | decision | after 10 years of silence |\n|---|---|---|\n",
    );
    let situations = situations();
    for (name, world) in &situations {
        let mut later = world.clone();
        later.pass(SignedDuration::from_hours(24 * 3650));
        writeln!(out, "| {name} | {} | {} |", say(world), say(&later)).unwrap();
    }
    deadlines(&mut out);
    let heads: Vec<_> = requests().iter().map(|(name, _)| *name).collect();
    write!(
        out,
        "\n## Requests\n\n| situation | {} |\n|---|{}\n",
        heads.join(" | "),
        "---|".repeat(heads.len())
    )
    .unwrap();
    for (name, world) in &situations {
        let cells = requests().into_iter().map(|(_, request)| {
            let mut after = world.clone();
            match after.request(&request) {
                Ok(()) if after.machine == world.machine => "already so".to_owned(),
                Ok(()) => format!("yes: {}", say(&after)),
                Err(refusal) => {
                    format!("{refusal:?}").split([' ', '{']).next().unwrap_or_default().to_owned()
                }
            }
        });
        writeln!(out, "| {name} | {} |", cells.collect::<Vec<_>>().join(" | ")).unwrap();
    }
    choices_of_holds(&mut out, &situations);
    let heads: Vec<_> = facts().iter().map(|(name, _)| *name).collect();
    write!(
        out,
        "\n## Facts\n\nAn empty cell: the decision stays.\n\n| situation | {} |\n|---|{}\n",
        heads.join(" | "),
        "---|".repeat(heads.len())
    )
    .unwrap();
    for (name, world) in &situations {
        let cells = facts().into_iter().map(|(_, fact)| {
            let mut after = world.clone();
            fact(world).iter().for_each(|fact| after.fact(fact));
            if say(&after) == say(world) { String::new() } else { say(&after) }
        });
        writeln!(out, "| {name} | {} |", cells.collect::<Vec<_>>().join(" | ")).unwrap();
    }
    out
}

/// What may be chosen where work is held.
fn choices_of_holds(out: &mut String, situations: &[(String, World)]) {
    let words: Vec<_> = Choice::ALL.iter().map(|choice| choice.word()).collect();
    let (heads, lines) = (words.join(" | "), "---|".repeat(words.len()));
    write!(
        out,
        "\n## Choices\n\nAn empty cell: it is not offered.\n\n| situation | {heads} |\n|---|{lines}\n"
    )
    .unwrap();
    for (name, world) in situations.iter().filter(|(_, world)| world.machine.state.hold.is_some()) {
        let offered = choices(&world.machine);
        let cells = Choice::ALL.into_iter().map(|choice| {
            if choice == Choice::SkipDisk {
                return skippable(&world.machine).join(" or ");
            }
            if choice == Choice::UseDisk {
                return usable(&world.machine).join(" or ");
            }
            let mut after = world.clone();
            let admitted = after.request(&choose(&world.machine, choice)).is_ok();
            match (offered.contains(&choice) && admitted, after.machine.want.maintenance) {
                (false, _) => String::new(),
                (true, false) => say(&after),
                (true, true) => format!("maintenance; {}", say(&after)),
            }
        });
        writeln!(out, "| {name} | {} |", cells.collect::<Vec<_>>().join(" | ")).unwrap();
    }
}

/// The table of deadlines, as it is when nothing is configured.
fn deadlines(out: &mut String) {
    out.push_str(
        "\n## Deadlines\n\nPast *usual* it is told once, counted and shown; past *limit* that is done which stands beside it. \
         A job starts anew twice at most. The limits are configured (`[limits]`).\n\n\
         | step | usual | limit | when it is over | agent silent | no progress | why |\n|---|---|---|---|---|---|---|\n",
    );
    let limits = Limits::default();
    let mut row = |name: &str, deadline: &Deadline| {
        let Deadline { soft, hard, then, silence, stall, reason } = deadline;
        let time = |time: &SignedDuration| format!("{time:#}");
        let perhaps = |limit: &Option<SignedDuration>| limit.as_ref().map(time).unwrap_or_default();
        let (soft, hard, silence, stall) = (time(soft), time(hard), perhaps(silence), perhaps(stall));
        writeln!(out, "| {name} | {soft} | {hard} | {} | {silence} | {stall} | {reason} |", then.words())
            .unwrap();
    };
    for step in StepName::ALL {
        row(step.word(), &limits.deadline(step, 0));
    }
    row("a person is asked to switch it", &limits.person_deadline());
    out.push_str(
        "\nWithout a deadline, because only a person's deed ends it: a discovered machine that nobody accepted, that has no \
         BMC, or whose inspection was cancelled; a firmware update whose end its BMC does not tell; what is held.\n",
    );
}

#[test]
fn transitions_md_is_what_the_code_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("transitions.md");
    let printed = print();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &printed).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == printed,
        "transitions.md is not what the code does; `make generate` rewrites it:\n{printed}"
    );
}

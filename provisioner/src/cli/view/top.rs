//! The fleet in one picture: how many are in which state, what runs and how fast, what is held and why, what takes long.

use super::{frozen, job, layout::table, word};
use crate::cli::text::{Context, bytes, clean, duration, percent};
use jiff::SignedDuration;
use provisioner_api::{Held, Instance, InstanceState, Machine, Progress, StepPhase, Waiting, Works};
use std::collections::BTreeMap;

/// What is known of the fleet.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Fleet {
    /// All machines.
    pub(in crate::cli) machines: Vec<Machine>,
    /// All instances.
    pub(in crate::cli) instances: Vec<Instance>,
    /// What concerns all of them.
    pub(in crate::cli) works: Works,
}

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Size {
    /// Characters in a line.
    pub(in crate::cli) columns: usize,
    /// Lines; none: as many as it takes.
    pub(in crate::cli) rows: Option<usize>,
}

/// How wide a bar is.
const BAR: usize = 20;

/// The picture, line by line. `trouble` says why it is an old one.
pub(in crate::cli) fn top(
    fleet: &Fleet,
    trouble: Option<&str>,
    size: Size,
    context: &Context,
) -> Vec<String> {
    let mut lines = heads(fleet, trouble, context);
    let held = held(fleet, context);
    let slow = slow(fleet, context);
    let runs = running(fleet, context);
    for (title, text) in [("HELD", held), ("RUNNING", runs), ("TAKES LONG", slow)] {
        let rows = text.lines().count().saturating_sub(1);
        if rows > 0 {
            lines.push(String::new());
            lines.push(format!("{title} ({rows})"));
            lines.extend(text.lines().map(|line| format!("  {line}")));
        }
    }
    fit(lines, size)
}

/// What is above: sums.
fn heads(fleet: &Fleet, trouble: Option<&str>, context: &Context) -> Vec<String> {
    let mut lines = Vec::new();
    let machines = counted(fleet.machines.iter().map(|machine| word(machine.status.state)));
    let set_aside = fleet.machines.iter().filter(|machine| machine.spec.maintenance).count();
    let aside = if set_aside > 0 { format!(", {set_aside} in maintenance") } else { String::new() };
    lines.push(format!(
        "{}  machines {}: {machines}{aside}",
        context.time(context.now),
        fleet.machines.len()
    ));
    let instances = counted(fleet.instances.iter().map(|instance| word(instance.status.state)));
    lines.push(format!("instances {}: {instances}", fleet.instances.len()));
    let wiping = fleet.works.erasing;
    let rate: u64 = fleet.machines.iter().filter_map(|machine| current(machine, context)?.rate).sum();
    lines.push(format!(
        "wiped now {} of at most {}, waiting for that {}; bytes moved {}/s",
        wiping.running,
        wiping.limit,
        wiping.queued,
        bytes(rate)
    ));
    lines.extend(fleet.works.frozen.as_ref().map(|freeze| format!("FROZEN: {}", frozen(freeze, context))));
    lines.extend(trouble.map(|why| format!("NO NEWS: {why}")));
    lines
}

/// `deployed 90, deploying 3`.
fn counted(words: impl Iterator<Item = String>) -> String {
    let mut counts = BTreeMap::<String, usize>::new();
    words.for_each(|word| *counts.entry(word).or_default() += 1);
    let all: Vec<_> = counts.into_iter().map(|(word, count)| format!("{word} {count}")).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

/// What a machine is at.
struct Current {
    job: String,
    step: String,
    progress: Option<Progress>,
    /// Bytes in a second since the step began.
    rate: Option<u64>,
    /// For how long the job runs.
    runs: SignedDuration,
}

fn current(machine: &Machine, context: &Context) -> Option<Current> {
    let running = machine.status.job.as_ref()?;
    let step = job::current(running)?;
    let seconds = step.started.map(|at| context.now.duration_since(at).as_secs().max(1));
    let progress = step.progress.filter(|_| step.phase == StepPhase::Intent);
    let rate = progress.zip(seconds.and_then(|seconds| u64::try_from(seconds).ok()));
    Some(Current {
        job: word(running.kind),
        step: step.name.clone(),
        progress,
        rate: rate.map(|(progress, seconds)| progress.done / seconds),
        runs: context.now.duration_since(running.started),
    })
}

/// What runs: those that are furthest from their end last.
fn running(fleet: &Fleet, context: &Context) -> String {
    let mut rows: Vec<_> = fleet
        .machines
        .iter()
        .filter(|machine| machine.status.held.is_none())
        .filter_map(|machine| Some((machine, current(machine, context)?)))
        .collect();
    rows.sort_by_key(|(_, at)| std::cmp::Reverse(at.runs));
    let rows = rows.into_iter().map(|(machine, at)| {
        let left = at.progress.zip(at.rate).filter(|(_, rate)| *rate > 0).map(|(progress, rate)| {
            let seconds = progress.total.saturating_sub(progress.done) / rate;
            duration(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)))
        });
        [
            machine.name.clone(),
            machine.status.instance_name.clone().unwrap_or_default(),
            at.job,
            at.step,
            at.progress.map(bar).unwrap_or_default(),
            at.rate.map(|rate| format!("{}/s", bytes(rate))).unwrap_or_default(),
            left.unwrap_or_default(),
            duration(at.runs),
        ]
    });
    table(["MACHINE", "INSTANCE", "JOB", "STEP", "PROGRESS", "RATE", "LEFT", "FOR"], rows)
}

/// `[#####               ] 25%`.
fn bar(progress: Progress) -> String {
    let percent = percent(progress.done, progress.total);
    let full = usize::try_from(percent).unwrap_or(0) * BAR / 100;
    format!("[{}{}] {percent}%", "#".repeat(full), " ".repeat(BAR - full))
}

/// What waits for a person, the oldest first.
fn held(fleet: &Fleet, context: &Context) -> String {
    let machines = fleet.machines.iter().map(|one| ("machine", &one.name, one.status.held.as_ref()));
    // An instance is held with its machine, which is told already.
    let alone = fleet.instances.iter().filter(|one| one.status.machine.is_none());
    let instances = alone.map(|one| ("instance", &one.name, one.status.held.as_ref()));
    let mut rows: Vec<(&str, &String, &Held)> =
        machines.chain(instances).filter_map(|(kind, name, held)| Some((kind, name, held?))).collect();
    rows.sort_by_key(|(_, _, held)| held.since);
    let rows = rows
        .into_iter()
        .map(|(kind, name, held)| [format!("{kind}/{name}"), context.age(held.since), held.why.clone()]);
    table(["WHAT", "FOR", "WHY"], rows)
}

/// What takes longer than usual, and instances that have no machine yet.
fn slow(fleet: &Fleet, context: &Context) -> String {
    let late = |waiting: &&Waiting| waiting.slow;
    let machines = fleet.machines.iter().filter(|one| one.status.held.is_none());
    let machines =
        machines.map(|one| (format!("machine/{}", one.name), one.status.waiting.as_ref().filter(late)));
    let pending = fleet
        .instances
        .iter()
        .filter(|one| one.status.held.is_none() && one.status.state == InstanceState::Pending);
    let pending = pending.map(|one| (format!("instance/{}", one.name), one.status.waiting.as_ref()));
    let mut rows: Vec<_> = machines.chain(pending).filter_map(|(name, wait)| Some((name, wait?))).collect();
    rows.sort_by_key(|(_, waiting)| waiting.since);
    let rows =
        rows.into_iter().map(|(name, waiting)| [name, context.age(waiting.since), waiting.why.clone()]);
    table(["WHAT", "FOR", "WAITS FOR"], rows)
}

/// Cuts what has no room, and says so.
fn fit(lines: Vec<String>, size: Size) -> Vec<String> {
    let mut lines: Vec<String> =
        lines.iter().map(|line| clean(line).chars().take(size.columns).collect()).collect();
    if let Some(rows) = size.rows.filter(|rows| lines.len() > *rows) {
        let left = lines.len() - rows.saturating_sub(1);
        lines.truncate(rows.saturating_sub(1));
        lines.push(format!("… {left} lines more").chars().take(size.columns).collect());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::samples;
    use jiff::tz::TimeZone;
    use provisioner_api::{Frozen, MachineState, Wiping};

    fn fleet() -> Fleet {
        let mut writes = samples::machine("m1");
        writes.status.state = MachineState::Deploying;
        writes.status.job = Some(samples::job());
        writes.status.instance_name = Some("web".into());
        let mut stuck = samples::machine("m2");
        stuck.status.held = Some(samples::held());
        stuck.spec.maintenance = true;
        let mut late = samples::machine("m3");
        late.status.waiting = Some(Waiting { slow: true, ..samples::waiting() });
        let mut pending = samples::instance("db");
        pending.status.waiting = Some(Waiting { why: "a machine\x1b[2J".into(), ..samples::waiting() });
        let erasing = Wiping { running: 1, queued: 2, limit: 10 };
        Fleet {
            machines: vec![writes, stuck, late],
            instances: vec![pending],
            works: Works { frozen: None, erasing },
        }
    }

    fn context() -> Context {
        Context { now: samples::at("2026-11-21T03:32:30Z"), zone: TimeZone::UTC }
    }

    const WIDE: Size = Size { columns: 120, rows: None };

    #[test]
    fn the_fleet_in_one_picture() {
        let picture = top(&fleet(), None, WIDE, &context()).join("\n");
        assert_eq!(
            picture,
            "\
2026-11-21 03:32:30  machines 3: available 2, deploying 1, 1 in maintenance
instances 1: pending 1
wiped now 1 of at most 10, waiting for that 2; bytes moved 512.0 KiB/s

HELD (1)
  WHAT        FOR     WHY
  machine/m2  2m 30s  the agent did not call in

RUNNING (1)
  MACHINE  INSTANCE  JOB      STEP         PROGRESS                    RATE         LEFT    FOR
  m1       web       inspect  write-image  [#########           ] 45%  512.0 KiB/s  1m 50s  2m 30s

TAKES LONG (2)
  WHAT         FOR     WAITS FOR
  machine/m3   2m 30s  the agent to call in
  instance/db  2m 30s  a machine\u{fffd}[2J"
        );
    }

    #[test]
    fn what_has_no_room_is_cut_and_counted() {
        let small = Size { columns: 30, rows: Some(5) };
        let lines = top(&fleet(), None, small, &context());
        assert_eq!(lines.len(), 5);
        assert!(lines.iter().all(|line| line.chars().count() <= 30), "{lines:?}");
        assert_eq!(lines[4], "… 12 lines more");
    }

    #[test]
    fn a_freeze_and_silence_are_seen_first() {
        let mut fleet = fleet();
        let since = samples::at("2026-11-21T03:30:00Z");
        fleet.works.frozen = Some(Frozen { since, by: "admin".into(), why: None });
        let lines = top(&fleet, Some("can't reach it"), WIDE, &context());
        assert!(lines[3].starts_with("FROZEN: everything is frozen"), "{lines:?}");
        assert_eq!(lines[4], "NO NEWS: can't reach it");
    }

    #[test]
    fn an_empty_fleet_has_a_picture_too() {
        let erasing = Wiping { running: 0, queued: 0, limit: 10 };
        let none = Fleet { machines: vec![], instances: vec![], works: Works { frozen: None, erasing } };
        let lines = top(&none, None, WIDE, &context());
        assert_eq!(lines.len(), 3);
        assert!(lines[0].ends_with("machines 0: none"), "{lines:?}");
    }
}

//! Whether a scenario makes sense. Pure; every mistake is collected and names its field and the mend.

use super::{DatabaseKind, Do, Fault, FaultKind, NetworkFaults, Phase, Scenario, names};
use crate::fleet::Outage;
use crate::fleet::bmc::BmcFault;
use crate::fleet::disk::DiskFault;
use std::path::PathBuf;

/// Why a scenario can't be had.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// There is none of this name.
    #[error(
        "there is no scenario `{name}`; built in are {}, others are named by their file (./my.toml)",
        names().collect::<Vec<_>>().join(", ")
    )]
    Unknown {
        /// As it was given.
        name: String,
    },
    /// The file can't be read.
    #[error("can't read the scenario {}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is no TOML, or has a field that there isn't.
    #[error("the scenario {place} can't be read: {why}")]
    Shape {
        /// Its name or file.
        place: String,
        /// With line and field.
        why: String,
    },
    /// Values that can't be.
    #[error("the scenario {place} is wrong:\n  {}", problems.join("\n  "))]
    Wrong {
        /// Its name or file.
        place: String,
        /// Each with its field.
        problems: Vec<String>,
    },
}

/// The most machines: what the address plan has room for.
const MOST: u32 = 30_000;

/// The most that sizes may be: beyond, a slip of the keyboard would fill this host's memory or disk.
const MOST_IMAGE_MIB: u64 = 4_096;
const MOST_DISK_MIB: u64 = 1 << 24;
const MOST_DATA_DISKS: u32 = 16;
const MOST_BOOT_KIB: u64 = 1 << 20;

/// Requests a second, if they are counted at all.
const RATES: std::ops::RangeInclusive<f64> = 0.001..=100_000.0;

/// What is wrong.
pub(super) fn problems(scenario: &Scenario) -> Vec<String> {
    let mut found = Vec::new();
    let mut say = |wrong: bool, words: String| {
        if wrong {
            found.push(words);
        }
    };
    let Scenario { machines, compress, mix, image, disk, .. } = scenario;
    say(*machines == 0 || *machines > MOST, format!("machines: {machines} must be from 1 to {MOST}"));
    say(!(1.0..=10_000.0).contains(compress), format!("compress: {compress} must be from 1 to 10000"));
    say(
        mix.ipmi == 0 && mix.redfish == 0,
        "mix: ipmi and redfish are both 0; give one of them a share".into(),
    );
    let firmware = &mix.firmware;
    let none = [firmware.bios_pxe, firmware.uefi_pxe, firmware.uefi_http] == [0; 3];
    say(none, "mix.firmware: all shares are 0; give one of bios-pxe, uefi-pxe, uefi-http a share".into());
    say(mix.rack == 0, "mix.rack: a rack of 0 machines is none; write 1 or more".into());
    say(
        !(3..=MOST_IMAGE_MIB).contains(&image.mib),
        format!("image.mib: {} must be from 3, which a partition needs, to {MOST_IMAGE_MIB}", image.mib),
    );
    let small = disk.mib < image.mib.saturating_add(4);
    say(small, format!("disk.mib: {} is too small, the image takes {} and the seed 4", disk.mib, image.mib));
    let large = disk.mib > MOST_DISK_MIB;
    say(large, format!("disk.mib: {} must be {MOST_DISK_MIB} or less", disk.mib));
    let speed = &disk.mib_per_second;
    say(
        !(1e-6..=1e9).contains(speed),
        format!("disk.mib_per_second: {speed} must be from 0.000001 to 1000000000"),
    );
    let count = disk.data_disks;
    say(count > MOST_DATA_DISKS, format!("disk.data_disks: {count} must be {MOST_DATA_DISKS} or less"));
    let count = disk.tenant_disks;
    say(count > MOST_DATA_DISKS, format!("disk.tenant_disks: {count} must be {MOST_DATA_DISKS} or less"));
    if let Some(limit) = &scenario.limits.erase_limit {
        let wrong = !limit.is_right();
        say(
            wrong,
            format!("limits.erase_limit: {limit} must be a number from 1, or from \"1%\" to \"100%\""),
        );
    }
    let kib = scenario.service.boot_kib;
    say(
        !(1..=MOST_BOOT_KIB).contains(&kib),
        format!("service.boot_kib: {kib} must be from 1 to {MOST_BOOT_KIB}"),
    );
    say(
        scenario.limits.order_attempts == 0,
        "limits.order_attempts: 0 would never try; write 1 or more".into(),
    );
    let console = &scenario.service.console;
    let known = ["jobs", "always", "never"].contains(&console.as_str());
    say(!known, format!("service.console: `{console}` is none of jobs, always, never"));
    order_problems(scenario, &mut say);
    for (number, phase) in scenario.phases.iter().enumerate() {
        phase_problems(number, phase, &mut say);
    }
    fault_problems(scenario, &mut say);
    if let Some(kill) = &scenario.kill {
        say(
            kill.every.to.is_zero(),
            "kill.every: 0s would never let the service live; write 1s or more".into(),
        );
        during(scenario, "kill.during", &kill.during, &mut say);
    }
    found
}

/// A run that does nothing, or for which nothing is there, would keep every promise.
fn order_problems(scenario: &Scenario, say: &mut impl FnMut(bool, String)) {
    let Some(first) = scenario.phases.first() else {
        let idle = scenario.refused.is_none();
        return say(idle, "phase: there is none; begin with [[phase]] and do = \"intake\"".into());
    };
    let needs = !matches!(first.deed, Do::Intake | Do::Steady | Do::Restart);
    let word = first.deed.word();
    say(needs, format!("phase[1].do: `{word}` needs machines; put a phase with do = \"intake\" before it"));
}

fn phase_problems(number: usize, phase: &Phase, say: &mut impl FnMut(bool, String)) {
    let place = |field: &str| format!("phase[{}].{field}", number + 1);
    let word = phase.deed.word();
    let timed = matches!(phase.deed, Do::Churn | Do::Steady);
    say(timed && phase.lasts.is_none(), format!("{}: `{word}` needs it; write \"60s\"", place("for")));
    let untimed = !timed && phase.lasts.is_some();
    say(untimed, format!("{}: `{word}` ends when it is done; leave it out", place("for")));
    let churn = phase.deed == Do::Churn;
    for (field, value) in [("release", phase.release), ("redeploy", phase.redeploy), ("retry", phase.retry)] {
        say(!churn && value.is_some(), format!("{}: it is for `churn` only", place(field)));
    }
    let chances = [
        ("release", phase.release),
        ("redeploy", phase.redeploy),
        ("retry", phase.retry),
        ("pinned", phase.pinned),
    ];
    for (field, value) in chances {
        let value = value.unwrap_or(0.0);
        say(!(0.0..=1.0).contains(&value), format!("{}: {value} must be from 0 to 1", place(field)));
    }
    let pinnable = matches!(phase.deed, Do::Deploy | Do::Churn);
    say(
        !pinnable && phase.pinned.is_some(),
        format!("{}: it is for `deploy` and `churn` only", place("pinned")),
    );
    let interrupts = phase.interrupt.is_some() && phase.deed != Do::Deploy;
    say(interrupts, format!("{}: it is for `deploy` only", place("interrupt")));
    for (field, value) in [("rate", phase.rate), ("sample", phase.sample)] {
        let value = value.unwrap_or(0.0);
        let wrong = value != 0.0 && !RATES.contains(&value);
        say(wrong, format!("{}: {value} must be 0 or from 0.001 to 100000", place(field)));
    }
    say(phase.count == Some(0), format!("{}: 0 would do nothing; leave it out for all", place("count")));
    say(phase.parallel == Some(0), format!("{}: 0 at once is never; write 1 or more", place("parallel")));
}

fn fault_problems(scenario: &Scenario, say: &mut impl FnMut(bool, String)) {
    for (number, fault) in scenario.faults.iter().enumerate() {
        let place = |field: &str| format!("fault[{}].{field}", number + 1);
        for (field, value) in [("drop", fault.drop), ("duplicate", fault.duplicate)] {
            let value = value.unwrap_or(0.0);
            say(!(0.0..1.0).contains(&value), format!("{}: {value} must be from 0 to below 1", place(field)));
        }
        let share = fault.share.unwrap_or(0.0);
        say(!(0.0..=1.0).contains(&share), format!("{}: {share} must be from 0 to 1", place("share")));
        say(fault.share == Some(0.0), format!("{}: 0 would meet nobody; write 0.05", place("share")));
        let of_machines = matches!(fault.what, FaultKind::Bmc | FaultKind::Disk);
        misplaced(fault, &place, say);
        for kind in &fault.kinds {
            let unknown = match fault.what {
                FaultKind::Bmc => kind.parse::<BmcFault>().err().map(|error| error.to_string()),
                FaultKind::Disk => kind.parse::<DiskFault>().err().map(|error| error.to_string()),
                FaultKind::Database => kind.parse::<Outage>().err().map(|error| error.to_string()),
                FaultKind::Network | FaultKind::Rack => None,
            };
            say(unknown.is_some(), format!("{}: {}", place("kinds"), unknown.unwrap_or_default()));
        }
        let away = fault.what == FaultKind::Database;
        let has_kinds = of_machines || away;
        say(has_kinds && fault.kinds.is_empty(), format!("{}: name at least one", place("kinds")));
        say(of_machines && fault.share.is_none(), format!("{}: it is missing; write 0.05", place("share")));
        say(
            !has_kinds && !fault.kinds.is_empty(),
            format!("{}: only bmc, disk and database have them", place("kinds")),
        );
        let comes_back = away || fault.what == FaultKind::Rack;
        let timeless = comes_back && (fault.every.is_none() || fault.lasts.is_none());
        say(timeless, format!("{}: a rack and a database need `every` and `for`", place("every")));
        let serverless = away && scenario.service.database != DatabaseKind::Postgres;
        say(
            serverless,
            format!(
                "{}: `database` needs a server; write database = \"postgres\" under [service]",
                place("what")
            ),
        );
        let endless = fault.every.zip(fault.lasts).is_some_and(|(every, lasts)| lasts >= every);
        say(endless, format!("{}: it must be shorter than `every`", place("for")));
        say(
            fault.every.is_some_and(|every| every.0.is_zero()),
            format!("{}: 0s is no pause", place("every")),
        );
        during(scenario, &place("during"), &fault.during, say);
    }
}

/// Fields that do nothing for this kind of fault, and a network fault that would do nothing at all.
fn misplaced(fault: &Fault, place: &impl Fn(&str) -> String, say: &mut impl FnMut(bool, String)) {
    let network = fault.what == FaultKind::Network;
    let wired = [
        ("drop", fault.drop.is_some()),
        ("duplicate", fault.duplicate.is_some()),
        ("jitter_ms", fault.jitter_ms.is_some()),
    ];
    for (field, given) in wired {
        say(given && !network, format!("{}: it is for `network` only", place(field)));
    }
    let shared = matches!(fault.what, FaultKind::Bmc | FaultKind::Disk);
    say(fault.share.is_some() && !shared, format!("{}: it is for `bmc` and `disk` only", place("share")));
    let idle = network && fault.network() == NetworkFaults::default();
    say(
        idle,
        format!("{}: without it, duplicate and jitter_ms nothing goes wrong; write 0.05", place("drop")),
    );
}

/// The phase that is meant must be there, or the fault would be a promise that nobody keeps.
fn during(scenario: &Scenario, place: &str, word: &str, say: &mut impl FnMut(bool, String)) {
    let there = word == "*" || scenario.phases.iter().any(|phase| phase.deed.word() == word);
    say(!there, format!("{place}: there is no phase `{word}`; write the word of one, or \"*\""));
}

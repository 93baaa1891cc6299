//! What a person may choose about held work, and what comes of it. Which choices there are follows from the machine, so
//! that holds of earlier versions have them too.
//!
//! Deliberately not here: "write anyway" and "I looked, the disks are clean". Nobody's word makes a machine available
//! whose disks are not known to be wiped, and nobody's word is a permit.

use crate::{
    admit::{Refusal, Request, admit, cancel},
    adopt::is_to_be_adopted,
    confirm::{self, given_back, is_unconfirmed},
    disk::{candidates, words},
    machine::{Job, Machine, Skipped},
    plan::StepName,
    scrap::scrap_command,
    service::is_to_erase,
    shell::shell_word,
    wipe::{least_of_unwiped, serials, skippable},
};
use provisioner_api::{Choice, ErasePolicy, JobKind, MachineState};

/// A way out of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayOut {
    /// What is to be chosen; `None`: something else has to be done.
    pub choice: Option<Choice>,
    /// Which disk it is about.
    pub disk: Option<String>,
    /// What comes of it, with the command. `{machine}` and `{instance}` stand for names.
    pub what: String,
}

impl WayOut {
    /// Something that is not chosen, but done.
    fn other(what: String) -> Self {
        Self { choice: None, disk: None, what }
    }
}

/// What may be done about what is held: first what would mend just this, then what may be chosen. Empty if nothing is held.
pub fn ways_out(machine: &Machine) -> Vec<WayOut> {
    let Some(hold) = &machine.state.hold else { return Vec::new() };
    let advice = hold.advice.iter().map(|what| WayOut::other(what.clone()));
    let choices = choices(machine);
    let chosen = choices
        .iter()
        .map(|choice| WayOut { choice: Some(*choice), ..WayOut::other(what(machine, *choice).to_owned()) });
    let skipped = skippable(machine).into_iter().map(|disk| WayOut {
        choice: Some(Choice::SkipDisk),
        disk: Some(disk.clone()),
        what: format!(
            "if disk `{disk}` is dead or gone: `billet machine choose {{machine}} skip-disk --disk {}` leaves it unwiped, and retires the machine",
            shell_word(&disk)
        ),
    });
    let releases = |job: &Job| job.kind == JobKind::Release && job.wipes();
    let wipes = machine.running_job().is_some_and(releases);
    let otherwise = "`billet instance delete {instance} --erase …` wipes it in another way";
    // Where its pool asks for the most, there is no other way.
    let bound = least_asked(machine) == ErasePolicy::Secure;
    let otherwise = (wipes && !bound).then(|| WayOut::other(otherwise.into()));
    let scrap = scrap_command(machine).map(|command| {
        WayOut::other(format!(
            "if its hardware is dead: `{command}` forgets it and its instance; what is on those disks stays there"
        ))
    });
    let used = candidates(machine).into_iter().filter_map(|disk| {
        let serial = disk.serial.clone()?;
        let what = format!(
            "`billet machine choose {{machine}} use-disk --disk {}` writes the image to {}: what is on it is lost",
            shell_word(&serial),
            words(disk)
        );
        Some(WayOut { choice: Some(Choice::UseDisk), disk: Some(serial), what })
    });
    advice.chain(used).chain(chosen).chain(skipped).chain(otherwise).chain(scrap).collect()
}

/// The least that a wiping has to do here, whatever is asked for.
fn least_asked(machine: &Machine) -> ErasePolicy {
    let pool = machine.want.owner.as_ref().and_then(|owner| owner.least).unwrap_or_default();
    pool.max(least_of_unwiped(machine, &serials(machine)))
}

/// What may be chosen about what is held, beside the disks that may be left out (`skippable`): each is admitted, and changes something.
pub fn choices(machine: &Machine) -> Vec<Choice> {
    let Some(hold) = &machine.state.hold else { return Vec::new() };
    let changes = |choice: &Choice| {
        let after = choose(machine, hold.number, *choice, ErasePolicy::default());
        after.is_ok_and(|after| after != *machine)
    };
    Choice::ALL.into_iter().filter(changes).collect()
}

/// The machine once a disk was left out of its wiping. It is retired with the same word: whoever lifts that, lifts it alone.
pub(crate) fn skip_disk(machine: &Machine, number: u64, disk: &str) -> Result<Machine, Refusal> {
    let mut next = choose(machine, number, Choice::Retry, ErasePolicy::default())?;
    let there = skippable(machine);
    let job = machine.running_job().filter(|_| there.iter().any(|known| known == disk));
    let Some(job) = job else { return Err(Refusal::NoSkip { disk: disk.to_owned(), there }) };
    next.want.skipped.push(Skipped { job: job.id, disk: disk.to_owned() });
    next.want.retired = true;
    Ok(next)
}

/// The serial numbers of the disks of which one may be chosen for the system.
pub fn usable(machine: &Machine) -> Vec<String> {
    candidates(machine).into_iter().filter_map(|disk| disk.serial.clone()).collect()
}

/// The machine once a disk was chosen for the system.
pub(crate) fn use_disk(machine: &Machine, number: u64, disk: &str) -> Result<Machine, Refusal> {
    let mut next = choose(machine, number, Choice::Retry, ErasePolicy::default())?;
    let there = usable(machine);
    let owner = next.want.owner.as_mut().filter(|_| there.iter().any(|known| known == disk));
    let Some(owner) = owner else { return Err(Refusal::NoUse { disk: disk.to_owned(), there }) };
    owner.root_disk_serial = Some(disk.to_owned());
    Ok(next)
}

/// The machine once this was chosen.
pub(crate) fn choose(
    machine: &Machine,
    number: u64,
    choice: Choice,
    erase: ErasePolicy,
) -> Result<Machine, Refusal> {
    let hold = machine.state.hold.as_ref().ok_or(Refusal::NotHeld)?;
    if hold.number != number {
        return Err(Refusal::OtherHold { asked: number, stands: hold.number });
    }
    let job = machine.running_job();
    let changed = |asked: Result<Machine, Refusal>| {
        let mut next = asked?;
        // Nothing else would end this hold.
        next.want.retry += u64::from(hold.restored && next != *machine);
        Ok(next)
    };
    let cancelled = || {
        let mut next = machine.clone();
        changed(cancel(&mut next, erase).map(|()| next))
    };
    let given_back = || match &machine.want.owner {
        Some(owner) => {
            changed(admit(machine, &Request::Release { instance: owner.instance, erase, by: None }))
        }
        None => Err(Refusal::NotYours),
    };
    // Whoever confirms that an instance runs must not have it wiped because it was given back a moment before.
    let to_go = hold.restored && job.is_none() && confirm::given_back(machine);
    match (choice, job.map(|job| job.kind)) {
        (Choice::GiveBack, None) if to_go => {
            let mut next = machine.clone();
            next.want.retry = hold.retry + 1;
            Ok(next)
        }
        (Choice::Retry, _) if !to_go => admit(machine, &Request::Retry),
        (Choice::Abandon, _) if hold.restored => admit(machine, &Request::Maintenance(true)),
        (Choice::Cancel, Some(JobKind::Inspect | JobKind::Service)) => cancelled(),
        // Whether anything was written since the backup nobody knows.
        (Choice::Cancel, Some(JobKind::Reinstall)) if !hold.restored => cancelled(),
        (Choice::GiveBack, Some(JobKind::Deploy)) => cancelled(),
        (Choice::Cancel, Some(JobKind::Rescue)) => cancelled(),
        (Choice::GiveBack, Some(JobKind::Reinstall | JobKind::Service | JobKind::Rescue)) => given_back(),
        (Choice::ItRuns, None | Some(JobKind::Rescue))
            if hold.restored
                && machine.state.name == MachineState::Rescue
                && !confirm::given_back(machine) =>
        {
            let mut next = machine.clone();
            next.want.vouched = Some(number);
            if let Some(owner) = &mut next.want.owner {
                owner.rescue = None;
            }
            Ok(next)
        }
        (Choice::ItRuns, Some(JobKind::Deploy | JobKind::Reinstall | JobKind::Service))
            if may_run(machine) =>
        {
            let mut next = machine.clone();
            next.want.vouched = Some(number);
            Ok(next)
        }
        (Choice::Abandon, Some(kind)) => {
            // What is to be wiped stays as it is: it is neither clean nor anybody's.
            let ended = match kind {
                // Whose rescue is held stays as it is, too: it is its instance's.
                JobKind::Release | JobKind::Rescue => machine.clone(),
                JobKind::Reinstall => given_back()?,
                JobKind::Inspect | JobKind::Deploy | JobKind::Service => cancelled()?,
            };
            admit(&ended, &Request::Maintenance(true))
        }
        _ => Err(Refusal::NoChoice { choice, offered: offered(machine) }),
    }
}

/// Whether nothing is missing but the word of the operating system: it may run, and to try again writes over it.
pub fn awaits_report(machine: &Machine) -> bool {
    let step = machine.running_job().and_then(Job::current);
    step.is_some_and(|step| step.name == StepName::PhoneHome)
}

/// Whether trying again may write over a system that runs.
pub fn may_write_over(machine: &Machine) -> bool {
    let given = machine.state.name == MachineState::Available
        && machine.want.owner.is_some()
        && !is_to_be_adopted(machine);
    let works = machine.running_job().is_some_and(|job| match job.kind {
        JobKind::Rescue => false,
        JobKind::Service => is_to_erase(machine),
        JobKind::Inspect | JobKind::Deploy | JobKind::Reinstall | JobKind::Release => true,
    });
    let begins = works || machine.reinstalls() || given;
    awaits_report(machine) && !machine.runs_from_ram() || is_unconfirmed(machine) && begins
}

/// Whether it may run without having reported in.
fn may_run(machine: &Machine) -> bool {
    let unconfirmed = is_unconfirmed(machine) && machine.want.owner.is_some();
    if unconfirmed { !given_back(machine) } else { awaits_report(machine) }
}

fn offered(machine: &Machine) -> String {
    // Those that can't be refused for this reason; to ask `choices` would go in a circle.
    let kind = machine.running_job().map(|job| job.kind);
    let words: &[Choice] = match kind {
        Some(JobKind::Inspect) => &[Choice::Retry, Choice::Cancel, Choice::Abandon],
        Some(JobKind::Deploy) if may_run(machine) => {
            &[Choice::Retry, Choice::ItRuns, Choice::GiveBack, Choice::Abandon]
        }
        Some(JobKind::Deploy) => &[Choice::Retry, Choice::GiveBack, Choice::Abandon],
        Some(JobKind::Reinstall) if may_run(machine) => {
            &[Choice::Retry, Choice::ItRuns, Choice::GiveBack, Choice::Abandon]
        }
        Some(JobKind::Reinstall) if machine.is_written() => {
            &[Choice::Retry, Choice::GiveBack, Choice::Abandon]
        }
        Some(JobKind::Reinstall) => &[Choice::Retry, Choice::Cancel, Choice::GiveBack, Choice::Abandon],
        Some(JobKind::Service) if may_run(machine) => {
            &[Choice::Retry, Choice::ItRuns, Choice::Cancel, Choice::GiveBack, Choice::Abandon]
        }
        Some(JobKind::Service) if machine.want.owner.is_some() => {
            &[Choice::Retry, Choice::Cancel, Choice::GiveBack, Choice::Abandon]
        }
        Some(JobKind::Service) => &[Choice::Retry, Choice::Cancel, Choice::Abandon],
        Some(JobKind::Rescue) if is_unconfirmed(machine) => {
            &[Choice::Retry, Choice::ItRuns, Choice::Cancel, Choice::GiveBack, Choice::Abandon]
        }
        Some(JobKind::Rescue) if !machine.wants_rescue() => {
            &[Choice::Retry, Choice::GiveBack, Choice::Abandon]
        }
        Some(JobKind::Rescue) => &[Choice::Retry, Choice::Cancel, Choice::GiveBack, Choice::Abandon],
        Some(JobKind::Release) => &[Choice::Retry, Choice::Abandon],
        None if is_unconfirmed(machine) && given_back(machine) => &[Choice::GiveBack, Choice::Abandon],
        None if is_unconfirmed(machine) && machine.state.name == MachineState::Rescue => {
            &[Choice::Retry, Choice::ItRuns, Choice::Abandon]
        }
        None if is_unconfirmed(machine) => &[Choice::Retry, Choice::Abandon],
        None => &[Choice::Retry],
    };
    let words: Vec<_> = words.iter().map(|choice| format!("`{}`", choice.word())).collect();
    format!("there is {}", words.join(", "))
}

fn what(machine: &Machine, choice: Choice) -> &'static str {
    if let Some(what) = confirm::what(machine, choice).filter(|_| is_unconfirmed(machine)) {
        return what;
    }
    let job = machine.running_job();
    let writes = job.is_some_and(|job| !job.only_returns());
    match (choice, job.map(|job| job.kind)) {
        (Choice::Retry, Some(JobKind::Deploy)) if machine.runs_from_ram() => {
            "mend the cause, then `billet machine retry {machine}` does all steps anew: what may run from RAM is ended, and booted again"
        }
        (Choice::Retry, Some(JobKind::Release)) => {
            "mend the cause, then `billet machine retry {machine}` does all steps anew"
        }
        (Choice::Retry, Some(JobKind::Service)) if job.is_some_and(Job::wipes) => {
            "mend the cause, then `billet machine retry {machine}` does all steps anew: the data disks that were named are wiped again"
        }
        (Choice::Retry, Some(JobKind::Deploy | JobKind::Reinstall)) if writes => {
            "mend the cause, then `billet machine retry {machine}` does all steps anew: the disk is written again"
        }
        (Choice::Retry, _) => "mend the cause, then `billet machine retry {machine}`",
        (Choice::ItRuns, _) => {
            "if you see on its console that the system runs: `billet machine choose {machine} it-runs`"
        }
        (Choice::Cancel, Some(JobKind::Reinstall)) => {
            "`billet machine cancel {machine}` ends the reinstallation: nothing was written yet, and the old system boots from its disk again"
        }
        (Choice::Cancel, Some(JobKind::Service)) => {
            "`billet machine cancel {machine}` ends the servicing: the machine is led back to what it was; data disks whose wiping began stay wiped in part"
        }
        (Choice::Cancel, Some(JobKind::Rescue)) => {
            "`billet machine cancel {machine}` ends the rescue: its own system boots from the disk again"
        }
        (Choice::Cancel, _) => "`billet machine cancel {machine}` ends the inspection",
        (Choice::GiveBack, Some(JobKind::Reinstall | JobKind::Service | JobKind::Rescue)) => {
            "`billet instance delete {instance}` gives the machine back: the instance ends, and all disks are wiped"
        }
        (Choice::GiveBack, _) if machine.boots_again() => {
            "`billet instance delete {instance}` gives the machine back: the instance ends, and its disks are wiped"
        }
        (Choice::GiveBack, _) => {
            "`billet machine cancel {machine}` or `billet instance delete {instance}` gives the machine back: the instance ends, and what was written is wiped"
        }
        (Choice::Abandon, Some(JobKind::Rescue)) => {
            "`billet machine choose {machine} abandon` sets the machine aside: in maintenance, as it is, and held until somebody tries again"
        }
        (Choice::Abandon, Some(JobKind::Release)) => {
            "`billet machine choose {machine} abandon` sets the machine aside: in maintenance, unwiped, and held until somebody tries again"
        }
        (Choice::Abandon, Some(JobKind::Deploy | JobKind::Reinstall)) => {
            "`billet machine choose {machine} abandon` gives it back and sets the machine aside: in maintenance, so that nobody gets it"
        }
        // Told for each disk.
        (Choice::SkipDisk, _) => "a disk is left out",
        (Choice::UseDisk, _) => "a disk gets the system",
        (Choice::Abandon, Some(JobKind::Service)) => {
            "`billet machine choose {machine} abandon` ends the servicing as by cancel, and puts the machine into maintenance"
        }
        (Choice::Abandon, _) => {
            "`billet machine choose {machine} abandon` ends the inspection and sets the machine aside: in maintenance, so that nobody gets it"
        }
    }
}

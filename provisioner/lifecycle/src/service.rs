//! Servicing: planned work on a machine that keeps its instance, or stays free. What may be asked, of which steps it is
//! made, and which data disks it wipes: those that were named, and never the one with the system.
//!
//! How the steps are done is that of any job (`decide`, `settle`).

use crate::{
    admit::{Refusal, Word, check_confirmed},
    disk::may_be_erased,
    machine::{FirmwareTask, Job, Machine, ServiceWish},
    plan::StepName,
    reinstall::chosen_before,
    wipe::least_of_unwiped,
};
use provisioner_api::{Caution, Disk, ErasePolicy, JobKind, MachineState, ServiceStep, StepPhase};

/// Why such a servicing can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoService {
    /// It would be none.
    #[error("no step is asked for; there is `inspect` and `erase`")]
    Nothing,
    /// Reports on the two could not be told apart.
    #[error("`{step}` is asked for twice; once does it, for all disks together")]
    Twice {
        /// The step.
        step: StepName,
    },
    /// No disk is named.
    #[error("no disk is named that is to be erased; give its serial number")]
    NoDisk,
    /// It was never inspected.
    #[error("the machine was never inspected, so it is not known which disks it has; inspect it first")]
    NoInventory,
    /// No disk has that serial number.
    #[error(
        "no disk has the serial number `{disk}`; this machine has: {seen} (one that is new shows after an inspection)"
    )]
    NoSuchDisk {
        /// The one that was named.
        disk: String,
        /// Those that are there.
        seen: String,
    },
    /// Several disks have that serial number, or it is named twice.
    #[error(
        "the serial number `{disk}` names more than one disk, or is given twice, so it names none safely"
    )]
    Ambiguous {
        /// The serial number.
        disk: String,
    },
    /// The disk can't be written.
    #[error("the disk `{disk}` is {what}, so it is not erased")]
    NotWritable {
        /// The disk.
        disk: String,
        /// What speaks against it.
        what: &'static str,
    },
    /// It holds the system.
    #[error(
        "the disk `{disk}` holds the system of the machine's instance; it is wiped only when that is given back (`billet instance delete`)"
    )]
    System {
        /// The disk.
        disk: String,
    },
    /// It is not known which one holds the system.
    #[error(
        "it is not known which disk holds the system of the machine's instance, which was adopted; so none is erased while that has the machine"
    )]
    SystemUnknown,
}

/// Takes down that a machine is to be serviced.
pub(crate) fn ask(machine: &mut Machine, steps: &[ServiceStep]) -> Result<(), Refusal> {
    check(machine, steps)?;
    let same = machine.want.service.as_ref().is_some_and(|wish| wish.steps == steps);
    // Asked twice, it is done once.
    if !(same && is_asked(machine)) {
        let last = machine.want.service.as_ref().map_or(0, |wish| wish.number).max(machine.state.service);
        machine.want.service = Some(ServiceWish { number: last + 1, steps: steps.to_vec() });
    }
    Ok(())
}

fn check(machine: &Machine, steps: &[ServiceStep]) -> Result<(), Refusal> {
    let (want, state) = (&machine.want, &machine.state);
    check_confirmed(machine)?;
    if !want.accepted {
        return Err(Refusal::NotAccepted);
    }
    if !want.bmc {
        return Err(Refusal::NoBmc);
    }
    if let Some(task) = machine.facts.firmware.as_ref().filter(|task| FirmwareTask::locks(task)) {
        return Err(Refusal::Updating { what: task.what.clone() });
    }
    if machine.running_job().is_some() {
        return Err(Refusal::Busy);
    }
    match (state.name, &want.owner) {
        (MachineState::Deployed, Some(owner)) if owner.release.is_some() => return Err(Refusal::GivenBack),
        (MachineState::Deployed, _) if machine.reinstalls() => return Err(Refusal::Reinstalling),
        (MachineState::Deployed, _) if machine.is_rescued() => return Err(Refusal::Rescued),
        (MachineState::Deployed, _) if machine.runs_from_ram() => return Err(Refusal::EndsWithRam),
        (MachineState::Deployed, Some(_)) | (MachineState::Available, None) => {}
        // Its deployment begins in a moment.
        (MachineState::Available, Some(_)) => return Err(Refusal::Busy),
        (name, _) => return Err(Refusal::State { state: Word(name) }),
    }
    check_steps(machine, steps)
}

fn check_steps(machine: &Machine, steps: &[ServiceStep]) -> Result<(), Refusal> {
    if steps.is_empty() {
        return Err(NoService::Nothing.into());
    }
    let names: Vec<_> = steps.iter().map(step_name).collect();
    if let Some((_, twice)) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        return Err(NoService::Twice { step: *twice }.into());
    }
    if let Some((disks, _)) = erasure(steps) {
        if machine.want.protected {
            return Err(Refusal::Protected);
        }
        check_disks(machine, disks)?;
    }
    Ok(())
}

fn step_name(step: &ServiceStep) -> StepName {
    match step {
        ServiceStep::Inspect => StepName::Inspect,
        ServiceStep::Erase { .. } => StepName::Erase,
    }
}

/// What is to be wiped in these steps, and how.
fn erasure(steps: &[ServiceStep]) -> Option<(&[String], ErasePolicy)> {
    steps.iter().find_map(|step| match step {
        ServiceStep::Erase { disks, method } => Some((&disks[..], *method)),
        ServiceStep::Inspect => None,
    })
}

/// Whether each of these is exactly one disk that is there, can be written, and does not hold the system.
fn check_disks(machine: &Machine, wanted: &[String]) -> Result<(), NoService> {
    let disks = &machine.facts.inventory.as_deref().ok_or(NoService::NoInventory)?.disks;
    let system = system_disk(machine)?;
    if wanted.is_empty() {
        return Err(NoService::NoDisk);
    }
    for (at, serial) in wanted.iter().enumerate() {
        let disk = serial.clone();
        if system.as_ref() == Some(serial) {
            return Err(NoService::System { disk });
        }
        let named: Vec<_> = with_serial(disks, serial).collect();
        match named[..] {
            [] => return Err(NoService::NoSuchDisk { disk, seen: serials_in_words(disks) }),
            [_] if wanted[..at].contains(serial) => return Err(NoService::Ambiguous { disk }),
            [found] if !may_be_erased(machine, found) => {
                let what = found.caution().map_or("", Caution::words);
                return Err(NoService::NotWritable { disk, what });
            }
            // By a second path one and the same disk may tell another serial number.
            [found] if system.as_ref().is_some_and(|system| same_wwn(disks, found, system)) => {
                return Err(NoService::System { disk });
            }
            [_] => {}
            _ => return Err(NoService::Ambiguous { disk }),
        }
    }
    Ok(())
}

fn with_serial<'a>(disks: &'a [Disk], serial: &'a str) -> impl Iterator<Item = &'a Disk> {
    disks.iter().filter(move |disk| disk.serial.as_deref() == Some(serial))
}

fn same_wwn(disks: &[Disk], found: &Disk, system: &str) -> bool {
    found.wwn.is_some() && with_serial(disks, system).any(|disk| disk.wwn == found.wwn)
}

fn serials_in_words(disks: &[Disk]) -> String {
    let serials: Vec<_> = disks.iter().filter_map(|disk| disk.serial.as_deref()).collect();
    if serials.is_empty() {
        "no disk with a serial number".into()
    } else {
        format!("`{}`", serials.join("`, `"))
    }
}

/// The disk that holds the system of the machine's instance; none of a free machine.
fn system_disk(machine: &Machine) -> Result<Option<String>, NoService> {
    let Some(owner) = &machine.want.owner else { return Ok(None) };
    match &machine.state.root_disk {
        Some(disk) => Ok(Some(disk.clone())),
        // Where somebody else put the system nobody can guess.
        None if owner.adopted => Err(NoService::SystemUnknown),
        None => chosen_before(machine).map(Some).map_err(|_| NoService::SystemUnknown),
    }
}

/// The serial numbers of all disks that the running servicing wipes, and how; or why it can't be said, as a sentence.
pub(crate) fn wiping(machine: &Machine) -> Result<(Vec<String>, ErasePolicy), String> {
    let steps = machine.want.service.as_ref().map(|wish| &wish.steps[..]).unwrap_or_default();
    let (disks, method) = erasure(steps).ok_or("nobody asked for a disk to be erased")?;
    if machine.want.protected {
        return Err("the machine is protected: what is on its disks stays".into());
    }
    check_disks(machine, disks).map_err(|no| no.to_string())?;
    // Admitted by an earlier version, it may ask for less than its owner's pool did.
    let least = machine.want.owner.as_ref().and_then(|owner| owner.least).unwrap_or_default();
    Ok((disks.to_vec(), method.max(least).max(least_of_unwiped(machine, disks))))
}

/// How the wiping of a servicing was asked for.
pub(crate) fn asked(machine: &Machine) -> Option<ErasePolicy> {
    let steps = machine.want.service.as_ref().map(|wish| &wish.steps[..]).unwrap_or_default();
    erasure(steps).map(|(_, method)| method)
}

/// Whether it is to be serviced, and no job of that began.
pub(crate) fn is_asked(machine: &Machine) -> bool {
    machine.want.service.as_ref().is_some_and(|wish| wish.number > machine.state.service)
}

/// Whether data disks are about to be wiped in its servicing.
pub fn is_to_erase(machine: &Machine) -> bool {
    let wish = machine.want.service.as_ref().filter(|_| is_asked(machine));
    let asked = wish.is_some_and(|wish| erasure(&wish.steps).is_some());
    asked || machine.running_job().is_some_and(|job| job.kind == JobKind::Service && job.has_to_wipe())
}

/// Whether a data disk is being wiped: it may be so in part.
pub(crate) fn is_erasing(job: &Job) -> bool {
    let step = job.current().filter(|step| step.name == StepName::Erase && step.phase != StepPhase::Todo);
    job.kind == JobKind::Service && step.is_some()
}

/// The steps of a machine's servicing. `short`: only what leads back to what it was.
pub(crate) fn steps(machine: &Machine, short: bool) -> Vec<StepName> {
    use StepName as S;
    let deployed = machine.state.came_from == Some(MachineState::Deployed);
    let runs = deployed && !machine.state.found_off;
    let back: &[S] = match (deployed, runs, short) {
        (false, ..) => &[S::Rest],
        (true, true, true) => &[S::PowerOff, S::BootDisk, S::PowerOn],
        (true, false, true) => &[S::PowerOff, S::BootDisk],
        (true, true, false) => &[S::BootDisk, S::Reboot],
        (true, false, false) => &[S::BootDisk, S::Rest],
    };
    let mut steps = Vec::new();
    steps.extend((runs && !agent_runs(machine)).then_some(S::ShutDown));
    if !short {
        steps.extend([S::PowerOff, S::BootNetwork, S::PowerOn, S::Agent]);
        steps.extend(machine.want.service.iter().flat_map(|wish| &wish.steps).map(step_name));
    }
    steps.extend(back);
    steps
}

/// Whether our agent has the machine, which would be asked in vain to shut down. That the system once did says nothing: where
/// the agent did not come, it may have booted again.
fn agent_runs(machine: &Machine) -> bool {
    let came = |job: &Job| {
        job.steps.iter().any(|step| step.name == StepName::Agent && step.phase == StepPhase::Done)
    };
    machine.running_job().is_some_and(|job| job.kind == JobKind::Service && came(job))
}

/// Takes down what a servicing that begins finds: that is what it leads back to.
pub(crate) fn begun(machine: &mut Machine) {
    over(machine);
    let state = &mut machine.state;
    state.came_from = Some(state.name);
    state.found_off = machine.facts.power.is_some_and(|(on, _)| !on);
    let unknown = machine.state.root_disk.is_none();
    // Not told by earlier versions. Once other disks are found it could not be told any more.
    if unknown && machine.want.owner.is_some() {
        machine.state.root_disk = system_disk(machine).ok().flatten();
    }
}

/// Takes down that what was asked for begins, or is not made up for later.
pub(crate) fn over(machine: &mut Machine) {
    machine.state.service = machine.want.service.as_ref().map_or(machine.state.service, |wish| wish.number);
}

/// Takes down that the named data disks are wiped. Whose system runs on the machine may write to them again, so a release
/// owes them still.
pub(crate) fn erased(machine: &mut Machine) {
    let method = wiping(machine).ok().map(|(_, method)| method);
    let steps = machine.want.service.as_ref().map(|wish| &wish.steps[..]).unwrap_or_default();
    if let Some((disks, _)) = erasure(steps) {
        machine.state.made_up_for(disks, method);
    }
}

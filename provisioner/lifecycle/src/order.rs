//! The order that stands for a machine's agent, with what its permit says where it destroys. Who asks and the signature
//! are the service's.

use crate::{
    disk::{DiskWish, choose_root_disk, is_permitted, is_wiped},
    machine::{FirmwareTask, Job, Machine, Step},
    plan::{StepKind, StepName},
    wipe::{skipped, wiping},
};
use jiff::{SignedDuration, Timestamp};
use provisioner_api::{
    Disk, ErasePolicy, InstanceId, Inventory, JobId, MachineId, StepPhase,
    permit::{Chassis, Permit, PermitDisk, PermitMethod},
};

/// The order that stands, but for what only the store knows (the seed's files).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft<'a> {
    /// The job.
    pub job: &'a Job,
    /// The step.
    pub step: &'a Step,
    /// What is to be done.
    pub task: Task,
}

/// What an order is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Take the inventory.
    Inspect,
    /// Write the image.
    WriteImage {
        /// SHA-256 of the manifest.
        manifest: String,
        /// Leave to destroy.
        leave: Leave,
    },
    /// Write the seed of this instance.
    WriteSeed {
        /// Whose.
        instance: InstanceId,
        /// Leave to destroy.
        leave: Leave,
    },
    /// Load what runs from RAM, and start it.
    BootRam {
        /// SHA-256 of the manifest.
        manifest: String,
        /// Whose it is, with the seed.
        instance: InstanceId,
    },
    /// Wipe.
    Erase {
        /// How.
        policy: ErasePolicy,
        /// Leave to destroy.
        leave: Leave,
    },
    /// Start the rescue system. Nothing is written to a disk.
    Rescue {
        /// Who may log in as root: SSH public keys.
        authorized_keys: Vec<String>,
    },
    /// Reboot.
    Reboot,
}

/// Leave to destroy, but for what and to whom: all of a permit that follows from the stored job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leave {
    /// The machine.
    pub machine: MachineId,
    /// What it says of itself.
    pub chassis: Chassis,
    /// The job.
    pub job: JobId,
    /// Its epoch.
    pub epoch: u64,
    /// The step.
    pub step: StepName,
    /// Which try of it.
    pub attempt: u32,
    /// The disks.
    pub disks: Vec<PermitDisk>,
    /// From when.
    pub now: Timestamp,
    /// Until when.
    pub expires: Timestamp,
}

impl Leave {
    /// The permit for this method and for whoever asked with this challenge.
    #[must_use]
    pub fn permit(self, method: PermitMethod, challenge: String) -> Permit {
        Permit {
            challenge,
            machine: self.machine,
            chassis: self.chassis,
            job: self.job,
            epoch: self.epoch,
            step: self.step.to_string(),
            attempt: self.attempt,
            method,
            disks: self.disks,
            now: self.now,
            expires: self.expires,
        }
    }
}

/// A permit is good for a quarter of an hour; each poll of the agent gets a fresh one.
const PERMIT: SignedDuration = SignedDuration::from_mins(15);

/// The order that stands for this machine's agent, if any.
///
/// It follows from the stored job alone, so that it is the same after a crash. A held machine has none.
pub fn order<'a>(machine: &'a Machine, now: Timestamp) -> Option<Draft<'a>> {
    if machine.state.hold.is_some() {
        return None;
    }
    let job = machine.running_job()?;
    let step = job.current()?;
    let claimed = machine.facts.claim.is_some_and(|claim| claim.job == Some((job.id, job.epoch)));
    let answered = machine
        .report_on(job, step)
        .is_some_and(|report| !matches!(report.said, crate::machine::Reported::Progress(_)));
    if step.phase != StepPhase::Intent || step.name.kind() != StepKind::Order || !claimed || answered {
        return None;
    }
    // An update that waited for a boot may go on while the agent runs.
    let updating = machine.facts.firmware.as_ref().is_some_and(FirmwareTask::locks);
    if updating && matches!(step.name, StepName::Reboot | StepName::BootRam) {
        return None;
    }
    Some(Draft { job, step, task: task(machine, job, step, now)? })
}

fn task(machine: &Machine, job: &Job, step: &Step, now: Timestamp) -> Option<Task> {
    let inventory = machine.facts.inventory.as_deref();
    let owner = machine.want.owner.as_ref();
    let leave = |serials| leave_for(machine, inventory?, job, step, serials, now);
    let write_leave = || {
        let owner = owner?;
        let disk = choose_root_disk(inventory, &DiskWish::of(machine)?).ok()?;
        Some((owner, leave(vec![disk])?))
    };
    match step.name {
        StepName::Inspect => Some(Task::Inspect),
        StepName::WriteImage => {
            write_leave().map(|(owner, leave)| Task::WriteImage { manifest: owner.manifest.clone(), leave })
        }
        StepName::WriteSeed => {
            write_leave().map(|(owner, leave)| Task::WriteSeed { instance: owner.instance, leave })
        }
        StepName::BootRam => {
            let owner = owner.filter(|owner| owner.ram.is_some())?;
            Some(Task::BootRam { manifest: owner.manifest.clone(), instance: owner.instance })
        }
        StepName::Erase => {
            let (disks, policy) = wiping(machine).ok()?;
            Some(Task::Erase { policy, leave: leave(disks)? })
        }
        StepName::Rescue => {
            let wish = owner?.rescue.as_ref()?;
            Some(Task::Rescue { authorized_keys: wish.authorized_keys.clone() })
        }
        StepName::Reboot => Some(Task::Reboot),
        _ => None,
    }
}

/// Leave to destroy what is on the disks with these serial numbers, all of which were seen.
fn leave_for(
    machine: &Machine,
    inventory: &Inventory,
    job: &Job,
    step: &Step,
    serials: Vec<String>,
    now: Timestamp,
) -> Option<Leave> {
    let named = |serial: String| {
        let disk = inventory.disks.iter().find(|disk| disk.serial.as_ref() == Some(&serial))?;
        // Said only where it is needed: agents of earlier builds don't know it.
        let allowed = is_special(inventory, disk) && is_permitted(machine, disk);
        Some(PermitDisk { wwn: disk.wwn.clone(), serial, allowed })
    };
    Some(Leave {
        machine: machine.id,
        chassis: Chassis { uuid: inventory.uuid.clone(), serial: inventory.serial.clone() },
        job: job.id,
        epoch: job.epoch,
        step: step.name,
        attempt: step.attempt,
        disks: serials.into_iter().map(named).collect::<Option<_>>()?,
        now,
        expires: now.saturating_add(PERMIT).unwrap_or(Timestamp::MAX),
    })
}

/// Whether an agent touches this disk only when the permit says that it is allowed.
fn is_special(inventory: &Inventory, disk: &Disk) -> bool {
    let twins = inventory.disks.iter().filter(|other| other.serial == disk.serial).count();
    twins > 1 || disk.caution().is_some()
}

/// The serial numbers of all disks that a release wipes: every one of the machine's own that the owner could have written,
/// but for those that an operator left out.
pub(crate) fn erasable_disks(machine: &Machine) -> Result<Vec<String>, String> {
    let inventory = machine.facts.inventory.as_deref();
    let inventory = inventory.ok_or("the machine was never inspected, so it is not known what to wipe")?;
    let mut own: Vec<_> = inventory.disks.iter().filter(|disk| is_wiped(machine, disk)).collect();
    if own.is_empty() {
        return Err("the agent sees no disk that can be written".into());
    }
    // One that is left out needs no permit, so it does not matter whether one could name it.
    let out = skipped(machine);
    own.retain(|disk| disk.serial.as_ref().is_none_or(|serial| !out.contains(serial)));
    let mut serials = Vec::new();
    for (at, disk) in own.iter().enumerate() {
        let serial = disk.serial.as_ref().ok_or_else(|| {
            format!("disk {} has no serial number, so no permit can name it and it can't be wiped", disk.name)
        })?;
        let before = own[..at].iter().filter(|other| other.serial.as_ref() == Some(serial));
        if serials.contains(serial) && is_permitted(machine, disk) && { before }
            .all(|other| disk.is_path_of(other))
        {
            continue;
        }
        if serials.contains(serial) {
            return Err(format!(
                "two disks have the serial number `{serial}`, so no permit can name one of them"
            ));
        }
        serials.push(serial.clone());
    }
    if serials.is_empty() { Err("no disk is left that could be wiped".into()) } else { Ok(serials) }
}

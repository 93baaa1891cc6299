//! The machine as the lifecycle sees it: what is wanted, what was observed, where it is, and the job in hand.
//!
//! Names of machines, labels, addresses and passwords aren't here: no step hangs on them.

use crate::{
    plan::StepName,
    ram::Ram,
    rescue::{RescueWish, Rescued},
};
use jiff::Timestamp;
use provisioner_api::{
    DiskHints, ErasePolicy, InstanceId, Inventory, JobId, JobKind, MachineId, MachineState, Progress,
    ServiceStep, StepPhase, agent::DiskEvidence,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Its id.
    pub id: MachineId,
    /// What people want of it; changed by `admit` alone.
    pub want: Want,
    /// What was observed; changed by `observe` alone.
    pub facts: Facts,
    /// Where it is; changed by `settle` alone.
    pub state: State,
    /// The running job, or the last one; changed by `settle` alone.
    pub job: Option<Job>,
}

/// What people want of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// Somebody took it in. Until then nothing on it is changed.
    pub accepted: bool,
    /// It has a BMC that can be asked.
    pub bmc: bool,
    /// An operator works on it: it gets no new instance.
    pub maintenance: bool,
    /// What is on its disks stays: its instance can't be given back, and it gets no new one.
    #[serde(default)]
    pub protected: bool,
    /// It has served its time: it gets no new instance.
    #[serde(default)]
    pub retired: bool,
    /// The instance that it is for.
    pub owner: Option<Owner>,
    /// Who asked for it to be given back, in words; none: nobody did, or a job's cancelling did, or an earlier version, which
    /// did not take that down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_by: Option<String>,
    /// Raised by each request to inspect it; acceptance is the first.
    pub inspect: u64,
    /// Raised by each request to try again what is held.
    pub retry: u64,
    /// Raised by each request to stop an inspection, or to pause a wiping.
    pub cancel: u64,
    /// The hold of which an operator says that the operating system runs all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vouched: Option<u64>,
    /// Disks that an operator left out of a release's wiping, by serial number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
    /// The last request to service it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceWish>,
    /// The last request to switch it.
    pub power: Option<PowerWish>,
    /// Who had it last: one of the same name may want it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<OwnerName>,
}

/// A request to service a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceWish {
    /// Raised by each request.
    pub number: u64,
    /// What is to be done, in this order.
    pub steps: Vec<ServiceStep>,
}

/// A disk that an operator left out of a release's wiping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The release.
    pub job: JobId,
    /// The disk's serial number.
    pub disk: String,
}

/// A request to switch a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerWish {
    /// On or off.
    pub on: bool,
    /// Raised by each request.
    pub number: u64,
}

/// By what an owner is known once it is gone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerName {
    /// The instance's name.
    pub name: String,
    /// The group that it was spread with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// The instance that a machine is for, and what deciding needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The instance.
    pub instance: InstanceId,
    /// What the machine remembers of it; empty in documents of earlier versions.
    #[serde(default)]
    pub name: OwnerName,
    /// SHA-256 of the image's manifest, hex.
    pub manifest: String,
    /// Bytes of the disk that the image makes.
    pub disk_bytes: u64,
    /// The image runs from RAM, and is not written to any disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ram: Option<Ram>,
    /// The disk that the user named, that a person chose, or that holds its system and is written anew.
    pub root_disk_serial: Option<String>,
    /// What else was said of the disk, also if that is nothing. None in documents of earlier versions, which took the
    /// smallest that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_disk: Option<DiskHints>,
    /// Which installation of it is wanted: raised by each request to install it anew.
    #[serde(default)]
    pub installation: u32,
    /// It ran here before Billet knew of it: nobody deployed it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// Its machine is to run the rescue system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescue: Option<RescueWish>,
    /// The owner gives it back; its disks are to be wiped so, or as `least` says.
    pub release: Option<ErasePolicy>,
    /// The least that its pool asked for when the machine was given, or given back: its disks are wiped no less than that,
    /// whatever is asked for, and wherever the machine is by then. None in documents of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<ErasePolicy>,
}

/// What was observed of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Whether it was on when the BMC last answered, and when that was.
    pub power: Option<(bool, Timestamp)>,
    /// Why the BMC did not answer or obey last time; gone when it does.
    pub bmc_trouble: Option<BmcTrouble>,
    /// What the agent found last. Shared, because it is by far the largest part, and a machine is cloned at each step;
    /// and no part of the document that facts are stored as, because it seldom changes: whoever stores facts stores this
    /// beside them.
    #[serde(skip)]
    pub inventory: Option<Arc<Inventory>>,
    /// The last boot window that an agent claimed.
    pub claim: Option<Claim>,
    /// When the agent was heard last.
    pub agent_seen: Option<Timestamp>,
    /// The agent's last word on an order.
    pub report: Option<AgentReport>,
    /// From when it counts that this word is the same as the one before, if the step didn't begin since: put off by as
    /// long as nobody could be heard.
    pub advanced: Option<Timestamp>,
    /// The rescue system that was started last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescued: Option<Rescued>,
    /// The instance whose operating system reported in, and when.
    pub phoned_home: Option<(InstanceId, Timestamp)>,
    /// When its firmware last asked to boot from the network.
    pub netboot: Option<Timestamp>,
    /// When it last asked to boot from the network, outside of any boot window, while its instance ran from RAM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boots_again: Option<Timestamp>,
    /// When it was last seen to be off while its instance ran from RAM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<Timestamp>,
    /// From when silence counts, if nothing was heard and no step began since: put off by as long as nobody could be
    /// heard, because the service was down or firmware was written. Earlier versions wrote when the service began to
    /// listen again.
    pub listening: Option<Timestamp>,
    /// From when the time limit of the step in hand counts, if that is later than its begin: that, put off by as long as
    /// nobody could be heard. `None`, as earlier versions wrote it: from `listening`.
    pub counts_from: Option<Timestamp>,
    /// The firmware update that its BMC is at.
    pub firmware: Option<FirmwareTask>,
    /// When it was given another BMC.
    pub bmc_changed: Option<Timestamp>,
}

impl Facts {
    /// From when the time limit of a step that began then counts.
    pub(crate) fn limit_from(&self, started: Timestamp) -> Timestamp {
        self.counts_from.or(self.listening).map_or(started, |from| from.max(started))
    }
}

/// A firmware update that a BMC was asked for and whose end nobody saw yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareTask {
    /// By what the BMC knows it; `None`: whether it took the update is not known (yet).
    pub handle: Option<String>,
    /// What is updated, in words.
    pub what: String,
    /// What the BMC was at already when it was asked: none of these is it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
    /// When it was asked for.
    pub started: Timestamp,
    /// How much of it was done when it was looked at last, in percent.
    pub percent: Option<u8>,
    /// It goes on when the machine boots: until then nothing is in the middle of being written.
    pub awaits_boot: bool,
    /// When it was looked at last.
    pub seen: Timestamp,
    /// When something of it changed last.
    pub moved: Timestamp,
}

impl FirmwareTask {
    /// Whether the machine must not be switched now: firmware that is half written may never start again.
    pub fn locks(&self) -> bool {
        !self.awaits_boot
    }
}

/// Why a BMC did not answer or obey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcTrouble {
    /// As a sentence.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
    /// Whether it refused our credentials.
    pub authentication: bool,
}

/// An agent claimed the boot window of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The job whose window it was; none for a discovery.
    pub job: Option<(JobId, u64)>,
    /// When.
    pub at: Timestamp,
}

/// The agent's last word on an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentReport {
    /// The order's job.
    pub job: JobId,
    /// Its epoch.
    pub epoch: u64,
    /// Its step.
    pub step: StepName,
    /// Its attempt.
    pub attempt: u32,
    /// What it said.
    pub said: Reported,
    /// When.
    pub at: Timestamp,
}

/// What an agent said of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reported {
    /// It is at it.
    Progress(Progress),
    /// It is so.
    Done {
        /// What was done and seen.
        evidence: String,
        /// Proof for each wiped disk.
        #[serde(default)]
        disks: Vec<DiskEvidence>,
    },
    /// It failed; again may help.
    Failed(String),
    /// It refuses; again can't help.
    Refused(String),
    /// Its build can't carry the order out, and one of ours could: it is to be booted anew. The service says so in its
    /// place.
    Outdated(String),
}

/// Where a machine is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The state.
    pub name: MachineState,
    /// Since when.
    pub since: Timestamp,
    /// Work stopped until a person decides.
    pub hold: Option<Hold>,
    /// The last power wish that was dealt with.
    pub power_wish: u64,
    /// The last inspection request that was dealt with.
    pub inspect: u64,
    /// The last cancel request that was dealt with.
    pub cancel: u64,
    /// The last retry request that was dealt with.
    #[serde(default)]
    pub retry: u64,
    /// How often work was held: the number of the last hold.
    #[serde(default)]
    pub holds: u64,
    /// The last request to service it that was dealt with.
    #[serde(default)]
    pub service: u64,
    /// Whether it was off when its servicing began: then it is off after it, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub found_off: bool,
    /// What it was before the inspection or the servicing; `None`, as earlier versions wrote it: discovered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub came_from: Option<MachineState>,
    /// Whether an image may have been written since the disks were last known clean.
    pub dirty: bool,
    /// The disks that the next or running release has to wipe: those that were seen since an image may have been written,
    /// and those that were seen in any boot of the release.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owed: Vec<String>,
    /// Disks that were left out of a wiping and not wiped since. They must not be in a machine that is given to anybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unwiped: Vec<String>,
    /// The least by which each of these has to be wiped: as the wiping that it was left out of. Not told by earlier
    /// versions: then any will do.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unwiped_least: BTreeMap<String, ErasePolicy>,
    /// The last installation of its owner whose job began.
    #[serde(default)]
    pub installation: u32,
    /// The installation of its owner that its root disk holds, at least in part: the last whose writing began.
    #[serde(default)]
    pub installed: u32,
    /// The disk that an image was written to last. Not told by earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_disk: Option<String>,
    /// All disks that an image was, or may have been, written to for its owner. Not told by earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub written: Vec<String>,
    /// Whether a job switched it on, and none switched it off since.
    #[serde(default)]
    pub switched_on: bool,
    /// The highest epoch of any job; never lowered.
    pub epoch: u64,
}

/// Work stopped until a person decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Which of this machine's holds it is, from 1; 0, as earlier versions wrote it.
    #[serde(default)]
    pub number: u64,
    /// What happened, as a sentence.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
    /// What would mend just this, beside what may be chosen (`ways_out`). Earlier versions wrote all that could be done into
    /// `choices`, which follows from the machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub advice: Vec<String>,
    /// `want.retry` at that time; a higher one lifts the hold.
    pub retry: u64,
    /// The database was restored: what was asked of the machine before, or is asked by who does not know of that, is not
    /// done while the hold stands.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restored: bool,
}

impl State {
    /// Takes down that these disks were wiped so; `None`: nobody knows how. One that was left out of a stricter wiping is
    /// owed that still.
    pub(crate) fn made_up_for(&mut self, disks: &[String], method: Option<ErasePolicy>) {
        let least = &self.unwiped_least;
        let enough = |disk: &String| least.get(disk).is_none_or(|least| method >= Some(*least));
        self.unwiped.retain(|disk| !(disks.contains(disk) && enough(disk)));
        self.unwiped_least.retain(|disk, _| self.unwiped.contains(disk));
    }
}

impl Hold {
    /// A hold of which no more is said.
    pub fn new(why: impl Into<String>, since: Timestamp) -> Self {
        Self { number: 0, why: why.into(), since, advice: Vec::new(), retry: 0, restored: false }
    }
}

/// A job: one piece of long work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What it is for.
    pub kind: JobKind,
    /// Raised at each new start; the agent refuses orders of an older one.
    pub epoch: u64,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How often it was started anew from its first step.
    pub restarts: u32,
    /// Its steps.
    pub steps: Vec<Step>,
}

/// One step of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which.
    pub name: StepName,
    /// Which try, from 1.
    pub attempt: u32,
    /// How far.
    pub phase: StepPhase,
    /// When it first began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Not to be tried before.
    pub not_before: Option<Timestamp>,
    /// What came of it, or why the last try failed.
    pub result: Option<String>,
    /// Since when a person is asked to do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Timestamp>,
    /// When it was told that it takes longer than usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<Timestamp>,
}

impl Step {
    /// Since when a person is asked to do it, unless the machine has another BMC since: that one may do it by itself.
    pub(crate) fn asked_with(&self, facts: &Facts) -> Option<Timestamp> {
        self.asked.filter(|asked| facts.bmc_changed.is_none_or(|changed| changed <= *asked))
    }
}

impl Job {
    /// The step in hand: the first that isn't done.
    pub fn current(&self) -> Option<&Step> {
        if self.ended.is_some() { None } else { self.steps.iter().find(|step| step.phase != StepPhase::Done) }
    }

    /// Whether the named step was ever begun in this job.
    pub fn begun(&self, name: StepName) -> bool {
        self.steps.iter().any(|step| step.name == name && step.phase != StepPhase::Todo)
    }

    /// Whether its disks are wiped in it: they need not be where nothing was written.
    pub(crate) fn wipes(&self) -> bool {
        self.steps.iter().any(|step| step.name == StepName::Erase)
    }

    /// Whether its disks are to be wiped in it, and are not yet.
    pub(crate) fn has_to_wipe(&self) -> bool {
        self.steps.iter().any(|step| step.name == StepName::Erase && step.phase != StepPhase::Done)
    }

    /// Whether it only ends in good order: the machine is switched off, and nothing else is done.
    pub(crate) fn only_rests(&self) -> bool {
        !self.steps.is_empty() && self.steps.iter().all(|step| step.name == StepName::Rest)
    }

    /// Whether it only leads back to what was before: a reinstallation that was cancelled in time, a servicing that was
    /// cancelled, or the end of a rescue.
    pub(crate) fn only_returns(&self) -> bool {
        let away = match self.kind {
            JobKind::Reinstall => StepName::WriteImage,
            JobKind::Service => StepName::Agent,
            JobKind::Rescue => StepName::Rescue,
            JobKind::Inspect | JobKind::Deploy | JobKind::Release => return false,
        };
        !self.steps.is_empty() && self.steps.iter().all(|step| step.name != away)
    }

    /// Whether a claim or a report is of this job in this epoch.
    pub(crate) fn is(&self, id: JobId, epoch: u64) -> bool {
        self.id == id && self.epoch == epoch
    }
}

impl Machine {
    /// A machine that was never seen before.
    pub fn new(id: MachineId, now: Timestamp) -> Self {
        Self {
            id,
            want: Want::default(),
            facts: Facts::default(),
            state: State {
                name: MachineState::Discovered,
                since: now,
                hold: None,
                power_wish: 0,
                inspect: 0,
                cancel: 0,
                retry: 0,
                holds: 0,
                service: 0,
                found_off: false,
                came_from: None,
                owed: Vec::new(),
                unwiped: Vec::new(),
                unwiped_least: BTreeMap::new(),
                dirty: false,
                installation: 0,
                installed: 0,
                root_disk: None,
                written: Vec::new(),
                switched_on: false,
                epoch: 0,
            },
            job: None,
        }
    }

    /// The job that is running.
    pub fn running_job(&self) -> Option<&Job> {
        self.job.as_ref().filter(|job| job.ended.is_none())
    }

    /// Whether its root disk is being, or about to be, written anew for the instance that it has.
    pub fn reinstalls(&self) -> bool {
        let asked =
            self.want.owner.as_ref().is_some_and(|owner| owner.installation > self.state.installation);
        asked || self.running_job().is_some_and(|job| job.kind == JobKind::Reinstall && !job.only_returns())
    }

    /// Whether the installation that is wanted has begun to be written: what was there before is gone.
    pub(crate) fn is_written(&self) -> bool {
        self.want.owner.as_ref().is_some_and(|owner| owner.installation == self.state.installed)
    }

    /// The agent's last word on exactly this try of this step.
    pub fn report_on(&self, job: &Job, step: &Step) -> Option<&AgentReport> {
        self.facts.report.as_ref().filter(|report| {
            report.job == job.id
                && report.epoch == job.epoch
                && report.step == step.name
                && report.attempt == step.attempt
        })
    }
}

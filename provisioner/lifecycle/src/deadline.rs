//! How long each thing may take, and what is done by itself when it takes longer: one table, with its reasons.
//!
//! What a person has to do has no deadline here; `decide` says then whose deed is awaited, since when, and how it is done.

use crate::{erasure::EraseLimit, machine::Machine, plan::StepName, wipe::wiping};
use jiff::{SignedDuration, Timestamp};
use provisioner_api::ErasePolicy;

/// The time limits. Defaults after the state clocks of Ironic and NICo, tightened where a next action exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// A power change or boot device, retries and an absent BMC included.
    pub bmc: SignedDuration,
    /// A person who was asked to switch a machine: they may be at home until Monday.
    pub person: SignedDuration,
    /// From power on to the agent's claim: POST of a large server takes minutes.
    pub agent_call_in: SignedDuration,
    /// An order without a word from the agent: it polls and reports at least every 30 s, a restart of the
    /// service or a flooded network may swallow some.
    pub agent_silence: SignedDuration,
    /// An inspection.
    pub inspect: SignedDuration,
    /// Writing an image, as long as there is progress; a slow disk takes hours.
    pub write: SignedDuration,
    /// Writing an image or a seed while the agent speaks, but gets no further: each chunk is told, so a disk or an
    /// agent hangs.
    pub write_stall: SignedDuration,
    /// Wiping, as long as there is progress.
    pub erase: SignedDuration,
    /// Wiping without getting further: what a disk does by itself (zeroing a range, a secure erasure) it tells at its end.
    pub erase_stall: SignedDuration,
    /// From reboot to the operating system's report: firmware, boot and cloud-init.
    pub phone_home: SignedDuration,
    /// How often a job is started anew from power off before a person is asked.
    pub restarts: u32,
    /// How often one order is tried before a person is asked.
    pub order_attempts: u32,
    /// How many machines are wiped at once.
    pub erase_limit: EraseLimit,
}

/// Bytes that the slowest of disks writes in a second.
const SLOWEST: u64 = 30_000_000;

impl Default for Limits {
    fn default() -> Self {
        Self {
            bmc: SignedDuration::from_mins(5),
            person: SignedDuration::from_hours(72),
            agent_call_in: SignedDuration::from_mins(15),
            agent_silence: SignedDuration::from_mins(3),
            inspect: SignedDuration::from_mins(20),
            write: SignedDuration::from_hours(6),
            write_stall: SignedDuration::from_mins(15),
            erase: SignedDuration::from_hours(24),
            erase_stall: SignedDuration::from_hours(2),
            phone_home: SignedDuration::from_mins(30),
            restarts: 2,
            order_attempts: 3,
            erase_limit: EraseLimit::default(),
        }
    }
}

/// What is done by itself when a time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The same is tried again.
    Again,
    /// The job starts anew from power off, [`Limits::restarts`] times at most; then it is held.
    Restart,
    /// As `Restart`; a way to boot that failed is passed over while the machine has another.
    OtherBoot,
    /// Its power is cut.
    PowerOff,
    /// It is held: a person chooses.
    Hold,
    /// Nothing: only a person's deed ends it.
    Person,
}

impl Then {
    /// As the second half of "when the time is over, …".
    pub fn words(self) -> &'static str {
        match self {
            Self::Again => "it is tried again",
            Self::Restart => "the job starts anew from power off, and is held when that was in vain",
            Self::OtherBoot => {
                "the job starts anew from power off, by another way to boot if there is one, and is held when that was in vain"
            }
            Self::PowerOff => "its power is cut",
            Self::Hold => "it is held, and a person chooses",
            Self::Person => "nothing happens by itself",
        }
    }
}

/// How long a step may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// Longer is unusual: that is told once, counted, and shown. At most half of `hard`.
    pub soft: SignedDuration,
    /// Longer is too long.
    pub hard: SignedDuration,
    /// What is done then.
    pub then: Then,
    /// How long its agent may say nothing at all; what is done then is `Then::Restart`.
    pub silence: Option<SignedDuration>,
    /// How long its agent may get no further; what is done then is `Then::Restart`.
    pub stall: Option<SignedDuration>,
    /// Why these.
    pub reason: &'static str,
}

/// Bytes a second that any disk writes and reads back.
const SLOW_DISK: u64 = 50_000_000;

/// A person who is asked to switch a machine should have heard of it by then.
const PERSON_SOFT: SignedDuration = SignedDuration::from_hours(1);

impl Limits {
    /// The deadline of a step that has so many bytes to write.
    ///
    /// Measured against the state clocks of Ironic (`power_state_change_timeout` 60 s, callbacks 1800 s) and NICo (5 to
    /// 90 min).
    pub fn deadline(&self, step: StepName, bytes: u64) -> Deadline {
        use SignedDuration as D;
        let written = D::from_secs(i64::try_from(bytes / SLOW_DISK).unwrap_or(i64::MAX / 4));
        let (soft, hard, then, reason) = match step {
            StepName::ShutDown => (
                D::from_mins(2),
                self.bmc,
                Then::PowerOff,
                "a system ends its services within a minute or two; one that hangs must not stop planned work",
            ),
            StepName::PowerOff | StepName::PowerOn | StepName::Rest => (
                D::from_secs(30),
                self.bmc,
                Then::Hold,
                "power changes within seconds; a BMC that starts anew is back within minutes, until then it is tried again",
            ),
            StepName::BootNetwork | StepName::BootDisk => (
                D::from_secs(30),
                self.bmc,
                Then::Hold,
                "a setting is written and read back within seconds; a BMC that starts anew is back within minutes",
            ),
            StepName::Agent => (
                D::from_mins(6),
                self.agent_call_in,
                Then::OtherBoot,
                "the self-test of a large server takes minutes, loading our agent seconds",
            ),
            StepName::Inspect => (
                D::from_mins(5),
                self.inspect,
                Then::Restart,
                "reading what a machine is made of takes seconds",
            ),
            StepName::WriteImage | StepName::BootRam => (
                D::from_mins(2).saturating_add(written),
                self.write,
                Then::Restart,
                "unusual is 2 min and what a disk or a line of 50 MB/s takes; the limit leaves room for a crowded network",
            ),
            StepName::WriteSeed => {
                (D::from_mins(1), self.write, Then::Restart, "a few kilobytes; the limit is that of writing")
            }
            StepName::Erase => (
                D::from_mins(5).saturating_add(written),
                self.erase,
                Then::Restart,
                "unusual is 5 min and, where every sector is written, what disks of 50 MB/s take one after the other; never in a weaker way",
            ),
            StepName::Rescue => (
                D::from_mins(2),
                self.inspect,
                Then::Restart,
                "some MiB are fetched and unpacked in RAM, and one program is started",
            ),
            StepName::Reboot => {
                (D::from_mins(1), self.inspect, Then::Restart, "the agent only has to let go of the machine")
            }
            StepName::PhoneHome => (
                D::from_mins(10),
                self.phone_home,
                Then::Hold,
                "firmware, boot and cloud-init; the image is written and verified, so writing it again would hardly help",
            ),
        };
        let order = step.kind() == crate::plan::StepKind::Order;
        let silence = order.then_some(self.agent_silence);
        Deadline { soft: soft.min(hard / 2), hard, then, silence, stall: self.stall(step), reason }
    }

    /// The deadline of a person who was asked to switch a machine.
    pub fn person_deadline(&self) -> Deadline {
        Deadline {
            soft: PERSON_SOFT.min(self.person / 2),
            hard: self.person,
            then: Then::Hold,
            silence: None,
            stall: None,
            reason: "people sleep, and go home for the weekend",
        }
    }

    /// The deadline of a step of this machine.
    pub(crate) fn deadline_of(&self, machine: &Machine, step: StepName) -> Deadline {
        let bytes = bytes_to_write(machine, step);
        let deadline = self.deadline(step, bytes);
        if step == StepName::Erase && wiping(machine).is_ok_and(|(_, policy)| policy == ErasePolicy::Secure) {
            return self.by_itself(deadline, bytes);
        }
        deadline
    }

    /// The deadline of disks that erase themselves: who takes their power away meanwhile may leave them locked, so a person
    /// decides.
    fn by_itself(&self, deadline: Deadline, bytes: u64) -> Deadline {
        let slowest = SignedDuration::from_secs(i64::try_from(bytes / SLOWEST).unwrap_or(i64::MAX));
        let hard = deadline.hard.max(self.erase.saturating_add(slowest));
        Deadline { hard, then: Then::Hold, ..deadline }
    }

    /// How long a step may get no further, where its agent tells how far it is.
    fn stall(&self, step: StepName) -> Option<SignedDuration> {
        match step {
            StepName::WriteImage | StepName::WriteSeed | StepName::BootRam => Some(self.write_stall),
            StepName::Erase => Some(self.erase_stall),
            _ => None,
        }
    }

    /// What usually is the matter when a step takes long.
    pub(crate) fn hint(step: StepName) -> &'static str {
        match step {
            StepName::ShutDown => {
                "the system doesn't listen to its power button, or a service of it doesn't end"
            }
            StepName::PowerOff
            | StepName::BootNetwork
            | StepName::PowerOn
            | StepName::BootDisk
            | StepName::Rest => "slow or unreachable BMC: check its address, cable and credentials",
            StepName::Agent => {
                "the machine boots from something else, or its network port is not in a declared network: see its console and `billet boot-trace {machine}`"
            }
            StepName::Rescue => {
                "the machine has too little memory, or can't fetch the rescue archive: see its console"
            }
            StepName::Inspect | StepName::Reboot => "the agent hangs: see the machine's console",
            StepName::WriteImage | StepName::WriteSeed => "slow disk or network",
            StepName::BootRam => "slow network",
            StepName::Erase => {
                "overwriting takes as long as the disk is large, and so may a disk that erases itself"
            }
            StepName::PhoneHome => {
                "the machine is switched off, its firmware tries another disk first, or the system doesn't boot, has no network or lacks cloud-init: see its console"
            }
        }
    }
}

/// How long to wait before try number `attempt + 1`: 2 s doubled each time, 30 s at most.
pub(crate) fn back_off(attempt: u32) -> SignedDuration {
    SignedDuration::from_secs(2_i64.saturating_pow(attempt.min(5)).min(30))
}

/// How much a step writes on this machine, as far as that tells how long it takes.
fn bytes_to_write(machine: &Machine, step: StepName) -> u64 {
    match step {
        StepName::WriteImage | StepName::BootRam => {
            machine.want.owner.as_ref().map_or(0, |owner| owner.disk_bytes)
        }
        StepName::Erase => {
            // A metadata wipe takes seconds; a disk that erases itself may take as long as to write it.
            let Ok((wiped, policy)) = wiping(machine) else { return 0 };
            if policy == ErasePolicy::Metadata {
                return 0;
            }
            let disks = machine.facts.inventory.iter().flat_map(|inventory| &inventory.disks);
            let written =
                disks.filter(|disk| disk.serial.as_ref().is_some_and(|serial| wiped.contains(serial)));
            written.fold(0, |sum, disk| sum.saturating_add(disk.size_bytes))
        }
        _ => 0,
    }
}

/// When a time that began then is over.
pub(crate) fn end(began: Timestamp, time: SignedDuration) -> Timestamp {
    began.saturating_add(time).unwrap_or(Timestamp::MAX)
}

/// A time in words: `30 s`, `15 min`, `6 h`.
pub(crate) fn words(time: SignedDuration) -> String {
    let seconds = time.as_secs();
    match (seconds % 3600, seconds % 60) {
        (0, _) if seconds > 0 => format!("{} h", seconds / 3600),
        (_, 0) if seconds > 0 => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

//! How long each thing may take, in one table with its reasons.

use crate::plan::StepName;
use jiff::SignedDuration;

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
}

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
        }
    }
}

impl Limits {
    /// How long a step may take in all, from its first begin.
    pub(crate) fn hard(&self, step: StepName) -> SignedDuration {
        match step {
            StepName::PowerOff
            | StepName::BootNetwork
            | StepName::PowerOn
            | StepName::BootDisk
            | StepName::Rest => self.bmc,
            StepName::Agent => self.agent_call_in,
            StepName::Inspect | StepName::Reboot => self.inspect,
            StepName::WriteImage | StepName::WriteSeed => self.write,
            StepName::Erase => self.erase,
            StepName::PhoneHome => self.phone_home,
        }
    }

    /// How long a step may get no further, where its agent tells how far it is.
    pub(crate) fn stall(&self, step: StepName) -> Option<SignedDuration> {
        match step {
            StepName::WriteImage | StepName::WriteSeed => Some(self.write_stall),
            StepName::Erase => Some(self.erase_stall),
            _ => None,
        }
    }

    /// What usually is the matter when a step takes long.
    pub(crate) fn hint(step: StepName) -> &'static str {
        match step {
            StepName::PowerOff
            | StepName::BootNetwork
            | StepName::PowerOn
            | StepName::BootDisk
            | StepName::Rest => "slow or unreachable BMC: check its address, cable and credentials",
            StepName::Agent => {
                "the machine boots from something else, or its network port is not in a declared network: see its console and `billet boot-trace {machine}`"
            }
            StepName::Inspect | StepName::Reboot => "the agent hangs: see the machine's console",
            StepName::WriteImage | StepName::WriteSeed => "slow disk or network",
            StepName::Erase => "overwriting takes as long as the disk is large",
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

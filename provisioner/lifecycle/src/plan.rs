//! The steps of each kind of job, and what each step is made of.

use provisioner_api::JobKind;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A step of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepName {
    /// The operating system was asked to shut down.
    ShutDown,
    /// Power is off, so that the boot to come is ours.
    PowerOff,
    /// The next boot is from the network, and its boot window is open.
    BootNetwork,
    /// Power is on.
    PowerOn,
    /// The agent claimed the boot window.
    Agent,
    /// The agent reported the inventory.
    Inspect,
    /// The image is on the disk and was read back.
    WriteImage,
    /// The NoCloud seed is on the disk.
    WriteSeed,
    /// A system that runs from RAM is loaded, and the agent starts it in its own place.
    BootRam,
    /// The disks are wiped.
    Erase,
    /// The rescue system runs in RAM, and lets somebody log in.
    Rescue,
    /// Boots are from the disk.
    BootDisk,
    /// The agent let go and reboots.
    Reboot,
    /// The operating system reported in.
    PhoneHome,
    /// Power is off at the end.
    Rest,
}

/// What a step is made of, which says what may be done after a crash in the midst of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// Set through the BMC, read back: repeat it.
    Level,
    /// Ordered of the agent, whose report names try and epoch: the order simply stands.
    Order,
    /// Waited for.
    Await,
}

impl StepName {
    /// Every step there is.
    pub const ALL: [Self; 15] = [
        Self::ShutDown,
        Self::PowerOff,
        Self::BootNetwork,
        Self::PowerOn,
        Self::Agent,
        Self::Inspect,
        Self::WriteImage,
        Self::WriteSeed,
        Self::BootRam,
        Self::Erase,
        Self::Rescue,
        Self::BootDisk,
        Self::Reboot,
        Self::PhoneHome,
        Self::Rest,
    ];

    /// What it is made of.
    pub fn kind(self) -> StepKind {
        match self {
            Self::ShutDown
            | Self::PowerOff
            | Self::BootNetwork
            | Self::PowerOn
            | Self::BootDisk
            | Self::Rest => StepKind::Level,
            Self::Inspect
            | Self::WriteImage
            | Self::WriteSeed
            | Self::BootRam
            | Self::Erase
            | Self::Rescue
            | Self::Reboot => StepKind::Order,
            Self::Agent | Self::PhoneHome => StepKind::Await,
        }
    }

    /// Whether it destroys what is on a disk.
    pub fn destroys(self) -> bool {
        matches!(self, Self::WriteImage | Self::WriteSeed | Self::Erase)
    }

    /// Its word on the wire and in the store.
    pub fn word(self) -> &'static str {
        match self {
            Self::ShutDown => "shut-down",
            Self::PowerOff => "power-off",
            Self::BootNetwork => "boot-network",
            Self::PowerOn => "power-on",
            Self::Agent => "agent",
            Self::Inspect => "inspect",
            Self::WriteImage => "write-image",
            Self::WriteSeed => "write-seed",
            Self::BootRam => "boot-ram",
            Self::Erase => "erase",
            Self::Rescue => "rescue",
            Self::BootDisk => "boot-disk",
            Self::Reboot => "reboot",
            Self::PhoneHome => "phone-home",
            Self::Rest => "rest",
        }
    }
}

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for StepName {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|step| step.word() == word)
            .ok_or_else(|| format!("there is no step `{word}`"))
    }
}

/// The steps of a job, in order. `short`: one that only ends in good order, a release after which nothing has to be wiped,
/// an inspection that was cancelled, a reinstallation that was cancelled before it wrote, a servicing that was cancelled, or
/// the way back from a rescue.
/// Of a servicing these are all that there may be, for a machine with a system that runs; which of them there are, and in
/// which order, follows from the machine (`service`).
pub fn steps_of(kind: JobKind, short: bool) -> &'static [StepName] {
    use StepName as S;
    match kind {
        JobKind::Release | JobKind::Inspect if short => &[S::Rest],
        JobKind::Reinstall | JobKind::Rescue if short => &[S::PowerOff, S::BootDisk, S::PowerOn],
        JobKind::Service if short => &[S::ShutDown, S::PowerOff, S::BootDisk, S::PowerOn],
        JobKind::Inspect => &[S::PowerOff, S::BootNetwork, S::PowerOn, S::Agent, S::Inspect, S::Rest],
        JobKind::Deploy | JobKind::Reinstall => &[
            S::PowerOff,
            S::BootNetwork,
            S::PowerOn,
            S::Agent,
            S::WriteImage,
            S::WriteSeed,
            S::BootDisk,
            S::Reboot,
            S::PhoneHome,
        ],
        JobKind::Rescue => &[S::PowerOff, S::BootNetwork, S::PowerOn, S::Agent, S::Rescue],
        JobKind::Release => &[S::PowerOff, S::BootNetwork, S::PowerOn, S::Agent, S::Erase, S::Rest],
        JobKind::Service => &[
            S::ShutDown,
            S::PowerOff,
            S::BootNetwork,
            S::PowerOn,
            S::Agent,
            S::Inspect,
            S::Erase,
            S::BootDisk,
            S::Reboot,
        ],
    }
}

/// The steps of the deployment of a system that runs from RAM, in order. `again`: of one that ran, and whose machine boots
/// by itself just now.
pub fn ram_steps(again: bool) -> &'static [StepName] {
    use StepName as S;
    let all = &[S::PowerOff, S::BootNetwork, S::PowerOn, S::Agent, S::BootRam, S::PhoneHome];
    if again { &all[1..] } else { all }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_there_and_back() {
        for step in StepName::ALL {
            assert_eq!(step.word().parse(), Ok(step));
            assert_eq!(serde_json::to_value(step).unwrap(), step.word(), "serde and word() agree");
        }
    }
}

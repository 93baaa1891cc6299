//! What is wrong with a disk.

use std::fmt;
use std::str::FromStr;

/// What is wrong with a disk, named as in scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiskFault {
    /// `slow-20x`: it takes twenty times as long.
    Slow,
    /// `error-after-1MiB`: each time that it is opened, it takes 1 MiB and no byte more.
    ErrorAfterMebibyte,
    /// `loses-writes`: it says that it wrote, and did not.
    LosesWrites,
    /// `gone`: it is not there any more.
    Gone,
}

impl DiskFault {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Slow, Self::ErrorAfterMebibyte, Self::LosesWrites, Self::Gone];

    /// Its name in scenarios.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Slow => "slow-20x",
            Self::ErrorAfterMebibyte => "error-after-1MiB",
            Self::LosesWrites => "loses-writes",
            Self::Gone => "gone",
        }
    }

    /// Parts of the reasons for which a machine with such a disk may be held.
    #[must_use]
    pub fn may_hold(self) -> &'static [&'static str] {
        match self {
            Self::Slow => &["took longer than"],
            Self::ErrorAfterMebibyte => &["medium error"],
            // Whoever looks finds zeros, an old table or another's bytes.
            Self::LosesWrites => &[
                "does not hold what was written",
                "does not hold the seed",
                "has no partition table",
                "partition table is damaged",
            ],
            // The last: it went between the seed and the first boot.
            Self::Gone => &["no disk", "no such device", "the operating system did not report in"],
        }
    }

    /// How it is kept in a number; none is zero.
    pub(super) fn number(fault: Option<Self>) -> u8 {
        fault.map_or(0, |fault| fault as u8 + 1)
    }

    /// The other way round.
    pub(super) fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| Self::number(Some(*fault)) == number)
    }
}

impl fmt::Display for DiskFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no such fault.
#[derive(Debug, thiserror::Error)]
#[error("disks have no fault `{0}`; there are slow-20x, error-after-1MiB, loses-writes and gone")]
pub struct NoSuchDiskFault(String);

impl FromStr for DiskFault {
    type Err = NoSuchDiskFault;

    fn from_str(name: &str) -> Result<Self, NoSuchDiskFault> {
        Self::ALL
            .into_iter()
            .find(|fault| fault.name() == name)
            .ok_or_else(|| NoSuchDiskFault(name.to_owned()))
    }
}

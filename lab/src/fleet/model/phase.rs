//! Where in its life a machine is, for those who watch.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where in its life a machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseName {
    /// It has no power.
    Off,
    /// It tests itself.
    Post,
    /// It asks for an address.
    Dhcp,
    /// It fetches its loader, script, kernel or ramdisk.
    Fetch,
    /// Its kernel starts.
    Kernel,
    /// The agent runs.
    Agent,
    /// It looks at its disk, or starts the system there.
    Disk,
    /// Its system runs and was heard.
    Running,
    /// It has nothing to boot.
    Hung,
}

impl PhaseName {
    /// All of them, in the order of a machine's life.
    pub const ALL: [Self; 9] = [
        Self::Off,
        Self::Post,
        Self::Dhcp,
        Self::Fetch,
        Self::Kernel,
        Self::Agent,
        Self::Disk,
        Self::Running,
        Self::Hung,
    ];
}

impl fmt::Display for PhaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Off => "off",
            Self::Post => "post",
            Self::Dhcp => "dhcp",
            Self::Fetch => "fetch",
            Self::Kernel => "kernel",
            Self::Agent => "agent",
            Self::Disk => "disk",
            Self::Running => "running",
            Self::Hung => "hung",
        })
    }
}

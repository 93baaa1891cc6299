//! What happens to a machine, and what it does: the words between the model and its driver.

use crate::fleet::entry::Seen;
use crate::fleet::host::PhoneHome;
use bmc_mock::BootFlags;
use images_agent::{BootParameters, Exit};
use std::net::Ipv4Addr;
use std::time::Duration;

/// What happens to a machine.
#[derive(Debug)]
pub enum Input {
    /// Power is switched on or off. Already so is nothing.
    Power(bool),
    /// The reset button.
    Reset,
    /// The BMC sets the boot flags.
    SetBoot(BootFlags),
    /// The timer with this number rang.
    Timer(u32),
    /// A datagram came to its DHCP port.
    Dhcp(Vec<u8>),
    /// What was to be fetched is here, or is not to be had.
    Fetched(Result<Content, Refusal>),
    /// The agent ended, or could not begin.
    AgentEnded(Result<Exit, String>),
    /// What the disk has, or what was loaded.
    Found(Option<PhoneHome>),
    /// Whether the service heard the system's call.
    PhonedHome(bool),
}

/// A file that was fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// Its bytes.
    pub bytes: u64,
    /// The first of them, as many as were to be kept.
    pub kept: Vec<u8>,
}

/// Why a file is not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The server says no.
    Refused,
    /// Nobody answers, or the connection broke.
    Lost,
}

/// What a machine does.
#[derive(Debug)]
pub enum Output {
    /// The life before this is over: nothing of it goes on.
    Cut,
    /// Ring after this time. Earlier timers don't count any more.
    Timer {
        /// Its number.
        number: u32,
        /// After how long.
        after: Duration,
    },
    /// Send this from the DHCP port, which is open from the first of them until an address is there.
    Dhcp(Vec<u8>),
    /// Close the DHCP port.
    DhcpDone,
    /// Fetch a file.
    Fetch(Fetch),
    /// Start the agent.
    StartAgent {
        /// With these parameters.
        boot: BootParameters,
        /// From this address; none: any.
        from: Option<Ipv4Addr>,
    },
    /// Look whether there is a system on the disk.
    LookAtDisk,
    /// Look who the system is that the agent loaded.
    LookAtLoaded,
    /// The system calls home.
    Call {
        /// There.
        url: String,
        /// From this address; none: any.
        from: Option<Ipv4Addr>,
    },
    /// It is to be written down.
    Note(Seen),
}

/// Outputs in their order.
pub type Outputs = Vec<Output>;

/// A file that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// What it is.
    pub item: Item,
    /// Where it is.
    pub origin: Origin,
    /// From which address of the machine's; none: any.
    pub from: Option<Ipv4Addr>,
    /// How many bytes of its beginning are to be kept.
    pub keep: usize,
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// By TFTP at this server.
    Tftp {
        /// The server.
        server: Ipv4Addr,
        /// The name.
        file: String,
    },
    /// By HTTP. An address that begins with `/` is one of the boot server's.
    Http(String),
}

/// What is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// What the firmware starts.
    Loader,
    /// The boot script.
    Script,
    /// The kernel.
    Kernel,
    /// The ramdisk.
    Ramdisk,
}

impl Item {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Loader => "loader",
            Self::Script => "script",
            Self::Kernel => "kernel",
            Self::Ramdisk => "ramdisk",
        }
    }
}

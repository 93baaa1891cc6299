//! What every BMC can do: the trait, its words and its errors. The drivers that do it are not here.

use crate::capability::{
    AssetTag, BiosSettings, BootOrder, Confirmations, EventLog, Firmware, Hardware, Identify, Inventory,
    Logs, NetworkSettings, PowerMeter, Recorder, Reports, Restart, SecureBoot, Security, Sensors,
    SerialConsole, Tasks, Users, VirtualMedia, Watchdog,
};
use async_trait::async_trait;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// A BMC. Every method names an end, reads back what it wrote, and takes "already so" for success.
///
/// Each call is bounded in time by the driver (about 15 s for a BMC that doesn't answer).
#[async_trait]
pub trait Bmc: Send + Sync {
    /// Observed power.
    async fn power(&self) -> Result<PowerState, BmcError>;
    /// Makes power be so; `Off` is hard. Returns when the BMC says that it is so, or `NotDone` after 30 s.
    async fn set_power(&self, target: PowerState) -> Result<(), BmcError>;
    /// Sets what the next boot, or every boot, comes from; reads it back.
    async fn set_boot(&self, boot: BootOverride) -> Result<(), BmcError>;
    /// The override that is set, if the BMC tells.
    async fn boot(&self) -> Result<Option<BootOverride>, BmcError>;
    /// What it says of itself; also the cheapest proof that address and credentials are right.
    async fn info(&self) -> Result<BmcInfo, BmcError>;
    /// Ends its session. BMCs have few.
    async fn close(&self);

    /// Presses a button: a change, not an end. For people, and for asking a system to shut down before its power is cut; it
    /// is never done twice by itself, and when it is not known whether it was done the error says so.
    async fn press(&self, button: Button) -> Result<(), BmcError> {
        let _ = button;
        Err(BmcError::Unsupported { address: String::new(), what: "buttons can't be pressed over it".into() })
    }
    /// How it has been answering. Asks nothing.
    fn health(&self) -> Health {
        Health::default()
    }

    /// Its lamp.
    fn identify(&self) -> Option<&dyn Identify> {
        None
    }
    /// Its sensors.
    fn sensors(&self) -> Option<&dyn Sensors> {
        None
    }
    /// Its event log.
    fn event_log(&self) -> Option<&dyn EventLog> {
        None
    }
    /// Its knowledge of parts.
    fn inventory(&self) -> Option<&dyn Inventory> {
        None
    }
    /// Its users.
    fn users(&self) -> Option<&dyn Users> {
        None
    }
    /// Its own network settings.
    fn network_settings(&self) -> Option<&dyn NetworkSettings> {
        None
    }
    /// Its power meter.
    fn power_meter(&self) -> Option<&dyn PowerMeter> {
        None
    }
    /// Its asset tag.
    fn asset_tag(&self) -> Option<&dyn AssetTag> {
        None
    }
    /// Its watchdog.
    fn watchdog(&self) -> Option<&dyn Watchdog> {
        None
    }
    /// Its serial console.
    fn console(&self) -> Option<&dyn SerialConsole> {
        None
    }
    /// Its virtual media.
    fn virtual_media(&self) -> Option<&dyn VirtualMedia> {
        None
    }
    /// Secure Boot.
    fn secure_boot(&self) -> Option<&dyn SecureBoot> {
        None
    }
    /// The firmware's setup.
    fn bios(&self) -> Option<&dyn BiosSettings> {
        None
    }
    /// The lasting boot order.
    fn boot_order(&self) -> Option<&dyn BootOrder> {
        None
    }
    /// Firmware and its updates.
    fn firmware(&self) -> Option<&dyn Firmware> {
        None
    }
    /// What it does that takes long.
    fn tasks(&self) -> Option<&dyn Tasks> {
        None
    }
    /// The machine's parts.
    fn hardware(&self) -> Option<&dyn Hardware> {
        None
    }
    /// Its logs.
    fn logs(&self) -> Option<&dyn Logs> {
        None
    }
    /// What it reports by itself.
    fn reports(&self) -> Option<&dyn Reports> {
        None
    }
    /// What people confirm, where nothing else tells how the power is.
    fn confirmations(&self) -> Option<&dyn Confirmations> {
        None
    }
    /// Writes it down.
    fn recorder(&self) -> Option<&dyn Recorder> {
        None
    }
    /// How it says that it is guarded.
    fn security(&self) -> Option<&dyn Security> {
        None
    }
    /// Its own restart.
    fn restart(&self) -> Option<&dyn Restart> {
        None
    }
}

/// What a person presses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Button {
    /// Off and, a little later, on.
    Cycle,
    /// Hard reset.
    Reset,
    /// Asks the operating system to shut down.
    ShutDown,
    /// Diagnostic interrupt (NMI).
    Diagnostic,
    /// Asks the operating system to start anew.
    Restart,
    /// The power button as a finger presses it: what it does depends on the state.
    PushPower,
    /// Takes standby power away, too, for a while: the BMC may go with it.
    FullCycle,
    /// Suspends the system to RAM.
    Suspend,
    /// Halts the processors.
    Pause,
    /// Lets a suspended or halted system go on.
    Resume,
}

/// How a BMC has been answering.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// How many calls failed since the last one that it answered.
    pub failures: u32,
    /// The last failure, as a sentence.
    pub last: Option<String>,
    /// While it rests: after which time it will be asked again.
    pub rests_for: Option<Duration>,
}

/// Where a BMC is and how to log in.
#[derive(Clone)]
pub struct Endpoint {
    /// The protocol and its settings.
    pub protocol: Protocol,
    /// Host name or IP address; empty for protocols that have none.
    pub host: String,
    /// Port; 623 or 443 when absent.
    pub port: Option<u16>,
    /// How to log in.
    pub credentials: Credentials,
    /// Where an open Redfish session is remembered, so that the next process finds it again: BMCs have few. `None`:
    /// it is not.
    pub keeper: Option<Arc<dyn SessionKeeper>>,
}

/// Remembers one BMC's open Redfish session through a crash. What it keeps is a secret.
///
/// Failures are its own to log. While it is away a session is opened for one exchange and ended after it.
#[async_trait]
pub trait SessionKeeper: Send + Sync {
    /// What was kept last, if anything. What is kept but can't be understood is as nothing.
    async fn load(&self) -> Result<Option<Zeroizing<String>>, KeeperAway>;
    /// Keeps this instead; `None` forgets.
    async fn save(&self, session: Option<&str>) -> Result<(), KeeperAway>;
}

/// Neither read nor written can it be just now; later maybe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("where sessions are remembered is away")]
pub struct KeeperAway;

/// The protocol of a BMC and its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// IPMI 2.0 with RMCP+.
    Ipmi {
        /// The only cipher suite that is tried; there is no downgrade.
        cipher: Cipher,
        /// What is asked for at login; `Administrator` falls back to operator where the user may not be more.
        privilege: Privilege,
    },
    /// Redfish over HTTPS.
    Redfish {
        /// Whose certificate is believed.
        trust: Trust,
    },
    /// A person at the machine, who is asked and confirms.
    Manual,
    /// HTTPS calls to a service of the operator's; see docs/bmc.md for what is sent.
    Webhook {
        /// Where to; power and boot are addressed below it.
        url: String,
        /// Whose certificate is believed.
        trust: Trust,
    },
    /// A magic packet switches on; nothing can be switched off or observed.
    WakeOnLan {
        /// The MAC address of the port that listens.
        mac: [u8; 6],
        /// Where the packet is sent to: a broadcast address, or a relay's.
        to: SocketAddr,
    },
    /// A virtual machine of libvirt, by its `virsh`.
    Libvirt {
        /// The hypervisor's URI, such as `qemu:///system`.
        uri: String,
        /// The domain's name or UUID.
        domain: String,
    },
    /// A virtual machine of VirtualBox, by its `VBoxManage`.
    VirtualBox {
        /// The machine's name or UUID.
        machine: String,
    },
}

/// Whose TLS certificate is believed. There is no way to believe any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The one that is shown first; `BmcInfo::tls_sha256` tells which, and the caller stores it.
    FirstUse,
    /// The leaf certificate with this SHA-256, whatever its names and dates.
    Pinned([u8; 32]),
    /// Certificates of these authorities (PEM), for the host's name or address and in their time.
    Authorities(String),
}

/// IPMI cipher suites (IPMI 2.0 table 22-20). Nothing lower exists here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cipher {
    /// RAKP-HMAC-SHA1, HMAC-SHA1-96, AES-CBC-128. Weak; only by explicit setting.
    Suite3,
    /// RAKP-HMAC-SHA256, HMAC-SHA256-128, AES-CBC-128.
    Suite17,
}

/// What a session may do (IPMI 2.0 section 6.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Privilege {
    /// Read, and switch the power.
    Operator,
    /// Everything; falls back to operator.
    #[default]
    Administrator,
}

/// User name and password.
#[derive(Clone)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password.
    pub password: Zeroizing<String>,
    /// The BMC key Kg, where one is set (IPMI 2.0 section 13.24; 20 bytes at the most).
    pub bmc_key: Option<Zeroizing<Vec<u8>>>,
}

/// Observed power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerState {
    /// On.
    On,
    /// Off.
    Off,
}

/// What a boot comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootOverride {
    /// From what.
    pub target: BootTarget,
    /// For how long.
    pub persistence: Persistence,
    /// In which mode; `None` leaves it as it is.
    pub mode: Option<BootMode>,
}

/// From what a machine boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootTarget {
    /// The firmware's own order.
    Default,
    /// The network (PXE or UEFI HTTP, as the firmware does it).
    Network,
    /// The disk.
    Disk,
    /// An optical drive, real or virtual.
    Cd,
    /// The firmware's setup.
    Setup,
    /// A USB device.
    Usb,
    /// UEFI HTTP boot.
    Http {
        /// From this address; `None`: from the one that DHCP tells.
        uri: Option<String>,
    },
    /// The device with this UEFI device path.
    UefiDevice(String),
}

/// For how long an override holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// For the next boot.
    Once,
    /// Until changed.
    Persistent,
}

/// The mode of a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootMode {
    /// Legacy BIOS.
    Bios,
    /// UEFI.
    Uefi,
}

/// What a BMC says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BmcInfo {
    /// Manufacturer; of IPMI BMCs whose IANA enterprise number is not a known server maker's, that number.
    pub manufacturer: Option<String>,
    /// Product or device id.
    pub product: Option<String>,
    /// Firmware version.
    pub firmware: Option<String>,
    /// The UUID of the system that it controls, lower case with dashes.
    pub system_uuid: Option<String>,
    /// SHA-256 of the TLS certificate that it showed.
    pub tls_sha256: Option<[u8; 32]>,
}

/// Why a BMC did not do it. Display is a sentence that an operator can act on; sources are in `source()`.
#[derive(Debug, thiserror::Error)]
pub enum BmcError {
    /// No answer. Never means "off".
    #[error(
        "the BMC at {address} does not answer ({during}{}); check its address, cable and network",
        reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default()
    )]
    Unreachable {
        /// `host:port`.
        address: String,
        /// What was being done.
        during: &'static str,
        /// What the network or this host says of it, if it says anything.
        reason: Option<String>,
    },
    /// It refused user name or password, or the user's privilege, or the BMC key.
    #[error("the BMC at {address} refuses user `{username}`: {why}")]
    AuthenticationFailed {
        /// `host:port`.
        address: String,
        /// The user.
        username: String,
        /// What is wrong, and what may mend it.
        why: String,
    },
    /// Its certificate is another one than the pinned.
    #[error(
        "the BMC at {address} shows a certificate with SHA-256 {seen}, pinned is {pinned}; if it was replaced on purpose, set tls_sha256 anew"
    )]
    WrongCertificate {
        /// `host:port`.
        address: String,
        /// What it showed, hex.
        seen: String,
        /// What is pinned, hex.
        pinned: String,
    },
    /// Its certificate is none of those that the authorities in its settings vouch for.
    #[error("the BMC at {address} shows a certificate that is not believed: {what}")]
    Untrusted {
        /// `host:port`.
        address: String,
        /// What is wrong with it and what may mend it.
        what: String,
    },
    /// Something answers there, but it does not speak to us: the port is closed, or it is no BMC.
    #[error("there is no BMC at {address}: {what}")]
    NotABmc {
        /// `host:port`.
        address: String,
        /// What was seen and what may mend it.
        what: String,
    },
    /// All its sessions are taken.
    #[error(
        "all sessions of the BMC at {address} are taken ({answer}); they end by themselves when they are not used: after a minute over IPMI, mostly half an hour over Redfish"
    )]
    NoFreeSession {
        /// `host:port`.
        address: String,
        /// Its status.
        answer: String,
    },
    /// It failed several times, or refused the password, and is let alone for a while. Nothing was sent.
    #[error("the BMC at {address} is not asked again for {} s, because: {last}", rest.as_secs())]
    Resting {
        /// `host:port`.
        address: String,
        /// Until it is asked again.
        rest: Duration,
        /// The last failure, as a sentence.
        last: String,
        /// Whether that failure was a refused login: somebody has to mend the credentials.
        credentials: bool,
    },
    /// A button was pressed, perhaps: the answer was lost and pressing twice would not be the same.
    #[error(
        "whether the BMC at {address} did it is not known ({during}): its answer was lost; look before you repeat it"
    )]
    Unknown {
        /// `host:port`.
        address: String,
        /// What was being done.
        during: &'static str,
    },
    /// It does not speak what we need: the cipher suite, a Redfish resource.
    #[error("the BMC{}{address} can't do it: {what}", if address.is_empty() { "" } else { " at " })]
    Unsupported {
        /// `host:port`; nothing where a person stands in for a BMC.
        address: String,
        /// What is missing and what may mend it.
        what: String,
    },
    /// A person has to do it at the machine, and to confirm it.
    #[error("a person has to do it at the machine: {what}")]
    AsksPerson {
        /// What: `switch it on`.
        what: String,
    },
    /// It can be changed only while the machine is off.
    #[error("{address} changes {what} only while the machine is off; switch it off first")]
    OnlyWhileOff {
        /// What is asked: a virtual machine's name.
        address: String,
        /// What is to be changed.
        what: &'static str,
    },
    /// It answered, with an error.
    #[error("the BMC at {address} answered to {during}: {answer}")]
    Refused {
        /// `host:port`.
        address: String,
        /// What was being done.
        during: &'static str,
        /// Its words or completion code.
        answer: String,
    },
    /// It said yes and it is not so.
    #[error("the BMC at {address} accepted {during}, but reads back {found}")]
    NotDone {
        /// `host:port`.
        address: String,
        /// What was being done.
        during: &'static str,
        /// What it reads.
        found: String,
    },
    /// It answered something that isn't the protocol.
    #[error("the BMC at {address} broke the protocol in {during}: {what}")]
    Protocol {
        /// `host:port`.
        address: String,
        /// What was being done.
        during: &'static str,
        /// What was wrong.
        what: String,
    },
}

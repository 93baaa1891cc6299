//! Machines: the server, its BMC, its inventory and what is being done to it.

use crate::{BootChain, Disk, ErasePolicy, Held, InstanceId, JobId, MachineId, Progress, Secret, Waiting};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A machine as the API shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Machine {
    /// Its id.
    pub id: MachineId,
    /// Its name, unique, a DNS label.
    pub name: String,
    /// Grows with each `PATCH`, and with nothing else: neither actions nor what is observed count. With the id it is the `ETag`.
    pub version: u64,
    /// What people said of it.
    pub spec: MachineSpec,
    /// What is so.
    pub status: MachineStatus,
}

/// What people said of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MachineSpec {
    /// Its pool.
    pub pool: String,
    /// MAC addresses of the NICs that it boots from, lower case with colons.
    pub macs: Vec<String>,
    /// Its BMC; none for a machine that nobody can switch yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bmc: Option<BmcSpec>,
    /// How its firmware boots; none until observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_mode: Option<BootMode>,
    /// How it gets from its firmware to our agent; none: as its network says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_chain: Option<BootChain>,
    /// Whether somebody accepted it. Until then nothing on it is changed.
    pub accepted: bool,
    /// Whether an operator works on it: no new instance is placed on it.
    #[serde(default)]
    pub maintenance: bool,
    /// Whether what is on its disks stays: its instance can't be given back or cancelled, it gets no new one, and it
    /// can't be forgotten.
    #[serde(default)]
    pub protected: bool,
    /// Whether it has served its time: no new instance is placed on it.
    #[serde(default)]
    pub retired: bool,
    /// Labels for selection.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Where it stands: what fails together, such as a room with its own power. Instances ask for it and are spread over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The rack within that zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
}

impl MachineSpec {
    /// A machine of this pool of which nothing more is said: nobody accepted it.
    pub fn in_pool(pool: impl Into<String>) -> Self {
        Self {
            pool: pool.into(),
            macs: Vec::new(),
            bmc: None,
            boot_mode: None,
            boot_chain: None,
            accepted: false,
            maintenance: false,
            protected: false,
            retired: false,
            labels: BTreeMap::new(),
            zone: None,
            rack: None,
        }
    }
}

/// How to reach a BMC. Its password is write-only and therefore not here.
///
/// Unknown fields are ignored where it is read, since a later version may have more, and refused where it is asked for.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcSpec {
    /// The protocol.
    pub protocol: BmcProtocol,
    /// Host or IP address, with `:port` if not the protocol's own (623, 443). `webhook`: the `https://` URL. `libvirt`:
    /// the hypervisor's URI, such as `qemu:///system`. `wake-on-lan`: where the packet goes, a broadcast address with
    /// `:port` if not 9. `manual`, `vbox`: nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// User name (IPMI, Redfish; `webhook` if it wants one).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// IPMI cipher suite: 17, or 3 by explicit setting, which is shown as weak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cipher_suite: Option<u8>,
    /// SHA-256 of the BMC's certificate, hex; set at first contact when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_sha256: Option<String>,
    /// PEM of the authorities whose certificates are believed for that host (Redfish), instead of one pinned
    /// certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_ca: Option<String>,
    /// The virtual machine's name or UUID (`libvirt`, `vbox`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The MAC address of the port that listens for the packet (`wake-on-lan`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
}

impl BmcSpec {
    /// A BMC of this protocol of which nothing more is said.
    pub fn new(protocol: BmcProtocol) -> Self {
        Self {
            protocol,
            address: String::new(),
            username: String::new(),
            cipher_suite: None,
            tls_sha256: None,
            tls_ca: None,
            domain: None,
            mac: None,
        }
    }
}

/// The protocol of a BMC.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BmcProtocol {
    /// IPMI 2.0 over LAN.
    Ipmi,
    /// Redfish over HTTPS.
    Redfish,
    /// A person at the machine, who is asked and confirms.
    Manual,
    /// HTTPS calls to a service of the operator's.
    Webhook,
    /// A magic packet switches on; a person is asked for the rest.
    WakeOnLan,
    /// A virtual machine of libvirt, by `virsh`.
    Libvirt,
    /// A virtual machine of VirtualBox, by `VBoxManage`.
    Vbox,
}

impl BmcProtocol {
    /// Whether it is a person who says how the power is: there is nothing to read it from.
    pub const fn asks_person(self) -> bool {
        matches!(self, Self::Manual | Self::WakeOnLan)
    }

    /// Whether nobody logs in without a user name and a password.
    pub const fn needs_login(self) -> bool {
        matches!(self, Self::Ipmi | Self::Redfish)
    }
}

/// How a machine's firmware boots.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BootMode {
    /// Legacy BIOS.
    Bios,
    /// UEFI.
    Uefi,
}

/// The states of a machine. There is no "failed": see `waiting` and `held`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum MachineState {
    /// Known; not yet inspected on our order, or not accepted.
    Discovered,
    /// Being inventoried.
    Inspecting,
    /// Free to be given to an instance.
    Available,
    /// An operating system is being written to it.
    Deploying,
    /// It runs an instance.
    Deployed,
    /// It is being taken back and wiped.
    Releasing,
    /// Planned work is done on it; then it is again what it was, deployed or available.
    Servicing,
    /// It runs a small system in RAM, in which somebody mends what is on its disks; or it is on its way there or back.
    Rescue,
}

/// What is so, as far as observed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MachineStatus {
    /// Where it is in its life.
    pub state: MachineState,
    /// Since when.
    pub since: Timestamp,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// Why it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// Last observed power.
    pub power: Power,
    /// What is known of its BMC.
    pub bmc: BmcStatus,
    /// The running or last job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
    /// The instance that owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// That instance's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_name: Option<String>,
    /// The least by which its disks are wiped when that instance gives it back: its pool's word when it got the machine.
    /// What the pool says when it is given back counts where that is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_erase: Option<ErasePolicy>,
    /// What the agent found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<Inventory>,
    /// Its last DHCP address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// Observed power. Unreachable is never "off".
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    /// The BMC said on.
    On,
    /// The BMC said off.
    Off,
    /// Not known.
    Unknown,
}

/// What is known of a BMC.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcStatus {
    /// Whether it answers.
    pub health: BmcHealth,
    /// The last error, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What of its settings is weak, such as "cipher suite 3 (SHA-1)".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weak: Vec<String>,
}

/// Whether a BMC answers.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BmcHealth {
    /// It has none.
    None,
    /// Not asked yet.
    Unknown,
    /// It answered last time.
    Ok,
    /// It did not answer last time.
    Unreachable,
    /// It refused our credentials.
    AuthenticationFailed,
}

/// A job: long work on a machine, kept in the database.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What it is for.
    pub kind: JobKind,
    /// Raised each time that the job starts anew; orders of an older epoch are refused.
    pub epoch: u64,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Its steps in order.
    pub steps: Vec<Step>,
}

/// What a job is for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum JobKind {
    /// Inventory.
    Inspect,
    /// Writing an operating system.
    Deploy,
    /// Writing an operating system anew, over the one of the same instance; other disks than its root disk stay.
    Reinstall,
    /// Taking back and wiping.
    Release,
    /// Planned work on a machine that keeps its instance, or stays free.
    Service,
    /// Starting the rescue system, or the way back from it. No disk is written.
    Rescue,
}

/// One step of a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Step {
    /// Its name: `power-off`, `boot-network`, `power-on`, `agent`, `inspect`, `write-image`, …
    pub name: String,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// How far it is.
    pub phase: StepPhase,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Progress, while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// What came of it, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

/// How far a step is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum StepPhase {
    /// Not begun.
    Todo,
    /// Begun: the intent is stored, the result is not.
    Intent,
    /// Its result is stored.
    Done,
    /// It failed.
    Failed,
}

/// What the agent found in a machine.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Inventory {
    /// SMBIOS system UUID.
    #[serde(default)]
    pub uuid: Option<String>,
    /// SMBIOS system serial number.
    #[serde(default)]
    pub serial: Option<String>,
    /// SMBIOS manufacturer.
    #[serde(default)]
    pub manufacturer: Option<String>,
    /// SMBIOS product name.
    #[serde(default)]
    pub product: Option<String>,
    /// `x86_64`, `aarch64`.
    pub architecture: String,
    /// How this boot came about.
    pub boot_mode: Option<BootMode>,
    /// Firmware vendor and version.
    #[serde(default)]
    pub firmware: Option<String>,
    /// Its processors.
    pub cpu: Cpu,
    /// Installed memory as the kernel sees it, bytes.
    pub memory_bytes: u64,
    /// Its disks.
    pub disks: Vec<Disk>,
    /// Its network interfaces.
    pub nics: Vec<Nic>,
    /// Its display controllers and accelerators on PCI; inventories of earlier agents have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<Gpu>,
}

/// The processors of a machine.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Cpu {
    /// Model name.
    pub model: String,
    /// Logical processors.
    pub threads: u32,
    /// Physical cores.
    pub cores: u32,
    /// Sockets.
    pub sockets: u32,
}

/// A network interface.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Nic {
    /// Kernel name.
    pub name: String,
    /// MAC address.
    pub mac: String,
    /// Driver.
    #[serde(default)]
    pub driver: Option<String>,
    /// Whether there is a link.
    pub link: bool,
    /// Mbit/s.
    #[serde(default)]
    pub speed_mbps: Option<u32>,
    /// IPv4 addresses.
    #[serde(default)]
    pub addresses: Vec<String>,
}

/// A display controller or accelerator, as PCI tells it.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Gpu {
    /// PCI address: `0000:3b:00.0`.
    pub address: String,
    /// PCI vendor, four hex digits: `10de`.
    pub vendor: String,
    /// PCI device, four hex digits.
    pub device: String,
    /// Driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
}

/// `POST /v1/machines`: an operator adds a machine; it is accepted at birth.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MachineCreate {
    /// A DNS label.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"))]
    pub name: String,
    /// Its pool, `default` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// At least one MAC address that it boots from.
    pub macs: Vec<String>,
    /// Its BMC.
    #[serde(deserialize_with = "crate::bmc_given::required")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::bmc_given::GivenBmc))]
    pub bmc: BmcSpec,
    /// The BMC's password, write-only; empty where none is needed (`manual`, `webhook`, `wake-on-lan`, `libvirt`,
    /// `vbox`).
    #[serde(default)]
    pub bmc_password: Secret,
    /// The BMC's key Kg where one is set in it (IPMI only), write-only: up to 20 bytes as text, or as `hex:00ff…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bmc_key: Option<Secret>,
    /// `bios` or `uefi`; found out at the first boot when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_mode: Option<BootMode>,
    /// How it gets from its firmware to our agent; as its network says when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_chain: Option<BootChain>,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Its zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Its rack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    /// Whether it is taken in, and with that inspected at once, which switches it off. Not so of one that is to be adopted.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub accept: bool,
}

impl MachineCreate {
    /// A machine with one NIC to boot from, of which nothing more is said: its BMC needs no password.
    pub fn new(name: impl Into<String>, mac: impl Into<String>, bmc: BmcSpec) -> Self {
        Self {
            name: name.into(),
            pool: None,
            macs: vec![mac.into()],
            bmc,
            bmc_password: Secret::default(),
            bmc_key: None,
            boot_mode: None,
            boot_chain: None,
            labels: BTreeMap::new(),
            zone: None,
            rack: None,
            accept: true,
        }
    }
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

/// `POST /v1/machines/{machine}/adopt`: what runs on it becomes an instance, and the machine is not touched.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MachineAdopt {
    /// The instance's name, a DNS label.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"))]
    pub name: String,
    /// Whether deleting the instance is refused until this is taken away.
    #[serde(default = "yes")]
    pub protected: bool,
    /// What becomes of the disks once it is released.
    #[serde(default)]
    pub erase: ErasePolicy,
}

/// `PATCH /v1/machines/{machine}`: only what is given changes. `If-Match` is heeded where it is given.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MachineUpdate {
    /// A new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A new pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// New boot MACs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macs: Option<Vec<String>>,
    /// A new BMC.
    #[serde(
        default,
        deserialize_with = "crate::bmc_given::optional",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<crate::bmc_given::GivenBmc>))]
    pub bmc: Option<BmcSpec>,
    /// A new BMC password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bmc_password: Option<Secret>,
    /// A new BMC key Kg, as in `MachineCreate`; empty: there is none any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bmc_key: Option<Secret>,
    /// In or out of maintenance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<bool>,
    /// Protected from being wiped, or no longer. Nothing is wiped by the same request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protected: Option<bool>,
    /// Retired, or no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<bool>,
    /// How it is to get from its firmware to our agent; `null`: as its network says.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<BootChain>))]
    pub boot_chain: Option<Option<BootChain>>,
    /// New labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Another zone; `null`: none.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub zone: Option<Option<String>>,
    /// Another rack; `null`: none.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub rack: Option<Option<String>>,
}

/// Tells a value that is `null` from one that is not there.
pub(crate) fn given<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    value: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

/// `POST /v1/machines/{machine}/actions`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MachineActionRequest {
    /// What to do.
    pub action: MachineAction,
}

/// What an operator may ask of a machine.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum MachineAction {
    /// Take a discovered machine in: from now on Billet may change it.
    Accept,
    /// Inventory it again.
    Inspect,
    /// Try again: what is held from its first step, what waits to be tried again at once.
    Retry,
    /// Stop what runs. An inspection ends; a deployment is given back, with its instance, and what was written is wiped; a
    /// wiping pauses, held.
    Cancel,
    /// Switch it on.
    PowerOn,
    /// Switch it off, hard.
    PowerOff,
}

/// `GET /v1/machines`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MachineList {
    /// The machines, by name.
    pub items: Vec<Machine>,
    /// Where the next page begins (`?after=`); none: this is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// From where on `GET /v1/watch?since=` tells what changed since this was read; there with `?resume=true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
}

//! What a lab is made of: the TOML file that `billet-lab up --spec` reads.
//!
//! Only the wishes and their checking are here; where files go is `layout`, what runs is `daemon`.

mod derive;
mod disk;
mod size;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

pub use disk::{Bus, Disk};
pub use size::Size;

use crate::switch::Faults;
use disk::WrittenDisk;

/// A lab: one network and its machines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The network that all machines are on.
    #[serde(default)]
    pub network: Network,
    /// The machines.
    #[serde(default, rename = "machine")]
    pub machines: Vec<Machine>,
}

/// The network between the service and the machines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// `a.b.c.d/len`.
    pub subnet: Subnet,
    /// Our address in it: the service binds it.
    pub address: Ipv4Addr,
    /// The name of the service's interface; at most 12 bytes.
    pub interface: String,
    /// What of each frame goes into `lab.pcap`.
    pub capture: Capture,
    /// What goes wrong on the wire.
    pub faults: Faults,
    /// VLANs of the same cables in which the service's host is, too, by an interface for each.
    pub vlans: Vec<Vlan>,
}

/// A VLAN, tagged on the machines' cables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vlan {
    /// 1 to 4094 (IEEE 802.1Q).
    pub id: u16,
    /// `a.b.c.d/len`.
    pub subnet: Subnet,
    /// The host's address in it.
    pub address: Ipv4Addr,
}

impl Vlan {
    /// The name of the host's interface.
    pub fn interface(self) -> String {
        format!("vlan{}", self.id)
    }
}

impl Default for Network {
    fn default() -> Self {
        Self {
            subnet: Subnet { base: Ipv4Addr::new(10, 77, 0, 0), prefix: 24 },
            address: Ipv4Addr::new(10, 77, 0, 1),
            interface: "lab0".to_owned(),
            capture: Capture::default(),
            faults: Faults::default(),
            vlans: Vec::new(),
        }
    }
}

/// An IPv4 network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet {
    /// The network's own address.
    pub base: Ipv4Addr,
    /// Length of the prefix in bits.
    pub prefix: u8,
}

impl Subnet {
    /// Whether an address is in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
        u32::from(address) & mask == u32::from(self.base) & mask
    }
}

impl TryFrom<String> for Subnet {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(base, prefix)| {
            let subnet = Self { base: base.parse().ok()?, prefix: prefix.parse().ok()? };
            (1..=30).contains(&subnet.prefix).then_some(subnet)
        });
        parts.ok_or_else(|| {
            format!("`{text}` is not a subnet; write it like 10.77.0.0/24, with a prefix of 1 to 30")
        })
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> Self {
        format!("{}/{}", subnet.base, subnet.prefix)
    }
}

/// What of each frame is kept in the packet capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capture {
    /// Nothing.
    Off,
    /// Frames whole, of TCP only the first 128 bytes: an image that is written doesn't fill the disk twice.
    #[default]
    Short,
    /// Everything.
    Full,
}

/// One virtual machine and its BMC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "WrittenMachine")]
pub struct Machine {
    /// Its name: 1 to 20 of `a-z`, `0-9`, `-`.
    pub name: String,
    /// Its processor.
    pub architecture: Architecture,
    /// Its firmware.
    pub firmware: Firmware,
    /// Its BMC.
    pub bmc: BmcKind,
    /// Its first disk, the one that it boots from.
    pub disk: Disk,
    /// Further disks; their usual serial numbers are the first one's with `-1`, `-2` … behind.
    pub data_disks: Vec<Disk>,
    /// RAM in MiB.
    pub memory: u32,
    /// The address of its network card, lower case with colons.
    pub mac: String,
    /// What it boots from when its BMC says nothing.
    pub boot_order: BootOrder,
    /// The model of its network card.
    pub nic: Nic,
    /// Cards beside that one, at most 4, which the switch bundles when it hears LACP (IEEE 802.1AX) on their cables.
    pub further_nics: u8,
}

impl Machine {
    /// A machine whose other settings follow from its name.
    pub fn new(name: &str, firmware: Firmware, bmc: BmcKind) -> Self {
        Self {
            name: name.to_owned(),
            architecture: Architecture::default(),
            firmware,
            bmc,
            disk: Disk::new(Size::gib(4), format!("{name}-disk0")),
            data_disks: Vec::new(),
            memory: 512,
            mac: derive::mac(name),
            boot_order: BootOrder::default(),
            nic: Nic::default(),
            further_nics: 0,
        }
    }

    /// Its SMBIOS UUID, made from its name; its BMC tells the same.
    pub fn uuid(&self) -> String {
        derive::uuid(&self.name)
    }

    /// The addresses of its further cards, made from its name.
    pub fn further_macs(&self) -> impl Iterator<Item = String> + '_ {
        (1..=self.further_nics).map(|number| derive::mac(&format!("{}/{number}", self.name)))
    }

    /// Its SMBIOS serial number.
    pub fn serial(&self) -> String {
        format!("LAB-{}", self.name)
    }

    /// Its disks, the first one first.
    pub fn disks(&self) -> impl Iterator<Item = &Disk> {
        std::iter::once(&self.disk).chain(&self.data_disks)
    }
}

/// A machine as it is written, with what follows from its name left out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMachine {
    name: String,
    #[serde(default)]
    architecture: Architecture,
    firmware: Firmware,
    bmc: BmcKind,
    /// Where the disks are that don't say it.
    #[serde(default)]
    bus: Bus,
    disk: Option<WrittenDisk>,
    disk_serial: Option<String>,
    #[serde(default)]
    data_disks: Vec<WrittenDisk>,
    memory: Option<u32>,
    mac: Option<String>,
    #[serde(default)]
    boot_order: BootOrder,
    #[serde(default)]
    nic: Nic,
    #[serde(default)]
    further_nics: u8,
}

impl TryFrom<WrittenMachine> for Machine {
    type Error = String;

    fn try_from(written: WrittenMachine) -> Result<Self, String> {
        if written.disk_serial.is_some() && written.disk.as_ref().is_some_and(WrittenDisk::has_serial) {
            return Err(format!(
                "machine {}: disk_serial must be left out: disk has its own serial",
                written.name
            ));
        }
        let usual = Self::new(&written.name, written.firmware, written.bmc);
        let serial = written.disk_serial.unwrap_or(usual.disk.serial);
        let disk = written.disk.unwrap_or(WrittenDisk::Size(usual.disk.size)).complete(written.bus, &serial);
        let data = (1..).zip(written.data_disks);
        Ok(Self {
            architecture: written.architecture,
            data_disks: data
                .map(|(number, further)| further.complete(written.bus, &format!("{}-{number}", disk.serial)))
                .collect(),
            disk,
            memory: written.memory.unwrap_or(usual.memory),
            mac: written.mac.map_or(usual.mac, |mac| mac.to_ascii_lowercase()),
            boot_order: written.boot_order,
            nic: written.nic,
            further_nics: written.further_nics,
            name: usual.name,
            firmware: usual.firmware,
            bmc: usual.bmc,
        })
    }
}

/// The processor of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// 64-bit x86, QEMU's `q35` board.
    #[default]
    X86_64,
    /// 64-bit ARM, QEMU's `virt` board. Its firmware is UEFI, its first serial port `ttyAMA0`.
    Aarch64,
}

/// The firmware of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Firmware {
    /// SeaBIOS; the network card's own ROM is iPXE.
    Bios,
    /// The same, but on the wire the ROM looks like a plain PXE ROM until it has asked for its loader, so that
    /// the loader is `undionly.kpxe` by TFTP.
    BiosPxe,
    /// UEFI of EDK2 (OVMF, AAVMF); its own PXE, over TFTP, comes before its HTTP boot.
    Uefi,
    /// The same with PXE switched off, so that it boots by HTTP.
    UefiHttp,
}

impl Firmware {
    /// Whether it is UEFI.
    pub fn is_uefi(self) -> bool {
        matches!(self, Self::Uefi | Self::UefiHttp)
    }
}

/// The BMC of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BmcKind {
    /// OpenIPMI's `ipmi_sim`: IPMI 2.0, cipher suite 3 only.
    IpmiSim,
    /// Our simulated BMC: Redfish, and IPMI 2.0 with cipher suite 17.
    Mock,
    /// sushy-tools' Redfish emulator, with a machine that libvirt makes. Only its BMC switches it.
    Sushy,
}

/// What a machine boots from when its BMC says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootOrder {
    /// The disk; the network while the disk is not bootable.
    #[default]
    DiskFirst,
    /// The network; the disk when nobody answers.
    NetworkFirst,
}

/// The model of a network card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nic {
    /// virtio-net.
    #[default]
    Virtio,
    /// Intel 82574L. OVMF has no driver for it, so that UEFI machines get iPXE from its ROM.
    E1000e,
}

/// Why a spec can't be used. Display names the field and the mend.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The file can't be read.
    #[error("can't read the lab's spec {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not TOML, or a field is unknown, missing or of the wrong kind.
    #[error("the lab's spec is wrong: {0}")]
    Syntax(String),
    /// A value can't be.
    #[error("the lab's spec is wrong: {field} {problem}")]
    Value {
        /// Like `machine m1: mac`.
        field: String,
        /// A half sentence.
        problem: String,
    },
}

impl Default for Spec {
    /// `m1`: BIOS with `ipmi_sim`; `m2`: UEFI with our simulated BMC.
    fn default() -> Self {
        Self {
            network: Network::default(),
            machines: vec![
                Machine::new("m1", Firmware::Bios, BmcKind::IpmiSim),
                Machine::new("m2", Firmware::Uefi, BmcKind::Mock),
            ],
        }
    }
}

impl Spec {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, SpecError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SpecError::Read { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Reads TOML text and checks it.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let spec: Self = toml::from_str(text).map_err(|error| SpecError::Syntax(error.to_string()))?;
        spec.check()?;
        Ok(spec)
    }

    /// Checks what the types don't hold.
    pub fn check(&self) -> Result<(), SpecError> {
        check_network(&self.network)?;
        if self.machines.is_empty() || self.machines.len() > 200 {
            return Err(wrong(
                "machine",
                format!("is there {} times; 1 to 200 can be made", self.machines.len()),
            ));
        }
        for (index, machine) in self.machines.iter().enumerate() {
            check_machine(machine)?;
            let earlier = &self.machines[..index];
            if earlier.iter().any(|other| other.name == machine.name) {
                return Err(wrong(&format!("machine {}: name", machine.name), "is there twice".into()));
            }
            if let Some(other) = earlier.iter().find(|other| other.mac == machine.mac) {
                let problem = format!("{} is also that of {}", machine.mac, other.name);
                return Err(wrong(&format!("machine {}: mac", machine.name), problem));
            }
        }
        Ok(())
    }
}

fn wrong(field: &str, problem: String) -> SpecError {
    SpecError::Value { field: field.to_owned(), problem }
}

fn check_network(network: &Network) -> Result<(), SpecError> {
    if !network.subnet.contains(network.address) {
        let problem = format!("{} is not in subnet {}", network.address, String::from(network.subnet));
        return Err(wrong("network: address", problem));
    }
    if !is_name(&network.interface, 12) {
        let problem = format!("`{}` must be 1 to 12 of a-z, 0-9 and -", network.interface);
        return Err(wrong("network: interface", problem));
    }
    for (number, vlan) in network.vlans.iter().enumerate() {
        let field = |name: &str| format!("network: vlans[{number}]: {name}");
        if !(1..=4094).contains(&vlan.id) {
            return Err(wrong(&field("id"), format!("{} must be 1 to 4094", vlan.id)));
        }
        if network.vlans[..number].iter().any(|other| other.id == vlan.id) {
            return Err(wrong(&field("id"), format!("{} is there twice", vlan.id)));
        }
        if !vlan.subnet.contains(vlan.address) {
            let problem = format!("{} is not in subnet {}", vlan.address, String::from(vlan.subnet));
            return Err(wrong(&field("address"), problem));
        }
    }
    network.faults.check().map_err(|problem| wrong("network: faults:", problem))
}

fn check_machine(machine: &Machine) -> Result<(), SpecError> {
    let field = |name: &str| format!("machine {}: {name}", machine.name);
    if !is_name(&machine.name, 20) {
        let problem = format!("`{}` must be 1 to 20 of a-z, 0-9 and -", machine.name);
        return Err(wrong("machine: name", problem));
    }
    if !derive::is_unicast_mac(&machine.mac) {
        let problem = format!("`{}` must be a unicast address like 52:54:00:12:34:56", machine.mac);
        return Err(wrong(&field("mac"), problem));
    }
    if machine.architecture == Architecture::Aarch64 && !machine.firmware.is_uefi() {
        return Err(wrong(&field("firmware"), "must be uefi or uefi-http: aarch64 has no BIOS".into()));
    }
    let made_by_libvirt = machine.architecture == Architecture::X86_64
        && matches!(machine.firmware, Firmware::Bios | Firmware::Uefi);
    if machine.bmc == BmcKind::Sushy && !made_by_libvirt {
        let problem = "must be ipmi-sim or mock: with sushy a machine is x86_64, with bios or uefi".into();
        return Err(wrong(&field("bmc"), problem));
    }
    if machine.further_nics > 4 {
        return Err(wrong(&field("further_nics"), format!("{} must be 0 to 4", machine.further_nics)));
    }
    if machine.bmc == BmcKind::Sushy && machine.further_nics > 0 {
        let problem = "must be 0 with sushy, whose machines have one card".into();
        return Err(wrong(&field("further_nics"), problem));
    }
    if !(128..=65536).contains(&machine.memory) {
        return Err(wrong(&field("memory"), format!("{} must be 128 to 65536 MiB", machine.memory)));
    }
    disk::check(machine)
}

fn is_name(text: &str, longest: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=longest).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(plain)
}

//! A machine's disks: on which bus, how large, and how the machine knows them.
//!
//! A disk is written as its size alone, or as a table. What can't be is refused with the field and the mend; how QEMU
//! is told is `qemu/command`.

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::{Architecture, BmcKind, Machine, Size, SpecError, wrong};

/// The most disks of a machine.
const MOST: usize = 16;
/// The ports of one `ich9-ahci`.
const SATA_PORTS: usize = 6;

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// How much it holds.
    pub size: Size,
    /// How it is attached.
    pub bus: Bus,
    /// Its serial number, at most 20 bytes (virtio-blk cuts longer ones).
    pub serial: String,
    /// Its World Wide Name: 16 hexadecimal digits, lower case. SATA and SCSI disks may have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wwn: Option<String>,
    /// Bytes of a logical sector: 512, or 4096 ("4Kn").
    pub sector: u32,
    /// Whether it says that its medium can be taken out. SCSI disks may.
    pub removable: bool,
    /// Whether it can be made to fail at run time, by [`DiskFault`](crate::DiskFault)s. Slower: its content goes through
    /// the lab's own process.
    pub faulty: bool,
}

/// How a disk is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bus {
    /// virtio-blk.
    #[default]
    Virtio,
    /// A port of an AHCI controller (ICH9's).
    Sata,
    /// An NVMe controller of its own, with one namespace.
    Nvme,
    /// A target of a SCSI controller (virtio-scsi).
    Scsi,
}

impl Disk {
    /// A virtio disk with nothing special about it.
    pub fn new(size: Size, serial: impl Into<String>) -> Self {
        Self {
            size,
            bus: Bus::default(),
            serial: serial.into(),
            wwn: None,
            sector: 512,
            removable: false,
            faulty: false,
        }
    }

    /// Whether it is one that every hypervisor makes: nothing but size and serial number was asked for.
    pub(crate) fn is_plain(&self) -> bool {
        *self == Self::new(self.size, self.serial.as_str())
    }
}

/// A disk as it is written.
pub(super) enum WrittenDisk {
    Size(Size),
    Table(Table),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    size: Size,
    bus: Option<Bus>,
    serial: Option<String>,
    wwn: Option<String>,
    sector: Option<u32>,
    #[serde(default)]
    removable: bool,
    #[serde(default)]
    faulty: bool,
}

// By hand: what serde makes of untagged forms can't say which field is wrong.
impl<'de> Deserialize<'de> for WrittenDisk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Forms)
    }
}

/// Takes both forms.
struct Forms;

impl<'de> Visitor<'de> for Forms {
    type Value = WrittenDisk;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a size like 4G, or a table like { size = \"4G\", bus = \"nvme\" }")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<WrittenDisk, E> {
        Size::deserialize(text.into_deserializer()).map(WrittenDisk::Size)
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<WrittenDisk, E> {
        Size::deserialize(bytes.into_deserializer()).map(WrittenDisk::Size)
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<WrittenDisk, E> {
        let bytes = u64::try_from(bytes)
            .map_err(|_| E::custom(format!("{bytes} is not a size; write it like 4G")))?;
        self.visit_u64(bytes)
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<WrittenDisk, M::Error> {
        Table::deserialize(MapAccessDeserializer::new(map)).map(WrittenDisk::Table)
    }
}

impl WrittenDisk {
    /// Whether it names its serial number itself.
    pub(super) fn has_serial(&self) -> bool {
        matches!(self, Self::Table(Table { serial: Some(_), .. }))
    }

    /// With what was left out: the machine's bus, and this serial number.
    pub(super) fn complete(self, bus: Bus, serial: &str) -> Disk {
        let usual = |size| Disk { bus, ..Disk::new(size, serial) };
        match self {
            Self::Size(size) => usual(size),
            Self::Table(table) => {
                let usual = usual(table.size);
                Disk {
                    size: table.size,
                    bus: table.bus.unwrap_or(usual.bus),
                    serial: table.serial.unwrap_or(usual.serial),
                    wwn: table.wwn.map(|wwn| wwn.to_ascii_lowercase()),
                    sector: table.sector.unwrap_or(usual.sector),
                    removable: table.removable,
                    faulty: table.faulty,
                }
            }
        }
    }
}

/// Checks all disks of a machine.
pub(super) fn check(machine: &Machine) -> Result<(), SpecError> {
    let count = machine.disks().count();
    if count > MOST {
        let problem = format!("are {}; a machine has at most {}", count - 1, MOST - 1);
        return Err(wrong(&format!("machine {}: data_disks", machine.name), problem));
    }
    let sata = machine.disks().filter(|disk| disk.bus == Bus::Sata).count();
    if sata > SATA_PORTS {
        let problem = format!("is sata for {sata} disks, and there are {SATA_PORTS} ports; put some on scsi");
        return Err(wrong(&format!("machine {}: bus", machine.name), problem));
    }
    for (number, disk) in machine.disks().enumerate() {
        let name = if number == 0 { "disk".to_owned() } else { format!("data_disks[{}]", number - 1) };
        check_disk(machine, disk)
            .map_err(|(part, problem)| wrong(&format!("machine {}: {name}{part}", machine.name), problem))?;
    }
    Ok(())
}

/// What of the disk is wrong, as the rest of the field's name, and a half sentence.
fn check_disk(machine: &Machine, disk: &Disk) -> Result<(), (&'static str, String)> {
    let Disk { size, bus, serial, wwn, sector, .. } = disk;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if serial.is_empty() || serial.len() > 20 || !serial.bytes().all(plain) {
        let problem =
            format!("`{serial}` must be 1 to 20 letters, digits, - and _ (a further disk adds -1, -2 …)");
        return Err((": serial", problem));
    }
    if ![512, 4096].contains(sector) {
        return Err((": sector", format!("{sector} must be 512 or 4096 bytes")));
    }
    if size.bytes() < 1 << 20 || !size.bytes().is_multiple_of(u64::from(*sector)) {
        return Err(("", format!("{size} must be at least 1M and a multiple of {sector} bytes")));
    }
    if *sector == 4096 && *bus == Bus::Sata {
        return Err((": sector", "must be 512 on sata: QEMU has no such disks with 4096".into()));
    }
    if disk.removable && *bus != Bus::Scsi {
        return Err((": removable", "must be false, or the bus scsi".into()));
    }
    if let Some(wwn) = wwn {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if wwn.len() != 16 || !wwn.bytes().all(hex) {
            let problem = format!("`{wwn}` must be 16 hexadecimal digits, like 5000c500a1b2c3d4");
            return Err((": wwn", problem));
        }
        if !matches!(bus, Bus::Sata | Bus::Scsi) {
            return Err((": wwn", "must be left out, or the bus sata or scsi".into()));
        }
    }
    if machine.bmc == BmcKind::Sushy && !disk.is_plain() {
        let problem = "must have size and serial only with sushy, whose machines have plain virtio disks";
        return Err(("", problem.into()));
    }
    if machine.architecture == Architecture::Aarch64 && *bus == Bus::Sata {
        return Err((": bus", "must be virtio, nvme or scsi: aarch64 has no AHCI".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Spec;

    const MACHINE: &str = "[[machine]]\nname='m1'\nfirmware='bios'\nbmc='mock'\n";

    #[test]
    fn disks_are_sizes_or_tables_and_what_is_left_out_is_the_machines() {
        let text = format!(
            "{MACHINE}bus='scsi'\ndisk={{ size='2G', wwn='5000C500A1B2C3D4', removable=true }}\n\
             data_disks=['1G', {{ size='1M', bus='nvme', serial='D', sector=4096, faulty=true }}]\n"
        );
        let spec = Spec::parse(&text).unwrap();
        let machine = &spec.machines[0];
        let scsi = |size, serial: &str| Disk { bus: Bus::Scsi, ..Disk::new(size, serial) };
        let first =
            Disk { wwn: Some("5000c500a1b2c3d4".into()), removable: true, ..scsi(Size::gib(2), "m1-disk0") };
        let last = Disk { bus: Bus::Nvme, sector: 4096, faulty: true, ..Disk::new(Size::mib(1), "D") };
        assert_eq!(machine.disk, first);
        assert_eq!(machine.data_disks, [scsi(Size::gib(1), "m1-disk0-1"), last]);
        let written = toml::to_string(&spec).unwrap();
        assert_eq!(Spec::parse(&written).unwrap(), spec, "{written}");
    }

    #[test]
    fn wrong_disks_are_named_with_the_mend() {
        let table = [
            ("disk={size='1G',serial='has space'}", "machine m1: disk: serial `has space` must be 1 to 20"),
            ("disk={size='1G',sector=520}", "machine m1: disk: sector 520 must be 512 or 4096 bytes"),
            ("disk={size='1G',bus='sata',sector=4096}", "machine m1: disk: sector must be 512 on sata"),
            ("disk={size=1049088,sector=4096}", "must be at least 1M and a multiple of 4096 bytes"),
            ("data_disks=['1G','9K']", "machine m1: data_disks[1] 9K must be at least 1M"),
            ("disk={size='1G',removable=true}", "disk: removable must be false, or the bus scsi"),
            ("disk={size='1G',bus='scsi',wwn='12'}", "disk: wwn `12` must be 16 hexadecimal digits"),
            (
                "disk={size='1G',bus='nvme',wwn='5000c500a1b2c3d4'}",
                "wwn must be left out, or the bus sata or",
            ),
            ("disk={size='1G',colour='red'}", "unknown field `colour`, expected one of `size`"),
            (
                "disk={size='1G',serial='A'}\ndisk_serial='B'",
                "machine m1: disk_serial must be left out: disk has",
            ),
            ("disk=true", "expected a size like 4G, or a table like"),
            ("disk=-1", "-1 is not a size"),
            ("bus='ide'", "unknown variant `ide`, expected one of `virtio`, `sata`, `nvme`, `scsi`"),
            (
                "bus='sata'\ndata_disks=[1048576,1048576,1048576,1048576,1048576,1048576]",
                "is sata for 7 disks",
            ),
        ];
        for (text, expected) in table {
            let error = Spec::parse(&format!("{MACHINE}{text}")).expect_err(text).to_string();
            assert!(error.contains(expected), "for {text}\n  expected: {expected}\n  said: {error}");
        }
        let sushy = MACHINE.replace("mock", "sushy") + "bus='sata'";
        let error = Spec::parse(&sushy).unwrap_err().to_string();
        assert!(error.contains("machine m1: disk must have size and serial only with sushy"), "{error}");
        let arm = MACHINE.replace("bios", "uefi") + "architecture='aarch64'\nbus='sata'";
        let error = Spec::parse(&arm).unwrap_err().to_string();
        assert!(error.contains("disk: bus must be virtio, nvme or scsi: aarch64 has no AHCI"), "{error}");
        let many = format!("{MACHINE}data_disks=[{}]", "'1G',".repeat(16));
        let error = Spec::parse(&many).unwrap_err().to_string();
        assert!(error.contains("machine m1: data_disks are 16; a machine has at most 15"), "{error}");
    }
}

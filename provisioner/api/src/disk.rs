//! Disks: what an agent finds of one, what speaks against touching it, and which one an instance asks for.
//!
//! Service and agent ask the same [`Disk::caution`], so that neither takes what the other refuses. Which disk is chosen is
//! not here: the lifecycle decides.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A disk.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Disk {
    /// Kernel name: `vda`, `nvme0n1`. A hint, never an identity.
    pub name: String,
    /// Serial number: the identity that permits name. A disk without one can't be written. Where a controller gives several
    /// disks one number (NVMe namespaces, volumes of a RAID), the agent adds what tells them apart.
    #[serde(default)]
    pub serial: Option<String>,
    /// World wide name; of NVMe its EUI-64, NGUID or UUID.
    #[serde(default)]
    pub wwn: Option<String>,
    /// Model.
    #[serde(default)]
    pub model: Option<String>,
    /// Who made it, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Bytes.
    pub size_bytes: u64,
    /// Whether it spins.
    pub rotational: bool,
    /// Whether it can be taken out (USB stick, card reader, optical).
    pub removable: bool,
    /// Whether the kernel sees it read-only.
    pub read_only: bool,
    /// Logical sector size.
    pub sector_bytes: u32,
    /// How it is attached: `nvme`, `nvme-of`, `sata`, `sas`, `scsi` (RAID controllers among them), `usb`, `virtio`, `mmc`,
    /// `fc`, `iscsi`, `srp`, `hyperv`, `xen`. None: not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bus: Option<String>,
    /// SCSI host, channel, target and LUN: `0:2:0:0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hctl: Option<String>,
    /// Where it is plugged in, as in `/dev/disk/by-path`: `pci-0000:5e:00.0-nvme-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// What speaks against touching a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caution {
    /// The kernel sees it read-only. Nothing allows it to be written.
    ReadOnly,
    /// It can be taken out.
    Removable,
    /// It is no disk of the machine: a medium that its BMC shows, or one that the kernel makes up.
    Virtual,
    /// It is somewhere on a network, where other hosts may have it, too: Fibre Channel, iSCSI, SRP, NVMe over Fabrics.
    Shared,
    /// It is attached by USB: commonly a stick, also one that doesn't say that it can be taken out.
    Usb,
}

impl Caution {
    /// As in "the disk is …".
    pub fn words(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::Removable => "removable",
            Self::Virtual => "a virtual medium",
            Self::Shared => "network storage that other hosts may have, too",
            Self::Usb => "attached by USB",
        }
    }

    /// Whether a disk's being named in `allow` makes up for it.
    pub fn can_be_allowed(self) -> bool {
        self != Self::ReadOnly
    }

    /// Whether it speaks against wiping at a release, too. What is attached by USB belongs to the machine, and its last
    /// owner could write to it.
    pub fn forbids_wiping(self) -> bool {
        self != Self::Usb
    }
}

/// Kernel names of what is no piece of hardware.
const MADE_UP: &[&str] = &["dm-", "drbd", "fd", "loop", "md", "nbd", "ram", "rbd", "zram"];
/// What BMCs call themselves as the maker of a medium.
const BMC_VENDORS: &[&str] = &["idrac", "ami", "ilo", "aten", "openbmc", "ciscovd", "xcc"];
/// What they call the medium.
const BMC_MEDIA: &[&str] = &["floppy", "fdd", "cd", "dvd", "media", "hdisk", "hdd", "usb"];

impl Disk {
    /// Whether both are one disk over two paths: they look alike, and have one WWN. A name of the form `t10.` is made of model
    /// and serial number, so that two disks with one number have one as well: it proves nothing.
    pub fn is_path_of(&self, other: &Self) -> bool {
        let looks = |disk: &Self| (disk.size_bytes, disk.kind(), disk.caution());
        let wwn = self.wwn.as_deref().filter(|wwn| !wwn.starts_with("t10."));
        wwn.is_some() && wwn == other.wwn.as_deref() && looks(self) == looks(other)
    }

    /// What speaks against touching it, what nothing can allow first; none: it is an ordinary disk of the machine.
    pub fn caution(&self) -> Option<Caution> {
        let bus = self.bus.as_deref();
        if self.read_only {
            Some(Caution::ReadOnly)
        } else if self.is_virtual() {
            Some(Caution::Virtual)
        } else if matches!(bus, Some("fc" | "iscsi" | "srp" | "nvme-of")) {
            Some(Caution::Shared)
        } else if self.removable {
            Some(Caution::Removable)
        } else {
            (bus == Some("usb")).then_some(Caution::Usb)
        }
    }

    /// Disks of virtual machines call themselves virtual, too (`VMware Virtual disk`, `Msft Virtual Disk`): those are theirs.
    fn is_virtual(&self) -> bool {
        let lower = |text: &Option<String>| text.as_deref().unwrap_or_default().to_ascii_lowercase();
        let (vendor, model) = (lower(&self.vendor), lower(&self.model));
        let usb = self.bus.as_deref() == Some("usb");
        let of_bmc = BMC_VENDORS.iter().any(|name| vendor.starts_with(name));
        // A volume of a RAID controller may call itself a virtual drive: that is the machine's own.
        let may_be_medium = usb || self.bus.is_none();
        let medium = may_be_medium
            && model.contains("virtual")
            && (usb || BMC_MEDIA.iter().any(|word| model.contains(word)));
        let made_up = |prefix: &&str| {
            let rest = self.name.strip_prefix(*prefix);
            rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        usb && of_bmc || medium || MADE_UP.iter().any(made_up)
    }

    /// Whether this list names it, by serial number or WWN.
    pub fn is_in(&self, list: &[String]) -> bool {
        let named = |name: &Option<String>| name.as_ref().is_some_and(|name| list.contains(name));
        named(&self.serial) || named(&self.wwn)
    }

    /// What it is.
    pub fn kind(&self) -> DiskKind {
        match self.bus.as_deref() {
            Some("nvme" | "nvme-of") => DiskKind::Nvme,
            None if self.name.starts_with("nvme") => DiskKind::Nvme,
            _ if self.rotational => DiskKind::Hdd,
            _ => DiskKind::Ssd,
        }
    }
}

/// The kinds of disks.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DiskKind {
    /// NVMe.
    Nvme,
    /// Flash that is not NVMe: it does not spin.
    Ssd,
    /// It spins.
    Hdd,
}

impl DiskKind {
    /// All.
    pub const ALL: [Self; 3] = [Self::Nvme, Self::Ssd, Self::Hdd];

    /// As in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nvme => "nvme",
            Self::Ssd => "ssd",
            Self::Hdd => "hdd",
        }
    }
}

/// Which disk gets the system. All that is given has to hold, as with Metal3's `rootDeviceHints`; if that leaves several
/// disks, a person chooses, unless `smallest` says that any will do. Device names are no hints: they are not stable.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DiskHints {
    /// Its serial number, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Its WWN, or EUI-64 or NGUID of NVMe: with or without what the kernel writes before it (`naa.`, `eui.`, `0x`), in
    /// letters of either case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wwn: Option<String>,
    /// Its model, in letters of either case; `*` stands for any characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its maker, as `model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// So many bytes at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_bytes: Option<u64>,
    /// So many bytes at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// What it is.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<DiskKind>,
    /// Whether it spins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotational: Option<bool>,
    /// How it is attached, as the inventory says it: `nvme`, `sata`, `sas`, `scsi`, `virtio` and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bus: Option<String>,
    /// Where it is plugged in: its name in `/dev/disk/by-path`, or host, channel, target and LUN (`0:2:0:0`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Of several that do, the smallest, of equals the first by name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub smallest: bool,
    /// Serial numbers or WWNs of disks that may be taken although they are removable, virtual, attached by USB or on a
    /// network, or are seen over several paths. What is read-only can't be allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
}

impl DiskHints {
    /// As services of earlier builds chose.
    pub fn smallest() -> Self {
        Self { smallest: true, ..Self::default() }
    }
}

impl fmt::Display for DiskHints {
    /// As `--root-disk` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = [
            ("serial", &self.serial),
            ("wwn", &self.wwn),
            ("model", &self.model),
            ("vendor", &self.vendor),
            ("bus", &self.bus),
            ("path", &self.path),
        ];
        let sizes = [("min", self.min_bytes), ("max", self.max_bytes)];
        let texts = texts.into_iter().filter_map(|(key, text)| Some(format!("{key}={}", text.as_ref()?)));
        let sizes = sizes.into_iter().filter_map(|(key, bytes)| Some(format!("{key}={}", bytes?)));
        let kind = self.kind.map(|kind| format!("type={}", kind.word()));
        let spins = self.rotational.map(|spins| format!("rotational={spins}"));
        let allow = self.allow.iter().map(|disk| format!("allow={disk}"));
        let smallest = self.smallest.then(|| "smallest".to_owned());
        let all: Vec<_> = texts.chain(sizes).chain(kind).chain(spins).chain(allow).chain(smallest).collect();
        f.write_str(&all.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(bus: &str, vendor: &str, model: &str) -> Disk {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Disk {
            name: "sda".into(),
            bus: text(bus),
            vendor: text(vendor),
            model: text(model),
            ..Disk::default()
        }
    }

    #[test]
    fn two_paths_are_told_from_two_disks() {
        let with = |wwn: &str, size| Disk { wwn: Some(wwn.into()), size_bytes: size, ..disk("sas", "", "X") };
        assert!(with("naa.5", 1).is_path_of(&with("naa.5", 1)));
        assert!(!with("naa.5", 1).is_path_of(&with("naa.6", 1)), "another name");
        assert!(!with("naa.5", 1).is_path_of(&with("naa.5", 2)), "another size");
        assert!(!with("t10.ATA X S1", 1).is_path_of(&with("t10.ATA X S1", 1)), "made of the serial number");
        assert!(!disk("sas", "", "X").is_path_of(&disk("sas", "", "X")), "no name");
    }

    #[test]
    fn what_speaks_against_disks_of_real_machines() {
        let rows = [
            ("virtio", "", "", None),
            ("nvme", "", "SAMSUNG MZVL2512HCJQ-00B00", None),
            ("sata", "ATA", "INTEL SSDSC2KB48", None),
            ("scsi", "DELL", "PERC H730P Mini", None),
            ("scsi", "HPE", "LOGICAL VOLUME", None),
            ("scsi", "VMware", "Virtual disk", None),
            ("hyperv", "Msft", "Virtual Disk", None),
            ("", "", "", None),
            ("usb", "iDRAC", "Virtual Floppy", Some(Caution::Virtual)),
            ("usb", "AMI", "Virtual HDISK0", Some(Caution::Virtual)),
            ("usb", "iLO", "Virtual DVD-ROM", Some(Caution::Virtual)),
            ("usb", "ATEN", "Virtual CDROM", Some(Caution::Virtual)),
            ("usb", "Cisco", "Virtual FDD/HDD", Some(Caution::Virtual)),
            ("", "", "Virtual Floppy", Some(Caution::Virtual)),
            ("scsi", "Cisco", "Virtual HDD", None),
            ("sata", "", "Virtual Media 1", None),
            ("srp", "LIO-ORG", "block", Some(Caution::Shared)),
            ("usb", "SanDisk", "Ultra Fit", Some(Caution::Usb)),
            ("fc", "NETAPP", "LUN C-Mode", Some(Caution::Shared)),
            ("iscsi", "LIO-ORG", "block", Some(Caution::Shared)),
            ("nvme-of", "", "Linux", Some(Caution::Shared)),
        ];
        for (bus, vendor, model, caution) in rows {
            assert_eq!(disk(bus, vendor, model).caution(), caution, "{bus} {vendor} {model}");
        }
    }

    #[test]
    fn what_the_kernel_makes_up_is_no_disk() {
        for (name, made_up) in [
            ("loop0", true),
            ("dm-3", true),
            ("md127", true),
            ("zram0", true),
            ("ram1", true),
            ("sda", false),
            ("nvme0n1", false),
            ("mmcblk0", false),
        ] {
            let disk = Disk { name: name.into(), ..Disk::default() };
            assert_eq!(disk.caution(), made_up.then_some(Caution::Virtual), "{name}");
        }
    }

    #[test]
    fn what_is_read_only_is_that_first() {
        let disk = Disk { read_only: true, removable: true, ..disk("usb", "AMI", "Virtual CDROM0") };
        assert_eq!(disk.caution(), Some(Caution::ReadOnly));
        assert!(!Caution::ReadOnly.can_be_allowed());
    }

    #[test]
    fn documents_of_earlier_agents_are_read() {
        let text = r#"{"name": "vda", "size_bytes": 1, "rotational": false, "removable": false,
            "read_only": false, "sector_bytes": 512}"#;
        let disk: Disk = serde_json::from_str(text).unwrap();
        assert_eq!((disk.bus.as_deref(), disk.caution()), (None, None));
    }
}

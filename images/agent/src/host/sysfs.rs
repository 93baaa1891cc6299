//! The inventory, from sysfs and procfs.
//!
//! Everything is read below a root folder, so that tests lay out their own. What a machine does not tell is left
//! empty: only memory and the lists themselves have to be there.

use super::{HostError, arm, attached};
use provisioner_api::{BootMode, Cpu, Disk, Gpu, Inventory, Nic};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

/// sysfs and procfs below a root.
#[derive(Debug, Clone)]
pub(super) struct Sysfs {
    root: PathBuf,
}

impl Sysfs {
    /// The system whose `/sys` and `/proc` are below `root`.
    pub(super) fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Everything but the NICs' addresses.
    pub(super) fn inventory(&self) -> Result<Inventory, HostError> {
        let dmi = |name: &str| self.text(&format!("sys/class/dmi/id/{name}")).filter(|text| is_told(text));
        let firmware =
            [dmi("bios_vendor"), dmi("bios_version")].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let uefi = self.root.join("sys/firmware/efi").is_dir();
        Ok(Inventory {
            uuid: dmi("product_uuid").map(|uuid| uuid.to_ascii_lowercase()),
            serial: dmi("product_serial"),
            manufacturer: dmi("sys_vendor"),
            product: dmi("product_name"),
            architecture: std::env::consts::ARCH.to_owned(),
            boot_mode: Some(if uefi { BootMode::Uefi } else { BootMode::Bios }),
            firmware: Some(firmware).filter(|text| !text.is_empty()),
            cpu: cpu(&self.need("proc/cpuinfo")?),
            memory_bytes: memory_bytes(&self.need("proc/meminfo")?),
            disks: self.disks()?,
            nics: self.nics()?,
            gpus: self.gpus()?,
        })
    }

    /// The disks, by name.
    pub(super) fn disks(&self) -> Result<Vec<Disk>, HostError> {
        let names = self.list("sys/block")?;
        let mut disks: Vec<_> = names.into_iter().filter_map(|name| self.disk(&name)).collect();
        attached::tell_apart(&mut disks, |disk| self.namespace(&disk.name));
        Ok(disks)
    }

    /// One disk; none if there is no such device, or it is not a piece of hardware with room.
    fn disk(&self, name: &str) -> Option<Disk> {
        // Loops, RAM disks, mapped and md devices have no `device`; a hidden one is a path of a multipath NVMe.
        let block = format!("sys/block/{name}");
        if !self.root.join(&block).join("device").exists() || self.flag(&format!("{block}/hidden")) {
            return None;
        }
        let size_bytes = self.number(&format!("{block}/size"))?.checked_mul(512).filter(|&size| size > 0)?;
        let first = |files: &[&str]| files.iter().find_map(|file| self.text(&format!("{block}/{file}")));
        let serial = first(&["serial", "device/serial"]).or_else(|| self.unit_serial(&block));
        let device = fs::canonicalize(self.root.join(&block).join("device")).unwrap_or_default();
        let place = attached::Place::of(&device, self.transport(&block).as_deref(), self.namespace(name));
        let bus = self.network_bus(&place).or(place.bus);
        Some(Disk {
            name: name.to_owned(),
            serial,
            wwn: first(&["wwid", "device/wwid"]),
            model: first(&["device/model"]),
            // On PCI and virtio it is a number.
            vendor: first(&["device/vendor"]).filter(|vendor| !vendor.starts_with("0x")),
            bus: bus.map(str::to_owned),
            hctl: place.hctl,
            path: place.path,
            size_bytes,
            rotational: self.flag(&format!("{block}/queue/rotational")),
            // Optical drives call themselves removable too; `sr` is here for those that don't.
            removable: self.flag(&format!("{block}/removable")) || name.starts_with("sr"),
            read_only: self.flag(&format!("{block}/ro")),
            sector_bytes: self
                .number(&format!("{block}/queue/logical_block_size"))
                .and_then(|bytes| u32::try_from(bytes).ok())
                .unwrap_or(512),
        })
    }

    /// Which namespace of its NVMe controller a disk is.
    fn namespace(&self, name: &str) -> Option<u64> {
        self.number(&format!("sys/block/{name}/nsid")).filter(|_| name.starts_with("nvme"))
    }

    /// How an NVMe controller is reached (`pcie`, `tcp`, `fc`); of one with several paths, by a path that is no `pcie`.
    fn transport(&self, block: &str) -> Option<String> {
        let device = format!("{block}/device");
        if let Some(transport) = self.text(&format!("{device}/transport")) {
            return Some(transport);
        }
        let is_controller = |name: &String| {
            name.strip_prefix("nvme").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
        };
        let controllers = self.list(&device).unwrap_or_default().into_iter().filter(is_controller);
        let mut all: Vec<_> =
            controllers.filter_map(|name| self.text(&format!("{device}/{name}/transport"))).collect();
        all.sort_by_key(|transport| transport == "pcie");
        all.into_iter().next()
    }

    /// The network that a SCSI host is at, where its driver registers it as that.
    fn network_bus(&self, place: &attached::Place) -> Option<&'static str> {
        let host = place.host.as_deref()?;
        let is = |class: &str| self.root.join(format!("sys/class/{class}/{host}")).exists();
        [("fc_host", "fc"), ("iscsi_host", "iscsi"), ("srp_host", "srp")]
            .into_iter()
            .find(|(class, _)| is(class))
            .map(|(_, bus)| bus)
    }

    /// The unit serial number of a SCSI or SATA disk: VPD page 80h, four bytes of header, then text (SPC-4, 7.8.16).
    fn unit_serial(&self, block: &str) -> Option<String> {
        let page = fs::read(self.root.join(block).join("device/vpd_pg80")).ok()?;
        let length = usize::from(u16::from_be_bytes([*page.get(2)?, *page.get(3)?]));
        let text = page.get(4..)?;
        tidy(&text[..length.min(text.len())])
    }

    /// The NICs that are hardware, by name; without their addresses.
    pub(super) fn nics(&self) -> Result<Vec<Nic>, HostError> {
        let names = self.list("sys/class/net")?;
        Ok(names.into_iter().filter_map(|name| self.nic(&name)).collect())
    }

    fn nic(&self, name: &str) -> Option<Nic> {
        let folder = format!("sys/class/net/{name}");
        if !self.root.join(&folder).join("device").exists() {
            return None;
        }
        let driver = fs::read_link(self.root.join(&folder).join("device/driver")).ok();
        Some(Nic {
            name: name.to_owned(),
            mac: self.text(&format!("{folder}/address"))?,
            driver: driver.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned())),
            link: self.flag(&format!("{folder}/carrier")),
            // -1 without a link, and from drivers that don't know.
            speed_mbps: self.text(&format!("{folder}/speed")).and_then(|text| text.parse().ok()),
            addresses: Vec::new(),
        })
    }

    /// The display controllers and accelerators on PCI, by address.
    fn gpus(&self) -> Result<Vec<Gpu>, HostError> {
        let addresses = self.list("sys/bus/pci/devices")?;
        Ok(addresses.into_iter().filter_map(|address| self.gpu(&address)).collect())
    }

    fn gpu(&self, address: &str) -> Option<Gpu> {
        let folder = format!("sys/bus/pci/devices/{address}");
        let hex = |file: &str| Some(self.text(&format!("{folder}/{file}"))?.strip_prefix("0x")?.to_owned());
        // Base class and subclass (PCI Code and ID Assignment Specification): VGA, 3D controller, processing accelerator.
        let class = hex("class")?;
        if !["0300", "0302", "1200"].contains(&class.get(..4)?) {
            return None;
        }
        let driver = fs::read_link(self.root.join(&folder).join("driver")).ok();
        Some(Gpu {
            address: address.to_owned(),
            vendor: hex("vendor")?,
            device: hex("device")?,
            driver: driver.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned())),
        })
    }

    /// The names in a folder, sorted; a folder that isn't there holds none.
    fn list(&self, folder: &str) -> Result<Vec<String>, HostError> {
        let path = self.root.join(folder);
        let unreadable = |source| HostError::Unreadable { path: path.clone(), source };
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unreadable(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn need(&self, file: &str) -> Result<String, HostError> {
        let path = self.root.join(file);
        fs::read_to_string(&path).map_err(|source| HostError::Unreadable { path, source })
    }

    fn text(&self, file: &str) -> Option<String> {
        tidy(&fs::read(self.root.join(Path::new(file))).ok()?)
    }

    fn number(&self, file: &str) -> Option<u64> {
        self.text(file)?.parse().ok()
    }

    fn flag(&self, file: &str) -> bool {
        self.text(file).as_deref() == Some("1")
    }
}

/// Text of a device without what pads it; none if nothing is left. The service takes no NUL character, in the middle
/// neither.
fn tidy(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    (!text.is_empty()).then(|| text.replace('\0', " "))
}

/// Whether a DMI text says something: makers of boards like to fill the fields in later.
fn is_told(text: &str) -> bool {
    let nothing =
        ["to be filled by o.e.m.", "not specified", "none", "default string", "system serial number"];
    !nothing.contains(&text.to_ascii_lowercase().as_str())
}

/// The processors, from `/proc/cpuinfo`.
fn cpu(cpuinfo: &str) -> Cpu {
    let mut found = Cpu::default();
    let (mut sockets, mut cores) = (BTreeSet::new(), BTreeSet::new());
    let mut socket = "0";
    for line in cpuinfo.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        match (name.trim(), value.trim()) {
            ("processor", _) => {
                found.threads += 1;
                socket = "0";
            }
            ("model name", model) if found.model.is_empty() => found.model = model.to_owned(),
            ("physical id", id) => {
                socket = id;
                sockets.insert(id);
            }
            ("core id", id) => {
                cores.insert((socket, id));
            }
            _ => {}
        }
    }
    if found.model.is_empty() {
        found.model = arm::model(cpuinfo).unwrap_or_default();
    }
    let count = |n: usize, least: u32| u32::try_from(n).ok().filter(|&n| n > 0).unwrap_or(least);
    found.sockets = count(sockets.len(), 1);
    // Not every architecture tells cores; each thread is one then.
    found.cores = count(cores.len(), found.threads);
    found
}

/// `MemTotal` of `/proc/meminfo`, bytes.
fn memory_bytes(meminfo: &str) -> u64 {
    let kib =
        |line: &str| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok();
    meminfo.lines().find_map(kib).unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A made-up machine's files: path and content.
    const FILES: &[(&str, &str)] = &[
        ("proc/meminfo", "MemTotal:        1014132 kB\nMemFree: 1 kB\n"),
        (
            "proc/cpuinfo",
            "processor\t: 0\nmodel name\t: QEMU Virtual CPU\nphysical id\t: 0\ncore id\t\t: 0\n\n\
             processor\t: 1\nmodel name\t: QEMU Virtual CPU\nphysical id\t: 0\ncore id\t\t: 0\n\n\
             processor\t: 2\nmodel name\t: QEMU Virtual CPU\nphysical id\t: 1\ncore id\t\t: 0\n",
        ),
        ("sys/class/dmi/id/product_uuid", "4C4C4544-0051-3010-8052-B4C04F4E3732\n"),
        ("sys/class/dmi/id/product_serial", "To Be Filled By O.E.M.\n"),
        ("sys/class/dmi/id/sys_vendor", "QEMU\n"),
        ("sys/class/dmi/id/bios_vendor", "SeaBIOS\n"),
        ("sys/class/dmi/id/bios_version", "1.16\n"),
        ("sys/firmware/efi/fw_platform_size", "64\n"),
        ("sys/block/vda/device/vendor", "0x1af4\n"),
        ("sys/block/vda/size", "8388608\n"),
        ("sys/block/vda/serial", "disk-1  \n"),
        ("sys/block/vda/queue/logical_block_size", "4096\n"),
        ("sys/block/sda/device/vpd_pg80", "\0\u{1}\0\u{8} QM00001garbage"),
        ("sys/block/sda/device/model", "QEMU HARDDISK   \n"),
        ("sys/block/sda/device/wwid", "naa.5000c50015ea71ad\n"),
        ("sys/block/sda/size", "2048\n"),
        ("sys/block/sda/queue/rotational", "1\n"),
        ("sys/block/sda/removable", "1\n"),
        ("sys/block/nvme0n1/device/serial", "NV1\n"),
        ("sys/block/nvme0n1/ro", "1\n"),
        ("sys/block/nvme0n1/size", "2048\n"),
        ("sys/block/nvme0c0n1/device/serial", "NV1\n"),
        ("sys/block/nvme0c0n1/hidden", "1\n"),
        ("sys/block/nvme0c0n1/size", "2048\n"),
        ("sys/block/loop0/size", "2048\n"),
        ("sys/block/sr0/device/model", "QEMU DVD-ROM\n"),
        ("sys/block/sr0/size", "0\n"),
        ("sys/class/net/lo/address", "00:00:00:00:00:00\n"),
        ("sys/class/net/eth0/address", "52:54:00:aa:bb:01\n"),
        ("sys/class/net/eth0/device/vendor", "0x1af4\n"),
        ("sys/class/net/eth0/carrier", "1\n"),
        ("sys/class/net/eth0/speed", "-1\n"),
        ("sys/bus/pci/devices/0000:00:02.0/class", "0x030000\n"),
        ("sys/bus/pci/devices/0000:00:02.0/vendor", "0x1a03\n"),
        ("sys/bus/pci/devices/0000:00:02.0/device", "0x2000\n"),
        ("sys/bus/pci/devices/0000:3b:00.0/class", "0x030200\n"),
        ("sys/bus/pci/devices/0000:3b:00.0/vendor", "0x10de\n"),
        ("sys/bus/pci/devices/0000:3b:00.0/device", "0x2330\n"),
        ("sys/bus/pci/devices/0000:5e:00.0/class", "0x120000\n"),
        ("sys/bus/pci/devices/0000:5e:00.0/vendor", "0x1002\n"),
        ("sys/bus/pci/devices/0000:5e:00.0/device", "0x74a1\n"),
        ("sys/bus/pci/devices/0000:00:1f.0/class", "0x060100\n"),
        ("sys/bus/pci/devices/0000:00:1f.0/vendor", "0x8086\n"),
        ("sys/bus/pci/devices/0000:00:1f.0/device", "0x7a86\n"),
    ];

    fn machine() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (file, content) in FILES {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    #[test]
    fn a_whole_machine() {
        let root = machine();
        let found = Sysfs::at(root.path()).inventory().unwrap();
        assert_eq!(found.uuid.as_deref(), Some("4c4c4544-0051-3010-8052-b4c04f4e3732"));
        assert_eq!((found.serial, found.manufacturer.as_deref()), (None, Some("QEMU")));
        assert_eq!(found.firmware.as_deref(), Some("SeaBIOS 1.16"));
        assert_eq!(found.boot_mode, Some(BootMode::Uefi));
        assert_eq!(found.memory_bytes, 1_014_132 * 1024);
        let cpu = Cpu { model: "QEMU Virtual CPU".into(), threads: 3, cores: 2, sockets: 2 };
        assert_eq!(found.cpu, cpu);
        assert_eq!(found.nics.len(), 1, "lo is no hardware");
        let nic = &found.nics[0];
        assert_eq!((nic.mac.as_str(), nic.link, nic.speed_mbps), ("52:54:00:aa:bb:01", true, None));
    }

    #[test]
    fn disks_are_hardware_with_room() {
        let root = machine();
        let disks = Sysfs::at(root.path()).disks().unwrap();
        let names: Vec<_> = disks.iter().map(|disk| disk.name.as_str()).collect();
        assert_eq!(names, ["nvme0n1", "sda", "vda"]);
        let [nvme, sda, vda] = disks.as_slice() else { unreachable!() };
        assert_eq!((nvme.serial.as_deref(), nvme.read_only, nvme.sector_bytes), (Some("NV1"), true, 512));
        assert_eq!((sda.serial.as_deref(), sda.removable, sda.rotational), (Some("QM00001"), true, true));
        assert_eq!(sda.model.as_deref(), Some("QEMU HARDDISK"));
        assert_eq!(sda.wwn.as_deref(), Some("naa.5000c50015ea71ad"));
        assert_eq!(
            (vda.serial.as_deref(), vda.size_bytes, vda.sector_bytes),
            (Some("disk-1"), 4 << 30, 4096)
        );
        assert!(!vda.removable && !vda.read_only && !vda.rotational);
    }

    #[test]
    fn graphics_and_accelerators_are_told_with_their_pci_ids() {
        let root = machine();
        let found = Sysfs::at(root.path()).inventory().unwrap().gpus;
        let ids: Vec<_> = found
            .iter()
            .map(|gpu| (gpu.address.as_str(), gpu.vendor.as_str(), gpu.device.as_str()))
            .collect();
        assert_eq!(
            ids,
            [
                ("0000:00:02.0", "1a03", "2000"),
                ("0000:3b:00.0", "10de", "2330"),
                ("0000:5e:00.0", "1002", "74a1")
            ]
        );
    }

    #[test]
    fn the_machine_of_this_test_can_be_read() {
        assert!(Sysfs::at("/").inventory().unwrap().memory_bytes > 0);
    }

    #[test]
    fn a_nul_in_a_serial_number_is_a_space() {
        let root = machine();
        let page = b"\0\x80\0\x0a QM\x000001 \0\0";
        fs::write(root.path().join("sys/block/sda/device/vpd_pg80"), page).unwrap();
        let disks = Sysfs::at(root.path()).disks().unwrap();
        let sda = disks.iter().find(|disk| disk.name == "sda").unwrap();
        assert_eq!(sda.serial.as_deref(), Some("QM 0001"));
    }

    #[test]
    fn without_proc_there_is_no_inventory() {
        let root = tempfile::tempdir().unwrap();
        let error = Sysfs::at(root.path()).inventory().unwrap_err().to_string();
        assert!(error.contains("proc/cpuinfo"), "{error}");
    }
}

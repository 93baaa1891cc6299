//! QEMU's command line for a machine. Pure.

mod disks;

use std::path::Path;

use super::boot::Order;
use super::firmware::UefiImage;
use crate::layout::MachineFiles;
use crate::spec::{Architecture, Firmware, Machine, Nic};

/// The program that plays a machine.
pub(crate) fn program(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "qemu-system-x86_64",
        Architecture::Aarch64 => "qemu-system-aarch64",
    }
}

/// How the processor is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accelerator {
    /// By the host's own.
    Kvm,
    /// By translation.
    Tcg,
}

impl Accelerator {
    /// What this host can do for an x86 machine; ARM ones are always emulated. `/dev/kvm` alone proves nothing: it opens on hosts whose KVM hangs at a guest's kernel.
    pub(crate) fn of_this_host() -> Self {
        let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let may_open = std::fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok();
        if may_open && can_virtualise(&processor) { Self::Kvm } else { Self::Tcg }
    }
}

fn can_virtualise(cpuinfo: &str) -> bool {
    let flags = cpuinfo.lines().filter(|line| line.starts_with("flags"));
    flags.flat_map(str::split_whitespace).any(|flag| flag == "vmx" || flag == "svm")
}

/// Everything that a command line is made of.
pub(super) struct Parts<'a> {
    pub(super) machine: &'a Machine,
    pub(super) files: &'a MachineFiles,
    pub(super) accelerator: Accelerator,
    /// Must be there for a UEFI machine.
    pub(super) uefi: Option<&'a UefiImage>,
    pub(super) order: Order,
}

impl Parts<'_> {
    /// The arguments. The machine waits for `cont` on its monitor.
    pub(super) fn arguments(&self) -> Vec<String> {
        let machine = self.machine;
        let mut all = Arguments::default();
        all.add("-name", machine.name.clone());
        self.add_processor(&mut all);
        all.add("-m", machine.memory.to_string());
        all.flag("-nodefaults").flag("-no-user-config").flag("-S");
        all.add("-display", "none");
        let (uuid, serial) = (machine.uuid(), machine.serial());
        all.add(
            "-smbios",
            format!("type=1,manufacturer=Billet,product=lab-machine,uuid={uuid},serial={serial}"),
        );
        all.add("-chardev", socket("monitor", &self.files.monitor()));
        all.add("-mon", "chardev=monitor,mode=control");
        all.add("-chardev", socket("serial", &self.files.serial()));
        all.add("-serial", "chardev:serial");
        all.add("-device", "virtio-rng-pci");
        self.add_firmware(&mut all);
        disks::add(&mut all, machine, self.files, self.order);
        self.add_network(&mut all);
        all.0
    }

    fn add_processor(&self, all: &mut Arguments) {
        let emulated = "tcg,thread=multi";
        match (self.machine.architecture, self.accelerator) {
            (Architecture::X86_64, Accelerator::Kvm) => all.add("-accel", "kvm").add("-cpu", "host"),
            (Architecture::X86_64, Accelerator::Tcg) => all.add("-accel", emulated),
            // `max` has features whose emulation costs twice the time.
            (Architecture::Aarch64, _) => all.add("-accel", emulated).add("-cpu", "cortex-a57"),
        };
    }

    fn add_firmware(&self, all: &mut Arguments) {
        let board = match (self.machine.architecture, self.machine.firmware) {
            // Without graphics SeaBIOS and iPXE talk on the serial port.
            (Architecture::X86_64, Firmware::Bios | Firmware::BiosPxe) => "q35,graphics=off",
            (Architecture::X86_64, Firmware::Uefi | Firmware::UefiHttp) => "q35",
            (Architecture::Aarch64, _) => "virt",
        };
        all.add("-machine", board);
        let Some(uefi) = self.uefi.filter(|_| self.machine.firmware.is_uefi()) else { return };
        all.add("-drive", format!("if=pflash,format=raw,readonly=on,file={}", path(&uefi.code)));
        all.add("-drive", format!("if=pflash,format=raw,file={}", path(&self.files.variables())));
        if self.machine.firmware == Firmware::UefiHttp {
            // EDK2's switches (OvmfPkg/README, "Network Support"); PXE would come first and take minutes to give up.
            for protocol in ["IPv4", "IPv6"] {
                all.add("-fw_cfg", format!("name=opt/org.tianocore/{protocol}PXESupport,string=no"));
            }
        }
    }

    fn add_network(&self, all: &mut Arguments) {
        let (nic, port) = (path(&self.files.nic()), path(&self.files.port()));
        all.add(
            "-netdev",
            format!("dgram,id=net,local.type=unix,local.path={nic},remote.type=unix,remote.path={port}"),
        );
        // Without its ROM, which is iPXE, OVMF's own PXE drives the card. It can only drive virtio.
        let (model, rom) = match (self.machine.nic, self.machine.firmware) {
            (Nic::Virtio, Firmware::Uefi | Firmware::UefiHttp) => ("virtio-net-pci", ",romfile="),
            (Nic::Virtio, Firmware::Bios | Firmware::BiosPxe) => ("virtio-net-pci", ""),
            (Nic::E1000e, _) => ("e1000e", ""),
        };
        let (mac, index) = (&self.machine.mac, self.order.network());
        all.add("-device", format!("{model},id=nic0,netdev=net,mac={mac},bootindex={index}{rom}"));
        for (number, mac) in (1..).zip(self.machine.further_macs()) {
            let (nic, port) = self.files.further_cable(number);
            let (nic, port) = (path(&nic), path(&port));
            let between = format!("local.type=unix,local.path={nic},remote.type=unix,remote.path={port}");
            all.add("-netdev", format!("dgram,id=net{number},{between}"));
            // Linux bundles only links whose speed it knows. Nothing boots from them.
            let link = "speed=1000,duplex=full,romfile=";
            all.add("-device", format!("virtio-net-pci,id=nic{number},netdev=net{number},mac={mac},{link}"));
        }
    }
}

#[derive(Default)]
struct Arguments(Vec<String>);

impl Arguments {
    fn flag(&mut self, name: &str) -> &mut Self {
        self.0.push(name.to_owned());
        self
    }

    fn add(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.0.push(name.to_owned());
        self.0.push(value.into());
        self
    }
}

/// A connection to a socket where the daemon listens.
fn socket(id: &str, to: &Path) -> String {
    format!("socket,id={id},path={}", path(to))
}

/// A path as a value in an option: commas are doubled. `Layout` holds that it is UTF-8.
fn path(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;
    use crate::spec::{BmcKind, Disk, Size};

    fn arguments(machine: &Machine, order: Order) -> String {
        let files = Layout::new(Path::new("/l,b")).machine(&machine.name);
        let uefi = UefiImage::fixture();
        let accelerator = Accelerator::Tcg;
        Parts { machine, files: &files, accelerator, uefi: Some(&uefi), order }.arguments().join(" ")
    }

    #[test]
    fn bios_gets_the_ipxe_rom_and_a_serial_console() {
        let machine = Machine::new("m1", Firmware::Bios, BmcKind::IpmiSim);
        let line = arguments(&machine, Order::DiskFirst);
        assert!(line.contains("-machine q35,graphics=off"), "{line}");
        assert!(line.contains("serial=m1-disk0,bootindex=1"), "{line}");
        assert!(
            line.contains(&format!("virtio-net-pci,id=nic0,netdev=net,mac={},bootindex=2", machine.mac)),
            "{line}"
        );
        assert!(!line.contains("romfile") && !line.contains("pflash"), "{line}");
    }

    #[test]
    fn further_cards_have_cables_of_their_own_and_boot_nothing() {
        let mut machine = Machine::new("m1", Firmware::Bios, BmcKind::Mock);
        machine.further_nics = 2;
        let line = arguments(&machine, Order::NetworkFirst);
        let macs: Vec<_> = machine.further_macs().collect();
        for (number, mac) in (1..).zip(&macs) {
            let cable = format!("id=net{number},local.type=unix,local.path=/l,,b/m1.nic{number},");
            assert!(line.contains(&cable), "{line}");
            let card = format!(
                "virtio-net-pci,id=nic{number},netdev=net{number},mac={mac},speed=1000,duplex=full,romfile="
            );
            assert!(line.contains(&card), "{line}");
        }
        assert!(macs.len() == 2 && macs[0] != macs[1] && !macs.contains(&machine.mac), "{macs:?}");
    }

    #[test]
    fn uefi_gets_ovmf_and_its_own_pxe() {
        let mut machine = Machine::new("m2", Firmware::Uefi, BmcKind::Mock);
        machine.data_disks = vec![Disk::new(Size::gib(1), "m2-disk0-1")];
        let line = arguments(&machine, Order::NetworkFirst);
        assert!(line.contains("readonly=on,file=/code"), "{line}");
        assert!(line.contains("file=/l,,b/m2.vars"), "commas in paths are doubled: {line}");
        assert!(
            line.contains("serial=m2-disk0,bootindex=2") && line.contains("bootindex=1,romfile="),
            "{line}"
        );
        assert!(
            line.contains("id=disk1,drive=drive1,serial=m2-disk0-1 "),
            "a data disk is not booted from: {line}"
        );
    }

    #[test]
    fn a_machine_that_boots_by_http_has_no_pxe() {
        let machine = Machine::new("m3", Firmware::UefiHttp, BmcKind::Mock);
        let line = arguments(&machine, Order::NetworkFirst);
        for switch in
            ["opt/org.tianocore/IPv4PXESupport,string=no", "opt/org.tianocore/IPv6PXESupport,string=no"]
        {
            assert!(line.contains(switch), "{line}");
        }
        assert!(line.contains("readonly=on,file=/code") && line.contains("romfile="), "{line}");
    }

    #[test]
    fn arm_is_another_board_and_always_emulated() {
        let mut machine = Machine::new("m4", Firmware::Uefi, BmcKind::Mock);
        machine.architecture = Architecture::Aarch64;
        let line = arguments(&machine, Order::NetworkFirst);
        assert!(line.contains("-accel tcg,thread=multi -cpu cortex-a57"), "{line}");
        assert!(line.contains("-machine virt ") && line.contains("readonly=on,file=/code"), "{line}");
        assert!(!line.contains("q35") && !line.contains("PXESupport"), "{line}");
        assert_eq!(program(machine.architecture), "qemu-system-aarch64");
    }

    #[test]
    fn only_real_virtualisation_counts() {
        assert!(can_virtualise("model name : x\nflags\t\t: fpu vmx sse\n"));
        assert!(can_virtualise("flags\t\t: svm\n"));
        assert!(!can_virtualise("flags\t\t: fpu sse hypervisor\nbugs : svmx\n"));
    }
}

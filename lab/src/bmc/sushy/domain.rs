//! A machine as libvirt's XML (libvirt, "Domain XML format"). Pure.

use std::net::{IpAddr, SocketAddr};

use crate::layout::MachineFiles;
use crate::spec::{BootOrder, Machine, Nic};

/// Firmware that can do Secure Boot, and its variables with Microsoft's keys enrolled and with none (Debian's `ovmf`).
pub(crate) const CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.ms.fd";
/// Variables without keys.
pub(crate) const VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";
/// Variables with keys, by which Secure Boot holds.
pub(crate) const VARIABLES_SECURE: &str = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd";

/// The network cable: libvirt knows no Unix datagrams, so frames go by UDP on the loopback interface.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cable {
    /// The switch's end.
    pub(crate) port: SocketAddr,
    /// The network card's end.
    pub(crate) nic: SocketAddr,
}

impl Cable {
    /// The cable of the machine whose BMC has this address.
    pub(crate) fn at(address: IpAddr) -> Self {
        Self { port: SocketAddr::new(address, 10_000), nic: SocketAddr::new(address, 10_001) }
    }
}

/// The domain.
pub(super) fn xml(machine: &Machine, files: &MachineFiles, cable: Cable) -> String {
    let (name, uuid, memory) = (escaped(&machine.name), machine.uuid(), machine.memory);
    let emulator = crate::qemu::program(machine.architecture);
    let emulator = crate::child::find(emulator).unwrap_or_else(|| emulator.into());
    format!(
        "<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>{memory}</memory>
  <vcpu>1</vcpu>
  <sysinfo type='smbios'><system>
    <entry name='manufacturer'>Billet</entry><entry name='product'>lab-machine</entry>
    <entry name='serial'>{serial}</entry><entry name='uuid'>{uuid}</entry>
  </system></sysinfo>
  <os><type arch='x86_64' machine='q35'>hvm</type>{firmware}<smbios mode='sysinfo'/></os>
  <features><acpi/><smm state='on'/></features>
  <cpu mode='custom'><model>qemu64</model></cpu>
  <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>
  <devices>
    <emulator>{emulator}</emulator>
{disks}{network}    <serial type='unix'><source mode='connect' path='{console}'/><target port='0'/></serial>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='none'/>
  </devices>
</domain>
",
        serial = escaped(&machine.serial()),
        firmware = firmware(machine, files),
        emulator = escaped(&emulator.to_string_lossy()),
        disks = disks(machine, files),
        network = network(machine, cable),
        console = escaped(&files.serial().to_string_lossy()),
    )
}

/// The first device that is tried, counted from 1; the other one is the second.
fn order(machine: &Machine, network: bool) -> u8 {
    if (machine.boot_order == BootOrder::NetworkFirst) == network { 1 } else { 2 }
}

fn firmware(machine: &Machine, files: &MachineFiles) -> String {
    if machine.firmware.is_uefi() {
        let own = escaped(&files.sushy().join("variables.fd").to_string_lossy());
        format!(
            "<loader readonly='yes' secure='no' type='pflash'>{CODE}</loader><nvram template='{VARIABLES}'>{own}</nvram>"
        )
    } else {
        // SeaBIOS and iPXE talk on the serial port.
        "<bios useserial='yes'/>".to_owned()
    }
}

fn disks(machine: &Machine, files: &MachineFiles) -> String {
    let mut text = String::new();
    for ((number, disk), letter) in machine.disks().enumerate().zip('a'..='z') {
        let file = escaped(&files.disk(number).to_string_lossy());
        let boot =
            if number == 0 { format!("<boot order='{}'/>", order(machine, false)) } else { String::new() };
        // Flushes are ignored, as with the lab's own machines.
        text += &format!(
            "    <disk type='file' device='disk'><driver name='qemu' type='raw' cache='unsafe' discard='unmap'/>\
             <source file='{file}'/><target dev='vd{letter}' bus='virtio'/><serial>{}</serial>{boot}</disk>\n",
            disk.serial
        );
    }
    text
}

fn network(machine: &Machine, cable: Cable) -> String {
    let model = match machine.nic {
        Nic::Virtio => "virtio",
        Nic::E1000e => "e1000e",
    };
    // Without its ROM, which is iPXE, OVMF's own PXE drives the card.
    let rom = if machine.firmware.is_uefi() { "<rom enabled='no'/>" } else { "" };
    format!(
        "    <interface type='udp'><mac address='{mac}'/>\
         <source address='{port}' port='{port_number}'><local address='{nic}' port='{nic_number}'/></source>\
         <model type='{model}'/><boot order='{order}'/>{rom}</interface>\n",
        mac = machine.mac,
        port = cable.port.ip(),
        port_number = cable.port.port(),
        nic = cable.nic.ip(),
        nic_number = cable.nic.port(),
        order = order(machine, true),
    )
}

/// A text between XML's marks.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '\'' => escaped += "&apos;",
            '"' => escaped += "&quot;",
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;
    use crate::spec::{BmcKind, Disk, Firmware, Size};
    use std::path::Path;

    fn text(machine: &Machine) -> String {
        let files = Layout::new(Path::new("/l'a&b")).machine(&machine.name);
        xml(machine, &files, Cable::at("127.0.1.1".parse().unwrap()))
    }

    #[test]
    fn a_bios_machine_talks_on_the_serial_port_and_boots_its_disk_first() {
        let mut machine = Machine::new("m1", Firmware::Bios, BmcKind::Sushy);
        machine.data_disks = vec![Disk::new(Size::gib(1), "m1-disk0-1")];
        let text = text(&machine);
        for part in [
            "<bios useserial='yes'/>",
            "<source file='/l&apos;a&amp;b/m1.disk'/><target dev='vda' bus='virtio'/><serial>m1-disk0</serial><boot order='1'/>",
            "<target dev='vdb' bus='virtio'/><serial>m1-disk0-1</serial></disk>",
            "<source address='127.0.1.1' port='10000'><local address='127.0.1.1' port='10001'/></source>\
             <model type='virtio'/><boot order='2'/></interface>",
            "<source mode='connect' path='/l&apos;a&amp;b/m1.serial'/>",
            &format!("<uuid>{}</uuid>", machine.uuid()),
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains("loader"), "{text}");
    }

    #[test]
    fn a_uefi_machine_has_firmware_that_can_do_secure_boot_and_its_own_variables() {
        let mut machine = Machine::new("m2", Firmware::Uefi, BmcKind::Sushy);
        machine.boot_order = BootOrder::NetworkFirst;
        let text = text(&machine);
        for part in [
            CODE,
            "m2.sushy/variables.fd</nvram>",
            "<smm state='on'/>",
            "<boot order='1'/><rom enabled='no'/></interface>",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains("useserial"), "{text}");
    }
}

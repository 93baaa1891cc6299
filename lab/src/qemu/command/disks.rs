//! A machine's disks on QEMU's command line. Pure.
//!
//! Whatever the bus, the device of disk N is called `diskN` and has a `bootindex` that can be changed at run time: the
//! chassis counts on it. Only the first disk is booted from.

use super::super::boot::Order;
use super::{Arguments, path};
use crate::layout::MachineFiles;
use crate::spec::{Bus, Disk, Machine};

/// Controllers, content and devices.
pub(super) fn add(all: &mut Arguments, machine: &Machine, files: &MachineFiles, order: Order) {
    for (bus, controller) in [(Bus::Sata, "ich9-ahci,id=sata"), (Bus::Scsi, "virtio-scsi-pci,id=scsi")] {
        if machine.disks().any(|disk| disk.bus == bus) {
            all.add("-device", controller);
        }
    }
    for (number, disk) in machine.disks().enumerate() {
        all.add("-drive", content(disk, number, files));
        let on_the_bus = machine.disks().take(number).filter(|earlier| earlier.bus == disk.bus).count();
        let boot = if number == 0 { format!(",bootindex={}", order.disk()) } else { String::new() };
        all.add("-device", device(disk, number, on_the_bus) + &boot);
    }
}

/// Where the content is.
fn content(disk: &Disk, number: usize, files: &MachineFiles) -> String {
    let drive = format!("if=none,id=drive{number},format=raw,discard=unmap");
    if disk.faulty {
        let socket = path(&files.faulty_disk(number));
        // Errors are for the guest: by default a full disk pauses the machine. Flushes are passed on.
        format!(
            "{drive},werror=report,rerror=report,file.driver=nbd,file.server.type=unix,file.server.path={socket}"
        )
    } else {
        // Flushes are ignored: the host's memory outlives any QEMU, and a lab's disk needn't survive the host.
        format!("{drive},cache=unsafe,file={}", path(&files.disk(number)))
    }
}

/// What the machine sees; it is the so manyeth on its bus.
fn device(disk: &Disk, number: usize, on_the_bus: usize) -> String {
    let model = match disk.bus {
        Bus::Virtio => "virtio-blk-pci".to_owned(),
        Bus::Sata => format!("ide-hd,bus=sata.{on_the_bus}"),
        Bus::Nvme => "nvme".to_owned(),
        Bus::Scsi => format!("scsi-hd,bus=scsi.0,scsi-id={on_the_bus}"),
    };
    let mut text = format!("{model},id=disk{number},drive=drive{number},serial={}", disk.serial);
    if let Some(wwn) = &disk.wwn {
        text += &format!(",wwn=0x{wwn}");
    }
    if disk.sector != 512 {
        text += &format!(",logical_block_size={0},physical_block_size={0}", disk.sector);
    }
    if disk.removable {
        text += ",removable=on";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;
    use crate::spec::Spec;
    use std::path::Path;

    fn arguments(firmware: &str, disks: &str, order: Order) -> Vec<String> {
        let text = format!("[[machine]]\nname='m1'\nfirmware='{firmware}'\nbmc='mock'\n{disks}");
        let machine = Spec::parse(&text).unwrap().machines.remove(0);
        let files = Layout::new(Path::new("/l,b")).machine("m1");
        let mut all = Arguments::default();
        add(&mut all, &machine, &files, order);
        all.0.into_iter().filter(|word| !word.starts_with('-')).collect()
    }

    #[test]
    fn each_bus_has_its_controller_and_its_device() {
        let file = |number: usize, name: &str| {
            format!("if=none,id=drive{number},format=raw,discard=unmap,cache=unsafe,file=/l,,b/{name}")
        };
        let table: [(&str, Vec<&str>); 4] = [
            ("virtio", vec!["virtio-blk-pci,id=disk0,drive=drive0,serial=m1-disk0,bootindex=1"]),
            (
                "sata",
                vec![
                    "ich9-ahci,id=sata",
                    "ide-hd,bus=sata.0,id=disk0,drive=drive0,serial=m1-disk0,bootindex=1",
                ],
            ),
            ("nvme", vec!["nvme,id=disk0,drive=drive0,serial=m1-disk0,bootindex=1"]),
            (
                "scsi",
                vec![
                    "virtio-scsi-pci,id=scsi",
                    "scsi-hd,bus=scsi.0,scsi-id=0,id=disk0,drive=drive0,serial=m1-disk0,bootindex=1",
                ],
            ),
        ];
        for firmware in ["bios", "uefi"] {
            for (bus, devices) in &table {
                let mut expected: Vec<String> = devices.iter().map(|&text| text.to_owned()).collect();
                expected.insert(expected.len() - 1, file(0, "m1.disk"));
                assert_eq!(arguments(firmware, &format!("bus='{bus}'"), Order::DiskFirst), expected, "{bus}");
            }
        }
    }

    #[test]
    fn only_the_first_disk_boots_and_each_has_its_own_place() {
        let disks = "bus='scsi'\ndisk={size='1G',bus='nvme'}\n\
                     data_disks=['1G',{size='1G',wwn='5000c500a1b2c3d4',sector=4096,removable=true},\
                     {size='1G',bus='sata'},{size='1G',bus='sata'}]";
        let all = arguments("uefi", disks, Order::NetworkFirst);
        let devices: Vec<_> =
            all.iter().filter(|word| word.contains("serial=")).map(String::as_str).collect();
        assert_eq!(
            devices,
            [
                "nvme,id=disk0,drive=drive0,serial=m1-disk0,bootindex=2",
                "scsi-hd,bus=scsi.0,scsi-id=0,id=disk1,drive=drive1,serial=m1-disk0-1",
                "scsi-hd,bus=scsi.0,scsi-id=1,id=disk2,drive=drive2,serial=m1-disk0-2,wwn=0x5000c500a1b2c3d4,\
                 logical_block_size=4096,physical_block_size=4096,removable=on",
                "ide-hd,bus=sata.0,id=disk3,drive=drive3,serial=m1-disk0-3",
                "ide-hd,bus=sata.1,id=disk4,drive=drive4,serial=m1-disk0-4",
            ]
        );
        assert_eq!(
            all.iter().filter(|word| word.contains(",id=scsi") || word.contains(",id=sata")).count(),
            2
        );
    }

    #[test]
    fn a_faulty_disk_is_the_labs_own_and_its_errors_reach_the_guest() {
        let all = arguments("bios", "disk={size='1G',faulty=true}", Order::DiskFirst);
        assert_eq!(
            all[0],
            "if=none,id=drive0,format=raw,discard=unmap,werror=report,rerror=report,file.driver=nbd,\
             file.server.type=unix,file.server.path=/l,,b/m1.nbd0"
        );
    }
}

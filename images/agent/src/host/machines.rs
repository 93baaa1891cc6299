//! What is read of disks, from sysfs as kernels of real machines lay it out: links into `/sys/devices`, where the parts of
//! a path say how a disk is attached.

use super::sysfs::Sysfs;
use provisioner_api::{Caution, Disk};
use std::{fs, os::unix::fs::symlink, path::Path};

/// A disk: its name, the folder of its device, and files of either (`=`: of the block device).
type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

fn disks(rows: &[Row<'_>], others: &[&str]) -> Vec<Disk> {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &Path, text: &str| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for (name, device, files) in rows {
        let block = root.path().join("sys/block").join(name);
        let folder = root.path().join("sys/devices").join(device);
        fs::create_dir_all(&block).unwrap();
        fs::create_dir_all(&folder).unwrap();
        symlink(&folder, block.join("device")).unwrap();
        write(&block.join("size"), "2097152\n");
        for (file, text) in *files {
            match file.strip_prefix('=') {
                Some(file) => write(&block.join(file), text),
                None => write(&folder.join(file), text),
            }
        }
    }
    for folder in others {
        fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    Sysfs::at(root.path()).disks().unwrap()
}

/// VPD page 80h with this serial number.
fn page(serial: &str) -> String {
    // The second byte is the page's number (80h), which nobody reads and which is no text.
    format!("\0\0\0{}{serial}", char::from(u8::try_from(serial.len()).unwrap()))
}

/// Name, serial number, bus and what speaks against it.
fn told(disks: &[Disk]) -> Vec<(&str, &str, &str, Option<Caution>)> {
    let text = |text: &'_ Option<String>| text.clone().unwrap_or_default().leak() as &str;
    disks
        .iter()
        .map(|disk| (disk.name.as_str(), text(&disk.serial), text(&disk.bus), disk.caution()))
        .collect()
}

#[test]
fn a_dell_with_a_perc_and_virtual_media() {
    let (volume, floppy) = (page("00a1b2c3"), page("20120731"));
    let usb = "pci0000:00/0000:00:14.0/usb1/1-14/1-14.1/1-14.1:1.0/host5/target5:0:0/5:0:0:0";
    let found = disks(
        &[
            (
                "sda",
                "pci0000:00/0000:00:01.0/0000:02:00.0/host0/target0:2:0/0:2:0:0",
                &[
                    ("vendor", "DELL    "),
                    ("model", "PERC H730P Mini "),
                    ("vpd_pg80", &volume),
                    ("wwid", "naa.6d09"),
                ],
            ),
            ("sdb", usb, &[("vendor", "iDRAC   "), ("model", "Virtual Floppy"), ("vpd_pg80", &floppy)]),
        ],
        &[],
    );
    assert_eq!(
        told(&found),
        [("sda", "00a1b2c3", "scsi", None), ("sdb", "20120731", "usb", Some(Caution::Virtual))]
    );
    assert_eq!((found[0].vendor.as_deref(), found[0].hctl.as_deref()), (Some("DELL"), Some("0:2:0:0")));
    assert_eq!(found[0].path.as_deref(), Some("pci-0000:02:00.0-scsi-0:2:0:0"));
}

#[test]
fn volumes_of_an_hpe_smart_array_share_the_controllers_number() {
    let serial = page("PEYHB0ARH1");
    let at = "pci0000:5b/0000:5b:00.0/0000:5c:00.0/host1/target1:1:0/1:1:0:";
    let (one, two) = (format!("{at}0"), format!("{at}1"));
    let found = disks(
        &[
            ("sda", &one, &[("vendor", "HPE"), ("vpd_pg80", &serial), ("wwid", "naa.600508b1001c1")]),
            ("sdb", &two, &[("vendor", "HPE"), ("vpd_pg80", &serial), ("wwid", "naa.600508b1001c2")]),
        ],
        &[],
    );
    assert_eq!(
        told(&found),
        [
            ("sda", "PEYHB0ARH1_naa.600508b1001c1", "scsi", None),
            ("sdb", "PEYHB0ARH1_naa.600508b1001c2", "scsi", None)
        ]
    );
}

#[test]
fn two_namespaces_of_an_nvme_controller() {
    let nvme = "pci0000:5d/0000:5d:00.0/0000:5e:00.0/nvme/nvme0";
    let shared = [("serial", "S64GNE0R"), ("model", "SAMSUNG MZQL2"), ("transport", "pcie")];
    let of =
        |eui: &'static str, nsid: &'static str| [&shared[..], &[("=wwid", eui), ("=nsid", nsid)]].concat();
    let (first, second) = (of("eui.1", "1"), of("eui.2", "2"));
    let found = disks(&[("nvme0n1", nvme, &first), ("nvme0n2", nvme, &second)], &[]);
    assert_eq!(
        told(&found),
        [("nvme0n1", "S64GNE0R", "nvme", None), ("nvme0n2", "S64GNE0R_2", "nvme", None)]
    );
    assert_eq!(found[1].wwn.as_deref(), Some("eui.2"));
    assert_eq!(found[1].path.as_deref(), Some("pci-0000:5e:00.0-nvme-2"));
}

#[test]
fn nvme_over_fabrics_is_somewhere_else_also_behind_a_subsystem() {
    let files = [("serial", "F1"), ("nvme2/transport", "tcp"), ("=nsid", "1")];
    let found = disks(&[("nvme1n1", "virtual/nvme-subsystem/nvme-subsys1", &files)], &[]);
    assert_eq!(told(&found), [("nvme1n1", "F1", "nvme-of", Some(Caution::Shared))]);
}

#[test]
fn a_lun_over_two_fibre_channel_paths() {
    let serial = page("80aB?]PnG2fK");
    let at = |host: u8| {
        format!(
            "pci0000:80/0000:80:02.0/0000:81:00.{host}/host{host}/rport-{host}:0-2/target{host}:0:0/{host}:0:0:1"
        )
    };
    let (one, two) = (at(0), at(1));
    let files = [
        ("vendor", "NETAPP"),
        ("model", "LUN C-Mode"),
        ("vpd_pg80", serial.as_str()),
        ("wwid", "naa.600a0980"),
    ];
    let found = disks(&[("sda", &one, &files), ("sdb", &two, &files)], &[]);
    let lun = |name| (name, "80aB?]PnG2fK", "fc", Some(Caution::Shared));
    assert_eq!(told(&found), [lun("sda"), lun("sdb")]);
}

#[test]
fn a_disk_over_srp_is_on_a_network() {
    let device = "pci0000:80/0000:81:00.0/host3/target3:0:0/3:0:0:1";
    let found = disks(&[("sda", device, &[("vendor", "DDN")])], &["sys/class/srp_host/host3"]);
    assert_eq!((found[0].bus.as_deref(), found[0].caution()), (Some("srp"), Some(Caution::Shared)));
}

#[test]
fn a_namespace_alone_is_called_as_it_always_was() {
    let nvme = "pci0000:5d/0000:5d:00.0/0000:5e:00.0/nvme/nvme0";
    let files = [("serial", "S64GNE0R"), ("transport", "pcie"), ("=wwid", "eui.2"), ("=nsid", "2")];
    let found = disks(&[("nvme0n1", nvme, &files)], &[]);
    assert_eq!(told(&found), [("nvme0n1", "S64GNE0R", "nvme", None)]);
}

#[test]
fn a_host_that_is_registered_as_fibre_channel_needs_no_rport_in_its_path() {
    let device = "pci0000:80/0000:81:00.0/host3/target3:0:0/3:0:0:1";
    let found = disks(&[("sda", device, &[("vendor", "IBM")])], &["sys/class/fc_host/host3"]);
    assert_eq!(found[0].caution(), Some(Caution::Shared));
}

#[test]
fn a_virtio_disk_is_an_ordinary_one() {
    let device = "pci0000:00/0000:00:05.0/virtio2";
    let found = disks(&[("vda", device, &[("vendor", "0x1af4"), ("=serial", "disk-1")])], &[]);
    assert_eq!(told(&found), [("vda", "disk-1", "virtio", None)]);
    assert_eq!((found[0].vendor.as_deref(), found[0].path.as_deref()), (None, Some("pci-0000:00:05.0")));
}

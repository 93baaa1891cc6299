//! Boot entries of made-up disks in a made-up firmware.

use super::*;
use crate::{
    boot_next::tests::option,
    host::{FakeDisk, FakeVariables},
    seed::{Partition, type_guid},
};
use fatfs::{FileSystem, FormatVolumeOptions, FsOptions};
use gptman::{GPT, GPTPartitionEntry};
use std::io::{Cursor, Write};

const MIB: u64 = 1 << 20;
const ESP: [u8; 16] =
    type_guid(0xC12A_7328, 0xF81F, 0x11D2, [0xBA, 0x4B, 0x00, 0xA0, 0xC9, 0x3E, 0xC9, 0x3B]);

/// A disk of 64 MiB with a GPT: a partition of some data, and behind it an EFI system partition with these files.
pub(crate) fn disk_with(files: &[&str]) -> FakeDisk {
    let mut volume = Cursor::new(vec![0; 32 << 20]);
    fatfs::format_volume(&mut volume, FormatVolumeOptions::new()).unwrap();
    {
        let system = FileSystem::new(&mut volume, FsOptions::new()).unwrap();
        for path in files {
            let mut folder = system.root_dir();
            let (folders, name) = path.rsplit_once('/').unwrap();
            for part in folders.split('/') {
                folder = folder.create_dir(part).unwrap();
            }
            folder.create_file(name).unwrap().write_all(b"MZ and more").unwrap();
        }
    }
    let mut bytes = Cursor::new(vec![0; 64 << 20]);
    let mut table = GPT::new_from(&mut bytes, 512, [1; 16]).unwrap();
    for (number, kind, start, mib) in [(1, [9; 16], 1, 4), (15, ESP, 8, 32)] {
        table[number] = GPTPartitionEntry {
            partition_type_guid: kind,
            unique_partition_guid: [number as u8; 16],
            starting_lba: start * MIB / 512,
            ending_lba: (start + mib) * MIB / 512 - 1,
            attribute_bits: 0,
            partition_name: "".into(),
        };
    }
    GPT::write_protective_mbr_into(&mut bytes, 512).unwrap();
    table.write_into(&mut bytes).unwrap();
    let disk = FakeDisk::in_memory("vde", "E", 64 << 20);
    disk.write_at(&bytes.into_inner(), 0).unwrap();
    disk.write_at(&volume.into_inner(), 8 * MIB).unwrap();
    disk
}

fn partition() -> Partition {
    Partition { number: 15, start: 8 * 2048, sectors: 32 * 2048, guid: [15; 16] }
}

fn network() -> Vec<u8> {
    option(1, &[&[1, 1, 0, 3], &[3, 11, 0x52, 0x54, 0, 1, 2, 3]])
}

/// A firmware with one way to boot: the network.
fn firmware() -> FakeVariables {
    let variables = FakeVariables::default();
    variables.set("Boot0000", &network()).unwrap();
    variables.set(BOOT_ORDER, &[0, 0]).unwrap();
    variables
}

fn file_of(files: &[&str], architecture: &str) -> Result<String, String> {
    let found = loader::find(&disk_with(files), 512, architecture);
    found.map(|loader| loader.file).map_err(|error| crate::perform::whole(&error))
}

#[test]
fn what_a_disk_would_start() {
    let fallback = "EFI/BOOT/BOOTX64.EFI";
    assert_eq!(file_of(&[fallback], "x86_64").unwrap(), r"\EFI\BOOT\BOOTX64.EFI");
    assert_eq!(
        file_of(&[fallback, "EFI/debian/shimx64.efi", "EFI/debian/grubx64.efi"], "x86_64").unwrap(),
        r"\EFI\debian\shimx64.efi"
    );
    // However it is written; and a vendor that nobody knows is not believed.
    assert_eq!(file_of(&["efi/AlmaLinux/SHIMX64.EFI"], "x86_64").unwrap(), r"\EFI\almalinux\shimx64.efi");
    assert!(
        file_of(&["EFI/evil/shimx64.efi"], "x86_64").unwrap_err().contains("no EFI system partition with")
    );
    assert!(file_of(&[fallback], "aarch64").unwrap_err().contains("for aarch64"));
    assert!(file_of(&[fallback], "riscv64").unwrap_err().contains("for riscv64"));
    let found = loader::find(&disk_with(&[fallback]), 512, "x86_64").unwrap();
    assert_eq!(found.partition, partition());
}

#[test]
fn no_disk_is_believed() {
    let damaged = |deed: &dyn Fn(&FakeDisk)| {
        let disk = disk_with(&["EFI/BOOT/BOOTX64.EFI"]);
        deed(&disk);
        crate::perform::whole(&loader::find(&disk, 512, "x86_64").unwrap_err())
    };
    assert!(damaged(&|disk| disk.zero(8 * MIB, 512).unwrap()).contains("can't be read"));
    assert!(damaged(&|disk| disk.zero(0, MIB).unwrap()).contains("no EFI system partition"));
    // A program that is none.
    let none = damaged(&|disk| {
        let mut bytes = vec![0; 32 << 20];
        disk.read_at(&mut bytes, 8 * MIB).unwrap();
        let at = bytes.windows(11).position(|window| window == b"MZ and more").unwrap() as u64;
        disk.write_at(b"ZM", 8 * MIB + at).unwrap();
    });
    assert!(none.contains("no EFI system partition with"), "{none}");
    // A folder that goes round in a circle: each of its clusters is followed by itself.
    let endless = damaged(&|disk| {
        let mut boot = vec![0; 512];
        disk.read_at(&mut boot, 8 * MIB).unwrap();
        let (reserved, sectors) = (u64::from(boot[14]), u64::from(u16::from_le_bytes([boot[22], boot[23]])));
        for copy in 0..2 {
            let start = 8 * MIB + (reserved + copy * sectors) * 512;
            let circle: Vec<u8> = (0..16_u16).flat_map(u16::to_le_bytes).collect();
            disk.write_at(&circle, start).unwrap();
        }
        let data = 8 * MIB + (reserved + 2 * sectors) * 512 + 512 * 32;
        let filled: Vec<u8> =
            (0..512).flat_map(|_| *b"FILLED     \x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0").collect();
        disk.write_at(&filled, data).unwrap();
    });
    assert!(endless.contains("no end"), "{endless}");
}

#[test]
fn a_system_is_entered_once_behind_the_network() {
    let disk = disk_with(&["EFI/BOOT/BOOTX64.EFI", "EFI/debian/shimx64.efi"]);
    let variables = firmware();
    let said = enter(&disk, 512, "x86_64", "web1", &variables).unwrap();
    assert_eq!(said, r"boot entry 0001 `Billet web1` starts \EFI\debian\shimx64.efi");
    assert_eq!(variables.get(BOOT_ORDER).unwrap().unwrap(), [0, 0, 1, 0]);
    let expected = entry::option("Billet web1", &partition(), r"\EFI\debian\shimx64.efi");
    assert_eq!(variables.get("Boot0001").unwrap().unwrap(), expected);
    let writes = variables.writes();
    let again = enter(&disk, 512, "x86_64", "web1", &variables).unwrap();
    assert!(again.ends_with("as before") && variables.writes() == writes, "{again}");
    // Another system takes its place.
    let other = disk_with(&["EFI/BOOT/BOOTX64.EFI"]);
    let said = enter(&other, 512, "x86_64", "web2", &variables).unwrap();
    assert_eq!(said, r"boot entry 0001 `Billet web2` starts \EFI\BOOT\BOOTX64.EFI");
    assert_eq!(variables.entries().unwrap(), [0, 1]);
    assert_eq!(variables.get("Boot0000").unwrap().unwrap(), network(), "what is not ours stays");
}

#[test]
fn a_firmware_that_takes_nothing_is_told_of() {
    let disk = disk_with(&["EFI/BOOT/BOOTX64.EFI"]);
    for (error, words) in [(libc::ENOSPC, "No space left"), (libc::EROFS, "Read-only")] {
        let variables = firmware();
        variables.refuse(error);
        let why = crate::perform::whole(&enter(&disk, 512, "x86_64", "web1", &variables).unwrap_err());
        assert!(
            why.starts_with("the firmware's variable Boot0001 can't be written") && why.contains(words),
            "{why}"
        );
        assert_eq!(
            variables.get(BOOT_ORDER).unwrap().unwrap(),
            [0, 0],
            "the order names nothing that isn't there"
        );
    }
    let variables = firmware();
    variables.forget();
    let why = crate::perform::whole(&enter(&disk, 512, "x86_64", "web1", &variables).unwrap_err());
    assert!(why.contains("gives another value back"), "{why}");
}

#[test]
fn without_a_boot_order_none_is_made() {
    let disk = disk_with(&["EFI/BOOT/BOOTX64.EFI"]);
    for order in [None, Some(&[] as &[u8])] {
        let variables = FakeVariables::default();
        variables.set("Boot0000", &network()).unwrap();
        order.into_iter().for_each(|order| variables.set(BOOT_ORDER, order).unwrap());
        let writes = variables.writes();
        let why = crate::perform::whole(&enter(&disk, 512, "x86_64", "web1", &variables).unwrap_err());
        assert!(why.contains("no boot order"), "{why}");
        assert_eq!(variables.writes(), writes);
    }
    // Nothing at all: there is nothing that ours could hide.
    let variables = FakeVariables::default();
    enter(&disk, 512, "x86_64", "web1", &variables).unwrap();
    assert_eq!(variables.get(BOOT_ORDER).unwrap().unwrap(), [0, 0]);
}

#[test]
fn a_stick_that_netboots_stays_first() {
    let disk = disk_with(&["EFI/BOOT/BOOTX64.EFI"]);
    let variables = FakeVariables::default();
    for name in ["Boot0000", "Boot0001"] {
        variables.set(name, &option(1, &[&[1, 1, 0, 3]])).unwrap();
    }
    variables.set(BOOT_ORDER, &[0, 0, 1, 0]).unwrap();
    variables.set(BOOT_CURRENT, &[0, 0]).unwrap();
    enter(&disk, 512, "x86_64", "web1", &variables).unwrap();
    assert_eq!(variables.get(BOOT_ORDER).unwrap().unwrap(), [0, 0, 2, 0, 1, 0]);
}

#[test]
fn what_was_entered_before_is_forgotten() {
    let variables = firmware();
    assert_eq!(forget(&variables).unwrap(), [] as [u16; 0]);
    let writes = variables.writes();
    assert_eq!(writes, firmware().writes(), "nothing was ours");
    enter(&disk_with(&["EFI/BOOT/BOOTX64.EFI"]), 512, "x86_64", "web1", &variables).unwrap();
    assert_eq!(forget(&variables).unwrap(), [1]);
    assert_eq!(variables.entries().unwrap(), [0]);
    assert_eq!(variables.get(BOOT_ORDER).unwrap().unwrap(), [0, 0]);
    // Where ours was the only one, no order is left.
    let variables = FakeVariables::default();
    enter(&disk_with(&["EFI/BOOT/BOOTX64.EFI"]), 512, "x86_64", "web1", &variables).unwrap();
    assert_eq!(forget(&variables).unwrap(), [0]);
    assert_eq!((variables.entries().unwrap(), variables.get(BOOT_ORDER).unwrap()), (vec![], None));
}

#[test]
fn what_is_in_a_vendor_s_place_hides_nothing() {
    let files = ["EFI/debian", "EFI/BOOT/BOOTX64.EFI"];
    assert_eq!(file_of(&files, "x86_64").unwrap(), r"\EFI\BOOT\BOOTX64.EFI");
    // Alone, it is why nothing was found.
    assert!(file_of(&files[..1], "x86_64").unwrap_err().contains("can't be read"));
}

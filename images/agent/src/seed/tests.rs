//! The seed on GPT and MBR disks, judged by other eyes too: `fatfs`, `gptman::GPT`, and `sgdisk` and `mtype` where
//! they are installed.

use super::*;
use crate::host::FakeDisk;
use gptman::{GPT, GPTPartitionEntry};
use std::{
    io::{Cursor, Read},
    path::Path,
    process::Command,
};

const GUID: [u8; 16] = [7; 16];

/// A NoCloud seed, and nothing grows.
const PLAIN: Finish = Finish { seed: SeedKind::NoCloud, grow: Growth::None };

/// Where the NoCloud seed lies.
fn add(target: &dyn Target, sector: u32, files: &[SeedFile], guid: [u8; 16]) -> Result<Span, SeedError> {
    write(target, sector, files, PLAIN, guid).map(|written| written.seed.unwrap())
}

fn files() -> Vec<SeedFile> {
    let file = |name: &str, content: &str| SeedFile { name: name.into(), content: content.into() };
    vec![
        file("meta-data", "instance-id: i-1\nlocal-hostname: web-1\n"),
        file("user-data", &format!("#cloud-config\n# {}\n", "päd".repeat(20_000))),
        file("network-config", "version: 2\n"),
        file("vendor-data", ""),
    ]
}

/// A bootable-looking image of 16 MiB with a GPT: two partitions, boot code in its MBR.
fn gpt_image(sector: u64) -> Vec<u8> {
    let mut image = Cursor::new(vec![0; 16 << 20]);
    let mut table = GPT::new_from(&mut image, sector, [1; 16]).unwrap();
    let align = MIB / sector;
    for (number, start, sectors) in [(1, align, align), (2, 2 * align, 13 * align)] {
        table[number] = GPTPartitionEntry {
            partition_type_guid: [9; 16],
            unique_partition_guid: [number as u8; 16],
            starting_lba: start,
            ending_lba: start + sectors - 1,
            attribute_bits: 4,
            partition_name: "part".into(),
        };
    }
    GPT::write_protective_mbr_into(&mut image, sector).unwrap();
    table.write_into(&mut image).unwrap();
    let mut image = image.into_inner();
    image[..4].copy_from_slice(b"BOOT");
    image[3 << 20..4 << 20].fill(0xDD);
    image
}

/// An image of 2 MiB with an MBR: one partition.
pub(crate) fn mbr_image() -> Vec<u8> {
    let mut image = vec![0; 2 << 20];
    image[..4].copy_from_slice(b"BOOT");
    image[446..462].copy_from_slice(&[0x80, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0]);
    image[510..512].copy_from_slice(&[0x55, 0xAA]);
    image[1 << 20..].fill(0xDD);
    image
}

/// A disk in a file, so that other programs can look at it.
fn disk(folder: &Path, bytes: u64, image: &[u8]) -> FakeDisk {
    let disk = FakeDisk::in_file("vda", "A", bytes, &folder.join("disk")).unwrap();
    disk.write_at(image, 0).unwrap();
    disk
}

/// The files in the FAT volume at `span`, by the crate's reader; checks the label.
fn read_files(disk: &FakeDisk, span: Span) -> Vec<SeedFile> {
    let mut volume = vec![0; span.bytes as usize];
    disk.read_at(&mut volume, span.start).unwrap();
    let system = fatfs::FileSystem::new(Cursor::new(volume), fatfs::FsOptions::new()).unwrap();
    assert_eq!(system.volume_label(), "CIDATA");
    assert_eq!(system.read_volume_label_from_root_dir().unwrap().as_deref(), Some("CIDATA"));
    let entries = system.root_dir().iter().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            let mut content = Vec::new();
            entry.to_file().read_to_end(&mut content).unwrap();
            SeedFile { name: entry.file_name(), content }
        })
        .collect()
}

/// The table as `gptman` reads it, from the start (`primary`) or, with that destroyed, from the end.
fn table(disk: &FakeDisk, sector: u64, primary: bool) -> GPT {
    let mut bytes = vec![0; disk.size() as usize];
    disk.read_at(&mut bytes, 0).unwrap();
    if !primary {
        bytes[sector as usize..2 * sector as usize].fill(0);
    }
    GPT::read_from(&mut Cursor::new(bytes), sector).unwrap()
}

/// Runs a judge that may not be installed.
fn judge(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program}: {text}{}", String::from_utf8_lossy(&output.stderr));
    Some(text)
}

fn refusal(disk: &FakeDisk, sector: u32, files: &[SeedFile]) -> String {
    match add(disk, sector, files, GUID) {
        Err(SeedError::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn behind_a_gpt_image() {
    for (sector, size) in [(512_u32, 64 * MIB), (512, 64 * MIB + 512 * 77), (4096, 64 * MIB)] {
        let folder = tempfile::tempdir().unwrap();
        let image = gpt_image(sector.into());
        let disk = disk(folder.path(), size, &image);
        let span = add(&disk, sector, &files(), GUID).unwrap();
        assert_eq!(read_files(&disk, span), files());
        assert!(span.bytes >= LEAST && span.start.is_multiple_of(MIB));
        let (start, end) = (table(&disk, sector.into(), true), table(&disk, sector.into(), false));
        assert!(start.is_primary() && end.is_backup());
        for table in [&start, &end] {
            assert_eq!(table.iter().filter(|(_, entry)| entry.is_used()).count(), 3);
            assert_eq!(table[1].attribute_bits, 4, "the image's entries are as they were");
            assert_eq!(table[3].partition_name.as_str(), "CIDATA");
            assert_eq!(table[3].starting_lba * u64::from(sector), span.start);
            assert_eq!(table[3].ending_lba, table.header.last_usable_lba);
            assert_eq!(table[3].unique_partition_guid, GUID);
        }
        let mut bytes = vec![0; image.len()];
        disk.read_at(&mut bytes, 0).unwrap();
        assert_eq!(bytes[..4], *b"BOOT");
        assert!(
            bytes[MIB as usize..15 << 20] == image[MIB as usize..15 << 20],
            "the image's partitions changed"
        );
        let protective = u32::from_le_bytes(bytes[458..462].try_into().unwrap());
        assert_eq!(u64::from(protective), size / u64::from(sector) - 1);
    }
}

#[test]
fn other_programs_agree() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk(folder.path(), 64 * MIB, &gpt_image(512));
    let span = add(&disk, 512, &files(), GUID).unwrap();
    let path = folder.path().join("disk");
    let path = path.to_str().unwrap();
    if let Some(text) = judge("sgdisk", &["--verify", path]) {
        assert!(text.contains("No problems found"), "{text}");
    }
    let volume = format!("{path}@@{}", span.start);
    if let Some(text) = judge("mtype", &["-i", &volume, "::meta-data"]) {
        assert_eq!(text.as_bytes(), files()[0].content);
    }
    let mut bytes = vec![0; span.bytes as usize];
    disk.read_at(&mut bytes, span.start).unwrap();
    let alone = folder.path().join("volume");
    std::fs::write(&alone, bytes).unwrap();
    judge("fsck.fat", &["-n", alone.to_str().unwrap()]);
    if let Some(text) = judge("blkid", &["-p", "-o", "export", alone.to_str().unwrap()]) {
        assert!(text.contains("LABEL=CIDATA") && text.contains("TYPE=vfat"), "{text}");
    }
}

/// A disk of which one byte is always read wrong.
struct Worn {
    disk: FakeDisk,
    at: u64,
}

impl Target for Worn {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.write_at(bytes, offset)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.disk.read_at(bytes, offset)?;
        let byte = self.at.checked_sub(offset).and_then(|at| bytes.get_mut(at as usize));
        byte.into_iter().for_each(|byte| *byte ^= 1);
        Ok(())
    }

    fn discard(&self, start: u64, bytes: u64) -> io::Result<bool> {
        self.disk.discard(start, bytes)
    }

    fn zero(&self, start: u64, bytes: u64) -> io::Result<()> {
        self.disk.zero(start, bytes)
    }

    fn flush(&self) -> io::Result<()> {
        self.disk.flush()
    }
}

#[test]
fn every_byte_of_it_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk(folder.path(), 64 * MIB, &gpt_image(512));
    let span = add(&disk, 512, &files(), GUID).unwrap();
    let piece = PIECE as u64;
    for at in [0, piece - 1, piece, span.bytes / 2 + 77, span.bytes - 1].map(|at| span.start + at) {
        let worn = Worn { disk: disk.clone(), at };
        let error = add(&worn, 512, &files(), GUID).unwrap_err().to_string();
        assert!(error.ends_with(&format!("the first difference is at byte {at}")), "{at}: {error}");
    }
}

#[test]
fn a_repeat_replaces_the_seed() {
    let folder = tempfile::tempdir().unwrap();
    for image in [gpt_image(512), mbr_image()] {
        let disk = disk(folder.path(), 64 * MIB, &image);
        let first = add(&disk, 512, &files(), GUID).unwrap();
        let changed = &files()[..1];
        let second = add(&disk, 512, changed, [8; 16]).unwrap();
        assert_eq!(first, second);
        assert_eq!(read_files(&disk, second), changed);
    }
}

#[test]
fn a_write_that_was_torn_is_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk(folder.path(), 64 * MIB, &gpt_image(512));
    let before = {
        let mut bytes = vec![0; 4096];
        disk.read_at(&mut bytes, 0).unwrap();
        bytes
    };
    let span = add(&disk, 512, &files(), GUID).unwrap();
    // The new header, with the entries of before: what a loss of power between two sectors leaves.
    disk.write_at(&before[1024..], 1024).unwrap();
    assert_eq!(add(&disk, 512, &files(), [8; 16]).unwrap(), span);
    assert_eq!(table(&disk, 512, true)[3].unique_partition_guid, GUID, "the backup knew it");
}

#[test]
fn a_backup_of_another_table_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let old = {
        let disk = disk(folder.path(), 64 * MIB, &gpt_image(512));
        add(&disk, 512, &files(), GUID).unwrap();
        let mut end = vec![0; 33 * 512];
        disk.read_at(&mut end, 64 * MIB - 33 * 512).unwrap();
        end
    };
    let mut image = gpt_image(512);
    image[512 + 56] ^= 1;
    let disk = disk(folder.path(), 64 * MIB, &image);
    disk.write_at(&old, 64 * MIB - 33 * 512).unwrap();
    assert!(refusal(&disk, 512, &files()).contains("damaged"));
}

#[test]
fn behind_an_mbr_image() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk(folder.path(), 64 * MIB, &mbr_image());
    let span = add(&disk, 512, &files(), GUID).unwrap();
    assert_eq!((span.start, span.bytes), (56 * MIB, 8 * MIB));
    assert_eq!(read_files(&disk, span), files());
    let mut bytes = vec![0; 2 << 20];
    disk.read_at(&mut bytes, 0).unwrap();
    let image = mbr_image();
    assert!(bytes[..462] == image[..462] && bytes[478..] == image[478..], "more than one entry changed");
    assert_eq!(bytes[466], 0x0E);
}

#[test]
fn what_can_t_be_done_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let fresh = |bytes: u64, image: &[u8]| {
        let _ = std::fs::remove_file(folder.path().join("disk"));
        disk(folder.path(), bytes, image)
    };
    let mut full = mbr_image();
    for slot in 1..4 {
        full.copy_within(446..462, 446 + 16 * slot);
    }
    let mut many = gpt_image(512);
    many[512 + 80..512 + 84].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut far = mbr_image();
    far[458..462].copy_from_slice(&u32::MAX.to_le_bytes());
    let table: [(FakeDisk, u32, &str); 9] = [
        (fresh(64 * MIB, &[]), 512, "no partition table"),
        (fresh(16 * MIB, &gpt_image(512)), 512, "needs 8 MiB"),
        (fresh(8 * MIB, &mbr_image()), 512, "needs 8 MiB"),
        (fresh(64 * MIB, &full), 512, "all four entries"),
        (fresh(64 * MIB, &far), 512, "ends behind the disk"),
        (fresh(64 * MIB, &many), 512, "damaged"),
        (fresh(12 * MIB, &gpt_image(512)[..12 << 20]), 512, "last usable"),
        (fresh(64 * MIB, &gpt_image(512)), 4096, "sectors of 512 bytes"),
        (fresh(64 * MIB, &gpt_image(4096)), 512, "sectors of 4096 bytes"),
    ];
    for (disk, sector, words) in table {
        let why = refusal(&disk, sector, &files());
        assert!(why.contains(words), "{words:?} is not in {why:?}");
    }
}

#[test]
fn odd_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk(folder.path(), 64 * MIB, &gpt_image(512));
    let named = |name: &str| SeedFile { name: name.into(), content: Vec::new() };
    for name in [
        "",
        ".",
        "..",
        "../etc/passwd",
        "/a",
        "a/",
        "a//b",
        "a/./b",
        "a/b/c/d/e",
        "META-DATA",
        "a b",
        "é",
        "x.",
        &"x".repeat(65),
    ] {
        assert!(refusal(&disk, 512, &[named(name)]).contains("can't be the name"), "{name:?}");
    }
    assert!(refusal(&disk, 512, &[named("a"), named("a")]).contains("two files"));
    let large = SeedFile { name: "user-data".into(), content: vec![b'x'; MOST as usize + 1] };
    assert!(refusal(&disk, 512, &[large]).contains("at most"));
    assert!(table(&disk, 512, true).iter().filter(|(_, entry)| entry.is_used()).count() == 2);
}

#[test]
fn the_same_files_make_the_same_bytes() {
    let build = || fat::build("CIDATA", &files(), LEAST, 512).unwrap();
    assert!(build() == build());
}

const LINUX: [u8; 16] =
    type_guid(0x0FC6_3DAF, 0x8483, 0x4772, [0x8E, 0x79, 0x3D, 0x69, 0xD8, 0x47, 0x7D, 0xE4]);

/// The image whose last partition holds a Linux file system.
fn linux_image(sector: u64) -> Vec<u8> {
    let mut image = Cursor::new(gpt_image(sector));
    let mut table = GPT::read_from(&mut image, sector).unwrap();
    table[2].partition_type_guid = LINUX;
    table.write_into(&mut image).unwrap();
    image.into_inner()
}

fn finish(seed: SeedKind, grow: Growth) -> Finish {
    Finish { seed, grow }
}

#[test]
fn the_last_partition_grows_up_to_the_seed() {
    for sector in [512_u32, 4096] {
        let folder = tempfile::tempdir().unwrap();
        let image = linux_image(sector.into());
        let disk = disk(folder.path(), 64 * MIB + 4096, &image);
        let wanted = finish(SeedKind::NoCloud, Growth::Last);
        let first = write(&disk, sector, &files(), wanted, GUID).unwrap();
        let span = first.seed.unwrap();
        assert_eq!(first.grown, span.start - 15 * MIB);
        for primary in [true, false] {
            let table = table(&disk, sector.into(), primary);
            assert_eq!((table[2].ending_lba + 1) * u64::from(sector), span.start);
            assert_eq!(table[2].starting_lba * u64::from(sector), 2 * MIB);
            assert_eq!((table[2].attribute_bits, table[2].unique_partition_guid), (4, [2; 16]));
            assert_eq!(table[1].ending_lba * u64::from(sector), 2 * MIB - u64::from(sector));
        }
        let again = write(&disk, sector, &files(), wanted, [8; 16]).unwrap();
        assert_eq!(again, Written { seed: Some(span), grown: 0, stays: again.stays }, "once is enough");
        let mut bytes = vec![0; image.len()];
        disk.read_at(&mut bytes, 0).unwrap();
        assert!(bytes[MIB as usize..15 << 20] == image[MIB as usize..15 << 20], "a file system was touched");
    }
}

#[test]
fn other_programs_agree_on_what_grew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    let name = path.to_str().unwrap();
    let gpt = disk(folder.path(), 64 * MIB, &linux_image(512));
    write(&gpt, 512, &files(), finish(SeedKind::NoCloud, Growth::Last), GUID).unwrap();
    if let Some(text) = judge("sgdisk", &["--verify", name]) {
        assert!(text.contains("No problems found"), "{text}");
    }
    if let Some(text) = judge("sfdisk", &["--dump", name]) {
        assert!(text.contains("start=        4096, size=      108544, type=0FC63DAF"), "{text}");
    }
    judge("sfdisk", &["--verify", name]);
    std::fs::remove_file(&path).unwrap();
    let mbr = disk(folder.path(), 64 * MIB, &mbr_image());
    write(&mbr, 512, &files(), finish(SeedKind::NoCloud, Growth::Last), GUID).unwrap();
    if let Some(text) = judge("sfdisk", &["--dump", name]) {
        assert!(text.contains("start=        2048, size=      112640, type=83, bootable"), "{text}");
    }
    judge("sfdisk", &["--verify", name]);
}

#[test]
fn what_can_t_grow_stays() {
    let folder = tempfile::tempdir().unwrap();
    let grown_of = |finish: Finish, change: &dyn Fn(&mut GPT), patch: &dyn Fn(&mut [u8])| {
        let _ = std::fs::remove_file(folder.path().join("disk"));
        let mut image = Cursor::new(linux_image(512));
        let mut table = GPT::read_from(&mut image, 512).unwrap();
        change(&mut table);
        table.write_into(&mut image).unwrap();
        patch(image.get_mut());
        let disk = disk(folder.path(), 64 * MIB, &image.into_inner());
        let written = write(&disk, 512, &files(), finish, GUID).unwrap();
        written.stays.map_or(Ok(written.grown), Err)
    };
    let seeded = finish(SeedKind::NoCloud, Growth::Last);
    let grown = |change: &dyn Fn(&mut GPT)| grown_of(seeded, change, &|_| ());
    assert_eq!(grown(&|_| ()), Ok(40 * MIB));
    assert_eq!(grown(&|table| table[2].partition_type_guid = [9; 16]), Err(Stays::Kind));
    assert_eq!(grown(&|table| table[2].attribute_bits = 1 << 60), Err(Stays::ReadOnly));
    // By start, not by number.
    let swapped = grown(&|table| {
        let (one, two) = (table[1].clone(), table[2].clone());
        (table[1], table[2]) = (two, one);
    });
    assert_eq!(swapped, Ok(40 * MIB));
    // The protective entry alone, and besides it one for systems without GPT.
    let hybrid = |kinds: [u8; 2]| {
        grown_of(seeded, &|_| (), &|image| {
            (image[450], image[466]) = (kinds[0], kinds[1]);
        })
    };
    assert_eq!(hybrid([0xEE, 0]), Ok(40 * MIB));
    assert_eq!(hybrid([0, 0xEE]), Ok(40 * MIB));
    for kinds in [[0xEE, 0x83], [0xEE, 0xEE], [0x83, 0]] {
        assert_eq!(hybrid(kinds), Err(Stays::Hybrid), "{kinds:?}");
    }
}

#[test]
fn the_first_of_several_seeds_is_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk(folder.path(), 64 * MIB, &linux_image(512));
    let mut bytes = vec![0; disk.size() as usize];
    disk.read_at(&mut bytes, 0).unwrap();
    let mut bytes = Cursor::new(bytes);
    let mut table = GPT::read_from(&mut bytes, 512).unwrap();
    table.header.update_from(&mut bytes, 512).unwrap();
    for (number, name, start) in [(3, "config-2", 50), (4, "CIDATA", 40)] {
        table[number] = GPTPartitionEntry {
            partition_type_guid: [9; 16],
            unique_partition_guid: [number as u8; 16],
            starting_lba: start * 2048,
            ending_lba: (start + 1) * 2048 - 1,
            attribute_bits: 0,
            partition_name: name.into(),
        };
    }
    table.write_into(&mut bytes).unwrap();
    disk.write_at(&bytes.into_inner(), 0).unwrap();
    // The image is to have none of ours: what it brings stays.
    write(&disk, 512, &[], finish(SeedKind::None, Growth::Last), GUID).unwrap();
    assert_eq!(self::table(&disk, 512, true)[2].ending_lba, 40 * 2048 - 1);
}

#[test]
fn an_mbr_s_last_partition_grows_too() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk(folder.path(), 64 * MIB, &mbr_image());
    let wanted = finish(SeedKind::NoCloud, Growth::Last);
    let first = write(&disk, 512, &files(), wanted, GUID).unwrap();
    assert_eq!((first.seed.unwrap().start, first.grown), (56 * MIB, 54 * MIB));
    let mut bytes = vec![0; 512];
    disk.read_at(&mut bytes, 0).unwrap();
    let image = mbr_image();
    assert_eq!(bytes[446..451], image[446..451], "where it begins and what it is stays");
    assert_eq!(bytes[454..458], image[454..458]);
    assert_eq!(u32::from_le_bytes(bytes[458..462].try_into().unwrap()), 55 * 2048);
    assert_eq!(
        write(&disk, 512, &files(), wanted, GUID).unwrap(),
        Written { grown: 0, stays: Some(Stays::NoRoom), ..first }
    );
    // An extended one is a container: nobody here knows what is in it.
    let _ = std::fs::remove_file(folder.path().join("disk"));
    let mut extended = mbr_image();
    extended[450] = 0x0F;
    let disk = self::disk(folder.path(), 64 * MIB, &extended);
    assert_eq!(write(&disk, 512, &files(), wanted, GUID).unwrap().stays, Some(Stays::Kind));
    // Another one over it, which ends behind it.
    let _ = std::fs::remove_file(folder.path().join("disk"));
    let mut over = mbr_image();
    over[462..478].copy_from_slice(&[0, 0, 0, 0, 0x83, 0, 0, 0, 0, 4, 0, 0, 0, 0, 1, 0]);
    let disk = self::disk(folder.path(), 64 * MIB, &over);
    let written = write(&disk, 512, &files(), wanted, GUID).unwrap();
    assert_eq!((written.grown, written.stays), (0, Some(Stays::Overlap)));
}

#[test]
fn an_image_may_have_no_seed() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk(folder.path(), 64 * MIB, &linux_image(512));
    let written = write(&disk, 512, &[], finish(SeedKind::None, Growth::Last), GUID).unwrap();
    assert_eq!(written, Written { seed: None, grown: 48 * MIB, stays: None });
    for primary in [true, false] {
        let table = table(&disk, 512, primary);
        assert_eq!(table.iter().filter(|(_, entry)| entry.is_used()).count(), 2);
        assert_eq!(table[2].ending_lba, 63 * 2048 - 1, "whole MiB, and room for the backup");
    }
    if let Some(text) = judge("sgdisk", &["--verify", folder.path().join("disk").to_str().unwrap()]) {
        assert!(text.contains("No problems found"), "{text}");
    }
    // Without a table there is nothing to do, and nothing to refuse.
    let bare = FakeDisk::in_memory("vdb", "B", 64 * MIB);
    let written = write(&bare, 512, &[], finish(SeedKind::None, Growth::Last), GUID).unwrap();
    assert_eq!(written, Written { seed: None, grown: 0, stays: Some(Stays::NoPartition) });
}

#[test]
fn a_configuration_drive_has_folders_and_its_own_label() {
    let folder = tempfile::tempdir().unwrap();
    for image in [gpt_image(512), mbr_image()] {
        let _ = std::fs::remove_file(folder.path().join("disk"));
        let disk = disk(folder.path(), 64 * MIB, &image);
        let gzip: Vec<u8> = (0..=255).collect();
        let file = |name: &str| SeedFile { name: format!("openstack/latest/{name}"), content: gzip.clone() };
        let files = [file("meta_data.json"), file("user_data")];
        let wanted = finish(SeedKind::ConfigDrive, Growth::None);
        let span = write(&disk, 512, &files, wanted, GUID).unwrap().seed.unwrap();
        let mut volume = vec![0; span.bytes as usize];
        disk.read_at(&mut volume, span.start).unwrap();
        let system = fatfs::FileSystem::new(Cursor::new(volume), fatfs::FsOptions::new()).unwrap();
        assert_eq!(system.read_volume_label_from_root_dir().unwrap().as_deref(), Some("config-2"));
        let mut read = Vec::new();
        let mut file = system.root_dir().open_file("openstack/latest/user_data").unwrap();
        file.read_to_end(&mut read).unwrap();
        assert_eq!(read, gzip, "byte for byte");
        // Another kind takes its place.
        assert_eq!(add(&disk, 512, &self::files(), GUID).unwrap(), span);
        assert_eq!(read_files(&disk, span), self::files());
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    /// Whatever lies on a disk: growing moves one end on, up to the seed, and doing it again nothing.
    #[test]
    fn only_the_last_end_moves(
        sizes in proptest::collection::vec((1_u64..40, 0_u64..8, proptest::bool::ANY), 1..6),
        disk_mib in 64_u64..1000,
        torn in proptest::bool::ANY,
    ) {
        let (disk, before) = made(&sizes, disk_mib);
        let wanted = finish(SeedKind::NoCloud, Growth::Last);
        let Ok(written) = write(&disk, 512, &files(), wanted, GUID) else { return Ok(()) };
        let span = written.seed.unwrap();
        if torn {
            // The new header, with the entries of before.
            disk.write_at(&before[1024..32 * 512], 1024).unwrap();
            proptest::prop_assert_eq!(write(&disk, 512, &files(), wanted, GUID).unwrap().seed, Some(span));
        }
        let old = GPT::read_from(&mut Cursor::new(&before), 512).unwrap();
        let new = gpt::read(&mut View::new(&disk), 512).unwrap().unwrap();
        let all = |kind| gpt::of_type(&new, 512, disk.size(), kind);
        let mut count = 0;
        for (number, entry) in old.iter().filter(|(_, entry)| entry.is_used()) {
            let now = all(entry.partition_type_guid).into_iter().find(|now| now.number == number).unwrap();
            proptest::prop_assert_eq!((now.start, now.guid), (entry.starting_lba, entry.unique_partition_guid));
            let end = now.start + now.sectors;
            proptest::prop_assert!(end * 512 <= span.start);
            if end != entry.ending_lba + 1 {
                count += 1;
                proptest::prop_assert_eq!(end * 512, span.start);
                proptest::prop_assert_eq!(number as usize, sizes.len());
                proptest::prop_assert_eq!(entry.partition_type_guid, LINUX);
            }
        }
        proptest::prop_assert!(count <= 1);
        let again = write(&disk, 512, &files(), wanted, GUID).unwrap();
        proptest::prop_assert_eq!(again, Written { seed: Some(span), grown: 0, stays: again.stays });
    }
}

/// A disk with partitions of so many MiB, behind gaps of so many, of a kind that grows or not; and its first MiB.
fn made(sizes: &[(u64, u64, bool)], disk_mib: u64) -> (FakeDisk, Vec<u8>) {
    let disk = FakeDisk::in_memory("vda", "A", disk_mib * MIB);
    let image = 1 + sizes.iter().map(|(size, gap, _)| size + gap).sum::<u64>() + 1;
    let mut bytes = Cursor::new(vec![0; (image * MIB) as usize]);
    let mut table = GPT::new_from(&mut bytes, 512, [1; 16]).unwrap();
    let mut next = 1;
    for ((size, gap, grows), number) in sizes.iter().zip(1..) {
        next += gap;
        table[number] = GPTPartitionEntry {
            partition_type_guid: if *grows { LINUX } else { [9; 16] },
            unique_partition_guid: [number as u8; 16],
            starting_lba: next * 2048,
            ending_lba: (next + size) * 2048 - 1,
            attribute_bits: 0,
            partition_name: "".into(),
        };
        next += size;
    }
    GPT::write_protective_mbr_into(&mut bytes, 512).unwrap();
    table.write_into(&mut bytes).unwrap();
    let mut bytes = bytes.into_inner();
    bytes.truncate((disk_mib * MIB) as usize);
    disk.write_at(&bytes, 0).unwrap();
    (disk, bytes)
}

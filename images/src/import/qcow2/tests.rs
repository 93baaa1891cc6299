//! The qcow2 reader against images that QEMU made, and against images that somebody made to hurt.

use super::*;
use crate::import::testing::{disk_content, qemu_img, qemu_io};
use proptest::prelude::*;
use std::path::Path;

const LIMIT: u64 = 1 << 30;

impl RandomRead for Vec<u8> {
    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        buffer.copy_from_slice(&self[usize_of(offset)..][..buffer.len()]);
        Ok(())
    }
}

/// The whole disk, read in pieces of `step` bytes.
fn known(file: &File) -> Known<'_> {
    Known { file, length: file.metadata().unwrap().len() }
}

fn read_all(file: impl RandomRead, limit: u64, step: usize) -> Result<Vec<u8>, ImportError> {
    let mut image = Qcow2::open(file, limit)?;
    let mut disk = Vec::new();
    let mut buffer = vec![0xAA; step];
    loop {
        match image.fill(&mut buffer)? {
            Filled::Bytes(0) | Filled::Zeros(0) => return Ok(disk),
            Filled::Bytes(n) => disk.extend(&buffer[..n]),
            Filled::Zeros(n) => disk.resize(disk.len() + n, 0),
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, ImportError> {
    read_all(known(&File::open(path).unwrap()), LIMIT, 100_000)
}

/// The bytes that are checked in: `qemu-img convert` of `disk_content(24 KiB)`, 512-byte clusters.
const FIXTURES: [(&str, &[u8]); 3] = [
    ("v2, deflate", include_bytes!("../testdata/v2-deflate.qcow2")),
    ("v3, plain", include_bytes!("../testdata/v3-plain.qcow2")),
    ("v3, zstd", include_bytes!("../testdata/v3-zstd.qcow2")),
];

#[test]
fn fixtures_read_as_they_were_written() {
    for (name, bytes) in FIXTURES {
        for step in [512, 1000, 4096, 1 << 20] {
            let disk = read_all(bytes.to_vec(), LIMIT, step).unwrap();
            assert!(disk == disk_content(24 << 10), "{name}, in steps of {step}");
        }
    }
}

#[test]
#[ignore = "writes the fixtures anew, with qemu-img"]
fn make_fixtures() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/import/testdata");
    let raw = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(raw.path(), disk_content(24 << 10)).unwrap();
    for (name, packed, options) in [
        ("v2-deflate", true, "compat=0.10,cluster_size=512"),
        ("v3-plain", false, "compat=1.1,cluster_size=512"),
        ("v3-zstd", true, "compat=1.1,cluster_size=4096,compression_type=zstd"),
    ] {
        let out = dir.join(name).with_extension("qcow2");
        convert(raw.path(), &out, packed, options);
    }
}

fn convert(raw: &Path, out: &Path, packed: bool, options: &str) {
    let mut command = qemu_img().expect("qemu-img is installed");
    command.args(["convert", "-f", "raw", "-O", "qcow2", "-o", options]);
    command.args(packed.then_some("-c")).args([raw, out]);
    assert!(command.status().unwrap().success());
}

#[test]
fn what_qemu_writes_reads_back() {
    if qemu_img().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (raw, out) = (dir.path().join("raw"), dir.path().join("qcow2"));
    for bytes in [512, 70_144, (3 << 20) + 512] {
        std::fs::write(&raw, disk_content(bytes)).unwrap();
        for (packed, options) in [
            (false, "compat=0.10"),
            (true, "compat=0.10"),
            (false, "compat=1.1"),
            (true, "compat=1.1"),
            (true, "compat=1.1,compression_type=zstd"),
            (false, "compat=1.1,cluster_size=512"),
            (true, "compat=1.1,cluster_size=512,compression_type=zstd"),
            (false, "compat=1.1,cluster_size=2M"),
            (true, "compat=1.1,cluster_size=2M"),
            (true, "compat=1.1,cluster_size=2M,compression_type=zstd"),
            (false, "compat=1.1,preallocation=metadata"),
            (false, "compat=1.1,lazy_refcounts=on,refcount_bits=1"),
            (false, "compat=1.1,refcount_bits=64"),
        ] {
            convert(&raw, &out, packed, options);
            let disk = read_file(&out).unwrap_or_else(|e| panic!("{bytes} {packed} {options}: {e:?}"));
            assert!(disk == disk_content(bytes), "{bytes} {packed} {options}");
        }
    }
}

/// Zero clusters over data, a discard, a snapshot, and data behind a hole of several L2 tables.
#[test]
fn what_qemu_changed_afterwards_reads_back() {
    let Some(mut create) = qemu_img() else { return };
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    let made = create.args(["create", "-q", "-f", "qcow2", "-o", "cluster_size=4k"]).arg(&image).arg("64M");
    assert!(made.status().unwrap().success());
    let path = image.to_str().unwrap();
    qemu_io(path, &["write -P 0x11 0 1M", "write -z 64k 64k", "write -P 0x22 40M 12k", "discard 40M 4k"]);
    assert!(qemu_img().unwrap().args(["snapshot", "-c", "before", path]).status().unwrap().success());
    qemu_io(path, &["write -P 0x33 128k 8k", "write -z -u 256k 4k"]);
    let mut expected = vec![0; 64 << 20];
    expected[..1 << 20].fill(0x11);
    expected[64 << 10..128 << 10].fill(0);
    expected[(40 << 20) + 4096..(40 << 20) + (12 << 10)].fill(0x22);
    expected[128 << 10..136 << 10].fill(0x33);
    expected[256 << 10..260 << 10].fill(0);
    assert!(read_file(&image).unwrap() == expected);
}

/// Images that would make a careless reader open other files, as QEMU makes them.
#[test]
fn what_leads_out_of_the_file_is_refused() {
    if qemu_img().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let secret = "secret,id=s,data=x";
    let base = ["create", "-q", "-f", "qcow2"];
    let (backing, data) =
        (format!("backing_file={},backing_fmt=raw", at("raw")), format!("data_file={}", at("data")));
    std::fs::write(at("raw"), vec![1; 1 << 20]).unwrap();
    let cases: &[(&str, &[&str], &str)] = &[
        ("backing", &["-o", &backing], "it has a backing file"),
        ("data file", &["-o", &data], "external file"),
        ("subclusters", &["-o", "extended_l2=on"], "extended L2"),
        // Not LUKS: qemu-img measures the processor for it, and fails on a busy one.
        ("aes", &["--object", secret, "-o", "encrypt.format=aes,encrypt.key-secret=s"], "encrypted"),
    ];
    for (name, options, expected) in cases {
        let made = qemu_img().unwrap().args(base).args(*options).args([&at(name), "1M"]).status().unwrap();
        assert!(made.success(), "{name}");
        let error = Qcow2::open(known(&File::open(at(name)).unwrap()), LIMIT).err().expect(name).to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
}

/// The smallest image, written by hand: version 3, clusters of 512 bytes (header, L1, L2, data), a disk of four
/// clusters of which the second has data.
fn tiny() -> Vec<u8> {
    let mut file = vec![0; 4 * 512];
    put(&mut file, 0, &0x5146_49FB_u32.to_be_bytes());
    put(&mut file, 4, &3_u32.to_be_bytes());
    put(&mut file, 20, &9_u32.to_be_bytes());
    put(&mut file, 24, &2048_u64.to_be_bytes());
    put(&mut file, 36, &1_u32.to_be_bytes());
    put(&mut file, 40, &512_u64.to_be_bytes());
    put(&mut file, 96, &4_u32.to_be_bytes());
    put(&mut file, 100, &104_u32.to_be_bytes());
    put(&mut file, 512, &(1 << 63 | 1024_u64).to_be_bytes());
    put(&mut file, 1024 + 8, &(1 << 63 | 1536_u64).to_be_bytes());
    file[1536..].fill(7);
    file
}

fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

#[test]
fn the_tiny_image_is_good() {
    let mut expected = vec![0; 2048];
    expected[512..1024].fill(7);
    assert_eq!(read_all(tiny(), LIMIT, 4096).unwrap(), expected);
}

/// What is changed in the tiny image: position and bytes; and what the reader has to say.
type Hostile = (&'static str, &'static [(usize, &'static [u8])], &'static str);

const HOSTILE: &[Hostile] = &[
    ("magic", &[(3, b"\xFA")], "it has no qcow2 header"),
    ("version 1", &[(7, &[1])], "it has version 1"),
    ("version 4", &[(7, &[4])], "it has version 4"),
    ("backing offset", &[(8, &[0, 0, 0, 0, 0, 0, 1, 0]), (19, &[9])], "backing file"),
    ("backing size alone", &[(19, &[9])], "backing file"),
    ("clusters of 256", &[(23, &[8])], "2^8 bytes"),
    ("clusters of 4 MiB", &[(23, &[22])], "2^22 bytes"),
    ("shift beyond a word", &[(20, &[0xFF; 4])], "2^4294967295 bytes"),
    ("no disk", &[(24, &[0; 8])], "its disk is empty"),
    ("a disk above the limit", &[(24, &[0, 0, 0, 0, 0x40, 0, 2, 0])], "its disk has 1073742336 bytes"),
    ("the largest disk", &[(24, &[0xFF; 8])], "its disk has 18446744073709551615 bytes"),
    ("encrypted", &[(35, &[1])], "it is encrypted"),
    ("encrypted with LUKS", &[(35, &[2])], "it is encrypted"),
    ("no L1 entries", &[(36, &[0; 4])], "its L1 table has 0 entries"),
    ("L1 too small", &[(24, &[0, 0, 0, 0, 0, 0, 0x80, 1])], "its disk needs 2"),
    ("L1 absurd", &[(36, &[0xFF; 4])], "its L1 table has 4294967295 entries"),
    ("L1 at zero", &[(40, &[0; 8])], "the L1 table at byte 0 does not start"),
    ("L1 aslant", &[(47, &[8])], "the L1 table at byte 520 does not start"),
    ("L1 behind the end", &[(46, &[8])], "truncated: the L1 table reaches to byte 2056"),
    ("L1 far behind", &[(40, &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0])], "truncated: the L1 table"),
    ("marked corrupt", &[(79, &[2])], "marked as corrupt"),
    ("external data", &[(79, &[4])], "external file"),
    ("compression bit alone", &[(79, &[8])], "compression type 0"),
    ("compression type alone", &[(100, &[0, 0, 0, 112, 1])], "compression type 1"),
    ("unknown compression", &[(79, &[8]), (100, &[0, 0, 0, 112, 2])], "compression type 2"),
    ("extended L2", &[(79, &[16])], "extended L2"),
    ("unknown feature", &[(79, &[32])], "bit 5"),
    ("last unknown feature", &[(72, &[128])], "bit 63"),
    ("refcount order", &[(99, &[7])], "2^7 bits"),
    ("header too short", &[(103, &[96])], "a length of 96"),
    ("header of odd length", &[(103, &[105])], "a length of 105"),
    ("header beyond its cluster", &[(102, &[2, 8])], "a length of 520"),
    ("backing format", &[(104, &[0xE2, 0x79, 0x2A, 0xCA, 0, 0, 0, 3])], "backing file"),
    ("data file name", &[(104, &[0x44, 0x41, 0x54, 0x41, 0, 0, 0, 3])], "external file"),
    ("LUKS header", &[(104, &[0x05, 0x37, 0xBE, 0x77, 0, 0, 0, 16])], "encrypted"),
    (
        "data file behind another",
        &[(104, &[1, 1, 1, 1, 0, 0, 0, 3, 9, 9, 9, 0, 0, 0, 0, 0, 0x44, 0x41, 0x54, 0x41])],
        "external file",
    ),
    ("extension too long", &[(104, &[1, 1, 1, 1, 0, 0, 2, 0])], "extension at byte 104"),
    ("extension of 4 GiB", &[(104, &[1, 1, 1, 1, 0xFF, 0xFF, 0xFF, 0xFF])], "extension at byte 104"),
    ("L1 entry, reserved bit", &[(519, &[1])], "L1 table number 0 has reserved bits"),
    ("L1 entry behind the end", &[(518, &[8])], "truncated: an L2 table reaches to byte 2560"),
    ("L2 entry, reserved bit", &[(1024 + 15, &[2])], "L2 entry of cluster 1 has reserved bits"),
    ("L2 entry behind the end", &[(1024 + 14, &[8])], "truncated: a data cluster reaches to byte 2560"),
    (
        "L2 entry far behind",
        &[(1024 + 9, &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE])],
        "truncated: a data cluster",
    ),
    (
        "packed behind the end",
        &[(1024 + 8, &[0x40, 0, 0, 0, 0, 0, 0x20, 0])],
        "truncated: a compressed cluster",
    ),
    (
        "packed rubbish",
        &[(1024 + 8, &[0x40, 0, 0, 0, 0, 0, 0x06, 0])],
        "cluster of the disk's byte 512 is damaged",
    ),
];

#[test]
fn hostile_images_are_refused_by_name() {
    for (name, changes, expected) in HOSTILE {
        let mut file = tiny();
        for (at, bytes) in *changes {
            put(&mut file, *at, bytes);
        }
        let error = match read_all(file, LIMIT, 4096).expect_err(name) {
            ImportError::Qcow2(error) => error.to_string(),
            other => panic!("{name}: {other}"),
        };
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn zero_flag_is_of_version_3_only() {
    let mut file = tiny();
    file[1024 + 15] |= 1;
    assert_eq!(read_all(file.clone(), LIMIT, 4096).unwrap(), [0; 2048]);
    file[7] = 2;
    assert!(read_all(file, LIMIT, 4096).unwrap_err().to_string().contains("refused"));
}

#[test]
fn every_truncation_of_a_fixture_is_an_error() {
    for (name, bytes) in FIXTURES {
        // The last allocated cluster may be padding: the disk has to stay whole, or the error be said.
        for keep in (0..bytes.len()).step_by(97) {
            if let Ok(disk) = read_all(bytes[..keep].to_vec(), LIMIT, 4096) {
                assert!(disk == disk_content(24 << 10), "{name} cut to {keep}");
            }
        }
        assert!(read_all(bytes[..bytes.len() / 2].to_vec(), LIMIT, 4096).is_err(), "{name}");
    }
}

#[test]
fn an_empty_terabyte_is_read_in_no_time() {
    let mut file = tiny();
    // Clusters of 2 MiB; the L1 table (two entries, both "no table") in the second one.
    file.resize(4 << 20, 0);
    put(&mut file, 20, &21_u32.to_be_bytes());
    put(&mut file, 24, &(1_u64 << 40).to_be_bytes());
    put(&mut file, 36, &2_u32.to_be_bytes());
    put(&mut file, 40, &(2_u64 << 20).to_be_bytes());
    let mut image = Qcow2::open(file, 1 << 40).unwrap();
    let mut buffer = vec![0; 4 << 20];
    let mut total = 0;
    while let Filled::Zeros(n @ 1..) = image.fill(&mut buffer).unwrap() {
        total += n as u64;
    }
    assert_eq!(total, 1 << 40);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..4096), good_start in any::<bool>()) {
        let mut file = bytes;
        if good_start && file.len() >= 8 {
            put(&mut file, 0, b"QFI\xFB\0\0\0\x03");
        }
        let _ = read_all(file, 1 << 20, 4096);
    }

    #[test]
    fn spoilt_images_never_panic(
        which in 0_usize..4,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        near in prop::collection::vec((0_usize..1600, any::<u8>()), 0..6),
    ) {
        let mut file = FIXTURES.get(which).map_or_else(tiny, |(_, bytes)| bytes.to_vec());
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        for (at, byte) in near {
            file[at] = byte;
        }
        if let Ok(disk) = read_all(file, 1 << 20, 4096) {
            prop_assert!(disk.len() <= 1 << 20);
        }
    }
}

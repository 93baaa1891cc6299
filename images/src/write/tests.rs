//! The write pipeline and the wipe against a disk in memory.

use super::testing::{Discard, Fault, MemoryDisk};
use super::*;
use crate::{Chunk, Manifest, sha256_hex};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

const CHUNK: usize = 8192;

/// Chunks by name.
#[derive(Default)]
struct Shelf {
    chunks: HashMap<String, Vec<u8>>,
    fetches: AtomicUsize,
    /// The first so many fetches come damaged.
    damaged: AtomicUsize,
}

impl Source for Shelf {
    fn fetch(&self, chunk: &Chunk) -> Result<Vec<u8>, SourceError> {
        self.fetches.fetch_add(1, Relaxed);
        let mut bytes =
            self.chunks.get(&chunk.stored).ok_or_else(|| SourceError::new("no such chunk"))?.clone();
        if self.damaged.fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1)).is_ok() {
            bytes[0] ^= 1;
        }
        Ok(bytes)
    }
}

/// An image of `content`, made by hand.
fn image(content: &[u8]) -> (Manifest, Shelf) {
    let mut shelf = Shelf::default();
    let chunks = content.chunks(CHUNK).map(|raw| {
        raw.iter().any(|&b| b != 0).then(|| {
            let packed = zstd::bulk::compress(raw, 1).unwrap();
            let stored = sha256_hex(&packed);
            let stored_bytes = u32::try_from(packed.len()).unwrap();
            shelf.chunks.insert(stored.clone(), packed);
            Chunk { stored, stored_bytes, raw: sha256_hex(raw) }
        })
    });
    let manifest = Manifest {
        version: 1,
        image_digest: format!("sha256:{}", sha256_hex(content)),
        disk_bytes: content.len() as u64,
        chunk_bytes: CHUNK as u32,
        chunks: chunks.collect(),
    };
    (manifest, shelf)
}

/// Ten chunks and a half: the third and the seventh are zero, the last is short.
fn content() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..10 * CHUNK + 512).map(|i| (i / 7 % 251) as u8).collect();
    bytes[2 * CHUNK..3 * CHUNK].fill(0);
    bytes[6 * CHUNK..7 * CHUNK].fill(0);
    bytes
}

fn put(manifest: &Manifest, shelf: &Shelf, disk: &MemoryDisk) -> Result<Written, WriteError> {
    write_image(manifest, shelf, disk, Crew::default(), &|_| false, &mut |_| {}, &AtomicBool::new(false))
}

#[test]
fn the_image_is_on_the_disk_and_nothing_else_is_touched() {
    let content = content();
    let (manifest, shelf) = image(&content);
    for (discard, discarded) in
        [(Discard::Unsupported, 0), (Discard::ReadsZero, 2 * CHUNK), (Discard::ReadsGarbage, 2 * CHUNK)]
    {
        let disk = MemoryDisk { discard, ..MemoryDisk::dirty(20 * CHUNK) };
        let written = put(&manifest, &shelf, &disk).unwrap();
        let now = disk.content();
        assert_eq!(now[..content.len()], content, "{discard:?}");
        assert!(now[content.len()..].iter().all(|&b| b == 0xEE), "behind the image");
        let expected = Written {
            bytes_written: 8 * CHUNK as u64 + 512,
            bytes_zeroed: 2 * CHUNK as u64,
            bytes_verified: content.len() as u64,
            ..Written::default()
        };
        assert_eq!(written, expected);
        assert_eq!(disk.discarded.load(Relaxed), discarded as u64);
    }
}

#[test]
fn zeros_that_are_there_are_not_written() {
    let content = content();
    let (manifest, shelf) = image(&content);
    let disk = MemoryDisk::new(vec![0; 11 * CHUNK]);
    let written = put(&manifest, &shelf, &disk).unwrap();
    assert_eq!((written.bytes_zeroed, written.bytes_zero_already), (0, 2 * CHUNK as u64));
    assert_eq!(disk.written.load(Relaxed), 8 * CHUNK as u64 + 512);
    assert_eq!(disk.zeroed.load(Relaxed) + disk.discarded.load(Relaxed), 0);
}

#[test]
fn progress_grows_to_the_whole_in_both_phases() {
    let content = content();
    let (manifest, shelf) = image(&content);
    let disk = MemoryDisk::dirty(11 * CHUNK);
    let mut seen: Vec<Progress> = Vec::new();
    let progress = &mut |p| seen.push(p);
    write_image(&manifest, &shelf, &disk, Crew::default(), &|_| false, progress, &AtomicBool::new(false))
        .unwrap();
    for phase in [Phase::Write, Phase::Verify] {
        let done: Vec<u64> = seen.iter().filter(|p| p.phase == phase).map(|p| p.done).collect();
        assert_eq!(done.len(), 11);
        assert!(done.is_sorted() && done.last() == Some(&manifest.disk_bytes));
    }
    assert!(seen.iter().all(|p| p.total == manifest.disk_bytes));
}

/// A shelf that notes who fetches.
struct Watched<'a>(&'a Shelf, Mutex<Vec<std::thread::ThreadId>>);

impl Source for Watched<'_> {
    fn fetch(&self, chunk: &Chunk) -> Result<Vec<u8>, SourceError> {
        self.1.lock().unwrap().push(std::thread::current().id());
        self.0.fetch(chunk)
    }
}

#[test]
fn a_crew_of_any_size_does_the_same() {
    let content = content();
    let (manifest, shelf) = image(&content);
    let me = std::thread::current().id();
    for crew in [Crew::ALONE, Crew::of(0), Crew::of(2), Crew::of(40)] {
        let disk = MemoryDisk::dirty(11 * CHUNK);
        let source = Watched(&shelf, Mutex::default());
        let cancel = AtomicBool::new(false);
        let mut reports = 0;
        let progress = &mut |_| reports += 1;
        let written = write_image(&manifest, &source, &disk, crew, &|_| false, progress, &cancel).unwrap();
        assert_eq!(written.bytes_verified, manifest.disk_bytes);
        assert_eq!((disk.content()[..content.len()] == content, reports), (true, 22), "{crew:?}");
        let alone = crew == Crew::ALONE || crew == Crew::of(1);
        assert_eq!(source.1.into_inner().unwrap().iter().all(|id| *id == me), alone, "{crew:?}");
        let fault = Fault::WriteFails(3 * CHUNK as u64);
        let bad = MemoryDisk { fault, ..MemoryDisk::dirty(11 * CHUNK) };
        let error = write_image(&manifest, &shelf, &bad, crew, &|_| false, &mut |_| {}, &cancel).unwrap_err();
        assert_eq!(error.to_string(), "the disk could not write 8192 bytes at byte 24576");
        for policy in [WipePolicy::Metadata, WipePolicy::Overwrite] {
            let wiped = wipe(&disk, policy, &[], crew, &mut |_| {}, &cancel).unwrap();
            assert_eq!((wiped.bytes_written, wiped.bytes_verified), (11 * CHUNK as u64, 11 * CHUNK as u64));
        }
    }
}

#[test]
fn buffers_are_no_larger_than_what_they_are_for() {
    assert_eq!(Crew::default().piece(1 << 40), 4 << 20);
    assert_eq!(Crew::ALONE.piece(1 << 40), 256 << 10);
    assert_eq!(Crew::default().piece(512), 512);
    let (mut manifest, _) = image(&content());
    assert_eq!(check::largest_chunk(&manifest), CHUNK);
    manifest.chunk_bytes = 4 << 20;
    assert_eq!(check::largest_chunk(&manifest), 10 * CHUNK + 512);
}

#[test]
fn a_small_disk_is_refused_untouched() {
    let (manifest, shelf) = image(&content());
    let disk = MemoryDisk::dirty(10 * CHUNK);
    let error = put(&manifest, &shelf, &disk).unwrap_err();
    let (image, size) = (manifest.disk_bytes, 10 * CHUNK as u64);
    assert!(matches!(error, WriteError::DiskTooSmall { image: i, disk: d } if (i, d) == (image, size)));
    assert!(disk.content().iter().all(|&b| b == 0xEE));
}

#[test]
fn a_bad_manifest_is_refused_untouched() {
    let (mut manifest, shelf) = image(&content());
    manifest.chunks.push(None);
    let disk = MemoryDisk::dirty(20 * CHUNK);
    assert!(matches!(put(&manifest, &shelf, &disk).unwrap_err(), WriteError::Manifest(_)));
    assert!(disk.content().iter().all(|&b| b == 0xEE));
}

#[test]
fn a_chunk_damaged_on_the_way_is_fetched_again() {
    let content = content();
    let (manifest, shelf) = image(&content);
    shelf.damaged.store(2, Relaxed);
    let disk = MemoryDisk::dirty(11 * CHUNK);
    put(&manifest, &shelf, &disk).unwrap();
    assert_eq!(disk.content()[..content.len()], content);
    assert_eq!(shelf.fetches.load(Relaxed), 9 + 2);
}

#[test]
fn a_chunk_that_stays_damaged_is_an_error_and_not_written() {
    let (manifest, shelf) = image(&content());
    shelf.damaged.store(usize::MAX, Relaxed);
    let disk = MemoryDisk::dirty(11 * CHUNK);
    let error = put(&manifest, &shelf, &disk).unwrap_err();
    assert!(matches!(error, WriteError::ChunkDamaged { .. }), "{error}");
    assert_eq!(disk.written.load(Relaxed), 0);
}

#[test]
fn a_missing_chunk_is_named() {
    let (manifest, mut shelf) = image(&content());
    let name = manifest.chunks[4].as_ref().unwrap().stored.clone();
    shelf.chunks.remove(&name);
    let error = put(&manifest, &shelf, &MemoryDisk::dirty(11 * CHUNK)).unwrap_err();
    assert!(matches!(error, WriteError::Fetch { index: 4, stored, .. } if stored == name));
}

/// A chunk whose packed bytes are what they are called, but whose content is not what the manifest says. Where it
/// does not even fill its place, nothing is written there; other bytes are found at the read-back. The disk is not
/// blamed for them.
#[test]
fn content_that_is_not_the_manifests_is_found_out() {
    let (manifest, shelf) = image(&content());
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("no zstd", b"nonsense".to_vec(), "unpacking"),
        ("too long", zstd::bulk::compress(&[1; CHUNK + 1], 1).unwrap(), "unpacking"),
        ("too short", zstd::bulk::compress(&[1; CHUNK - 512], 1).unwrap(), "instead of 8192"),
        ("other bytes", zstd::bulk::compress(&[1; CHUNK], 1).unwrap(), "its SHA-256 should be"),
    ];
    for (name, packed, expected) in cases {
        let (mut manifest, mut shelf) =
            (manifest.clone(), Shelf { chunks: shelf.chunks.clone(), ..<_>::default() });
        let chunk = manifest.chunks[5].as_mut().unwrap();
        chunk.stored = sha256_hex(&packed);
        shelf.chunks.insert(chunk.stored.clone(), packed);
        let disk = MemoryDisk::dirty(11 * CHUNK);
        let error = put(&manifest, &shelf, &disk).unwrap_err();
        assert!(matches!(error, WriteError::ChunkContent { index: 5, .. }), "{name}: {error}");
        assert!(error.to_string().contains(expected), "{name}: {error}");
        let untouched = disk.content()[5 * CHUNK..6 * CHUNK].iter().all(|&b| b == 0xEE);
        assert_eq!(untouched, name != "other bytes", "{name}");
    }
}

#[test]
fn a_disk_that_loses_a_byte_is_found_out() {
    let content = content();
    let (manifest, shelf) = image(&content);
    let cases = [
        (0, 0, CHUNK as u64),
        (4 * CHUNK as u64 + 100, 4 * CHUNK as u64, CHUNK as u64),
        // In a chunk of zeros the byte itself is named.
        (6 * CHUNK as u64 + 100, 6 * CHUNK as u64 + 100, CHUNK as u64 - 100),
        (10 * CHUNK as u64 + 511, 10 * CHUNK as u64, 512),
    ];
    for (lost, at, length) in cases {
        let disk = MemoryDisk { fault: Fault::LosesByte(lost), ..MemoryDisk::dirty(11 * CHUNK) };
        match put(&manifest, &shelf, &disk).unwrap_err() {
            WriteError::ReadBack { offset, bytes, .. } => assert_eq!((offset, bytes), (at, length)),
            other => panic!("{lost}: {other}"),
        }
    }
}

#[test]
fn a_write_that_fails_is_named() {
    let (manifest, shelf) = image(&content());
    let fault = Fault::WriteFails(3 * CHUNK as u64);
    let error = put(&manifest, &shelf, &MemoryDisk { fault, ..MemoryDisk::dirty(11 * CHUNK) }).unwrap_err();
    assert_eq!(error.to_string(), "the disk could not write 8192 bytes at byte 24576");
}

#[test]
fn cancel_ends_it() {
    let (manifest, shelf) = image(&content());
    let cancel = AtomicBool::new(false);
    let disk = MemoryDisk::dirty(11 * CHUNK);
    // With the last report of the first phase, so that the second begins cancelled.
    let mut stop = |p: Progress| cancel.store(p.done == p.total, Relaxed);
    let result = write_image(&manifest, &shelf, &disk, Crew::default(), &|_| false, &mut stop, &cancel);
    assert!(matches!(result, Err(WriteError::Cancelled)), "{result:?}");
    assert_eq!(disk.written.load(Relaxed), 8 * CHUNK as u64 + 512);
    cancel.store(true, Relaxed);
    let before = disk.written.load(Relaxed);
    let result = write_image(&manifest, &shelf, &disk, Crew::default(), &|_| false, &mut |_| {}, &cancel);
    assert!(matches!(result, Err(WriteError::Cancelled)));
    assert_eq!(disk.written.load(Relaxed), before);
}

#[test]
fn a_resumed_write_fetches_only_what_is_missing() {
    let content = content();
    let (manifest, shelf) = image(&content);
    let mut half = content.clone();
    half[5 * CHUNK..].fill(0xEE);
    half.resize(12 * CHUNK, 0xEE);
    let disk = MemoryDisk::new(half);
    let go_on = AtomicBool::new(false);
    let there = chunks_in_place(&manifest, &disk, Crew::default(), &mut |_| {}, &go_on).unwrap();
    assert_eq!(there.iter().filter(|&&t| t).count(), 5);
    let written =
        write_image(&manifest, &shelf, &disk, Crew::default(), &|i| there[i], &mut |_| {}, &go_on).unwrap();
    assert_eq!(shelf.fetches.load(Relaxed), 5);
    assert_eq!((written.bytes_skipped, written.bytes_verified), (5 * CHUNK as u64, manifest.disk_bytes));
    assert_eq!(disk.content()[..content.len()], content);
    // Who says "already" falsely is found out.
    let wrong = write_image(
        &manifest,
        &shelf,
        &MemoryDisk::dirty(12 * CHUNK),
        Crew::default(),
        &|_| true,
        &mut |_| {},
        &go_on,
    );
    assert!(matches!(wrong, Err(WriteError::ReadBack { .. })));
}

const MIB: usize = 1 << 20;

/// A GPT header and its entries, as far as [`partitions`] looks at them.
fn put_gpt(disk: &mut [u8], sector: usize, header_lba: usize, table_lba: usize, parts: &[(u64, u64)]) {
    let header = &mut disk[header_lba * sector..][..92];
    header[..8].copy_from_slice(b"EFI PART");
    header[72..80].copy_from_slice(&(table_lba as u64).to_le_bytes());
    header[80..84].copy_from_slice(&128_u32.to_le_bytes());
    header[84..88].copy_from_slice(&128_u32.to_le_bytes());
    for (i, (first, last)) in parts.iter().enumerate() {
        let entry = &mut disk[table_lba * sector + i * 128..][..128];
        entry[0] = 0xAF;
        entry[32..40].copy_from_slice(&first.to_le_bytes());
        entry[40..48].copy_from_slice(&last.to_le_bytes());
    }
}

fn put_mbr(disk: &mut [u8], at: usize, entries: &[(u8, u32, u32)]) {
    disk[at + 510..at + 512].copy_from_slice(&[0x55, 0xAA]);
    for (i, (kind, start, sectors)) in entries.iter().enumerate() {
        let entry = &mut disk[at + 446 + i * 16..][..16];
        entry[4] = *kind;
        entry[8..12].copy_from_slice(&start.to_le_bytes());
        entry[12..16].copy_from_slice(&sectors.to_le_bytes());
    }
}

#[test]
fn partitions_of_every_table_are_found() {
    let span = |start: u64, bytes: u64| Span { start, bytes };
    for sector in [512, 4096] {
        let mut disk = vec![0; 16 * MIB];
        put_gpt(&mut disk, sector, 1, 2, &[(100, 199), (1000, 900), (200, u64::MAX)]);
        let (s, size) = (sector as u64, 16 * MIB as u64);
        let expected = [span(100 * s, 100 * s), span(200 * s, size - 200 * s)];
        assert_eq!(partitions(&MemoryDisk::new(disk)).unwrap(), expected);
    }
    // Only the backup is left.
    let mut disk = vec![0; 16 * MIB];
    let last = disk.len() / 512 - 1;
    put_gpt(&mut disk, 512, last, last - 32, &[(2048, 4095)]);
    put_mbr(&mut disk, 0, &[(0xEE, 1, u32::MAX)]);
    assert_eq!(partitions(&MemoryDisk::new(disk)).unwrap(), [span(MIB as u64, MIB as u64)]);
    // Primary, and an extended one with two logical ones, whose chain then bites its tail.
    let mut disk = vec![0; 16 * MIB];
    put_mbr(&mut disk, 0, &[(0x83, 2048, 2048), (0x05, 4096, 20000)]);
    put_mbr(&mut disk, 4096 * 512, &[(0x83, 100, 1000), (0x05, 5000, 9999)]);
    put_mbr(&mut disk, 9096 * 512, &[(0x83, 100, 1000), (0x05, 5000, 9999)]);
    let sectors = |start: u64, count: u64| span(start * 512, count * 512);
    let expected = [
        sectors(2048, 2048),
        sectors(4096, 1),
        sectors(4096, 20000),
        sectors(4196, 1000),
        sectors(9096, 1),
        sectors(9196, 1000),
    ];
    assert_eq!(partitions(&MemoryDisk::new(disk)).unwrap(), expected);
}

#[test]
fn a_metadata_wipe_zeroes_the_ends_and_leaves_the_rest() {
    let mut disk = vec![0xEE; 40 * MIB];
    disk[..512].fill(0);
    put_gpt(&mut disk, 512, 1, 2, &[(20480, 40959)]);
    disk[1024 + 128..1024 + 128 * 128].fill(0);
    let disk = MemoryDisk::new(disk);
    let more = [Span { start: 30 * MIB as u64, bytes: 512 }];
    let wiped =
        wipe(&disk, WipePolicy::Metadata, &more, Crew::default(), &mut |_| {}, &AtomicBool::new(false))
            .unwrap();
    let now = disk.content();
    let zero = [0..4, 10..11, 19..20, 36..40];
    for (mib, piece) in now.chunks(MIB).enumerate() {
        let expected = if zero.iter().any(|z| z.contains(&mib)) { 0 } else { 0xEE };
        let from = if mib == 30 { 4096 } else { 0 };
        assert!(piece[from..].iter().all(|&b| b == expected), "MiB {mib}");
    }
    assert!(now[30 * MIB..][..4096].iter().all(|&b| b == 0));
    let bytes = 10 * MIB as u64 + 4096;
    assert_eq!(wiped, Wiped { bytes_written: bytes, bytes_verified: bytes });
}

#[test]
fn an_overwrite_writes_every_byte_itself() {
    let disk = MemoryDisk { discard: Discard::ReadsZero, ..MemoryDisk::dirty(9 * MIB + 512) };
    let last: Mutex<Option<Progress>> = Mutex::new(None);
    let progress = &mut |p| *last.lock().unwrap() = Some(p);
    let wiped =
        wipe(&disk, WipePolicy::Overwrite, &[], Crew::default(), progress, &AtomicBool::new(false)).unwrap();
    let size = 9 * MIB as u64 + 512;
    assert!(disk.content().iter().all(|&b| b == 0));
    assert_eq!(wiped, Wiped { bytes_written: size, bytes_verified: size });
    assert_eq!((disk.written.load(Relaxed), disk.zeroed.load(Relaxed)), (size, 0));
    assert_eq!(*last.lock().unwrap(), Some(Progress { phase: Phase::Verify, done: size, total: size }));
}

#[test]
fn a_wipe_that_left_a_byte_is_found_out() {
    for policy in [WipePolicy::Metadata, WipePolicy::Overwrite] {
        let disk = MemoryDisk { fault: Fault::LosesByte(1_000_001), ..MemoryDisk::dirty(9 * MIB) };
        let error =
            wipe(&disk, policy, &[], Crew::default(), &mut |_| {}, &AtomicBool::new(false)).unwrap_err();
        assert!(matches!(error, WriteError::ReadBack { offset: 1_000_001, .. }), "{error}");
    }
    let disk = MemoryDisk::dirty(9 * MIB);
    let cancelled =
        wipe(&disk, WipePolicy::Overwrite, &[], Crew::default(), &mut |_| {}, &AtomicBool::new(true));
    assert!(matches!(cancelled, Err(WriteError::Cancelled)));
    assert!(disk.content().iter().all(|&b| b == 0xEE));
}

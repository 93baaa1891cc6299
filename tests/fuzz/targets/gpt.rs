//! Partition tables of images, from any bytes: they are refused, or get the seed's partition, where it covers nothing of the
//! others, on the disk; and doing it again changes nothing. The same bytes are looked through for what a wiping must reach.
#![no_main]

use images::write::{Target, partitions};
use libfuzzer_sys::fuzz_target;
use std::{collections::BTreeMap, io, sync::Mutex};
use tests_fuzz::Knobs;

// The agent's own code, without the agent: that would bring its network into the fuzzer.
#[allow(dead_code, unreachable_pub, missing_docs, reason = "they are modules of another crate, built alone")]
#[path = "."]
mod seed {
    #[path = "../../../images/agent/src/seed/gpt.rs"]
    pub(super) mod gpt;
    #[path = "../../../images/agent/src/seed/stays.rs"]
    mod stays;
    #[path = "../../../images/agent/src/seed/view.rs"]
    pub(super) mod view;
    pub(crate) use stays::Stays;

    const LABELS: [&str; 2] = ["CIDATA", "config-2"];
    const MIB: u64 = 1 << 20;

    #[derive(Debug, thiserror::Error)]
    pub(super) enum SeedError {
        #[error("{0}")]
        Refused(String),
        #[error("the disk failed")]
        Disk(#[from] std::io::Error),
    }

    /// What another reader finds in the primary table if its header is sound: each used partition's GUID and sectors, but for
    /// the seed's (UEFI 2.10, 5.3.3).
    pub(super) fn others(disk: &super::Disk, sector: u64) -> Option<Vec<([u8; 16], u64, u64)>> {
        let mut view = view::View::new(disk);
        std::io::Seek::seek(&mut view, std::io::SeekFrom::Start(sector)).ok()?;
        let header = gptman::GPTHeader::read_from(&mut view).ok()?;
        header.read_partitions(&mut view, sector).ok()?;
        if header.primary_lba != 1 || header.size_of_partition_entry != 128 {
            return None;
        }
        let mut found = Vec::new();
        for number in 0..u64::from(header.number_of_partition_entries) {
            let entry: [u8; 128] = view.get(header.partition_entry_lba * sector + number * 128).ok()?;
            let long = |at: usize| u64::from_le_bytes(entry[at..at + 8].try_into().expect("eight bytes"));
            let name = entry[56..].chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]]));
            let name = String::from_utf16_lossy(&name.take_while(|unit| *unit != 0).collect::<Vec<_>>());
            if entry[..16] != [0; 16] && !LABELS.iter().any(|label| name.eq_ignore_ascii_case(label)) {
                let guid = entry[16..32].try_into().expect("sixteen bytes");
                found.push((guid, long(32), long(40)));
            }
        }
        Some(found)
    }

    /// Reads the table, puts the seed in, and has the last partition grow if that is asked for; writes it: where the seed lies then.
    pub(super) fn add(
        disk: &super::Disk,
        sector: u64,
        grow: bool,
    ) -> Result<Option<images::write::Span>, SeedError> {
        use super::Target as _;
        let mut view = view::View::new(disk);
        let Some(table) = gpt::read(&mut view, sector)? else { return Ok(None) };
        let (mut table, span) = gpt::with_seed(table, sector, disk.size(), (8 * MIB, LABELS[0]), [7; 16])?;
        if grow {
            let hybrid = gpt::is_hybrid(&mut view)?;
            // Why it does not grow is the agent's to tell.
            let _why = gpt::grow(&mut table, sector, hybrid);
        }
        gpt::write(&table, &mut view, sector)?;
        view.finish()?;
        let found = gpt::read(&mut view::View::new(disk), sector)?;
        assert_eq!(found.and_then(|table| gpt::seed_of(&table, sector)), Some(span), "it is not found again");
        Ok(Some(span))
    }
}

/// The bytes at the end of an input that choose what is done with those before.
const KNOBS: usize = 5;
/// Bytes of a block of the disk.
const BLOCK: u64 = 64 * 1024;

/// A disk of which only what was written takes memory.
#[derive(Debug)]
struct Disk {
    size: u64,
    blocks: Mutex<BTreeMap<u64, Vec<u8>>>,
}

impl Disk {
    /// Each byte of a range, as the block and the place in it.
    fn each(
        &self,
        offset: u64,
        bytes: usize,
        mut deed: impl FnMut(&mut Vec<u8>, usize, usize),
    ) -> io::Result<()> {
        if offset.checked_add(bytes as u64).is_none_or(|end| end > self.size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut blocks = self.blocks.lock().expect("nobody panics here");
        for at in 0..bytes {
            let place = offset + at as u64;
            let block = blocks.entry(place / BLOCK).or_insert_with(|| vec![0; BLOCK as usize]);
            deed(block, (place % BLOCK) as usize, at);
        }
        Ok(())
    }
}

impl Target for Disk {
    fn size(&self) -> u64 {
        self.size
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.each(offset, bytes.len(), |block, at, number| block[at] = bytes[number])
    }
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let count = bytes.len();
        self.each(offset, count, |block, at, number| bytes[number] = block[at])
    }
    fn discard(&self, _: u64, _: u64) -> io::Result<bool> {
        Ok(false)
    }
    fn zero(&self, start: u64, bytes: u64) -> io::Result<()> {
        self.write_at(&vec![0; bytes as usize], start)
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes the checksums of a table right, so that what is behind them is reached (UEFI 2.10, 5.3.2).
fn mend(table: &mut [u8], sector: usize) {
    let Some((_, header)) = table.split_at_mut_checked(sector) else { return };
    if header.len() < 2 * sector || header.len() < sector + 128 {
        return;
    }
    header[..8].copy_from_slice(b"EFI PART");
    header[8..16].copy_from_slice(&[0, 0, 1, 0, 92, 0, 0, 0]);
    header[24..32].copy_from_slice(&1_u64.to_le_bytes());
    header[72..80].copy_from_slice(&2_u64.to_le_bytes());
    header[84..88].copy_from_slice(&128_u32.to_le_bytes());
    let count = u32::from_le_bytes([header[80], header[81], header[82], header[83]]) % 9;
    header[80..84].copy_from_slice(&count.to_le_bytes());
    let entries = header[sector..].to_vec();
    let mut all = entries.clone();
    all.resize(count as usize * 128, 0);
    header[88..92].copy_from_slice(&crc32fast::hash(&all).to_le_bytes());
    header[16..20].fill(0);
    let sum = crc32fast::hash(&header[..92]);
    header[16..20].copy_from_slice(&sum.to_le_bytes());
}

fuzz_target!(|input: &[u8]| {
    let (table, mut knobs) = Knobs::split(input, KNOBS);
    let sector: u64 = if knobs.byte().is_multiple_of(2) { 512 } else { 4096 };
    let mut table = table.to_vec();
    if !knobs.byte().is_multiple_of(4) {
        mend(&mut table, sector as usize);
    }
    let size = (12 << 20) + u64::from(knobs.byte()) * 512 * 77;
    let disk = Disk { size: size / sector * sector, blocks: Mutex::default() };
    disk.write_at(&table, 0).expect("it fits");
    if knobs.byte().is_multiple_of(3) {
        disk.write_at(&table, disk.size - table.len().next_multiple_of(512) as u64).expect("it fits");
    }
    for span in partitions(&disk).expect("it can be read") {
        assert!(span.bytes > 0 && span.start < disk.size && span.bytes <= disk.size - span.start);
    }
    let before = seed::others(&disk, sector);
    let grow = knobs.byte().is_multiple_of(2);
    let Ok(Some(span)) = seed::add(&disk, sector, grow) else { return };
    assert!(span.start + span.bytes <= disk.size && span.bytes >= 8 << 20);
    let after = seed::others(&disk, sector).expect("what was written is a table");
    for (_, first, last) in &after {
        assert!(
            last * sector < span.start || first * sector >= span.start + span.bytes,
            "the seed covers a partition"
        );
    }
    if let Some(before) = before {
        assert_eq!(before.len(), after.len(), "a partition came or went");
        let changed: Vec<_> = before.iter().zip(&after).filter(|(old, new)| old != new).collect();
        assert!(changed.len() <= usize::from(grow), "another partition changed");
        for ((guid, first, last), grown) in changed {
            assert!(
                (*guid, *first) == (grown.0, grown.1) && *last < grown.2,
                "more than its end moved, or not on"
            );
            assert_eq!((grown.2 + 1) * sector, span.start, "it ends where the seed begins");
            assert!(before.iter().all(|other| other.1 <= *first), "it was not the last one");
        }
    }
    assert_eq!(seed::add(&disk, sector, grow).expect("once more"), Some(span));
    assert_eq!(seed::others(&disk, sector), Some(after));
});

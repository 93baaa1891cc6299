//! Whether an erasure by the device itself erased: what was there before must not be there afterwards.
//!
//! A device may leave anything behind: zeros, ones, noise. So random markers are written before, and places all over the
//! disk are looked at; afterwards no marker stands, and no place that held something holds the same. Not here: wiping by
//! writing, which is read back whole.

use images::write::Target;
use sha2::{Digest, Sha256};
use std::{io, ops::ControlFlow};

/// Bytes of a marker.
pub(super) const MARKER: u64 = 4096;
/// How many markers are written, on a disk with room.
const MARKERS: u64 = 64;
/// Bytes of a place that is looked at.
pub(super) const PLACE: u64 = 1 << 20;

/// What the disk held before.
#[derive(Debug)]
pub(super) struct Before {
    /// The seed of it all.
    seed: [u8; 32],
    markers: Vec<u64>,
    places: Vec<Place>,
}

/// A place before the erasure.
#[derive(Debug)]
struct Place {
    start: u64,
    bytes: u64,
    /// The first bytes of the SHA-256 of each of its blocks; zero: all bytes of the block were equal, as they may be again.
    blocks: Vec<u64>,
}

/// The first bytes of the SHA-256 of each block of a marker's size; zero where all its bytes are equal.
fn blocks(content: &[u8]) -> Vec<u64> {
    let one = |block: &[u8]| {
        if block.iter().all(|byte| *byte == block[0]) {
            return 0;
        }
        let hash: [u8; 32] = Sha256::digest(block).into();
        // One of 2^64 blocks is taken for one without content.
        u64::from_be_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
    };
    content.chunks(MARKER as usize).map(one).collect()
}

/// What was found afterwards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// Bytes that were read and compared.
    pub(super) bytes: u64,
    /// Markers that are gone.
    pub(super) markers: u64,
    /// Places that had held something.
    pub(super) held: u64,
    /// Places all of whose bytes are zero now.
    pub(super) zero: u64,
    /// Places that were looked at.
    pub(super) places: u64,
}

/// Why a disk is not erased.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotErased {
    /// The disk failed.
    #[error("the disk could not {action} {bytes} bytes at byte {start}")]
    Disk {
        action: &'static str,
        start: u64,
        bytes: u64,
        #[source]
        source: io::Error,
    },
    /// The order was taken back.
    #[error("stopped on request")]
    Cancelled,
    /// Something is still there.
    #[error("the disk said that it erased itself, but what was at byte {start} is still there ({what})")]
    Survived { start: u64, what: &'static str },
}

/// Writes markers and looks at places: `least` bytes of the disk are looked at, or all of it. `seed` must be new each time.
/// `told` is called with the share that is done, of 256; nothing more is done once it says so.
pub(super) fn before(
    disk: &dyn Target,
    seed: [u8; 32],
    least: u64,
    told: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Before, NotErased> {
    let size = disk.size();
    go_on(told(0))?;
    let markers = spread(size, MARKER, MARKERS, &seed);
    for start in &markers {
        let (start, bytes) = (*start, MARKER.min(size - *start));
        let mut marker = vec![0; bytes as usize];
        fill(&mut marker, &seed, start);
        disk.write_at(&marker, start).map_err(failed("write", start, bytes))?;
    }
    disk.flush().map_err(failed("flush", 0, size))?;
    let mut places = Vec::new();
    let spans = spread(size, PLACE, least.div_ceil(PLACE), &seed);
    for (index, start) in spans.iter().copied().enumerate() {
        let bytes = PLACE.min(size - start);
        places.push(Place { start, bytes, blocks: blocks(&read(disk, start, bytes)?) });
        go_on(told(256 * (index as u64 + 1) / spans.len() as u64))?;
    }
    Ok(Before { seed, markers, places })
}

fn go_on(flow: ControlFlow<()>) -> Result<(), NotErased> {
    if flow.is_break() { Err(NotErased::Cancelled) } else { Ok(()) }
}

impl Before {
    /// Looks at all of it again. `told` as of [`before`].
    pub(super) fn compare(
        &self,
        disk: &dyn Target,
        told: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Compared, NotErased> {
        let mut found = Compared::default();
        for start in &self.markers {
            let (start, bytes) = (*start, MARKER.min(disk.size() - *start));
            let mut marker = vec![0; bytes as usize];
            fill(&mut marker, &self.seed, start);
            if read(disk, start, bytes)? == marker {
                return Err(NotErased::Survived { start, what: "a marker that was written just before" });
            }
            found.bytes += bytes;
            found.markers += 1;
        }
        for (index, place) in self.places.iter().enumerate() {
            let content = read(disk, place.start, place.bytes)?;
            let mut same = place.blocks.iter().zip(blocks(&content)).enumerate();
            if let Some((number, _)) = same.find(|(_, (was, is))| **was != 0 && *was == is) {
                let start = place.start + number as u64 * MARKER;
                return Err(NotErased::Survived { start, what: "a sample of its content" });
            }
            found.bytes += place.bytes;
            found.places += 1;
            found.held += u64::from(place.blocks.iter().any(|block| *block != 0));
            found.zero += u64::from(content.iter().all(|byte| *byte == 0));
            go_on(told(256 * (index as u64 + 1) / self.places.len() as u64))?;
        }
        Ok(found)
    }
}

/// So many places of `piece` bytes, one in each of as many equal parts of the disk, the first and the last at its ends; all
/// of it if it has no more.
fn spread(size: u64, piece: u64, count: u64, seed: &[u8; 32]) -> Vec<u64> {
    let pieces = size / piece;
    if pieces == 0 {
        return vec![0];
    }
    let count = count.clamp(2, pieces.max(2)).min(pieces);
    let one = |index: u64| {
        // In 128 bits: the product of a disk's pieces and places may not fit.
        let border = |index: u64| (u128::from(pieces) * u128::from(index) / u128::from(count)) as u64;
        let (first, next) = (border(index), border(index + 1));
        match index {
            0 => 0,
            _ if index + 1 == count => pieces - 1,
            _ => first + number(seed, index) % (next - first),
        }
    };
    (0..count).map(|index| one(index) * piece).collect()
}

/// A number that follows from the seed.
fn number(seed: &[u8; 32], index: u64) -> u64 {
    let hash: [u8; 32] = Sha256::new().chain_update(seed).chain_update(index.to_be_bytes()).finalize().into();
    u64::from_be_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
}

/// A marker: noise that follows from the seed and the place.
fn fill(marker: &mut [u8], seed: &[u8; 32], start: u64) {
    for (index, part) in marker.chunks_mut(32).enumerate() {
        let hash = Sha256::new()
            .chain_update(b"marker")
            .chain_update(seed)
            .chain_update(start.to_be_bytes())
            .chain_update((index as u64).to_be_bytes())
            .finalize();
        part.copy_from_slice(&hash[..part.len()]);
    }
}

fn read(disk: &dyn Target, start: u64, bytes: u64) -> Result<Vec<u8>, NotErased> {
    let mut content = vec![0; bytes as usize];
    disk.read_at(&mut content, start).map_err(failed("read", start, bytes))?;
    Ok(content)
}

fn failed(action: &'static str, start: u64, bytes: u64) -> impl FnOnce(io::Error) -> NotErased {
    move |source| NotErased::Disk { action, start, bytes, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::FakeDisk;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    fn written(bytes: u64) -> FakeDisk {
        let disk = FakeDisk::in_memory("sda", "S", bytes);
        let content: Vec<u8> = (0..bytes).map(|at| (at / 3) as u8 ^ (at >> 13) as u8).collect();
        disk.write_at(&content, 0).unwrap();
        disk
    }

    #[test]
    fn an_erased_disk_passes_and_an_untouched_one_does_not() {
        let disk = written(9 * MIB + 512);
        let before = before(&disk, [1; 32], 4 * MIB, &mut |_| ControlFlow::Continue(())).unwrap();
        let untouched = before.compare(&disk, &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert!(matches!(untouched, NotErased::Survived { .. }), "{untouched}");
        disk.zero(0, disk.size()).unwrap();
        let found = before.compare(&disk, &mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!((found.places, found.held, found.zero), (4, 4, 4));
        assert_eq!(found.bytes, 4 * MIB + MARKERS * MARKER);
    }

    #[test]
    fn one_marker_or_one_sample_that_survived_is_found() {
        let disk = written(9 * MIB);
        let before = before(&disk, [2; 32], 9 * MIB, &mut |_| ControlFlow::Continue(())).unwrap();
        let (marker, place) = (before.markers[7], before.places[3].start);
        let mut kept = vec![0; MARKER as usize];
        disk.read_at(&mut kept, marker).unwrap();
        disk.zero(0, disk.size()).unwrap();
        disk.write_at(&kept, marker).unwrap();
        assert!(
            matches!(before.compare(&disk, &mut |_| ControlFlow::Continue(())), Err(NotErased::Survived { start, .. }) if start == marker)
        );
        let disk = written(9 * MIB);
        let before = super::before(&disk, [2; 32], 9 * MIB, &mut |_| ControlFlow::Continue(())).unwrap();
        // The markers are gone, but a place holds what it held before they were written.
        let held: Vec<u8> = (place..place + PLACE).map(|at| (at / 3) as u8 ^ (at >> 13) as u8).collect();
        disk.zero(0, disk.size()).unwrap();
        disk.write_at(&held, place).unwrap();
        assert!(
            matches!(before.compare(&disk, &mut |_| ControlFlow::Continue(())), Err(NotErased::Survived { start, .. }) if (place..place + PLACE).contains(&start))
        );
    }

    #[test]
    fn an_empty_disk_may_be_as_empty_as_before() {
        let disk = FakeDisk::in_memory("sda", "S", 3 * MIB);
        let before = before(&disk, [3; 32], MIB, &mut |_| ControlFlow::Continue(())).unwrap();
        disk.zero(0, disk.size()).unwrap();
        let found = before.compare(&disk, &mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(
            (found.held, found.zero, found.places),
            (2, 2, 2),
            "both ends at least, with a marker each"
        );
    }

    proptest! {
        #[test]
        fn places_lie_on_the_disk_apart_and_at_both_ends(size in 512_u64..u64::MAX / 2, count in 0_u64..300, seed: [u8; 32]) {
            let size = size / 512 * 512;
            let places = spread(size, PLACE, count, &seed);
            prop_assert!(places.windows(2).all(|two| two[0] + PLACE <= two[1]));
            prop_assert_eq!(places[0], 0);
            let last = places[places.len() - 1];
            prop_assert!(last + PLACE <= size || places == [0]);
            prop_assert!(size < PLACE || size - last - PLACE < PLACE);
            prop_assert!(places.len() as u64 >= count.min(size / PLACE));
        }
    }
}

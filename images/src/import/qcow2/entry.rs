//! Entries of the L1 and L2 tables: a number in, a checked place out.

use super::Qcow2Error;
use super::header::Header;

/// Where a cluster's content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere: it reads as zeros.
    Zeros,
    /// As it is, from this byte of the file on.
    Plain {
        /// Byte of the file.
        offset: u64,
    },
    /// Packed.
    Packed {
        /// Byte of the file.
        offset: u64,
        /// Most bytes that it takes; the rest of its last sector is not part of it.
        bytes: u64,
    },
}

/// Bits 9 to 55: a position in the file.
const OFFSET: u64 = 0x00FF_FFFF_FFFF_FE00;
/// Bit 63: the reference count is exactly one. Of no use to a reader.
const COPIED: u64 = 1 << 63;
/// Bit 62 of an L2 entry.
const PACKED: u64 = 1 << 62;
/// Bit 0 of a plain L2 entry, since version 3.
const ZERO: u64 = 1;

/// Where the L2 table of an L1 entry starts; `None`: there is none, all is zero.
pub(super) fn l2_table(entry: u64, cluster_bytes: u64, index: usize) -> Result<Option<u64>, Qcow2Error> {
    if entry & !(OFFSET | COPIED) != 0 {
        return Err(Qcow2Error::Reserved {
            what: "entry of the L1 table number",
            index: index as u64,
            entry,
        });
    }
    let offset = entry & OFFSET;
    if !offset.is_multiple_of(cluster_bytes) {
        return Err(Qcow2Error::Misaligned { what: "an L2 table", offset });
    }
    Ok((offset != 0).then_some(offset))
}

/// Where the cluster of an L2 entry is. `at`: its byte on the disk, for errors.
pub(super) fn place(entry: u64, header: &Header, at: u64) -> Result<Place, Qcow2Error> {
    if entry & PACKED != 0 {
        return Ok(packed(entry, header.cluster_bits));
    }
    let zero = if header.version == 3 { ZERO } else { 0 };
    if entry & !(OFFSET | COPIED | zero) != 0 {
        return Err(Qcow2Error::Reserved {
            what: "L2 entry of cluster",
            index: at >> header.cluster_bits,
            entry,
        });
    }
    let offset = entry & OFFSET;
    if !offset.is_multiple_of(header.cluster_bytes()) {
        return Err(Qcow2Error::Misaligned { what: "a data cluster", offset });
    }
    Ok(if entry & zero != 0 || offset == 0 { Place::Zeros } else { Place::Plain { offset } })
}

/// "Compressed Clusters Descriptor": the position in the low bits, above it the sectors of 512 bytes beyond the first.
fn packed(entry: u64, cluster_bits: u32) -> Place {
    let split = 62 - (cluster_bits - 8);
    let offset = entry & ((1 << split) - 1);
    let more_sectors = (entry & (PACKED - 1)) >> split;
    Place::Packed { offset, bytes: (more_sectors + 1) * 512 - offset % 512 }
}

#[cfg(test)]
mod tests {
    use super::super::header::Packing;
    use super::*;

    #[test]
    fn entries_mean_what_the_format_says() {
        let header = |version| Header {
            version,
            cluster_bits: 16,
            disk_bytes: 1 << 30,
            l1_offset: 0x30000,
            packing: Packing::Deflate,
        };
        let (v2, v3) = (header(2), header(3));
        let plain = Place::Plain { offset: 0x50000 };
        let cases: &[(u64, &Header, Result<Place, &str>)] = &[
            (0, &v3, Ok(Place::Zeros)),
            (0x50000, &v2, Ok(plain)),
            (COPIED | 0x50000, &v3, Ok(plain)),
            (COPIED | 0x50001, &v3, Ok(Place::Zeros)),
            (0x50001, &v2, Err("reserved")),
            (0x50002, &v3, Err("reserved")),
            (1 << 56 | 0x50000, &v3, Err("reserved")),
            (0x50200, &v3, Err("start at a cluster")),
            // 62 - (16 - 8) = 54 bits of position, 8 bits of sectors.
            (PACKED | 0x12345, &v3, Ok(Place::Packed { offset: 0x12345, bytes: 512 - 0x145 })),
            (PACKED | 3 << 54 | 0x400, &v2, Ok(Place::Packed { offset: 0x400, bytes: 2048 })),
        ];
        for (entry, header, expected) in cases {
            match (place(*entry, header, 0x70000), expected) {
                (Ok(found), Ok(wanted)) => assert_eq!(found, *wanted, "{entry:#x}"),
                (Err(e), Err(text)) => assert!(e.to_string().contains(text), "{entry:#x}: {e}"),
                (found, _) => panic!("{entry:#x}: {found:?}"),
            }
        }
    }
}

//! The header and its extensions: bytes in, what a reader has to know out.

use super::Qcow2Error;

/// The first bytes of every qcow2 image.
pub(in super::super) const MAGIC: &[u8] = b"QFI\xFB";

/// Most entries of the L1 table: 32 MiB of table, QEMU's own limit.
const MAX_L1: u32 = 4 << 20;

/// How compressed clusters are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// Type 0: raw deflate (RFC 1951).
    Deflate,
    /// Type 1: a zstd frame (RFC 8878).
    Zstd,
}

/// What a reader has to know of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) cluster_bits: u32,
    pub(super) disk_bytes: u64,
    pub(super) l1_offset: u64,
    pub(super) packing: Packing,
}

/// Numbers of header extensions ("Header extensions" in the format's description).
mod extension {
    pub(super) const END: u32 = 0;
    pub(super) const BACKING_FORMAT: u32 = 0xE279_2ACA;
    pub(super) const ENCRYPTION: u32 = 0x0537_BE77;
    pub(super) const DATA_FILE: u32 = 0x4441_5441;
}

impl Header {
    /// Reads the header from `start`, the first bytes of the file (all of the first cluster, where there are so many).
    pub(super) fn parse(start: &[u8], max_disk_bytes: u64) -> Result<Self, Qcow2Error> {
        if start.len() < 72 || !start.starts_with(MAGIC) {
            return Err(Qcow2Error::NotQcow2);
        }
        let version = be32(start, 4);
        if !(2..=3).contains(&version) {
            return Err(Qcow2Error::Version { found: version });
        }
        let cluster_bits = be32(start, 20);
        if !(9..=21).contains(&cluster_bits) {
            return Err(Qcow2Error::ClusterBits { found: cluster_bits });
        }
        let cluster = &start[..start.len().min(1 << cluster_bits)];
        if be64(start, 8) != 0 || be32(start, 16) != 0 {
            return Err(Qcow2Error::BackingFile);
        }
        if be32(start, 32) != 0 {
            return Err(Qcow2Error::Encrypted);
        }
        let (length, packing) = if version == 3 { version_3(cluster)? } else { (72, Packing::Deflate) };
        extensions(cluster, length)?;
        let header =
            Self { version, cluster_bits, disk_bytes: be64(start, 24), l1_offset: be64(start, 40), packing };
        header.check_size(be32(start, 36), max_disk_bytes)?;
        Ok(header)
    }

    /// Bytes of a cluster.
    pub(super) fn cluster_bytes(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// Bytes of the disk that one L2 table describes: a cluster of 8-byte entries, a cluster for each.
    pub(super) fn l2_covers(&self) -> u64 {
        1 << (2 * self.cluster_bits - 3)
    }

    /// Entries of the L1 table that the disk needs; at most [`MAX_L1`].
    pub(super) fn l1_needed(&self) -> u64 {
        self.disk_bytes.div_ceil(self.l2_covers())
    }

    fn check_size(&self, l1_entries: u32, max_disk_bytes: u64) -> Result<(), Qcow2Error> {
        if self.disk_bytes == 0 {
            return Err(Qcow2Error::Empty);
        }
        if self.disk_bytes > max_disk_bytes {
            return Err(Qcow2Error::TooLarge { found: self.disk_bytes, limit: max_disk_bytes });
        }
        let needed = self.l1_needed();
        if u64::from(l1_entries) < needed || l1_entries > MAX_L1 {
            return Err(Qcow2Error::L1Entries { found: l1_entries, needed, limit: MAX_L1 });
        }
        if !self.l1_offset.is_multiple_of(self.cluster_bytes()) || self.l1_offset == 0 {
            return Err(Qcow2Error::Misaligned { what: "the L1 table", offset: self.l1_offset });
        }
        Ok(())
    }
}

/// What version 3 adds: its length and packing. Bit 0 of the incompatible features (dirty) says that reference counts
/// may be stale; we don't read them.
fn version_3(cluster: &[u8]) -> Result<(u32, Packing), Qcow2Error> {
    if cluster.len() < 104 {
        return Err(Qcow2Error::NotQcow2);
    }
    let features = be64(cluster, 72);
    let has = |bit: u32| features & (1 << bit) != 0;
    for (bit, error) in [(1, Qcow2Error::Corrupt), (2, Qcow2Error::DataFile), (4, Qcow2Error::ExtendedL2)] {
        if has(bit) {
            return Err(error);
        }
    }
    if let Some(bit) = (5..64).find(|&bit| has(bit)) {
        return Err(Qcow2Error::UnknownFeature { bit });
    }
    let order = be32(cluster, 96);
    if order > 6 {
        return Err(Qcow2Error::RefcountOrder { found: order });
    }
    let length = be32(cluster, 100);
    if length < 104 || !length.is_multiple_of(8) || length as usize > cluster.len() {
        return Err(Qcow2Error::HeaderLength { found: length });
    }
    let kind = if length > 104 { cluster[104] } else { 0 };
    match (kind, has(3)) {
        (0, false) => Ok((length, Packing::Deflate)),
        (1, true) => Ok((length, Packing::Zstd)),
        _ => Err(Qcow2Error::Compression { found: kind }),
    }
}

/// Walks the extensions behind the header for those that would lead out of the file.
fn extensions(cluster: &[u8], header_length: u32) -> Result<(), Qcow2Error> {
    let mut at = header_length as usize;
    // An image without room for another extension header ends the list too.
    while at + 8 <= cluster.len() {
        let (kind, length) = (be32(cluster, at), be32(cluster, at + 4) as usize);
        match kind {
            extension::END => return Ok(()),
            extension::BACKING_FORMAT => return Err(Qcow2Error::BackingFile),
            extension::ENCRYPTION => return Err(Qcow2Error::Encrypted),
            extension::DATA_FILE => return Err(Qcow2Error::DataFile),
            // Others are data about the image: names of features, bitmaps.
            _ if length > cluster.len() - at - 8 => return Err(Qcow2Error::Extension { at: at as u64 }),
            _ => at += 8 + length.next_multiple_of(8),
        }
    }
    Ok(())
}

/// A big-endian number. The caller has checked that it lies inside.
fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |n, &b| n << 8 | u32::from(b))
}

/// A big-endian number. The caller has checked that it lies inside.
fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from(be32(bytes, at)) << 32 | u64::from(be32(bytes, at + 4))
}

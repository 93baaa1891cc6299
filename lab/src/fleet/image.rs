//! The image that a fleet is deployed with: a small disk with a GPT and content that can be recognised; and whether a
//! disk holds it.

use super::disk::{BLOCK, Blocks, Content};
use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use std::io::Cursor;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Sectors of a partition table with 128 entries: the header and the entries; at the start also the protective MBR.
const TABLE: u64 = 33 * 512;

/// The bytes of a raw image of so many MiB: a GPT, one partition, every fourth MiB filled with a pattern that follows
/// from `seed`.
///
/// # Errors
/// With less than 3 MiB, which leave no room for a partition.
pub fn image_bytes(mib: u64, seed: u8) -> Result<Vec<u8>> {
    ensure!(mib >= 3, "an image with a partition needs 3 MiB at least");
    let mib = usize::try_from(mib)?;
    let mut bytes = vec![0_u8; mib << 20];
    for block in (2..mib - 1).step_by(4) {
        for (index, byte) in bytes[block << 20..(block + 1) << 20].iter_mut().enumerate() {
            *byte = (index as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3] ^ seed ^ (block as u8);
        }
    }
    let mut cursor = Cursor::new(&mut bytes);
    let mut gpt = gptman::GPT::new_from(&mut cursor, 512, [seed; 16])?;
    gpt[1] = gptman::GPTPartitionEntry {
        partition_type_guid: [0x42; 16],
        unique_partition_guid: [seed ^ 0x55; 16],
        starting_lba: 2048,
        ending_lba: ((mib as u64) << 11) - 4096,
        attribute_bits: 0,
        partition_name: "root".into(),
    };
    gpt.write_into(&mut cursor)?;
    gptman::GPT::write_protective_mbr_into(&mut cursor, 512)?;
    Ok(bytes)
}

/// An image in a file, and its bytes in memory.
#[derive(Debug)]
pub struct FleetImage {
    /// The file.
    pub path: PathBuf,
    /// `sha256:…`.
    pub digest: String,
    /// Its size.
    pub bytes: u64,
    raw: Vec<u8>,
    /// The same as a disk holds it, so that equal blocks are the same block.
    laid_out: OnceLock<Content>,
}

impl FleetImage {
    /// Makes one of so many MiB in `folder`, see [`image_bytes`].
    ///
    /// # Errors
    /// When the file can't be written, or with less than 3 MiB.
    pub fn make(folder: &Path, name: &str, mib: u64, seed: u8) -> Result<Self> {
        let raw = image_bytes(mib, seed)?;
        let path = folder.join(name);
        std::fs::write(&path, &raw).with_context(|| format!("can't write {}", path.display()))?;
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&raw)));
        Ok(Self { path, digest, bytes: raw.len() as u64, raw, laid_out: OnceLock::new() })
    }

    /// What is in the file.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Whether a disk holds it byte for byte, both partition tables and the seed's place aside: those belong to the
    /// machine.
    pub(super) fn whole(&self, disk: &Content, blocks: &Arc<Blocks>, seed: Option<&Range<u64>>) -> bool {
        let mine = self.laid_out.get_or_init(|| Content::of(blocks, &self.raw));
        let tables = [0..TABLE + 512, self.bytes.saturating_sub(TABLE)..self.bytes];
        let aside: Vec<&Range<u64>> = tables.iter().chain(seed).collect();
        (0..self.bytes.div_ceil(BLOCK as u64)).all(|index| {
            let index = index as u32;
            let here = u64::from(index) * BLOCK as u64;
            let end = (here + BLOCK as u64).min(self.bytes);
            disk.same_block(mine, index) || disk.same_bytes(mine, here..end, &aside)
        })
    }
}

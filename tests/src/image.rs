//! Small images that are real disks: a GPT with one partition, and content that can be recognised.

use sha2::{Digest, Sha256};
use std::{io::Cursor, path::PathBuf};

/// An image file for a test.
pub struct TestImage {
    /// The file.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// `sha256:…`.
    pub digest: String,
}

/// Makes a raw image of this many MiB in `folder`: a GPT, one partition, every fourth MiB filled with a pattern that
/// follows from `seed`.
///
/// # Panics
/// When the file can't be written.
pub fn gpt_image(folder: &std::path::Path, name: &str, mebibytes: usize, seed: u8) -> TestImage {
    let mut bytes = vec![0_u8; mebibytes << 20];
    for block in (2..mebibytes - 1).step_by(4) {
        for (index, byte) in bytes[block << 20..(block + 1) << 20].iter_mut().enumerate() {
            *byte = (index as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3] ^ seed ^ (block as u8);
        }
    }
    let mut cursor = Cursor::new(&mut bytes);
    let mut gpt = gptman::GPT::new_from(&mut cursor, 512, [seed; 16]).expect("room for a GPT");
    gpt[1] = gptman::GPTPartitionEntry {
        partition_type_guid: [0x42; 16],
        unique_partition_guid: [seed ^ 0x55; 16],
        starting_lba: 2048,
        ending_lba: ((mebibytes as u64) << 11) - 4096,
        attribute_bits: 0,
        partition_name: "root".into(),
    };
    gpt.write_into(&mut cursor).expect("a vector takes it");
    gptman::GPT::write_protective_mbr_into(&mut cursor, 512).expect("a vector takes it");
    let path = folder.join(name);
    std::fs::write(&path, &bytes).expect("the test's folder can be written");
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&bytes)));
    TestImage { path, bytes, digest }
}

//! One chunk: from raw bytes to its place in the store.

use super::{Store, StoreError};
use crate::Chunk;
use crate::bytes::{is_zero, sha256_hex};

/// zstd's level: its default. Higher ones cost the import minutes and save the network little.
const LEVEL: i32 = 3;

/// Packs and stores chunks; one for each thread.
pub(super) struct ChunkWriter<'a> {
    store: &'a Store,
    packer: zstd::bulk::Compressor<'static>,
    packed: Vec<u8>,
}

impl<'a> ChunkWriter<'a> {
    pub(super) fn new(store: &'a Store) -> Result<Self, StoreError> {
        let packer = zstd::bulk::Compressor::new(LEVEL).map_err(StoreError::io("pack", "a chunk"))?;
        let packed = vec![0; crate::manifest::stored_limit(store.chunk_bytes) as usize];
        Ok(Self { store, packer, packed })
    }

    /// Stores `raw`, unless it is all zero.
    pub(super) fn put(&mut self, raw: &[u8]) -> Result<Option<Chunk>, StoreError> {
        if is_zero(raw) {
            return Ok(None);
        }
        let packed = self.packer.compress_to_buffer(raw, &mut self.packed[..]);
        let bytes = &self.packed[..packed.map_err(StoreError::io("pack", "a chunk"))?];
        let stored = self.store.put_chunk(bytes)?;
        // At most stored_limit(chunk_bytes), which is a u32.
        let stored_bytes = u32::try_from(bytes.len()).expect("a packed chunk fits its buffer");
        Ok(Some(Chunk { stored, stored_bytes, raw: sha256_hex(raw) }))
    }
}

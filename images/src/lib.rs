//! Image formats, chunk manifests, the chunk store with its import, and the write pipeline.
//!
//! Synchronous: whoever has a runtime calls it from a blocking task. No HTTP here.
//!
//! - [`Manifest`]: an image as a list of compressed, content-addressed chunks;
//! - [`mod@write`]: from a manifest to a disk and back (read-back), and wiping; all that the agent needs;
//! - [`FileDigest`]: what a file has to be;
//! - [`cpio`]: the small archive that is appended to a ramdisk;
//! - [`kernel_architecture`]: what the first bytes of a kernel say;
//! - `import` (feature): from an image file to chunks and a manifest in a store; what only the service needs.

mod bytes;
pub mod cpio;
mod digest;
#[cfg(feature = "import")]
pub mod import;
mod kernel;
mod manifest;
pub mod write;

pub use bytes::sha256_hex;
pub use digest::{DigestForm, FileDigest, FileHasher};
pub use kernel::{KERNEL_HEAD, kernel_architecture};
pub use manifest::{CHUNK_BYTES, Chunk, MAX_MANIFEST_BYTES, Manifest, ManifestError, SECTOR};

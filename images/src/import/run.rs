//! The import from end to end.

use super::container::Container;
use super::format::{self, HEAD};
use super::pipeline::{DiskReader, Filled, cut};
use super::qcow2::Qcow2;
use super::source::SourceFile;
use super::{Format, ImportError, ImportSpec, Imported, Progress, Stage, Store, StoreError, Watch};
use crate::bytes::{is_sha256_hex, is_zero};
use crate::{Chunk, Manifest};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::atomic::AtomicBool;

impl Store {
    /// Imports an image file. Its digest is compared first; then the container (gzip, xz, zstd or none) is
    /// recognised, the content has to be what `spec` declares, and chunks and manifest are stored.
    ///
    /// To import the same file again is harmless and changes nothing. `progress` is called on this thread.
    ///
    /// # Errors
    /// A sentence for each reason to refuse; nothing that was in the store is changed by a failed import.
    pub fn import(
        &self,
        file: &Path,
        spec: &ImportSpec,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Imported, ImportError> {
        self.import_until(file, spec, progress, &AtomicBool::new(false))
    }

    /// As [`Store::import`]; setting `cancel` ends it soon with [`ImportError::Cancelled`].
    ///
    /// # Errors
    /// As [`Store::import`].
    pub fn import_until(
        &self,
        file: &Path,
        spec: &ImportSpec,
        progress: &mut dyn FnMut(Progress),
        cancel: &AtomicBool,
    ) -> Result<Imported, ImportError> {
        let bad_form = || ImportError::DigestForm { found: spec.digest.chars().take(200).collect() };
        let digest = spec.digest.strip_prefix("sha256:").ok_or_else(bad_form)?.to_ascii_lowercase();
        if !is_sha256_hex(&digest) {
            return Err(bad_form());
        }
        let watch = &mut Watch { progress, cancel };
        let source = SourceFile::open(file, &digest, watch)?;
        let _importing = self.lock_shared()?;
        let (chunks, disk_bytes) = self.store_chunks(&source, spec.format, watch)?;
        source.unchanged()?;
        let image_digest = format!("sha256:{digest}");
        let manifest =
            Manifest { version: 1, image_digest, disk_bytes, chunk_bytes: self.chunk_bytes, chunks };
        // What we store has to be what we would accept.
        Manifest::parse(&manifest.to_bytes())?;
        let manifest_sha256 = self.put_manifest(&manifest)?;
        Ok(Imported { stored_bytes: manifest.stored_bytes(), manifest, manifest_sha256 })
    }

    /// Opens what is in the file, checks it against `declared`, and cuts it into chunks.
    fn store_chunks(
        &self,
        source: &SourceFile,
        declared: Format,
        watch: &mut Watch,
    ) -> Result<(Vec<Option<Chunk>>, u64), ImportError> {
        let mut file = BufReader::with_capacity(1 << 18, &source.file);
        let mut packed_head = vec![0; HEAD];
        let n = read_full(&mut file, &mut packed_head).map_err(|e| source.failed(e))?;
        file.seek(SeekFrom::Start(0)).map_err(|e| source.failed(e))?;
        let container = Container::detect(&packed_head[..n]);
        let failed = |e: io::Error| match container {
            Some(container) => ImportError::Unpack { container, source: e },
            None => source.failed(e),
        };
        let mut content: Box<dyn Read + '_> = match container {
            Some(container) => container.unpack(file).map_err(failed)?,
            None => Box::new(file),
        };
        let mut head = vec![0; HEAD];
        let n = read_full(&mut content, &mut head).map_err(failed)?;
        head.truncate(n);
        format::expect(declared, container, &head)?;
        let content = io::Cursor::new(head).chain(content);
        match (declared, container) {
            (Format::Raw, _) => {
                let disk_bytes = container.is_none().then(|| source.bytes());
                cut(&mut RawDisk { content, disk_bytes, failed }, self, watch)
            }
            (Format::Qcow2, None) => cut(&mut Qcow2::open(&source.file, self.max_disk_bytes)?, self, watch),
            (Format::Qcow2, Some(_)) => {
                let file = self.spool(content, failed, watch)?;
                cut(&mut Qcow2::open(file.as_file(), self.max_disk_bytes)?, self, watch)
            }
        }
    }

    /// Unpacks to a temporary file, with holes for zeros: qcow2 is read at random.
    fn spool(
        &self,
        mut content: impl Read,
        failed: impl Fn(io::Error) -> ImportError,
        watch: &mut Watch,
    ) -> Result<tempfile::NamedTempFile, ImportError> {
        let mut spool = self.temporary()?;
        let mut buffer = vec![0; 1 << 20];
        let mut done = 0;
        loop {
            let n = read_full(&mut content, &mut buffer).map_err(&failed)?;
            done += n as u64;
            if done > self.max_disk_bytes {
                return Err(ImportError::TooLarge { limit: self.max_disk_bytes });
            }
            write_sparse(spool.as_file_mut(), &buffer[..n], done)
                .map_err(StoreError::io("write", spool.path()))?;
            if n < buffer.len() {
                return Ok(spool);
            }
            watch.step(Stage::Unpack, done, None)?;
        }
    }
}

/// Appends `bytes`, as a hole if they are zero, so that the file then has `length`.
fn write_sparse(file: &mut File, bytes: &[u8], length: u64) -> io::Result<()> {
    if is_zero(bytes) {
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length)).map(drop)
    } else {
        file.write_all(bytes)
    }
}

/// Reads until `buffer` is full or the stream ends.
fn read_full(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// A raw disk as a stream.
struct RawDisk<R, F> {
    content: R,
    disk_bytes: Option<u64>,
    failed: F,
}

impl<R: Read, F: Fn(io::Error) -> ImportError> DiskReader for RawDisk<R, F> {
    fn disk_bytes(&self) -> Option<u64> {
        self.disk_bytes
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<Filled, ImportError> {
        read_full(&mut self.content, buffer).map(Filled::Bytes).map_err(&self.failed)
    }
}

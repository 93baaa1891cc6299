//! The import from end to end.

use super::child::Task;
use super::open::{Input, open};
use super::parent::{ChildDisk, Patience};
use super::pipeline::{DiskReader, Filled, cut};
use super::source::SourceFile;
use super::{
    Format, ImportError, ImportProgram, ImportSpec, Imported, Progress, Stage, Store, StoreError, Watch,
};
use crate::{Chunk, FileDigest, Manifest};
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::sync::atomic::AtomicBool;

impl Store {
    /// Imports an image file. Its digest is compared first, and its signature checked; then a process of its own
    /// ([`ImportProgram`]) recognises the container (gzip, xz, zstd or none), the content has to be what `spec` declares, and
    /// chunks and manifest are stored.
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
        let digest = FileDigest::parse(&spec.digest)?;
        let watch = &mut Watch { progress, cancel };
        let source = SourceFile::open(file, &digest, (&self.trust, spec.signature.as_deref()), watch)?;
        let _importing = self.lock_shared()?;
        let (chunks, disk_bytes) = self.store_chunks(&source, spec.format, watch)?;
        source.unchanged()?;
        let image_digest = digest.to_string();
        let manifest =
            Manifest { version: 1, image_digest, disk_bytes, chunk_bytes: self.chunk_bytes, chunks };
        // What we store has to be what we would accept.
        Manifest::parse(&manifest.to_bytes())?;
        let manifest_sha256 = self.put_manifest(&manifest)?;
        let stored_bytes = manifest.stored_bytes();
        Ok(Imported { stored_bytes, manifest, manifest_sha256, signed_by: source.signed_by })
    }

    /// Has what is in the file read and cuts it into chunks.
    fn store_chunks(
        &self,
        source: &SourceFile,
        declared: Format,
        watch: &mut Watch<'_>,
    ) -> Result<(Vec<Option<Chunk>>, u64), ImportError> {
        let (spool, max_disk_bytes) = (self.spool()?, self.max_disk_bytes);
        if self.program == ImportProgram::InProcess {
            let input = Input { file: &source.file, bytes: source.bytes(), declared, max_disk_bytes };
            let mut disk = open(input, &spool, &mut |done| watch.step(Stage::Unpack, done, None))?;
            return cut(&mut *disk, self, watch);
        }
        let task = Task { declared, max_disk_bytes, attempt: None };
        let patience = Patience::for_disk(max_disk_bytes);
        let mut disk = ChildDisk::start(&self.program, &source.file, spool, &task, patience, watch)?;
        cut(&mut disk, self, watch)
    }

    /// Has a small image of its own read in the way that images are, and compares what comes. Nothing is stored.
    ///
    /// # Errors
    /// Why no image can be imported: above all [`ImportError::Start`] and [`ImportError::Unconfined`].
    pub fn check_program(&self) -> Result<(), ImportError> {
        if self.program == ImportProgram::InProcess {
            return Ok(());
        }
        let content: Vec<u8> = (0..=u8::MAX).cycle().take(64 << 10).collect();
        let mut image = self.spool()?;
        image.write_all(&content).map_err(StoreError::io("write", "a temporary file"))?;
        let task = Task { declared: Format::Raw, max_disk_bytes: self.max_disk_bytes, attempt: None };
        let (cancel, mut ignored) = (AtomicBool::new(false), |_| {});
        let watch = &mut Watch { progress: &mut ignored, cancel: &cancel };
        let patience = Patience::for_disk(0);
        image.rewind().map_err(StoreError::io("read", "a temporary file"))?;
        let mut disk = ChildDisk::start(&self.program, &image, self.spool()?, &task, patience, watch)?;
        let mut found = vec![0; content.len() + 1];
        let right =
            disk.fill(&mut found)? == Filled::Bytes(content.len()) && found[..content.len()] == content[..];
        if right { Ok(()) } else { Err(ImportError::Misbehaved { how: "it gives other bytes".into() }) }
    }
}

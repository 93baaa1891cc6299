//! The file to import: opened once, hashed whole, its signature checked, watched for change.

use super::signature::{Check, Signature};
use super::{ImportError, SignedBy, Stage, Trust, Watch};
use crate::FileDigest;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A regular file whose digest was right, and its signature.
pub(super) struct SourceFile {
    pub(super) file: File,
    pub(super) signed_by: Option<SignedBy>,
    path: PathBuf,
    bytes: u64,
    stamp: (u64, i64, i64),
}

/// What changes when a file is written to: size and time of change.
fn stamp(meta: &Metadata) -> (u64, i64, i64) {
    (meta.len(), meta.mtime(), meta.mtime_nsec())
}

impl SourceFile {
    /// Opens `path`, compares its digest with `expected` and checks its signature. Nothing is parsed before that.
    pub(super) fn open(
        path: &Path,
        expected: &FileDigest,
        (trust, signature): (&Trust, Option<&str>),
        watch: &mut Watch<'_>,
    ) -> Result<Self, ImportError> {
        let signature = signature.map(Signature::parse).transpose()?;
        let mut check = Check::begin(trust, signature.as_ref())?;
        let failed = |source| ImportError::Read { path: path.into(), source };
        // Asked before opening: to open a FIFO would wait for its other end.
        if !std::fs::metadata(path).map_err(failed)?.is_file() {
            return Err(ImportError::NotAFile { path: path.into() });
        }
        let mut file = File::open(path).map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        if meta.len() == 0 {
            return Err(ImportError::Empty);
        }
        let bytes = meta.len();
        let found = hash(&mut file, bytes, (expected, &mut check), watch, failed)?;
        if found != *expected {
            return Err(ImportError::DigestMismatch { expected: expected.clone(), found });
        }
        let signed_by = check.finish()?;
        file.rewind().map_err(failed)?;
        Ok(Self { file, signed_by, path: path.into(), bytes, stamp: stamp(&meta) })
    }

    /// Bytes of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// To be called when all is read: what was hashed is what was read only if nobody wrote meanwhile.
    pub(super) fn unchanged(&self) -> Result<(), ImportError> {
        let now = self.file.metadata().map_err(|e| self.failed(e))?;
        if stamp(&now) == self.stamp { Ok(()) } else { Err(ImportError::Changed { path: self.path.clone() }) }
    }

    /// The error of a read that failed.
    pub(super) fn failed(&self, source: io::Error) -> ImportError {
        ImportError::Read { path: self.path.clone(), source }
    }
}

fn hash(
    file: &mut File,
    bytes: u64,
    (expected, check): (&FileDigest, &mut Check<'_>),
    watch: &mut Watch<'_>,
    failed: impl Fn(io::Error) -> ImportError,
) -> Result<FileDigest, ImportError> {
    let mut hasher = expected.hasher();
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    // A file that grows while it is read is not read for ever.
    let mut file = file.take(bytes + 1);
    loop {
        let n = match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(failed(e)),
        };
        hasher.update(&buffer[..n]);
        check.update(&buffer[..n]);
        done += n as u64;
        watch.step(Stage::Digest, done, Some(bytes))?;
    }
}

//! The chunk store: a folder of chunks and manifests, each named by the SHA-256 of its bytes.
//!
//! ```text
//! chunks/ab/ab12…   packed chunks          tmp/    what is being written
//! manifests/cd34…   canonical JSON         lock    shared by imports, exclusive for collecting garbage
//! ```
//! A file gets its name when it is whole and on the medium; so a crash leaves nothing half. No text of a request
//! becomes a path: a name is 64 hex digits or refused.

use super::{ImportProgram, StoreError, Trust};
use crate::bytes::{is_sha256_hex, sha256_hex};
use crate::write::{Source, SourceError};
use crate::{CHUNK_BYTES, Chunk, Manifest};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The largest disk that an import makes unless told otherwise: 1 TiB.
const MAX_DISK_BYTES: u64 = 1 << 40;

/// A chunk store. Several processes may use one folder.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
    pub(super) max_disk_bytes: u64,
    pub(super) chunk_bytes: u32,
    pub(super) program: ImportProgram,
    pub(super) trust: Trust,
}

/// What collecting garbage did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Chunks removed.
    pub chunks: u64,
    /// Bytes that they had.
    pub bytes: u64,
    /// An import was under way: nothing was collected now, a later call will.
    pub postponed: bool,
}

impl Store {
    /// Opens the store in `dir`; makes it when it is not there.
    ///
    /// # Errors
    /// When the folders can't be made.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let store = Self {
            dir: dir.into(),
            max_disk_bytes: MAX_DISK_BYTES,
            chunk_bytes: CHUNK_BYTES,
            program: ImportProgram::default(),
            trust: Trust::default(),
        };
        for path in [store.chunks(), store.manifests(), store.tmp()] {
            make_dir(&path)?;
        }
        sync_dir(&store.dir)?;
        if let Some(_alone) = store.try_lock()? {
            // Nobody writes: what lies here was left by a crash.
            for left in list(&store.tmp())? {
                let path = store.tmp().join(left);
                fs::remove_file(&path).map_err(StoreError::io("remove", path))?;
            }
        }
        Ok(store)
    }

    /// With another limit for the size of the disk that an image makes, in bytes.
    #[must_use]
    pub fn with_max_disk_bytes(self, max_disk_bytes: u64) -> Self {
        Self { max_disk_bytes, ..self }
    }

    /// With another program that reads images; without this it is this very program, in a process of its own.
    #[must_use]
    pub fn with_program(self, program: ImportProgram) -> Self {
        Self { program, ..self }
    }

    /// With keys whose signatures are believed; without this no signature is.
    #[must_use]
    pub fn with_trust(self, trust: Trust) -> Self {
        Self { trust, ..self }
    }

    /// Smaller chunks, so that tests cut small images into many.
    #[cfg(test)]
    pub(super) fn with_chunk_bytes(self, chunk_bytes: u32) -> Self {
        Self { chunk_bytes, ..self }
    }

    /// Where the chunk of that name lies, whether or not it is there.
    ///
    /// # Errors
    /// [`StoreError::BadName`].
    pub fn chunk_path(&self, stored: &str) -> Result<PathBuf, StoreError> {
        check_name(stored)?;
        Ok(self.chunks().join(&stored[..2]).join(stored))
    }

    /// The packed bytes of a chunk, compared with their name.
    ///
    /// # Errors
    /// When the name is bad, the chunk missing, damaged or unreadable.
    pub fn read_chunk(&self, stored: &str) -> Result<Vec<u8>, StoreError> {
        read_named("chunk", stored, &self.chunk_path(stored)?)
    }

    /// Where the manifest of that name lies, whether or not it is there. Its bytes are [`Manifest::to_bytes`].
    ///
    /// # Errors
    /// [`StoreError::BadName`].
    pub fn manifest_path(&self, sha256: &str) -> Result<PathBuf, StoreError> {
        check_name(sha256)?;
        Ok(self.manifests().join(sha256))
    }

    /// A manifest, compared with its name and checked.
    ///
    /// # Errors
    /// When the name is bad, the manifest missing, damaged or unreadable.
    pub fn read_manifest(&self, sha256: &str) -> Result<Manifest, StoreError> {
        let bytes = read_named("manifest", sha256, &self.manifest_path(sha256)?)?;
        Manifest::parse(&bytes).map_err(|_| StoreError::Damaged { what: "manifest", name: sha256.into() })
    }

    /// The names of all manifests.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn list_manifests(&self) -> Result<Vec<String>, StoreError> {
        let mut names = list(&self.manifests())?;
        names.retain(|name| is_sha256_hex(name));
        names.sort_unstable();
        Ok(names)
    }

    /// Removes a manifest, then the chunks that no manifest names. One that is not there is no error: a repeat is
    /// harmless.
    ///
    /// # Errors
    /// When the name is bad, or the store fails.
    pub fn remove(&self, manifest: &str) -> Result<Collected, StoreError> {
        let path = self.manifest_path(manifest)?;
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(StoreError::io("remove", path)(e)),
            _ => sync_dir(&self.manifests())?,
        }
        self.collect_garbage()
    }

    /// Removes the chunks that no manifest names, unless an import is under way: its chunks have no manifest yet.
    ///
    /// # Errors
    /// When the store fails. A manifest that can't be read stops it: absence of knowledge never means delete.
    pub fn collect_garbage(&self) -> Result<Collected, StoreError> {
        let Some(_alone) = self.try_lock()? else {
            return Ok(Collected { postponed: true, ..Collected::default() });
        };
        let mut named: HashSet<String> = HashSet::new();
        for manifest in self.list_manifests()? {
            named.extend(self.read_manifest(&manifest)?.chunks.into_iter().flatten().map(|c| c.stored));
        }
        let mut collected = Collected::default();
        for folder in list(&self.chunks())? {
            let folder = self.chunks().join(folder);
            for name in list(&folder)? {
                if !is_sha256_hex(&name) || named.contains(&name) {
                    continue;
                }
                let path = folder.join(name);
                collected.bytes += fs::metadata(&path).map_err(StoreError::io("look at", &path))?.len();
                fs::remove_file(&path).map_err(StoreError::io("remove", path))?;
                collected.chunks += 1;
            }
        }
        Ok(collected)
    }

    /// Stores packed bytes under their digest; whole and right afterwards, whatever was there.
    pub(super) fn put_chunk(&self, bytes: &[u8]) -> Result<String, StoreError> {
        let name = sha256_hex(bytes);
        make_dir(&self.chunks().join(&name[..2]))?;
        self.put(bytes, &self.chunk_path(&name)?)?;
        Ok(name)
    }

    /// Stores a manifest. When this returns, it and all its chunks survive a loss of power.
    pub(super) fn put_manifest(&self, manifest: &Manifest) -> Result<String, StoreError> {
        let folders: HashSet<&str> = manifest.chunks.iter().flatten().map(|c| &c.stored[..2]).collect();
        for folder in folders {
            sync_dir(&self.chunks().join(folder))?;
        }
        sync_dir(&self.chunks())?;
        let bytes = manifest.to_bytes();
        let name = sha256_hex(&bytes);
        self.put(&bytes, &self.manifest_path(&name)?)?;
        sync_dir(&self.manifests())?;
        Ok(name)
    }

    /// A file in the store's own folder that vanishes when it is dropped.
    pub(super) fn temporary(&self) -> Result<tempfile::NamedTempFile, StoreError> {
        tempfile::NamedTempFile::new_in(self.tmp()).map_err(StoreError::io("make a file in", self.tmp()))
    }

    /// The same without a name from the beginning.
    pub(super) fn spool(&self) -> Result<File, StoreError> {
        tempfile::tempfile_in(self.tmp()).map_err(StoreError::io("make a file in", self.tmp()))
    }

    /// Held while chunks are written that no manifest names yet. Waits for a collection to end.
    pub(super) fn lock_shared(&self) -> Result<File, StoreError> {
        let file = self.lock_file()?;
        file.lock_shared().map_err(StoreError::io("lock", self.dir.join("lock")))?;
        Ok(file)
    }

    fn try_lock(&self) -> Result<Option<File>, StoreError> {
        let file = self.lock_file()?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(e)) => Err(StoreError::io("lock", self.dir.join("lock"))(e)),
        }
    }

    fn lock_file(&self) -> Result<File, StoreError> {
        let path = self.dir.join("lock");
        let mut options = File::options();
        options.create(true).truncate(false).write(true).open(&path).map_err(StoreError::io("open", path))
    }

    /// Written beside, made durable, then named. A file that is there with the same bytes stays.
    fn put(&self, bytes: &[u8], path: &Path) -> Result<(), StoreError> {
        // Compared, not trusted: importing an image again mends what a bad disk did.
        if fs::read(path).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        let mut file = self.temporary()?;
        let written = file.write_all(bytes).and_then(|()| file.as_file().sync_all());
        written.map_err(StoreError::io("write", file.path()))?;
        file.persist(path).map_err(|e| StoreError::io("name", path)(e.error))?;
        Ok(())
    }

    fn chunks(&self) -> PathBuf {
        self.dir.join("chunks")
    }

    fn manifests(&self) -> PathBuf {
        self.dir.join("manifests")
    }

    fn tmp(&self) -> PathBuf {
        self.dir.join("tmp")
    }
}

/// A store on the same machine feeds the write pipeline directly, which compares the bytes with their name itself.
impl Source for Store {
    fn fetch(&self, chunk: &Chunk) -> Result<Vec<u8>, SourceError> {
        self.chunk_path(&chunk.stored)
            .and_then(|path| read("chunk", &chunk.stored, &path))
            .map_err(|e| SourceError::with_cause("the image store could not give the chunk", e))
    }
}

fn check_name(name: &str) -> Result<(), StoreError> {
    if is_sha256_hex(name) {
        Ok(())
    } else {
        Err(StoreError::BadName { name: name.chars().take(100).collect() })
    }
}

fn read(what: &'static str, name: &str, path: &Path) -> Result<Vec<u8>, StoreError> {
    fs::read(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => StoreError::Missing { what, name: name.into() },
        _ => StoreError::io("read", path)(e),
    })
}

/// [`read`], and the bytes are those of the name.
fn read_named(what: &'static str, name: &str, path: &Path) -> Result<Vec<u8>, StoreError> {
    let bytes = read(what, name, path)?;
    if sha256_hex(&bytes) != name {
        return Err(StoreError::Damaged { what, name: name.into() });
    }
    Ok(bytes)
}

fn make_dir(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).map_err(StoreError::io("make", path))
}

/// The names in a folder; those that are no text are not ours and left out.
fn list(dir: &Path) -> Result<Vec<String>, StoreError> {
    let entries = fs::read_dir(dir).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(StoreError::io("list", dir))?;
    Ok(entries.into_iter().filter_map(|e| e.file_name().into_string().ok()).collect())
}

/// Makes the names in a folder survive a loss of power.
fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(StoreError::io("sync", dir))
}

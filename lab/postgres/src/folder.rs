//! The folder of a server, and tidying after processes that could not.
//!
//! Each has a file that its process holds locked. A process that is killed, or that ends with its shared server still
//! up, leaves the folder behind; the next one finds the lock free and removes it.

use crate::programs::Programs;
use anyhow::{Context, Result};
use std::fs::File;
use std::path::Path;
use tempfile::TempDir;

const PREFIX: &str = "billet-postgres-";
const LOCK: &str = "lock";

#[derive(Debug)]
pub(crate) struct Folder {
    folder: TempDir,
    /// Held until the folder is removed.
    _lock: File,
}

impl Folder {
    /// A new one among the temporary files, which belongs to whoever the programs run as and to nobody else.
    pub(crate) fn new(programs: &Programs) -> Result<Self> {
        sweep(&std::env::temp_dir());
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir().context("can't make a folder")?;
        // It gets its name once it is locked, so that nobody finds it free.
        let unnamed = folder.path().join("lock.new");
        let lock = File::create_new(&unnamed).context("can't make the folder's lock")?;
        lock.lock().context("can't lock a new file")?;
        std::fs::rename(&unnamed, folder.path().join(LOCK)).context("can't name the folder's lock")?;
        programs.hand_over(folder.path())?;
        Ok(Self { folder, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the folders whose process is gone. Whatever can't be read or removed is somebody else's, and stays.
fn sweep(among: &Path) {
    let Ok(entries) = std::fs::read_dir(among) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let Ok(lock) = File::open(entry.path().join(LOCK)) else { continue };
        if lock.try_lock().is_ok() {
            // Its server may be about to end and still write; then the next process removes the rest.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

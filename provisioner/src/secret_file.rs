//! Files that must be whole or absent, and those that only their owner may read.
//!
//! What is in them is not looked at here.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Its owner alone.
    Owner,
    /// Everybody.
    All,
}

/// Why a file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It can't be read or written.
    #[error("can't {what} {}; the data folder must belong to the service's user", path.display())]
    Io {
        /// `read`, `write`.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others may read it.
    #[error(
        "{} holds a secret and others may read it (mode {mode:03o}); run `chmod 600` on it, and replace the secret if anybody could have seen it",
        path.display()
    )]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

/// Makes a folder that its owner alone may enter, unless it is there.
pub(crate) fn make_folder(path: &Path) -> Result<(), SecretFileError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| SecretFileError::Io {
        what: "make the folder",
        path: path.to_owned(),
        source,
    })
}

/// Writes a file: after a crash at any instant there is the old one or the new one, whole and on the disk.
pub(crate) fn write(path: &Path, content: &[u8], readers: Readers) -> Result<(), SecretFileError> {
    replace(path, content, readers).map_err(|source| SecretFileError::Io {
        what: "write",
        path: path.to_owned(),
        source,
    })
}

fn replace(path: &Path, content: &[u8], readers: Readers) -> io::Result<()> {
    let mode = match readers {
        Readers::Owner => 0o600,
        Readers::All => 0o644,
    };
    let temporary = unfinished(path);
    // Left over from a crash, perhaps with another mode.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
    let mut put = || {
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    if let Err(error) = put() {
        // What failed is told, not that its rest can't be removed either.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    fs::File::open(folder(path))?.sync_all()
}

/// Where a file is written before it takes its place; a crash may leave it behind.
pub(crate) fn unfinished(path: &Path) -> PathBuf {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    unfinished.into()
}

/// The folder that a file is in; of a bare name it is the one we are in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Reads a file that its owner alone may read; `None` when there is none.
pub(crate) fn read_secret(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, SecretFileError> {
    let error = |source| SecretFileError::Io { what: "read", path: path.to_owned(), source };
    let metadata = match fs::metadata(path) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata.map_err(error)?,
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecretFileError::Exposed { path: path.to_owned(), mode });
    }
    fs::read(path).map(|content| Some(Zeroizing::new(content))).map_err(error)
}

/// Reads a file that is no secret; `None` when there is none.
pub(crate) fn read_public(path: &Path) -> Result<Option<String>, SecretFileError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SecretFileError::Io { what: "read", path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::{Readers, SecretFileError, folder, make_folder, read_public, read_secret, write};
    use std::{fs, os::unix::fs::PermissionsExt, path::Path};

    #[test]
    fn what_can_not_be_put_in_its_place_leaves_nothing_behind() {
        let inside = tempfile::tempdir().unwrap();
        let path = inside.path().join("key");
        // A folder that is not empty is in its place.
        fs::create_dir_all(path.join("inner")).unwrap();
        assert!(write(&path, b"secret", Readers::Owner).is_err());
        assert_eq!(fs::read_dir(inside.path()).unwrap().count(), 1);
        for (file, its) in [("c.toml", "."), ("./c.toml", "."), ("a/c.toml", "a"), ("/c.toml", "/")] {
            assert_eq!(folder(Path::new(file)), Path::new(its), "{file}");
        }
    }

    #[test]
    fn a_secret_is_written_whole_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inner").join("key");
        make_folder(path.parent().unwrap()).unwrap();
        assert!(read_secret(&path).unwrap().is_none());
        // A left-over of a crash is in the way and readable by all.
        fs::write(path.with_file_name("key.new"), "half").unwrap();
        write(&path, b"one", Readers::Owner).unwrap();
        write(&path, b"two", Readers::Owner).unwrap();
        assert_eq!(read_secret(&path).unwrap().unwrap().as_slice(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_secret_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write(&path, b"x", Readers::All).unwrap();
        assert!(matches!(read_secret(&path), Err(SecretFileError::Exposed { mode: 0o644, .. })));
        assert_eq!(read_public(&path).unwrap().as_deref(), Some("x"));
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(read_secret(&path).is_err(), "{mode:o}");
        }
    }
}

//! Why an import or a look into the store failed.

use super::SignatureError;
use super::{Container, Format, Qcow2Error};
use crate::{DigestForm, FileDigest, ManifestError};
use std::io;
use std::path::PathBuf;

/// Why an image was not imported. The store is as it was, but for chunks that a later import may find in place.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The digest that was given is none.
    #[error(transparent)]
    DigestForm(#[from] DigestForm),
    /// Its signature is missing, wrong, or by nobody who is trusted.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Not a regular file.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// Its path.
        path: PathBuf,
    },
    /// Nothing in it.
    #[error("the image is empty")]
    Empty,
    /// The file is another one, or damaged.
    #[error("the file's digest is {found}, but {expected} was given: it is damaged, or another file")]
    DigestMismatch {
        /// What was given.
        expected: FileDigest,
        /// What the file has.
        found: FileDigest,
    },
    /// The file was written to during the import.
    #[error("{} changed while it was imported; import it again", path.display())]
    Changed {
        /// Its path.
        path: PathBuf,
    },
    /// The file can't be read.
    #[error("{} could not be read", path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A packed file in a packed file.
    #[error("the image is {inner} inside {outer}; unpack it once before the import")]
    Nested {
        /// The outer container.
        outer: Container,
        /// The inner container.
        inner: Container,
    },
    /// A format that is known, but not read.
    #[error("the image is {found}, which is not supported; convert it to raw or qcow2")]
    Foreign {
        /// Its name.
        found: &'static str,
    },
    /// Declared as one thing, found to be another.
    #[error("the image was declared as {declared}, but its content is {detected}")]
    FormatMismatch {
        /// What was declared.
        declared: Format,
        /// What was found.
        detected: Format,
    },
    /// An ISO for optical drives.
    #[error(
        "the ISO image does not start from a disk: it has neither a boot record (MBR) nor a GPT; take the maker's image for disks, or an ISO that is made for USB sticks, too (isohybrid)"
    )]
    NotFromDisk,
    /// The container is truncated or damaged.
    #[error("the {container} data is truncated or damaged")]
    Unpack {
        /// The container.
        container: Container,
        /// What the unpacker said.
        #[source]
        source: io::Error,
    },
    /// What was unpacked found no room.
    #[error("the unpacked image could not be written to a temporary file in the store")]
    Spool {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The program that reads images can't be started.
    #[error("the program that reads images could not be started")]
    Start {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The process that reads images could not shut itself in. It has looked at nothing.
    #[error("no image is read here, since the process that would do it can't be confined: {why}")]
    Unconfined {
        /// What it said.
        why: String,
    },
    /// The process that read the image refuses it.
    #[error("{why}")]
    Refused {
        /// What it said.
        why: String,
    },
    /// Somebody ended the process that read the image, as a stop of the service does: the image is not to blame.
    #[error(
        "the import was interrupted: the process that read the image was ended by {signal}; import it again"
    )]
    Interrupted {
        /// By which signal.
        signal: String,
    },
    /// The process that read the image died, lied or fell silent.
    #[error(
        "the image made the process that read it misbehave ({how}); it is badly damaged, or made to attack: don't use it"
    )]
    Misbehaved {
        /// What it did.
        how: String,
    },
    /// Larger than the store allows.
    #[error("the unpacked image has more than {limit} bytes, the limit of this store")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The qcow2 reader refused it.
    #[error("the qcow2 image is refused")]
    Qcow2(#[from] Qcow2Error),
    /// What was made breaks the manifest's rules (an image too large for one).
    #[error("no valid manifest can be made for the image")]
    Manifest(#[from] ManifestError),
    /// The store failed.
    #[error("the image store failed")]
    Store(#[from] StoreError),
    /// The caller asked to stop.
    #[error("stopped on request")]
    Cancelled,
}

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused.
    #[error("could not {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Not a name that anything in the store can have.
    #[error("`{name}` is not a SHA-256 of 64 lower-case hex digits")]
    BadName {
        /// The name.
        name: String,
    },
    /// Not in the store.
    #[error("the store has no {what} {name}")]
    Missing {
        /// `chunk` or `manifest`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Its bytes are not those of its name.
    #[error("the {what} {name} is damaged in the store; import its image again")]
    Damaged {
        /// `chunk` or `manifest`.
        what: &'static str,
        /// Its name.
        name: String,
    },
}

impl StoreError {
    /// For `map_err` behind a call of the system.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

//! The seal at the end of a backup: a skippable frame with the SHA-256 of all before it.

use super::BackupError;
use sha2::{Digest, Sha256};
use std::io::{self, Read, Seek, SeekFrom, Write};

/// What a seal begins with: the number of a skippable frame, and how long it is.
const MARK: [u8; 8] = [0x5b, 0x2a, 0x4d, 0x18, 32, 0, 0, 0];

/// How long it is.
pub(super) const LENGTH: usize = MARK.len() + 32;

/// Writes what is to be sealed.
pub(super) struct Sealing<W> {
    to: W,
    hash: Sha256,
}

impl<W: Write> Sealing<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, hash: Sha256::new() }
    }

    /// Writes the seal, and gives back what was written to.
    pub(super) fn seal(mut self) -> io::Result<W> {
        self.to.write_all(&MARK)?;
        self.to.write_all(&self.hash.finalize())?;
        self.to.flush()?;
        Ok(self.to)
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Looks at a backup while it goes by: whether it ends with its seal.
#[derive(Default)]
pub(crate) struct Tail {
    hash: Sha256,
    /// The last bytes, which may be the seal.
    last: Vec<u8>,
}

impl Tail {
    /// More of it went by.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.last.extend_from_slice(bytes);
        let before = self.last.len().saturating_sub(LENGTH);
        self.hash.update(&self.last[..before]);
        self.last.drain(..before);
    }

    /// That was all of it.
    ///
    /// # Errors
    /// If it was cut or changed.
    pub(crate) fn end(self) -> Result<(), BackupError> {
        let (mark, sum) = self.last.split_at_checked(MARK.len()).ok_or(BackupError::NoSeal)?;
        if mark != MARK || sum.len() != LENGTH - MARK.len() {
            return Err(BackupError::NoSeal);
        }
        if self.hash.finalize().as_slice() == sum { Ok(()) } else { Err(BackupError::Changed) }
    }
}

/// Checks the seal of a file, and answers how long it is without it; what is read next is its beginning.
pub(super) fn verify(file: &mut (impl Read + Seek)) -> Result<u64, BackupError> {
    let (mut tail, mut length, mut piece) = (Tail::default(), 0_u64, vec![0; 64 * 1024]);
    file.seek(SeekFrom::Start(0))?;
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => {
                tail.push(&piece[..read]);
                length += read as u64;
            }
        }
    }
    tail.end()?;
    file.seek(SeekFrom::Start(0))?;
    Ok(length - LENGTH as u64)
}

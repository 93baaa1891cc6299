//! Content in a sealed memory file: seen as bytes by TFTP, and handed to the kernel by number for HTTP.

#![allow(unsafe_code, reason = "a mapping is unsafe where its file can shrink or change; a sealed one can't")]

use bytes::Bytes;
use memmap2::Mmap;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io::{self, Write};

/// Copies the content into a memory file that nobody can change any more: the file, and a view of it.
pub(super) fn seal(content: &[u8]) -> io::Result<(File, Bytes)> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let mut file = File::from(memfd_create(c"boot-file", flags)?);
    file.write_all(content)?;
    let seals =
        SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    // SAFETY: the file is sealed against shrinking and writing, and has no name by which anybody else could open it:
    // what is mapped neither goes away nor changes.
    let map = unsafe { Mmap::map(&file)? };
    Ok((file, Bytes::from_owner(map)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn what_is_sealed_can_be_read_and_not_changed() {
        let content = vec![7; 100_000];
        let (mut file, bytes) = seal(&content).unwrap();
        assert_eq!(bytes, content);
        let mut read = vec![0; 100_000];
        file.read_exact_at(&mut read, 0).unwrap();
        assert_eq!(read, content);
        assert!(file.write_all(b"x").is_err());
        assert!(file.set_len(1).is_err());
        assert!(seal(b"").unwrap().1.is_empty());
    }
}

//! A writer of small cpio archives in the "newc" format, which the Linux kernel unpacks as an initramfs.
//!
//! The kernel reads several archives one behind the other; so the service adds files to a ramdisk that is built
//! once. Format: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel. Reading is not here.

/// An archive under construction.
///
/// ```
/// let tail = images::cpio::Archive::new().dir("etc/billet").file("etc/billet/ca.pem", 0o644, b"PEM").finish();
/// assert_eq!(tail.len() % 512, 0);
/// ```
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

/// File type bits of `st_mode`: directory.
const DIRECTORY: u32 = 0o040_000;
/// File type bits of `st_mode`: regular file.
const REGULAR: u32 = 0o100_000;

impl Archive {
    /// An empty archive.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a directory with mode 0755, owned by root. Parents have to be added before, or exist already in an
    /// archive before this one; a directory that exists is kept.
    #[must_use]
    pub fn dir(mut self, path: &str) -> Self {
        self.entry(path, DIRECTORY | 0o755, &[]);
        self
    }

    /// Adds a regular file with the permission bits `mode`, owned by root. It replaces a file of an earlier archive.
    ///
    /// # Panics
    /// When `bytes` has 4 GiB or more, which the format can't express (and no ramdisk holds).
    #[must_use]
    pub fn file(mut self, path: &str, mode: u32, bytes: &[u8]) -> Self {
        self.entry(path, REGULAR | (mode & 0o7777), bytes);
        self
    }

    /// The archive with its trailer, padded to 512 bytes. Append it where the ramdisk's length is a multiple of 4,
    /// or use [`Archive::finish_behind`].
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.entries = 0;
        self.entry("TRAILER!!!", 0, &[]);
        self.pad(512);
        self.bytes
    }

    /// As [`Archive::finish`], with zeros in front so that it can be appended to a ramdisk of `ramdisk_bytes`: the
    /// kernel finds an archive only at a multiple of 4.
    #[must_use]
    pub fn finish_behind(self, ramdisk_bytes: u64) -> Vec<u8> {
        let gap = usize::from(ramdisk_bytes.wrapping_neg().to_le_bytes()[0] & 3);
        let mut bytes = vec![0; gap];
        bytes.extend(self.finish());
        bytes
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        let path = path.trim_start_matches('/');
        let size = u32::try_from(content.len()).expect("documented: a file of a ramdisk has less than 4 GiB");
        let links = if mode & DIRECTORY != 0 { 2 } else { 1 };
        // Names are literals of our own code: far below 4 GiB.
        let name_size = u32::try_from(path.len() + 1).expect("a path is short");
        // inode, mode, uid, gid, nlink, mtime, size, device major/minor, rdev major/minor, name size, check
        let fields = [self.entries, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0];
        self.entries += 1;
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08X}").bytes());
        }
        self.bytes.extend(path.bytes());
        self.bytes.push(0);
        self.pad(4);
        self.bytes.extend(content);
        self.pad(4);
    }

    fn pad(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    #[test]
    fn one_file_is_golden() {
        let archive = Archive::new().file("/etc/x", 0o644, b"hello").finish();
        let mut expected: Vec<u8> = Vec::new();
        expected.extend(b"070701000000000000");
        expected.extend(b"81A400000000000000000000000100000000");
        expected.extend(b"00000005000000000000000000000000000000000000000600000000");
        // The header has 110 bytes; with "etc/x\0" it is 116, a multiple of 4.
        expected.extend(b"etc/x\0");
        expected.extend(b"hello\0\0\0");
        assert_eq!(&archive[..expected.len()], &expected[..], "{}", String::from_utf8_lossy(&archive));
        assert_eq!(&archive[expected.len()..][..6], b"070701");
        assert_eq!(archive.len(), 512);
    }

    #[test]
    fn gap_in_front_makes_the_start_a_multiple_of_four() {
        for ramdisk in 0..9_u64 {
            let tail = Archive::new().dir("a").finish_behind(ramdisk);
            let gap = tail.iter().position(|&b| b == b'0').unwrap();
            assert_eq!((ramdisk + gap as u64) % 4, 0);
            assert!(gap < 4 && tail[..gap].iter().all(|&b| b == 0));
        }
    }

    /// GNU cpio as the judge, where it is installed.
    #[test]
    fn cpio_reads_it() {
        let archive =
            Archive::new().dir("etc").dir("etc/billet").file("etc/billet/ca.pem", 0o600, &[7; 1001]).finish();
        let dir = tempfile::tempdir().unwrap();
        let spawned = Command::new("cpio")
            .args(["-idm", "--quiet"])
            .current_dir(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = spawned else { return };
        child.stdin.take().unwrap().write_all(&archive).unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(std::fs::read(dir.path().join("etc/billet/ca.pem")).unwrap(), [7; 1001]);
    }
}

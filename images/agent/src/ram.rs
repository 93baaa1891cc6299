//! A system that runs from RAM: kernel and initrd are fetched into memory, the seed is put behind the initrd, and the
//! kernel that runs is told to start them next.
//!
//! To the pipeline it is a disk ([`Target`]): each byte is checked as if it had been written to one, and read back. When it
//! is started is not here: that ends the agent, see `run`.

use images::{cpio::Archive, write::Target};
use nix::sys::memfd::{MFdFlags, memfd_create};
use provisioner_api::agent::{RAM_SEED, SeedFile};
use std::{fs::File, io, os::unix::fs::FileExt};

/// A kernel with its initrd, in memory.
#[derive(Debug)]
pub(crate) struct Staged {
    kernel: File,
    initrd: File,
    kernel_bytes: u64,
    /// Where the initrd begins in the image.
    border: u64,
    bytes: u64,
}

impl Staged {
    /// Room for an image of `bytes` bytes whose first `kernel_bytes` are the kernel. `None`: that can't be.
    pub(crate) fn new(bytes: u64, kernel_bytes: u64) -> io::Result<Option<Self>> {
        let border = kernel_bytes.checked_next_multiple_of(provisioner_api::RAM_ALIGNMENT);
        let Some(border) = border.filter(|border| kernel_bytes > 0 && *border < bytes) else {
            return Ok(None);
        };
        let memory = |name: &str| Ok::<_, io::Error>(File::from(memfd_create(name, MFdFlags::MFD_CLOEXEC)?));
        let (kernel, initrd) = (memory("kernel")?, memory("initrd")?);
        kernel.set_len(border)?;
        initrd.set_len(bytes - border)?;
        Ok(Some(Self { kernel, initrd, kernel_bytes, border, bytes }))
    }

    /// The kernel, and the initrd with the seed behind it.
    pub(crate) fn finish(self, files: &[SeedFile]) -> io::Result<(File, File)> {
        // The zeros behind it are not the kernel's: its signature, if it has one, ends the file.
        self.kernel.set_len(self.kernel_bytes)?;
        let initrd_bytes = self.bytes - self.border;
        self.initrd.write_all_at(&seed_archive(files, initrd_bytes), initrd_bytes)?;
        Ok((self.kernel, self.initrd))
    }

    /// A range cut at the border between the two: which of them, where in it, and which of the range's bytes.
    fn pieces(
        &self,
        offset: u64,
        length: usize,
    ) -> impl Iterator<Item = (&File, u64, std::ops::Range<usize>)> {
        // What does not fit into usize is behind the range's end anyhow.
        let before = usize::try_from(self.border.saturating_sub(offset)).unwrap_or(usize::MAX).min(length);
        let behind = offset.max(self.border) - self.border;
        let pieces = [(&self.kernel, offset, 0..before), (&self.initrd, behind, before..length)];
        pieces.into_iter().filter(|(_, _, range)| !range.is_empty())
    }
}

/// The archive with the seed's files, to go behind an initrd of so many bytes.
fn seed_archive(files: &[SeedFile], initrd_bytes: u64) -> Vec<u8> {
    let mut folder = String::new();
    let mut archive = Archive::new();
    for name in RAM_SEED.split('/') {
        folder.push_str(name);
        archive = archive.dir(&folder);
        folder.push('/');
    }
    for file in files {
        // User data may hold secrets: nobody but root reads it.
        archive = archive.file(&format!("{folder}{}", file.name), 0o600, &file.content);
    }
    archive.finish_behind(initrd_bytes)
}

impl Target for Staged {
    fn size(&self) -> u64 {
        self.bytes
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.pieces(offset, bytes.len())
            .try_for_each(|(file, at, range)| file.write_all_at(&bytes[range], at))
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let length = bytes.len();
        self.pieces(offset, length)
            .try_for_each(|(file, at, range)| file.read_exact_at(&mut bytes[range], at))
    }

    fn discard(&self, _: u64, _: u64) -> io::Result<bool> {
        Ok(false)
    }

    /// It was never written, so it is zero already.
    fn zero(&self, start: u64, bytes: u64) -> io::Result<()> {
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut done = 0;
        while done < bytes {
            let piece = (bytes - done).min(ZEROS.len() as u64);
            self.write_at(&ZEROS[..piece as usize], start + done)?;
            done += piece;
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::Write as _,
        process::{Command, Stdio},
    };

    fn file(name: &str, content: &str) -> SeedFile {
        SeedFile { name: name.into(), content: content.into() }
    }

    fn content(file: &File) -> Vec<u8> {
        let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    #[test]
    fn kernel_and_initrd_are_cut_apart_where_the_image_says() {
        let staged = Staged::new(2048, 700).unwrap().unwrap();
        let image: Vec<u8> = (0..2048_u32).map(|at| at as u8).collect();
        staged.write_at(&image[..1536], 0).unwrap();
        staged.write_at(&image[1536..], 1536).unwrap();
        let mut read = vec![0; 2048];
        staged.read_at(&mut read, 0).unwrap();
        assert_eq!(read, image);
        staged.zero(512, 1024).unwrap();
        let (kernel, initrd) = staged.finish(&[file("meta-data", "instance-id: i1\n")]).unwrap();
        let kernel = content(&kernel);
        assert_eq!((kernel.len(), &kernel[..512], &kernel[512..]), (700, &image[..512], &[0; 188][..]));
        let initrd = content(&initrd);
        assert_eq!((&initrd[..512], &initrd[512..1024]), (&[0; 512][..], &image[1536..]));
        assert_eq!(&initrd[1024..1030], b"070701");
    }

    #[test]
    fn an_image_that_is_all_kernel_or_none_is_refused() {
        for (bytes, kernel) in [(1024, 0), (1024, 513), (1024, 1024), (1024, u64::MAX), (0, 0)] {
            assert!(Staged::new(bytes, kernel).unwrap().is_none(), "{kernel} of {bytes}");
        }
        assert!(Staged::new(1024, 512).unwrap().is_some());
    }

    #[test]
    fn the_seed_behind_an_initrd_is_golden() {
        let archive = seed_archive(&[file("meta-data", "a: b\n")], 3);
        let text = String::from_utf8_lossy(&archive);
        assert_eq!(archive[0], 0, "up to a multiple of 4");
        let names: Vec<_> =
            text.match_indices("var").map(|(at, _)| text[at..].split('\0').next().unwrap()).collect();
        assert_eq!(
            names,
            [
                "var",
                "var/lib",
                "var/lib/cloud",
                "var/lib/cloud/seed",
                "var/lib/cloud/seed/nocloud",
                "var/lib/cloud/seed/nocloud/meta-data"
            ]
        );
        assert!(text.contains("00008180"), "a file that only root reads");
        assert_eq!((archive.len() - 1) % 512, 0);
    }

    /// GNU cpio as the judge, where it is installed.
    #[test]
    fn cpio_lists_the_seed() {
        let archive = seed_archive(&[file("meta-data", "a: b\n"), file("user-data", "#cloud-config\n")], 0);
        let spawned = Command::new("cpio")
            .args(["-it", "--quiet"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = spawned.expect("`cpio` of the Debian package cpio");
        child.stdin.take().unwrap().write_all(&archive).unwrap();
        let listed = child.wait_with_output().unwrap();
        assert!(listed.status.success());
        let listed = String::from_utf8(listed.stdout).unwrap();
        let files: Vec<_> = listed.lines().skip(5).collect();
        assert_eq!(files, ["var/lib/cloud/seed/nocloud/meta-data", "var/lib/cloud/seed/nocloud/user-data"]);
    }
}

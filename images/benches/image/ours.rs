//! Our own programs. Each runs in a process of its own, as the peers do, so that all are measured the same way.

use anyhow::{Context as _, ensure};
use images::import::{Format, ImportSpec, Store};
use images::write::{Crew, Target, write_image};
use nix::fcntl::{FallocateFlags, fallocate};
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;

/// What one of our processes told.
pub(crate) struct Told {
    /// The most memory that it held, KiB.
    pub(crate) peak_kib: u64,
    /// Its result.
    pub(crate) said: String,
}

pub(crate) fn run_write(store: &Path, manifest: &str, target: &Path) -> anyhow::Result<Told> {
    itself(Command::new(std::env::current_exe()?).arg("write").arg(store).arg(manifest).arg(target))
}

pub(crate) fn run_import(raw: &Path, digest: &str, store: &Path) -> anyhow::Result<Told> {
    itself(Command::new(std::env::current_exe()?).arg("import").arg(raw).arg(digest).arg(store))
}

pub(crate) fn run_floor(zst: &Path, target: &Path) -> anyhow::Result<Told> {
    itself(Command::new(std::env::current_exe()?).arg("floor").args([zst, target]))
}

/// Runs this program again and reads what it tells.
fn itself(command: &mut Command) -> anyhow::Result<Told> {
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{command:?} ended with {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    let (peak, said) = text.trim_end().split_once(' ').context("no result")?;
    Ok(Told { peak_kib: peak.parse()?, said: said.to_owned() })
}

/// Tells the parent the peak of memory and a result.
fn tell(said: &str) -> anyhow::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let peak = peak.trim().trim_end_matches(" kB");
    writeln!(io::stdout(), "{peak} {said}")?;
    Ok(())
}

/// The agent's write: every chunk compared with its digest, written, flushed, and all of it read back.
pub(crate) fn write(store: &Path, manifest: &str, target: &Path) -> anyhow::Result<()> {
    let store = Store::open(store)?;
    let manifest = store.read_manifest(manifest)?;
    let target = FileDisk::open(target)?;
    let nothing_there = |_| false;
    let written = write_image(
        &manifest,
        &store,
        &target,
        Crew::default(),
        &nothing_there,
        &mut |_| {},
        &AtomicBool::new(false),
    )?;
    tell(&format!("{} verified", written.bytes_verified))
}

/// The service's import.
pub(crate) fn import(raw: &Path, digest: &str, store: &Path) -> anyhow::Result<()> {
    let spec = ImportSpec::new(digest.to_owned(), Format::Raw);
    let imported = Store::open(store)?.import(raw, &spec, &mut |_| {})?;
    tell(&imported.manifest_sha256)
}

/// The least that an agent can do: one zstd stream, hashed as it is stored, unpacked, written where it is not zero.
/// One thread, nothing read back.
pub(crate) fn floor(zst: &Path, target: &Path) -> anyhow::Result<()> {
    const BLOCK: usize = 64 << 10;
    let stream =
        BufReader::with_capacity(1 << 20, Hashed { stream: File::open(zst)?, digest: Sha256::new() });
    let mut unpacker = zstd::stream::read::Decoder::with_buffer(stream)?;
    let target = OpenOptions::new().write(true).open(target)?;
    let (zeros, mut block, mut at) = ([0; BLOCK], vec![0; BLOCK], 0);
    loop {
        let mut filled = 0;
        while filled < BLOCK {
            match unpacker.read(&mut block[filled..])? {
                0 => break,
                n => filled += n,
            }
        }
        if filled == 0 {
            break;
        }
        if block[..filled] != zeros[..filled] {
            target.write_all_at(&block[..filled], at)?;
        }
        at += filled as u64;
    }
    target.sync_all()?;
    tell(&hex::encode(unpacker.finish().into_inner().digest.finalize()))
}

/// A stream that hashes what is read from it.
struct Hashed {
    stream: File,
    digest: Sha256,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.stream.read(buffer)?;
        self.digest.update(&buffer[..n]);
        Ok(n)
    }
}

/// A file as a disk, past the page cache, as the agent opens its disk.
struct FileDisk {
    file: File,
    size: u64,
}

impl FileDisk {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let direct = nix::libc::O_DIRECT;
        let file = OpenOptions::new().read(true).write(true).custom_flags(direct).open(path);
        let file = file.context("the target can't be opened for direct I/O; try another TMPDIR")?;
        let size = file.metadata()?.len();
        Ok(Self { file, size })
    }
}

impl Target for FileDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    fn discard(&self, _start: u64, _bytes: u64) -> io::Result<bool> {
        Ok(false)
    }

    fn zero(&self, start: u64, bytes: u64) -> io::Result<()> {
        let (start, bytes) = (start.cast_signed(), bytes.cast_signed());
        let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        Ok(fallocate(&self.file, hole, start, bytes)?)
    }

    fn flush(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

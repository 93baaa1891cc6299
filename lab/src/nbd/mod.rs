//! A disk that can be made to fail: its content is a file, which QEMU reaches by the NBD protocol over a Unix socket.
//!
//! Threads that block, not tasks: a slow disk must not hold up the daemon's only thread. What goes wrong is decided in
//! `fault`, what the bytes mean in `wire`. A flush is confirmed at once: the host's memory outlives any QEMU, and a
//! lab's disk needn't survive the host.

mod fault;
#[cfg(test)]
mod tests;
mod wire;

use nix::fcntl::{FallocateFlags, fallocate};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fault::{Deed, Fate};
pub use fault::{DiskFault, Extent};
use wire::{Command, Request, Then};

/// How many bytes of zeros are written at once where the file can't have holes.
const ZEROS: u64 = 1 << 20;

/// A disk that can be made to fail.
#[derive(Debug, Clone)]
pub(crate) struct FaultyDisk {
    content: Arc<Content>,
}

#[derive(Debug)]
struct Content {
    file: File,
    size: u64,
    wrong: Mutex<Wrong>,
}

/// What goes wrong at the moment.
#[derive(Debug, Default)]
struct Wrong {
    fault: Option<DiskFault>,
    /// How many bytes were changed since it was set.
    written: u64,
}

impl FaultyDisk {
    /// Serves a file on a socket as long as the process lives. Nothing goes wrong at first.
    pub(crate) fn serve(file: &Path, socket: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(file)?;
        let size = file.metadata()?.len();
        let content = Arc::new(Content { file, size, wrong: Mutex::default() });
        let listener = UnixListener::bind(socket)?;
        let disk = Self { content: content.clone() };
        std::thread::Builder::new().name("disk".into()).spawn(move || accept(&listener, &content))?;
        Ok(disk)
    }

    /// From now on, this goes wrong, or nothing. A half sentence if there are no such bytes.
    pub(crate) fn set(&self, fault: Option<DiskFault>) -> Result<(), String> {
        let size = self.content.size;
        let beyond = match fault {
            Some(
                DiskFault::ReadError(extent)
                | DiskFault::WriteError(extent)
                | DiskFault::Drop(extent)
                | DiskFault::Torn(extent),
            ) => extent.from >= size,
            Some(DiskFault::Flip { offset, .. }) => offset >= size,
            Some(DiskFault::WriteErrorAfter(_) | DiskFault::Slow(_)) | None => false,
        };
        if beyond {
            return Err(format!("the fault is beyond the disk, which has {size} bytes"));
        }
        *self.content.wrong() = Wrong { fault, written: 0 };
        Ok(())
    }
}

fn accept(listener: &UnixListener, content: &Arc<Content>) {
    for stream in listener.incoming() {
        let content = content.clone();
        let serve = move |stream: UnixStream| {
            if let Err(error) = content.serve(&stream) {
                tracing::warn!(error = %error, "a disk's connection ended");
            }
        };
        let started = stream
            .and_then(|stream| std::thread::Builder::new().name("disk".into()).spawn(move || serve(stream)));
        if let Err(error) = started {
            tracing::warn!(error = %error, "a disk can't be served");
        }
    }
}

impl Content {
    fn wrong(&self) -> MutexGuard<'_, Wrong> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves one client until it leaves.
    fn serve(&self, mut stream: &UnixStream) -> io::Result<()> {
        if !self.negotiate(stream)? {
            return Ok(());
        }
        while let Some(head) = head(stream)? {
            let request = wire::request(head).map_err(io::Error::other)?;
            if request.command == Command::Disconnect {
                return Ok(());
            }
            let length = if request.command == Command::Write { request.length as usize } else { 0 };
            let mut payload = vec![0; length];
            stream.read_exact(&mut payload)?;
            let reply = match self.obey(request, &payload) {
                Ok(read) => [wire::reply(request.cookie, 0), read].concat(),
                Err(error) => wire::reply(request.cookie, error),
            };
            stream.write_all(&reply)?;
        }
        Ok(())
    }

    /// Whether reads and writes follow.
    fn negotiate(&self, mut stream: &UnixStream) -> io::Result<bool> {
        stream.write_all(&wire::greeting())?;
        let no_zeroes = wire::client_flags(exactly(stream)?).map_err(io::Error::other)?;
        loop {
            let (number, length) = wire::option(exactly(stream)?).map_err(io::Error::other)?;
            let mut data = vec![0; length as usize];
            stream.read_exact(&mut data)?;
            let (answer, then) = wire::answer(number, &data, self.size, no_zeroes);
            stream.write_all(&answer)?;
            match then {
                Then::Option => {}
                Then::Transmission => return Ok(true),
                Then::End => return Ok(false),
            }
        }
    }

    /// Does what a request says, rightly or not: the bytes that were read, or NBD's error.
    fn obey(&self, request: Request, payload: &[u8]) -> Result<Vec<u8>, u32> {
        if let Some(error) = request.error(self.size) {
            return Err(error);
        }
        let (offset, length) = (request.offset, u64::from(request.length));
        let deed = if request.command == Command::Read { Deed::Read } else { Deed::Change };
        let (fate, delay) = self.fate(deed, offset, length);
        if !delay.is_zero() {
            // This is what the fault is, not a guess how long something takes.
            std::thread::sleep(delay);
        }
        let changed = match fate {
            Fate::Error => return Err(wire::EIO),
            Fate::Only(bytes) => bytes,
            Fate::Right | Fate::Flip { .. } => length,
        };
        let done = match request.command {
            Command::Read => return self.read(offset, length).map_err(|_| wire::EIO),
            Command::Write => self.file.write_all_at(&payload[..changed as usize], offset),
            Command::Trim | Command::WriteZeroes => self.zero(offset, changed),
            Command::Flush | Command::Disconnect | Command::Unknown => Ok(()),
        };
        let flipped = done.and_then(|()| match fate {
            Fate::Flip { at, bit } => self.flip(offset + at, bit),
            Fate::Right | Fate::Error | Fate::Only(_) => Ok(()),
        });
        flipped.map(|()| Vec::new()).map_err(|_| wire::EIO)
    }

    /// What becomes of a request, and how much longer it takes. Counts what is changed.
    fn fate(&self, deed: Deed, offset: u64, length: u64) -> (Fate, Duration) {
        let mut wrong = self.wrong();
        let Some(fault) = wrong.fault else { return (Fate::Right, Duration::ZERO) };
        let fate = fault.fate(deed, offset, length, wrong.written);
        if deed == Deed::Change && fate != Fate::Error {
            wrong.written = wrong.written.saturating_add(length);
        }
        (fate, fault.delay())
    }

    fn read(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length as usize];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// A hole, where the file system can have them: disks are much larger than what is on them.
    fn zero(&self, offset: u64, length: u64) -> io::Result<()> {
        if length == 0 {
            return Ok(());
        }
        let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        if fallocate(&self.file, hole, offset.cast_signed(), length.cast_signed()).is_ok() {
            return Ok(());
        }
        let zeros = vec![0; ZEROS.min(length) as usize];
        let end = offset + length;
        for from in (offset..end).step_by(ZEROS as usize) {
            self.file.write_all_at(&zeros[..ZEROS.min(end - from) as usize], from)?;
        }
        Ok(())
    }

    fn flip(&self, offset: u64, bit: u8) -> io::Result<()> {
        let mut byte = [0];
        self.file.read_exact_at(&mut byte, offset)?;
        self.file.write_all_at(&[byte[0] ^ 1 << bit], offset)
    }
}

fn exactly<const N: usize>(mut stream: &UnixStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The next request's head; none when the client is gone, as a QEMU that was killed is.
fn head(stream: &UnixStream) -> io::Result<Option<[u8; 28]>> {
    match exactly(stream) {
        Ok(head) => Ok(Some(head)),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

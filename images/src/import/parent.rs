//! The parent's side of the child that reads an image: starts it, and takes nothing of it for true but the bytes of the disk,
//! of which it takes no more than a disk may have. A child that dies, lies or says nothing is an image that is refused.

use super::child::Task;
use super::frames::Frame;
use super::pipeline::{DiskReader, Filled};
use super::{ImportError, ImportProgram, Stage, Watch, read_full, sandbox};
use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What the pipe holds, in bytes; the most that everybody may ask for (`/proc/sys/fs/pipe-max-size`).
const PIPE_BYTES: i32 = 1 << 20;

/// How often a wait looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(200);

/// For how long a child is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Without a word of it.
    pub(super) silence: Duration,
    /// All waits of one import together.
    pub(super) in_all: Duration,
}

impl Patience {
    /// For an image of a disk with up to so many bytes.
    pub(super) fn for_disk(max_disk_bytes: u64) -> Self {
        let in_all = Duration::from_secs(2 * sandbox::seconds(max_disk_bytes));
        Self { silence: Duration::from_secs(300), in_all }
    }
}

/// A child that reads an image; killed when dropped.
struct Reader {
    process: Child,
}

impl Reader {
    /// Ends it, unless it ended by itself, and says how.
    fn end(&mut self) -> io::Result<ExitStatus> {
        // Of one that is ending the kernel keeps what it ended with.
        let _ = self.process.kill();
        self.process.wait()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// The pipe from the child, read with patience.
struct Pipe<'a> {
    stream: ChildStdout,
    patience: Patience,
    waited: Duration,
    cancel: &'a AtomicBool,
    cancelled: bool,
}

impl Pipe<'_> {
    /// Waits until there is something to read, or the end.
    #[expect(clippy::disallowed_methods, reason = "the shell that waits for another process reads the clock")]
    fn wait(&mut self) -> io::Result<()> {
        let since = Instant::now();
        let most = self.patience.silence.min(self.patience.in_all.saturating_sub(self.waited));
        loop {
            if self.cancel.load(Relaxed) {
                self.cancelled = true;
                return Err(io::Error::other("stopped on request"));
            }
            let left = most.saturating_sub(since.elapsed()).min(LOOK);
            // At most LOOK, which is few milliseconds; rounded up, so that it never spins.
            let timeout = PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX);
            let mut asked = [PollFd::new(self.stream.as_fd(), PollFlags::POLLIN)];
            match poll(&mut asked, timeout) {
                Ok(0) if since.elapsed() >= most => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "it says nothing any more"));
                }
                Ok(0) | Err(nix::Error::EINTR) => {}
                Ok(_) => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.waited += since.elapsed();
        Ok(())
    }
}

impl Read for Pipe<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait()?;
        self.stream.read(buffer)
    }
}

/// What was announced of the disk and not yet taken.
#[derive(Debug, Clone, Copy)]
enum Pending {
    Zeros(u64),
    Bytes(u64),
    End,
}

/// The disk that a child reads out of an image.
pub(super) struct ChildDisk<'a> {
    // Dropped, and with that killed, before the pipe is closed.
    reader: Reader,
    pipe: Pipe<'a>,
    /// What the child says of the disk's size; only to be shown.
    total: Option<u64>,
    pending: Pending,
    announced: u64,
    limit: u64,
}

impl<'a> ChildDisk<'a> {
    /// Starts `program` on the image, and waits until it opened it. `spool` is an empty file.
    pub(super) fn start(
        program: &ImportProgram,
        image: &File,
        spool: File,
        task: &Task,
        patience: Patience,
        watch: &mut Watch<'a>,
    ) -> Result<Self, ImportError> {
        let failed = |source| ImportError::Start { source };
        let program = match program {
            ImportProgram::At(path) => path.as_path(),
            // Also the right one when its file was replaced by another version.
            ImportProgram::Itself | ImportProgram::InProcess => "/proc/self/exe".as_ref(),
        };
        let mut process = Command::new(program)
            .args(task.arguments())
            .env_clear()
            .current_dir("/")
            .stdin(image.try_clone().map_err(failed)?)
            .stdout(Stdio::piped())
            .stderr(spool)
            .spawn()
            .map_err(failed)?;
        let stream = process.stdout.take();
        let reader = Reader { process };
        let stream = stream.ok_or_else(|| failed(io::Error::other("it has no output")))?;
        // A smaller one is only slower.
        let _ = fcntl(&stream, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
        let pipe = Pipe { stream, patience, waited: Duration::ZERO, cancel: watch.cancel, cancelled: false };
        let limit = task.max_disk_bytes;
        let mut disk = Self { reader, pipe, total: None, pending: Pending::Zeros(0), announced: 0, limit };
        disk.wait_until_open(watch)?;
        Ok(disk)
    }

    /// Its number, for as long as this is there.
    #[cfg(test)]
    pub(super) fn process_id(&self) -> u32 {
        self.reader.process.id()
    }

    fn wait_until_open(&mut self, watch: &mut Watch<'_>) -> Result<(), ImportError> {
        let mut unpacked = 0;
        loop {
            match self.frame()? {
                Frame::Unpacked(bytes) if bytes > unpacked && bytes <= self.limit => {
                    unpacked = bytes;
                    watch.step(Stage::Unpack, bytes, None)?;
                }
                Frame::Open(total) => {
                    self.total = total.filter(|&bytes| bytes <= self.limit);
                    return Ok(());
                }
                Frame::Unconfined(why) => return Err(ImportError::Unconfined { why }),
                Frame::Refused(why) => return Err(ImportError::Refused { why }),
                frame => return Err(out_of_place(&frame)),
            }
        }
    }

    /// The next frame, which there has to be.
    fn frame(&mut self) -> Result<Frame, ImportError> {
        match Frame::read(&mut self.pipe) {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => Err(self.died()),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Takes the next announcement in.
    fn announce(&mut self) -> Result<(), ImportError> {
        let frame = self.frame()?;
        let bytes = match frame {
            Frame::Zeros(bytes) | Frame::Bytes(bytes) if bytes > 0 => bytes,
            Frame::End(bytes) if bytes == self.announced => {
                self.pending = Pending::End;
                return self.nothing_more();
            }
            Frame::Refused(why) => return Err(ImportError::Refused { why }),
            frame => return Err(out_of_place(&frame)),
        };
        self.announced = self.announced.saturating_add(bytes);
        if self.announced > self.limit {
            return Err(ImportError::TooLarge { limit: self.limit });
        }
        self.pending =
            if matches!(frame, Frame::Zeros(_)) { Pending::Zeros(bytes) } else { Pending::Bytes(bytes) };
        Ok(())
    }

    /// Behind the end there is the end.
    fn nothing_more(&mut self) -> Result<(), ImportError> {
        match self.pipe.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(ImportError::Misbehaved { how: "it goes on behind the end of the disk".into() }),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Why there is no next frame.
    fn died(&mut self) -> ImportError {
        let how = match self.reader.end() {
            Ok(status) => {
                match status.signal().and_then(|signal| Signal::try_from(signal).ok()) {
                    // Those that a person or a service manager sends to all processes of a service.
                    Some(signal @ (Signal::SIGTERM | Signal::SIGINT | Signal::SIGHUP)) => {
                        return ImportError::Interrupted { signal: signal.to_string() };
                    }
                    Some(signal) => format!("it was ended by {signal}"),
                    None => format!("it ended before the disk did, {status}"),
                }
            }
            Err(error) => format!("it ended, and nobody knows how: {error}"),
        };
        ImportError::Misbehaved { how }
    }

    fn failed(&mut self, error: &io::Error) -> ImportError {
        if self.pipe.cancelled {
            return ImportError::Cancelled;
        }
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return self.died();
        }
        ImportError::Misbehaved { how: error.to_string() }
    }
}

fn out_of_place(frame: &Frame) -> ImportError {
    let what = match frame {
        Frame::Unpacked(_) => "how much is unpacked",
        Frame::Open(_) => "that the image is open",
        Frame::Zeros(_) | Frame::Bytes(_) => "bytes of the disk",
        Frame::End(_) => "an end of the disk that is none",
        Frame::Refused(_) | Frame::Unconfined(_) => "why it stops",
    };
    ImportError::Misbehaved { how: format!("it tells {what} where that makes no sense") }
}

impl DiskReader for ChildDisk<'_> {
    fn disk_bytes(&self) -> Option<u64> {
        self.total
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<Filled, ImportError> {
        let mut filled = 0;
        // While everything is zero, the buffer is not touched.
        let mut all_zero = true;
        while filled < buffer.len() {
            let wanted = (buffer.len() - filled) as u64;
            match self.pending {
                Pending::End => break,
                Pending::Zeros(0) | Pending::Bytes(0) => self.announce()?,
                Pending::Zeros(left) => {
                    let n = left.min(wanted);
                    let end = filled + usize_of(n);
                    if !all_zero {
                        buffer[filled..end].fill(0);
                    }
                    (filled, self.pending) = (end, Pending::Zeros(left - n));
                }
                Pending::Bytes(left) => {
                    let n = left.min(wanted);
                    let end = filled + usize_of(n);
                    if all_zero {
                        buffer[..filled].fill(0);
                        all_zero = false;
                    }
                    match read_full(&mut self.pipe, &mut buffer[filled..end]) {
                        Ok(read) if read == end - filled => {}
                        Ok(_) => return Err(self.died()),
                        Err(error) => return Err(self.failed(&error)),
                    }
                    (filled, self.pending) = (end, Pending::Bytes(left - n));
                }
            }
        }
        Ok(if all_zero { Filled::Zeros(filled) } else { Filled::Bytes(filled) })
    }
}

/// At most a buffer's length.
fn usize_of(n: u64) -> usize {
    usize::try_from(n).expect("it was compared with a buffer's length")
}

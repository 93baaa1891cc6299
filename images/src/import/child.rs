//! The process that reads an image, `billet import-child`: it has the file as its standard input, a spool for what has to be
//! unpacked as its standard error, a pipe to its parent as its standard output, and nothing else.
//!
//! First it limits itself and starts itself anew under these limits; then it shuts itself in (`sandbox`), and only then looks
//! at the first byte. What it finds goes out as `frames`; what becomes of it is `parent`'s business.

use super::frames::Frame;
use super::open::{Input, open};
use super::pipeline::Filled;
use super::{Format, ImportError, sandbox, with_causes};
use crate::CHUNK_BYTES;
use crate::bytes::is_zero;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

/// The verb by which a program is asked to be the child.
pub(super) const VERB: &str = "import-child";

/// What stands behind the verb once the limits are set.
const LIMITED: &str = "limited";

/// What the child is asked to do; it goes as arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) declared: Format,
    pub(super) max_disk_bytes: u64,
    /// What a test has it try instead, in debug builds.
    pub(super) attempt: Option<String>,
}

impl Task {
    /// The arguments that say so.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![VERB.into(), self.declared.to_string(), self.max_disk_bytes.to_string()];
        arguments.extend(self.attempt.clone());
        arguments
    }

    /// Reads what stands behind the verb.
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let form = || "it is started by the service itself, to read an image".to_owned();
        let [declared, limit, attempt @ ..] = arguments else { return Err(form()) };
        let formats = [Format::Raw, Format::Qcow2, Format::Iso];
        let declared = formats.into_iter().find(|format| format.to_string() == *declared).ok_or_else(form)?;
        let max_disk_bytes = limit.parse().map_err(|_| form())?;
        let attempt = match attempt {
            [] => None,
            [attempt] if cfg!(debug_assertions) => Some(attempt.clone()),
            _ => return Err(form()),
        };
        Ok(Self { declared, max_disk_bytes, attempt })
    }
}

/// To be called first of all by a program that may be the child: if its arguments (without its own name) ask for that, it
/// is, and what is answered is its exit code. `None`: it is to do something else.
pub fn run_if_asked(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter();
    if arguments.next()? != VERB {
        return None;
    }
    let arguments: Vec<String> = arguments.map(|a| a.to_string_lossy().into_owned()).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == LIMITED => Task::parse(rest).and_then(|task| confined(&task)),
        _ => Task::parse(&arguments).and_then(|task| start_anew(&task)),
    };
    let Err(why) = done else { return Some(ExitCode::SUCCESS) };
    // If there is no parent to hear it, the exit code says it.
    let _ = Frame::Unconfined(why).write(&mut io::stdout());
    let _ = io::stdout().flush();
    Some(ExitCode::FAILURE)
}

/// Sets the limits, and begins again with them. Returns only if that fails.
fn start_anew(task: &Task) -> Result<(), String> {
    sandbox::limit(task.max_disk_bytes)?;
    let mut arguments = task.arguments();
    arguments.insert(1, LIMITED.into());
    let error = Command::new("/proc/self/exe").args(arguments).env_clear().exec();
    Err(format!("/proc/self/exe can't be started: {error}"))
}

/// Shuts itself in and reads the image. An error means that nothing was looked at.
fn confined(task: &Task) -> Result<(), String> {
    sandbox::close_others()?;
    let image = own(&io::stdin(), "input")?;
    let mut out = own(&io::stdout(), "output")?;
    let spool = own(&io::stderr(), "error")?;
    let length = |file: &File| file.metadata().ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len());
    let (Some(bytes), Some(0)) = (length(&image), length(&spool)) else {
        return Err(
            "it is started by the service itself: the image is its input, an empty file its error".into()
        );
    };
    // Nobody reads what a panic says, and the spool is no place for it.
    std::panic::set_hook(Box::new(|_| {}));
    sandbox::enter()?;
    #[cfg(debug_assertions)]
    if let Some(attempt) = &task.attempt {
        super::attempts::make(attempt, &mut out);
    }
    let input = Input { file: &image, bytes, declared: task.declared, max_disk_bytes: task.max_disk_bytes };
    // A parent that is gone wants nothing more.
    let _ = tell(input, &spool, &mut out);
    Ok(())
}

/// One of the three open files, for reading and writing without anybody's buffer.
fn own(stream: &impl AsFd, which: &str) -> Result<File, String> {
    let file = stream.as_fd().try_clone_to_owned();
    file.map(File::from).map_err(|error| format!("there is no standard {which}: {error}"))
}

/// What the child does with an image of so many bytes, in this process: for fuzzing, which needs no walls. `spool` is an
/// empty file; `out` gets frames, each a letter and a number of 64 bits, little-endian (zeros `Z`, bytes `B` with as many
/// behind it, the end `E`; `R`: refused, with as many bytes of text).
///
/// # Errors
/// When `out` can't be written to.
pub fn read_image(
    (file, bytes): (&File, u64),
    declared: Format,
    max_disk_bytes: u64,
    spool: &File,
    out: &mut impl Write,
) -> io::Result<()> {
    tell(Input { file, bytes, declared, max_disk_bytes }, spool, out)
}

/// Reads the image and tells all of it.
fn tell(input: Input<'_>, spool: &File, out: &mut impl Write) -> io::Result<()> {
    match disk(input, spool, out) {
        Ok(()) => Ok(()),
        Err(Stopped::Gone(error)) => Err(error),
        Err(Stopped::Refused(error)) => Frame::Refused(with_causes(&error)).write(out),
    }
}

/// Why nothing more is told.
enum Stopped {
    /// The parent does not listen.
    Gone(io::Error),
    /// The image is refused.
    Refused(ImportError),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

impl From<ImportError> for Stopped {
    fn from(error: ImportError) -> Self {
        Self::Refused(error)
    }
}

fn disk(input: Input<'_>, spool: &File, out: &mut impl Write) -> Result<(), Stopped> {
    let mut gone = None;
    let mut unpacked = |bytes| {
        Frame::Unpacked(bytes).write(out).map_err(|error| {
            gone = Some(error);
            ImportError::Cancelled
        })
    };
    let opened = open(input, spool, &mut unpacked);
    if let Some(error) = gone {
        return Err(error.into());
    }
    let mut disk = opened?;
    Frame::Open(disk.disk_bytes()).write(out)?;
    let mut buffer = vec![0; CHUNK_BYTES as usize];
    let mut told = 0;
    loop {
        let (bytes, zero) = match disk.fill(&mut buffer)? {
            Filled::Bytes(bytes) => (bytes, is_zero(&buffer[..bytes])),
            Filled::Zeros(bytes) => (bytes, true),
        };
        told += bytes as u64;
        if told > input.max_disk_bytes {
            return Err(ImportError::TooLarge { limit: input.max_disk_bytes }.into());
        }
        match (bytes, zero) {
            (0, _) => {}
            (_, true) => Frame::Zeros(bytes as u64).write(out)?,
            (_, false) => {
                Frame::Bytes(bytes as u64).write(out)?;
                out.write_all(&buffer[..bytes])?;
            }
        }
        if bytes < buffer.len() {
            return Ok(Frame::End(told).write(out)?);
        }
    }
}

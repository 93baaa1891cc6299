//! Programs in namespaces: they end with this process however it ends, and each is waited for with a limit.
//!
//! A program is started by way of this very binary under the name `tied`, which asks the kernel to be killed with
//! its parent and then becomes the program; under the name `billet` this binary is the service and its command line,
//! so that what runs is never older than the test.

use anyhow::{Context, Result, bail};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use super::namespace::{Job, Jobs};

/// This binary.
const SELF: &str = "/proc/self/exe";
/// Its name as a wrapper.
const TIED: &str = "tied";
/// Its name as the product.
const BILLET: &str = "billet";
/// How long any program may run, and anything may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// To be called first in `main`: makes the namespaces, or is the program that this process was started as and gives
/// its exit code.
///
/// # Errors
/// Namespaces are not allowed here.
pub fn enter() -> Result<Option<ExitCode>> {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    // As the product it starts itself for reading images, by another name.
    if let Some(code) = images::import::run_if_asked(std::env::args_os().skip(1)) {
        return Ok(Some(code));
    }
    if name == BILLET {
        return Ok(Some(provisioner::cli::main()));
    }
    if name == TIED {
        return Err(become_program(arguments));
    }
    lab::enter_new_namespaces()?;
    Ok(None)
}

/// `PARENT PROGRAM ARGUMENT…`; returns only when it fails.
fn become_program(mut arguments: impl Iterator<Item = OsString>) -> anyhow::Error {
    let parent = arguments.next().unwrap_or_default();
    let program = arguments.next().unwrap_or_default();
    if let Err(error) = set_pdeathsig(Signal::SIGKILL) {
        return error.into();
    }
    // The parent may have ended before we asked.
    if nix::unistd::getppid().to_string() != parent.to_string_lossy() {
        return anyhow::anyhow!("the test ended");
    }
    let path = if program == BILLET { OsStr::new(SELF) } else { &program };
    let error = Command::new(path).arg0(&program).args(arguments).exec();
    anyhow::Error::from(error).context(format!("can't run {}; lab/setup installs it", program.display()))
}

/// A program that is to be started in a namespace.
pub struct Program {
    command: Command,
    name: String,
    jobs: Jobs,
}

impl Program {
    pub(super) fn new(name: &str, jobs: Jobs) -> Self {
        let mut command = Command::new(SELF);
        command.arg0(TIED).arg(std::process::id().to_string()).arg(name).stdin(Stdio::null());
        // What a person's environment says must not change a test.
        command.env("LC_ALL", "C").env("BILLET_NET", "1");
        Self { command, name: name.to_owned(), jobs }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Adds arguments that are separated by spaces.
    #[must_use]
    pub fn words(self, arguments: &str) -> Self {
        self.args(arguments.split_whitespace())
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// In which folder it runs.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Starts it, with all that it says kept.
    ///
    /// # Errors
    /// It can't be started.
    pub fn start(self) -> Result<Process> {
        self.start_into(tempfile::tempfile()?)
    }

    /// Starts it, with all that it says going to the end of a file.
    ///
    /// # Errors
    /// It can't be started.
    pub fn start_into(mut self, said: File) -> Result<Process> {
        self.command.stdout(said.try_clone()?).stderr(said.try_clone()?);
        let (reply, answer) = std::sync::mpsc::channel();
        let mut command = self.command;
        // From the namespace's own thread, which lives as long as the namespace: children end with their thread.
        let job: Job = Box::new(move || drop(reply.send(command.spawn())));
        self.jobs.send(job).ok().context("the namespace is gone")?;
        let child = answer.recv().context("the namespace is gone")??;
        Ok(Process { child, name: self.name, said })
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// It can't be started, or takes too long.
    pub fn finish(self) -> Result<Finished> {
        self.start()?.finish()
    }

    /// Runs it to its end, which has to be a good one; what it said.
    ///
    /// # Errors
    /// It can't be started, takes too long or fails.
    pub fn run(self) -> Result<String> {
        let name = self.name.clone();
        let Finished { success, said } = self.finish()?;
        if !success {
            bail!("{name} failed: {}", said.trim());
        }
        Ok(said)
    }
}

/// A running program; dropped, it is killed.
pub struct Process {
    child: Child,
    name: String,
    said: File,
}

/// How a program ended.
pub struct Finished {
    /// Whether its exit code is 0.
    pub success: bool,
    /// All that it said, on standard output and standard error.
    pub said: String,
}

impl Process {
    /// What it has said.
    ///
    /// # Errors
    /// It can't be read.
    pub fn said(&mut self) -> Result<String> {
        let mut bytes = Vec::new();
        self.said.seek(SeekFrom::Start(0))?;
        self.said.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// The system can't say.
    pub fn runs(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It takes too long.
    pub fn finish(mut self) -> Result<Finished> {
        let child = &mut self.child;
        let ended = until("the program ends", || Ok(child.try_wait()?));
        let status = match ended {
            Ok(status) => status,
            Err(error) => {
                let said = self.said()?;
                bail!("{}: {error:#}; it said: {}", self.name, said.trim())
            }
        };
        Ok(Finished { success: status.success(), said: self.said()? })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Asks until the answer is there; an error ends it at once.
///
/// # Errors
/// The question's own, or that it took too long.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place here where a limit is set to how long things take"
)]
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if begun.elapsed() > PATIENCE {
            bail!("it took too long until {what}");
        }
        // Between two questions, not a guess how long something takes.
        std::thread::sleep(Duration::from_millis(20));
    }
}

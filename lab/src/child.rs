//! Processes that end with the daemon, however it ends.
//!
//! A child is started by way of this very binary (`billet-lab child PARENT PROGRAM …`), which asks the kernel to be
//! killed with its parent and then becomes the program: so no code runs between fork and exec.

use anyhow::{Context, bail};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;

/// The hidden subcommand.
pub(crate) const SUBCOMMAND: &str = "child";
/// The other one.
pub(crate) const REAP: &str = "reap";

/// A command whose process is killed when the calling thread ends; to be used on the daemon's only thread.
pub(crate) fn command(program: &str) -> tokio::process::Command {
    let mut command = tokio::process::Command::new("/proc/self/exe");
    command.arg(SUBCOMMAND).arg(std::process::id().to_string()).arg(program);
    command.stdin(std::process::Stdio::null()).kill_on_drop(true);
    command
}

/// The other side: becomes the program. Returns only when it can't.
pub(crate) fn become_program(parent: u32, program: &OsString, arguments: &[OsString]) -> anyhow::Result<()> {
    set_pdeathsig(Signal::SIGKILL).context("can't tie a child to the daemon")?;
    // The parent may have ended before we asked.
    if nix::unistd::getppid().as_raw().unsigned_abs() != parent {
        bail!("the daemon ended while it started {}", program.display());
    }
    let error = std::process::Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("can't run {}", program.display()))
}

/// Runs a program as the first process of a process namespace: buries whatever ends there, and ends with the program,
/// which ends everything else in the namespace (pid_namespaces(7)).
pub(crate) fn reap(program: &OsString, arguments: &[OsString]) -> anyhow::Result<()> {
    let started = std::process::Command::new(program).args(arguments).spawn();
    let main = started.with_context(|| format!("can't run {}", program.display()))?;
    loop {
        match nix::sys::wait::wait() {
            Ok(status) if status.pid().is_some_and(|pid| pid.as_raw().unsigned_abs() == main.id()) => {
                bail!("{} ended: {status:?}", program.display())
            }
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error).context("can't wait for processes"),
        }
    }
}

/// Where a program is, as the shell would find it.
pub(crate) fn find(program: &str) -> Option<std::path::PathBuf> {
    let usual = OsString::from("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    let folders = std::env::var_os("PATH").unwrap_or(usual);
    std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file())
}

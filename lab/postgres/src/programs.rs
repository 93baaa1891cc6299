//! PostgreSQL's programs: where they are, as whom they run, and that they end with this process.
//!
//! PostgreSQL refuses to run as root, so then it runs as its own user or as nobody. `setpriv` of util-linux changes the
//! user and asks for a signal at the parent's death before it becomes the program, so no code of ours runs between
//! fork and exec.

use anyhow::{Context, Result, bail};
use nix::unistd::{Gid, Uid, User};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};

/// Where Debian keeps the programs, by major version.
const DEBIAN: &str = "/usr/lib/postgresql";

#[derive(Debug, Clone)]
pub(crate) struct Programs {
    folder: PathBuf,
    /// Whom to run them as, when we are root.
    account: Option<(Uid, Gid)>,
}

impl Programs {
    /// Those of the newest version in Debian's folders, else those in PATH.
    ///
    /// # Errors
    /// When there are none, with the package to install.
    pub(crate) fn find() -> Result<Self> {
        Self::of(newest(Path::new(DEBIAN)).or_else(in_path))
    }

    fn of(folder: Option<PathBuf>) -> Result<Self> {
        let folder = folder.with_context(|| {
            format!(
                "PostgreSQL is not installed: no initdb in {DEBIAN}/*/bin nor in PATH; install the Debian package postgresql (lab/setup does)"
            )
        })?;
        let account = if Uid::effective().is_root() { Some(unprivileged()?) } else { None };
        Ok(Self { folder, account })
    }

    /// A command that runs in `home`, and gets SIGQUIT (end at once, tidily) when the calling thread ends.
    pub(crate) fn command(&self, program: &str, home: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "QUIT"]);
        if let Some((user, group)) = self.account {
            command.args(["--reuid", &user.to_string(), "--regid", &group.to_string(), "--clear-groups"]);
        }
        command.arg("--").arg(self.folder.join(program));
        // Whatever PG… and LC_… say out here is not meant for this server.
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("LC_ALL", "C").current_dir(home).stdin(Stdio::null());
        command
    }

    /// Runs a program to its end.
    ///
    /// # Errors
    /// When it can't be run or fails, with what it said.
    pub(crate) fn run(&self, mut command: Command, what: &str) -> Result<String> {
        let output = command.output().with_context(|| format!("can't run {what} by setpriv (util-linux)"))?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            bail!("{what} failed ({}): {}", output.status, String::from_utf8_lossy(&said).trim());
        }
        String::from_utf8(output.stdout).with_context(|| format!("{what} answers in UTF-8"))
    }

    /// Gives a file or folder to whoever the programs run as.
    pub(crate) fn hand_over(&self, path: &Path) -> Result<()> {
        if let Some((user, group)) = self.account {
            nix::unistd::chown(path, Some(user), Some(group))
                .with_context(|| format!("can't give {} to the user that runs PostgreSQL", path.display()))?;
        }
        Ok(())
    }
}

/// Starts a process that lives on: from a thread that lasts as long as this process, since the signal at a parent's
/// death (prctl(2), PR_SET_PDEATHSIG) is about the thread, and a test's thread ends with the test.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    type Request = (Command, mpsc::Sender<io::Result<Child>>);
    static SPAWNER: OnceLock<mpsc::Sender<Request>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, requests) = mpsc::channel::<Request>();
        std::thread::spawn(move || {
            for (mut command, reply) in requests {
                // Who asked may be gone; then the child is dropped, and ends with this process.
                let _ = reply.send(command.spawn());
            }
        });
        sender
    });
    let (reply, child) = mpsc::channel();
    let gone = || io::Error::other("the thread that starts PostgreSQL is gone");
    spawner.send((command, reply)).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}

fn newest(versions: &Path) -> Option<PathBuf> {
    let found = std::fs::read_dir(versions).ok()?.filter_map(|entry| {
        let entry = entry.ok()?;
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        let folder = entry.path().join("bin");
        folder.join("initdb").is_file().then_some((version, folder))
    });
    found.max().map(|(_, folder)| folder)
}

fn in_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).find(|folder| folder.join("initdb").is_file())?;
    Some(found)
}

/// PostgreSQL's own user if there is one, else nobody.
fn unprivileged() -> Result<(Uid, Gid)> {
    let user = ["postgres", "nobody"].iter().find_map(|name| User::from_name(name).ok().flatten());
    let user = user.context("there is no user postgres nor nobody, and PostgreSQL refuses to run as root")?;
    Ok((user.uid, user.gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_none_is_told_what_to_install() {
        let refused = Programs::of(None).expect_err("there are no programs").to_string();
        assert!(refused.contains("install the Debian package postgresql"), "{refused}");
    }

    #[test]
    fn the_newest_version_is_taken_by_number() {
        let folder = tempfile::tempdir().expect("a folder");
        for version in ["9", "15", "16", "17"] {
            std::fs::create_dir_all(folder.path().join(version).join("bin")).expect("a folder");
        }
        for version in ["9", "15", "16"] {
            std::fs::write(folder.path().join(version).join("bin/initdb"), "").expect("a file");
        }
        assert_eq!(newest(folder.path()), Some(folder.path().join("16/bin")));
    }
}

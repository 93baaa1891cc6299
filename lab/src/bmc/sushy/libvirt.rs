//! A libvirt daemon of one machine's own: of the "session" kind, which needs no privileges, systemd or D-Bus.
//!
//! It runs as another user than root in a user namespace below the lab's, or it would be of the "system" kind, which wants to
//! switch users and control groups; and in a process namespace, so that the kernel ends its machines with it, however it
//! ends. The first process there is ours (`billet-lab reap`): libvirt's machines are nobody's children, and it waits for
//! each to be gone.

use anyhow::{Context, bail};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::child;

const PROGRAM: &str = "libvirtd";

/// How long it may take until it answers.
const START: Duration = Duration::from_secs(60);

/// A running daemon.
pub(super) struct Libvirt {
    child: Child,
    uri: String,
    log: PathBuf,
}

/// Starts it, with all its files below `folder`.
pub(super) async fn start(folder: &Path) -> anyhow::Result<Libvirt> {
    let run = folder.join("run");
    std::fs::create_dir_all(folder.join("config/libvirt"))?;
    std::fs::create_dir_all(&run)?;
    // QEMU's output into files of its own, instead of through a second daemon.
    std::fs::write(folder.join("config/libvirt/qemu.conf"), "stdio_handler = \"file\"\n")?;
    let log = folder.join("libvirtd.log");
    let output = File::create(&log)?;
    let child = child::command("unshare")
        .args(["--user", "--map-user=1000", "--map-group=1000", "--mount", "--pid", "--mount-proc"])
        .args(["--fork", "--kill-child=KILL"])
        // What /proc calls this program is `unshare` by then.
        .arg(std::env::current_exe()?)
        .args([child::REAP, PROGRAM])
        .env("HOME", folder)
        .env("XDG_RUNTIME_DIR", &run)
        .env("XDG_CONFIG_HOME", folder.join("config"))
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("XDG_DATA_HOME", folder.join("data"))
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("can't start {PROGRAM}"))?;
    let uri = uri(&run.join("libvirt/libvirt-sock"));
    let mut libvirt = Libvirt { child, uri, log };
    libvirt.await_answer().await?;
    Ok(libvirt)
}

impl Libvirt {
    /// What clients connect to, from any process of the lab.
    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    /// Makes a machine of this XML, which stays off.
    pub(super) async fn define(&self, xml: &str) -> anyhow::Result<()> {
        let file = self.log.with_file_name("domain.xml");
        std::fs::write(&file, xml)?;
        self.virsh(&["define", "--file", &file.to_string_lossy()]).await
    }

    /// Makes and starts the pool `default`, where the emulator puts the images that it is given.
    pub(super) async fn make_pool(&self, folder: &Path) -> anyhow::Result<()> {
        let folder = folder.to_string_lossy();
        self.virsh(&["pool-define-as", "default", "dir", "--target", &folder]).await?;
        self.virsh(&["pool-start", "default"]).await
    }

    /// Waits until it ends, which it does not by itself.
    pub(super) async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Ends it and its machines.
    pub(super) async fn end(mut self) {
        let _gone_already = self.child.kill().await;
    }

    async fn virsh(&self, words: &[&str]) -> anyhow::Result<()> {
        let output = self.ask(words).await?;
        if !output.status.success() {
            bail!("`virsh {}` failed: {}", words[0], String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    async fn ask(&self, words: &[&str]) -> anyhow::Result<Output> {
        let output = Command::new("virsh")
            .env("LC_ALL", "C")
            .args(["--connect", &self.uri])
            .args(words)
            .kill_on_drop(true)
            .output();
        output.await.context("can't run virsh; `lab/setup` installs it")
    }

    async fn await_answer(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                bail!("{PROGRAM} ended at once ({status}); see {}", self.log.display());
            }
            if self.ask(&["version"]).await?.status.success() {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        bail!("{PROGRAM} does not answer; see {}", self.log.display())
    }
}

/// The address of a session daemon at this socket (libvirt, "Connection URIs").
fn uri(socket: &Path) -> String {
    let mut uri = "qemu+unix:///session?socket=".to_owned();
    for byte in socket.to_string_lossy().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(char::from(byte)),
            _ => uri += &format!("%{byte:02X}"),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_in_a_strange_folder_is_encoded() {
        let uri = uri(Path::new("/tmp/a b&c=ä/run"));
        assert_eq!(uri, "qemu+unix:///session?socket=/tmp/a%20b%26c%3D%C3%A4/run");
    }
}

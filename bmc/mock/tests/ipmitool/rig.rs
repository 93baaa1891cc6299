//! A simulated BMC, and ipmitool that asks it.

use bmc_mock::ipmi::{Control, Identity, Server, User};
use bmc_mock::{Chassis, MemoryChassis};
use std::io::Write;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Of the user `admin`, in slot 2. An operator `watch` has slot 3 and the password `secret`.
pub(crate) const PASSWORD: &str = "a long secret 20 byt";

/// The cipher suites that are spoken.
pub(crate) const BOTH: [&str; 2] = ["17", "3"];

/// 12345678-9abc-4def-8123-456789abcdef
const UUID: [u8; 16] =
    [0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0x4D, 0xEF, 0x81, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF];

/// ipmitool counts up until it is refused: a BMC that never does would keep it for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// A BMC asked with one suite. It ends when it is dropped.
pub(crate) struct Rig {
    suite: &'static str,
    pub(crate) chassis: Arc<MemoryChassis>,
    pub(crate) port: u16,
    pub(crate) control: Control,
    shutdown: DropGuard,
    running: JoinHandle<std::io::Result<()>>,
}

impl Rig {
    /// `None`: ipmitool is not here, and that is allowed.
    pub(crate) fn new(suite: &'static str) -> Option<Self> {
        Self::with(suite, |_| {})
    }

    /// The same of another BMC.
    pub(crate) fn with(suite: &'static str, change: impl FnOnce(&mut Identity)) -> Option<Self> {
        if let Err(error) = std::process::Command::new("ipmitool").arg("-V").output() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "CI needs ipmitool: {error}");
            let _ = writeln!(std::io::stderr(), "skipped: ipmitool can't be started: {error}");
            return None;
        }
        let chassis = Arc::new(MemoryChassis::new());
        let users = vec![User::administrator("admin", PASSWORD), User::operator("watch", "secret")];
        let mut identity = Identity::new(users, chassis.clone(), UUID);
        change(&mut identity);
        let server = Server::new(([127, 0, 0, 1], 0).into(), identity).unwrap();
        let (port, control) = (server.local_addr().unwrap().port(), server.control());
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(server.run(shutdown.clone()));
        Some(Self { suite, chassis, port, control, shutdown: shutdown.drop_guard(), running })
    }

    /// ipmitool, logging in with this suite; what it is to do is still to be said.
    pub(crate) fn command(&self, suite: &str, user: &str, password: &str) -> Command {
        let mut command = Command::new("ipmitool");
        command
            .args(["-I", "lanplus", "-N", "1", "-R", "4", "-C", suite, "-H", "127.0.0.1"])
            .args(["-p", &self.port.to_string(), "-U", user, "-P", password])
            .env("TZ", "UTC")
            .env("LC_ALL", "C")
            .kill_on_drop(true);
        command
    }

    /// The same with the rig's own suite and its administrator.
    pub(crate) fn admins_command(&self) -> Command {
        self.command(self.suite, "admin", PASSWORD)
    }

    /// What comes of these words.
    pub(crate) async fn output(&self, user: &str, password: &str, words: &[&str]) -> Output {
        self.output_with(self.suite, user, password, words).await
    }

    /// The same with another suite.
    pub(crate) async fn output_with(
        &self,
        suite: &str,
        user: &str,
        password: &str,
        words: &[&str],
    ) -> Output {
        let output = self.command(suite, user, password).args(words).output();
        tokio::time::timeout(PATIENCE, output).await.expect("ipmitool does not end").unwrap()
    }

    /// What ipmitool says to these words; it must succeed, and close its session.
    pub(crate) async fn say(&self, words: &[&str]) -> String {
        let before = self.control.open_sessions();
        let output = self.output("admin", PASSWORD, words).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{words:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(self.control.open_sessions() <= before, "{words:?}");
        text
    }

    /// The same for words without blanks in them.
    pub(crate) async fn tool(&self, words: &str) -> String {
        self.say(&split(words)).await
    }

    /// What ipmitool complains of; it must fail.
    pub(crate) async fn fails(&self, words: &str) -> String {
        self.fails_as("admin", PASSWORD, words).await
    }

    /// The same of another user.
    pub(crate) async fn fails_as(&self, user: &str, password: &str, words: &str) -> String {
        let output = self.output(user, password, &split(words)).await;
        let text = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success(), "{words}: {text}");
        text.into_owned()
    }

    /// Whether the machine is on.
    pub(crate) async fn is_on(&self) -> bool {
        self.chassis.power().await.unwrap()
    }

    /// Ends the BMC, and sees how it ended.
    pub(crate) async fn stop(self) {
        drop(self.shutdown);
        self.running.await.unwrap().unwrap();
    }
}

/// Words as a shell would have them, without quotes.
pub(crate) fn split(words: &str) -> Vec<&str> {
    words.split(' ').collect()
}

/// Asserts that a line of a text has this, whatever the number of its blanks.
#[track_caller]
pub(crate) fn has_line(text: &str, line: &str) {
    assert!(text.lines().any(|found| squeeze(found).contains(line)), "`{line}` is not in:\n{text}");
}

/// Asserts that a text has all of these, blanks and line ends apart.
#[track_caller]
pub(crate) fn has(text: &str, wanted: &[&str]) {
    let squeezed = squeeze(text);
    for words in wanted {
        assert!(squeezed.contains(&squeeze(words)), "no `{words}` in:\n{text}");
    }
}

fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

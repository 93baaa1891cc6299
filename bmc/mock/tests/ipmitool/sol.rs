//! Serial over LAN.

use super::rig::{BOTH, Rig};
use bmc_mock::Chassis;
use bmc_mock::ipmi::SolFaults;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout};

/// Until something must have happened.
const SOON: Duration = Duration::from_secs(30);

async fn activate(rig: &Rig) -> Terminal {
    let mut child = rig
        .admins_command()
        .args(["sol", "activate"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (keys, screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    // It says so on a pipe only when it says more.
    let sol = rig.control.sol();
    until("the console is active", || sol.is_active()).await;
    Terminal { child, keys, screen, seen: String::new() }
}

/// Somebody before `ipmitool sol activate`.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: ChildStdout,
    seen: String,
}

impl Terminal {
    async fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).await.unwrap();
    }

    /// Waits until this was seen, and forgets everything up to it.
    async fn sees(&mut self, text: &str) {
        let mut buffer = [0; 1024];
        let wait = async {
            loop {
                if let Some(at) = self.seen.find(text) {
                    self.seen.drain(..at + text.len());
                    return;
                }
                let length = self.screen.read(&mut buffer).await.unwrap();
                assert_ne!(length, 0, "ipmitool ended before {text:?}; seen: {:?}", self.seen);
                self.seen += &String::from_utf8_lossy(&buffer[..length]);
            }
        };
        if tokio::time::timeout(SOON, wait).await.is_err() {
            panic!("{text:?} never came; seen: {:?}", self.seen);
        }
    }

    /// Types `~.` behind a new line.
    async fn leaves(mut self) {
        self.types("~.").await;
        let status = tokio::time::timeout(SOON, self.child.wait()).await.unwrap().unwrap();
        assert!(status.success());
    }
}

async fn until(what: &str, so: impl Fn() -> bool) {
    let wait = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// A line of `sol info`.
fn line(info: &str, name: &str) -> String {
    let found = info.lines().find(|line| line.starts_with(name));
    let value =
        found.and_then(|line| line.split_once(": ")).unwrap_or_else(|| panic!("no {name} in {info}")).1;
    value.to_owned()
}

#[tokio::test]
async fn ipmitool_reads_and_changes_the_settings() {
    for suite in BOTH {
        let Some(rig) = Rig::new(suite) else { return };
        let info = rig.tool("sol info").await;
        assert_eq!(line(&info, "Enabled"), "true");
        assert_eq!(line(&info, "Payload Port"), rig.port.to_string());
        assert_eq!(line(&info, "Volatile Bit Rate (kbps)"), "115.2");
        let settings = [
            ("set privilege-level admin", "Privilege Level", "ADMINISTRATOR"),
            ("set force-encryption true", "Force Encryption", "true"),
            ("set force-authentication true", "Force Authentication", "true"),
            ("set character-accumulate-level 12", "Character Accumulate Level (ms)", "60"),
            ("set character-send-threshold 42", "Character Send Threshold", "42"),
            ("set retry-count 3", "Retry Count", "3"),
            ("set retry-interval 25", "Retry Interval (ms)", "250"),
            ("set volatile-bit-rate 19.2", "Volatile Bit Rate (kbps)", "19.2"),
            ("set non-volatile-bit-rate 57.6", "Non-Volatile Bit Rate (kbps)", "57.6"),
            ("set enabled false", "Enabled", "false"),
        ];
        for (set, name, value) in settings {
            rig.tool(&format!("sol {set}")).await;
            let info = rig.tool("sol info").await;
            assert_eq!(line(&info, name), value, "{set}");
            assert_eq!(line(&info, "Set in progress"), "set-complete");
        }
        assert!(rig.fails("sol activate").await.contains("SOL payload disabled"));
        rig.tool("sol set enabled true").await;

        let user = "1 2";
        assert!(rig.tool(&format!("sol payload status {user}")).await.contains("is enabled"));
        rig.tool(&format!("sol payload disable {user}")).await;
        assert!(rig.tool(&format!("sol payload status {user}")).await.contains("is disabled"));
        assert!(rig.fails("sol activate").await.contains("Insufficient privilege"));
        rig.tool(&format!("sol payload enable {user}")).await;
        activate(&rig).await.leaves().await;
        rig.tool("sol looptest 3 50 1").await;
        assert!(rig.fails("sol deactivate").await.contains("already de-activated"));
    }
}

#[tokio::test]
async fn ipmitool_talks_to_the_machine() {
    for suite in BOTH {
        let Some(rig) = Rig::new(suite) else { return };
        let mut terminal = activate(&rig).await;
        rig.chassis.set_power(true).await.unwrap();
        terminal.sees("Simulated machine").await;
        terminal.sees("login: ").await;
        terminal.types("root\r").await;
        terminal.sees("root\r\nlogin: ").await;
        terminal.types("~B").await;
        terminal.sees("[break]").await;
        assert_eq!(
            (rig.chassis.serial_device().typed(), rig.chassis.serial_device().breaks()),
            (b"root\r".to_vec(), 1)
        );

        assert!(rig.fails("sol activate").await.contains("already active on another session"));
        let much: String =
            (0..400).map(|number| format!("line {number} of what the machine says\r\n")).collect();
        rig.chassis.serial_device().say(much.as_bytes());
        for number in 0..400 {
            terminal.sees(&format!("line {number} of what the machine says\r\n")).await;
        }
        terminal.types("\r").await;
        terminal.sees("\r\nlogin: ").await;
        terminal.leaves().await;
        assert!(!rig.control.sol().is_active());
    }
}

#[tokio::test]
async fn ipmitool_lives_with_the_faults() {
    let Some(rig) = Rig::new("17") else { return };
    rig.chassis.set_power(true).await.unwrap();
    let sol = rig.control.sol();
    let mut terminal = activate(&rig).await;
    // Its packets are taken in part: it sends the rest.
    sol.set_faults(SolFaults { accept: Some(3), ..SolFaults::default() });
    terminal.types("abcdefghij\r").await;
    terminal.sees("abcdefghij\r\nlogin: ").await;
    // Acknowledgement and echo are lost once each: both sides send again, and nothing comes twice.
    sol.set_faults(SolFaults { lose: 2, ..SolFaults::default() });
    terminal.types("again\r").await;
    terminal.sees("again\r\nlogin: ").await;
    assert_eq!(rig.chassis.serial_device().typed(), b"abcdefghij\ragain\r");
    // Somebody ends it.
    sol.deactivate();
    rig.chassis.serial_device().say(b"nobody hears this");
    assert!(!sol.is_active());
    terminal.leaves().await;
}

#[tokio::test]
async fn a_console_ends_with_its_session_or_by_another() {
    let Some(rig) = Rig::new("17") else { return };
    let sol = rig.control.sol();
    let first = activate(&rig).await;
    rig.tool("sol deactivate").await;
    assert!(!sol.is_active());
    let second = activate(&rig).await;
    rig.control.forget_sessions();
    until("a forgotten session has no console", || !sol.is_active()).await;
    drop((first, second));
}

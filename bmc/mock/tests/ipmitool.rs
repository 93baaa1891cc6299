//! The simulated BMC judged by ipmitool: sessions, power, boot options, and what a BMC says of itself.
//!
//! Event log, sensors, FRU, users, network and serial over LAN have judges of their own beside this one.

use bmc_mock::ipmi::{Control, Identity, Server, User};
use bmc_mock::{BootDevice, BootFlags, Chassis, MemoryChassis};
use std::io::Write;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const PASSWORD: &str = "a long secret 20 byt";
/// 12345678-9abc-4def-8123-456789abcdef
const UUID: [u8; 16] =
    [0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0x4D, 0xEF, 0x81, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF];
const BOTH: [&str; 2] = ["17", "3"];

struct Rig {
    suite: &'static str,
    chassis: Arc<MemoryChassis>,
    port: u16,
    control: Control,
    shutdown: CancellationToken,
    running: JoinHandle<std::io::Result<()>>,
}

impl Rig {
    /// A BMC asked with this suite. `None`: ipmitool is not here, and that is allowed.
    fn new(suite: &'static str, change: impl FnOnce(&mut Identity)) -> Option<Self> {
        if std::process::Command::new("ipmitool").arg("-V").output().is_err() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "CI needs ipmitool");
            let _ = writeln!(std::io::stderr(), "skipped: ipmitool is not installed");
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
        Some(Self { suite, chassis, port, control, shutdown, running })
    }

    async fn output(&self, user: &str, password: &str, words: &str) -> Output {
        self.output_with(self.suite, user, password, words).await
    }

    async fn output_with(&self, suite: &str, user: &str, password: &str, words: &str) -> Output {
        Command::new("ipmitool")
            .args(["-I", "lanplus", "-N", "1", "-R", "3", "-C", suite, "-H", "127.0.0.1"])
            .args(["-p", &self.port.to_string(), "-U", user, "-P", password])
            .args(words.split(' '))
            .output()
            .await
            .unwrap()
    }

    /// What ipmitool says; it must succeed, and close its session.
    async fn tool(&self, words: &str) -> String {
        let output = self.output("admin", PASSWORD, words).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{words}: {text}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(self.control.open_sessions(), 0, "{words}");
        text
    }

    /// What ipmitool complains of; it must fail.
    async fn fails(&self, user: &str, password: &str, words: &str) -> String {
        let output = self.output(user, password, words).await;
        let text = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success(), "{words}: {text}");
        text.into_owned()
    }

    async fn is_on(&self) -> bool {
        self.chassis.power().await.unwrap()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
    }
}

/// Whether the text has the line, whatever the number of its blanks.
#[track_caller]
fn has(text: &str, line: &str) {
    let plain = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.lines().any(|found| plain(found).contains(line)), "`{line}` is not in:\n{text}");
}

#[tokio::test]
async fn power() {
    for suite in BOTH {
        let Some(rig) = Rig::new(suite, |_| {}) else { return };
        has(&rig.tool("power status").await, "Chassis Power is off");
        for words in ["power cycle", "power reset", "power diag"] {
            has(&rig.fails("admin", PASSWORD, words).await, "Command not supported in present state");
        }
        rig.tool("power on").await;
        assert!(rig.is_on().await);
        has(&rig.tool("power status").await, "Chassis Power is on");
        for words in ["power cycle", "power reset", "power diag"] {
            rig.tool(words).await;
            assert!(rig.is_on().await, "{words}");
        }
        assert_eq!(rig.chassis.diagnostics(), 1);
        rig.tool("power soft").await;
        assert!(!rig.is_on().await);
        rig.tool("power on").await;
        rig.tool("power off").await;
        assert!(!rig.is_on().await);
        rig.stop().await;
    }
}

#[tokio::test]
async fn chassis_state() {
    for suite in BOTH {
        let Some(rig) = Rig::new(suite, |_| {}) else { return };
        rig.tool("power on").await;
        rig.control.set_power_fault(true);
        let text = rig.tool("chassis status").await;
        for line in [
            "System Power : on",
            "Main Power Fault : true",
            "Power Restore Policy : always-off",
            "Last Power Event : command",
        ] {
            has(&text, line);
        }
        has(&rig.tool("chassis policy list").await, "always-off always-on previous");
        for policy in ["always-on", "previous", "always-off"] {
            rig.tool(&format!("chassis policy {policy}")).await;
            has(&rig.tool("chassis status").await, &format!("Power Restore Policy : {policy}"));
        }
        has(&rig.tool("chassis restart_cause").await, "System restart cause: chassis power control command");
        rig.control.advance(Duration::from_secs(30 * 3600));
        has(&rig.tool("chassis poh").await, "POH Counter : 1 days, 6 hours");
        has(&rig.tool("chassis selftest").await, "Self Test Results : passed");
        rig.stop().await;
    }
}

#[tokio::test]
async fn boot_devices() {
    let table = [
        ("pxe", "Force PXE", Some(BootDevice::Network)),
        ("disk", "Force Boot from default Hard-Drive", Some(BootDevice::Disk)),
        ("cdrom", "Force Boot from CD/DVD", Some(BootDevice::Cd)),
        ("bios", "Force Boot into BIOS Setup", Some(BootDevice::Setup)),
        ("safe", "request Safe-Mode", None),
        ("diag", "Force Boot from Diagnostic Partition", None),
        ("floppy", "Force Boot from Floppy/primary removable media", None),
        ("none", "No override", None),
    ];
    for suite in BOTH {
        let Some(rig) = Rig::new(suite, |_| {}) else { return };
        for (word, selector, device) in table {
            rig.tool(&format!("chassis bootdev {word}")).await;
            assert_eq!(rig.chassis.boot().await.unwrap().device, device, "{word}");
            let text = rig.tool("chassis bootparam get 5").await;
            has(&text, "- Boot Flag Valid");
            has(&text, selector);
        }
        rig.tool("chassis bootdev pxe options=persistent,efiboot").await;
        let flags = BootFlags { device: Some(BootDevice::Network), persistent: true, uefi: true };
        assert_eq!(rig.chassis.boot().await.unwrap(), flags);
        let text = rig.tool("chassis bootparam get 5").await;
        for line in ["Options apply to all future boots", "BIOS EFI boot", "Force PXE"] {
            has(&text, line);
        }
        rig.tool("power on").await;
        has(&rig.tool("chassis bootparam get 5").await, "Boot parameter data: e004000000");
        rig.stop().await;
    }
}

#[tokio::test]
async fn boot_options() {
    let options = [
        ("clear-cmos", "CMOS Clear"),
        ("lockkbd", "Lock Keyboard"),
        ("screenblank", "Screen Blank"),
        ("lockoutreset", "Lock out Reset buttons"),
        ("lockout_power", "Lock out (power off/sleep request) via Power Button"),
        ("verbose=yes", "Request verbose display"),
        ("force_pet", "Force progress event traps"),
        ("upw_bypass", "User password bypass"),
        ("lockout_sleep", "Lock Out Sleep Button"),
        ("cons_redirect=enable", "Request console redirection be enabled"),
    ];
    let Some(rig) = Rig::new("17", |_| {}) else { return };
    for (option, line) in options {
        rig.tool(&format!("chassis bootdev disk options={option}")).await;
        let text = rig.tool("chassis bootparam get 5").await;
        assert!(text.to_lowercase().contains(&line.to_lowercase()), "{option}: {text}");
        has(&text, "Force Boot from default Hard-Drive");
    }
    has(&rig.tool("chassis bootparam get 0").await, "set complete");
    has(&rig.tool("chassis bootparam get 4").await, "BIOS/POST has handled boot info");
    // ipmitool 1.8.19 doesn't take its own option no-timeout.
    rig.tool("raw 0x00 0x08 0x03 0x08").await;
    has(
        &rig.tool("chassis bootparam get 3").await,
        "Don't automatically clear boot flag valid bit on timeout",
    );
    rig.tool("chassis bootparam set bootflag force_pxe").await;
    rig.control.advance(Duration::from_secs(120));
    has(&rig.tool("chassis bootparam get 5").await, "- Boot Flag Valid");
    rig.tool("power on").await;
    has(&rig.tool("chassis bootparam get 5").await, "- Boot Flag Invalid");
    rig.tool("raw 0x00 0x08 0x03 0x00").await;
    rig.tool("chassis bootparam set bootflag force_pxe").await;
    rig.control.advance(Duration::from_secs(120));
    has(&rig.tool("chassis bootparam get 5").await, "- Boot Flag Invalid");
    rig.stop().await;
}

#[tokio::test]
async fn what_it_is() {
    for suite in BOTH {
        let Some(rig) = Rig::new(suite, |identity| identity.maker = (10876, 0x1234)) else { return };
        let text = rig.tool("mc info").await;
        for line in [
            "IPMI Version : 2.0",
            "Firmware Revision : 1.00",
            "Manufacturer ID : 10876",
            "Product ID : 4660 (0x1234)",
            "SDR Repository Device",
        ] {
            has(&text, line);
        }
        has(&rig.tool("mc guid").await.to_lowercase(), "12345678-9abc-4def-8123-456789abcdef");
        let text = rig.tool("channel getciphers ipmi 1").await;
        has(&text, "17 N/A hmac_sha256 sha256_128 aes_cbc_128");
        has(&text, "3 N/A hmac_sha1 hmac_sha1_96 aes_cbc_128");
        let text = rig.tool("channel authcap 1 4").await;
        has(&text, "KG status : default (all zeroes)");
        has(&text, "Channel supports IPMI v2.0 : yes");
        let text = rig.tool("session info active").await;
        for line in [
            "slot count : 8",
            "active sessions : 1",
            "user id : 2",
            "privilege level : ADMINISTRATOR",
            "session type : IPMIv2/RMCP+",
            "console ip : 127.0.0.1",
        ] {
            has(&text, line);
        }
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_reset_of_the_bmc() {
    // Once each: ipmitool takes its time to give up closing its session.
    for (suite, words) in [("17", "mc reset cold"), ("3", "mc reset warm")] {
        let Some(rig) = Rig::new(suite, |_| {}) else { return };
        rig.control.set_limits(|limits| limits.restart = Duration::from_secs(600));
        let output = rig.output("admin", PASSWORD, words).await;
        assert!(String::from_utf8_lossy(&output.stdout).contains("reset command to MC"), "{output:?}");
        // ipmitool doesn't wait for the answer.
        let gone = async {
            while rig.control.open_sessions() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
        // That it hears nothing while it is starting is shown in `faults.rs`, faster.
        rig.control.advance(Duration::from_secs(600));
        rig.tool("power status").await;
        has(&rig.fails("watch", "secret", "-L OPERATOR mc reset warm").await, "Insufficient privilege level");
        rig.stop().await;
    }
}

#[tokio::test]
async fn who_is_refused() {
    for suite in BOTH {
        let Some(rig) = Rig::new(suite, |_| {}) else { return };
        let table = [
            ("admin", "wrong", "-v power status", "HMAC is invalid"),
            ("nobody", "secret", "-v power status", "unauthorized name"),
            ("watch", "secret", "-v power status", "unauthorized role"),
            ("watch", "secret", "-L USER power on", "Insufficient privilege level"),
        ];
        for (user, password, words, complaint) in table {
            has(&rig.fails(user, password, words).await, complaint);
        }
        // HMAC-MD5, no encryption, and nothing at all.
        for suite in ["8", "2", "0"] {
            let output = rig.output_with(suite, "admin", PASSWORD, "-v power status").await;
            has(&String::from_utf8_lossy(&output.stderr), "no matching cipher suite");
            assert!(!output.status.success(), "{suite}");
        }
        assert!(!rig.is_on().await);
        assert!(rig.output("watch", "secret", "-L OPERATOR power on").await.status.success());
        assert!(rig.is_on().await);
        rig.control.set_limits(|limits| limits.sessions = 0);
        has(&rig.fails("admin", PASSWORD, "-v power status").await, "insufficient resources");
        rig.stop().await;
    }
}

/// IPMI 1.5 is not there; ipmitool's `lan` interface is told so.
#[tokio::test]
async fn ipmi_1_5_is_not_spoken() {
    let Some(rig) = Rig::new("17", |_| {}) else { return };
    let port = rig.port.to_string();
    let output = Command::new("ipmitool")
        .args(["-I", "lan", "-N", "1", "-R", "2", "-H", "127.0.0.1", "-p", &port, "-U", "admin", "-P", "x"])
        .args(["power", "status"])
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("Authentication type NONE not supported"), "{text}");
    rig.stop().await;
}

#[tokio::test]
async fn a_bmc_key() {
    let key = "0123456789abcdef0123456789abcdef01234567";
    for suite in BOTH {
        let Some(rig) = Rig::new(suite, |identity| identity.bmc_key = hex::decode(key).ok()) else { return };
        has(&rig.tool(&format!("-y {key} power status")).await, "Chassis Power is off");
        has(&rig.tool(&format!("-y {key} channel authcap 1 4")).await, "KG status : non-zero");
        let wrong = key.replace('0', "1");
        for words in ["-v power status".to_owned(), format!("-v -y {wrong} power status")] {
            // ipmitool counts this as a success.
            let output = rig.output("admin", PASSWORD, &words).await;
            has(&String::from_utf8_lossy(&output.stderr), "RAKP 4 message has invalid integrity check value");
            assert!(!String::from_utf8_lossy(&output.stdout).contains("Chassis Power"), "{output:?}");
        }
        rig.stop().await;
    }
}

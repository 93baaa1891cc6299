//! Sessions, power, boot options, and what a BMC says of itself.

use super::rig::{BOTH, PASSWORD, Rig, has_line, split};
use bmc_mock::{BootDevice, BootFlags, Chassis};
use std::time::Duration;
use tokio::process::Command;

#[tokio::test]
async fn power() {
    for suite in BOTH {
        let Some(rig) = Rig::new(suite) else { return };
        has_line(&rig.tool("power status").await, "Chassis Power is off");
        for words in ["power cycle", "power reset", "power diag"] {
            has_line(&rig.fails(words).await, "Command not supported in present state");
        }
        rig.tool("power on").await;
        assert!(rig.is_on().await);
        has_line(&rig.tool("power status").await, "Chassis Power is on");
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
        let Some(rig) = Rig::new(suite) else { return };
        rig.tool("power on").await;
        rig.control.set_power_fault(true);
        let text = rig.tool("chassis status").await;
        for line in [
            "System Power : on",
            "Main Power Fault : true",
            "Power Restore Policy : always-off",
            "Last Power Event : command",
        ] {
            has_line(&text, line);
        }
        has_line(&rig.tool("chassis policy list").await, "always-off always-on previous");
        for policy in ["always-on", "previous", "always-off"] {
            rig.tool(&format!("chassis policy {policy}")).await;
            has_line(&rig.tool("chassis status").await, &format!("Power Restore Policy : {policy}"));
        }
        has_line(
            &rig.tool("chassis restart_cause").await,
            "System restart cause: chassis power control command",
        );
        rig.control.advance(Duration::from_secs(30 * 3600));
        has_line(&rig.tool("chassis poh").await, "POH Counter : 1 days, 6 hours");
        has_line(&rig.tool("chassis selftest").await, "Self Test Results : passed");
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
        let Some(rig) = Rig::new(suite) else { return };
        for (word, selector, device) in table {
            rig.tool(&format!("chassis bootdev {word}")).await;
            assert_eq!(rig.chassis.boot().await.unwrap().device, device, "{word}");
            let text = rig.tool("chassis bootparam get 5").await;
            has_line(&text, "- Boot Flag Valid");
            has_line(&text, selector);
        }
        rig.tool("chassis bootdev pxe options=persistent,efiboot").await;
        let flags = BootFlags { device: Some(BootDevice::Network), persistent: true, uefi: true };
        assert_eq!(rig.chassis.boot().await.unwrap(), flags);
        let text = rig.tool("chassis bootparam get 5").await;
        for line in ["Options apply to all future boots", "BIOS EFI boot", "Force PXE"] {
            has_line(&text, line);
        }
        rig.tool("power on").await;
        has_line(&rig.tool("chassis bootparam get 5").await, "Boot parameter data: e004000000");
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
    let Some(rig) = Rig::new("17") else { return };
    for (option, line) in options {
        rig.tool(&format!("chassis bootdev disk options={option}")).await;
        let text = rig.tool("chassis bootparam get 5").await;
        assert!(text.to_lowercase().contains(&line.to_lowercase()), "{option}: {text}");
        has_line(&text, "Force Boot from default Hard-Drive");
    }
    has_line(&rig.tool("chassis bootparam get 0").await, "set complete");
    has_line(&rig.tool("chassis bootparam get 4").await, "BIOS/POST has handled boot info");
    // ipmitool 1.8.19 doesn't take its own option no-timeout.
    rig.tool("raw 0x00 0x08 0x03 0x08").await;
    has_line(
        &rig.tool("chassis bootparam get 3").await,
        "Don't automatically clear boot flag valid bit on timeout",
    );
    rig.tool("chassis bootparam set bootflag force_pxe").await;
    rig.control.advance(Duration::from_secs(120));
    has_line(&rig.tool("chassis bootparam get 5").await, "- Boot Flag Valid");
    rig.tool("power on").await;
    has_line(&rig.tool("chassis bootparam get 5").await, "- Boot Flag Invalid");
    rig.tool("raw 0x00 0x08 0x03 0x00").await;
    rig.tool("chassis bootparam set bootflag force_pxe").await;
    rig.control.advance(Duration::from_secs(120));
    has_line(&rig.tool("chassis bootparam get 5").await, "- Boot Flag Invalid");
    rig.stop().await;
}

#[tokio::test]
async fn what_it_is() {
    for suite in BOTH {
        let Some(rig) = Rig::with(suite, |identity| identity.maker = (10876, 0x1234)) else { return };
        let text = rig.tool("mc info").await;
        for line in [
            "IPMI Version : 2.0",
            "Firmware Revision : 1.00",
            "Manufacturer ID : 10876",
            "Product ID : 4660 (0x1234)",
            "SDR Repository Device",
        ] {
            has_line(&text, line);
        }
        has_line(&rig.tool("mc guid").await.to_lowercase(), "12345678-9abc-4def-8123-456789abcdef");
        let text = rig.tool("channel getciphers ipmi 1").await;
        has_line(&text, "17 N/A hmac_sha256 sha256_128 aes_cbc_128");
        has_line(&text, "3 N/A hmac_sha1 hmac_sha1_96 aes_cbc_128");
        let text = rig.tool("channel authcap 1 4").await;
        has_line(&text, "KG status : default (all zeroes)");
        has_line(&text, "Channel supports IPMI v2.0 : yes");
        let text = rig.tool("session info active").await;
        for line in [
            "slot count : 8",
            "active sessions : 1",
            "user id : 2",
            "privilege level : ADMINISTRATOR",
            "session type : IPMIv2/RMCP+",
            "console ip : 127.0.0.1",
        ] {
            has_line(&text, line);
        }
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_reset_of_the_bmc() {
    // Once each: ipmitool takes its time to give up closing its session.
    for (suite, words) in [("17", "mc reset cold"), ("3", "mc reset warm")] {
        let Some(rig) = Rig::new(suite) else { return };
        rig.control.set_limits(|limits| limits.restart = Duration::from_secs(600));
        let output = rig.output("admin", PASSWORD, &split(words)).await;
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
        has_line(
            &rig.fails_as("watch", "secret", "-L OPERATOR mc reset warm").await,
            "Insufficient privilege level",
        );
        rig.stop().await;
    }
}

#[tokio::test]
async fn who_is_refused() {
    for suite in BOTH {
        let Some(rig) = Rig::new(suite) else { return };
        let table = [
            ("admin", "wrong", "-v power status", "HMAC is invalid"),
            ("nobody", "secret", "-v power status", "unauthorized name"),
            ("watch", "secret", "-v power status", "unauthorized role"),
            ("watch", "secret", "-L USER power on", "Insufficient privilege level"),
        ];
        for (user, password, words, complaint) in table {
            has_line(&rig.fails_as(user, password, words).await, complaint);
        }
        // HMAC-MD5, no encryption, and nothing at all.
        for suite in ["8", "2", "0"] {
            let output = rig.output_with(suite, "admin", PASSWORD, &split("-v power status")).await;
            has_line(&String::from_utf8_lossy(&output.stderr), "no matching cipher suite");
            assert!(!output.status.success(), "{suite}");
        }
        assert!(!rig.is_on().await);
        assert!(rig.output("watch", "secret", &split("-L OPERATOR power on")).await.status.success());
        assert!(rig.is_on().await);
        rig.control.set_limits(|limits| limits.sessions = 0);
        has_line(&rig.fails("-v power status").await, "insufficient resources");
        rig.stop().await;
    }
}

/// IPMI 1.5 is not there; ipmitool's `lan` interface is told so.
#[tokio::test]
async fn ipmi_1_5_is_not_spoken() {
    let Some(rig) = Rig::new("17") else { return };
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
        let Some(rig) = Rig::with(suite, |identity| identity.bmc_key = hex::decode(key).ok()) else { return };
        has_line(&rig.tool(&format!("-y {key} power status")).await, "Chassis Power is off");
        has_line(&rig.tool(&format!("-y {key} channel authcap 1 4")).await, "KG status : non-zero");
        let wrong = key.replace('0', "1");
        for words in ["-v power status".to_owned(), format!("-v -y {wrong} power status")] {
            // ipmitool counts this as a success.
            let output = rig.output("admin", PASSWORD, &split(&words)).await;
            has_line(
                &String::from_utf8_lossy(&output.stderr),
                "RAKP 4 message has invalid integrity check value",
            );
            assert!(!String::from_utf8_lossy(&output.stdout).contains("Chassis Power"), "{output:?}");
        }
        rig.stop().await;
    }
}

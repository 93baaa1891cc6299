//! A stranger's BMC: OpenIPMI's ipmi_sim, which knows suite 3 only and keeps of the boot flags only the device.

use super::*;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

mod settings;
mod sol;
mod storage;

/// Power and boot device are files beside the script.
const CHASSIS: &str = r#"#!/bin/sh
cd "${0%/*}" || exit 1
case "$1 $2" in
"get power") echo "power:$(cat power)" ;;
"get boot") echo "boot:$(cat boot)" ;;
"set power") echo "$3" > power ;;
"set boot") echo "$3" > boot ;;
*) exit 1 ;;
esac
"#;

/// `mc_enable` must come last: a bad line before it leaves the simulator without a socket.
const EMULATION: &str = "mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
";

struct Sim {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Sim {
    /// `None`: it is not installed, and that is allowed.
    fn start() -> Option<Self> {
        Self::start_with("")
    }

    /// With one more line about the machine.
    fn start_with(line: &str) -> Option<Self> {
        Self::emulating(EMULATION, line)
    }

    /// With these commands, of which the last must be `mc_enable`.
    fn emulating(emulation: &str, line: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let path = folder.path();
        std::fs::create_dir(path.join("state")).unwrap();
        write(path, "power", "0\n");
        write(path, "boot", "none\n");
        write(path, "sim.emu", emulation);
        write(path, "chassis", CHASSIS);
        std::fs::set_permissions(path.join("chassis"), std::fs::Permissions::from_mode(0o755)).unwrap();
        write(path, "lan.conf", &configuration(path, port, line));
        let child = Command::new("ipmi_sim")
            .args(["-n", "-c", "lan.conf", "-f", "sim.emu", "-s", "state"])
            .current_dir(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match child {
            Ok(child) => Some(Self { child, folder, port }),
            Err(error) => {
                assert!(std::env::var("CI").as_deref() != Ok("true"), "CI needs ipmi_sim: {error}");
                let _ = writeln!(std::io::stderr(), "skipped: ipmi_sim can't be started: {error}");
                None
            }
        }
    }

    /// Waits until it has its port open: until it answers at all, be it with a refusal.
    async fn ready(&mut self) {
        // A driver would let it rest after a few tries.
        while let Err(BmcError::Unreachable { .. } | BmcError::NotABmc { .. }) =
            driver(self.port, Cipher::Suite3).power().await
        {
            assert!(self.child.try_wait().unwrap().is_none(), "ipmi_sim ended");
        }
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap().trim().to_owned()
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

fn configuration(folder: &Path, port: u16, line: &str) -> String {
    let chassis = folder.join("chassis");
    let chassis = chassis.display();
    format!(
        r#"name "sim"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 {port}
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789000002
  endlan
  {line}
  chassis_control "{chassis}"
  user 1 false "" "test" user 10 none md2 md5 straight
  user 2 true "{NAME}" "{PASSWORD}" admin 10 none md2 md5 straight
"#
    )
}

#[tokio::test]
async fn a_stranger_obeys() {
    let Some(mut sim) = Sim::start() else { return };
    sim.ready().await;
    let timing = Timing { power: Duration::from_secs(10), ..quick() };
    let cipher = Cipher::Suite3;
    let bmc = Ipmi::with_timing(endpoint(sim.port, cipher, NAME, PASSWORD), cipher, timing);
    let info = bmc.info().await.unwrap();
    assert_eq!(info.product.as_deref(), Some("0x0f02"));
    assert_eq!(info.manufacturer.as_deref(), Some("4753"));
    assert!(info.system_uuid.is_some());

    assert_eq!(bmc.power().await.unwrap(), PowerState::Off);
    for (target, file) in [(PowerState::On, "1"), (PowerState::Off, "0"), (PowerState::On, "1")] {
        bmc.set_power(target).await.unwrap();
        assert_eq!(bmc.power().await.unwrap(), target);
        assert_eq!(sim.file("power"), file);
    }
    let disk = BootOverride { target: BootTarget::Disk, ..NETWORK_ONCE };
    for (boot, file) in [(NETWORK_ONCE, "pxe"), (disk, "default"), (NETWORK_ONCE, "pxe")] {
        bmc.set_boot(boot).await.unwrap();
        assert_eq!(sim.file("boot"), file);
    }
    bmc.close().await;
}

#[tokio::test]
async fn a_stranger_refuses() {
    let Some(mut sim) = Sim::start() else { return };
    sim.ready().await;
    let cipher = Cipher::Suite3;
    let bmc = Ipmi::with_timing(endpoint(sim.port, cipher, NAME, "wrong"), cipher, quick());
    let error = bmc.power().await.unwrap_err();
    assert!(matches!(error, BmcError::AuthenticationFailed { .. }), "{error}");
    let bmc = Ipmi::with_timing(endpoint(sim.port, cipher, "nobody", PASSWORD), cipher, quick());
    let error = bmc.power().await.unwrap_err();
    assert!(matches!(error, BmcError::AuthenticationFailed { .. }), "{error}");
    let error = driver(sim.port, Cipher::Suite17).power().await.unwrap_err();
    assert!(matches!(&error, BmcError::Unsupported { what, .. } if what.contains("`-C 3`")), "{error}");
}

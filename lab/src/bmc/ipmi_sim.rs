//! OpenIPMI's `ipmi_sim`: a BMC that we did not write. It asks `billet-lab chassis-control` to do things.
//!
//! It keeps only the device of the boot flags: "persistent" and "UEFI" are lost in it.

use anyhow::{Context, bail};
use bmc_mock::Chassis;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::process::Child;
use tokio::time::{Instant, timeout};

use super::{IPMI_PORT, PASSWORD, Surroundings, USERNAME, uuid_bytes};
use crate::child;
use crate::report::{BmcReport, IpmiReport};
use crate::spec::{BmcKind, Machine};

const PROGRAM: &str = "ipmi_sim";

/// How long it may take until it answers a ping.
const START: Duration = Duration::from_secs(20);

/// An RMCP presence ping (IPMI 2.0 section 13.2.3): RMCP header of class ASF, then ASF's number, type and tag.
const PING: [u8; 12] = [6, 0, 0xff, 6, 0, 0, 0x11, 0xbe, 0x80, 0, 0, 0];

pub(super) async fn start(
    around: &Surroundings<'_>,
    machine: &Machine,
    address: IpAddr,
    chassis: &dyn Chassis,
) -> anyhow::Result<BmcReport> {
    let address = SocketAddr::new(address, IPMI_PORT);
    let folder = around.layout.machine(&machine.name).ipmi_sim();
    // The event log of an earlier run would come back.
    let _first_run = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("state"))?;
    let line = match chassis.serial() {
        Some(serial) => Some(super::line::offer(serial, around.tasks, around.stop.clone()).await?),
        None => None,
    };
    std::fs::write(folder.join("lan.conf"), configuration(machine, address, line))?;
    std::fs::write(folder.join("sim.emu"), super::board::commands(machine))?;
    let mut child = spawn(around.layout.dir(), &folder)?;
    tokio::select! {
        ended = child.wait() => bail!("{PROGRAM} ended at once ({}); see {}", ended?, folder.join("log").display()),
        answered = await_ping(address) => answered.with_context(|| format!("see {}", folder.join("log").display()))?,
    }
    let (stop, name) = (around.stop.clone(), machine.name.clone());
    around.tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {
                let _gone_already = child.kill().await;
            }
            ended = child.wait() => tracing::error!(machine = name, ?ended, "the BMC is gone: {PROGRAM} ended"),
        }
    });
    Ok(BmcReport {
        kind: BmcKind::IpmiSim,
        address: address.ip(),
        username: USERNAME.to_owned(),
        password: PASSWORD.to_owned(),
        ipmi: Some(IpmiReport { address, cipher: 3 }),
        redfish: None,
        libvirt: None,
    })
}

/// In the lab's folder, to which the configuration is relative.
fn spawn(lab: &Path, folder: &Path) -> anyhow::Result<Child> {
    let log = std::fs::File::create(folder.join("log"))?;
    let child = child::command(PROGRAM)
        .current_dir(lab)
        .arg("-n")
        .arg("-c")
        .arg(folder.join("lan.conf"))
        .arg("-f")
        .arg(folder.join("sim.emu"))
        .arg("-s")
        .arg(folder.join("state"))
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn();
    child.with_context(|| format!("can't start {PROGRAM}"))
}

/// Its configuration (ipmi_lan(5)). The chassis program goes through a shell: names without surprises only.
fn configuration(machine: &Machine, address: SocketAddr, line: Option<SocketAddr>) -> String {
    let (name, host, port) = (&machine.name, address.ip(), address.port());
    // Without a history, with which it drops output that comes faster than it can send.
    let sol = line.map(|line| format!("\n  sol \"tcp:{line}\" 115200")).unwrap_or_default();
    format!(
        r#"name "{name}"
set_working_mc 0x20
  startlan 1
    addr {host} {port}
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid {guid}
  endlan{sol}
  chassis_control "./billet-lab chassis-control {name}"
  user 1 false "" "" user 10 none md2 md5 straight
  user 2 true "{USERNAME}" "{PASSWORD}" admin 10 none md2 md5 straight
"#,
        guid = guid(&machine.uuid()),
    )
}

/// The UUID in SMBIOS order (SMBIOS 3.6 section 7.2.1), hex, as most boards send it.
fn guid(uuid: &str) -> String {
    let mut bytes = uuid_bytes(uuid);
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Waits until it answers.
async fn await_ping(address: SocketAddr) -> anyhow::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    socket.connect(address).await?;
    let deadline = Instant::now() + START;
    let mut buffer = [0; 64];
    while Instant::now() < deadline {
        // Refused while nobody has the port; then the next receive tells.
        let _refused = socket.send(&PING).await;
        let pause = tokio::time::sleep(Duration::from_millis(50));
        if let Ok(Ok(_)) = timeout(Duration::from_millis(500), socket.recv(&mut buffer)).await {
            return Ok(());
        }
        pause.await;
    }
    bail!("{PROGRAM} does not answer at {address}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Firmware;

    #[test]
    fn the_configuration_has_the_machines_identity() {
        let machine = Machine::new("m1", Firmware::Bios, BmcKind::IpmiSim);
        let text = configuration(&machine, "127.0.1.1:623".parse().unwrap(), "127.0.0.1:7".parse().ok());
        assert!(text.contains("  sol \"tcp:127.0.0.1:7\" 115200\n"), "{text}");
        assert!(text.contains("    addr 127.0.1.1 623\n"), "{text}");
        assert!(text.contains("chassis_control \"./billet-lab chassis-control m1\"\n"), "{text}");
        assert_eq!(guid("00112233-4455-6677-8899-aabbccddeeff"), "33221100554477668899aabbccddeeff");
    }
}

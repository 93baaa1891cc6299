//! Another DHCP server on the network: busybox's udhcpd.

use super::*;
use std::process::{Child, Stdio};

/// udhcpd on v1; it ends with the value.
struct Rogue {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Rogue {
    fn start() -> Rogue {
        ip("addr add 10.77.0.66/24 dev v1");
        let folder = tempfile::tempdir().unwrap();
        let (leases, pid) = (folder.path().join("leases"), folder.path().join("pid"));
        std::fs::write(&leases, "").unwrap();
        let text = format!(
            "start 10.77.0.210\nend 10.77.0.220\ninterface v1\nlease_file {}\npidfile {}\nopt subnet 255.255.255.0\n",
            leases.display(),
            pid.display()
        );
        let config = folder.path().join("udhcpd.conf");
        std::fs::write(&config, text).unwrap();
        let child = Command::new("busybox")
            .args(["udhcpd", "-f"])
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Rogue { child, _folder: folder }
    }
}

impl Drop for Rogue {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a rogue is shown. That this takes five seconds at most follows from the pace of our probes
/// (`ASK_EVERY` in `pxe/src/rogue.rs`); a limit here would only measure how busy the machine is.
async fn shown(lab: &Lab) {
    let wait = async {
        while lab.status.network("lab").is_none_or(|status| status.rogues.is_empty()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the rogue is not shown");
}

#[test]
fn a_rogue_is_shown_and_silences_us() {
    in_namespace("dhcp::rogue::a_rogue_is_shown_and_silences_us", || async {
        let lab = Lab::start(|dhcp| dhcp.rogue = RoguePolicy::Silent).await;
        let mut client = Client::open("v1", MAC);
        client.discover().await;
        assert!(!lab.status.network("lab").is_some_and(|status| status.silent));
        let _rogue = Rogue::start();
        shown(&lab).await;
        let status = lab.status.network("lab").unwrap();
        assert!(status.silent);
        let rogue = &status.rogues[0];
        assert_eq!((rogue.server, rogue.mac), (Ipv4Addr::new(10, 77, 0, 66), MAC));
        assert!(rogue.gives_addresses && rogue.first_seen <= rogue.last_seen);
        client.send(&client.message(1));
        lab.told(|dhcp| dhcp.silence.as_deref().is_some_and(|why| why.contains("another DHCP server"))).await;
        assert!(lab.counted(r#"billet_rogue_servers{network="lab"} 1"#));
        // Our own probes for it are never leased an address.
        let probe = pxe_proto::rogue::probe_mac("lab", SERVER);
        assert!(lab.directory.entries().iter().all(|entry| entry.mac != probe));
    });
}

#[test]
fn with_alarm_we_go_on_and_a_known_server_is_no_rogue() {
    in_namespace("dhcp::rogue::with_alarm_we_go_on_and_a_known_server_is_no_rogue", || async {
        let lab = Lab::start(|dhcp| {
            dhcp.rogue = RoguePolicy::Alarm;
            dhcp.known_servers = vec![Ipv4Addr::new(10, 77, 0, 66)];
        })
        .await;
        let _known = Rogue::start();
        let wait = async {
            while lab.status.network("lab").is_none_or(|status| status.known.is_empty()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the other server is not heard");
        let status = lab.status.network("lab").unwrap();
        assert!(status.rogues.is_empty() && !status.silent, "{status:?}");
        let mut client = Client::open("v1", [0x52, 0x54, 0, 0, 0, 0x77]);
        client.discover().await;
    });
}

//! The server judged by ipmitool, and by noise; the table of sessions by itself.

use super::*;
use crate::{BootDevice, BootFlags, MemoryChassis};
use bmc_proto::ipmi::GetDeviceId;
use bmc_proto::ipmi::handshake::{OpenSessionRequest, OpenSessionResponse, Rakp1, Rakp2, Status};
use proptest::prelude::*;
use std::io::Write;
use std::process::Output;
use tokio::process::Command;
use tokio::task::JoinHandle;

/// 12345678-9abc-4def-8123-456789abcdef
const UUID: [u8; 16] =
    [0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0x4D, 0xEF, 0x81, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF];

struct Rig {
    chassis: Arc<MemoryChassis>,
    address: SocketAddr,
    control: Control,
    shutdown: CancellationToken,
    running: JoinHandle<io::Result<()>>,
}

impl Rig {
    async fn new() -> Self {
        let chassis = Arc::new(MemoryChassis::new());
        let users =
            vec![User::administrator("admin", "a long secret 20 byt"), User::operator("watch", "secret")];
        let address = "127.0.0.1:0".parse().unwrap();
        let server = Server::bind(address, users, chassis.clone(), UUID).await.unwrap();
        let (address, control) = (server.local_addr().unwrap(), server.control());
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(server.run(shutdown.clone()));
        Self { chassis, address, control, shutdown, running }
    }

    async fn tool_as(&self, suite: &str, user: &str, password: &str, words: &str) -> Output {
        Command::new("ipmitool")
            .args(["-I", "lanplus", "-N", "1", "-R", "3", "-C", suite, "-H", "127.0.0.1"])
            .args(["-p", &self.address.port().to_string(), "-U", user, "-P", password])
            .args(words.split(' '))
            .output()
            .await
            .unwrap()
    }

    /// What ipmitool says; it must succeed.
    async fn tool(&self, suite: &str, words: &str) -> String {
        let output = self.tool_as(suite, "admin", "a long secret 20 byt", words).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{words}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
    }
}

/// False: ipmitool is not here, and that is allowed.
fn ipmitool_is_here() -> bool {
    if std::process::Command::new("ipmitool").arg("-V").output().is_ok() {
        return true;
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "CI needs ipmitool");
    let _ = writeln!(std::io::stderr(), "skipped: ipmitool is not installed");
    false
}

#[tokio::test]
async fn ipmitool_is_content() {
    if !ipmitool_is_here() {
        return;
    }
    for suite in ["17", "3"] {
        let rig = Rig::new().await;
        assert!(rig.tool(suite, "power status").await.contains("is off"));
        rig.tool(suite, "power on").await;
        assert!(rig.tool(suite, "power status").await.contains("is on"));
        assert!(rig.chassis.power().await.unwrap());
        rig.tool(suite, "power cycle").await;
        rig.tool(suite, "power reset").await;
        assert!(rig.chassis.power().await.unwrap());
        rig.tool(suite, "power soft").await;
        assert!(!rig.chassis.power().await.unwrap());

        rig.tool(suite, "chassis bootdev pxe options=efiboot").await;
        let flags = BootFlags { device: Some(BootDevice::Network), persistent: false, uefi: true };
        assert_eq!(rig.chassis.boot().await.unwrap(), flags);
        let text = rig.tool(suite, "chassis bootparam get 5").await;
        for words in ["Boot Flag Valid", "only next boot", "BIOS EFI boot", "Force PXE"] {
            assert!(text.contains(words), "{words} not in {text}");
        }
        rig.tool(suite, "chassis bootdev disk options=persistent").await;
        let flags = BootFlags { device: Some(BootDevice::Disk), persistent: true, uefi: false };
        assert_eq!(rig.chassis.boot().await.unwrap(), flags);
        rig.tool(suite, "chassis bootdev none").await;
        assert_eq!(rig.chassis.boot().await.unwrap().device, None);

        let text = rig.tool(suite, "mc info").await;
        assert!(text.contains("IPMI Version              : 2.0"), "{text}");
        let text = rig.tool(suite, "mc guid").await;
        assert!(text.to_lowercase().contains("12345678-9abc-4def-8123-456789abcdef"), "{text}");
        let text = rig.tool(suite, "channel getciphers ipmi 1").await;
        assert!(text.contains("17") && text.contains("hmac_sha256"), "{text}");
        assert_eq!(rig.control.open_sessions(), 0, "ipmitool closes its sessions");
        rig.stop().await;
    }
}

#[tokio::test]
async fn ipmitool_is_refused() {
    if !ipmitool_is_here() {
        return;
    }
    let rig = Rig::new().await;
    let table = [
        ("17", "admin", "wrong", "power status", "HMAC is invalid"),
        ("3", "admin", "wrong", "power status", "HMAC is invalid"),
        ("17", "nobody", "secret", "power status", "unauthorized name"),
        ("17", "watch", "secret", "power status", "unauthorized role"),
        // HMAC-MD5 suites, and none at all.
        ("8", "admin", "a long secret 20 byt", "power status", "no matching cipher suite"),
        ("0", "admin", "", "power status", "no matching cipher suite"),
        ("17", "admin", "a long secret 20 byt", "power reset", "Command not supported in present state"),
    ];
    for (suite, user, password, words, complaint) in table {
        let output = rig.tool_as(suite, user, password, &format!("-v {words}")).await;
        let text = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success() && text.contains(complaint), "{suite} {user} {words}: {text}");
    }
    assert!(!rig.chassis.power().await.unwrap());
    // ipmitool counts this as a success.
    let output = rig.tool_as("17", "admin", "a long secret 20 byt", "chassis bootdev diag").await;
    assert!(String::from_utf8_lossy(&output.stderr).contains("Invalid data field"), "{output:?}");
    let output = rig.tool_as("17", "watch", "secret", "-L OPERATOR power on").await;
    assert!(output.status.success(), "{output:?}");
    assert!(rig.chassis.power().await.unwrap());
    rig.stop().await;
}

fn table() -> Sessions {
    Sessions::new(vec![User::administrator("admin", "secret")], [7; 16], 2)
}

/// Opens a session; the BMC's id of it, or its refusal.
fn open(sessions: &mut Sessions, console_id: u32, now: Duration) -> Result<u32, Status> {
    let algorithms = CipherSuite::Seventeen.algorithms();
    let request = OpenSessionRequest { tag: 1, max_privilege: 0, console_id, algorithms };
    let answer = handshake(sessions, payload::OPEN_SESSION_REQUEST, &request.encode(), 1, now).unwrap();
    let answer = OpenSessionResponse::decode(&answer).unwrap();
    assert_eq!(answer.console_id, Some(console_id));
    answer.outcome.map(|grant| grant.system_id)
}

/// The payload of the answer to a message of the handshake. `dice` is the random number.
fn handshake(sessions: &mut Sessions, kind: u8, bytes: &[u8], dice: u8, now: Duration) -> Option<Vec<u8>> {
    let peer = "127.0.0.1:9".parse().unwrap();
    let datagram = sessions.handshake(kind, bytes, peer, now, &mut || Some([dice; 16]))?;
    let Some(Packet::Plus(plus)) = packet::parse(&datagram) else { panic!("not RMCP+") };
    Some(plus.payload.to_vec())
}

#[test]
fn sessions_are_few_and_end_when_idle() {
    let mut sessions = table();
    assert_eq!(open(&mut sessions, 100, Duration::ZERO), Ok(1));
    assert_eq!(open(&mut sessions, 100, Duration::ZERO), Ok(1), "a repetition takes no second slot");
    assert_eq!(open(&mut sessions, 101, Duration::from_secs(30)), Ok(2));
    assert_eq!(open(&mut sessions, 102, Duration::from_secs(59)), Err(Status::NO_RESOURCES));
    assert_eq!(open(&mut sessions, 102, Duration::from_secs(60)), Ok(3));
}

#[test]
fn a_repeated_rakp_1_gets_the_same_challenge() {
    let mut sessions = table();
    let system_id = open(&mut sessions, 100, Duration::ZERO).unwrap();
    let mut rakp1 =
        Rakp1 { tag: 1, system_id, console_random: [3; 16], role: 0x14, username: b"admin".to_vec() };
    let first = handshake(&mut sessions, payload::RAKP1, &rakp1.encode(), 1, Duration::ZERO).unwrap();
    let again = handshake(&mut sessions, payload::RAKP1, &rakp1.encode(), 2, Duration::ZERO).unwrap();
    assert_eq!(first, again);
    assert_eq!(Rakp2::decode(&first).unwrap().outcome.unwrap().system_random, [1; 16]);
    rakp1.username = b"root".to_vec();
    let refused = handshake(&mut sessions, payload::RAKP1, &rakp1.encode(), 3, Duration::ZERO).unwrap();
    assert_eq!(Rakp2::decode(&refused).unwrap().outcome, Err(Status::UNAUTHORIZED_NAME));
}

proptest! {
    #[test]
    fn noise_is_harmless(datagrams in proptest::collection::vec(
        proptest::collection::vec(any::<u8>(), 0..100), 1..20)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let chassis = Arc::new(MemoryChassis::new());
            let any_port = "127.0.0.1:0".parse().unwrap();
            let server = Server::bind(any_port, vec![], chassis.clone(), UUID).await.unwrap();
            let power_on = [0x20, 0x00, 0xE0, 0x81, 0x04, 0x02, 0x01, 0x78];
            for noise in &datagrams {
                for head in [&[][..], &[6, 0, 0xFF, 7, 6], &[6, 0, 0xFF, 7, 0]] {
                    server.answer(&[head, noise].concat(), any_port).await;
                }
                server.answer(&packet::plain_v15(&power_on), any_port).await;
                server.answer(&packet::plain(payload::IPMI, &power_on), any_port).await;
            }
            assert!(!chassis.power().await.unwrap());
            assert_eq!(server.control().logins(), 0);
        });
    }
}

#[tokio::test]
async fn a_command_without_a_session_is_refused() {
    let rig_chassis = Arc::new(MemoryChassis::new());
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), vec![], rig_chassis, UUID).await.unwrap();
    let request = LanMessage::request(1, &GetDeviceId.into());
    let answer =
        server.answer(&packet::plain_v15(&request.encode()), server.local_addr().unwrap()).await.unwrap();
    let Some(Packet::V15 { payload }) = packet::parse(&answer) else { panic!("not IPMI 1.5") };
    assert_eq!(LanMessage::decode(payload).unwrap().body, [Answer::INSUFFICIENT_PRIVILEGE]);
}

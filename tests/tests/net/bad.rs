//! What no honest client sends: dropped or refused, counted by its reason, and the next client is served as before.

use crate::Test;
use crate::site::{mac, pair};
use anyhow::{Result, ensure};
use std::net::SocketAddrV4;
use std::path::Path;
use tests::net::{BootClient, Message, SERVER, discover, until};

pub(crate) const TESTS: &[Test] = &[
    ("bad::dhcp_messages_are_counted_by_reason", dhcp_messages_are_counted_by_reason),
    ("bad::tftp_requests_are_refused_and_counted", tftp_requests_are_refused_and_counted),
    ("bad::http_requests_are_refused", http_requests_are_refused),
];

const NETWORK: &str = "range = [\"10.77.0.100\", \"10.77.0.199\"]\ndiscovery = true\n";

fn dhcp_messages_are_counted_by_reason(folder: &Path) -> Result<()> {
    let (service, client) = pair(folder, NETWORK)?;
    let rom = BootClient::new(&client, "lan0")?;
    let good = discover(mac(1));
    let truncated = |length: usize| good.bytes()[..length].to_vec();
    let bent = |place: usize, byte: u8| {
        let mut bytes = good.bytes().to_vec();
        bytes[place] = byte;
        bytes
    };
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("length", Vec::new()),
        ("length", truncated(100)),
        ("length", truncated(239)),
        ("length", [good.bytes(), &[0; 8000]].concat()),
        ("no_message_type", truncated(240)),
        ("not_a_request", bent(0, 2)),
        ("not_ethernet", bent(2, 255)),
        ("not_ethernet", bent(1, 6)),
        ("hardware_address", bent(28, 0xff)),
        ("no_cookie", bent(238, 0)),
        ("not_for_servers", Message::new(2, mac(1)).bytes().to_vec()),
        ("not_for_servers", Message::new(77, mac(1)).bytes().to_vec()),
        ("no_address_named", Message::new(3, mac(1)).bytes().to_vec()),
    ];
    let count =
        |reason: &str| service.counter("billet_dhcp_dropped_total", &[&format!("reason=\"{reason}\"")]);
    for (reason, packet) in &table {
        let before = count(reason)?;
        rom.broadcast(packet)?;
        until(&format!("{} bytes are counted as {reason}", packet.len()), || {
            Ok((count(reason)? > before).then_some(()))
        })?;
    }
    // Firmware that there is no loader for gets an address, and is counted.
    let riscv = rom.ask(&discover(mac(2)).pxe(27), |answer| answer.kind() == 2)?;
    ensure!(riscv.boot_file().is_empty(), "{} for RISC-V", riscv.boot_file());
    ensure!(service.counter("billet_dhcp_unsupported_total", &["network=\"lan\""])? >= 1.0);
    let lease = rom.lease(mac(1))?;
    ensure!((100..=199).contains(&lease.address(16).octets()[3]), "{lease:02x?}");
    Ok(())
}

fn tftp_requests_are_refused_and_counted(folder: &Path) -> Result<()> {
    let (service, client) = pair(folder, NETWORK)?;
    client.ip("addr add 10.77.0.3/24 dev lan0")?;
    let socket = client.inside(|| {
        let socket = std::net::UdpSocket::bind("10.77.0.3:0")?;
        socket.set_read_timeout(Some(std::time::Duration::from_secs(20)))?;
        Ok(socket)
    })?;
    let request = |opcode: u8, name: &[u8], mode: &[u8]| [&[0, opcode], name, &[0], mode, &[0]].concat();
    // The packet, and TFTP's error code that it is refused with.
    let table: Vec<(&str, Vec<u8>, u8)> = vec![
        ("a name that climbs", request(1, b"../../../../etc/passwd", b"octet"), 1),
        ("a name within a name", request(1, b"vmlinuz\0/etc/passwd", b"octet"), 4),
        ("an absolute name", request(1, b"/etc/passwd", b"octet"), 1),
        ("a long name", request(1, &[b'a'; 400], b"octet"), 1),
        ("a longer name", request(1, &[b'a'; 60_000], b"octet"), 4),
        ("no text", request(1, &[0xff, 0xfe], b"octet"), 4),
        ("writing", request(2, b"undionly.kpxe", b"octet"), 4),
        ("netascii", request(1, b"undionly.kpxe", b"netascii"), 4),
        ("cut off", b"\0\x01undionly.kpxe\0oct".to_vec(), 4),
    ];
    let refused = || service.counter("billet_tftp_requests_total", &[]);
    for (what, packet, code) in &table {
        let before = refused()?;
        socket.send_to(packet, SocketAddrV4::new(SERVER, 69))?;
        let mut answer = [0; 600];
        let (length, _) = socket.recv_from(&mut answer)?;
        ensure!(answer[..4] == [0, 5, 0, *code], "{what}: {:02x?}", &answer[..length]);
        until(&format!("{what} is counted"), || Ok((refused()? > before).then_some(())))?;
    }
    Ok(())
}

fn http_requests_are_refused(folder: &Path) -> Result<()> {
    let (service, client) = pair(folder, NETWORK)?;
    client.ip("addr add 10.77.0.3/24 dev lan0")?;
    let long = "a".repeat(65_536);
    let passwd = std::fs::read("/etc/passwd")?;
    let table = [
        "/boot/files/../../../../etc/passwd",
        "/boot/files/%2e%2e/%2e%2e/etc/passwd",
        "/boot/files/vmlinuz%00.efi",
        "/boot/files//etc/passwd",
        "/boot/uki/x64/52-54-00-77-00-01.efi/..",
        "/boot/uki/riscv/52-54-00-77-00-01.efi",
        "/boot/none",
        &format!("/boot/files/{long}"),
    ];
    for path in table {
        let program = client.program("curl").words("-sS --path-as-is -o body -w %{http_code}").folder(folder);
        let said = program.args([format!("http://{SERVER}:8080{path}")]).finish()?.said;
        let shown = &path[..path.len().min(60)];
        ensure!(said.trim().starts_with('4') && said.trim().len() == 3, "{shown}: {said}");
        ensure!(std::fs::read(folder.join("body"))? != passwd, "{shown} read a file");
    }
    let refused = ["404", "400", "414", "431"].map(|status| format!("status=\"{status}\""));
    let mut counted = 0.0;
    for status in &refused {
        counted += service.counter("billet_http_requests_total", &[status])?;
    }
    ensure!(counted >= 6.0, "{counted} refusals were counted");
    Ok(())
}

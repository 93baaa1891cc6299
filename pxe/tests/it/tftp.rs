//! TFTP over loopback, with a client that can lose, probe and repeat; and with curl.

use crate::support::{PATIENCE, Running, content, loopback};
use pxe_proto::boot::BootScript;
use pxe_proto::trace::{Entry, Transfer, What};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::UdpSocket;

const ACK: u8 = 4;
/// Whose address the loopback's is said to be.
const MAC: pxe::Mac = [0x52, 0x54, 0, 0, 0, 7];

async fn server() -> Running {
    let running = loopback(BootScript::Disk, axum::Router::new()).await;
    running.files.insert("snponly.efi", content(150_000));
    running.peers.learn(Ipv4Addr::LOCALHOST, MAC);
    running
}

/// A TFTP client on one port.
struct Client {
    socket: UdpSocket,
    server: SocketAddr,
}

impl Client {
    async fn new(server: &Running) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        Client { socket, server: server.tftp.into() }
    }

    async fn request(&self, opcode: u8, name: &str, mode: &str, options: &[(&str, &str)]) {
        let mut packet = vec![0, opcode];
        for word in [name, mode].into_iter().chain(options.iter().flat_map(|(key, value)| [*key, *value])) {
            packet.extend_from_slice(word.as_bytes());
            packet.push(0);
        }
        self.socket.send_to(&packet, self.server).await.unwrap();
    }

    async fn receive(&self) -> (Vec<u8>, SocketAddr) {
        let mut buffer = vec![0; 2048];
        let (length, from) =
            tokio::time::timeout(PATIENCE, self.socket.recv_from(&mut buffer)).await.unwrap().unwrap();
        buffer.truncate(length);
        (buffer, from)
    }

    async fn send(&self, kind: u8, number: u16, to: SocketAddr) {
        let packet = [&[0, kind], number.to_be_bytes().as_slice()].concat();
        self.socket.send_to(&packet, to).await.unwrap();
    }

    /// Fetches a file by RFC 7440; `lost` says which packets (counted from 0) never arrive.
    async fn fetch(&self, name: &str, block: usize, window: u64, lost: impl Fn(u64) -> bool) -> Vec<u8> {
        let options =
            [("blksize", block.to_string()), ("windowsize", window.to_string()), ("tsize", "0".to_owned())];
        let options: Vec<_> = options.iter().map(|(key, value)| (*key, value.as_str())).collect();
        self.request(1, name, "octet", &options).await;
        let (mut file, mut received, mut in_window, mut count, mut told) = (Vec::new(), 0u64, 0, 0, None);
        loop {
            let (packet, from) = self.receive().await;
            count += 1;
            if lost(count - 1) {
                continue;
            }
            let number = u16::from_be_bytes([packet[2], packet[3]]);
            match packet[1] {
                6 => self.send(ACK, 0, from).await,
                3 if number == (received + 1) as u16 => {
                    (received, in_window, told) = (received + 1, in_window + 1, None);
                    file.extend_from_slice(&packet[4..]);
                    let last = packet.len() - 4 < block;
                    if last || in_window == window {
                        self.send(ACK, number, from).await;
                        in_window = 0;
                    }
                    if last {
                        return file;
                    }
                }
                3 => {
                    // A gap or a repetition: say once where we are.
                    if told != Some(received) || number as u64 == received & 0xffff {
                        self.send(ACK, received as u16, from).await;
                        (told, in_window) = (Some(received), 0);
                    }
                }
                _ => panic!("{packet:?}"),
            }
        }
    }
}

/// Waits for the first file that arrived whole.
async fn arrived(running: &Running) -> (String, u64) {
    let whole = |entries: &[Entry]| {
        entries.iter().find_map(|entry| match &entry.what {
            What::Tftp { name, stage: Transfer::Done { bytes, .. } } => Some((name.clone(), *bytes)),
            _ => None,
        })
    };
    let entries = running.directory.entries_that(|entries| whole(entries).is_some()).await;
    whole(&entries).unwrap()
}

#[tokio::test]
async fn a_file_arrives_whole_whatever_the_window_and_the_losses() {
    let running = server().await;
    for (block, window) in [(512, 1), (1468, 1), (1468, 4), (1024, 64)] {
        let client = Client::new(&running).await;
        let file = client.fetch("snponly.efi", block, window, |_| false).await;
        assert!(file == content(150_000), "block {block}, window {window}");
    }
    // The first of a window, one within, a whole window, and the option acknowledgement.
    let losses: [&[u64]; 4] = [&[1], &[3], &[9, 10, 11, 12, 13, 14, 15, 16], &[0]];
    for lost in losses {
        let client = Client::new(&running).await;
        let file = client.fetch("/snponly.efi", 1468, 8, |count| lost.contains(&count)).await;
        assert!(file == content(150_000), "lost {lost:?}");
    }
    assert_eq!(arrived(&running).await, ("snponly.efi".to_owned(), 150_000));
}

/// What EDK2 and most ROMs do: ask for the size, break off, and fetch from the same port.
#[tokio::test]
async fn a_size_probe_and_the_fetch_after_it_share_a_port() {
    let running = server().await;
    let client = Client::new(&running).await;
    client.request(1, "snponly.efi", "octet", &[("tsize", "0"), ("blksize", "1468")]).await;
    let (packet, from) = client.receive().await;
    assert_eq!(packet, b"\0\x06blksize\x001468\0tsize\x00150000\0");
    client.send(5, 8, from).await;
    let file = client.fetch("snponly.efi", 1468, 4, |_| false).await;
    assert!(file == content(150_000));
    let probes = |entries: &[Entry]| {
        let probe =
            |entry: &&Entry| matches!(&entry.what, What::Tftp { stage: Transfer::SizeProbe { .. }, .. });
        entries.iter().filter(probe).count()
    };
    // The probe and the transfer are told by different threads: either may come first.
    running.directory.entries_that(|entries| probes(entries) > 0).await;
    arrived(&running).await;
    assert_eq!(probes(&running.directory.entries()), 1, "the probe is told as one");
}

#[tokio::test]
async fn a_doubled_request_is_one_transfer() {
    let running = server().await;
    let client = Client::new(&running).await;
    for _ in 0..2 {
        client.request(1, "snponly.efi", "octet", &[("tsize", "0")]).await;
    }
    let (first, from) = client.receive().await;
    let (second, again) = client.receive().await;
    assert_eq!((first, from), (second, again), "the same packet from the same port");
}

/// What the boot trace holds of TFTP.
fn stages(entries: &[pxe_proto::trace::Entry]) -> Vec<(&str, &Transfer)> {
    let stage = |entry: &'_ pxe_proto::trace::Entry| matches!(entry.what, What::Tftp { .. });
    assert!(entries.iter().all(|entry| (entry.mac, entry.network.as_str()) == (MAC, "lab")));
    entries
        .iter()
        .filter(|entry| stage(entry))
        .filter_map(|entry| match &entry.what {
            What::Tftp { name, stage } => Some((name.as_str(), stage)),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn a_conversation_is_told() {
    let running = server().await;
    let client = Client::new(&running).await;
    client.request(1, "/snponly.efi", "octet", &[("tsize", "0")]).await;
    let (_, from) = client.receive().await;
    client.send(5, 8, from).await;
    // Transfers and requests are told by different threads: one thing after the other, so that their order is known.
    running.directory.entries_that(|entries| entries.len() >= 2).await;
    client.fetch("snponly.efi", 1468, 4, |_| false).await;
    running.directory.entries_that(|entries| entries.len() >= 4).await;
    client.request(1, "absent", "octet", &[]).await;
    client.receive().await;
    let entries = running.directory.entries_that(|entries| entries.len() >= 5).await;
    let stages = stages(&entries);
    let size = 150_000;
    assert_eq!(stages[0], ("/snponly.efi", &Transfer::Begun { size }));
    assert_eq!(stages[1], ("/snponly.efi", &Transfer::SizeProbe { size }));
    assert_eq!(stages[2], ("snponly.efi", &Transfer::Begun { size }));
    assert!(matches!(stages[3], ("snponly.efi", Transfer::Done { bytes: 150_000, .. })), "{stages:?}");
    assert!(matches!(stages[4], ("absent", Transfer::Refused { reason }) if reason == "file not found"));
    let counted = running.counters.encode().unwrap();
    for line in [
        "billet_tftp_requests_total{outcome=\"size_probe\"} 1",
        "billet_tftp_requests_total{outcome=\"done\"} 1",
        "billet_tftp_requests_total{outcome=\"not_found\"} 1",
        "billet_tftp_bytes_total 150000",
    ] {
        assert!(counted.lines().any(|told| told == line), "{line} is missing from\n{counted}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_missed_at_once() {
    let running = server().await;
    let client = Client::new(&running).await;
    client.request(1, "snponly.efi", "octet", &[]).await;
    for block in 1..=3 {
        let (_, from) = client.receive().await;
        client.send(ACK, block, from).await;
    }
    client.receive().await;
    drop(client);
    let broken = Transfer::Broken { bytes: 3 * 512, size: 150_000, reason: "vanished".to_owned() };
    running.directory.entries_that(|entries| stages(entries).contains(&("snponly.efi", &broken))).await;
    let said = Client::new(&running).await;
    said.request(1, "snponly.efi", "octet", &[]).await;
    let (_, from) = said.receive().await;
    said.socket.send_to(b"\0\x05\0\x03disk full\0", from).await.unwrap();
    let reason = "the client broke off: error 3 disk full".to_owned();
    let broken = Transfer::Broken { bytes: 0, size: 150_000, reason };
    running.directory.entries_that(|entries| stages(entries).contains(&("snponly.efi", &broken))).await;
}

/// Firmware whose break-off got lost, or that was reset: what runs for its port is dead.
#[tokio::test]
async fn another_request_from_the_same_port_ends_the_first() {
    let running = server().await;
    running.files.insert("second", content(700));
    let client = Client::new(&running).await;
    client.request(1, "snponly.efi", "octet", &[("tsize", "0")]).await;
    let (_, first) = client.receive().await;
    client.request(1, "second", "octet", &[]).await;
    let (packet, second) = client.receive().await;
    assert_ne!(first, second);
    assert!(packet[4..] == content(700)[..512]);
    // Nobody listens any more where the first came from.
    client.send(ACK, 0, first).await;
    client.send(ACK, 1, second).await;
    let (packet, from) = client.receive().await;
    assert!(packet[4..] == content(700)[512..] && from == second);
    let anew = Transfer::Broken { bytes: 0, size: 150_000, reason: "asked for anew".to_owned() };
    running.directory.entries_that(|entries| stages(entries).contains(&("snponly.efi", &anew))).await;
}

#[tokio::test]
async fn many_clients_at_once_get_what_they_asked_for() {
    let running = server().await;
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..200usize {
        let name = format!("file-{}", number % 20);
        let expected = content(10_000 + number % 20);
        running.files.insert(&name, expected.clone());
        let client = Client::new(&running).await;
        clients.spawn(async move {
            let window = 1 + number as u64 % 8;
            assert!(client.fetch(&name, 1024, window, |_| false).await == expected, "{name}");
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn refusals_have_their_code() {
    let running = server().await;
    let client = Client::new(&running).await;
    let long = "a".repeat(60_000);
    let table: [(u8, &str, &str, u8); 11] = [
        (1, "unknown", "octet", 1),
        (1, "../../etc/passwd", "octet", 1),
        (1, "/etc/passwd", "octet", 1),
        (1, "./snponly.efi", "octet", 1),
        (1, "uki/x64/52-54-00-00-00-07.efi", "octet", 1),
        (1, "uki/x64/../../../etc/passwd", "octet", 1),
        (1, "snponly.efi\0/etc/passwd", "octet", 4),
        (1, &long, "octet", 4),
        (2, "snponly.efi", "octet", 4),
        (1, "snponly.efi", "netascii", 4),
        (1, "snponly.efi", "mail", 4),
    ];
    for (opcode, name, mode, code) in table {
        client.request(opcode, name, mode, &[]).await;
        let (packet, from) = client.receive().await;
        let shown = &name[..name.len().min(40)];
        assert_eq!((&packet[..4], from), ([0, 5, 0, code].as_slice(), client.server), "{shown} {mode}");
    }
    // Noise ends nothing: the server still answers.
    for noise in [&b""[..], b"\0", b"\xff\xff\xff", b"\0\x01", b"\0\x03\0\x01data", b"\0\x05\0\0\0"] {
        client.socket.send_to(noise, client.server).await.unwrap();
    }
    let file = Client::new(&running).await.fetch("snponly.efi", 1468, 1, |_| false).await;
    assert_eq!(file.len(), 150_000);
    let counted = running.counters.encode().unwrap();
    let reasons = [
        ("not_found", 6),
        ("mode", 3),
        ("too_long", 1),
        ("write", 1),
        ("malformed", 1),
        ("not_a_request", 5),
    ];
    for (reason, count) in reasons {
        let line = format!("billet_tftp_requests_total{{outcome=\"{reason}\"}} {count}");
        assert!(counted.lines().any(|told| told == line), "{line} is missing from\n{counted}");
    }
}

/// A client that we didn't write.
#[tokio::test]
#[allow(clippy::print_stderr, reason = "a skipped test says why")]
async fn curl_fetches_a_file() {
    let running = server().await;
    for block in ["512", "1468", "8192"] {
        let url = format!("tftp://{}/snponly.efi", running.tftp);
        let output = tokio::process::Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "20", "--tftp-blksize", block, &url])
            .output()
            .await;
        let output = match output {
            Ok(output) if output.status.code() != Some(1) => output,
            _ => return eprintln!("skipped: there is no curl that speaks TFTP"),
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout == content(150_000), "block {block}");
    }
}

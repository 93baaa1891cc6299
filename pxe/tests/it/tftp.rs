//! TFTP over loopback, with a client that can lose, probe and repeat; and with curl.

use crate::support::{PATIENCE, Running, content, loopback};
use pxe::Fact;
use pxe_proto::boot::BootScript;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::UdpSocket;

const ACK: u8 = 4;

async fn server() -> Running {
    let running = loopback(BootScript::Disk, axum::Router::new()).await;
    running.files.insert("snponly.efi", content(150_000));
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

async fn complete_fact(running: &Running) -> (Ipv4Addr, String, u64) {
    running
        .directory
        .fact(|fact| match fact {
            Fact::File { to, name, over: "TFTP", bytes, complete: true } => Some((*to, name.clone(), *bytes)),
            _ => None,
        })
        .await
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
    let (to, name, bytes) = complete_fact(&running).await;
    assert_eq!((to, name.as_str(), bytes), (Ipv4Addr::LOCALHOST, "snponly.efi", 150_000));
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
    complete_fact(&running).await;
    let files = running.directory.facts().iter().filter(|fact| matches!(fact, Fact::File { .. })).count();
    assert_eq!(files, 1, "the probe is no fact");
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

#[tokio::test]
async fn refusals_have_their_code() {
    let running = server().await;
    let client = Client::new(&running).await;
    let table: [(u8, &str, &str, u8); 6] = [
        (1, "unknown", "octet", 1),
        (1, "../../etc/passwd", "octet", 1),
        (1, "/etc/passwd", "octet", 1),
        (2, "snponly.efi", "octet", 4),
        (1, "snponly.efi", "netascii", 4),
        (1, "snponly.efi", "mail", 4),
    ];
    for (opcode, name, mode, code) in table {
        client.request(opcode, name, mode, &[]).await;
        let (packet, from) = client.receive().await;
        assert_eq!((&packet[..4], from), ([0, 5, 0, code].as_slice(), client.server), "{name} {mode}");
    }
    // Noise ends nothing: the server still answers.
    for noise in [&b""[..], b"\0", b"\xff\xff\xff", b"\0\x01", b"\0\x03\0\x01data", b"\0\x05\0\0\0"] {
        client.socket.send_to(noise, client.server).await.unwrap();
    }
    let file = Client::new(&running).await.fetch("snponly.efi", 1468, 1, |_| false).await;
    assert_eq!(file.len(), 150_000);
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

//! Boot HTTP over loopback, spoken by hand so that nothing tidies the bytes.

use crate::support::{PATIENCE, Running, content, loopback};
use axum::extract::ConnectInfo;
use axum::routing::get;
use pxe_proto::boot::BootScript;
use pxe_proto::trace::{Entry, Transfer, What};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];

fn agent(parameters: &[(&str, &str)]) -> BootScript {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    BootScript::Agent { parameters: parameters.iter().map(own).collect() }
}

async fn server(script: BootScript) -> Running {
    let peer = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() };
    let running = loopback(script, axum::Router::new().route("/boot/phone-home/{token}", get(peer))).await;
    running.files.insert("vmlinuz", content(1_000_000));
    running.peers.learn(Ipv4Addr::LOCALHOST, MAC);
    running
}

/// Head and body of the answer.
async fn ask(running: &Running, method: &str, target: &str, headers: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(running.http).await.unwrap();
    let request = format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let body = answer.split_off(end);
    (String::from_utf8(answer).unwrap().to_lowercase(), body)
}

/// What was sent of the file that was asked for last, and whether that was all.
async fn sent(running: &Running) -> (u64, bool) {
    let end = |entry: &Entry| match entry.what {
        What::Http { stage: Transfer::Done { bytes, .. }, .. } => Some((bytes, true)),
        What::Http { stage: Transfer::Broken { bytes, .. }, .. } => Some((bytes, false)),
        _ => None,
    };
    let entries = running.directory.entries_that(|entries| entries.last().and_then(end).is_some()).await;
    assert!(entries.iter().all(|entry| (entry.mac, entry.network.as_str()) == (MAC, "lab")));
    entries.last().and_then(end).unwrap()
}

fn answers(running: &Running) -> Vec<String> {
    let answer = |entry: Entry| match entry.what {
        What::Script { from: Ipv4Addr::LOCALHOST, answer } => Some(answer),
        _ => None,
    };
    running.directory.entries().into_iter().filter_map(answer).collect()
}

#[tokio::test]
async fn a_whole_file_with_its_length() {
    let running = server(BootScript::Disk).await;
    let (head, body) = ask(&running, "GET", "/boot/files/vmlinuz", "").await;
    assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
    assert!(head.contains("content-length: 1000000\r\n") && !head.contains("transfer-encoding"), "{head}");
    assert!(body == content(1_000_000));
    assert_eq!(sent(&running).await, (1_000_000, true));
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let running = server(BootScript::Disk).await;
    let (head, body) = ask(&running, "HEAD", "/boot/files/vmlinuz", "").await;
    assert!(
        head.starts_with("http/1.1 200 ok\r\n") && head.contains("content-length: 1000000\r\n"),
        "{head}"
    );
    assert!(body.is_empty());
}

#[tokio::test]
async fn ranges() {
    let running = server(BootScript::Disk).await;
    let (head, body) = ask(&running, "GET", "/boot/files/vmlinuz", "Range: bytes=999990-\r\n").await;
    assert!(head.starts_with("http/1.1 206 "), "{head}");
    assert!(head.contains("content-range: bytes 999990-999999/1000000\r\n"), "{head}");
    assert_eq!(body, content(1_000_000)[999_990..]);
    assert_eq!(sent(&running).await, (10, true));
    let (head, _) = ask(&running, "GET", "/boot/files/vmlinuz", "Range: bytes=1000000-\r\n").await;
    assert!(
        head.starts_with("http/1.1 416 ") && head.contains("content-range: bytes */1000000\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn a_download_that_breaks_off_is_told() {
    let running = server(BootScript::Disk).await;
    running.files.insert("initrd.img", vec![7; 64 << 20]);
    let mut stream = TcpStream::connect(running.http).await.unwrap();
    stream.write_all(b"GET /boot/files/initrd.img HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    stream.read_exact(&mut [0; 1000]).await.unwrap();
    drop(stream);
    let (bytes, complete) = sent(&running).await;
    assert!(!complete && bytes > 0 && bytes < 64 << 20, "{bytes}");
}

#[tokio::test]
async fn nothing_but_the_map_is_served() {
    let running = server(BootScript::Disk).await;
    for target in [
        "/boot/files/unknown",
        "/boot/files/../../etc/passwd",
        "/boot/files/%2e%2e%2fetc%2fpasswd",
        "/boot/files/",
        "/",
    ] {
        let (head, _) = ask(&running, "GET", target, "").await;
        assert!(head.starts_with("http/1.1 404 "), "{target}: {head}");
    }
    let (head, _) = ask(&running, "PUT", "/boot/files/vmlinuz", "").await;
    assert!(head.starts_with("http/1.1 405 "), "{head}");
}

#[tokio::test]
async fn the_callers_routes_are_served_and_know_the_peer() {
    let running = server(BootScript::Disk).await;
    let (head, body) = ask(&running, "GET", "/boot/phone-home/abc", "").await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert_eq!(body, b"127.0.0.1");
}

#[tokio::test]
async fn scripts() {
    let running = server(agent(&[("billet.token", "abc"), ("quiet", "")])).await;
    let (head, body) = ask(&running, "GET", "/boot/script?mac=52:54:00:00:00:01&uuid=", "").await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    let text = String::from_utf8(body).unwrap();
    let kernel = format!(
        "kernel http://{}/boot/files/vmlinuz initrd=initrd.img BOOTIF=01-52-54-00-00-00-01 billet.token=abc quiet ",
        running.http
    );
    assert!(text.starts_with("#!ipxe\n") && text.contains(&kernel), "{text}");
    assert_eq!(answers(&running), ["agent"]);

    for target in ["/boot/script", "/boot/script?mac=", "/boot/script?mac=nonsense", "/boot/script?mac=%0a"] {
        let (head, _) = ask(&running, "GET", target, "").await;
        assert!(head.starts_with("http/1.1 400 "), "{target}: {head}");
    }
}

#[tokio::test]
async fn a_script_that_is_not_allowed_is_not_sent() {
    let running = server(agent(&[("x", "1\nkernel http://evil/")])).await;
    let (head, body) = ask(&running, "GET", "/boot/script?mac=52:54:00:00:00:01", "").await;
    let text = String::from_utf8(body).unwrap();
    assert!(head.starts_with("http/1.1 500 ") && !text.contains("kernel"), "{head}{text}");
    assert_eq!(answers(&running), ["refused"]);
}

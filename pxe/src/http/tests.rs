//! Raw requests and raw answers over loopback, spoken by hand so that nothing tidies the bytes.

use super::*;
use crate::directory::{BootAnswer, Client, Mac};
use async_trait::async_trait;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use pxe_proto::boot::{Arch, BootScript};
use pxe_proto::trace::{Entry, Transfer, What};
use std::net::Ipv4Addr;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

/// Longest wait for anything; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(30);
const MAC: Mac = [0x52, 0x54, 0, 0, 0, 1];

/// Answers every script alike, and remembers what it was told.
struct Fixed {
    script: Option<BootScript>,
    entries: Mutex<Vec<Entry>>,
    told: Notify,
}

#[async_trait]
impl Directory for Fixed {
    async fn boot(&self, _: &Client) -> Option<BootAnswer> {
        Some(BootAnswer::Disk)
    }

    async fn script(&self, _: Mac, _: Option<&str>, _: Ipv4Addr, _: Arch) -> Option<BootScript> {
        self.script.clone()
    }

    fn trace(&self, entry: Entry) {
        self.entries.lock().unwrap().push(entry);
        self.told.notify_waiters();
    }
}

struct Running {
    address: SocketAddrV4,
    files: Arc<Files>,
    peers: Arc<Peers>,
    counters: Arc<Counters>,
    directory: Arc<Fixed>,
    cancel: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

async fn start(script: impl Into<Option<BootScript>>, limits: Limits) -> Running {
    let files = Arc::new(Files::new());
    files.insert("small", &b"0123456789"[..]);
    files.insert("empty", &b""[..]);
    let (peers, counters) = (Arc::new(Peers::new()), Arc::new(Counters::new()));
    let directory = Arc::new(Fixed { script: script.into(), entries: Mutex::default(), told: Notify::new() });
    let who = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() };
    let routes = Router::new()
        .route("/boot/phone-home", get(who))
        .route("/boot/echo", post(|body: String| async { body }));
    let parts = HttpParts {
        network: "lab".to_owned(),
        files: Arc::clone(&files),
        directory: Arc::clone(&directory) as Arc<dyn Directory>,
        peers: Arc::clone(&peers),
        counters: Arc::clone(&counters),
        routes,
    };
    let at = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    let server = HttpServer::with_limits(at, parts, limits).await.unwrap();
    let (address, cancel) = (server.local_addr(), CancellationToken::new());
    tokio::spawn(server.run(cancel.clone()));
    Running { address, files, peers, counters, directory, cancel }
}

async fn disk() -> Running {
    start(BootScript::Disk, Limits::default()).await
}

impl Running {
    /// Sends all of it, and reads until the server closes.
    async fn converse(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        read_all(&mut stream).await
    }

    /// The answers to a request, without their dates.
    async fn text(&self, request: &str) -> String {
        let answer = String::from_utf8(self.converse(request.as_bytes()).await).unwrap();
        let undated = |line: &&str| !line.starts_with("Date: ") && !line.starts_with("Last-Modified: ");
        answer.split_inclusive("\r\n").filter(undated).collect()
    }

    /// Waits for an entry that `choose` takes.
    async fn entry<T>(&self, choose: impl Fn(&What) -> Option<T>) -> T {
        let wait = async {
            loop {
                let told = self.directory.told.notified();
                let found = self.directory.entries.lock().unwrap().iter().find_map(|entry| {
                    assert_eq!((entry.mac, entry.network.as_str()), (MAC, "lab"));
                    choose(&entry.what)
                });
                match found {
                    Some(found) => return found,
                    None => told.await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap()
    }
}

async fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    answer
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
}

/// One chunk, and one that can't be read.
#[derive(Debug)]
struct Pieces;

#[async_trait]
impl crate::files::Chunks for Pieces {
    async fn open(&self, sha256: &[u8; 32]) -> io::Result<Option<std::fs::File>> {
        match sha256[0] {
            0xaa => {
                let mut file = tempfile::tempfile()?;
                std::io::Write::write_all(&mut file, b"0123456789")?;
                Ok(Some(file))
            }
            0xbb => Err(io::Error::other("a disk is broken")),
            _ => Ok(None),
        }
    }
}

#[tokio::test]
async fn chunks_are_for_ever_and_their_absence_is_not() {
    let running = disk().await;
    let get = |byte: &str, fields: &str| {
        let name = byte.repeat(32);
        format!("GET /boot/chunks/{name} HTTP/1.1\r\nHost: x\r\n{fields}Connection: close\r\n\r\n")
    };
    assert_eq!(status(&running.text(&get("aa", "")).await), 404, "nobody said that caches may have them");
    running.files.serve_chunks(Arc::new(Pieces));
    let etag = format!("\"{}\"", "aa".repeat(16));
    let file = format!("Accept-Ranges: bytes\r\nETag: {etag}\r\n");
    let (octets, ever) =
        ("Content-Type: application/octet-stream", "Cache-Control: public, max-age=31536000, immutable");
    for (request, expected) in [
        (
            get("aa", ""),
            format!(
                "HTTP/1.1 200 OK\r\n{octets}\r\nContent-Length: 10\r\n{file}{ever}\r\nConnection: close\r\n\r\n0123456789"
            ),
        ),
        (
            get("aa", "Range: bytes=2-3\r\n"),
            format!(
                "HTTP/1.1 206 Partial Content\r\n{octets}\r\nContent-Length: 2\r\n{file}Content-Range: bytes 2-3/10\r\n{ever}\r\nConnection: close\r\n\r\n23"
            ),
        ),
        (
            get("aa", &format!("If-None-Match: {etag}\r\n")),
            format!("HTTP/1.1 304 Not Modified\r\n{file}{ever}\r\nConnection: close\r\n\r\n"),
        ),
    ] {
        assert_eq!(running.text(&request).await, expected, "{request}");
    }
    for (byte, expected) in [("bb", 503), ("cc", 404), ("AA", 404)] {
        let answer = running.text(&get(byte, "")).await;
        assert_eq!(status(&answer), expected, "{answer}");
        assert!(!answer.contains("Cache-Control"), "{answer}");
    }
}

#[tokio::test]
async fn raw_answers() {
    let running = disk().await;
    let etag = running.files.named("small").unwrap().etag().to_owned();
    let get = |target: &str, fields: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: x\r\n{fields}Connection: close\r\n\r\n")
    };
    let file = format!("Accept-Ranges: bytes\r\nETag: {etag}\r\n");
    for (request, expected) in [
        (
            get("/boot/files/small", ""),
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 10\r\n{file}\
                 Connection: close\r\n\r\n0123456789"
            ),
        ),
        (
            get("/boot/files/small", "Range: bytes=2-4\r\n"),
            format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Type: application/octet-stream\r\nContent-Length: 3\r\n\
                 {file}Content-Range: bytes 2-4/10\r\nConnection: close\r\n\r\n234"
            ),
        ),
        (
            get("/boot/files/small", "Range: bytes=10-\r\n"),
            format!(
                "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n{file}Content-Range: bytes */10\r\n\
                 Connection: close\r\n\r\n"
            ),
        ),
        (
            get("/boot/files/small", &format!("If-None-Match: {etag}\r\n")),
            format!("HTTP/1.1 304 Not Modified\r\n{file}Connection: close\r\n\r\n"),
        ),
        (
            get("/boot/files/empty", "").replace("GET", "HEAD"),
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 0\r\n\
                 Accept-Ranges: bytes\r\nETag: {}\r\nConnection: close\r\n\r\n",
                running.files.named("empty").unwrap().etag()
            ),
        ),
        (
            "HEAD /boot/files/small HTTP/1.0\r\n\r\n".to_owned(),
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 10\r\n{file}\
                 Connection: close\r\n\r\n"
            ),
        ),
        (
            get("/boot/files/small", "Range: bytes=2-4\r\n").replace("GET", "HEAD"),
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 10\r\n{file}\
                 Connection: close\r\n\r\n"
            ),
        ),
        (
            get("/boot/files/none", ""),
            "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 22\r\nConnection: close\r\n\r\n\
             there is no such file\n"
                .to_owned(),
        ),
        (
            "PUT /boot/files/small HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc".to_owned(),
            "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain\r\nContent-Length: 36\r\n\
             Allow: GET, HEAD\r\nConnection: close\r\n\r\nonly GET and HEAD are answered here\n"
                .to_owned(),
        ),
    ] {
        assert_eq!(running.text(&request).await, expected, "{request}");
    }
}

#[tokio::test]
async fn statuses_by_table() {
    let running = disk().await;
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let with = |fields: &str| format!("GET /boot/files/small HTTP/1.1\r\nConnection: close\r\n{fields}\r\n");
    for (request, expected) in [
        (get("http://10.0.0.1:8080/boot/files/small"), 200),
        (get("/boot/files/%73mall"), 200),
        (get("/boot/files/small?x=../y"), 200),
        (get("/boot/files/../../etc/passwd"), 404),
        (get("/boot/files/%2e%2e%2f%2e%2e%2fetc%2fpasswd"), 404),
        (get("/boot/files/small%00"), 404),
        (get("/boot/files/%ff"), 404),
        (get(&format!("/boot/files/{}", "a".repeat(8000))), 404),
        (get("/boot/none"), 404),
        (get("/boot/uki/x64/52-54-00-00-00-01.efi"), 404),
        (get("/"), 404),
        (get("/boot/script"), 400),
        (get("/boot/script?mac=52:54:00:00:00:01"), 200),
        (with("If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n"), 304),
        (with("If-Match: \"x\"\r\n"), 412),
        (with("If-Range: \"x\"\r\nRange: bytes=0-1\r\n"), 200),
        (with("Range: bytes=0-1,4-5\r\n"), 200),
        (with("Expect: 100-continue\r\n"), 200),
        (with("Expect: miracles\r\n"), 417),
        (with("Content-Length: 1\r\n"), 400),
        (with("Transfer-Encoding: chunked\r\n"), 400),
        (with(&format!("X: {}\r\n", "y".repeat(20_000))), 431),
        (with(&"X: y\r\n".repeat(101)), 431),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(20_000)), 414),
        ("DELETE /boot/script HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(), 405),
        ("GET /boot/files/small\r\n\r\n".to_owned(), 400),
        ("GET /boot/files/small HTTP/2.0\r\n\r\n".to_owned(), 505),
        ("GET /boot/files/small HTTP/1.1\r\nbroken\r\n\r\n".to_owned(), 400),
        ("GET /boot/files/small\0 HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n".to_owned(), 400),
    ] {
        let answer = running.text(&request).await;
        assert_eq!(status(&answer), expected, "{:.80?}: {answer}", request);
    }
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_a_row() {
    let running = disk().await;
    let one = "GET /boot/files/small HTTP/1.1\r\n\r\n";
    let head = "HEAD /boot/files/small HTTP/1.1\r\n\r\n";
    let missing = "GET /boot/files/x HTTP/1.1\r\n\r\n";
    let post = "POST /boot/files/small HTTP/1.1\r\n\r\n";
    let last = "GET /boot/files/small HTTP/1.1\r\nRange: bytes=9-9\r\nConnection: close\r\n\r\nGET /ignored";
    let answer = running.text(&[one, head, missing, post, one, last].concat()).await;
    let statuses: Vec<_> = answer.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "200", "404", "405", "200", "206"], "{answer}");
    assert!(answer.ends_with("\r\n\r\n9"), "{answer}");
    // One byte at a time is a request, too; HTTP/1.0 stays open if asked.
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in b"GET /boot/files/small HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" {
        stream.write_all(&[*byte]).await.unwrap();
    }
    let mut answer = vec![0; 1000];
    let length = stream.read(&mut answer).await.unwrap();
    let text = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(text.contains("Connection: keep-alive\r\n"), "{text}");
    stream.write_all(last.as_bytes()).await.unwrap();
    let rest = String::from_utf8(read_all(&mut stream).await).unwrap();
    assert!((text + &rest).contains("HTTP/1.1 206 "), "{rest}");
}

#[tokio::test]
async fn other_paths_go_to_the_callers_routes_in_the_middle_of_a_connection() {
    let running = disk().await;
    let first = "GET /boot/files/small HTTP/1.1\r\nHost: x\r\n\r\n";
    let answer = running.text(&format!("{first}GET /boot/phone-home HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    assert!(answer.contains("0123456789HTTP/1.1 200 OK\r\n") && answer.ends_with("127.0.0.1"), "{answer}");
    // The body in one packet with its head, or behind it.
    for split in [0, 5] {
        let request = "POST /boot/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
        let (begin, end) = request.split_at(request.len() - split);
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(first.as_bytes()).await.unwrap();
        stream.write_all(begin.as_bytes()).await.unwrap();
        stream.write_all(end.as_bytes()).await.unwrap();
        let answer = String::from_utf8(read_all(&mut stream).await).unwrap();
        assert!(answer.ends_with("hello"), "{answer}");
    }
    let text = running.counters.encode().unwrap();
    for line in [
        r#"billet_http_requests_total{path="files",status="200"} 3"#,
        r#"billet_http_requests_total{path="other",status="200"} 3"#,
        "billet_http_bytes_total 30",
    ] {
        assert!(text.lines().any(|told| told == line), "{line} is missing from\n{text}");
    }
}

#[tokio::test]
async fn a_head_that_takes_too_long_is_refused_and_an_idle_client_is_let_go() {
    // Long enough for the client to send its first bytes on a busy machine.
    let limits = Limits { head: Duration::from_secs(1), ..Limits::default() };
    let running = start(BootScript::Disk, limits).await;
    let answer = running.text("GET /boot/files/small HTTP/1.1\r\nHost").await;
    assert_eq!(status(&answer), 408);
    assert_eq!(running.text("").await, "", "nothing was asked, nothing is said");
    let limits = Limits { idle: Duration::from_millis(50), ..Limits::default() };
    let running = start(BootScript::Disk, limits).await;
    let answer = running.text("GET /boot/files/small HTTP/1.1\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\n0123456789"), "closed in silence: {answer}");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up() {
    let limits = Limits { stall: Duration::from_millis(100), ..Limits::default() };
    let running = start(BootScript::Disk, limits).await;
    running.peers.learn(Ipv4Addr::LOCALHOST, MAC);
    running.files.insert("large", vec![7; 64 << 20]);
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET /boot/files/large HTTP/1.1\r\n\r\n").await.unwrap();
    let broken = running.entry(|what| match what {
        What::Http { status: 200, stage: Transfer::Broken { bytes, size, reason }, .. } => {
            Some((*bytes, *size, reason.clone()))
        }
        _ => None,
    });
    let (bytes, size, reason) = broken.await;
    assert!(bytes > 0 && bytes < size && size == 64 << 20 && reason == "stalled", "{bytes} {size} {reason}");
    drop(stream);
}

#[tokio::test]
async fn every_request_is_traced() {
    let running = disk().await;
    running.peers.learn(Ipv4Addr::LOCALHOST, MAC);
    for request in [
        "HEAD /boot/files/small HTTP/1.1\r\n",
        "GET /boot/files/small HTTP/1.1\r\n",
        "GET /boot/none HTTP/1.1\r\n",
        "GET /boot/script?mac=52:54:00:00:00:01 HTTP/1.1\r\n",
    ] {
        running.text(&format!("{request}Connection: close\r\n\r\n")).await;
    }
    let expected = [
        ("/boot/files/small", 200, true, Transfer::SizeProbe { size: 10 }),
        ("/boot/files/small", 200, false, Transfer::Begun { size: 10 }),
        ("/boot/files/small", 200, false, Transfer::Done { bytes: 10, millis: 0 }),
        ("/boot/none", 404, false, Transfer::Refused { reason: "there is no such file".to_owned() }),
    ];
    let scripted = running.entry(|what| match what {
        What::Script { from, answer } => Some((*from, answer.clone())),
        _ => None,
    });
    assert_eq!(scripted.await, (Ipv4Addr::LOCALHOST, "disk".to_owned()));
    let entries = running.directory.entries.lock().unwrap().clone();
    let mut told = entries.into_iter().filter_map(|entry| match entry.what {
        What::Http { path, status, head, stage: Transfer::Done { bytes, .. } } => {
            Some((path, status, head, Transfer::Done { bytes, millis: 0 }))
        }
        What::Http { path, status, head, stage } => Some((path, status, head, stage)),
        _ => None,
    });
    for (path, status, head, stage) in expected {
        assert_eq!(told.next(), Some((path.to_owned(), status, head, stage)));
    }
    assert_eq!(told.next(), None);
}

#[tokio::test]
async fn large_files_leave_whole_and_in_ranges() {
    use std::os::unix::fs::FileExt;
    let running = disk().await;
    let file = tempfile::tempfile().unwrap();
    file.set_len(5 << 30).unwrap();
    file.write_all_at(b"the end", (5 << 30) - 7).unwrap();
    running.files.insert_file("image", file).unwrap();
    let request = "GET /boot/files/image HTTP/1.1\r\nRange: bytes=5368709110-\r\nConnection: close\r\n\r\n";
    let answer = running.converse(request.as_bytes()).await;
    assert!(answer.ends_with(b"\r\n\r\n\0\0\0the end"), "{}", String::from_utf8_lossy(&answer));
    let content: Vec<u8> = (0..20_000_000_u32).map(|n| (n / 251) as u8).collect();
    running.files.insert("large", content.clone());
    let answer = running.converse(b"GET /boot/files/large HTTP/1.0\r\n\r\n").await;
    assert!(answer.ends_with(&content));
}

/// A template that needs no real parts: nothing of it is served here.
fn template() -> pxe_proto::uki::Template {
    let program = crate::files::program();
    let parts =
        pxe_proto::uki::Parts { stub: &program, os_release: "", kernel: &program, ramdisk: b"ramdisk" };
    pxe_proto::uki::Template::new(&parts).unwrap()
}

#[tokio::test]
async fn where_nobody_can_say_what_to_boot_clients_are_told_to_ask_again_and_not_to_boot_the_disk() {
    let running = start(None, Limits::default()).await;
    running.files.insert_uki(template());
    let script = |rest: &str| {
        format!("GET /boot/script?mac=52:54:00:00:00:01{rest} HTTP/1.1\r\nConnection: close\r\n\r\n")
    };
    let answer = running.text(&script("")).await;
    let again =
        format!("chain --autofree --replace http://{}/boot/script?mac=52:54:00:00:00:01", running.address);
    assert!(status(&answer) == 200 && answer.contains(&format!("{again}&arch=x64&asked=1 ")), "{answer}");
    let answer = running.text(&script("&asked=1")).await;
    assert!(answer.contains(&format!("{again}&arch=x64&asked=2 ")), "{answer}");
    let answer = running.text(&script("&asked=10")).await;
    assert!(status(&answer) == 200 && !answer.contains("chain"), "a minute is over: {answer}");
    let told = running.entry(|what| match what {
        What::Script { answer, .. } => Some(answer.clone()),
        _ => None,
    });
    assert_eq!(told.await, "later");
    let image = "GET /boot/uki/x64/52-54-00-00-00-01.efi HTTP/1.1\r\nConnection: close\r\n\r\n";
    let answer = running.text(image).await;
    assert!(status(&answer) == 503 && answer.contains("\r\nRetry-After: 5\r\n"), "{answer}");
}

#[tokio::test]
async fn scripts_are_made_by_the_builder_or_not_at_all() {
    let agent = |value: &str| BootScript::Agent { parameters: vec![("k".to_owned(), value.to_owned())] };
    let request = "GET /boot/script?mac=52:54:00:00:00:01&arch=arm64 HTTP/1.1\r\nConnection: close\r\n\r\n";
    let running = start(agent("v"), Limits::default()).await;
    let answer = running.text(request).await;
    let kernel =
        format!("kernel http://{}/boot/files/vmlinuz-arm64 initrd=initrd-arm64.img", running.address);
    assert!(answer.contains(&kernel), "{answer}");
    assert_eq!(running.peers.mac_of(Ipv4Addr::LOCALHOST), Some(MAC));
    let running = start(agent("v\nkernel http://evil/"), Limits::default()).await;
    let answer = running.text(request).await;
    assert!(status(&answer) == 500 && !answer.contains("evil"), "{answer}");
}

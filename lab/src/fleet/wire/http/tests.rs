use super::*;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const SERVICE: &str = "127.0.0.1:8080";

fn service() -> SocketAddr {
    SERVICE.parse().unwrap()
}

#[test]
fn urls() {
    let good = [
        ("http://127.0.0.1:18080/boot/script?mac=aa", "127.0.0.1:18080", "GET /boot/script?mac=aa HTTP/1.1"),
        ("http://10.1.2.3/x", "10.1.2.3:80", "GET /x HTTP/1.1"),
        ("http://[::1]:81", "[::1]:81", "GET / HTTP/1.1"),
        ("/boot/x", SERVICE, "GET /boot/x HTTP/1.1"),
    ];
    for (url, server, line) in good {
        let request = Request::new(url, service(), None).unwrap();
        assert_eq!(request.server.to_string(), server);
        assert_eq!(request.text.lines().next(), Some(line));
    }
    for bad in ["", "x", "https://127.0.0.1/", "http://host/x", "http://127.0.0.1/a b", "/x\r\nHost: y"] {
        assert!(matches!(Request::new(bad, service(), None), Err(NetError::BadUrl { .. })), "{bad}");
    }
    let post = Request::new("/p", service(), Some("a=b")).unwrap();
    assert!(
        post.text.contains("Content-Length: 3\r\n") && post.text.ends_with("\r\n\r\na=b"),
        "{}",
        post.text
    );
}

#[test]
fn heads() {
    let read = |text: &str| parse(text.as_bytes());
    assert_eq!(read("HTTP/1.1 200 OK\r\nContent-"), Ok(None));
    let (head, end) = read("HTTP/1.1 200 OK\r\ncontent-LENGTH: 5\r\n\r\nhello").unwrap().unwrap();
    assert_eq!((head.status, head.length, end), (200, Some(5), 38));
    assert_eq!(read("HTTP/1.0 404 no\r\n\r\n").unwrap().unwrap().0.length, None);
    for bad in ["SSH-2.0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"] {
        assert!(read(bad).is_err(), "{bad}");
    }
    assert!(read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
}

/// A server that answers each connection with these bytes and tells who asked for what.
async fn serve(answer: Vec<u8>) -> (SocketAddr, mpsc::UnboundedReceiver<(IpAddr, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::unbounded_channel();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut stream, peer)) = listener.accept().await {
            let (tell, answer) = (tell.clone(), answer.clone());
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap();
                request.truncate(length);
                tell.send((peer.ip(), String::from_utf8(request).unwrap())).unwrap();
                // Who has heard enough hangs up.
                let _hung_up = stream.write_all(&answer).await;
            });
        }
    });
    (address, told)
}

fn answer(status: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

async fn get(server: SocketAddr, from: Option<Ipv4Addr>, keep: usize) -> Result<Fetched, NetError> {
    exchange(from, &Request::new("/kernel", server, None).unwrap(), keep).await
}

#[tokio::test]
async fn the_body_is_counted_and_its_beginning_kept() {
    let body: Vec<u8> = (0..5_000_000u32).map(|n| n as u8).collect();
    let (server, mut told) = serve(answer("200 OK", body.len(), &body)).await;
    for keep in [0, 10, 100_000, body.len(), body.len() + 1] {
        let from = Ipv4Addr::new(127, 64, 5, 9);
        let fetched = get(server, Some(from), keep).await.unwrap();
        assert_eq!(fetched.bytes, body.len() as u64);
        assert!(fetched.kept == body[..keep.min(body.len())], "{keep}");
        let (peer, request) = told.recv().await.unwrap();
        assert_eq!(peer, from);
        assert!(request.starts_with("GET /kernel "), "{request}");
    }
}

#[tokio::test]
async fn without_a_length_the_end_is_the_connections() {
    let (server, _told) = serve(b"HTTP/1.0 200 OK\r\n\r\nhello".to_vec()).await;
    assert_eq!(get(server, None, 3).await, Ok(Fetched { bytes: 5, kept: b"hel".to_vec() }));
}

#[tokio::test]
async fn what_goes_wrong_is_told() {
    type Wanted = fn(&NetError) -> bool;
    let table: [(Vec<u8>, Wanted); 5] = [
        (answer("404 Not Found", 2, b"no"), |error| matches!(error, NetError::Refused { code: 404, .. })),
        (answer("200 OK", 9, b"hello"), |error| matches!(error, NetError::Broken { .. })),
        (b"HTTP/1.1 200 OK\r\nConte".to_vec(), |error| matches!(error, NetError::Broken { .. })),
        (b"220 smtp\r\n\r\n".to_vec(), |error| matches!(error, NetError::Garbled { .. })),
        (vec![b'x'; 100], |error| matches!(error, NetError::Garbled { .. })),
    ];
    for (bytes, wanted) in table {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let (server, _told) = serve(bytes).await;
        let error = get(server, None, 4).await.unwrap_err();
        assert!(wanted(&error), "{shown}: {error}");
    }
    // Nobody listens on a port that was just closed.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert!(matches!(get(closed, None, 4).await, Err(NetError::Unreachable { .. })));
}

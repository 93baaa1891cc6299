//! Boot HTTP at one of our addresses: files from the map, boot scripts, and the caller's routes.
//!
//! Plain HTTP, as firmware speaks it: nothing secret is served here but one-time tokens in scripts.

mod body;
mod range;

use crate::directory::{Directory, Fact};
use crate::files::Files;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use body::Delivery;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use pxe_proto::Mac;
use pxe_proto::boot::{Arch, BootScript, ScriptSource, render};
use range::Wanted;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, error, info, warn};

/// Most connections of one address at once; further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 1024;
/// Longest wait for a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after accepting failed, such as for want of file descriptors.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(200);

/// The boot HTTP server at one address.
pub(crate) struct HttpServer {
    listener: TcpListener,
    local: SocketAddrV4,
    router: Router,
}

/// What handlers know.
#[derive(Clone)]
struct Shared {
    files: Arc<Files>,
    directory: Arc<dyn Directory>,
    source: ScriptSource,
}

impl HttpServer {
    /// Binds the port at one of our addresses; `routes` are served beside ours.
    pub(crate) async fn bind(
        address: SocketAddrV4,
        files: Arc<Files>,
        directory: Arc<dyn Directory>,
        routes: Router,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let local = SocketAddrV4::new(*address.ip(), listener.local_addr()?.port());
        let source = ScriptSource { address: *local.ip(), port: local.port() };
        let shared = Shared { files, directory, source };
        let router = Router::new()
            .route("/boot/files/{name}", get(file))
            .route("/boot/script", get(script))
            .with_state(shared)
            .merge(routes);
        Ok(HttpServer { listener, local, router })
    }

    /// Where it listens.
    pub(crate) fn local_addr(&self) -> SocketAddrV4 {
        self.local
    }

    /// Serves until cancelled; connections that are open then are cut.
    pub(crate) async fn run(self, cancel: CancellationToken) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = cancel.cancelled() => break,
                Some(done) = connections.join_next() => {
                    if let Err(error) = done {
                        warn!(%error, "a boot HTTP connection failed");
                    }
                    continue;
                }
                accepted = self.listener.accept(), if connections.len() < MAX_CONNECTIONS => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(serve(stream, peer, self.router.clone()));
                }
                Err(error) => {
                    warn!(%error, "could not accept a boot HTTP connection");
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                }
            }
        }
        connections.shutdown().await;
    }
}

/// Serves one connection to its end.
async fn serve(stream: TcpStream, peer: SocketAddr, router: Router) {
    // Without it the last bytes of a small file wait for an acknowledgement; the transfer works either way.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let router = router.clone();
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            let response: Result<Response, Infallible> = router.oneshot(request).await;
            response
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        debug!(%peer, %error, "a boot HTTP connection broke off");
    }
}

/// `GET` or `HEAD` of a file in the map.
async fn file(
    State(shared): State<Shared>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(name): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let Some(content) = shared.files.get(&name) else {
        debug!(%peer, file = ?name, "a boot HTTP client asked for an unknown file");
        return (StatusCode::NOT_FOUND, "no such file\n").into_response();
    };
    let length = content.len() as u64;
    let (status, range) = match range::wanted(&headers, length) {
        Wanted::All => (StatusCode::OK, 0..length),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Nothing => {
            let total = [(header::CONTENT_RANGE, format!("bytes */{length}"))];
            return (StatusCode::RANGE_NOT_SATISFIABLE, total).into_response();
        }
    };
    let mut response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::CONTENT_LENGTH, range.end - range.start)
        .header(header::ACCEPT_RANGES, "bytes");
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1));
        response = response.header(header::CONTENT_RANGE, text);
    }
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        debug!(%peer, file = name, ?range, "boot HTTP file");
        Delivery { directory: shared.directory, to: ipv4(peer), name, content, range }.into_body()
    };
    // The status and all headers are valid by construction.
    response.body(body).unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// `GET /boot/script?mac=52:54:00:…&uuid=…`: what iPXE is to do.
async fn script(
    State(shared): State<Shared>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let Some(mac) = query.get("mac").and_then(|text| parse_mac(text)) else {
        return (StatusCode::BAD_REQUEST, "the parameter mac must be like 52:54:00:12:34:56\n")
            .into_response();
    };
    let from = ipv4(peer);
    let uuid = query.get("uuid").map(String::as_str);
    let arch =
        query.get("arch").filter(|arch| *arch == Arch::Arm64.word()).map_or(Arch::X64, |_| Arch::Arm64);
    let answer = shared.directory.script(mac, uuid, from, arch).await;
    let name = match &answer {
        BootScript::Agent { .. } => "agent",
        BootScript::Disk => "disk",
    };
    let (response, answer) = match render(&answer, &shared.source, mac, arch) {
        Ok(text) => {
            info!(%peer, ?mac, answer = name, "boot script");
            (([(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))], text).into_response(), name)
        }
        Err(reason) => {
            error!(%peer, ?mac, %reason, "a boot script could not be made");
            (StatusCode::INTERNAL_SERVER_ERROR.into_response(), "refused")
        }
    };
    shared.directory.observe(Fact::Script { mac, from, answer });
    response
}

/// The peer's address; the listeners are bound to IPv4 addresses.
fn ipv4(peer: SocketAddr) -> Ipv4Addr {
    match peer.ip() {
        IpAddr::V4(address) => address,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    }
}

/// A hardware address with `:` or `-` between its bytes.
fn parse_mac(text: &str) -> Option<Mac> {
    let mut mac: Mac = [0; 6];
    let mut parts = text.split([':', '-']);
    for byte in &mut mac {
        let part =
            parts.next().filter(|part| part.len() == 2 && part.bytes().all(|c| c.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses_by_table() {
        let mac = Some([0x52, 0x54, 0, 0xaa, 0xbb, 0xcc]);
        assert_eq!(parse_mac("52:54:00:aa:BB:cc"), mac);
        assert_eq!(parse_mac("52-54-00-aa-bb-cc"), mac);
        for text in
            ["", "52:54:00:aa:bb", "52:54:00:aa:bb:cc:dd", "52:54:00:aa:bb:c", "52:54:00:aa:bb:+c", "x"]
        {
            assert_eq!(parse_mac(text), None, "{text}");
        }
    }
}

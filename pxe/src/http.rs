//! Boot HTTP at one of our addresses: files, unified kernel images, boot scripts, and the caller's routes.
//!
//! Plain HTTP, as firmware speaks it: nothing secret is served here but one-time tokens in scripts. Our own paths are
//! answered from the bytes of the request, since a file must leave by `sendfile` and no framework lets it;
//! everything else is handed to hyper.

mod answer;
mod condition;
mod connection;
mod handover;
mod head;
mod range;
mod record;
mod send;
mod target;

use crate::counters::Counters;
use crate::directory::Directory;
use crate::files::Files;
use crate::peers::Peers;
use axum::Router;
use connection::Connection;
use pxe_proto::boot::ScriptSource;
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Most connections of one address at once; further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 4096;
/// Pause after accepting failed, such as for want of file descriptors.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(200);

/// The boot HTTP server at one address.
pub(crate) struct HttpServer {
    listener: TcpListener,
    shared: Arc<Shared>,
}

/// What a boot HTTP server works with.
pub(crate) struct HttpParts {
    /// The network's name, for traces.
    pub(crate) network: String,
    pub(crate) files: Arc<Files>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) counters: Arc<Counters>,
    /// Served beside our own paths.
    pub(crate) routes: Router,
}

/// What all connections know.
struct Shared {
    network: String,
    files: Arc<Files>,
    directory: Arc<dyn Directory>,
    peers: Arc<Peers>,
    counters: Arc<Counters>,
    routes: Router,
    source: ScriptSource,
    limits: Limits,
}

/// How long a client is waited for.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// For the whole head of a request, from its first byte; and for the first byte of the first one.
    head: Duration,
    /// For the first byte of a further request.
    idle: Duration,
    /// For a client to take any byte of what it is sent.
    stall: Duration,
    /// For a client to stop sending after it was refused.
    linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            head: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            stall: Duration::from_secs(60),
            linger: Duration::from_secs(2),
        }
    }
}

impl HttpServer {
    /// Binds the port at one of our addresses.
    pub(crate) async fn bind(address: SocketAddrV4, parts: HttpParts) -> io::Result<Self> {
        Self::with_limits(address, parts, Limits::default()).await
    }

    async fn with_limits(address: SocketAddrV4, parts: HttpParts, limits: Limits) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let source = ScriptSource { address: *address.ip(), port: listener.local_addr()?.port() };
        let HttpParts { network, files, directory, peers, counters, routes } = parts;
        let shared = Shared { network, files, directory, peers, counters, routes, source, limits };
        Ok(HttpServer { listener, shared: Arc::new(shared) })
    }

    /// Where it listens.
    pub(crate) fn local_addr(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.shared.source.address, self.shared.source.port)
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
                    connections.spawn(serve(Arc::clone(&self.shared), stream, peer));
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
async fn serve(shared: Arc<Shared>, stream: TcpStream, peer: SocketAddr) {
    // Without it the last bytes of a small file wait for an acknowledgement; the transfer works either way.
    let _ = stream.set_nodelay(true);
    if let Err(error) = (Connection { shared: &shared, stream, peer }).serve().await {
        debug!(%peer, %error, "a boot HTTP connection broke off");
    }
}

#[cfg(test)]
mod tests;

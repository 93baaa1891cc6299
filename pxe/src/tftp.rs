//! TFTP at one of our addresses: requests come in here, are judged and looked up; a thread of its own sends the files.
//!
//! Nothing of a request's text reaches a file system: it is a key of [`Files`].

mod engine;
mod outlet;
mod report;

use crate::config::Config;
use crate::directory::{Directory, Mac};
use crate::files::{Content, Files, Missing};
use crate::peers::Peers;
use engine::{Engine, Job};
use nix::sys::socket::{setsockopt, sockopt};
use pxe_proto::tftp::{Body, ErrorCode, Refused, error, parse_request, shown_name};
use report::{Asked, Reporter};
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

/// Most requests whose answer is being looked up; more are dropped, clients ask again.
const MAX_LOOKUPS: usize = 256;
/// Pause after the socket failed.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);
/// Room for the requests of a rack that was switched on at once, in bytes.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Longer than any request that is read; what is cut off here is refused for its length.
const REQUEST: usize = 2048;

/// The TFTP server at one address.
pub(crate) struct TftpServer {
    socket: UdpSocket,
    local: SocketAddrV4,
    files: Arc<Files>,
    peers: Arc<Peers>,
    reporter: Arc<Reporter>,
    engine: Engine,
    lookups: JoinSet<(Asked, Result<Content, Missing>)>,
}

impl TftpServer {
    /// Binds the port at our address on a network, so that replies come from the address that was asked. Must be
    /// called within a tokio runtime.
    pub(crate) async fn bind(
        address: SocketAddrV4,
        network: &str,
        config: &Config,
        directory: Arc<dyn Directory>,
    ) -> io::Result<Self> {
        let socket = UdpSocket::bind(address).await?;
        let local = SocketAddrV4::new(*address.ip(), socket.local_addr()?.port());
        // Beyond the system's limit only with a capability; what can be had without is enough for some hundreds.
        if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            let _ = setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER);
        }
        let counters = Arc::clone(&config.counters);
        let reporter = Arc::new(Reporter { network: network.to_owned(), directory, counters });
        let engine = Engine::start(local, Arc::clone(&reporter))?;
        let (files, peers) = (Arc::clone(&config.files), Arc::clone(&config.peers));
        Ok(TftpServer { socket, local, files, peers, reporter, engine, lookups: JoinSet::new() })
    }

    /// Where it listens.
    pub(crate) fn local_addr(&self) -> SocketAddrV4 {
        self.local
    }

    /// Serves until cancelled.
    pub(crate) async fn run(mut self, cancel: CancellationToken) {
        let mut buffer = vec![0; REQUEST];
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                () = self.engine.ended() => {
                    error!(address = %self.local, "TFTP ended here: its thread is gone");
                    break;
                }
                Some(found) = self.lookups.join_next() => match found {
                    Ok((asked, content)) => self.found(asked, content).await,
                    Err(error) => warn!(address = %self.local, %error, "the look-up of a TFTP file failed"),
                },
                received = self.socket.recv_from(&mut buffer) => match received {
                    Ok((length, SocketAddr::V4(peer))) => self.request(&buffer[..length], peer).await,
                    // The socket is bound to an IPv4 address.
                    Ok((_, SocketAddr::V6(_))) => {}
                    // A refusal that we sent met a closed port; nothing is wrong here.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                    Err(error) => {
                        warn!(address = %self.local, %error, "the TFTP socket failed");
                        tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                    }
                },
            }
        }
        self.lookups.shutdown().await;
        self.engine.stop().await;
    }

    async fn request(&mut self, datagram: &[u8], peer: SocketAddrV4) {
        let request = match parse_request(datagram) {
            Ok(request) => request,
            Err(refused @ Refused::NotARequest) => return self.reporter.count(refused.word()),
            Err(refused) => {
                let (mac, name) = (self.mac_of(peer), shown_name(datagram));
                self.reporter.refused(peer, mac, name, refused.word(), &refused.to_string());
                return self.refuse(peer, refused.packet()).await;
            }
        };
        let (mac, shown) = (self.mac_of(peer), shown_name(datagram));
        let asked = Asked { peer, mac, shown, request, datagram: datagram.to_vec() };
        if let Some(content) = self.files.named(asked.name()) {
            return self.found(asked, Ok(content)).await;
        }
        if self.lookups.len() >= MAX_LOOKUPS {
            return self.busy(asked);
        }
        let (files, reporter) = (Arc::clone(&self.files), Arc::clone(&self.reporter));
        self.lookups.spawn(async move {
            let content = files.lookup(asked.name(), *asked.peer.ip(), &*reporter.directory).await;
            (asked, content)
        });
    }

    /// The look-up of a request's file is done.
    async fn found(&mut self, asked: Asked, content: Result<Content, Missing>) {
        let content = match content {
            Ok(content) => content,
            Err(Missing::Nothing) => {
                return self.reject(asked, ErrorCode::NotFound, "not_found", "file not found").await;
            }
            Err(Missing::Unknown) => {
                return self.ignored(asked, "unknown", "what it may boot can't be looked up now");
            }
        };
        let Some(pieces) = content.in_memory() else {
            return self
                .reject(asked, ErrorCode::Undefined, "too_large", "too large for TFTP, use HTTP")
                .await;
        };
        if let Err(asked) = self.engine.send(Job { asked, body: Body::new(pieces) }) {
            self.busy(asked);
        }
    }

    fn busy(&self, asked: Asked) {
        self.ignored(asked, "busy", "too many requests at once");
    }

    /// Dropped without an answer: the client asks again.
    fn ignored(&self, asked: Asked, word: &'static str, reason: &str) {
        let Asked { peer, mac, shown, .. } = asked;
        self.reporter.refused(peer, mac, shown, word, reason);
    }

    async fn reject(&self, asked: Asked, code: ErrorCode, word: &'static str, reason: &str) {
        let Asked { peer, mac, shown, .. } = asked;
        self.reporter.refused(peer, mac, shown, word, reason);
        self.refuse(peer, Some(error(code, reason))).await;
    }

    async fn refuse(&self, peer: SocketAddrV4, packet: Option<Vec<u8>>) {
        if let Some(packet) = packet {
            // Best effort: a client that doesn't get it asks again.
            let _ = self.socket.send_to(&packet, peer).await;
        }
    }

    fn mac_of(&self, peer: SocketAddrV4) -> Option<Mac> {
        self.peers.mac_of(*peer.ip())
    }
}

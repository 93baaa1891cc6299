//! TFTP at one of our addresses: requests in, a task and a socket of its own for each transfer.

mod transfer;

use crate::clock::Clock;
use crate::directory::Directory;
use crate::files::Files;
use pxe_proto::tftp::{ErrorCode, ReadRequest, error, name_of, parse_request};
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use transfer::{Control, Key, Sending};

/// Most transfers of one address at once; more are dropped, clients ask again.
const MAX_TRANSFERS: usize = 512;
/// Most transfers that one client (address and port) has at once.
const MAX_PER_CLIENT: usize = 4;
/// Pause after the socket failed.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);

/// The TFTP server at one address.
pub(crate) struct TftpServer {
    socket: UdpSocket,
    local: SocketAddrV4,
    files: Arc<Files>,
    directory: Arc<dyn Directory>,
    clock: Clock,
    running: HashMap<Key, Running>,
    work: JoinSet<Key>,
    next_number: u64,
}

/// A transfer that runs.
struct Running {
    /// The request that started it, as it came.
    request: Vec<u8>,
    control: Arc<Control>,
}

impl TftpServer {
    /// Binds the port at one of our addresses, so that replies come from the address that was asked.
    pub(crate) async fn bind(
        address: SocketAddrV4,
        files: Arc<Files>,
        directory: Arc<dyn Directory>,
    ) -> io::Result<Self> {
        let socket = UdpSocket::bind(address).await?;
        let local = SocketAddrV4::new(*address.ip(), socket.local_addr()?.port());
        Ok(TftpServer {
            socket,
            local,
            files,
            directory,
            clock: Clock::start(),
            running: HashMap::new(),
            work: JoinSet::new(),
            next_number: 0,
        })
    }

    /// Where it listens.
    pub(crate) fn local_addr(&self) -> SocketAddrV4 {
        self.local
    }

    /// Serves until cancelled.
    pub(crate) async fn run(mut self, cancel: CancellationToken) {
        let mut buffer = vec![0; 2048];
        loop {
            let received = tokio::select! {
                () = cancel.cancelled() => break,
                Some(done) = self.work.join_next() => {
                    match done {
                        Ok(key) => { self.running.remove(&key); }
                        Err(error) => warn!(address = %self.local, %error, "a TFTP transfer failed"),
                    }
                    continue;
                }
                received = self.socket.recv_from(&mut buffer) => received,
            };
            match received {
                Ok((length, SocketAddr::V4(peer))) => self.request(&buffer[..length], peer).await,
                // The socket is bound to an IPv4 address.
                Ok((_, SocketAddr::V6(_))) => {}
                // A refusal that we sent met a closed port; nothing is wrong here.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => {
                    warn!(address = %self.local, %error, "the TFTP socket failed");
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                }
            }
        }
        self.work.shutdown().await;
    }

    async fn request(&mut self, datagram: &[u8], peer: SocketAddrV4) {
        let request = match parse_request(datagram) {
            Ok(request) => request,
            Err(refused) => {
                debug!(%peer, reason = %refused, "refused a TFTP request");
                return self.refuse(peer, refused.packet()).await;
            }
        };
        if self.repeated(datagram, peer) {
            debug!(%peer, file = ?request.name, "a TFTP request came again");
            return;
        }
        let Some(body) = self.files.get(name_of(&request.name)) else {
            debug!(%peer, file = ?request.name, "a TFTP client asked for an unknown file");
            return self.refuse(peer, Some(error(ErrorCode::NotFound, "file not found"))).await;
        };
        self.start(datagram, peer, &request, body).await;
    }

    async fn refuse(&self, peer: SocketAddrV4, packet: Option<Vec<u8>>) {
        if let Some(packet) = packet {
            // Best effort: a client that doesn't get it asks again.
            let _ = self.socket.send_to(&packet, peer).await;
        }
    }

    /// Whether this request started a transfer that the client has not answered yet: that one starts again,
    /// from the same port, so that a request that the network doubled does no harm.
    fn repeated(&self, datagram: &[u8], peer: SocketAddrV4) -> bool {
        let same = self.running.iter().find(|(key, running)| {
            key.peer == peer && running.request == datagram && !running.control.has_begun()
        });
        if let Some((_, running)) = same {
            running.control.restart();
        }
        same.is_some()
    }

    async fn start(
        &mut self,
        datagram: &[u8],
        peer: SocketAddrV4,
        request: &ReadRequest,
        body: bytes::Bytes,
    ) {
        let of_peer = self.running.keys().filter(|key| key.peer == peer).count();
        if self.running.len() >= MAX_TRANSFERS || of_peer >= MAX_PER_CLIENT {
            debug!(%peer, file = ?request.name, "too many TFTP transfers at once: dropped a request");
            return;
        }
        let socket = match self.open(peer).await {
            Ok(socket) => socket,
            Err(error) => {
                warn!(%peer, %error, "no socket for a TFTP transfer");
                return;
            }
        };
        let key = Key { peer, number: self.next_number };
        self.next_number += 1;
        let control = Arc::new(Control::default());
        self.running.insert(key, Running { request: datagram.to_vec(), control: Arc::clone(&control) });
        let directory = Arc::clone(&self.directory);
        let sending = Sending { key, socket, clock: self.clock, control, directory };
        self.work.spawn(sending.run(request.clone(), body));
    }

    /// A socket for one transfer: a port of its own (its TID), and only this client is heard on it.
    async fn open(&self, peer: SocketAddrV4) -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind(SocketAddrV4::new(*self.local.ip(), 0)).await?;
        socket.connect(peer).await?;
        Ok(socket)
    }
}

//! One UDP socket for many BMCs, and the task that hands what comes in to the one that it is for.
//!
//! On one socket there is at most one session with a BMC's address, so that the address alone tells whose a datagram
//! is, in a session or before it.

use super::mailbox::{Incoming, Mailbox};
use super::trouble::{self, Trouble};
use socket2::{Domain, Protocol, SockRef, Type};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Sessions on a socket.
pub(super) const SHARE: usize = 256;
/// Wanted receive buffer. Without privileges the system may give less: 200 KiB still hold a datagram of each BMC.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Larger than any datagram of a BMC; what is cut off fails its signature.
const LARGEST: usize = 2048;
/// Datagrams taken before others get their turn.
const TURN: usize = 64;
/// How often a sending is repeated that failed with what the network said of another datagram.
const SENDINGS: usize = 4;
/// Pause after an error of the socket itself.
const PAUSE: Duration = Duration::from_millis(20);

/// A socket. Its task ends when the last user has gone.
pub(super) struct Socket {
    shared: Arc<Shared>,
    _guard: DropGuard,
}

struct Shared {
    udp: UdpSocket,
    family: Domain,
    mailboxes: Mutex<HashMap<SocketAddr, Arc<Mailbox>>>,
}

impl Socket {
    /// Opens one for BMCs of the address family of this one.
    pub(super) fn open(peer: SocketAddr) -> io::Result<Self> {
        let family = Domain::for_address(peer);
        let socket = socket2::Socket::new(family, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        let any: SocketAddr = if peer.is_ipv4() {
            ([0, 0, 0, 0], 0).into()
        } else {
            socket.set_only_v6(true)?;
            ([0u16; 8], 0).into()
        };
        enlarge(&socket);
        report_errors(&socket, peer);
        socket.bind(&any.into())?;
        let udp = UdpSocket::from_std(socket.into())?;
        let shared = Arc::new(Shared { udp, family, mailboxes: Mutex::default() });
        let closing = CancellationToken::new();
        tokio::spawn(receive(Arc::clone(&shared), closing.clone()));
        Ok(Self { shared, _guard: closing.drop_guard() })
    }

    /// Takes a BMC in, if there is room and none with this address yet.
    pub(super) fn add(&self, peer: SocketAddr, mailbox: &Arc<Mailbox>) -> bool {
        let mut mailboxes = self.shared.lock();
        let fits = Domain::for_address(peer) == self.shared.family
            && mailboxes.len() < SHARE
            && !mailboxes.contains_key(&peer);
        if fits {
            mailboxes.insert(peer, Arc::clone(mailbox));
        }
        fits
    }

    pub(super) fn remove(&self, peer: SocketAddr) {
        self.shared.lock().remove(&peer);
    }

    /// Sends a datagram. An error is what is known of the destination; other failures are losses.
    pub(super) fn send(&self, peer: SocketAddr, datagram: &[u8]) -> Result<(), Trouble> {
        let socket = SockRef::from(&self.shared.udp);
        let mut trouble = None;
        for _ in 0..SENDINGS {
            // Not through tokio: an ICMP error leaves its readiness at "closed", and waiting for room would spin.
            match socket.send_to(datagram, &peer.into()) {
                Ok(_) => return Ok(()),
                Err(error) => {
                    tracing::debug!(%peer, %error, "IPMI datagram not sent");
                    trouble = error.raw_os_error().and_then(Trouble::from_errno);
                    // The socket reports what became of an earlier datagram to anybody, and then forgets it.
                    if trouble.is_none() {
                        return Ok(());
                    }
                }
            }
        }
        trouble.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
impl Socket {
    pub(super) fn report(&self, peer: SocketAddr, trouble: Trouble) {
        self.shared.deliver(peer, Incoming::Trouble(trouble));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Arc<Mailbox>>> {
        self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver(&self, mut from: SocketAddr, incoming: Incoming) {
        if let SocketAddr::V6(v6) = &mut from {
            v6.set_flowinfo(0);
        }
        // Strangers, and the late answers of closed sessions, find no mailbox.
        let mailbox = self.lock().get(&from).map(Arc::clone);
        if let Some(mailbox) = mailbox {
            mailbox.put(incoming);
        }
    }

    /// Reads until nothing is left or others are due. An error is one of the socket.
    fn read(&self, buffer: &mut [u8]) -> io::Result<()> {
        for _ in 0..TURN {
            match self.udp.try_recv_from(buffer) {
                Ok((length, from)) => self.deliver(from, Incoming::Datagram(buffer[..length].into())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // It is in the error queue, too, with its address.
                Err(error) if error.raw_os_error().and_then(Trouble::from_errno).is_some() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read_errors(&self) {
        for _ in 0..TURN {
            match trouble::next(&self.udp) {
                Ok(Some((peer, trouble))) => self.deliver(peer, Incoming::Trouble(trouble)),
                Ok(None) => {}
                Err(_) => return,
            }
        }
    }
}

async fn receive(shared: Arc<Shared>, closing: CancellationToken) {
    let mut buffer = vec![0; LARGEST];
    loop {
        let ready = tokio::select! {
            () = closing.cancelled() => return,
            ready = shared.udp.ready(Interest::READABLE | Interest::ERROR) => ready,
        };
        let result = ready.and_then(|ready| {
            if ready.is_error() {
                shared.read_errors();
            }
            shared.read(&mut buffer)
        });
        if let Err(error) = result {
            tracing::warn!(%error, "the socket to the BMCs failed");
            tokio::time::sleep(PAUSE).await;
        }
        tokio::task::yield_now().await;
    }
}

/// As large as the system allows; its failure means nothing.
fn enlarge(socket: &socket2::Socket) {
    use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};
    if setsockopt(socket, RcvBufForce, &RECEIVE_BUFFER).is_err() {
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    }
}

/// Has ICMP errors put into the error queue. Without them a closed port is silence, no more.
fn report_errors(socket: &socket2::Socket, peer: SocketAddr) {
    use nix::sys::socket::{setsockopt, sockopt};
    let result = if peer.is_ipv4() {
        setsockopt(socket, sockopt::Ipv4RecvErr, &true)
    } else {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)
    };
    if let Err(error) = result {
        tracing::debug!(%error, "no ICMP errors will be heard of");
    }
}

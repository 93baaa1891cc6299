//! The UDP sockets that all IPMI drivers of a process share: few of them, opened when needed, closed with their last
//! session. A BMC that is slow or gone holds nothing that another one waits for.
//!
//! Deliberately not here: what the datagrams mean (`link`).

mod mailbox;
mod pacer;
mod socket;
mod trouble;

pub(super) use mailbox::Incoming;
use mailbox::Mailbox;
use pacer::Pacer;
use socket::Socket;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
pub(super) use trouble::Trouble;

/// The sockets.
#[derive(Default)]
pub(super) struct Network {
    sockets: Mutex<Vec<Weak<Socket>>>,
    pacer: Mutex<Pacer>,
}

impl Network {
    /// Makes room for a session with this BMC. `reader` is told when something came from it.
    pub(super) fn attach(&self, peer: SocketAddr, reader: Arc<Notify>) -> io::Result<Attachment> {
        let mailbox = Arc::new(Mailbox::new(reader));
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.retain(|socket| socket.strong_count() > 0);
        let found = sockets.iter().filter_map(Weak::upgrade).find(|socket| socket.add(peer, &mailbox));
        let socket = match found {
            Some(socket) => socket,
            None => {
                let socket = Arc::new(Socket::open(peer)?);
                socket.add(peer, &mailbox);
                sockets.push(Arc::downgrade(&socket));
                socket
            }
        };
        Ok(Attachment { socket, peer, mailbox })
    }

    /// Waits until a datagram may leave. How long that was.
    pub(super) async fn turn(&self) -> Duration {
        let asked = Instant::now();
        let wait = self.pacer.lock().unwrap_or_else(PoisonError::into_inner).slot(asked);
        if wait.is_zero() {
            return wait;
        }
        tokio::time::sleep(wait).await;
        asked.elapsed()
    }
}

#[cfg(test)]
impl Network {
    /// Says to this BMC's session what an ICMP error would, forged or not.
    pub(super) fn report(&self, peer: SocketAddr, trouble: Trouble) {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        for socket in sockets.iter().filter_map(Weak::upgrade) {
            socket.report(peer, trouble);
        }
    }
}

/// One session's share of a socket, until it is dropped.
pub(super) struct Attachment {
    socket: Arc<Socket>,
    peer: SocketAddr,
    mailbox: Arc<Mailbox>,
}

impl Attachment {
    /// Sends a datagram. An error is what is known of the destination; other failures are losses.
    pub(super) fn send(&self, datagram: &[u8]) -> Result<(), Trouble> {
        self.socket.send(self.peer, datagram)
    }

    /// The next of what came in.
    pub(super) fn take(&self) -> Option<Incoming> {
        self.mailbox.take()
    }

    /// The BMC.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.socket.remove(self.peer);
    }
}

#[cfg(test)]
mod tests;

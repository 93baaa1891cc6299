//! One transfer's socket and time around the machine of `pxe-proto`.

use crate::clock::Clock;
use crate::directory::{Directory, Fact};
use bytes::Bytes;
use futures::FutureExt;
use pxe_proto::tftp::{Outcome, ReadRequest, Transfer, name_of};
use std::io;
use std::net::SocketAddrV4;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tracing::{debug, warn};

/// Which transfer: a client may have several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) peer: SocketAddrV4,
    pub(super) number: u64,
}

/// What the server and a running transfer tell each other.
#[derive(Default)]
pub(super) struct Control {
    begun: AtomicBool,
    again: Notify,
}

impl Control {
    /// Whether the client has acknowledged anything.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// The request came again: start again.
    pub(super) fn restart(&self) {
        self.again.notify_one();
    }
}

/// A transfer about to run.
pub(super) struct Sending {
    pub(super) key: Key,
    pub(super) socket: UdpSocket,
    pub(super) clock: Clock,
    pub(super) control: Arc<Control>,
    pub(super) directory: Arc<dyn Directory>,
}

impl Sending {
    /// Runs it to its end, whatever that is.
    pub(super) async fn run(self, request: ReadRequest, body: Bytes) -> Key {
        let key = self.key;
        // The server must learn the key even after a panic.
        if AssertUnwindSafe(self.transfer(request, body)).catch_unwind().await.is_err() {
            warn!(peer = %key.peer, "a TFTP transfer panicked");
        }
        key
    }

    async fn transfer(self, request: ReadRequest, body: Bytes) {
        let mut transfer = Transfer::start(&request, body);
        let ended = self.send_all(&mut transfer).await;
        let complete = transfer.outcome() == Some(&Outcome::Complete);
        let bytes = transfer.acknowledged_bytes();
        debug!(peer = %self.key.peer, file = request.name, bytes, outcome = ?transfer.outcome(), ?ended,
            "a TFTP transfer ended");
        // Asking for the size is no fact: the fetch itself follows.
        if complete || transfer.has_begun() {
            let name = name_of(&request.name).to_owned();
            let to = *self.key.peer.ip();
            self.directory.observe(Fact::File { to, name, over: "TFTP", bytes, complete });
        }
    }

    /// Moves packets and time until there is an outcome, or the socket says that nobody is there.
    async fn send_all(&self, transfer: &mut Transfer<Bytes>) -> io::Result<()> {
        let mut buffer = [0; 600];
        loop {
            while let Some(packet) = transfer.poll_transmit(self.clock.now()) {
                self.socket.send(&packet).await?;
            }
            self.control.begun.store(transfer.has_begun(), Ordering::Relaxed);
            // Without an outcome there is always something in flight, and so a deadline.
            let (None, Some(deadline)) = (transfer.outcome(), transfer.poll_timeout()) else { return Ok(()) };
            tokio::select! {
                received = self.socket.recv(&mut buffer) => {
                    transfer.handle_packet(&buffer[..received?], self.clock.now());
                }
                () = tokio::time::sleep_until(self.clock.at(deadline)) => {
                    transfer.handle_timeout(self.clock.now());
                }
                () = self.control.again.notified() => transfer.restart(),
            }
        }
    }
}

//! A machine's network cable: two Unix datagram sockets, as QEMU's `-netdev dgram` uses them, or one UDP socket, as its
//! `-netdev socket,udp=` does.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::net::{UdpSocket, UnixDatagram};

/// Both directions of a cable.
pub(crate) struct UnixPort {
    receiver: UnixDatagram,
    sender: Sender,
}

/// The direction to the machine. A socket of its own, because a connected one takes datagrams from nobody but the
/// process it was connected to, and QEMU is another process after each power-on.
pub(super) struct Sender {
    nic: PathBuf,
    socket: Option<UnixDatagram>,
}

impl UnixPort {
    /// Binds our end at `port`; the machine's end will be at `nic` while it is on.
    pub(crate) fn bind(port: &Path, nic: &Path) -> std::io::Result<Self> {
        let sender = Sender { nic: nic.to_owned(), socket: None };
        Ok(Self { receiver: UnixDatagram::bind(port)?, sender })
    }

    pub(super) fn split(self) -> (UnixDatagram, Sender) {
        (self.receiver, self.sender)
    }
}

impl Sender {
    /// Sends a frame, waiting while the machine's queue is full. It is lost when the machine is off.
    pub(super) async fn send(&mut self, frame: &[u8]) {
        // Twice, as the first failure may tell of a machine that was switched off and on again.
        for _ in 0..2 {
            if self.socket.is_none() {
                self.socket = connect(&self.nic);
            }
            let Some(socket) = &self.socket else { return };
            match socket.send(frame).await {
                Ok(_) => return,
                Err(error) if is_gone(error.kind()) => self.socket = None,
                Err(error) => return tracing::warn!(%error, nic = %self.nic.display(), "a frame was lost"),
            }
        }
    }
}

/// Both directions of a cable that goes by UDP.
pub(crate) struct UdpPort {
    socket: UdpSocket,
}

impl UdpPort {
    /// Binds our end at `port`; takes frames from `nic` only.
    pub(crate) fn bind(port: SocketAddr, nic: SocketAddr) -> std::io::Result<Self> {
        let socket = std::net::UdpSocket::bind(port)?;
        socket.connect(nic)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket: UdpSocket::from_std(socket)? })
    }

    /// Sends a frame; it is lost when the machine is off.
    pub(super) async fn send(&self, frame: &[u8]) {
        let _off = self.socket.send(frame).await;
    }

    /// Waits for a frame; gives its length.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> usize {
        loop {
            // An error is the kernel's word that the machine was off when something was sent to it.
            if let Ok(length) = self.socket.recv(buffer).await {
                return length;
            }
        }
    }
}

fn connect(nic: &Path) -> Option<UnixDatagram> {
    let socket = UnixDatagram::unbound().ok()?;
    socket.connect(nic).ok()?;
    Some(socket)
}

fn is_gone(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::NotConnected
            | ErrorKind::NotFound
    )
}

//! What the network tells of a datagram that did not arrive: ICMP errors, from the socket's error queue.
//!
//! Anybody can forge an ICMP error, and a port is closed for a while when a BMC restarts: it is a hint, and the session
//! decides what it is worth.

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Why a datagram did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::ipmi) enum Trouble {
    /// The host is there, its port is closed.
    #[error("its port is closed")]
    PortClosed,
    /// A router, or our own host, finds no such host.
    #[error("no route to the host")]
    HostUnreachable,
    /// There is no way into its network.
    #[error("its network can't be reached")]
    NetworkUnreachable,
    /// A firewall forbids it.
    #[error("a firewall forbids it")]
    Prohibited,
}

impl Trouble {
    /// Of an error number of the system. `None`: it tells nothing about the destination.
    pub(super) fn from_errno(errno: i32) -> Option<Self> {
        match errno {
            libc::ECONNREFUSED => Some(Self::PortClosed),
            libc::EHOSTUNREACH | libc::EHOSTDOWN => Some(Self::HostUnreachable),
            libc::ENETUNREACH | libc::ENETDOWN => Some(Self::NetworkUnreachable),
            libc::EACCES | libc::EPERM => Some(Self::Prohibited),
            _ => None,
        }
    }
}

/// Takes one entry off the error queue: to whom the datagram was sent, and what became of it.
///
/// `WouldBlock` when there is none.
pub(super) fn next(socket: &UdpSocket) -> io::Result<Option<(SocketAddr, Trouble)>> {
    socket.try_io(Interest::ERROR, || {
        // The datagram itself comes back, too; nobody wants it.
        let mut byte = [0; 1];
        let mut parts = [IoSliceMut::new(&mut byte)];
        let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
        let message = recvmsg::<SockaddrStorage>(
            socket.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::MSG_ERRQUEUE,
        )?;
        let errno = message.cmsgs()?.find_map(|part| match part {
            ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => {
                i32::try_from(error.ee_errno).ok()
            }
            _ => None,
        });
        let trouble = errno.and_then(Trouble::from_errno);
        Ok(message.address.as_ref().and_then(to_std).zip(trouble))
    })
}

fn to_std(address: &SockaddrStorage) -> Option<SocketAddr> {
    match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(v4), _) => Some(SocketAddr::from((v4.ip(), v4.port()))),
        (_, Some(v6)) => Some(std::net::SocketAddrV6::new(v6.ip(), v6.port(), 0, v6.scope_id()).into()),
        _ => None,
    }
}

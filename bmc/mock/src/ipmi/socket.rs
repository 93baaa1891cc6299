//! The UDP socket: datagrams in and out, with the address of ours that each came to or leaves from, so that one
//! socket can be many BMCs.

use super::group::lock;
use libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Type};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Mutex;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// What the system keeps for us while we are busy: thousands of BMCs are asked in the same moment.
const BUFFER: usize = 8 << 20;
/// Datagrams that are taken in before other tasks get their turn.
const BATCH: usize = 64;
/// More than the longest datagram that is looked at.
const ROOM: usize = 1024;

/// Who sent a datagram, and to which address of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    /// Who.
    pub(super) address: SocketAddr,
    /// Our address. `None`: the socket's own.
    pub(super) local: Option<IpAddr>,
}

/// A bound socket.
pub(super) struct Socket {
    udp: UdpSocket,
    /// Room for a datagram and what the system tells with it; there is one receiver.
    inbox: Mutex<(Vec<u8>, Vec<u8>)>,
}

impl Socket {
    /// Binds an address. An IPv6 socket is one of IPv6 only.
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        } else {
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        }
        // Beyond the system's limit if we may, else up to it.
        if setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).is_err() {
            socket.set_recv_buffer_size(BUFFER)?;
        }
        if setsockopt(&socket, sockopt::SndBufForce, &BUFFER).is_err() {
            socket.set_send_buffer_size(BUFFER)?;
        }
        socket.bind(&address.into())?;
        let room = nix::cmsg_space!(in6_pktinfo, in_pktinfo);
        Ok(Self { udp: UdpSocket::from_std(socket.into())?, inbox: Mutex::new((vec![0; ROOM], room)) })
    }

    /// Where it is bound.
    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }

    /// Waits for datagrams and hands them on: those that are there, up to a bound.
    pub(super) async fn receive(&self, mut each: impl FnMut(&[u8], Peer)) -> io::Result<()> {
        let mut taken = 0;
        self.udp.async_io(Interest::READABLE, || self.receive_batch(&mut taken, &mut each)).await
    }

    /// `WouldBlock` only when nothing came at all: then the system is to be asked to wake us.
    fn receive_batch(&self, taken: &mut usize, each: &mut impl FnMut(&[u8], Peer)) -> io::Result<()> {
        let mut inbox = lock(&self.inbox);
        let (room, control) = &mut *inbox;
        while *taken < BATCH {
            let mut parts = [IoSliceMut::new(room)];
            let flags = MsgFlags::MSG_DONTWAIT;
            let got = recvmsg::<SockaddrStorage>(self.udp.as_raw_fd(), &mut parts, Some(control), flags);
            let (length, peer) = match got {
                Ok(message) => (message.bytes, peer_of(&message)),
                Err(Errno::EAGAIN) if *taken > 0 => return Ok(()),
                // An earlier answer met a closed port, or a signal came.
                Err(Errno::ECONNREFUSED | Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            *taken += 1;
            if let Some(peer) = peer {
                each(&room[..length], peer);
            }
        }
        Ok(())
    }

    /// Sends a datagram. What the system has no room for is lost, as on any wire.
    pub(super) fn send(&self, bytes: &[u8], peer: Peer) {
        let to = SockaddrStorage::from(peer.address);
        let parts = [IoSlice::new(bytes)];
        let (fd, flags) = (self.udp.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        let sent = match peer.local {
            Some(IpAddr::V4(from)) => {
                let source = in_addr { s_addr: u32::from(from).to_be() };
                let info =
                    in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: in_addr { s_addr: 0 } };
                sendmsg(fd, &parts, &[ControlMessage::Ipv4PacketInfo(&info)], flags, Some(&to))
            }
            Some(IpAddr::V6(from)) => {
                let info = in6_pktinfo { ipi6_ifindex: 0, ipi6_addr: in6_addr { s6_addr: from.octets() } };
                sendmsg(fd, &parts, &[ControlMessage::Ipv6PacketInfo(&info)], flags, Some(&to))
            }
            None => sendmsg(fd, &parts, &[], flags, Some(&to)),
        };
        if let Err(error) = sent {
            tracing::debug!(to = %peer.address, %error, "a datagram could not be sent");
        }
    }
}

fn peer_of(message: &nix::sys::socket::RecvMsg<'_, '_, SockaddrStorage>) -> Option<Peer> {
    let from = message.address?;
    let address = match (from.as_sockaddr_in(), from.as_sockaddr_in6()) {
        (Some(v4), _) => SocketAddr::V4((*v4).into()),
        (_, Some(v6)) => SocketAddr::V6((*v6).into()),
        _ => return None,
    };
    let local = message.cmsgs().into_iter().flatten().find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(IpAddr::V4(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr))))
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr))),
        _ => None,
    });
    Some(Peer { address, local })
}

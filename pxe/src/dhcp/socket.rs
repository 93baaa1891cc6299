//! The UDP socket of one interface and port: many datagrams with one system call, in and out.
//!
//! It knows who sent a datagram to which address, and from which address we answer.

#![allow(unsafe_code, reason = "nix does not say that the headers of its recvmmsg may change threads")]

use libc::{in_addr, in_pktinfo};
use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmsg, setsockopt,
    sockopt,
};
use pxe_proto::dhcp::{Arrival, Service};
use socket2::{Domain, Protocol, Type};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Most datagrams of one system call.
pub(super) const BATCH: usize = 64;
/// Most datagrams that the system cuts out of one (`UDP_MAX_SEGMENTS` of linux/udp.h was 64 until 2024), with room.
const SEGMENTS: usize = 40;
/// Room for one datagram: more than the longest that is looked at.
const ROOM: usize = 1536;
/// What the system keeps for us while we are busy: a rack's machines ask within the same moment.
const RECEIVE_BUFFER: usize = 8 << 20;

/// A UDP socket on all addresses of one interface.
pub(super) struct Socket {
    udp: UdpSocket,
    service: Service,
    /// Whether the system cuts datagrams up for us; some interfaces can't.
    cuts: AtomicBool,
}

/// What [`recvmmsg`] fills in beside the datagrams.
struct Headers(MultiHeaders<SockaddrIn>);

// SAFETY: the pointers in it lead to heap memory that it owns itself, and to the buffers of a receive that is over:
// those are set anew before the next use.
unsafe impl Send for Headers {}

/// Room for received datagrams.
pub(super) struct Inbox {
    headers: Headers,
    buffers: Vec<[u8; ROOM]>,
}

impl Inbox {
    pub(super) fn new() -> Self {
        let headers = MultiHeaders::preallocate(BATCH, Some(nix::cmsg_space!(in_pktinfo)));
        Inbox { headers: Headers(headers), buffers: vec![[0; ROOM]; BATCH] }
    }
}

/// A datagram to be sent.
#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) to: SocketAddrV4,
    pub(super) bytes: Vec<u8>,
}

impl Socket {
    /// Binds `port` on an interface, for broadcasts too.
    pub(super) fn bind(interface: &str, port: u16, service: Service) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        // One socket for each interface: they share the port.
        socket.set_reuse_address(true)?;
        socket.set_broadcast(true)?;
        socket.bind_device(Some(interface.as_bytes()))?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        // Beyond the system's limit if we may, else up to it.
        if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        }
        socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into())?;
        Ok(Socket { udp: socket.into(), service, cuts: AtomicBool::new(true) })
    }

    /// For waiting until there is something to receive.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.udp.as_fd()
    }

    /// Receives what is there, at most [`BATCH`] datagrams, and hands each to `each` with the port that it came from.
    /// How many there were; fewer than [`BATCH`] means that nothing is left.
    pub(super) fn receive(
        &self,
        inbox: &mut Inbox,
        mut each: impl FnMut(&[u8], &Arrival, u16),
    ) -> io::Result<usize> {
        let Inbox { headers: Headers(headers), buffers } = inbox;
        let mut slices: Vec<_> = buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let fd = self.udp.as_raw_fd();
        let messages = match recvmmsg(fd, headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None) {
            Ok(messages) => messages,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        let mut count = 0;
        for message in messages {
            count += 1;
            let destination = message.cmsgs().into_iter().flatten().find_map(|control| match control {
                ControlMessageOwned::Ipv4PacketInfo(info) => Some(address_of(info.ipi_addr)),
                _ => None,
            });
            let arrival = Arrival {
                source: message.address.map_or(Ipv4Addr::UNSPECIFIED, |address| address.ip()),
                destination: destination.unwrap_or(Ipv4Addr::UNSPECIFIED),
                service: self.service,
            };
            let port = message.address.map_or(0, |address| address.port());
            each(message.iovs().next().unwrap_or(&[]), &arrival, port);
        }
        Ok(count)
    }

    /// Sends datagrams from our address `source`; those that can't be sent go to `failed`.
    pub(super) fn send(
        &self,
        datagrams: &[Datagram],
        source: Ipv4Addr,
        mut failed: impl FnMut(&Datagram, io::Error),
    ) {
        // The interface is the socket's.
        let source = in_addr { s_addr: u32::from(source).to_be() };
        let info = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: in_addr { s_addr: 0 } };
        let mut rest = datagrams;
        while !rest.is_empty() {
            let alike = if self.cuts.load(Ordering::Relaxed) { alike(rest) } else { 1 };
            let (now, later) = rest.split_at(alike);
            if now.len() == 1 || !self.send_segments(now, &info) {
                // The first is tried alone, so that it is known which one fails.
                if let Err(error) = self.send_one(&now[0], &info) {
                    failed(&now[0], error.into());
                }
                rest = &rest[1..];
            } else {
                rest = later;
            }
        }
    }

    /// Sends datagrams of one length to one receiver as one, which the system cuts up: its way through the system is
    /// what a reply costs most.
    fn send_segments(&self, datagrams: &[Datagram], info: &in_pktinfo) -> bool {
        let Ok(length) = u16::try_from(datagrams[0].bytes.len()) else { return false };
        let parts: Vec<_> = datagrams.iter().map(|datagram| IoSlice::new(&datagram.bytes)).collect();
        let control = [ControlMessage::Ipv4PacketInfo(info), ControlMessage::UdpGsoSegments(&length)];
        match self.send_message(&parts, &control, datagrams[0].to) {
            Err(Errno::EIO | Errno::EINVAL | Errno::EMSGSIZE) => {
                self.cuts.store(false, Ordering::Relaxed);
                false
            }
            sent => sent.is_ok(),
        }
    }

    fn send_one(&self, datagram: &Datagram, info: &in_pktinfo) -> Result<(), Errno> {
        let control = [ControlMessage::Ipv4PacketInfo(info)];
        self.send_message(&[IoSlice::new(&datagram.bytes)], &control, datagram.to)
    }

    fn send_message(
        &self,
        parts: &[IoSlice<'_>],
        control: &[ControlMessage<'_>],
        to: SocketAddrV4,
    ) -> Result<(), Errno> {
        let to = SockaddrIn::from(to);
        sendmsg(self.udp.as_raw_fd(), parts, control, MsgFlags::MSG_DONTWAIT, Some(&to)).map(|_| ())
    }
}

/// How many datagrams from the first on can be sent as one: of the same length, to the same receiver, which is a host.
fn alike(datagrams: &[Datagram]) -> usize {
    let Some(first) = datagrams.first() else { return 0 };
    if first.to.ip().is_broadcast() {
        return 1;
    }
    let same = |other: &&Datagram| other.to == first.to && other.bytes.len() == first.bytes.len();
    datagrams.iter().take(SEGMENTS).take_while(same).count()
}

fn address_of(address: in_addr) -> Ipv4Addr {
    Ipv4Addr::from(u32::from_be(address.s_addr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_alike_to_one_host_is_sent_as_one() {
        let datagram = |last, length| Datagram {
            to: SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, last), 67),
            bytes: vec![0; length],
        };
        assert_eq!(alike(&[]), 0);
        assert_eq!(alike(&[datagram(1, 300)]), 1);
        assert_eq!(alike(&[datagram(1, 300), datagram(1, 300), datagram(2, 300)]), 2);
        assert_eq!(alike(&[datagram(1, 300), datagram(1, 301)]), 1);
        let many: Vec<_> = (0..100).map(|_| datagram(1, 300)).collect();
        assert_eq!(alike(&many), SEGMENTS);
        let everybody = || Datagram { to: SocketAddrV4::new(Ipv4Addr::BROADCAST, 68), bytes: vec![0; 300] };
        assert_eq!(alike(&[everybody(), everybody()]), 1);
    }

    #[test]
    fn all_arrive_each_by_itself() {
        let server = Socket::bind("lo", 0, Service::Dhcp).unwrap();
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        let std::net::SocketAddr::V4(to) = client.local_addr().unwrap() else { unreachable!() };
        let lengths = [300, 300, 300, 301, 300, 548];
        let datagrams: Vec<_> = lengths
            .iter()
            .zip(1..)
            .map(|(length, mark)| Datagram { to, bytes: vec![mark; *length] })
            .collect();
        server.send(&datagrams, Ipv4Addr::LOCALHOST, |_, error| panic!("{error}"));
        let mut buffer = [0; 2000];
        for datagram in &datagrams {
            let length = client.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..length], datagram.bytes);
        }
    }
}

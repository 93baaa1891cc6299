//! The UDP socket of one interface: who sent a datagram to which address, and from which address we answer.

use libc::{in_addr, in_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt, sockopt,
};
use pxe_proto::dhcp::Arrival;
use socket2::{Domain, Protocol, Type};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// A UDP socket on all addresses of one interface.
pub(super) struct Socket(UdpSocket);

impl Socket {
    /// Binds `port` on an interface, for broadcasts too.
    pub(super) fn bind(interface: &str, port: u16) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        // One socket for each interface: they share the port.
        socket.set_reuse_address(true)?;
        socket.set_broadcast(true)?;
        socket.bind_device(Some(interface.as_bytes()))?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into())?;
        Ok(Socket(UdpSocket::from_std(socket.into())?))
    }

    /// The next datagram: its length in `buffer`, and how it arrived.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Arrival)> {
        self.0
            .async_io(Interest::READABLE, || {
                let mut parts = [IoSliceMut::new(buffer)];
                let mut control = nix::cmsg_space!(in_pktinfo);
                let fd = self.0.as_raw_fd();
                let message = recvmsg::<SockaddrIn>(fd, &mut parts, Some(&mut control), MsgFlags::empty())?;
                let destination = message.cmsgs()?.find_map(|control| match control {
                    ControlMessageOwned::Ipv4PacketInfo(info) => Some(address_of(info.ipi_addr)),
                    _ => None,
                });
                let arrival = Arrival {
                    source: message.address.map_or(Ipv4Addr::UNSPECIFIED, |address| address.ip()),
                    destination: destination.unwrap_or(Ipv4Addr::UNSPECIFIED),
                };
                Ok((message.bytes, arrival))
            })
            .await
    }

    /// Sends a datagram from our address `source`.
    pub(super) async fn send(
        &self,
        datagram: &[u8],
        source: Ipv4Addr,
        destination: SocketAddrV4,
    ) -> io::Result<()> {
        // The interface is the socket's.
        let source = in_addr { s_addr: u32::from(source).to_be() };
        let info = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: in_addr { s_addr: 0 } };
        self.0
            .async_io(Interest::WRITABLE, || {
                let control = [ControlMessage::Ipv4PacketInfo(&info)];
                let to = SockaddrIn::from(destination);
                let parts = [IoSlice::new(datagram)];
                sendmsg(self.0.as_raw_fd(), &parts, &control, MsgFlags::empty(), Some(&to))?;
                Ok(())
            })
            .await
    }
}

fn address_of(address: in_addr) -> Ipv4Addr {
    Ipv4Addr::from(u32::from_be(address.s_addr))
}

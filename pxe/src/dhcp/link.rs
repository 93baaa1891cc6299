//! A packet socket that sends IPv4 packets to a hardware address, without ARP.

#![allow(unsafe_code, reason = "neither socket2 nor nix can make a sockaddr_ll without it")]

use pxe_proto::Mac;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;

/// Ethertype of IPv4.
const IPV4: u16 = 0x0800;

/// A packet socket of one interface. It only sends.
pub(super) struct Link {
    socket: Socket,
    index: libc::c_int,
}

impl Link {
    /// Opens it; needs CAP_NET_RAW.
    pub(super) fn open(interface: &str) -> io::Result<Self> {
        // Protocol 0: nothing is received on it.
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(0)))?;
        socket.set_nonblocking(true)?;
        let index = nix::net::if_::if_nametoindex(interface)?;
        let index = libc::c_int::try_from(index).map_err(io::Error::other)?;
        Ok(Link { socket, index })
    }

    /// Sends an IPv4 packet to a hardware address.
    pub(super) fn send(&self, mac: Mac, packet: &[u8]) -> io::Result<()> {
        self.socket.send_to(packet, &self.address(mac)?).map(|_| ())
    }

    fn address(&self, mac: Mac) -> io::Result<SockAddr> {
        let mut hardware = [0; 8];
        hardware[..6].copy_from_slice(&mac);
        let link = libc::sockaddr_ll {
            // AF_PACKET (17) fits the field.
            sll_family: libc::AF_PACKET as libc::sa_family_t,
            sll_protocol: IPV4.to_be(),
            sll_ifindex: self.index,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 6,
            sll_addr: hardware,
        };
        // SAFETY: sockaddr_storage is at least as large and as strictly aligned as sockaddr_ll (RFC 3493, 3.10),
        // `link` is written whole, and its length is the one returned.
        let made = unsafe {
            SockAddr::try_init(|storage, length| {
                storage.cast::<libc::sockaddr_ll>().write(link);
                *length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
                Ok(())
            })
        };
        made.map(|((), address)| address)
    }
}

//! Packet sockets of one interface: sending to a hardware address without ARP, and hearing what is not sent to us.
//!
//! Link headers are the kernel's work (`SOCK_DGRAM`). What arrives is filtered in the kernel, so that listening costs
//! nothing while images pass by.

#![allow(
    unsafe_code,
    reason = "neither socket2 nor nix can make a sockaddr_ll, nor tokio take a descriptor, without it"
)]

use nix::sys::socket::{LinkAddr, MsgFlags, recvmsg};
use pxe_proto::Mac;
use socket2::{Domain, Protocol, SockAddr, SockFilter, Socket, Type};
use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Ethertype of IPv4.
pub(crate) const IPV4: u16 = 0x0800;
/// Ethertype of ARP.
pub(crate) const ARP: u16 = 0x0806;
/// Everybody on the link.
pub(crate) const EVERYBODY: Mac = [0xff; 6];

/// Filter for ARP replies. Operations are those of classic BPF, offsets those of the ARP packet.
pub(crate) const ARP_REPLIES: &[SockFilter] = &[
    SockFilter::new(LOAD_HALF, 0, 0, 6),
    SockFilter::new(JUMP_EQUAL, 0, 1, 2),
    SockFilter::new(RETURN, 0, 0, WHOLE),
    SockFilter::new(RETURN, 0, 0, 0),
];

/// Filter for UDP from port 67 to port 68, unfragmented. Offsets are those of the IPv4 packet.
pub(crate) const SERVER_TO_CLIENT: &[SockFilter] = &[
    SockFilter::new(LOAD_BYTE, 0, 0, 9),
    SockFilter::new(JUMP_EQUAL, 0, 8, 17),
    SockFilter::new(LOAD_HALF, 0, 0, 6),
    SockFilter::new(JUMP_SET, 6, 0, 0x1fff),
    SockFilter::new(LOAD_HEADER_LENGTH, 0, 0, 0),
    SockFilter::new(LOAD_HALF_AFTER_HEADER, 0, 0, 0),
    SockFilter::new(JUMP_EQUAL, 0, 3, 67),
    SockFilter::new(LOAD_HALF_AFTER_HEADER, 0, 0, 2),
    SockFilter::new(JUMP_EQUAL, 0, 1, 68),
    SockFilter::new(RETURN, 0, 0, WHOLE),
    SockFilter::new(RETURN, 0, 0, 0),
];

/// Filter for ICMP echo replies on a raw socket. Offsets are those of the IPv4 packet.
pub(crate) const ECHO_REPLIES: &[SockFilter] = &[
    SockFilter::new(LOAD_HEADER_LENGTH, 0, 0, 0),
    SockFilter::new(LOAD_BYTE_AFTER_HEADER, 0, 0, 0),
    SockFilter::new(JUMP_EQUAL, 0, 1, 0),
    SockFilter::new(RETURN, 0, 0, WHOLE),
    SockFilter::new(RETURN, 0, 0, 0),
];

// Opcodes of classic BPF (linux/bpf_common.h).
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const LOAD_HEADER_LENGTH: u16 = 0xb1;
const LOAD_HALF_AFTER_HEADER: u16 = 0x48;
const LOAD_BYTE_AFTER_HEADER: u16 = 0x50;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_SET: u16 = 0x45;
const RETURN: u16 = 0x06;
/// As much of a packet as there is.
const WHOLE: u32 = 0x0004_0000;

/// A packet socket that only sends.
pub(crate) struct Link {
    socket: Socket,
    index: libc::c_int,
}

impl Link {
    /// Opens it; needs CAP_NET_RAW.
    pub(crate) fn open(interface: &str) -> io::Result<Self> {
        // Protocol 0: nothing is received on it.
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(0)))?;
        socket.set_nonblocking(true)?;
        Ok(Link { socket, index: interface_index(interface)? })
    }

    /// Sends an IPv4 packet to a hardware address.
    pub(crate) fn send(&self, mac: Mac, packet: &[u8]) -> io::Result<()> {
        self.socket.send_to(packet, &address(self.index, IPV4, mac)?).map(|_| ())
    }
}

/// A packet socket that hears one kind of packets, and may send them.
pub(crate) struct Listener {
    socket: AsyncFd<Socket>,
    index: libc::c_int,
    protocol: u16,
}

impl Listener {
    /// Opens it for packets of an ethertype that a filter lets through; needs CAP_NET_RAW.
    pub(crate) fn open(interface: &str, protocol: u16, filter: &[SockFilter]) -> io::Result<Self> {
        // Without a protocol until the filter is there, so that nothing gets past it.
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(0)))?;
        socket.set_nonblocking(true)?;
        socket.attach_filter(filter)?;
        let index = interface_index(interface)?;
        socket.bind(&address(index, protocol, [0; 6])?)?;
        Ok(Listener { socket: registered(socket)?, index, protocol })
    }

    /// Sends a packet to a hardware address, or not at all when that would take time.
    pub(crate) fn send(&self, mac: Mac, packet: &[u8]) -> io::Result<()> {
        let to = address(self.index, self.protocol, mac)?;
        self.socket.get_ref().send_to(packet, &to).map(|_| ())
    }

    /// The next packet: its length in `buffer`, and the hardware address that it came from.
    pub(crate) async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Mac)> {
        self.socket
            .async_io(Interest::READABLE, |socket| {
                let mut parts = [IoSliceMut::new(buffer)];
                let message = recvmsg::<LinkAddr>(socket.as_raw_fd(), &mut parts, None, MsgFlags::empty())?;
                Ok((message.bytes, message.address.and_then(|from| from.addr()).unwrap_or_default()))
            })
            .await
    }
}

/// Hands a socket to tokio.
pub(crate) fn registered(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: the socket owns one descriptor from here to its end, and nothing replaces it within the AsyncFd.
    let registered = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
    registered.map_err(Into::into)
}

/// The hardware address of an interface.
pub(crate) fn hardware_address(interface: &str) -> io::Result<Mac> {
    let of_interface = nix::ifaddrs::getifaddrs()?.filter(|found| found.interface_name == interface);
    let link = of_interface.filter_map(|found| found.address?.as_link_addr()?.addr()).next();
    link.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the interface has no hardware address"))
}

fn interface_index(interface: &str) -> io::Result<libc::c_int> {
    let index = nix::net::if_::if_nametoindex(interface)?;
    libc::c_int::try_from(index).map_err(io::Error::other)
}

fn address(index: libc::c_int, protocol: u16, mac: Mac) -> io::Result<SockAddr> {
    let mut hardware = [0; 8];
    hardware[..6].copy_from_slice(&mac);
    let link = libc::sockaddr_ll {
        // AF_PACKET (17) fits the field.
        sll_family: libc::AF_PACKET as libc::sa_family_t,
        sll_protocol: protocol.to_be(),
        sll_ifindex: index,
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

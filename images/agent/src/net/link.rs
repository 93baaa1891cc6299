//! Links, addresses and routes of this machine: the socket to the kernel. The bytes are in `netlink`.

use super::{dhcp::Lease, netlink};
use nix::{
    net::if_::if_nametoindex,
    sys::socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
    },
};
use std::{io, os::fd::AsRawFd};

/// Switches a link on; a link that is on stays so.
pub(super) fn up(name: &str) -> io::Result<()> {
    ask(&netlink::link_up(if_nametoindex(name)?))
}

/// Gives a link the address and the default route of a lease; what is there already stays.
pub(super) fn set(name: &str, lease: &Lease) -> io::Result<()> {
    let index = if_nametoindex(name)?;
    ask(&netlink::add_address(index, lease.address, lease.prefix))?;
    lease.router.map_or(Ok(()), |router| ask(&netlink::default_route(index, router)))
}

/// Asks the kernel and waits for its answer, which comes at once.
fn ask(request: &[u8]) -> io::Result<()> {
    let socket =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
    sendto(socket.as_raw_fd(), request, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut answer = [0; 4096];
    loop {
        let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
        match netlink::answer(&answer[..length]) {
            Some(0) => return Ok(()),
            Some(error) => return Err(io::Error::from_raw_os_error(error)),
            None => {}
        }
    }
}

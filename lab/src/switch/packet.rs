//! The cable to the host: a packet socket (packet(7)) on the switch's end of a veth pair, and its offloads.
#![allow(unsafe_code, reason = "neither std nor nix binds a packet socket or speaks SIOCETHTOOL")]

use anyhow::{Context, bail};
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use tokio::io::unix::AsyncFd;

/// `ETH_P_ALL` in network byte order.
const ALL_PROTOCOLS: u16 = (libc::ETH_P_ALL as u16).to_be();
/// linux/if_packet.h; don't show us what we ourselves sent.
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;
/// linux/sockios.h.
const SIOCETHTOOL: libc::c_ulong = 0x8946;
/// Bytes that wait for us; a burst of TCP is some hundred frames.
const RECEIVE_BUFFER: libc::c_int = 8 << 20;

/// A packet socket that sees each frame that the host sends.
pub struct PacketSocket {
    fd: AsyncFd<OwnedFd>,
}

impl PacketSocket {
    /// Opens one on an interface. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// There is no such interface, or no leave for packet sockets.
    pub fn open(interface: &str) -> anyhow::Result<Self> {
        let index = nix::net::if_::if_nametoindex(interface)?;
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: socket(2) takes no pointers.
        let raw = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
        if raw < 0 {
            bail!("can't open a packet socket: {}", std::io::Error::last_os_error());
        }
        // SAFETY: the descriptor is open and nobody else has it.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        set_option(&fd, libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            .context("the kernel can't leave out our own frames; Linux 4.20 can")?;
        // Forcing is more than the user may have leave for; the limit of the system is taken then.
        if set_option(&fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, RECEIVE_BUFFER).is_err() {
            set_option(&fd, libc::SOL_SOCKET, libc::SO_RCVBUF, RECEIVE_BUFFER)?;
        }
        bind(&fd, index).with_context(|| format!("can't bind a packet socket to {interface}"))?;
        // SAFETY: an OwnedFd is open until it is dropped, and nothing takes it out of the AsyncFd.
        let fd = unsafe { AsyncFd::register(fd) }?;
        Ok(Self { fd })
    }

    /// The next frame; longer ones are cut.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let mut ready = self.fd.readable().await?;
            match ready.try_io(|fd| Ok(nix::unistd::read(fd, buffer)?)) {
                // The interface is down for a moment while its settings change.
                Ok(Err(error)) if error.raw_os_error() == Some(libc::ENETDOWN) => {}
                Ok(result) => return result,
                Err(_not_ready) => {}
            }
        }
    }

    /// Sends a frame.
    pub(super) async fn send(&self, frame: &[u8]) -> std::io::Result<()> {
        loop {
            let mut ready = self.fd.writable().await?;
            if let Ok(result) = ready.try_io(|fd| Ok(nix::unistd::write(fd, frame)?)) {
                return result.map(drop);
            }
        }
    }
}

fn set_option(
    fd: &OwnedFd,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> std::io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the pointer is to an int that lives through the call, and the length is an int's.
    let result = unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), length) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

fn bind(fd: &OwnedFd, interface: u32) -> std::io::Result<()> {
    // SAFETY: sockaddr_ll is plain numbers, for which zeros are valid.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = ALL_PROTOCOLS;
    address.sll_ifindex = interface as libc::c_int;
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the pointer is to a sockaddr_ll that lives through the call, and the length is its.
    let result = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), length) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// linux/ethtool.h.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// Switches off everything that a network card would do after us: checksums left open and frames of up to 64 KiB
/// would reach the machines as they are.
///
/// # Errors
/// There is no such interface, or it can't be switched.
pub fn without_offloads(interface: &str) -> anyhow::Result<()> {
    let socket =
        std::net::UdpSocket::bind("127.0.0.1:0").context("can't open a socket for ethtool's call")?;
    // ETHTOOL_STXCSUM, _STSO, _SGSO, _SGRO.
    for command in [0x17, 0x1f, 0x24, 0x2c] {
        let mut value = EthtoolValue { command, data: 0 };
        // SAFETY: ifreq is numbers and a union of such, for which zeros are valid.
        let mut request: libc::ifreq = unsafe { zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes().take(15)) {
            *to = from as libc::c_char;
        }
        request.ifr_ifru.ifru_data = (&raw mut value).cast();
        // SAFETY: the request and the value that it points to live through the call; the kernel writes nothing
        // beyond an ethtool_value for these commands.
        let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) };
        if result != 0 {
            let error = std::io::Error::last_os_error();
            bail!("can't switch off offload {command:#x} of {interface}: {error}");
        }
    }
    Ok(())
}

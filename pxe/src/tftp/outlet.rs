//! The socket of one transfer: a port of its own (its TID), on which only its client is heard.
//!
//! A window leaves by one system call (`UDP_SEGMENT`) where the kernel and the interface can do that, and packet by
//! packet where they can't; what the client receives is the same.

use nix::sys::socket::{setsockopt, sockopt};
use pxe_proto::tftp::MAX_BLOCK;
use std::io;
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

/// What IPv4, UDP and TFTP put before a block.
const HEADERS: usize = 20 + 8 + 4;

/// The socket of one transfer.
#[derive(Debug)]
pub(super) struct Outlet {
    socket: UdpSocket,
    /// Whether several packets may be given to the kernel at once.
    segmented: bool,
}

/// What became of packets or of waiting for one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// Nobody is at the client's port.
    Closed,
}

impl Outlet {
    /// Opens it at one of our addresses.
    pub(super) fn open(local: SocketAddrV4, peer: SocketAddrV4) -> io::Result<Self> {
        let socket = UdpSocket::bind(SocketAddrV4::new(*local.ip(), 0))?;
        socket.connect(peer)?;
        socket.set_nonblocking(true)?;
        Ok(Outlet { socket, segmented: false })
    }

    /// The largest block that gets out of our interface without fragments.
    pub(super) fn max_block(&self) -> usize {
        let mtu = nix::sys::socket::getsockopt(&self.socket, sockopt::IpMtu).ok();
        let mtu = mtu.and_then(|mtu| usize::try_from(mtu).ok());
        mtu.map_or(MAX_BLOCK, |mtu| mtu.saturating_sub(HEADERS))
    }

    /// From now on several packets of this length may leave at once, if the kernel is able to.
    pub(super) fn segment(&mut self, length: usize) {
        let length = i32::try_from(length).unwrap_or(0);
        self.segmented = setsockopt(&self.socket, sockopt::UdpGsoSegment, &length).is_ok();
    }

    /// Sends packets of `segment` bytes, the last may be shorter. What can't be sent now counts as lost: the
    /// transfer's own timer repeats it.
    pub(super) fn send(&mut self, packets: &[u8], segment: usize) -> Result<(), Gone> {
        if self.segmented {
            match self.socket.send(packets) {
                Err(error) if unable(&error) => {
                    // The interface has no checksums to give away, or is narrower than the packets.
                    self.segmented = false;
                    let _ = setsockopt(&self.socket, sockopt::UdpGsoSegment, &0);
                }
                sent => return verdict(&sent),
            }
        }
        for packet in packets.chunks(segment.max(1)) {
            verdict(&self.socket.send(packet))?;
        }
        Ok(())
    }

    /// A packet of the client, if one is there.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, Gone> {
        let received = self.socket.recv(buffer);
        verdict(&received)?;
        Ok(received.ok())
    }
}

impl AsFd for Outlet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Whether the kernel says that it can't send several packets at once.
fn unable(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE | libc::EOPNOTSUPP))
}

/// Only an answer that nobody listens ends a transfer; a full queue or a link that is down just now does not.
fn verdict(result: &io::Result<usize>) -> Result<(), Gone> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Err(Gone::Closed),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    fn pair() -> (UdpSocket, Outlet) {
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let peer = SocketAddrV4::new(Ipv4Addr::LOCALHOST, client.local_addr().unwrap().port());
        let outlet = Outlet::open(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), peer).unwrap();
        (client, outlet)
    }

    fn received(client: &UdpSocket, count: usize) -> Vec<Vec<u8>> {
        let mut buffer = [0; 4096];
        (0..count)
            .map(|_| {
                let length = client.recv(&mut buffer).unwrap();
                buffer[..length].to_vec()
            })
            .collect()
    }

    /// What arrives is the same, whichever way it left.
    #[test]
    fn a_window_at_once_and_packet_by_packet_arrive_alike() {
        let packets: Vec<u8> = (0..20 * 1472 + 700).map(|n| (n / 3) as u8).collect();
        let expected: Vec<Vec<u8>> = packets.chunks(1472).map(<[u8]>::to_vec).collect();
        let (client, mut outlet) = pair();
        outlet.segment(1472);
        let able = outlet.segmented;
        outlet.send(&packets, 1472).unwrap();
        assert_eq!(received(&client, 21), expected);
        assert_eq!(outlet.segmented, able, "loopback is able to");
        let (client, mut plain) = pair();
        plain.send(&packets, 1472).unwrap();
        assert_eq!(received(&client, 21), expected);
    }

    /// The kernel refuses packets that don't fit the interface; they leave one by one then.
    #[test]
    fn what_the_kernel_refuses_to_segment_is_sent_all_the_same() {
        let (client, mut outlet) = pair();
        // More packets than any kernel takes in one call.
        outlet.segment(8);
        let packets: Vec<u8> = (0..8 * 200).map(|n| n as u8).collect();
        outlet.send(&packets, 8).unwrap();
        let expected: Vec<Vec<u8>> = packets.chunks(8).map(<[u8]>::to_vec).collect();
        assert_eq!(received(&client, 200), expected);
        assert!(!outlet.segmented, "and is not tried again");
    }

    #[test]
    fn a_closed_port_is_noticed() {
        let (client, mut outlet) = pair();
        drop(client);
        let mut buffer = [0; 100];
        let gone = (0..100)
            .any(|_| outlet.send(b"x", 1).is_err() || outlet.receive(&mut buffer) == Err(Gone::Closed));
        assert!(gone);
    }

    #[test]
    fn the_path_sets_the_block() {
        let (_client, outlet) = pair();
        assert!(outlet.max_block() >= 500, "{}", outlet.max_block());
    }
}

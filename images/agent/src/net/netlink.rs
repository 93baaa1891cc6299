//! Requests to the kernel about links, addresses and routes (rtnetlink(7)): bytes out, and the answer's error in. Pure.

use std::net::Ipv4Addr;

/// `linux/netlink.h`, `linux/rtnetlink.h`, `linux/if_addr.h`, `linux/if_link.h`.
mod number {
    pub(super) const NLMSG_ERROR: u16 = 2;
    pub(super) const RTM_NEWLINK: u16 = 16;
    pub(super) const RTM_NEWADDR: u16 = 20;
    pub(super) const RTM_NEWROUTE: u16 = 24;
    pub(super) const NLM_F_REQUEST: u16 = 1;
    pub(super) const NLM_F_ACK: u16 = 4;
    pub(super) const NLM_F_REPLACE: u16 = 0x100;
    pub(super) const NLM_F_CREATE: u16 = 0x400;
    pub(super) const IFA_ADDRESS: u16 = 1;
    pub(super) const IFA_LOCAL: u16 = 2;
    pub(super) const IFA_BROADCAST: u16 = 4;
    pub(super) const RTA_OIF: u16 = 4;
    pub(super) const RTA_GATEWAY: u16 = 5;
    pub(super) const AF_INET: u8 = 2;
    pub(super) const IFF_UP: u32 = 1;
    pub(super) const RT_TABLE_MAIN: u8 = 254;
    pub(super) const RTPROT_DHCP: u8 = 16;
    pub(super) const RTN_UNICAST: u8 = 1;
}
use number::*;

/// Bytes of a message's header.
const HEADER: usize = 16;

/// A request under construction.
struct Request(Vec<u8>);

impl Request {
    fn new(kind: u16, flags: u16, body: &[u8]) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(NLM_F_REQUEST | NLM_F_ACK | flags).to_ne_bytes());
        bytes[8..12].copy_from_slice(&1_u32.to_ne_bytes());
        bytes.extend_from_slice(body);
        Self(bytes)
    }

    /// Adds an attribute of four bytes: all of ours have as many.
    fn with(mut self, kind: u16, value: [u8; 4]) -> Self {
        self.0.extend_from_slice(&8_u16.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(&value);
        self
    }

    fn finish(mut self) -> Vec<u8> {
        // A few dozen bytes.
        let length = self.0.len() as u32;
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0
    }
}

/// Switch a link on.
pub(super) fn link_up(index: u32) -> Vec<u8> {
    let mut body = [0; 16];
    body[4..8].copy_from_slice(&index.to_ne_bytes());
    body[8..12].copy_from_slice(&IFF_UP.to_ne_bytes());
    body[12..16].copy_from_slice(&IFF_UP.to_ne_bytes());
    Request::new(RTM_NEWLINK, 0, &body).finish()
}

/// Give a link an address.
pub(super) fn add_address(index: u32, address: Ipv4Addr, prefix: u8) -> Vec<u8> {
    let mut body = [AF_INET, prefix, 0, 0, 0, 0, 0, 0];
    body[4..8].copy_from_slice(&index.to_ne_bytes());
    let hosts = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
    let broadcast = Ipv4Addr::from_bits(address.to_bits() | hosts);
    Request::new(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &body)
        .with(IFA_LOCAL, address.octets())
        .with(IFA_ADDRESS, address.octets())
        .with(IFA_BROADCAST, broadcast.octets())
        .finish()
}

/// Send what has no other way through this router.
pub(super) fn default_route(index: u32, router: Ipv4Addr) -> Vec<u8> {
    let body = [AF_INET, 0, 0, 0, RT_TABLE_MAIN, RTPROT_DHCP, 0, RTN_UNICAST, 0, 0, 0, 0];
    Request::new(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &body)
        .with(RTA_GATEWAY, router.octets())
        .with(RTA_OIF, index.to_ne_bytes())
        .finish()
}

/// What the kernel answered: 0 for "done", or an error number. None: not an answer to a request.
pub(super) fn answer(bytes: &[u8]) -> Option<i32> {
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let error = i32::from_ne_bytes(bytes.get(HEADER..HEADER + 4)?.try_into().ok()?);
    (kind == NLMSG_ERROR).then_some(error.wrapping_neg())
}

#[cfg(test)]
mod tests {
    use super::*;

    // What `strace -e sendmsg -x ip …` shows of iproute2, on a little-endian machine.
    #[cfg(target_endian = "little")]
    #[test]
    fn the_bytes_of_iproute2() {
        let address = add_address(3, Ipv4Addr::new(10, 77, 0, 100), 24);
        assert_eq!(address.len(), 48);
        assert_eq!(&address[..8], [48, 0, 0, 0, 20, 0, 0x05, 0x05]);
        assert_eq!(&address[16..32], [2, 24, 0, 0, 3, 0, 0, 0, 8, 0, 2, 0, 10, 77, 0, 100]);
        assert_eq!(&address[40..], [8, 0, 4, 0, 10, 77, 0, 255]);
        let route = default_route(3, Ipv4Addr::new(10, 77, 0, 1));
        assert_eq!(
            &route[16..],
            [2, 0, 0, 0, 254, 16, 0, 1, 0, 0, 0, 0, 8, 0, 5, 0, 10, 77, 0, 1, 8, 0, 4, 0, 3, 0, 0, 0]
        );
    }

    #[test]
    fn odd_prefixes_don_t_overflow() {
        for (prefix, last) in [(0, 255), (31, 101), (32, 100), (200, 100)] {
            let bytes = add_address(1, Ipv4Addr::new(10, 77, 0, 100), prefix);
            assert_eq!(bytes.last(), Some(&last), "/{prefix}");
        }
    }

    #[test]
    fn answers() {
        let mut bytes = vec![0; 36];
        bytes[4..6].copy_from_slice(&2_u16.to_ne_bytes());
        assert_eq!(answer(&bytes), Some(0));
        bytes[16..20].copy_from_slice(&(-17_i32).to_ne_bytes());
        assert_eq!(answer(&bytes), Some(17));
        assert_eq!(answer(&bytes[..18]), None);
        bytes[4] = 3;
        assert_eq!(answer(&bytes), None);
    }
}

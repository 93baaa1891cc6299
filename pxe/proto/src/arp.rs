//! "Does anybody use this address?", as Ethernet asks it (RFC 826, RFC 5227): the question, and reading answers.
//!
//! The link header is the kernel's work; when to ask is the caller's.

use crate::Mac;
use std::net::Ipv4Addr;

/// Length of an ARP packet for Ethernet and IPv4, in bytes.
const LENGTH: usize = 28;
/// Ethernet, IPv4, address lengths 6 and 4.
const HEAD: [u8; 6] = [0, 1, 8, 0, 6, 4];
const REQUEST: [u8; 2] = [0, 1];
const REPLY: [u8; 2] = [0, 2];

/// The ARP probe for an address: a request whose sender has none, so that nobody's table changes (RFC 5227, 2.1.1).
#[must_use]
pub fn probe(from: Mac, target: Ipv4Addr) -> [u8; LENGTH] {
    let mut packet = [0; LENGTH];
    packet[..6].copy_from_slice(&HEAD);
    packet[6..8].copy_from_slice(&REQUEST);
    packet[8..14].copy_from_slice(&from);
    packet[24..28].copy_from_slice(&target.octets());
    packet
}

/// Who says of itself that it has which address, if the packet is an ARP reply.
#[must_use]
pub fn answer(packet: &[u8]) -> Option<(Ipv4Addr, Mac)> {
    let packet = packet.get(..LENGTH)?;
    if packet[..6] != HEAD || packet[6..8] != REPLY {
        return None;
    }
    let mut mac: Mac = [0; 6];
    mac.copy_from_slice(&packet[8..14]);
    let address = Ipv4Addr::new(packet[14], packet[15], packet[16], packet[17]);
    (!address.is_unspecified() && mac != [0; 6] && mac[0] & 1 == 0).then_some((address, mac))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Mac = [0x52, 0x54, 0, 0, 0, 1];
    const TARGET: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);

    #[test]
    fn a_probe_of_known_bytes() {
        #[rustfmt::skip]
        let expected = [
            0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x54, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 77, 0, 100,
        ];
        assert_eq!(probe(OURS, TARGET), expected);
    }

    #[test]
    fn only_a_reply_is_an_answer() {
        // As Linux answers the probe above, with Ethernet's padding.
        let mut reply = vec![0; 46];
        reply[..28].copy_from_slice(&[
            0, 1, 8, 0, 6, 4, 0, 2, 0x52, 0x54, 0, 0, 0, 7, 10, 77, 0, 100, 0x52, 0x54, 0, 0, 0, 1, 0, 0, 0,
            0,
        ]);
        assert_eq!(answer(&reply), Some((TARGET, [0x52, 0x54, 0, 0, 0, 7])));
        assert_eq!(answer(&reply[..27]), None);
        assert_eq!(answer(&probe(OURS, TARGET)), None);
        for (at, value) in [(1, 6), (2, 0x86), (4, 8), (5, 16), (7, 3), (8, 0x53)] {
            let mut other = reply.clone();
            other[at] = value;
            assert_eq!(answer(&other), None, "byte {at}");
        }
    }
}

//! Router solicitations and the advertisement that answers them: "no router here, no prefix, no DHCPv6".
//!
//! iPXE (2019) waits about 13 s for an advertisement at every `dhcp`. This answer lets it go on at once. A
//! lifetime of zero says that we are not a router (RFC 4861, 6.2.3), so no host changes its routes for it.

use std::net::Ipv6Addr;

/// All routers on the link (RFC 4291, 2.7.1): where solicitations go.
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// All nodes on the link (RFC 4291, 2.7.1).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// ICMPv6 type of a router solicitation (RFC 4861, 4.1).
const ROUTER_SOLICITATION: u8 = 133;
/// ICMPv6 type of a router advertisement (RFC 4861, 4.2).
const ROUTER_ADVERTISEMENT: u8 = 134;
/// The only hop limit that proves that a packet comes from this link (RFC 4861, 6.1.1).
pub const HOP_LIMIT: u8 = 255;

/// Where the advertisement for this ICMPv6 message goes; `None` when it is no valid solicitation
/// (RFC 4861, 6.1.1). `hop_limit` is that of the packet; the kernel has checked the checksum.
#[must_use]
pub fn solicited_by(message: &[u8], source: Ipv6Addr, hop_limit: u8) -> Option<Ipv6Addr> {
    let valid = message.len() >= 8
        && message[0] == ROUTER_SOLICITATION
        && message[1] == 0
        && hop_limit == HOP_LIMIT
        && !source.is_multicast();
    valid.then(|| if source.is_unspecified() { ALL_NODES } else { source })
}

/// The ICMPv6 router advertisement: lifetime zero, flags M and O clear, no option. The checksum is left to
/// the kernel, which fills it in on a raw ICMPv6 socket (RFC 3542, 3.1).
#[must_use]
pub fn advertisement() -> [u8; 16] {
    // type, code, checksum (2), hop limit unspecified, flags, lifetime (2), reachable (4), retransmit (4)
    let mut message = [0; 16];
    message[0] = ROUTER_ADVERTISEMENT;
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x5054, 0xff, 0xfe00, 1);
    /// As QEMU's iPXE sends it: with its link address as an option.
    const SOLICITATION: [u8; 16] = [133, 0, 0x7b, 0xb8, 0, 0, 0, 0, 1, 1, 0x52, 0x54, 0, 0, 0, 1];

    #[test]
    fn a_solicitation_is_answered_to_its_sender() {
        assert_eq!(solicited_by(&SOLICITATION, CLIENT, 255), Some(CLIENT));
        assert_eq!(solicited_by(&SOLICITATION, Ipv6Addr::UNSPECIFIED, 255), Some(ALL_NODES));
    }

    #[test]
    fn anything_else_is_not() {
        assert_eq!(solicited_by(&SOLICITATION, CLIENT, 64), None, "routed here from elsewhere");
        assert_eq!(solicited_by(&SOLICITATION, ALL_NODES, 255), None);
        assert_eq!(solicited_by(&SOLICITATION[..7], CLIENT, 255), None);
        assert_eq!(solicited_by(&[], CLIENT, 255), None);
        for (at, value) in [(0, 134), (0, 128), (1, 1)] {
            let mut message = SOLICITATION;
            message[at] = value;
            assert_eq!(solicited_by(&message, CLIENT, 255), None);
        }
    }

    #[test]
    fn the_advertisement_offers_nothing() {
        let message = advertisement();
        assert_eq!((message[0], message[1]), (134, 0));
        assert!(message[2..].iter().all(|byte| *byte == 0), "no lifetime, no flag, no prefix");
    }
}

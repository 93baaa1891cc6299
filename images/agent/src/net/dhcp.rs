//! DHCPv4 messages of a client (RFC 2131): what it sends, and what it takes from a reply. Pure.

use dhcproto::{
    Decodable, Decoder, Encodable,
    v4::{DhcpOption, Flags, Message, MessageType, Opcode, OptionCode},
};
use std::{net::Ipv4Addr, time::Duration};

/// What we call ourselves in option 60, so that nobody takes us for a boot ROM.
const CLASS: &[u8] = b"billet-agent";

/// The least time that a lease is taken to last, so that a server's slip doesn't make a storm.
const LEAST_TIME: Duration = Duration::from_secs(60);

/// The time of a lease that names none.
const USUAL_TIME: Duration = Duration::from_secs(3600);

/// Most bytes of hardware address in a message (RFC 2131, section 2); the decoder trusts the length that it reads.
const MOST_HLEN: u8 = 16;

/// An address that was given to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) address: Ipv4Addr,
    /// Bits of the subnet mask.
    pub(super) prefix: u8,
    pub(super) router: Option<Ipv4Addr>,
    pub(super) server: Ipv4Addr,
    pub(super) time: Duration,
}

/// What a reply says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    Offer(Lease),
    Ack(Lease),
    Nak,
}

/// Six bytes from `aa:bb:cc:dd:ee:ff`.
pub(super) fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        *byte = u8::from_str_radix(parts.next().filter(|part| part.len() == 2)?, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

/// What all messages have in common: broadcast replies, since we have no address yet or may have lost it.
fn message(kind: MessageType, mac: [u8; 6], xid: u32, secs: u16, from: Ipv4Addr) -> Message {
    let none = Ipv4Addr::UNSPECIFIED;
    let mut message = Message::new_with_id(xid, from, none, none, none, &mac);
    message.set_flags(Flags::default().set_broadcast()).set_secs(secs);
    let options = message.opts_mut();
    options.insert(DhcpOption::MessageType(kind));
    options.insert(DhcpOption::ClassIdentifier(CLASS.to_vec()));
    let wanted = [OptionCode::SubnetMask, OptionCode::Router, OptionCode::AddressLeaseTime];
    options.insert(DhcpOption::ParameterRequestList(wanted.to_vec()));
    message
}

fn encode(message: &Message) -> Vec<u8> {
    // Options of fixed, small sizes into memory.
    let mut bytes = message.to_vec().expect("a message of our own fits its format");
    // BOOTP's least size, which some servers and relays insist on (RFC 1542, section 2.1).
    bytes.resize(bytes.len().max(300), 0);
    bytes
}

/// Who has an address for us? (DHCPDISCOVER)
pub(super) fn discover(mac: [u8; 6], xid: u32, secs: u16) -> Vec<u8> {
    encode(&message(MessageType::Discover, mac, xid, secs, Ipv4Addr::UNSPECIFIED))
}

/// We take this offer. (DHCPREQUEST, selecting)
pub(super) fn request(mac: [u8; 6], xid: u32, secs: u16, offer: &Lease) -> Vec<u8> {
    let mut message = message(MessageType::Request, mac, xid, secs, Ipv4Addr::UNSPECIFIED);
    message.opts_mut().insert(DhcpOption::RequestedIpAddress(offer.address));
    message.opts_mut().insert(DhcpOption::ServerIdentifier(offer.server));
    encode(&message)
}

/// We would like to keep it. (DHCPREQUEST, renewing and rebinding)
pub(super) fn renew(mac: [u8; 6], xid: u32, secs: u16, lease: &Lease) -> Vec<u8> {
    encode(&message(MessageType::Request, mac, xid, secs, lease.address))
}

/// What this packet says to us; none if it is not for us or makes no sense.
pub(super) fn read(packet: &[u8], mac: [u8; 6], xid: u32) -> Option<Reply> {
    if packet.get(2).is_none_or(|&hlen| hlen > MOST_HLEN) {
        return None;
    }
    let message = Message::decode(&mut Decoder::new(packet)).ok()?;
    if message.opcode() != Opcode::BootReply || message.xid() != xid || message.chaddr() != mac {
        return None;
    }
    let lease = || {
        let options = message.opts();
        let Some(DhcpOption::ServerIdentifier(server)) = options.get(OptionCode::ServerIdentifier) else {
            return None;
        };
        let address = message.yiaddr();
        if address.is_unspecified()
            || address.is_broadcast()
            || address.is_multicast()
            || address.is_loopback()
        {
            return None;
        }
        Some(Lease {
            address,
            prefix: match options.get(OptionCode::SubnetMask) {
                Some(DhcpOption::SubnetMask(mask)) => prefix(*mask)?,
                _ => 24,
            },
            router: match options.get(OptionCode::Router) {
                Some(DhcpOption::Router(routers)) => {
                    routers.first().copied().filter(|router| !router.is_unspecified())
                }
                _ => None,
            },
            server: *server,
            time: match options.get(OptionCode::AddressLeaseTime) {
                Some(DhcpOption::AddressLeaseTime(seconds)) => {
                    Duration::from_secs((*seconds).into()).max(LEAST_TIME)
                }
                _ => USUAL_TIME,
            },
        })
    };
    match message.opts().msg_type()? {
        MessageType::Offer => lease().map(Reply::Offer),
        MessageType::Ack => lease().map(Reply::Ack),
        MessageType::Nak => Some(Reply::Nak),
        _ => None,
    }
}

/// The bits of a mask; none if they are not in one row.
fn prefix(mask: Ipv4Addr) -> Option<u8> {
    let bits = mask.to_bits();
    // At most 32.
    (bits.leading_ones() + bits.trailing_zeros() == 32).then(|| bits.leading_ones() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [0x52, 0x54, 0, 0xAA, 0xBB, 1];

    /// A server's reply, changed as the test likes.
    fn reply(kind: MessageType, change: impl FnOnce(&mut Message)) -> Vec<u8> {
        let none = Ipv4Addr::UNSPECIFIED;
        let mut message = Message::new_with_id(7, none, Ipv4Addr::new(10, 77, 0, 100), none, none, &MAC);
        message.set_opcode(Opcode::BootReply);
        let options = message.opts_mut();
        options.insert(DhcpOption::MessageType(kind));
        options.insert(DhcpOption::ServerIdentifier(Ipv4Addr::new(10, 77, 0, 1)));
        options.insert(DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 252, 0)));
        options.insert(DhcpOption::Router(vec![Ipv4Addr::new(10, 77, 0, 1)]));
        options.insert(DhcpOption::AddressLeaseTime(600));
        change(&mut message);
        message.to_vec().unwrap()
    }

    fn lease() -> Lease {
        Lease {
            address: Ipv4Addr::new(10, 77, 0, 100),
            prefix: 22,
            router: Some(Ipv4Addr::new(10, 77, 0, 1)),
            server: Ipv4Addr::new(10, 77, 0, 1),
            time: Duration::from_secs(600),
        }
    }

    #[test]
    fn replies_for_us_are_read() {
        assert_eq!(read(&reply(MessageType::Offer, |_| ()), MAC, 7), Some(Reply::Offer(lease())));
        assert_eq!(read(&reply(MessageType::Ack, |_| ()), MAC, 7), Some(Reply::Ack(lease())));
        assert_eq!(read(&reply(MessageType::Nak, |_| ()), MAC, 7), Some(Reply::Nak));
    }

    #[test]
    fn other_packets_are_not() {
        let good = reply(MessageType::Ack, |_| ());
        assert_eq!(read(&good, MAC, 8), None, "another exchange");
        assert_eq!(read(&good, [0; 6], 7), None, "another client");
        let bends: [fn(&mut Message); 5] = [
            |m| _ = m.set_opcode(Opcode::BootRequest),
            |m| _ = m.set_yiaddr(Ipv4Addr::UNSPECIFIED),
            |m| _ = m.set_yiaddr(Ipv4Addr::BROADCAST),
            |m| _ = m.opts_mut().remove(OptionCode::ServerIdentifier),
            |m| _ = m.opts_mut().insert(DhcpOption::SubnetMask(Ipv4Addr::new(255, 0, 255, 0))),
        ];
        for (at, bend) in bends.into_iter().enumerate() {
            assert_eq!(read(&reply(MessageType::Ack, bend), MAC, 7), None, "bend {at}");
        }
        let mut long_address = good;
        long_address[2] = 255;
        assert_eq!(read(&long_address, MAC, 7), None);
        for length in 0..300 {
            // Must not panic.
            let _ = read(&vec![2; length], MAC, 7);
        }
    }

    #[test]
    fn requests_say_what_the_rfc_wants() {
        // RFC 2131, table 5.
        let table = [
            (discover(MAC, 7, 1), MessageType::Discover, false, false, false),
            (request(MAC, 7, 2, &lease()), MessageType::Request, true, true, false),
            (renew(MAC, 7, 3, &lease()), MessageType::Request, false, false, true),
        ];
        for (bytes, kind, address, server, from) in table {
            assert!(bytes.len() >= 300);
            let message = Message::decode(&mut Decoder::new(&bytes)).unwrap();
            let options = message.opts();
            assert_eq!(
                (options.msg_type(), message.xid(), message.chaddr()),
                (Some(kind), 7, MAC.as_slice())
            );
            assert!(message.flags().broadcast());
            assert_eq!(options.contains(OptionCode::RequestedIpAddress), address);
            assert_eq!(options.contains(OptionCode::ServerIdentifier), server);
            assert_eq!(message.ciaddr() == lease().address, from);
        }
    }

    #[test]
    fn addresses_of_hardware() {
        assert_eq!(parse_mac("52:54:00:aa:BB:01"), Some(MAC));
        for bad in ["", "52:54:00:aa:bb", "52:54:00:aa:bb:01:02", "52:54:0:aa:bb:01", "5g:54:00:aa:bb:01"] {
            assert_eq!(parse_mac(bad), None, "{bad}");
        }
    }
}

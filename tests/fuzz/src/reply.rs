//! What every reply owes to its client, whatever the client asked.

use crate::{Message, SERVER};
use pxe_proto::boot::BootAnswer;
use pxe_proto::dhcp::{Destination, Mode, Reply, ReplyKind, Request, Service, Settings, route};
use pxe_proto::frame::udp_packet;
use std::net::{Ipv4Addr, SocketAddrV4};

/// Longest reply that leaves in one Ethernet frame.
const LONGEST: usize = 1472;

/// Reads a reply as its client does and asserts what the client relies on.
///
/// # Panics
/// When it can't.
pub fn check<'a>(request: &Request, reply: &'a Reply, settings: &Settings) -> Message<'a> {
    let bytes = &reply.datagram;
    let message = Message::read(bytes);
    assert!(bytes.len() <= LONGEST, "a reply of {} bytes", bytes.len());
    assert_eq!(bytes[..3], [2, 1, 6]);
    assert_eq!(bytes[4..8], request.xid.to_be_bytes());
    assert_eq!(message.chaddr(), request.mac);
    assert_eq!(message.field(24), request.giaddr);
    let kind = match reply.kind {
        ReplyKind::Offer => 2,
        ReplyKind::Ack => 5,
        ReplyKind::Nak => 6,
    };
    assert_eq!(message.option(53), Some([kind].as_slice()));
    assert_eq!(message.order.first(), Some(&53), "the message type comes first");
    assert!(message.address(54).is_some(), "no server identifier");

    address(reply, &message, settings);
    if reply.kind == ReplyKind::Nak {
        let silent = [51, 58, 59, 1, 3, 43, 66, 67];
        assert!(silent.iter().all(|code| message.option(*code).is_none()), "a NAK says nothing else");
        assert_eq!((message.field(20), message.file()), (Ipv4Addr::UNSPECIFIED, b"".as_slice()));
    }
    boot(reply, &message);
    let destination = route(request, reply);
    let relayed = request.service == Service::Dhcp && request.relay().is_some();
    assert_eq!(matches!(destination, Destination::Relay(_)), relayed);
    let end = SocketAddrV4::new(SERVER, 67);
    assert!(udp_packet(end, end, bytes).is_some());
    message
}

/// The address and its lease.
fn address(reply: &Reply, message: &Message<'_>, settings: &Settings) {
    let given = message.field(16);
    assert_eq!(given, reply.address.unwrap_or(Ipv4Addr::UNSPECIFIED));
    if given.is_unspecified() {
        assert_eq!(message.number(51), None, "a lease of no address");
        return;
    }
    assert_ne!(settings.mode, Mode::Proxy, "a proxy gives no addresses");
    assert_ne!(reply.kind, ReplyKind::Nak);
    assert!(given != settings.server && given != settings.identifier, "our own address is given away");
    assert!(settings.subnets.iter().any(|subnet| subnet.contains(given)), "{given} is of no subnet");
    let lease = message.number(51).expect("an address comes with a lease");
    let (t1, t2) = (message.number(58).unwrap_or(0), message.number(59).unwrap_or(lease));
    assert!(t1 <= t2 && t2 <= lease, "renew {t1}, rebind {t2}, lease {lease}");
    assert!(message.option(1).is_some(), "an address without a mask");
}

/// Nobody is handed a loader without leave.
fn boot(reply: &Reply, message: &Message<'_>) {
    let [option, field] = [message.option(67).unwrap_or_default(), message.file()]
        .map(|name| String::from_utf8(name.to_vec()).expect("a name is text"));
    assert!(option.is_empty() || field.is_empty() || option == field, "{option} or {field}?");
    assert!(option.bytes().chain(field.bytes()).all(|c| c.is_ascii_graphic()));
    if reply.boot == BootAnswer::Disk {
        let names = [option, field].concat();
        let loads = ["undionly", ".efi", "/boot/files", "/boot/script", "uki"];
        assert!(!loads.iter().any(|word| names.contains(word)), "{names} without leave");
    }
}

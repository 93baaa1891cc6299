//! Where replies go (RFC 2131, 4.1).

use super::reply::{Reply, ReplyKind};
use super::request::{Request, Service};
use crate::Mac;
use std::net::Ipv4Addr;

/// Where a reply goes; ports are the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// To the relay, at the server's port.
    Relay(Ipv4Addr),
    /// To the client, which answers ARP at this address.
    Client(Ipv4Addr),
    /// To the client at this address and at the port that it sent from; from the port that it sent to, 4011.
    Back(Ipv4Addr),
    /// To `255.255.255.255`, on the interface of the request.
    Broadcast,
    /// To this hardware address, since the client doesn't answer ARP at the address yet; broadcast will do.
    Hardware {
        /// The address in the IP header.
        address: Ipv4Addr,
        /// The address in the link header.
        mac: Mac,
    },
}

/// Where a reply to a request goes.
#[must_use]
pub fn route(request: &Request, reply: &Reply) -> Destination {
    if request.service == Service::BootServer {
        return Destination::Back(request.ciaddr);
    }
    if let Some(relay) = request.relay() {
        return Destination::Relay(relay);
    }
    match (reply.kind, reply.address) {
        (ReplyKind::Nak, _) => Destination::Broadcast,
        _ if !request.ciaddr.is_unspecified() => Destination::Client(request.ciaddr),
        (_, Some(address)) if !request.wants_broadcast() => {
            Destination::Hardware { address, mac: request.mac }
        }
        _ => Destination::Broadcast,
    }
}

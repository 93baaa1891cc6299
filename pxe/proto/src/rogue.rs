//! Other DHCP servers on a network that is ours: asking for them, hearing them, and how long they are remembered.
//!
//! What is done about one is not decided here. Requirement R-47.

use crate::Mac;
use dhcproto::v4::borrowed::DhcpOptionIterator;
use std::net::Ipv4Addr;

/// A server that was silent for this long is gone, in milliseconds.
pub const MEMORY: u64 = 60_000;
/// Most servers that are remembered; identifiers can be made up.
const MOST: usize = 32;

/// Length of a DHCP message's fixed part with the magic cookie, in bytes (RFC 2131, 2).
const FIXED: usize = 240;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Shortest datagram that every server takes (RFC 1542, 2.1).
const SHORTEST: usize = 300;

/// The hardware address from which a network is probed: locally administered, and the same for all replicas that
/// share network name and server identifier, so that none of them answers another's probe.
#[must_use]
pub fn probe_mac(network: &str, identifier: Ipv4Addr) -> Mac {
    // FNV-1a, 32 bits: it has to be stable, not strong.
    let mut hash: u32 = 0x811c_9dc5;
    for byte in network.bytes().chain(identifier.octets()) {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    let [a, b, c, d] = hash.to_be_bytes();
    [0x0a, 0xb1, a, b, c, d]
}

/// The DHCPDISCOVER that makes other servers speak, its answers broadcast.
#[must_use]
pub fn discover(mac: Mac, xid: u32) -> Vec<u8> {
    let mut message = vec![0; FIXED];
    message[..3].copy_from_slice(&[1, 1, 6]);
    message[4..8].copy_from_slice(&xid.to_be_bytes());
    message[10] = 0x80;
    message[28..34].copy_from_slice(&mac);
    message[236..].copy_from_slice(&COOKIE);
    message.extend_from_slice(&[53, 1, 1]);
    // A name by which the other server's operator can tell who asked.
    message.extend_from_slice(b"\x0c\x0cbillet-probe");
    message.extend_from_slice(&[55, 3, 1, 3, 54, 255]);
    message.resize(SHORTEST, 0);
    message
}

/// What another server said to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Its server identifier (option 54); without one, the address that it sent from.
    pub server: Ipv4Addr,
    /// The address that it sent from.
    pub from: Ipv4Addr,
    /// Whether it gave an address; a proxyDHCP server doesn't.
    pub gives_addresses: bool,
}

/// Reads an IPv4 packet; `None` unless it carries a DHCPOFFER, DHCPACK or DHCPNAK from a server to a client's port.
#[must_use]
pub fn hear(packet: &[u8]) -> Option<Heard> {
    let (version, words) = (packet.first()? >> 4, usize::from(packet.first()? & 15));
    let header = packet.get(..words * 4).filter(|header| version == 4 && header.len() >= 20)?;
    if header[9] != 17 || u16::from_be_bytes([header[6], header[7]]) & 0x1fff != 0 {
        return None;
    }
    let message = packet.get(words * 4 + 8..).filter(|message| message.len() > FIXED)?;
    if message[0] != 2 || message[236..FIXED] != COOKIE {
        return None;
    }
    let option =
        |code: u8| DhcpOptionIterator::new(&message[FIXED..]).find(|option| u8::from(option.code()) == code);
    let kind = *option(53)?.data().first()?;
    if !matches!(kind, 2 | 5 | 6) {
        return None;
    }
    let from = Ipv4Addr::new(header[12], header[13], header[14], header[15]);
    let named = option(54).and_then(|option| <[u8; 4]>::try_from(option.data()).ok()).map(Ipv4Addr::from);
    Some(Heard {
        server: named.filter(|server| !server.is_unspecified()).unwrap_or(from),
        from,
        gives_addresses: message[16..20] != [0; 4],
    })
}

/// A server that was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its identifier.
    pub server: Ipv4Addr,
    /// The hardware address that it last sent from.
    pub mac: Mac,
    /// Whether it ever gave an address.
    pub gives_addresses: bool,
    /// Whether it may be there.
    pub known: bool,
    /// When it was first heard, in milliseconds since 1970.
    pub first_seen: u64,
    /// When it was last heard, in milliseconds since 1970.
    pub last_seen: u64,
}

/// The other servers of one network.
#[derive(Debug, Clone)]
pub struct Watch {
    own: Vec<Ipv4Addr>,
    known: Vec<Ipv4Addr>,
    /// Whether somebody else is to give the addresses (proxy mode).
    expects_another: bool,
    servers: Vec<Server>,
}

impl Watch {
    /// `own` are our addresses and identifiers, `known` those of servers that may be there. With `expects_another`
    /// and nobody known, any server that gives addresses may be there.
    #[must_use]
    pub fn new(own: Vec<Ipv4Addr>, known: Vec<Ipv4Addr>, expects_another: bool) -> Self {
        Watch { own, known, expects_another, servers: Vec::new() }
    }

    /// A server was heard. It is returned when it is new.
    pub fn hear(&mut self, heard: Heard, mac: Mac, now: u64) -> Option<&Server> {
        if self.own.contains(&heard.server) || self.own.contains(&heard.from) {
            return None;
        }
        if let Some(server) = self.servers.iter_mut().find(|server| server.server == heard.server) {
            server.last_seen = now;
            server.mac = mac;
            server.gives_addresses |= heard.gives_addresses;
            return None;
        }
        if self.servers.len() >= MOST {
            return None;
        }
        let listed = self.known.contains(&heard.server) || self.known.contains(&heard.from);
        let known = listed || (self.expects_another && self.known.is_empty());
        self.servers.push(Server {
            server: heard.server,
            mac,
            gives_addresses: heard.gives_addresses,
            known,
            first_seen: now,
            last_seen: now,
        });
        self.servers.last()
    }

    /// Forgets and returns the servers that have been silent for [`MEMORY`].
    pub fn forget(&mut self, now: u64) -> Vec<Server> {
        self.servers.extract_if(.., |server| now.saturating_sub(server.last_seen) >= MEMORY).collect()
    }

    /// The servers that are heard now, rogues and others.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// Whether any of them should not be there.
    #[must_use]
    pub fn has_rogue(&self) -> bool {
        self.servers.iter().any(|server| !server.known)
    }
}

#[cfg(test)]
mod tests;

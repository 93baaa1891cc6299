//! Reading a client's datagram. Whatever arrives, it is a [`Request`] or an [`Ignored`] with its reason.
//!
//! The typed decoder of `dhcproto` 0.15 panics on some packets and keeps only the first entry of option 93, so
//! only its borrowed view is used, behind the length checks here.

use super::class;
use super::code;
use crate::Mac;
use crate::boot::Firmware;
use dhcproto::v4::borrowed::{DhcpOptionIterator, Message};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Length of the fixed part with the magic cookie, in bytes (RFC 2131, 2).
const FIXED: usize = 240;
/// Longest datagram that is looked at: one Ethernet frame without fragments.
const LONGEST: usize = 1500;
/// The magic cookie that precedes the options (RFC 2131, 3).
const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// How a datagram arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The address it came from; `0.0.0.0` from a client that has none.
    pub source: Ipv4Addr,
    /// The address it was sent to: ours, or a broadcast address.
    pub destination: Ipv4Addr,
}

/// What a client wants (RFC 2131, 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// DHCPDISCOVER: any address.
    Discover,
    /// DHCPREQUEST after an offer: this address, of this server.
    Select {
        /// The server that it chose.
        server: Ipv4Addr,
        /// The address that it was offered.
        address: Ipv4Addr,
    },
    /// DHCPREQUEST after a reboot: the address that it had before.
    Reboot {
        /// That address.
        address: Ipv4Addr,
    },
    /// DHCPREQUEST that prolongs a lease, sent to its server alone.
    Renew,
    /// DHCPREQUEST that prolongs a lease, sent to any server.
    Rebind,
    /// DHCPINFORM: it has an address, and wants the rest.
    Inform,
    /// DHCPRELEASE: it gives its address back.
    Release,
    /// DHCPDECLINE: this address is used by another host.
    Decline {
        /// That address.
        address: Ipv4Addr,
    },
}

impl Kind {
    /// The name of the message, as people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Discover => "DISCOVER",
            Kind::Select { .. } | Kind::Reboot { .. } | Kind::Renew | Kind::Rebind => "REQUEST",
            Kind::Inform => "INFORM",
            Kind::Release => "RELEASE",
            Kind::Decline { .. } => "DECLINE",
        }
    }
}

/// A client's message, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it wants.
    pub kind: Kind,
    /// Hardware address (chaddr): a hint for look-up, never identity.
    pub mac: Mac,
    /// SMBIOS UUID (option 97) in wire order; none if absent or all zeros or ones.
    pub uuid: Option<[u8; 16]>,
    /// What kind of firmware asks; `None` for an operating system, or firmware that we have no loader for.
    pub firmware: Option<Firmware>,
    /// Transaction id, returned in the reply.
    pub xid: u32,
    /// The flags field, returned in the reply (RFC 2131, 2).
    pub flags: u16,
    /// The client's address, if it can answer ARP at it; else `0.0.0.0`.
    pub ciaddr: Ipv4Addr,
    /// The relay that passed the message on; else `0.0.0.0`.
    pub giaddr: Ipv4Addr,
    /// The address that it asks for: option 50, else ciaddr.
    pub requested: Option<Ipv4Addr>,
    /// The server that it names (option 54).
    pub server: Option<Ipv4Addr>,
    /// Client identifier (option 61), returned in the reply (RFC 6842).
    pub(super) client_identifier: Option<Vec<u8>>,
    /// Relay agent information (option 82), returned in the reply (RFC 3046).
    pub(super) relay_information: Option<Vec<u8>>,
}

impl Request {
    /// Whether the reply must be broadcast, since the client can't take a unicast before it has its address.
    #[must_use]
    pub fn wants_broadcast(&self) -> bool {
        self.flags & 0x8000 != 0
    }
}

/// Why a datagram is not looked at any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// Shorter than the fixed part, or longer than a frame.
    #[error("{length} bytes are no DHCP message")]
    Length {
        /// Length in bytes.
        length: usize,
    },
    /// Not sent by a client.
    #[error("op code {op} is not a request")]
    NotARequest {
        /// The op field.
        op: u8,
    },
    /// Not an Ethernet client.
    #[error("hardware type {htype} with addresses of {hlen} bytes is not Ethernet")]
    NotEthernet {
        /// The htype field.
        htype: u8,
        /// The hlen field.
        hlen: u8,
    },
    /// No machine can have this hardware address.
    #[error("the hardware address is zero or a group address")]
    HardwareAddress,
    /// BOOTP without DHCP's options.
    #[error("the magic cookie of DHCP is missing")]
    NoCookie,
    /// No option 53, or of the wrong length.
    #[error("the message type is missing")]
    NoMessageType,
    /// A message that servers send, or one that nobody here speaks.
    #[error("message type {message_type} is not for a server")]
    NotForServers {
        /// Value of option 53.
        message_type: u8,
    },
    /// A REQUEST, RELEASE, DECLINE or INFORM about no address.
    #[error("the message names no address")]
    NoAddress,
}

/// Reads a datagram that came to the server's port.
///
/// # Errors
/// The reason why it is none of our business.
pub fn parse(datagram: &[u8], arrival: &Arrival) -> Result<Request, Ignored> {
    let length = Ignored::Length { length: datagram.len() };
    if datagram.len() < FIXED || datagram.len() > LONGEST {
        return Err(length);
    }
    // dhcproto slices chaddr by the packet's own hlen: nothing but 6 gets past here.
    let mac = ethernet_address(datagram)?;
    if datagram[236..FIXED] != COOKIE {
        return Err(Ignored::NoCookie);
    }
    let message = Message::new(datagram).map_err(|_| length)?;
    let options = Options::read(&message, datagram);

    let &[message_type] = options.get(code::MESSAGE_TYPE) else { return Err(Ignored::NoMessageType) };
    let option_50 = options.address(code::REQUESTED_ADDRESS);
    let server = options.address(code::SERVER_IDENTIFIER);
    let ciaddr = Some(message.ciaddr()).filter(|address| !address.is_unspecified());
    let kind = match message_type {
        1 => Kind::Discover,
        3 => request_kind(option_50, server, ciaddr, arrival)?,
        4 => Kind::Decline { address: option_50.ok_or(Ignored::NoAddress)? },
        7 => ciaddr.map(|_| Kind::Release).ok_or(Ignored::NoAddress)?,
        8 => Kind::Inform,
        message_type => return Err(Ignored::NotForServers { message_type }),
    };
    // An INFORM's sender has an address, whether it filled the field or not.
    let inform_source = (kind == Kind::Inform && !arrival.source.is_unspecified()).then_some(arrival.source);
    let ciaddr = ciaddr.or(inform_source);
    if kind == Kind::Inform && ciaddr.is_none() {
        return Err(Ignored::NoAddress);
    }
    Ok(Request {
        kind,
        mac,
        uuid: options.uuid(),
        firmware: class::classify(&options),
        xid: message.xid(),
        flags: message.flags().into(),
        ciaddr: ciaddr.unwrap_or(Ipv4Addr::UNSPECIFIED),
        giaddr: message.giaddr(),
        requested: option_50.or(ciaddr),
        server,
        client_identifier: options.bytes(code::CLIENT_IDENTIFIER),
        relay_information: options.bytes(code::RELAY_INFORMATION),
    })
}

/// chaddr, if the datagram says that it is an Ethernet client's request.
fn ethernet_address(datagram: &[u8]) -> Result<Mac, Ignored> {
    let (op, htype, hlen) = (datagram[0], datagram[1], datagram[2]);
    if op != 1 {
        return Err(Ignored::NotARequest { op });
    }
    if htype != 1 || hlen != 6 {
        return Err(Ignored::NotEthernet { htype, hlen });
    }
    let mut mac: Mac = [0; 6];
    mac.copy_from_slice(&datagram[28..34]);
    if mac == [0; 6] || mac[0] & 1 != 0 {
        return Err(Ignored::HardwareAddress);
    }
    Ok(mac)
}

/// Which of the four DHCPREQUESTs it is (RFC 2131, 4.3.2).
fn request_kind(
    option_50: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
    ciaddr: Option<Ipv4Addr>,
    arrival: &Arrival,
) -> Result<Kind, Ignored> {
    match (server, option_50, ciaddr) {
        (Some(server), Some(address), _) => Ok(Kind::Select { server, address }),
        (None, Some(address), None) => Ok(Kind::Reboot { address }),
        // Some clients name the server when they renew, too.
        (_, _, Some(_)) if is_broadcast(arrival.destination) => Ok(Kind::Rebind),
        (_, _, Some(_)) => Ok(Kind::Renew),
        (_, None, None) => Err(Ignored::NoAddress),
    }
}

/// Whether a destination is the limited broadcast, or unknown.
fn is_broadcast(address: Ipv4Addr) -> bool {
    address.is_broadcast() || address.is_unspecified()
}

/// The options of a message, each code's pieces joined (RFC 3396).
pub(super) struct Options(BTreeMap<u8, Vec<u8>>);

impl Options {
    fn read(message: &Message<'_>, datagram: &[u8]) -> Self {
        let mut options = Options(BTreeMap::new());
        options.join(message.opts());
        // The file and sname fields may hold more of them (RFC 2132, 9.3).
        let overload = options.get(code::OVERLOAD).first().copied().unwrap_or(0);
        if overload & 1 != 0 {
            options.join(DhcpOptionIterator::new(&datagram[108..236]));
        }
        if overload & 2 != 0 {
            options.join(DhcpOptionIterator::new(&datagram[44..108]));
        }
        options
    }

    fn join(&mut self, pieces: DhcpOptionIterator<'_>) {
        for piece in pieces {
            self.0.entry(piece.code().into()).or_default().extend_from_slice(piece.data());
        }
    }

    /// The value of an option; empty when it is absent.
    pub(super) fn get(&self, code: u8) -> &[u8] {
        self.0.get(&code).map_or(&[], Vec::as_slice)
    }

    /// Whether the option is there, even if empty.
    pub(super) fn has(&self, code: u8) -> bool {
        self.0.contains_key(&code)
    }

    fn bytes(&self, code: u8) -> Option<Vec<u8>> {
        self.0.get(&code).cloned()
    }

    fn address(&self, code: u8) -> Option<Ipv4Addr> {
        let octets: [u8; 4] = self.get(code).try_into().ok()?;
        Some(Ipv4Addr::from(octets)).filter(|address| !address.is_unspecified())
    }

    /// Option 97 is a type byte of zero and 16 bytes (RFC 4578, 2.3). Boards without a UUID send all zeros or
    /// all ones.
    fn uuid(&self) -> Option<[u8; 16]> {
        let (0, uuid) = self.get(code::CLIENT_UUID).split_first().map(|(kind, rest)| (*kind, rest))? else {
            return None;
        };
        let uuid: [u8; 16] = uuid.try_into().ok()?;
        (uuid != [0; 16] && uuid != [0xff; 16]).then_some(uuid)
    }

    #[cfg(test)]
    pub(super) fn of(list: &[(u8, &[u8])]) -> Self {
        Options(list.iter().map(|(code, data)| (*code, data.to_vec())).collect())
    }
}

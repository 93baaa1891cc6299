//! Building replies (RFC 2131, 4.3.1).

use super::bootfile::Boot;
use super::code;
use super::configure;
use super::decide::{Silence, Verdict};
use super::pack::{self, Limits};
use super::request::{Kind, Request};
use super::select;
use super::settings::{Settings, Subnet};
use super::write::Writer;
use crate::boot::BootAnswer;
use std::net::Ipv4Addr;

/// Length of the fixed part with the magic cookie, in bytes.
pub(super) const FIXED: usize = 240;
/// Shortest datagram that every client takes: BOOTP's fixed size (RFC 1542, 2.1).
const SHORTEST: usize = 300;
/// Where the file field is; the name in it ends with a zero.
pub(super) const FILE_FIELD: std::ops::Range<usize> = 108..236;
/// The magic cookie that precedes the options.
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// The flag for "broadcast the reply".
const BROADCAST: u16 = 0x8000;

/// What a reply says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyKind {
    /// DHCPOFFER.
    Offer,
    /// DHCPACK.
    Ack,
    /// DHCPNAK.
    Nak,
}

impl ReplyKind {
    /// The name of the message, as people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ReplyKind::Offer => "OFFER",
            ReplyKind::Ack => "ACK",
            ReplyKind::Nak => "NAK",
        }
    }

    fn number(self) -> u8 {
        match self {
            ReplyKind::Offer => 2,
            ReplyKind::Ack => 5,
            ReplyKind::Nak => 6,
        }
    }
}

/// A reply, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What it says.
    pub kind: ReplyKind,
    /// The address that it gives; none in a NAK, as a proxy, and in the answer to an INFORM.
    pub address: Option<Ipv4Addr>,
    /// Whether it hands out a loader.
    pub boot: BootAnswer,
    /// The datagram.
    pub datagram: Vec<u8>,
}

/// What the client is told, in outline.
#[derive(Clone, Copy)]
pub(super) struct Told {
    kind: ReplyKind,
    address: Option<Ipv4Addr>,
    /// Only what to boot: another server gives the rest.
    proxy: bool,
}

impl Told {
    /// Its address is wrong.
    pub(super) const NAK: Told = Told { kind: ReplyKind::Nak, address: None, proxy: false };
    /// The configuration of its subnet, without a lease.
    pub(super) const INFORMATION: Told = Told { kind: ReplyKind::Ack, address: None, proxy: false };

    pub(super) fn lease(kind: ReplyKind, address: Ipv4Addr) -> Self {
        Told { kind, address: Some(address), proxy: false }
    }

    pub(super) fn proxy(kind: ReplyKind) -> Self {
        Told { kind, address: None, proxy: true }
    }
}

/// Builds a reply; silence if it fits into no message that the client takes.
pub(super) fn build(told: Told, boot: BootAnswer, request: &Request, settings: &Settings) -> Verdict {
    let nak = told.kind == ReplyKind::Nak;
    let boot = if nak { Boot::Nothing } else { Boot::new(boot, request, settings) };
    let mut writer = Writer { bytes: Vec::with_capacity(640) };
    header(&mut writer, told, &boot, request, settings);
    writer.put(code::MESSAGE_TYPE, &[told.kind.number()]);
    writer.put(code::SERVER_IDENTIFIER, &identifier(told, request, settings).octets());
    if nak {
        writer.put(code::MESSAGE, b"this address is not yours here");
    } else if !told.proxy {
        let (place, subnet) = subnet(told.address, request, settings);
        if told.address.is_some() {
            configure::lease(&mut writer, settings.lease(place, request.is_firmware()), subnet);
        }
        configure::configure(&mut writer, subnet, request);
    }
    boot.write(&mut writer, told.proxy, request, settings);
    if let Some(identifier) = request.client_identifier() {
        writer.put(code::CLIENT_IDENTIFIER, identifier);
    }
    let relayed = writer.bytes.len();
    if let Some(information) = request.relay_information() {
        writer.put(code::RELAY_INFORMATION, information);
    }
    writer.bytes.push(code::END);

    let limits = Limits::of(request);
    let mut datagram = writer.bytes;
    // The relay takes its information out again, so that the client never sees it.
    if !limits.allow(relayed + 1, datagram.len()) {
        let Some(packed) = pack::pack(&datagram, request.wanted(), limits) else {
            return Verdict::Silent(Silence::TooLong);
        };
        datagram = packed;
    }
    if datagram.len() < SHORTEST {
        datagram.resize(SHORTEST, 0);
    }
    Verdict::Reply(Reply { kind: told.kind, address: told.address, boot: boot.answer(), datagram })
}

/// What the client shall call us. A proxy is spoken to at this address, so that it must be a real one.
fn identifier(told: Told, request: &Request, settings: &Settings) -> Ipv4Addr {
    if told.proxy {
        return settings.server;
    }
    request.server_override().unwrap_or(settings.identifier)
}

/// The subnet that the client is told of: that of its address, else that which it is on.
fn subnet<'a>(address: Option<Ipv4Addr>, request: &Request, settings: &'a Settings) -> (usize, &'a Subnet) {
    let known = address.or(Some(request.ciaddr).filter(|_| request.kind == Kind::Inform));
    let place = known
        .and_then(|address| settings.place_of(address))
        .or_else(|| select::select(request, settings).ok())
        .unwrap_or(0);
    (place, settings.subnets.get(place).unwrap_or(settings.link()))
}

/// The fixed part with the magic cookie (RFC 2131, table 3).
fn header(writer: &mut Writer, told: Told, boot: &Boot, request: &Request, settings: &Settings) {
    let bytes = &mut writer.bytes;
    bytes.resize(FIXED, 0);
    bytes[..4].copy_from_slice(&[2, 1, 6, 0]);
    bytes[4..8].copy_from_slice(&request.xid.to_be_bytes());
    bytes[10..12].copy_from_slice(&flags(told, request).to_be_bytes());
    if told.kind == ReplyKind::Ack {
        bytes[12..16].copy_from_slice(&request.ciaddr.octets());
    }
    if let Some(address) = told.address {
        bytes[16..20].copy_from_slice(&address.octets());
    }
    if let Boot::File(file) = boot {
        bytes[20..24].copy_from_slice(&settings.server.octets());
        let name = file.name.as_bytes();
        if name.len() < FILE_FIELD.len() {
            bytes[FILE_FIELD][..name.len()].copy_from_slice(name);
        }
    }
    bytes[24..28].copy_from_slice(&request.giaddr.octets());
    bytes[28..34].copy_from_slice(&request.mac);
    bytes[236..FIXED].copy_from_slice(&COOKIE);
}

/// The client's flags. A relay unicasts to yiaddr unless told otherwise: not in a NAK, since the client may be on the
/// wrong network (RFC 2131, 4.3.2), and not where there is none.
fn flags(told: Told, request: &Request) -> u16 {
    let nowhere = told.address.is_none() && (request.relay().is_some() || request.ciaddr.is_unspecified());
    if nowhere { request.flags | BROADCAST } else { request.flags }
}

//! What a client is told. Total: for every message a reply, or silence with its reason.
//!
//! Addresses and boot windows are looked up by the caller, between [`ask`] and [`decide`].

use super::class::Dialect;
use super::reply::{self, Reply, ReplyKind, Told};
use super::request::{Kind, Request, Service};
use super::select;
use super::settings::{Mode, Settings};
use crate::boot::BootAnswer;
use std::net::Ipv4Addr;

/// What the caller must do, or find out, before it decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// An address to offer.
    Offer {
        /// Of this subnet first, by its place in [`Settings::subnets`]; when it is full, of another one that the same
        /// relay reaches.
        subnet: usize,
        /// For how many seconds.
        seconds: u32,
    },
    /// The client wants to have, or to keep, this address.
    Keep {
        /// The subnet that it is on, by its place in [`Settings::subnets`].
        subnet: usize,
        /// The address.
        address: Ipv4Addr,
        /// For how many seconds.
        seconds: u32,
    },
    /// Nothing: the client is told that its address is wrong here.
    Refuse,
    /// The client gives this address back.
    Release(Ipv4Addr),
    /// The client took another server's offer: what it was offered here is free again.
    Withdraw,
    /// The client found this address in use by another host.
    Decline(Ipv4Addr),
    /// Only whether it may boot: it has its address from elsewhere.
    BootOnly,
}

/// What became of an address that was looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// The client has it, or is offered it.
    Given(Ipv4Addr),
    /// It is not the client's to have; or there is none to offer.
    Refused,
    /// Others may know: it is not ours to say. Never a NAK.
    Unknown,
}

/// What the caller found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The client's address; of no account after [`Ask::BootOnly`].
    pub address: Address,
    /// Whether it may boot from us.
    pub boot: BootAnswer,
}

/// Why a client gets no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// It talks to another server.
    #[error("it is meant for the server {server}")]
    AnotherServer {
        /// That server.
        server: Ipv4Addr,
    },
    /// It came through a relay of a network that is not declared here.
    #[error("it came through the relay {relay}, which is not declared on this network")]
    UndeclaredRelay {
        /// The relay's address.
        relay: Ipv4Addr,
    },
    /// It is meant for a subnet that is not declared here.
    #[error("it is meant for the subnet of {address}, which is not declared on this network")]
    UndeclaredSubnet {
        /// An address of that subnet.
        address: Ipv4Addr,
    },
    /// Its address is not of this network.
    #[error("its address {address} is not on this network")]
    ForeignAddress {
        /// That address.
        address: Ipv4Addr,
    },
    /// There is no address to offer.
    #[error("there is no address for it")]
    NoAddress,
    /// It has no reservation, where only those who have one are answered.
    #[error("it has no reservation on this network")]
    NoReservation,
    /// Its lease is not ours to confirm or to refuse.
    #[error("its lease is not known here")]
    NotOurs,
    /// Addresses are another server's business here.
    #[error("this network's addresses are another server's")]
    ProxyOnly,
    /// It came to the boot server's port, but is not firmware; or firmware that there is nothing to tell.
    #[error("there is nothing to boot for it")]
    NothingToBoot,
    /// What it must be told does not fit into what it takes.
    #[error("the reply does not fit into one message")]
    TooLong,
    /// A RELEASE or DECLINE: nothing is due.
    #[error("no reply is due")]
    NoneDue,
}

impl Silence {
    /// The reason in one word, for counters.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Silence::AnotherServer { .. } => "another_server",
            Silence::UndeclaredRelay { .. } => "undeclared_relay",
            Silence::UndeclaredSubnet { .. } => "undeclared_subnet",
            Silence::ForeignAddress { .. } => "foreign_address",
            Silence::NoAddress => "no_address",
            Silence::NoReservation => "no_reservation",
            Silence::NotOurs => "not_ours",
            Silence::ProxyOnly => "proxy_only",
            Silence::NothingToBoot => "nothing_to_boot",
            Silence::TooLong => "too_long",
            Silence::NoneDue => "none_due",
        }
    }
}

/// A reply, or silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Send this to where [`route`](super::route) says.
    Reply(Reply),
    /// Send nothing.
    Silent(Silence),
}

/// What to find out before [`decide`].
///
/// # Errors
/// The message is not for this server on this network: nothing to do.
pub fn ask(request: &Request, settings: &Settings) -> Result<Ask, Silence> {
    let subnet = select::select(request, settings)?;
    if request.service == Service::BootServer {
        // Some firmware names the server that gave it its address here.
        return if request.is_firmware() { Ok(Ask::BootOnly) } else { Err(Silence::NothingToBoot) };
    }
    let another = request.server.filter(|server| !is_ours(*server, request, settings));
    match (settings.mode, request.kind, another) {
        (Mode::Proxy, Kind::Discover | Kind::Inform, None) if request.is_firmware() => Ok(Ask::BootOnly),
        (Mode::Proxy, ..) => Err(Silence::ProxyOnly),
        // Choosing another server is how a client declines our offer (RFC 2131, 3.1).
        (_, Kind::Select { .. }, Some(_)) => Ok(Ask::Withdraw),
        (_, _, Some(server)) => Err(Silence::AnotherServer { server }),
        (_, Kind::Discover, None) => {
            Ok(Ask::Offer { subnet, seconds: settings.lease(subnet, request.is_firmware()) })
        }
        (mode, Kind::Select { address, .. } | Kind::Reboot { address }, None) => {
            Ok(keep(address, subnet, mode, request, settings))
        }
        (mode, Kind::Renew | Kind::Rebind, None) => Ok(keep(request.ciaddr, subnet, mode, request, settings)),
        // Whoever asks may be the other server's client.
        (Mode::ReservedOnly, Kind::Inform, None) => Err(Silence::NoReservation),
        (_, Kind::Inform, None) => declared(request.ciaddr, settings).map(|()| Ask::BootOnly),
        (_, Kind::Release, None) => declared(request.ciaddr, settings).map(|()| Ask::Release(request.ciaddr)),
        (_, Kind::Decline { address }, None) => declared(address, settings).map(|()| Ask::Decline(address)),
    }
}

/// Whether a server identifier is one that we go by: the configured one, our address, or what the relay calls us.
fn is_ours(server: Ipv4Addr, request: &Request, settings: &Settings) -> bool {
    server == settings.identifier || server == settings.server || request.server_override() == Some(server)
}

/// Whether the address may be kept must be looked up, unless it can't be right where the client is now. Beside
/// another server that is not ours to say, unless the look-up finds a reservation.
fn keep(address: Ipv4Addr, subnet: usize, mode: Mode, request: &Request, settings: &Settings) -> Ask {
    if mode == Mode::Full && !select::may_have(address, subnet, settings) {
        return Ask::Refuse;
    }
    let place = settings.place_of(address).unwrap_or(subnet);
    Ask::Keep { subnet: place, address, seconds: settings.lease(place, request.is_firmware()) }
}

fn declared(address: Ipv4Addr, settings: &Settings) -> Result<(), Silence> {
    settings.place_of(address).map(|_| ()).ok_or(Silence::ForeignAddress { address })
}

/// What the client is told, given what the caller found out.
#[must_use]
pub fn decide(request: &Request, answer: &Answer, settings: &Settings) -> Verdict {
    let asked = match ask(request, settings) {
        Ok(asked) => asked,
        Err(silence) => return Verdict::Silent(silence),
    };
    let given = match answer.address {
        Address::Given(address) if is_lendable(address, request, settings) => Some(address),
        _ => None,
    };
    let told = match asked {
        Ask::Offer { .. } => match given {
            Some(address) => Told::lease(ReplyKind::Offer, address),
            None if settings.mode == Mode::ReservedOnly => return Verdict::Silent(Silence::NoReservation),
            None => return Verdict::Silent(Silence::NoAddress),
        },
        Ask::Keep { address, .. } => match answer.address {
            Address::Unknown => return Verdict::Silent(Silence::NotOurs),
            _ if given == Some(address) => Told::lease(ReplyKind::Ack, address),
            // So that it starts anew at once (RFC 2131, 4.3.2).
            _ => Told::NAK,
        },
        Ask::Refuse => Told::NAK,
        Ask::BootOnly => return boot_only(request, answer.boot, settings),
        Ask::Withdraw => {
            let server = request.server.unwrap_or(Ipv4Addr::UNSPECIFIED);
            return Verdict::Silent(Silence::AnotherServer { server });
        }
        Ask::Release(_) | Ask::Decline(_) => return Verdict::Silent(Silence::NoneDue),
    };
    reply::build(told, answer.boot, request, settings)
}

/// Whether an address may be given out at all, to this client.
fn is_lendable(address: Ipv4Addr, request: &Request, settings: &Settings) -> bool {
    let own = address == settings.server || address == settings.identifier;
    let reached =
        || select::select(request, settings).is_ok_and(|subnet| select::may_have(address, subnet, settings));
    !own && reached()
}

/// The answer to who has its address: the configuration, or as a proxy what to boot.
fn boot_only(request: &Request, boot: BootAnswer, settings: &Settings) -> Verdict {
    let proxy = settings.mode == Mode::Proxy || request.service == Service::BootServer;
    if !proxy {
        return reply::build(Told::INFORMATION, boot, request, settings);
    }
    // iPXE goes on to its next device by itself when nobody tells it what to boot.
    let boots = matches!(boot, BootAnswer::Boot(_)) && request.firmware.is_some();
    if !boots && request.dialect == Dialect::Ipxe {
        return Verdict::Silent(Silence::NothingToBoot);
    }
    let kind = if request.kind == Kind::Discover { ReplyKind::Offer } else { ReplyKind::Ack };
    reply::build(Told::proxy(kind), boot, request, settings)
}

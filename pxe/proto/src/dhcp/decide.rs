//! What a client is told. Total: for every message a reply, or silence with its reason.
//!
//! Addresses and boot windows are looked up by the caller, between [`ask`] and [`decide`].

use super::reply::{self, Reply, ReplyKind};
use super::request::{Kind, Request};
use super::settings::Settings;
use crate::boot::BootAnswer;
use std::net::Ipv4Addr;

/// What the caller must do, or find out, before it decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// An address for the client: to offer, or to keep (`offer` false).
    Lease {
        /// Whether it is only offered.
        offer: bool,
    },
    /// The client gives its address back, or took another server's offer.
    Release,
    /// The client found this address in use by another host.
    Decline(Ipv4Addr),
    /// Only whether it may boot: it has its address from elsewhere.
    BootOnly,
}

/// What the caller found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The client's address; `None` when there is none for it.
    pub address: Option<Ipv4Addr>,
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
    #[error("it came through the relay {relay}, which is not on this network")]
    UndeclaredRelay {
        /// The relay's address.
        relay: Ipv4Addr,
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
    /// A RELEASE or DECLINE: nothing is due.
    #[error("no reply is due")]
    NoneDue,
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
    if !request.giaddr.is_unspecified() && !settings.link().contains(request.giaddr) {
        return Err(Silence::UndeclaredRelay { relay: request.giaddr });
    }
    let another = request.server.filter(|server| *server != settings.identifier);
    match (request.kind, another) {
        // Choosing another server is how a client declines our offer (RFC 2131, 3.1).
        (Kind::Select { .. }, Some(_)) => Ok(Ask::Release),
        (_, Some(server)) => Err(Silence::AnotherServer { server }),
        (Kind::Discover, None) => Ok(Ask::Lease { offer: true }),
        (Kind::Select { .. } | Kind::Reboot { .. } | Kind::Renew | Kind::Rebind, None) => {
            Ok(Ask::Lease { offer: false })
        }
        (Kind::Inform, None) => on_network(request.ciaddr, settings).map(|()| Ask::BootOnly),
        (Kind::Release, None) => on_network(request.ciaddr, settings).map(|()| Ask::Release),
        (Kind::Decline { address }, None) => on_network(address, settings).map(|()| Ask::Decline(address)),
    }
}

fn on_network(address: Ipv4Addr, settings: &Settings) -> Result<(), Silence> {
    if settings.link().contains(address) { Ok(()) } else { Err(Silence::ForeignAddress { address }) }
}

/// What the client is told, given what the caller found out.
#[must_use]
pub fn decide(request: &Request, answer: &Answer, settings: &Settings) -> Verdict {
    if let Err(silence) = ask(request, settings) {
        return Verdict::Silent(silence);
    }
    let address =
        answer.address.filter(|address| settings.link().contains(*address) && *address != settings.server);
    let reply = |kind, address| Verdict::Reply(reply::build(kind, address, answer.boot, request, settings));
    match request.kind {
        Kind::Discover => match address {
            Some(address) => reply(ReplyKind::Offer, Some(address)),
            None => Verdict::Silent(Silence::NoAddress),
        },
        Kind::Select { server, .. } if server != settings.identifier => {
            Verdict::Silent(Silence::AnotherServer { server })
        }
        Kind::Select { address: wanted, .. } | Kind::Reboot { address: wanted } => {
            keep(wanted, address, &reply)
        }
        Kind::Renew | Kind::Rebind => keep(request.ciaddr, address, &reply),
        Kind::Inform => reply(ReplyKind::Ack, None),
        Kind::Release | Kind::Decline { .. } => Verdict::Silent(Silence::NoneDue),
    }
}

/// ACK when the client has what it wants, else NAK, so that it starts anew at once (RFC 2131, 4.3.2).
fn keep(
    wanted: Ipv4Addr,
    address: Option<Ipv4Addr>,
    reply: &dyn Fn(ReplyKind, Option<Ipv4Addr>) -> Verdict,
) -> Verdict {
    if address == Some(wanted) { reply(ReplyKind::Ack, address) } else { reply(ReplyKind::Nak, None) }
}

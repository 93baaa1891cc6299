//! What is told of a message and its answer: a line of the client's boot trace, and counters.

use crate::clock::unix_millis;
use crate::config::Network;
use crate::counters::Counters;
use crate::directory::{Directory, Mac};
use prometheus_client::metrics::counter::Counter;
use pxe_proto::boot::BootAnswer;
use pxe_proto::dhcp::{Reply, ReplyKind, Request, Service, Silence};
use pxe_proto::trace::{Dhcp, Entry, What};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Why a message was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unanswered {
    /// By the rules of DHCP.
    #[error(transparent)]
    Rule(#[from] Silence),
    /// Another DHCP server is on the network.
    #[error("another DHCP server answers on this network, so this one keeps silent")]
    Rogue,
    /// More is asked than can be worked on.
    #[error("the server has too much to do")]
    Busy,
    /// The lease could not be stored.
    #[error("its lease could not be stored")]
    NotStored,
    /// The client sends too much.
    #[error("it sends more than a client may")]
    TooMuch,
}

impl Unanswered {
    /// The reason in one word, for counters.
    fn reason(self) -> &'static str {
        match self {
            Unanswered::Rule(silence) => silence.reason(),
            Unanswered::Rogue => "rogue_server",
            Unanswered::Busy => "busy",
            Unanswered::NotStored => "not_stored",
            Unanswered::TooMuch => "client_rate",
        }
    }
}

const MESSAGES: [&str; 5] = ["DISCOVER", "REQUEST", "INFORM", "RELEASE", "DECLINE"];
const ANSWERS: [&str; 4] = ["OFFER", "ACK", "NAK", "none"];

/// Tells of one network.
pub(super) struct Teller {
    network: String,
    directory: Arc<dyn Directory>,
    counters: Arc<Counters>,
    /// By message and answer, in the orders above.
    packets: Vec<Counter>,
    /// Our ports: DHCP, boot server.
    ports: (u16, u16),
}

impl Teller {
    pub(super) fn new(
        network: &Network,
        ports: (u16, u16),
        directory: Arc<dyn Directory>,
        counters: Arc<Counters>,
    ) -> Self {
        let of_message =
            |message| ANSWERS.map(|answer| counters.dhcp_packets(&network.name, message, answer));
        let packets = MESSAGES.into_iter().flat_map(of_message).collect();
        Teller { network: network.name.clone(), directory, counters, packets, ports }
    }

    /// A message was answered.
    pub(super) fn answered(&self, request: &Request, reply: &Reply) {
        let answer = match reply.kind {
            ReplyKind::Offer => 0,
            ReplyKind::Ack => 1,
            ReplyKind::Nak => 2,
        };
        self.count(request, answer);
        let boot = (request.firmware.is_some() && reply.kind != ReplyKind::Nak).then_some(reply.boot);
        self.trace(request, Some(ANSWERS[answer]), None, reply.address, boot);
    }

    /// A message was not answered.
    pub(super) fn unanswered(&self, request: &Request, why: Unanswered) {
        self.count(request, 3);
        if why == Unanswered::Rule(Silence::NoneDue) {
            return self.trace(request, None, None, None, None);
        }
        self.counters.dhcp_dropped(&self.network, why.reason());
        self.trace(request, None, Some(why.to_string()), None, None);
    }

    /// A datagram was dropped before its client was known, or too often to tell more of it.
    pub(super) fn dropped(&self, reason: &'static str) {
        self.counters.dhcp_dropped(&self.network, reason);
    }

    fn count(&self, request: &Request, answer: usize) {
        let name = request.kind.name();
        let message = MESSAGES.iter().position(|message| *message == name).unwrap_or(0);
        self.packets[message * ANSWERS.len() + answer].inc();
        if request.unsupported.is_some() {
            self.counters.dhcp_unsupported(&self.network);
        }
    }

    fn trace(
        &self,
        request: &Request,
        reply: Option<&str>,
        silence: Option<String>,
        address: Option<Ipv4Addr>,
        boot: Option<BootAnswer>,
    ) {
        let port = match request.service {
            Service::Dhcp => self.ports.0,
            Service::BootServer => self.ports.1,
        };
        let what = What::Dhcp(Dhcp {
            message: request.kind.name().to_owned(),
            port,
            firmware: request.firmware,
            unsupported: request.unsupported.map(|unsupported| unsupported.0),
            relay: request.relay(),
            server: request.server,
            requested: request.requested,
            reply: reply.map(str::to_owned),
            silence,
            address,
            boot,
        });
        self.entry(request.mac, what);
    }

    /// Something else was observed of a client.
    pub(super) fn entry(&self, mac: Mac, what: What) {
        self.directory.trace(Entry { at: unix_millis(), mac, network: self.network.clone(), what });
    }
}

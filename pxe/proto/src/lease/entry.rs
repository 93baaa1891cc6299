//! What the table knows of one address.

use super::{Ask, Lease, LeaseState, RelayInfo, cut_bytes, cut_text};
use crate::Mac;
use std::net::Ipv4Addr;

/// What an address is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Offered; nothing of it is stored.
    Offered,
    /// As it is stored, or about to be.
    Known(LeaseState),
}

/// One address.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) mac: Mac,
    pub(super) state: State,
    /// Until when nobody else gets it.
    pub(super) until: u64,
    /// Until when the store says that it is this client's; zero when it does not.
    pub(super) stored: u64,
    /// Until when it stays this client's whatever else is written, since the client may have been told; zero when it
    /// was not. It moves with the clock, where `stored` does not.
    pub(super) promised: u64,
    /// The latest end that was ever written for this client, whether that is stored by now or not.
    pub(super) written: u64,
    /// The write that made it this client's.
    pub(super) since: u64,
    /// The latest write of it.
    pub(super) sequence: u64,
    client_id: Option<Box<[u8]>>,
    hostname: Option<Box<str>>,
    relay: Option<Box<RelayInfo>>,
    firmware: bool,
}

impl Entry {
    /// An address that nobody has yet.
    pub(super) fn new(mac: Mac) -> Self {
        Entry {
            mac,
            state: State::Offered,
            until: 0,
            stored: 0,
            promised: 0,
            written: 0,
            since: 0,
            sequence: 0,
            client_id: None,
            hostname: None,
            relay: None,
            firmware: false,
        }
    }

    /// As the store has it.
    pub(super) fn stored(lease: Lease) -> Self {
        let leased = lease.state == LeaseState::Leased;
        Entry {
            state: State::Known(lease.state),
            until: lease.expires,
            stored: if leased { lease.expires } else { 0 },
            promised: if leased { lease.expires } else { 0 },
            written: if leased { lease.expires } else { 0 },
            client_id: lease.client_id.map(Into::into),
            hostname: lease.hostname.map(Into::into),
            relay: lease.relay.map(Box::new),
            firmware: lease.firmware,
            ..Entry::new(lease.mac)
        }
    }

    /// As the store is to have it.
    pub(super) fn lease(&self, address: u32, state: LeaseState) -> Lease {
        Lease {
            address: Ipv4Addr::from(address),
            mac: self.mac,
            state,
            expires: self.until,
            client_id: self.client_id.as_deref().map(Into::into),
            hostname: self.hostname.as_deref().map(Into::into),
            relay: self.relay.as_deref().cloned(),
            firmware: self.firmware,
        }
    }

    /// Whether it is a client's, as far as that client was told.
    pub(super) fn is_leased(&self) -> bool {
        self.state == State::Known(LeaseState::Leased)
    }

    /// Whether another host was found there.
    pub(super) fn is_quarantined(&self) -> bool {
        self.state == State::Known(LeaseState::Quarantined)
    }

    /// Whether the client said something that is worth a write by itself.
    pub(super) fn tells_news(&self, ask: &Ask) -> bool {
        let hostname = ask.hostname.as_deref().map(cut_text);
        let named = hostname.is_some() && hostname != self.hostname.as_deref();
        named || ask.relay.is_some() && ask.relay.as_ref() != self.relay.as_deref()
    }

    /// Keeps what the client said. What it left out stays as an earlier stage said it.
    pub(super) fn remember(&mut self, ask: &Ask) {
        if let Some(id) = &ask.client_id {
            self.client_id = Some(cut_bytes(id).into());
        }
        if let Some(name) = &ask.hostname {
            self.hostname = Some(cut_text(name).into());
        }
        if let Some(relay) = &ask.relay {
            let cut = |id: &Option<Vec<u8>>| id.as_deref().map(|id| cut_bytes(id).to_vec());
            let (circuit_id, remote_id) = (cut(&relay.circuit_id), cut(&relay.remote_id));
            self.relay = Some(Box::new(RelayInfo { address: relay.address, circuit_id, remote_id }));
        }
        self.firmware = ask.firmware;
    }
}

//! What the boot server knows of its networks now: other DHCP servers, relays that nobody declared, silence.
//!
//! Kept for people and the API. Nothing is decided here.

use crate::directory::Mac;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

/// Most undeclared relays of a network that are told; relay addresses can be made up.
const MOST_RELAYS: usize = 64;

/// Another DHCP server on a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherServer {
    /// Its server identifier (option 54), or the address that it sent from.
    pub server: Ipv4Addr,
    /// The hardware address that it sent from.
    pub mac: Mac,
    /// Whether it gives addresses; `false` for a proxyDHCP server, which tells only what to boot.
    pub gives_addresses: bool,
    /// When it was first heard, in milliseconds since 1970.
    pub first_seen: u64,
    /// When it was last heard, in milliseconds since 1970.
    pub last_seen: u64,
}

/// A relay that passed on messages of no declared subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndeclaredRelay {
    /// Its address (giaddr).
    pub relay: Ipv4Addr,
    /// When it was first heard, in milliseconds since 1970.
    pub first_seen: u64,
    /// When it was last heard, in milliseconds since 1970.
    pub last_seen: u64,
    /// How many messages it passed on.
    pub packets: u64,
}

/// What is known of one network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkStatus {
    /// Its name.
    pub network: String,
    /// Whether we keep silent there because of a rogue.
    pub silent: bool,
    /// Other servers that should not be there.
    pub rogues: Vec<OtherServer>,
    /// Other servers that may be there.
    pub known: Vec<OtherServer>,
    /// Relays of which no subnet is declared; they are not answered.
    pub undeclared_relays: Vec<UndeclaredRelay>,
    /// What an operator should know, each a sentence.
    pub warnings: Vec<String>,
}

/// The state of all networks, shared by those who write it and those who show it.
#[derive(Debug, Default)]
pub struct Status(Mutex<BTreeMap<String, NetworkStatus>>);

impl Status {
    /// Nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Status::default()
    }

    /// All networks that are served with DHCP, by name.
    #[must_use]
    pub fn networks(&self) -> Vec<NetworkStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// One network.
    #[must_use]
    pub fn network(&self, name: &str) -> Option<NetworkStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Changes what is known of a network.
    pub(crate) fn update(&self, network: &str, change: impl FnOnce(&mut NetworkStatus)) {
        // Each change is one assignment or push: a panic in it leaves nothing half done that matters.
        let mut networks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = networks.entry(network.to_owned()).or_default();
        if entry.network.is_empty() {
            network.clone_into(&mut entry.network);
        }
        change(entry);
    }

    /// A message came through a relay of which no subnet is declared. Whether it is the first of that relay.
    pub(crate) fn undeclared_relay(&self, network: &str, relay: Ipv4Addr, now: u64) -> bool {
        let mut first = false;
        self.update(network, |status| {
            let relays = &mut status.undeclared_relays;
            if let Some(known) = relays.iter_mut().find(|known| known.relay == relay) {
                known.last_seen = now;
                known.packets += 1;
                return;
            }
            first = true;
            if relays.len() >= MOST_RELAYS
                && let Some(oldest) = (0..relays.len()).min_by_key(|index| relays[*index].last_seen)
            {
                relays.remove(oldest);
            }
            relays.push(UndeclaredRelay { relay, first_seen: now, last_seen: now, packets: 1 });
        });
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relays_are_remembered_but_not_without_end() {
        let status = Status::new();
        let relay = |last: u32| Ipv4Addr::from(0xc000_0200 + last);
        assert!(status.undeclared_relay("lab", relay(0), 1));
        assert!(!status.undeclared_relay("lab", relay(0), 1000));
        for number in 1..=MOST_RELAYS as u32 {
            assert!(status.undeclared_relay("lab", relay(number), u64::from(number)));
        }
        let relays = status.network("lab").unwrap().undeclared_relays;
        assert_eq!(relays.len(), MOST_RELAYS);
        assert_eq!((relays[0].relay, relays[0].packets, relays[0].first_seen), (relay(0), 2, 1));
        assert!(relays.iter().all(|known| known.relay != relay(1)), "the one heard longest ago goes");
        assert_eq!(status.networks()[0].network, "lab");
    }
}

//! How addresses come back: given back, complained of, found in use by others.

use super::super::entry::{Entry, State};
use super::super::{LeaseState, QUARANTINE, Write};
use super::Table;
use crate::Mac;
use std::net::Ipv4Addr;

/// Most clients of other replicas that are remembered from hearsay.
const HINTS: usize = 65_536;

/// How long hearsay of another replica's client is believed, in milliseconds; its store is looked at far more often.
const HINT: u64 = 10 * 60_000;

impl Table {
    /// The client gives its address back. What is to be stored, if anything.
    pub fn release(&mut self, mac: Mac, address: Ipv4Addr, now: u64) -> Option<Write> {
        let address = u32::from(address);
        let entry = self.entries.get(&address)?;
        let active = entry.mac == mac && entry.until > now && !entry.is_quarantined();
        if active { self.end(address, LeaseState::Released, now) } else { None }
    }

    /// The client took another server's offer: ours is free again. When that address is another replica's of this
    /// network, the client is its from now on, and has nothing here any more. What is to be stored.
    pub fn elsewhere(&mut self, mac: Mac, address: Option<Ipv4Addr>, now: u64) -> Vec<Write> {
        let offered: Vec<u32> = self
            .addresses_of(mac)
            .filter(|address| self.entries.get(address).is_some_and(|entry| entry.state == State::Offered))
            .collect();
        for offer in offered {
            self.end(offer, LeaseState::Released, now);
        }
        let taken = address.map(u32::from).filter(|&address| self.plan.pooled(address).is_some());
        let Some(taken) = taken.filter(|&address| !self.holds(address)) else { return Vec::new() };
        if self.hints.len() < HINTS || self.hints.contains_key(&mac) {
            self.hints.insert(mac, (taken, now.saturating_add(HINT)));
        }
        self.end_others(mac, taken, now)
    }

    /// The client found another host at the address that it was given. What is to be stored, if it was its address.
    pub fn decline(&mut self, mac: Mac, address: Ipv4Addr, now: u64) -> Option<Write> {
        let address = u32::from(address);
        let entry = self.entries.get(&address)?;
        let active = entry.mac == mac && entry.until > now && !entry.is_quarantined();
        if active { self.end(address, LeaseState::Quarantined, now) } else { None }
    }

    /// Another host than its client was found at an address. What is to be stored, if the address is ours to give.
    pub fn conflict(&mut self, address: Ipv4Addr, found: Mac, now: u64) -> Option<Write> {
        let address = u32::from(address);
        let given = self.plan.pooled(address).is_some() || self.reserved_for.contains_key(&address);
        // Nothing new; or who answers is the client that has it by now, after whoever it was probed for.
        let known = self.entries.get(&address).filter(|entry| entry.until > now);
        let settled = known.is_some_and(|entry| entry.is_quarantined() || entry.mac == found);
        if !given || settled || !self.holds(address) {
            return None;
        }
        self.take(address);
        self.put(address, Entry::new(found));
        self.end(address, LeaseState::Quarantined, now)
    }

    /// Ends what else the client has on the link of an address: it has one at a time.
    pub(super) fn end_others(&mut self, mac: Mac, address: u32, now: u64) -> Vec<Write> {
        let link = self.plan.link_of(address);
        let others: Vec<u32> = self
            .addresses_of(mac)
            .filter(|&other| other != address && self.plan.link_of(other) == link)
            .filter(|other| self.entries.get(other).is_some_and(|entry| entry.until > now))
            .collect();
        others.into_iter().filter_map(|other| self.end(other, LeaseState::Released, now)).collect()
    }

    /// Ends a lease or an offer. Offers that are only let go need no write.
    pub(super) fn end(&mut self, address: u32, state: LeaseState, now: u64) -> Option<Write> {
        let mut entry = self.take(address)?;
        let offered = entry.state == State::Offered;
        (entry.stored, entry.promised, entry.written) = (0, 0, 0);
        entry.until = if state == LeaseState::Quarantined { now.saturating_add(QUARANTINE) } else { now };
        let write = if offered && state == LeaseState::Released {
            None
        } else {
            self.sequence += 1;
            entry.sequence = self.sequence;
            entry.state = State::Known(state);
            self.write(address, &entry, state)
        };
        self.put(address, entry);
        write
    }
}

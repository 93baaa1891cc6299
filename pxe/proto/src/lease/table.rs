//! The table of one network: chooses addresses, remembers who has which, says what has to be stored.
//!
//! It answers only for addresses of the blocks that it holds; of the others it knows who else says what they are.

mod blocks;
mod end;

use super::entry::{Entry, State};
use super::plan::Plan;
use super::pool::Pool;
use super::{Ask, Lease, LeaseState, OFFER, Write};
use crate::Mac;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;

/// What becomes of a REQUEST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// It is the client's, and what is stored covers what it would be told: it may be told at once.
    Covered,
    /// It is the client's when these are stored, and must not be told before. The last one is the lease itself.
    Write(Vec<Write>),
    /// It can't have this address (NAK).
    Refused,
    /// Not ours to say: another replica or another server may know (silence).
    Unknown,
}

/// How many addresses of a subnet are what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Addresses that are handed out, also those in blocks of other replicas.
    pub total: u64,
    /// Those of them that we hold; the rest of these numbers is about them.
    pub held: u64,
    /// Nobody has them.
    pub free: u64,
    /// A client has them.
    pub leased: u64,
    /// Offered, and not asked for yet.
    pub offered: u64,
    /// Out of use, since another host was found there.
    pub quarantined: u64,
    /// Reserved, in the ranges or outside.
    pub reserved: u64,
}

/// The leases of one network.
#[derive(Debug, Clone)]
pub struct Table {
    plan: Plan,
    entries: BTreeMap<u32, Entry>,
    /// The addresses of each client, quarantined ones left out.
    by_mac: BTreeSet<(Mac, u32)>,
    /// What is free, subnet by subnet.
    pools: Vec<Pool>,
    /// First and last addresses of the blocks that we hold.
    held: BTreeMap<u32, u32>,
    reserved: HashMap<Mac, u32>,
    reserved_for: HashMap<u32, Mac>,
    /// What other replicas gave to whom: address and until when.
    elsewhere: HashMap<Mac, (u32, u64)>,
    /// The same by address.
    elsewhere_at: HashMap<u32, Mac>,
    /// The same, heard on the wire since that was last looked up.
    hints: HashMap<Mac, (u32, u64)>,
    sequence: u64,
}

impl Table {
    /// A table that holds no block yet, and so answers nothing.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        Table {
            pools: vec![Pool::default(); plan.len()],
            plan,
            entries: BTreeMap::new(),
            by_mac: BTreeSet::new(),
            held: BTreeMap::new(),
            reserved: HashMap::new(),
            reserved_for: HashMap::new(),
            elsewhere: HashMap::new(),
            elsewhere_at: HashMap::new(),
            hints: HashMap::new(),
            sequence: 0,
        }
    }

    /// The address plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The address to offer (RFC 2131, 4.3.1): reserved, its own, the one it asks for, one that was never used, the
    /// one that expired longest ago. It waits for the client for [`OFFER`]. `None`: there is none, or it is another's
    /// to offer one.
    pub fn offer(&mut self, ask: &Ask, now: u64) -> Option<Ipv4Addr> {
        let address = self.choose(ask, now)?;
        let owned = self.entries.get(&address).is_some_and(|entry| entry.mac == ask.mac);
        let mut entry = self.take(address).filter(|_| owned).unwrap_or_else(|| Entry::new(ask.mac));
        if entry.is_quarantined() {
            entry = Entry::new(ask.mac);
        }
        entry.until = entry.until.max(now.saturating_add(OFFER));
        if !entry.is_leased() {
            entry.state = State::Offered;
            entry.remember(ask);
        }
        self.put(address, entry);
        Some(Ipv4Addr::from(address))
    }

    /// What becomes of the REQUEST of an address.
    pub fn request(&mut self, ask: &Ask, address: Ipv4Addr, now: u64) -> Grant {
        let wanted = u32::from(address);
        let Some(link) = self.plan.link(ask.subnet) else { return Grant::Unknown };
        let reserved = self.reserved_on(ask.mac, link);
        if ask.reserved_only && reserved.is_none() {
            return Grant::Unknown;
        }
        if self.plan.link_of(wanted) != Some(link) {
            return Grant::Refused;
        }
        if let Some(own) = reserved.filter(|own| *own != wanted) {
            if !self.holds(own) {
                return Grant::Unknown;
            }
            // While its own one is still somebody else's, it may have another.
            if ask.reserved_only || self.available(own, ask.mac, now) {
                return Grant::Refused;
            }
        }
        let handed_out = self.plan.pooled(wanted).is_some() || self.reserved_for.contains_key(&wanted);
        if !handed_out {
            return Grant::Refused;
        }
        if !self.holds(wanted) {
            return Grant::Unknown;
        }
        if !self.available(wanted, ask.mac, now) {
            return Grant::Refused;
        }
        self.grant(ask, wanted, now)
    }

    /// Gives the client an address that is available to it.
    fn grant(&mut self, ask: &Ask, address: u32, now: u64) -> Grant {
        let lease = u64::from(ask.seconds).saturating_mul(1000);
        let told = now.saturating_add(lease);
        let own = self.entries.get(&address).filter(|entry| entry.mac == ask.mac && !entry.is_quarantined());
        if let Some(entry) = own
            && entry.is_leased()
            && entry.stored >= told
            && !entry.tells_news(ask)
        {
            return Grant::Covered;
        }
        let owned = own.is_some();
        let mut writes = self.end_others(ask.mac, address, now);
        let mut entry = self.take(address).filter(|_| owned).unwrap_or_else(|| Entry::new(ask.mac));
        self.sequence += 1;
        if !entry.is_leased() {
            (entry.stored, entry.promised) = (0, 0);
            (entry.written, entry.since) = (0, self.sequence);
        }
        entry.state = State::Known(LeaseState::Leased);
        entry.sequence = self.sequence;
        // A shorter stage never shortens what a longer one was told.
        entry.written = entry.written.max(told.saturating_add(lease));
        entry.until = entry.written;
        entry.remember(ask);
        writes.extend(self.write(address, &entry, LeaseState::Leased));
        self.put(address, entry);
        Grant::Write(writes)
    }

    /// A write of this table was stored. True: the client may be told; false: it gave the address back meanwhile, or
    /// lost it.
    pub fn stored(&mut self, write: &Write) -> bool {
        let lease = &write.lease;
        let Some(entry) = self.entries.get_mut(&u32::from(lease.address)) else { return false };
        if entry.mac != lease.mac || !entry.is_leased() || write.sequence < entry.since {
            return false;
        }
        // Also when a later write of it waits already: that one may fail, and the client is told by this one.
        if lease.state == LeaseState::Leased {
            entry.stored = entry.stored.max(lease.expires);
            entry.promised = entry.promised.max(entry.until);
        }
        true
    }

    /// A write of this table could not be stored: the client was not told. Its address waits for its next try, or for
    /// the end of what it was told before.
    pub fn not_stored(&mut self, write: &Write, now: u64) {
        let address = u32::from(write.lease.address);
        let latest = self.entries.get(&address).is_some_and(|entry| entry.sequence == write.sequence);
        if !latest || write.lease.state != LeaseState::Leased {
            return;
        }
        let Some(mut entry) = self.take(address) else { return };
        if entry.promised == 0 {
            entry.state = State::Offered;
        }
        entry.until = entry.promised.max(now.saturating_add(OFFER));
        self.put(address, entry);
    }

    /// Who has an address, or had it last; also whom another replica gave it to.
    #[must_use]
    pub fn mac_of(&self, address: Ipv4Addr) -> Option<Mac> {
        let address = u32::from(address);
        let entry = self.entries.get(&address).filter(|entry| !entry.is_quarantined());
        let elsewhere = || self.elsewhere_at.get(&address).or_else(|| self.reserved_for.get(&address));
        entry.map(|entry| entry.mac).or_else(|| elsewhere().copied())
    }

    /// The address that a client has, or had last; also one of another replica.
    #[must_use]
    pub fn address_of(&self, mac: Mac) -> Option<Ipv4Addr> {
        let until = |address: &u32| self.entries.get(address).map_or(0, |entry| entry.until);
        let newest = self.addresses_of(mac).max_by_key(until);
        let elsewhere = || self.elsewhere.get(&mac).map(|(address, _)| *address);
        newest.or_else(elsewhere).map(Ipv4Addr::from)
    }

    /// How many addresses are what, subnet by subnet. Looks at all of them.
    #[must_use]
    pub fn usage(&self, now: u64) -> Vec<Usage> {
        let mut subnets = vec![Usage::default(); self.plan.len()];
        for (number, usage) in subnets.iter_mut().enumerate() {
            let pool = self.plan.pool(number);
            usage.total = pool.count();
            let held = self.held.iter().flat_map(|(&first, &last)| pool.within(first, last));
            usage.held = held.map(|(first, last)| u64::from(last - first) + 1).sum();
            usage.free = self.pools[number].free(now);
        }
        for &address in self.reserved_for.keys() {
            if let Some(number) = self.plan.number(address) {
                subnets[number].reserved += 1;
            }
        }
        for (&address, entry) in self.entries.iter().filter(|(_, entry)| entry.until > now) {
            let Some(usage) = self.plan.number(address).and_then(|number| subnets.get_mut(number)) else {
                continue;
            };
            match entry.state {
                State::Offered => usage.offered += 1,
                State::Known(LeaseState::Leased) => usage.leased += 1,
                State::Known(LeaseState::Quarantined) => usage.quarantined += 1,
                State::Known(LeaseState::Released) => {}
            }
        }
        subnets
    }

    fn choose(&self, ask: &Ask, now: u64) -> Option<u32> {
        let link = self.plan.link(ask.subnet)?;
        if let Some(own) = self.reserved_on(ask.mac, link) {
            if !self.holds(own) {
                return None;
            }
            if self.available(own, ask.mac, now) {
                return Some(own);
            }
        }
        if ask.reserved_only {
            return None;
        }
        let usable = |address: &u32| {
            self.plan.link_of(*address) == Some(link)
                && self.plan.pooled(*address).is_some()
                && self.holds(*address)
                && self.available(*address, ask.mac, now)
        };
        let until = |address: &u32| self.entries.get(address).map_or(0, |entry| entry.until);
        let own = self.addresses_of(ask.mac).filter(usable).max_by_key(until);
        if own.is_none_or(|own| until(&own) <= now) && self.is_elsewhere(ask.mac, link, now) {
            return None;
        }
        own.or_else(|| ask.requested.map(u32::from).filter(usable))
            .or_else(|| {
                self.plan.alternatives(ask.subnet).find_map(|subnet| self.pools[subnet].never.first())
            })
            .or_else(|| self.plan.alternatives(ask.subnet).find_map(|subnet| self.pools[subnet].oldest(now)))
    }

    /// Whether the client may have this address: not reserved for, leased or offered to another, nor in quarantine.
    fn available(&self, address: u32, mac: Mac, now: u64) -> bool {
        if self.reserved_for.get(&address).is_some_and(|owner| *owner != mac) {
            return false;
        }
        let Some(entry) = self.entries.get(&address) else { return true };
        entry.until <= now || entry.mac == mac && !entry.is_quarantined()
    }

    /// The address that is reserved for a client on this link.
    fn reserved_on(&self, mac: Mac, link: usize) -> Option<u32> {
        self.reserved.get(&mac).copied().filter(|address| self.plan.link_of(*address) == Some(link))
    }

    /// Whether another replica has given the client an address on this link.
    fn is_elsewhere(&self, mac: Mac, link: usize, now: u64) -> bool {
        let known = self.hints.get(&mac).into_iter().chain(self.elsewhere.get(&mac));
        known.into_iter().any(|&(address, until)| {
            until > now && !self.holds(address) && self.plan.link_of(address) == Some(link)
        })
    }

    fn addresses_of(&self, mac: Mac) -> impl Iterator<Item = u32> + '_ {
        self.by_mac.range((mac, 0)..=(mac, u32::MAX)).map(|&(_, address)| address)
    }

    /// The write of an address in a block that we hold.
    fn write(&self, address: u32, entry: &Entry, state: LeaseState) -> Option<Write> {
        let block = self.held_block(address)?;
        let lease: Lease = entry.lease(address, state);
        Some(Write { lease, block, sequence: entry.sequence })
    }

    /// Takes an address out of all indices.
    fn take(&mut self, address: u32) -> Option<Entry> {
        let entry = self.entries.remove(&address)?;
        self.by_mac.remove(&(entry.mac, address));
        if let Some(subnet) = self.plan.number(address) {
            self.pools[subnet].ends.remove(&(entry.until, address));
        }
        Some(entry)
    }

    /// Puts an address into all indices.
    fn put(&mut self, address: u32, entry: Entry) {
        if let Some(subnet) = self.plan.pooled(address) {
            let pool = &mut self.pools[subnet];
            pool.never.remove(address, address);
            if !self.reserved_for.contains_key(&address) {
                pool.ends.insert((entry.until, address));
            }
        }
        if !entry.is_quarantined() {
            self.by_mac.insert((entry.mac, address));
        }
        self.entries.insert(address, entry);
    }
}

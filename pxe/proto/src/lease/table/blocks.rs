//! What is ours to give: the blocks that this replica holds, the reservations, what is known of other replicas.

use super::super::entry::Entry;
use super::super::{Block, Lease, Reservation};
use super::Table;
use crate::Mac;
use std::collections::HashMap;
use std::net::Ipv4Addr;

impl Table {
    /// From now on a block is ours, and this is what is stored of it.
    pub fn hold(&mut self, block: Block, leases: impl IntoIterator<Item = Lease>) {
        self.drop_block(block);
        self.held.insert(block.first, block.last);
        for subnet in 0..self.plan.len() {
            for (first, last) in self.plan.pool(subnet).within(block.first, block.last) {
                self.pools[subnet].never.insert(first, last);
            }
        }
        let reserved: Vec<u32> = self.reserved_for.keys().copied().collect();
        for address in reserved {
            self.bar(address);
        }
        for lease in leases {
            // What lies outside the ranges by now is known all the same: somebody may be using it.
            if block.contains(lease.address) {
                self.put(lease.address.into(), Entry::stored(lease));
            }
        }
    }

    /// A block is another's from now on.
    pub fn drop_block(&mut self, block: Block) {
        self.held.remove(&block.first);
        let known: Vec<u32> =
            self.entries.range(block.first..=block.last).map(|(&address, _)| address).collect();
        for address in known {
            self.take(address);
        }
        for pool in &mut self.pools {
            pool.never.remove(block.first, block.last);
        }
    }

    /// The blocks that are ours.
    #[must_use]
    pub fn held(&self) -> Vec<Block> {
        self.held.iter().map(|(&first, &last)| Block { first, last }).collect()
    }

    /// Whether nobody has an address of a block, so that another replica could take it over.
    #[must_use]
    pub fn is_idle(&self, block: Block, now: u64) -> bool {
        !self.entries.range(block.first..=block.last).any(|(_, entry)| entry.until > now)
    }

    /// The blocks that have to be somebody's: those of the ranges and those of reservations outside them.
    #[must_use]
    pub fn wanted_blocks(&self) -> Vec<Block> {
        let mut blocks = self.plan.blocks();
        let reserved = self.reserved_for.keys();
        blocks.extend(reserved.filter_map(|&address| self.plan.block_of(Ipv4Addr::from(address))));
        blocks.sort_unstable();
        blocks.dedup();
        blocks
    }

    /// Keeps an address for a client from now on, in place of what was kept for it.
    pub fn reserve(&mut self, reservation: Reservation) {
        let Reservation { mac, address } = reservation;
        if self.plan.check_reservation(address).is_err() {
            return;
        }
        self.unreserve(mac);
        let address = u32::from(address);
        if let Some(&owner) = self.reserved_for.get(&address) {
            self.unreserve(owner);
        }
        self.reserved.insert(mac, address);
        self.reserved_for.insert(address, mac);
        self.bar(address);
    }

    /// Ends a reservation; the client keeps the address for as long as it was told, if it has it.
    pub fn unreserve(&mut self, mac: Mac) {
        let Some(address) = self.reserved.remove(&mac) else { return };
        self.reserved_for.remove(&address);
        let Some(subnet) = self.plan.pooled(address).filter(|_| self.holds(address)) else { return };
        let pool = &mut self.pools[subnet];
        match self.entries.get(&address) {
            Some(entry) => drop(pool.ends.insert((entry.until, address))),
            None => pool.never.insert(address, address),
        }
    }

    /// All reservations from now on.
    pub fn set_reservations(&mut self, reservations: &[Reservation]) {
        let new: HashMap<Mac, u32> =
            reservations.iter().map(|reservation| (reservation.mac, reservation.address.into())).collect();
        let gone: Vec<Mac> = self
            .reserved
            .iter()
            .filter(|(mac, address)| new.get(*mac) != Some(*address))
            .map(|(&mac, _)| mac)
            .collect();
        for mac in gone {
            self.unreserve(mac);
        }
        for &reservation in reservations {
            if self.reserved.get(&reservation.mac) != Some(&reservation.address.into()) {
                self.reserve(reservation);
            }
        }
    }

    /// The clients of other replicas from now on: hardware address, address, until when.
    pub fn set_elsewhere(&mut self, clients: impl IntoIterator<Item = (Mac, Ipv4Addr, u64)>, now: u64) {
        self.elsewhere.clear();
        self.elsewhere_at.clear();
        for (mac, address, until) in clients {
            self.elsewhere.insert(mac, (address.into(), until));
            self.elsewhere_at.insert(address.into(), mac);
        }
        self.hints.retain(|_, (_, until)| *until > now);
    }

    /// The clock was set by so many milliseconds: what was told still lasts as long as before. What is stored says
    /// otherwise, so it covers nothing any more.
    pub fn shift(&mut self, by: i64) {
        let addresses: Vec<u32> = self.entries.keys().copied().collect();
        for address in addresses {
            let Some(mut entry) = self.take(address) else { continue };
            entry.until = entry.until.saturating_add_signed(by);
            if entry.promised > 0 {
                entry.promised = entry.promised.saturating_add_signed(by).max(1);
            }
            entry.written = entry.written.saturating_add_signed(by);
            entry.stored = 0;
            self.put(address, entry);
        }
        for (_, until) in self.elsewhere.values_mut().chain(self.hints.values_mut()) {
            *until = until.saturating_add_signed(by);
        }
    }

    /// Whether an address is in a block of ours.
    pub(super) fn holds(&self, address: u32) -> bool {
        self.held_block(address).is_some()
    }

    /// The block of ours that an address is in.
    pub(super) fn held_block(&self, address: u32) -> Option<Block> {
        let (&first, &last) = self.held.range(..=address).next_back()?;
        (address <= last).then_some(Block { first, last })
    }

    /// Takes a reserved address out of what is free for all.
    fn bar(&mut self, address: u32) {
        let Some(subnet) = self.plan.pooled(address) else { return };
        let pool = &mut self.pools[subnet];
        pool.never.remove(address, address);
        if let Some(entry) = self.entries.get(&address) {
            pool.ends.remove(&(entry.until, address));
        }
    }
}

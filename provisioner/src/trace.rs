//! Boot conversations in memory: bounded rings, one for each MAC address, answered from at once.
//!
//! What of it is written down, and what becomes of it in the timelines of machines, is `trace/writer.rs`.

mod words;
mod writer;

pub(crate) use words::{line, time, wire};
pub(crate) use writer::TraceWriter;

use crate::{
    service::ServiceError,
    store::{Numbered, Store},
};
use pxe::Counters;
use pxe_proto::{
    Mac,
    trace::{Entry, What},
};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};
use tokio::sync::mpsc;

/// The most entries of a MAC that tell of a boot.
pub(crate) const BOOT: usize = 192;

/// The most of its entries that do not: plain DHCP of an operating system must not push a boot out.
const PLAIN: usize = 64;

/// The most MACs.
const MACS: usize = 20_000;

/// The most entries of all MACs, some hundred bytes each: the boots of some thousand machines. Older ones are in the
/// database.
const ENTRIES: usize = 40_000;

/// How many entries may wait to be written down; further ones are dropped and counted, never waited for.
const QUEUE: usize = 8192;

/// How many entries are stored, of all MACs together.
pub(crate) const STORED: u32 = 500_000;

/// How many stored entries a start takes into memory.
const RESTORED: u32 = 20_000;

/// The bits of an id that number entries within a millisecond.
const NUMBER_BITS: u32 = 12;

/// The conversations.
pub(crate) struct Traces {
    rings: Mutex<Rings>,
    /// The MACs of machines: their plain DHCP belongs into a timeline.
    known: RwLock<HashSet<Mac>>,
    queue: mpsc::Sender<Numbered>,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Rings {
    by_mac: HashMap<Mac, Ring>,
    /// The MACs in the order in which they came, with the id that was their last when they were looked at.
    order: VecDeque<(u64, Mac)>,
    entries: usize,
    last: u64,
}

#[derive(Default)]
struct Ring {
    boot: VecDeque<Numbered>,
    plain: VecDeque<Numbered>,
}

/// Whether an entry tells of a boot: all but an operating system's DHCP that went as usual.
fn is_boot(entry: &Entry) -> bool {
    match &entry.what {
        What::Dhcp(dhcp) => {
            dhcp.firmware.is_some() || dhcp.unsupported.is_some() || dhcp.message == "DECLINE"
        }
        _ => true,
    }
}

/// The smallest id of entries from a time on, in milliseconds since 1970.
pub(crate) fn first_id(at: u64) -> u64 {
    at << NUMBER_BITS
}

impl Traces {
    /// With what is stored. The second value is what is to be written down.
    pub(crate) async fn open(
        store: &Store,
        counters: Arc<Counters>,
    ) -> Result<(Self, mpsc::Receiver<Numbered>), ServiceError> {
        let (queue, receiver) = mpsc::channel(QUEUE);
        let traces = Self { rings: Mutex::default(), known: RwLock::default(), queue, counters };
        {
            let stored = store.boot_trace_newest(RESTORED).await?;
            let mut rings = traces.rings();
            for (id, entry) in stored {
                rings.push(id, entry);
            }
        }
        Ok((traces, receiver))
    }

    /// Takes an entry down. Never blocks for long.
    pub(crate) fn record(&self, entry: Entry) {
        let entry = Arc::new(entry);
        let boot = is_boot(&entry);
        let id = {
            let mut rings = self.rings();
            let id = first_id(entry.at).max(rings.last + 1);
            rings.push(id, Arc::clone(&entry));
            id
        };
        let told = boot || self.known.read().unwrap_or_else(PoisonError::into_inner).contains(&entry.mac);
        if told && self.queue.try_send((id, entry)).is_err() {
            self.counters.trace_dropped();
        }
    }

    /// What is in memory of some MACs, oldest first.
    pub(crate) fn of(&self, macs: &[Mac]) -> Vec<Numbered> {
        let rings = self.rings();
        let found = macs.iter().filter_map(|mac| rings.by_mac.get(mac));
        let mut entries: Vec<_> =
            found.flat_map(|ring| ring.boot.iter().chain(&ring.plain).cloned()).collect();
        entries.sort_unstable_by_key(|(id, _)| *id);
        entries
    }

    /// Whether so much is in memory of a MAC that the oldest of it may be gone.
    fn is_full(&self, mac: Mac) -> bool {
        self.rings().by_mac.get(&mac).is_some_and(|ring| ring.boot.len() >= BOOT)
    }

    /// Whose plain DHCP is to be told of.
    pub(crate) fn know(&self, macs: HashSet<Mac>) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = macs;
    }

    fn rings(&self) -> MutexGuard<'_, Rings> {
        // A panic can't leave a ring half written that matters: each entry stands for itself.
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rings {
    fn push(&mut self, id: u64, entry: Arc<Entry>) {
        self.last = self.last.max(id);
        let mac = entry.mac;
        let known = self.by_mac.contains_key(&mac);
        let ring = self.by_mac.entry(mac).or_default();
        let (ring, most) = if is_boot(&entry) { (&mut ring.boot, BOOT) } else { (&mut ring.plain, PLAIN) };
        if ring.len() >= most {
            ring.pop_front();
        } else {
            self.entries += 1;
        }
        ring.push_back((id, entry));
        if !known {
            self.order.push_back((id, mac));
        }
        while self.by_mac.len() > MACS || self.entries > ENTRIES {
            if !self.forget_one(mac) {
                break;
            }
        }
    }

    /// Forgets the MAC of which nothing was heard for longest; one that was heard since it was queued gets another
    /// turn. `but` stays.
    fn forget_one(&mut self, but: Mac) -> bool {
        for _ in 0..self.order.len() {
            let Some((queued, mac)) = self.order.pop_front() else { return false };
            let newest = |ring: &Ring| {
                let last = |ring: &VecDeque<Numbered>| ring.back().map_or(0, |(id, _)| *id);
                last(&ring.boot).max(last(&ring.plain))
            };
            let Some(last) = self.by_mac.get(&mac).map(newest) else { continue };
            if last > queued || mac == but {
                self.order.push_back((last, mac));
                continue;
            }
            if let Some(ring) = self.by_mac.remove(&mac) {
                self.entries -= ring.boot.len() + ring.plain.len();
            }
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests;

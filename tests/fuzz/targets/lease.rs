//! The lease table of one network under any sequence of messages, failures and changes: no address is promised to two
//! clients at a time, and none that is excluded, our own or somebody else's by reservation is ever given.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxe_proto::lease::{Ask, Grant, Plan, QUARANTINE, Reservation, SubnetPlan, Table};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use tests_fuzz::{Knobs, SERVER};

type Mac = [u8; 6];

/// A table and what its clients were told: for each address to whom it belongs, and until when.
struct World {
    table: Table,
    now: u64,
    told: BTreeMap<Ipv4Addr, (Mac, u64)>,
    reserved: BTreeMap<Ipv4Addr, Mac>,
    /// Addresses at which another host was found, until when.
    quarantined: BTreeMap<Ipv4Addr, u64>,
}

fuzz_target!(|data: &[u8]| {
    let mut knobs = Knobs::all(data);
    let mut world = World::new();
    while !knobs.is_empty() {
        world.step(&mut knobs);
    }
});

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, last)
}

impl World {
    fn new() -> Self {
        let subnet = SubnetPlan {
            address: address(0),
            prefix: 24,
            relay: None,
            ranges: vec![(address(100), address(103)), (address(110), address(112))],
            exclude: vec![(address(101), address(101))],
            own: vec![SERVER],
        };
        let plan = Plan::new(&[subnet]);
        let blocks = plan.blocks();
        let mut table = Table::new(plan);
        for block in blocks {
            table.hold(block, []);
        }
        Self {
            table,
            now: 1_000_000,
            told: BTreeMap::new(),
            reserved: BTreeMap::new(),
            quarantined: BTreeMap::new(),
        }
    }

    fn step(&mut self, knobs: &mut Knobs<'_>) {
        let what = knobs.byte() % 16;
        let mac = [0x52, 0x54, 0, 0, 0, knobs.byte() % 6];
        let some = address(knobs.pick(&[100, 101, 102, 103, 110, 111, 112, 50, 1, 255]));
        match what {
            0..=3 => self.boot(mac, knobs),
            4..=6 => self.request(mac, some, knobs),
            7 => {
                self.table.release(mac, some, self.now);
                self.told.retain(|address, (owner, _)| *address != some || *owner != mac);
            }
            8 => {
                if self.table.decline(mac, some, self.now).is_some() {
                    self.quarantine(some);
                }
            }
            9 => {
                if self.table.conflict(some, [2; 6], self.now).is_some() {
                    self.quarantine(some);
                }
            }
            10 => self.reserve(mac, some),
            11 => {
                self.table.unreserve(mac);
                self.reserved.retain(|_, owner| *owner != mac);
            }
            12 => {
                self.table.elsewhere(mac, Some(some), self.now);
            }
            13 => {
                // Whoever looks must never find more than there is.
                let usage = self.table.usage(self.now);
                assert!(usage.iter().all(|one| one.free <= one.held && one.held <= one.total), "{usage:?}");
            }
            14 => self.now += u64::from(knobs.short()) * 100,
            _ => self.now += u64::from(knobs.byte()),
        }
    }

    fn quarantine(&mut self, address: Ipv4Addr) {
        self.told.remove(&address);
        self.quarantined.insert(address, self.now + QUARANTINE);
    }

    fn reserve(&mut self, mac: Mac, address: Ipv4Addr) {
        if self.table.plan().check_reservation(address).is_ok() {
            self.reserved.retain(|_, owner| *owner != mac);
            self.reserved.insert(address, mac);
        }
        self.table.reserve(Reservation { mac, address });
    }

    fn ask(&self, mac: Mac, requested: Option<Ipv4Addr>, knobs: &mut Knobs<'_>) -> Ask {
        Ask {
            mac,
            client_id: None,
            subnet: 0,
            requested,
            seconds: u32::from(knobs.pick(&[60_u16, 600, 3600])),
            relay: None,
            hostname: None,
            firmware: knobs.flip(),
            reserved_only: false,
        }
    }

    /// DISCOVER, and the REQUEST of what was offered.
    fn boot(&mut self, mac: Mac, knobs: &mut Knobs<'_>) {
        let ask = self.ask(mac, None, knobs);
        let Some(offered) = self.table.offer(&ask, self.now) else { return };
        self.may_have(mac, offered);
        self.request(mac, offered, knobs);
    }

    fn request(&mut self, mac: Mac, address: Ipv4Addr, knobs: &mut Knobs<'_>) {
        let ask = self.ask(mac, Some(address), knobs);
        let writes = match self.table.request(&ask, address, self.now) {
            Grant::Covered => None,
            Grant::Write(writes) => Some(writes),
            Grant::Refused | Grant::Unknown => return,
        };
        self.may_have(mac, address);
        // One at a time: who asks for another address doesn't use the one before any more.
        self.told.retain(|other, (owner, _)| *owner != mac || *other == address);
        if writes.is_none_or(|writes| self.store(&writes, address, knobs)) {
            self.told.insert(address, (mac, self.now + u64::from(ask.seconds) * 1000));
        }
    }

    /// The disk takes the writes, or fails.
    fn store(
        &mut self,
        writes: &[pxe_proto::lease::Write],
        address: Ipv4Addr,
        knobs: &mut Knobs<'_>,
    ) -> bool {
        let last = writes.last().expect("something to write");
        assert_eq!(last.lease.address, address, "the last write is the lease itself");
        if knobs.byte() % 8 == 7 {
            writes.iter().for_each(|write| self.table.not_stored(write, self.now));
            return false;
        }
        let stored: Vec<bool> = writes.iter().map(|write| self.table.stored(write)).collect();
        stored.last() == Some(&true)
    }

    /// Whether a client may be promised an address.
    fn may_have(&self, mac: Mac, address: Ipv4Addr) {
        let pooled = matches!(address.octets()[3], 100 | 102 | 103 | 110..=112);
        let own = self.reserved.get(&address) == Some(&mac);
        let told = self.told.get(&address).filter(|(_, until)| *until > self.now);
        let had = told.is_some_and(|(owner, _)| *owner == mac);
        assert!(address != SERVER && (pooled || own || had), "{address} isn't given here");
        if let Some((owner, until)) = told.filter(|(owner, _)| *owner != mac) {
            panic!(
                "{address} is {owner:02x?}'s for {} ms yet, and was promised to {mac:02x?}",
                until - self.now
            );
        }
        let others = self.reserved.get(&address).is_some_and(|owner| *owner != mac);
        assert!(!others || had, "{address} is reserved for another");
        let quarantined = self.quarantined.get(&address).is_some_and(|until| *until > self.now);
        assert!(!quarantined, "{address} is in quarantine");
    }
}

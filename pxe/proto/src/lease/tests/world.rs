//! Two tables over one store, in whatever order things happen, against the naive truth: what clients were told.

use super::super::*;
use super::{ask, plan};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// What happens next. Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Deed {
    Discover {
        replica: usize,
        client: u8,
        subnet: usize,
        requested: Option<usize>,
    },
    Request {
        replica: usize,
        client: u8,
        subnet: usize,
        address: usize,
        seconds: u32,
    },
    /// Asks for what it was offered or told last.
    Follow {
        replica: usize,
        client: u8,
        subnet: usize,
        seconds: u32,
    },
    Release {
        replica: usize,
        client: u8,
    },
    Decline {
        replica: usize,
        client: u8,
    },
    Conflict {
        replica: usize,
        address: usize,
    },
    Reserve {
        client: u8,
        address: usize,
    },
    Unreserve {
        client: u8,
    },
    /// The oldest writes of a replica reach the store, or don't.
    Commit {
        replica: usize,
        most: usize,
        works: bool,
    },
    Pass {
        milliseconds: u64,
    },
    /// A replica stands still, as when its claims ran out, and another takes one of its blocks over.
    Stall {
        replica: usize,
    },
    TakeOver {
        replica: usize,
        block: usize,
    },
    /// It looks around again.
    Wake {
        replica: usize,
    },
    /// It is killed, and starts with what is stored.
    Restart {
        replica: usize,
    },
}

fn deed() -> impl Strategy<Value = Deed> {
    let (replica, client, subnet, address) = (0..2usize, 0..6u8, 0..3usize, 0..64usize);
    let seconds = prop_oneof![Just(60u32), Just(600), Just(3600)];
    prop_oneof![
        4 => (replica.clone(), client.clone(), subnet.clone(), prop::option::of(address.clone()))
            .prop_map(|(replica, client, subnet, requested)| Deed::Discover { replica, client, subnet, requested }),
        4 => (replica.clone(), client.clone(), subnet.clone(), address.clone(), seconds.clone())
            .prop_map(|(replica, client, subnet, address, seconds)| Deed::Request { replica, client, subnet, address, seconds }),
        8 => (replica.clone(), client.clone(), subnet, seconds)
            .prop_map(|(replica, client, subnet, seconds)| Deed::Follow { replica, client, subnet, seconds }),
        1 => (replica.clone(), client.clone()).prop_map(|(replica, client)| Deed::Release { replica, client }),
        1 => (replica.clone(), client.clone()).prop_map(|(replica, client)| Deed::Decline { replica, client }),
        1 => (replica.clone(), address.clone()).prop_map(|(replica, address)| Deed::Conflict { replica, address }),
        1 => (client.clone(), address).prop_map(|(client, address)| Deed::Reserve { client, address }),
        1 => client.prop_map(|client| Deed::Unreserve { client }),
        8 => (replica.clone(), 1..4usize, prop::bool::weighted(0.9))
            .prop_map(|(replica, most, works)| Deed::Commit { replica, most, works }),
        3 => prop_oneof![0..5000u64, Just(OFFER), 0..3_600_000u64].prop_map(|milliseconds| Deed::Pass { milliseconds }),
        1 => replica.clone().prop_map(|replica| Deed::Stall { replica }),
        2 => (replica.clone(), 0..8usize).prop_map(|(replica, block)| Deed::TakeOver { replica, block }),
        2 => replica.clone().prop_map(|replica| Deed::Wake { replica }),
        1 => replica.prop_map(|replica| Deed::Restart { replica }),
    ]
}

struct Replica {
    table: Table,
    /// Its writes that are not in the store, and what their client would be told: until when.
    queue: Vec<(Write, Option<u64>)>,
    stalled: bool,
}

struct World {
    now: u64,
    plan: Plan,
    blocks: Vec<Block>,
    owner: HashMap<Block, usize>,
    store: BTreeMap<Ipv4Addr, Lease>,
    reservations: HashMap<Mac, Ipv4Addr>,
    replicas: Vec<Replica>,
    /// What clients were told, and believe.
    told: HashMap<(Mac, Ipv4Addr), u64>,
    /// What they were offered or told last.
    last: HashMap<Mac, Ipv4Addr>,
    quarantined: HashMap<Ipv4Addr, u64>,
}

fn mac(client: u8) -> Mac {
    [2, 0, 0, 0, 0, client]
}

/// Some address, in the pools or not.
fn address(number: usize) -> Ipv4Addr {
    let subnet = (number / 24).min(2) as u8;
    Ipv4Addr::new(10, 0, subnet, (number % 24) as u8)
}

impl World {
    fn new() -> Self {
        let plan = plan();
        // Two thirds of the blocks are the first's, the rest the second's; one is of no range.
        let mut blocks = plan.blocks();
        blocks.extend(plan.block_of(Ipv4Addr::new(10, 0, 0, 20)));
        blocks.sort_unstable();
        blocks.dedup();
        let owner =
            blocks.iter().enumerate().map(|(index, block)| (*block, usize::from(index % 3 == 2))).collect();
        let fresh = || Replica { table: Table::new(self::plan()), queue: Vec::new(), stalled: false };
        let mut world = World {
            now: 1_000_000,
            plan,
            blocks,
            owner,
            store: BTreeMap::new(),
            reservations: HashMap::new(),
            replicas: vec![fresh(), fresh()],
            told: HashMap::new(),
            last: HashMap::new(),
            quarantined: HashMap::new(),
        };
        world.wake(0);
        world.wake(1);
        world
    }

    fn stored_in(&self, block: Block) -> Vec<Lease> {
        self.store.values().filter(|lease| block.contains(lease.address)).cloned().collect()
    }

    /// Looks around: what is ours, what is reserved, who is whose.
    fn wake(&mut self, index: usize) {
        let held = self.replicas[index].table.held();
        for block in self.blocks.clone() {
            let (mine, known) = (self.owner[&block] == index, held.contains(&block));
            if mine && !known {
                let leases = self.stored_in(block);
                self.replicas[index].table.hold(block, leases);
            } else if known && !mine {
                self.replicas[index].table.drop_block(block);
                self.replicas[index].queue.retain(|(write, _)| write.block != block);
            }
        }
        let reservations: Vec<Reservation> =
            self.reservations.iter().map(|(&mac, &address)| Reservation { mac, address }).collect();
        self.replicas[index].table.set_reservations(&reservations);
        self.replicas[index].stalled = false;
    }

    fn do_deed(&mut self, deed: Deed) {
        let now = self.now;
        match deed {
            Deed::Discover { replica, client, subnet, requested } if !self.replicas[replica].stalled => {
                let ask = Ask { requested: requested.map(address), ..ask(client, subnet) };
                if let Some(offer) = self.replicas[replica].table.offer(&ask, now) {
                    self.check(mac(client), offer, subnet, "offered");
                    self.check_place(mac(client), offer);
                    self.last.insert(mac(client), offer);
                }
            }
            Deed::Request { replica, client, subnet, address: number, seconds } => {
                self.request(replica, client, subnet, address(number), seconds);
            }
            Deed::Follow { replica, client, subnet, seconds } => {
                if let Some(&address) = self.last.get(&mac(client)) {
                    self.request(replica, client, subnet, address, seconds);
                }
            }
            Deed::Commit { replica, most, works } => self.commit(replica, most, works),
            Deed::Pass { milliseconds } => self.now += milliseconds,
            Deed::Stall { replica } => self.replicas[replica].stalled = true,
            Deed::TakeOver { replica, block } => {
                let block = self.blocks[block % self.blocks.len()];
                if self.replicas[1 - replica].stalled && !self.replicas[replica].stalled {
                    self.owner.insert(block, replica);
                    self.forget_unstored();
                    self.wake(replica);
                }
            }
            Deed::Wake { replica } => self.wake(replica),
            Deed::Restart { replica } => {
                self.replicas[replica] =
                    Replica { table: Table::new(plan()), queue: Vec::new(), stalled: false };
                self.forget_unstored();
                self.wake(replica);
            }
            deed => self.do_ending(deed),
        }
    }

    /// How addresses come back, and reservations.
    fn do_ending(&mut self, deed: Deed) {
        let now = self.now;
        match deed {
            Deed::Release { replica, client } if !self.replicas[replica].stalled => {
                let Some(&address) = self.last.get(&mac(client)) else { return };
                self.told.remove(&(mac(client), address));
                let write = self.replicas[replica].table.release(mac(client), address, now);
                self.replicas[replica].queue.extend(write.map(|write| (write, None)));
            }
            Deed::Decline { replica, client } if !self.replicas[replica].stalled => {
                let Some(&address) = self.last.get(&mac(client)) else { return };
                self.told.remove(&(mac(client), address));
                if let Some(write) = self.replicas[replica].table.decline(mac(client), address, now) {
                    self.quarantined.insert(address, now + QUARANTINE);
                    self.replicas[replica].queue.push((write, None));
                }
            }
            Deed::Conflict { replica, address: number } if !self.replicas[replica].stalled => {
                let address = address(number);
                if let Some(write) = self.replicas[replica].table.conflict(address, [2, 9, 9, 9, 9, 9], now) {
                    // Whoever was told has it still, until it hears.
                    self.told.retain(|(_, told), _| *told != address);
                    self.quarantined.insert(address, now + QUARANTINE);
                    self.replicas[replica].queue.push((write, None));
                }
            }
            Deed::Reserve { client, address: number } => {
                let address = address(number);
                let free = !self.reservations.values().any(|other| *other == address);
                if free && self.plan.check_reservation(address).is_ok() && self.has_block(address) {
                    self.reservations.insert(mac(client), address);
                    self.tell_reservations();
                }
            }
            Deed::Unreserve { client } => {
                self.reservations.remove(&mac(client));
                self.tell_reservations();
            }
            _ => {}
        }
    }

    /// What only a replica's memory knew is gone: a quarantine that was not stored is known to nobody.
    fn forget_unstored(&mut self) {
        let store = &self.store;
        self.quarantined.retain(|address, _| {
            store.get(address).is_some_and(|lease| lease.state == LeaseState::Quarantined)
        });
    }

    fn has_block(&self, address: Ipv4Addr) -> bool {
        self.blocks.iter().any(|block| block.contains(address))
    }

    /// Both hear of it, also a stalled one: the running ones look, the others do when they wake.
    fn tell_reservations(&mut self) {
        for index in 0..2 {
            if !self.replicas[index].stalled {
                self.wake(index);
            }
        }
    }

    fn request(&mut self, replica: usize, client: u8, subnet: usize, address: Ipv4Addr, seconds: u32) {
        if self.replicas[replica].stalled {
            return;
        }
        let ask = Ask { seconds, ..ask(client, subnet) };
        let until = self.now + u64::from(seconds) * 1000;
        match self.replicas[replica].table.request(&ask, address, self.now) {
            Grant::Covered => {
                self.check_place(mac(client), address);
                self.tell(mac(client), address, subnet, until);
            }
            Grant::Write(mut writes) => {
                self.check_place(mac(client), address);
                let last = writes.pop().unwrap();
                assert_eq!((last.lease.mac, last.lease.address), (ask.mac, address));
                assert!(last.lease.expires >= until);
                for write in &writes {
                    self.told.remove(&(write.lease.mac, write.lease.address));
                }
                self.replicas[replica].queue.extend(writes.into_iter().map(|write| (write, None)));
                self.replicas[replica].queue.push((last, Some(until)));
            }
            Grant::Refused => drop(self.told.remove(&(mac(client), address))),
            Grant::Unknown => {}
        }
    }

    /// A group reaches the store: all of it, or none when a block is no longer its writer's, or it fails.
    fn commit(&mut self, replica: usize, most: usize, works: bool) {
        let count = self.replicas[replica].queue.len().min(most);
        let group: Vec<_> = self.replicas[replica].queue.drain(..count).collect();
        let mut stored = works;
        for (write, _) in group.iter().filter(|_| works) {
            if self.owner[&write.block] == replica {
                self.store.insert(write.lease.address, write.lease.clone());
            } else {
                stored = false;
            }
        }
        for (write, until) in group {
            if !stored {
                self.replicas[replica].table.not_stored(&write, self.now);
            } else if self.replicas[replica].table.stored(&write)
                && let Some(until) = until
            {
                let subnet = self.plan.subnet_of(write.lease.address).unwrap();
                self.tell(write.lease.mac, write.lease.address, subnet, until);
            }
        }
    }

    /// The client is told that it has the address: the moment that everything is about.
    fn tell(&mut self, mac: Mac, address: Ipv4Addr, subnet: usize, until: u64) {
        self.check(mac, address, subnet, "told");
        let stored = self.store.get(&address).expect("told before it was stored");
        assert_eq!((stored.mac, stored.state), (mac, LeaseState::Leased), "{address}: another is stored");
        assert!(stored.expires >= until.min(self.now), "{address} is stored for too short");
        // It has one address on a link, and drops the other.
        let link = self.plan.link_of(address.into());
        self.told.retain(|(other, told), _| *other != mac || self.plan.link_of((*told).into()) != link);
        self.told.insert((mac, address), until);
        self.last.insert(mac, address);
    }

    /// What holds when it is decided; until it is stored, a reservation may have been changed.
    fn check_place(&self, mac: Mac, address: Ipv4Addr) {
        let reserved =
            self.reservations.iter().find(|(_, reserved)| **reserved == address).map(|(mac, _)| *mac);
        assert!(reserved.is_none_or(|owner| owner == mac), "{address} is reserved for another than {mac:?}");
        let pooled = self.plan.pooled(address.into()).is_some();
        assert!(pooled || reserved.is_some(), "{address} is in no range");
    }

    fn check(&self, mac: Mac, address: Ipv4Addr, subnet: usize, how: &str) {
        let now = self.now;
        for ((other, told), until) in &self.told {
            let twice = *told == address && *other != mac && *until > now;
            assert!(!twice, "{address} is {how} to {mac:?} and was told to {other:?}");
        }
        assert_eq!(self.plan.link(subnet), self.plan.link_of(address.into()), "{address} is another link's");
        let quarantined = self.quarantined.get(&address).is_some_and(|until| *until > now);
        assert!(!quarantined, "{address} is {how}, but in quarantine");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]
    #[test]
    fn no_address_is_told_twice(deeds in prop::collection::vec(deed(), 1..120)) {
        let mut world = World::new();
        for deed in deeds {
            world.do_deed(deed);
        }
    }
}

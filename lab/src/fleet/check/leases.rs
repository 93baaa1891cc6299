//! Promised: an address belongs to one machine at a time, and none leaks.
//!
//! Seen: live, each acknowledgement with address, time and MAC: an address whose lease runs goes to nobody else. A
//! lease ends a little earlier in the service than for the machine, which hears of it later, so that its last seconds
//! don't count. A client that takes another address has given up the one that it had. The addresses of a service that
//! was killed run on: they were stored before they were acknowledged.
//!
//! At rest: each running lease belongs to a MAC of some machine, each MAC has one at most on a network, no address is
//! leased twice, none runs past its end.

use super::{Broken, Check, machine};
use crate::fleet::entry::{Entry, Seen, Snapshot, What};
use provisioner_api::{Lease, LeaseState};
use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

/// How much earlier a lease may end in the service, in microseconds: what acknowledgements take to arrive.
const SLACK_US: u64 = 10_000_000;
/// How long the service may take to see that a lease has run out, in seconds.
const SLACK_S: i64 = 60;

#[derive(Default)]
pub(super) struct Leases {
    /// Who has an address, and until when, in microseconds of the run.
    holders: HashMap<Ipv4Addr, (String, u64)>,
    /// The address that each MAC has.
    addresses: HashMap<String, Ipv4Addr>,
}

impl Check for Leases {
    fn name(&self) -> &'static str {
        "leases"
    }

    fn see(&mut self, entry: &Entry, broken: &mut Broken) {
        let What::Seen(Seen::Ack { address, lease_s, mac }) = &entry.what else { return };
        let running = |(holder, until): &&(String, u64)| holder != mac && entry.at_us < *until;
        if let Some((holder, _)) = self.holders.get(address).filter(running) {
            let about = entry.machine.map_or_else(|| mac.clone(), machine);
            broken.add(about, format!("{mac} was given {address}, which {holder} has for longer"));
        }
        if let Some(old) = self.addresses.insert(mac.clone(), *address).filter(|old| old != address)
            && self.holders.get(&old).is_some_and(|(holder, _)| holder == mac)
        {
            self.holders.remove(&old);
        }
        let until = (entry.at_us + u64::from(*lease_s) * 1_000_000).saturating_sub(SLACK_US);
        self.holders.insert(*address, (mac.clone(), until));
    }

    fn at_rest(&mut self, snapshot: &Snapshot, broken: &mut Broken) {
        let known: HashSet<&String> = snapshot.truth.iter().flat_map(|machine| &machine.macs).collect();
        let (mut macs, mut addresses) = (HashSet::new(), HashSet::new());
        let runs = |lease: &&Lease| lease.state == LeaseState::Active;
        for lease in snapshot.leases.iter().filter(runs) {
            let Lease { address, mac, network, .. } = lease;
            if !known.contains(mac) {
                broken.add(mac, format!("{address} is leased to it, and no machine has this MAC"));
            }
            if !macs.insert((network, mac)) {
                broken.add(mac, format!("it has {address} and another address on {network}"));
            }
            if !addresses.insert(address) {
                broken.add(mac, format!("{address} is leased to it and to another one"));
            }
            let over = snapshot.at - lease.expires.as_second();
            if over > SLACK_S {
                broken.add(mac, format!("its lease of {address} still runs {over} s after its end"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::{MAC, OTHER_MAC, Story, only, silent};
    use super::*;

    fn ack(address: [u8; 4], lease_s: u32, mac: &str) -> Seen {
        Seen::Ack { address: address.into(), lease_s, mac: mac.to_owned() }
    }

    const FREE: [u8; 4] = [127, 64, 99, 1];

    #[test]
    fn an_address_is_given_to_a_second_one() {
        let mut story = Story::good();
        story.seen(0, ack(FREE, 600, MAC));
        story.seen(1, ack(FREE, 600, OTHER_MAC));
        only(&story, "leases");
    }

    #[test]
    fn an_address_whose_lease_is_over_or_was_given_up_is_free() {
        let mut story = Story::good();
        story.seen(0, ack(FREE, 60, MAC));
        story.pass(55);
        story.seen(1, ack(FREE, 60, OTHER_MAC));
        silent(&story);
        let mut story = Story::good();
        story.seen(0, ack(FREE, 600, MAC));
        story.seen(0, ack([127, 64, 99, 2], 600, MAC));
        story.seen(1, ack(FREE, 600, OTHER_MAC));
        silent(&story);
        let mut story = Story::good();
        story.seen(0, ack(FREE, 600, MAC));
        story.seen(0, ack(FREE, 600, MAC));
        silent(&story);
    }

    #[test]
    fn leases_that_leak() {
        type Change = fn(&mut Vec<Lease>);
        let changes: [Change; 4] = [
            |leases| leases[0].mac = "02:ff:ff:ff:ff:ff".to_owned(),
            |leases| {
                let another = Lease { address: "127.64.1.99".to_owned(), ..leases[0].clone() };
                leases.push(another);
            },
            |leases| leases[1].address = leases[0].address.clone(),
            |leases| leases[0].expires = jiff::Timestamp::UNIX_EPOCH,
        ];
        for change in changes {
            let mut story = Story::good();
            change(&mut story.snapshot.leases);
            only(&story, "leases");
        }
        let mut story = Story::good();
        story.snapshot.leases[0].expires = jiff::Timestamp::UNIX_EPOCH;
        story.snapshot.leases[0].state = LeaseState::Expired;
        silent(&story);
    }
}

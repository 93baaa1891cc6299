//! Where addresses are taken from: the static ranges of the configuration file. Pure but for a warning.
//!
//! They overlap neither with what DHCP leases nor with the service's own addresses (`config/subnet.rs`), and no
//! reservation is made in them (`api/reservations.rs`), so that an address out of them is nobody else's. Who has which is
//! for `store/address.rs`.

use crate::config::{Network, Subnet};
use std::{collections::BTreeSet, net::Ipv4Addr};

/// A subnet, and the network that it is of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The network.
    pub(crate) network: &'a Network,
    /// The subnet.
    pub(crate) subnet: &'a Subnet,
}

impl<'a> Place<'a> {
    /// A subnet by its name, by its CIDR, or, of a network's own link, by the name of the network.
    ///
    /// # Errors
    /// A sentence when there is none, or when it has no static addresses.
    pub(crate) fn find(networks: &'a [Network], key: &str) -> Result<Self, String> {
        let all = networks.iter().flat_map(|network| {
            network.subnets.iter().enumerate().map(move |(index, subnet)| (network, index, subnet))
        });
        let mut named = all.filter(|(network, index, subnet)| {
            subnet.name.as_deref() == Some(key)
                || subnet.cidr() == key
                || (*index == 0 && network.name == key)
        });
        let Some((network, _, subnet)) = named.next() else {
            return Err(format!(
                "there is no subnet `{key}`; `billet network list -o yaml` shows what there is"
            ));
        };
        let place = Self { network, subnet };
        if subnet.static_ranges.is_empty() {
            return Err(format!(
                "subnet `{key}` has no `static_ranges` in the configuration file, so that no address can be taken from it"
            ));
        }
        Ok(place)
    }

    /// What it is called.
    pub(crate) fn name(&self) -> String {
        let link = std::ptr::eq(self.network.link(), self.subnet);
        let own = if link { Some(&self.network.name) } else { self.subnet.name.as_ref() };
        own.cloned().unwrap_or_else(|| self.subnet.cidr())
    }

    /// Whether exactly this address may be taken.
    ///
    /// # Errors
    /// A sentence when it may not.
    pub(crate) fn check(&self, address: Ipv4Addr) -> Result<(), String> {
        if self.subnet.is_static(address) {
            return Ok(());
        }
        let ranges: Vec<_> =
            self.subnet.static_ranges.iter().map(|(first, last)| format!("{first} to {last}")).collect();
        Err(format!(
            "{address} is not among the static addresses of subnet `{}`: {}",
            self.name(),
            ranges.join(", ")
        ))
    }

    /// The first address that nobody has, after so many others; the last one if there are fewer.
    pub(crate) fn free(&self, taken: &BTreeSet<Ipv4Addr>, skip: usize) -> Option<Ipv4Addr> {
        let numbers =
            self.subnet.static_ranges.iter().flat_map(|(first, last)| u32::from(*first)..=u32::from(*last));
        let mut last = None;
        for (count, address) in
            numbers.map(Ipv4Addr::from).filter(|a| !taken.contains(a) && !self.is_told(*a)).enumerate()
        {
            last = Some(address);
            if count == skip {
                break;
            }
        }
        last
    }

    /// Whether clients are told of it as somebody's: it is given only to who asks for exactly this one.
    fn is_told(&self, address: Ipv4Addr) -> bool {
        let told = &self.subnet.told;
        told.dns.contains(&address)
            || told.ntp.contains(&address)
            || told.routes.iter().any(|route| route.via == address)
            || self.network.known_servers.contains(&address)
    }

    /// How many static addresses it has.
    pub(crate) fn size(&self) -> u64 {
        let ranges = self.subnet.static_ranges.iter();
        ranges.map(|(first, last)| u64::from(u32::from(*last) - u32::from(*first)) + 1).sum()
    }

    /// That none is left.
    pub(crate) fn exhausted(&self) -> String {
        format!(
            "no static address of subnet `{}` is free: all {} are taken, or are the network's own servers; `billet address list` shows by whom. Release one, or widen `static_ranges`",
            self.name(),
            self.size()
        )
    }
}

/// Whether an address is among the static ones of a network.
pub(crate) fn is_static(network: &Network, address: Ipv4Addr) -> bool {
    network.subnets.iter().any(|subnet| subnet.is_static(address))
}

/// Keeps addresses that are taken from being leased, where the configuration was changed so that DHCP would have them.
pub(crate) fn keep(networks: &mut [Network], taken: &[(String, Ipv4Addr)]) {
    for (_, address) in taken {
        let subnets = networks.iter_mut().flat_map(|network| &mut network.subnets);
        for subnet in subnets.filter(|subnet| subnet.leases(*address)) {
            tracing::warn!(%address, "a static address is in a range of DHCP; it is not leased, exclude it there");
            subnet.exclude.push((*address, *address));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, last)
    }

    fn networks() -> Vec<Network> {
        let mut network = Network::new("lab", "eth1", host(1), (host(0), 24));
        network.subnets[0].static_ranges = vec![(host(200), host(202)), (host(210), host(210))];
        let far = Subnet { name: Some("far".into()), ..Subnet::new(Ipv4Addr::new(10, 78, 0, 0), 24) };
        network.subnets.push(far);
        vec![network]
    }

    #[test]
    fn subnets_are_found_by_name_network_and_cidr() {
        let networks = networks();
        for key in ["lab", "10.77.0.0/24"] {
            assert_eq!(Place::find(&networks, key).unwrap().name(), "lab");
        }
        assert!(Place::find(&networks, "nowhere").unwrap_err().contains("no subnet `nowhere`"));
        assert!(Place::find(&networks, "far").unwrap_err().contains("no `static_ranges`"));
    }

    #[test]
    fn free_addresses_are_those_that_nobody_has_in_their_order() {
        let networks = networks();
        let place = Place::find(&networks, "lab").unwrap();
        let mut taken = BTreeSet::from([host(200)]);
        assert_eq!((place.size(), place.free(&taken, 0)), (4, Some(host(201))));
        assert_eq!((place.free(&taken, 2), place.free(&taken, 9)), (Some(host(210)), Some(host(210))));
        taken.extend([host(201), host(202), host(210)]);
        assert_eq!(place.free(&taken, 0), None);
        assert!(place.exhausted().contains("all 4 are taken"));
        assert!(place.check(host(210)).is_ok());
        assert!(place.check(host(203)).unwrap_err().contains("10.77.0.200 to 10.77.0.202"));
        let mut networks = super::tests::networks();
        networks[0].subnets[0].ranges = vec![(host(100), host(110))];
        keep(&mut networks, &[("lab".into(), host(105)), ("lab".into(), host(200))]);
        assert_eq!(networks[0].subnets[0].exclude, [(host(105), host(105))]);
        assert!(is_static(&networks[0], host(202)) && !is_static(&networks[0], host(203)));
    }
}

//! A network in which every value was checked.

use super::Cidr;
use provisioner_api::{BondSpec, BridgeSpec, NicMatch, VlanSpec};
use std::net::IpAddr;

/// A network. Names are unique, and what refers to one refers to one that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Model {
    pub(super) interfaces: Vec<Interface>,
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) mtu: Option<u32>,
    pub(super) dhcp4: bool,
    pub(super) dhcp6: bool,
    /// Addresses that are known.
    pub(super) addresses: Vec<Cidr>,
    /// Whether there are others, still to be taken out of the address plan.
    pub(super) open: bool,
    /// The default routers that are known: for IPv4, for IPv6.
    pub(super) gateways: [Option<IpAddr>; 2],
    pub(super) routes: Vec<Route>,
    pub(super) dns: Vec<IpAddr>,
    pub(super) search: Vec<String>,
}

/// What an interface is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Nic(NicMatch),
    Bond(BondSpec),
    Vlan(VlanSpec),
    Bridge(BridgeSpec),
}

impl Kind {
    /// The interfaces that it is made of.
    pub(super) fn members(&self) -> &[String] {
        match self {
            Self::Bond(bond) => &bond.members,
            Self::Bridge(bridge) => &bridge.members,
            Self::Nic(_) | Self::Vlan(_) => &[],
        }
    }

    /// The field that holds it.
    pub(super) fn field(&self) -> &'static str {
        match self {
            Self::Nic(_) => "nic",
            Self::Bond(_) => "bond",
            Self::Vlan(_) => "vlan",
            Self::Bridge(_) => "bridge",
        }
    }
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) to: Cidr,
    pub(super) via: IpAddr,
    pub(super) metric: Option<u32>,
}

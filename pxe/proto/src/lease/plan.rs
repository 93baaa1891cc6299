//! The address plan of a network: which addresses are handed out, and how they are divided into blocks.
//!
//! The values are checked already (configuration); what makes no sense here is merely never handed out.

use super::{Block, span::Spans};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// How many blocks a subnet is divided into, as long as they stay within the sizes below.
const BLOCKS: u64 = 256;
/// Smallest and largest block.
const BLOCK_SIZES: (u64, u64) = (16, 65_536);

/// One subnet, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetPlan {
    /// Any address of it.
    pub address: Ipv4Addr,
    /// Length of its prefix.
    pub prefix: u8,
    /// The relay that also reaches it, beside a relay inside it: subnets with the same one are alternatives.
    pub relay: Option<Ipv4Addr>,
    /// What is handed out: first and last address of each range.
    pub ranges: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// What of it is not: first and last address.
    pub exclude: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// Addresses that are never a client's: our own, the routers'.
    pub own: Vec<Ipv4Addr>,
}

/// The address plan of a network.
#[derive(Debug, Clone)]
pub struct Plan {
    subnets: Vec<Subnet>,
    /// First address of each subnet and its index.
    index: BTreeMap<u32, usize>,
}

#[derive(Debug, Clone)]
struct Subnet {
    first: u32,
    last: u32,
    block: u32,
    /// The index of one of the subnets that are alternatives to each other, the same for all of them.
    link: usize,
    pool: Spans,
    own: Vec<Ipv4Addr>,
}

/// Why an address can't be reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReservationProblem {
    /// No subnet of the network has it.
    #[error("{address} is in no subnet of this network")]
    Outside {
        /// The address.
        address: Ipv4Addr,
    },
    /// The first or last address of its subnet.
    #[error("{address} is the network's or the broadcast address of its subnet, no host's")]
    NoHost {
        /// The address.
        address: Ipv4Addr,
    },
    /// Ours or a router's.
    #[error("{address} is our own address or a router's")]
    Own {
        /// The address.
        address: Ipv4Addr,
    },
}

impl Plan {
    /// Makes the plan; the order of the subnets is that of [`Ask::subnet`](super::Ask::subnet).
    #[must_use]
    pub fn new(subnets: &[SubnetPlan]) -> Self {
        let mut made: Vec<Subnet> =
            subnets.iter().enumerate().map(|(number, subnet)| Subnet::new(subnet, number)).collect();
        let index: BTreeMap<u32, usize> =
            made.iter().enumerate().map(|(number, subnet)| (subnet.first, number)).collect();
        for number in 0..made.len() {
            let Some(relay) = subnets[number].relay else { continue };
            // The subnet that the relay itself is in, else the first that names the same relay.
            let inside = made.iter().position(|subnet| subnet.has(u32::from(relay)));
            let same = subnets.iter().position(|subnet| subnet.relay == Some(relay));
            made[number].link = inside.or(same).unwrap_or(number);
        }
        Plan { subnets: made, index }
    }

    /// How many subnets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.subnets.len()
    }

    /// Whether there is no subnet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.subnets.is_empty()
    }

    /// The subnet that an address is in.
    #[must_use]
    pub fn subnet_of(&self, address: Ipv4Addr) -> Option<usize> {
        self.number(u32::from(address))
    }

    /// Whether an address can be reserved.
    ///
    /// # Errors
    /// Why not.
    pub fn check_reservation(&self, address: Ipv4Addr) -> Result<(), ReservationProblem> {
        let Some(number) = self.subnet_of(address) else {
            return Err(ReservationProblem::Outside { address });
        };
        let subnet = &self.subnets[number];
        if subnet.own.contains(&address) {
            return Err(ReservationProblem::Own { address });
        }
        let (first, last) = subnet.hosts();
        if !(first..=last).contains(&u32::from(address)) {
            return Err(ReservationProblem::NoHost { address });
        }
        Ok(())
    }

    /// The blocks that contain addresses to hand out.
    #[must_use]
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        for subnet in &self.subnets {
            let mut next = subnet.first;
            while let Some((start, _)) = subnet.pool.within(next, subnet.last).next() {
                let block = subnet.block_of(start);
                blocks.push(block);
                match block.last.checked_add(1) {
                    Some(first) if first <= subnet.last => next = first,
                    _ => break,
                }
            }
        }
        blocks
    }

    /// The block that an address of a subnet belongs to.
    #[must_use]
    pub fn block_of(&self, address: Ipv4Addr) -> Option<Block> {
        let number = self.subnet_of(address)?;
        Some(self.subnets[number].block_of(u32::from(address)))
    }

    /// The subnet that an address is in.
    pub(super) fn number(&self, address: u32) -> Option<usize> {
        let (_, &number) = self.index.range(..=address).next_back()?;
        self.subnets[number].has(address).then_some(number)
    }

    /// The link that a subnet is on: subnets with the same one are alternatives.
    pub(super) fn link(&self, subnet: usize) -> Option<usize> {
        self.subnets.get(subnet).map(|subnet| subnet.link)
    }

    /// The link that an address belongs to.
    pub(super) fn link_of(&self, address: u32) -> Option<usize> {
        self.number(address).map(|number| self.subnets[number].link)
    }

    /// The subnets of the same link, the given one first.
    pub(super) fn alternatives(&self, subnet: usize) -> impl Iterator<Item = usize> + '_ {
        let link = self.link(subnet);
        let others = (0..self.subnets.len())
            .filter(move |&other| other != subnet && link.is_some() && self.link(other) == link);
        link.map(|_| subnet).into_iter().chain(others)
    }

    /// What a subnet hands out.
    pub(super) fn pool(&self, subnet: usize) -> &Spans {
        &self.subnets[subnet].pool
    }

    /// Whether an address is handed out, and in which subnet.
    pub(super) fn pooled(&self, address: u32) -> Option<usize> {
        self.number(address).filter(|&number| self.subnets[number].pool.contains(address))
    }
}

impl Subnet {
    fn new(plan: &SubnetPlan, link: usize) -> Self {
        let bits = 32 - u32::from(plan.prefix.min(32));
        let size = 1u64 << bits;
        let mask = u32::try_from(size - 1).unwrap_or(u32::MAX);
        let first = u32::from(plan.address) & !mask;
        // Both are powers of two, so every block is aligned, and its size depends on the prefix alone: replicas
        // with different ranges still agree on the blocks.
        let block = (size / BLOCKS).clamp(BLOCK_SIZES.0, BLOCK_SIZES.1);
        let mut subnet = Subnet {
            first,
            last: first | mask,
            block: u32::try_from(block).unwrap_or(u32::MAX),
            link,
            pool: Spans::default(),
            own: plan.own.clone(),
        };
        let (low, high) = subnet.hosts();
        for &(from, to) in &plan.ranges {
            let (from, to) = (u32::from(from).max(low), u32::from(to).min(high));
            if from <= to {
                subnet.pool.insert(from, to);
            }
        }
        for &(from, to) in &plan.exclude {
            let (from, to) = (u32::from(from), u32::from(to));
            if from <= to {
                subnet.pool.remove(from, to);
            }
        }
        for &own in &plan.own {
            subnet.pool.remove(own.into(), own.into());
        }
        subnet
    }

    fn has(&self, address: u32) -> bool {
        (self.first..=self.last).contains(&address)
    }

    /// First and last host address; a /31 or /32 has no network or broadcast address (RFC 3021).
    fn hosts(&self) -> (u32, u32) {
        if self.last - self.first < 2 { (self.first, self.last) } else { (self.first + 1, self.last - 1) }
    }

    fn block_of(&self, address: u32) -> Block {
        let first = address & !(self.block - 1);
        let last = first | (self.block - 1);
        // A subnet smaller than a block is one block.
        Block { first: first.max(self.first), last: last.min(self.last) }
    }
}

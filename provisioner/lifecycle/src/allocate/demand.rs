//! What is asked for, and what is offered. Whether one fits the other is for `fit`.

use crate::{
    disk::DiskWish,
    machine::{Machine, Owner, OwnerName},
    ram::Ram,
};
use provisioner_api::{DiskHints, InstanceId, LabelExpression, MachineId, Minimum, NicMatch, Spread};
use std::collections::BTreeMap;

/// An instance that waits for a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its id.
    pub id: InstanceId,
    /// Its name: a machine remembers who had it.
    pub name: String,
    /// The machine that it wants, when exactly one will do.
    pub wanted: Option<MachineId>,
    /// The pool to choose from; when exactly one machine will do, the pool that it has to be of then, if any is said.
    pub pool: Option<String>,
    /// Labels that the machine must have.
    pub selector: BTreeMap<String, String>,
    /// More that its labels must be.
    pub expressions: Vec<LabelExpression>,
    /// The least that it must have.
    pub minimum: Minimum,
    /// The network cards that it names.
    pub nics: Vec<NicMatch>,
    /// The zone that it must be in.
    pub zone: Option<String>,
    /// Whom it shall be far from.
    pub spread: Option<Spread>,
    /// The machine that it takes rather than another.
    pub prefer: Option<MachineId>,
    /// Rather the machine that one of its name had last, or else one of its group.
    pub sticky: bool,
    /// SHA-256 of the image's manifest.
    pub manifest: String,
    /// Bytes of the disk that the image makes.
    pub disk_bytes: u64,
    /// The image runs from RAM, and needs no disk.
    pub ram: Option<Ram>,
    /// The architecture that it needs.
    pub architecture: Option<String>,
    /// The disk that the user named.
    pub root_disk_serial: Option<String>,
    /// What else the user said of the disk.
    pub root_disk: Option<DiskHints>,
}

/// The pool of machines and instances that name none.
const DEFAULT_POOL: &str = "default";

impl Pending {
    /// The pool that its machine has to be of; a machine that is named may be of any, if none is said.
    pub fn pool(&self) -> &str {
        self.pool.as_deref().unwrap_or(DEFAULT_POOL)
    }

    /// Whether it matters to it which of those that fit it gets.
    pub(super) fn is_choosy(&self) -> bool {
        self.wanted.is_none() && (self.spread.is_some() || self.prefer.is_some() || self.sticky)
    }

    /// The group that it is spread with.
    pub(super) fn group(&self) -> Option<&str> {
        self.spread.as_ref().map(|spread| spread.group.as_str())
    }

    pub(super) fn owner(&self) -> Owner {
        Owner {
            instance: self.id,
            name: OwnerName { name: self.name.clone(), group: self.group().map(Into::into) },
            manifest: self.manifest.clone(),
            disk_bytes: self.disk_bytes,
            ram: self.ram,
            installation: 0,
            adopted: false,
            rescue: None,
            root_disk_serial: self.root_disk_serial.clone(),
            // Said also where nothing was: what is not said is of an earlier version, which took the smallest.
            root_disk: Some(self.root_disk.clone().unwrap_or_default()),
            release: None,
            least: None,
        }
    }

    fn demand(&self) -> Demand<'_> {
        Demand {
            wanted: self.wanted,
            pool: self.pool(),
            pool_asked: self.pool.is_some(),
            selector: &self.selector,
            expressions: &self.expressions,
            minimum: &self.minimum,
            nics: &self.nics,
            zone: self.zone.as_deref(),
            architecture: self.architecture.as_deref(),
            disk_bytes: self.disk_bytes,
            ram: self.ram,
            root_disk_serial: self.root_disk_serial.as_deref(),
            root_disk: self.root_disk.as_ref(),
        }
    }
}

/// All that fitting goes by: what doesn't fit one doesn't fit any other that asks for the same. A thousand instances of
/// one image are compared with each machine once, not a thousand times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Demand<'a> {
    pub(super) wanted: Option<MachineId>,
    pub(super) pool: &'a str,
    /// Whether somebody said so.
    pub(super) pool_asked: bool,
    pub(super) selector: &'a BTreeMap<String, String>,
    pub(super) expressions: &'a [LabelExpression],
    pub(super) minimum: &'a Minimum,
    pub(super) nics: &'a [NicMatch],
    pub(super) zone: Option<&'a str>,
    pub(super) architecture: Option<&'a str>,
    pub(super) disk_bytes: u64,
    pub(super) ram: Option<Ram>,
    pub(super) root_disk_serial: Option<&'a str>,
    pub(super) root_disk: Option<&'a DiskHints>,
}

impl<'a> Demand<'a> {
    /// What it asks of the disk.
    pub(super) fn disk_wish(&self) -> DiskWish<'a> {
        let (named, hints) = (self.root_disk_serial, self.root_disk);
        DiskWish { named, hints, system: None, need: self.disk_bytes }
    }
}

/// What is asked for, each once, and who asks for which.
#[derive(Debug)]
pub(super) struct Demands<'a> {
    pub(super) list: Vec<Demand<'a>>,
    pub(super) of: Vec<usize>,
}

impl<'a> Demands<'a> {
    pub(super) fn new(pending: &'a [Pending]) -> Self {
        let mut numbers = BTreeMap::new();
        let mut list = Vec::new();
        let of = pending.iter().map(|pending| {
            let demand = pending.demand();
            *numbers.entry(demand).or_insert_with(|| {
                list.push(demand);
                list.len() - 1
            })
        });
        let of = of.collect();
        Self { list, of }
    }
}

/// A machine that may be chosen.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// Its name.
    pub name: &'a str,
    /// Its pool.
    pub pool: &'a str,
    /// The MAC addresses that it boots from, the first one first.
    pub macs: &'a [String],
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
    /// Where it stands.
    pub place: Place<'a>,
}

/// Where a machine stands. What isn't said is a place of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place<'a> {
    /// Its zone.
    pub zone: Option<&'a str>,
    /// Its rack within the zone.
    pub rack: Option<&'a str>,
}

/// A machine that somebody of a group has.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// The group.
    pub group: &'a str,
    /// Where the machine stands.
    pub place: Place<'a>,
}

/// An instance gets a machine: both rows change in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Which instance: its place in the list of those that wait.
    pub pending: usize,
    /// Which machine.
    pub machine: MachineId,
    /// What the machine is told.
    pub owner: Owner,
}

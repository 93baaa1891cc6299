//! Which instance gets which machine: one decision for all instances that wait, in the order in which they were asked
//! for.
//!
//! First whoever names a machine gets that one, the oldest if several do: no other will do for them, and one that takes
//! any may find another. Then each takes the first machine, in the order in which machines are offered, that fits it and
//! that nobody took before. So no machine is given twice, and who stays without one stays so because every machine that
//! fits it went to an older instance or to one that names it. Machines may be offered page by page: the outcome is the same, and nobody has to load ten thousand machines
//! to place one instance.
//!
//! Deliberately not here: the order of machines, and that both rows still are what this was decided on; the store
//! compares and sets.

use crate::{
    disk::{NoDisk, choose_root_disk},
    machine::{Machine, Owner},
    wipe::unwiped,
};
use provisioner_api::{InstanceId, MachineId, MachineState};
use std::collections::{BTreeMap, BTreeSet};

/// An instance that waits for a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its id.
    pub id: InstanceId,
    /// The machine that it wants, when exactly one will do.
    pub wanted: Option<MachineId>,
    /// The pool to choose from, when any machine will do.
    pub pool: Option<String>,
    /// Labels that the machine must have.
    pub selector: BTreeMap<String, String>,
    /// SHA-256 of the image's manifest.
    pub manifest: String,
    /// Bytes of the disk that the image makes.
    pub disk_bytes: u64,
    /// The image's architecture.
    pub architecture: Option<String>,
    /// The disk that the user named.
    pub root_disk_serial: Option<String>,
}

/// The pool of machines and instances that name none.
const DEFAULT_POOL: &str = "default";

impl Pending {
    /// The pool that its machine has to be of; a machine that is named may be of any.
    pub fn pool(&self) -> &str {
        self.pool.as_deref().unwrap_or(DEFAULT_POOL)
    }

    fn owner(&self) -> Owner {
        Owner {
            instance: self.id,
            manifest: self.manifest.clone(),
            disk_bytes: self.disk_bytes,
            root_disk_serial: self.root_disk_serial.clone(),
            release: None,
        }
    }

    fn demand(&self) -> Demand<'_> {
        Demand {
            wanted: self.wanted,
            pool: self.pool(),
            selector: &self.selector,
            architecture: self.architecture.as_deref(),
            disk_bytes: self.disk_bytes,
            root_disk_serial: self.root_disk_serial.as_deref(),
        }
    }
}

/// All that fitting goes by: what doesn't fit one doesn't fit any other that asks for the same. A thousand instances of
/// one image are compared with each machine once, not a thousand times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Demand<'a> {
    wanted: Option<MachineId>,
    pool: &'a str,
    selector: &'a BTreeMap<String, String>,
    architecture: Option<&'a str>,
    disk_bytes: u64,
    root_disk_serial: Option<&'a str>,
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
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
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

/// One decision for all that wait.
#[derive(Debug)]
pub struct Allocation<'a> {
    pending: &'a [Pending],
    demands: Demands<'a>,
    /// Those that have none yet, in the order in which they were asked for.
    open: Vec<usize>,
    /// Of these, who names which machine.
    named: BTreeMap<MachineId, Vec<usize>>,
    taken: BTreeSet<MachineId>,
}

impl<'a> Allocation<'a> {
    /// `pending` in the order in which they were asked for.
    pub fn new(pending: &'a [Pending]) -> Self {
        let open = (0..pending.len()).collect();
        let mut named: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (place, one) in pending.iter().enumerate() {
            if let Some(wanted) = one.wanted {
                named.entry(wanted).or_default().push(place);
            }
        }
        Self { pending, demands: Demands::new(pending), open, named, taken: BTreeSet::new() }
    }

    /// Offers machines, in the order in which they are to be taken, and answers who gets which. A machine may be
    /// offered again; it is given away once.
    pub fn offer(&mut self, machines: &[Candidate<'_>]) -> Vec<Grant> {
        let mut free: Vec<_> = machines
            .iter()
            .filter(|one| !self.taken.contains(&one.machine.id) && obstacle(one.machine).is_none())
            .collect();
        let mut grants = self.give_named(&mut free);
        let mut tried = vec![false; self.demands.list.len()];
        self.open.retain(|pending| {
            let number = self.demands.of[*pending];
            if tried[number] || free.is_empty() || self.pending[*pending].wanted.is_some() {
                return true;
            }
            let fitting = free.iter().position(|one| unfit(&self.demands.list[number], one).is_none());
            let Some(place) = fitting else {
                tried[number] = true;
                return true;
            };
            let machine = free.remove(place).machine.id;
            self.taken.insert(machine);
            grants.push(Grant { pending: *pending, machine, owner: self.pending[*pending].owner() });
            false
        });
        grants
    }

    /// Gives machines to those that name them, and leaves the others.
    fn give_named(&mut self, free: &mut Vec<&Candidate<'_>>) -> Vec<Grant> {
        let Self { pending, demands, open, named, taken } = self;
        let mut grants = Vec::new();
        free.retain(|one| {
            let machine = one.machine.id;
            let Some(those) = named.get_mut(&machine) else { return true };
            let fits = |place: &usize| unfit(&demands.list[demands.of[*place]], one).is_none();
            let Some(first) = those.iter().position(fits) else { return true };
            let place = those.remove(first);
            taken.insert(machine);
            grants.push(Grant { pending: place, machine, owner: pending[place].owner() });
            false
        });
        let given: BTreeSet<_> = grants.iter().map(|grant| grant.pending).collect();
        open.retain(|place| !given.contains(place));
        grants
    }

    /// The pools that those who have none yet choose from.
    pub fn pools(&self) -> BTreeSet<&'a str> {
        let open = self.open.iter().map(|pending| &self.pending[*pending]);
        open.filter(|pending| pending.wanted.is_none()).map(Pending::pool).collect()
    }

    /// Those that have none yet, by their places in the list.
    pub fn open(&self) -> &[usize] {
        &self.open
    }
}

/// What is asked for, each once, and who asks for which.
#[derive(Debug)]
struct Demands<'a> {
    list: Vec<Demand<'a>>,
    of: Vec<usize>,
}

impl<'a> Demands<'a> {
    fn new(pending: &'a [Pending]) -> Self {
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

/// Why an instance gets no machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shortage {
    /// It has to wait; these are the reasons.
    Wait(String),
    /// Nothing will ever fit without a change; a person must decide.
    Hold(String),
}

/// Says why, from a look at every machine there is.
#[derive(Debug)]
pub struct Shortages<'a> {
    demands: Demands<'a>,
    /// By demand: what stands in the way of how many machines.
    reasons: Vec<BTreeMap<&'static str, usize>>,
    /// By demand: what became of the machine that exactly is wanted.
    named: Vec<Option<Shortage>>,
    machines: usize,
}

impl<'a> Shortages<'a> {
    /// For these.
    pub fn new(pending: &'a [Pending]) -> Self {
        let demands = Demands::new(pending);
        let (reasons, named) = (vec![BTreeMap::new(); demands.list.len()], vec![None; demands.list.len()]);
        Self { demands, reasons, named, machines: 0 }
    }

    /// Sees one machine; each must be seen once.
    pub fn see(&mut self, one: &Candidate<'_>) {
        self.machines += 1;
        for (number, demand) in self.demands.list.iter().enumerate() {
            match demand.wanted {
                Some(wanted) if wanted == one.machine.id => self.named[number] = Some(named(demand, one)),
                Some(_) => {}
                None => {
                    let why = unfit(demand, one).map_or("just freed", |why| why.words());
                    *self.reasons[number].entry(why).or_default() += 1;
                }
            }
        }
    }

    /// Sees one whose records can't be read: it is there, and given to nobody.
    pub fn see_damaged(&mut self, id: MachineId) {
        self.machines += 1;
        for (number, demand) in self.demands.list.iter().enumerate() {
            match demand.wanted {
                Some(wanted) if wanted == id => {
                    let why = "the machine that it wants has to be readable again: its records are damaged";
                    self.named[number] = Some(Shortage::Wait(why.into()));
                }
                Some(_) => {}
                None => *self.reasons[number].entry("with damaged records").or_default() += 1,
            }
        }
    }

    /// Why this one gets none, by its place in the list.
    pub fn of(&self, pending: usize) -> Shortage {
        let number = self.demands.of[pending];
        if self.demands.list[number].wanted.is_some() {
            let gone = || Shortage::Wait("the machine that it wants is gone".into());
            return self.named[number].clone().unwrap_or_else(gone);
        }
        if self.machines == 0 {
            return Shortage::Wait("there are no machines yet; `billet machine add` adds one".into());
        }
        let list: Vec<_> = self.reasons[number].iter().map(|(why, count)| format!("{count} {why}")).collect();
        Shortage::Wait(format!("no machine fits: {} machines: {}", self.machines, list.join(", ")))
    }
}

/// Why exactly this machine is not given.
fn named(demand: &Demand<'_>, one: &Candidate<'_>) -> Shortage {
    match unfit(demand, one) {
        // Exactly this machine is wanted and its disks can't hold the image: waiting won't mend it.
        Some(Unfit::Disk(why)) => Shortage::Hold(why.to_string()),
        why => {
            let why = why.map_or("just freed", |why| why.words());
            Shortage::Wait(format!("machine {} has to become free: it is {why}", one.name))
        }
    }
}

/// Why a machine doesn't do.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Unfit {
    Other,
    OtherPool,
    Labels,
    Architecture,
    NotAccepted,
    Maintenance,
    Retired,
    Protected,
    Unwiped,
    Taken,
    Held,
    NoBmc,
    BmcTrouble,
    Busy,
    Disk(NoDisk),
}

impl Unfit {
    fn words(&self) -> &'static str {
        match self {
            Self::Other => "others",
            Self::OtherPool => "in other pools",
            Self::Labels => "without the wanted labels",
            Self::Architecture => "of another architecture",
            Self::NotAccepted => "not accepted",
            Self::Maintenance => "in maintenance",
            Self::Retired => "retired",
            Self::Protected => "protected",
            Self::Unwiped => "with a disk that was left unwiped",
            Self::Taken => "taken",
            Self::Held => "held",
            Self::NoBmc => "without a BMC",
            Self::BmcTrouble => "with a BMC that doesn't answer",
            Self::Busy => "not yet available",
            Self::Disk(_) => "without a disk that fits the image",
        }
    }
}

/// What stands in the way of giving a machine to anybody.
fn obstacle(machine: &Machine) -> Option<Unfit> {
    let reasons = [
        (!machine.want.accepted).then_some(Unfit::NotAccepted),
        machine.want.owner.is_some().then_some(Unfit::Taken),
        machine.want.maintenance.then_some(Unfit::Maintenance),
        machine.want.retired.then_some(Unfit::Retired),
        machine.want.protected.then_some(Unfit::Protected),
        unwiped(machine).is_some().then_some(Unfit::Unwiped),
        machine.state.hold.is_some().then_some(Unfit::Held),
        (!machine.want.bmc).then_some(Unfit::NoBmc),
        (machine.state.name != MachineState::Available || machine.want.inspect > machine.state.inspect)
            .then_some(Unfit::Busy),
    ];
    reasons.into_iter().flatten().next()
}

/// What stands in the way of giving a machine to one that asks for this; what can't change soon comes first.
fn unfit(demand: &Demand<'_>, one: &Candidate<'_>) -> Option<Unfit> {
    let machine = one.machine;
    let named = match demand.wanted {
        Some(wanted) if wanted != machine.id => return Some(Unfit::Other),
        wanted => wanted.is_some(),
    };
    if !named && one.pool != demand.pool {
        return Some(Unfit::OtherPool);
    }
    if !demand.selector.iter().all(|(key, value)| one.labels.get(key) == Some(value)) {
        return Some(Unfit::Labels);
    }
    let inventory = machine.facts.inventory.as_deref();
    let other = |wanted: &str| inventory.is_some_and(|inventory| inventory.architecture != wanted);
    if demand.architecture.is_some_and(other) {
        return Some(Unfit::Architecture);
    }
    if let Some(obstacle) = obstacle(machine) {
        return Some(obstacle);
    }
    let disk = choose_root_disk(inventory, demand.root_disk_serial, demand.disk_bytes);
    if let Some(why) = disk.err().filter(|why| *why != NoDisk::NoInventory) {
        return Some(Unfit::Disk(why));
    }
    (!named && machine.facts.bmc_trouble.is_some()).then_some(Unfit::BmcTrouble)
}

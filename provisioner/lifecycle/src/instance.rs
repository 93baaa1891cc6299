//! Instances: which machine they get, and when they are gone.
//!
//! How a machine is deployed is the machine's job; an instance only follows it.

use crate::{
    disk::{NoDisk, choose_root_disk},
    machine::{Machine, Owner},
};
use provisioner_api::{ErasePolicy, InstanceId, InstanceState, MachineId, MachineState};
use std::collections::BTreeMap;

/// What deciding needs to know of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Where it is.
    pub state: InstanceState,
    /// The machine that it has.
    pub machine: Option<MachineId>,
    /// The machine that it wants, when exactly one will do.
    pub wanted: Option<MachineId>,
    /// The pool to choose from, when any will do.
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
    /// It is to be given back; how its disks are wiped.
    pub release: Option<ErasePolicy>,
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

/// What is to be done with an instance now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceDecision {
    /// Give it this machine: both rows change in one transaction.
    Allocate {
        /// Which.
        machine: MachineId,
        /// What the machine is told.
        owner: Owner,
    },
    /// Tell its machine that it is given back.
    GiveBack {
        /// Which.
        machine: MachineId,
        /// How to wipe.
        erase: ErasePolicy,
    },
    /// Its state is another now.
    Move(InstanceState),
    /// It is gone: forget it, and its machine forgets it too.
    Gone,
    /// Nothing fits; these are the reasons.
    Wait(String),
    /// Nothing will ever fit without a change; a person must decide.
    Hold(String),
    /// It follows its machine.
    Done,
}

/// Decides about an instance. `own` is the machine that it has; `candidates` are all machines, for choosing one.
pub fn decide_instance(
    instance: &Instance,
    own: Option<&Machine>,
    candidates: &[Candidate<'_>],
) -> InstanceDecision {
    match (instance.machine, own) {
        (None, _) if instance.release.is_some() => InstanceDecision::Gone,
        (None, _) => allocate(instance, candidates),
        (Some(_), None) if instance.release.is_some() => InstanceDecision::Gone,
        (Some(_), None) => InstanceDecision::Hold("its machine is gone from the records".into()),
        (Some(_), Some(machine)) => follow(instance, machine),
    }
}

fn follow(instance: &Instance, machine: &Machine) -> InstanceDecision {
    let owner = machine.want.owner.as_ref().filter(|owner| owner.instance == instance.id);
    let move_to =
        |state| if instance.state == state { InstanceDecision::Done } else { InstanceDecision::Move(state) };
    match (owner, instance.release) {
        // Ownership ends only through `disown`, in the transaction that forgets the instance.
        (None, _) => InstanceDecision::Hold("its machine no longer knows it".into()),
        (Some(owner), Some(erase))
            if owner.release.is_none() || (machine.state.hold.is_some() && owner.release != Some(erase)) =>
        {
            InstanceDecision::GiveBack { machine: machine.id, erase }
        }
        (Some(_), Some(_)) if machine.state.name == MachineState::Available => InstanceDecision::Gone,
        (Some(_), Some(_)) => move_to(InstanceState::Releasing),
        (Some(_), None) if machine.state.name == MachineState::Deployed => move_to(InstanceState::Running),
        (Some(_), None) => move_to(InstanceState::Deploying),
    }
}

/// Why a machine doesn't do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Unfit {
    OtherPool,
    Labels,
    Architecture,
    NotAccepted,
    Maintenance,
    Taken,
    Held,
    NoBmc,
    BmcTrouble,
    Busy,
    Disk(String),
}

impl Unfit {
    fn words(&self) -> String {
        match self {
            Self::OtherPool => "in other pools".into(),
            Self::Labels => "without the wanted labels".into(),
            Self::Architecture => "of another architecture".into(),
            Self::NotAccepted => "not accepted".into(),
            Self::Maintenance => "in maintenance".into(),
            Self::Taken => "taken".into(),
            Self::Held => "held".into(),
            Self::NoBmc => "without a BMC".into(),
            Self::BmcTrouble => "with a BMC that doesn't answer".into(),
            Self::Busy => "not yet available".into(),
            Self::Disk(_) => "without a disk that fits the image".into(),
        }
    }
}

fn allocate(instance: &Instance, candidates: &[Candidate<'_>]) -> InstanceDecision {
    let scope: Vec<_> =
        candidates.iter().filter(|one| instance.wanted.is_none_or(|id| id == one.machine.id)).collect();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for one in &scope {
        match unfit(instance, one) {
            None => {
                let owner = Owner {
                    instance: instance.id,
                    manifest: instance.manifest.clone(),
                    disk_bytes: instance.disk_bytes,
                    root_disk_serial: instance.root_disk_serial.clone(),
                    release: None,
                };
                return InstanceDecision::Allocate { machine: one.machine.id, owner };
            }
            // Exactly this machine is wanted and its disks can't hold the image: waiting won't mend it.
            Some(Unfit::Disk(why)) if instance.wanted.is_some() => return InstanceDecision::Hold(why),
            Some(why) => *reasons.entry(why.words()).or_default() += 1,
        }
    }
    InstanceDecision::Wait(match (instance.wanted, scope.first()) {
        (Some(_), Some(one)) => {
            let why = reasons.keys().next().cloned().unwrap_or_default();
            format!("machine {} has to become free: it is {why}", one.name)
        }
        (Some(_), None) => "the machine that it wants is gone".into(),
        (None, None) => "there are no machines yet; `billet machine add` adds one".into(),
        (None, Some(_)) => {
            let list: Vec<_> = reasons.iter().map(|(why, count)| format!("{count} {why}")).collect();
            format!("no machine fits: {} machines: {}", scope.len(), list.join(", "))
        }
    })
}

fn unfit(instance: &Instance, one: &Candidate<'_>) -> Option<Unfit> {
    let machine = one.machine;
    let inventory = machine.facts.inventory.as_ref();
    let pool = instance.pool.as_deref().unwrap_or("default");
    let labelled = instance.selector.iter().all(|(key, value)| one.labels.get(key) == Some(value));
    let other_arch = |wanted: &String| inventory.is_some_and(|inventory| inventory.architecture != *wanted);
    let disk = choose_root_disk(inventory, instance.root_disk_serial.as_deref(), instance.disk_bytes);
    let reasons = [
        (instance.wanted.is_none() && one.pool != pool).then_some(Unfit::OtherPool),
        (!labelled).then_some(Unfit::Labels),
        instance.architecture.as_ref().is_some_and(other_arch).then_some(Unfit::Architecture),
        (!machine.want.accepted).then_some(Unfit::NotAccepted),
        machine.want.owner.is_some().then_some(Unfit::Taken),
        machine.want.maintenance.then_some(Unfit::Maintenance),
        machine.state.hold.is_some().then_some(Unfit::Held),
        (!machine.want.bmc).then_some(Unfit::NoBmc),
        (machine.state.name != MachineState::Available || machine.want.inspect > machine.state.inspect)
            .then_some(Unfit::Busy),
        disk.err().filter(|why| *why != NoDisk::NoInventory).map(|why| Unfit::Disk(why.to_string())),
        (instance.wanted.is_none() && machine.facts.bmc_trouble.is_some()).then_some(Unfit::BmcTrouble),
    ];
    reasons.into_iter().flatten().next()
}

//! Whether a machine fits what is asked for, and if not, why: the first thing that stands in the way, what can't change
//! soon before what can.

use super::{
    demand::{Candidate, Demand},
    labels,
    minimum::{self, Lack},
};
use crate::{disk::has_root_disk, machine::Machine, nics::choose_nics, service::is_asked, wipe::unwiped};
use provisioner_api::{DiskHints, MachineState};

/// Why a machine doesn't do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unfit {
    Other,
    OtherPool,
    Labels,
    Zone,
    Architecture,
    Lacks(Lack),
    Nics,
    Ram,
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
    Disk,
}

impl Unfit {
    /// In words, to go behind a number of machines.
    pub(super) fn words(self, demand: &Demand<'_>) -> String {
        let words = match self {
            Self::Disk if demand.root_disk.is_some_and(|hints| *hints != DiskHints::smallest()) => {
                let hints = demand.root_disk.map(ToString::to_string).unwrap_or_default();
                return format!("without a disk that fits the image and the hints {hints}");
            }
            Self::Zone => return format!("outside zone {}", demand.zone.unwrap_or_default()),
            Self::Lacks(lack) => return minimum::words(lack, demand.minimum),
            Self::Other => "others",
            Self::OtherPool => "in other pools",
            Self::Labels => "without the wanted labels",
            Self::Architecture => "of another architecture",
            Self::Nics => "without the network cards that are asked for",
            Self::Ram => "with less memory than the image needs",
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
            Self::Disk => "without a disk that fits the image",
        };
        words.to_owned()
    }

    /// What a person may do about it; nothing where waiting is all there is to do.
    pub(super) fn mend(self, demand: &Demand<'_>) -> Option<String> {
        let mend = match self {
            Self::Other | Self::Taken | Self::Busy => return None,
            Self::OtherPool => {
                format!("`billet machine set NAME --pool {}` moves one into that pool", demand.pool)
            }
            Self::Labels => format!(
                "the labels have to be {}: `billet machine set NAME --label KEY=VALUE` gives them to a machine",
                labels::write(demand.selector, demand.expressions)
            ),
            Self::Zone => {
                let zone = demand.zone.unwrap_or_default();
                format!("`billet machine set NAME --zone {zone}` says that a machine stands in that zone")
            }
            Self::Architecture => {
                format!(
                    "it has to be {}: ask for an image of another",
                    demand.architecture.unwrap_or_default()
                )
            }
            Self::Lacks(lack) => minimum::mend(lack).to_owned(),
            Self::Nics => "name other cards (network.interfaces), or ask for exactly the machine that is meant; `billet machine show NAME` lists a machine's, once it was inspected".into(),
            Self::Ram => "ask for an image that needs less memory (`billet image show` says how much)".into(),
            Self::NotAccepted => "`billet machine accept NAME` takes one in".into(),
            Self::Maintenance => "`billet machine set NAME --maintenance off` ends that".into(),
            Self::Retired => "`billet machine set NAME --retired off` takes it into service again".into(),
            Self::Protected => "`billet machine set NAME --protected off` ends that".into(),
            Self::Unwiped => "take that disk out, then `billet machine inspect NAME`".into(),
            Self::Held => "`billet machine list --held` says what each is held for".into(),
            Self::NoBmc => "`billet machine set NAME --bmc URL` gives it one".into(),
            Self::BmcTrouble => "`billet machine show NAME` says what its BMC answered".into(),
            Self::Disk => "ask for an image that makes a smaller disk, or for another disk".into(),
        };
        Some(mend)
    }
}

/// What stands in the way of giving a machine to anybody.
pub(super) fn obstacle(machine: &Machine) -> Option<Unfit> {
    let reasons = [
        (!machine.want.accepted).then_some(Unfit::NotAccepted),
        machine.want.owner.is_some().then_some(Unfit::Taken),
        machine.want.maintenance.then_some(Unfit::Maintenance),
        machine.want.retired.then_some(Unfit::Retired),
        machine.want.protected.then_some(Unfit::Protected),
        unwiped(machine).is_some().then_some(Unfit::Unwiped),
        machine.state.hold.is_some().then_some(Unfit::Held),
        (!machine.want.bmc).then_some(Unfit::NoBmc),
        (machine.state.name != MachineState::Available
            || machine.want.inspect > machine.state.inspect
            || is_asked(machine))
        .then_some(Unfit::Busy),
    ];
    reasons.into_iter().flatten().next()
}

/// What stands in the way of giving a machine to one that asks for this; what can't change soon comes first.
pub(super) fn unfit(demand: &Demand<'_>, one: &Candidate<'_>) -> Option<Unfit> {
    let machine = one.machine;
    let named = match demand.wanted {
        Some(wanted) if wanted != machine.id => return Some(Unfit::Other),
        wanted => wanted.is_some(),
    };
    if one.pool != demand.pool && (!named || demand.pool_asked) {
        return Some(Unfit::OtherPool);
    }
    if !labels::satisfy(one.labels, demand.selector, demand.expressions) {
        return Some(Unfit::Labels);
    }
    if demand.zone.is_some() && one.place.zone != demand.zone {
        return Some(Unfit::Zone);
    }
    let inventory = machine.facts.inventory.as_deref();
    let other = |wanted: &str| inventory.is_some_and(|inventory| inventory.architecture != wanted);
    if demand.architecture.is_some_and(other) {
        return Some(Unfit::Architecture);
    }
    if let Some(lack) = minimum::lack(inventory, demand.minimum) {
        return Some(Unfit::Lacks(lack));
    }
    if choose_nics(demand.nics, inventory, one.macs).is_err() {
        return Some(Unfit::Nics);
    }
    let seen = inventory.map_or(0, |inventory| inventory.memory_bytes);
    if demand.ram.is_some_and(|ram| ram.lacks(seen).is_some()) {
        return Some(Unfit::Ram);
    }
    if let Some(obstacle) = obstacle(machine) {
        return Some(obstacle);
    }
    let has_disk = |inventory| has_root_disk(inventory, &demand.disk_wish());
    if demand.ram.is_none() && !inventory.is_none_or(has_disk) {
        return Some(Unfit::Disk);
    }
    (!named && machine.facts.bmc_trouble.is_some()).then_some(Unfit::BmcTrouble)
}

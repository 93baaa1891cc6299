//! What becomes of the firmware's boot entries when a system is entered. Pure.
//!
//! Whether the machine begins at the network or at a disk is left as it is: where a BMC chooses, the order does not matter, and
//! where none does, a machine that begins at the network is one that Billet can install anew. Among the systems ours is the
//! first, but never before what the machine has just booted from, unless that is plainly the network card: it brought the
//! agent here, so it is the network by another name, such as an iPXE on a stick. So a machine whose disk was wiped falls through to whatever comes behind, the network too.

use super::{Entries, entry};
use crate::boot_next::{Kind, kind};

/// What is to be done, in this order. Nothing of it touches another one's entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The number of our entry.
    pub(super) number: u16,
    /// Whether it is to be written: it is not so yet.
    pub(super) write: bool,
    /// The new boot order, if it is another one.
    pub(super) order: Option<Vec<u16>>,
    /// Entries that we made for other systems, which are to go.
    pub(super) remove: Vec<u16>,
}

impl Plan {
    /// Whether anything is to be done.
    pub(super) fn writes(&self) -> bool {
        self.write || self.order.is_some() || !self.remove.is_empty()
    }
}

/// How to enter `wanted`, given all entries, the boot order, and which entry the agent was booted from (`BootCurrent`), if that
/// is known. None: no number is left.
pub(super) fn plan(entries: &Entries, order: &[u16], current: Option<u16>, wanted: &[u8]) -> Option<Plan> {
    let (mut next, ours) = without(entries, order);
    let same = ours.iter().copied().find(|number| entry::same(&entries[number], wanted));
    // An order may name entries that are not there: whose they were is not known.
    let free = || (0..=u16::MAX).find(|number| !entries.contains_key(number) && !order.contains(number));
    let number = same.or(ours.first().copied()).or_else(free)?;
    let is = |wanted: Kind| {
        move |number: &u16| entries.get(number).is_some_and(|option| kind(option) == Some(wanted))
    };
    let system = next.iter().position(is(Kind::System));
    let place = system.or_else(|| next.iter().rposition(is(Kind::Network)).map(|network| network + 1));
    let booted = next.iter().position(|number| Some(*number) == current && !is(Kind::Network)(number));
    let floor = booted.map_or(0, |booted| booted + 1);
    next.insert(place.unwrap_or(0).max(floor), number);
    Some(Plan {
        number,
        write: same.is_none(),
        order: (next != order).then_some(next),
        remove: ours.into_iter().filter(|other| *other != number).collect(),
    })
}

/// The boot order without ours, and which those are.
pub(super) fn without(entries: &Entries, order: &[u16]) -> (Vec<u16>, Vec<u16>) {
    let is_ours = |(number, option): (&u16, &Vec<u8>)| entry::is_ours(option).then_some(*number);
    let ours: Vec<u16> = entries.iter().filter_map(is_ours).collect();
    (order.iter().copied().filter(|number| !ours.contains(number)).collect(), ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        boot_next::tests::{DELL_PXE, LENOVO_DISK, LENOVO_PXE, option, vendor},
        seed::Partition,
    };
    use proptest::prelude::*;

    const FILE: &str = r"\EFI\debian\shimx64.efi";

    fn ours(disk: u8) -> Vec<u8> {
        let partition = Partition { number: 1, start: 2048, sectors: 2048, guid: [disk; 16] };
        entry::option("Billet web1", &partition, FILE)
    }

    fn network() -> Vec<u8> {
        option(1, &[&[1, 1, 0, 3], &[3, 11, 0x52, 0x54, 0, 1, 2, 3], &[3, 12, 0, 0]])
    }

    fn disk() -> Vec<u8> {
        option(1, &[&[1, 1, 0, 3]])
    }

    fn menu() -> Vec<u8> {
        option(0x101, &[&[4, 7, 9], &[4, 6, 1]])
    }

    fn shell() -> Vec<u8> {
        option(1, &[&[4, 7, 9], &[4, 6, 2]])
    }

    fn planned(entries: &[Vec<u8>], order: &[u16], wanted: &[u8]) -> Plan {
        planned_from(None, entries, order, wanted)
    }

    fn planned_from(current: Option<u16>, entries: &[Vec<u8>], order: &[u16], wanted: &[u8]) -> Plan {
        plan(&(0..).zip(entries.iter().cloned()).collect(), order, current, wanted).unwrap()
    }

    /// What it is, the entries, the boot order, and what it becomes.
    type Case<'a> = (&'a str, Vec<Vec<u8>>, &'a [u16], &'a [u16]);

    #[test]
    fn it_is_the_first_system_and_the_network_stays_where_it_was() {
        let foreign =
            entry::option("debian", &Partition { number: 1, start: 1, sectors: 1, guid: [9; 16] }, FILE);
        let table: [Case<'_>; 7] = [
            ("nothing yet", vec![], &[], &[0]),
            (
                "OVMF, its disk first",
                vec![menu(), disk(), network(), shell()],
                &[0, 1, 2, 3],
                &[0, 4, 1, 2, 3],
            ),
            (
                "the network first",
                vec![network(), network(), foreign, shell()],
                &[0, 1, 2, 3],
                &[0, 1, 4, 2, 3],
            ),
            ("no system yet", vec![menu(), network(), network(), shell()], &[0, 1, 2, 3], &[0, 1, 2, 4, 3]),
            ("neither", vec![menu(), shell()], &[0, 1], &[2, 0, 1]),
            ("a system between two NICs", vec![network(), disk(), network()], &[0, 1, 2], &[0, 3, 1, 2]),
            ("numbers without entries", vec![network()], &[0, 1, 7], &[0, 2, 1, 7]),
        ];
        for (what, entries, order, expected) in table {
            let plan = planned(&entries, order, &ours(1));
            assert_eq!(plan.order.as_deref(), Some(expected), "{what}");
            assert!(plan.write && plan.remove.is_empty(), "{what}");
        }
    }

    /// The boot orders of the BMC mock's profiles.
    #[test]
    fn the_network_of_dell_and_lenovo_stays_first() {
        let usb = || option(1, &[&[1, 1, 0, 0x14], &[3, 5, 0xd, 0]]);
        let lenovo = |guid| option(1, &[&vendor([4, 3], guid)]);
        let dell = [option(1, &[&vendor([1, 4], DELL_PXE)]), disk(), usb()];
        assert_eq!(planned(&dell, &[0, 1, 2], &ours(1)).order.unwrap(), [0, 3, 1, 2]);
        let entries = [lenovo(LENOVO_PXE), lenovo(LENOVO_DISK)];
        assert_eq!(planned(&entries, &[0, 1], &ours(1)).order.unwrap(), [0, 2, 1]);
        assert_eq!(planned(&entries[..1], &[0], &ours(1)).order.unwrap(), [0, 1]);
    }

    #[test]
    fn what_the_machine_netbooted_from_stays_before_ours() {
        // An iPXE on a stick looks like any disk; one in the firmware like a menu.
        for ipxe in [disk(), shell(), vec![1, 2, 3]] {
            let entries = [ipxe, disk()];
            let plan = planned_from(Some(0), &entries, &[0, 1], &ours(1));
            assert_eq!(plan.order.unwrap(), [0, 2, 1]);
            assert_eq!(planned_from(Some(0), &entries, &[1, 0], &ours(1)).order.unwrap(), [1, 0, 2]);
        }
        // Plainly the network: a BMC asked for it, and the order begins at a disk.
        let entries = [network(), disk()];
        assert_eq!(planned_from(Some(0), &entries, &[1, 0], &ours(1)).order.unwrap(), [2, 1, 0]);
        assert_eq!(planned_from(Some(9), &entries, &[0, 1], &ours(1)).order.unwrap(), [0, 2, 1]);
    }

    #[test]
    fn older_entries_of_ours_give_way_and_nobody_elses() {
        let entries = [network(), ours(1), disk(), ours(2), ours(3)];
        let plan = planned(&entries, &[0, 3, 2, 4], &ours(7));
        let expected = Plan { number: 1, write: true, order: Some(vec![0, 1, 2]), remove: vec![3, 4] };
        assert_eq!(plan, expected, "the first of ours is written over");
        let plan = planned(&entries, &[0, 3, 2], &ours(2));
        let expected = Plan { number: 3, write: false, order: None, remove: vec![1, 4] };
        assert_eq!(plan, expected, "what is so already is left");
    }

    #[test]
    fn there_may_be_no_number_left() {
        let entries: Entries = (0..=u16::MAX).map(|number| (number, vec![])).collect();
        assert_eq!(plan(&entries, &[], None, &ours(1)), None);
    }

    proptest! {
        #[test]
        fn nobody_elses_is_touched_and_again_is_nothing(
            kinds in prop::collection::btree_map(0_u16..40, 0_u8..6, 0..20),
            order in prop::collection::vec(0_u16..40, 0..20),
            current in prop::option::of(0_u16..40),
        ) {
            let made = |kind: &u8| match kind {
                0 => network(),
                1 => disk(),
                2 => shell(),
                3 => vec![1, 2, 3],
                other => ours(*other),
            };
            let before: Entries = kinds.iter().map(|(number, kind)| (*number, made(kind))).collect();
            let plan_1 = plan(&before, &order, current, &ours(5)).unwrap();
            let foreign = |number: &u16| before.get(number).is_none_or(|option| !entry::is_ours(option));
            prop_assert!(!plan_1.write || !before.contains_key(&plan_1.number) || !foreign(&plan_1.number));
            prop_assert!(plan_1.remove.iter().all(|number| !foreign(number)));
            let next = plan_1.order.clone().unwrap_or_else(|| order.clone());
            let others = |order: &[u16]| order.iter().copied().filter(|number| *number != plan_1.number && foreign(number)).collect::<Vec<_>>();
            prop_assert_eq!(others(&next), others(&order));
            prop_assert_eq!(next.iter().filter(|number| **number == plan_1.number).count(), 1);
            let mut after = before.clone();
            after.insert(plan_1.number, ours(5));
            after.retain(|number, _| !plan_1.remove.contains(number));
            let again = plan(&after, &next, current, &ours(5)).unwrap();
            prop_assert!(!again.writes() && again.number == plan_1.number);
        }
    }
}

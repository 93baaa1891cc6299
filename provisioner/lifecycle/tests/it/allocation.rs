//! Who gets which machine: against the plain rule, for any lists, however they are cut into pages.

use super::world::{World, inventory, owner};
use proptest::prelude::*;
use provisioner_api::{InstanceId, MachineId, MachineState, Minimum};
use provisioner_lifecycle::{
    Allocation, Candidate, Grant, Machine, Pending, Place, Request, Shortage, Shortages,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

const POOLS: [&str; 2] = ["default", "gpu"];

/// A machine as the test sees it: what fitting goes by in plain words.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) machine: Machine,
    name: String,
    pub(crate) pool: &'static str,
    labels: BTreeMap<String, String>,
    pub(crate) place: Place<'static>,
    disk: u64,
    free: bool,
}

impl Site {
    pub(crate) fn candidate(&self) -> Candidate<'_> {
        Candidate {
            machine: &self.machine,
            name: &self.name,
            pool: self.pool,
            macs: &[],
            labels: &self.labels,
            place: self.place,
        }
    }
}

fn labels(rack: Option<u8>) -> BTreeMap<String, String> {
    rack.map(|rack| ("rack".to_owned(), format!("r{rack}"))).into_iter().collect()
}

pub(crate) fn site(number: usize, pool: &'static str, rack: u8, disk: u64, free: bool) -> Site {
    let mut machine = World::available().machine;
    machine.id = MachineId(Uuid::from_u128(1000 + number as u128));
    let mut inventory = inventory();
    inventory.disks.truncate(1);
    inventory.disks[0].size_bytes = disk;
    machine.facts.inventory = Some(inventory.into());
    if !free {
        machine.want.owner = Some(owner());
    }
    Site {
        machine,
        name: format!("m{number}"),
        pool,
        labels: labels(Some(rack)),
        place: Place::default(),
        disk,
        free,
    }
}

pub(crate) fn pending(
    number: usize,
    pool: &str,
    rack: Option<u8>,
    need: u64,
    wanted: Option<usize>,
) -> Pending {
    Pending {
        id: InstanceId(Uuid::from_u128(number as u128)),
        wanted: wanted.map(|wanted| MachineId(Uuid::from_u128(1000 + wanted as u128))),
        pool: Some(pool.into()),
        name: format!("i{number}"),
        selector: labels(rack),
        expressions: Vec::new(),
        minimum: Minimum::default(),
        nics: Vec::new(),
        zone: None,
        spread: None,
        prefer: None,
        sticky: false,
        manifest: "f00d".into(),
        disk_bytes: need,
        ram: None,
        architecture: None,
        root_disk_serial: None,
        root_disk: None,
    }
}

pub(crate) fn fits(pending: &Pending, site: &Site) -> bool {
    site.free
        && pending.wanted.is_none_or(|wanted| wanted == site.machine.id)
        && (pending.pool() == site.pool || pending.wanted.is_some() && pending.pool.is_none())
        && pending.selector.iter().all(|(key, value)| site.labels.get(key) == Some(value))
        && pending.disk_bytes <= site.disk
}

/// The rule as one would say it: those that name a machine first, each in its turn takes the first that is left and
/// fits.
fn plainly(pending: &[Pending], sites: &[Site]) -> Vec<(usize, MachineId)> {
    let mut taken = BTreeSet::new();
    let mut grants = Vec::new();
    let (named, others): (Vec<_>, Vec<_>) =
        pending.iter().enumerate().partition(|(_, one)| one.wanted.is_some());
    for (number, one) in named.into_iter().chain(others) {
        let first = sites.iter().find(|site| !taken.contains(&site.machine.id) && fits(one, site));
        if let Some(site) = first {
            taken.insert(site.machine.id);
            grants.push((number, site.machine.id));
        }
    }
    grants.sort_unstable();
    grants
}

fn sites() -> impl Strategy<Value = Vec<Site>> {
    let one = (0_usize..2, 0_u8..3, prop_oneof![Just(500_u64), Just(2000)], prop::bool::weighted(0.8));
    proptest::collection::vec(one, 0..24).prop_map(|list| {
        let list = list.into_iter().enumerate();
        list.map(|(number, (pool, rack, disk, free))| site(number, POOLS[pool], rack, disk, free)).collect()
    })
}

fn waiting() -> impl Strategy<Value = Vec<Pending>> {
    let need = prop_oneof![Just(400_u64), Just(1000), Just(9000)];
    let wanted = proptest::option::weighted(0.2, 0_usize..26);
    let one = (0_usize..2, proptest::option::weighted(0.4, 0_u8..4), need, wanted);
    proptest::collection::vec(one, 0..24).prop_map(|list| {
        let list = list.into_iter().enumerate();
        list.map(|(number, (pool, rack, need, wanted))| pending(number, POOLS[pool], rack, need, wanted))
            .collect()
    })
}

fn offered(pending: &[Pending], sites: &[Site], page: usize) -> (Vec<Grant>, Vec<usize>) {
    let candidates: Vec<_> = sites.iter().map(Site::candidate).collect();
    let mut allocation = Allocation::new(pending);
    let mut grants: Vec<_> = candidates.chunks(page).flat_map(|page| allocation.offer(page)).collect();
    // Whoever is left is not helped by seeing them all again.
    assert_eq!(allocation.offer(&candidates), []);
    grants.sort_by_key(|grant| grant.pending);
    (grants, allocation.open().to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn is_the_plain_rule_however_the_machines_are_cut_into_pages(
        pending in waiting(), sites in sites(), page in 1_usize..30,
    ) {
        let (grants, open) = offered(&pending, &sites, page);
        let pairs: Vec<_> = grants.iter().map(|grant| (grant.pending, grant.machine)).collect();
        prop_assert_eq!(&pairs, &plainly(&pending, &sites));
        let machines: BTreeSet<_> = grants.iter().map(|grant| grant.machine).collect();
        prop_assert_eq!(machines.len(), grants.len(), "a machine twice");
        let mut all: Vec<_> = grants.iter().map(|grant| grant.pending).chain(open).collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..pending.len()).collect::<Vec<_>>(), "each either gets one or stays open");
        for grant in &grants {
            prop_assert_eq!(grant.owner.instance, pending[grant.pending].id);
        }
    }

    #[test]
    fn who_stays_without_one_does_so_for_older_ones_only_or_for_one_that_names_the_machine(
        pending in waiting(), sites in sites(), page in 1_usize..30,
    ) {
        let (grants, open) = offered(&pending, &sites, page);
        for left in open {
            for site in sites.iter().filter(|site| fits(&pending[left], site)) {
                let holder = grants.iter().find(|grant| grant.machine == site.machine.id);
                let names = |grant: &Grant| pending[grant.pending].wanted.is_some();
                let goes_first = |grant: &Grant| {
                    (!names(grant), grant.pending) < (pending[left].wanted.is_none(), left)
                };
                prop_assert!(holder.is_some_and(goes_first), "{left} starves at {}", site.name);
            }
        }
    }

    #[test]
    fn the_reasons_count_each_machine_once(pending in waiting(), sites in sites()) {
        let mut shortages = Shortages::new(&pending);
        sites.iter().for_each(|site| shortages.see(&site.candidate()));
        for (number, one) in pending.iter().enumerate().filter(|(_, one)| one.wanted.is_none()) {
            let Shortage::Wait { why, .. } = shortages.of(number) else { panic!("{one:?} is not to be held") };
            if sites.is_empty() {
                prop_assert!(why.starts_with("there are no machines yet"));
                continue;
            }
            let counted: usize = why.rsplit(": ").next().unwrap().split(", ")
                .map(|reason| reason.split(' ').next().unwrap().parse::<usize>().unwrap()).sum();
            prop_assert_eq!(counted, sites.len(), "{}", why);
        }
    }
}

#[test]
fn reasons_are_sentences() {
    let mut list = vec![
        site(0, "gpu", 1, 2000, true),
        site(1, "default", 2, 2000, true),
        site(2, "default", 1, 2000, false),
        site(3, "default", 1, 500, true),
        site(4, "default", 1, 500, true),
    ];
    let change = |site: &mut Site, change: fn(&mut Machine)| change(&mut site.machine);
    for (number, how) in [
        (5, (|machine| machine.want.maintenance = true) as fn(&mut Machine)),
        (6, |machine| machine.want.bmc = false),
        (7, |machine| machine.state.name = MachineState::Inspecting),
        (8, |machine| machine.want.inspect += 1),
        (9, |machine| machine.want.accepted = false),
        (10, |machine| {
            Arc::make_mut(machine.facts.inventory.as_mut().unwrap()).architecture = "aarch64".into()
        }),
    ] {
        list.push(site(number, "default", 1, 2000, true));
        change(list.last_mut().unwrap(), how);
    }
    let ours = Pending { architecture: Some(String::new()), ..pending(0, "default", Some(1), 1000, None) };
    let named = |number| Pending { wanted: ours_of(number), ..ours.clone() };
    let asks = [ours.clone(), named(2), named(3), named(5), named(99), named(1)];
    let mut shortages = Shortages::new(&asks);
    list.iter().for_each(|site| shortages.see(&site.candidate()));
    let said: Vec<_> = (0..asks.len()).map(|number| shortages.of(number)).collect();
    let why = |number: usize| match &said[number] {
        Shortage::Wait { why, .. } => why.as_str(),
        Shortage::Hold(why) => panic!("not to be held: {why}"),
    };
    assert_eq!(
        [why(0), why(1)],
        [
            "no machine fits: 11 machines: 1 in maintenance, 1 in other pools, 1 not accepted, 2 not yet available, 1 of another architecture, 1 taken, 1 without a BMC, 2 without a disk that fits the image, 1 without the wanted labels",
            "machine m2 has to become free: it is taken",
        ]
    );
    assert!(matches!(&said[2], Shortage::Hold(why) if why.contains("1000 bytes")), "{:?}", said[2]);
    assert_eq!(
        [why(3), why(4), why(5)],
        [
            "machine m5 has to become free: it is in maintenance",
            "the machine that it wants is gone",
            "machine m1 has to become free: it is without the wanted labels",
        ]
    );
    let mend = |number: usize| match &said[number] {
        Shortage::Wait { mend, .. } => mend.clone().unwrap_or_default(),
        Shortage::Hold(why) => panic!("not to be held: {why}"),
    };
    assert_eq!(mend(1), "", "a machine that is taken becomes free by itself");
    assert_eq!(mend(3), "`billet machine set m5 --maintenance off` ends that");
    assert!(mend(5).contains("have to be rack=r1"), "{}", mend(5));
}

fn ours_of(number: u128) -> Option<MachineId> {
    Some(MachineId(Uuid::from_u128(1000 + number)))
}

#[test]
fn a_machine_that_is_named_is_of_the_pool_that_is_said_or_of_any() {
    let one = site(0, "gpu", 0, 2000, true);
    let named = |pool: Option<&str>| Pending {
        pool: pool.map(Into::into),
        ..pending(0, "default", None, 1000, Some(0))
    };
    for (pool, gets) in [(None, true), (Some("gpu"), true), (Some("default"), false)] {
        let asks = [named(pool)];
        let grants = Allocation::new(&asks).offer(&[one.candidate()]);
        assert_eq!(!grants.is_empty(), gets, "{pool:?}");
    }
    // As when it was moved while somebody waited for it.
    let asks = [named(Some("default"))];
    let mut shortages = Shortages::new(&asks);
    shortages.see(&one.candidate());
    let Shortage::Wait { why, .. } = shortages.of(0) else { panic!("it is not to be held") };
    assert_eq!(why, "machine m0 is not in pool default any more, where it has to be");
}

#[test]
fn a_bmc_in_trouble_is_chosen_for_those_only_who_name_its_machine() {
    let mut one = site(0, "default", 0, 2000, true);
    one.machine.facts.bmc_trouble = Some(provisioner_lifecycle::BmcTrouble {
        why: "silence".into(),
        since: one.machine.state.since,
        authentication: false,
    });
    let asks = [pending(0, "default", None, 1000, None), pending(1, "default", None, 1000, Some(0))];
    let grants = Allocation::new(&asks).offer(&[one.candidate()]);
    assert_eq!(grants.iter().map(|grant| grant.pending).collect::<Vec<_>>(), [1]);
    // What was granted is what `admit` takes.
    let assigned = provisioner_lifecycle::admit(&one.machine, &Request::Assign(grants[0].owner.clone()));
    assert!(assigned.is_ok());
}

#[test]
fn only_pools_of_those_who_wait_are_asked_for() {
    let asks = [pending(0, "gpu", None, 1000, None), pending(1, "default", None, 1000, Some(7))];
    let mut allocation = Allocation::new(&asks);
    assert_eq!(allocation.pools(), BTreeSet::from(["gpu"]));
    allocation.offer(&[site(0, "gpu", 0, 2000, true).candidate()]);
    assert_eq!((allocation.pools().len(), allocation.open()), (0, &[1][..]));
}

#[test]
fn whoever_names_a_machine_is_not_starved_by_an_older_one_that_takes_any() {
    let sites = [0, 1].map(|number| site(number, "default", 0, 2000, true));
    let any = |number| pending(number, "default", None, 400, None);
    let given = |waiting: &[Pending]| {
        let (grants, open) = offered(waiting, &sites, 2);
        (
            grants.iter().map(|grant| (grant.pending, grant.machine.0.as_u128() - 1000)).collect::<Vec<_>>(),
            open,
        )
    };
    let named = |number| pending(number, "default", None, 400, Some(0));
    assert_eq!(given(&[any(0), named(1)]), (vec![(0, 1), (1, 0)], vec![]), "both get one");
    assert_eq!(given(&[any(0), any(1), named(2)]), (vec![(0, 1), (2, 0)], vec![1]));
    assert_eq!(given(&[named(0), any(1), named(2)]), (vec![(0, 0), (1, 1)], vec![2]), "of two the older one");
    // One that its machine can't serve keeps it from nobody.
    let large = Pending { disk_bytes: 9000, ..named(0) };
    assert_eq!(given(&[large, any(1), any(2)]), (vec![(1, 0), (2, 1)], vec![0]));
}

#[test]
fn damaged_records_are_counted_and_never_gone() {
    let waiting = [pending(0, "default", None, 400, Some(7)), pending(1, "default", None, 400, None)];
    let mut shortages = Shortages::new(&waiting);
    shortages.see_damaged(MachineId(Uuid::from_u128(1007)));
    let Shortage::Wait { why, .. } = shortages.of(0) else { panic!("it may be mended") };
    assert!(why.contains("damaged"), "{why}");
    let counted = Shortage::wait("no machine fits: 1 machines: 1 with damaged records");
    assert_eq!(shortages.of(1), counted);
}

//! Who gets which machine where it matters which: spread over zones and racks, preferred machines, minimum and zone.

use super::allocation::{Site, fits, pending, site};
use proptest::prelude::*;
use provisioner_api::{Cpu, Inventory, LabelExpression, LabelOperator, MachineId, Minimum, Spread, SpreadBy};
use provisioner_lifecycle::{
    Allocation, Grant, Member, OwnerName, Pending, Place, Request, Shortage, Shortages, admit,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

const ZONES: [Option<&str>; 4] = [Some("a"), Some("b"), Some("c"), None];
const RACKS: [Option<&str>; 3] = [Some("r1"), Some("r2"), None];
const GROUPS: [&str; 2] = ["web", "db"];

fn change(site: &mut Site, change: impl FnOnce(&mut Inventory)) {
    change(Arc::make_mut(site.machine.facts.inventory.as_mut().unwrap()));
}

fn placed(number: usize, zone: Option<&'static str>, rack: Option<&'static str>) -> Site {
    let mut site = site(number, "default", 0, 2000, true);
    site.place = Place { zone, rack };
    site
}

fn plain(number: usize) -> Pending {
    pending(number, "default", None, 1000, None)
}

fn spread(number: usize, group: &str, by: SpreadBy) -> Pending {
    Pending { spread: Some(Spread { group: group.into(), by }), ..plain(number) }
}

/// Everything offered in pages of this size, and who got which machine.
fn given(pending: &[Pending], sites: &[Site], members: &[Member<'_>], page: usize) -> Vec<Grant> {
    let mut allocation = Allocation::new(pending);
    members.iter().for_each(|member| allocation.joins(member));
    let candidates: Vec<_> = sites.iter().map(Site::candidate).collect();
    let mut grants: Vec<_> = candidates.chunks(page).flat_map(|page| allocation.offer(page)).collect();
    grants.extend(allocation.conclude());
    assert_eq!(allocation.offer(&candidates), [], "whoever is left is not helped by seeing them all again");
    assert_eq!(allocation.conclude(), []);
    grants.sort_by_key(|grant| grant.pending);
    let open: BTreeSet<_> = allocation.open().iter().copied().collect();
    let all: BTreeSet<_> = grants.iter().map(|grant| grant.pending).chain(open).collect();
    assert_eq!(all.len(), pending.len(), "each either gets one or stays open");
    grants
}

fn number(machine: MachineId) -> usize {
    usize::try_from(machine.0.as_u128()).unwrap() - 1000
}

/// Fitting in plain words, with what this file is about.
fn fits_too(pending: &Pending, site: &Site) -> bool {
    let found = site.machine.facts.inventory.as_ref().unwrap();
    fits(pending, site)
        && pending.zone.as_deref().is_none_or(|zone| site.place.zone == Some(zone))
        && pending.minimum.cpu_cores.is_none_or(|least| found.cpu.cores >= least)
}

fn sites() -> impl Strategy<Value = Vec<Site>> {
    let one =
        (0_usize..4, 0_usize..3, prop::bool::weighted(0.8), 1_u32..5, 0_usize..9, prop::bool::weighted(0.8));
    proptest::collection::vec(one, 0..24).prop_map(|list| {
        let site = |(number, (zone, rack, free, cores, last, ours))| {
            let pool = if ours { "default" } else { "gpu" };
            let mut site = site(number, pool, 0, 2000, free);
            site.place = Place { zone: ZONES[zone], rack: RACKS[rack] };
            change(&mut site, |found| found.cpu = Cpu { cores, ..Cpu::default() });
            let group = Some(GROUPS[number % 2].into());
            site.machine.want.last = Some(OwnerName { name: format!("i{last}"), group });
            site
        };
        list.into_iter().enumerate().map(site).collect()
    })
}

fn waiting() -> impl Strategy<Value = Vec<Pending>> {
    let group = proptest::option::weighted(0.5, (0_usize..2, any::<bool>()));
    let zone = proptest::option::weighted(0.3, 0_usize..3);
    let cores = proptest::option::weighted(0.4, 1_u32..6);
    let machine = || proptest::option::weighted(0.2, 0_usize..26);
    let one = (group, zone, cores, machine(), machine(), any::<bool>(), prop::bool::weighted(0.8));
    proptest::collection::vec(one, 0..24).prop_map(|list| {
        let list = list.into_iter().enumerate();
        list.map(|(number, (group, zone, cores, wanted, prefer, sticky, ours))| {
            let plain = pending(number, if ours { "default" } else { "gpu" }, None, 1000, wanted);
            let by = |zone| if zone { SpreadBy::Zone } else { SpreadBy::Rack };
            Pending {
                spread: group.map(|(group, zone)| Spread { group: GROUPS[group].into(), by: by(zone) }),
                zone: zone.and_then(|zone| ZONES[zone]).map(Into::into),
                minimum: Minimum { cpu_cores: cores, ..Minimum::default() },
                prefer: prefer.and_then(|number| pending(0, "default", None, 0, Some(number)).wanted),
                sticky,
                ..plain
            }
        })
        .collect()
    })
}

/// Machines that nobody is kept from, in so many racks of so many zones.
fn grid(zones: usize, racks: usize, each: usize) -> Vec<Site> {
    let all = (0..zones * racks * each).map(|number| {
        let (zone, rack) = (number % zones, number / zones % racks);
        placed(number, ZONES[zone], RACKS[rack])
    });
    all.collect()
}

fn counts<K: Ord>(grants: &[Grant], sites: &[Site], key: impl Fn(Place<'static>) -> K) -> BTreeMap<K, usize> {
    let mut counts: BTreeMap<K, usize> = sites.iter().map(|site| (key(site.place), 0)).collect();
    for grant in grants {
        *counts.entry(key(sites[number(grant.machine)].place)).or_default() += 1;
    }
    counts
}

fn uneven<K>(counts: &BTreeMap<K, usize>) -> usize {
    counts.values().max().unwrap_or(&0) - counts.values().min().unwrap_or(&0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nobody_gets_what_does_not_fit_and_nobody_waits_beside_what_does(
        waiting in waiting(), sites in sites(), page in 1_usize..30,
    ) {
        let grants = given(&waiting, &sites, &[], page);
        let taken: BTreeSet<_> = grants.iter().map(|grant| grant.machine).collect();
        prop_assert_eq!(taken.len(), grants.len(), "a machine twice");
        for grant in &grants {
            let site = &sites[number(grant.machine)];
            prop_assert!(fits_too(&waiting[grant.pending], site), "{:?}", waiting[grant.pending]);
            prop_assert!(admit(&site.machine, &Request::Assign(grant.owner.clone())).is_ok());
        }
        for (left, one) in waiting.iter().enumerate() {
            if grants.iter().any(|grant| grant.pending == left) {
                continue;
            }
            for site in sites.iter().filter(|site| fits_too(one, site)) {
                let holder = grants.iter().find(|grant| grant.machine == site.machine.id);
                let first = |grant: &Grant| {
                    (waiting[grant.pending].wanted.is_none(), grant.pending) < (one.wanted.is_none(), left)
                };
                prop_assert!(holder.is_some_and(first), "{left} starves at {:?}", site.machine.id);
            }
        }
    }

    #[test]
    fn how_machines_are_cut_into_pages_changes_nothing(
        waiting in waiting(), sites in sites(), page in 1_usize..30,
    ) {
        prop_assert_eq!(given(&waiting, &sites, &[], page), given(&waiting, &sites, &[], 1000));
    }

    #[test]
    fn a_group_is_spread_as_evenly_as_can_be(
        zones in 1_usize..4, racks in 1_usize..4, waits in 1_usize..40, page in 1_usize..30, by_zone: bool,
    ) {
        let sites = grid(zones, racks, 40);
        let by = if by_zone { SpreadBy::Zone } else { SpreadBy::Rack };
        let waiting: Vec<_> = (0..waits).map(|number| spread(number, "web", by)).collect();
        let grants = given(&waiting, &sites, &[], page);
        prop_assert_eq!(grants.len(), waits);
        prop_assert!(uneven(&counts(&grants, &sites, |place| place.zone)) <= 1);
        if !by_zone {
            let racks = counts(&grants, &sites, |place| (place.zone, place.rack));
            for zone in ZONES {
                let here: BTreeMap<_, _> = racks.iter().filter(|((z, _), _)| *z == zone).collect();
                let here: BTreeMap<_, _> = here.into_iter().map(|(key, count)| (key, *count)).collect();
                prop_assert!(uneven(&here) <= 1, "{:?}", racks);
            }
        }
    }

    #[test]
    fn the_reasons_count_each_machine_once(waiting in waiting(), sites in sites()) {
        let mut shortages = Shortages::new(&waiting);
        sites.iter().for_each(|site| shortages.see(&site.candidate()));
        for number in (0..waiting.len()).filter(|number| waiting[*number].wanted.is_none() && !sites.is_empty()) {
            let Shortage::Wait { why, .. } = shortages.of(number) else { panic!("not to be held") };
            let counted: usize = why.rsplit(": ").next().unwrap().split(", ")
                .map(|reason| reason.split(' ').next().unwrap().parse::<usize>().unwrap()).sum();
            prop_assert_eq!(counted, sites.len(), "{}", why);
        }
    }
}

fn chosen(waiting: &[Pending], sites: &[Site], members: &[Member<'_>]) -> Vec<usize> {
    given(waiting, sites, members, 2).iter().map(|grant| number(grant.machine)).collect()
}

#[test]
fn those_that_a_group_has_already_count() {
    let sites = [placed(0, Some("a"), None), placed(1, Some("a"), None), placed(2, Some("b"), None)];
    let there = |group: &'static str| Member { group, place: Place { zone: Some("a"), rack: None } };
    let one = [spread(0, "web", SpreadBy::Zone)];
    assert_eq!(chosen(&one, &sites, &[]), [0], "of equals the first");
    assert_eq!(chosen(&one, &sites, &[there("web")]), [2]);
    assert_eq!(chosen(&one, &sites, &[there("db")]), [0], "another group's are nobody's business");
    // A zone that is emptier but has no machine that is free is no choice.
    assert_eq!(chosen(&one, &sites[..2], &[there("web")]), [0]);
    let named = Pending { wanted: Some(sites[0].machine.id), ..spread(0, "web", SpreadBy::Zone) };
    assert_eq!(chosen(&[named, spread(1, "web", SpreadBy::Zone)], &sites, &[]), [0, 2], "also who names one");
}

#[test]
fn racks_count_within_the_zone_and_only_where_asked() {
    let sites = [
        placed(0, Some("a"), Some("r1")),
        placed(1, Some("a"), Some("r1")),
        placed(2, Some("a"), Some("r2")),
        placed(3, Some("b"), Some("r1")),
    ];
    let four = |by| (0..4).map(|number| spread(number, "web", by)).collect::<Vec<_>>();
    assert_eq!(chosen(&four(SpreadBy::Rack), &sites, &[]), [0, 3, 2, 1]);
    assert_eq!(chosen(&four(SpreadBy::Zone), &sites, &[]), [0, 3, 1, 2]);
}

#[test]
fn preference_is_for_the_named_machine_then_the_same_name_then_the_same_group() {
    let mut sites: Vec<_> = (0..4).map(|number| placed(number, None, None)).collect();
    sites[1].machine.want.last = Some(OwnerName { name: "other".into(), group: Some("web".into()) });
    sites[2].machine.want.last = Some(OwnerName { name: "i0".into(), group: None });
    let id = |number: usize| Some(sites[number].machine.id);
    let sticky = Pending { sticky: true, ..plain(0) };
    assert_eq!(chosen(&[plain(0)], &sites, &[]), [0], "only who asks for it");
    assert_eq!(chosen(std::slice::from_ref(&sticky), &sites, &[]), [2]);
    let in_group = Pending { sticky: true, ..spread(7, "web", SpreadBy::Rack) };
    assert_eq!(chosen(&[in_group], &sites, &[]), [1]);
    let both = Pending { prefer: id(3), ..sticky.clone() };
    assert_eq!(chosen(&[both], &sites, &[]), [3]);
    // It is a wish: what is taken or doesn't fit is done without.
    let elsewhere = Pending { prefer: id(3), disk_bytes: 1000, ..plain(0) };
    sites[3].machine.want.maintenance = true;
    assert_eq!(chosen(&[elsewhere], &sites, &[]), [0]);
    // Far from each other comes before the same again.
    let mut apart = [placed(0, Some("a"), None), placed(1, Some("b"), None)];
    apart[0].machine.want.last = Some(OwnerName { name: "i0".into(), group: None });
    let there = Member { group: "web", place: apart[0].place };
    let torn = Pending { sticky: true, ..spread(0, "web", SpreadBy::Zone) };
    assert_eq!(chosen(std::slice::from_ref(&torn), &apart, &[]), [0]);
    assert_eq!(chosen(&[torn], &apart, &[there]), [1]);
}

#[test]
fn a_machine_remembers_who_had_it() {
    use provisioner_api::{ErasePolicy, MachineState};
    let site = placed(0, None, None);
    let [grant] = &given(&[spread(3, "web", SpreadBy::Rack)], std::slice::from_ref(&site), &[], 1)[..] else {
        panic!()
    };
    let mut machine = admit(&site.machine, &Request::Assign(grant.owner.clone())).unwrap();
    assert_eq!(machine.want.last, None);
    let instance = grant.owner.instance;
    machine =
        admit(&machine, &Request::Release { instance, erase: ErasePolicy::Metadata, by: None }).unwrap();
    assert_eq!(machine.state.name, MachineState::Available);
    machine = admit(&machine, &Request::Disown { instance }).unwrap();
    assert_eq!(machine.want.owner, None);
    assert_eq!(machine.want.last, Some(OwnerName { name: "i3".into(), group: Some("web".into()) }));
}

#[test]
fn reasons_name_what_is_wanted_and_what_helps() {
    let mut list: Vec<_> = (0..4).map(|number| placed(number, Some("a"), None)).collect();
    change(&mut list[0], |found| found.memory_bytes = 32 << 30);
    change(&mut list[1], |found| found.memory_bytes = 32 << 30);
    change(&mut list[2], |found| found.memory_bytes = 256 << 30);
    list[2].machine.want.owner = Some(super::world::owner());
    list[3].machine.facts.inventory = None;
    let memory = Minimum { memory_bytes: Some(64 << 30), ..Minimum::default() };
    let label = LabelExpression { key: "gpu".into(), operator: LabelOperator::Exists, values: vec![] };
    let asks = [
        Pending { minimum: memory, ..plain(0) },
        Pending { zone: Some("b".into()), ..plain(1) },
        Pending { expressions: vec![label], ..plain(2) },
        pending(3, "gpu", None, 1000, None),
    ];
    let mut shortages = Shortages::new(&asks);
    list.iter().for_each(|site| shortages.see(&site.candidate()));
    for (number, says, helps) in [
        (
            0,
            "4 machines: 1 of unknown hardware, 1 taken, 2 with less than 64 GiB of memory",
            "ask for less memory",
        ),
        (1, "4 machines: 4 outside zone b", "--zone b"),
        (2, "4 machines: 4 without the wanted labels", "have to be gpu:"),
        (3, "4 machines: 4 in other pools", "--pool gpu"),
    ] {
        let Shortage::Wait { why, mend: Some(mend) } = shortages.of(number) else { panic!("no mend") };
        assert_eq!(why, format!("no machine fits: {says}"));
        assert!(mend.contains(helps), "{mend}");
    }
}

/// A thousand that wait and ten thousand machines, by hand: `cargo test -p provisioner-lifecycle --test lifecycle_it timing --
/// --ignored --nocapture`.
#[test]
#[expect(clippy::print_stdout, clippy::disallowed_methods, reason = "times for whoever runs it by hand")]
#[ignore = "prints times, for comparing by hand"]
fn timing_of_a_thousand_that_wait_and_ten_thousand_machines() {
    let sites: Vec<_> =
        (0..10_000).map(|number| site(number, "default", (number % 100) as u8, 2000, true)).collect();
    let candidates: Vec<_> = sites.iter().map(Site::candidate).collect();
    let alike: Vec<_> = (0..1000).map(|number| pending(number, "default", None, 1000, None)).collect();
    let each: Vec<_> =
        (0..1000).map(|number| pending(number, "default", Some((number % 100) as u8), 1000, None)).collect();
    let none: Vec<_> =
        (0..1000).map(|number| pending(number, "default", None, 9000 + number as u64, None)).collect();
    let apart: Vec<_> = (0..1000).map(|number| spread(number, "web", SpreadBy::Rack)).collect();
    for (what, waiting) in
        [("alike", &alike), ("by rack", &each), ("nothing fits", &none), ("spread", &apart)]
    {
        let began = std::time::Instant::now();
        let mut allocation = Allocation::new(waiting);
        let given: usize = candidates.chunks(256).map(|page| allocation.offer(page).len()).sum();
        let given = given + allocation.conclude().len();
        println!("{what}: {given} given in {:?}", began.elapsed());
        let began = std::time::Instant::now();
        let mut shortages = Shortages::new(waiting);
        candidates.iter().for_each(|one| shortages.see(one));
        println!("{what}: reasons in {:?}, such as {:?}", began.elapsed(), shortages.of(0));
    }
}

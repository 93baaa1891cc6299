//! What a pool's policy does: no machine of it is wiped by less, and no more of its machines are given than may be.

use super::{
    allocation::{fits, pending, site},
    world::{INSTANCE, World, cancel, choose, held, owner},
};
use proptest::prelude::*;
use provisioner_api::{Choice, ErasePolicy, MachineState, ServiceStep};
use provisioner_lifecycle::{
    Allocation, Quota, Request, Shortage, Shortages, StepName, Task, admit, admit_in_pool, order, ways_out,
};
use std::collections::BTreeMap;

use ErasePolicy::{Metadata, Overwrite, Secure};

fn release(erase: ErasePolicy) -> Request {
    Request::Release { instance: INSTANCE, erase, by: None }
}

/// A machine that was given under the first of these, and given back under the second.
fn given_back(given: Option<ErasePolicy>, erase: ErasePolicy, back: Option<ErasePolicy>) -> World {
    let mut world = World::available();
    world.machine = admit_in_pool(&world.machine, &Request::Assign(owner()), given).unwrap();
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Deployed);
    world.machine = admit_in_pool(&world.machine, &release(erase), back).unwrap();
    world
}

/// How the agent is told to wipe.
fn told(world: &mut World) -> ErasePolicy {
    for _ in 0..200 {
        if let Some(Task::Erase { policy, .. }) = order(&world.machine, world.now).map(|draft| draft.task) {
            return policy;
        }
        world.live();
    }
    panic!("it never comes to wiping")
}

#[test]
fn a_release_is_wiped_by_what_is_asked_for_or_by_what_its_pool_asked_for_if_that_is_more() {
    for (given, asked, back, wiped) in [
        (None, Metadata, None, Metadata),
        (None, Overwrite, None, Overwrite),
        (None, Metadata, Some(Metadata), Metadata),
        (None, Metadata, Some(Overwrite), Overwrite),
        (None, Overwrite, Some(Metadata), Overwrite),
        (None, Overwrite, Some(Overwrite), Overwrite),
        // Another pool, or another policy, by the time that it is given back takes nothing away.
        (Some(Overwrite), Metadata, None, Overwrite),
        (Some(Overwrite), Metadata, Some(Metadata), Overwrite),
        (Some(Metadata), Metadata, Some(Overwrite), Overwrite),
        (Some(Metadata), Overwrite, None, Overwrite),
    ] {
        let mut world = given_back(given, asked, back);
        assert_eq!(told(&mut world), wiped, "{given:?} {asked:?} {back:?}");
        world.run_to_rest();
        assert_eq!(
            world.machine.state.name,
            MachineState::Available,
            "that is what the proof is held against"
        );
    }
}

#[test]
fn a_deployment_that_is_cancelled_and_a_hold_that_is_answered_are_wiped_by_no_less() {
    let written = || {
        let mut world = World::assigned();
        world.run_to(StepName::PhoneHome);
        world
    };
    let mut cancelled = written();
    cancelled.machine = admit_in_pool(&cancelled.machine, &cancel(), Some(Overwrite)).unwrap();
    assert_eq!(told(&mut cancelled), Overwrite);
    let mut answered = written();
    answered.settle(&held());
    let request = choose(&answered.machine, Choice::GiveBack);
    answered.machine = admit_in_pool(&answered.machine, &request, Some(Overwrite)).unwrap();
    assert_eq!(told(&mut answered), Overwrite);
}

#[test]
fn a_wiping_that_is_held_can_be_asked_for_in_no_weaker_way() {
    let mut world = given_back(None, Metadata, Some(Overwrite));
    world.run_to(StepName::Erase);
    world.settle(&held());
    let offered =
        |world: &World| ways_out(&world.machine).iter().any(|way| way.what.contains("in another way"));
    assert!(offered(&world), "the disk may erase itself, which is more");
    let mut bound = given_back(None, Metadata, Some(Secure));
    bound.run_to(StepName::Erase);
    bound.settle(&held());
    assert!(!offered(&bound), "there is none");
    for erase in [Overwrite, Metadata] {
        world.machine = admit_in_pool(&world.machine, &release(erase), None).unwrap();
    }
    let retry = choose(&world.machine, Choice::Retry);
    world.machine = admit(&world.machine, &retry).unwrap();
    assert_eq!(told(&mut world), Overwrite);
    let mut free = given_back(None, Overwrite, None);
    free.run_to(StepName::Erase);
    free.settle(&held());
    assert!(offered(&free));
}

#[test]
fn a_servicing_erases_by_no_less() {
    for (method, least, wiped) in [
        (Metadata, None, Metadata),
        (Metadata, Some(Overwrite), Overwrite),
        (Overwrite, Some(Metadata), Overwrite),
    ] {
        let mut world = World::deployed();
        let erase = ServiceStep::Erase { disks: vec!["data".into()], method };
        let request = Request::Service(vec![ServiceStep::Inspect, erase]);
        world.machine = admit_in_pool(&world.machine, &request, least).unwrap();
        assert_eq!(told(&mut world), wiped, "{method:?} {least:?}");
    }
}

#[test]
fn a_servicing_heeds_the_pool_that_the_machine_was_given_in() {
    let mut world = World::available();
    world.machine = admit_in_pool(&world.machine, &Request::Assign(owner()), Some(Overwrite)).unwrap();
    world.run_to_rest();
    let erase = ServiceStep::Erase { disks: vec!["data".into()], method: Metadata };
    let request = Request::Service(vec![ServiceStep::Inspect, erase]);
    // The machine is of another pool by now, which says less, or nothing.
    for least in [None, Some(Metadata)] {
        let mut moved = World { machine: world.machine.clone(), ..World::available() };
        moved.now = world.now;
        moved.machine = admit_in_pool(&moved.machine, &request, least).unwrap();
        let wish = moved.machine.want.service.clone().unwrap();
        assert!(matches!(wish.steps[1], ServiceStep::Erase { method: Overwrite, .. }), "{least:?}");
    }
    // One that was admitted without a word of that.
    world.request(&request).unwrap();
    assert_eq!(told(&mut world), Overwrite);
}

/// A free machine whose disk `data` was left out of a release that wipes so, and is there again.
fn left_unwiped(least: ErasePolicy) -> World {
    let mut world = given_back(Some(least), Metadata, None);
    world.run_to(StepName::Erase);
    world.settle(&held());
    world.request(&Request::SkipDisk { hold: 1, disk: "data".into() }).unwrap();
    world.run_to_rest();
    assert_eq!(world.machine.state.unwiped, ["data"]);
    world.request(&Request::Disown { instance: INSTANCE }).unwrap();
    world.machine.want.retired = false;
    world
}

#[test]
fn a_disk_that_was_left_out_is_made_up_for_by_no_less_than_it_was_to_be_wiped_by() {
    let erase = ServiceStep::Erase { disks: vec!["data".into()], method: Metadata };
    for least in [Metadata, Overwrite] {
        let mut world = left_unwiped(least);
        world.machine = admit_in_pool(&world.machine, &Request::Service(vec![erase.clone()]), None).unwrap();
        assert_eq!(told(&mut world), least);
        world.run_to_rest();
        assert!(world.machine.state.unwiped.is_empty() && world.machine.state.unwiped_least.is_empty());
    }
    // So does the release of the next owner, whose pool asks for less.
    let mut world = left_unwiped(Overwrite);
    let unwiped = std::mem::take(&mut world.machine.state.unwiped);
    world.machine = admit_in_pool(&world.machine, &Request::Assign(owner()), Some(Metadata)).unwrap();
    world.run_to_rest();
    world.machine.state.unwiped = unwiped;
    world.request(&release(Metadata)).unwrap();
    assert_eq!(told(&mut world), Overwrite);
    // Of what an earlier version left out nobody knows.
    world.machine.state.unwiped_least.clear();
    assert_eq!(told(&mut world), Metadata);
    world.run_to_rest();
    assert!(world.machine.state.unwiped.is_empty());
}

#[test]
fn the_next_owner_of_another_pool_is_not_bound() {
    let mut world = given_back(Some(Overwrite), Metadata, None);
    world.run_to_rest();
    world.request(&Request::Disown { instance: INSTANCE }).unwrap();
    world.machine = admit_in_pool(&world.machine, &Request::Assign(owner()), None).unwrap();
    assert_eq!(world.machine.want.owner.as_ref().unwrap().least, None);
}

fn erase() -> impl Strategy<Value = ErasePolicy> {
    prop_oneof![Just(Metadata), Just(Overwrite)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever is asked for, under whatever policies, while it is held or not: once a pool asked for more, that stays.
    #[test]
    fn a_policy_is_never_taken_back(
        given in proptest::option::of(erase()),
        asks in proptest::collection::vec((erase(), proptest::option::of(erase()), any::<bool>()), 1..6),
    ) {
        let mut world = World::available();
        world.machine = admit_in_pool(&world.machine, &Request::Assign(owner()), given).unwrap();
        world.run_to_rest();
        for (asked, least, stop) in asks {
            let before = world.machine.want.owner.clone().unwrap();
            if stop && before.release.is_some() {
                told(&mut world);
                world.settle(&held());
            }
            world.machine = admit_in_pool(&world.machine, &release(asked), least).unwrap();
            let after = world.machine.want.owner.clone().unwrap();
            prop_assert!(after.least >= before.least);
            if after.release != before.release {
                prop_assert!(after.least >= least);
            }
            if world.machine.state.hold.is_some() {
                let retry = choose(&world.machine, Choice::Retry);
                world.machine = admit(&world.machine, &retry).unwrap();
            }
        }
        let least = world.machine.want.owner.as_ref().unwrap().least;
        prop_assert!(Some(told(&mut world)) >= least);
    }

    #[test]
    fn no_more_of_a_pool_are_given_than_it_has_room_for(
        pools in proptest::collection::vec((0_usize..2, proptest::option::weighted(0.3, 0_usize..12)), 0..16),
        sites in proptest::collection::vec(0_usize..2, 0..16),
        (used, most, page) in (0_u64..4, 0_u64..8, 1_usize..20),
    ) {
        let names = ["default", "gpu"];
        let waiting: Vec<_> = pools.iter().enumerate()
            .map(|(number, (pool, wanted))| pending(number, names[*pool], None, 400, *wanted)).collect();
        let sites: Vec<_> = sites.iter().enumerate()
            .map(|(number, pool)| site(number, names[*pool], 0, 2000, true)).collect();
        let quotas = BTreeMap::from([("gpu".to_owned(), Quota { used, most })]);
        let mut allocation = Allocation::new(&waiting).within(&quotas);
        let candidates: Vec<_> = sites.iter().map(|site| site.candidate()).collect();
        let grants: Vec<_> = candidates.chunks(page).flat_map(|page| allocation.offer(page)).collect();
        let pool_of = |machine| sites.iter().find(|site| site.machine.id == machine).unwrap().pool;
        let given = grants.iter().filter(|grant| pool_of(grant.machine) == "gpu").count() as u64;
        prop_assert!(given <= most.saturating_sub(used));
        // Who stays without one does so for want of room, or of machines.
        for left in allocation.open() {
            for site in sites.iter().filter(|site| fits(&waiting[*left], site)) {
                let taken = grants.iter().any(|grant| grant.machine == site.machine.id);
                let full = site.pool == "gpu" && given + used >= most;
                prop_assert!(taken || full, "{left} starves at {}", site.machine.id);
            }
        }
    }
}

#[test]
fn a_limit_is_told_with_what_else_stands_in_the_way() {
    let asks = [
        pending(0, "gpu", None, 400, None),
        pending(1, "gpu", None, 400, Some(0)),
        pending(2, "gpu", None, 9000, None),
        pending(3, "default", None, 400, None),
    ];
    let sites =
        [site(0, "gpu", 0, 2000, true), site(1, "gpu", 0, 2000, false), site(2, "gpu", 0, 2000, false)];
    let quotas = BTreeMap::from([("gpu".to_owned(), Quota { used: 2, most: 2 })]);
    let mut shortages = Shortages::new(&asks).within(quotas);
    sites.iter().for_each(|site| shortages.see(&site.candidate()));
    let said = |number| match shortages.of(number) {
        Shortage::Wait { why, mend } => (why, mend.unwrap_or_default()),
        Shortage::Hold(why) => panic!("not to be held: {why}"),
    };
    let full = "pool gpu is at its limit: 2 of its machines have an instance, 2 may";
    for number in [0, 1] {
        let (why, mend) = said(number);
        assert_eq!(why, full);
        assert!(mend.contains("billet pool set gpu --max-machines NUMBER"), "{mend}");
    }
    let (why, mend) = said(2);
    assert_eq!(
        why,
        format!("{full}; and no machine fits: 3 machines: 2 taken, 1 without a disk that fits the image")
    );
    assert!(mend.contains("another disk"), "raising the limit alone would not help: {mend}");
    assert_eq!(said(3).0, "no machine fits: 3 machines: 3 in other pools");
}

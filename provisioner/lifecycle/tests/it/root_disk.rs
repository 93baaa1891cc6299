//! Which disk gets the system: a hold where nobody said it, the choice that ends it, and what is never touched.

use super::world::{INSTANCE, World, inventory_of, open_owner, owner, ram_owner, release};
use provisioner_api::{Choice, DiskHints, Inventory, JobKind, MachineState, StepPhase};
use provisioner_lifecycle::{
    Fact, Machine, Owner, Refusal, Request, StepName, Task, choices, order, skippable, usable, ways_out,
};

/// A deployment for this owner, as far as it gets by itself on a machine with these disks.
fn deployed_for(owner: Owner, disks: &[&'static str]) -> World {
    let mut world = World::available();
    world.disks = disks.to_vec();
    world.request(&Request::Assign(owner)).unwrap();
    lives(&mut world);
    world
}

fn lives(world: &mut World) {
    for _ in 0..100 {
        world.live();
    }
}

fn why(world: &World) -> &str {
    world.machine.state.hold.as_ref().map_or("it is not held", |hold| &hold.why)
}

fn use_disk(machine: &Machine, disk: &str) -> Request {
    Request::UseDisk { hold: machine.state.holds, disk: disk.into() }
}

/// The disks that the permit names, and whether each is allowed.
fn permitted(world: &World) -> Vec<(String, bool)> {
    let task = order(&world.machine, world.now).unwrap().task;
    let (Task::WriteImage { leave, .. } | Task::WriteSeed { leave, .. } | Task::Erase { leave, .. }) = task
    else {
        panic!("{task:?}")
    };
    leave.disks.into_iter().map(|disk| (disk.serial, disk.allowed)).collect()
}

#[test]
fn between_two_disks_a_person_chooses() {
    let mut world = deployed_for(open_owner(), &["root", "data"]);
    assert!(why(&world).starts_with("2 disks can take the system"), "{}", why(&world));
    assert!(
        why(&world).contains("sd-root (root, 2000 bytes); sd-data (data, 5000 bytes)"),
        "{}",
        why(&world)
    );
    assert!(!world.machine.state.dirty, "nothing was written");
    assert_eq!(usable(&world.machine), ["data", "root"]);
    let ways = ways_out(&world.machine);
    let told = ways.iter().find(|way| way.disk.as_deref() == Some("data")).unwrap();
    assert!(told.choice == Some(Choice::UseDisk) && told.what.contains("use-disk --disk data"), "{told:?}");
    assert!(!choices(&world.machine).contains(&Choice::UseDisk), "without a disk it is no choice");

    let there = vec!["data".to_owned(), "root".to_owned()];
    let refused = world.request(&use_disk(&world.machine, "other"));
    assert_eq!(refused, Err(Refusal::NoUse { disk: "other".into(), there }));
    world.request(&use_disk(&world.machine, "data")).unwrap();
    world.run_to(StepName::WriteImage);
    assert_eq!(permitted(&world), [("data".to_owned(), false)]);
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Deployed);
    assert_eq!(world.machine.state.root_disk.as_deref(), Some("data"));
    assert!(usable(&world.machine).is_empty());
}

#[test]
fn one_disk_alone_is_no_question() {
    let mut world = deployed_for(open_owner(), &["data", "lun1"]);
    world.run_to_rest();
    assert_eq!(world.machine.state.root_disk.as_deref(), Some("data"));
}

#[test]
fn an_instance_of_an_earlier_version_gets_the_smallest_as_it_was_asked_for() {
    let stored = serde_json::to_value(owner()).unwrap();
    assert!(stored.get("root_disk").is_none(), "{stored}");
    let read: Owner = serde_json::from_value(stored).unwrap();
    let world = deployed_for(read, &["data", "root"]);
    assert_eq!(world.machine.state.root_disk.as_deref(), Some("root"));
}

#[test]
fn what_was_begun_goes_on_with_its_disk_although_fewer_are_seen() {
    let mut world = deployed_for(open_owner(), &["root", "data"]);
    world.request(&use_disk(&world.machine, "root")).unwrap();
    world.run_to(StepName::WriteImage);
    if let Some(owner) = &mut world.machine.want.owner {
        // As if it had been the only one.
        owner.root_disk_serial = None;
    }
    world.machine.state.hold = None;
    world.disks = vec!["data"];
    let job = world.machine.running_job().map(|job| (job.id, job.epoch));
    world.fact(&Fact::Claimed { job, inventory: inventory_of(&["data"]) });
    lives(&mut world);
    assert!(why(&world).starts_with("no disk has the serial number `root`"), "{}", why(&world));
    assert_eq!(usable(&world.machine), ["data"], "a person may say that it is the other one now");
    world.machine.want.protected = true;
    assert!(usable(&world.machine).is_empty());
}

#[test]
fn hints_that_no_disk_is_offer_those_that_there_are() {
    let hints = DiskHints { model: Some("none such".into()), ..DiskHints::default() };
    let owner = Owner { root_disk: Some(hints), ..owner() };
    let world = deployed_for(owner, &["root", "lun1"]);
    assert!(
        why(&world).contains("model=none such") && why(&world).contains("network storage"),
        "{}",
        why(&world)
    );
    assert_eq!(usable(&world.machine), ["root"], "never what must not be touched");
}

#[test]
fn storage_of_others_is_never_written_nor_wiped() {
    let mut world = deployed_for(open_owner(), &["root", "lun1"]);
    world.run_to_rest();
    assert_eq!(world.machine.state.owed, ["root"]);
    world.request(&release()).unwrap();
    world.run_to(StepName::Erase);
    assert_eq!(permitted(&world), [("root".to_owned(), false)]);
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Available);
    world.request(&Request::Disown { instance: INSTANCE }).unwrap();
    let erase = Request::Service(vec![super::world::erase(&["lun1"])]);
    let refused = world.request(&erase).unwrap_err().to_string();
    assert!(refused.contains("network storage"), "{refused}");
}

#[test]
fn what_is_allowed_by_its_serial_number_is_written_and_wiped() {
    let allow = vec!["lun1".to_owned()];
    let hints = DiskHints { serial: Some("lun1".into()), allow, ..DiskHints::default() };
    let mut world = deployed_for(Owner { root_disk: Some(hints), ..owner() }, &["root", "lun1", "lun2"]);
    world.run_to_rest();
    assert_eq!(world.machine.state.root_disk.as_deref(), Some("lun1"));
    world.request(&release()).unwrap();
    world.run_to(StepName::Erase);
    assert_eq!(permitted(&world), [("root".to_owned(), false), ("lun1".to_owned(), true)]);
}

/// A release whose agent sees these disks, up to its next decision about them.
fn released_with(world: &mut World, found: Inventory) {
    world.request(&release()).unwrap();
    world.run_to(StepName::Agent);
    let job = world.machine.running_job().map(|job| (job.id, job.epoch));
    world.fact(&Fact::Claimed { job, inventory: found });
    for _ in 0..4 {
        let erase = world.machine.running_job().and_then(|job| job.current());
        if erase.is_some_and(|step| step.name == StepName::Erase && step.phase == StepPhase::Intent) {
            break;
        }
        world.reconcile(|_| Ok("done".into()));
    }
}

fn result_of_erase(world: &World) -> &str {
    let mut steps = world.machine.job.iter().flat_map(|job| &job.steps);
    let step = steps.find(|step| step.name == StepName::Erase).unwrap();
    step.result.as_deref().unwrap_or_default()
}

fn allows(disks: &[&str]) -> Owner {
    let allow = disks.iter().map(|disk| (*disk).to_owned()).collect();
    Owner { root_disk: Some(DiskHints { allow, ..DiskHints::default() }), ..owner() }
}

#[test]
fn what_is_allowed_but_was_never_written_is_left_alone() {
    let mut world = deployed_for(allows(&["lun1", "lun2"]), &["lun1", "lun2"]);
    world.request(&use_disk(&world.machine, "lun2")).unwrap();
    world.run_to_rest();
    assert_eq!(world.machine.state.root_disk.as_deref(), Some("lun2"));
    assert_eq!(world.machine.state.owed, ["lun2"]);
    world.request(&release()).unwrap();
    world.run_to(StepName::Erase);
    assert_eq!(permitted(&world), [("lun2".to_owned(), true)]);
    world.run_to_rest();
    assert_eq!((world.machine.state.name, world.machine.state.dirty), (MachineState::Available, false));
    assert!(world.machine.state.written.is_empty());
    let told = result_of_erase(&world);
    assert!(told.contains("left alone") && told.contains("lun1"), "{told}");
    assert!(!told.contains("lun2"), "{told}");
}

#[test]
fn what_is_allowed_may_be_erased_by_name() {
    let mut world = deployed_for(allows(&["lun1", "lun2"]), &["root", "lun1", "lun2"]);
    world.request(&use_disk(&world.machine, "root")).unwrap();
    world.run_to_rest();
    assert_eq!(world.machine.state.owed, ["root"]);
    world.request(&Request::Service(vec![super::world::erase(&["lun1"])])).unwrap();
    world.run_to(StepName::Erase);
    assert_eq!(permitted(&world), [("lun1".to_owned(), true)]);
}

#[test]
fn what_was_written_before_another_disk_was_chosen_is_wiped_too() {
    let mut world = deployed_for(allows(&["lun1", "lun2"]), &["lun1", "lun2"]);
    world.request(&use_disk(&world.machine, "lun1")).unwrap();
    world.run_to(StepName::WriteImage);
    // The first LUN is gone when the machine starts anew, and a person says that it is the other one.
    world.disks = vec!["lun2"];
    let job = world.machine.running_job().map(|job| (job.id, job.epoch));
    world.fact(&Fact::Claimed { job, inventory: inventory_of(&["lun2"]) });
    lives(&mut world);
    world.request(&use_disk(&world.machine, "lun2")).unwrap();
    world.run_to_rest();
    assert_eq!(world.machine.state.written, ["lun1", "lun2"]);
    world.disks = vec!["lun1", "lun2"];
    world.request(&release()).unwrap();
    world.run_to(StepName::Erase);
    assert_eq!(permitted(&world), [("lun1".to_owned(), true), ("lun2".to_owned(), true)]);
}

#[test]
fn a_release_that_starts_anew_after_its_wiping_wipes_the_same_disks() {
    let mut world = deployed_for(allows(&["lun1"]), &["lun1"]);
    world.run_to_rest();
    world.request(&release()).unwrap();
    world.run_to(StepName::Erase);
    let erased = |world: &World| {
        let mut steps = world.machine.job.iter().flat_map(|job| &job.steps);
        steps.any(|step| step.name == StepName::Erase && step.phase == StepPhase::Done)
    };
    while !erased(&world) {
        world.live();
    }
    world.settle(&super::world::held());
    world.request(&Request::Retry).unwrap();
    world.run_to(StepName::Erase);
    assert_eq!(permitted(&world), [("lun1".to_owned(), true)]);
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Available);
}

#[test]
fn network_storage_that_an_earlier_version_put_on_record_is_left_alone() {
    let mut world = deployed_for(owner(), &["root", "lun1"]);
    world.run_to_rest();
    world.machine.state.owed.push("lun1".into());
    released_with(&mut world, inventory_of(&["root", "lun1"]));
    assert_eq!(permitted(&world), [("root".to_owned(), false)]);
    world.disks = vec!["root", "lun1"];
    world.run_to_rest();
    assert_eq!(world.machine.state.name, MachineState::Available);
    assert!(result_of_erase(&world).contains("lun1"), "{}", result_of_erase(&world));
}

#[test]
fn what_is_not_seen_as_network_storage_still_holds_the_release() {
    let gone = inventory_of(&["root"]);
    let mut locked = inventory_of(&["root", "lun1"]);
    locked.disks[1].read_only = true;
    let mut stick = inventory_of(&["root", "lun1"]);
    (stick.disks[1].removable, stick.disks[1].bus) = (true, None);
    for found in [gone, locked, stick] {
        let mut world = deployed_for(owner(), &["root", "lun1"]);
        world.run_to_rest();
        world.machine.state.owed.push("lun1".into());
        released_with(&mut world, found);
        assert!(why(&world).contains("`lun1`"), "{}", why(&world));
        assert_eq!(skippable(&world.machine), ["lun1"]);
    }
}

#[test]
fn where_nobody_knows_what_was_written_network_storage_holds_the_release() {
    let mut world = deployed_for(owner(), &["root", "data"]);
    world.run_to_rest();
    // As an earlier version wrote it, which took network storage for the machine's own.
    (world.machine.state.root_disk, world.machine.state.written) = (None, Vec::new());
    let mut found = inventory_of(&["root", "data"]);
    found.disks[1].bus = Some("iscsi".into());
    released_with(&mut world, found);
    assert!(why(&world).contains("`data`") && why(&world).contains("network storage"), "{}", why(&world));
    assert_eq!(skippable(&world.machine), ["data"]);
}

#[test]
fn an_instance_that_ran_from_ram_beside_network_storage_can_end() {
    let mut world = deployed_for(ram_owner(), &["lun1"]);
    assert_eq!(world.machine.state.name, MachineState::Deployed);
    assert!(world.machine.state.dirty && world.machine.state.owed.is_empty());
    // As an earlier version put it on record.
    world.machine.state.owed = vec!["lun1".into()];
    world.request(&release()).unwrap();
    world.run_to_rest();
    assert_eq!((world.machine.state.name, world.machine.state.dirty), (MachineState::Available, false));
    assert!(result_of_erase(&world).contains("left alone: sd-lun1"), "{}", result_of_erase(&world));
}

#[test]
fn an_adopted_machine_that_boots_from_a_san_is_given_back_and_its_storage_left_alone() {
    let mut world = World::adopted();
    world.machine.state.owed = vec!["lun1".into()];
    world.disks = vec!["lun1"];
    world.request(&release()).unwrap();
    world.run_to_rest();
    assert_eq!((world.machine.state.name, world.machine.state.dirty), (MachineState::Available, false));
    assert!(result_of_erase(&world).contains("left alone: sd-lun1"), "{}", result_of_erase(&world));
    // One that is owed a disk that is not there still waits for it.
    let mut world = World::adopted();
    world.machine.state.owed = vec!["pulled".into()];
    world.disks = vec!["lun1"];
    world.request(&release()).unwrap();
    lives(&mut world);
    assert!(world.machine.state.dirty && world.machine.state.hold.is_some(), "{}", why(&world));
    // So does one whose own system was written, and is nowhere to be seen.
    let mut world = World::deployed();
    world.machine.state.owed.clear();
    world.machine.state.root_disk = None;
    world.machine.state.written.clear();
    world.disks = vec!["lun1"];
    world.request(&release()).unwrap();
    lives(&mut world);
    assert!(world.machine.state.dirty && world.machine.state.hold.is_some(), "{}", why(&world));
}

#[test]
fn a_disk_over_two_paths_can_be_left_out() {
    let mut world = World::deployed();
    world.machine.state.owed = vec!["root".into(), "data".into()];
    world.disks = vec!["root", "data", "data"];
    world.request(&release()).unwrap();
    lives(&mut world);
    assert!(why(&world).contains("two disks have the serial number `data`"), "{}", why(&world));
    let hold = world.machine.state.holds;
    world.request(&Request::SkipDisk { hold, disk: "data".into() }).unwrap();
    world.run_to(StepName::Erase);
    assert_eq!(permitted(&world), [("root".to_owned(), false)]);
}

#[test]
fn a_writing_that_began_keeps_its_disk_also_for_the_smallest() {
    let smallest = Owner { root_disk: Some(DiskHints::smallest()), ..owner() };
    for owner in [owner(), smallest] {
        let mut world = World::available();
        world.disks = vec!["root", "data"];
        world.request(&Request::Assign(owner)).unwrap();
        world.run_to(StepName::WriteImage);
        let job = world.machine.running_job().map(|job| (job.id, job.epoch));
        world.disks = vec!["data"];
        world.fact(&Fact::Claimed { job, inventory: inventory_of(&["data"]) });
        lives(&mut world);
        assert!(why(&world).starts_with("no disk has the serial number `root`"), "{}", why(&world));
        assert_eq!(usable(&world.machine), ["data"]);
    }
}

#[test]
fn the_disk_with_the_system_is_written_and_wiped_again_although_it_counts_as_others_by_now() {
    let mut world = deployed_for(owner(), &["root"]);
    world.run_to_rest();
    assert_eq!(world.machine.state.root_disk.as_deref(), Some("root"));
    world.request(&Request::Release { instance: INSTANCE, erase: Default::default(), by: None }).unwrap();
    world.run_to(StepName::Agent);
    let mut found = inventory_of(&["root"]);
    found.disks[0].bus = Some("fc".into());
    let job = world.machine.running_job().filter(|job| job.kind == JobKind::Release);
    let job = job.map(|job| (job.id, job.epoch));
    world.fact(&Fact::Claimed { job, inventory: found });
    for _ in 0..4 {
        let begun = world.machine.running_job().and_then(|job| job.current());
        if begun.is_some_and(|step| step.name == StepName::Erase && step.phase == StepPhase::Intent) {
            break;
        }
        world.reconcile(|_| Ok("done".into()));
    }
    assert_eq!(permitted(&world), [("root".to_owned(), true)]);
}

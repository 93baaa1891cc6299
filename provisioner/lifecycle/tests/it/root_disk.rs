//! Which disk gets the system: a hold where nobody said it, the choice that ends it, and what is never touched.

use super::world::{INSTANCE, World, inventory_of, open_owner, owner, release};
use provisioner_api::{Choice, DiskHints, JobKind, MachineState, StepPhase};
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

#[test]
fn a_disk_of_which_it_shows_later_that_others_may_have_it_holds_the_release() {
    let mut world = deployed_for(owner(), &["root", "data"]);
    world.run_to_rest();
    world.request(&release()).unwrap();
    world.run_to(StepName::Agent);
    let mut found = inventory_of(&["root", "data"]);
    found.disks[1].bus = Some("iscsi".into());
    let job = world.machine.running_job().map(|job| (job.id, job.epoch));
    world.fact(&Fact::Claimed { job, inventory: found });
    world.reconcile(|_| panic!("nothing is to be done"));
    world.reconcile(|_| panic!("nothing is to be done"));
    assert!(why(&world).contains("`data`") && why(&world).contains("network storage"), "{}", why(&world));
    assert_eq!(skippable(&world.machine), ["data"]);
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

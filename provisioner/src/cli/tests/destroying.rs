//! `--dry-run` of everything that destroys: it tells what would be lost, and asks the service for nothing but that.

use super::{User, fake::Fake, real::ok, samples};
use provisioner_api::{ErasePolicy, InstanceState, Machine, MachineState, Reservation, ReservationList};
use serde_json::json;

/// A machine with a disk, on which an instance runs.
fn machine() -> Machine {
    let mut machine = samples::machine("m1");
    machine.status.state = MachineState::Deployed;
    machine.status.inventory = Some(samples::inventory());
    machine.status.instance = Some(samples::instance("web").id);
    machine.status.instance_name = Some("web".to_owned());
    machine
}

async fn service(state: InstanceState) -> Fake {
    let fake = Fake::start().await;
    let mut instance = samples::instance("web");
    instance.status.state = state;
    instance.status.machine = Some(machine().id);
    instance.status.machine_name = Some("m1".to_owned());
    let mut held = machine();
    held.name = "m2".to_owned();
    held.status.held = Some(samples::held());
    fake.says("GET /v1/instances/web", 200, &instance);
    fake.says("GET /v1/machines/m1", 200, &machine());
    fake.says("GET /v1/machines/m2", 200, &held);
    fake.says(&format!("GET /v1/machines/{}", machine().id), 200, &machine());
    fake
}

#[tokio::test]
async fn a_dry_run_tells_the_disks_and_does_nothing() {
    let fake = service(InstanceState::Deploying).await;
    let user = User::of(fake.connection());
    for (line, fate) in [
        ("instance delete web --dry-run", "wiped (metadata)"),
        ("instance delete web --erase overwrite --yes --wait --dry-run", "wiped (overwrite)"),
        ("instance reinstall web --dry-run", "lost: the image is written over it"),
        (
            "instance reinstall web --root-disk-serial D1 --yes --dry-run",
            "lost: the image is written over it",
        ),
        ("instance cancel web --yes --dry-run", "wiped (metadata)"),
        ("machine service m1 --erase-disk D1 --erase overwrite --yes --dry-run", "wiped (overwrite)"),
        ("machine cancel m1 --yes --dry-run", "stays as it is now"),
        ("machine choose m2 give-back --yes --dry-run", "wiped, if an instance ends by that"),
        ("machine choose m2 skip-disk --disk D1 --yes --dry-run", "stays: whoever gets the disk can read it"),
        ("machine delete m1 --dry-run", "stays"),
        ("machine power off m1 --dry-run", "what its system has not written yet is lost"),
        ("machine inspect m1 --wait --dry-run", "what its system has not written yet is lost"),
        ("machine accept m1 --dry-run", "what its system has not written yet is lost"),
        ("machine retry m1 --dry-run", "as of the work that is tried again"),
        ("instance retry web --dry-run", "as of the work that is tried again"),
        ("instance unrescue web --dry-run", "what its system has not written yet is lost"),
        ("instance create new --image os --machine m1 --dry-run", "lost: the image is written over it"),
        ("bmc power off m1 --dry-run", "what its system has not written yet is lost"),
        ("bmc power full-cycle m1 --yes --dry-run", "what its system has not written yet is lost"),
        (
            "bmc firmware update m1 --url http://10.0.0.1/x --dry-run",
            "what its system has not written yet is",
        ),
        (
            "machine delete m1 --scrap --unwiped D1 --yes --dry-run",
            "stays: whoever gets the disk can read it",
        ),
    ] {
        let ran = user.run(line).await;
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{line}: {ran:?}");
        let disk = ran.out.lines().rfind(|line| line.contains(" D1 ")).unwrap_or_default();
        for want in ["vda", "4.0 GiB", "instance web's", fate] {
            assert!(disk.contains(want), "{line}: {want}: {}", ran.out);
        }
        assert!(ran.out.contains("dry run: nothing was done"), "{line}: {}", ran.out);
        assert!(!ran.out.contains('\x1b'), "a model may be hostile");
    }
    let asked = fake.asked();
    assert!(asked.iter().all(|asked| asked.line.starts_with("GET ")), "{asked:?}");
    let json = user.run("instance delete web --dry-run -o json").await.out;
    let loss: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&loss["machine"], &loss["disks"][0]["serial"]), (&"m1".into(), &"D1".into()));
}

#[tokio::test]
async fn a_person_is_told_the_disks_before_being_asked() {
    let fake = service(InstanceState::Running).await;
    let mut user = User::of(fake.connection());
    user.person = true;
    user.types = "n\n".to_owned();
    for line in ["instance delete web", "instance reinstall web", "machine service m1 --erase-disk D1"] {
        let ran = user.run(line).await;
        assert_eq!(ran.code, 2, "{line}: {ran:?}");
        let (disk, question) = (ran.err.find(" D1 "), ran.err.find("[y/N]"));
        assert!(disk.is_some() && disk < question, "{line}: {}", ran.err);
    }
    let asked = fake.asked();
    assert!(asked.iter().all(|asked| asked.line.starts_with("GET ")), "{asked:?}");
}

#[tokio::test]
async fn a_dry_run_of_what_no_disk_notices_does_nothing_either() {
    let fake = service(InstanceState::Running).await;
    let reserved = ReservationList {
        items: vec![Reservation { mac: "52:54:00:00:00:02".into(), address: "10.0.0.8".into() }],
        next: None,
    };
    fake.says("GET /v1/networks/lan/reservations?limit=250", 200, &reserved);
    fake.says(
        "GET /v1/pools/gpu",
        200,
        &json!({ "name": "gpu", "machines": 3, "held": 0, "states": {}, "taken": 2,
        "spec": { "erase": "overwrite" } }),
    );
    fake.says(
        "GET /v1/works",
        200,
        &json!({ "frozen": null, "erasing": { "running": 1, "queued": 0, "limit": 10 } }),
    );
    let user = User::of(fake.connection());
    for (line, want) in [
        ("network reservation remove lan 52:54:00:00:00:02 --dry-run", "10.0.0.8 on network lan would not"),
        ("pool delete gpu --dry-run", "no policy any more (wipes by overwrite at least); 3 machines name it"),
        (
            "pool set gpu --max-machines 2 --dry-run",
            "from (wipes by overwrite at least) to (wipes by overwrite at least, ",
        ),
        ("pool set gpu --max-machines 2 --dry-run", "; 2 of its machines have an instance and keep it"),
        ("freeze --dry-run", "everything would stop: no machine would be switched"),
        ("bmc sel clear m1 --yes --dry-run", "machine m1: the event log would be cleared"),
        ("bmc --dry-run restart m1", "the BMC would be restarted"),
        ("bmc user set-password 3 m1 --dry-run", "user 3 would have another password"),
        ("bmc user disable 3 m1 --dry-run", "user 3 could not log in any more"),
        ("bmc boot pxe m1 --dry-run", "the next boot would come from pxe"),
        ("bmc bios set BootMode=Uefi m1 --dry-run", "setup would be changed: BootMode=Uefi"),
        (
            "bmc power cycle -H 10.0.0.9 -U admin --dry-run",
            "10.0.0.9: it would be switched off, hard, and on",
        ),
        ("bmc power reset -H 10.0.0.9 -U admin --dry-run", "Its disks are known to the service alone"),
        ("instance create new --image os --dry-run", "is decided when it is asked for"),
    ] {
        let ran = user.run(line).await;
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{line}: {ran:?}");
        assert!(
            ran.out.contains(want) && ran.out.contains("dry run: nothing was done"),
            "{line}: {}",
            ran.out
        );
    }
    for (line, code, want) in [
        ("bmc power status m1 --dry-run", 2, "this only looks, and changes nothing"),
        ("bmc power off --dry-run", 2, "whose BMC?"),
        ("bmc power off m1 -H 10.0.0.9 --dry-run", 2, "not both"),
        (
            "network reservation remove lan 52:54:00:00:00:03 --dry-run",
            5,
            "nothing on network lan is reserved",
        ),
        ("machine power off nobody --dry-run", 5, ""),
    ] {
        let ran = user.run(line).await;
        assert!(ran.code == code && ran.err.contains(want), "{line}: {ran:?}");
    }
    let asked = fake.asked();
    assert!(asked.iter().all(|asked| asked.line.starts_with("GET ")), "{asked:?}");
}

#[tokio::test]
async fn the_wipe_is_told_that_will_really_be_done() {
    let fake = service(InstanceState::Running).await;
    fake.says(
        "GET /v1/pools/default",
        200,
        &json!({ "name": "default", "machines": 1, "held": 0, "states": {},
        "spec": { "erase": "overwrite" } }),
    );
    let mut user = User::of(fake.connection());
    let why = "wiped (overwrite: the least that pool default allows)";
    for line in ["instance delete web --dry-run", "machine service m1 --erase-disk D1 --dry-run"] {
        let ran = ok(user.run(line).await);
        assert!(ran.contains(why), "{line}: {ran}");
    }
    let more = ok(user.run("instance delete web --erase overwrite --dry-run").await);
    assert!(more.contains("wiped (overwrite)"), "{more}");
    user.person = true;
    user.types = "n\n".to_owned();
    let asked = user.run("instance delete web --erase metadata").await;
    assert!(asked.err.contains("will be wiped (overwrite: the least that pool default allows)"), "{asked:?}");
    // The pool's word of when it was given counts, too, whatever it says now.
    let mut strict = machine();
    strict.status.least_erase = Some(ErasePolicy::Overwrite);
    let fresh = Fake::start().await;
    let mut instance = samples::instance("web");
    instance.status.machine = Some(strict.id);
    fresh.says("GET /v1/instances/web", 200, &instance);
    fresh.says(&format!("GET /v1/machines/{}", strict.id), 200, &strict);
    let told = ok(User::of(fresh.connection()).run("instance delete web --dry-run").await);
    assert!(told.contains("wiped (overwrite: the least that its pool allowed when it was given)"), "{told}");
    // Also where a deployment ends by what is done to its machine.
    strict.status.state = MachineState::Deploying;
    fresh.says("GET /v1/machines/m1", 200, &strict);
    let mut user = User::of(fresh.connection());
    let told = ok(user.run("machine cancel m1 --dry-run").await);
    assert!(told.contains("wiped (overwrite: the least that its pool allowed when it was given)"), "{told}");
    (user.person, user.types) = (true, "n\n".to_owned());
    let asked = user.run("machine cancel m1").await;
    assert!(asked.code == 2 && asked.err.contains("wiped (overwrite: the least"), "{asked:?}");
}

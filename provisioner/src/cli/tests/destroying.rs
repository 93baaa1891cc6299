//! `--dry-run` of everything that destroys: it tells what would be lost, and asks the service for nothing but that.

use super::{User, fake::Fake, samples};
use provisioner_api::{InstanceState, Machine, MachineState};

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

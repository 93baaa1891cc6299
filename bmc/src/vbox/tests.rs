//! The driver against a stand-in for `VBoxManage`.

use super::*;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

struct StandIn(TempDir);

impl StandIn {
    fn new(state: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stand-ins/VBoxManage");
        symlink(program, folder.path().join("VBoxManage")).unwrap();
        std::fs::write(folder.path().join("state"), format!("{state}\n")).unwrap();
        std::fs::write(
            folder.path().join("boot"),
            "boot1=\"disk\"\nboot2=\"dvd\"\nboot3=\"none\"\nboot4=\"none\"\n",
        )
        .unwrap();
        Self(folder)
    }

    fn machine(&self, name: &str) -> VirtualBox {
        VirtualBox::new(&self.0.path().join("VBoxManage"), name)
    }

    /// What was asked beside looks.
    fn changes(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.0.path().join("calls")).unwrap_or_default();
        calls
            .lines()
            .filter(|line| !line.starts_with("showvminfo vm1 --machinereadable"))
            .map(str::to_owned)
            .collect()
    }
}

fn boot(target: BootTarget) -> BootOverride {
    BootOverride { target, persistence: Persistence::Once, mode: None }
}

#[tokio::test]
async fn power_is_an_end() {
    for (state, target, changes) in [
        ("running", PowerState::On, &[][..]),
        ("poweroff", PowerState::Off, &[]),
        ("aborted", PowerState::Off, &[]),
        ("poweroff", PowerState::On, &["startvm vm1 --type headless"]),
        ("aborted", PowerState::On, &["startvm vm1 --type headless"]),
        ("paused", PowerState::On, &["controlvm vm1 resume"]),
        ("running", PowerState::Off, &["controlvm vm1 poweroff"]),
        ("saved", PowerState::Off, &["discardstate vm1"]),
    ] {
        let stand_in = StandIn::new(state);
        let vm1 = stand_in.machine("vm1");
        vm1.set_power(target).await.unwrap();
        assert_eq!(stand_in.changes(), changes, "{state} → {target:?}");
        assert_eq!(vm1.power().await.unwrap(), target);
    }
}

#[tokio::test]
async fn the_boot_order_is_changed_while_it_is_off() {
    let stand_in = StandIn::new("poweroff");
    let vm1 = stand_in.machine("vm1");
    assert_eq!(vm1.boot().await.unwrap().unwrap().target, BootTarget::Disk);
    vm1.set_boot(boot(BootTarget::Disk)).await.unwrap();
    assert_eq!(stand_in.changes(), [""; 0], "already so");
    vm1.set_boot(boot(BootTarget::Network)).await.unwrap();
    let change = "modifyvm vm1 --boot1 net --boot2 disk --boot3 none --boot4 none";
    assert_eq!(stand_in.changes(), [change]);
    assert_eq!(vm1.boot().await.unwrap().unwrap().target, BootTarget::Network);
    vm1.set_power(PowerState::On).await.unwrap();
    let error = vm1.set_boot(boot(BootTarget::Disk)).await.unwrap_err();
    assert!(matches!(error, BmcError::OnlyWhileOff { .. }), "{error}");
    assert!(error.to_string().contains("switch it off first"), "{error}");
    let error = vm1.set_boot(boot(BootTarget::Setup)).await.unwrap_err();
    assert!(matches!(error, BmcError::Unsupported { .. }), "{error}");
}

#[tokio::test]
async fn a_machine_that_just_ended_is_waited_for() {
    let stand_in = StandIn::new("poweroff");
    let vm1 = stand_in.machine("vm1");
    std::fs::write(stand_in.0.path().join("locked"), "1\n2\n").unwrap();
    vm1.set_boot(boot(BootTarget::Network)).await.unwrap();
    std::fs::write(stand_in.0.path().join("locked"), "1\n").unwrap();
    vm1.set_power(PowerState::On).await.unwrap();
    let words: Vec<_> =
        stand_in.changes().iter().map(|call| call.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(words, ["modifyvm", "modifyvm", "modifyvm", "startvm", "startvm"]);
}

#[tokio::test]
async fn yes_is_not_believed() {
    let stand_in = StandIn::new("poweroff");
    std::fs::write(stand_in.0.path().join("stuck"), "").unwrap();
    let error = stand_in.machine("vm1").set_boot(boot(BootTarget::Network)).await.unwrap_err();
    assert!(matches!(error, BmcError::NotDone { .. }), "{error}");
}

#[tokio::test]
async fn buttons_and_errors() {
    for (button, change) in [
        (Button::Reset, "controlvm vm1 reset"),
        (Button::ShutDown, "controlvm vm1 acpipowerbutton"),
        (Button::Pause, "controlvm vm1 pause"),
        (Button::Diagnostic, "debugvm vm1 injectnmi"),
    ] {
        let stand_in = StandIn::new("running");
        stand_in.machine("vm1").press(button).await.unwrap();
        assert_eq!(stand_in.changes(), [change]);
    }
    let stand_in = StandIn::new("running");
    stand_in.machine("vm1").press(Button::Cycle).await.unwrap();
    assert_eq!(stand_in.changes(), ["controlvm vm1 poweroff", "startvm vm1 --type headless"]);
    let error = StandIn::new("poweroff").machine("vm1").press(Button::Reset).await.unwrap_err();
    assert!(error.to_string().contains("is not currently running"), "{error}");
    let error = StandIn::new("poweroff").machine("vm2").power().await.unwrap_err();
    assert!(matches!(error, BmcError::NotABmc { .. }), "{error}");
    let error = VirtualBox::new(Path::new("/no/VBoxManage"), "vm1").power().await.unwrap_err();
    assert!(error.to_string().contains("install VirtualBox"), "{error}");
    let info = stand_in.machine("vm1").info().await.unwrap();
    assert_eq!(info.system_uuid.as_deref(), Some("8ac2f4a8-5b1d-4a47-9a3e-0f2b6c4d1e70"));
}

//! The driver against a stand-in for `virsh`, and against the real one with libvirt's own test hypervisor.

use super::*;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

const XML: &str = "<domain type='kvm'>\n  <name>vm1</name>\n  <os>\n    <type>hvm</type>\n    <boot dev='hd'/>\n  </os>\n  <devices><graphics type='vnc' passwd='secret'/></devices>\n</domain>\n";

struct StandIn(TempDir);

impl StandIn {
    fn new(state: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        symlink(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stand-ins/virsh"), folder.path().join("virsh"))
            .unwrap();
        std::fs::write(folder.path().join("state"), format!("{state}\n")).unwrap();
        std::fs::write(folder.path().join("xml"), XML).unwrap();
        Self(folder)
    }

    fn driver(&self, uri: &str, domain: &str) -> Libvirt {
        Libvirt::new(&self.0.path().join("virsh"), uri, domain)
    }

    fn vm1(&self) -> Libvirt {
        self.driver("qemu:///system", "vm1")
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).unwrap_or_default()
    }

    /// The commands that were run, without options that are always there.
    fn commands(&self) -> Vec<String> {
        let calls = self.read("calls");
        calls
            .lines()
            .map(|line| line.strip_prefix("-q -c qemu:///system ").unwrap_or(line).to_owned())
            .collect()
    }

    fn stuck(&self) {
        std::fs::write(self.0.path().join("stuck"), "").unwrap();
    }
}

fn boot(target: BootTarget) -> BootOverride {
    BootOverride { target, persistence: Persistence::Once, mode: None }
}

#[tokio::test]
async fn power_is_an_end() {
    for (state, target, commands) in [
        ("running", PowerState::On, vec!["domstate -- vm1"]),
        ("shut off", PowerState::Off, vec!["domstate -- vm1"]),
        ("shut off", PowerState::On, vec!["domstate -- vm1", "start -- vm1", "domstate -- vm1"]),
        ("running", PowerState::Off, vec!["domstate -- vm1", "destroy -- vm1", "domstate -- vm1"]),
        ("paused", PowerState::On, vec!["domstate -- vm1", "resume -- vm1", "domstate -- vm1"]),
        ("pmsuspended", PowerState::Off, vec!["domstate -- vm1", "destroy -- vm1", "domstate -- vm1"]),
    ] {
        let virsh = StandIn::new(state);
        let vm1 = virsh.vm1();
        vm1.set_power(target).await.unwrap();
        assert_eq!(virsh.commands(), commands, "{state} → {target:?}");
        assert_eq!(vm1.power().await.unwrap(), target);
    }
    assert_eq!(StandIn::new("paused").vm1().power().await.unwrap(), PowerState::On, "paused is not off");
    let error = StandIn::new("melted").vm1().power().await.unwrap_err();
    assert!(error.to_string().contains("`melted`"), "{error}");
}

#[tokio::test]
async fn yes_is_not_believed() {
    let virsh = StandIn::new("shut off");
    virsh.stuck();
    let error = virsh.vm1().set_power(PowerState::On).await.unwrap_err();
    assert!(matches!(&error, BmcError::NotDone { found, .. } if found == "shut off"), "{error}");
    let error = virsh.vm1().set_boot(boot(BootTarget::Network)).await.unwrap_err();
    assert!(matches!(error, BmcError::NotDone { .. }), "{error}");
}

#[tokio::test]
async fn the_boot_device_is_defined_and_the_rest_stays() {
    let virsh = StandIn::new("shut off");
    let vm1 = virsh.vm1();
    let shown = vm1.boot().await.unwrap().unwrap();
    assert_eq!((shown.target, shown.persistence), (BootTarget::Disk, Persistence::Persistent));
    vm1.set_boot(boot(BootTarget::Disk)).await.unwrap();
    assert!(!virsh.commands().iter().any(|line| line.contains("define")), "already so");
    vm1.set_boot(boot(BootTarget::Network)).await.unwrap();
    let wanted = XML.replace("<boot dev='hd'/>", "<boot dev='network'/><boot dev='hd'/>");
    assert_eq!(virsh.read("defined"), wanted, "with its secrets");
    assert_eq!(vm1.boot().await.unwrap().unwrap().target, BootTarget::Network);
    for target in [BootTarget::Setup, BootTarget::Default, BootTarget::Usb] {
        let error = vm1.set_boot(boot(target)).await.unwrap_err();
        assert!(matches!(error, BmcError::Unsupported { .. }), "{error}");
    }
}

#[tokio::test]
async fn buttons_are_pressed_once() {
    for (button, commands) in [
        (Button::Cycle, vec!["destroy -- vm1", "start -- vm1"]),
        (Button::Reset, vec!["reset -- vm1"]),
        (Button::ShutDown, vec!["shutdown --mode acpi -- vm1"]),
        (Button::Restart, vec!["reboot --mode acpi -- vm1"]),
        (Button::Diagnostic, vec!["inject-nmi -- vm1"]),
        (Button::Pause, vec!["suspend -- vm1"]),
    ] {
        let virsh = StandIn::new("running");
        virsh.vm1().press(button).await.unwrap();
        assert_eq!(virsh.commands(), commands);
    }
    let error = StandIn::new("shut off").vm1().press(Button::Reset).await.unwrap_err();
    assert!(error.to_string().contains("domain is not running"), "{error}");
    let error = StandIn::new("running").vm1().press(Button::FullCycle).await.unwrap_err();
    assert!(matches!(error, BmcError::Unsupported { .. }), "{error}");
}

#[tokio::test]
async fn what_is_wrong_is_told_apart() {
    let virsh = StandIn::new("running");
    let info = virsh.vm1().info().await.unwrap();
    assert_eq!(info.system_uuid.as_deref(), Some("6695eb01-f6a4-8304-79aa-97f2502e193f"));
    let error = virsh.driver("qemu:///system", "--all").power().await.unwrap_err();
    assert!(matches!(&error, BmcError::NotABmc { what, .. } if what.contains("`--all`")), "{error}");
    let error = virsh.driver("qemu:///other", "vm1").power().await.unwrap_err();
    assert!(matches!(error, BmcError::Unreachable { .. }), "unreachable is never off: {error}");
    let error = Libvirt::new(Path::new("/no/virsh"), "x", "y").power().await.unwrap_err();
    assert!(error.to_string().contains("libvirt-clients"), "{error}");
}

/// Its state lives for one connection only, so that nothing can be changed; but its words are the real ones.
#[tokio::test]
async fn the_real_virsh_is_understood() {
    let driver = |domain| Libvirt::new(Path::new("virsh"), "test:///default", domain);
    let test = driver("test");
    assert_eq!(test.power().await.unwrap(), PowerState::On);
    test.set_power(PowerState::On).await.unwrap();
    let uuid = test.info().await.unwrap().system_uuid.unwrap();
    assert!(uuid.len() == 36, "{uuid}");
    assert_eq!(test.boot().await.unwrap().unwrap().target, BootTarget::Disk);
    // Each change is taken and forgotten, and that is noticed.
    for error in [
        test.set_power(PowerState::Off).await.unwrap_err(),
        test.set_boot(boot(BootTarget::Network)).await.unwrap_err(),
    ] {
        assert!(matches!(error, BmcError::NotDone { .. }), "{error}");
    }
    let error = driver("nope").power().await.unwrap_err();
    assert!(matches!(error, BmcError::NotABmc { .. }), "{error}");
    let error = driver("--list").power().await.unwrap_err();
    assert!(matches!(error, BmcError::NotABmc { .. }), "an option is no name: {error}");
    let away = Libvirt::new(Path::new("virsh"), "qemu+unix:///system?socket=/no/such/socket", "x");
    let error = away.power().await.unwrap_err();
    assert!(matches!(error, BmcError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn what_virsh_prints_is_harmless_in_an_error() {
    let stand_in = StandIn::new(&format!("\u{1b}[2Jrunning {}", "x".repeat(10_000)));
    let error = stand_in.vm1().power().await.unwrap_err().to_string();
    assert!(error.contains("[2Jrunning") && error.len() < 300, "{error}");
    assert!(!error.contains(char::is_control), "{error}");
}

//! The commands, whole and in order, recorded by a stand-in.

use super::*;
use crate::spec::{Bus, Disk, Size};
use std::os::unix::fs::symlink;
use tempfile::TempDir;

struct Rig {
    folder: TempDir,
    layout: Layout,
    spec: Spec,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for program in ["VBoxManage", "billet"] {
            let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stand-ins").join(program);
            symlink(stand_in, folder.path().join(program)).unwrap();
        }
        let spec = Spec::parse(
            "[[machine]]\nname = 'm1'\nfirmware = 'bios'\nbmc = 'mock'\ndisk = '4G'\ndata_disks = ['1G']\nmac = '52:54:00:AA:00:01'\n\
             [[machine]]\nname = 'm2'\nfirmware = 'uefi'\nbmc = 'mock'\nboot_order = 'network-first'\nnic = 'e1000e'\nmac = '52:54:00:aa:00:02'\n",
        )
        .unwrap();
        let layout = Layout::create(&folder.path().join("lab"), &spec.machines).unwrap();
        Self { folder, layout, spec }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn virtualbox(&self, enrol: bool) -> VirtualBox {
        VirtualBox { manage: self.path("VBoxManage"), billet: enrol.then(|| self.path("billet")) }
    }

    /// What was recorded, with the lab's folder as `DIR`.
    fn recorded(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        let _next_begins_empty = std::fs::remove_file(self.path(name));
        let dir = self.layout.dir().to_str().unwrap().to_owned();
        text.lines().map(|line| line.replace(&dir, "DIR")).collect()
    }
}

#[test]
fn the_commands_that_make_a_lab() {
    let rig = Rig::new();
    let told = rig.virtualbox(false).up(&rig.spec, &rig.layout, false).unwrap();
    assert_eq!(
        told,
        "# In the service's configuration:\n[[networks]]\nname = \"lab\"\ninterface = \"vboxnet3\"\n\
         address = \"10.77.0.1\"\nsubnet = \"10.77.0.0/24\"\nrange = [\"10.77.0.128\", \"10.77.0.254\"]\ndhcp = \"full\"\n\n\
         # Then:\n\
         billet machine add m1 --mac 52:54:00:aa:00:01 --bmc vbox://billet-lab-m1\n\
         billet machine add m2 --mac 52:54:00:aa:00:02 --bmc vbox://billet-lab-m2\n"
    );
    let (uuid1, uuid2) = (rig.spec.machines[0].uuid(), rig.spec.machines[1].uuid());
    let expected = [
        "--version".to_owned(),
        "list hostonlyifs".into(),
        "hostonlyif create".into(),
        "hostonlyif ipconfig vboxnet3 --ip 10.77.0.1 --netmask 255.255.255.0".into(),
        "dhcpserver remove --interface vboxnet3".into(),
        "list vms".into(),
        "list vms".into(),
        "createvm --name billet-lab-m1 --ostype Linux26_64 --basefolder DIR/virtualbox --register".into(),
        format!("modifyvm billet-lab-m1 --memory 512 --firmware bios --ioapic on --hardwareuuid {uuid1} --rtcuseutc on --nic1 hostonly --hostonlyadapter1 vboxnet3 --nictype1 virtio --macaddress1 525400aa0001 --boot1 disk --boot2 net --boot3 none --boot4 none --uart1 0x3F8 4 --uartmode1 file DIR/m1.console"),
        "setextradata billet-lab-m1 VBoxInternal/Devices/pcbios/0/Config/DmiSystemSerial LAB-m1".into(),
        "storagectl billet-lab-m1 --name IDE --add ide --controller PIIX4".into(),
        "createmedium disk --filename DIR/virtualbox/billet-lab-m1-0.vdi --size 4096 --format VDI".into(),
        "storageattach billet-lab-m1 --storagectl IDE --port 0 --device 0 --type hdd --medium DIR/virtualbox/billet-lab-m1-0.vdi".into(),
        "setextradata billet-lab-m1 VBoxInternal/Devices/piix3ide/0/Config/PrimaryMaster/SerialNumber m1-disk0".into(),
        "createmedium disk --filename DIR/virtualbox/billet-lab-m1-1.vdi --size 1024 --format VDI".into(),
        "storageattach billet-lab-m1 --storagectl IDE --port 0 --device 1 --type hdd --medium DIR/virtualbox/billet-lab-m1-1.vdi".into(),
        "setextradata billet-lab-m1 VBoxInternal/Devices/piix3ide/0/Config/PrimarySlave/SerialNumber m1-disk0-1".into(),
        "setextradata billet-lab-m1 billet-lab/whole yes".into(),
        "list vms".into(),
        "list vms".into(),
        "createvm --name billet-lab-m2 --ostype Linux26_64 --basefolder DIR/virtualbox --register".into(),
        format!("modifyvm billet-lab-m2 --memory 512 --firmware efi --ioapic on --hardwareuuid {uuid2} --rtcuseutc on --nic1 hostonly --hostonlyadapter1 vboxnet3 --nictype1 82540EM --macaddress1 525400aa0002 --boot1 net --boot2 disk --boot3 none --boot4 none --uart1 0x3F8 4 --uartmode1 file DIR/m2.console"),
        "setextradata billet-lab-m2 VBoxInternal/Devices/efi/0/Config/DmiSystemSerial LAB-m2".into(),
        "storagectl billet-lab-m2 --name IDE --add ide --controller PIIX4".into(),
        "createmedium disk --filename DIR/virtualbox/billet-lab-m2-0.vdi --size 4096 --format VDI".into(),
        "storageattach billet-lab-m2 --storagectl IDE --port 0 --device 0 --type hdd --medium DIR/virtualbox/billet-lab-m2-0.vdi".into(),
        "setextradata billet-lab-m2 VBoxInternal/Devices/piix3ide/0/Config/PrimaryMaster/SerialNumber m2-disk0".into(),
        "setextradata billet-lab-m2 billet-lab/whole yes".into(),
    ];
    assert_eq!(rig.recorded("calls"), expected);
    let kept = Spec::read(&stored_spec(rig.layout.dir())).unwrap();
    assert_eq!(kept.machines.len(), 2, "`down` knows what there is");
}

#[test]
fn virtualbox_from_7_1_on_is_told_the_platform() {
    for (version, told) in [("7.1.4r165100", true), ("7.2.0r170228", true), ("7.0.20r163906", false)] {
        let rig = Rig::new();
        std::fs::write(rig.path("version"), version).unwrap();
        rig.virtualbox(false).up(&rig.spec, &rig.layout, false).unwrap();
        let calls = rig.recorded("calls");
        let created: Vec<_> = calls.iter().filter(|call| call.starts_with("createvm")).collect();
        assert_eq!(created.len(), 2);
        let words = "--ostype Linux26_64 --platform-architecture x86 --basefolder";
        assert!(created.iter().all(|call| call.contains(words) == told), "{version}: {created:?}");
    }
}

#[test]
fn what_is_there_is_used_and_machines_are_enrolled() {
    let rig = Rig::new();
    std::fs::write(rig.path("there"), "").unwrap();
    std::fs::write(rig.path("whole"), "").unwrap();
    let network = "Name:            vboxnet0\nIPAddress:       192.168.56.1\n\nName:            vboxnet1\nDHCP:            Disabled\nIPAddress:       10.77.0.1\n";
    std::fs::write(rig.path("network"), network).unwrap();
    let told = rig.virtualbox(true).up(&rig.spec, &rig.layout, false).unwrap();
    assert!(told.contains("\"vboxnet1\"") && !told.contains("billet machine add"), "{told}");
    let calls = rig.recorded("calls");
    let changes = |calls: &[String], word: &str| calls.iter().filter(|call| call.contains(word)).count();
    assert_eq!(
        changes(&calls, "createvm --name billet-lab-m1") + changes(&calls, "hostonlyif create"),
        0,
        "{calls:?}"
    );
    assert_eq!(changes(&calls, "createvm --name billet-lab-m2"), 1, "{calls:?}");
    let enrolled = [
        "machine add m1 --mac 52:54:00:aa:00:01 --bmc vbox://billet-lab-m1",
        "machine add m2 --mac 52:54:00:aa:00:02 --bmc vbox://billet-lab-m2",
    ];
    assert_eq!(rig.recorded("enrolled"), enrolled);
    let status = rig.virtualbox(false).status(&rig.spec).unwrap();
    let rows: Vec<Vec<&str>> = status.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1], ["m1", "running", "52:54:00:aa:00:01", "vbox://billet-lab-m1"]);
    assert_eq!(rows[2], ["m2", "not", "made", "52:54:00:aa:00:02", "vbox://billet-lab-m2"]);
}

#[test]
fn only_the_machines_of_the_spec_go_when_they_can() {
    let rig = Rig::new();
    std::fs::write(rig.path("there"), "").unwrap();
    std::fs::write(rig.path("locked"), "1\n2\n").unwrap();
    rig.virtualbox(false).remove(&rig.spec, &rig.layout).unwrap();
    let gone = "unregistervm billet-lab-m1 --delete";
    let expected = ["list vms", "controlvm billet-lab-m1 poweroff", gone, gone, gone, "list vms"];
    assert_eq!(rig.recorded("calls"), expected);
}

#[test]
fn what_is_half_made_is_made_anew() {
    let rig = Rig::new();
    std::fs::write(rig.path("full"), "").unwrap();
    let error = format!("{:#}", rig.virtualbox(false).up(&rig.spec, &rig.layout, false).unwrap_err());
    assert!(error.contains("VERR_DISK_FULL"), "{error}");
    assert!(!rig.recorded("calls").iter().any(|call| call.contains("whole yes")));
    // There is room again; the machine is there, and one of its disks that was never attached.
    std::fs::remove_file(rig.path("full")).unwrap();
    std::fs::write(rig.path("there"), "").unwrap();
    let disk = rig.layout.dir().join("virtualbox/billet-lab-m1-0.vdi");
    std::fs::write(&disk, "left over").unwrap();
    rig.virtualbox(false).up(&rig.spec, &rig.layout, false).unwrap();
    let calls = rig.recorded("calls");
    let expected = [
        "getextradata billet-lab-m1 billet-lab/whole",
        "list vms",
        "controlvm billet-lab-m1 poweroff",
        "unregistervm billet-lab-m1 --delete",
        "closemedium disk DIR/virtualbox/billet-lab-m1-0.vdi",
        "createvm --name billet-lab-m1 --ostype Linux26_64 --basefolder DIR/virtualbox --register",
    ];
    let from = calls.iter().position(|call| *call == expected[0]).unwrap();
    assert_eq!(calls[from..from + expected.len()], expected);
    assert_eq!(std::fs::read(&disk).unwrap(), b"", "a new one");
}

#[test]
fn what_is_refused_says_what_to_do() {
    let rig = Rig::new();
    std::fs::write(rig.path("forbidden"), "").unwrap();
    let error = format!("{:#}", rig.virtualbox(false).up(&rig.spec, &rig.layout, false).unwrap_err());
    assert!(error.contains("/etc/vbox/networks.conf") && error.contains("* 10.77.0.0/24"), "{error}");
    assert!(error.contains("E_ACCESSDENIED"), "{error}");
    let last = rig.recorded("calls").pop();
    assert_eq!(last.as_deref(), Some("hostonlyif remove vboxnet3"), "each try would leave one behind");
    std::fs::write(rig.path("network"), "Name: vboxnet1\nIPAddress: 10.77.0.1\n").unwrap();
    std::fs::write(rig.path("dhcp"), "NetworkName: HostInterfaceNetworking-vboxnet1\nEnabled: Yes\n")
        .unwrap();
    let error = rig.virtualbox(false).up(&rig.spec, &rig.layout, false).unwrap_err().to_string();
    assert!(error.contains("VBoxManage dhcpserver remove --interface vboxnet1"), "{error}");
    let nowhere = VirtualBox { manage: rig.path("nothing"), billet: None };
    let error = format!("{:#}", nowhere.up(&rig.spec, &rig.layout, false).unwrap_err());
    assert!(error.contains("is it installed?"), "{error}");
    let mut arm = rig.spec.clone();
    arm.machines[0].architecture = Architecture::Aarch64;
    let error = rig.virtualbox(false).up(&arm, &rig.layout, false).unwrap_err().to_string();
    assert!(error.contains("m1 is no x86_64"), "{error}");
    let mut many = rig.spec.clone();
    many.machines[0].data_disks = vec![Disk::new(Size::gib(1), "d"); 4];
    let error = rig.virtualbox(false).up(&many, &rig.layout, false).unwrap_err().to_string();
    assert!(error.contains("m1 has more than 4 disks"), "{error}");
    let mut other = rig.spec.clone();
    other.machines[0].disk.bus = Bus::Nvme;
    let error = rig.virtualbox(false).up(&other, &rig.layout, false).unwrap_err().to_string();
    assert!(error.contains("machine m1: disk m1-disk0 has more than size and serial"), "{error}");
}

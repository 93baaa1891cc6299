//! Reading specs: the defaults, and a sentence for each wrong field.

use super::*;

#[test]
fn the_default_is_one_machine_of_each_kind() {
    let spec = Spec::default();
    spec.check().unwrap();
    let kinds: Vec<_> = spec.machines.iter().map(|m| (m.name.as_str(), m.firmware, m.bmc)).collect();
    assert_eq!(kinds, [("m1", Firmware::Bios, BmcKind::IpmiSim), ("m2", Firmware::Uefi, BmcKind::Mock)]);
    assert_ne!(spec.machines[0].mac, spec.machines[1].mac);
    assert_ne!(spec.machines[0].uuid(), spec.machines[1].uuid());
}

#[test]
fn what_is_left_out_follows_from_the_name() {
    let spec = Spec::parse("[[machine]]\nname = \"m1\"\nfirmware = \"bios\"\nbmc = \"ipmi-sim\"").unwrap();
    assert_eq!(spec.machines[0], Spec::default().machines[0]);
    assert_eq!(spec.network, Network::default());
}

#[test]
fn all_fields_are_read() {
    let text = r#"
        [network]
        subnet = "192.0.2.0/25"
        address = "192.0.2.9"
        interface = "net0"
        capture = "full"
        vlans = [{ id = 100, subnet = "192.0.2.128/25", address = "192.0.2.129" }]
        faults = { drop = 0.1, duplicate = 0.2, delay_ms = 3, jitter_ms = 4, seed = 5 }
        [[machine]]
        name = "a"
        architecture = "aarch64"
        firmware = "uefi-http"
        bmc = "mock"
        disk = "64M"
        disk_serial = "S1"
        data_disks = ["1G", 1048576]
        memory = 1024
        mac = "52:54:00:AA:00:01"
        boot_order = "network-first"
        nic = "e1000e"
        further_nics = 2
    "#;
    let spec = Spec::parse(text).unwrap();
    let machine = &spec.machines[0];
    assert_eq!(machine.mac, "52:54:00:aa:00:01");
    assert_eq!((machine.architecture, machine.firmware), (Architecture::Aarch64, Firmware::UefiHttp));
    assert_eq!(
        (machine.boot_order, machine.nic, machine.memory),
        (BootOrder::NetworkFirst, Nic::E1000e, 1024)
    );
    let disks: Vec<_> = machine.disks().map(|disk| (disk.serial.clone(), disk.size.to_string())).collect();
    let expected = [("S1", "64M"), ("S1-1", "1G"), ("S1-2", "1M")];
    assert_eq!(disks, expected.map(|(serial, size)| (serial.to_owned(), size.to_owned())));
    assert_eq!(spec.network.capture, Capture::Full);
    assert_eq!((machine.further_nics, machine.further_macs().count()), (2, 2));
    assert_eq!((spec.network.vlans[0].id, spec.network.vlans[0].interface()), (100, "vlan100".to_owned()));
    assert_eq!((spec.network.faults.drop, spec.network.faults.seed), (0.1, 5));
}

#[test]
fn a_spec_that_is_written_out_reads_back_the_same() {
    let mut spec = Spec::default();
    let subnet = "192.0.2.0/24".to_owned().try_into().unwrap();
    spec.network.vlans = vec![Vlan { id: 100, subnet, address: Ipv4Addr::new(192, 0, 2, 1) }];
    spec.machines[0].further_nics = 2;
    let text = toml::to_string(&spec).unwrap();
    assert_eq!(Spec::parse(&text).unwrap(), spec);
}

#[test]
fn wrong_fields_are_named_with_the_mend() {
    let machine = |extra: &str| format!("[[machine]]\nname=\"m1\"\nfirmware=\"bios\"\nbmc=\"mock\"\n{extra}");
    let table: &[(String, &str)] = &[
        (machine("disk = \"4 gigs\""), "`4 gigs` is not a size; write it like 4G"),
        (machine("disk = \"1000\""), "machine m1: disk 1000 must be at least 1M and a multiple of 512 bytes"),
        (machine("further_nics = 5"), "machine m1: further_nics 5 must be 0 to 4"),
        (machine("further_nics = 2").replace("mock", "sushy"), "further_nics must be 0 with sushy"),
        (
            machine("[network]\nvlans=[{id=4095,subnet='10.1.0.0/24',address='10.1.0.1'}]"),
            "network: vlans[0]: id 4095 must be 1 to 4094",
        ),
        (
            machine("[network]\nvlans=[{id=5,subnet='10.1.0.0/24',address='10.2.0.1'}]"),
            "network: vlans[0]: address 10.2.0.1 is not in subnet 10.1.0.0/24",
        ),
        (
            machine(&format!("[network]\nvlans=[{0},{0}]", "{id=5,subnet='10.1.0.0/24',address='10.1.0.1'}")),
            "network: vlans[1]: id 5 is there twice",
        ),
        (machine("memory = 1"), "machine m1: memory 1 must be 128 to 65536 MiB"),
        (
            machine("mac = \"01:00:5e:00:00:01\""),
            "machine m1: mac `01:00:5e:00:00:01` must be a unicast address",
        ),
        (machine("mac = \"5254.0012.3456\""), "must be a unicast address like"),
        (machine("disk_serial = \"has space\""), "machine m1: disk: serial `has space` must be"),
        (machine("colour = 1"), "unknown field `colour`"),
        (machine("nic = \"token-ring\""), "unknown variant `token-ring`, expected `virtio` or `e1000e`"),
        (machine(&machine("")), "machine m1: name is there twice"),
        (
            machine("[[machine]]\nname=\"M2\"\nfirmware=\"bios\"\nbmc=\"mock\""),
            "machine: name `M2` must be 1 to 20 of",
        ),
        (
            machine("architecture = \"aarch64\""),
            "machine m1: firmware must be uefi or uefi-http: aarch64 has no BIOS",
        ),
        (machine("architecture = \"arm\""), "unknown variant `arm`, expected `x86_64` or `aarch64`"),
        (machine("[network]\nsubnet=\"10.1.0.0\""), "`10.1.0.0` is not a subnet; write it like 10.77.0.0/24"),
        (
            machine("[network]\naddress=\"10.1.0.1\""),
            "network: address 10.1.0.1 is not in subnet 10.77.0.0/24",
        ),
        (
            machine("[network]\ninterface=\"much-too-long\""),
            "network: interface `much-too-long` must be 1 to 12 of",
        ),
        (machine("[network]\nfaults={drop=2.0}"), "network: faults: drop 2 must be between 0 and 1"),
        ("[[machine]]\nname=\"m1\"\nbmc=\"mock\"".into(), "missing field `firmware`"),
        (String::new(), "machine is there 0 times; 1 to 200 can be made"),
    ];
    for (text, expected) in table {
        let error = Spec::parse(text).expect_err(text).to_string();
        assert!(error.contains(expected), "for {text}\n  expected: {expected}\n  said: {error}");
    }
}

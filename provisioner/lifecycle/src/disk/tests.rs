//! Tables over disks as real machines have them, and two properties: what is chosen is eligible, and the order in which
//! disks are found changes nothing.

use super::*;
use proptest::{prelude::*, sample::Index};
use provisioner_api::DiskKind;

fn disk(name: &str, serial: Option<&str>, size: u64) -> Disk {
    Disk { name: name.into(), serial: serial.map(Into::into), size_bytes: size, ..Disk::default() }
}

fn choose(disks: Vec<Disk>, wish: &DiskWish<'_>) -> Result<String, NoDisk> {
    let inventory = Inventory { disks, ..Inventory::default() };
    let chosen = choose_root_disk(Some(&inventory), wish);
    let some = matches!(chosen, Ok(_) | Err(NoDisk::Several { .. }));
    assert_eq!(has_root_disk(&inventory, wish), some, "the allocation sees what the job sees: {chosen:?}");
    chosen
}

/// As of an instance of an earlier version.
fn old(named: Option<&str>, need: u64) -> DiskWish<'_> {
    DiskWish { named, need, ..DiskWish::default() }
}

fn by(hints: &DiskHints) -> DiskWish<'_> {
    DiskWish { hints: Some(hints), need: 100, ..DiskWish::default() }
}

#[test]
fn without_a_word_of_an_earlier_version_takes_the_smallest_that_fits() {
    let disks =
        vec![disk("sda", Some("big"), 900), disk("sdb", Some("fit"), 500), disk("sdc", Some("tiny"), 10)];
    assert_eq!(choose(disks.clone(), &old(None, 400)), Ok("fit".into()));
    let smallest = DiskHints::smallest();
    assert_eq!(choose(disks, &DiskWish { need: 400, ..by(&smallest) }), Ok("fit".into()));
}

#[test]
fn nobody_guesses_between_two() {
    let disks = vec![disk("sda", Some("A"), 900), disk("sdb", Some("B"), 500), disk("sdc", Some("C"), 10)];
    let none = DiskHints::default();
    let Err(NoDisk::Several { count: 2, candidates }) = choose(disks.clone(), &by(&none)) else { panic!() };
    assert_eq!(candidates, "sdb (B, 500 bytes); sda (A, 900 bytes)");
    assert_eq!(choose(disks[1..].to_vec(), &by(&none)), Ok("B".into()), "one alone is no guess");
}

#[test]
fn never_takes_a_stick_a_read_only_or_a_nameless_disk() {
    let stick = Disk { removable: true, ..disk("sda", Some("stick"), 900) };
    let locked = Disk { read_only: true, ..disk("sdb", Some("locked"), 900) };
    let refused = choose(vec![stick.clone(), locked, disk("sdc", None, 900)], &old(None, 400));
    assert!(matches!(refused, Err(NoDisk::NoneFits { need: 400, .. })), "{refused:?}");
    assert!(matches!(choose(vec![stick], &old(Some("stick"), 1)), Err(NoDisk::NotWritable { .. })));
}

#[test]
fn a_serial_that_two_disks_share_names_none() {
    let twins = vec![disk("sda", Some("same"), 900), disk("sdb", Some("same"), 900)];
    let ambiguous = |result| matches!(result, Err(NoDisk::Ambiguous { count: 2, .. }));
    assert!(ambiguous(choose(twins.clone(), &old(Some("same"), 1))));
    assert!(ambiguous(choose(twins.clone(), &old(None, 1))));
    let small = choose(twins.clone(), &old(None, 901));
    assert!(matches!(small, Err(NoDisk::NoneFits { .. })), "too small anyway");
    let third = [twins, vec![disk("sdc", Some("other"), 900)]].concat();
    assert_eq!(choose(third, &old(None, 1)), Ok("other".into()));
}

#[test]
fn says_what_is_there() {
    let error = choose(vec![disk("sda", Some("x1"), 5)], &old(Some("x2"), 1)).unwrap_err().to_string();
    assert!(error.contains("x2") && error.contains("sda (x1, 5 bytes)"), "{error}");
    let small = choose(vec![disk("sda", Some("x1"), 5)], &old(Some("x1"), 6));
    assert!(matches!(small, Err(NoDisk::TooSmall { .. })));
    let hints = DiskHints { kind: Some(DiskKind::Nvme), ..DiskHints::default() };
    let error = choose(vec![disk("sda", Some("x1"), 500)], &by(&hints)).unwrap_err().to_string();
    assert!(error.contains("type=nvme") && error.contains("sda (x1, 500 bytes)"), "{error}");
}

/// A server with a RAID volume, two NVMe disks, a SATA disk that spins, a LUN over two paths, a stick and the BMC's floppy.
fn server() -> Vec<Disk> {
    let at = |name: &str, serial: &str, size, bus: &str| Disk {
        bus: Some(bus.into()),
        wwn: Some(format!("naa.{serial}")),
        ..disk(name, Some(serial), size)
    };
    let lun = Disk { model: Some("LUN C-Mode".into()), ..at("sdd", "L1", 2000, "fc") };
    vec![
        Disk {
            model: Some("PERC H730P Mini".into()),
            vendor: Some("DELL".into()),
            hctl: Some("0:2:0:0".into()),
            ..at("sda", "R1", 480, "scsi")
        },
        Disk {
            path: Some("pci-0000:5e:00.0-nvme-1".into()),
            model: Some("SAMSUNG MZQL2".into()),
            wwn: Some("eui.0025385b71b0a3c4".into()),
            ..at("nvme0n1", "N1", 960, "nvme")
        },
        Disk { model: Some("SAMSUNG MZQL2".into()), ..at("nvme1n1", "N2", 960, "nvme") },
        Disk { rotational: true, ..at("sdb", "H1", 4000, "sata") },
        lun.clone(),
        Disk { name: "sde".into(), ..lun },
        at("sdf", "U1", 640, "usb"),
        Disk { model: Some("Virtual Floppy".into()), ..at("sdg", "V1", 500, "usb") },
    ]
}

#[test]
fn all_hints_have_to_hold() {
    let none = DiskHints::default;
    let text = |text: &str| Some(text.to_owned());
    let chosen = |hints: DiskHints| choose(server(), &by(&hints)).ok();
    for (hints, serial) in [
        (DiskHints { serial: text("N2"), ..none() }, Some("N2")),
        (DiskHints { wwn: text("0025385B71B0A3C4"), ..none() }, Some("N1")),
        (DiskHints { vendor: text("dell"), ..none() }, Some("R1")),
        (DiskHints { model: text("perc*"), ..none() }, Some("R1")),
        (DiskHints { path: text("0:2:0:0"), ..none() }, Some("R1")),
        (DiskHints { path: text("pci-0000:5e:00.0-nvme-1"), ..none() }, Some("N1")),
        (DiskHints { kind: Some(DiskKind::Hdd), ..none() }, Some("H1")),
        (DiskHints { rotational: Some(true), ..none() }, Some("H1")),
        (DiskHints { kind: Some(DiskKind::Ssd), ..none() }, Some("R1")),
        (DiskHints { bus: text("sata"), ..none() }, Some("H1")),
        (DiskHints { min_bytes: Some(1000), ..none() }, Some("H1")),
        (DiskHints { max_bytes: Some(480), ..none() }, Some("R1")),
        (DiskHints { kind: Some(DiskKind::Nvme), ..none() }, None),
        (DiskHints { kind: Some(DiskKind::Nvme), smallest: true, ..none() }, Some("N1")),
        (DiskHints { kind: Some(DiskKind::Nvme), serial: text("H1"), ..none() }, None),
        (DiskHints { serial: text("U1"), ..none() }, None),
        (DiskHints { serial: text("U1"), allow: vec!["U1".into()], ..none() }, Some("U1")),
        (DiskHints { serial: text("L1"), ..none() }, None),
        (DiskHints { serial: text("L1"), allow: vec!["naa.L1".into()], ..none() }, Some("L1")),
        (DiskHints { serial: text("V1"), allow: vec!["V1".into()], ..none() }, Some("V1")),
    ] {
        assert_eq!(chosen(hints.clone()).as_deref(), serial, "{hints}");
    }
}

#[test]
fn what_is_read_only_nothing_allows() {
    let hints = DiskHints { allow: vec!["A".into()], ..DiskHints::default() };
    let locked = Disk { read_only: true, ..disk("sda", Some("A"), 900) };
    assert!(matches!(choose(vec![locked], &by(&hints)), Err(NoDisk::NoneMatches { .. })));
}

#[test]
fn one_disk_over_two_paths_is_told_from_two_with_one_number() {
    let path = |name: &str| Disk { wwn: Some("naa.6".into()), ..disk(name, Some("L"), 900) };
    let paths = choose(vec![path("sda"), path("sdb")], &old(Some("L"), 1));
    assert!(matches!(paths, Err(NoDisk::Paths { count: 2, .. })), "{paths:?}");
    let other = Disk { wwn: Some("naa.7".into()), ..path("sdb") };
    assert!(matches!(choose(vec![path("sda"), other], &old(Some("L"), 1)), Err(NoDisk::Ambiguous { .. })));
}

fn disks() -> impl Strategy<Value = Vec<Disk>> {
    let buses = ["sata", "nvme", "usb", "fc", "virtio"];
    let one = (0..6u8, 1..5u64, any::<Index>(), any::<[bool; 4]>());
    proptest::collection::vec(one, 0..7).prop_map(move |made| {
        let disk = |(at, (serial, size, bus, flags)): (usize, (u8, u64, Index, [bool; 4]))| Disk {
            bus: Some(buses[bus.index(buses.len())].into()),
            wwn: flags[2].then(|| format!("naa.{serial}")),
            removable: flags[0] && flags[1],
            read_only: flags[1] && flags[2],
            rotational: flags[3],
            ..disk(&format!("sd{at}"), (serial > 0).then(|| serial.to_string()).as_deref(), size)
        };
        made.into_iter().enumerate().map(disk).collect()
    })
}

fn hints() -> impl Strategy<Value = DiskHints> {
    let allow = proptest::collection::vec((0..6u8).prop_map(|serial| serial.to_string()), 0..2);
    let kind = proptest::option::of(prop_oneof![Just(DiskKind::Nvme), Just(DiskKind::Ssd)]);
    (any::<bool>(), kind, proptest::option::of(1..4u64), allow).prop_map(
        |(smallest, kind, min_bytes, allow)| DiskHints {
            smallest,
            kind,
            min_bytes,
            allow,
            ..DiskHints::default()
        },
    )
}

proptest! {
    #[test]
    fn what_is_chosen_may_be_written_and_the_order_of_disks_does_not_matter(
        disks in disks(), hints in hints(), need in 1..4u64, turn in any::<Index>()
    ) {
        let wish = DiskWish { hints: Some(&hints), need, ..DiskWish::default() };
        let chosen = choose(disks.clone(), &wish);
        let mut turned = disks.clone();
        if !turned.is_empty() {
            let by = turn.index(turned.len());
            turned.rotate_left(by);
            turned.swap(0, by);
        }
        let again = choose(turned, &wish);
        prop_assert_eq!(chosen.clone().ok(), again.ok());
        let Ok(serial) = chosen else { return Ok(()) };
        for disk in disks.iter().filter(|disk| disk.serial.as_ref() == Some(&serial)) {
            let allowed = hints.allow.contains(&serial) || disk.is_in(&hints.allow);
            prop_assert!(!disk.read_only && (allowed || disk.caution().is_none()), "{disk:?}");
            prop_assert!(disk.size_bytes >= need && disk.size_bytes >= hints.min_bytes.unwrap_or(0));
            prop_assert!(hints.kind.is_none_or(|kind| disk.kind() == kind));
        }
        let named: Vec<_> = disks.iter().filter(|disk| disk.serial.as_ref() == Some(&serial)).collect();
        prop_assert!(named.len() == 1 || named.iter().all(|disk| disk.is_in(&hints.allow)));
    }
}

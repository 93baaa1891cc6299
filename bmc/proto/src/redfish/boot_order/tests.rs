//! Orders as they are shown, planned and read back.

use super::*;
use proptest::prelude::*;

fn all(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn option(reference: &str) -> OptionReading {
    OptionReading::read(&json!({"Id": reference, "BootOptionReference": reference})).unwrap()
}

#[test]
fn options_are_read_whatever_is_missing() {
    let full = json!({"Id": "1", "BootOptionReference": "Boot0001", "DisplayName": "PXE", "BootOptionEnabled": true,
        "UefiDevicePath": "PciRoot(0x0)"});
    let read = OptionReading::read(&full).unwrap();
    assert_eq!((read.reference.as_str(), read.name.as_deref()), ("Boot0001", Some("PXE")));
    assert_eq!((read.enabled, read.uefi_path.as_deref()), (Some(true), Some("PciRoot(0x0)")));
    assert_eq!(OptionReading::read(&json!({"Id": "Boot0002"})).unwrap().reference, "Boot0002");
    assert_eq!(OptionReading::read(&json!({"Name": "x"})), None);
}

#[test]
fn the_order_is_that_of_the_system_not_of_the_collection() {
    let system = json!({"Boot": {"BootOrder": ["Boot0001", "Boot0000", "Boot0007: Ubuntu"]}});
    let order = read_order(&system).unwrap();
    let options = vec![option("Boot0009"), option("Boot0007"), option("boot0000"), option("Boot0001")];
    let sorted: Vec<String> = in_order(&order, options).into_iter().map(|option| option.reference).collect();
    assert_eq!(sorted, all(&["Boot0001", "boot0000", "Boot0007", "Boot0009"]));
    // One that has no resource is there all the same.
    assert_eq!(in_order(&order, vec![]).len(), 3);
    assert_eq!(read_order(&json!({"Boot": {}})), None);
}

#[test]
fn wanted_options_go_first_and_the_rest_stays() {
    let order = all(&["Boot0000", "Boot0001", "Boot0002: Disk", "HardDisk.List.1-1:x"]);
    let plan = |first: &[&str]| plan_order(&order, &all(first));
    assert_eq!(
        plan(&["boot0002"]),
        Ok(all(&["Boot0002: Disk", "Boot0000", "Boot0001", "HardDisk.List.1-1:x"]))
    );
    assert_eq!(
        plan(&["HardDisk.List.1-1:x", "Boot0001"]).unwrap()[..2],
        all(&["HardDisk.List.1-1:x", "Boot0001"])
    );
    assert_eq!(plan(&[]), Ok(order.clone()));
    assert_eq!(plan(&["Boot0001", "Boot0001"]), Err(OrderRefusal::Twice("Boot0001".into())));
    let refusal = plan(&["Boot0009"]).unwrap_err().to_string();
    assert!(refusal.contains("`Boot0009`") && refusal.contains("Boot0002,"), "{refusal}");
    assert_eq!(plan_order(&[], &all(&["Boot0000"])), Err(OrderRefusal::None));
}

#[test]
fn reading_back_allows_for_options_that_come_and_go() {
    let sent = all(&["C", "A", "B"]);
    for same in [&["C", "A", "B"][..], &["C", "A", "B", "new"], &["C", "B"]] {
        assert!(is_order(&sent, &all(same)), "{same:?}");
    }
    for other in [&["A", "C", "B"][..], &["new", "C", "A", "B"], &["A", "B"], &[], &["C", "B", "A"]] {
        assert!(!is_order(&sent, &all(other)), "{other:?}");
    }
}

proptest! {
    #[test]
    fn a_plan_is_a_permutation_that_begins_as_wanted(count in 1usize..12, picks in prop::collection::vec(0usize..12, 0..6)) {
        let order: Vec<String> = (0..count).map(|index| format!("Boot{index:04}")).collect();
        let mut first: Vec<String> = picks.iter().map(|pick| order[pick % count].clone()).collect();
        let mut seen = std::collections::HashSet::new();
        first.retain(|pick| seen.insert(pick.clone()));
        let planned = plan_order(&order, &first).unwrap();
        prop_assert_eq!(&planned[..first.len()], &first[..]);
        let mut sorted = planned.clone();
        sorted.sort();
        prop_assert_eq!(sorted, order);
        prop_assert!(is_order(&planned, &planned));
        prop_assert_eq!(plan_order(&planned, &first).unwrap(), planned);
    }
}

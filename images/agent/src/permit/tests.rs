//! What a good permit is, and what is no longer one when any part of it is bent.

use super::*;
use provisioner_api::{ErasePolicy, Finish, JobId, MachineId, agent::SeedFile, permit::Chassis};
use ring::signature::{Ed25519KeyPair, KeyPair};

/// A site's key, made from nothing but this number.
pub(crate) fn signer(number: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[number; 32]).unwrap()
}

/// What agents of the site with the key of this number have in their ramdisk.
pub(crate) fn key(number: u8) -> PermitKey {
    hex::encode(signer(number).public_key()).parse().unwrap()
}

/// The text, signed with the key of this number.
pub(crate) fn sign(number: u8, text: String) -> SignedPermit {
    let signature = hex::encode(signer(number).sign(&message(&text)));
    SignedPermit { text, signature }
}

/// The permit in an order.
pub(crate) fn permit_in(order: &mut Order) -> Option<&mut SignedPermit> {
    match &mut order.action {
        Action::WriteImage { permit, .. }
        | Action::WriteSeed { permit, .. }
        | Action::Erase { permit, .. } => Some(permit),
        _ => None,
    }
}

/// What a permit for this action has to allow.
pub(crate) fn method_of(action: &Action) -> PermitMethod {
    match action {
        Action::WriteImage { manifest, .. } => PermitMethod::WriteImage { manifest: manifest.clone() },
        Action::WriteSeed { files, finish, .. } => {
            PermitMethod::WriteSeed { files: images::sha256_hex(&seed_bytes(files, *finish)) }
        }
        Action::Erase { policy, .. } => PermitMethod::Erase { policy: *policy },
        other => panic!("{other:?} needs no permit"),
    }
}

pub(crate) fn named_disk(serial: &str) -> PermitDisk {
    PermitDisk { serial: serial.into(), wwn: None, allowed: false }
}

fn disk(name: &str, serial: Option<&str>) -> Disk {
    Disk {
        name: name.into(),
        serial: serial.map(Into::into),
        wwn: None,
        model: None,
        size_bytes: 1 << 30,
        rotational: false,
        removable: false,
        read_only: false,
        sector_bytes: 512,
        ..Disk::default()
    }
}

fn id(n: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(n)
}

const CHALLENGE: &str = "00112233445566778899aabbccddeeff";

/// An order with this action and a permit that fits it and disk `A`; the latter is not in the order yet.
fn fitting(action: Action) -> (Order, Permit) {
    let now: Timestamp = "2026-11-21T03:00:00Z".parse().unwrap();
    let (machine, job, step) = (MachineId(id(1)), JobId(id(2)), "step".to_owned());
    let permit = Permit {
        challenge: CHALLENGE.into(),
        machine,
        chassis: Chassis { uuid: Some("u1".into()), serial: None },
        job,
        epoch: 3,
        step: step.clone(),
        attempt: 1,
        method: method_of(&action),
        disks: vec![named_disk("A")],
        now,
        expires: now + Duration::from_secs(60),
    };
    (Order { machine, job, epoch: 3, step, attempt: 1, now, action, caches: Vec::new() }, permit)
}

fn write_image() -> Action {
    Action::WriteImage { manifest: "ab".into(), permit: SignedPermit::default() }
}

fn write_seed(content: &str) -> Action {
    let files = vec![SeedFile { name: "meta-data".into(), content: content.into() }];
    Action::WriteSeed { files, finish: Finish::default(), boot_entry: None, permit: SignedPermit::default() }
}

fn erase(policy: ErasePolicy) -> Action {
    Action::Erase { policy, permit: SignedPermit::default() }
}

/// What comes of an order with this permit.
fn judged(mut order: Order, permit: &Permit) -> Result<Option<Permit>, String> {
    *permit_in(&mut order).unwrap() = sign(1, permit.to_text().unwrap());
    of(&order, Some(&key(1)), CHALLENGE)
}

fn seen() -> Inventory {
    let mut present = vec![disk("vda", Some("A")), disk("vdb", Some("B")), disk("vdc", None)];
    present.extend([disk("vdd", Some("twin")), disk("vde", Some("twin")), disk("sdf", Some("stick"))]);
    present.push(disk("sdg", Some("locked")));
    present[1].wwn = Some("0x5000".into());
    present[5].removable = true;
    present[6].read_only = true;
    Inventory { uuid: Some("u1".into()), serial: Some("s1".into()), disks: present, ..Inventory::default() }
}

#[test]
fn a_fitting_permit_is_leave_for_each_kind_of_work() {
    let actions =
        [write_image(), write_seed("x"), erase(ErasePolicy::Metadata), erase(ErasePolicy::Overwrite)];
    for action in actions {
        let (order, permit) = fitting(action);
        assert_eq!(judged(order, &permit).unwrap(), Some(permit));
    }
    let (order, _) = fitting(write_image());
    let harmless = Order { action: Action::Inspect, ..order };
    assert_eq!(of(&harmless, None, CHALLENGE), Ok(None), "who destroys nothing needs none");
}

#[test]
fn whatever_the_order_does_not_say_is_refused() {
    type Bend = fn(&mut Permit);
    let table: &[(&str, Bend)] = &[
        ("another question", |p| p.challenge = "00112233445566778899aabbccddeef0".into()),
        ("another question", |p| p.challenge.clear()),
        ("for machine", |p| p.machine = MachineId(id(9))),
        ("for job", |p| p.job = JobId(id(9))),
        ("for epoch 2", |p| p.epoch = 2),
        ("for epoch 4", |p| p.epoch = 4),
        ("for step other", |p| p.step = "other".into()),
        ("for attempt 2", |p| p.attempt = 2),
        ("valid from", |p| p.now += Duration::from_secs(1)),
        ("valid from", |p| p.now -= Duration::from_secs(1)),
        ("for image cd", |p| p.method = PermitMethod::WriteImage { manifest: "cd".into() }),
        ("allows to write a seed", |p| p.method = PermitMethod::WriteSeed { files: "ab".into() }),
        ("allows to erase", |p| p.method = PermitMethod::Erase { policy: ErasePolicy::Metadata }),
        ("expired", |p| p.expires -= Duration::from_secs(60)),
        ("expired", |p| p.expires = Timestamp::MIN),
    ];
    for (sentence, bend) in table {
        let (order, mut permit) = fitting(write_image());
        bend(&mut permit);
        let refused = judged(order, &permit).unwrap_err();
        assert!(refused.contains(sentence), "{sentence:?} is not in {refused:?}");
    }
    for (ordered, permitted, sentence) in [
        (write_seed("x"), write_seed("y"), "for seed"),
        (erase(ErasePolicy::Overwrite), erase(ErasePolicy::Metadata), "for method metadata"),
        (erase(ErasePolicy::Overwrite), write_image(), "allows to write an image"),
    ] {
        let (order, permit) = (fitting(ordered).0, fitting(permitted).1);
        let refused = judged(order, &permit).unwrap_err();
        assert!(refused.contains(sentence), "{sentence:?} is not in {refused:?}");
    }
}

#[test]
fn only_the_holder_of_the_key_gives_leave() {
    let (order, permit) = fitting(write_image());
    let text = permit.to_text().unwrap();
    let good = sign(1, text.clone());
    let bare = hex::encode(signer(1).sign(text.as_bytes()));
    let extended = format!("{},\"only\":\"a\"}}", &text[..text.len() - 1]);
    let table = [
        ("older build", SignedPermit::default()),
        ("older build", SignedPermit { signature: String::new(), ..good.clone() }),
        ("is not that of", sign(2, text.clone())),
        ("is not that of", SignedPermit { text: text.replace("\"A\"", "\"B\""), ..good.clone() }),
        ("is not that of", SignedPermit { signature: bare, ..good.clone() }),
        ("is not that of", SignedPermit { signature: good.signature[2..].into(), ..good.clone() }),
        ("is not hex", SignedPermit { signature: "x".into(), ..good.clone() }),
        ("can't be read", sign(1, extended)),
        ("can't be read", sign(1, String::new())),
    ];
    for (sentence, signed) in table {
        let mut order = order.clone();
        *permit_in(&mut order).unwrap() = signed;
        let refused = of(&order, Some(&key(1)), CHALLENGE).unwrap_err();
        assert!(refused.contains(sentence), "{sentence:?} is not in {refused:?}");
    }
    let mut order = order;
    *permit_in(&mut order).unwrap() = good;
    let refused = of(&order, None, CHALLENGE).unwrap_err();
    assert!(refused.contains("no key of permits"), "{refused}");
}

#[test]
fn a_permit_gives_its_disks_in_order() {
    let (_, mut permit) = fitting(write_image());
    let seen = seen();
    assert_eq!(disks(&permit, Disks::One, &seen).unwrap()[0].name, "vda");
    let known = PermitDisk { wwn: Some("0x5000".into()), ..named_disk("B") };
    permit.disks = vec![known, named_disk("A")];
    let two = disks(&permit, Disks::Some, &seen).unwrap();
    assert_eq!(two.iter().map(|disk| disk.name.as_str()).collect::<Vec<_>>(), ["vdb", "vda"]);
}

#[test]
fn whatever_the_agent_does_not_see_is_refused() {
    type Bend = fn(&mut Permit);
    let table: &[(&str, Bend)] = &[
        ("with UUID u2", |p| p.chassis.uuid = Some("u2".into())),
        ("with serial number s2", |p| p.chassis.serial = Some("s2".into())),
        ("names no disk", |p| p.disks.clear()),
        ("names 2 disks", |p| p.disks = vec![named_disk("A"), named_disk("B")]),
        ("without a serial", |p| p.disks = vec![named_disk("")]),
        ("without a serial", |p| p.disks = vec![named_disk("  ")]),
        ("no disk here", |p| p.disks = vec![named_disk("a")]),
        ("no disk here", |p| p.disks = vec![named_disk("vda")]),
        ("vdd and vde both", |p| p.disks = vec![named_disk("twin")]),
        ("the WWN 0x6", |p| p.disks = vec![PermitDisk { wwn: Some("0x6".into()), ..named_disk("B") }]),
        ("vda is none", |p| p.disks = vec![PermitDisk { wwn: Some("0x6".into()), ..named_disk("A") }]),
        ("is removable", |p| p.disks = vec![named_disk("stick")]),
        ("is read-only", |p| p.disks = vec![named_disk("locked")]),
    ];
    for (sentence, bend) in table {
        let (_, mut permit) = fitting(write_image());
        bend(&mut permit);
        let refused = disks(&permit, Disks::One, &seen()).unwrap_err();
        assert!(refused.contains(sentence), "{sentence:?} is not in {refused:?}");
    }
    let (_, permit) = fitting(write_image());
    let nameless = Inventory { uuid: None, ..seen() };
    assert!(disks(&permit, Disks::One, &nameless).unwrap_err().contains("this one's is none"));
}

/// A LUN on Fibre Channel, one over two paths, a disk by USB, the BMC's floppy, and two that share a number alone.
fn special() -> Inventory {
    let at = |name: &str, serial: &str, bus: &str| Disk {
        bus: Some(bus.into()),
        wwn: Some(format!("naa.{serial}")),
        ..disk(name, Some(serial))
    };
    let mut present = vec![at("sda", "LUN", "fc"), at("sdc", "PATHS", "sas"), at("sdb", "PATHS", "sas")];
    present.extend([at("sdd", "USB", "usb"), at("sde", "FLOPPY", "usb"), at("sdf", "TWO", "sas")]);
    present.extend([at("sdg", "TWO", "sas"), at("sdh", "LOCKED", "usb"), at("sdi", "STICK", "usb")]);
    present[4].model = Some("Virtual Floppy".into());
    present[6].wwn = Some("naa.other".into());
    present[7].read_only = true;
    present[8].removable = true;
    Inventory { uuid: Some("u1".into()), disks: present, ..Inventory::default() }
}

#[test]
fn what_is_no_disk_of_the_machine_is_touched_only_if_it_is_allowed() {
    // Whether it is written without being allowed, written if it is, wiped without, wiped if it is.
    let table = [
        ("LUN", "network storage", [false, true, false, true]),
        ("PATHS", "paths to one disk", [false, true, false, true]),
        ("USB", "attached by USB", [false, true, true, true]),
        ("FLOPPY", "virtual medium", [false, true, false, true]),
        ("STICK", "removable", [false, true, false, true]),
        ("TWO", "both have the serial number", [false; 4]),
        ("LOCKED", "read-only", [false; 4]),
    ];
    for (serial, sentence, expected) in table {
        let judge = |action, allowed| {
            let (_, mut permit) = fitting(action);
            permit.disks = vec![PermitDisk { allowed, ..named_disk(serial) }];
            let found = disks(&permit, Disks::One, &special()).map(|found| found[0].name.clone());
            assert!(found.as_ref().err().is_none_or(|why| why.contains(sentence)), "{found:?}");
            found.is_ok()
        };
        let wipe = || erase(ErasePolicy::Metadata);
        let found = [
            judge(write_image(), false),
            judge(write_image(), true),
            judge(wipe(), false),
            judge(wipe(), true),
        ];
        assert_eq!(found, expected, "{serial}");
    }
    let (_, mut permit) = fitting(write_image());
    permit.disks = vec![PermitDisk { allowed: true, ..named_disk("PATHS") }];
    assert_eq!(disks(&permit, Disks::One, &special()).unwrap()[0].name, "sdb", "the first path by name");
}

#[test]
fn time_runs_by_the_agents_own_watch() {
    let (_, permit) = fitting(write_image());
    for (seconds, fine) in [(0, true), (59, true), (60, false), (1 << 40, false), (u64::MAX, false)] {
        assert_eq!(in_time(&permit, Duration::from_secs(seconds)).is_ok(), fine, "{seconds} s");
    }
}

#[test]
fn one_wrong_disk_refuses_all() {
    let (_, mut permit) = fitting(erase(ErasePolicy::Overwrite));
    for other in ["A", "stick", "nowhere"] {
        permit.disks = vec![named_disk("A"), named_disk(other)];
        assert!(disks(&permit, Disks::Some, &seen()).is_err(), "{other}");
    }
}

//! Permits, from any bytes: what this site's key did not sign is never obeyed, and of what it signed nothing that is not
//! for this machine, this job, epoch, step and try, this question, this deed, now; and then only the disks that it names.
#![no_main]

// The agent's own check, without the agent: that would bring its network and its images into the fuzzer.
#[allow(dead_code, unreachable_pub, missing_docs, reason = "it is a module of another crate, built alone")]
#[path = "../../../images/agent/src/permit.rs"]
mod permit;

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use permit::{Disks, PermitKey, disks, in_time, of};
use provisioner_api::agent::{Action, Order, SeedFile};
use provisioner_api::permit::{Chassis, Permit, PermitDisk, PermitMethod, SignedPermit, message, seed_bytes};
use provisioner_api::{Disk, ErasePolicy, Finish, Inventory, JobId, MachineId};
use ring::signature::{Ed25519KeyPair, KeyPair};
use sha2::{Digest, Sha256};
use std::time::Duration;
use tests_fuzz::Knobs;
use uuid::Uuid;

const CHALLENGE: &str = "00112233445566778899aabbccddeeff";
/// The bytes at the end of an input that choose what is done with those before.
const KNOBS: usize = 8;

/// A site's key, made from nothing but this number.
fn signer(number: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[number; 32]).expect("any 32 bytes are a seed")
}

fn sign(number: u8, text: &str) -> SignedPermit {
    let signature = hex::encode(signer(number).sign(&message(text)));
    SignedPermit { text: text.to_owned(), signature }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("it is in range")
}

fn action(knob: u8, permit: SignedPermit) -> Action {
    match knob % 4 {
        0 => Action::WriteImage { manifest: "ab".into(), permit },
        1 => Action::WriteSeed { files: files(), finish: Finish::default(), boot_entry: None, permit },
        2 => Action::Erase { policy: ErasePolicy::Secure, permit },
        _ => Action::Erase { policy: ErasePolicy::Overwrite, permit },
    }
}

fn files() -> Vec<SeedFile> {
    vec![SeedFile { name: "meta-data".into(), content: "x".into() }]
}

fn method(knob: u8) -> PermitMethod {
    match knob % 4 {
        0 => PermitMethod::WriteImage { manifest: "ab".into() },
        1 => PermitMethod::WriteSeed {
            files: hex::encode(Sha256::digest(seed_bytes(&files(), Finish::default()))),
        },
        2 => PermitMethod::Erase { policy: ErasePolicy::Secure },
        _ => PermitMethod::Erase { policy: ErasePolicy::Overwrite },
    }
}

fn order(knob: u8, permit: SignedPermit) -> Order {
    Order {
        machine: MachineId(Uuid::from_u128(1)),
        job: JobId(Uuid::from_u128(2)),
        epoch: 3,
        step: "step".into(),
        attempt: 1,
        now: now(),
        action: action(knob, permit),
        caches: Vec::new(),
    }
}

/// The permit for that order and the disks `A` and `B`, with parts of it bent as the choices say.
fn bent(knobs: &mut Knobs<'_>, knob: u8) -> Permit {
    let part = knobs.byte();
    let bend = |number: u8| part == number;
    let (a, b) = (
        PermitDisk { serial: "A".into(), wwn: None, allowed: false },
        PermitDisk { serial: "B".into(), wwn: None, allowed: false },
    );
    let disk = |serial: &str| PermitDisk { serial: serial.into(), wwn: None, allowed: false };
    let disks = match knobs.byte() % 8 {
        0 => vec![],
        1 => vec![a, b],
        2 => vec![a.clone(), a],
        3 => vec![disk("stick")],
        4 => vec![disk("twin")],
        5 => vec![PermitDisk { wwn: Some("0x1".into()), ..a }],
        6 => vec![disk(" ")],
        _ => vec![a],
    };
    Permit {
        challenge: if bend(1) { "0".repeat(32) } else { CHALLENGE.into() },
        machine: MachineId(Uuid::from_u128(if bend(2) { 9 } else { 1 })),
        chassis: Chassis { uuid: Some(if bend(3) { "u2" } else { "u1" }.into()), serial: None },
        job: JobId(Uuid::from_u128(if bend(4) { 9 } else { 2 })),
        epoch: if bend(5) { u64::from(knobs.byte()) } else { 3 },
        step: if bend(6) { "other" } else { "step" }.into(),
        attempt: if bend(7) { u32::from(knobs.byte()) } else { 1 },
        method: method(if bend(8) { knob.wrapping_add(1) } else { knob }),
        disks,
        now: if bend(9) { now() + Duration::from_secs(1) } else { now() },
        expires: if bend(10) { now() - Duration::from_secs(1) } else { now() + Duration::from_secs(60) },
    }
}

fn disk(name: &str, serial: &str) -> Disk {
    Disk {
        name: name.into(),
        serial: Some(serial.into()),
        wwn: None,
        model: None,
        size_bytes: 1 << 30,
        rotational: false,
        removable: serial == "stick",
        read_only: false,
        sector_bytes: 512,
        ..Disk::default()
    }
}

fn seen() -> Inventory {
    let disks = [("vda", "A"), ("vdb", "B"), ("vdc", "twin"), ("vdd", "twin"), ("sde", "stick")];
    Inventory {
        uuid: Some("u1".into()),
        disks: disks.map(|(name, serial)| disk(name, serial)).to_vec(),
        ..Inventory::default()
    }
}

/// What is obeyed says all of what it has to say.
fn check(permit: &Permit, order: &Order, knob: u8, elapsed: u8) {
    assert_eq!((permit.machine, permit.job, permit.epoch), (order.machine, order.job, order.epoch));
    assert_eq!((&permit.step, permit.attempt, permit.now), (&order.step, order.attempt, order.now));
    assert_eq!((permit.challenge.as_str(), &permit.method), (CHALLENGE, &method(knob)));
    assert!(permit.expires > permit.now, "it had expired");
    let later = Duration::from_secs(elapsed.into());
    assert_eq!(in_time(permit, later).is_ok(), permit.now + later < permit.expires);
    let seen = seen();
    for count in [Disks::One, Disks::Some] {
        let Ok(touched) = disks(permit, count, &seen) else { continue };
        assert!(!touched.is_empty() && touched.len() == permit.disks.len());
        assert!(count == Disks::Some || touched.len() == 1);
        for (disk, named) in touched.iter().zip(&permit.disks) {
            assert_eq!(disk.serial.as_deref(), Some(named.serial.as_str()));
            assert!(named.wwn.is_none() && ["A", "B"].contains(&named.serial.as_str()), "{named:?}");
        }
        assert!(permit.chassis.uuid.as_deref().is_none_or(|uuid| uuid == "u1"), "another machine");
        assert!(permit.chassis.serial.is_none(), "it has none");
    }
}

fuzz_target!(|data: &[u8]| {
    let (bytes, mut knobs) = Knobs::split(data, KNOBS);
    let key: PermitKey = hex::encode(signer(1).public_key()).parse().expect("it is a key");
    let (way, knob, elapsed) = (knobs.byte(), knobs.byte(), knobs.byte());
    let text = String::from_utf8_lossy(bytes);
    let (signed, ours) = match way % 4 {
        // Whatever came, with whatever signature.
        0 => {
            let (text, signature) = text.split_once('\x1f').unwrap_or((&text, ""));
            (SignedPermit { text: text.to_owned(), signature: signature.to_owned() }, false)
        }
        // Signed by somebody else.
        1 => (sign(2, &bent(&mut knobs, knob).to_text().expect("it is a text")), false),
        // Signed by us: any text, or a permit that is bent in one part or none.
        2 => (sign(1, &text), true),
        _ => (sign(1, &bent(&mut knobs, knob).to_text().expect("it is a text")), true),
    };
    let order_of = |signed: &SignedPermit| order(knob, signed.clone());
    let order = order_of(&signed);
    match of(&order, Some(&key), CHALLENGE) {
        Ok(Some(permit)) => {
            assert!(ours, "not signed by this site's key");
            assert_eq!(Permit::from_text(&signed.text).ok().as_ref(), Some(&permit));
            check(&permit, &order, knob, elapsed);
        }
        Ok(None) => panic!("it destroys, so it needs a permit"),
        Err(why) => assert!(!why.is_empty()),
    }
    assert!(of(&order, None, CHALLENGE).is_err(), "nothing can be checked without a key");
    // One bit of what is signed is another text.
    if ours && !signed.text.is_empty() {
        let mut text = signed.text.clone().into_bytes();
        let place = usize::from(knobs.short()) % text.len();
        text[place] ^= 1;
        if let Ok(text) = String::from_utf8(text) {
            let forged = SignedPermit { text, ..signed };
            assert!(of(&order_of(&forged), Some(&key), CHALLENGE).is_err(), "a bit is another text");
        }
    }
});

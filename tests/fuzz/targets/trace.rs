//! The diagnosis of any conversation: it ends, says sentences that can be shown, and the same again for the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxe_proto::boot::{Arch, BootAnswer, Chain, Firmware, Preference, choose, failures};
use pxe_proto::trace::{Dhcp, Entry, Transfer, What, diagnose};
use std::net::Ipv4Addr;
use tests_fuzz::{Knobs, SERVER};

fuzz_target!(|data: &[u8]| {
    let mut knobs = Knobs::all(data);
    let (mut entries, mut at) = (Vec::new(), 1_000_000);
    while !knobs.is_empty() && entries.len() < 64 {
        at += u64::from(knobs.short()) * u64::from(knobs.pick(&[0_u8, 1, 100]));
        let what = what(&mut knobs);
        entries.push(Entry { at, mac: [0x52, 0x54, 0, 0, 0, 1], network: "lab".to_owned(), what });
    }
    for later in [0, 1, 30_000, 600_000] {
        let found = diagnose(&entries, at + later);
        for diagnosis in &found {
            for text in [&diagnosis.sentence, &diagnosis.mend] {
                assert!(!text.is_empty() && !text.chars().any(char::is_control), "{text:?}");
            }
        }
        assert_eq!(found, diagnose(&entries, at + later));
    }
    let failed = failures(&entries, 0);
    let always = choose(Firmware::UefiPxe(Arch::X64), Preference::Auto, &failed, |_, _| true);
    assert!(always.is_some(), "no chain is left: {failed:?}");
});

fn what(knobs: &mut Knobs<'_>) -> What {
    let name = knobs.pick(&[
        "undionly.kpxe",
        "snponly.efi",
        "ipxe.efi",
        "uki/x64/52-54-00-00-00-01.efi",
        "vmlinuz",
        "initrd.img",
        "x",
    ]);
    match knobs.byte() % 8 {
        0..=3 => What::Dhcp(dhcp(knobs)),
        4 => What::Tftp { name: name.to_owned(), stage: stage(knobs) },
        5 => What::Http {
            path: format!("/boot/files/{name}"),
            status: knobs.pick(&[200, 206, 404, 500]),
            head: knobs.flip(),
            stage: stage(knobs),
        },
        6 => {
            What::Script { from: SERVER, answer: knobs.pick(&["agent", "disk", "refused", "\n"]).to_owned() }
        }
        _ if knobs.flip() => What::Agent,
        _ => What::Conflict { address: Ipv4Addr::new(10, 77, 0, 100), with: knobs.flip().then_some([2; 6]) },
    }
}

fn stage(knobs: &mut Knobs<'_>) -> Transfer {
    let (size, bytes) = (u64::from(knobs.short()), u64::from(knobs.short()));
    match knobs.byte() % 5 {
        0 => Transfer::Begun { size },
        1 => Transfer::Refused { reason: "file not found".to_owned() },
        2 => Transfer::SizeProbe { size },
        3 => Transfer::Done { bytes, millis: size },
        _ => Transfer::Broken { bytes, size, reason: "vanished".to_owned() },
    }
}

fn dhcp(knobs: &mut Knobs<'_>) -> Dhcp {
    let firmware = knobs.pick(&[
        None,
        Some(Firmware::BiosPxe),
        Some(Firmware::UefiPxe(Arch::X64)),
        Some(Firmware::UefiHttp(Arch::Arm64)),
        Some(Firmware::IpxeBios),
        Some(Firmware::IpxeUefi(Arch::X64)),
    ]);
    let address = |knobs: &mut Knobs<'_>| knobs.flip().then_some(Ipv4Addr::new(10, 77, 0, knobs.byte()));
    Dhcp {
        message: knobs.pick(&["DISCOVER", "REQUEST", "INFORM", "RELEASE", "DECLINE", ""]).to_owned(),
        port: knobs.pick(&[67, 4011]),
        firmware,
        unsupported: knobs.flip().then(|| knobs.short()),
        relay: address(knobs),
        server: address(knobs),
        requested: address(knobs),
        reply: knobs.pick(&[None, Some("OFFER"), Some("ACK"), Some("NAK")]).map(str::to_owned),
        silence: knobs
            .pick(&[
                None,
                Some("no_address"),
                Some("rogue"),
                Some("rate"),
                Some("no_reservation"),
                Some("another_server"),
            ])
            .map(str::to_owned),
        address: address(knobs),
        boot: knobs.pick(&[
            None,
            Some(BootAnswer::Disk),
            Some(BootAnswer::Boot(Chain::Snponly)),
            Some(BootAnswer::Boot(Chain::Uki)),
        ]),
    }
}

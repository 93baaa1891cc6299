//! Entries in words.

use super::{line, wire};
use pxe_proto::boot::{Arch, BootAnswer, Chain, Firmware};
use pxe_proto::trace::{Dhcp, Entry, Transfer, What};
use std::net::Ipv4Addr;

fn entry(what: What) -> Entry {
    Entry { at: 1_700_000_000_123, mac: [0x52, 0x54, 0, 0xaa, 0xbb, 0xcc], network: "lab".into(), what }
}

fn discover() -> Dhcp {
    Dhcp {
        firmware: Some(Firmware::UefiPxe(Arch::Arm64)),
        relay: Some(Ipv4Addr::new(10, 78, 0, 1)),
        reply: Some("OFFER".into()),
        address: Some(Ipv4Addr::new(10, 77, 0, 100)),
        boot: Some(BootAnswer::Boot(Chain::Uki)),
        ..Dhcp::new("DISCOVER", 67)
    }
}

/// An entry; what the conversation says was asked and answered; the line of the timeline.
type Told = (What, &'static str, &'static str, Option<&'static str>);

fn check<const N: usize>(table: [Told; N]) {
    for (what, asked, answered, told) in table {
        let entry = entry(what);
        let shown = wire(7, &entry);
        assert_eq!((shown.asked.as_str(), shown.answered.as_str()), (asked, answered));
        assert_eq!(line(&entry).map(|(_, text)| text).as_deref(), told);
        assert_eq!((shown.id, shown.at.as_millisecond()), (7, 1_700_000_000_123));
    }
}

#[test]
fn dhcp_in_words() {
    let silent = Dhcp {
        reply: None,
        address: None,
        boot: None,
        relay: None,
        firmware: None,
        silence: Some("there is no address for it".into()),
        ..discover()
    };
    let ia32 = Dhcp { firmware: None, unsupported: Some(6), boot: None, ..discover() };
    let disk = Dhcp { boot: Some(BootAnswer::Disk), firmware: Some(Firmware::BiosPxe), ..discover() };
    check([
        (
            What::Dhcp(discover()),
            "DISCOVER from UEFI PXE (arm64), relay 10.78.0.1",
            "OFFER 10.77.0.100, boots our agent by a unified kernel image",
            Some(
                "DISCOVER by UEFI PXE (arm64): OFFER 10.77.0.100, boots our agent by a unified kernel image",
            ),
        ),
        (
            What::Dhcp(silent),
            "DISCOVER from an operating system",
            "no answer: there is no address for it",
            Some("DISCOVER by an operating system: no answer: there is no address for it"),
        ),
        (
            What::Dhcp(ia32),
            "DISCOVER from firmware of the unknown architecture 6, relay 10.78.0.1",
            "OFFER 10.77.0.100",
            Some("DISCOVER by firmware of the unknown architecture 6: OFFER 10.77.0.100"),
        ),
        (
            What::Dhcp(disk),
            "DISCOVER from a BIOS PXE ROM, relay 10.78.0.1",
            "OFFER 10.77.0.100, not expected: boots from its disk",
            Some("DISCOVER by a BIOS PXE ROM: OFFER 10.77.0.100, not expected: boots from its disk"),
        ),
    ]);
}

#[test]
fn files_and_the_rest_in_words() {
    let probe = Transfer::SizeProbe { size: 5 };
    let broken = Transfer::Broken { bytes: 3, size: 5, reason: "vanished".into() };
    check([
        (
            What::Tftp { name: "snponly.efi".into(), stage: probe },
            "snponly.efi",
            "its size only: 5 bytes",
            None,
        ),
        (
            What::Http { path: "/boot/files/vmlinuz".into(), status: 206, head: false, stage: broken },
            "GET /boot/files/vmlinuz",
            "206, broke off after 3 of 5 bytes: vanished",
            Some("broke off fetching /boot/files/vmlinuz over HTTP after 3 bytes: vanished"),
        ),
        (
            What::Script { from: Ipv4Addr::LOCALHOST, answer: "disk".into() },
            "what to boot, from 127.0.0.1",
            "boot your disk",
            Some("asked for its boot script: disk"),
        ),
        (What::Agent, "called in", "let in", None),
        (
            What::Conflict { address: Ipv4Addr::LOCALHOST, with: None },
            "127.0.0.1 is used by another host",
            "in quarantine",
            Some("the address 127.0.0.1 that it was offered is used by another host"),
        ),
    ]);
}

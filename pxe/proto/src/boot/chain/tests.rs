//! Choosing chains, and learning from failures.

use super::{Chain, Preference, choose, failures};
use crate::boot::{Arch, BootAnswer, Firmware};
use crate::trace::{Dhcp, Entry, Transfer, What};
use std::net::Ipv4Addr;

const PXE: Firmware = Firmware::UefiPxe(Arch::X64);

fn entry(at: u64, what: What) -> Entry {
    Entry { at, mac: [2, 0, 0, 0, 0, 1], network: "lab".into(), what }
}

/// DISCOVER from firmware, or from a system.
fn discover(at: u64, firmware: Option<Firmware>) -> Entry {
    let dhcp = Dhcp {
        firmware,
        reply: Some("OFFER".into()),
        address: Some(Ipv4Addr::new(192, 0, 2, 9)),
        boot: firmware.map(|_| BootAnswer::Boot(Chain::Snponly)),
        ..Dhcp::new("DISCOVER", 67)
    };
    entry(at, What::Dhcp(dhcp))
}

fn fetched(at: u64, name: &str) -> Entry {
    entry(at, What::Tftp { name: name.into(), stage: Transfer::Done { bytes: 1, millis: 1 } })
}

fn script(at: u64) -> Entry {
    entry(at, What::Script { from: Ipv4Addr::LOCALHOST, answer: "agent".into() })
}

/// Two boots that end with a loader.
fn two(name: &str) -> Vec<Entry> {
    vec![discover(10, Some(PXE)), fetched(11, name), discover(20, Some(PXE)), fetched(21, name)]
}

#[test]
fn two_boots_that_end_with_a_loader_are_a_failure() {
    assert_eq!(failures([].iter(), 0), []);
    assert_eq!(failures(&two("snponly.efi"), 0), [Chain::Snponly]);
    assert_eq!(failures(&two("ipxe.efi"), 0), [Chain::Ipxe]);
    assert_eq!(failures(&two("uki/x64/02-00-00-00-00-01.efi"), 0), [Chain::Uki]);
    assert_eq!(failures(&two("undionly.kpxe"), 0), [], "a BIOS has no other way");
    assert_eq!(failures(&two("snponly.efi"), 15), [], "what was before the window does not count");
    let once = [discover(10, Some(PXE)), fetched(11, "snponly.efi"), fetched(12, "snponly.efi")];
    assert_eq!(failures(once.iter(), 0), [], "fetched twice in one boot");
}

#[test]
fn the_next_stage_clears_a_chain() {
    let mut entries = two("snponly.efi");
    entries.push(script(30));
    assert_eq!(failures(entries.iter(), 0), []);
    // Plain DHCP is no sign of iPXE, but one of a unified kernel image.
    let mut entries = two("snponly.efi");
    entries.push(discover(30, None));
    assert_eq!(failures(entries.iter(), 0), [Chain::Snponly]);
    let mut entries = two("uki/x64/02-00-00-00-00-01.efi");
    entries.push(script(29));
    assert_eq!(failures(entries.iter(), 0), [Chain::Uki]);
    entries.push(discover(30, None));
    assert_eq!(failures(entries.iter(), 0), []);
    let mut entries = two("ipxe.efi");
    entries.push(entry(30, What::Agent));
    assert_eq!(failures(entries.iter(), 0), []);
    // What led to the agent in the end does not excuse what failed before it.
    let mut entries = two("snponly.efi");
    entries.extend([
        discover(30, Some(PXE)),
        fetched(31, "uki/x64/02-00-00-00-00-01.efi"),
        entry(32, What::Agent),
    ]);
    assert_eq!(failures(entries.iter(), 0), [Chain::Snponly]);
}

#[test]
fn chains_fail_one_after_another() {
    let mut entries = two("snponly.efi");
    for (at, name) in [(30, "uki/x64/02-00-00-00-00-01.efi"), (40, "uki/x64/02-00-00-00-00-01.efi")] {
        entries.push(discover(at, Some(PXE)));
        let stage = Transfer::Broken { bytes: 1, size: 2, reason: "vanished".into() };
        entries.push(entry(at + 1, What::Tftp { name: name.into(), stage }));
    }
    let failed = failures(entries.iter(), 0);
    assert_eq!(failed, [Chain::Snponly, Chain::Uki]);
    let all = |_, _| true;
    assert_eq!(choose(PXE, Preference::Auto, &failed, all), Some(Chain::Ipxe));
}

#[test]
fn choices() {
    let (bios, http, arm) =
        (Firmware::BiosPxe, Firmware::UefiHttp(Arch::X64), Firmware::UefiPxe(Arch::Arm64));
    let all = |_: Chain, _: Arch| true;
    let none = |_: Chain, _: Arch| false;
    let uki_only = |chain, _| chain == Chain::Uki;
    let no_ipxe_for_arm = |chain, arch| arch == Arch::X64 || chain == Chain::Uki;
    use Chain::{Ipxe, Snponly, Uki};
    /// A firmware, what is wanted, what failed, what there is, and the choice.
    type Case<'a> = (Firmware, Preference, &'a [Chain], &'a dyn Fn(Chain, Arch) -> bool, Option<Chain>);
    let table: [Case<'_>; 11] = [
        (PXE, Preference::Auto, &[], &all, Some(Snponly)),
        (PXE, Preference::Auto, &[Snponly], &all, Some(Uki)),
        (PXE, Preference::Auto, &[Snponly, Uki, Ipxe], &all, Some(Snponly)),
        (PXE, Preference::Auto, &[], &uki_only, Some(Uki)),
        (PXE, Preference::Ipxe, &[Ipxe], &all, Some(Ipxe)),
        (PXE, Preference::Uki, &[], &all, Some(Uki)),
        (http, Preference::Auto, &[Snponly], &all, Some(Uki)),
        (arm, Preference::Auto, &[], &no_ipxe_for_arm, Some(Uki)),
        (arm, Preference::Snponly, &[], &no_ipxe_for_arm, None),
        (arm, Preference::Auto, &[], &none, None),
        (bios, Preference::Uki, &[Snponly], &none, Some(Snponly)),
    ];
    for (firmware, preference, failed, available, want) in table {
        assert_eq!(
            choose(firmware, preference, failed, available),
            want,
            "{firmware:?} {preference:?} {failed:?}"
        );
    }
}

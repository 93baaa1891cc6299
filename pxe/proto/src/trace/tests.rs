//! Conversations and what is said of them.

use super::{Dhcp, Entry, Fault, Transfer, What, diagnose, unheard};
use crate::boot::{Arch, BootAnswer, Chain, Firmware};
use std::net::Ipv4Addr;

const MAC: crate::Mac = [0x52, 0x54, 0, 0xaa, 0xbb, 0xcc];
const PXE: Firmware = Firmware::UefiPxe(Arch::X64);
const IPXE: Firmware = Firmware::IpxeUefi(Arch::X64);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);
const BOOT: Option<BootAnswer> = Some(BootAnswer::Boot(Chain::Snponly));
const UKI: &str = "/boot/uki/x64/52-54-00-aa-bb-cc.efi";

/// A conversation under construction: a second between entries unless said otherwise.
#[derive(Default, Clone)]
struct Talk {
    at: u64,
    entries: Vec<Entry>,
}

impl Talk {
    fn new() -> Self {
        Talk { at: 1_000_000, entries: Vec::new() }
    }

    fn and(mut self, what: What) -> Self {
        self.at += 1000;
        self.entries.push(Entry { at: self.at, mac: MAC, network: "lab".into(), what });
        self
    }

    fn pause(mut self, seconds: u64) -> Self {
        self.at += seconds * 1000;
        self
    }

    /// DISCOVER and OFFER.
    fn discover(self, firmware: Firmware) -> Self {
        self.and(What::Dhcp(Dhcp {
            reply: Some("OFFER".into()),
            boot: BOOT,
            ..dhcp("DISCOVER", Some(firmware))
        }))
    }

    /// The four messages.
    fn lease(self, firmware: Firmware) -> Self {
        let ack = Dhcp { reply: Some("ACK".into()), boot: BOOT, ..dhcp("REQUEST", Some(firmware)) };
        self.discover(firmware).and(What::Dhcp(ack))
    }

    /// The two messages of an operating system.
    fn system(self) -> Self {
        self.and(What::Dhcp(Dhcp { reply: Some("ACK".into()), ..dhcp("REQUEST", None) }))
    }

    fn tftp(self, name: &str, stage: Transfer) -> Self {
        self.and(What::Tftp { name: name.into(), stage })
    }

    fn http(self, path: &str, stage: Transfer) -> Self {
        self.and(What::Http { path: path.into(), status: 200, head: false, stage })
    }

    fn loader(self) -> Self {
        self.lease(PXE).tftp("snponly.efi", probe()).tftp("snponly.efi", done())
    }

    fn script(self, answer: &str) -> Self {
        self.and(What::Script { from: ADDRESS, answer: answer.into() })
    }

    /// All files.
    fn files(self) -> Self {
        self.loader()
            .lease(IPXE)
            .script("agent")
            .http("/boot/files/vmlinuz", done())
            .http("/boot/files/initrd.img", done())
    }

    /// What is said of it so many seconds later.
    fn after(&self, seconds: u64) -> Vec<Fault> {
        diagnose(&self.entries, self.at + seconds * 1000)
            .into_iter()
            .map(|diagnosis| diagnosis.kind)
            .collect()
    }

    /// The first sentence and its mend.
    fn said(&self) -> String {
        let first = diagnose(&self.entries, self.at + 600_000).into_iter().next();
        first.map(|diagnosis| format!("{} {}", diagnosis.sentence, diagnosis.mend)).unwrap_or_default()
    }
}

fn dhcp(message: &str, firmware: Option<Firmware>) -> Dhcp {
    Dhcp { firmware, address: Some(ADDRESS), ..Dhcp::new(message, 67) }
}

fn done() -> Transfer {
    Transfer::Done { bytes: 1000, millis: 5 }
}

fn probe() -> Transfer {
    Transfer::SizeProbe { size: 1000 }
}

fn broken(bytes: u64) -> Transfer {
    Transfer::Broken { bytes, size: 1000, reason: "vanished".into() }
}

fn silent(words: &str) -> What {
    What::Dhcp(Dhcp { address: None, silence: Some(words.into()), ..dhcp("DISCOVER", Some(PXE)) })
}

#[test]
fn a_boot_that_goes_well_is_left_alone() {
    assert_eq!(Talk::new().after(0), []);
    let whole = Talk::new().files().system().and(What::Agent);
    assert_eq!(whole.after(0), []);
    assert_eq!(whole.after(3600), []);
    // At each stage, a moment later nothing is wrong yet.
    let steps = whole.entries;
    for end in 1..=steps.len() {
        let said = diagnose(&steps[..end], steps[end - 1].at + 3000);
        assert_eq!(said, [], "after {end} entries");
    }
    // An operating system that runs is nothing to talk about.
    assert_eq!(Talk::new().system().pause(3000).system().after(7200), []);
}

/// What is seen, how many seconds later it is judged, and what is said.
#[test]
fn stuck_boots() {
    let http_uki = || Talk::new().lease(Firmware::UefiHttp(Arch::X64));
    let proxied =
        Dhcp { address: None, reply: Some("OFFER".into()), boot: BOOT, ..dhcp("DISCOVER", Some(PXE)) };
    let only_4011 = Dhcp { port: 4011, reply: Some("ACK".into()), boot: BOOT, ..dhcp("REQUEST", Some(PXE)) };
    let other = Dhcp { server: Some(Ipv4Addr::new(10, 77, 0, 9)), ..dhcp("REQUEST", Some(PXE)) };
    let ia32 = Dhcp { unsupported: Some(6), reply: Some("OFFER".into()), ..dhcp("DISCOVER", None) };
    let disk = Dhcp { boot: Some(BootAnswer::Disk), reply: Some("ACK".into()), ..dhcp("REQUEST", Some(PXE)) };
    let refused = Transfer::Refused { reason: "not found".into() };
    let foreign = refused.clone();
    let missing = What::Http { path: UKI.into(), status: 404, head: false, stage: refused.clone() };
    let table: Vec<(Talk, u64, &[Fault])> = vec![
        (Talk::new().lease(PXE), 30, &[Fault::NoLoaderRequest]),
        (Talk::new().and(What::Dhcp(proxied)), 30, &[Fault::NoLoaderRequest]),
        (Talk::new().discover(PXE).discover(PXE).discover(PXE), 30, &[Fault::NeverTookOffer]),
        (Talk::new().discover(PXE), 30, &[Fault::NeverTookOffer]),
        (Talk::new().discover(PXE), 10, &[]),
        (Talk::new().discover(IPXE), 30, &[Fault::NeverTookOffer]),
        (Talk::new().lease(IPXE), 30, &[Fault::NoScriptRequest]),
        (Talk::new().lease(IPXE), 10, &[]),
        (Talk::new().discover(PXE).and(What::Dhcp(other)), 0, &[Fault::TookOtherOffer]),
        (Talk::new().and(What::Dhcp(only_4011)), 30, &[Fault::OnlyProxyPort]),
        (Talk::new().and(What::Dhcp(ia32)), 0, &[Fault::UnsupportedArchitecture]),
        (Talk::new().discover(PXE).and(What::Dhcp(disk)), 0, &[Fault::OutsideWindow]),
        (Talk::new().loader().lease(IPXE).script("disk"), 0, &[Fault::OutsideWindow]),
        (Talk::new().lease(PXE).tftp("snponly.efi", probe()), 30, &[Fault::SizeProbeOnly]),
        (Talk::new().lease(PXE).tftp("snponly.efi", broken(0)), 0, &[Fault::LoaderBroken]),
        (Talk::new().lease(PXE).tftp("snponly.efi", refused), 0, &[Fault::LoaderRefused]),
        (Talk::new().lease(PXE).tftp("pxelinux.0", foreign), 30, &[Fault::LoaderRefused]),
        (http_uki().and(missing), 0, &[Fault::LoaderRefused]),
        (Talk::new().loader(), 30, &[Fault::LoaderSilent]),
        (Talk::new().loader().lease(IPXE), 30, &[Fault::NoScriptRequest]),
        (Talk::new().loader().lease(IPXE).script("agent"), 30, &[Fault::NoKernelRequest]),
        (Talk::new().loader().lease(IPXE).script("refused"), 30, &[Fault::NoKernelRequest]),
        (Talk::new().loader().lease(IPXE).script("later"), 30, &[Fault::NoKernelRequest]),
        (
            Talk::new().loader().lease(IPXE).script("agent").http("/boot/files/vmlinuz", done()),
            30,
            &[Fault::NoRamdiskRequest],
        ),
        (Talk::new().script("agent").http("/boot/files/initrd.img", broken(7)), 0, &[Fault::KernelBroken]),
        (Talk::new().files(), 30, &[]),
        (Talk::new().files(), 100, &[Fault::NoAgent]),
        (Talk::new().files().system(), 100, &[Fault::NoAgent]),
        (http_uki().http(UKI, done()), 100, &[Fault::NoAgent]),
        (Talk::new().and(silent("the network is reserved-only")), 0, &[Fault::NotReserved]),
        (Talk::new().and(silent("rogue")), 0, &[Fault::SilentForRogue]),
        (Talk::new().and(silent("rate-limited")), 0, &[Fault::RateLimited]),
        (Talk::new().and(silent("there is no address for it")), 0, &[Fault::NoFreeAddress]),
        (Talk::new().and(silent("undeclared-relay")), 0, &[Fault::UndeclaredRelay]),
        (Talk::new().and(silent("its lease could not be stored")), 0, &[Fault::StoreFails]),
        (Talk::new().and(silent("the moon is full")), 0, &[Fault::Unanswered]),
    ];
    for (number, (talk, seconds, want)) in table.into_iter().enumerate() {
        assert_eq!(talk.after(seconds), want, "line {number}: {:?}", talk.entries);
    }
}

#[test]
fn what_follows_the_agents_call_is_another_boot() {
    let talk = Talk::new().files().system().and(What::Agent).system();
    assert_eq!(talk.after(3600), []);
    assert_eq!(talk.script("disk").after(0), [Fault::OutsideWindow]);
}

#[test]
fn a_slow_kernel_is_of_the_same_boot() {
    let slow = Talk::new().files().pause(400).system();
    assert_eq!(slow.after(100), [Fault::NoAgent]);
    assert_eq!(slow.and(What::Agent).after(0), []);
    // One whose loader was never asked for runs its own system.
    let other = Talk::new().lease(PXE).pause(400).system();
    assert_eq!(other.after(100), [Fault::NoLoaderRequest]);
}

/// A REQUEST names the server that it chose, which is us as often as not.
#[test]
fn silence_to_a_request_is_told_by_its_reason() {
    for (words, expected) in [
        ("its lease could not be stored", Fault::StoreFails),
        ("the server has too much to do", Fault::ServerBusy),
        ("it sends more than a client may", Fault::RateLimited),
        ("it is meant for the server 10.77.0.9", Fault::TookOtherOffer),
    ] {
        let request = Dhcp {
            server: Some(Ipv4Addr::new(10, 77, 0, 9)),
            silence: Some(words.into()),
            ..dhcp("REQUEST", Some(PXE))
        };
        assert_eq!(Talk::new().discover(PXE).and(What::Dhcp(request)).after(0), [expected], "{words}");
    }
}

#[test]
fn a_silence_that_ended_is_forgotten() {
    let talk = Talk::new().and(silent("rogue")).lease(PXE).tftp("snponly.efi", done());
    assert_eq!(talk.after(1), []);
}

#[test]
fn a_loader_that_is_fetched_again_and_again_is_a_loop() {
    let once = Talk::new().loader();
    let twice = once.clone().pause(60).loader();
    assert_eq!(twice.after(0), [Fault::LoaderLoop]);
    assert!(twice.said().contains("2 times") && twice.said().contains("`uki` next"), "{}", twice.said());
    // One that got further in between did not loop.
    let between = once.pause(60).files().and(What::Agent).pause(300).loader();
    assert_eq!(between.after(0), []);
    let bios = |talk: Talk| talk.lease(Firmware::BiosPxe).tftp("undionly.kpxe", done());
    let talk = bios(bios(bios(Talk::new()).pause(60)).pause(60));
    assert_eq!(talk.after(0), [Fault::LoaderLoop]);
    assert!(talk.said().contains("3 times") && !talk.said().contains("boot-chain"), "{}", talk.said());
    let uki = |talk: Talk| talk.lease(PXE).tftp("uki/x64/52-54-00-aa-bb-cc.efi", done());
    assert_eq!(uki(uki(Talk::new()).pause(60)).after(0), [Fault::LoaderLoop]);
    assert_eq!(uki(uki(Talk::new()).system().pause(60)).after(0), []);
}

#[test]
fn sentences_name_what_was_seen() {
    let other = Dhcp { server: Some(Ipv4Addr::new(10, 77, 0, 9)), ..dhcp("REQUEST", Some(PXE)) };
    assert!(Talk::new().discover(PXE).and(What::Dhcp(other)).said().contains("10.77.0.9"));
    let relayed = Dhcp {
        reply: Some("OFFER".into()),
        relay: Some(Ipv4Addr::new(10, 78, 0, 1)),
        ..dhcp("DISCOVER", Some(PXE))
    };
    let talk = Talk::new().and(What::Dhcp(relayed.clone())).and(What::Dhcp(relayed));
    assert!(talk.said().contains("relay 10.78.0.1"), "{}", talk.said());
    let broke = |bytes| Talk::new().lease(PXE).tftp("snponly.efi", broken(bytes)).said();
    assert!(broke(0).contains("Not one block"), "{}", broke(0));
    assert!(
        broke(512).contains("after 512 of 1000 bytes (vanished)") && broke(512).contains("MTU"),
        "{}",
        broke(512)
    );
    let heard = Talk::new().files().system().said();
    assert!(heard.contains("7443"), "{heard}");
    assert!(Talk::new().files().said().contains("driver"));
}

/// Beside our proxy, another server gives the addresses.
#[test]
fn a_proxys_client_takes_the_other_servers_offer() {
    let offer =
        Dhcp { address: None, reply: Some("OFFER".into()), boot: BOOT, ..dhcp("DISCOVER", Some(PXE)) };
    let other = Dhcp {
        server: Some(Ipv4Addr::new(10, 77, 0, 9)),
        silence: Some("it is meant for the server 10.77.0.9".into()),
        ..dhcp("REQUEST", Some(PXE))
    };
    let talk = Talk::new().and(What::Dhcp(offer)).and(What::Dhcp(other));
    assert_eq!(talk.after(3), []);
    assert_eq!(talk.after(30), [Fault::NoLoaderRequest]);
}

#[test]
fn what_is_strange_is_told_beside_the_rest() {
    let nak = What::Dhcp(Dhcp { reply: Some("NAK".into()), address: None, ..dhcp("REQUEST", None) });
    let talk = Talk::new().and(nak.clone()).and(nak.clone());
    assert_eq!(talk.after(0), []);
    let looping = talk.and(nak);
    assert_eq!(looping.after(0), [Fault::NakLoop]);
    assert_eq!(looping.system().after(0), [], "in the end it got an address");
    let decline = What::Dhcp(Dhcp { requested: Some(ADDRESS), ..dhcp("DECLINE", None) });
    assert_eq!(Talk::new().and(decline).after(0), [Fault::AddressDeclined]);
    let conflict = What::Conflict { address: ADDRESS, with: Some([2, 0, 0, 0, 0, 9]) };
    let talk = Talk::new().discover(PXE).and(conflict);
    assert_eq!(talk.after(0), [Fault::AddressConflict]);
    assert!(talk.said().contains("02:00:00:00:00:09"), "{}", talk.said());
}

#[test]
fn a_machine_of_which_nothing_is_heard() {
    let talk = Talk::new().lease(PXE);
    let said = |since, now| unheard(&talk.entries, since, now).map(|diagnosis| diagnosis.kind);
    assert_eq!(said(talk.at - 1, talk.at + 900_000), None);
    assert_eq!(said(talk.at + 1, talk.at + 60_000), None, "it may still test its memory");
    assert_eq!(said(talk.at + 1, talk.at + 900_000), Some(Fault::NothingHeard));
}

#[test]
fn entries_survive_being_stored() {
    let talk = Talk::new().files().system().and(What::Agent).and(silent("rogue"));
    for entry in talk.entries {
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry, "{text}");
    }
}

proptest::proptest! {
    /// Whatever was seen, in whatever order, something can be said of it.
    #[test]
    fn no_conversation_is_too_strange(picks in proptest::collection::vec((0usize..14, 0u64..400), 0..60), later: u32) {
        let palette = [
            What::Agent,
            silent("rogue"),
            silent("x"),
            What::Conflict { address: ADDRESS, with: None },
            What::Script { from: ADDRESS, answer: "disk".into() },
            What::Script { from: ADDRESS, answer: "agent".into() },
            What::Tftp { name: "snponly.efi".into(), stage: done() },
            What::Tftp { name: "undionly.kpxe".into(), stage: broken(3) },
            What::Http { path: UKI.into(), status: 200, head: false, stage: done() },
            What::Http { path: "/boot/files/vmlinuz".into(), status: 200, head: true, stage: done() },
            What::Http { path: "/boot/files/initrd.img".into(), status: 206, head: false, stage: broken(1) },
            What::Dhcp(Dhcp { reply: Some("OFFER".into()), boot: BOOT, ..dhcp("DISCOVER", Some(PXE)) }),
            What::Dhcp(Dhcp { reply: Some("ACK".into()), boot: BOOT, ..dhcp("REQUEST", Some(IPXE)) }),
            What::Dhcp(Dhcp { server: Some(ADDRESS), ..dhcp("REQUEST", None) }),
        ];
        let mut talk = Talk::new();
        for (pick, seconds) in picks {
            talk = talk.pause(seconds).and(palette[pick].clone());
        }
        for diagnosis in diagnose(&talk.entries, talk.at + u64::from(later)) {
            proptest::prop_assert!(diagnosis.sentence.ends_with('.') && diagnosis.mend.ends_with('.'));
        }
    }
}

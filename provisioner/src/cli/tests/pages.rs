//! How objects look, word for word.

use super::samples;
use crate::cli::{text::Context, view};
use jiff::tz::TimeZone;
use provisioner_api::{Diagnosis, Event, EventId, MachineState, Remedy, Why};
use uuid::Uuid;

fn context() -> Context {
    Context { now: samples::at("2026-11-21T03:35:00Z"), zone: TimeZone::UTC }
}

#[test]
fn a_table_of_machines() {
    let mut second = samples::machine("node-2");
    second.status.state = MachineState::Deploying;
    second.status.held = Some(samples::held());
    second.spec.accepted = false;
    let text = view::machines(&[samples::machine("m1"), second], false, &context());
    assert_eq!(
        text,
        "\
NAME    STATE                          FOR  POWER  POOL     INSTANCE  WAITS FOR
m1      available                      5m   off    default  -         -
node-2  deploying, held, not accepted  5m   off    default  -         HELD: the agent did not call in
"
    );
}

#[test]
fn a_wide_table_shows_the_inventory() {
    let mut machine = samples::machine("m1");
    machine.status.inventory = Some(samples::inventory());
    machine.status.instance = Some(samples::instance("web").id);
    machine.status.instance_name = Some("web".to_owned());
    let text = view::machines(&[machine], true, &context());
    for want in ["web", "8.0 GiB", "1, 4.0 GiB", "ipmi 10.0.0.9", "52:54:00:00:00:01", "bios"] {
        assert!(text.lines().nth(1).unwrap().contains(want), "{want}: {text}");
    }
}

#[test]
fn a_page_about_a_machine() {
    let mut machine = samples::machine("m1");
    machine.status.state = MachineState::Inspecting;
    machine.status.waiting = Some(samples::waiting());
    machine.status.job = Some(samples::job());
    machine.status.inventory = Some(samples::inventory());
    let text = view::machine(&machine, &context());
    assert_eq!(
        text,
        "\
Name:         m1
State:        inspecting since 2026-11-21 03:30:00 (5m ago)
Waiting:      the agent to call in
              since 2026-11-21 03:30:00 (5m ago)
              until 2026-11-21 03:45:00 (in 10m)
              if it takes long: the machine boots from its disk
Power:        off
Pool:         default
Labels:       rack=r7
MACs:         52:54:00:00:00:01
Boot mode:    bios
BMC:          ipmi://admin@10.0.0.9?cipher=3
              answers
              weak: cipher suite 3 (SHA-1)
Id:           00000000-0000-0000-0000-000000000001 (version 7)

Job inspect (running for 5m; epoch 3, 00000000-0000-0000-0000-000000000002)
  STEP         STATE             TRY    BEGAN                TOOK  RESULT
  power-on     done              -      2026-11-21 03:30:00  4s    power is on
  write-image  45% of 100.0 MiB  try 2  2026-11-21 03:31:00  4m    -
  reboot       to do             -      -                    -     -

Inventory
  System:       QEMU Q35
  Serial:       SN1
  UUID:         4c4c4544-0000-2010-8020-80c04f202020
  Firmware:     SeaBIOS 1.16
  Processors:   qemu64 (x86_64; sockets 1, cores 2, threads 4)
  Memory:       8.0 GiB

Disks
  NAME  SIZE     SERIAL  MODEL           KIND
  vda   4.0 GiB  D1      evil\u{fffd}]0;title\u{fffd}  spinning

Network cards
  NAME  MAC                LINK            DRIVER      ADDRESSES
  eth0  52:54:00:00:00:01  up 1000 Mbit/s  virtio_net  10.77.0.100
"
    );
}

#[test]
fn a_page_about_an_instance() {
    let mut instance = samples::instance("web");
    instance.status.held = Some(samples::held());
    instance.spec.network_config = Some("version: 2\nethernets: {}\x1b".to_owned());
    instance.status.host_keys = vec!["ssh-ed25519 AAAA".to_owned(), "ssh-rsa BBBB".to_owned()];
    let text = view::instance(&instance, &context());
    assert_eq!(
        text,
        "\
Name:         web
State:        pending, held since 2026-11-21 03:30:00 (5m ago)
Held:         the agent did not call in
              since 2026-11-21 03:30:00 (5m ago)
              you may: retry, delete
Image:        debian-12
Hostname:     web
Asked for:    any machine of pool default
User:         ops
Erase:        metadata
Id:           00000000-0000-0000-0000-000000000003 (version 1)

SSH host keys
  ssh-ed25519 AAAA
  ssh-rsa BBBB

Network configuration
  version: 2
  ethernets: {}\u{fffd}
"
    );
}

#[test]
fn why_shows_the_facts() {
    let event = |id: u128, message: &str| Event {
        id: EventId(Uuid::from_u128(id)),
        at: samples::at("2026-11-21T03:31:00Z"),
        machine: None,
        instance: None,
        kind: "dhcp".to_owned(),
        message: message.to_owned(),
    };
    let why = Why {
        object: "machine m1".to_owned(),
        state: "inspecting".to_owned(),
        sentence: "m1 waits for the agent.".to_owned(),
        waiting: Some(samples::waiting()),
        held: None,
        machine: None,
        job: None,
        diagnoses: vec![Diagnosis {
            kind: "no-loader-request".to_owned(),
            sentence: "It never asked for the loader.".to_owned(),
            mend: "Open UDP 69.".to_owned(),
        }],
        choices: vec![Remedy {
            command: "billet boot-trace m1 --watch".to_owned(),
            what: "show what its firmware asks".to_owned(),
        }],
        facts: vec![event(1, "DISCOVER"), event(2, "OFFER 10.77.0.100\x1b[31m")],
    };
    let text = view::why(&why, &context());
    assert!(text.contains("Why:          m1 waits for the agent.\n"), "{text}");
    assert!(
        text.contains("  It never asked for the loader. (no-loader-request)\n    Open UDP 69.\n"),
        "{text}"
    );
    let choice = "What you may do\n  billet boot-trace m1 --watch\n    show what its firmware asks\n";
    assert!(text.contains(choice), "{text}");
    assert!(text.ends_with("OFFER 10.77.0.100\u{fffd}[31m\n"), "{text}");
    assert!(!text.contains('\x1b'));
}

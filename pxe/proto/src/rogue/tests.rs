//! What is taken for another server's word, and how long it is remembered.

use super::*;
use crate::frame::udp_packet;
use proptest::prelude::*;
use std::net::SocketAddrV4;

const OURS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const ROGUE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 9);
const MAC: Mac = [0x52, 0x54, 0, 0, 0, 9];

/// A reply as dnsmasq broadcasts it, its options given.
fn reply(from: Ipv4Addr, yiaddr: Ipv4Addr, options: &[u8]) -> Vec<u8> {
    let mut message = vec![0; FIXED];
    message[..3].copy_from_slice(&[2, 1, 6]);
    message[16..20].copy_from_slice(&yiaddr.octets());
    message[236..].copy_from_slice(&COOKIE);
    message.extend_from_slice(options);
    message.push(255);
    udp_packet(SocketAddrV4::new(from, 67), SocketAddrV4::new(Ipv4Addr::BROADCAST, 68), &message).unwrap()
}

fn heard(server: Ipv4Addr) -> Heard {
    Heard { server, from: server, gives_addresses: true }
}

#[test]
fn a_probe_is_a_discover_that_asks_for_broadcast() {
    let mac = probe_mac("provisioning", OURS);
    let message = discover(mac, 0x0102_0304);
    assert_eq!(message.len(), 300);
    let read = <dhcproto::v4::Message as dhcproto::Decodable>::from_bytes(&message).unwrap();
    assert_eq!((read.xid(), read.flags().broadcast(), read.chaddr()), (0x0102_0304, true, &mac[..]));
    assert_eq!(read.opts().msg_type(), Some(dhcproto::v4::MessageType::Discover));
}

#[test]
fn the_probes_address_is_local_stable_and_of_one_network() {
    let mac = probe_mac("provisioning", OURS);
    assert_eq!(mac[0] & 3, 2, "locally administered, no group");
    assert_eq!(mac, probe_mac("provisioning", OURS));
    assert_ne!(mac, probe_mac("storage", OURS));
    assert_ne!(mac, probe_mac("provisioning", ROGUE));
}

#[test]
fn offers_acks_and_naks_are_heard() {
    let address = Ipv4Addr::new(10, 77, 0, 77);
    let identifier = [54, 4, 192, 0, 2, 1];
    let named = Ipv4Addr::new(192, 0, 2, 1);
    for (kind, expected) in [(2, true), (5, true), (6, true), (1, false), (3, false), (13, false)] {
        let packet = reply(ROGUE, address, &[&[53, 1, kind][..], &identifier].concat());
        assert_eq!(hear(&packet).is_some(), expected, "type {kind}");
    }
    let packet = reply(ROGUE, address, &[&[53, 1, 2][..], &identifier].concat());
    assert_eq!(hear(&packet), Some(Heard { server: named, from: ROGUE, gives_addresses: true }));
    let packet = reply(ROGUE, Ipv4Addr::UNSPECIFIED, &[53, 1, 2]);
    assert_eq!(hear(&packet), Some(Heard { server: ROGUE, from: ROGUE, gives_addresses: false }));
}

#[test]
fn a_rogue_appears_once_and_is_forgotten_after_a_minute() {
    let mut watch = Watch::new(vec![OURS], vec![], false);
    assert!(watch.hear(heard(OURS), MAC, 0).is_none());
    assert!(!watch.has_rogue());
    assert_eq!(watch.hear(heard(ROGUE), MAC, 1000).unwrap().first_seen, 1000);
    assert!(watch.hear(heard(ROGUE), MAC, 4000).is_none(), "it is not new twice");
    assert!(watch.has_rogue());
    assert_eq!((watch.servers()[0].first_seen, watch.servers()[0].last_seen), (1000, 4000));
    assert!(watch.forget(4000 + MEMORY - 1).is_empty());
    assert_eq!(watch.forget(4000 + MEMORY)[0].server, ROGUE);
    assert!(!watch.has_rogue());
}

#[test]
fn known_servers_are_no_rogues() {
    let mut watch = Watch::new(vec![OURS], vec![ROGUE], false);
    assert!(watch.hear(heard(ROGUE), MAC, 0).unwrap().known);
    assert!(!watch.has_rogue());
    // Beside a proxy somebody else has to give addresses; if it is said who, then nobody but them.
    let other = Ipv4Addr::new(10, 77, 0, 10);
    let mut watch = Watch::new(vec![OURS], vec![], true);
    assert!(watch.hear(heard(other), MAC, 0).unwrap().known);
    let mut watch = Watch::new(vec![OURS], vec![ROGUE], true);
    assert!(!watch.hear(heard(other), MAC, 0).unwrap().known);
}

#[test]
fn made_up_servers_dont_fill_memory() {
    let mut watch = Watch::new(vec![OURS], vec![], false);
    for number in 0..1000 {
        watch.hear(heard(Ipv4Addr::from(0xc000_0200 + number)), MAC, 0);
    }
    assert_eq!(watch.servers().len(), MOST);
}

proptest! {
    #[test]
    fn nothing_that_arrives_panics(packet in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = hear(&packet);
    }

    #[test]
    fn nor_do_broken_options(options in proptest::collection::vec(any::<u8>(), 0..64), cut in 0usize..400) {
        let packet = reply(ROGUE, OURS, &options);
        let _ = hear(&packet);
        let _ = hear(&packet[..cut.min(packet.len())]);
    }
}

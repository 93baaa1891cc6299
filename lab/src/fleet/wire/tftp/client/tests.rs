use super::*;
use crate::dice::Dice;
use proptest::prelude::*;
use pxe_proto::tftp::{Outcome, Transfer, parse_request};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 69);
/// The port of the transfer.
const PEER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 4000);
const ALL: Wishes = Wishes { block: Some(1468), window: Some(4), size: true };
const PLAIN: Wishes = Wishes { block: None, window: None, size: false };

fn data(number: u16, length: usize) -> Vec<u8> {
    let mut packet = vec![0, DATA];
    packet.extend_from_slice(&number.to_be_bytes());
    packet.resize(4 + length, 7);
    packet
}

fn ack(number: u16) -> Option<(SocketAddrV4, Vec<u8>)> {
    let [high, low] = number.to_be_bytes();
    Some((PEER, vec![0, ACK, high, low]))
}

fn oack(text: &str) -> Vec<u8> {
    [&[0, OACK], text.as_bytes()].concat()
}

#[test]
fn requests() {
    assert_eq!(Client::new(SERVER, "a.efi", PLAIN).1, b"\0\x01a.efi\0octet\0");
    let all = b"\0\x01a.efi\0octet\0blksize\x001468\0windowsize\x004\0tsize\x000\0";
    assert_eq!(Client::new(SERVER, "a.efi", ALL).1, all);
}

#[test]
fn a_window_is_acknowledged_at_its_end_and_a_gap_once() {
    let (mut client, _) = Client::new(SERVER, "a", ALL);
    assert_eq!(client.packet(PEER, &oack("blksize\x001468\0windowsize\x004\0")).send, ack(0));
    for number in 1..=3 {
        assert_eq!(client.packet(PEER, &data(number, 1468)).send, None);
    }
    assert_eq!(client.packet(PEER, &data(4, 1468)).send, ack(4));
    assert_eq!(client.packet(PEER, &data(6, 1468)).send, ack(4), "5 was lost");
    assert_eq!(client.packet(PEER, &data(7, 1468)), Step::default(), "which is told once");
    assert_eq!(client.packet(PEER, &data(4, 1468)), Step::default(), "an old copy");
    assert_eq!(client.silence().send, ack(4));
    assert_eq!(client.packet(PEER, &data(6, 1468)).send, ack(4), "time passed: it is told again");
    let step = client.packet(PEER, &data(5, 10));
    assert_eq!((step.send, step.data, step.end), (ack(5), Some(4..14), Some(End::Whole(4 * 1468 + 10))));
}

#[test]
fn before_the_first_answer_silence_repeats_the_request() {
    let (mut client, request) = Client::new(SERVER, "a", ALL);
    assert_eq!(client.silence().send, Some((SERVER, request)));
}

#[test]
fn a_server_without_options_sends_blocks_of_512() {
    let (mut client, _) = Client::new(SERVER, "a", ALL);
    assert_eq!(client.packet(PEER, &data(1, 512)).send, ack(1));
    assert_eq!(client.packet(PEER, &data(2, 0)).end, Some(End::Whole(512)));
}

#[test]
fn strangers_are_sent_away() {
    let (mut client, _) = Client::new(SERVER, "a", PLAIN);
    client.packet(PEER, &data(1, 512));
    for stranger in
        [SocketAddrV4::new(Ipv4Addr::LOCALHOST, 4001), SocketAddrV4::new([192, 0, 2, 1].into(), 4000)]
    {
        let step = client.packet(stranger, &data(2, 3));
        let (to, packet) = step.send.unwrap();
        assert_eq!((to, &packet[..4]), (stranger, &[0, ERROR, 0, 5][..]));
        assert_eq!((step.data, step.end), (None, None));
    }
    assert_eq!(client.packet(PEER, &data(2, 3)).end, Some(End::Whole(515)));
}

#[test]
fn what_breaks_the_protocol_ends_it() {
    let table = [
        (PLAIN, oack("blksize\x00512\0")),
        (ALL, oack("blksize\x001469\0")),
        (ALL, oack("blksize\x007\0")),
        (ALL, oack("windowsize\x005\0")),
        (ALL, oack("tsize\0x\0")),
        (ALL, oack("multicast\0x\0")),
    ];
    for (wishes, packet) in table {
        let step = Client::new(SERVER, "a", wishes).0.packet(PEER, &packet);
        assert!(matches!(step.end, Some(End::Nonsense(_))), "{packet:?}");
        assert_eq!(step.send.unwrap().1[..4], [0, ERROR, 0, 8]);
    }
    let (mut client, _) = Client::new(SERVER, "a", ALL);
    client.packet(PEER, &oack("tsize\x009\0"));
    assert!(matches!(client.packet(PEER, &data(1, 8)).end, Some(End::Nonsense(_))), "a byte is missing");
    let refused = Client::new(SERVER, "a", ALL).0.packet(PEER, b"\0\x05\0\x01no such file\0");
    assert_eq!(refused.end, Some(End::Refused { code: 1, why: "no such file".to_owned() }));
}

/// A file through our server and this client over a link that loses, doubles and delays, in simulated time.
fn transfer(bytes: &[u8], wishes: Wishes, drop: f64, seed: u64) -> (Vec<u8>, End, Option<Outcome>) {
    let mut dice = Dice::new(seed);
    let (mut client, request) = Client::new(SERVER, "a", wishes);
    let read = parse_request(&request).unwrap();
    let mut server = Transfer::start(&read, bytes.to_vec(), 1468);
    let mut now = Duration::ZERO;
    // When, a number that keeps the order; whether to the server; the packet.
    let mut flying: BTreeMap<(Duration, u32), (bool, Vec<u8>)> = BTreeMap::new();
    let (mut count, mut got, mut end, mut quiet) = (0, Vec::new(), None, now);
    let mut fly = |flying: &mut BTreeMap<_, _>, now: Duration, to_server, packet: &[u8]| {
        let copies = u8::from(!dice.hits(drop)) + u8::from(dice.hits(drop / 2.0));
        for _ in 0..copies {
            count += 1;
            let late =
                Duration::from_micros(500).mul_f64(1.0 + 3.0 * dice.roll() * f64::from(u8::from(drop > 0.0)));
            flying.insert((now + late, count), (to_server, packet.to_vec()));
        }
    };
    for _ in 0..200_000 {
        let mut out = Vec::new();
        while let Some(run) = server.poll_transmit(now, &mut out) {
            for packet in out.chunks(run.segment) {
                fly(&mut flying, now, false, packet);
            }
        }
        if end.is_some() && (server.outcome().is_some() || flying.is_empty()) {
            break;
        }
        let arrives = flying.keys().next().map(|(at, _)| *at);
        let times = [arrives, server.poll_timeout(), end.is_none().then(|| quiet + Duration::from_secs(1))];
        now = times.into_iter().flatten().min().unwrap().max(now);
        if arrives.is_some_and(|at| at <= now) {
            let (_, (to_server, packet)) = flying.pop_first().unwrap();
            if to_server {
                server.handle_packet(&packet, now);
            } else if end.is_none() {
                quiet = now;
                let step = client.packet(PEER, &packet);
                got.extend(step.data.map(|place| packet[place].to_vec()).unwrap_or_default());
                if let Some((_, packet)) = step.send {
                    fly(&mut flying, now, true, &packet);
                }
                end = step.end;
            }
            continue;
        }
        server.handle_timeout(now);
        if end.is_none() && now >= quiet + Duration::from_secs(1) {
            quiet = now;
            if let Some((_, packet)) = client.silence().send {
                fly(&mut flying, now, true, &packet);
            }
        }
    }
    (got, end.expect("the transfer ends"), server.outcome().cloned())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_file_of_our_server_arrives_whole_over_any_link(
        length in 0usize..60_000, block in proptest::option::of(8usize..1468), window in proptest::option::of(1u16..16),
        size: bool, bad: bool, seed: u64,
    ) {
        let bytes: Vec<u8> = (0..length as u32).map(|n| (n % 251) as u8).collect();
        let wishes = Wishes { block: block.map(|block| block.max(64)), window, size };
        let (got, end, outcome) = transfer(&bytes, wishes, if bad { 0.05 } else { 0.0 }, seed);
        prop_assert_eq!(end, End::Whole(length as u64));
        prop_assert!(got == bytes);
        if !bad {
            prop_assert_eq!(outcome, Some(Outcome::Complete));
        }
    }

    #[test]
    fn no_packets_bring_it_down(packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20)) {
        let (mut client, _) = Client::new(SERVER, "a", ALL);
        for mut packet in packets {
            if let Some(first) = packet.first_mut() {
                *first = 0;
            }
            let _any = client.packet(PEER, &packet);
        }
    }
}

#[test]
fn block_numbers_wrap() {
    let bytes = vec![3; 70_000 * 8];
    let (got, end, _) = transfer(&bytes, Wishes { block: Some(8), window: Some(16), size: true }, 0.0, 1);
    assert_eq!((got.len(), end), (bytes.len(), End::Whole(560_000)));
}

//! The transfer against a scripted client, with losses, probes and windows.

use super::*;
use proptest::prelude::*;
use std::time::Duration;

mod link;

const START: Duration = Duration::from_secs(100);

fn read_request(name: &str, options: &[(&str, &str)]) -> Vec<u8> {
    let mut packet = vec![0, 1];
    for word in [name, "octet"].into_iter().chain(options.iter().flat_map(|(key, value)| [*key, *value])) {
        packet.extend_from_slice(word.as_bytes());
        packet.push(0);
    }
    packet
}

fn start(length: usize, options: &[(&str, &str)]) -> Transfer {
    let request = parse_request(&read_request("file", options)).unwrap();
    Transfer::start(&request, content(length), MAX_BLOCK)
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 7 + n / 256) as u8).collect()
}

fn ack(block: u16) -> Vec<u8> {
    [4u16.to_be_bytes(), block.to_be_bytes()].concat()
}

/// All packets that are due, each by itself.
fn drain(transfer: &mut Transfer, now: Duration) -> Vec<Vec<u8>> {
    let (mut out, mut packets) = (vec![1, 2, 3], Vec::new());
    while let Some(run) = transfer.poll_transmit(now, &mut out) {
        assert!(!out.is_empty() && out.len() <= MAX_RUN, "{} bytes", out.len());
        let before = packets.len();
        packets.extend(out.chunks(run.segment).map(<[u8]>::to_vec));
        assert!(packets.len() - before <= MAX_SEGMENTS);
    }
    packets
}

/// Numbers of the DATA packets.
fn blocks(packets: &[Vec<u8>]) -> Vec<u16> {
    packets.iter().map(|packet| u16::from_be_bytes([packet[2], packet[3]])).collect()
}

#[test]
fn requests_by_table() {
    let parsed = |packet: &[u8]| parse_request(packet);
    let plain = parsed(b"\0\x01undionly.kpxe\0OcTeT\0").unwrap();
    assert_eq!(plain.name, "undionly.kpxe");
    assert_eq!((plain.blksize, plain.windowsize, plain.timeout, plain.tsize), (None, None, None, false));

    let full = parsed(&read_request(
        "/a",
        &[("BLKSIZE", "1456"), ("tsize", "0"), ("timeout", "3"), ("windowsize", "16"), ("x", "1")],
    ))
    .unwrap();
    assert_eq!(name_of(&full.name), "a");
    assert_eq!(
        (full.blksize, full.windowsize, full.timeout, full.tsize),
        (Some(1456), Some(16), Some(3), true)
    );

    let odd = [("blksize", "7"), ("timeout", "0"), ("windowsize", "0"), ("tsize", "x")];
    let odd = parsed(&read_request("a", &odd)).unwrap();
    assert_eq!((odd.blksize, odd.windowsize, odd.timeout, odd.tsize), (None, None, None, false));

    let refused: &[(&[u8], Refused)] = &[
        (b"\0\x02file\0octet\0", Refused::Write),
        (b"\0\x01file\0netascii\0", Refused::Mode),
        (b"\0\x01file\0mail\0", Refused::Mode),
        (b"\0\x01file\0octet", Refused::Malformed),
        (b"\0\x01file\0", Refused::Malformed),
        (b"\0\x01\0octet\0", Refused::Malformed),
        (b"\0\x01file\0more\0octet\0", Refused::Mode),
        (&read_request(&"a".repeat(65_000), &[]), Refused::TooLong),
        (b"\0\x01\xff\xfe\0octet\0", Refused::Malformed),
        (b"\0\x01", Refused::Malformed),
        (b"\0\x04\0\0", Refused::NotARequest),
        (b"\0", Refused::NotARequest),
        (b"", Refused::NotARequest),
    ];
    for (packet, expected) in refused {
        assert_eq!(parsed(packet).unwrap_err(), *expected, "{packet:?}");
    }
    assert_eq!(Refused::Write.packet().unwrap()[..4], [0, 5, 0, 4]);
    assert_eq!(Refused::NotARequest.packet(), None);
}

#[test]
fn names_are_shown_to_people_without_tricks() {
    let table: &[(&[u8], &str)] = &[
        (b"\0\x02../x\x1b[1m\0octet\0", "../x[1m"),
        (b"\0\x01\xff\0octet\0", ""),
        (b"\0\x01cut", "cut"),
        (b"\0", ""),
        (&read_request(&"a".repeat(65_000), &[]), &"a".repeat(128)),
    ];
    for (packet, expected) in table {
        assert_eq!(shown_name(packet), *expected);
    }
}

#[test]
fn without_options_it_starts_with_data() {
    let mut transfer = start(1000, &[]);
    let first = drain(&mut transfer, START);
    assert_eq!((first.len(), first[0].len(), blocks(&first)), (1, 516, vec![1]));
    transfer.handle_packet(&ack(1), START);
    let second = drain(&mut transfer, START);
    assert_eq!((second[0].len(), blocks(&second)), (4 + 488, vec![2]));
    assert_eq!(transfer.outcome(), None);
    transfer.handle_packet(&ack(2), START);
    assert_eq!(transfer.outcome(), Some(&Outcome::Complete));
    assert_eq!((transfer.acknowledged_bytes(), transfer.poll_timeout()), (1000, None));
}

#[test]
fn options_are_granted_within_limits() {
    let asked = [("blksize", "65464"), ("tsize", "0"), ("timeout", "5"), ("windowsize", "65535")];
    let mut transfer = start(200_000, &asked);
    let first = drain(&mut transfer, START);
    assert_eq!(
        first,
        [b"\0\x06blksize\x001468\0tsize\x00200000\0timeout\x005\0windowsize\x0064\0".to_vec()],
        "the option acknowledgement goes alone"
    );
    assert_eq!(transfer.poll_timeout(), Some(START + Duration::from_secs(5)));
    transfer.handle_packet(&ack(0), START);
    let window = drain(&mut transfer, START);
    assert_eq!(blocks(&window), (1..=64).collect::<Vec<u16>>());
    assert!(window.iter().all(|packet| packet.len() == 1472));
    // Odd values are left out, not refused.
    let mut odd = start(10, &[("blksize", "4"), ("timeout", "200"), ("tsize", "0")]);
    assert_eq!(drain(&mut odd, START), [b"\0\x06tsize\x0010\0".to_vec()]);
}

#[test]
fn a_size_probe_ends_at_once() {
    let mut transfer = start(5000, &[("tsize", "0"), ("blksize", "1456")]);
    drain(&mut transfer, START);
    transfer.handle_packet(b"\0\x05\0\x08User aborted\0", START);
    let expected = Outcome::Refused { code: 8, message: "User aborted".to_owned() };
    assert_eq!(transfer.outcome(), Some(&expected));
    assert_eq!((transfer.acknowledged_bytes(), transfer.has_begun()), (0, false));
    assert_eq!(drain(&mut transfer, START), Vec::<Vec<u8>>::new());
}

#[test]
fn a_repeated_request_starts_again() {
    let mut transfer = start(5000, &[("tsize", "0")]);
    let first = drain(&mut transfer, START);
    assert_eq!(drain(&mut transfer, START), Vec::<Vec<u8>>::new());
    transfer.restart();
    assert_eq!(drain(&mut transfer, START), first);
}

#[test]
fn a_multiple_of_the_block_size_ends_with_an_empty_block() {
    let mut transfer = start(1024, &[]);
    for block in 1..=2 {
        assert_eq!(drain(&mut transfer, START)[0].len(), 516);
        transfer.handle_packet(&ack(block), START);
    }
    assert_eq!(drain(&mut transfer, START), [vec![0, 3, 0, 3]]);
    transfer.handle_packet(&ack(3), START);
    assert_eq!(transfer.outcome(), Some(&Outcome::Complete));

    let mut empty = start(0, &[]);
    assert_eq!(drain(&mut empty, START), [vec![0, 3, 0, 1]]);
}

/// Lets the machine wait for what it waits for; how long that took.
fn wait_out(transfer: &mut Transfer, now: &mut Duration) -> Duration {
    let before = *now;
    *now = transfer.poll_timeout().unwrap();
    transfer.handle_timeout(*now);
    *now - before
}

#[test]
fn a_block_that_is_missed_is_sent_again_after_a_round_trip() {
    let mut transfer = start(40 * 512, &[("windowsize", "4")]);
    let mut now = START;
    drain(&mut transfer, now);
    now += Duration::from_millis(8);
    transfer.handle_packet(&ack(0), now);
    assert_eq!(blocks(&drain(&mut transfer, now)), [1, 2, 3, 4]);
    // The first was lost: the client says three times that it is still at 0.
    for _ in 0..3 {
        transfer.handle_packet(&ack(0), now);
        assert_eq!(drain(&mut transfer, now).len(), 0);
    }
    assert_eq!(wait_out(&mut transfer, &mut now), Duration::from_millis(16), "8 ms + 2 * 4 ms");
    assert_eq!(blocks(&drain(&mut transfer, now)), [1, 2, 3, 4]);
    transfer.handle_packet(&ack(0), now);
    assert_eq!(drain(&mut transfer, now).len(), 0);
    assert!(wait_out(&mut transfer, &mut now) >= Duration::from_millis(24), "the second time as any loss");
    assert_eq!(blocks(&drain(&mut transfer, now)), [1, 2, 3, 4]);
    // One in the middle was lost: what the client may take besides goes out first.
    transfer.handle_packet(&ack(2), now);
    transfer.handle_packet(&ack(2), now);
    assert_eq!(blocks(&drain(&mut transfer, now)), [5, 6]);
    transfer.handle_packet(&ack(2), now);
    assert_eq!(wait_out(&mut transfer, &mut now), Duration::from_millis(16));
    assert_eq!(blocks(&drain(&mut transfer, now)), [3, 4, 5, 6], "go back to the gap");
    transfer.handle_packet(&ack(6), now);
    assert_eq!(blocks(&drain(&mut transfer, now)), [7, 8, 9, 10]);
}

/// Such a client was doubled by a network, or acknowledges each block though it asked for a window.
#[test]
fn acknowledgements_within_a_window_slide_it() {
    let mut transfer = start(40 * 512, &[("windowsize", "4")]);
    drain(&mut transfer, START);
    transfer.handle_packet(&ack(0), START);
    assert_eq!(blocks(&drain(&mut transfer, START)), [1, 2, 3, 4]);
    for block in 1..=36u16 {
        transfer.handle_packet(&ack(block), START);
        assert_eq!(blocks(&drain(&mut transfer, START)), [block + 4], "each block once");
    }
}

#[test]
fn duplicates_of_an_acknowledgement_send_nothing_in_lock_step() {
    let mut transfer = start(5000, &[]);
    drain(&mut transfer, START);
    transfer.handle_packet(&ack(1), START);
    assert_eq!(blocks(&drain(&mut transfer, START)), [2]);
    for stray in [1, 0, 3, 40_000] {
        transfer.handle_packet(&ack(stray), START);
        assert_eq!(drain(&mut transfer, START).len(), 0, "ack {stray}");
    }
}

/// Lets time pass without a client; how many packets went out, and how long it took.
fn abandon(transfer: &mut Transfer, start: Duration) -> (usize, Duration) {
    let (mut now, mut sent) = (start, 0);
    while transfer.outcome().is_none() {
        sent += drain(transfer, now).len();
        now = transfer.poll_timeout().unwrap();
        transfer.handle_timeout(now.saturating_sub(Duration::from_millis(1)));
        assert_eq!(drain(transfer, now).len(), 0, "not before its time");
        transfer.handle_timeout(now);
    }
    assert_eq!(transfer.outcome(), Some(&Outcome::Vanished));
    (sent, now - start)
}

#[test]
fn a_client_that_never_answered_is_not_flooded() {
    let (sent, took) = abandon(&mut start(5000, &[]), START);
    assert_eq!(sent, MAX_TRIES as usize);
    assert!(took < Duration::from_secs(30), "{took:?}");
}

#[test]
fn a_client_that_vanished_is_given_up_after_a_minute() {
    for options in [&[][..], &[("timeout", "5")], &[("windowsize", "4")]] {
        let mut transfer = start(5000, options);
        drain(&mut transfer, START);
        transfer.handle_packet(&ack(if options.is_empty() { 1 } else { 0 }), START);
        let (sent, took) = abandon(&mut transfer, START);
        assert!((PATIENCE..PATIENCE + Duration::from_secs(7)).contains(&took), "{options:?}: {took:?}");
        assert!(sent <= 50 * 4, "{options:?}: {sent} packets");
    }
    // A client that wants to be waited for gets its time, as long as no round trip was measured.
    let mut slow = start(5000, &[("timeout", "30")]);
    drain(&mut slow, START);
    slow.handle_timeout(slow.poll_timeout().unwrap());
    drain(&mut slow, START);
    slow.handle_packet(&ack(0), START);
    assert_eq!(abandon(&mut slow, START), (4, Duration::from_secs(120)));
}

#[test]
fn a_chosen_timeout_counts_until_a_round_trip_is_measured() {
    let mut transfer = start(50_000, &[("timeout", "2")]);
    let mut now = START;
    drain(&mut transfer, now);
    let mut waits = Vec::new();
    for answered in [false, true, false, false, false, false, false, false] {
        let due = transfer.poll_timeout().unwrap();
        waits.push((due - now).as_millis());
        if answered {
            transfer.handle_packet(&ack(0), now);
            drain(&mut transfer, now);
            transfer.handle_packet(&ack(1), now + Duration::from_millis(1));
        } else {
            now = due;
            transfer.handle_timeout(now);
        }
        drain(&mut transfer, now);
    }
    assert_eq!(waits, [2000, 2000, 100, 100, 200, 400, 3500, 100]);
}

#[test]
fn a_closed_port_after_the_last_block_means_that_it_has_all() {
    for (acknowledged, expected, bytes) in [(1, Outcome::Vanished, 512), (2, Outcome::Complete, 1300)] {
        let mut transfer = start(1300, &[]);
        for block in 1..=acknowledged {
            drain(&mut transfer, START);
            transfer.handle_packet(&ack(block), START);
        }
        drain(&mut transfer, START);
        transfer.handle_unreachable();
        assert_eq!(transfer.outcome(), Some(&expected));
        assert_eq!(transfer.acknowledged_bytes(), bytes);
    }
    // Who never answered may never have asked.
    let mut silent = start(100, &[]);
    drain(&mut silent, START);
    silent.handle_unreachable();
    assert_eq!(silent.outcome(), Some(&Outcome::Vanished));
}

#[test]
fn a_measured_round_trip_shortens_the_timeout() {
    let wait = |transfer: &Transfer, now: Duration| (transfer.poll_timeout().unwrap() - now).as_millis();
    let mut transfer = start(50_000, &[]);
    let mut now = START;
    drain(&mut transfer, now);
    assert_eq!(wait(&transfer, now), 1000);
    // (round trip, timeout after it): 2 ms is lifted to the least timeout; 26.75 ms + 4 * 50.25 ms.
    for (round_trip, block, expected) in [(2, 1, 100), (200, 2, 227)] {
        now += Duration::from_millis(round_trip);
        transfer.handle_packet(&ack(block), now);
        drain(&mut transfer, now);
        assert_eq!(wait(&transfer, now), expected, "after {round_trip} ms");
    }
    // A row of repetitions, and a silence.
    let mut waits = Vec::new();
    for _ in 0..8 {
        now = transfer.poll_timeout().unwrap();
        transfer.handle_timeout(now);
        drain(&mut transfer, now);
        waits.push(wait(&transfer, now));
    }
    assert_eq!(waits, [227, 455, 911, 6500, 227, 227, 455, 911]);
    // What was sent more than once measures nothing.
    transfer.handle_packet(&ack(3), now + Duration::from_millis(900));
    drain(&mut transfer, now);
    assert_eq!(wait(&transfer, now), 227);
}

#[test]
fn a_run_is_what_one_system_call_takes() {
    let mut transfer = start(1_000_000, &[("blksize", "1468"), ("windowsize", "64")]);
    drain(&mut transfer, START);
    transfer.handle_packet(&ack(0), START);
    let mut out = Vec::new();
    let mut runs = Vec::new();
    while let Some(run) = transfer.poll_transmit(START, &mut out) {
        runs.push((run.segment, out.len()));
    }
    assert_eq!(runs, [(1472, 44 * 1472), (1472, 20 * 1472)]);
    let mut small = start(1_000_000, &[("blksize", "8"), ("windowsize", "64")]);
    drain(&mut small, START);
    small.handle_packet(&ack(0), START);
    assert_eq!(small.poll_transmit(START, &mut out), Some(Run { segment: 12 }));
    assert_eq!(out.len(), 64 * 12);
}

#[test]
fn a_narrow_path_narrows_the_block() {
    let request = parse_request(&read_request("file", &[("blksize", "1468")])).unwrap();
    let mut transfer = Transfer::start(&request, content(10), 1368);
    assert_eq!(drain(&mut transfer, START), [b"\0\x06blksize\x001368\0".to_vec()]);
}

#[test]
fn a_body_of_pieces_is_one_file() {
    let whole = content(10_000);
    let pieces = [0..1, 1..1, 1..4096, 4096..8192, 8192..10_000].map(|range| whole[range].to_vec().into());
    let request = parse_request(&read_request("file", &[("blksize", "1468")])).unwrap();
    let mut transfer = Transfer::start(&request, Body::new(pieces), MAX_BLOCK);
    let mut got = Vec::new();
    drain(&mut transfer, START);
    transfer.handle_packet(&ack(0), START);
    for block in 1..=7 {
        got.extend_from_slice(&drain(&mut transfer, START)[0][4..]);
        transfer.handle_packet(&ack(block), START);
    }
    assert_eq!(transfer.outcome(), Some(&Outcome::Complete));
    assert!(got == whole);
}

#[test]
fn block_numbers_roll_over() {
    let length = 70_000 * 512 + 5;
    let (_, _, packets) = link::run(length, &[("windowsize", "64")], &link::Faults::NONE);
    assert_eq!(packets, 70_002);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// A link that loses, doubles and reorders: every file arrives whole, and no window is overrun.
    #[test]
    fn a_bad_link_never_spoils_or_ends_a_transfer(
        length in 0usize..60_000,
        block in prop_oneof![Just("512"), Just("1468"), Just("100"), Just("1024")],
        window in prop_oneof![Just("1"), Just("2"), Just("4"), Just("16"), Just("64")],
        options in any::<bool>(),
        lost in 0u32..25,
        doubled in 0u32..15,
        late in 0u32..30,
        deaf in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let faults = link::Faults { lost, doubled, late, deaf, seed };
        let asked: &[_] = if options { &[("blksize", block), ("windowsize", window)] } else { &[] };
        let (got, outcome, _) = link::run(length, asked, &faults);
        prop_assert!(got == content(length));
        prop_assert_eq!(outcome, Outcome::Complete);
    }

    /// No bytes make it panic, or send more than a window.
    #[test]
    fn any_packet_is_survived(packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..8), 0..50)) {
        let mut transfer = start(100_000, &[("windowsize", "16")]);
        for packet in packets {
            transfer.handle_packet(&packet, START);
            prop_assert!(drain(&mut transfer, START).len() <= 16);
        }
    }

    #[test]
    fn any_request_is_survived(packet in proptest::collection::vec(any::<u8>(), 0..80)) {
        let mut with_opcode = vec![0, 1];
        with_opcode.extend_from_slice(&packet);
        for datagram in [&packet, &with_opcode] {
            if let Ok(request) = parse_request(datagram) {
                drain(&mut Transfer::start(&request, vec![0; 10], MAX_BLOCK), START);
            }
        }
    }
}

/// Doubled packets are answered by some clients with doubled acknowledgements, which must not breed.
#[test]
fn a_network_that_doubles_packets_is_not_answered_in_kind() {
    for (window, most) in [("1", 1000), ("4", 2000), ("16", 2000), ("64", 2000)] {
        let faults = link::Faults { doubled: 10, ..link::Faults::NONE };
        let (_, _, sent) =
            link::run(1000 * 1468 - 1, &[("blksize", "1468"), ("windowsize", window)], &faults);
        assert!((1000..=most + 1).contains(&sent), "window {window}: {sent} packets for 1000 blocks");
    }
}

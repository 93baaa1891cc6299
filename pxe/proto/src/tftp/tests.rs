//! The transfer against a scripted client, with losses, probes and windows.

use super::transfer::Transfer;
use super::*;
use proptest::prelude::*;
use std::time::Duration;

const START: Duration = Duration::from_secs(100);

fn read_request(name: &str, options: &[(&str, &str)]) -> Vec<u8> {
    let mut packet = vec![0, 1];
    for word in [name, "octet"].into_iter().chain(options.iter().flat_map(|(key, value)| [*key, *value])) {
        packet.extend_from_slice(word.as_bytes());
        packet.push(0);
    }
    packet
}

fn start(length: usize, options: &[(&str, &str)]) -> Transfer<Vec<u8>> {
    let request = parse_request(&read_request("file", options)).unwrap();
    Transfer::start(&request, content(length))
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 7 + n / 256) as u8).collect()
}

fn ack(block: u16) -> Vec<u8> {
    [4u16.to_be_bytes(), block.to_be_bytes()].concat()
}

fn drain(transfer: &mut Transfer<Vec<u8>>, now: Duration) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| transfer.poll_transmit(now)).collect()
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
    assert_eq!(transfer.poll_transmit(START), None);
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

#[test]
fn the_first_block_lost_makes_the_window_start_again_once() {
    let mut transfer = start(20 * 512, &[("windowsize", "4")]);
    drain(&mut transfer, START);
    transfer.handle_packet(&ack(0), START);
    assert_eq!(blocks(&drain(&mut transfer, START)), [1, 2, 3, 4]);
    transfer.handle_packet(&ack(0), START);
    assert_eq!(
        blocks(&drain(&mut transfer, START)),
        [1, 2, 3, 4],
        "at once, without waiting for the timeout"
    );
    transfer.handle_packet(&ack(0), START);
    assert_eq!(drain(&mut transfer, START).len(), 0, "a duplicate doesn't send it a third time");
    transfer.handle_packet(&ack(2), START);
    assert_eq!(blocks(&drain(&mut transfer, START)), [3, 4, 5, 6], "go back to the gap");
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

#[test]
fn a_client_that_vanished_is_given_up() {
    let mut transfer = start(5000, &[]);
    let mut now = START;
    let mut sent = 0;
    while transfer.outcome().is_none() {
        sent += drain(&mut transfer, now).len();
        now = transfer.poll_timeout().unwrap();
        transfer.handle_timeout(now.saturating_sub(Duration::from_millis(1)));
        assert_eq!(transfer.poll_transmit(now), None, "not before its time");
        transfer.handle_timeout(now);
    }
    assert_eq!(transfer.outcome(), Some(&Outcome::Vanished));
    assert_eq!(sent, 1 + MAX_RETRIES as usize);
    assert!(now - START < Duration::from_secs(30), "{:?}", now - START);
}

#[test]
fn a_measured_round_trip_shortens_the_timeout() {
    let mut transfer = start(50_000, &[]);
    drain(&mut transfer, START);
    assert_eq!(transfer.poll_timeout(), Some(START + Duration::from_secs(1)));
    let later = START + Duration::from_millis(1);
    transfer.handle_packet(&ack(1), later);
    drain(&mut transfer, later);
    assert_eq!(transfer.poll_timeout(), Some(later + Duration::from_millis(250)));
}

/// A client by RFC 7440: takes blocks in order, acknowledges the end of a window, the end of the file and,
/// once for each gap, the last block before it. Its losses are a list of choices.
fn run(length: usize, options: &[(&str, &str)], mut lost: impl FnMut() -> bool) -> (Vec<u8>, Outcome, usize) {
    let mut transfer = start(length, options);
    let (block_size, window) = options.iter().fold((512, 1), |(block, window), (key, value)| match *key {
        "blksize" => (value.parse::<usize>().unwrap().min(MAX_BLOCK), window),
        "windowsize" => (block, value.parse::<u64>().unwrap().min(u64::from(MAX_WINDOW))),
        _ => (block, window),
    });
    let (mut now, mut got, mut received, mut in_window) = (START, Vec::new(), 0u64, 0u64);
    let mut packets = 0;
    while transfer.outcome().is_none() {
        let sent = drain(&mut transfer, now);
        packets += sent.len();
        if sent.is_empty() {
            now = now.max(transfer.poll_timeout().unwrap());
            transfer.handle_timeout(now);
            in_window = 0;
        }
        let mut replies = Vec::new();
        let mut gap = false;
        for packet in sent.iter().filter(|_| !lost()) {
            if packet[1] == 6 {
                replies.push(0);
                continue;
            }
            let block = u16::from_be_bytes([packet[2], packet[3]]);
            if block != (received + 1) as u16 {
                if !gap {
                    replies.push(received as u16);
                }
                (gap, in_window) = (true, 0);
                continue;
            }
            (received, in_window) = (received + 1, in_window + 1);
            got.extend_from_slice(&packet[4..]);
            if in_window == window || packet.len() - 4 < block_size {
                replies.push(block);
                in_window = 0;
            }
        }
        now += Duration::from_millis(1);
        for reply in replies {
            if !lost() {
                transfer.handle_packet(&ack(reply), now);
            }
        }
    }
    (got, transfer.outcome().unwrap().clone(), packets)
}

#[test]
fn block_numbers_roll_over() {
    let length = 70_000 * 512 + 5;
    let (got, outcome, packets) = run(length, &[("windowsize", "64")], || false);
    assert_eq!(outcome, Outcome::Complete);
    assert!(got == content(length), "the file differs");
    assert_eq!(packets, 70_002);
}

proptest! {
    /// Whatever gets lost, the file arrives whole, or the transfer ends by itself.
    #[test]
    fn losses_never_spoil_a_file(
        length in 0usize..30_000,
        block in prop_oneof![Just("512"), Just("1468"), Just("8"), Just("1024")],
        window in prop_oneof![Just("1"), Just("4"), Just("64")],
        losses in proptest::collection::vec(0u8..100, 1..200),
        percent in 0u8..25,
    ) {
        let mut at = 0;
        let lost = || { at += 1; losses[at % losses.len()] < percent };
        let (got, outcome, _) = run(length, &[("blksize", block), ("windowsize", window)], lost);
        let expected = content(length);
        if outcome == Outcome::Complete {
            prop_assert!(got == expected);
        } else {
            prop_assert_eq!(outcome, Outcome::Vanished);
            prop_assert!(expected.starts_with(&got));
        }
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
                drain(&mut Transfer::start(&request, vec![0; 10]), START);
            }
        }
    }
}

//! Whole conversations of programs that we did not write, byte by byte: what they sent we read and would have written the
//! same, the codes are what we calculate, and the packets open with our keys.

use super::handshake::{OpenSessionRequest, OpenSessionResponse, Rakp1, Rakp2, Rakp3, Rakp4};
use super::keys::{Exchange, Protection};
use super::message::LanMessage;
use super::packet::{self, Packet, Plus, payload};
use super::{CipherSuite, Window};

const SUITE3: &str = include_str!("captures/ipmitool_ipmi_sim_suite3.txt");
const SUITE17: &str = include_str!("captures/ipmitool_suite17.txt");

/// To the BMC or from it, and the datagram.
fn datagrams(capture: &str) -> Vec<(bool, Vec<u8>)> {
    let lines = capture.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| (line.starts_with('>'), hex::decode(&line[2..]).unwrap())).collect()
}

/// The first packet of this payload type.
fn find(datagrams: &[(bool, Vec<u8>)], payload_type: u8) -> Plus<'_> {
    let mut packets = datagrams.iter().filter_map(|(_, datagram)| match packet::parse(datagram) {
        Some(Packet::Plus(plus)) if plus.payload_type == payload_type && plus.session_id == 0 => Some(plus),
        _ => None,
    });
    packets.next().unwrap()
}

/// Reads a handshake message, and sees that it would be written the same.
macro_rules! read {
    ($datagrams:expr, $kind:ident, $payload_type:expr) => {{
        let bytes = find($datagrams, $payload_type).payload;
        let message = $kind::decode(bytes).unwrap();
        assert_eq!(hex::encode(message.encode()), hex::encode(bytes), stringify!($kind));
        message
    }};
}

/// Follows a conversation; how many packets were opened.
fn follow(capture: &str, suite: CipherSuite, password: &[u8]) -> usize {
    let datagrams = datagrams(capture);
    let request = read!(&datagrams, OpenSessionRequest, payload::OPEN_SESSION_REQUEST);
    let response = read!(&datagrams, OpenSessionResponse, payload::OPEN_SESSION_RESPONSE);
    let rakp1 = read!(&datagrams, Rakp1, payload::RAKP1);
    let rakp2 = read!(&datagrams, Rakp2, payload::RAKP2);
    let rakp3 = read!(&datagrams, Rakp3, payload::RAKP3);
    let rakp4 = read!(&datagrams, Rakp4, payload::RAKP4);
    let (grant, challenge) = (response.outcome.unwrap(), rakp2.outcome.unwrap());
    assert_eq!(CipherSuite::from_algorithms(grant.algorithms), Some(suite));
    assert_eq!(CipherSuite::from_algorithms(request.algorithms), Some(suite));
    let exchange = Exchange {
        suite,
        console_id: request.console_id,
        system_id: grant.system_id,
        console_random: rakp1.console_random,
        system_random: challenge.system_random,
        system_guid: challenge.system_guid,
        role: rakp1.role,
        username: rakp1.username,
    };
    let session_key = exchange.session_key(password);
    assert_eq!(*exchange.rakp2_code(password), challenge.code);
    assert_eq!(Ok(exchange.rakp3_code(password).to_vec()), rakp3.outcome);
    assert_eq!(Ok(exchange.rakp4_code(&session_key).to_vec()), rakp4.outcome);
    let protection = Protection::new(suite, &session_key);
    let (mut windows, mut opened, mut asked) = ([Window::new(), Window::new()], 0, Vec::new());
    for (to_bmc, datagram) in &datagrams {
        let Some(Packet::Plus(plus)) = packet::parse(datagram) else { continue };
        if plus.session_id == 0 {
            continue;
        }
        let id = if *to_bmc { exchange.system_id } else { exchange.console_id };
        assert_eq!(plus.session_id, id);
        let bytes = protection.open(&plus).unwrap();
        assert!(windows[usize::from(*to_bmc)].accept(plus.sequence));
        let message = LanMessage::decode(&bytes).unwrap();
        if *to_bmc {
            asked.push(message);
        } else {
            assert!(asked.iter().any(|request| message.answers(request)), "{message:x?}");
        }
        // Sealed with the same start value it is the same packet.
        let iv = *plus.payload.first_chunk().unwrap();
        let again = protection.seal(payload::IPMI, plus.session_id, plus.sequence, &bytes, iv);
        assert_eq!(hex::encode(again), hex::encode(datagram));
        opened += 1;
    }
    opened
}

#[test]
fn a_conversation_of_strangers_in_suite_3() {
    assert_eq!(follow(SUITE3, CipherSuite::Three, b"secret"), 14);
}

#[test]
fn a_conversation_of_ipmitool_in_suite_17() {
    assert_eq!(follow(SUITE17, CipherSuite::Seventeen, b"secret"), 14);
}

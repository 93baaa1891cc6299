//! What a relay agent changes in a message on its way (RFC 1542, 4.1; RFC 3046, 2.1). Pure.

use std::net::Ipv4Addr;

/// Length of the fixed part with the magic cookie (RFC 2131, 2).
const FIXED: usize = 240;
/// Most relays that a message may pass (RFC 1542, 4.1.1).
const MOST_HOPS: u8 = 16;
/// Option 82, and its sub-options for the circuit and for the remote end.
const INFORMATION: u8 = 82;
const CIRCUIT: u8 = 1;
const REMOTE: u8 = 2;
const PAD: u8 = 0;
const END: u8 = 255;

/// A server's reply, as it goes on to the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Down {
    /// The client.
    pub(super) mac: [u8; 6],
    /// The number of its exchange.
    pub(super) xid: u32,
    /// The message without option 82.
    pub(super) message: Vec<u8>,
}

/// What option 82 says of the port that a machine is on: as a switch in its rack would name it.
pub(super) fn information(number: u32) -> Vec<u8> {
    let (circuit, remote) = (format!("port {number}"), "billet-lab");
    let mut options = vec![CIRCUIT, circuit.len() as u8];
    options.extend_from_slice(circuit.as_bytes());
    options.extend_from_slice(&[REMOTE, remote.len() as u8]);
    options.extend_from_slice(remote.as_bytes());
    options
}

/// The number of the exchange that a message belongs to.
pub(super) fn xid(message: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(message.get(4..8)?.try_into().ok()?))
}

/// A client's message, as it goes on to the server; none: it is no request, or it came through a relay.
pub(super) fn up(message: &[u8], relay: Ipv4Addr, information: &[u8]) -> Option<Vec<u8>> {
    let end = message.iter().rposition(|byte| *byte == END).filter(|end| *end >= FIXED)?;
    if message[0] != 1 || message[3] >= MOST_HOPS || message[24..28] != [0; 4] {
        return None;
    }
    let mut passed = Vec::with_capacity(end + information.len() + 3);
    passed.extend_from_slice(&message[..end]);
    passed[3] += 1;
    passed[24..28].copy_from_slice(&relay.octets());
    passed.extend_from_slice(&[INFORMATION, u8::try_from(information.len()).ok()?]);
    passed.extend_from_slice(information);
    passed.push(END);
    Some(passed)
}

/// A server's reply, as it goes on to the client; none: it is no reply, or not to this relay, or what it says of the
/// client's port is not what the relay says, so that it is not the relay's to pass on.
pub(super) fn down(
    mut message: Vec<u8>,
    relay: Ipv4Addr,
    information: impl FnOnce([u8; 6]) -> Option<Vec<u8>>,
) -> Option<Down> {
    if message.len() <= FIXED || message[0] != 2 || message[24..28] != relay.octets() {
        return None;
    }
    let mac: [u8; 6] = message[28..34].try_into().ok()?;
    // A server that does not know option 82 leaves it out (RFC 3046, 2.2).
    if let Some(place) = option(&message, INFORMATION) {
        if message[place.start + 2..place.end] != information(mac)?[..] {
            return None;
        }
        message.drain(place);
    }
    Some(Down { mac, xid: xid(&message)?, message })
}

/// Where an option stands, code and length included.
fn option(message: &[u8], wanted: u8) -> Option<std::ops::Range<usize>> {
    let mut at = FIXED;
    loop {
        match *message.get(at..)? {
            [] | [END, ..] => return None,
            [PAD, ..] => at += 1,
            [code, length, ..] => {
                let end = at + 2 + usize::from(length);
                if end > message.len() {
                    return None;
                }
                if code == wanted {
                    return Some(at..end);
                }
                at = end;
            }
            [_] => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RELAY: Ipv4Addr = Ipv4Addr::new(127, 64, 0, 1);
    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];

    fn message(op: u8, giaddr: Ipv4Addr, options: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; FIXED];
        bytes[..4].copy_from_slice(&[op, 1, 6, 0]);
        bytes[4..8].copy_from_slice(&[0xde, 0xad, 0xbe, 0xef]);
        bytes[24..28].copy_from_slice(&giaddr.octets());
        bytes[28..34].copy_from_slice(&MAC);
        bytes[236..].copy_from_slice(&[99, 130, 83, 99]);
        bytes.extend_from_slice(options);
        bytes
    }

    #[test]
    fn a_request_carries_the_relay_and_the_port_and_its_padding_goes() {
        let request = message(1, Ipv4Addr::UNSPECIFIED, &[53, 1, 1, END, 0, 0, 0]);
        let passed = up(&request, RELAY, b"\x01\x01x").unwrap();
        assert_eq!(passed[3], 1);
        assert_eq!(passed[24..28], RELAY.octets());
        assert_eq!(passed[FIXED..], [53, 1, 1, 82, 3, 1, 1, b'x', END]);
    }

    #[test]
    fn what_is_no_request_of_a_client_is_not_passed_on() {
        let options = [53, 1, 1, END];
        let hops = |hops| {
            let mut request = message(1, Ipv4Addr::UNSPECIFIED, &options);
            request[3] = hops;
            request
        };
        assert!(up(&hops(15), RELAY, &[]).is_some());
        let table =
            [message(2, Ipv4Addr::UNSPECIFIED, &options), message(1, RELAY, &options), hops(16), vec![]];
        for request in table {
            assert_eq!(up(&request, RELAY, &[]), None);
        }
        assert_eq!(up(&message(1, Ipv4Addr::UNSPECIFIED, &[53, 1, 1]), RELAY, &[]), None, "without an end");
    }

    #[test]
    fn a_reply_loses_what_the_relay_added() {
        let ours = |mac: [u8; 6]| (mac == MAC).then(|| vec![1, 1, b'x']);
        let reply = message(2, RELAY, &[53, 1, 2, 82, 3, 1, 1, b'x', 51, 1, 9, END]);
        let passed = down(reply, RELAY, ours).unwrap();
        assert_eq!((passed.mac, passed.xid), (MAC, 0xdead_beef));
        assert_eq!(passed.message[FIXED..], [53, 1, 2, 51, 1, 9, END]);
        let without = message(2, RELAY, &[53, 1, 2, END]);
        assert_eq!(down(without.clone(), RELAY, ours).unwrap().message, without);
    }

    #[test]
    fn a_reply_to_somebody_else_is_not_passed_on() {
        let ours = |mac: [u8; 6]| (mac == MAC).then(|| vec![1, 1, b'x']);
        let other_port = message(2, RELAY, &[53, 1, 2, 82, 3, 1, 1, b'y', END]);
        let other_relay = message(2, Ipv4Addr::LOCALHOST, &[53, 1, 2, END]);
        for reply in [other_port, other_relay, message(1, RELAY, &[53, 1, 2, END]), vec![2; 100]] {
            assert_eq!(down(reply, RELAY, ours), None);
        }
    }

    proptest! {
        #[test]
        fn there_and_back_nothing_of_the_clients_changes(options in proptest::collection::vec((1u8..82, proptest::collection::vec(any::<u8>(), 0..20)), 0..8), number: u32) {
            let mut bytes = vec![53, 1, 1];
            for (code, value) in &options {
                bytes.extend_from_slice(&[*code, value.len() as u8]);
                bytes.extend_from_slice(value);
            }
            bytes.push(END);
            let request = message(1, Ipv4Addr::UNSPECIFIED, &bytes);
            let mut reply = up(&request, RELAY, &information(number)).unwrap();
            reply[0] = 2;
            let back = down(reply, RELAY, |_| Some(information(number))).unwrap();
            prop_assert_eq!(&back.message[FIXED..], &bytes[..]);
        }

        #[test]
        fn no_bytes_of_a_server_bring_it_down(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut bytes = bytes;
            if bytes.len() > 28 {
                bytes[0] = 2;
                bytes[24..28].copy_from_slice(&RELAY.octets());
            }
            let _any = down(bytes, RELAY, |_| Some(vec![]));
        }
    }
}

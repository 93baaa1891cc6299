//! A greeting in TLS 1.1 and what is answered to it. Nothing else of TLS: whoever takes it is told of, not talked to.
//!
//! By hand, since no library that is fit for use speaks it any more (RFC 8996). Messages: RFC 4346 section 7.4.1,
//! extensions: RFC 6066, RFC 8422.

/// Record type: alert.
const ALERT: u8 = 21;
/// Record type: handshake.
const HANDSHAKE: u8 = 22;
/// Message: ServerHello.
const SERVER_HELLO: u8 = 2;
/// Suites that TLS 1.0 and 1.1 have, in the order of preference: ECDHE and DHE with AES, RSA with AES, 3DES, RC4.
const SUITES: [u16; 13] =
    [0xC013, 0xC014, 0xC009, 0xC00A, 0x0033, 0x0039, 0x002F, 0x0035, 0xC012, 0x0016, 0x000A, 0x0005, 0x0004];
/// The largest record (RFC 4346 section 6.2.3): anything longer is no TLS.
const RECORD_MAX: usize = (1 << 14) + 2048;

/// What the other side made of the greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsAnswer {
    /// It goes on in this version 3.x: 0 is SSL 3.0, 1 TLS 1.0, 2 TLS 1.1.
    Accepted {
        /// The x.
        minor: u8,
    },
    /// It does not.
    Refused,
    /// It is no TLS.
    Other,
}

/// A ClientHello that offers TLS 1.1 and what is older. `name`: of the host, if it has one; an address is none.
pub fn old_hello(random: [u8; 32], name: Option<&str>) -> Vec<u8> {
    let mut body = vec![3, 2];
    body.extend_from_slice(&random);
    body.push(0);
    let suites: Vec<u8> = SUITES.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    body.extend(sized(&suites));
    // One way of compression: none.
    body.extend_from_slice(&[1, 0]);
    let mut extensions = Vec::new();
    if let Some(name) = name.filter(|name| name.len() < 256) {
        let entry = [&[0], sized(name.as_bytes()).as_slice()].concat();
        extensions.extend(extension(0, &sized(&entry)));
    }
    // Groups: P-256, P-384, P-521; uncompressed points; secure renegotiation (RFC 5746).
    extensions.extend(extension(10, &sized(&[0, 23, 0, 24, 0, 25])));
    extensions.extend(extension(11, &[1, 0]));
    extensions.extend(extension(0xFF01, &[0]));
    body.extend(sized(&extensions));
    let length = length(body.len());
    let message = [&[1, 0, length[0], length[1]], body.as_slice()].concat();
    // In a record of TLS 1.0, which is what every server reads.
    [&[HANDSHAKE, 3, 1], sized(&message).as_slice()].concat()
}

/// Reads what came back so far. `None`: more has to come.
pub fn read_hello(bytes: &[u8]) -> Option<TlsAnswer> {
    let &[kind, major, _, high, low, ref rest @ ..] = bytes else {
        // Whatever does not begin like a record won't become one.
        let odd = bytes.first().is_some_and(|kind| !matches!(*kind, ALERT | HANDSHAKE));
        return odd.then_some(TlsAnswer::Other);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if major != 3 || length == 0 || length > RECORD_MAX {
        return Some(TlsAnswer::Other);
    }
    match kind {
        ALERT => Some(TlsAnswer::Refused),
        HANDSHAKE => {
            // Type, three bytes of length, version: a ServerHello's first six bytes may come in several records, but
            // nobody cuts it so fine.
            let message = rest.get(..length.min(6))?;
            Some(match *message {
                [SERVER_HELLO, _, _, _, 3, minor @ 0..=2] => TlsAnswer::Accepted { minor },
                [SERVER_HELLO, _, _, _, 3, _] => TlsAnswer::Refused,
                _ => TlsAnswer::Other,
            })
        }
        _ => Some(TlsAnswer::Other),
    }
}

fn extension(number: u16, content: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], &sized(content)].concat()
}

/// Bytes behind their length in two.
fn sized(bytes: &[u8]) -> Vec<u8> {
    [&length(bytes.len())[..], bytes].concat()
}

/// Everything here is a few hundred bytes long.
fn length(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// OpenSSL's `s_server` takes these bytes with `-tls1` and `-tls1_1`, and refuses them with `-tls1_2`.
    #[test]
    fn the_greeting_is_this() {
        let head = "160301006b010000670302"; // record, ClientHello, version
        let suites = "00001ac013c014c009c00a00330039002f0035c0120016000a00050004"; // no session, 13 suites
        let name = "000000090007000004626d6331";
        let rest = "000a00080006001700180019000b00020100ff01000100"; // groups, points, renegotiation
        let random = "07".repeat(32);
        let hello = hex::encode(old_hello([7; 32], Some("bmc1")));
        assert_eq!(hello, format!("{head}{random}{suites}01000024{name}{rest}"));
        let shorter = "160301005e0100005a0302";
        let hello = hex::encode(old_hello([7; 32], None));
        assert_eq!(hello, format!("{shorter}{random}{suites}01000017{rest}"));
    }

    #[test]
    fn answers() {
        let table = [
            ("160302004a020000460302", Some(TlsAnswer::Accepted { minor: 2 })),
            ("160301004a020000460301", Some(TlsAnswer::Accepted { minor: 1 })),
            ("160300004a020000460300", Some(TlsAnswer::Accepted { minor: 0 })),
            // A server that answers in more than was offered breaks the protocol, and does not take less.
            ("160303004a020000460303", Some(TlsAnswer::Refused)),
            ("15030100020228", Some(TlsAnswer::Refused)),
            // OpenSSL 3.0 with -tls1_1, with -tls1, with -tls1_2.
            ("1603020059020000550302cd235e6333", Some(TlsAnswer::Accepted { minor: 2 })),
            ("16030100590200005503012bf45034bb", Some(TlsAnswer::Accepted { minor: 1 })),
            ("15030200020246", Some(TlsAnswer::Refused)),
            ("", None),
            ("1603", None),
            ("16030200", None),
            ("160302004a0200004603", None),
            ("485454502f312e31", Some(TlsAnswer::Other)),
            ("48", Some(TlsAnswer::Other)),
            ("160302ffff02", Some(TlsAnswer::Other)),
            ("1603020004010000000000", Some(TlsAnswer::Other)),
            ("1702030000", Some(TlsAnswer::Other)),
        ];
        for (answer, expected) in table {
            assert_eq!(read_hello(&hex::decode(answer).unwrap()), expected, "{answer}");
        }
    }

    proptest! {
        /// What is answered is decided by the first eleven bytes at the latest.
        #[test]
        fn it_is_never_waited_for_long(bytes in proptest::collection::vec(any::<u8>(), 11..40)) {
            prop_assert!(read_hello(&bytes).is_some());
            prop_assert_eq!(read_hello(&bytes), read_hello(&bytes[..11]));
        }
    }
}

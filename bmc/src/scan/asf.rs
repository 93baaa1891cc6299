//! The presence ping of RMCP and its answer (ASF 2.0 sections 3.2.2.2 and 3.2.4.3; IPMI 2.0 section 13.2). Bytes only.

/// RMCP 1.0, no acknowledgement wanted, class ASF; then the IANA enterprise number of ASF.
const HEAD: [u8; 8] = [0x06, 0x00, 0xff, 0x06, 0x00, 0x00, 0x11, 0xbe];
const PING: u8 = 0x80;
const PONG: u8 = 0x40;

/// A ping. The answer carries the tag; 0xff would ask for none.
pub(super) fn ping(tag: u8) -> [u8; 12] {
    let mut ping = [0; 12];
    ping[..8].copy_from_slice(&HEAD);
    ping[8] = PING;
    ping[9] = tag;
    ping
}

/// Whether this answers the ping with that tag and says that IPMI is spoken there (supported entities, bit 7).
pub(super) fn is_pong(datagram: &[u8], tag: u8) -> bool {
    let Some((head, rest)) = datagram.split_at_checked(8) else { return false };
    // Version and class; the sequence number is answered as it pleases the BMC.
    let rmcp = (head[0], head[3] & 0x1f, &head[4..]) == (HEAD[0], HEAD[3], &HEAD[4..]);
    let answers = rest.len() >= 13 && rest[0] == PONG && rest[1] == tag && rest[3] >= 9;
    rmcp && answers && rest[12] & 0x80 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        assert_eq!(hex::encode(ping(0x37)), "0600ff06000011be80370000");
        let pong = hex::decode("0600ff06000011be40370010000011be000000008100000000000000").unwrap();
        assert!(is_pong(&pong, 0x37));
        assert!(!is_pong(&pong, 0x38), "another's");
        assert!(!is_pong(&ping(0x37), 0x37), "a ping that came back");
        for length in 0..21 {
            assert!(!is_pong(&pong[..length], 0x37), "{length} bytes");
        }
        let mut without_ipmi = pong;
        without_ipmi[20] = 0x01;
        assert!(!is_pong(&without_ipmi, 0x37));
    }

    proptest::proptest! {
        #[test]
        fn only_what_answers_the_ping_is_a_pong(
            mut datagram in proptest::collection::vec(proptest::num::u8::ANY, 0..40), tag in 0u8..0xff,
        ) {
            let answers = |datagram: &[u8]| {
                datagram.get(8) == Some(&PONG) && datagram.get(9) == Some(&tag) && datagram.get(20).is_some_and(|bits| bits & 0x80 != 0)
            };
            proptest::prop_assert!(!is_pong(&datagram, tag) || answers(&datagram));
            // Whatever else it says, with the right head and bits it is one.
            if datagram.len() >= 21 {
                datagram[..8].copy_from_slice(&HEAD);
                (datagram[8], datagram[9], datagram[11]) = (PONG, tag, 16);
                datagram[20] |= 0x80;
                proptest::prop_assert!(is_pong(&datagram, tag));
            }
        }
    }
}

//! The presence ping of RMCP (13.2.3, 13.2.4): "is there a BMC?", before anything of IPMI.

/// RMCP 1.0, no acknowledgement wanted, class ASF.
const RMCP: [u8; 4] = [0x06, 0x00, 0xFF, 0x06];
/// IANA enterprise number of ASF.
const IANA: [u8; 4] = [0x00, 0x00, 0x11, 0xBE];
const PING: u8 = 0x80;
const PONG: u8 = 0x40;
/// Supported entities: IPMI, and ASF 1.0.
const ENTITIES: u8 = 0x81;

/// The pong to a ping. `None`: it is none.
pub(super) fn pong(datagram: &[u8]) -> Option<Vec<u8>> {
    let (head, rest) = datagram.split_at_checked(4)?;
    let (iana, rest) = rest.split_at_checked(4)?;
    let &[kind, tag, _, length, ..] = rest else { return None };
    // The RMCP sequence number, 0xFF, says that no acknowledgement is wanted; some ping with another one.
    if [head[0], head[3]] != [RMCP[0], RMCP[3]] || (iana, kind, length) != (&IANA, PING, 0) {
        return None;
    }
    let mut pong = RMCP.to_vec();
    pong.extend(IANA);
    pong.extend([PONG, tag, 0, 16]);
    pong.extend(IANA);
    pong.extend([0, 0, 0, 0, ENTITIES]);
    pong.resize(pong.len() + 7, 0);
    Some(pong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_is_answered_with_its_tag() {
        let ping = hex::decode("0600ff06000011be80370000").unwrap();
        let pong = pong(&ping).unwrap();
        assert_eq!(hex::encode(&pong), "0600ff06000011be40370010000011be000000008100000000000000");
        assert_eq!(super::pong(&pong), None, "a pong is no ping");
        for length in 0..ping.len() {
            assert_eq!(super::pong(&ping[..length]), None, "{length} bytes");
        }
    }
}

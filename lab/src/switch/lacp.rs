//! The switch's side of link aggregation (LACP, IEEE 802.1AX clause 6.4): each message of a partner is answered with our
//! view of it, which is that all is well. Bytes in, bytes out.
//!
//! Deliberately not here: timers. A partner that we ask for short timeouts speaks each second, and is answered then.

/// Where LACP speaks (IEEE 802.1AX table 6-1), and from which address we do.
const SLOW_PROTOCOLS: [u8; 6] = [0x01, 0x80, 0xc2, 0, 0, 2];
const OURS: [u8; 6] = [0x02, 0xb1, 0x11, 0xe7, 0, 1];
/// The type of slow protocols, LACP's subtype and version, and the actor's first two bytes.
const HEAD: [u8; 6] = [0x88, 0x09, 1, 1, 1, 20];
/// Where that is, the actor's description behind it, and the whole message.
const TYPE: usize = 12;
const ACTOR: usize = 18;
const DESCRIPTION: usize = 15;
const LENGTH: usize = 124;

/// Activity, short timeout, aggregation, synchronisation, collecting, distributing: nothing is missing.
const ALL_WELL: u8 = 0x3f;

/// Whether this is for a switch's own link aggregation, and never forwarded.
pub(super) fn is_slow(frame: &[u8]) -> bool {
    frame.starts_with(&SLOW_PROTOCOLS)
}

/// The answer to a message that came in at this port of this bundle; `None` if it is no such message.
pub(super) fn answer(frame: &[u8], bundle: u16, port: u16) -> Option<Vec<u8>> {
    if !is_slow(frame) || frame.get(TYPE..ACTOR)? != HEAD || frame.len() < LENGTH {
        return None;
    }
    let theirs = frame.get(ACTOR..ACTOR + DESCRIPTION)?;
    let mut reply = Vec::with_capacity(LENGTH);
    reply.extend(SLOW_PROTOCOLS);
    reply.extend(OURS);
    reply.extend(HEAD);
    // Priority and address of the system, its key, priority and number of the port, its state.
    reply.extend([0x80, 0]);
    reply.extend(OURS);
    reply.extend((bundle + 1).to_be_bytes());
    reply.extend([0x80, 0]);
    reply.extend((port + 1).to_be_bytes());
    reply.push(ALL_WELL);
    reply.extend([0; 3]);
    reply.extend([2, 20]);
    reply.extend(theirs);
    reply.extend([0; 3]);
    // The collector: no delay.
    reply.extend([3, 16]);
    reply.resize(LENGTH, 0);
    Some(reply)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What Linux's bonding driver says first, of a card with this last byte: it knows no partner yet.
    pub(in super::super) fn message(card: u8) -> Vec<u8> {
        let mut frame = [&SLOW_PROTOCOLS[..], &[0x52, 0x54, 0, 0, 0, card], &HEAD].concat();
        frame.extend([0xff, 0xff, 0x52, 0x54, 0, 0, 0, 1, 0, 9, 0, 255, 0, card, 0x47, 0, 0, 0]);
        frame.extend([2, 20]);
        frame.resize(LENGTH, 0);
        frame
    }

    #[test]
    fn a_partner_is_told_that_it_is_seen() {
        let reply = answer(&message(7), 3, 4).unwrap();
        assert_eq!(reply.len(), LENGTH);
        assert_eq!(reply[..12], [&SLOW_PROTOCOLS[..], &OURS].concat());
        assert_eq!(reply[26..28], [0, 4], "one key for the bundle");
        assert_eq!(reply[30..33], [0, 5, ALL_WELL], "a number for each port");
        assert_eq!(reply[36..38], [2, 20]);
        assert_eq!(reply[38..53], message(7)[18..33], "its own words");
        assert_eq!(reply[56..58], [3, 16]);
        let other = answer(&message(8), 3, 5).unwrap();
        assert_eq!(reply[18..28], other[18..28], "both ports are of one system and one bundle");
    }

    #[test]
    fn what_is_no_such_message_is_not_answered() {
        let whole = message(7);
        for length in 0..whole.len() {
            assert_eq!(answer(&whole[..length], 0, 0), None, "{length}");
        }
        let mut marker = whole.clone();
        marker[14] = 2;
        assert_eq!(answer(&marker, 0, 0), None, "the marker protocol");
        assert!(is_slow(&marker) && !is_slow(&[0xff; 124]));
    }
}

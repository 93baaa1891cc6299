//! Datagrams: the RMCP header, the IPMI 1.5 wrapper for messages outside a session, and the RMCP+ wrapper.
//!
//! Signing and encrypting is in `keys`; the meaning of payloads in `message` and `handshake`.

/// Length of the RMCP header.
pub(crate) const RMCP_LEN: usize = 4;
/// Length of the RMCP+ session header, without the RMCP header (13.6).
pub(crate) const PLUS_LEN: usize = 12;
/// RMCP version 1.0, no acknowledgement, class IPMI (13.1.3).
const RMCP: [u8; RMCP_LEN] = [0x06, 0x00, 0xFF, 0x07];
/// Authentication type of IPMI 1.5: none.
const AUTH_NONE: u8 = 0x00;
/// Authentication type that tells RMCP+.
const AUTH_PLUS: u8 = 0x06;
/// "Next header" in the trailer of RMCP+.
pub(crate) const NEXT_HEADER: u8 = 0x07;
/// Bit of the payload type: encrypted.
pub(crate) const ENCRYPTED: u8 = 0x80;
/// Bit of the payload type: signed.
pub(crate) const AUTHENTICATED: u8 = 0x40;

/// Payload types (table 13-16).
pub mod payload {
    /// An IPMI message.
    pub const IPMI: u8 = 0x00;
    /// Serial over LAN.
    pub const SOL: u8 = 0x01;
    /// RMCP+ Open Session Request.
    pub const OPEN_SESSION_REQUEST: u8 = 0x10;
    /// RMCP+ Open Session Response.
    pub const OPEN_SESSION_RESPONSE: u8 = 0x11;
    /// RAKP Message 1.
    pub const RAKP1: u8 = 0x12;
    /// RAKP Message 2.
    pub const RAKP2: u8 = 0x13;
    /// RAKP Message 3.
    pub const RAKP3: u8 = 0x14;
    /// RAKP Message 4.
    pub const RAKP4: u8 = 0x15;
}

/// A datagram's session wrapper, taken apart but not yet believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// IPMI 1.5 wrapper without authentication; only used outside a session.
    V15 {
        /// The IPMI message.
        payload: &'a [u8],
    },
    /// RMCP+ wrapper.
    Plus(Plus<'a>),
}

/// An RMCP+ packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plus<'a> {
    /// Whether it says that its payload is encrypted.
    pub encrypted: bool,
    /// Whether it says that it is signed.
    pub authenticated: bool,
    /// Payload type without the two bits above.
    pub payload_type: u8,
    /// The receiver's session id; 0 outside a session.
    pub session_id: u32,
    /// Session sequence number; 0 outside a session.
    pub sequence: u32,
    /// The payload.
    pub payload: &'a [u8],
    /// Everything after the RMCP header, with the trailer.
    pub(crate) whole: &'a [u8],
}

/// Takes a datagram apart. `None`: not an IPMI datagram of a kind that we use.
pub fn parse(datagram: &[u8]) -> Option<Packet<'_>> {
    let (rmcp, whole) = datagram.split_at_checked(RMCP_LEN)?;
    // The RMCP sequence number (third byte) has no meaning for IPMI.
    if rmcp[0] != RMCP[0] || rmcp[3] != RMCP[3] {
        return None;
    }
    match *whole.first()? {
        AUTH_NONE => {
            let (_, rest) = whole.split_at_checked(9)?;
            let (&length, rest) = rest.split_first()?;
            Some(Packet::V15 { payload: rest.get(..usize::from(length))? })
        }
        AUTH_PLUS => {
            let (header, rest) = whole.split_at_checked(PLUS_LEN)?;
            let length = u16::from_le_bytes([header[10], header[11]]);
            Some(Packet::Plus(Plus {
                encrypted: header[1] & ENCRYPTED != 0,
                authenticated: header[1] & AUTHENTICATED != 0,
                payload_type: header[1] & 0x3F,
                session_id: u32::from_le_bytes([header[2], header[3], header[4], header[5]]),
                sequence: u32::from_le_bytes([header[6], header[7], header[8], header[9]]),
                payload: rest.get(..usize::from(length))?,
                whole,
            }))
        }
        _ => None,
    }
}

/// The remote console's session id that a datagram from a BMC carries: in the wrapper inside a session, in the payload
/// of the key exchange. To find the session that it may be for, before anything of it is believed. `None`: it has none,
/// as errors may.
pub fn addressee(datagram: &[u8]) -> Option<u32> {
    let Packet::Plus(plus) = parse(datagram)? else { return None };
    let id = match plus.payload_type {
        payload::OPEN_SESSION_RESPONSE | payload::RAKP2 | payload::RAKP4 if plus.session_id == 0 => {
            u32::from_le_bytes(*plus.payload.get(4..)?.first_chunk()?)
        }
        _ => plus.session_id,
    };
    (id != 0).then_some(id)
}

/// An RMCP+ datagram outside a session: neither signed nor encrypted, session id and sequence 0.
pub fn plain(payload_type: u8, payload: &[u8]) -> Vec<u8> {
    let mut datagram = plus_header(payload_type, 0, 0, payload.len());
    datagram.extend_from_slice(payload);
    datagram
}

/// An IPMI 1.5 datagram outside a session.
pub fn plain_v15(payload: &[u8]) -> Vec<u8> {
    let mut datagram = RMCP.to_vec();
    datagram.extend_from_slice(&[AUTH_NONE, 0, 0, 0, 0, 0, 0, 0, 0]);
    // Messages outside a session are a few dozen bytes.
    datagram.push(u8::try_from(payload.len()).unwrap_or(u8::MAX));
    datagram.extend_from_slice(payload);
    datagram
}

/// The RMCP header and the RMCP+ session header.
pub(crate) fn plus_header(type_byte: u8, session_id: u32, sequence: u32, length: usize) -> Vec<u8> {
    let mut header = RMCP.to_vec();
    header.extend_from_slice(&[AUTH_PLUS, type_byte]);
    header.extend_from_slice(&session_id.to_le_bytes());
    header.extend_from_slice(&sequence.to_le_bytes());
    // Our messages are far below 64 KiB.
    header.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let datagram = plain(payload::RAKP1, b"abc");
        let Some(Packet::Plus(plus)) = parse(&datagram) else { panic!("not RMCP+") };
        assert_eq!((plus.payload_type, plus.session_id, plus.sequence), (payload::RAKP1, 0, 0));
        assert_eq!((plus.payload, plus.encrypted, plus.authenticated), (&b"abc"[..], false, false));
        assert_eq!(parse(&plain_v15(b"abc")), Some(Packet::V15 { payload: b"abc" }));
    }

    #[test]
    fn other_datagrams_are_nothing() {
        let good = plain(payload::RAKP1, b"abc");
        for length in 0..good.len() {
            assert_eq!(parse(&good[..length]), None, "{length} bytes");
        }
        let pong = [0x06, 0x00, 0x01, 0x06, 0x00, 0x00, 0x11, 0xBE, 0x40, 0x01, 0x00, 0x10];
        assert_eq!(parse(&pong), None, "ASF pong");
        let md5 = [&RMCP[..], &[0x02; 40]].concat();
        assert_eq!(parse(&md5), None, "IPMI 1.5 with MD5");
    }
}

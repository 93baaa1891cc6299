//! ICMP echo (RFC 792): the question whether an address behind a relay is in use, and reading answers.

use crate::frame::checksum;
use std::net::Ipv4Addr;

const ECHO_REPLY: u8 = 0;
const ECHO: u8 = 8;
/// The protocol number of ICMP.
const ICMP: u8 = 1;

/// An echo request; the IP header is the kernel's work.
#[must_use]
pub fn echo(identifier: u16, sequence: u16) -> [u8; 16] {
    let mut message = [0; 16];
    message[0] = ECHO;
    message[4..6].copy_from_slice(&identifier.to_be_bytes());
    message[6..8].copy_from_slice(&sequence.to_be_bytes());
    message[8..].copy_from_slice(b"in use? ");
    let sum = checksum(&[&message]);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// The address that answered our echo request, if this IPv4 packet is such an answer.
#[must_use]
pub fn replied(packet: &[u8], identifier: u16) -> Option<Ipv4Addr> {
    let (version, words) = (packet.first()? >> 4, usize::from(packet.first()? & 15));
    let header = packet.get(..words * 4).filter(|header| version == 4 && header.len() >= 20)?;
    let message = packet.get(words * 4..).filter(|message| message.len() >= 8)?;
    let ours = header[9] == ICMP && message[0] == ECHO_REPLY && message[4..6] == identifier.to_be_bytes();
    ours.then(|| Ipv4Addr::new(header[12], header[13], header[14], header[15]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply() -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 36, 0, 0, 0, 0, 64, 1, 0, 0, 10, 78, 0, 9, 10, 77, 0, 1];
        let mut message = echo(0x1234, 7);
        message[0] = ECHO_REPLY;
        packet.extend_from_slice(&message);
        packet
    }

    #[test]
    fn an_echo_has_a_checksum_that_verifies() {
        let message = echo(0x1234, 7);
        assert_eq!(message[..2], [8, 0]);
        assert_eq!(checksum(&[&message]), 0);
    }

    #[test]
    fn only_the_answer_to_our_echo_counts() {
        assert_eq!(replied(&reply(), 0x1234), Some(Ipv4Addr::new(10, 78, 0, 9)));
        assert_eq!(replied(&reply(), 0x1235), None);
        for (at, value) in [(0, 0x65), (0, 0x44), (0, 0x4f), (9, 17), (20, 8)] {
            let mut other = reply();
            other[at] = value;
            assert_eq!(replied(&other, 0x1234), None, "byte {at}");
        }
        for length in 0..28 {
            assert_eq!(replied(&reply()[..length], 0x1234), None);
        }
    }
}

//! IPv4 and UDP headers around a payload, for replies that the kernel's own stack can't send.
//!
//! A DHCP client that has no address yet doesn't answer ARP (RFC 2131, 4.1), so its reply leaves by a packet
//! socket; the link header is the kernel's work.

use std::net::SocketAddrV4;

/// Length of an IPv4 header without options, in bytes (RFC 791, 3.1).
const IPV4_HEADER: usize = 20;
/// Length of a UDP header, in bytes (RFC 768).
const UDP_HEADER: usize = 8;
/// The protocol number of UDP.
const UDP: u8 = 17;

/// An IPv4 packet that carries `payload` by UDP, both checksums set.
///
/// `None` when the payload doesn't fit into an IPv4 packet.
#[must_use]
pub fn udp_packet(source: SocketAddrV4, destination: SocketAddrV4, payload: &[u8]) -> Option<Vec<u8>> {
    let udp_length = u16::try_from(UDP_HEADER + payload.len()).ok()?;
    let total_length = u16::try_from(IPV4_HEADER + UDP_HEADER + payload.len()).ok()?;

    let mut packet = Vec::with_capacity(usize::from(total_length));
    packet.extend_from_slice(&[0x45, 0]); // version 4, five words of header, no service class
    packet.extend_from_slice(&total_length.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0x40, 0]); // no identification, don't fragment
    packet.extend_from_slice(&[64, UDP, 0, 0]); // time to live, protocol, checksum (below)
    packet.extend_from_slice(&source.ip().octets());
    packet.extend_from_slice(&destination.ip().octets());
    let header_sum = checksum(&[&packet]);
    packet[10..12].copy_from_slice(&header_sum.to_be_bytes());

    packet.extend_from_slice(&source.port().to_be_bytes());
    packet.extend_from_slice(&destination.port().to_be_bytes());
    packet.extend_from_slice(&udp_length.to_be_bytes());
    packet.extend_from_slice(&[0, 0]);
    packet.extend_from_slice(payload);
    let pseudo_header = [&packet[12..20], &[0, UDP], &udp_length.to_be_bytes()].concat();
    // Zero means "no checksum" in UDP over IPv4, so it is sent as its other form.
    let udp_sum = match checksum(&[&pseudo_header, &packet[IPV4_HEADER..]]) {
        0 => 0xffff,
        sum => sum,
    };
    packet[26..28].copy_from_slice(&udp_sum.to_be_bytes());
    Some(packet)
}

/// The Internet checksum (RFC 1071) over `parts`, each but the last of an even length.
pub(crate) fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum: u32 = 0;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
    }
    // The loop has folded the carry away: the sum fits 16 bits.
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn endpoint(last: u8, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, last), port)
    }

    #[test]
    fn a_packet_of_known_bytes() {
        let packet = udp_packet(endpoint(1, 67), endpoint(100, 68), b"abc").unwrap();
        #[rustfmt::skip]
        let expected = [
            0x45, 0, 0, 31, 0, 0, 0x40, 0, 64, 17, 0x25, 0xd0, 10, 77, 0, 1, 10, 77, 0, 100,
            0, 67, 0, 68, 0, 11, 0x25, 0xf0, b'a', b'b', b'c',
        ];
        assert_eq!(packet, expected);
    }

    #[test]
    fn both_checksums_verify_to_zero() {
        for length in [0, 1, 2, 3, 299, 300, 1400] {
            let packet = udp_packet(endpoint(1, 67), endpoint(7, 68), &vec![0xab; length]).unwrap();
            assert_eq!(checksum(&[&packet[..20]]), 0);
            let pseudo = [&packet[12..20], &[0, 17], &packet[24..26]].concat();
            assert_eq!(checksum(&[&pseudo, &packet[20..]]), 0, "length {length}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(udp_packet(endpoint(1, 67), endpoint(7, 68), &vec![0; 65_508]).is_none());
        assert!(udp_packet(endpoint(1, 67), endpoint(7, 68), &vec![0; 65_507]).is_some());
    }
}

//! A network card's ROM that looks like a plain PXE ROM on the wire, though it is iPXE: there is no other that is free.
//!
//! Until it asks for its loader by TFTP, what gives iPXE away is taken out of its DHCP messages: the user class and
//! iPXE's own options. The loader that it then starts, `undionly.kpxe`, speaks for itself. Pure, but for one flag.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Option codes (RFC 2132 section 2, RFC 3004; 175 is iPXE's by registration).
const PAD: u8 = 0;
const END: u8 = 255;
const USER_CLASS: u8 = 77;
const IPXE: u8 = 175;

const DHCP_SERVER: u16 = 67;
const TFTP: u16 = 69;

/// Ethernet without a tag, and UDP's header.
const ETHERNET: usize = 14;
const UDP: usize = 8;
/// The fixed part of a DHCP message with its magic cookie (RFC 2131 section 2).
const DHCP: usize = 240;

/// Whether the ROM of a machine speaks at present. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct PlainRom(Arc<AtomicBool>);

impl PlainRom {
    /// The machine was switched on or reset: its ROM speaks.
    pub(crate) fn starts(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Changes a frame of the machine, if it is a DHCP message of the ROM.
    pub(super) fn disguise(&self, frame: &mut [u8]) {
        if !self.0.load(Ordering::Relaxed) {
            return;
        }
        match udp(frame) {
            Some((TFTP, _)) => self.0.store(false, Ordering::Relaxed),
            Some((DHCP_SERVER, at)) => {
                if let Some(options) = frame.get_mut(at + UDP + DHCP..) {
                    blank(options);
                    // No checksum (RFC 768): it would have to be made anew.
                    frame[at + 6..at + 8].fill(0);
                }
            }
            _ => {}
        }
    }
}

/// The destination port, and where UDP's header begins, of an IPv4 datagram that isn't the later part of one.
fn udp(frame: &[u8]) -> Option<(u16, usize)> {
    let ip = frame.get(ETHERNET..)?;
    let is_udp = frame[12..ETHERNET] == [8, 0] && ip.get(9) == Some(&17);
    let is_first = *ip.get(6)? & 0x1f == 0 && *ip.get(7)? == 0;
    let at = ETHERNET + usize::from(*ip.first()? & 0x0f) * 4;
    let port = u16::from_be_bytes([*frame.get(at + 2)?, *frame.get(at + 3)?]);
    (is_udp && is_first && frame.len() >= at + UDP).then_some((port, at))
}

/// Overwrites with pads what a plain ROM doesn't send.
fn blank(options: &mut [u8]) {
    let mut at = 0;
    while let (Some(&code), length) = (options.get(at), options.get(at + 1).copied()) {
        match (code, length) {
            (END, _) => return,
            (PAD, _) => at += 1,
            (_, None) => return,
            (code, Some(length)) => {
                let next = at + 2 + usize::from(length);
                if let (USER_CLASS | IPXE, Some(option)) = (code, options.get_mut(at..next)) {
                    option.fill(PAD);
                }
                at = next;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A datagram to this port with these options behind the fixed part of a DHCP message.
    fn datagram(port: u16, options: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; ETHERNET + 20 + UDP + DHCP];
        (frame[12], frame[ETHERNET], frame[ETHERNET + 9]) = (8, 0x45, 17);
        frame[ETHERNET + 22..ETHERNET + 24].copy_from_slice(&port.to_be_bytes());
        frame[ETHERNET + 26..ETHERNET + 28].copy_from_slice(&[0xab, 0xcd]);
        frame.extend(options);
        frame
    }

    const SAID: &[u8] =
        &[53, 1, 1, 77, 4, b'i', b'P', b'X', b'E', 175, 3, 1, 1, 1, 0, 93, 2, 0, 0, 255, 77, 1, 1];
    const HEARD: &[u8] = &[53, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 93, 2, 0, 0, 255, 77, 1, 1];

    #[test]
    fn the_rom_hides_itself_until_it_fetches_its_loader() {
        let rom = PlainRom::default();
        let hear = |port, options: &[u8]| {
            let mut frame = datagram(port, options);
            rom.disguise(&mut frame);
            (frame[ETHERNET + 20 + UDP + DHCP..].to_vec(), frame[ETHERNET + 26..ETHERNET + 28].to_vec())
        };
        assert_eq!(hear(67, SAID), (SAID.to_vec(), vec![0xab, 0xcd]), "not switched on");
        rom.starts();
        assert_eq!(hear(67, SAID), (HEARD.to_vec(), vec![0, 0]));
        assert_eq!(hear(68, SAID).0, SAID);
        assert_eq!(hear(67, SAID).0, HEARD);
        assert_eq!(hear(69, SAID).0, SAID);
        assert_eq!(hear(67, SAID).0, SAID, "the loader speaks for itself");
        rom.starts();
        assert_eq!(hear(67, SAID).0, HEARD, "and after a reset the ROM again");
    }

    #[test]
    fn frames_that_end_early_are_left_alone() {
        let rom = PlainRom::default();
        rom.starts();
        let whole = datagram(67, SAID);
        for length in 0..whole.len() {
            let mut cut = whole[..length].to_vec();
            rom.disguise(&mut cut);
            assert_eq!(cut.len(), length);
        }
        let mut other = datagram(67, SAID);
        other[ETHERNET + 9] = 6;
        let before = other.clone();
        rom.disguise(&mut other);
        assert_eq!(other, before, "TCP");
    }
}

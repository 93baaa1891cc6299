//! DHCP, TFTP and boot decisions: bytes to bytes, time passed in.
//!
//! No socket, no clock, no table of machines: `pxe` brings those.

pub mod arp;
pub mod boot;
pub mod dhcp;
pub mod frame;
pub mod icmp;
pub mod lease;
pub mod ra;
pub mod rogue;
pub mod tftp;
pub mod trace;
pub mod uki;

/// A hardware address.
pub type Mac = [u8; 6];

/// A hardware address as people write it: `52:54:00:12:34:56`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MacText(pub Mac);

impl std::fmt::Display for MacText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

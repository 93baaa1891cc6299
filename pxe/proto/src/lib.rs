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

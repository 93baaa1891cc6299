//! DHCPv4 for machines that boot: what a datagram asks, what is answered, and where the answer goes.
//!
//! `parse` → [`ask`] (what the caller must find out first) → [`decide`] → [`route`]. Nothing here knows which
//! address a client has, or whether it may boot: those are arguments ([`Answer`]). RFC 2131, 2132, 4578, 6842.

mod class;
mod decide;
mod reply;
mod request;
mod settings;

pub use decide::{Answer, Ask, Silence, Verdict, ask, decide};
pub use reply::{Destination, Reply, ReplyKind, route};
pub use request::{Arrival, Ignored, Kind, Request, parse};
pub use settings::{Mode, Route, Settings, Subnet};

/// Option codes (RFC 2132 and the IANA registry) that are read or written here.
mod code {
    pub(super) const SUBNET_MASK: u8 = 1;
    pub(super) const ROUTER: u8 = 3;
    pub(super) const DNS: u8 = 6;
    pub(super) const VENDOR_OPTIONS: u8 = 43;
    pub(super) const REQUESTED_ADDRESS: u8 = 50;
    pub(super) const LEASE_TIME: u8 = 51;
    pub(super) const OVERLOAD: u8 = 52;
    pub(super) const MESSAGE_TYPE: u8 = 53;
    pub(super) const SERVER_IDENTIFIER: u8 = 54;
    pub(super) const MESSAGE: u8 = 56;
    pub(super) const RENEWAL_TIME: u8 = 58;
    pub(super) const REBINDING_TIME: u8 = 59;
    pub(super) const VENDOR_CLASS: u8 = 60;
    pub(super) const CLIENT_IDENTIFIER: u8 = 61;
    pub(super) const TFTP_SERVER: u8 = 66;
    pub(super) const BOOT_FILE: u8 = 67;
    pub(super) const USER_CLASS: u8 = 77;
    pub(super) const RELAY_INFORMATION: u8 = 82;
    pub(super) const CLIENT_ARCHITECTURE: u8 = 93;
    pub(super) const CLIENT_UUID: u8 = 97;
    pub(super) const IPXE: u8 = 175;
}

#[cfg(test)]
mod tests;

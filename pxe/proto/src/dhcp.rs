//! DHCPv4 for machines that boot: what a datagram asks, what is answered, and where the answer goes.
//!
//! `parse` → [`ask`] (what the caller must find out first) → [`decide`] → [`route`]. Nothing here knows which
//! address a client has, or whether it may boot: those are arguments ([`Answer`]). RFC 2131, 2132, 3046, 3442, 4578,
//! 6842; PXE 2.1.

mod bootfile;
mod class;
mod configure;
mod decide;
mod ignored;
mod options;
mod pack;
mod reply;
mod request;
mod route;
mod select;
mod settings;
mod write;

pub use class::Unsupported;
pub use configure::is_ours;
pub use decide::{Address, Answer, Ask, Silence, Verdict, ask, decide};
pub use ignored::Ignored;
pub use reply::{Reply, ReplyKind};
pub use request::{Arrival, Kind, Request, Service, parse};
pub use route::{Destination, route};
pub use settings::{Mode, Route, Settings, Subnet};

/// Option codes (RFC 2132 and the IANA registry) that are read or written here.
mod code {
    pub(super) const SUBNET_MASK: u8 = 1;
    pub(super) const ROUTER: u8 = 3;
    pub(super) const DNS: u8 = 6;
    pub(super) const HOST_NAME: u8 = 12;
    pub(super) const DOMAIN: u8 = 15;
    pub(super) const MTU: u8 = 26;
    pub(super) const NTP: u8 = 42;
    pub(super) const VENDOR_OPTIONS: u8 = 43;
    pub(super) const REQUESTED_ADDRESS: u8 = 50;
    pub(super) const LEASE_TIME: u8 = 51;
    pub(super) const OVERLOAD: u8 = 52;
    pub(super) const MESSAGE_TYPE: u8 = 53;
    pub(super) const SERVER_IDENTIFIER: u8 = 54;
    pub(super) const PARAMETER_LIST: u8 = 55;
    pub(super) const MESSAGE: u8 = 56;
    pub(super) const MESSAGE_SIZE: u8 = 57;
    pub(super) const RENEWAL_TIME: u8 = 58;
    pub(super) const REBINDING_TIME: u8 = 59;
    pub(super) const VENDOR_CLASS: u8 = 60;
    pub(super) const CLIENT_IDENTIFIER: u8 = 61;
    pub(super) const TFTP_SERVER: u8 = 66;
    pub(super) const BOOT_FILE: u8 = 67;
    pub(super) const USER_CLASS: u8 = 77;
    pub(super) const RELAY_INFORMATION: u8 = 82;
    pub(super) const CLIENT_ARCHITECTURE: u8 = 93;
    pub(super) const CLIENT_INTERFACE: u8 = 94;
    pub(super) const CLIENT_UUID: u8 = 97;
    pub(super) const URL: u8 = 114;
    pub(super) const SUBNET_SELECTION: u8 = 118;
    pub(super) const DOMAIN_SEARCH: u8 = 119;
    pub(super) const ROUTES: u8 = 121;
    pub(super) const IPXE: u8 = 175;
    /// Microsoft's number for [`ROUTES`].
    pub(super) const ROUTES_OLD: u8 = 249;
    pub(super) const END: u8 = 255;
}

#[cfg(test)]
mod tests;

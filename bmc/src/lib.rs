//! The `Bmc` trait and its drivers, IPMI 2.0 over LAN and Redfish over HTTPS.
//!
//! Drivers do the I/O; bytes and models are in `bmc-proto`. Nothing here knows machine states, users or tables.

mod driver;
mod ipmi;
mod redfish;

pub use driver::{
    Bmc, BmcError, BmcInfo, BootMode, BootOverride, BootTarget, Cipher, Credentials, Endpoint, Persistence,
    PowerState, Protocol, connect,
};

//! What BMCs speak, as bytes in and bytes out: no sockets, no clock, no randomness of its own.

pub mod audit;
pub mod ipmi;
pub mod redfish;

//! IPMI 2.0 over LAN (RMCP+): the packets, the handshake, the client's session machine and the commands.
//!
//! Everything is bytes in, bytes out: no socket, no clock, no random generator. Section numbers in this folder
//! are those of the "Intelligent Platform Management Interface Specification, second generation, v2.0, rev. 1.1".
//!
//! Deliberately not here: IPMI 1.5 sessions and every cipher suite but 3 and 17; the driver with its sockets (package
//! `bmc`) and the simulated BMC (package `bmc-mock`), which shares the packets.

pub mod chain;
pub mod command;
pub mod fru;
pub mod handshake;
pub mod keys;
pub mod message;
pub mod packet;
pub mod pieces;
pub mod sdr;
pub mod sel;
pub mod sensor;
mod session;
pub mod sol;
mod suite;
pub mod text;
mod window;

#[cfg(test)]
mod capture_tests;

pub use command::{Answer, completion_text, guid_to_uuid, uuid_to_guid};
pub use ipmi_rs_core::app::{DeviceId, GetDeviceId};
pub use ipmi_rs_core::connection::{IpmiCommand, Message, NetFn, NotEnoughData};
pub use session::{Config, ConfigError, Event, Privilege, Retransmission, Session, SessionError};
pub use suite::CipherSuite;
pub use window::Window;

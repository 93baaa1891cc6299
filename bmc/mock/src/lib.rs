//! A simulated BMC that speaks IPMI 2.0 (RMCP+, suites 17 and 3) and Redfish over HTTPS.
//!
//! What it controls is behind the `Chassis` trait: state in memory for tests, a QEMU machine in the lab.

mod chassis;
pub mod ipmi;
pub mod redfish;
mod serial;
pub mod webhook;

pub use chassis::{BootDevice, BootFlags, Chassis, ChassisError, MemoryChassis};
pub use serial::{SerialDevice, SerialOutput, SerialPort};

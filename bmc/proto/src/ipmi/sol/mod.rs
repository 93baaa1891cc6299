//! Serial over LAN (section 15): the machine's serial port inside an RMCP+ session, as two pure machines.
//!
//! - `packet`: the payload's bytes;
//! - `sender`: one packet in the air at a time, sent again until it is acknowledged;
//! - `receiver`: what is new, what was there already, what is too old;
//! - `console`: the remote console's side, ours;
//! - `port`: the BMC's side, for the simulated one.
//!
//! Both sides keep the order of bytes and deliver none twice, as long as the network holds nothing back for more than
//! seven packets; what is lost is announced. Deliberately not here: activation (`command::payload`), the session around the
//! payload, sockets and clocks.

mod console;
pub mod packet;
mod port;
mod receiver;
mod sender;

pub use console::{Console, ConsoleEvent, ConsoleLimits};
pub use packet::Packet;
pub use port::{Port, PortEvent, PortSettings};
pub use sender::Retry;

#[cfg(test)]
mod tests;

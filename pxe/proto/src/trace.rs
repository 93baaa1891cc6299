//! The boot conversation of one hardware address: what it asked, what it was answered, and what that means.
//!
//! Where entries are kept is not here.

mod attempt;
mod diagnose;
mod role;
mod silence;
#[cfg(test)]
mod tests;

pub use diagnose::{Diagnosis, Fault, diagnose, nothing_to_boot, unheard};
pub use role::Role;

use crate::Mac;
use crate::boot::{BootAnswer, Firmware};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// One thing that was observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// Of whom.
    pub mac: Mac,
    /// On which network.
    pub network: String,
    /// What.
    pub what: What,
}

/// What was observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum What {
    /// A DHCP message came, and was answered or not.
    Dhcp(Dhcp),
    /// A file by TFTP.
    Tftp {
        /// The name, as asked for (at most 128 characters are kept).
        name: String,
        /// How far it came.
        stage: Transfer,
    },
    /// A file, or a unified kernel image, by HTTP.
    Http {
        /// The path, as asked for (at most 128 characters are kept).
        path: String,
        /// The status answered.
        status: u16,
        /// Whether only the head was asked for.
        head: bool,
        /// How far its body came.
        stage: Transfer,
    },
    /// A boot script was asked for.
    Script {
        /// From which address.
        from: Ipv4Addr,
        /// `agent`, `disk`, `refused` when none could be made, `later` when it is to ask again.
        answer: String,
    },
    /// The agent called in.
    Agent,
    /// The address that it was offered is used by another host.
    Conflict {
        /// The address.
        address: Ipv4Addr,
        /// The other host.
        with: Option<Mac>,
    },
}

/// A DHCP message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dhcp {
    /// `DISCOVER`, `REQUEST`, `INFORM`, `RELEASE`, `DECLINE`.
    pub message: String,
    /// Port on which it came: 67 or 4011.
    pub port: u16,
    /// What kind of firmware or loader asks; `None` for an operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<Firmware>,
    /// The architecture (option 93) of firmware that we have no loader for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsupported: Option<u16>,
    /// The relay that it came through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<Ipv4Addr>,
    /// The other server that it names (option 54).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Ipv4Addr>,
    /// The address that it asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<Ipv4Addr>,
    /// `OFFER`, `ACK`, `NAK`; `None` for silence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// Why we kept silent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<String>,
    /// The address that it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Ipv4Addr>,
    /// What firmware was told to boot; `None` for operating systems and silence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<BootAnswer>,
}

impl Dhcp {
    /// A message on this port of which nothing more is told.
    #[must_use]
    pub fn new(message: impl Into<String>, port: u16) -> Self {
        Self {
            message: message.into(),
            port,
            firmware: None,
            unsupported: None,
            relay: None,
            server: None,
            requested: None,
            reply: None,
            silence: None,
            address: None,
            boot: None,
        }
    }
}

/// How far a file came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "stage")]
pub enum Transfer {
    /// It was asked for and is being sent.
    Begun {
        /// Its size in bytes.
        size: u64,
    },
    /// It was refused.
    Refused {
        /// Why.
        reason: String,
    },
    /// Only its size was wanted.
    SizeProbe {
        /// Its size in bytes.
        size: u64,
    },
    /// All of it arrived.
    Done {
        /// Bytes.
        bytes: u64,
        /// How long it took, in milliseconds.
        millis: u64,
    },
    /// It broke off.
    Broken {
        /// Bytes that arrived.
        bytes: u64,
        /// Its size in bytes.
        size: u64,
        /// `vanished`, or what the client said.
        reason: String,
    },
}

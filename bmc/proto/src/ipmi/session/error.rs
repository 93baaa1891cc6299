//! Why a session can't be made, or ended.

use crate::ipmi::handshake::Status;
use crate::ipmi::keys::Rejection;

/// Credentials that IPMI can't carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// More than 16 bytes.
    #[error("the user name has {length} bytes; IPMI takes 16 at most")]
    LongUsername {
        /// Its length in bytes.
        length: usize,
    },
    /// More than 20 bytes. How many is not told.
    #[error("the password is longer than the 20 bytes that IPMI takes")]
    LongPassword,
}

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Nothing (valid) came back.
    #[error("no answer{}", match rejected {
        Some(why) => format!(" that can be believed: a datagram was thrown away, because {why}"),
        None => String::new(),
    })]
    NoAnswer {
        /// Whether the session was open already: then it may be lost at the BMC, and a new login may help.
        logged_in: bool,
        /// Why the last datagram that did come was thrown away.
        rejected: Option<Rejection>,
    },
    /// The BMC doesn't want these algorithms.
    #[error("it does not offer the cipher suite: {status}")]
    NoCipherSuite {
        /// Its status code.
        status: Status,
    },
    /// The BMC granted other algorithms than asked for.
    #[error(
        "it answered with other algorithms {granted:?} than those that were asked for; that may be an attack"
    )]
    OtherAlgorithms {
        /// Authentication, integrity, confidentiality.
        granted: [u8; 3],
    },
    /// All its session slots are taken.
    #[error("it has no free session: {status}")]
    NoFreeSession {
        /// Its status code.
        status: Status,
    },
    /// It refuses the user.
    #[error("it refuses the user: {status}")]
    UserRefused {
        /// Its status code.
        status: Status,
    },
    /// Its proof in RAKP 2 was not made with our password.
    #[error("the password is wrong")]
    WrongPassword,
    /// The user may be neither administrator nor operator.
    #[error("the user has neither administrator nor operator privilege")]
    NoPrivilege,
    /// Another error of the key exchange.
    #[error("it broke the login off: {status}")]
    Refused {
        /// Its status code.
        status: Status,
    },
    /// Its proof in RAKP 4 is wrong, though that in RAKP 2 was right.
    #[error("its final integrity value (RAKP 4) is wrong; a BMC key (Kg) may be set there")]
    WrongIntegrity,
    /// A field of the key exchange is invalid.
    #[error("{what}")]
    Invalid {
        /// Which.
        what: &'static str,
    },
}

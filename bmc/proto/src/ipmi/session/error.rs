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
    /// More than 20 bytes.
    #[error("the BMC key (Kg) is longer than the 20 bytes that IPMI takes")]
    LongBmcKey,
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
    /// Something answers at this address, but never with RMCP: no BMC.
    #[error("what answers there does not speak RMCP")]
    NotRmcp,
    /// The BMC doesn't want these algorithms.
    #[error("it does not offer the cipher suite ({status}{})", match offered {
        Some(suites) if suites.is_empty() => "; it says that it offers none".into(),
        Some(suites) => format!("; it says that it offers {}", list(suites)),
        None => String::new(),
    })]
    NoCipherSuite {
        /// Its status code.
        status: Status,
        /// The numbers of the standard suites that it says it offers, ascending; `None`: it doesn't tell.
        /// Anybody can have said so, thus it is for people only.
        offered: Option<Vec<u8>>,
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
    /// Its proof in RAKP 2 is nothing but zeros: it has no key of this suite for the user.
    #[error("it holds no key for this user and cipher suite; set the user's password at the BMC anew")]
    NoProof,
    /// The user may not have the privilege that was asked for.
    #[error("the user has neither administrator nor operator privilege")]
    NoPrivilege,
    /// Another error of the key exchange.
    #[error("it broke the login off: {status}")]
    Refused {
        /// Its status code.
        status: Status,
    },
    /// Its proof in RAKP 4 is wrong, though that in RAKP 2 was right: so name and password are right.
    #[error("{}", if *configured {
        "its final proof (RAKP 4) does not fit the BMC key (Kg) that is set here; it has another one, or none"
    } else {
        "its final proof (RAKP 4) is wrong: the BMC has a BMC key (Kg) set, which must be told here"
    })]
    WrongBmcKey {
        /// Whether a BMC key was set here.
        configured: bool,
    },
    /// A field of the key exchange is invalid.
    #[error("{what}")]
    Invalid {
        /// Which.
        what: &'static str,
    },
}

fn list(suites: &[u8]) -> String {
    let suites: Vec<String> = suites.iter().map(u8::to_string).collect();
    suites.join(", ")
}

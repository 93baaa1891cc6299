//! What the refusals of a BMC mean to an operator, and what mends them.

use super::link::LinkError;
use super::network::Trouble;
use crate::breaker::Resting;
use crate::driver::BmcError;
use bmc_proto::ipmi::handshake::Status;
use bmc_proto::ipmi::keys::Rejection;
use bmc_proto::ipmi::{Answer, CipherSuite, ConfigError, SessionError, completion_text};

/// The BMC doesn't know the role (table 13-15); some say so to users who may not have it.
const INVALID_ROLE: Status = Status(0x09);

/// Makes the errors of one BMC.
pub(super) struct Errors {
    /// `host:port`.
    pub(super) address: String,
    pub(super) username: String,
    pub(super) suite: CipherSuite,
}

impl Errors {
    pub(super) fn unreachable(&self, during: &'static str) -> BmcError {
        BmcError::Unreachable { address: self.address.clone(), during, reason: None }
    }

    fn unreachable_because(&self, during: &'static str, reason: String) -> BmcError {
        BmcError::Unreachable { address: self.address.clone(), during, reason: Some(reason) }
    }

    pub(super) fn unknown_name(&self) -> BmcError {
        self.unreachable_because("looking its name up", "no address is known for this name".into())
    }

    /// The actor's task was aborted: this process ends.
    pub(super) fn stopped(&self, during: &'static str) -> BmcError {
        self.unreachable_because(during, "this program is ending".into())
    }

    pub(super) fn unknown(&self, during: &'static str) -> BmcError {
        BmcError::Unknown { address: self.address.clone(), during }
    }

    pub(super) fn resting(&self, resting: Resting) -> BmcError {
        let Resting { rest, last, credentials } = resting;
        BmcError::Resting { address: self.address.clone(), rest, last, credentials }
    }

    pub(super) fn malformed(&self, during: &'static str) -> BmcError {
        self.protocol(during, "the answer is too short".into())
    }

    pub(super) fn refused(&self, answer: &Answer, during: &'static str) -> BmcError {
        match answer.completion {
            Answer::INSUFFICIENT_PRIVILEGE => self.authentication(
                "its privilege does not suffice for this; give it administrator privilege on the BMC's LAN channel"
                    .into(),
            ),
            code => self.answered(during, completion_text(code)),
        }
    }

    pub(super) fn not_done(&self, during: &'static str, found: String) -> BmcError {
        BmcError::NotDone { address: self.address.clone(), during, found }
    }

    pub(super) fn config(&self, error: &ConfigError) -> BmcError {
        self.unsupported(error.to_string())
    }

    /// `has_answered`: whether this BMC ever answered this driver. Then it is one, whatever its port says now.
    pub(super) fn link(&self, error: LinkError, during: &'static str, has_answered: bool) -> BmcError {
        match error {
            LinkError::Session(error) => self.session(error, during),
            LinkError::Trouble(Trouble::PortClosed) if !has_answered => self.not_a_bmc(
                "its port is closed; check the port, and enable IPMI over LAN in the BMC's settings".into(),
            ),
            LinkError::Trouble(trouble) => self.unreachable_because(during, trouble.to_string()),
            LinkError::Io(error) => {
                tracing::warn!(address = %self.address, %error, "IPMI over this host's network failed");
                self.unreachable_because(during, format!("this host's network failed: {error}"))
            }
        }
    }

    fn session(&self, error: SessionError, during: &'static str) -> BmcError {
        match error {
            SessionError::NoAnswer { rejected: None | Some(Rejection::Stray), .. } => self.unreachable(during),
            SessionError::NotRmcp => self.not_a_bmc(
                "something answers at this port, but it does not speak IPMI (RMCP); check address and port".into(),
            ),
            SessionError::UserRefused { status: INVALID_ROLE | Status::UNAUTHORIZED_ROLE }
            | SessionError::NoPrivilege => self.authentication(
                "it may be neither administrator nor operator; raise its privilege limit on the BMC's LAN channel"
                    .into(),
            ),
            SessionError::UserRefused { .. } => self.authentication(
                "it has no such user, or the user is disabled or may not use IPMI over LAN; check the name, and enable \
                 the user on the BMC's LAN channel"
                    .into(),
            ),
            SessionError::WrongPassword => self.authentication("the password is wrong; give the right one, it is not tried again by itself".into()),
            // Their own words say what to do.
            SessionError::NoProof | SessionError::WrongBmcKey { .. } => self.authentication(error.to_string()),
            SessionError::NoCipherSuite { offered, .. } => self.no_cipher_suite(offered.as_deref()),
            SessionError::NoFreeSession { status } => {
                BmcError::NoFreeSession { address: self.address.clone(), answer: status.to_string() }
            }
            SessionError::Refused { .. } => self.answered(during, error.to_string()),
            SessionError::NoAnswer { rejected: Some(_), .. }
            | SessionError::OtherAlgorithms { .. }
            | SessionError::Invalid { .. } => self.protocol(during, error.to_string()),
        }
    }

    fn no_cipher_suite(&self, offered: Option<&[u8]>) -> BmcError {
        let offers = match offered {
            None => String::new(),
            Some([]) => " (it says that it offers none)".into(),
            Some(suites) => {
                let suites: Vec<String> = suites.iter().map(u8::to_string).collect();
                format!(" (it says that it offers {})", suites.join(", "))
            }
        };
        let (number, mend) = match self.suite {
            CipherSuite::Seventeen => (
                17,
                "update its firmware, use Redfish, or accept the weaker suite explicitly: `-C 3`, or `?cipher=3` \
                 behind its address",
            ),
            CipherSuite::Three => (3, "leave out `-C 3` or `?cipher=3`, or enable suite 17 or 3 in the BMC"),
        };
        self.unsupported(format!("it does not offer IPMI cipher suite {number}{offers}; {mend}"))
    }

    fn authentication(&self, why: String) -> BmcError {
        BmcError::AuthenticationFailed { address: self.address.clone(), username: self.username.clone(), why }
    }

    fn not_a_bmc(&self, what: String) -> BmcError {
        BmcError::NotABmc { address: self.address.clone(), what }
    }

    pub(super) fn unsupported(&self, what: String) -> BmcError {
        BmcError::Unsupported { address: self.address.clone(), what }
    }

    pub(super) fn answered(&self, during: &'static str, answer: String) -> BmcError {
        BmcError::Refused { address: self.address.clone(), during, answer }
    }

    pub(super) fn protocol(&self, during: &'static str, what: String) -> BmcError {
        BmcError::Protocol { address: self.address.clone(), during, what }
    }
}

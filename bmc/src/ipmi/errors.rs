//! What the refusals of a BMC mean to an operator.

use super::link::LinkError;
use crate::driver::BmcError;
use bmc_proto::ipmi::{Answer, CipherSuite, ConfigError, SessionError, completion_text};

/// Makes the errors of one BMC.
pub(super) struct Errors {
    /// `host:port`.
    pub(super) address: String,
    pub(super) username: String,
    pub(super) suite: CipherSuite,
}

/// Whether a login that failed so may succeed the next time: a retransmission can cross its late answer, and the
/// two sides then calculate with different random numbers.
pub(super) fn is_worth_another_login(error: &SessionError) -> bool {
    matches!(error, SessionError::Refused { .. } | SessionError::WrongIntegrity)
}

impl Errors {
    pub(super) fn unreachable(&self, during: &'static str) -> BmcError {
        BmcError::Unreachable { address: self.address.clone(), during }
    }

    pub(super) fn malformed(&self, during: &'static str) -> BmcError {
        self.protocol(during, "the answer is too short".into())
    }

    pub(super) fn refused(&self, answer: &Answer, during: &'static str) -> BmcError {
        match answer.completion {
            Answer::INSUFFICIENT_PRIVILEGE => self.authentication(),
            code => self.answered(during, completion_text(code)),
        }
    }

    pub(super) fn not_done(&self, during: &'static str, found: String) -> BmcError {
        BmcError::NotDone { address: self.address.clone(), during, found }
    }

    pub(super) fn config(&self, error: &ConfigError) -> BmcError {
        BmcError::Unsupported { address: self.address.clone(), what: error.to_string() }
    }

    pub(super) fn link(&self, error: LinkError, during: &'static str) -> BmcError {
        let error = match error {
            LinkError::Session(error) => error,
            LinkError::Io(error) => {
                tracing::warn!(address = %self.address, %error, "IPMI over this host's network failed");
                return self.unreachable(during);
            }
        };
        match error {
            SessionError::NoAnswer { rejected: None, .. } => self.unreachable(during),
            SessionError::UserRefused { .. } | SessionError::WrongPassword | SessionError::NoPrivilege => {
                self.authentication()
            }
            SessionError::NoCipherSuite { .. } => self.no_cipher_suite(),
            SessionError::NoFreeSession { .. } | SessionError::Refused { .. } => {
                self.answered(during, error.to_string())
            }
            SessionError::NoAnswer { rejected: Some(_), .. }
            | SessionError::OtherAlgorithms { .. }
            | SessionError::WrongIntegrity
            | SessionError::Invalid { .. } => self.protocol(during, error.to_string()),
        }
    }

    fn no_cipher_suite(&self) -> BmcError {
        let what = match self.suite {
            CipherSuite::Seventeen => {
                "it does not offer IPMI cipher suite 17; update its firmware, use Redfish, or accept the weaker \
                 suite with the explicit setting `cipher_suite: 3`"
            }
            CipherSuite::Three => {
                "it does not offer IPMI cipher suite 3; set `cipher_suite: 17`, or enable one of them in the BMC"
            }
        };
        BmcError::Unsupported { address: self.address.clone(), what: what.into() }
    }

    fn authentication(&self) -> BmcError {
        BmcError::AuthenticationFailed { address: self.address.clone(), username: self.username.clone() }
    }

    fn answered(&self, during: &'static str, answer: String) -> BmcError {
        BmcError::Refused { address: self.address.clone(), during, answer }
    }

    fn protocol(&self, during: &'static str, what: String) -> BmcError {
        BmcError::Protocol { address: self.address.clone(), during, what }
    }
}

//! How to log in: suite, credentials, privilege, patience.

use super::ConfigError;
use crate::ipmi::handshake::{MAX_PASSWORD, MAX_USERNAME, privilege};
use crate::ipmi::suite::CipherSuite;
use std::time::Duration;
use zeroize::Zeroizing;

/// Longest BMC key, bytes (13.24).
const MAX_BMC_KEY: usize = 20;

/// How to log in.
#[derive(Clone)]
pub struct Config {
    pub(super) suite: CipherSuite,
    pub(super) username: Vec<u8>,
    pub(super) password: Zeroizing<Vec<u8>>,
    pub(super) bmc_key: Option<Zeroizing<Vec<u8>>>,
    pub(super) retransmission: Retransmission,
    pub(super) privilege: Privilege,
    pub(super) reads_only: bool,
}

/// The privilege that a session asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Privilege {
    /// Administrator, or operator where the user may not be administrator.
    #[default]
    Administrator,
    /// Operator, though the user might be more.
    Operator,
}

impl Privilege {
    /// Its number, see [`privilege`].
    pub fn level(self) -> u8 {
        match self {
            Self::Administrator => privilege::ADMINISTRATOR,
            Self::Operator => privilege::OPERATOR,
        }
    }
}

/// When a datagram is sent again.
///
/// BMCs are slow (a key exchange can take two seconds) and the network loses a datagram now and then: so the first
/// repetition comes soon, and each further wait is twice as long as the one before, up to [`Self::CAP`] times the first.
/// Each wait is made up to an eighth longer or shorter by chance, so that many BMCs that were cut off together are not
/// asked again together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retransmission {
    /// Time from the first to the second sending.
    pub interval: Duration,
    /// How many times it is sent in all.
    pub tries: u8,
}

impl Retransmission {
    /// The longest wait, in first waits.
    pub const CAP: u32 = 6;

    /// The wait after one of this length.
    pub(super) fn next(self, wait: Duration) -> Duration {
        (wait * 2).min(self.longest())
    }

    /// The longest wait.
    pub(super) fn longest(self) -> Duration {
        self.interval * Self::CAP
    }

    /// Time until a datagram that is never answered is given up, without chance.
    pub fn patience(self) -> Duration {
        let mut wait = self.interval;
        let mut sum = Duration::ZERO;
        for _ in 0..self.tries.max(1) {
            sum += wait;
            wait = self.next(wait);
        }
        sum
    }
}

impl Default for Retransmission {
    /// 0.5 s, 1 s, 2 s, 3 s and 3 s: 9.5 s in all.
    fn default() -> Self {
        Self { interval: Duration::from_millis(500), tries: 5 }
    }
}

impl Config {
    /// Checks that name and password fit into the protocol.
    pub fn new(suite: CipherSuite, username: &str, password: &str) -> Result<Self, ConfigError> {
        if username.len() > MAX_USERNAME {
            return Err(ConfigError::LongUsername { length: username.len() });
        }
        if password.len() > MAX_PASSWORD {
            return Err(ConfigError::LongPassword);
        }
        Ok(Self {
            suite,
            username: username.into(),
            password: Zeroizing::new(password.into()),
            bmc_key: None,
            retransmission: Retransmission::default(),
            privilege: Privilege::default(),
            reads_only: false,
        })
    }

    /// Sets the BMC key Kg, where the BMC has one (section 13.24): 20 bytes at most, else it is an error.
    /// An empty one, or one of zeros only, is none: so the BMC sees it, too.
    pub fn with_bmc_key(mut self, key: &[u8]) -> Result<Self, ConfigError> {
        if key.len() > MAX_BMC_KEY {
            return Err(ConfigError::LongBmcKey);
        }
        self.bmc_key = key.iter().any(|byte| *byte != 0).then(|| Zeroizing::new(key.to_vec()));
        Ok(self)
    }

    /// Sets other times for retransmission.
    pub fn with_retransmission(mut self, retransmission: Retransmission) -> Self {
        self.retransmission = retransmission;
        self
    }

    /// Sets the privilege that is asked for.
    pub fn with_privilege(mut self, privilege: Privilege) -> Self {
        self.privilege = privilege;
        self
    }

    /// Leaves the session at user level, where it begins (22.18): it costs an exchange less, and is enough to read the
    /// power (appendix G). A login in which messages were lost raises it all the same, because the answer tells whether
    /// the BMC has our keys.
    pub fn only_reading(mut self) -> Self {
        self.reads_only = true;
        self
    }

    /// Logged in, they are not needed any more.
    pub(super) fn forget_secrets(&mut self) {
        self.password = Zeroizing::default();
        self.bmc_key = None;
    }
}

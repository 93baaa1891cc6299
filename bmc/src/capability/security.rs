//! How a BMC says that it is guarded: for the audit.

use crate::BmcError;
use async_trait::async_trait;

/// A BMC that tells its rules and which services are on.
#[async_trait]
pub trait Security: Send + Sync {
    /// What it tells; what it doesn't is `None` or empty.
    async fn security(&self) -> Result<SecurityFacts, BmcError>;
}

/// What a BMC tells of how it is guarded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecurityFacts {
    /// The names of makers that it shows: of the service, the system and the BMC.
    pub makers: Vec<String>,
    /// The BMC's model and the system's.
    pub models: Vec<String>,
    /// The version of the BMC's firmware.
    pub firmware: Option<String>,
    /// After how many wrong passwords an account is locked; 0: never.
    pub lock_out_after: Option<u64>,
    /// The fewest characters of a password.
    pub shortest_password: Option<u64>,
    /// Whether Telnet is on.
    pub telnet: Option<bool>,
    /// Whether SNMP 1 or 2c is on.
    pub old_snmp: Option<bool>,
}

//! The audit of a machine's BMC.

use serde::{Deserialize, Serialize};

/// `POST /v1/machines/{machine}/bmc/audit`; answers a `BmcAudit`. `{}` asks for all of it.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BmcAuditRequest {
    /// Whether default passwords are tried: three logins at the most, each for another user, none for the one that
    /// Billet logs in as. One that fails may count towards a lock-out of that user. Yes, if nothing is said.
    #[serde(default = "yes")]
    pub logins: bool,
    /// The port of IPMI; 623, or the one in the machine's address, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipmi_port: Option<u16>,
    /// The port of Redfish; 443, or the one in the machine's address, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https_port: Option<u16>,
    /// The port of plain HTTP; 80 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_port: Option<u16>,
}

impl Default for BmcAuditRequest {
    fn default() -> Self {
        Self { logins: yes(), ipmi_port: None, https_port: None, http_port: None }
    }
}

fn yes() -> bool {
    true
}

/// What came of an audit.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcAudit {
    /// What is weak, the worst first.
    pub findings: Vec<BmcFinding>,
    /// What could not be looked at, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unchecked: Vec<String>,
    /// The users for whom a default password was tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<String>,
}

/// Something weak.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcFinding {
    /// Its name, such as `cipher-0`; docs/bmc.md lists them.
    pub id: String,
    /// How bad it is.
    pub severity: BmcSeverity,
    /// What was seen.
    pub what: String,
    /// What mends it.
    pub mend: String,
}

/// How bad something is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BmcSeverity {
    /// Worth knowing.
    Low,
    /// It helps somebody who is on the BMCs' network.
    Medium,
    /// Whoever reaches the BMC has it, or soon will.
    High,
}

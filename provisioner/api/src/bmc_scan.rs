//! The search for BMCs on a subnet.
//!
//! Nobody logs in anywhere: what is told is what a BMC shows to everybody.

use serde::{Deserialize, Serialize};

/// `POST /v1/bmc-scans`: searches a subnet; answers a `BmcFoundList` when all of it was searched, half a minute later
/// for a /22.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BmcScan {
    /// An IPv4 subnet such as `10.0.0.0/24`, at most a /20. It, or one around it, has to be among `subnets` of `[bmc]`
    /// in the service's configuration.
    pub subnet: String,
}

/// What a search found.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcFoundList {
    /// The BMCs, by address.
    pub items: Vec<BmcFound>,
}

/// A BMC that was found.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcFound {
    /// Its IP address.
    pub address: String,
    /// Whether it answered the RMCP ping with "IPMI is spoken here".
    pub ipmi: bool,
    /// What it says of itself over Redfish, if it speaks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redfish: Option<BmcFoundRedfish>,
    /// The machines whose BMC has this address already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub already: Vec<String>,
}

/// What a Redfish service tells everybody (DSP0266 section 6.2: the service root needs no login).
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcFoundRedfish {
    /// Version of the protocol.
    pub version: String,
    /// Who made the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// What it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// The service's UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// SHA-256 of the TLS certificate that it showed, in hex: compare it with the BMC's own before it is pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_sha256: Option<String>,
}

//! Addresses that are taken out of the address plan: static ones of instances, virtual ones with a name.

use crate::InstanceId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An address that is taken. It is an instance's, or has a name.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Address {
    /// The address: `10.77.0.200`.
    pub address: String,
    /// Its subnet: `10.77.0.0/24`.
    pub subnet: String,
    /// The network of that subnet.
    pub network: String,
    /// The name under which it was claimed; none of an instance's static address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The pool whose instances may use a virtual address; none: those of people who may use all pools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// The instance whose static address it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// That instance's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_name: Option<String>,
    /// The interface of that instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Names of the instances whose software carries it (`spec.network.virtual_addresses`). While there is one, it can't be
    /// released.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used_by: Vec<String>,
    /// Since when it is taken.
    pub since: Timestamp,
}

/// `GET /v1/addresses`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AddressList {
    /// The addresses, in their order.
    pub items: Vec<Address>,
    /// Where the next page begins (`?after=`); none: this is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `POST /v1/addresses`. The same name again answers the address that it has.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AddressClaim {
    /// The name, a DNS label.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"))]
    pub name: String,
    /// The subnet: a name of the configuration file, or its CIDR.
    pub subnet: String,
    /// The pool whose instances may use it; when absent, those of people who may use all pools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Exactly this address; a free one of the subnet's static ranges when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// A static address of an instance.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StaticAddress {
    /// The interface that has it.
    pub interface: String,
    /// The address with its prefix: `10.77.0.200/24`.
    pub address: String,
    /// The subnet of the address plan that it was taken from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
}

//! Servicing: planned work on a machine that keeps its instance, or stays free.
//!
//! Deliberately not here: what writes the disk with the system (`InstanceReinstall`), and firmware (`bmc_parts`).

use crate::ErasePolicy;
use serde::{Deserialize, Serialize};

/// `POST /v1/machines/{machine}/service`: the machine is taken out, and given back as it was.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MachineService {
    /// What is to be done, in this order. Each kind once at most.
    pub steps: Vec<ServiceStep>,
}

/// One thing that is done on a machine in servicing.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case", tag = "do", deny_unknown_fields)]
pub enum ServiceStep {
    /// The agent takes the inventory anew.
    Inspect,
    /// Data disks are wiped; never the one with the system.
    Erase {
        /// Their serial numbers.
        disks: Vec<String>,
        /// How.
        #[serde(default)]
        method: ErasePolicy,
    },
}

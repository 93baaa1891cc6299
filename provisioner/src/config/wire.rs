//! What may be written into the configuration file, word for word. Nothing is judged here but the shape.

use provisioner_api::DhcpMode;
use serde::{Deserialize, Serialize};

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) data: Option<String>,
    pub(super) api: Api,
    pub(super) boot: Boot,
    pub(super) networks: Vec<Network>,
    pub(super) limits: Limits,
    pub(super) log: Log,
}

/// `[api]`
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Api {
    pub(super) listen: Option<String>,
    pub(super) names: Vec<String>,
}

/// `[boot]`
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Boot {
    pub(super) http_port: Option<u16>,
    pub(super) dhcp_port: Option<u16>,
    pub(super) tftp_port: Option<u16>,
    pub(super) kernel: Option<String>,
    pub(super) ramdisk: Option<String>,
    pub(super) ipxe: Option<String>,
    pub(super) kernel_parameters: Vec<String>,
}

/// `[[networks]]`
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Network {
    pub(super) name: String,
    pub(super) interface: String,
    pub(super) address: String,
    pub(super) subnet: String,
    pub(super) range: [String; 2],
    #[serde(default)]
    pub(super) gateway: Option<String>,
    #[serde(default)]
    pub(super) dns: Vec<String>,
    #[serde(default)]
    pub(super) discovery: bool,
    #[serde(default = "full")]
    pub(super) dhcp: DhcpMode,
}

/// A network is declared in order to be served.
fn full() -> DhcpMode {
    DhcpMode::Full
}

/// `[limits]`
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    pub(super) bmc: Option<String>,
    pub(super) agent_call_in: Option<String>,
    pub(super) agent_silence: Option<String>,
    pub(super) inspect: Option<String>,
    pub(super) write: Option<String>,
    pub(super) erase: Option<String>,
    pub(super) phone_home: Option<String>,
    pub(super) restarts: Option<u32>,
    pub(super) order_attempts: Option<u32>,
}

/// `[log]`
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    pub(super) filter: Option<String>,
    pub(super) json: Option<bool>,
}

//! What may be written into the configuration file, word for word. Nothing is judged here but the shape.

use provisioner_api::DhcpMode;
use pxe::RoguePolicy;
use pxe_proto::boot::Preference;
use serde::{Deserialize, Serialize};

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) data: Option<String>,
    pub(super) database: Option<String>,
    pub(super) database_password_file: Option<String>,
    pub(super) api: Api,
    pub(super) boot: Boot,
    pub(super) console: Console,
    pub(super) images: Images,
    pub(super) bmc: Bmc,
    pub(super) networks: Vec<Network>,
    pub(super) limits: Limits,
    pub(super) history: History,
    pub(super) freeze_on_clock_leap: Option<bool>,
    pub(super) log: Log,
    pub(super) telemetry: Telemetry,
}

/// `[api]`
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Api {
    pub(super) listen: Option<String>,
    pub(super) names: Vec<String>,
    pub(super) session: Option<String>,
    pub(super) rate: Rate,
}

/// `[api.rate]`
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Rate {
    pub(super) per_token: Option<u32>,
    pub(super) per_address: Option<u32>,
    pub(super) per_agent: Option<u32>,
    pub(super) agents_per_address: Option<u32>,
    pub(super) at_once: Option<u32>,
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
    pub(super) kernel_arm64: Option<String>,
    pub(super) ramdisk_arm64: Option<String>,
    pub(super) rescue: Option<String>,
    pub(super) rescue_arm64: Option<String>,
    pub(super) stub_x64: Option<String>,
    pub(super) stub_arm64: Option<String>,
    pub(super) ipxe: Option<String>,
    pub(super) kernel_parameters: Vec<String>,
}

/// `[console]`
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Console {
    pub(super) record: Option<String>,
}

/// `[images]`
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Images {
    pub(super) trust: Vec<String>,
    pub(super) required: Option<bool>,
    pub(super) caches: Vec<Cache>,
}

/// `[[images.caches]]`
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Cache {
    pub(super) url: String,
    pub(super) zone: Option<String>,
    pub(super) rack: Option<String>,
}

/// `[bmc]`
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Bmc {
    pub(super) virsh: Option<String>,
    pub(super) vboxmanage: Option<String>,
    pub(super) subnets: Vec<String>,
}

/// `[telemetry]`
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Telemetry {
    pub(super) collector: Option<String>,
    pub(super) service: Option<String>,
    pub(super) ratio: Option<f64>,
    pub(super) headers_file: Option<String>,
    pub(super) ca_file: Option<String>,
}

/// `[history]`
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct History {
    pub(super) events: Option<String>,
    pub(super) most: Option<u32>,
    pub(super) boots: Option<String>,
}

/// `[[networks]]`: the link itself, and what is said of the network as a whole.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Network {
    pub(super) name: String,
    pub(super) interface: String,
    pub(super) address: String,
    #[serde(default = "full")]
    pub(super) dhcp: DhcpMode,
    #[serde(default)]
    pub(super) server_identifier: Option<String>,
    #[serde(default)]
    pub(super) discovery: bool,
    #[serde(default)]
    pub(super) boot_chain: Preference,
    #[serde(default = "yes")]
    pub(super) router_advertisements: bool,
    #[serde(default = "yes")]
    pub(super) conflict_probe: bool,
    #[serde(default)]
    pub(super) rogue: RoguePolicy,
    #[serde(default)]
    pub(super) known_servers: Vec<String>,
    #[serde(default)]
    pub(super) subnets: Vec<Subnet>,
    // The link's own subnet, word for word as `Subnet`: serde can't refuse unknown keys and flatten at once.
    pub(super) subnet: String,
    #[serde(default)]
    pub(super) range: Option<[String; 2]>,
    #[serde(default)]
    pub(super) ranges: Vec<[String; 2]>,
    #[serde(default)]
    pub(super) static_ranges: Vec<[String; 2]>,
    #[serde(default)]
    pub(super) exclude: Vec<String>,
    #[serde(default)]
    pub(super) gateway: Option<String>,
    #[serde(default)]
    pub(super) dns: Vec<String>,
    #[serde(default)]
    pub(super) ntp: Vec<String>,
    #[serde(default)]
    pub(super) domain: Option<String>,
    #[serde(default)]
    pub(super) search: Vec<String>,
    #[serde(default)]
    pub(super) mtu: Option<u32>,
    #[serde(default)]
    pub(super) routes: Vec<String>,
    #[serde(default)]
    pub(super) options: Vec<FreeOption>,
    #[serde(default)]
    pub(super) url: Option<String>,
    #[serde(default)]
    pub(super) lease: Lease,
}

impl Network {
    /// Takes the link's own subnet out.
    pub(super) fn take_link(&mut self) -> Subnet {
        use std::mem::take;
        Subnet {
            subnet: take(&mut self.subnet),
            name: None,
            relay: None,
            range: self.range.take(),
            ranges: take(&mut self.ranges),
            static_ranges: take(&mut self.static_ranges),
            exclude: take(&mut self.exclude),
            gateway: self.gateway.take(),
            dns: take(&mut self.dns),
            ntp: take(&mut self.ntp),
            domain: self.domain.take(),
            search: take(&mut self.search),
            mtu: self.mtu,
            routes: take(&mut self.routes),
            options: take(&mut self.options),
            url: self.url.take(),
            lease: take(&mut self.lease),
        }
    }
}

/// `[[networks.subnets]]`: one that lies behind a relay.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Subnet {
    pub(super) subnet: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) relay: Option<String>,
    #[serde(default)]
    pub(super) range: Option<[String; 2]>,
    #[serde(default)]
    pub(super) ranges: Vec<[String; 2]>,
    #[serde(default)]
    pub(super) static_ranges: Vec<[String; 2]>,
    #[serde(default)]
    pub(super) exclude: Vec<String>,
    #[serde(default)]
    pub(super) gateway: Option<String>,
    #[serde(default)]
    pub(super) dns: Vec<String>,
    #[serde(default)]
    pub(super) ntp: Vec<String>,
    #[serde(default)]
    pub(super) domain: Option<String>,
    #[serde(default)]
    pub(super) search: Vec<String>,
    #[serde(default)]
    pub(super) mtu: Option<u32>,
    #[serde(default)]
    pub(super) routes: Vec<String>,
    #[serde(default)]
    pub(super) options: Vec<FreeOption>,
    #[serde(default)]
    pub(super) url: Option<String>,
    #[serde(default)]
    pub(super) lease: Lease,
}

/// One of `options`: a code and exactly one value.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FreeOption {
    pub(super) code: u8,
    #[serde(default)]
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) address: Option<String>,
    #[serde(default)]
    pub(super) addresses: Option<Vec<String>>,
    #[serde(default)]
    pub(super) hex: Option<String>,
    #[serde(default)]
    pub(super) u8: Option<u8>,
    #[serde(default)]
    pub(super) u16: Option<u16>,
    #[serde(default)]
    pub(super) u32: Option<u32>,
}

/// `lease`
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Lease {
    pub(super) firmware: Option<String>,
    pub(super) system: Option<String>,
    pub(super) t1: Option<String>,
    pub(super) t2: Option<String>,
}

/// A network is declared in order to be served.
fn full() -> DhcpMode {
    DhcpMode::Full
}

fn yes() -> bool {
    true
}

/// `[limits]`
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    pub(super) bmc: Option<String>,
    pub(super) person: Option<String>,
    pub(super) agent_call_in: Option<String>,
    pub(super) agent_silence: Option<String>,
    pub(super) inspect: Option<String>,
    pub(super) write: Option<String>,
    pub(super) write_stall: Option<String>,
    pub(super) erase: Option<String>,
    pub(super) erase_stall: Option<String>,
    pub(super) phone_home: Option<String>,
    pub(super) restarts: Option<u32>,
    pub(super) order_attempts: Option<u32>,
    pub(super) erase_limit: Option<EraseLimit>,
}

/// `erase_limit`: a number, or a text such as `5%`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged, expecting = "a number of machines such as 10, or a share of all such as \"5%\"")]
pub(super) enum EraseLimit {
    Number(u32),
    Text(String),
}

/// `[log]`
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    pub(super) filter: Option<String>,
    pub(super) json: Option<bool>,
}

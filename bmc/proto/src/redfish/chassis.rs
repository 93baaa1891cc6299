//! The chassis and the small settings of a machine: identify lamp, asset tag, the BMC's own network port.
//!
//! Not here: what is measured in a chassis (`sensors`), its parts (`hardware`).

use super::common::{Status, lenient_word, word_of};
use super::lenient::{lenient, lenient_list};
use super::models::Link;
use super::quirks::{Effect, Quirks};
use serde::Deserialize;
use serde_json::{Value, json};

/// `Chassis`: what holds the machine.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Chassis {
    /// `RackMount`, `Blade`, `Enclosure`, …
    #[serde(default, deserialize_with = "lenient_word")]
    pub chassis_type: Option<String>,
    /// Temperatures and fans, as before 2020.
    #[serde(default, deserialize_with = "lenient")]
    pub thermal: Option<Link>,
    /// Voltages, power supplies and consumption, as before 2020.
    #[serde(default, deserialize_with = "lenient")]
    pub power: Option<Link>,
    /// All sensors.
    #[serde(default, deserialize_with = "lenient")]
    pub sensors: Option<Link>,
    /// Temperatures and fans.
    #[serde(default, deserialize_with = "lenient")]
    pub thermal_subsystem: Option<Link>,
    /// Power supplies.
    #[serde(default, deserialize_with = "lenient")]
    pub power_subsystem: Option<Link>,
    /// Consumption.
    #[serde(default, deserialize_with = "lenient")]
    pub environment_metrics: Option<Link>,
    /// Its logs.
    #[serde(default, deserialize_with = "lenient")]
    pub log_services: Option<Link>,
    /// Its PCIe devices.
    #[serde(rename = "PCIeDevices", default, deserialize_with = "lenient")]
    pub pcie_devices: Option<Link>,
    /// Its network adapters.
    #[serde(default, deserialize_with = "lenient")]
    pub network_adapters: Option<Link>,
}

/// Where the lamp of a resource is switched (system or chassis; DSP8010 `IndicatorLED`, since 2020
/// `LocationIndicatorActive`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LampProperty {
    /// `LocationIndicatorActive`: shines or not.
    Location {
        /// What it says.
        lit: Option<bool>,
    },
    /// `IndicatorLED`: a word.
    Indicator {
        /// What it says.
        word: Option<String>,
        /// What it takes; empty: not told.
        allowable: Vec<String>,
    },
}

/// How a resource's `IndicatorLED` is to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LampWords {
    /// Words that identify, the best first.
    pub on: &'static [&'static str],
    /// The word for not identifying.
    pub off: &'static str,
}

impl LampWords {
    /// As the standard has them: a steady light identifies, too.
    pub const STANDARD: Self = Self { on: &["Blinking", "Lit"], off: "Off" };
    /// Where the steady light means "healthy", and only blinking identifies.
    pub const STEADY_IS_HEALTHY: Self = Self { on: &["Blinking"], off: "Lit" };

    /// Those of this BMC.
    pub fn of(quirks: &Quirks) -> Self {
        if quirks.has(Effect::SteadyLampIsHealthy) { Self::STEADY_IS_HEALTHY } else { Self::STANDARD }
    }
}

impl LampProperty {
    /// Finds the lamp of a resource; `None` when it has none.
    pub fn of(resource: &Value) -> Option<Self> {
        if let Some(lit) = resource.get("LocationIndicatorActive") {
            return Some(Self::Location { lit: lit.as_bool() });
        }
        let word = resource.get("IndicatorLED")?.as_str().map(str::to_owned);
        // DSP8010 has `Unknown` for a lamp that can't be read, and `null` for one that isn't there.
        let word = word.filter(|word| word != "Unknown");
        let allowable = resource.get("IndicatorLED@Redfish.AllowableValues");
        let allowable = allowable.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let allowable = allowable.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect();
        Some(Self::Indicator { word, allowable })
    }

    /// Whether it identifies now; `None`: it doesn't tell.
    pub fn is_on(&self, words: LampWords) -> Option<bool> {
        match self {
            Self::Location { lit } => *lit,
            Self::Indicator { word, .. } => word.as_deref().map(|word| words.on.contains(&word)),
        }
    }

    /// What may be written to switch it, the best first. The next is for when the one before is refused.
    pub fn patches(&self, on: bool, words: LampWords) -> Vec<Value> {
        let Self::Indicator { allowable, .. } = self else {
            return vec![json!({ "LocationIndicatorActive": on })];
        };
        let wanted = if on { words.on } else { std::slice::from_ref(&words.off) };
        let fit = |word: &&&str| allowable.is_empty() || allowable.iter().any(|allowed| allowed == **word);
        wanted.iter().filter(fit).map(|word| json!({ "IndicatorLED": word })).collect()
    }
}

/// `EthernetInterface` of a manager: the BMC's own network port.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ManagerPort {
    /// Whether it is switched on.
    #[serde(default, deserialize_with = "lenient")]
    pub interface_enabled: Option<bool>,
    #[serde(rename = "MACAddress", default, deserialize_with = "lenient_mac")]
    mac: Option<String>,
    #[serde(rename = "PermanentMACAddress", default, deserialize_with = "lenient_mac")]
    permanent_mac: Option<String>,
    /// Its IPv4 addresses.
    #[serde(rename = "IPv4Addresses", default, deserialize_with = "lenient_list")]
    pub ipv4: Vec<PortAddress>,
    /// Its IPv6 addresses.
    #[serde(rename = "IPv6Addresses", default, deserialize_with = "lenient_list")]
    pub ipv6: Vec<PortAddress>,
    /// Its default gateway for IPv6.
    #[serde(rename = "IPv6DefaultGateway", default, deserialize_with = "lenient")]
    pub ipv6_gateway: Option<String>,
    /// Its VLAN.
    #[serde(rename = "VLAN", default, deserialize_with = "lenient")]
    pub vlan: Option<PortVlan>,
}

/// An address of a port.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PortAddress {
    /// The address.
    #[serde(default, deserialize_with = "lenient")]
    pub address: Option<String>,
    /// Its netmask (IPv4).
    #[serde(default, deserialize_with = "lenient")]
    pub subnet_mask: Option<String>,
    /// The length of its prefix (IPv6).
    #[serde(default, deserialize_with = "lenient")]
    pub prefix_length: Option<u8>,
    /// `Static`, `DHCP`, `BOOTP`, `SLAAC`, `LinkLocal`, …
    #[serde(default, deserialize_with = "lenient")]
    pub address_origin: Option<String>,
    /// Its gateway (IPv4).
    #[serde(default, deserialize_with = "lenient")]
    pub gateway: Option<String>,
}

/// `EthernetInterface.VLAN`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PortVlan {
    /// Whether it is in one.
    #[serde(rename = "VLANEnable", default, deserialize_with = "lenient")]
    pub enabled: Option<bool>,
    /// Its number.
    #[serde(rename = "VLANId", default, deserialize_with = "lenient")]
    pub id: Option<u16>,
}

impl PortAddress {
    fn is_set(&self) -> bool {
        self.address.as_deref().is_some_and(|address| !matches!(address, "" | "0.0.0.0" | "::"))
    }

    /// Whether it is for a network, rather than the way between host and BMC.
    fn is_routable(&self) -> bool {
        let link_local = |address: &str| {
            address.starts_with("169.254.") || address.to_ascii_lowercase().starts_with("fe80")
        };
        self.is_set() && !self.address.as_deref().is_some_and(link_local)
    }
}

impl ManagerPort {
    /// The address that this port is known by: the given one if it has it, else the first for a network, IPv4 first.
    pub fn address(&self, known: &str) -> Option<&PortAddress> {
        let all = || self.ipv4.iter().chain(&self.ipv6);
        all()
            .find(|address| address.address.as_deref() == Some(known))
            .or_else(|| all().find(|address| address.is_routable()))
            .or_else(|| all().find(|address| address.is_set()))
    }

    /// Its MAC address, lower case with colons.
    pub fn mac(&self) -> Option<String> {
        self.mac.as_ref().or(self.permanent_mac.as_ref()).cloned()
    }

    /// Its VLAN, if it is in one.
    pub fn vlan(&self) -> Option<u16> {
        let vlan = self.vlan.as_ref()?;
        vlan.id.filter(|id| vlan.enabled == Some(true) && (1..4095).contains(id))
    }
}

/// Which of the BMC's ports is the one that it is reached by: the one with this address, else one that is on and has an
/// address for a network, else the first. Its index.
pub fn pick_port(ports: &[ManagerPort], known: &str) -> Option<usize> {
    let addresses = |port: &ManagerPort| port.ipv4.iter().chain(&port.ipv6).cloned().collect::<Vec<_>>();
    let ours =
        |port: &ManagerPort| addresses(port).iter().any(|address| address.address.as_deref() == Some(known));
    let usable = |port: &ManagerPort| {
        port.interface_enabled != Some(false) && addresses(port).iter().any(PortAddress::is_routable)
    };
    let first = |fit: &dyn Fn(&ManagerPort) -> bool| ports.iter().position(fit);
    first(&ours).or_else(|| first(&usable)).or_else(|| (!ports.is_empty()).then_some(0))
}

/// A MAC address in lower case with colons; `None` for what is none, or all zeros.
pub fn normal_mac(text: &str) -> Option<String> {
    let digits: String = text.trim().chars().filter(|c| !matches!(c, ':' | '-' | '.')).collect();
    let digits = digits.to_ascii_lowercase();
    let hex = digits.len() == 12 && digits.chars().all(|c| c.is_ascii_hexdigit());
    if !hex || digits.chars().all(|c| c == '0') {
        return None;
    }
    let pairs: Vec<&str> = (0..6).map(|pair| &digits[pair * 2..pair * 2 + 2]).collect();
    Some(pairs.join(":"))
}

/// Deserialises a MAC address with [`normal_mac`].
pub(super) fn lenient_mac<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    Ok(lenient::<D, String>(deserializer)?.as_deref().and_then(normal_mac))
}

/// The areas of a chassis or a system for a person: kind of field and text, without those that are empty.
pub fn identity_fields(resource: &Value) -> Vec<(&'static str, String)> {
    const FIELDS: [(&str, &str); 7] = [
        ("manufacturer", "Manufacturer"),
        ("name", "Model"),
        ("part-number", "PartNumber"),
        ("version", "Version"),
        ("serial", "SerialNumber"),
        ("asset-tag", "AssetTag"),
        ("extra", "SKU"),
    ];
    let text = |property: &str| word_of(resource.get(property).and_then(Value::as_str));
    FIELDS.iter().filter_map(|(field, property)| Some((*field, text(property)?))).collect()
}

/// Whether a part is there, as its `Status` says.
pub fn is_present(resource: &Value) -> bool {
    let status =
        resource.get("Status").and_then(|status| serde_json::from_value::<Status>(status.clone()).ok());
    status.is_none_or(|status| status.is_present())
}

#[cfg(test)]
mod tests;

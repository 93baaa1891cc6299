//! Small settings: the identify lamp, the asset tag, the BMC's own network port.

use super::Redfish;
use super::sensors::link;
use crate::capability::{AddressSource, AssetTag, Identify, Lamp, LanSettings, NetworkSettings};
use crate::driver::BmcError;
use async_trait::async_trait;
use bmc_proto::redfish::chassis::{LampProperty, LampWords, ManagerPort, PortAddress, pick_port};
use bmc_proto::redfish::{ResourcePath, word_of};
use serde_json::{Value, json};

const LAMP: &str = "switch the identify lamp";
const TAG: &str = "set the asset tag";
const READ_TAG: &str = "read the asset tag";
const NETWORK: &str = "read the BMC's network settings";
/// The longest asset tag in bytes, as IPMI has it (DCMI 1.5 table 6-11).
const TAG_MAX: usize = 63;
/// The most ports of a BMC.
const PORTS_MAX: usize = 32;

#[async_trait]
impl Identify for Redfish {
    async fn identify(&self, lamp: Lamp) -> Result<(), BmcError> {
        let on = match lamp {
            Lamp::On => true,
            Lamp::Off => false,
            Lamp::For(_) => {
                return Err(self.cannot(
                    "its lamp has no timer; switch it on without a time, and off when the machine is found",
                ));
            }
        };
        let words = LampWords::of(&self.quirks().await?);
        let Some((path, property)) = self.lamp(words).await? else {
            return Err(self.cannot("neither its system nor its chassis has a lamp to switch"));
        };
        if property.is_on(words) == Some(on) {
            return Ok(());
        }
        self.write_lamp(&path, property.patches(on, words)).await?;
        self.await_that(self.timing.settle, LAMP, || async {
            let found = LampProperty::of(&self.read::<Value>(&path, LAMP).await?);
            Ok(match found.and_then(|lamp| lamp.is_on(words)) {
                Some(shines) if shines == on => Ok(()),
                Some(true) => Err("that it shines".into()),
                Some(false) => Err("that it is dark".into()),
                // It had one to switch, and doesn't tell what it does.
                None => Err("nothing of the lamp".into()),
            })
        })
        .await
    }
}

impl Redfish {
    /// The lamp that tells its state, of the system or a chassis, and where it is switched.
    async fn lamp(&self, words: LampWords) -> Result<Option<(ResourcePath, LampProperty)>, BmcError> {
        let mut silent = None;
        for (path, resource) in self.holders(LAMP).await? {
            match LampProperty::of(&resource) {
                Some(lamp) if lamp.is_on(words).is_some() => return Ok(Some((path, lamp))),
                Some(lamp) => silent = silent.or(Some((path, lamp))),
                None => {}
            }
        }
        Ok(silent)
    }

    /// Writes the first of these that the BMC takes.
    async fn write_lamp(&self, path: &ResourcePath, patches: Vec<Value>) -> Result<(), BmcError> {
        let mut refusal = self.cannot("its lamp takes no word that would switch it so");
        for patch in patches {
            match self.patch_and_look(path, patch, LAMP).await {
                Ok(_) => return Ok(()),
                Err(error @ BmcError::Refused { .. }) => refusal = error,
                Err(error) => return Err(error),
            }
        }
        Err(refusal)
    }

    /// The system and its chassis, where small settings are.
    async fn holders(&self, during: &'static str) -> Result<Vec<(ResourcePath, Value)>, BmcError> {
        let system = self.system().await?;
        let mut holders = vec![(system.path, system.raw)];
        for path in self.chassis_paths().await? {
            if let Some(chassis) = self.read_optional(&path, during).await? {
                holders.push((path, chassis));
            }
        }
        Ok(holders)
    }

    /// Where the asset tag is, and what it is.
    async fn tag(&self) -> Result<(ResourcePath, String), BmcError> {
        let text = |resource: &Value| Some(resource.get("AssetTag")?.as_str().unwrap_or_default().to_owned());
        let system = self.system().await?;
        if let Some(tag) = text(&system.raw) {
            return Ok((system.path, tag));
        }
        let holders = self.holders(READ_TAG).await?;
        let found = holders.into_iter().find_map(|(path, resource)| Some((path, text(&resource)?)));
        found.ok_or_else(|| self.cannot("neither its system nor its chassis has an asset tag"))
    }
}

#[async_trait]
impl AssetTag for Redfish {
    async fn asset_tag(&self) -> Result<String, BmcError> {
        let (_, tag) = self.tag().await?;
        Ok(word_of(Some(&tag)).unwrap_or_default())
    }

    async fn set_asset_tag(&self, tag: &str) -> Result<(), BmcError> {
        if tag.len() > TAG_MAX {
            return Err(self.cannot(format!("asset tags have {TAG_MAX} bytes at the most")));
        }
        let (path, before) = self.tag().await?;
        if before == tag {
            return Ok(());
        }
        self.patch_and_look(&path, json!({ "AssetTag": tag }), TAG).await?;
        self.await_that(self.timing.settle, TAG, || async {
            let found: Value = self.read(&path, TAG).await?;
            let found = found.get("AssetTag").and_then(Value::as_str).unwrap_or_default();
            Ok(if found == tag {
                Ok(())
            } else {
                Err(format!("`{}`", word_of(Some(found)).unwrap_or_default()))
            })
        })
        .await
    }
}

#[async_trait]
impl NetworkSettings for Redfish {
    async fn lan(&self) -> Result<LanSettings, BmcError> {
        let manager = match self.manager_path().await? {
            Some(path) => self.read_optional::<Value>(&path, NETWORK).await?,
            None => None,
        };
        let Some(ports) = manager.as_ref().and_then(|manager| link(manager, "EthernetInterfaces")) else {
            return Err(self.cannot("its manager doesn't tell its network settings"));
        };
        let listing = self.list(&ports, PORTS_MAX, NETWORK).await?;
        let ports: Vec<ManagerPort> =
            listing.members.iter().filter_map(|port| self.model(port, NETWORK).ok()).collect();
        let Some(port) = pick_port(&ports, self.host()).map(|index| &ports[index]) else {
            return Err(self.cannot("its manager has no network port"));
        };
        Ok(self.lan_of(port))
    }
}

impl Redfish {
    /// The name or address that it is reached by.
    fn host(&self) -> &str {
        let host = self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }

    fn lan_of(&self, port: &ManagerPort) -> LanSettings {
        let address = port.address(self.host());
        let text = |get: fn(&PortAddress) -> Option<&str>| word_of(address.and_then(get));
        let prefix = address.and_then(|address| address.prefix_length).map(|length| format!("/{length}"));
        let v6 =
            address.is_some_and(|address| address.address.as_deref().is_some_and(|text| text.contains(':')));
        let gateway = if v6 {
            word_of(port.ipv6_gateway.as_deref())
        } else {
            text(|address| address.gateway.as_deref())
        };
        LanSettings {
            source: address.and_then(|address| address.address_origin.as_deref()).map(source),
            address: text(|address| address.address.as_deref()),
            netmask: text(|address| address.subnet_mask.as_deref()).or(prefix),
            gateway: gateway.filter(|gateway| gateway != "0.0.0.0"),
            mac: port.mac(),
            vlan: port.vlan(),
            cipher_suites: Vec::new(),
        }
    }
}

fn source(origin: &str) -> AddressSource {
    match origin {
        "Static" => AddressSource::Static,
        "DHCP" | "DHCPv6" => AddressSource::Dhcp,
        _ => AddressSource::Other,
    }
}

#[cfg(test)]
mod tests;

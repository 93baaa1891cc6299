//! The BMC's LAN channel and its network settings.
//!
//! Deliberately not here: changing them. A wrong address would put the BMC out of reach.

use super::Ipmi;
use crate::capability::{AddressSource, LanSettings, NetworkSettings};
use crate::driver::BmcError;
use async_trait::async_trait;
use bmc_proto::ipmi::command::channel::{Channel, GetChannelInfo, LAST, PRESENT, is_lan};
use bmc_proto::ipmi::command::lan::{
    GetLanConfigParameters, IpAddressSource, Ipv4Address, Ipv6Ipv4Enables, LanConfigParameter as Parameter,
    LanConfigParameterData as Data, MacAddress, cipher_suites, parameter, vlan,
};
use std::net::Ipv6Addr;

const READING: &str = "reading its network settings";
/// Entries that are looked at of each table of IPv6 addresses; BMCs have few.
const IPV6_ENTRIES: u8 = 4;

#[async_trait]
impl NetworkSettings for Ipmi {
    async fn lan(&self) -> Result<LanSettings, BmcError> {
        self.bounded(self.timing.call, READING, self.read_lan()).await
    }
}

impl Ipmi {
    /// The channel that we came in on; where the BMC doesn't tell, its first LAN.
    pub(super) async fn lan_channel(&self, during: &'static str) -> Result<u8, BmcError> {
        for number in std::iter::once(PRESENT).chain(1..=LAST) {
            let Some(channel) = Channel::new(number) else { continue };
            let Some(info) = self.optional(GetChannelInfo::new(channel), during).await? else { continue };
            let found = info.channel.value();
            if is_lan(&info) && (1..=LAST).contains(&found) {
                return Ok(found);
            }
        }
        Err(self.cannot("it names none of its channels a LAN; set it up by its own tools"))
    }

    async fn read_lan(&self) -> Result<LanSettings, BmcError> {
        let number = self.lan_channel(READING).await?;
        let channel = Channel::new(number).ok_or_else(|| self.errors.malformed(READING))?;
        let vlan_bytes = self.raw(channel, Parameter::Other(parameter::VLAN)).await?;
        let mut settings = LanSettings {
            source: self.source(channel).await?,
            address: self.address(channel, Parameter::IpAddress).await?,
            netmask: self.address(channel, Parameter::SubnetMask).await?,
            gateway: self.address(channel, Parameter::DefaultGatewayAddress).await?,
            mac: self.mac(channel).await?,
            vlan: vlan_bytes.as_deref().and_then(vlan),
            cipher_suites: self.suites(channel).await?,
        };
        if let Some((address, prefix)) = self.ipv6(channel, settings.address.is_none()).await? {
            settings.address = Some(address);
            settings.netmask = Some(prefix);
        }
        Ok(settings)
    }

    /// A parameter's bytes. `None`: the BMC does not have it.
    async fn raw(&self, channel: Channel, which: Parameter) -> Result<Option<Vec<u8>>, BmcError> {
        let answer = self.optional(GetLanConfigParameters::new(channel, which), READING).await?;
        Ok(answer.map(|answer| answer.data))
    }

    /// A parameter that `ipmi-rs-core` knows. One that is too short counts as absent.
    async fn known(&self, channel: Channel, which: Parameter) -> Result<Option<Data>, BmcError> {
        let bytes = self.raw(channel, which).await?;
        Ok(bytes.and_then(|bytes| which.parse(&bytes).ok()))
    }

    async fn source(&self, channel: Channel) -> Result<Option<AddressSource>, BmcError> {
        let known = self.known(channel, Parameter::IpAddressSource).await?;
        Ok(match known {
            Some(Data::IpAddressSource(source)) => match source {
                IpAddressSource::Unspecified => None,
                IpAddressSource::Static => Some(AddressSource::Static),
                IpAddressSource::Dhcp => Some(AddressSource::Dhcp),
                IpAddressSource::BiosOrSystemSoftware => Some(AddressSource::System),
                IpAddressSource::Other | IpAddressSource::Reserved(_) => Some(AddressSource::Other),
            },
            _ => None,
        })
    }

    /// An IPv4 address or netmask; 0.0.0.0 says that there is none.
    async fn address(&self, channel: Channel, which: Parameter) -> Result<Option<String>, BmcError> {
        let known = self.known(channel, which).await?;
        let address = match known {
            Some(Data::IpAddress(it) | Data::SubnetMask(it) | Data::DefaultGatewayAddress(it)) => Some(it),
            _ => None,
        };
        Ok(address.filter(|address| *address != Ipv4Address([0; 4])).map(|address| address.to_string()))
    }

    async fn mac(&self, channel: Channel) -> Result<Option<String>, BmcError> {
        let known = self.known(channel, Parameter::MacAddress).await?;
        Ok(match known {
            Some(Data::MacAddress(mac)) if mac != MacAddress([0; 6]) => Some(mac.to_string().to_lowercase()),
            _ => None,
        })
    }

    async fn suites(&self, channel: Channel) -> Result<Vec<u8>, BmcError> {
        let count = self.raw(channel, Parameter::Other(parameter::CIPHER_SUITE_COUNT)).await?;
        let entries = self.raw(channel, Parameter::Other(parameter::CIPHER_SUITES)).await?;
        Ok(cipher_suites(&count.unwrap_or_default(), &entries.unwrap_or_default()))
    }

    /// The first IPv6 address and its prefix, where the BMC has no other address or speaks IPv6 only.
    async fn ipv6(&self, channel: Channel, lonely: bool) -> Result<Option<(String, String)>, BmcError> {
        let enables = self.known(channel, Parameter::Ipv6Ipv4AddressingEnables).await?;
        let only = match enables {
            Some(Data::Ipv6Ipv4AddressingEnables(Ipv6Ipv4Enables::Ipv6Only)) => true,
            Some(Data::Ipv6Ipv4AddressingEnables(Ipv6Ipv4Enables::Ipv6Ipv4Simultaneous)) => false,
            _ => return Ok(None),
        };
        if !only && !lonely {
            return Ok(None);
        }
        for table in [Parameter::Ipv6StaticAddresses, Parameter::Ipv6DynamicAddress] {
            for entry in 0..IPV6_ENTRIES {
                let command = GetLanConfigParameters::new(channel, table).with_set_selector(entry);
                let Some(answer) = self.optional(command, READING).await? else { break };
                let found = match table.parse(&answer.data) {
                    Ok(Data::Ipv6StaticAddresses(it)) if it.enabled => Some((it.address, it.prefix_length)),
                    Ok(Data::Ipv6DynamicAddress(it)) => Some((it.address, it.prefix_length)),
                    _ => None,
                };
                if let Some((address, prefix)) = found.filter(|(address, _)| address.0 != [0; 16]) {
                    return Ok(Some((Ipv6Addr::from(address.0).to_string(), format!("/{prefix}"))));
                }
            }
        }
        Ok(None)
    }
}

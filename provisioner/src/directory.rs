//! What the boot server asks: who is this client, what address has it, what may it boot. From store and windows.

use crate::{
    api::format_mac,
    clock,
    config::Network,
    service::{Service, ServiceError},
    store::{LeaseRecord, MachineRecord, NewEvent},
    windows,
};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use provisioner_lifecycle::Fact as MachineFact;
use pxe::{BootAnswer, Client, Directory, Fact, Mac};
use pxe_proto::boot::{Arch, BootScript, Chain, Firmware};
use pxe_proto::trace::Entry;
use std::{collections::HashMap, net::Ipv4Addr, sync::Arc};
use tokio::sync::{Mutex, mpsc};

/// How long an address is kept for firmware and agents, and for operating systems: twice what they are told, so that
/// a late renewal finds it free.
const KEEP_FIRMWARE: SignedDuration = SignedDuration::from_mins(20);
const KEEP_SYSTEM: SignedDuration = SignedDuration::from_hours(24);

/// How long an offered address waits for its request.
const KEEP_OFFER: SignedDuration = SignedDuration::from_mins(1);

/// How long an address stays out of use after a client found another using it.
const QUARANTINE: SignedDuration = SignedDuration::from_mins(30);

/// How many facts may wait to be written down; further ones are dropped with a warning, never waited for.
const FACTS: usize = 1024;

/// What the boot server asks.
pub(crate) struct BootDirectory {
    service: Arc<Service>,
    networks: Mutex<HashMap<String, Leases>>,
    facts: mpsc::Sender<Fact>,
}

/// The leases of one network: the same as in the store, and the offers that are not.
#[derive(Debug, Default)]
struct Leases(HashMap<Ipv4Addr, LeaseRecord>);

impl Leases {
    /// The address for a client, by the rules of RFC 2131 section 4.3.1: its own, the one it asks for, one that was
    /// never used, the one that expired longest ago.
    fn choose(
        &self,
        network: &Network,
        mac: &str,
        requested: Option<Ipv4Addr>,
        now: Timestamp,
    ) -> Option<Ipv4Addr> {
        let (first, last) = (u32::from(network.range.0), u32::from(network.range.1));
        let inside = |address: Ipv4Addr| (first..=last).contains(&u32::from(address));
        let own =
            self.0.values().filter(|lease| lease.mac == mac && !lease.declined && inside(lease.address));
        // The range or our own address may be another than when the lease was given.
        let own = own.filter(|lease| lease.address != network.address);
        if let Some(own) = own.max_by_key(|lease| lease.expires) {
            return Some(own.address);
        }
        let free = |address: &Ipv4Addr| {
            *address != network.address && self.0.get(address).is_none_or(|lease| lease.expires <= now)
        };
        if let Some(address) = requested.filter(|address| inside(*address) && free(address)) {
            return Some(address);
        }
        let unused = (first..=last)
            .map(Ipv4Addr::from)
            .find(|address| *address != network.address && !self.0.contains_key(address));
        unused.or_else(|| {
            let expired = self.0.values().filter(|lease| inside(lease.address) && lease.expires <= now);
            expired.min_by_key(|lease| lease.expires).map(|lease| lease.address)
        })
    }
}

impl BootDirectory {
    /// Loads the leases. The second value takes facts down until the directory is dropped.
    pub(crate) async fn new(service: Arc<Service>) -> Result<(Arc<Self>, FactWriter), ServiceError> {
        let mut networks = HashMap::new();
        for network in &service.config.networks {
            let leases = service.store.lease_list(&network.name).await?;
            let leases = leases.into_iter().map(|lease| (lease.address, lease)).collect();
            networks.insert(network.name.clone(), Leases(leases));
        }
        let (facts, receiver) = mpsc::channel(FACTS);
        let writer = FactWriter { service: Arc::clone(&service), facts: receiver };
        Ok((Arc::new(Self { service, networks: Mutex::new(networks), facts }), writer))
    }

    fn network(&self, name: &str) -> Option<&Network> {
        self.service.config.networks.iter().find(|network| network.name == name)
    }

    async fn may_boot(&self, client: &Client) -> Result<BootAnswer, ServiceError> {
        // An operating system's plain DHCP boots nothing.
        if client.firmware.is_none() {
            return Ok(BootAnswer::Disk);
        }
        let discovery = self.network(&client.network).is_some_and(|network| network.discovery);
        let boots = match self.service.store.machine_by_mac(&format_mac(client.mac)).await? {
            Some(record) if record.machine.want.accepted => {
                windows::open_window(&self.service, &record).await?.is_some()
            }
            Some(record) => discovery && !inventoried(&record),
            None => discovery,
        };
        Ok(if boots { BootAnswer::Boot(Chain::Snponly) } else { BootAnswer::Disk })
    }

    async fn lease_address(&self, client: &Client, offer: bool) -> Result<Option<Ipv4Addr>, ServiceError> {
        let Some(network) = self.network(&client.network) else { return Ok(None) };
        let (now, mac) = (clock::now(), format_mac(client.mac));
        let mut networks = self.networks.lock().await;
        let leases = networks.entry(client.network.clone()).or_default();
        let Some(address) = leases.choose(network, &mac, client.requested, now) else {
            tracing::warn!(
                network = network.name,
                mac,
                "no free address is left; widen the range in the configuration"
            );
            return Ok(None);
        };
        if !offer && client.requested.is_some_and(|requested| requested != address) {
            return Ok(None);
        }
        let keep = if offer {
            KEEP_OFFER
        } else if client.firmware.is_some() {
            KEEP_FIRMWARE
        } else {
            KEEP_SYSTEM
        };
        // A shorter stage never shortens what a longer one was told.
        let known =
            leases.0.get(&address).filter(|lease| lease.mac == mac).map_or(now, |lease| lease.expires);
        let expires = now.saturating_add(keep).unwrap_or(now).max(known);
        let lease = LeaseRecord { network: network.name.clone(), address, mac, expires, declined: false };
        // Durable before it is told to anybody; an offer binds nobody.
        if !offer {
            self.service.store.lease_put(&lease).await?;
        }
        leases.0.insert(address, lease);
        Ok(Some(address))
    }

    async fn end_lease(
        &self,
        client: &Client,
        address: Ipv4Addr,
        declined: bool,
    ) -> Result<(), ServiceError> {
        let (now, mac) = (clock::now(), format_mac(client.mac));
        let mut networks = self.networks.lock().await;
        let Some(leases) = networks.get_mut(&client.network) else { return Ok(()) };
        let Some(lease) = leases.0.get_mut(&address).filter(|lease| lease.mac == mac) else { return Ok(()) };
        lease.declined = declined;
        lease.expires = if declined { now.saturating_add(QUARANTINE).unwrap_or(now) } else { now };
        let lease = lease.clone();
        Ok(self.service.store.lease_put(&lease).await?)
    }

    async fn boot_script(&self, mac: Mac, from: Ipv4Addr) -> Result<BootScript, ServiceError> {
        let text = format_mac(mac);
        let network = self.service.config.networks.iter().find(|network| network.contains(from));
        let Some(network) = network else { return Ok(BootScript::Disk) };
        let window = match self.service.store.machine_by_mac(&text).await? {
            Some(record) if record.machine.want.accepted => {
                windows::open_window(&self.service, &record).await?
            }
            Some(record) if inventoried(&record) => None,
            Some(_) | None if network.discovery => windows::discovery_window(&self.service, &text).await?,
            Some(_) | None => None,
        };
        let Some(window) = window else { return Ok(BootScript::Disk) };
        let url = format!("https://{}:{}", network.address, self.service.api_port);
        let mut parameters = vec![
            ("billet.url".to_owned(), url),
            ("billet.token".to_owned(), windows::claim_token(&self.service.key, &window)),
            // A machine whose battery died would find every certificate not valid yet.
            ("billet.now".to_owned(), clock::now().as_second().to_string()),
        ];
        parameters.extend(self.service.config.boot.kernel_parameters.iter().cloned());
        Ok(BootScript::Agent { parameters })
    }
}

/// A machine that is known, but not accepted, has been looked at: from then on it boots from its disk, so that a server
/// in production that tries the network first runs its own system again.
fn inventoried(record: &MachineRecord) -> bool {
    record.machine.facts.inventory.is_some()
}

/// Our own failure: said once, here, and the client is answered as if nothing were known of it.
fn failed(what: &str, error: &ServiceError) {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    tracing::error!(%error, cause, "the boot directory can't answer: {what}");
}

#[async_trait]
impl Directory for BootDirectory {
    async fn boot(&self, client: &Client) -> BootAnswer {
        self.may_boot(client).await.unwrap_or_else(|error| {
            failed("may it boot", &error);
            BootAnswer::Disk
        })
    }

    async fn lease(&self, client: &Client, offer: bool) -> Option<Ipv4Addr> {
        self.lease_address(client, offer).await.unwrap_or_else(|error| {
            failed("its address", &error);
            None
        })
    }

    async fn release(&self, client: &Client) {
        let Some(address) = client.requested else { return };
        if let Err(error) = self.end_lease(client, address, false).await {
            failed("release", &error);
        }
    }

    async fn decline(&self, client: &Client, address: Ipv4Addr) {
        if let Err(error) = self.end_lease(client, address, true).await {
            failed("decline", &error);
        }
    }

    async fn script(&self, mac: Mac, _uuid: Option<&str>, from: Ipv4Addr, _arch: Arch) -> BootScript {
        self.boot_script(mac, from).await.unwrap_or_else(|error| {
            failed("its boot script", &error);
            BootScript::Disk
        })
    }

    fn observe(&self, fact: Fact) {
        if self.facts.try_send(fact).is_err() {
            tracing::warn!("more is observed than can be written down; a fact is dropped");
        }
    }

    fn trace(&self, _entry: Entry) {}
}

/// Takes down what the boot server observed.
pub(crate) struct FactWriter {
    service: Arc<Service>,
    facts: mpsc::Receiver<Fact>,
}

impl FactWriter {
    /// Writes until the directory is gone.
    pub(crate) async fn run(mut self) {
        while let Some(fact) = self.facts.recv().await {
            if let Err(error) = self.write(fact).await {
                failed("a fact is not written down", &error);
            }
        }
    }

    async fn write(&self, fact: Fact) -> Result<(), ServiceError> {
        match fact {
            Fact::Dhcp { client, message, address, boot } => self.dhcp(&client, message, address, boot).await,
            Fact::File { to, name, over, bytes, complete } => {
                let Some(record) = self.machine_at(to).await? else { return Ok(()) };
                let end = if complete { "fetched" } else { "broke off fetching" };
                self.tell(&record, "boot", format!("{end} {name} over {over} ({bytes} bytes)")).await
            }
            Fact::Script { mac, answer, .. } => {
                let Some(record) = self.service.store.machine_by_mac(&format_mac(mac)).await? else {
                    return Ok(());
                };
                self.tell(&record, "boot", format!("asked for its boot script: {answer}")).await
            }
        }
    }

    async fn dhcp(
        &self,
        client: &Client,
        message: &str,
        address: Option<Ipv4Addr>,
        boot: BootAnswer,
    ) -> Result<(), ServiceError> {
        let Some(record) = self.service.store.machine_by_mac(&format_mac(client.mac)).await? else {
            return Ok(());
        };
        let who = client.firmware.map_or("an operating system", firmware);
        let told = address.map_or("no answer".to_owned(), |address| address.to_string());
        let boots = match (client.firmware, boot) {
            (None, _) => "",
            (Some(_), BootAnswer::Boot(_)) => ", boots our agent",
            (Some(_), BootAnswer::Disk) => ", not expected: boots from its disk",
        };
        let event = NewEvent::machine(record.id(), "dhcp", format!("{message} by {who}: {told}{boots}"));
        if client.firmware.is_some() {
            self.service.observe(record.id(), &MachineFact::Netboot, &[event]).await?;
        } else {
            self.service.store.event_insert(&[event], clock::now()).await?;
        }
        Ok(())
    }

    async fn tell(
        &self,
        record: &MachineRecord,
        kind: &'static str,
        message: String,
    ) -> Result<(), ServiceError> {
        Ok(self
            .service
            .store
            .event_insert(&[NewEvent::machine(record.id(), kind, message)], clock::now())
            .await?)
    }

    async fn machine_at(&self, address: Ipv4Addr) -> Result<Option<MachineRecord>, ServiceError> {
        let Some(mac) = self.service.store.lease_mac(address).await? else { return Ok(None) };
        Ok(self.service.store.machine_by_mac(&mac).await?)
    }
}

fn firmware(firmware: Firmware) -> &'static str {
    match firmware {
        Firmware::BiosPxe => "a BIOS PXE ROM",
        Firmware::UefiPxe(_) => "UEFI PXE",
        Firmware::UefiHttp(_) => "UEFI HTTP boot",
        Firmware::IpxeBios => "iPXE on BIOS",
        Firmware::IpxeUefi(_) => "iPXE on UEFI",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provisioner_api::DhcpMode;

    fn network() -> Network {
        Network {
            name: "n".into(),
            interface: "eth0".into(),
            address: Ipv4Addr::new(10, 0, 0, 2),
            subnet: (Ipv4Addr::new(10, 0, 0, 0), 24),
            range: (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 3)),
            gateway: None,
            dns: Vec::new(),
            discovery: true,
            dhcp: DhcpMode::Full,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn lease(last: u8, mac: &str, expires: i64, declined: bool) -> (Ipv4Addr, LeaseRecord) {
        let address = Ipv4Addr::new(10, 0, 0, last);
        (
            address,
            LeaseRecord { network: "n".into(), address, mac: mac.into(), expires: at(expires), declined },
        )
    }

    fn choose(leases: &[(Ipv4Addr, LeaseRecord)], mac: &str, requested: Option<u8>) -> Option<u8> {
        let leases = Leases(leases.iter().cloned().collect());
        let requested = requested.map(|last| Ipv4Addr::new(10, 0, 0, last));
        leases.choose(&network(), mac, requested, at(100)).map(|address| address.octets()[3])
    }

    #[test]
    fn addresses_are_chosen_by_the_rules() {
        assert_eq!(choose(&[], "a", None), Some(1), "the first free one");
        assert_eq!(choose(&[lease(1, "b", 200, false)], "a", None), Some(3), "never our own address");
        assert_eq!(choose(&[], "a", Some(3)), Some(3), "the one asked for");
        assert_eq!(choose(&[], "a", Some(2)), Some(1), "but not ours");
        assert_eq!(choose(&[], "a", Some(9)), Some(1), "nor one outside the range");
        assert_eq!(choose(&[lease(3, "a", 50, false)], "a", Some(1)), Some(3), "its own, expired or not");
        assert_eq!(choose(&[lease(3, "b", 200, false)], "a", Some(3)), Some(1), "never another's");
        let full = [lease(1, "b", 200, false), lease(3, "c", 200, false)];
        assert_eq!(choose(&full, "a", None), None, "the range is full");
        let expired = [lease(1, "b", 90, false), lease(3, "c", 80, false)];
        assert_eq!(choose(&expired, "a", None), Some(3), "the one that expired longest ago");
        let declined = [lease(1, "a", 200, true), lease(3, "c", 200, false)];
        assert_eq!(choose(&declined, "a", None), None, "a declined one stays out of use");
    }
}

//! The ways from the machines to the service: a DHCP relay, TFTP, HTTP and the agent's protocol, each from the address
//! that the machine was leased, and what goes wrong on them.
//!
//! All addresses are loopback's, so that no interface has to be made and nobody has to be root. What a machine does
//! with an answer is the model's; deliberately not here.

mod agent;
mod error;
mod fate;
mod http;
mod limit;
mod relay;
mod tftp;
mod traffic;

pub use agent::Orders;
pub use error::NetError;
pub use relay::DhcpPort;
pub use traffic::Traffic;

use super::{Eyes, NetworkFaults, Site};
use anyhow::{Context as _, Result};
use fate::Fates;
use images_agent::{PermitKey, Service};
use provisioner_client::{TlsSettings, agent::AgentClient};
use relay::Relay;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use traffic::Counters;

/// How many sockets of TFTP and HTTP may be open at once: a storm of ten thousand must not use up the files of one
/// process. Those that wait for one look to the service as if they came a little later.
const SLOTS: usize = 1500;

/// What a machine fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// How many bytes came.
    pub bytes: u64,
    /// The first of them.
    pub kept: Vec<u8>,
}

/// The ways from the machines to the service.
pub struct Wires {
    relay: Arc<Relay>,
    boot_http: SocketAddr,
    tftp_port: u16,
    tls: TlsSettings,
    permit_key: PermitKey,
    slots: Arc<Semaphore>,
    fates: Arc<Fates>,
    traffic: Arc<Counters>,
    eyes: Arc<Eyes>,
}

impl Wires {
    /// Opens the relay's socket and carries messages until `stop`. `seed` is where the dice of faults start.
    ///
    /// # Errors
    /// The relay's address and port are taken, or the CA is of no use.
    pub async fn new(site: &Site, eyes: Arc<Eyes>, seed: u64, stop: CancellationToken) -> Result<Arc<Self>> {
        limit::raise_file_limit();
        let (fates, traffic) = (Arc::new(Fates::new(seed)), Arc::new(Counters::default()));
        let relay = Relay::open(site.relay, site.dhcp, fates.clone(), traffic.clone())
            .with_context(|| format!("can't be a DHCP relay on {}:{}", site.relay, site.dhcp.port()))?;
        relay.carry(stop)?;
        let tls = TlsSettings::new(site.ca_pem.as_bytes())?;
        let slots = Arc::new(Semaphore::new(SLOTS));
        Ok(Arc::new(Self {
            relay,
            boot_http: site.boot_http,
            tftp_port: site.tftp.port(),
            tls,
            permit_key: site.permit_key,
            slots,
            fates,
            traffic,
            eyes,
        }))
    }

    /// From now on this goes wrong.
    pub fn set_faults(&self, faults: NetworkFaults) {
        self.fates.set(faults);
    }

    /// Opens a machine's DHCP port. What it sends goes through the relay; closed when dropped.
    pub fn dhcp(self: &Arc<Self>, number: u32, mac: [u8; 6]) -> DhcpPort {
        self.relay.port(number, mac)
    }

    /// Fetches a file by TFTP from this address of the machine's, as a boot ROM does. The first 4 KiB are kept.
    ///
    /// # Errors
    /// The server refuses, falls silent or speaks nonsense.
    pub async fn tftp(
        &self,
        number: u32,
        from: Ipv4Addr,
        server: SocketAddrV4,
        file: &str,
    ) -> Result<Fetched, NetError> {
        let _slot = self.slot().await;
        let fetched = tftp::fetch(number, from, server, file, &self.fates, tftp::PATIENCE).await;
        self.traffic.tftp(fetched.as_ref().ok().map(|fetched| fetched.bytes));
        fetched
    }

    /// Fetches a file by HTTP and keeps its first `keep` bytes. A `url` that begins with `/` is one of the service's.
    ///
    /// # Errors
    /// Any status but 200, a connection that breaks, and silence.
    pub async fn http_get(
        &self,
        number: u32,
        from: Option<Ipv4Addr>,
        url: &str,
        keep: usize,
    ) -> Result<Fetched, NetError> {
        self.http(number, from, url, None, keep).await
    }

    /// Sends a form by HTTP, as cloud-init's phone-home module does.
    ///
    /// # Errors
    /// As for [`http_get`](Self::http_get).
    pub async fn http_post(
        &self,
        number: u32,
        from: Option<Ipv4Addr>,
        url: &str,
        form: &str,
    ) -> Result<(), NetError> {
        self.http(number, from, url, Some(form), 0).await.map(drop)
    }

    async fn http(
        &self,
        number: u32,
        from: Option<Ipv4Addr>,
        url: &str,
        form: Option<&str>,
        keep: usize,
    ) -> Result<Fetched, NetError> {
        let request = http::Request::new(url, self.boot_http, form)?;
        self.fates.linger(number).await;
        let _slot = self.slot().await;
        let fetched = http::exchange(from, &request, keep).await;
        self.traffic.http(fetched.as_ref().ok().map(|fetched| fetched.bytes));
        fetched
    }

    /// The service as the agent of this machine sees it, watched: what the agent learns is written down, and what goes
    /// wrong on the network goes wrong for it. `orders` is told the step of each order when the agent gets it, and
    /// none when the agent is done with it.
    ///
    /// Each agent has connections and TLS sessions of its own, as in life.
    ///
    /// # Errors
    /// The address can't be used.
    pub fn agent(
        &self,
        number: u32,
        from: Option<Ipv4Addr>,
        url: &str,
        orders: Orders,
    ) -> Result<Arc<dyn Service>, NetError> {
        let client = AgentClient::with_tls(url, &self.tls, from.map(IpAddr::V4))
            .map_err(|error| NetError::BadUrl { url: url.to_owned(), why: error.to_string() })?;
        Ok(Arc::new(agent::Watched {
            service: client,
            number,
            orders,
            eyes: self.eyes.clone(),
            fates: self.fates.clone(),
            traffic: self.traffic.clone(),
        }))
    }

    /// The port at which a server's TFTP is: 69 in life.
    pub fn tftp_port(&self) -> u16 {
        self.tftp_port
    }

    /// The key of permits, which machines have from their ramdisk.
    pub fn permit_key(&self) -> PermitKey {
        self.permit_key
    }

    /// What went over the wires so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic.read(self.fates.lost())
    }

    /// Leave to open a socket.
    async fn slot(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.slots).acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests;

//! A directory with fixed answers that remembers what it was told, and a server on loopback.

use crate::memory::no_leases;
use async_trait::async_trait;
use pxe::{
    BootAnswer, Client, Config, Counters, Dhcp, Directory, Files, Mac, Network, Peers, Ports, RoguePolicy,
    Server,
};
use pxe_proto::boot::{Arch, BootScript};
use pxe_proto::dhcp::{Mode, Subnet};
use pxe_proto::trace::Entry;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Longest wait for anything; only a failing test waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A directory with fixed answers.
pub(crate) struct Fixed {
    pub(crate) boot: BootAnswer,
    pub(crate) script: Option<BootScript>,
    entries: Mutex<Vec<Entry>>,
    told: Notify,
}

impl Fixed {
    pub(crate) fn new(boot: BootAnswer, script: impl Into<Option<BootScript>>) -> Arc<Self> {
        let (entries, told) = Default::default();
        Arc::new(Fixed { boot, script: script.into(), entries, told })
    }

    /// What was told of boot conversations.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap().clone()
    }

    /// Waits until the entries are as `fit` wants them.
    pub(crate) async fn entries_that(&self, fit: impl Fn(&[Entry]) -> bool) -> Vec<Entry> {
        let wait = async {
            loop {
                let told = self.told.notified();
                let entries = self.entries();
                if fit(&entries) {
                    return entries;
                }
                told.await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("entries: {:?}", self.entries()))
    }
}

#[async_trait]
impl Directory for Fixed {
    async fn boot(&self, _: &Client) -> Option<BootAnswer> {
        Some(self.boot)
    }

    async fn script(&self, _: Mac, _: Option<&str>, _: Ipv4Addr, _: Arch) -> Option<BootScript> {
        self.script.clone()
    }

    fn trace(&self, entry: Entry) {
        self.entries.lock().unwrap().push(entry);
        self.told.notify_waiters();
    }
}

/// A boot server on loopback that ends with the value.
pub(crate) struct Running {
    pub(crate) directory: Arc<Fixed>,
    pub(crate) files: Arc<Files>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) tftp: SocketAddrV4,
    pub(crate) http: SocketAddrV4,
    cancel: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// A network on an interface, as tests use it.
pub(crate) fn network(interface: &str, address: Ipv4Addr, dhcp: bool) -> Network {
    Network {
        name: "lab".to_owned(),
        interface: interface.to_owned(),
        address,
        dhcp: dhcp.then(|| Dhcp {
            mode: Mode::Full,
            identifier: address,
            subnets: vec![Subnet {
                routers: vec![Ipv4Addr::new(10, 77, 0, 254)],
                dns: vec![Ipv4Addr::new(10, 77, 0, 53)],
                ..Subnet::new(Ipv4Addr::from(u32::from(address) & 0xffff_ff00), 24)
            }],
            conflict_probe: false,
            rogue: RoguePolicy::Ignore,
            known_servers: Vec::new(),
        }),
        router_advertisements: true,
    }
}

/// Starts TFTP and HTTP on loopback, with `script` as the answer to every machine.
pub(crate) async fn loopback(script: impl Into<Option<BootScript>>, routes: axum::Router) -> Running {
    let directory = Fixed::new(BootAnswer::Disk, script);
    let files = Arc::new(Files::new());
    let (peers, counters): (Arc<Peers>, Arc<Counters>) = Default::default();
    let config = Config {
        networks: vec![network("lo", Ipv4Addr::LOCALHOST, false)],
        ports: Ports { tftp: 0, http: 0, ..Ports::default() },
        files: Arc::clone(&files),
        peers: Arc::clone(&peers),
        leases: no_leases().await,
        counters: Arc::clone(&counters),
        status: Default::default(),
        routes,
    };
    let shared: Arc<dyn Directory> = directory.clone();
    let server = Server::bind(config, shared).await.unwrap();
    let addresses = server.addresses().remove(0);
    let cancel = CancellationToken::new();
    tokio::spawn(server.run(cancel.clone()));
    Running { directory, files, peers, counters, tftp: addresses.tftp, http: addresses.http, cancel }
}

/// Bytes that differ from block to block.
pub(crate) fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 7 + n / 251) as u8).collect()
}

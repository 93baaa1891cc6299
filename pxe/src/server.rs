//! All sockets of all networks, opened together and run together.

use crate::config::{Config, Dhcp, Network};
use crate::dhcp::{DhcpServer, Parts};
use crate::directory::Directory;
use crate::http::{HttpParts, HttpServer};
use crate::probe::Prober;
use crate::ra::Responder;
use crate::rogue::{Pulse, Rogues};
use crate::status::{NetworkStatus, Status};
use crate::tftp::TftpServer;
use pxe_proto::dhcp::Mode;
use std::io;
use std::net::SocketAddrV4;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

/// Why the boot server could not open its sockets.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A DHCP socket.
    #[error(
        "can't serve DHCP at port {port} on the interface {interface} of the network {network}: \
         does the interface exist, does another DHCP server run there, and is CAP_NET_BIND_SERVICE given?"
    )]
    Dhcp {
        /// The network.
        network: String,
        /// Its interface.
        interface: String,
        /// The port.
        port: u16,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A TFTP or HTTP socket.
    #[error(
        "can't serve {service} at {address} for the network {network}: \
         is the address up on this host, and the port free?"
    )]
    Address {
        /// The network.
        network: String,
        /// `TFTP` or `HTTP`.
        service: &'static str,
        /// The address.
        address: SocketAddrV4,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Where the servers of one network listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// The network.
    pub network: String,
    /// TFTP.
    pub tftp: SocketAddrV4,
    /// Boot HTTP.
    pub http: SocketAddrV4,
}

/// The boot server, its sockets open.
pub struct Server {
    networks: Vec<Bound>,
    status: Arc<Status>,
}

/// One network's sockets.
struct Bound {
    addresses: Addresses,
    dhcp: Option<DhcpServer>,
    prober: Option<Arc<Prober>>,
    rogues: Option<Rogues>,
    responder: Option<Responder>,
    tftp: TftpServer,
    http: HttpServer,
}

impl Server {
    /// Opens all sockets; nothing is answered before [`run`](Self::run). Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The first socket that can't be opened.
    pub async fn bind(config: Config, directory: Arc<dyn Directory>) -> Result<Server, BindError> {
        let mut networks = Vec::with_capacity(config.networks.len());
        for network in &config.networks {
            networks.push(bind_network(network, &config, &directory).await?);
        }
        Ok(Server { networks, status: config.status })
    }

    /// What is known of the networks now. The handle in [`Config`] says the same while the server runs.
    #[must_use]
    pub fn status(&self) -> Vec<NetworkStatus> {
        self.status.networks()
    }

    /// Where it listens, network by network.
    #[must_use]
    pub fn addresses(&self) -> Vec<Addresses> {
        self.networks.iter().map(|network| network.addresses.clone()).collect()
    }

    /// Serves until cancelled; then all sockets are closed.
    pub async fn run(self, cancel: CancellationToken) {
        let mut tasks = JoinSet::new();
        for network in self.networks {
            let Bound { addresses, dhcp, prober, rogues, responder, tftp, http } = network;
            info!(network = addresses.network, tftp = %addresses.tftp, http = %addresses.http,
                dhcp = dhcp.is_some(), "boot server");
            if let Some(dhcp) = dhcp {
                tasks.spawn(dhcp.run(cancel.clone()));
            }
            if let Some(prober) = prober {
                tasks.spawn(prober.run(cancel.clone()));
            }
            if let Some(rogues) = rogues {
                tasks.spawn(rogues.run(cancel.clone()));
            }
            if let Some(responder) = responder {
                tasks.spawn(responder.run(cancel.clone()));
            }
            tasks.spawn(tftp.run(cancel.clone()));
            tasks.spawn(http.run(cancel.clone()));
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                error!(%error, "a part of the boot server failed; the others go on");
            }
        }
    }
}

async fn bind_network(
    network: &Network,
    config: &Config,
    directory: &Arc<dyn Directory>,
) -> Result<Bound, BindError> {
    let ports = config.ports;
    let failed = |service, address| {
        let network = network.name.clone();
        move |source| BindError::Address { network, service, address, source }
    };
    let at = SocketAddrV4::new(network.address, ports.tftp);
    let tftp = TftpServer::bind(at, &network.name, config, Arc::clone(directory)).await;
    let tftp = tftp.map_err(failed("TFTP", at))?;
    let at = SocketAddrV4::new(network.address, ports.http);
    let parts = HttpParts {
        network: network.name.clone(),
        files: Arc::clone(&config.files),
        directory: Arc::clone(directory),
        peers: Arc::clone(&config.peers),
        counters: Arc::clone(&config.counters),
        routes: config.routes.clone(),
    };
    let http = HttpServer::bind(at, parts).await.map_err(failed("HTTP", at))?;
    let mut bound = Bound {
        addresses: Addresses {
            network: network.name.clone(),
            tftp: tftp.local_addr(),
            http: http.local_addr(),
        },
        dhcp: None,
        prober: None,
        rogues: None,
        responder: network.router_advertisements.then(|| responder(network, config)).flatten(),
        tftp,
        http,
    };
    if let Some(dhcp) = &network.dhcp {
        bind_dhcp(network, dhcp, config, directory, &mut bound)?;
    }
    Ok(bound)
}

/// DHCP, and what watches over it.
fn bind_dhcp(
    network: &Network,
    dhcp: &Dhcp,
    config: &Config,
    directory: &Arc<dyn Directory>,
    bound: &mut Bound,
) -> Result<(), BindError> {
    let ports = config.ports;
    let settings = dhcp.settings(network.address, bound.addresses.http.port());
    let pulse = Arc::new(Pulse::default());
    let probes = dhcp.conflict_probe && dhcp.mode != Mode::Proxy;
    let prober = probes.then(|| Arc::new(Prober::bind(network, dhcp, config, Arc::clone(directory))));
    let port_pair = (ports.dhcp_server, ports.dhcp_client);
    let rogues = Rogues::bind(network, dhcp, port_pair, Arc::clone(&pulse), config);
    bound.rogues = rogues.unwrap_or_else(|error| {
        info!(network = network.name, %error, "other DHCP servers are not looked for here");
        None
    });
    let parts = Parts { prober: prober.clone(), pulse };
    let server = DhcpServer::bind(network, config, settings, Arc::clone(directory), parts);
    bound.prober = prober;
    bound.dhcp = Some(server.map_err(|source| BindError::Dhcp {
        network: network.name.clone(),
        interface: network.interface.clone(),
        port: ports.dhcp_server,
        source,
    })?);
    Ok(())
}

/// The answer to router solicitations, if the system allows it.
fn responder(network: &Network, config: &Config) -> Option<Responder> {
    Responder::bind(&network.name, &network.interface, Arc::clone(&config.counters))
        .inspect_err(|error| {
            info!(network = network.name, %error,
                "router solicitations stay unanswered here: each start of iPXE takes some seconds longer");
        })
        .ok()
}

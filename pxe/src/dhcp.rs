//! DHCP on one network: datagrams in, the directory asked, replies out.
//!
//! Each datagram is handled in a task of its own, so that neither a slow directory nor a panic stops the rest.

mod link;
mod socket;

use crate::config::{Network, Ports};
use crate::directory::{BootAnswer, Client, Directory, Fact};
use link::Link;
use pxe_proto::dhcp::{
    Answer, Arrival, Ask, Destination, Kind, Reply, Request, Settings, Silence, Verdict, ask, decide, parse,
    route,
};
use pxe_proto::frame::udp_packet;
use socket::Socket;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// Most datagrams of one network that are handled at once; more are dropped, clients ask again.
const MAX_IN_WORK: usize = 256;
/// Pause after the socket failed, such as when the interface is down.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);

/// The DHCP server of one network.
pub(crate) struct DhcpServer {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    settings: Settings,
    ports: Ports,
    socket: Socket,
    /// The socket for replies to clients without an address; without it they are broadcast.
    link: Option<Link>,
    directory: Arc<dyn Directory>,
}

impl DhcpServer {
    /// Opens the sockets of a network.
    pub(crate) fn bind(
        network: &Network,
        ports: Ports,
        settings: Settings,
        directory: Arc<dyn Directory>,
    ) -> io::Result<Self> {
        let socket = Socket::bind(&network.interface, ports.dhcp_server)?;
        let link = Link::open(&network.interface)
            .inspect_err(|error| {
                info!(network = network.name, %error, "no packet socket: DHCP replies are broadcast");
            })
            .ok();
        let inner = Inner { name: network.name.clone(), settings, ports, socket, link, directory };
        Ok(DhcpServer { inner: Arc::new(inner) })
    }

    /// Answers until cancelled.
    pub(crate) async fn run(self, cancel: CancellationToken) {
        let mut work = JoinSet::new();
        let mut buffer = vec![0; 2048];
        loop {
            let received = tokio::select! {
                () = cancel.cancelled() => break,
                Some(done) = work.join_next() => {
                    if let Err(error) = done {
                        warn!(network = self.inner.name, %error, "a DHCP datagram made its handler fail");
                    }
                    continue;
                }
                received = self.inner.socket.receive(&mut buffer) => received,
            };
            match received {
                Ok((length, arrival)) if work.len() < MAX_IN_WORK => {
                    let datagram = buffer[..length].to_vec();
                    let inner = Arc::clone(&self.inner);
                    work.spawn(async move { inner.handle(&datagram, arrival).await });
                }
                Ok(_) => debug!(network = self.inner.name, "too many DHCP datagrams at once: dropped one"),
                Err(error) => {
                    warn!(network = self.inner.name, %error, "the DHCP socket failed");
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                }
            }
        }
        work.shutdown().await;
    }
}

impl Inner {
    async fn handle(&self, datagram: &[u8], arrival: Arrival) {
        let request = match parse(datagram, &arrival) {
            Ok(request) => request,
            Err(reason) => {
                debug!(network = self.name, from = %arrival.source, %reason, "ignored a DHCP datagram");
                return;
            }
        };
        let client = self.client(&request);
        let verdict = match ask(&request, &self.settings) {
            Ok(question) => {
                let answer = self.look_up(&client, question).await;
                decide(&request, &answer, &self.settings)
            }
            Err(silence) => Verdict::Silent(silence),
        };
        let (address, boot) = match &verdict {
            Verdict::Reply(reply) => {
                self.send(&request, reply).await;
                (reply.address, reply.boot)
            }
            Verdict::Silent(silence) => {
                self.explain(&request, *silence);
                (None, BootAnswer::Disk)
            }
        };
        self.directory.observe(Fact::Dhcp { client, message: request.kind.name(), address, boot });
    }

    fn client(&self, request: &Request) -> Client {
        let requested = match request.kind {
            Kind::Select { address, .. } | Kind::Reboot { address } | Kind::Decline { address } => {
                Some(address)
            }
            Kind::Renew | Kind::Rebind | Kind::Inform | Kind::Release => Some(request.ciaddr),
            Kind::Discover => request.requested,
        };
        Client {
            mac: request.mac,
            uuid: request.uuid,
            firmware: request.firmware,
            network: self.name.clone(),
            requested,
        }
    }

    /// Does what [`ask`] says, and brings what [`decide`] needs.
    async fn look_up(&self, client: &Client, question: Ask) -> Answer {
        let disk = Answer { address: None, boot: BootAnswer::Disk };
        match question {
            Ask::Lease { offer } => {
                let boot = self.boot(client).await;
                Answer { address: self.directory.lease(client, offer).await, boot }
            }
            Ask::BootOnly => Answer { address: None, boot: self.boot(client).await },
            Ask::Release => {
                self.directory.release(client).await;
                disk
            }
            Ask::Decline(address) => {
                warn!(network = self.name, %address, "a client found its address in use by another host");
                self.directory.decline(client, address).await;
                disk
            }
        }
    }

    /// Only firmware boots: an operating system's question opens nothing.
    async fn boot(&self, client: &Client) -> BootAnswer {
        if client.firmware.is_none() { BootAnswer::Disk } else { self.directory.boot(client).await }
    }

    fn explain(&self, request: &Request, silence: Silence) {
        let (message, network) = (request.kind.name(), &self.name);
        match silence {
            // Another relay or no address left is an operator's business; the rest is everyday traffic.
            Silence::UndeclaredRelay { .. } | Silence::NoAddress => {
                warn!(network, mac = ?request.mac, message, %silence, "kept silent to a DHCP client");
            }
            _ => debug!(network, mac = ?request.mac, message, %silence, "kept silent to a DHCP client"),
        }
    }

    async fn send(&self, request: &Request, reply: &Reply) {
        let destination = route(request, reply);
        debug!(network = self.name, mac = ?request.mac, message = request.kind.name(), kind = ?reply.kind,
            address = ?reply.address, boot = ?reply.boot, ?destination, "DHCP reply");
        let server_port = self.ports.dhcp_server;
        let client_port = self.ports.dhcp_client;
        let sent = match destination {
            Destination::Relay(address) => self.send_to(address, server_port, reply).await,
            Destination::Client(address) => self.send_to(address, client_port, reply).await,
            Destination::Broadcast => self.send_to(Ipv4Addr::BROADCAST, client_port, reply).await,
            Destination::Hardware { address, mac } => {
                let source = SocketAddrV4::new(self.settings.server, server_port);
                let packet = udp_packet(source, SocketAddrV4::new(address, client_port), &reply.datagram);
                match (&self.link, packet) {
                    (Some(link), Some(packet)) => link.send(mac, &packet),
                    _ => self.send_to(Ipv4Addr::BROADCAST, client_port, reply).await,
                }
            }
        };
        if let Err(error) = sent {
            warn!(network = self.name, mac = ?request.mac, ?destination, %error, "could not send a DHCP reply");
        }
    }

    async fn send_to(&self, address: Ipv4Addr, port: u16, reply: &Reply) -> io::Result<()> {
        let destination = SocketAddrV4::new(address, port);
        self.socket.send(&reply.datagram, self.settings.server, destination).await
    }
}

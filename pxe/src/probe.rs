//! Is an address that was just offered in use already? Asked while the client makes up its mind; nobody waits for it.
//!
//! On the link by ARP (RFC 5227), behind relays by ICMP echo. Where another host answers, the lease engine is told:
//! it refuses the REQUEST and keeps the address out of use.

use crate::clock::unix_millis;
use crate::config::{Config, Dhcp, Network};
use crate::counters::Counters;
use crate::dhcp::{ARP, ARP_REPLIES, ECHO_REPLIES, EVERYBODY, Listener, hardware_address, registered};
use crate::directory::{Directory, Mac};
use crate::leases::Leases;
use crate::rate::{Bucket, Generations};
use pxe_proto::trace::{Entry, What};
use pxe_proto::{MacText, arp, icmp};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// Probes of a network that may be sent at once: a rack.
const BURST: u32 = 1000;
/// Probes of a network that may be sent each second in the long run; above that, addresses are offered unprobed.
const REFILL: u32 = 500;
/// Most addresses whose answers are waited for.
const MOST: usize = 8192;
/// For how long an address is not asked about again for the same client, in milliseconds.
const SETTLED: u64 = 10 * 60_000;
/// How long an answer is an answer to our question, in milliseconds; later, hosts answer other hosts' questions.
const ANSWERS: u64 = 5_000;
/// Pause after a socket failed.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);
/// The hardware address that is told of a host that is known by its address only.
const UNKNOWN: Mac = [0; 6];

/// The probes of one network.
pub(crate) struct Prober {
    network: String,
    arp: Option<(Listener, Mac)>,
    echo: Option<(AsyncFd<Socket>, u16)>,
    waiting: Mutex<Waiting>,
    leases: Leases,
    directory: Arc<dyn Directory>,
    counters: Arc<Counters>,
}

struct Waiting {
    asked: Generations<Ipv4Addr, Asked>,
    budget: Bucket,
    sequence: u16,
}

/// An address that was asked about.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// For whom.
    mac: Mac,
    /// When, in milliseconds since 1970.
    at: u64,
}

impl Prober {
    /// Opens the sockets. What the system doesn't allow is done without.
    pub(crate) fn bind(
        network: &Network,
        dhcp: &Dhcp,
        config: &Config,
        directory: Arc<dyn Directory>,
    ) -> Prober {
        let told = |error: &io::Error| {
            info!(network = network.name, %error, "offered addresses are not probed here");
        };
        let link = || {
            let mac = hardware_address(&network.interface)?;
            Ok((Listener::open(&network.interface, ARP, ARP_REPLIES)?, mac))
        };
        // It only has to differ from that of other programs that send echoes.
        let identifier = std::process::id() as u16 ^ 0xb111;
        let echo = || Ok((echo_socket()?, identifier));
        let now = unix_millis();
        Prober {
            network: network.name.clone(),
            arp: link().inspect_err(told).ok(),
            // The first subnet is the link itself.
            echo: (dhcp.subnets.len() > 1).then(|| echo().inspect_err(told).ok()).flatten(),
            waiting: Mutex::new(Waiting {
                asked: Generations::new(MOST),
                budget: Bucket::full(BURST, now),
                sequence: 0,
            }),
            leases: config.leases.clone(),
            directory,
            counters: Arc::clone(&config.counters),
        }
    }

    /// Asks whether an address that is offered to a client is in use, unless that was asked lately, or there is too
    /// much to ask. Never waits.
    pub(crate) fn ask(&self, address: Ipv4Addr, mac: Mac, on_link: bool, now: u64) {
        let sequence = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let settled = |asked: &mut Asked| asked.mac == mac && now.saturating_sub(asked.at) < SETTLED;
            if waiting.asked.get(&address).is_some_and(settled) || !waiting.budget.take(BURST, REFILL, now) {
                return;
            }
            waiting.asked.insert(address, Asked { mac, at: now });
            waiting.sequence = waiting.sequence.wrapping_add(1);
            waiting.sequence
        };
        let sent = match (on_link, &self.arp, &self.echo) {
            (true, Some((listener, own)), _) => listener.send(EVERYBODY, &arp::probe(*own, address)),
            (false, _, Some((socket, identifier))) => {
                let to = SocketAddrV4::new(address, 0).into();
                socket.get_ref().send_to(&icmp::echo(*identifier, sequence), &to).map(|_| ())
            }
            _ => Ok(()),
        };
        if let Err(error) = sent {
            debug!(network = self.network, %address, %error, "could not probe an address");
        }
    }

    /// Listens for answers until cancelled.
    pub(crate) async fn run(self: Arc<Self>, cancel: CancellationToken) {
        let listen = async { tokio::join!(self.hear_arp(), self.hear_echo()) };
        tokio::select! {
            () = cancel.cancelled() => {}
            _ = listen => {}
        }
    }

    async fn hear_arp(&self) {
        let Some((listener, own)) = &self.arp else { return };
        let mut buffer = [0; 128];
        loop {
            match listener.receive(&mut buffer).await {
                Ok((length, _)) => {
                    if let Some((address, mac)) = arp::answer(&buffer[..length.min(buffer.len())])
                        && mac != *own
                    {
                        self.answered(address, Some(mac));
                    }
                }
                Err(error) => self.failed(&error).await,
            }
        }
    }

    async fn hear_echo(&self) {
        let Some((socket, identifier)) = &self.echo else { return };
        let mut buffer = [0; 256];
        loop {
            let received = socket.async_io(Interest::READABLE, |mut socket| socket.read(&mut buffer)).await;
            match received {
                Ok(length) => {
                    if let Some(address) = icmp::replied(&buffer[..length], *identifier) {
                        self.answered(address, None);
                    }
                }
                Err(error) => self.failed(&error).await,
            }
        }
    }

    async fn failed(&self, error: &io::Error) {
        warn!(network = self.network, %error, "the socket for answers to probes failed");
        tokio::time::sleep(PAUSE_AFTER_ERROR).await;
    }

    /// A host answered at an address.
    fn answered(&self, address: Ipv4Addr, found: Option<Mac>) {
        let now = unix_millis();
        let asked = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            // The client itself may have it still, from before.
            match waiting.asked.get(&address) {
                Some(asked) if Some(asked.mac) != found && now.saturating_sub(asked.at) <= ANSWERS => {
                    waiting.asked.remove(&address)
                }
                _ => None,
            }
        };
        let Some(asked) = asked else { return };
        warn!(network = self.network, %address, offered_to = %MacText(asked.mac), used_by = found.map(|mac| MacText(mac).to_string()),
            "an address that was offered is in use by another host: it is kept out of use");
        self.leases.conflict(&self.network, address, found.unwrap_or(UNKNOWN));
        self.counters.conflict(&self.network);
        self.directory.trace(Entry {
            at: now,
            mac: asked.mac,
            network: self.network.clone(),
            what: What::Conflict { address, with: found },
        });
    }
}

/// A raw socket for echo requests that hears echo replies only.
fn echo_socket() -> io::Result<AsyncFd<Socket>> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
    socket.set_nonblocking(true)?;
    socket.attach_filter(ECHO_REPLIES)?;
    registered(socket)
}

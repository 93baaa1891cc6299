//! One message of a client: asked, looked up, decided, and its reply put into the outbox.
//!
//! An operating system's message is answered from memory at once. Firmware's waits for the directory's word on
//! whether it may boot; a lease's ACK, until the lease is stored.

use super::outbox::{Outbox, Outgoing};
use super::tell::{Teller, Unanswered};
use crate::config::Ports;
use crate::directory::{BootAnswer, Client, Directory, Mac};
use crate::leases::{Ask as LeaseAsk, Keep, Leases, RelayInfo};
use crate::peers::Peers;
use crate::probe::Prober;
use crate::rogue::Pulse;
use crate::status::Status;
use pxe_proto::MacText;
use pxe_proto::dhcp::{
    Address, Answer, Ask, Destination, Kind, Mode, Reply, ReplyKind, Request, Service, Settings, Silence,
    Verdict, ask, decide, route,
};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tracing::{debug, warn};

/// Least time between two warnings of the same kind, in milliseconds.
const WARN_EVERY: u64 = 60_000;
/// How long the directory may think about what a client may boot; then the client asks again.
const BOOT_PATIENCE: Duration = Duration::from_secs(3);

/// When each warning about what strangers sent was told last, in milliseconds since 1970: they must not fill the log.
#[derive(Debug, Default)]
pub(super) struct Told {
    full: AtomicU64,
    decline: AtomicU64,
    relay: AtomicU64,
}

impl Told {
    /// Whether it is time to tell it again; then it counts as told.
    fn again(last: &AtomicU64, now: u64) -> bool {
        let due = now.saturating_sub(last.load(Ordering::Relaxed)) >= WARN_EVERY;
        if due {
            last.store(now, Ordering::Relaxed);
        }
        due
    }
}

/// What a network's messages are handled with.
pub(super) struct Handler {
    pub(super) name: String,
    pub(super) settings: Settings,
    pub(super) ports: Ports,
    pub(super) leases: Leases,
    pub(super) directory: Arc<dyn Directory>,
    pub(super) teller: Arc<Teller>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) peers: Arc<Peers>,
    pub(super) status: Arc<Status>,
    pub(super) prober: Option<Arc<Prober>>,
    pub(super) pulse: Arc<Pulse>,
    /// Our own probe for other servers: it gets no address.
    pub(super) probe_mac: Mac,
    /// When what came of strangers was last told in the log.
    pub(super) told: Told,
}

/// A message, and the port that its reply goes to when that is not the usual one.
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) port: u16,
}

impl Handler {
    /// Handles a message as far as that goes without waiting. What is returned needs the directory's word on whether
    /// the client may boot: it goes to [`handle_boot`](Self::handle_boot). `now` is in milliseconds since 1970.
    pub(super) fn handle(&self, asked: Asked, now: u64) -> Option<(Asked, Ask)> {
        let request = &asked.request;
        if request.mac == self.probe_mac {
            return None;
        }
        if request.is_firmware() {
            self.pulse.boot_client(now);
        }
        // Who has a lease of ours keeps it, and may give it back: only newcomers are left to the other server.
        let ours = matches!(request.kind, Kind::Renew | Kind::Release | Kind::Decline { .. });
        if self.pulse.is_silent() && request.relay().is_none() && !ours {
            self.teller.unanswered(request, Unanswered::Rogue);
            return None;
        }
        match ask(request, &self.settings) {
            Err(silence) => self.silent(request, silence, now),
            Ok(question) if waits_for_boot(request, question) => return Some((asked, question)),
            Ok(question) => self.answer(&asked, question, BootAnswer::Disk, now),
        }
        None
    }

    /// Handles firmware's message: the one place that waits, for the directory.
    pub(super) async fn handle_boot(&self, asked: Asked, question: Ask, now: u64) {
        let client = self.client(&asked.request);
        match tokio::time::timeout(BOOT_PATIENCE, self.directory.boot(&client)).await {
            Ok(Some(boot)) => self.answer(&asked, question, boot, now),
            // Sent to its disk, it would not ask again.
            Ok(None) | Err(_) => self.teller.unanswered(&asked.request, Unanswered::Busy),
        }
        self.outbox.wake();
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

    /// Does what [`ask`] says, and answers.
    fn answer(&self, asked: &Asked, question: Ask, boot: BootAnswer, now: u64) {
        let request = &asked.request;
        let address = match question {
            Ask::Offer { subnet, seconds } => self.offer(request, subnet, seconds, now),
            Ask::Keep { subnet, address, seconds } => {
                match self.keep(asked, (subnet, seconds), address, boot) {
                    Ok(address) => address,
                    Err(Some(why)) => return self.teller.unanswered(request, why),
                    // It is told when it is stored.
                    Err(None) => return,
                }
            }
            Ask::Release(address) => {
                self.leases.release(&self.name, request.mac, address);
                Address::Unknown
            }
            Ask::Withdraw => {
                self.leases.elsewhere(&self.name, request.mac, request.requested);
                Address::Unknown
            }
            Ask::Decline(address) => {
                if Told::again(&self.told.decline, now) {
                    warn!(network = self.name, mac = %MacText(request.mac), %address,
                        "a client says that another host uses its address");
                }
                self.leases.decline(&self.name, request.mac, address);
                Address::Unknown
            }
            Ask::Refuse | Ask::BootOnly => Address::Unknown,
        };
        match decide(request, &Answer { address, boot }, &self.settings) {
            Verdict::Reply(reply) => self.reply(asked, reply),
            Verdict::Silent(silence) => self.silent(request, silence, now),
        }
    }

    fn offer(&self, request: &Request, subnet: usize, seconds: u32, now: u64) -> Address {
        let ask = self.lease_ask(request, subnet, seconds);
        // Behind a relay the client itself might answer an echo at the address that it had.
        let had =
            (self.prober.is_some() && subnet != 0).then(|| self.leases.address_of(request.mac)).flatten();
        let Some(address) = self.leases.offer(&self.name, &ask) else { return Address::Refused };
        if let Some(prober) = &self.prober
            && had != Some(address)
        {
            prober.ask(address, request.mac, self.settings.link().contains(address), now);
        }
        Address::Given(address)
    }

    /// Whether the client has the address. `Err(None)`: it will have, when that is stored; the reply follows then.
    fn keep(
        &self,
        asked: &Asked,
        (subnet, seconds): (usize, u32),
        address: Ipv4Addr,
        boot: BootAnswer,
    ) -> Result<Address, Option<Unanswered>> {
        let request = &asked.request;
        let given = Answer { address: Address::Given(address), boot };
        let reply = match decide(request, &given, &self.settings) {
            Verdict::Reply(reply) if reply.kind == ReplyKind::Ack => reply,
            Verdict::Reply(_) => return Ok(Address::Refused),
            Verdict::Silent(silence) => return Err(Some(silence.into())),
        };
        let done = self.when_stored(asked, reply);
        match self.leases.keep(&self.name, &self.lease_ask(request, subnet, seconds), address, done) {
            Keep::Now => Ok(Address::Given(address)),
            Keep::Later => Err(None),
            Keep::Refused => Ok(Address::Refused),
            Keep::Unknown => Ok(Address::Unknown),
            Keep::Busy => Err(Some(Unanswered::Busy)),
        }
    }

    /// What is done when the lease is stored, or could not be.
    fn when_stored(&self, asked: &Asked, reply: Reply) -> Box<dyn FnOnce(bool) + Send> {
        let request = asked.request.clone();
        let (teller, outbox, peers) =
            (Arc::clone(&self.teller), Arc::clone(&self.outbox), Arc::clone(&self.peers));
        let to = self.destination(asked, &reply);
        Box::new(move |stored| {
            if !stored {
                return teller.unanswered(&request, Unanswered::NotStored);
            }
            if let Some(address) = reply.address {
                peers.learn(address, request.mac);
            }
            teller.answered(&request, &reply);
            outbox.push(outgoing(to, request.service, reply));
            outbox.wake();
        })
    }

    fn lease_ask(&self, request: &Request, subnet: usize, seconds: u32) -> LeaseAsk {
        let relay = (request.relay().is_some() || request.relay_information().is_some()).then(|| RelayInfo {
            address: request.relay(),
            circuit_id: request.circuit().map(<[u8]>::to_vec),
            remote_id: request.remote().map(<[u8]>::to_vec),
        });
        LeaseAsk {
            mac: request.mac,
            client_id: request.client_identifier().map(<[u8]>::to_vec),
            subnet,
            requested: request.requested,
            seconds,
            relay,
            hostname: request.host_name().map(str::to_owned),
            firmware: request.is_firmware(),
            reserved_only: self.settings.mode == Mode::ReservedOnly,
        }
    }

    fn reply(&self, asked: &Asked, reply: Reply) {
        let to = self.destination(asked, &reply);
        debug!(network = self.name, mac = %MacText(asked.request.mac), message = asked.request.kind.name(),
            kind = ?reply.kind, address = ?reply.address, boot = ?reply.boot, to = ?to, "DHCP reply");
        if reply.kind == ReplyKind::Ack
            && let Some(address) = reply.address
        {
            self.peers.learn(address, asked.request.mac);
        }
        self.teller.answered(&asked.request, &reply);
        self.outbox.push(outgoing(to, asked.request.service, reply));
    }

    /// Where a reply goes, and the hardware address if ARP would not find it.
    fn destination(&self, asked: &Asked, reply: &Reply) -> (SocketAddrV4, Option<Mac>) {
        let client = self.ports.dhcp_client;
        match route(&asked.request, reply) {
            Destination::Relay(address) => (SocketAddrV4::new(address, self.ports.dhcp_server), None),
            Destination::Client(address) => (SocketAddrV4::new(address, client), None),
            Destination::Back(address) => (SocketAddrV4::new(address, asked.port), None),
            Destination::Broadcast => (SocketAddrV4::new(Ipv4Addr::BROADCAST, client), None),
            Destination::Hardware { address, mac } => (SocketAddrV4::new(address, client), Some(mac)),
        }
    }

    fn silent(&self, request: &Request, silence: Silence, now: u64) {
        let (network, mac, message) = (&self.name, MacText(request.mac), request.kind.name());
        match silence {
            Silence::UndeclaredRelay { relay } => {
                let new = self.status.undeclared_relay(network, relay, now);
                if new && Told::again(&self.told.relay, now) {
                    warn!(network, %relay, "a DHCP relay that no subnet is declared for: it is not answered");
                }
            }
            Silence::NoAddress => {
                if Told::again(&self.told.full, now) {
                    warn!(network, %mac, message, "there is no free address for a DHCP client");
                }
            }
            _ => debug!(network, %mac, message, %silence, "kept silent to a DHCP client"),
        }
        self.teller.unanswered(request, silence.into());
    }
}

/// Whether the directory has to say first if the client may boot. An operating system's question opens nothing, and
/// neither does giving an address back.
fn waits_for_boot(request: &Request, question: Ask) -> bool {
    request.firmware.is_some() && matches!(question, Ask::Offer { .. } | Ask::Keep { .. } | Ask::BootOnly)
}

fn outgoing((to, mac): (SocketAddrV4, Option<Mac>), service: Service, reply: Reply) -> Outgoing {
    Outgoing { service, to, mac, bytes: reply.datagram }
}

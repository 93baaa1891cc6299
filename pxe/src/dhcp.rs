//! DHCP on one network: datagrams in, replies out, many at a time.
//!
//! One thread receives, answers from memory and sends. Only firmware's messages get a task, since the directory has to
//! say what they may boot. No datagram stops the loop, whatever it makes its handler do.

mod handle;
mod link;
mod outbox;
mod socket;
mod tell;
mod wake;

use crate::clock::{Clock, unix_millis};
use crate::config::{Config, Network};
use crate::directory::Directory;
use crate::probe::Prober;
use crate::rate::{Excess, Limits};
use crate::rogue::Pulse;
use handle::{Asked, Handler, Told};
use outbox::{Outbox, Ways};
use pxe_proto::dhcp::{Arrival, Mode, Service, Settings, parse};
use pxe_proto::rogue::probe_mac;
use socket::{BATCH, Inbox, Socket};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tell::{Teller, Unanswered};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};
use wake::Sleeper;

pub(crate) use link::{
    ARP, ARP_REPLIES, ECHO_REPLIES, EVERYBODY, IPV4, Link, Listener, SERVER_TO_CLIENT, hardware_address,
    registered,
};

/// Most messages of firmware that are in work at once; more are dropped, clients ask again.
const MAX_IN_WORK: usize = 4096;
/// Most full batches that are taken in at a time.
const ROUNDS: usize = 8;
/// Pause after the socket failed, such as when the interface is down.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);
/// Two wake-ups within this time mean load ...
const LOAD: Duration = Duration::from_millis(6);
/// ... and then messages are left to gather for this long: a wake-up costs more than an answer.
const GATHER: Duration = Duration::from_millis(4);
/// Replies that leave in one turn. A relay's buffer holds some 250 datagrams, and it has to take in others, too.
const REPLIES: usize = 80;
/// Messages of one turn that mean that whoever sends them has no time to listen ...
const FLOOD: usize = 128;
/// ... so that only this many replies leave meanwhile.
const REPLIES_IN_FLOOD: usize = 32;
/// Of what waits, at least one part of so many leaves in a turn.
const BACKLOG: usize = 64;

/// The DHCP server of one network.
pub(crate) struct DhcpServer {
    handler: Arc<Handler>,
    ways: Ways,
    sleeper: Sleeper,
}

/// What is shared with the other parts of a network.
pub(crate) struct Parts {
    /// Asks whether offered addresses are in use.
    pub(crate) prober: Option<Arc<Prober>>,
    /// What the watch for other servers says.
    pub(crate) pulse: Arc<Pulse>,
}

impl DhcpServer {
    /// Opens the sockets of a network.
    pub(crate) fn bind(
        network: &Network,
        config: &Config,
        settings: Settings,
        directory: Arc<dyn Directory>,
        parts: Parts,
    ) -> io::Result<Self> {
        let ports = config.ports;
        let server = Socket::bind(&network.interface, ports.dhcp_server, Service::Dhcp)?;
        let boot = Socket::bind(&network.interface, ports.proxy_dhcp, Service::BootServer);
        let boot = match boot {
            Ok(boot) => Some(boot),
            // Where we give the addresses, firmware learns from the same reply what to boot.
            Err(error) if settings.mode != Mode::Proxy => {
                info!(network = network.name, port = ports.proxy_dhcp, %error, "no proxyDHCP port");
                None
            }
            Err(error) => return Err(error),
        };
        let link = Link::open(&network.interface)
            .inspect_err(|error| {
                info!(network = network.name, %error, "no packet socket: DHCP replies are broadcast");
            })
            .ok();
        let (source, port) = (settings.server, ports.dhcp_server);
        let told_ports = (ports.dhcp_server, ports.proxy_dhcp);
        let counters = Arc::clone(&config.counters);
        let (waker, sleeper) = wake::pair()?;
        let handler = Handler {
            name: network.name.clone(),
            probe_mac: probe_mac(&network.name, settings.identifier),
            settings,
            ports,
            leases: config.leases.clone(),
            teller: Arc::new(Teller::new(network, told_ports, Arc::clone(&directory), counters)),
            directory,
            outbox: Arc::new(Outbox::new(waker)),
            peers: Arc::clone(&config.peers),
            status: Arc::clone(&config.status),
            prober: parts.prober,
            pulse: parts.pulse,
            told: Told::default(),
        };
        let ways = Ways { server, boot, link, source, port };
        Ok(DhcpServer { handler: Arc::new(handler), ways, sleeper })
    }

    /// Answers until cancelled, on a thread of its own. Firmware's messages are handled on this runtime.
    pub(crate) async fn run(self, cancel: CancellationToken) {
        let (name, runtime) = (self.handler.name.clone(), Handle::current());
        let outbox = Arc::clone(&self.handler.outbox);
        let stop = cancel.clone();
        let (ended, end) = tokio::sync::oneshot::channel();
        let thread = std::thread::Builder::new().name("dhcp".to_owned()).spawn(move || {
            self.serve(runtime, &stop);
            // Nobody listens any more when the whole service ends at once.
            let _ = ended.send(());
        });
        if let Err(error) = thread {
            return error!(network = name, %error, "can't start the thread that answers DHCP");
        }
        let mut end = end;
        tokio::select! {
            _ = &mut end => error!(network = name, "DHCP is not answered any more"),
            () = cancel.cancelled() => {
                outbox.wake();
                let _ = end.await;
            }
        }
    }

    /// The loop.
    fn serve(mut self, runtime: Handle, cancel: &CancellationToken) {
        let mut desk = Desk {
            handler: Arc::clone(&self.handler),
            runtime,
            work: JoinSet::new(),
            limits: Limits::new(),
            clock: Clock::start(),
        };
        let mut inbox = Inbox::new();
        let mut last = Duration::ZERO;
        while !cancel.is_cancelled() {
            let slept = self.sleep(cancel);
            desk.reap();
            let received = slept.and_then(|ready| self.receive(ready, &mut inbox, &mut desk));
            self.flush(*received.as_ref().unwrap_or(&0));
            let now = desk.clock.now();
            let busy = now.saturating_sub(last) < LOAD;
            match received {
                Ok(count) if count > 0 || self.handler.outbox.len() > 0 => {
                    last = now;
                    if busy {
                        std::thread::sleep(GATHER);
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    warn!(network = self.handler.name, %error, "the DHCP socket failed");
                    std::thread::sleep(PAUSE_AFTER_ERROR);
                }
            }
        }
    }

    /// Waits for work. Which sockets may have some, one bit for each.
    fn sleep(&mut self, cancel: &CancellationToken) -> io::Result<u32> {
        let sockets: Vec<_> = self.ways.sockets().map(Socket::fd).collect();
        let outbox = &self.handler.outbox;
        self.sleeper.sleep(&sockets, || outbox.len() > 0 || cancel.is_cancelled())
    }

    /// Takes in what is there. How many datagrams that were.
    fn receive(&self, ready: u32, inbox: &mut Inbox, desk: &mut Desk) -> io::Result<usize> {
        let mut count = 0;
        let sockets = self.ways.sockets().enumerate();
        for (_, socket) in sockets.filter(|(place, _)| ready & (1 << place) != 0) {
            for _ in 0..ROUNDS {
                let received =
                    socket.receive(inbox, |datagram, arrival, port| desk.take(datagram, arrival, port))?;
                count += received;
                if received < BATCH {
                    break;
                }
            }
        }
        Ok(count)
    }

    /// Sends what waits, but not all of it at once: what its receiver has no room for would be lost, and asked for again
    /// seconds later.
    fn flush(&self, received: usize) {
        let least = if received > FLOOD { REPLIES_IN_FLOOD } else { REPLIES };
        let most = least.max(self.handler.outbox.len() / BACKLOG);
        self.ways.flush(&self.handler.outbox, most, |to, error| {
            warn!(network = self.handler.name, %to, %error, "could not send a DHCP reply");
        });
    }
}

/// Where a network's datagrams are looked at, one after the other.
struct Desk {
    handler: Arc<Handler>,
    runtime: Handle,
    work: JoinSet<()>,
    limits: Limits,
    clock: Clock,
}

impl Desk {
    /// Handles a datagram. A panic ends with it.
    fn take(&mut self, datagram: &[u8], arrival: &Arrival, port: u16) {
        // Nothing is left half done that matters: a reply that isn't sent is asked for again.
        if catch_unwind(AssertUnwindSafe(|| self.look(datagram, arrival, port))).is_err() {
            error!(network = self.handler.name, from = %arrival.source, "a DHCP datagram made its handler fail");
            self.handler.teller.dropped("panic");
        }
    }

    fn look(&mut self, datagram: &[u8], arrival: &Arrival, port: u16) {
        let handler = &self.handler;
        let request = match parse(datagram, arrival) {
            Ok(request) => request,
            Err(reason) => {
                debug!(network = handler.name, from = %arrival.source, %reason, "ignored a DHCP datagram");
                return handler.teller.dropped(reason.reason());
            }
        };
        let elapsed = u64::try_from(self.clock.now().as_millis()).unwrap_or(u64::MAX);
        match self.limits.admit(request.mac, elapsed) {
            Ok(()) => {}
            Err(Excess::Client { first: true }) => {
                return handler.teller.unanswered(&request, Unanswered::TooMuch);
            }
            Err(Excess::Client { first: false }) => return handler.teller.dropped("client_rate"),
            Err(Excess::NewClients) => return handler.teller.dropped("new_clients"),
        }
        let now = unix_millis();
        if let Some((asked, question)) = handler.handle(Asked { request, port }, now) {
            if self.work.len() >= MAX_IN_WORK {
                return handler.teller.unanswered(&asked.request, Unanswered::Busy);
            }
            let handler = Arc::clone(handler);
            let work = async move { handler.handle_boot(asked, question, now).await };
            self.work.spawn_on(work, &self.runtime);
        }
    }

    /// Looks after the tasks that are done.
    fn reap(&mut self) {
        while let Some(done) = self.work.try_join_next() {
            if let Err(error) = done {
                error!(network = self.handler.name, %error, "a DHCP message of firmware made its handler fail");
                self.handler.teller.dropped("panic");
            }
        }
    }
}

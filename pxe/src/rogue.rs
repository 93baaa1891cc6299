//! The watch for other DHCP servers on one network (requirement R-47): it listens to what servers tell clients, and
//! asks by a DISCOVER of its own every few seconds.
//!
//! What was heard is shown in [`Status`]; whether we keep silent because of it, in the network's [`Pulse`].

use crate::clock::unix_millis;
use crate::config::{Config, Dhcp, Network, RoguePolicy};
use crate::counters::Counters;
use crate::dhcp::{EVERYBODY, IPV4, Listener, SERVER_TO_CLIENT};
use crate::directory::Mac;
use crate::status::{OtherServer, Status};
use pxe_proto::MacText;
use pxe_proto::dhcp::Mode;
use pxe_proto::frame::udp_packet;
use pxe_proto::rogue::{Server, Watch, discover, hear, probe_mac};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

/// How often another server is asked for. Some look for two seconds whether an address is free before they offer it.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// How often it is asked for beside a proxy, where there has to be one, and while machines boot.
const ASK_BESIDE_PROXY: u64 = 20_000;
/// How long machines may boot beside a proxy without hearing of a server that gives addresses, in milliseconds.
const PROXY_PATIENCE: u64 = 60_000;
/// Without firmware for so long, nobody boots, in milliseconds.
const BOOTING: u64 = 5 * 60_000;
/// Pause after the socket failed.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);

/// What the watch and the answering side of a network tell each other.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    silent: AtomicBool,
    /// When firmware asked first in this run of machines that boot, and when last; milliseconds since 1970.
    first_boot: AtomicU64,
    last_boot: AtomicU64,
}

impl Pulse {
    /// Whether nobody on the link is answered, since another server is there.
    pub(crate) fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// Firmware asked.
    pub(crate) fn boot_client(&self, now: u64) {
        let last = self.last_boot.swap(now, Ordering::Relaxed);
        if now.saturating_sub(last) >= BOOTING {
            self.first_boot.store(now, Ordering::Relaxed);
        }
    }

    /// For how long machines have been booting, in milliseconds.
    fn booting(&self, now: u64) -> Option<u64> {
        let recent = now.saturating_sub(self.last_boot.load(Ordering::Relaxed)) < BOOTING;
        recent.then(|| now.saturating_sub(self.first_boot.load(Ordering::Relaxed)))
    }
}

/// The watch over one network.
pub(crate) struct Rogues {
    network: String,
    listener: Listener,
    mac: Mac,
    ports: (u16, u16),
    watch: Watch,
    silences: bool,
    proxy: bool,
    pulse: Arc<Pulse>,
    status: Arc<Status>,
    counters: Arc<Counters>,
    last_asked: u64,
}

impl Rogues {
    /// Opens the watch; `None` where it is switched off.
    pub(crate) fn bind(
        network: &Network,
        dhcp: &Dhcp,
        ports: (u16, u16),
        pulse: Arc<Pulse>,
        config: &Config,
    ) -> io::Result<Option<Rogues>> {
        if dhcp.rogue == RoguePolicy::Ignore {
            return Ok(None);
        }
        let listener = Listener::open(&network.interface, IPV4, SERVER_TO_CLIENT)?;
        let proxy = dhcp.mode == Mode::Proxy;
        let own = vec![network.address, dhcp.identifier];
        Ok(Some(Rogues {
            network: network.name.clone(),
            listener,
            mac: probe_mac(&network.name, dhcp.identifier),
            ports,
            watch: Watch::new(own, dhcp.known_servers.clone(), proxy),
            // Only where we give addresses to everybody do two servers contradict each other.
            silences: dhcp.rogue == RoguePolicy::Silent && dhcp.mode == Mode::Full,
            proxy,
            pulse,
            status: Arc::clone(&config.status),
            counters: Arc::clone(&config.counters),
            last_asked: 0,
        }))
    }

    /// Watches until cancelled.
    pub(crate) async fn run(mut self, cancel: CancellationToken) {
        let mut buffer = vec![0; 1536];
        let mut ticks = tokio::time::interval(ASK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let received = tokio::select! {
                () = cancel.cancelled() => return,
                _ = ticks.tick() => {
                    self.tick(unix_millis());
                    continue;
                }
                received = self.listener.receive(&mut buffer) => received,
            };
            match received {
                Ok((length, mac)) => self.heard(&buffer[..length.min(buffer.len())], mac, unix_millis()),
                Err(error) => {
                    warn!(network = self.network, %error, "the socket that listens for DHCP servers failed");
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                }
            }
        }
    }

    fn heard(&mut self, packet: &[u8], mac: Mac, now: u64) {
        let Some(heard) = hear(packet) else { return };
        if let Some(server) = self.watch.hear(heard, mac, now) {
            if server.known {
                info!(network = self.network, server = %server.server, mac = %MacText(mac), "another DHCP server, as expected");
            } else {
                error!(network = self.network, server = %server.server, mac = %MacText(mac), silent = self.silences,
                    "another DHCP server answers on this network: switch it off, or declare it as known");
            }
        }
        self.show(now);
    }

    fn tick(&mut self, now: u64) {
        for Server { server, mac, known, .. } in self.watch.forget(now) {
            info!(network = self.network, %server, mac = %MacText(mac), known, "another DHCP server is silent for a minute: gone");
        }
        let due =
            now.saturating_sub(self.last_asked) >= ASK_BESIDE_PROXY && self.pulse.booting(now).is_some();
        if !self.proxy || due {
            self.last_asked = now;
            self.ask();
        }
        self.show(now);
    }

    /// Broadcasts a DISCOVER, as a client would.
    fn ask(&self) {
        // The transaction id only has to be another one each time.
        let xid = RandomState::new().hash_one(&self.network) as u32;
        let (server, client) = self.ports;
        let from = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, client);
        let packet =
            udp_packet(from, SocketAddrV4::new(Ipv4Addr::BROADCAST, server), &discover(self.mac, xid));
        let sent = packet.map_or(Ok(()), |packet| self.listener.send(EVERYBODY, &packet));
        if let Err(error) = sent {
            debug!(network = self.network, %error, "could not ask for other DHCP servers");
        }
    }

    /// Writes down what is known now.
    fn show(&self, now: u64) {
        let silent = self.silences && self.watch.has_rogue();
        self.pulse.silent.store(silent, Ordering::Relaxed);
        let servers = |known| {
            let servers = self.watch.servers().iter().filter(move |server| server.known == known);
            servers.map(told).collect::<Vec<_>>()
        };
        let rogues = servers(false);
        self.counters.rogue_servers(&self.network, rogues.len());
        let warning = nobody_gives_addresses(self.pulse.booting(now), self.watch.servers());
        let warnings = warning.filter(|_| self.proxy).into_iter().collect();
        self.status.update(&self.network, |status| {
            status.silent = silent;
            status.rogues = rogues;
            status.known = servers(true);
            status.warnings = warnings;
        });
    }
}

/// Beside a proxy somebody else has to give the addresses. `booting` is for how long machines have been booting, in
/// milliseconds.
fn nobody_gives_addresses(booting: Option<u64>, servers: &[Server]) -> Option<String> {
    let waited = booting.is_some_and(|since| since >= PROXY_PATIENCE);
    (waited && !servers.iter().any(|server| server.gives_addresses)).then(|| {
        "machines ask what to boot here, but no DHCP server gives them addresses: start one, or set this network's \
         dhcp to \"full\""
            .to_owned()
    })
}

fn told(server: &Server) -> OtherServer {
    OtherServer {
        server: server.server,
        mac: server.mac,
        gives_addresses: server.gives_addresses,
        first_seen: server.first_seen,
        last_seen: server.last_seen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_boot_from_the_first_of_a_run_on() {
        let pulse = Pulse::default();
        let start = 1_800_000_000_000;
        assert_eq!(pulse.booting(start), None);
        pulse.boot_client(start);
        pulse.boot_client(start + 70_000);
        assert_eq!(pulse.booting(start + 80_000), Some(80_000));
        assert_eq!(pulse.booting(start + 70_000 + BOOTING), None);
        pulse.boot_client(start + 70_000 + BOOTING);
        assert_eq!(pulse.booting(start + 70_000 + BOOTING), Some(0), "the next run starts anew");
    }

    #[test]
    fn a_proxy_alone_warns_after_a_minute_of_booting() {
        let server = |gives_addresses| Server {
            server: Ipv4Addr::new(192, 0, 2, 1),
            mac: [2; 6],
            gives_addresses,
            known: true,
            first_seen: 0,
            last_seen: 0,
        };
        assert!(nobody_gives_addresses(None, &[]).is_none());
        assert!(nobody_gives_addresses(Some(PROXY_PATIENCE - 1), &[]).is_none());
        assert!(nobody_gives_addresses(Some(PROXY_PATIENCE), &[]).is_some());
        assert!(nobody_gives_addresses(Some(PROXY_PATIENCE), &[server(false)]).is_some());
        assert!(nobody_gives_addresses(Some(PROXY_PATIENCE), &[server(true)]).is_none());
    }
}

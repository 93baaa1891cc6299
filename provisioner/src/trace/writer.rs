//! Writing down what the boot server observed: conversations into their table, and lines into the timelines of
//! machines. In batches, so that a thousand machines that boot at once cost one transaction a moment.

use super::{is_boot, words};
use crate::{
    api::{format_mac, parse_mac_bytes},
    clock,
    service::{Service, ServiceError},
    store::{NewEvent, Numbered},
};
use provisioner_api::MachineId;
use provisioner_lifecycle::Fact;
use pxe_proto::{
    Mac,
    trace::{Entry, What},
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

/// How long entries gather before they are written.
const GATHER: Duration = Duration::from_millis(500);

/// The most entries of one batch.
const BATCH: usize = 2048;

/// How often it is noted of a machine that it boots from the network: each time is a transaction of its own, while
/// lines of timelines share one.
const NETBOOT: Duration = Duration::from_secs(30);

/// How often the MACs of machines are looked up.
const KNOWN: Duration = Duration::from_secs(5);

/// Takes down what was observed.
pub(crate) struct TraceWriter {
    service: Arc<Service>,
    queue: mpsc::Receiver<Numbered>,
    /// The machines with these MACs, as they were a moment ago.
    known: HashMap<Mac, MachineId>,
    /// When it was last noted of a machine that it boots from the network.
    netboots: HashMap<MachineId, Instant>,
}

impl TraceWriter {
    /// One for this queue.
    pub(crate) fn new(service: Arc<Service>, queue: mpsc::Receiver<Numbered>) -> Self {
        Self { service, queue, known: HashMap::new(), netboots: HashMap::new() }
    }

    /// Writes until cancelled; what waits then is written too.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut look = tokio::time::interval(KNOWN);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                _ = look.tick() => {
                    if let Err(error) = self.look().await {
                        failed("the MAC addresses of machines can't be read", &error);
                    }
                    continue;
                }
                first = self.queue.recv() => match first {
                    Some(first) => batch.push(first),
                    None => return,
                },
                () = stop.cancelled() => {}
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(GATHER) => {}
            }
            while batch.len() < BATCH
                && let Ok(next) = self.queue.try_recv()
            {
                batch.push(next);
            }
            if let Err(error) = self.write(&batch).await {
                failed("what was observed is not written down", &error);
            }
            let last = batch.len() < BATCH;
            batch.clear();
            if stop.is_cancelled() && last {
                return;
            }
        }
    }

    /// Looks up whose MACs are whose.
    pub(crate) async fn look(&mut self) -> Result<(), ServiceError> {
        let macs = self.service.store.machine_macs().await?;
        self.known =
            macs.into_iter().filter_map(|(mac, machine)| Some((parse_mac_bytes(&mac)?, machine))).collect();
        let known: HashSet<Mac> = self.known.keys().copied().collect();
        self.service.traces.know(known);
        Ok(())
    }

    async fn write(&mut self, batch: &[Numbered]) -> Result<(), ServiceError> {
        let boots: Vec<_> = batch.iter().filter(|(_, entry)| is_boot(entry)).cloned().collect();
        // A machine that was added a moment ago.
        if boots.iter().any(|(_, entry)| !self.known.contains_key(&entry.mac)) {
            self.look().await?;
        }
        if !boots.is_empty() {
            self.service.store.boot_trace_insert(&boots).await?;
            let macs: HashSet<Mac> = boots.iter().map(|(_, entry)| entry.mac).collect();
            for mac in macs.into_iter().filter(|mac| self.service.traces.is_full(*mac)) {
                let keep = u32::try_from(super::BOOT).unwrap_or(u32::MAX);
                self.service.store.boot_trace_trim(&format_mac(mac), keep).await?;
            }
        }
        self.tell(batch).await
    }

    /// Puts lines into the timelines of the machines that are concerned.
    async fn tell(&mut self, batch: &[Numbered]) -> Result<(), ServiceError> {
        let mut machines: BTreeMap<MachineId, (Vec<NewEvent>, bool)> = BTreeMap::new();
        for (_, entry) in batch {
            let Some(machine) = self.known.get(&entry.mac) else { continue };
            let (events, netboot) = machines.entry(*machine).or_default();
            *netboot |= from_firmware(entry);
            events.extend(words::line(entry).map(|(kind, text)| NewEvent::machine(*machine, kind, text)));
        }
        let now = Instant::now();
        self.netboots.retain(|_, noted| now.duration_since(*noted) < NETBOOT);
        let mut others = Vec::new();
        for (machine, (events, netboot)) in machines {
            if netboot && !self.netboots.contains_key(&machine) {
                self.netboots.insert(machine, now);
                self.service.observe(machine, &Fact::Netboot, &events).await?;
            } else {
                others.extend(events);
            }
        }
        if !others.is_empty() {
            self.service.store.event_insert(&others, clock::now()).await?;
        }
        Ok(())
    }
}

/// Whether it shows that the machine boots from the network.
fn from_firmware(entry: &Entry) -> bool {
    matches!(&entry.what, What::Dhcp(dhcp) if dhcp.firmware.is_some())
}

/// Our own failure: said once, here; the client was answered all the same.
fn failed(what: &str, error: &ServiceError) {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    tracing::error!(%error, cause, "{what}");
}

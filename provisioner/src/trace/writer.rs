//! Writing down what the boot server observed: conversations into their table, and lines into the timelines of
//! machines. In batches, so that a thousand machines that boot at once cost one transaction a moment.

use super::{is_boot, words};
use crate::{
    clock,
    service::{Service, ServiceError},
    store::{NewEvent, Numbered},
    text::{format_mac, parse_mac_bytes},
};
use futures::future::{join, join_all};
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

/// After how many new entries the oldest of all are forgotten: MAC addresses are easily made up, and a disk that they
/// fill stores no lease.
const PRUNE: usize = 50_000;

/// How often it is noted of a machine that it boots from the network: each time is a transaction of its own, while
/// lines of timelines share one.
const NETBOOT: Duration = Duration::from_secs(30);

/// How often the MACs of machines are looked up, if they changed.
const KNOWN: Duration = Duration::from_secs(5);

/// How often they are looked up in any case: another replica may have changed them.
const BELIEVED: Duration = Duration::from_secs(60);

/// Takes down what was observed.
pub(crate) struct TraceWriter {
    service: Arc<Service>,
    queue: mpsc::Receiver<Numbered>,
    /// The machines with these MACs, as they were a moment ago.
    known: HashMap<Mac, MachineId>,
    /// Up to which change of the machines' MACs that is so, and since when.
    looked: Option<(u64, Instant)>,
    /// When it was last noted of a machine that it boots from the network.
    netboots: HashMap<MachineId, Instant>,
    /// Entries since the oldest of all were forgotten.
    added: usize,
    /// After how many of them that is done, and how many stay.
    limits: (usize, u32),
}

impl TraceWriter {
    /// One for this queue.
    pub(crate) fn new(service: Arc<Service>, queue: mpsc::Receiver<Numbered>) -> Self {
        Self::with_limits(service, queue, (PRUNE, super::STORED))
    }

    /// The same, with other limits: after how many new entries the oldest of all are forgotten, and how many stay.
    pub(crate) fn with_limits(
        service: Arc<Service>,
        queue: mpsc::Receiver<Numbered>,
        limits: (usize, u32),
    ) -> Self {
        Self {
            service,
            queue,
            known: HashMap::new(),
            looked: None,
            netboots: HashMap::new(),
            added: 0,
            limits,
        }
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

    /// Looks up whose MACs are whose, unless nothing changed since the last time.
    pub(crate) async fn look(&mut self) -> Result<(), ServiceError> {
        // Read before the MACs are: a change meanwhile makes the next look read them again.
        let (changes, now) = (self.service.store.boot_index.mac_changes(), Instant::now());
        if self.looked.is_some_and(|(known, at)| known == changes && now.duration_since(at) < BELIEVED) {
            return Ok(());
        }
        let macs = self.service.store.machine_macs().await?;
        self.known =
            macs.into_iter().filter_map(|(mac, machine)| Some((parse_mac_bytes(&mac)?, machine))).collect();
        let known: HashSet<Mac> = self.known.keys().copied().collect();
        self.service.traces.know(known);
        self.looked = Some((changes, now));
        Ok(())
    }

    async fn write(&mut self, batch: &[Numbered]) -> Result<(), ServiceError> {
        let boots: Vec<_> = batch.iter().filter(|(_, entry)| is_boot(entry)).cloned().collect();
        // A machine that was added a moment ago.
        if boots.iter().any(|(_, entry)| !self.known.contains_key(&entry.mac)) {
            self.look().await?;
        }
        let kept = if boots.is_empty() { Ok(()) } else { self.keep(&boots).await };
        // The timelines are told all the same.
        self.tell(batch).await.and(kept)
    }

    /// Stores conversations, and forgets the oldest of them.
    async fn keep(&mut self, boots: &[Numbered]) -> Result<(), ServiceError> {
        let store = &self.service.store;
        store.boot_trace_insert(boots).await?;
        let macs: HashSet<Mac> = boots.iter().map(|(_, entry)| entry.mac).collect();
        let full: Vec<_> = macs.into_iter().filter(|mac| self.service.traces.is_full(*mac)).collect();
        if !full.is_empty() {
            let full: Vec<_> = full.into_iter().map(format_mac).collect();
            store.boot_trace_trim(&full, u32::try_from(super::BOOT).unwrap_or(u32::MAX)).await?;
        }
        self.added += boots.len();
        let (every, most) = self.limits;
        if self.added >= every {
            self.added = 0;
            store.boot_trace_prune(0, most).await?;
        }
        Ok(())
    }

    /// Puts lines into the timelines of the machines that are concerned.
    async fn tell(&mut self, batch: &[Numbered]) -> Result<(), ServiceError> {
        let mut machines: BTreeMap<MachineId, (Vec<NewEvent>, bool)> = BTreeMap::new();
        for (_, entry) in batch {
            let Some(machine) = self.known.get(&entry.mac) else { continue };
            let (events, netboot) = machines.entry(*machine).or_default();
            *netboot |= from_firmware(entry);
            let at = words::time(entry);
            let event = |(kind, text)| NewEvent::machine(*machine, kind, text).observed(at);
            events.extend(words::line(entry).map(event));
        }
        let now = Instant::now();
        self.netboots.retain(|_, noted| now.duration_since(*noted) < NETBOOT);
        let (mut booted, mut others) = (Vec::new(), Vec::new());
        for (machine, (events, netboot)) in machines {
            if netboot && !self.netboots.contains_key(&machine) {
                self.netboots.insert(machine, now);
                booted.push((machine, events));
            } else {
                others.extend(events);
            }
        }
        let service = &self.service;
        // At the same time, because then they are written together.
        let booted = booted.iter().map(|(machine, events)| async move {
            // One machine that can't be changed must not cost the others their lines.
            if let Err(error) = service.observe(*machine, &Fact::Netboot, events).await {
                failed("what was observed of a machine is not written down", &error);
            }
        });
        let told = async {
            match others.is_empty() {
                true => Ok(()),
                false => service.store.event_insert(&others, clock::now()).await,
            }
        };
        let (told, _) = join(told, join_all(booted)).await;
        Ok(told?)
    }
}

/// Whether it shows that the machine boots from the network.
fn from_firmware(entry: &Entry) -> bool {
    matches!(&entry.what, What::Dhcp(dhcp) if dhcp.firmware.is_some())
}

/// Our own failure: said once, here; the client was answered all the same.
fn failed(what: &str, error: &ServiceError) {
    tracing::error!(error = crate::text::logged(error), "{what}");
}

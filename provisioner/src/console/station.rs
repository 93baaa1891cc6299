//! One machine's console: connected while somebody wants it, recorded all the while.
//!
//! One task for each, which lives as long as somebody wants the console. What it hears it appends to the record; all
//! readers read from there, so that a slow one delays nobody.

use super::{
    Shared, Trouble,
    notice::{notice, plain},
    record::Record,
};
use bmc::{Bmc, ConsoleEvent, ConsoleReader};
use provisioner_api::MachineId;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};
use tokio::{
    sync::{
        Notify,
        broadcast::error::{RecvError, TryRecvError},
        watch,
    },
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(60);

/// A console that held for so long starts anew with its patience.
const HELD: Duration = Duration::from_secs(60);

/// The most that is put together for one write to the record.
const BATCH: usize = 64 * 1024;

/// One machine's console.
pub(super) struct Station {
    id: MachineId,
    pub(super) record: Record,
    state: Mutex<State>,
    line: watch::Sender<Line>,
    wake: Notify,
    /// Keeps what two people type apart.
    pub(super) typing: Arc<tokio::sync::Mutex<()>>,
    /// The machine was forgotten.
    pub(super) gone: CancellationToken,
}

#[derive(Default)]
struct State {
    readers: u32,
    /// Others who want it connected: who types.
    stays: u32,
    /// The record wants it.
    recorded: bool,
    running: bool,
    bmc: Option<Arc<dyn Bmc>>,
    /// The machine's generation when it was looked at last.
    generation: Option<u64>,
    /// A person changed the machine: the console may be another BMC's.
    changed: bool,
    /// When somebody's typing was told of last.
    told: Option<Instant>,
}

impl State {
    fn wanted(&self) -> bool {
        self.readers > 0 || self.stays > 0 || self.recorded
    }
}

/// How the connection is.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    /// Connected, as far as we know.
    pub(super) connected: bool,
    /// How often it was tried.
    pub(super) attempts: u64,
    /// What went wrong last.
    pub(super) trouble: Option<Trouble>,
}

/// Why somebody stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    Reads,
    Types,
}

/// Keeps a console wanted.
pub(super) struct Stay {
    station: Arc<Station>,
    why: Why,
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut state = self.station.lock();
        match self.why {
            Why::Reads => state.readers -= 1,
            Why::Types => state.stays -= 1,
        }
        drop(state);
        self.station.wake.notify_one();
    }
}

impl Station {
    pub(super) fn new(id: MachineId, record: Record) -> Self {
        Self {
            id,
            record,
            state: Mutex::default(),
            line: watch::Sender::default(),
            wake: Notify::new(),
            typing: Arc::default(),
            gone: CancellationToken::new(),
        }
    }

    /// Wants the console until the answer is dropped.
    pub(super) fn stay(self: &Arc<Self>, shared: &Arc<Shared>, why: Why) -> Stay {
        let mut state = self.lock();
        match why {
            Why::Reads => state.readers += 1,
            Why::Types => state.stays += 1,
        }
        self.start(state, shared);
        Stay { station: Arc::clone(self), why }
    }

    /// Whether the record wants the console from now on.
    pub(super) fn set_recorded(self: &Arc<Self>, shared: &Arc<Shared>, wanted: bool) {
        let mut state = self.lock();
        if state.recorded != wanted {
            state.recorded = wanted;
            if wanted {
                self.start(state, shared);
            } else {
                drop(state);
                self.wake.notify_one();
            }
        }
    }

    /// The machine is of that generation. When a person changed it, it is looked whether its BMC is still the same.
    pub(super) fn set_generation(&self, generation: u64) {
        let mut state = self.lock();
        let changed = state.generation.replace(generation).is_some_and(|before| before != generation);
        if changed && state.running {
            state.changed = true;
            drop(state);
            self.wake.notify_one();
        }
    }

    fn start(self: &Arc<Self>, mut state: MutexGuard<'_, State>, shared: &Arc<Shared>) {
        if state.running {
            drop(state);
            // One that is in trouble is tried at once: somebody new wants it.
            self.wake.notify_one();
        } else {
            state.running = true;
            tokio::spawn(run(Arc::clone(self), Arc::clone(shared)));
        }
    }

    /// How often it was tried to connect the console.
    pub(super) fn attempts(&self) -> u64 {
        self.line.borrow().attempts
    }

    /// Waits until the console is connected, or it was tried more than `tried` times.
    pub(super) async fn connected(&self, tried: u64) -> Result<(), Trouble> {
        let mut line = self.line.subscribe();
        let settled = line.wait_for(|line| line.connected || line.attempts > tried);
        match tokio::time::timeout(CONNECT, settled).await {
            Ok(Ok(line)) if line.connected => Ok(()),
            Ok(Ok(line)) => Err(line.trouble.clone().unwrap_or(Trouble::Ended)),
            Ok(Err(_)) => Err(Trouble::Ended),
            Err(_) => Err(Trouble::Slow),
        }
    }

    pub(super) fn line(&self) -> Line {
        self.line.borrow().clone()
    }

    pub(super) fn readers(&self) -> u32 {
        self.lock().readers
    }

    /// The driver of the connected console.
    pub(super) fn bmc(&self) -> Option<Arc<dyn Bmc>> {
        self.lock().bmc.clone()
    }

    /// Whether somebody's typing is to be told of now; then not again for `pause`.
    pub(super) fn typed(&self, pause: Duration) -> bool {
        let now = Instant::now();
        let mut state = self.lock();
        let due = state.told.is_none_or(|told| now.duration_since(told) >= pause);
        if due {
            state.told = Some(now);
        }
        due
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the task, if nobody wants the console any more.
    fn ends(&self, over: bool) -> bool {
        let mut state = self.lock();
        let ends = over || !state.wanted();
        if ends {
            state.running = false;
        }
        ends
    }
}

/// Connects again and again, while somebody wants it.
async fn run(station: Arc<Station>, shared: Arc<Shared>) {
    let mut failures = 0;
    loop {
        let over = shared.end.is_cancelled() || station.gone.is_cancelled();
        if station.ends(over) {
            station.line.send_modify(|line| {
                line.connected = false;
                // Whoever waits for a connection waits no longer.
                line.attempts += u64::from(over);
            });
            return;
        }
        let began = Instant::now();
        station.lock().changed = false;
        let ended = attend(&station, &shared).await;
        station.lock().bmc = None;
        let Err(trouble) = ended else {
            station.line.send_modify(|line| line.connected = false);
            continue;
        };
        if began.elapsed() >= HELD {
            failures = 0;
        }
        failures += 1;
        let pause = shared.pace.back_off(failures, trouble.is_permanent());
        tracing::debug!(machine = %station.id, error = %trouble, "console");
        station.line.send_modify(|line| {
            *line = Line { connected: false, attempts: line.attempts + 1, trouble: Some(trouble) };
        });
        tokio::select! {
            () = station.wake.notified() => {}
            () = shared.end.cancelled() => {}
            () = station.gone.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Connects the console and records it until nobody wants it, or it breaks.
async fn attend(station: &Station, shared: &Shared) -> Result<(), Trouble> {
    let connecting = async {
        let bmc = shared.lines.line(station.id).await?;
        let Some(console) = bmc.console() else { return Err(Trouble::NoConsole) };
        let reader = tokio::time::timeout(CONNECT, console.read_console(false)).await;
        let reader = reader.map_err(|_| Trouble::Slow)?.map_err(Trouble::from)?;
        Ok((bmc, reader))
    };
    let (bmc, reader) = tokio::select! {
        connected = connecting => connected?,
        () = shared.end.cancelled() => return Ok(()),
        () = station.gone.cancelled() => return Ok(()),
    };
    // Told before anybody can read on: what is said from now on is recorded.
    station.record.bounds().await.map_err(Trouble::record)?;
    station.lock().bmc = Some(bmc);
    station.line.send_modify(|line| {
        *line = Line { connected: true, attempts: line.attempts + 1, trouble: None };
    });
    shared.connected.fetch_add(1, Ordering::Relaxed);
    let ended = listen(station, shared, reader).await;
    shared.connected.fetch_sub(1, Ordering::Relaxed);
    ended
}

/// Records what the console says until nobody wants it, or it is over.
async fn listen(station: &Station, shared: &Shared, mut reader: ConsoleReader) -> Result<(), Trouble> {
    let mut leaves: Option<Instant> = None;
    loop {
        let left = async {
            match leaves {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = reader.events.recv() => {
                let (bytes, ended) = gather(station, &mut reader, event);
                record(station, shared, bytes).await?;
                if let Some(trouble) = ended {
                    return Err(trouble);
                }
            }
            () = station.wake.notified() => {
                let changed = std::mem::take(&mut station.lock().changed);
                if changed && !same_bmc(station, shared).await? {
                    record(station, shared, notice("the machine has another BMC now")).await?;
                    return Ok(());
                }
                let wanted = station.lock().wanted();
                leaves = if wanted { None } else { leaves.or_else(|| Some(Instant::now() + shared.pace.linger)) };
            }
            () = left => return Ok(()),
            () = shared.end.cancelled() => return Ok(()),
            () = station.gone.cancelled() => return Ok(()),
        }
    }
}

/// Whether the console that is connected is still that of the machine's BMC.
async fn same_bmc(station: &Station, shared: &Shared) -> Result<bool, Trouble> {
    let now = shared.lines.line(station.id).await?;
    Ok(station.bmc().is_some_and(|bmc| Arc::ptr_eq(&bmc, &now)))
}

/// The bytes of an event and of what came right behind it, and whether it is over.
fn gather(
    station: &Station,
    reader: &mut ConsoleReader,
    first: Result<ConsoleEvent, RecvError>,
) -> (Vec<u8>, Option<Trouble>) {
    let mut bytes = Vec::new();
    let mut next = first;
    loop {
        match next {
            Ok(ConsoleEvent::Output(output)) => bytes.extend_from_slice(&output),
            Ok(ConsoleEvent::Break) => bytes.extend(notice("the machine sent a break")),
            Ok(ConsoleEvent::Interrupted(why)) => {
                bytes.extend(notice(&format!("the console was interrupted: {why}")));
                station
                    .line
                    .send_modify(|line| line.trouble = Some(Trouble::Interrupted(plain(&why).into())));
            }
            Ok(ConsoleEvent::Resumed) => {
                bytes.extend(notice("the console is back"));
                station.line.send_modify(|line| line.trouble = None);
            }
            Ok(ConsoleEvent::Closed(why)) => {
                bytes.extend(notice(&format!("the console was closed: {why}")));
                return (bytes, Some(Trouble::Closed(plain(&why).into())));
            }
            Err(RecvError::Lagged(_)) => {
                bytes.extend(notice("some output was lost here: it came faster than it could be recorded"));
            }
            Err(RecvError::Closed) => {
                bytes.extend(notice("the console was closed"));
                return (bytes, Some(Trouble::Closed("its connection ended".into())));
            }
        }
        if bytes.len() >= BATCH {
            return (bytes, None);
        }
        next = match reader.events.try_recv() {
            Ok(event) => Ok(event),
            Err(TryRecvError::Lagged(lost)) => Err(RecvError::Lagged(lost)),
            // Its end is told by the next `recv`.
            Err(TryRecvError::Empty | TryRecvError::Closed) => return (bytes, None),
        };
    }
}

async fn record(station: &Station, shared: &Shared, bytes: Vec<u8>) -> Result<(), Trouble> {
    if bytes.is_empty() {
        return Ok(());
    }
    shared.recorded.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    station.record.append(bytes).await.map_err(Trouble::record)
}

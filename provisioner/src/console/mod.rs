//! Serial consoles of machines: one reader of each BMC's console at the most, shared by all who watch, and a bounded
//! record for each machine.
//!
//! - `station`: one machine's console, connected while somebody wants it;
//! - `record`, over `segments` and `ring`: what it said;
//! - `notice`: what we say in between.
//!
//! Positions count the bytes that were ever recorded of a machine; a reader that knows its position loses and doubles
//! nothing, however often its connection breaks. Deliberately not here: the console's protocol (`bmc`), HTTP (`api`).

mod notice;
mod record;
mod ring;
mod segments;
mod station;

use crate::bmcs::{Bmcs, is_refused_login};
use async_trait::async_trait;
use bmc::{Bmc, BmcError};
use notice::Pace;
use provisioner_api::{ConsoleStatus, MachineId};
use record::Record;
use station::{Station, Stay, Why};
use std::{
    collections::{HashMap, HashSet},
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{OwnedMutexGuard, watch};
use tokio_util::sync::CancellationToken;

/// How long one machine's typing is not told of again.
const TYPING: Duration = Duration::from_secs(600);

/// When consoles are recorded though nobody watches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Recording {
    /// While a job runs on the machine.
    #[default]
    Jobs,
    /// Always: the console of every machine with a BMC stays connected.
    Always,
    /// Never, and what is watched is kept in memory only.
    Never,
}

/// How many may follow one console at a time: each of them may be behind by what its connection buffers.
const MOST_READERS: u32 = 32;

/// Why a console can't be used now.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Trouble {
    /// The machine has no BMC, or is gone.
    #[error("the machine has no BMC")]
    NoBmc,
    /// Its BMC carries none.
    #[error("its BMC carries no serial console over its protocol (capability `console`)")]
    NoConsole,
    /// The BMC failed.
    #[error("{0}")]
    Bmc(Arc<BmcError>),
    /// Our own store or keys failed.
    #[error("the BMC's settings can't be read: {0}")]
    Service(Arc<str>),
    /// The record failed.
    #[error("what the console says can't be recorded: {0}; make room in the data folder")]
    Record(Arc<str>),
    /// It is interrupted.
    #[error("it is interrupted: {0}")]
    Interrupted(Arc<str>),
    /// The BMC, or somebody else, ended it.
    #[error("it was closed: {0}")]
    Closed(Arc<str>),
    /// As many follow it as may.
    #[error("{MOST_READERS} clients follow it already; end one, or read without `follow`")]
    Crowded,
    /// Connecting took too long.
    #[error("the BMC did not connect it in time")]
    Slow,
    /// The service stops.
    #[error("the service is stopping")]
    Ended,
}

impl From<BmcError> for Trouble {
    fn from(error: BmcError) -> Self {
        Self::Bmc(Arc::new(error))
    }
}

impl Trouble {
    fn record(error: io::Error) -> Self {
        Self::Record(error.to_string().into())
    }

    /// Whether a person has to change something first.
    fn is_permanent(&self) -> bool {
        match self {
            Self::NoBmc | Self::NoConsole => true,
            Self::Bmc(error) => {
                is_refused_login(error)
                    || matches!(**error, BmcError::Unsupported { .. } | BmcError::WrongCertificate { .. })
            }
            _ => false,
        }
    }
}

/// Who gives the driver of a machine's BMC.
#[async_trait]
pub(crate) trait Lines: Send + Sync {
    /// The driver.
    async fn line(&self, machine: MachineId) -> Result<Arc<dyn Bmc>, Trouble>;
}

#[async_trait]
impl Lines for Bmcs {
    async fn line(&self, machine: MachineId) -> Result<Arc<dyn Bmc>, Trouble> {
        match self.driver_of(machine).await {
            Ok(Some(bmc)) => Ok(bmc),
            Ok(None) => Err(Trouble::NoBmc),
            Err(error) => Err(Trouble::Service(error.to_string().into())),
        }
    }
}

/// The consoles of all machines.
pub(crate) struct Consoles {
    shared: Arc<Shared>,
    stations: Mutex<HashMap<MachineId, Arc<Station>>>,
    policy: Recording,
    /// Where the records are; none: nothing is written.
    folder: Option<PathBuf>,
}

/// What all stations share.
struct Shared {
    lines: Arc<dyn Lines>,
    pace: Pace,
    /// The service stops.
    end: CancellationToken,
    connected: AtomicU64,
    recorded: AtomicU64,
}

impl Consoles {
    /// No console yet. Records are kept below `folder`.
    pub(crate) fn new(lines: Arc<dyn Lines>, folder: PathBuf, policy: Recording) -> Self {
        Self::with_pace(lines, folder, policy, Pace::default())
    }

    fn with_pace(lines: Arc<dyn Lines>, folder: PathBuf, policy: Recording, pace: Pace) -> Self {
        let shared = Shared {
            lines,
            pace,
            end: CancellationToken::new(),
            connected: AtomicU64::new(0),
            recorded: AtomicU64::new(0),
        };
        let folder = (policy != Recording::Never).then_some(folder);
        Self { shared: Arc::new(shared), stations: Mutex::default(), policy, folder }
    }

    /// Told at each look at a machine: whether it may be recorded at all, whether a job works on it now, and its
    /// generation, by which it is seen that a person changed it.
    pub(crate) fn look(&self, machine: MachineId, may: bool, works: bool, generation: u64) {
        let wanted = match self.policy {
            Recording::Jobs => may && works,
            Recording::Always => may,
            Recording::Never => false,
        };
        let station = if wanted { Some(self.station(machine)) } else { self.known(machine) };
        if let Some(station) = station {
            station.set_generation(generation);
            station.set_recorded(&self.shared, wanted);
        }
    }

    /// Reads a console: what is recorded from `from` on, or the last `tail` bytes, or all; then, if it is to follow,
    /// what comes. Following needs a connection: it is waited for, and its failure is an error.
    pub(crate) async fn read(
        &self,
        machine: MachineId,
        from: Option<u64>,
        tail: Option<u64>,
        follow: bool,
    ) -> Result<Reader, Trouble> {
        let station = self.station(machine);
        let (first, end) = station.record.bounds().await.map_err(Trouble::record)?;
        let next = match (from, tail) {
            (Some(from), _) => from.clamp(first, end),
            (None, Some(tail)) => end.saturating_sub(tail).max(first),
            (None, None) => first,
        };
        if follow && station.readers() >= MOST_READERS {
            return Err(Trouble::Crowded);
        }
        let tried = station.attempts();
        let stay = follow.then(|| station.stay(&self.shared, Why::Reads));
        if follow {
            station.connected(tried).await?;
        }
        let ends = station.record.watch();
        Ok(Reader { shared: Arc::clone(&self.shared), station, ends, next, until: end, stay })
    }

    /// The console, connected, to be typed on by nobody else meanwhile. Connects it if nobody did.
    pub(crate) async fn keyboard(&self, machine: MachineId) -> Result<Keyboard, Trouble> {
        let station = self.station(machine);
        let tried = station.attempts();
        let stay = station.stay(&self.shared, Why::Types);
        station.connected(tried).await?;
        let turn = Arc::clone(&station.typing).lock_owned().await;
        let bmc = station.bmc().ok_or(Trouble::Ended)?;
        Ok(Keyboard { bmc, _turn: turn, _stay: stay })
    }

    /// Whether somebody's typing is to be told of: not each key.
    pub(crate) fn typed(&self, machine: MachineId) -> bool {
        self.station(machine).typed(TYPING)
    }

    /// How a console is. Connects nothing.
    pub(crate) async fn status(&self, machine: MachineId) -> Result<ConsoleStatus, Trouble> {
        let station = self.station(machine);
        let (first, end) = station.record.bounds().await.map_err(Trouble::record)?;
        let line = station.line();
        Ok(ConsoleStatus {
            connected: line.connected && line.trouble.is_none(),
            readers: station.readers(),
            first,
            end,
            trouble: line.trouble.map(|trouble| trouble.to_string()),
        })
    }

    /// Ends a console and forgets its record: the machine is gone.
    pub(crate) async fn forget(&self, machine: MachineId) {
        let station = self.station(machine);
        station.gone.cancel();
        if let Err(error) = station.record.forget().await {
            tracing::warn!(%machine, error = crate::text::logged(&error), "the record of a forgotten machine's console can't be removed");
        }
        self.lock().remove(&machine);
    }

    /// Removes the records of machines that are no more: a crash may have left them.
    pub(crate) async fn prune(&self, machines: &HashSet<MachineId>) -> io::Result<()> {
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        let machines = machines.clone();
        let prune = move || {
            let entries = match std::fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                let id = entry.file_name().to_str().and_then(|name| name.parse::<MachineId>().ok());
                if id.is_some_and(|id| !machines.contains(&id)) {
                    record::remove_folder(&entry.path())?;
                }
            }
            Ok(())
        };
        tokio::task::spawn_blocking(prune).await.map_err(io::Error::other)?
    }

    /// Another replica records from now on: a BMC has one console for all.
    pub(crate) fn record_no_more(&self) {
        let stations: Vec<_> = self.lock().values().cloned().collect();
        stations.iter().for_each(|station| station.set_recorded(&self.shared, false));
    }

    /// Ends all consoles, and with them the answers that follow them.
    pub(crate) fn close(&self) {
        self.shared.end.cancel();
    }

    /// How many are connected now.
    pub(crate) fn connected(&self) -> u64 {
        self.shared.connected.load(Ordering::Relaxed)
    }

    /// How many bytes they said since the service began.
    pub(crate) fn recorded(&self) -> u64 {
        self.shared.recorded.load(Ordering::Relaxed)
    }

    fn station(&self, machine: MachineId) -> Arc<Station> {
        let make = || {
            let folder = self.folder.as_ref().map(|folder| folder.join(machine.to_string()));
            Arc::new(Station::new(machine, Record::new(folder)))
        };
        Arc::clone(self.lock().entry(machine).or_insert_with(make))
    }

    fn known(&self, machine: MachineId) -> Option<Arc<Station>> {
        self.lock().get(&machine).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<MachineId, Arc<Station>>> {
        self.stations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Types on a console. Dropping it leaves.
pub(crate) struct Keyboard {
    bmc: Arc<dyn Bmc>,
    _turn: OwnedMutexGuard<()>,
    _stay: Stay,
}

impl Keyboard {
    /// Types.
    pub(crate) async fn type_bytes(&self, bytes: &[u8]) -> Result<(), Trouble> {
        Ok(self.bmc.console().ok_or(Trouble::NoConsole)?.type_console(bytes).await?)
    }

    /// Sends a break.
    pub(crate) async fn send_break(&self) -> Result<(), Trouble> {
        Ok(self.bmc.console().ok_or(Trouble::NoConsole)?.break_console().await?)
    }
}

/// Reads a console. Dropping it leaves.
pub(crate) struct Reader {
    shared: Arc<Shared>,
    station: Arc<Station>,
    ends: watch::Receiver<u64>,
    next: u64,
    /// The end of the record when it was asked for.
    until: u64,
    /// Where it follows.
    stay: Option<Stay>,
}

impl Reader {
    /// The position of the byte that comes next.
    pub(crate) fn position(&self) -> u64 {
        self.next
    }

    /// The next bytes; none when it is over: the record's end, or, while following, that the service stops or that this
    /// reader was so slow that the next bytes are no longer recorded.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let end = *self.ends.borrow_and_update();
            let until = if self.stay.is_some() { end } else { self.until };
            if self.next < until {
                let (start, mut bytes) = self.station.record.read(self.next).await?;
                if start != self.next || bytes.is_empty() {
                    return Ok(None);
                }
                let left = usize::try_from(until - self.next).unwrap_or(usize::MAX);
                bytes.truncate(left);
                self.next += bytes.len() as u64;
                return Ok(Some(bytes));
            }
            if self.stay.is_none() {
                return Ok(None);
            }
            tokio::select! {
                changed = self.ends.changed() => if changed.is_err() { return Ok(None) },
                () = self.shared.end.cancelled() => return Ok(None),
                () = self.station.gone.cancelled() => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;

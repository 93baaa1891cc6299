//! The service of a run: one process after the other, and what all of them used together.

use crate::fleet::entry::{SeenKind, Usage, What};
use crate::fleet::process::{Meter, Process, ServiceOptions};
use crate::fleet::records::Records;
use crate::fleet::{Eyes, Site};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How often it is started anew whose database goes away while it starts.
const STARTS: u32 = 5;

/// How long its database is waited for then.
const BACK: Duration = Duration::from_secs(120);

/// The service, whoever kills it.
pub(crate) struct Service {
    process: tokio::sync::Mutex<Process>,
    records: Records,
    meter: Meter,
    eyes: Arc<Eyes>,
    /// Seconds of CPU of the processes that are gone.
    spent: Mutex<f64>,
    kills: AtomicU64,
    log: PathBuf,
    data: PathBuf,
}

impl Service {
    /// Starts it for the first time; also says how long that took.
    pub(crate) async fn start(
        billet: &Path,
        dir: &Path,
        options: &ServiceOptions,
        records: Records,
        eyes: Arc<Eyes>,
    ) -> Result<(Arc<Self>, Site, Duration)> {
        let begun = Instant::now();
        let (process, site) = Process::start(billet, dir, options).await?;
        let took = begun.elapsed();
        eyes.write(None, What::Started { pid: process.pid() });
        eyes.write(None, What::Ready);
        let service = Self {
            meter: process.meter(),
            log: process.log(),
            data: process.data(),
            process: process.into(),
            records,
            eyes,
            spent: Mutex::new(0.0),
            kills: AtomicU64::new(0),
        };
        Ok((Arc::new(service), site, took))
    }

    /// Kills it, leaves it dead for a while and starts it again; how long the start took.
    pub(crate) async fn kill_and_restart(
        &self,
        after: Option<(SeenKind, u64)>,
        plus_us: u32,
        dead: Duration,
    ) -> Result<Duration> {
        let mut process = self.process.lock().await;
        self.bury(&mut process, after, plus_us);
        tokio::time::sleep(dead).await;
        self.launch(&mut process).await
    }

    /// Starts it again if it ended by itself; how it ended.
    pub(crate) async fn revive(&self) -> Result<Option<ExitStatus>> {
        // Whoever holds it is just killing or starting it.
        let Ok(mut process) = self.process.try_lock() else { return Ok(None) };
        let Some(status) = process.ended() else { return Ok(None) };
        self.bury(&mut process, None, 0);
        self.launch(&mut process).await?;
        Ok(Some(status))
    }

    fn bury(&self, process: &mut Process, after: Option<(SeenKind, u64)>, plus_us: u32) {
        let used = process.usage().cpu_s;
        self.eyes.write(None, What::Killed { after, plus_us });
        process.kill();
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner) += used;
    }

    async fn launch(&self, process: &mut Process) -> Result<Duration> {
        let begun = Instant::now();
        self.restart(process).await?;
        self.eyes.write(None, What::Started { pid: process.pid() });
        self.eyes.write(None, What::Ready);
        Ok(begun.elapsed())
    }

    /// Starts it until it stays, as whoever looks after a service would: one that found its database and lost it again
    /// before it was up may end.
    async fn restart(&self, process: &mut Process) -> Result<()> {
        let turns = || self.records.own().map_or(0, |server| server.turns());
        for _ in 0..STARTS {
            let before = turns();
            match process.restart().await {
                Err(_) if process.ended().is_some() && turns() != before => {}
                answer => return answer,
            }
            if let Some(server) = self.records.own() {
                let up = tokio::time::timeout(BACK, server.until_up()).await;
                up.context("the run's PostgreSQL server did not come back")?;
            }
        }
        process.restart().await
    }

    /// Asks it to end, and waits.
    pub(crate) async fn stop(&self) -> Result<()> {
        self.process.lock().await.stop().await
    }

    /// What it uses now; CPU is that of all its processes together.
    pub(crate) fn usage(&self) -> Usage {
        let spent = *self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.meter.usage();
        Usage { cpu_s: now.cpu_s + spent, ..now }
    }

    /// The killer has struck.
    pub(crate) fn count_kill(&self) {
        self.kills.fetch_add(1, Ordering::SeqCst);
    }

    /// How often the killer struck.
    pub(crate) fn kills(&self) -> u64 {
        self.kills.load(Ordering::SeqCst)
    }

    /// Where it keeps its records.
    pub(crate) fn records(&self) -> &Records {
        &self.records
    }

    /// Its log.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Its data folder.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }
}

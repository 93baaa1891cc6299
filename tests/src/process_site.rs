//! The service as a process of its own: the program `billet` itself, killed from outside, or by itself at a named moment of
//! a job (`provisioner/src/die.rs`), or ended because its database went away. Simulated machines are seen by eyes that keep
//! a journal.
//!
//! The process is the fleet's (`lab::fleet::Process`); here is only what journeys ask of it.

use anyhow::{Context, Result, ensure};
use lab::fleet::{Entry, Eyes, Process, Seen, ServiceOptions, What, Wires};
use provisioner_api::{ImageFormat, ImageSpec};
use provisioner_client::Client;
use std::{
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::ExitStatus,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{sync::mpsc::UnboundedReceiver, task::AbortHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{Sim, SimOptions, TestImage};

/// The variable that names the moment, and what the process says before it dies, followed by all names of that moment.
pub const BILLET_DIE_AT: &str = "BILLET_DIE_AT";

/// How often it is looked whether the process has ended.
const LOOK: Duration = Duration::from_millis(10);

/// A running service with its data, and the ways to it.
pub struct ProcessSite {
    // Before its folder.
    process: Arc<Mutex<Process>>,
    supervisor: Option<AbortHandle>,
    site: lab::fleet::Site,
    wires: Arc<Wires>,
    eyes: Arc<Eyes>,
    journal: UnboundedReceiver<Entry>,
    _end: DropGuard,
    folder: TempDir,
}

impl ProcessSite {
    /// Starts it for the first time, with its database in a file, or at this address.
    ///
    /// # Errors
    /// When it doesn't start, or isn't built.
    pub async fn start(database: Option<&str>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let options = ServiceOptions { database: database.map(Into::into), ..ServiceOptions::default() };
        let (process, site) = Process::start(&program()?, folder.path(), &options).await?;
        let (sink, journal) = tokio::sync::mpsc::unbounded_channel();
        let (eyes, end) = (Eyes::new(Some(sink)), CancellationToken::new());
        let wires = Wires::new(&site, Arc::clone(&eyes), 0, end.clone()).await?;
        let process = Arc::new(Mutex::new(process));
        let _end = end.drop_guard();
        Ok(Self { process, supervisor: None, site, wires, eyes, journal, _end, folder })
    }

    /// A client with the administrator's token.
    ///
    /// # Errors
    /// When the CA can't be read.
    pub fn client(&self) -> Result<Client> {
        Ok(self.site.client()?)
    }

    /// The ways from simulated machines to it.
    pub fn wires(&self) -> &Arc<Wires> {
        &self.wires
    }

    /// What sees the machines.
    pub fn eyes(&self) -> &Arc<Eyes> {
        &self.eyes
    }

    /// Screws a machine into the rack, in the sight of our eyes.
    ///
    /// # Errors
    /// When its BMC can't listen.
    pub async fn machine(&self, name: &str, number: u8, options: SimOptions) -> Result<Sim> {
        Sim::start_on(&self.wires, Arc::clone(&self.eyes), name, number, options).await
    }

    /// Makes an image of so many MiB and imports it.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn import(&self, name: &str, mebibytes: u64) -> Result<Arc<TestImage>> {
        let image = TestImage::make(self.folder.path(), name, mebibytes, 7)?;
        let spec = ImageSpec::disk(name, &image.digest, ImageFormat::Raw);
        self.client()?.import_image(&spec, &image.path, |_| {}).await?;
        Ok(Arc::new(image))
    }

    /// Kills it by SIGKILL if it runs, and starts it again; from now on it dies at this moment. Does not wait until it
    /// answers: it may die before.
    ///
    /// # Errors
    /// When the program can't be started.
    pub fn restart(&self, die_at: Option<&str>) -> Result<()> {
        let variables = die_at.map(|moment| (BILLET_DIE_AT.to_owned(), moment.to_owned()));
        self.process().relaunch(variables.into_iter().collect())
    }

    /// The same with these variables in its environment, and waits until it answers.
    ///
    /// # Errors
    /// When it doesn't start.
    pub async fn restart_with(&self, variables: &[(&str, &str)]) -> Result<()> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.process().relaunch(variables.iter().map(own).collect())?;
        let client = self.client()?;
        crate::eventually("it answers", async || Ok(client.works().await.ok().map(drop))).await
    }

    /// Kills it by SIGKILL.
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.process().data()
    }

    /// Its configuration.
    pub fn configuration(&self) -> PathBuf {
        self.folder.path().join("billet.toml")
    }

    /// How it ended, if it did.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.process().ended()
    }

    /// Whether it was ended by SIGKILL.
    pub fn was_killed(&self) -> bool {
        self.ended().is_some_and(|status| status.signal() == Some(9))
    }

    /// From now on it is started again whenever it ends, as systemd would.
    pub fn supervise(&mut self) {
        let process = Arc::clone(&self.process);
        let supervisor = tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                let mut process = lock(&process);
                if process.ended().is_some() && process.relaunch(Vec::new()).is_err() {
                    return;
                }
            }
        });
        self.supervisor = Some(supervisor.abort_handle());
    }

    /// The lines of its log, of all its lives.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn log(&self) -> Result<Vec<String>> {
        let path = self.process().log();
        let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
        Ok(String::from_utf8_lossy(&text).lines().map(ToOwned::to_owned).collect())
    }

    /// What the machines did since this was asked last, oldest first.
    pub fn seen(&mut self) -> Vec<Seen> {
        let mut seen = Vec::new();
        while let Ok(entry) = self.journal.try_recv() {
            if let What::Seen(what) = entry.what {
                seen.push(what);
            }
        }
        seen
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        lock(&self.process)
    }
}

impl Drop for ProcessSite {
    fn drop(&mut self) {
        if let Some(supervisor) = &self.supervisor {
            supervisor.abort();
        }
        self.process().kill();
    }
}

fn lock(process: &Mutex<Process>) -> MutexGuard<'_, Process> {
    // A test that panicked elsewhere still has to kill it.
    process.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The service's program, built beside this test.
pub(crate) fn program() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let program = own.ancestors().nth(2).context("a target folder")?.join("billet");
    ensure!(program.is_file(), "billet is not built; run `cargo build -p provisioner -p lab`");
    Ok(program)
}

//! The service as a process of its own: started, killed without a word, started again on the same data and ports.
//!
//! What is known of it is what anybody can know: its log, its answers, and `/proc`. Nothing of it is linked in here.

mod config;
mod spawn;
mod usage;

pub use config::{ServiceOptions, free_ports};

use crate::fleet::entry::Usage;
use crate::fleet::site::Site;
use anyhow::{Context, Result, bail};
use config::Ports;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use provisioner_api::Secret;
use serde::Deserialize;
use spawn::Spawner;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long the service may take until it answers.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long it may take to end when it is asked to.
const FAREWELL: Duration = Duration::from_secs(30);

/// How often other ports are tried when somebody was quicker to take them.
const TURNS: u32 = 3;

/// The name of its log.
const LOG: &str = "billet.log";

/// Between two questions whether it answers.
const PAUSE: Duration = Duration::from_millis(20);

/// The service, running or killed. Dropped, it is killed.
pub struct Process {
    billet: PathBuf,
    dir: PathBuf,
    ports: Ports,
    spawner: Spawner,
    variables: Vec<(String, String)>,
    child: Option<Child>,
    pid: Arc<AtomicU32>,
}

/// Reads what the service uses, whoever else has it in hand just now.
#[derive(Debug, Clone)]
pub struct Meter {
    pid: Arc<AtomicU32>,
    data: PathBuf,
}

impl Meter {
    /// What it uses now; only its database while it does not run.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let database = usage::database(&self.data);
        match self.pid.load(Ordering::SeqCst) {
            0 => Usage { database, ..Usage::default() },
            pid => Usage { database, ..usage::of(pid) },
        }
    }
}

/// The file with which the first start lets the administrator log in.
#[derive(Deserialize)]
struct Admin {
    url: String,
    token: Secret,
    ca: PathBuf,
}

impl Process {
    /// Writes the configuration into `dir`, starts `billet serve` and waits until it answers.
    ///
    /// # Errors
    /// When it doesn't start; with the last lines of its log.
    pub async fn start(billet: &Path, dir: &Path, options: &ServiceOptions) -> Result<(Self, Site)> {
        let dir = std::fs::canonicalize(dir)
            .with_context(|| format!("the run's folder {} is not there", dir.display()))?;
        for turn in 0.. {
            let ports = Ports::free(turn)?;
            config::write(&dir, &ports, options)?;
            let (spawner, log) = (Spawner::new(billet)?, dir.join(LOG));
            let mut process = Self {
                billet: billet.to_owned(),
                dir: dir.clone(),
                ports,
                spawner,
                variables: Vec::new(),
                child: None,
                pid: Arc::default(),
            };
            process.launch()?;
            match process.until_ready(None).await {
                Ok(site) => return Ok((process, site)),
                // Somebody else took one of them between our look and the service's.
                Err(_) if turn < TURNS && std::fs::read_to_string(&log)?.contains("already in use") => {
                    std::fs::remove_file(&log)?;
                }
                Err(error) => return Err(error),
            }
        }
        bail!("no ports could be had")
    }

    fn launch(&mut self) -> Result<()> {
        let log = std::fs::File::options().create(true).append(true).open(self.log())?;
        let child = self.spawner.spawn(&self.billet, &config::file(&self.dir), &self.variables, log)?;
        self.pid.store(child.id(), Ordering::SeqCst);
        self.child = Some(child);
        Ok(())
    }

    /// Asks until it answers. The first time the answer is also how to log in.
    async fn until_ready(&mut self, known: Option<&Site>) -> Result<Site> {
        let asking = async {
            loop {
                if let Some(child) = &mut self.child
                    && let Some(status) = child.try_wait()?
                {
                    bail!("the service ended while it started ({status}); its log ends:\n{}", self.log_end());
                }
                if let Some(site) = known.cloned().or_else(|| self.site())
                    && site.client()?.health().await.is_ok()
                {
                    return Ok(site);
                }
                // Between two questions, not a guess how long something takes.
                tokio::time::sleep(PAUSE).await;
            }
        };
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(ready) => ready,
            Err(_) => bail!(
                "the service did not answer within {} s; its log ends:\n{}",
                PATIENCE.as_secs(),
                self.log_end()
            ),
        }
    }

    /// Where the service is, once its first start has said so.
    fn site(&self) -> Option<Site> {
        let text = std::fs::read_to_string(self.admin_file()).ok()?;
        let admin: Admin = toml::from_str(&text).ok()?;
        let ca_pem = std::fs::read_to_string(&admin.ca).ok()?;
        let key = std::fs::read_to_string(config::data(&self.dir).join("permit.pub")).ok()?;
        Some(self.ports.site(admin.url, ca_pem, key.parse().ok()?, admin.token))
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself; then there is only something to bury.
            let _ = child.kill();
            let _ = child.wait();
            self.pid.store(0, Ordering::SeqCst);
        }
    }

    /// Starts it again on the same data and ports, killed first if it runs, and waits until it answers.
    ///
    /// # Errors
    /// When it doesn't.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill();
        let site = self.site().context("it has never run; nothing says how to log in")?;
        self.launch()?;
        self.until_ready(Some(&site)).await.map(drop)
    }

    /// Starts it again on the same data and ports, killed first if it runs, with these variables in its environment.
    /// Waits for nothing: it may be meant to end before it answers.
    ///
    /// # Errors
    /// When the program can't be started.
    pub fn relaunch(&mut self, variables: Vec<(String, String)>) -> Result<()> {
        self.kill();
        self.variables = variables;
        self.launch()
    }

    /// SIGTERM, and waits until it has ended.
    ///
    /// # Errors
    /// When it doesn't within half a minute (it is killed then), or ends with another code than 0.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        self.pid.store(0, Ordering::SeqCst);
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM)
            .context("can't ask the service to end")?;
        let waiting = async {
            loop {
                if let Some(status) = child.try_wait()? {
                    return Ok::<ExitStatus, std::io::Error>(status);
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        let ended = tokio::time::timeout(FAREWELL, waiting).await;
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => bail!("the service ended with {status}; its log ends:\n{}", self.log_end()),
            Ok(Err(error)) => Err(error).context("can't wait for the service"),
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                bail!("the service did not end within {} s of SIGTERM", FAREWELL.as_secs())
            }
        }
    }

    /// How it ended by itself, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().ok().flatten()
    }

    /// What it uses now; only its database while it does not run.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.meter().usage()
    }

    /// Reads what it uses while others have it in hand.
    #[must_use]
    pub fn meter(&self) -> Meter {
        Meter { pid: Arc::clone(&self.pid), data: self.data() }
    }

    /// Its process id; 0 while it does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.load(Ordering::SeqCst)
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        config::data(&self.dir)
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.dir.join(LOG)
    }

    /// The file with which the command line logs in.
    #[must_use]
    pub fn admin_file(&self) -> PathBuf {
        self.data().join("admin.toml")
    }

    fn log_end(&self) -> String {
        let text = std::fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text[text.len().saturating_sub(8192)..]).into_owned();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What this very process uses: the fleet's own share of the host.
pub(crate) fn own_usage() -> Usage {
    usage::of(std::process::id())
}

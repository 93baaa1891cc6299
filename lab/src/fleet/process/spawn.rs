//! Starting the service so that it ends with us, however we end.
//!
//! The kernel kills a child when the *thread* that started it ends (PR_SET_PDEATHSIG, prctl(2)). Threads of a runtime
//! come and go; so one thread does nothing but start the service, and lives as long as this.

use crate::child;
use anyhow::{Context, Result};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

type Started = mpsc::Sender<std::io::Result<Child>>;

/// The thread that starts the service.
pub(super) struct Spawner {
    wishes: mpsc::Sender<(Command, Started)>,
    lab: PathBuf,
}

impl Spawner {
    /// `billet` is the service's program; `billet-lab` may have to be searched for beside it.
    pub(super) fn new(billet: &Path) -> Result<Self> {
        let (wishes, asked) = mpsc::channel::<(Command, Started)>();
        std::thread::Builder::new().name("spawner".into()).spawn(move || {
            while let Ok((mut command, started)) = asked.recv() {
                // Nobody who asked went away: they wait for the answer.
                let _ = started.send(command.spawn());
            }
        })?;
        Ok(Self { wishes, lab: lab_program(billet)? })
    }

    /// Starts `billet serve`, with these variables in its environment.
    pub(super) fn spawn(
        &self,
        billet: &Path,
        config: &Path,
        variables: &[(String, String)],
        log: File,
    ) -> Result<Child> {
        let mut command = Command::new(&self.lab);
        command.arg(child::SUBCOMMAND).arg(std::process::id().to_string()).arg(billet);
        command.args(["serve", "--config"]).arg(config);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // Ctrl-C goes to all of the terminal's foreground group: the service must hear of the end from us, and once.
        command.process_group(0);
        let (started, answer) = mpsc::channel();
        let gone = "the thread that starts the service is gone";
        self.wishes.send((command, started)).ok().context(gone)?;
        answer.recv().context(gone)?.with_context(|| format!("can't start {}", self.lab.display()))
    }
}

/// Ourselves; a test is another program, then the one beside the service.
fn lab_program(billet: &Path) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    if own.file_name().is_some_and(|name| name == "billet-lab") {
        return Ok("/proc/self/exe".into());
    }
    let named = std::env::var_os("BILLET_LAB").map(PathBuf::from);
    let beside = billet.with_file_name("billet-lab");
    named
        .or_else(|| beside.is_file().then_some(beside))
        .context("billet-lab is not built; run `cargo build -p lab`")
}

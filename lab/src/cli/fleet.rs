//! `billet-lab fleet`: from the terminal to a run, and its end.

use anyhow::{Context, bail};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::arguments::{Database, Fleet};
use crate::child;
use crate::fleet::scenario::{DatabaseKind, FaultKind};
use crate::fleet::{Results, RunOptions, Scenario, run, scenario_of};

/// The run failed, and has said why.
#[derive(Debug, thiserror::Error)]
#[error("the run failed")]
pub(super) struct Failed;

/// Threads that may block beside those that write disks: inventories, looks at disks.
const SPARE_THREADS: usize = 64;

pub(super) fn fleet(arguments: Fleet) -> anyhow::Result<()> {
    let scenario = scenario(&arguments)?;
    if let Some(refused) = &scenario.refused {
        bail!("scenario {}: {refused}", scenario.name);
    }
    let billet = billet(arguments.billet.as_deref())?;
    arguments.json.as_deref().map(writable).transpose()?;
    // Gone again with everything in it, unless there is something to look at.
    let own = match &arguments.dir {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("billet-fleet-").tempdir()?),
    };
    let dir = match (&arguments.dir, &own) {
        (Some(dir), _) => dir.clone(),
        (None, Some(own)) => own.path().to_owned(),
        (None, None) => bail!("there is no folder"),
    };
    std::fs::create_dir_all(&dir).with_context(|| format!("can't make {}", dir.display()))?;
    start_log(&dir)?;
    let stays = arguments.scenario.is_none() && arguments.replay.is_none();
    let writers = usize::from(arguments.writers);
    let options = RunOptions {
        scenario,
        billet: billet.clone(),
        dir: dir.clone(),
        database: match arguments.database {
            Some(Database::Url(url)) => Some(url),
            _ => None,
        },
        writers,
        quiet: arguments.quiet,
        replay: arguments.replay.clone(),
        stay: stays.then(|| Box::new(move |dir: &Path| welcome(&billet, dir)) as Box<_>),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // A disk that is written holds a thread, and one that fetches what it writes next, too.
        .max_blocking_threads(2 * writers + SPARE_THREADS)
        .build()?;
    let ended = runtime.block_on(until_stopped(options));
    // Threads of simulated disks may still wait for their time; nobody waits for them.
    runtime.shutdown_background();
    let well = ended.as_ref().is_ok_and(|results| results.passed);
    // Who plays has no use for what is left of a game that was broken off.
    let over = stays && ended.as_ref().is_ok_and(|results| results.violations.is_empty());
    let kept = own.is_none() || arguments.keep || !(well || over);
    if let Some(own) = own
        && kept
    {
        let _left = own.keep();
    }
    let results = ended?;
    if let Some(file) = &arguments.json {
        let text = serde_json::to_vec_pretty(&results)?;
        std::fs::write(file, text).with_context(|| format!("can't write {}", file.display()))?;
    }
    tell(&results, kept.then_some(&*dir))
}

/// Asks for the file before the run and not after it: half an hour may lie between.
fn writable(file: &Path) -> anyhow::Result<()> {
    let is_new = !file.exists();
    let opened = File::options().append(true).create(true).open(file);
    opened.with_context(|| format!("--json: can't write {}", file.display()))?;
    if is_new {
        std::fs::remove_file(file)?;
    }
    Ok(())
}

/// What is run: the scenario with what the command line says otherwise.
fn scenario(arguments: &Fleet) -> anyhow::Result<Scenario> {
    if let Some(dir) = &arguments.replay {
        let scenario = scenario_of(dir)?;
        // Somebody may have written in the plan.
        scenario.check()?;
        return Ok(scenario);
    }
    let mut scenario = Scenario::find(arguments.scenario.as_deref().unwrap_or("demo"))?;
    scenario.machines = arguments.machines.unwrap_or(scenario.machines);
    scenario.compress = arguments.compress.unwrap_or(scenario.compress);
    scenario.seed = arguments.seed.unwrap_or(scenario.seed);
    if let Some((ipmi, redfish)) = arguments.mix {
        (scenario.mix.ipmi, scenario.mix.redfish) = (ipmi, redfish);
    }
    match &arguments.database {
        Some(Database::Kind(kind)) => scenario.service.database = *kind,
        Some(Database::Url(_)) => {
            scenario.service.database = DatabaseKind::Postgres;
            let stops = scenario.faults.iter().any(|fault| fault.what == FaultKind::Database);
            anyhow::ensure!(
                !stops,
                "--database: scenario {} stops its database server, which only one that the run started may be; write --database postgres",
                scenario.name
            );
        }
        None => {}
    }
    if scenario.seed == 0 {
        // Any will do; it is told, and one can be had again.
        scenario.seed = u64::from(uuid::Uuid::new_v4().as_fields().0).max(1);
    }
    scenario.check()?;
    Ok(scenario)
}

/// The service's program.
fn billet(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => {
            let beside = std::env::current_exe()?.with_file_name("billet");
            let found = beside.is_file().then_some(beside).or_else(|| child::find("billet"));
            found.context(
                "there is no `billet` beside this program or in PATH; build it (cargo build -p provisioner) or name it with --billet",
            )?
        }
    };
    std::fs::canonicalize(&path).with_context(|| format!("--billet: can't find {}", path.display()))
}

/// Runs until the end, or until a signal asks for it; a second one does not wait for good manners.
async fn until_stopped(options: RunOptions) -> anyhow::Result<Results> {
    let stop = CancellationToken::new();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stopping = stop.clone();
    let asked = async move {
        for _ in 0..2 {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            stopping.cancel();
        }
    };
    tokio::select! {
        results = run(options, stop) => results,
        () = asked => bail!("stopped in the middle, by a second signal"),
    }
}

fn start_log(dir: &Path) -> anyhow::Result<()> {
    let path = dir.join("lab.log");
    // The folder may hold a run, which is refused later and must stay as it is.
    let file = File::options().append(true).create(true).open(&path);
    let file = file.with_context(|| format!("can't write {}", path.display()))?;
    let filter = EnvFilter::try_from_env("BILLET_LAB_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(file)).init();
    Ok(())
}

/// How to log in, for people who want to try things.
fn welcome(billet: &Path, dir: &Path) {
    let (billet, client) = (billet.display(), dir.join("data").join("admin.toml"));
    println!(
        "The machines are in, and everything stays until Ctrl-C. In another terminal:\n\
         \n  export BILLET_CLIENT={client}\n\
         \x20 {billet} machine list\n\
         \x20 {billet} instance create web-1 --image fleet --root-disk smallest\n\
         \x20 {billet} why web-1\n\
         \nThe service's address, token and CA certificate are in that file; its log is {log}",
        client = client.display(),
        log = dir.join("billet.log").display(),
    );
}

/// Tells figures and broken promises; how to have it again comes last. `kept` is the run's folder, if it stays.
fn tell(results: &Results, kept: Option<&Path>) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    if results.scenario == "demo" && results.passed {
        return Ok(());
    }
    writeln!(out, "{}", results.told())?;
    if results.passed {
        return Ok(());
    }
    let Some(dir) = kept else { return Err(Failed.into()) };
    let program = std::env::args().next().unwrap_or_else(|| "billet-lab".into());
    writeln!(out, "the journal and the service's log and data are in {}", dir.display())?;
    writeln!(out, "{program} fleet --replay {}", dir.display())?;
    Err(Failed.into())
}

//! A run from its first to its last moment: service, machines, phases, rest, checks, results.

mod measure;
mod rest;
mod results;
mod service;

pub use results::{Latency, PhaseResults, Results, TrafficResults};
pub(crate) use service::Service;

use super::check::{Checker, steady_memory};
use super::entry::What;
use super::fleet::{Fleet, FleetSpec};
use super::journal::{Folder, Journal, Judge, Script};
use super::kill::{Faults, Killer};
use super::load::{self, Caller, Load, Sampler};
use super::process::ServiceOptions;
use super::records::{Records, Until};
use super::scenario::{Do, Phase, Scenario};
use super::screen::Screen;
use super::{DiskSpec, Eyes, FleetImage, Site, Wires};
use crate::dice::Dice;
use anyhow::{Context, Result};
use measure::{Gauge, Mark};
use provisioner_api::{ImageFormat, ImageSpec, Machine};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The most sentences about what is not done.
const EXAMPLES: usize = 5;

/// How many questions a second the sampler asks in a deployment.
const SAMPLE: f64 = 20.0;

/// What is run, and how.
pub struct RunOptions {
    /// What is done; its seed is not 0.
    pub scenario: Scenario,
    /// The service's program.
    pub billet: PathBuf,
    /// The run's folder; it must hold no run yet.
    pub dir: PathBuf,
    /// The URL of a PostgreSQL database that is there, for the service's records; none: as the scenario has it.
    pub database: Option<String>,
    /// How many disks are written at once.
    pub writers: usize,
    /// Whether nothing is shown meanwhile.
    pub quiet: bool,
    /// The run whose kills and faults are done again.
    pub replay: Option<PathBuf>,
    /// Told when all phases are done and everything still runs; the run goes on until it is stopped.
    pub stay: Option<Welcome>,
}

/// Told the run's folder.
pub type Welcome = Box<dyn FnOnce(&Path) + Send>;

/// The scenario of a run that is written down.
///
/// # Errors
/// When the folder holds no run.
pub fn scenario_of(dir: &Path) -> Result<Scenario> {
    Ok(Folder::open(dir).read()?.0)
}

/// Runs a scenario; `stop` ends it before its time.
///
/// # Errors
/// When service or machines can't be started, or the service does not come back. Broken promises are no error, but in
/// the results.
pub async fn run(options: RunOptions, stop: CancellationToken) -> Result<Results> {
    let folder = Folder::create(&options.dir)?;
    folder.write_plan(&options.scenario)?;
    let script =
        options.replay.as_deref().map(|dir| Folder::open(dir).read()).transpose()?.map(|(_, script)| script);
    let checker = Arc::new(Mutex::new(Checker::new(&options.scenario.limits)));
    let judging = Arc::clone(&checker);
    let judge: Judge = Box::new(move |entry| lock(&judging).see(entry));
    let (sink, journal) = folder.start(options.scenario.checked.then_some(judge))?;
    let eyes = Eyes::new(Some(sink));
    // What lives as long as the run: its own token, so that an early end still leaves time to put things in order.
    let over = CancellationToken::new();
    let _ended = over.clone().drop_guard();
    let stage = Stage::set(&options, &folder, &eyes, &journal, script, &stop, &over).await?;
    stage.play(options, journal, &checker).await
}

/// Everything that a run needs, in place.
struct Stage {
    load: Arc<Load>,
    gauge: Arc<Gauge>,
    faults: Arc<Faults>,
    killer: Option<Arc<Killer>>,
    script: Option<Script>,
    idle: watch::Sender<bool>,
    results: Results,
    folder: Folder,
    /// The last to go.
    _records: Until,
}

impl Stage {
    async fn set(
        options: &RunOptions,
        folder: &Folder,
        eyes: &Arc<Eyes>,
        journal: &Journal,
        script: Option<Script>,
        stop: &CancellationToken,
        over: &CancellationToken,
    ) -> Result<Self> {
        let scenario = &options.scenario;
        let mut screen = Screen::new(options.quiet);
        screen.say(&format!(
            "scenario {}: {} machines, seed {}, folder {}",
            scenario.name,
            scenario.machines,
            scenario.seed,
            folder.path().display()
        ));
        let records = Records::of(scenario, options.database.as_deref()).await?;
        let until = Until(records.clone());
        let database = records.own().cloned();
        let wanted = ServiceOptions { database: records.url(), ..ServiceOptions::from(scenario) };
        let (service, site, start) =
            Service::start(&options.billet, folder.path(), &wanted, records, eyes.clone()).await?;
        let usage_first = service.usage();
        let wires = Wires::new(&site, eyes.clone(), scenario.seed, over.clone()).await?;
        let image = image(folder, &site, scenario).await?;
        let spec = FleetSpec {
            machines: scenario.machines,
            mix: scenario.mix.clone(),
            compress: scenario.compress,
            seed: scenario.seed,
            disk: disks(scenario, options.writers),
            image,
        };
        let fleet = Fleet::start(&spec, wires.clone(), eyes.clone(), over.clone()).await?;
        let (idle, is_idle) = watch::channel(false);
        let counts = load::watch_counts(site.client()?, is_idle, over.clone());
        let caller = Caller::new(site.client()?, eyes.clone(), stop.clone());
        let load = Load::new(
            caller,
            site.client()?,
            fleet.clone(),
            eyes.clone(),
            service.clone(),
            scenario.clone(),
            counts,
            stop.clone(),
        );
        let dice = Dice::new(scenario.seed);
        let faults = Faults::new(fleet, wires.clone(), database, eyes.clone(), &dice);
        let kills = script.as_ref().map(|script| script.kills.clone());
        let killer = scenario.kill.clone().map(|kill| Killer::new(service, eyes.clone(), kill, &dice, kills));
        let gauge = Gauge::start(Arc::clone(&load), wires, screen, journal.shared(), over.clone());
        let results = Results {
            scenario: scenario.name.clone(),
            seed: scenario.seed,
            machines: scenario.machines,
            compress: scenario.compress,
            start_s: start.as_secs_f64(),
            usage_first,
            ..Results::default()
        };
        let folder = folder.clone();
        Ok(Self { load, gauge, faults, killer, script, idle, results, folder, _records: until })
    }

    async fn play(
        mut self,
        options: RunOptions,
        journal: Journal,
        checker: &Mutex<Checker>,
    ) -> Result<Results> {
        let scenario = &options.scenario;
        for (number, phase) in scenario.phases.iter().enumerate() {
            if self.load.stop.is_cancelled() {
                break;
            }
            self.gauge.begin(phase.deed.word(), number + 1, scenario.phases.len());
            let results = self.phase(phase, number).await?;
            self.gauge.say(&results.told());
            self.results.phases.push(results);
        }
        let mut whole = !self.load.stop.is_cancelled();
        if let Some(stay) = options.stay.filter(|_| whole) {
            self.gauge.begin("open to all", scenario.phases.len(), scenario.phases.len());
            stay(self.folder.path());
            self.load.stop.cancelled().await;
        }
        let mut broken = Vec::new();
        if scenario.checked && !self.load.stop.is_cancelled() {
            self.gauge.begin("rest", scenario.phases.len(), scenario.phases.len());
            rest::come_to_rest(&self.load).await?;
            whole = !self.load.stop.is_cancelled();
        }
        if scenario.checked && !self.load.stop.is_cancelled() {
            let snapshot = rest::look_up(&self.load, self.results.usage_first).await?;
            self.results.usage_last = snapshot.usage_last;
            broken.extend(journal.finish()?);
            broken.extend(lock(checker).at_rest(&snapshot));
            broken.extend(steady_memory(&self.gauge.samples()));
            std::fs::write(self.folder.path().join("snapshot.json"), serde_json::to_vec(&snapshot)?)?;
        } else {
            self.results.usage_last = self.load.service.usage();
            if let Err(error) = self.load.service.stop().await {
                self.load.problem("ends-well", "the service", format!("{error:#}"));
            }
            broken.extend(journal.finish()?);
        }
        broken.extend(self.load.take_problems());
        self.results.passed = broken.is_empty() && whole;
        self.results.violations = broken;
        self.results.kills = self.load.service.kills();
        self.gauge.end();
        Ok(self.results)
    }

    /// Does one phase, with its faults and kills, and measures it.
    async fn phase(&self, phase: &Phase, number: usize) -> Result<PhaseResults> {
        let (load, word) = (&self.load, phase.deed.word());
        load.eyes.write(None, What::Phase { name: word.into() });
        self.idle.send_replace(phase.deed == Do::Steady);
        let over = CancellationToken::new();
        let script =
            self.script.as_ref().map(|script| script.faults.get(number).cloned().unwrap_or_default());
        let faults = tokio::spawn({
            let (faults, over) = (Arc::clone(&self.faults), over.clone());
            let all = load.scenario.faults.clone();
            async move { faults.during(word, number as u64, &all, script, over).await }
        });
        let killer = self.killer.clone().filter(|killer| killer.kills_in(word));
        let is_killed = killer.is_some();
        let mut killing = tokio::spawn({
            let over = over.clone();
            async move {
                match killer {
                    Some(killer) => killer.run(over).await,
                    None => {
                        over.cancelled().await;
                        Ok(())
                    }
                }
            }
        });
        let usual = if phase.deed == Do::Deploy { SAMPLE } else { 0.0 };
        let rate = phase.sample.unwrap_or(usual);
        let sampler = (rate > 0.0).then(|| Sampler::start(load.client.clone(), rate));
        self.gauge.sampler(sampler.as_ref());
        let before = Mark::set(&self.gauge);
        let outcomes = tokio::select! {
            outcomes = load.run(phase) => outcomes?,
            // It ends before the phase only when the service did not come back.
            ended = &mut killing => return ended?.and_then(|()| anyhow::bail!("the killer went home")),
        };
        let mut results = before.measure(&self.gauge, word, outcomes);
        results.api = sampler.map(|sampler| sampler.latencies()).unwrap_or_default();
        self.gauge.sampler(None);
        over.cancel();
        faults.await?;
        killing.await??;
        // While it is killed again and again, the service waits again and again: then the rest at the end decides.
        if outcomes.missing > 0 && !is_killed && !load.stop.is_cancelled() {
            self.tell_missing(word, outcomes.missing).await;
        }
        Ok(results)
    }

    /// Says of some that did not come to an end what they wait for.
    async fn tell_missing(&self, word: &str, missing: u64) {
        let view = self.load.view().await.unwrap_or_default();
        let mut examples = Vec::new();
        let works = |machine: &&Machine| load::works(machine) && machine.status.held.is_none();
        for machine in view.machines.iter().filter(works) {
            let waiting =
                machine.status.waiting.as_ref().map_or("nothing that it tells", |waiting| &waiting.why);
            examples.push(format!("{} is {:?} and waits for: {waiting}", machine.name, machine.status.state));
        }
        for instance in &view.instances {
            if let Some(waiting) = &instance.status.waiting {
                examples.push(format!("{} is {:?}: {}", instance.name, instance.status.state, waiting.why));
            }
        }
        examples.truncate(EXAMPLES);
        if examples.is_empty() {
            examples.push("what was asked for is not there, or came to its end just now".into());
        }
        let why = format!("{missing} did not come to an end: {}", examples.join("; "));
        self.load.problem("phase-ends", word, why);
    }
}

/// The machines' disks, of which so many are written at once.
fn disks(scenario: &Scenario, writers: usize) -> DiskSpec {
    let size = &scenario.disk;
    let mut disks =
        DiskSpec::new(size.mib, size.mib_per_second * scenario.compress, size.data_disks, writers);
    disks.data = size.tenant_disks;
    disks
}

/// Makes the image and gives it to the service.
async fn image(folder: &Folder, site: &Site, scenario: &Scenario) -> Result<Arc<FleetImage>> {
    let (path, seed) = (folder.path().to_owned(), scenario.seed.to_le_bytes()[0]);
    let mib = scenario.image.mib;
    let making = tokio::task::spawn_blocking(move || FleetImage::make(&path, "fleet.raw", mib, seed));
    let image = making.await??;
    let spec = ImageSpec::disk("fleet", &image.digest, ImageFormat::Raw);
    site.client()?
        .import_image(&spec, &image.path, |_| {})
        .await
        .context("the service does not take the image")?;
    Ok(Arc::new(image))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often the gauge is read.
const GAUGE: Duration = Duration::from_millis(500);

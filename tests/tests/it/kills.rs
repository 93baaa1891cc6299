//! The service is killed at each moment of each step of each kind of job: the work ends as if nothing had been.
//!
//! What there is to be killed at follows from lifecycle's plan, so a new step is in it by itself, and a new kind of job
//! does not compile here until it is said how it comes about. The process is `billet` itself, which kills itself by SIGKILL
//! at the named moment. One write may be several moments: where it ends a step and begins the next. The process says so
//! when it dies, and none of them is tried again.
//!
//! Two rows of works are played beside each other, each with a service, a database and a machine of its own: most of such a
//! journey is waiting. Which work is in which row changes nothing of what is judged, and that none is missing is judged of
//! both together.

use anyhow::{Context, Result, ensure};
use lab::fleet::{MachineTruth, NetworkFaults, Seen};
use provisioner_api::{
    DeleteInstance, DiskHints, ErasePolicy, InstanceCreate, InstanceReinstall, InstanceRescue, InstanceSpec,
    InstanceState, Job, JobKind, Machine, MachineAction, MachineService, MachineState, ServiceStep,
    StepPhase,
};
use provisioner_client::ErasureFilter;
use provisioner_lifecycle::{StepName, ram_steps, steps_of};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Write as _;
use tests::{BILLET_DIE_AT, ProcessSite, Protocol, RamImage, Sim, SimOptions, ask, eventually};
use tests_postgres::Server;

/// The moments of a step. `after-effect`: it is so in the world (the BMC obeyed, the agent's or the system's word is here),
/// and not stored.
const MOMENTS: [&str; 4] = ["before-intent", "after-intent", "after-effect", "after-result"];

/// What is on the disk for data, at its beginning.
const DATA: &[u8] = b"data that a servicing is asked to wipe";

/// A form of a kind of job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Full,
    /// It only ends in good order.
    Short,
    /// Of an image that runs from RAM.
    Ram,
    /// The same, when its machine starts anew.
    RamAgain,
}

/// A kind of job, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Work {
    kind: JobKind,
    form: Form,
}

impl Work {
    /// Every kind in every form that has steps of its own.
    fn all() -> Vec<Self> {
        // A new kind doesn't compile here until it is in this chain.
        let after = |kind: JobKind| match kind {
            JobKind::Inspect => Some(JobKind::Deploy),
            JobKind::Deploy => Some(JobKind::Reinstall),
            JobKind::Reinstall => Some(JobKind::Rescue),
            JobKind::Rescue => Some(JobKind::Service),
            JobKind::Service => Some(JobKind::Release),
            JobKind::Release => None,
        };
        let forms =
            |kind| [Form::Full, Form::Short, Form::Ram, Form::RamAgain].map(|form| Self { kind, form });
        let exists = |work: &Self| match work.form {
            Form::Full => true,
            Form::Short => steps_of(work.kind, true) != steps_of(work.kind, false),
            Form::Ram | Form::RamAgain => work.kind == JobKind::Deploy,
        };
        let kinds = std::iter::successors(Some(JobKind::Inspect), |kind| after(*kind));
        kinds.flat_map(forms).filter(exists).collect()
    }

    /// Its steps.
    fn steps(self) -> &'static [StepName] {
        match self.form {
            Form::Full | Form::Short => steps_of(self.kind, self.form == Form::Short),
            Form::Ram | Form::RamAgain => ram_steps(self.form == Form::RamAgain),
        }
    }

    fn runs_from_ram(self) -> bool {
        matches!(self.form, Form::Ram | Form::RamAgain)
    }

    /// Its name, as the process has it.
    fn word(self) -> String {
        let kind = format!("{:?}", self.kind).to_lowercase();
        match self.form {
            Form::Full => kind,
            Form::Short => format!("{kind}-short"),
            Form::Ram => format!("{kind}-ram"),
            Form::RamAgain => format!("{kind}-ram-again"),
        }
    }

    /// All moments of all its steps, in order.
    fn moments(self) -> Vec<String> {
        let of = |step: &StepName| MOMENTS.map(|moment| format!("{}/{step}/{moment}", self.word()));
        self.steps().iter().flat_map(of).collect()
    }

    /// By how much it raises the machine's epoch if nothing of it is started anew. What is cut short was begun before.
    fn epochs(self) -> u64 {
        if self.form == Form::Short { 2 } else { 1 }
    }

    /// The steps that write to the disk for systems in it, once each.
    fn writes(self) -> Vec<&'static str> {
        let destroys = self.steps().iter().filter(|step| step.destroys());
        destroys.filter(|_| self.kind != JobKind::Service).map(|step| step.word()).collect()
    }

    /// The same of the disk for data, which no system is written to.
    fn writes_data(self) -> Vec<&'static str> {
        let erases = self.steps().iter().filter(|step| **step == StepName::Erase);
        erases.map(|step| step.word()).collect()
    }
}

/// The works that are played beside each other: a machine's life with its system on a disk, from its inspection to its
/// release; and what is cut short or runs from RAM.
fn rows() -> [Vec<Work>; 2] {
    let (whole, others) = Work::all().into_iter().partition(|work| work.form == Form::Full);
    [whole, others]
}

/// Where a death is to come, one kind of job after the other, so that whoever ends one does not meet the next death in it.
fn in_turns(works: &[Work]) -> VecDeque<(Work, String)> {
    let mut rows: Vec<_> = works.iter().map(|work| (*work, VecDeque::from(work.moments()))).collect();
    let mut turns = VecDeque::new();
    while rows.iter().any(|(_, moments)| !moments.is_empty()) {
        for (work, moments) in &mut rows {
            turns.extend(moments.pop_front().map(|moment| (*work, moment)));
        }
    }
    turns
}

/// A site with one machine, and what is known of it.
struct Stage {
    site: ProcessSite,
    sim: Sim,
    /// The instance that the machine is for.
    instance: Option<String>,
    /// It runs from RAM.
    from_ram: bool,
    instances: u32,
    /// How the work that was begun last wipes.
    policy: ErasePolicy,
    /// At which moment the process that runs dies.
    armed: Option<String>,
    /// Where it died already.
    died: Died,
}

/// Where a service died: the moment → the one that was asked for.
type Died = BTreeMap<String, String>;

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(debug_assertions), ignore = "release builds don't die at a named moment")]
async fn killed_at_each_moment_of_each_step_on_sqlite() -> Result<()> {
    let [whole, others] = rows().map(|works| killed_in_turns(works, None, Protocol::Redfish));
    let died = tokio::try_join!(whole, others)?;
    tell(died.into())
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(debug_assertions), ignore = "release builds don't die at a named moment")]
async fn killed_at_each_moment_of_each_step_on_postgresql() -> Result<()> {
    let server = Server::shared().await?;
    let databases = [server.database().await?, server.database().await?];
    let [whole, others] = rows();
    let died = tokio::try_join!(
        killed_in_turns(whole, Some(databases[0].url()), Protocol::Ipmi),
        killed_in_turns(others, Some(databases[1].url()), Protocol::Ipmi)
    )?;
    tell(died.into())
}

/// Kills a service of its own at each moment of these works.
async fn killed_in_turns(works: Vec<Work>, database: Option<&str>, protocol: Protocol) -> Result<Died> {
    let mut stage = Stage::set(database, protocol).await?;
    let mut turns = in_turns(&works);
    while let Some((work, moment)) = turns.pop_front() {
        if stage.died.contains_key(&moment) {
            continue;
        }
        // The process that ends the work is already the one that dies next.
        let next = turns.iter().find(|(_, next)| !stage.died.contains_key(next));
        let next = next.filter(|(next, _)| next.kind != work.kind).map(|(_, moment)| moment.clone());
        if let Err(error) = stage.play(work, &moment, next).await {
            return Err(stage.explain(error.context(format!("killed at {moment}"))).await);
        }
    }
    Ok(stage.died)
}

/// Every moment was died at in one of the rows; says which were one.
fn tell(rows: [Died; 2]) -> Result<()> {
    let died: Died = rows.into_iter().flatten().collect();
    let all: Vec<_> = Work::all().into_iter().flat_map(Work::moments).collect();
    let missed: Vec<_> = all.iter().filter(|moment| !died.contains_key(*moment)).collect();
    ensure!(missed.is_empty(), "nothing died at {missed:?}");
    let mut text = format!("{} moments:\n", all.len());
    for moment in &all {
        let asked = &died[moment];
        text += &match asked == moment {
            true => format!("  {moment}\n"),
            false => format!("  {moment}: the same write as {asked}\n"),
        };
    }
    // Nobody reads it but who asks for it (`--nocapture`).
    std::io::stderr().write_all(text.as_bytes()).context("can't say it")
}

impl Stage {
    async fn set(database: Option<&str>, protocol: Protocol) -> Result<Self> {
        let site = ProcessSite::start(database).await?;
        let image = site.import("test-os", 8).await?;
        let folder = tempfile::tempdir()?;
        RamImage::make(folder.path(), "ram-os")?.import(&site.client()?).await?;
        let options = SimOptions {
            protocol,
            disk_mib: 32,
            canaries: 2,
            data_disks: 1,
            image: Some(image),
            ..SimOptions::default()
        };
        let sim = site.machine("m1", 1, options).await?;
        site.client()?.add_machine(&sim.enrolment()).await?;
        ask::machine_in(&site.client()?, "m1", MachineState::Available).await?;
        let died = Died::new();
        Ok(Self {
            site,
            sim,
            instance: None,
            from_ram: false,
            instances: 0,
            policy: ErasePolicy::Metadata,
            armed: None,
            died,
        })
    }

    /// One death: the work is begun, dies, and is taken up by a process that may die at `next`.
    async fn play(&mut self, work: Work, moment: &str, next: Option<String>) -> Result<()> {
        let idle = self.site.seen();
        ensure!(!idle.iter().any(is_write), "something was written after the work before: {idle:?}");
        if self.armed.as_deref() != Some(moment) {
            self.arm(None)?;
            self.make_ready(work).await?;
            self.arm(Some(moment.to_owned()))?;
        }
        self.make_ready(work).await?;
        let before = self.machine().await?;
        // What it took to make ready was judged elsewhere.
        self.site.seen();
        self.begin(work).await?;
        self.until_dead().await?;
        self.note_death(moment)?;
        self.site.wires().set_faults(NetworkFaults::default());
        self.arm(next)?;
        let due = epoch(&before) + work.epochs();
        self.end(work, due).await?;
        let after = self.machine().await?;
        self.judge_records(work, &after).await?;
        self.judge(work, due, &after)
    }

    fn arm(&mut self, moment: Option<String>) -> Result<()> {
        self.site.restart(moment.as_deref())?;
        self.armed = moment;
        Ok(())
    }

    async fn machine(&self) -> Result<Machine> {
        let client = self.site.client()?;
        eventually("the service answers", async || Ok(client.machine("m1").await.ok())).await
    }

    /// Brings the machine to where this work begins.
    async fn make_ready(&mut self, work: Work) -> Result<()> {
        let again = work.form == Form::RamAgain;
        let wants_disk = matches!(work.kind, JobKind::Reinstall | JobKind::Rescue | JobKind::Service);
        // An instance of the other sort is of no use.
        if let Some(instance) = self.instance.clone().filter(|_| wants_disk || again)
            && self.from_ram != again
        {
            self.give_back(&instance).await?;
            self.is_free().await?;
        }
        match (work.kind, &self.instance) {
            (JobKind::Deploy, None) if again => {
                self.create("ram-os").await?;
                self.is_deployed().await
            }
            (JobKind::Deploy, Some(_)) if again => Ok(()),
            (JobKind::Reinstall | JobKind::Rescue | JobKind::Service, None) => {
                self.create("test-os").await?;
                self.is_deployed().await
            }
            (JobKind::Reinstall | JobKind::Rescue | JobKind::Service, Some(_)) => {
                if self.machine().await?.status.state == MachineState::Rescue {
                    self.unrescue().await?;
                }
                self.is_deployed().await
            }
            (JobKind::Release, None) if work.form != Form::Short => {
                self.create("test-os").await?;
                self.is_deployed().await
            }
            (JobKind::Release, Some(instance)) if work.form == Form::Short => {
                self.give_back(&instance.clone()).await?;
                self.is_free().await
            }
            (JobKind::Inspect | JobKind::Deploy, Some(instance)) => {
                self.give_back(&instance.clone()).await?;
                self.is_free().await
            }
            (JobKind::Inspect | JobKind::Deploy | JobKind::Release, _) => Ok(()),
        }
    }

    /// Asks for the work. The process may be dead before it has answered.
    async fn begin(&mut self, work: Work) -> Result<()> {
        self.policy = self.policy_of(work);
        match (work.kind, work.form == Form::Short) {
            (JobKind::Inspect, false) => self.act(MachineAction::Inspect).await,
            (JobKind::Deploy, _) if work.form == Form::RamAgain => self.sim.restart().await,
            (JobKind::Deploy, _) => {
                self.create(if work.runs_from_ram() { "ram-os" } else { "test-os" }).await
            }
            (JobKind::Release, false) => {
                let instance = self.instance.clone().context("it was made ready")?;
                self.give_back(&instance).await
            }
            (JobKind::Inspect, true) => {
                self.without_an_agent(async |stage| stage.act(MachineAction::Inspect).await).await?;
                self.act(MachineAction::Cancel).await
            }
            (JobKind::Reinstall, false) => self.reinstall().await,
            (JobKind::Reinstall, true) => {
                self.without_an_agent(async |stage| stage.reinstall().await).await?;
                self.act(MachineAction::Cancel).await
            }
            (JobKind::Service, false) => self.service().await,
            (JobKind::Service, true) => {
                self.without_an_agent(async |stage| stage.service().await).await?;
                self.act(MachineAction::Cancel).await
            }
            (JobKind::Rescue, false) => self.rescue().await,
            (JobKind::Rescue, true) => {
                self.without_an_agent(async |stage| stage.rescue().await).await?;
                self.unrescue().await
            }
            (JobKind::Release, true) => {
                self.without_an_agent(async |stage| stage.create("test-os").await).await?;
                let instance = self.instance.clone().context("it was just asked for")?;
                self.give_back(&instance).await
            }
        }
    }

    /// Begins a job that comes no further than to wait for its agent: whatever that says is lost on the way.
    async fn without_an_agent(&mut self, begin: impl AsyncFnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.site.wires().set_faults(NetworkFaults { drop: 1.0, ..NetworkFaults::default() });
        begin(self).await?;
        let client = self.site.client()?;
        eventually("the agent is waited for", async || {
            let job = client.machine("m1").await?.status.job;
            let steps = job.map_or_else(Vec::new, |job| job.steps);
            let waits = |step: &provisioner_api::Step| {
                step.name == StepName::Agent.word() && step.phase == StepPhase::Intent
            };
            Ok(steps.iter().any(waits).then_some(()))
        })
        .await
    }

    /// Asks until it is known that this was heard: answered, or died of.
    async fn heard(&self, what: &str, ask: impl AsyncFn() -> bool) -> Result<()> {
        eventually(what, async || Ok((ask().await || self.site.ended().is_some()).then_some(()))).await
    }

    async fn act(&self, action: MachineAction) -> Result<()> {
        let client = self.site.client()?;
        self.heard("the action was heard", async || client.machine_action("m1", action).await.is_ok()).await
    }

    async fn create(&mut self, image: &str) -> Result<()> {
        self.instances += 1;
        let name = format!("os{}", self.instances);
        let root_disk = (image != "ram-os").then(DiskHints::smallest);
        let spec = InstanceSpec { machine: Some("m1".into()), root_disk, ..InstanceSpec::new(image) };
        let create = InstanceCreate { name: name.clone(), spec };
        let client = self.site.client()?;
        self.heard("the instance was heard of", async || client.create_instance(&create).await.is_ok())
            .await?;
        self.instance = Some(name);
        self.from_ram = image == "ram-os";
        Ok(())
    }

    async fn reinstall(&self) -> Result<()> {
        let instance = self.instance.as_deref().context("it was made ready")?;
        let client = self.site.client()?;
        let anew = InstanceReinstall::default();
        self.heard("the wish to install it anew was heard", async || {
            client.reinstall_instance(instance, &anew).await.is_ok()
        })
        .await
    }

    /// It is inspected, and the disk for data is wiped, on which there is something.
    async fn service(&self) -> Result<()> {
        self.sim.put_on_data(DATA);
        let disk = self.sim.truth().disks.last().context("it has disks")?.serial.clone();
        let erase = ServiceStep::Erase { disks: vec![disk], method: self.policy };
        let asked = MachineService { steps: vec![ServiceStep::Inspect, erase] };
        let client = self.site.client()?;
        self.heard("the servicing was heard of", async || client.service_machine("m1", &asked).await.is_ok())
            .await
    }

    async fn rescue(&self) -> Result<()> {
        let instance = self.instance.as_deref().context("it was made ready")?;
        let client = self.site.client()?;
        let rescue = InstanceRescue { ssh_keys: vec!["ssh-ed25519 AAAA me".into()] };
        self.heard("the wish to rescue it was heard", async || {
            client.rescue_instance(instance, &rescue).await.is_ok()
        })
        .await
    }

    async fn unrescue(&self) -> Result<()> {
        let instance = self.instance.as_deref().context("it was made ready")?;
        let client = self.site.client()?;
        self.heard("the end of the rescue was heard", async || {
            client.unrescue_instance(instance).await.is_ok()
        })
        .await
    }

    /// Wiped where it matters, or everywhere.
    async fn give_back(&self, name: &str) -> Result<()> {
        let erase = Some(self.policy);
        let client = self.site.client()?;
        let delete = DeleteInstance { erase };
        self.heard("the giving back was heard", async || client.delete_instance(name, &delete).await.is_ok())
            .await
    }

    /// By turns of each work.
    fn policy_of(&self, work: Work) -> ErasePolicy {
        let mine = format!("{}/", work.word());
        let deaths: BTreeSet<_> = self.died.values().filter(|asked| asked.starts_with(&mine)).collect();
        if deaths.len().is_multiple_of(2) { ErasePolicy::Overwrite } else { ErasePolicy::Metadata }
    }

    async fn is_deployed(&self) -> Result<()> {
        let client = self.site.client()?;
        let instance = self.instance.as_deref().context("there is an instance")?;
        ask::instance_in(&client, instance, InstanceState::Running).await?;
        ask::machine_in(&client, "m1", MachineState::Deployed).await.map(drop)
    }

    async fn is_free(&mut self) -> Result<()> {
        let client = self.site.client()?;
        if let Some(instance) = self.instance.take() {
            ask::instance_gone(&client, &instance).await?;
        }
        ask::machine_in(&client, "m1", MachineState::Available).await.map(drop)
    }

    async fn until_dead(&self) -> Result<()> {
        eventually("the process is dead", async || Ok(self.site.ended())).await?;
        ensure!(self.site.was_killed(), "it ended otherwise: {:?}", self.site.ended());
        Ok(())
    }

    /// The process said at which moments it died.
    fn note_death(&mut self, asked: &str) -> Result<()> {
        let log = self.site.log()?;
        let said = log.iter().rev().find_map(|line| line.strip_prefix(BILLET_DIE_AT)?.strip_prefix(": "));
        let names: Vec<_> = said.context("it died without a word")?.split(' ').collect();
        ensure!(names.contains(&asked), "it died at another moment: {names:?}");
        // More than one end and one begin came together by chance: the others have a moment of their own.
        let same = if names.len() <= 2 { &names[..] } else { &[asked] };
        for name in same {
            self.died.entry((*name).to_owned()).or_insert_with(|| asked.to_owned());
        }
        Ok(())
    }

    /// Waits until the work, which is in this epoch or a later one, has come to its end.
    async fn end(&mut self, work: Work, since: u64) -> Result<()> {
        let client = self.site.client()?;
        eventually("the job is over", async || {
            ensure!(self.site.ended().is_none(), "the service ended by itself");
            let Ok(machine) = client.machine("m1").await else { return Ok(None) };
            ensure!(machine.status.held.is_none(), "it is held: {:?}", machine.status.held);
            let over = |job: &Job| job.epoch >= since && job.ended.is_some();
            Ok(machine.status.job.as_ref().is_some_and(over).then_some(()))
        })
        .await?;
        match work.kind {
            JobKind::Deploy => self.is_deployed().await,
            JobKind::Rescue if work.form != Form::Short => {
                let instance = self.instance.as_deref().context("there is an instance")?;
                eventually("one can log in", async || {
                    let Ok(instance) = client.instance(instance).await else { return Ok(None) };
                    Ok(instance.status.rescue.filter(|rescue| rescue.ready).map(drop))
                })
                .await
            }
            JobKind::Reinstall | JobKind::Rescue | JobKind::Service => {
                self.is_deployed().await?;
                // The system that stays only has to boot.
                eventually("a system runs", async || Ok(self.sim.truth().runs.is_some().then_some(()))).await
            }
            JobKind::Inspect | JobKind::Release => self.is_free().await,
        }
    }

    /// The end is the one that there would have been, and the way there destroyed nothing twice.
    fn judge(&mut self, work: Work, due: u64, after: &Machine) -> Result<()> {
        ensure!(epoch(after) == due, "something was started anew: epoch {}, not {due}", epoch(after));
        let job = after.status.job.as_ref().context("there is a job")?;
        ensure!(job.steps.iter().all(|step| step.phase == StepPhase::Done), "not all done: {:?}", job.steps);
        let seen = self.site.seen();
        let (mut written, mut wiped) = (Vec::new(), Vec::new());
        for what in &seen {
            if let Seen::Wrote { disk, step, canary } = what {
                ensure!(!canary, "another disk was written: {what:?}");
                let on = if *disk == self.sim.serial { &mut written } else { &mut wiped };
                on.push(step.as_deref().unwrap_or("without an order"));
            }
        }
        ensure!(written == work.writes(), "{written:?} was written, not {:?}: {seen:?}", work.writes());
        ensure!(wiped == work.writes_data(), "for data {wiped:?}, not {:?}: {seen:?}", work.writes_data());
        // Before the first write it is the system of the work before, whose report was not answered, and which reports in
        // again; and the new one's last report may not have been answered either, so that there is none.
        let installs = matches!(work.kind, JobKind::Deploy | JobKind::Reinstall);
        let begun = seen.iter().position(is_write).unwrap_or(0);
        let over = seen[begun..].iter().position(|what| matches!(what, Seen::PhonedHome { .. }));
        let late = installs && over.is_some_and(|over| seen[begun + over..].iter().any(is_write));
        ensure!(!late, "something was written after the deployment was done: {seen:?}");
        self.judge_disks(work)
    }

    /// A wiping that ended is on record once, and nothing else is, wherever the service died.
    async fn judge_records(&self, work: Work, after: &Machine) -> Result<()> {
        let job = after.status.job.as_ref().context("there is a job")?;
        let all = self.site.client()?.erasures(&ErasureFilter::default()).await?;
        let of_job: Vec<_> = all.iter().filter(|erasure| erasure.certificate.job == job.id).collect();
        let erases = work.steps().iter().filter(|step| **step == StepName::Erase).count();
        ensure!(of_job.len() == erases, "{} records of {erases} wipings: {of_job:?}", of_job.len());
        for erasure in of_job {
            let said = &erasure.certificate;
            let mine = said.disks.iter().any(|disk| disk.serial == self.sim.serial);
            let right = said.policy_done == self.policy && mine == (work.kind == JobKind::Release);
            ensure!(right || work.kind == JobKind::Service, "it says something else: {said:?}");
        }
        Ok(())
    }

    fn judge_disks(&self, work: Work) -> Result<()> {
        let MachineTruth { on, runs, disks, .. } = self.sim.truth();
        let [disk, canaries @ .., data] = &disks[..] else { anyhow::bail!("it has disks") };
        ensure!(data.blank || work.writes_data().is_empty(), "what is to be wiped is wiped: {data:?}");
        ensure!(canaries.len() == 2 && canaries.iter().all(|canary| canary.intact), "{canaries:?}");
        if work.runs_from_ram() {
            ensure!(on && runs.is_some() && disk.instance.is_none(), "its system runs from RAM: {disk:?}");
            return Ok(());
        }
        if work == (Work { kind: JobKind::Rescue, form: Form::Full }) {
            ensure!(self.sim.rescued().is_some() && on && runs.is_none(), "its rescue system runs");
            ensure!(disk.image_whole && disk.instance.is_some(), "its disk is as it was: {disk:?}");
            return Ok(());
        }
        if matches!(work.kind, JobKind::Deploy | JobKind::Reinstall | JobKind::Rescue | JobKind::Service) {
            ensure!(on && runs.is_some() && disk.image_whole, "its system runs from the image: {disk:?}");
            return ensure_same(&disk.instance, &runs);
        }
        ensure!(!on && runs.is_none() && disk.instance.is_none(), "it is off and nobody's: {disk:?}");
        if work == (Work { kind: JobKind::Release, form: Form::Full }) {
            let content = self.sim.content()?;
            let (start, end) = (&content[..1 << 20], &content[content.len() - (33 << 9)..]);
            ensure!(start.iter().chain(end).all(|byte| *byte == 0), "a partition table is left");
            ensure!(disk.blank || self.policy == ErasePolicy::Metadata, "not all is overwritten");
        }
        Ok(())
    }

    /// The error with the last that was seen and said.
    async fn explain(&mut self, error: anyhow::Error) -> anyhow::Error {
        let mut lines = vec!["--- seen".to_owned()];
        lines.extend(self.site.seen().iter().map(|seen| format!("{seen:?}")));
        lines.extend(["--- said by the agent".to_owned()].into_iter().chain(self.sim.console()));
        lines.push("--- the timeline".to_owned());
        let events = match self.site.client() {
            Ok(client) => client.machine_newest_events("m1", 25).await.unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        lines.extend(events.iter().map(|event| format!("{} {}: {}", event.at, event.kind, event.message)));
        lines.push("--- the service's log".to_owned());
        let log = self.site.log().unwrap_or_default();
        lines.extend_from_slice(&log[log.len().saturating_sub(25)..]);
        error.context(lines.join("\n"))
    }
}

/// The epoch of a machine's last job.
fn epoch(machine: &Machine) -> u64 {
    machine.status.job.as_ref().map_or(0, |job| job.epoch)
}

fn is_write(seen: &Seen) -> bool {
    matches!(seen, Seen::Wrote { .. })
}

fn ensure_same(on_disk: &Option<String>, runs: &Option<String>) -> Result<()> {
    ensure!(on_disk == runs, "{runs:?} runs, but {on_disk:?} is on the disk");
    Ok(())
}

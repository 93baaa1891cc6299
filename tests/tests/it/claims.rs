//! Several clients claim and release machines through all replicas, which are killed, stopped and started again: no machine
//! ever has two owners, and no claim that was acknowledged is lost. Judged as a history of intervals (`lab::fleet::judge`).

use anyhow::{Context, Result, ensure};
use lab::fleet::{Claimed, Deed, Eyes, History, NEVER, judge};
use nix::sys::signal::Signal;
use provisioner_api::{DeleteInstance, InstanceCreate, InstanceSpec, InstanceState, MachineState};
use std::collections::HashMap;
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use std::time::Duration;
use tests::{Cluster, Sim, SimOptions, eventually, gpt_image};
use tests_postgres::Server;
use tokio::time::Instant;

/// How long clients claim and release.
const LASTS: Duration = Duration::from_secs(60);

/// How long a client waits for one answer; then it asks another replica.
const PATIENCE: Duration = Duration::from_secs(3);

/// Machines, and clients that want one each: one more than there are.
const MACHINES: u8 = 3;

/// What clients asked and were told.
struct Journal {
    began: Instant,
    history: Mutex<History>,
    /// Claims that were granted and ended.
    done: AtomicUsize,
    over: AtomicBool,
}

impl Journal {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(NEVER)
    }

    fn add(&self, asked: u64, answered: u64, deed: Deed) {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).add(asked, answered, deed);
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

/// One who asks one replica after the other.
struct Asker<'a> {
    cluster: &'a Cluster,
    next: AtomicUsize,
}

impl Asker<'_> {
    /// An answer of the next replica, if it comes.
    async fn ask<T, E>(
        &self,
        question: impl AsyncFnOnce(provisioner_client::Client) -> Result<T, E>,
    ) -> Result<Option<Result<T, E>>> {
        let next = self.next.fetch_add(1, Ordering::SeqCst);
        let client = self.cluster.client(next % 3)?;
        Ok(tokio::time::timeout(PATIENCE, question(client)).await.ok())
    }
}

/// Claims a machine and gives it back, again and again.
async fn client(cluster: &Cluster, journal: &Journal, number: usize) -> Result<()> {
    let asker = Asker { cluster, next: AtomicUsize::new(number) };
    for turn in 0.. {
        if journal.is_over() {
            return Ok(());
        }
        let name = format!("c{number}-{turn}");
        let asked = journal.now();
        let claim = InstanceCreate { name: name.clone(), spec: InstanceSpec::new("test-os") };
        let id = eventually("the instance is there", async || {
            if let Some(Ok(made)) = asker.ask(async |client| client.create_instance(&claim).await).await? {
                return Ok(Some(made.id));
            }
            // Nobody knows whether it was made; its name tells.
            let found = asker.ask(async |client| client.instance(&name).await).await?;
            Ok(found.and_then(Result::ok).map(|found| found.id))
        })
        .await?;
        let instance = id.to_string();
        // Until it runs or the time is over; then it is given up wherever it is.
        let machine = loop {
            let found = asker.ask(async |client| client.instance(&name).await).await?.and_then(Result::ok);
            let machine = found.as_ref().and_then(|found| found.status.machine);
            if let Some(machine) = machine {
                let (answer, machine) = (Claimed::Granted(machine.to_string()), machine.to_string());
                journal.add(asked, journal.now(), Deed::Claim { instance: instance.clone(), answer });
                if found.is_some_and(|found| found.status.state == InstanceState::Running) {
                    break Some(machine);
                }
            }
            if journal.is_over() {
                journal.add(
                    asked,
                    NEVER,
                    Deed::Claim { instance: instance.clone(), answer: Claimed::Unknown },
                );
                break machine.map(|machine| machine.to_string());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let asked = journal.now();
        eventually("the instance is gone", async || {
            asker.ask(async |client| client.delete_instance(&name, &DeleteInstance::default()).await).await?;
            let found = asker.ask(async |client| client.instance(&name).await).await?;
            Ok(found.and_then(Result::err).filter(|error| error.status() == Some(404)))
        })
        .await?;
        journal.add(asked, journal.now(), Deed::Release { instance, done: true });
        if machine.is_some() {
            journal.done.fetch_add(1, Ordering::SeqCst);
        }
    }
    Ok(())
}

/// Reads whose the machines are, of one replica after the other.
async fn reader(cluster: &Cluster, journal: &Journal) -> Result<()> {
    let asker = Asker { cluster, next: AtomicUsize::new(0) };
    while !journal.is_over() {
        for number in 1..=MACHINES {
            let (name, asked) = (format!("m{number}"), journal.now());
            let found = asker.ask(async |client| client.machine(&name).await).await?.and_then(Result::ok);
            if let Some(found) = found {
                let owner = found.status.instance.map(|instance| instance.to_string());
                let machine = found.id.to_string();
                journal.add(asked, journal.now(), Deed::Read { machine, owner });
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// What goes wrong, by dice that fall the same each time.
async fn fate(cluster: &Cluster, journal: &Journal) -> Result<usize> {
    let mut dice = 7_u64;
    let mut throw = |most: u64| {
        // Knuth's MMIX constants.
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % most
    };
    let mut blows = 0;
    while journal.began.elapsed() < LASTS {
        tokio::time::sleep(Duration::from_millis(500 + throw(2500))).await;
        // The leader every other time: with it goes what is under way.
        let victim = match cluster.leader(usize::try_from(throw(3))?).await {
            Ok(Some(leader)) if blows % 2 == 0 => leader,
            _ => usize::try_from(throw(3))?,
        };
        match throw(3) {
            0 => {
                cluster.kill(victim)?;
                tokio::time::sleep(Duration::from_millis(throw(2000))).await;
                cluster.launch(victim).await?;
            }
            1 => {
                cluster.signal(victim, Signal::SIGSTOP)?;
                // Shorter and longer than a lease.
                tokio::time::sleep(Duration::from_secs(1 + throw(16))).await;
                cluster.signal(victim, Signal::SIGCONT)?;
            }
            _ => {
                cluster.signal(victim, Signal::SIGTERM)?;
                cluster.ended(victim).await?;
                cluster.launch(victim).await?;
            }
        }
        blows += 1;
    }
    Ok(blows)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_machine_has_two_owners_and_no_claim_is_lost_while_replicas_die() -> Result<()> {
    let database = Server::shared().await?.database().await?;
    let cluster = Cluster::start(3, database.url()).await?;
    let image = gpt_image(cluster.folder(), "image.raw", 16, 7);
    cluster.import(0, "test-os", &image).await?;
    let mut sims = HashMap::new();
    for number in 1..=MACHINES {
        let wires = cluster.wires(usize::from(number) % 3).await?;
        let options = SimOptions { disk_mib: 32, ..SimOptions::default() };
        let sim = Sim::start_on(wires, Eyes::new(None), &format!("m{number}"), number, options).await?;
        cluster.client(0)?.add_machine(&sim.enrolment()).await?;
        sims.insert(sim.name.clone(), sim);
    }
    for name in sims.keys() {
        cluster.machine_in(1, name, MachineState::Available).await?;
    }
    let journal = Journal {
        began: Instant::now(),
        history: Mutex::default(),
        done: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    };
    let clients = futures_of(&cluster, &journal);
    let fate = async {
        let blows = fate(&cluster, &journal).await;
        // Also when it failed: the others go on until then.
        journal.over.store(true, Ordering::SeqCst);
        blows
    };
    let (blows, read, claimed) = tokio::join!(fate, reader(&cluster, &journal), clients);
    let (blows, (), ()) = (blows.context("fate")?, read.context("a reader")?, claimed.context("a client")?);
    let done = journal.done.load(Ordering::SeqCst);
    let wrong = judge(&journal.history.lock().unwrap_or_else(PoisonError::into_inner));
    ensure!(wrong.is_empty(), "{wrong:#?}");
    ensure!(blows > 3 && done > 3, "too little happened: {blows} blows, {done} claims");
    for name in sims.keys() {
        cluster.machine_in(0, name, MachineState::Available).await?;
    }
    Ok(())
}

/// All clients at once.
async fn futures_of(cluster: &Cluster, journal: &Journal) -> Result<()> {
    let (a, b, c, d) = tokio::join!(
        client(cluster, journal, 0),
        client(cluster, journal, 1),
        client(cluster, journal, 2),
        client(cluster, journal, 3),
    );
    a.and(b).and(c).and(d)
}

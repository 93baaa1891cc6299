//! Several replicas on one PostgreSQL, each a process: one leads, dies or is stopped, and the work goes on.

use anyhow::{Context, Result, ensure};
use lab::fleet::Eyes;
use nix::sys::signal::Signal;
use provisioner_api::{DeleteInstance, InstanceState, MachineState};
use std::time::Duration;
use tests::{Cluster, Sim, SimOptions, TestImage, eventually, gpt_image};
use tests_postgres::{Database, Server};
use tokio::time::Instant;

/// How long work may rest after its leader died: 15 s by the rules, whose own tests hold them to that (`turn/tests.rs`),
/// and 5 s for who asks: each poll makes a client with TLS of its own, on cores that everything here shares.
const TAKEN_OVER: Duration = Duration::from_secs(20);

/// A replica, started by [`Cluster`].
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it is a replica of the others"]
async fn serve() -> Result<()> {
    tests::serve().await
}

/// Three replicas, and an image; the leader is none of the two that are named.
struct Scene {
    cluster: Cluster,
    image: TestImage,
    leader: usize,
    others: [usize; 2],
    _database: Database,
}

impl Scene {
    async fn new() -> Result<Self> {
        let database = Server::shared().await?.database().await?;
        let cluster = Cluster::start(3, database.url()).await?;
        let leader = eventually("somebody leads", async || cluster.leader(0).await).await?;
        let others = [(leader + 1) % 3, (leader + 2) % 3];
        let image = gpt_image(cluster.folder(), "image.raw", 96, 7);
        cluster.import(others[0], "test-os", &image).await?;
        Ok(Self { cluster, image, leader, others, _database: database })
    }

    /// Machines that boot from these replicas, ready for work.
    async fn machines(&self, boot_from: &[usize]) -> Result<Vec<Sim>> {
        let mut sims = Vec::new();
        for (number, from) in (1..).zip(boot_from) {
            let wires = self.cluster.wires(*from).await?;
            let sim =
                Sim::start_on(wires, Eyes::new(None), &format!("m{number}"), number, SimOptions::default())
                    .await?;
            self.cluster.client(self.others[1])?.add_machine(&sim.enrolment()).await?;
            sims.push(sim);
        }
        for sim in &sims {
            self.cluster.machine_in(self.others[0], &sim.name, MachineState::Available).await?;
        }
        Ok(sims)
    }

    /// Waits until another one than `before` leads, and answers which.
    async fn another_leads(&self, before: usize) -> Result<usize> {
        eventually("another one leads", async || {
            Ok(self.cluster.leader(self.others[0]).await?.filter(|leader| *leader != before))
        })
        .await
    }

    fn holds_the_image(&self, sim: &Sim) -> Result<()> {
        let (from, to) = (1 << 20, self.image.raw().len() - (1 << 20));
        ensure!(
            sim.content()?[from..to] == self.image.raw()[from..to],
            "the disk of {} holds the image",
            sim.name
        );
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_goes_on_at_another_replica_when_its_leader_is_killed() -> Result<()> {
    let scene = Scene::new().await?;
    let (cluster, [other, third]) = (&scene.cluster, scene.others);
    // One boots from the leader that is to die.
    let sims = scene.machines(&[other, third, scene.leader]).await?;
    for sim in &sims {
        cluster.create(third, &format!("on-{}", sim.name), "test-os", Some(&sim.name)).await?;
    }
    for sim in &sims {
        cluster.machine_in(other, &sim.name, MachineState::Deploying).await?;
    }
    let died = Instant::now();
    cluster.kill(scene.leader)?;
    let leader = scene.another_leads(scene.leader).await?;
    ensure!(died.elapsed() <= TAKEN_OVER, "it took {:?}", died.elapsed());
    // Who supervises it starts it again: it stands by.
    cluster.launch(scene.leader).await?;
    for sim in &sims {
        cluster.instance_in(other, &format!("on-{}", sim.name), InstanceState::Running).await?;
        scene.holds_the_image(sim)?;
    }
    ensure!(cluster.leader(scene.leader).await? == Some(leader), "nobody takes a turn that lasts");
    for sim in &sims {
        let name = format!("on-{}", sim.name);
        cluster.client(scene.leader)?.delete_instance(&name, &DeleteInstance::default()).await?;
    }
    for sim in &sims {
        cluster.machine_in(third, &sim.name, MachineState::Available).await?;
        ensure!(sim.content()?[..1 << 20].iter().all(|byte| *byte == 0), "the disk of {} is wiped", sim.name);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_stopped_does_nothing_more_when_it_goes_on() -> Result<()> {
    let scene = Scene::new().await?;
    let (cluster, [other, third]) = (&scene.cluster, scene.others);
    let sims = scene.machines(&[other, third, other]).await?;
    for sim in &sims {
        cluster.create(third, &format!("on-{}", sim.name), "test-os", Some(&sim.name)).await?;
    }
    cluster.signal(scene.leader, Signal::SIGSTOP)?;
    let stopped = Instant::now();
    let leader = scene.another_leads(scene.leader).await?;
    ensure!(stopped.elapsed() <= TAKEN_OVER, "it took {:?}", stopped.elapsed());
    for sim in &sims {
        cluster.instance_in(other, &format!("on-{}", sim.name), InstanceState::Running).await?;
        scene.holds_the_image(sim)?;
    }
    let known = |sim: &Sim| sim.history();
    let before: Vec<_> = sims.iter().map(known).collect();
    let told = async || -> Result<Vec<_>> {
        let mut told = Vec::new();
        for sim in &sims {
            told.push(cluster.client(other)?.machine_newest_events(&sim.name, 1000).await?.len());
        }
        Ok(told)
    };
    let (events, terms) = (told().await?, term(cluster, other).await?);
    // Longer than any lease: it must not go by what it knew.
    tokio::time::sleep_until(stopped + Duration::from_secs(30)).await;
    cluster.signal(scene.leader, Signal::SIGCONT)?;
    eventually("it knows that it leads no more", async || {
        Ok(cluster.log(scene.leader)?.contains("leads no more").then_some(()))
    })
    .await?;
    // What it had in hand it has lost by now: it answers as one that stands by, by another's term.
    eventually("it stands by", async || {
        let metrics = cluster.client(scene.leader)?.metrics().await?;
        let term = format!("billet_term {terms}");
        Ok((metrics.contains("billet_leads 0") && metrics.lines().any(|line| line == term)).then_some(()))
    })
    .await?;
    ensure!(cluster.leader(scene.leader).await? == Some(leader));
    ensure!(sims.iter().map(known).collect::<Vec<_>>() == before, "no machine was switched or booted");
    ensure!(told().await? == events, "nothing more is told of a machine");
    for sim in &sims {
        let machine = cluster.client(third)?.machine(&sim.name).await?;
        ensure!(machine.status.state == MachineState::Deployed, "{:?}", machine.status.state);
    }
    Ok(())
}

/// The term that a replica knows of.
async fn term(cluster: &Cluster, asked: usize) -> Result<u64> {
    let metrics = cluster.client(asked)?.metrics().await?;
    let line =
        metrics.lines().find_map(|line| line.strip_prefix("billet_term ")).context("there is a term")?;
    Ok(line.parse()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_is_handed_over_when_its_leader_ends_and_others_hear_of_each_other() -> Result<()> {
    let scene = Scene::new().await?;
    let (cluster, [other, third]) = (&scene.cluster, scene.others);
    // Asked for at one that stands by, done by the leader: pokes go from one to the other.
    let sims = scene.machines(&[other]).await?;
    let replicas = cluster.client(other)?.replicas().await?;
    ensure!(replicas.len() == 3 && replicas.iter().all(|replica| replica.alive), "{replicas:?}");
    ensure!(replicas.iter().filter(|replica| replica.answers).count() == 1, "{replicas:?}");
    let ends = Instant::now();
    cluster.signal(scene.leader, Signal::SIGTERM)?;
    scene.another_leads(scene.leader).await?;
    // Sooner than a lease ends.
    ensure!(ends.elapsed() < Duration::from_secs(10), "it took {:?}", ends.elapsed());
    cluster.ended(scene.leader).await?;
    cluster.create(third, "web", "test-os", Some(&sims[0].name)).await?;
    cluster.instance_in(other, "web", InstanceState::Running).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_of_another_site_or_with_a_copied_folder_does_not_serve() -> Result<()> {
    let scene = Scene::new().await?;
    let (cluster, [other, third]) = (&scene.cluster, scene.others);
    let refused = async |words: &str| -> Result<()> {
        let error = cluster.launch(other).await.err().context("it serves")?;
        ensure!(format!("{error:#}").contains(words), "{error:#}");
        Ok(())
    };
    cluster.kill(other)?;
    let (key, ca) = (cluster.data(other).join("site.key"), cluster.data(other).join("tls/ca.key"));
    let (own, id) = (std::fs::read(&key)?, cluster.data(other).join("replica.id"));
    std::fs::write(&key, [7; 32])?;
    refused("another site key").await?;
    std::fs::write(&key, own)?;
    // None is made in its place.
    let kept = std::fs::read(&ca)?;
    std::fs::remove_file(&ca)?;
    refused("another CA").await?;
    ensure!(!ca.exists());
    std::fs::copy(cluster.data(third).join("tls/ca.key"), &ca)?;
    ensure!(std::fs::read(&ca)? == kept);
    let own = std::fs::read(&id)?;
    std::fs::copy(cluster.data(third).join("replica.id"), &id)?;
    refused("is a copy of its").await?;
    std::fs::write(&id, own)?;
    cluster.launch(other).await
}

//! PostgreSQL goes away in the midst of deployments and releases, in order and without a word: nothing is lost that was
//! answered, and every machine comes to its end. The service is a process that waits until the database is there again.

use anyhow::{Context, Result, ensure};
use lab::fleet::SeenKind;
use provisioner_api::{DeleteInstance, InstanceCreate, InstanceSpec, InstanceState, MachineState};
use std::{sync::Arc, time::Duration};
use tests::{ProcessSite, Protocol, Sim, SimOptions, TestImage, ask, eventually};
use tests_postgres::{AtCommit, Relay, Server};

/// What the service logs when its lease is over.
const LEADS_NO_MORE: &str = "this replica leads no more";

/// How long it may take until the server is killed in the midst of COMMITs.
const BLOW: Duration = Duration::from_secs(60);

/// MiB a second: an image takes two seconds, so that an outage is in the midst of many.
const SPEED: f64 = 8.0;

async fn machines(site: &ProcessSite, number: u8, image: &Arc<TestImage>) -> Result<Vec<Sim>> {
    let mut sims = Vec::new();
    for number in 1..=number {
        let protocol = if number.is_multiple_of(2) { Protocol::Ipmi } else { Protocol::Redfish };
        let image = Some(Arc::clone(image));
        let options =
            SimOptions { protocol, disk_mib: 32, disk_speed: SPEED, image, ..SimOptions::default() };
        let sim = site.machine(&format!("m{number}"), number, options).await?;
        site.client()?.add_machine(&sim.enrolment()).await?;
        sims.push(sim);
    }
    for sim in &sims {
        ask::machine_in(&site.client()?, &sim.name, MachineState::Available).await?;
    }
    Ok(sims)
}

/// The instance `on-m1` on machine `m1`.
fn instance_on(machine: &str) -> InstanceCreate {
    let spec = InstanceSpec { machine: Some(machine.into()), ..InstanceSpec::new("test-os") };
    InstanceCreate { name: format!("on-{machine}"), spec }
}

async fn is_deployed(site: &ProcessSite, sim: &Sim) -> Result<()> {
    let client = site.client()?;
    ask::machine_in(&client, &sim.name, MachineState::Deployed).await?;
    let instance = ask::instance_in(&client, &format!("on-{}", sim.name), InstanceState::Running).await?;
    let truth = sim.truth();
    ensure!(truth.disks[0].image_whole, "{} does not hold the image", sim.name);
    ensure!(truth.runs == Some(instance.id.to_string()), "another system runs on {}", sim.name);
    Ok(())
}

async fn is_free(site: &ProcessSite, sim: &Sim) -> Result<()> {
    ask::instance_gone(&site.client()?, &format!("on-{}", sim.name)).await?;
    ask::machine_in(&site.client()?, &sim.name, MachineState::Available).await?;
    let start = &sim.content()?[..1 << 20];
    ensure!(start.iter().all(|byte| *byte == 0), "the partition table of {} is left", sim.name);
    Ok(())
}

/// No job was started anew, each machine had one inspection, and a deployment or a release more.
async fn nothing_started_anew(site: &ProcessSite, sims: &[Sim], jobs: u64) -> Result<()> {
    for sim in sims {
        let job = site.client()?.machine(&sim.name).await?.status.job.context("it had a job")?;
        ensure!(job.epoch == jobs, "{} had {} epochs for {jobs} jobs", sim.name, job.epoch);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_stopped_for_long_holds_everything_up_and_loses_nothing() -> Result<()> {
    let server = Server::start().await?;
    let database = server.database().await?;
    let site = ProcessSite::start(Some(database.url())).await?;
    let image = site.import("test-os", 16).await?;
    let sims = machines(&site, 6, &image).await?;
    let client = site.client()?;
    let (released, deployed) = sims.split_at(3);
    for sim in released {
        client.create_instance(&instance_on(&sim.name)).await?;
    }
    for sim in released {
        is_deployed(&site, sim).await?;
    }
    let written = site.eyes().count(SeenKind::Wrote);
    for (released, deployed) in released.iter().zip(deployed) {
        client.delete_instance(&format!("on-{}", released.name), &DeleteInstance::default()).await?;
        client.create_instance(&instance_on(&deployed.name)).await?;
    }
    // At the first of them the agent is at its disks.
    site.eyes().reached(SeenKind::Wrote, written + 1).await;
    server.stop().await?;
    // By then its lease is over, too.
    eventually("the service leads no more", async || {
        Ok(site.log()?.iter().any(|line| line.contains(LEADS_NO_MORE)).then_some(()))
    })
    .await?;
    let asked = client.machine(&released[0].name).await;
    ensure!(asked.as_ref().is_err_and(|error| error.status() == Some(503)), "{asked:?}");
    server.start_again().await?;
    for (released, deployed) in released.iter().zip(deployed) {
        is_free(&site, released).await?;
        is_deployed(&site, deployed).await?;
    }
    nothing_started_anew(&site, released, 3).await?;
    nothing_started_anew(&site, deployed, 2).await?;
    ensure!(site.ended().is_none(), "the service ended");
    Ok(())
}

/// Asks for instances without end, each on any machine of a pool that has none; answers those that were promised.
async fn promised(site: &ProcessSite, first: u32) -> Result<Vec<String>> {
    let client = site.client()?;
    let mut promised = Vec::new();
    for number in first.. {
        let name = format!("load-{number}");
        let spec = InstanceSpec { pool: Some("nobody".into()), ..InstanceSpec::new("test-os") };
        if client.create_instance(&InstanceCreate { name: name.clone(), spec }).await.is_err() {
            break;
        }
        promised.push(name);
    }
    Ok(promised)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_at_commits_keeps_what_was_promised() -> Result<()> {
    let server = Server::start().await?;
    let database = server.database().await?;
    let relay = Relay::start(&server).await?;
    let site = ProcessSite::start(Some(&relay.url(&database)?)).await?;
    let image = site.import("test-os", 16).await?;
    let sims = machines(&site, 4, &image).await?;
    let client = site.client()?;
    for sim in &sims {
        client.create_instance(&instance_on(&sim.name)).await?;
    }
    // Some ask for their boot script while the database is away: none of them is sent to its disk.
    site.eyes().reached(SeenKind::Power, 2 * sims.len() as u64 + 1).await;
    let mut kept: Vec<String> = Vec::new();
    for round in 0..3 {
        let one = |user: u32| promised(&site, (round * 3 + user) * 10_000);
        let load = async { tokio::try_join!(one(0), one(1), one(2)) };
        let blow = async {
            let seen = relay.commits();
            eventually("there is load", async || Ok((relay.commits() > seen + 20).then_some(()))).await?;
            // Some are at their COMMIT right now, and each comes to another point of it.
            relay.always(AtCommit::Hold);
            relay.until_held(2).await;
            relay.always(AtCommit::Pass);
            relay.release();
            server.kill().await
        };
        let blow = async { tokio::time::timeout(BLOW, blow).await.context("no blow fell")? };
        // The load ends by the blow alone: without one it must not be waited for.
        let ((first, second, third), ()) = tokio::try_join!(load, blow)?;
        kept.extend([first, second, third].concat());
        server.start_again().await?;
        eventually("the service answers", async || Ok(client.machine("m1").await.ok())).await?;
    }
    ensure!(kept.len() > 20, "too few were promised to lose any: {}", kept.len());
    for name in &kept {
        client.instance(name).await.with_context(|| format!("{name} was promised"))?;
    }
    for sim in &sims {
        is_deployed(&site, sim).await?;
    }
    nothing_started_anew(&site, &sims, 2).await?;
    ensure!(site.ended().is_none(), "the service ended");
    Ok(())
}

//! The whole service on PostgreSQL: the same journey, while connections break at commits and the server goes away.

use anyhow::Result;
use provisioner_api::{DeleteInstance, InstanceState, Machine, MachineState, StepPhase};
use std::{sync::Arc, time::Duration};
use tests::{Sim, SimOptions, Site, eventually, gpt_image};
use tests_postgres::{AtCommit, Relay, Server};

/// Breaks the connection at each sixth commit, in turn before and after the server did it.
async fn break_commits(relay: Arc<Relay>) {
    loop {
        for act in [AtCommit::DropAfter, AtCommit::DropBefore] {
            for act in [AtCommit::Pass; 5].into_iter().chain([act]) {
                let seen = relay.commits();
                relay.once(act);
                while relay.commits() == seen {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_goes_the_whole_way_while_commits_lose_their_answers() -> Result<()> {
    let server = Server::shared().await?;
    let database = server.database().await?;
    let relay = Arc::new(Relay::start(&server).await?);
    let site = Site::start_on_postgres(&relay.url(&database)?).await?;
    let client = site.client()?;
    let image = gpt_image(site.folder(), "image.raw", 48, 7);
    site.import("test-os", &image).await?;
    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    let breaking = tokio::spawn(break_commits(Arc::clone(&relay)));
    // Whoever is told that nobody knows looks, and asks again.
    eventually("the machine is there", async || {
        client.add_machine(&sim.enrolment()).await.ok();
        Ok(client.machine("m1").await.ok())
    })
    .await?;
    site.machine_in("m1", MachineState::Available).await?;
    eventually("the instance is there", async || {
        site.create("os1", "test-os", Some("m1")).await.ok();
        Ok(client.instance("os1").await.ok())
    })
    .await?;
    site.instance_in("os1", InstanceState::Running).await?;
    let (from, to) = (1 << 20, image.raw().len() - (1 << 20));
    assert!(sim.content()?[from..to] == image.raw()[from..to], "the disk holds the image");
    let job = client.machine("m1").await?.status.job.expect("the deployment");
    assert!(job.steps.iter().all(|step| step.phase == StepPhase::Done), "{:?}", job.steps);
    eventually("it is being given back", async || {
        client.delete_instance("os1", &DeleteInstance::default()).await.ok();
        let instance = client.instance("os1").await;
        Ok(instance.map_or(true, |it| it.status.state == InstanceState::Releasing).then_some(()))
    })
    .await?;
    site.instance_gone("os1").await?;
    site.machine_in("m1", MachineState::Available).await?;
    breaking.abort();
    assert!(relay.commits() > 30, "too few commits to break any: {}", relay.commits());
    assert!(sim.content()?[..1 << 20].iter().all(|byte| *byte == 0), "the partition table is wiped");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_goes_on_when_the_server_comes_back() -> Result<()> {
    let server = Server::start().await?;
    let database = server.database().await?;
    let site = Site::start_on_postgres(database.url()).await?;
    let image = gpt_image(site.folder(), "image.raw", 96, 7);
    site.import("test-os", &image).await?;
    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    site.client()?.add_machine(&sim.enrolment()).await?;
    site.machine_in("m1", MachineState::Available).await?;
    site.create("os1", "test-os", Some("m1")).await?;
    let before = site.machine_in("m1", MachineState::Deploying).await?;
    server.kill().await?;
    // The service leads no more when it can't renew its lease, and takes the turn again once the server is there.
    server.start_again().await?;
    site.instance_in("os1", InstanceState::Running).await?;
    let (from, to) = (1 << 20, image.raw().len() - (1 << 20));
    assert!(sim.content()?[from..to] == image.raw()[from..to], "the disk holds the image");
    let after = site.client()?.machine("m1").await?;
    let epoch = |machine: Machine| machine.status.job.map(|job| job.epoch);
    assert_eq!(epoch(after), epoch(before), "nobody was concluded silent");
    Ok(())
}

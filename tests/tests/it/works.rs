//! What concerns all machines at once: a freeze stops what destroys and loses nothing, and no more are wiped at once than
//! may be. Judged by the machines' disks.

use anyhow::{Context, Result};
use provisioner_api::{
    DeleteInstance, ErasePolicy, FreezeRequest, InstanceState, Machine, MachineState, StepPhase,
};
use provisioner_client::Client;
use provisioner_lifecycle::{EraseLimit, Limits};
use std::time::Duration;
use tests::{Protocol, Sim, SimOptions, Site, eventually, gpt_image};
use tests_postgres::Server;

/// How soon a freeze is in force.
const IN_FORCE: Duration = Duration::from_secs(2);

/// Waits until a machine is in the midst of a step, as far as its agent has told.
async fn in_the_midst(client: &Client, sim: &Sim, step: &str) -> Result<()> {
    eventually(&format!("{} is in the midst of {step}", sim.name), async || {
        let job = client.machine(&sim.name).await?.status.job;
        let at = job.into_iter().flat_map(|job| job.steps).find(|one| one.name == step);
        let progress = at.filter(|one| one.phase == StepPhase::Intent).and_then(|one| one.progress);
        Ok(progress.filter(|progress| progress.done > 0).map(drop))
    })
    .await
}

fn overwritten() -> DeleteInstance {
    DeleteInstance { erase: Some(ErasePolicy::Overwrite) }
}

/// Nothing was tried twice.
fn at_once(machine: &Machine) -> bool {
    let job = machine.status.job.as_ref();
    job.is_some_and(|job| job.steps.iter().all(|step| step.attempt == 1 && step.phase == StepPhase::Done))
}

async fn stopped_and_gone_on(mut site: Site) -> Result<()> {
    let client = site.client()?;
    let image = gpt_image(site.folder(), "image.raw", 48, 7);
    site.import("test-os", &image).await?;
    let slow = || SimOptions { disk_mib: 96, disk_speed: 12.0, ..SimOptions::default() };
    let (writes, wipes) =
        (Sim::start(&site, "m1", 1, slow()).await?, Sim::start(&site, "m2", 2, slow()).await?);
    for sim in [&writes, &wipes] {
        client.add_machine(&sim.enrolment()).await?;
    }
    site.create("old", "test-os", Some("m2")).await?;
    site.instance_in("old", InstanceState::Running).await?;
    client.delete_instance("old", &overwritten()).await?;
    site.create("new", "test-os", Some("m1")).await?;
    in_the_midst(&client, &wipes, "erase").await?;
    in_the_midst(&client, &writes, "write-image").await?;
    let epochs = [epoch(&client, "m1").await?, epoch(&client, "m2").await?];

    let works = client.freeze(&FreezeRequest { why: Some("the wrong rack".into()) }).await?;
    let in_force = tokio::time::Instant::now() + IN_FORCE;
    let frozen = works.frozen.context("it is frozen")?;
    assert_eq!((frozen.by.as_str(), frozen.why.as_deref()), ("admin", Some("the wrong rack")));
    for sim in [&writes, &wipes] {
        eventually(&format!("the agent of {} stops", sim.name), async || {
            Ok(sim.console().iter().any(|line| line.contains("taken back")).then_some(()))
        })
        .await?;
        let why = client.machine_why(&sim.name).await?.sentence;
        assert!(why.contains("by admin: the wrong rack") && why.contains("billet unfreeze"), "{why}");
    }
    // Asking goes on, and so does everything that was asked before a restart.
    site.create("later", "test-os", None).await?;
    site.restart().await?;
    assert_eq!(client.works().await?.frozen.as_ref(), Some(&frozen), "a restart ends nothing");
    for name in ["new", "later"] {
        let waiting = client.instance(name).await?.status.waiting.context("it waits")?;
        assert!(waiting.why.contains("the wrong rack") && waiting.until.is_none(), "{waiting:?}");
    }
    let metrics = client.metrics().await?;
    assert!(metrics.contains("billet_frozen 1"), "{metrics}");
    // Long enough for whoever would go on to have gone on: agents that were stopped ask each few milliseconds.
    tokio::time::sleep_until(in_force + Duration::from_secs(3)).await;
    for sim in [&writes, &wipes] {
        let (_, last) = sim.wrote().context("its disk was written")?;
        assert!(last <= in_force, "the disk of {} was written {:?} late", sim.name, last - in_force);
    }

    assert_eq!(client.unfreeze().await?.frozen, None);
    site.instance_in("new", InstanceState::Running).await?;
    let (from, to) = (1 << 20, image.raw().len() - (1 << 20));
    assert!(writes.content()?[from..to] == image.raw()[from..to], "the disk holds the image");
    assert!(at_once(&client.machine("m1").await?));
    site.instance_gone("old").await?;
    // The first that is free is for who waited.
    site.instance_in("later", InstanceState::Running).await?;
    assert_eq!(epoch(&client, "m1").await?, epochs[0], "nobody was concluded silent");
    let told = client.machine_events("m2", None).await?;
    let proven =
        told.iter().filter(|event| event.message.starts_with("erase done: wiped and read back")).count();
    assert_eq!(proven, 1, "{told:?}");
    assert!(!told.iter().any(|event| event.message.contains("starts anew")), "{told:?}");
    Ok(())
}

async fn epoch(client: &Client, name: &str) -> Result<u64> {
    Ok(client.machine(name).await?.status.job.context("it has a job")?.epoch)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_stops_disks_within_two_seconds_and_loses_nothing() -> Result<()> {
    stopped_and_gone_on(Site::start().await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_stops_disks_within_two_seconds_on_a_server_too() -> Result<()> {
    let server = Server::shared().await?;
    let database = server.database().await?;
    stopped_and_gone_on(Site::start_on_postgres(database.url()).await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn while_everything_is_frozen_nothing_is_switched() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    assert_eq!(client.unfreeze().await?.frozen, None, "there is nothing to end, and that is no error");
    for why in ["x".repeat(201), "two\nlines".into()] {
        let wrong = client.freeze(&FreezeRequest { why: Some(why) }).await.unwrap_err();
        assert!(wrong.status() == Some(422) && wrong.to_string().contains("why"), "{wrong}");
    }
    assert_eq!(client.works().await?.frozen, None);
    let frozen = client.freeze(&FreezeRequest::default()).await?.frozen;
    let again = client.freeze(&FreezeRequest { why: Some("again".into()) }).await?.frozen;
    assert!(frozen.is_some() && again == frozen, "it stays as it is: {again:?}");
    client.add_machine(&sim.enrolment()).await?;
    // Looking goes on.
    eventually("its power is seen", async || {
        let status = client.machine("m1").await?.status;
        Ok((status.power != provisioner_api::Power::Unknown).then_some(()))
    })
    .await?;
    let status = client.machine("m1").await?.status;
    let waiting = status.waiting.context("it waits")?;
    assert_eq!(status.state, MachineState::Discovered);
    assert!(waiting.why.starts_with("everything is frozen since"), "{waiting:?}");
    let admin = site.connection().token.reveal().to_owned();
    let (code, problem) = site
        .send(Some(&admin), reqwest::Method::POST, "/v1/machines/m1/bmc/power", Some(r#"{"button":"reset"}"#))
        .await?;
    let problem = problem.context("a problem")?.to_string();
    assert!(
        code == 409 && problem.contains("frozen") && problem.contains("billet unfreeze"),
        "{code} {problem}"
    );
    assert!(sim.history().is_empty(), "{:?}", sim.history());
    client.unfreeze().await?;
    site.machine_in("m1", MachineState::Available).await?;
    Ok(())
}

/// The most that were at it at once.
fn at_most(spans: &[(tokio::time::Instant, tokio::time::Instant)]) -> usize {
    let during = |at| spans.iter().filter(|(begun, ended)| (*begun..=*ended).contains(&at)).count();
    spans.iter().map(|(begun, _)| during(*begun)).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_that_are_given_back_at_once_no_more_are_wiped_than_may_be() -> Result<()> {
    const MACHINES: u8 = 100;
    let limits = Limits { erase_limit: EraseLimit::number(3), ..Limits::default() };
    let mut site = Site::start_with(limits).await?;
    let client = site.client()?;
    let image = gpt_image(site.folder(), "image.raw", 4, 1);
    site.import("test-os", &image).await?;
    let mut sims = Vec::new();
    for number in 1..=MACHINES {
        let options =
            SimOptions { protocol: Protocol::Ipmi, disk_mib: 16, disk_speed: 200.0, ..SimOptions::default() };
        let sim = Sim::start(&site, &format!("m{number}"), number, options).await?;
        client.add_machine(&sim.enrolment()).await?;
        site.create(&format!("os{number}"), "test-os", Some(&sim.name)).await?;
        sims.push(sim);
    }
    for number in 1..=MACHINES {
        site.instance_in(&format!("os{number}"), InstanceState::Running).await?;
    }
    for number in 1..=MACHINES {
        client.delete_instance(&format!("os{number}"), &overwritten()).await?;
    }
    let why = eventually("somebody says its place", async || {
        let machines = client.machines(&Default::default()).await?;
        let whys = machines.into_iter().filter_map(|machine| machine.status.waiting);
        Ok(whys.map(|waiting| waiting.why).find(|why| why.contains("3 machines are being wiped")))
    })
    .await?;
    assert!(why.contains("the most at once (`limits.erase_limit`); ") && why.ends_with("that wait"), "{why}");
    let works = client.works().await?.erasing;
    assert!(works.running <= 3 && works.limit == 3 && works.queued > 3, "{works:?}");
    assert!(client.metrics().await?.contains("billet_erasures_most 3"));
    site.restart().await?;
    for sim in &sims {
        site.machine_in(&sim.name, MachineState::Available).await?;
    }
    let spans: Option<Vec<_>> = sims.iter().map(Sim::wrote).collect();
    let spans = spans.context("each disk was wiped")?;
    assert!(at_most(&spans) <= 3, "{} were wiped at once", at_most(&spans));
    assert!(at_most(&spans) > 1, "they are wiped beside each other");
    for sim in &sims {
        assert!(sim.content()?.iter().all(|byte| *byte == 0), "the disk of {} is wiped", sim.name);
    }
    Ok(())
}

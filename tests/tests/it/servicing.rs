//! A machine is taken out for planned work, and given back as it was: its instance, its system and its other disks stay.

use anyhow::{Context, Result};
use lab::fleet::NetworkFaults;
use provisioner_api::{
    Choice, ErasePolicy, InstanceState, InstanceUpdate, Job, JobId, JobKind, MachineAction, MachineService,
    MachineState, MachineUpdate, ServiceStep,
};
use provisioner_client::ClientError;
use tests::{Sim, SimOptions, Site, eventually, gpt_image};

/// What is on the disks for data.
const DATA: &[u8] = b"the tenant's data";

fn inspect() -> MachineService {
    MachineService { steps: vec![ServiceStep::Inspect] }
}

fn erase(disks: &[&str]) -> MachineService {
    let disks = disks.iter().map(|disk| (*disk).to_owned()).collect();
    MachineService { steps: vec![ServiceStep::Erase { disks, method: ErasePolicy::Metadata }] }
}

/// A machine with two disks for data, and an instance that runs on it.
async fn running(site: &Site) -> Result<Sim> {
    site.import("os", &gpt_image(site.folder(), "os.raw", 24, 3)).await?;
    let sim = Sim::start(site, "m1", 1, SimOptions { data_disks: 2, ..SimOptions::default() }).await?;
    sim.insert_data(false);
    site.client()?.add_machine(&sim.enrolment()).await?;
    site.create("web", "os", Some("m1")).await?;
    site.instance_in("web", InstanceState::Running).await?;
    Ok(sim)
}

/// The serial numbers of its disks for data.
fn data_of(sim: &Sim) -> Vec<String> {
    sim.truth().disks.into_iter().skip(1).map(|disk| disk.serial).collect()
}

/// Which of its disks for data are blank.
fn blank(sim: &Sim) -> Vec<bool> {
    sim.truth().disks.iter().skip(1).map(|disk| disk.blank).collect()
}

fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> String {
    let error = answer.unwrap_err();
    assert_eq!(error.status(), Some(409), "{error}");
    error.to_string()
}

async fn events(site: &Site) -> Result<Vec<String>> {
    let events = site.client()?.machine_newest_events("m1", 100).await?;
    Ok(events.into_iter().map(|event| event.message).collect())
}

/// Asks for it; answers which job was the last one before.
async fn ask(site: &Site, asked: &MachineService) -> Result<Option<JobId>> {
    let client = site.client()?;
    let before = client.machine("m1").await?.status.job.map(|job| job.id);
    client.service_machine("m1", asked).await?;
    Ok(before)
}

/// Waits until a servicing that began after that job is over.
async fn is_over(site: &Site, before: Option<JobId>) -> Result<Job> {
    let client = site.client()?;
    eventually("the servicing is over", async || {
        let job = client.machine("m1").await?.status.job.filter(|job| Some(job.id) != before);
        Ok(job.filter(|job| job.kind == JobKind::Service && job.ended.is_some()))
    })
    .await
}

/// As `is_over`, and the system that it found runs again.
async fn runs_again(site: &Site, sim: &Sim, before: Option<JobId>) -> Result<()> {
    is_over(site, before).await?;
    site.machine_in("m1", MachineState::Deployed).await?;
    site.instance_in("web", InstanceState::Running).await?;
    eventually("its system runs", async || Ok(sim.truth().runs.is_some().then_some(()))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn new_disks_show_and_one_of_them_is_erased_while_the_system_stays() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let sim = running(&site).await?;
    let (before, system) = (client.instance("web").await?, sim.content()?);
    assert_eq!(client.machine("m1").await?.status.inventory.context("it was inspected")?.disks.len(), 1);
    let data = data_of(&sim);
    assert!(
        refused(client.service_machine("m1", &erase(&[&data[0]])).await).contains("no disk has the serial")
    );

    sim.insert_data(true);
    sim.put_on_data(DATA);
    let before_it = ask(&site, &inspect()).await?;
    runs_again(&site, &sim, before_it).await?;
    assert_eq!(client.machine("m1").await?.status.inventory.context("it was inspected")?.disks.len(), 3);
    let told = events(&site).await?;
    let new = format!("disk {} (134 MB) is new", data[0]);
    assert!(told.iter().any(|message| message.contains(&new)), "{told:?}");
    assert_eq!(blank(&sim), [false, false], "an inspection writes nothing");

    let before_it = ask(&site, &erase(&[&data[0]])).await?;
    runs_again(&site, &sim, before_it).await?;
    assert_eq!(blank(&sim), [true, false]);
    assert!(sim.content()? == system, "not a byte of the disk with the system is changed");
    let after = client.instance("web").await?;
    assert_eq!(
        (after.id, after.status.machine, after.status.installation, &after.status.addresses),
        (before.id, before.status.machine, before.status.installation, &before.status.addresses)
    );

    // Both are wiped when it is given back, also the one that came later.
    client.delete_instance("web", &Default::default()).await?;
    site.instance_gone("web").await?;
    assert_eq!(blank(&sim), [true, true]);
    assert!(sim.content()?.starts_with(&[0; 512]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_erased_is_refused() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let sim = running(&site).await?;
    sim.insert_data(true);
    let before_it = ask(&site, &inspect()).await?;
    runs_again(&site, &sim, before_it).await?;
    let data = data_of(&sim);
    let asked = erase(&[&data[0]]);
    let system = refused(client.service_machine("m1", &erase(&[&data[0], &sim.serial])).await);
    assert!(system.contains("holds the system"), "{system}");
    for bad in [MachineService { steps: Vec::new() }, erase(&[]), erase(&[""])] {
        let error = client.service_machine("m1", &bad).await.unwrap_err();
        assert_eq!(error.status(), Some(422), "{error}");
    }
    let twice = MachineService { steps: vec![ServiceStep::Inspect, ServiceStep::Inspect] };
    assert!(refused(client.service_machine("m1", &twice).await).contains("twice"));

    let protect = |on| InstanceUpdate { protected: Some(on), ..Default::default() };
    client.update_instance("web", &protect(true)).await?;
    assert!(refused(client.service_machine("m1", &asked).await).contains("instance set web --protected off"));
    client.update_instance("web", &protect(false)).await?;
    let version = client.machine("m1").await?.version;
    let update = MachineUpdate { protected: Some(true), ..Default::default() };
    client.update_machine("m1", version, &update).await?;
    assert!(refused(client.service_machine("m1", &asked).await).contains("machine set NAME --protected off"));
    let before_it = ask(&site, &inspect()).await?;
    runs_again(&site, &sim, before_it).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_free_machine_is_free_again() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let sim = Sim::start(&site, "m1", 1, SimOptions { data_disks: 1, ..SimOptions::default() }).await?;
    client.add_machine(&sim.enrolment()).await?;
    site.machine_in("m1", MachineState::Available).await?;
    sim.put_on_data(DATA);
    let data = data_of(&sim);
    let mut asked = erase(&[&data[0]]);
    asked.steps.push(ServiceStep::Inspect);
    let before_it = ask(&site, &asked).await?;
    let job = is_over(&site, before_it).await?;
    let steps: Vec<_> = job.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(steps, ["power-off", "boot-network", "power-on", "agent", "erase", "inspect", "rest"]);
    site.machine_in("m1", MachineState::Available).await?;
    assert_eq!((blank(&sim), sim.truth().on), (vec![true], false));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_in_time_the_system_boots_again_and_nothing_is_erased() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let sim = running(&site).await?;
    sim.insert_data(true);
    sim.put_on_data(DATA);
    let before_it = ask(&site, &inspect()).await?;
    runs_again(&site, &sim, before_it).await?;
    let data = data_of(&sim);
    let wires = site.wires().await?;
    wires.set_faults(NetworkFaults { drop: 1.0, ..NetworkFaults::default() });
    let before_it = ask(&site, &erase(&[&data[0]])).await?;
    eventually("its agent is waited for", async || {
        let job = client.machine("m1").await?.status.job.filter(|job| job.ended.is_none());
        let waits = |step: &provisioner_api::Step| step.name == "agent" && step.started.is_some();
        Ok(job.filter(|job| job.steps.iter().any(waits)))
    })
    .await?;
    let shown = site.instance_in("web", InstanceState::Servicing).await?.status;
    assert!(shown.waiting.context("its owner sees why")?.why.contains("the agent has to call in"));
    // Whoever has the instance does not end what is done on the machine.
    let ended = client.instance_action("web", provisioner_api::InstanceAction::Cancel).await;
    assert!(refused(ended).contains("billet machine cancel m1"));
    let why = client.machine_why("m1").await?;
    assert!(why.choices.iter().any(|remedy| remedy.command == "billet machine cancel m1"), "{why:?}");
    client.machine_action("m1", MachineAction::Cancel).await?;
    wires.set_faults(NetworkFaults::default());
    runs_again(&site, &sim, before_it).await?;
    assert_eq!(blank(&sim), [false, false]);
    assert!(client.machine("m1").await?.status.held.is_none());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_pulled_meanwhile_holds_it_and_whoever_cancels_leads_it_back() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let sim = running(&site).await?;
    sim.insert_data(true);
    let before_it = ask(&site, &inspect()).await?;
    runs_again(&site, &sim, before_it).await?;
    sim.insert_data(false);
    let data = data_of(&sim);
    let before_it = ask(&site, &erase(&[&data[0]])).await?;
    let held = site.machine_held("m1").await?;
    assert!(held.why.contains("no disk has the serial number"), "{held:?}");
    let offered: Vec<_> = held.offers.iter().map(|offer| offer.choice).collect();
    assert_eq!(offered, [Choice::Retry, Choice::Cancel, Choice::GiveBack, Choice::Abandon]);
    client.choose("m1", held.number, Choice::Cancel).await?;
    runs_again(&site, &sim, before_it).await?;
    Ok(())
}

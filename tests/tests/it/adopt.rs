//! A server that runs already becomes an instance: not a byte of it is touched, and it is wiped only when somebody says so.

use anyhow::Result;
use provisioner_api::{
    InstanceReinstall, InstanceState, InstanceUpdate, MachineAdopt, MachineCreate, MachineState,
};
use provisioner_client::ClientError;
use tests::{Sim, SimOptions, Site, eventually, gpt_image};

const THEIRS: &[u8] = b"somebody's system, which was here before Billet";

fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>, status: u16) -> String {
    let error = answer.unwrap_err();
    assert_eq!(error.status(), Some(status), "{error}");
    error.to_string()
}

/// A machine with something on both its disks; added, but not accepted.
async fn strange(site: &Site) -> Result<Sim> {
    let options = SimOptions { data_disks: 1, ..SimOptions::default() };
    let sim = Sim::start(site, "m1", 1, options).await?;
    sim.put_on_disk(THEIRS);
    sim.put_on_data(THEIRS);
    let add = MachineCreate { accept: false, ..sim.enrolment() };
    let added = site.client()?.add_machine(&add).await?;
    assert!(!added.spec.accepted && added.status.state == MachineState::Discovered);
    Ok(sim)
}

fn adopt(name: &str) -> MachineAdopt {
    MachineAdopt { name: name.into(), protected: true, erase: Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_on_untouched_until_it_is_unprotected_and_given_back() -> Result<()> {
    let mut site = Site::start().await?;
    let client = site.client()?;
    let sim = strange(&site).await?;
    let (content, data) = (sim.content()?, sim.data()?);
    let adopted = client.adopt_machine("m1", &adopt("theirs")).await?;
    assert_eq!((adopted.status.state, adopted.spec.image.as_str()), (InstanceState::Running, ""));
    let machine = site.machine_in("m1", MachineState::Deployed).await?;
    assert_eq!((machine.status.instance, machine.spec.accepted), (Some(adopted.id), true));
    assert!(refused(client.adopt_machine("m1", &adopt("twice")).await, 409).contains("an instance owns"));
    // Who owns it switches it on; also after a restart nobody waits for an agent.
    sim.press_power().await?;
    site.restart().await?;
    let client = site.client()?;
    eventually("it booted", async || {
        Ok(sim.history().iter().any(|boot| boot.starts_with("disk: ")).then_some(()))
    })
    .await?;
    assert_eq!(client.instance("theirs").await?.status.state, InstanceState::Running);
    assert!(sim.content()? == content && sim.data()? == data);
    assert!(!sim.history().contains(&"script: agent".to_owned()), "nothing of ours was booted");

    let anew = client.reinstall_instance("theirs", &InstanceReinstall::default()).await;
    assert!(refused(anew, 409).contains("protected"));
    assert!(refused(client.delete_instance("theirs", &Default::default()).await, 409).contains("protected"));
    assert!(refused(client.delete_machine("m1").await, 409).contains("owns this machine"));
    let off = InstanceUpdate { protected: Some(false), ..Default::default() };
    client.update_instance("theirs", &off).await?;
    let anew = client.reinstall_instance("theirs", &InstanceReinstall::default()).await;
    assert!(refused(anew, 422).contains("image"));
    client.delete_instance("theirs", &Default::default()).await?;
    site.instance_gone("theirs").await?;
    let machine = site.machine_in("m1", MachineState::Available).await?;
    assert_eq!(machine.status.inventory.map(|inventory| inventory.disks.len()), Some(2));
    assert!(sim.content()?.starts_with(&[0; 512]) && sim.data()?.starts_with(&[0; 512]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn installed_anew_only_the_named_disk_is_written() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let sim = strange(&site).await?;
    let image = gpt_image(site.folder(), "image.raw", 24, 3);
    site.import("os", &image).await?;
    client.adopt_machine("m1", &MachineAdopt { protected: false, ..adopt("theirs") }).await?;
    site.machine_in("m1", MachineState::Deployed).await?;
    let anew = InstanceReinstall { image: Some("os".into()), ..Default::default() };
    let unknown = client.reinstall_instance("theirs", &anew).await;
    assert!(refused(unknown, 409).contains("--root-disk-serial"));
    let root_disk_serial = Some(sim.serial.clone());
    client.reinstall_instance("theirs", &InstanceReinstall { root_disk_serial, ..anew }).await?;
    let running = site.instance_in("theirs", InstanceState::Running).await?;
    assert!(running.status.phoned_home.is_some() && running.spec.image == "os");
    let (from, to) = (1 << 20, image.raw().len() - (1 << 20));
    assert!(sim.content()?[from..to] == image.raw()[from..to] && sim.data()?.starts_with(THEIRS));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_to_be_adopted_is_told() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let sim = strange(&site).await?;
    assert!(refused(client.adopt_machine("m1", &adopt("Not A Name")).await, 422).contains("name"));
    assert!(refused(client.adopt_machine("none", &adopt("a")).await, 404).contains("none"));
    client.adopt_machine("m1", &adopt("theirs")).await?;
    let other = Sim::start(&site, "m2", 2, SimOptions::default()).await?;
    client.add_machine(&MachineCreate { accept: false, ..other.enrolment() }).await?;
    assert!(refused(client.adopt_machine("m2", &adopt("theirs")).await, 409).contains("theirs"));
    let left = client.machine("m2").await?;
    assert_eq!((left.status.state, left.status.instance), (MachineState::Discovered, None));
    assert!(sim.content()?.starts_with(THEIRS));
    Ok(())
}

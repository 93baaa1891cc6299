//! An instance is rescued: its machine runs our small system in RAM, and its own one again afterwards.

use anyhow::Result;
use jiff::SignedDuration;
use provisioner_api::{
    Instance, InstanceAction, InstanceCreate, InstanceReinstall, InstanceRescue, InstanceSpec, InstanceState,
    InstanceUpdate, JobKind, MachineAction, MachineState, MachineUpdate, RescueStatus,
};
use provisioner_client::ClientError;
use provisioner_lifecycle::Limits;
use tests::{Sim, SimOptions, Site, eventually, gpt_image};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGlTdGhpc0FLZXk= me@host";

fn keys() -> InstanceRescue {
    InstanceRescue { ssh_keys: vec![KEY.into()] }
}

/// A machine with an instance that runs on it.
async fn running(site: &Site) -> Result<Sim> {
    site.import("os", &gpt_image(site.folder(), "os.raw", 24, 3)).await?;
    let options = SimOptions { data_disks: 1, ..SimOptions::default() };
    let sim = Sim::start(site, "m1", 1, options).await?;
    site.client()?.add_machine(&sim.enrolment()).await?;
    site.create("web", "os", Some("m1")).await?;
    site.instance_in("web", InstanceState::Running).await?;
    Ok(sim)
}

fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>, status: u16) -> String {
    let error = answer.unwrap_err();
    assert_eq!(error.status(), Some(status), "{error}");
    error.to_string()
}

async fn protect(site: &Site, on: bool) -> Result<()> {
    let client = site.client()?;
    let update = MachineUpdate { protected: Some(on), ..Default::default() };
    eventually("nobody else changes the machine", async || {
        let version = client.machine("m1").await?.version;
        Ok(client.update_machine("m1", version, &update).await.ok())
    })
    .await
    .map(drop)
}

/// Waits until one can log in.
async fn ready(site: &Site) -> Result<Instance> {
    eventually("one can log in", async || {
        let instance = site.client()?.instance("web").await?;
        let ready = instance.status.rescue.as_ref().is_some_and(|rescue| rescue.ready);
        Ok(ready.then_some(instance))
    })
    .await
}

/// Waits until the system on the disk has booted since so many boots.
async fn boots_its_system(sim: &Sim, since: usize) -> Result<()> {
    eventually("its own system booted", async || {
        Ok(sim.history().split_off(since).contains(&"disk: phoned home".to_owned()).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn there_and_back_not_a_byte_is_changed() -> Result<()> {
    let mut site = Site::start().await?;
    let sim = running(&site).await?;
    let client = site.client()?;
    let (before, content, data) = (client.instance("web").await?, sim.content()?, sim.data()?);
    // Nothing is destroyed, so protection is no reason to refuse.
    client.update_instance("web", &InstanceUpdate { protected: Some(true), ..Default::default() }).await?;
    protect(&site, true).await?;
    let asked = client.rescue_instance("web", &keys()).await?;
    assert_eq!(asked.status.rescue, Some(RescueStatus::default()), "asked for, and not ready");
    let there = ready(&site).await?;
    let rescue = there.status.rescue.clone().unwrap_or_default();
    assert_eq!(rescue.login, ["ssh root@127.0.0.1"]);
    assert_eq!(rescue.host_key.as_deref(), Some("SHA256:sim000001"));
    assert_eq!(sim.rescued().unwrap_or_default(), [KEY]);
    site.instance_in("web", InstanceState::Rescue).await?;
    let machine = site.machine_in("m1", MachineState::Rescue).await?;
    assert_eq!(machine.status.job.map(|job| (job.kind, job.ended.is_some())), Some((JobKind::Rescue, true)));
    let why = client.instance_why("web").await?;
    assert!(why.sentence.contains("runs the rescue system until somebody ends that"), "{}", why.sentence);
    let commands: Vec<_> = why.choices.iter().map(|choice| choice.command.as_str()).collect();
    assert_eq!(commands, ["billet instance unrescue web", "billet machine retry m1"]);

    assert!(refused(client.rescue_instance("web", &keys()).await, 409).contains("billet instance unrescue"));
    client.update_instance("web", &InstanceUpdate { protected: Some(false), ..Default::default() }).await?;
    protect(&site, false).await?;
    let anew = client.reinstall_instance("web", &InstanceReinstall::default()).await;
    assert!(refused(anew, 409).contains("billet instance unrescue"));

    // A service that starts anew finds its agent again.
    site.restart().await?;
    let client = site.client()?;
    assert_eq!(ready(&site).await?.status.rescue, Some(rescue));
    let boots = sim.history().len();
    client.unrescue_instance("web").await?;
    let after = site.instance_in("web", InstanceState::Running).await?;
    boots_its_system(&sim, boots).await?;
    assert_eq!(after.status.rescue, None);
    let kept = |it: &Instance| (it.id, it.name.clone(), it.status.machine, it.status.addresses.clone());
    assert_eq!(kept(&after), kept(&before));
    assert!(sim.content()? == content && sim.data()? == data, "not a byte is changed");
    assert!(refused(client.unrescue_instance("web").await, 409).contains("not in rescue"));
    assert_eq!(sim.rescued(), None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_with_field_and_mend() -> Result<()> {
    let mut site = Site::start().await?;
    let sim = running(&site).await?;
    let client = site.client()?;
    let rescue = |keys: &[&str]| InstanceRescue { ssh_keys: keys.iter().map(|key| (*key).into()).collect() };
    let none = refused(client.rescue_instance("web", &rescue(&[])).await, 422);
    assert!(none.contains("ssh_keys") && none.contains("--ssh-key"), "{none}");
    let bad = refused(client.rescue_instance("web", &rescue(&[KEY, "not a key"])).await, 422);
    assert!(bad.contains("ssh_keys[1]"), "{bad}");
    let spec = InstanceSpec { pool: Some("elsewhere".into()), ..InstanceSpec::new("os") };
    client.create_instance(&InstanceCreate { name: "waits".into(), spec }).await?;
    assert!(refused(client.rescue_instance("waits", &keys()).await, 409).contains("no machine yet"));
    refused(client.rescue_instance("nobody", &keys()).await, 404);
    site.set_rescue(None);
    site.restart().await?;
    let unset = refused(site.client()?.rescue_instance("web", &keys()).await, 409);
    assert!(unset.contains("set `boot.rescue`") && unset.contains("make rescue"), "{unset}");
    assert_eq!(sim.rescued(), None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_falls_silent_in_rescue_is_not_switched_unasked() -> Result<()> {
    let limits = Limits { agent_silence: SignedDuration::from_secs(10), ..Limits::default() };
    let site = Site::start_with(limits).await?;
    let sim = running(&site).await?;
    let client = site.client()?;
    client.rescue_instance("web", &keys()).await?;
    ready(&site).await?;
    sim.chassis().set_power(false).await?;
    let boots = sim.history().len();
    eventually("its silence is told", async || {
        let why = client.instance_why("web").await?;
        Ok(why.sentence.contains("was not heard for 10 s").then_some(()))
    })
    .await?;
    assert_eq!(sim.history().len(), boots, "it was not switched");
    client.machine_action("m1", MachineAction::Retry).await?;
    eventually("it is rescued anew", async || Ok(sim.rescued())).await?;
    ready(&site).await?;
    client.instance_action("web", InstanceAction::Cancel).await?;
    site.instance_in("web", InstanceState::Running).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn given_back_out_of_its_rescue_all_disks_are_wiped() -> Result<()> {
    let site = Site::start().await?;
    let sim = running(&site).await?;
    let client = site.client()?;
    sim.put_on_data(b"what somebody wrote in rescue");
    client.rescue_instance("web", &keys()).await?;
    ready(&site).await?;
    client.delete_instance("web", &Default::default()).await?;
    site.instance_gone("web").await?;
    site.machine_in("m1", MachineState::Available).await?;
    assert!(sim.content()?.starts_with(&[0; 512]) && sim.data()?.starts_with(&[0; 512]));
    assert_eq!(sim.rescued(), None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_killed_all_the_time_rescues_all_the_same() -> Result<()> {
    let mut site = Site::start().await?;
    let sim = running(&site).await?;
    let content = sim.content()?;
    site.client()?.rescue_instance("web", &keys()).await?;
    for _ in 0..4 {
        site.restart().await?;
    }
    ready(&site).await?;
    site.client()?.unrescue_instance("web").await?;
    for _ in 0..4 {
        site.restart().await?;
    }
    site.instance_in("web", InstanceState::Running).await?;
    assert!(sim.content()? == content);
    Ok(())
}

//! An instance is installed anew: it keeps its machine, name, address and all disks but the one with its system.

use anyhow::{Context, Result};
use lab::fleet::NetworkFaults;
use provisioner_api::{
    Choice, InstanceAction, InstanceCreate, InstanceReinstall, InstanceSpec, InstanceState, InstanceUpdate,
    JobKind, MachineState,
};
use provisioner_client::ClientError;
use std::time::Duration;
use tests::{Sim, SimOptions, Site, TestImage, eventually, gpt_image};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What the tenant keeps.
const KEPT: &[u8] = b"the tenant's data, which no reinstallation may touch";

/// A machine with a disk for data, and an instance that runs on it and has put its data there.
async fn running(site: &Site, image: &TestImage) -> Result<Sim> {
    site.import("old", image).await?;
    let options = SimOptions { data_disks: 1, ..SimOptions::default() };
    let sim = Sim::start(site, "m1", 1, options).await?;
    site.client()?.add_machine(&sim.enrolment()).await?;
    site.create("web", "old", Some("m1")).await?;
    site.instance_in("web", InstanceState::Running).await?;
    sim.put_on_data(KEPT);
    Ok(sim)
}

fn holds(sim: &Sim, image: &TestImage) -> Result<bool> {
    let (from, to) = (1 << 20, image.raw().len() - (1 << 20));
    Ok(sim.content()?[from..to] == image.raw()[from..to])
}

fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> String {
    let error = answer.unwrap_err();
    assert_eq!(error.status(), Some(409), "{error}");
    error.to_string()
}

/// Flips a bit in every chunk: no image can be written any more.
fn rot_all(chunks: &std::path::Path) -> Result<()> {
    for folder in std::fs::read_dir(chunks)? {
        for chunk in std::fs::read_dir(folder?.path())? {
            let path = chunk?.path();
            let mut bytes = std::fs::read(&path)?;
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(path, bytes)?;
        }
    }
    Ok(())
}

/// What a system says whose address to report in is known: its own host key.
async fn says(url: &str, key: &str) -> Result<()> {
    let place = url.strip_prefix("http://").context("plain HTTP")?;
    let (host, path) = place.split_once('/').context("it has a path")?;
    let form = format!("hostname=said&pub_key_ed25519={}", key.replace(' ', "+"));
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    anyhow::ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_stays_but_the_disk_with_the_system() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let (old, new) = (gpt_image(site.folder(), "old.raw", 24, 3), gpt_image(site.folder(), "new.raw", 32, 9));
    let sim = running(&site, &old).await?;
    site.import("new", &new).await?;
    let (before, data, home) = (client.instance("web").await?, sim.data()?, sim.phone_home()?);
    let protect = |on| InstanceUpdate { protected: Some(on), ..Default::default() };
    client.update_instance("web", &protect(true)).await?;
    let anew = InstanceReinstall { image: Some("new".into()), ..Default::default() };
    assert!(refused(client.reinstall_instance("web", &anew).await).contains("--protected off"));
    client.update_instance("web", &protect(false)).await?;

    let asked = client.reinstall_instance("web", &anew).await?;
    assert_eq!(asked.status.state, InstanceState::Reinstalling);
    assert!(refused(client.reinstall_instance("web", &anew).await).contains("installed anew already"));
    let after = site.instance_in("web", InstanceState::Running).await?;
    let kept = |it: &provisioner_api::Instance| {
        (it.id, it.name.clone(), it.status.machine, it.status.addresses.clone())
    };
    assert_eq!(kept(&after), kept(&before));
    assert_eq!((after.spec.image.as_str(), after.status.installation), ("new", 1));
    assert!(after.status.phoned_home > before.status.phoned_home);
    assert!(holds(&sim, &new)?);
    assert!(sim.data()? == data && data.starts_with(KEPT), "not a byte of the other disk is changed");
    assert_ne!(sim.phone_home()?, home, "its system reports in as another installation");
    let machine = client.machine("m1").await?;
    assert_eq!(machine.status.job.map(|job| job.kind), Some(JobKind::Reinstall));

    // With the same image, too; and given back, both disks are wiped.
    client.reinstall_instance("web", &InstanceReinstall::default()).await?;
    let again = site.instance_in("web", InstanceState::Running).await?;
    assert_eq!((again.spec.image.as_str(), again.status.installation), ("new", 2));
    assert!(sim.data()? == data);
    client.delete_instance("web", &Default::default()).await?;
    site.instance_gone("web").await?;
    site.machine_in("m1", MachineState::Available).await?;
    assert!(sim.content()?.starts_with(&[0; 512]) && sim.data()?.starts_with(&[0; 512]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_system_that_reports_in_does_not_end_it() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let old = gpt_image(site.folder(), "old.raw", 24, 3);
    let sim = running(&site, &old).await?;
    let home = sim.phone_home()?;
    says(&home, "ssh-ed25519 OLD").await?;
    eventually("its key is known", async || {
        Ok((client.instance("web").await?.status.host_keys == ["ssh-ed25519 OLD"]).then_some(()))
    })
    .await?;
    site.import("new", &gpt_image(site.folder(), "new.raw", 32, 9)).await?;
    rot_all(&site.folder().join("data/images/chunks"))?;
    let anew = InstanceReinstall { image: Some("new".into()), ..Default::default() };
    client.reinstall_instance("web", &anew).await?;
    // It began to be written, and can't be written to the end.
    let held = site.machine_held("m1").await?;
    assert!(held.why.contains("write-image"), "{held:?}");
    says(&home, "ssh-ed25519 OLD").await?;
    let shown = client.instance("web").await?;
    assert_eq!((shown.status.state, shown.status.phoned_home), (InstanceState::Reinstalling, None));
    assert!(shown.status.host_keys.is_empty(), "{:?}", shown.status.host_keys);
    let choices: Vec<_> = held.offers.iter().map(|offer| offer.choice).collect();
    assert_eq!(choices, [Choice::Retry, Choice::GiveBack, Choice::Abandon]);
    let late = refused(client.instance_action("web", InstanceAction::Cancel).await);
    assert!(late.contains("the old system is gone"), "{late}");
    assert!(sim.data()?.starts_with(KEPT));
    client.choose("m1", held.number, Choice::GiveBack).await?;
    site.instance_gone("web").await?;
    site.machine_in("m1", MachineState::Available).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_in_time_the_old_system_boots_again() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let (old, new) = (gpt_image(site.folder(), "old.raw", 24, 3), gpt_image(site.folder(), "new.raw", 32, 9));
    let sim = running(&site, &old).await?;
    site.import("new", &new).await?;
    let (content, before) = (sim.content()?, client.instance("web").await?);
    // Whatever its agent says is lost on the way, so it never calls in.
    let wires = site.wires().await?;
    wires.set_faults(NetworkFaults { drop: 1.0, ..NetworkFaults::default() });
    let user_data = Some("#cloud-config\nhostname: other\n".to_owned());
    let anew = InstanceReinstall { image: Some("new".into()), user_data, ..Default::default() };
    client.reinstall_instance("web", &anew).await?;
    eventually("it waits for the agent", async || {
        let job = client.machine("m1").await?.status.job;
        let step = job.and_then(|job| job.steps.into_iter().find(|step| step.name == "agent"));
        Ok(step.filter(|step| step.started.is_some()))
    })
    .await?;
    let boots = sim.history().len();
    client.instance_action("web", InstanceAction::Cancel).await?;
    wires.set_faults(NetworkFaults::default());
    let after = site.instance_in("web", InstanceState::Running).await?;
    assert_eq!((after.id, &after.spec), (before.id, &before.spec), "it is what it was");
    assert!(sim.content()? == content && sim.data()?.starts_with(KEPT));
    eventually("the old system booted", async || {
        Ok(sim.history().split_off(boots).contains(&"disk: phoned home".to_owned()).then_some(()))
    })
    .await?;
    // The image that it has is kept from deletion, the one that it was to get is free again.
    assert!(refused(client.delete_image("old").await).contains("image"));
    client.delete_image("new").await?;
    client.reinstall_instance("web", &InstanceReinstall::default()).await?;
    site.instance_in("web", InstanceState::Running).await?;
    assert!(holds(&sim, &old)? && sim.data()?.starts_with(KEPT));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_killed_all_the_time_installs_anew_all_the_same() -> Result<()> {
    let mut site = Site::start().await?;
    let image = gpt_image(site.folder(), "image.raw", 64, 7);
    let sim = running(&site, &image).await?;
    let data = sim.data()?;
    site.client()?.reinstall_instance("web", &InstanceReinstall::default()).await?;
    for blow in 1..=10 {
        // Blows that fall everywhere.
        tokio::time::sleep(Duration::from_millis(60) * (1 + blow * 7 % 11)).await;
        site.restart().await?;
    }
    let running = site.instance_in("web", InstanceState::Running).await?;
    assert_eq!(running.status.installation, 1);
    site.machine_in("m1", MachineState::Deployed).await?;
    assert!(holds(&sim, &image)? && sim.data()? == data);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn given_back_meanwhile_it_is_wiped_and_without_a_machine_it_is_refused() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let image = gpt_image(site.folder(), "image.raw", 64, 7);
    let sim = running(&site, &image).await?;
    client.reinstall_instance("web", &InstanceReinstall::default()).await?;
    client.delete_instance("web", &Default::default()).await?;
    site.instance_gone("web").await?;
    site.machine_in("m1", MachineState::Available).await?;
    assert!(sim.content()?.starts_with(&[0; 512]) && sim.data()?.starts_with(&[0; 512]));
    let spec = InstanceSpec { pool: Some("elsewhere".into()), ..InstanceSpec::new("old") };
    client.create_instance(&InstanceCreate { name: "waits".into(), spec }).await?;
    let none = client.reinstall_instance("waits", &InstanceReinstall::default()).await;
    assert!(refused(none).contains("has no machine yet"));
    Ok(())
}

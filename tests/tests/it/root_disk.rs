//! Which disk gets the system: nobody guesses between two, a person chooses; hints are kept to, and what they can't find is
//! said.

use anyhow::{Result, ensure};
use provisioner_api::{Choice, DiskHints, DiskKind, Held, InstanceCreate, InstanceSpec, MachineState};
use provisioner_client::Client;
use tests::{Sim, SimOptions, Site, eventually, gpt_image};

/// A machine with two disks that look alike, and an image.
async fn start(site: &Site) -> Result<Sim> {
    let image = gpt_image(site.folder(), "image.raw", 24, 5);
    site.import("os", &image).await?;
    let sim = Sim::start(site, "m1", 1, SimOptions { data_disks: 1, ..SimOptions::default() }).await?;
    site.client()?.add_machine(&sim.enrolment()).await?;
    site.machine_in("m1", MachineState::Available).await?;
    Ok(sim)
}

async fn create(client: &Client, machine: Option<&str>, root_disk: Option<DiskHints>) -> Result<()> {
    let spec = InstanceSpec { machine: machine.map(Into::into), root_disk, ..InstanceSpec::new("os") };
    client.create_instance(&InstanceCreate { name: "web".into(), spec }).await?;
    Ok(())
}

/// The serial numbers of the disks that are offered.
fn offered(held: &Held) -> Vec<&str> {
    let use_disk = held.offers.iter().filter(|offer| offer.choice == Choice::UseDisk);
    use_disk.filter_map(|offer| offer.disk.as_deref()).collect()
}

/// Waits until its disk for data is another one than before.
async fn written(sim: &Sim, before: &[u8]) -> Result<()> {
    eventually("the disk for data is written", async || Ok((sim.data()? != before).then_some(()))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_guesses_between_two_disks_and_the_one_that_is_chosen_is_written() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let sim = start(&site).await?;
    let before = (sim.content()?, sim.data()?);
    create(&client, None, None).await?;
    let held = site.machine_held("m1").await?;
    let data = "DATA000001-1";
    ensure!(offered(&held) == [sim.serial.as_str(), data], "{held:?}");
    for want in ["2 disks can take the system", &sim.serial, data, "134217728 bytes", "simulated disk"] {
        ensure!(held.why.contains(want), "{want}: {}", held.why);
    }
    ensure!((sim.content()?, sim.data()?) == before, "nothing is written before");

    let wrong = client.use_disk("m1", held.number, "elsewhere").await.unwrap_err().to_string();
    ensure!(wrong.contains("`elsewhere` can't be chosen") && wrong.contains(data), "{wrong}");
    let why = client.machine_why("m1").await?;
    ensure!(format!("{why:?}").contains(&format!("use-disk --disk {data}")), "{why:?}");
    client.use_disk("m1", held.number, data).await?;
    // Its firmware boots no other disk than the first, so that nobody reports in.
    written(&sim, &before.1).await?;
    ensure!(sim.content()? == before.0, "the other one is as it was");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_that_leaves_one_disk_is_kept_to() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let sim = start(&site).await?;
    let before = (sim.content()?, sim.data()?);
    let hints = DiskHints {
        serial: Some("DATA000001-1".into()),
        kind: Some(DiskKind::Ssd),
        model: Some("Simulated*".into()),
        min_bytes: Some(1 << 20),
        ..DiskHints::default()
    };
    create(&client, None, Some(hints)).await?;
    written(&sim, &before.1).await?;
    ensure!(sim.content()? == before.0, "the other one is as it was");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_that_no_disk_is_says_which_there_are_and_takes_no_machine() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let sim = start(&site).await?;
    let nowhere = || Some(DiskHints { serial: Some("NOWHERE".into()), ..DiskHints::default() });
    create(&client, Some("m1"), nowhere()).await?;
    let held = eventually("it is held", async || Ok(client.instance("web").await?.status.held)).await?;
    for want in ["serial=NOWHERE", &sim.serial, "DATA000001-1"] {
        ensure!(held.why.contains(want), "{want}: {}", held.why);
    }
    client.delete_instance("web", &Default::default()).await?;
    site.instance_gone("web").await?;

    create(&client, None, nowhere()).await?;
    let waits = eventually("it waits", async || Ok(client.instance("web").await?.status.waiting)).await?;
    ensure!(waits.why.contains("hints serial=NOWHERE"), "{waits:?}");
    ensure!(client.machine("m1").await?.status.state == MachineState::Available, "it is nobody's");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_that_can_hold_of_no_disk_are_refused_by_their_field() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    start(&site).await?;
    let hints = DiskHints { min_bytes: Some(2), max_bytes: Some(1), ..DiskHints::default() };
    let refused = create(&client, None, Some(hints)).await.unwrap_err().to_string();
    ensure!(refused.contains("spec.root_disk.max_bytes"), "{refused}");
    Ok(())
}

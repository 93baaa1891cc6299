//! Instances that run from RAM: nothing is written to any disk, and whenever the machine starts anew, so do they.

use anyhow::{Context, Result, ensure};
use provisioner_api::{
    Image, InstanceCreate, InstanceReinstall, InstanceSpec, InstanceState, JobKind, Machine, MachineAction,
    MachineState,
};
use provisioner_client::{Client, ClientError};
use tests::{RamImage, Sim, SimOptions, Site, eventually, gpt_image};
use tests_postgres::Server;

/// What is on the disk, and stays there for as long as the instance itself does not write.
const KEPT: &[u8] = b"somebody's data, which no image that runs from RAM may touch";

fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>, status: u16) -> String {
    let error = answer.unwrap_err();
    assert_eq!(error.status(), Some(status), "{error}");
    error.to_string()
}

/// A machine with an instance that runs from RAM.
async fn running(site: &Site) -> Result<(Sim, RamImage)> {
    let client = site.client()?;
    let image = RamImage::make(site.folder(), "burn-in")?;
    image.import(&client).await?;
    let sim = Sim::start(site, "m1", 1, SimOptions { data_disks: 1, ..SimOptions::default() }).await?;
    client.add_machine(&sim.enrolment()).await?;
    site.machine_in("m1", MachineState::Available).await?;
    sim.put_on_disk(KEPT);
    sim.put_on_data(KEPT);
    site.create("web", "burn-in", Some("m1")).await?;
    site.instance_in("web", InstanceState::Running).await?;
    Ok((sim, image))
}

/// Waits until the machine is deployed under a later epoch than this, and its system runs.
async fn again(client: &Client, sim: &Sim, before: &Machine) -> Result<Machine> {
    let epoch = |machine: &Machine| machine.status.job.as_ref().map_or(0, |job| job.epoch);
    eventually("the instance runs again", async || {
        let machine = client.machine("m1").await?;
        ensure!(machine.status.held.is_none(), "{:?}", machine.status.held);
        let runs = machine.status.state == MachineState::Deployed && epoch(&machine) > epoch(before);
        Ok((runs && sim.truth().runs.is_some()).then_some(machine))
    })
    .await
}

fn untouched(sim: &Sim) -> Result<bool> {
    Ok(sim.content()?.starts_with(KEPT) && sim.data()?.starts_with(KEPT) && sim.wrote().is_none())
}

async fn whole_way(site: &Site) -> Result<()> {
    let client = site.client()?;
    let (sim, image) = running(site).await?;
    let loaded = sim.loaded()?;
    ensure!(loaded.image == image.sha256(), "another kernel or initrd was loaded: {loaded:?}");
    ensure!(loaded.cmdline == "console=ttyS0 quiet", "{loaded:?}");
    let first = client.machine("m1").await?;
    let steps = |machine: &Machine| -> Vec<String> {
        machine.status.job.iter().flat_map(|job| &job.steps).map(|step| step.name.clone()).collect()
    };
    let whole = ["power-off", "boot-network", "power-on", "agent", "boot-ram", "phone-home"];
    ensure!(steps(&first) == whole, "{:?}", steps(&first));

    // The operating system starts the machine anew.
    sim.restart().await?;
    let second = again(&client, &sim, &first).await?;
    ensure!(steps(&second) == whole[1..], "{:?}", steps(&second));
    ensure!(second.status.job.as_ref().is_some_and(|job| job.kind == JobKind::Deploy), "{second:?}");
    // The power fails, and is back.
    sim.chassis().set_power(false).await?;
    sim.press_power().await?;
    let third = again(&client, &sim, &second).await?;
    // An operator switches it off, and on.
    client.machine_action("m1", MachineAction::PowerOff).await?;
    let why = eventually("it is off, and says so", async || {
        let waiting = client.machine("m1").await?.status.waiting;
        Ok(waiting.filter(|waiting| waiting.why.contains("runs from RAM")))
    })
    .await?;
    ensure!(why.hint.as_deref().is_some_and(|hint| hint.contains("billet machine power on m1")), "{why:?}");
    let web = client.instance("web").await?.status;
    let same = web.waiting.as_ref().is_some_and(|waiting| waiting.why == why.why);
    ensure!(web.state == InstanceState::Running && same, "its owner is told, too: {web:?}");
    client.machine_action("m1", MachineAction::PowerOn).await?;
    again(&client, &sim, &third).await?;
    ensure!(client.instance("web").await?.status.waiting.is_none(), "it runs, and waits for nothing");
    site.instance_in("web", InstanceState::Running).await?;
    ensure!(untouched(&sim)?, "a disk was written");

    let none = refused(client.reinstall_instance("web", &InstanceReinstall::default()).await, 409);
    ensure!(none.contains("runs from RAM"), "{none}");
    // It ran as root with the disks in reach.
    client.delete_instance("web", &Default::default()).await?;
    site.instance_gone("web").await?;
    site.machine_in("m1", MachineState::Available).await?;
    ensure!(!sim.content()?.starts_with(KEPT) && !sim.data()?.starts_with(KEPT), "the disks are wiped");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_again_after_each_start_of_its_machine_on_sqlite() -> Result<()> {
    whole_way(&Site::start().await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_again_after_each_start_of_its_machine_on_postgresql() -> Result<()> {
    let database = Server::shared().await?.database().await?;
    whole_way(&Site::start_on_postgres(database.url()).await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_while_the_service_is_away_is_caught_up_with() -> Result<()> {
    let mut site = Site::start().await?;
    let (sim, _) = running(&site).await?;
    let before = site.client()?.machine("m1").await?;
    site.kill();
    sim.restart().await?;
    site.restart().await?;
    again(&site.client()?, &sim, &before).await?;
    ensure!(untouched(&sim)?, "a disk was written");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_with_the_field() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let (image, disk) = (RamImage::make(site.folder(), "burn-in")?, gpt_image(site.folder(), "d.raw", 8, 1));
    site.import("disk", &disk).await?;
    // No kernel; more kernel than file; another architecture.
    let wrong = async |change: &dyn Fn(&mut RamImage)| {
        let mut image = image.clone();
        change(&mut image);
        let answer = client.import_ram_image(&image.spec, &image.kernel, &image.initrd, |_| ()).await;
        refused(answer, 422)
    };
    let no_kernel = wrong(&|image| std::mem::swap(&mut image.kernel, &mut image.initrd)).await;
    ensure!(no_kernel.contains("does not begin with a Linux kernel"), "{no_kernel}");
    let all_kernel = wrong(&|image| image.spec.kernel_bytes = Some(100 << 20)).await;
    ensure!(all_kernel.contains("there is no initrd"), "{all_kernel}");
    let arm = wrong(&|image| image.spec.architecture = Some("aarch64".into())).await;
    ensure!(arm.contains("the kernel is for x86_64"), "{arm}");
    let line = wrong(&|image| image.spec.cmdline = Some("a\nb".into())).await;
    ensure!(line.contains("printable"), "{line}");
    ensure!(client.images().await?.len() == 1, "nothing of it was kept");

    let imported: Image = image.import(&client).await?;
    let Image { spec, status, .. } = &imported;
    ensure!(spec.architecture.as_deref() == Some("x86_64"), "it is read from the kernel: {spec:?}");
    ensure!(status.memory_bytes.is_some_and(|memory| memory > 256 << 20), "{status:?}");
    ensure!(image.import(&client).await?.id == imported.id, "the same again is the same");
    let asked = InstanceSpec { root_disk_serial: Some("D1".into()), ..InstanceSpec::new("burn-in") };
    let create = InstanceCreate { name: "web".into(), spec: asked };
    let serial = refused(client.create_instance(&create).await, 422);
    ensure!(serial.contains("root_disk_serial") && serial.contains("runs from RAM"), "{serial}");

    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    client.add_machine(&sim.enrolment()).await?;
    site.create("db", "disk", Some("m1")).await?;
    site.instance_in("db", InstanceState::Running).await?;
    let anew = InstanceReinstall { image: Some("burn-in".into()), ..Default::default() };
    let other = refused(client.reinstall_instance("db", &anew).await, 422);
    ensure!(other.contains("image") && other.contains("runs from RAM"), "{other}");
    let found = sim.truth().runs.context("the old system still runs")?;
    ensure!(found == client.instance("db").await?.id.to_string(), "{found}");
    Ok(())
}

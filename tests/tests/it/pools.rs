//! A pool with a policy: who asks for more machines than it gives waits with that as the reason, and its disks are
//! overwritten though nobody asked for it. Judged by the machines' disks.

use anyhow::Result;
use provisioner_api::{DeleteInstance, ErasePolicy, InstanceState, MachineState, PoolCreate, PoolUpdate};
use tests::{Sim, SimOptions, Site, eventually, gpt_image};
use tests_postgres::Server;

async fn limited_and_overwritten(site: Site) -> Result<()> {
    let client = site.client()?;
    site.import("os", &gpt_image(site.folder(), "os.raw", 24, 3)).await?;
    let erase = Some(ErasePolicy::Overwrite);
    let policy = PoolCreate { name: "default".into(), erase, max_machines: Some(1), ..PoolCreate::default() };
    client.create_pool(&policy).await?;
    let mut sims = Vec::new();
    for number in [1, 2] {
        let sim = Sim::start(&site, &format!("m{number}"), number, SimOptions::default()).await?;
        client.add_machine(&sim.enrolment()).await?;
        site.machine_in(&sim.name, MachineState::Available).await?;
        sims.push(sim);
    }
    site.create("first", "os", None).await?;
    site.instance_in("first", InstanceState::Running).await?;
    site.create("second", "os", None).await?;
    let why = eventually("it says why it waits", async || {
        let why = client.instance_why("second").await?;
        Ok(why.waiting.is_some().then_some(why.sentence))
    })
    .await?;
    assert!(why.contains("pool default is at its limit: 1 of its machines have an instance, 1 may"), "{why}");
    assert!(why.contains("billet pool set default --max-machines"), "{why}");
    let pool = client.pool("default").await?;
    assert_eq!((pool.group.machines, pool.taken), (2, 1));

    // It is asked for less than the pool wants.
    assert!(sims[0].truth().disks.iter().any(|disk| !disk.blank), "its system is on it");
    client.delete_instance("first", &DeleteInstance { erase: Some(ErasePolicy::Metadata) }).await?;
    site.instance_gone("first").await?;
    assert!(sims[0].truth().disks.iter().all(|disk| disk.blank), "every sector is overwritten");
    let told = client.machine_newest_events("m1", 100).await?;
    let raised = "its disks are wiped by overwrite, as pool default asks";
    assert!(told.iter().any(|event| event.message == raised), "{told:?}");
    // Room for the one that waited.
    site.instance_in("second", InstanceState::Running).await?;
    // And for more, as soon as the limit is gone.
    site.create("third", "os", None).await?;
    client.update_pool("default", &PoolUpdate { max_machines: Some(None), ..PoolUpdate::default() }).await?;
    site.instance_in("third", InstanceState::Running).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_kept_and_told_and_disks_are_overwritten() -> Result<()> {
    limited_and_overwritten(Site::start().await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_kept_and_told_on_a_server_too() -> Result<()> {
    let server = Server::shared().await?;
    let database = server.database().await?;
    limited_and_overwritten(Site::start_on_postgres(database.url()).await?).await
}

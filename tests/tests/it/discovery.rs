//! A machine that nobody announced is inventoried, and nothing more, until somebody accepts it.

use anyhow::Result;
use provisioner_api::{MachineAction, MachineState, MachineUpdate};
use tests::{Sim, SimOptions, Site, eventually, gpt_image};

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_machine_is_only_inventoried() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let sim = Sim::start(&site, "stranger", 9, SimOptions::default()).await?;
    // Somebody's data is on its disk.
    let image = gpt_image(site.folder(), "data.raw", 128, 9);
    std::fs::write(&sim.disk, &image.bytes)?;
    sim.press_power().await?;
    let machine = eventually("it is discovered", async || {
        Ok(client
            .machines(&Default::default())
            .await?
            .into_iter()
            .find(|machine| machine.status.inventory.is_some()))
    })
    .await?;
    assert_eq!(machine.status.state, MachineState::Discovered);
    assert!(!machine.spec.accepted);
    assert_eq!(machine.spec.macs, [sim.mac.clone()]);
    let why = client.machine_why(&machine.name).await?;
    assert!(why.sentence.contains("accept"), "{}", why.sentence);
    // An instance that would fit it doesn't get it.
    site.import("data", &image).await?;
    site.create("greedy", "data", None).await?;
    eventually("it says why", async || {
        Ok(client.instance_why("greedy").await?.sentence.contains("1 not accepted").then_some(()))
    })
    .await?;
    assert!(sim.content()? == image.bytes, "not a byte of the disk is changed");

    // Accepted and given its BMC, it goes the common way.
    client.machine_action(&machine.name, MachineAction::Accept).await?;
    let why = client.machine_why(&machine.name).await?;
    assert!(why.sentence.contains("BMC"), "{}", why.sentence);
    let enrolment = sim.enrolment();
    let bmc = MachineUpdate {
        bmc: Some(enrolment.bmc),
        bmc_password: Some(enrolment.bmc_password),
        ..MachineUpdate::default()
    };
    client.update_machine(&machine.name, machine.version, &bmc).await?;
    site.machine_in(&machine.name, MachineState::Deploying).await?;
    Ok(())
}

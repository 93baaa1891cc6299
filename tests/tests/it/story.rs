//! The story: enrolled, inspected, deployed, running, given back, wiped, over both BMC protocols.

use anyhow::Result;
use provisioner_api::{BmcHealth, DeleteInstance, InstanceState, MachineState, Power, StepPhase};
use tests::{Protocol, Sim, SimOptions, Site, eventually, gpt_image};

#[tokio::test(flavor = "multi_thread")]
async fn two_machines_go_the_whole_way() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let image = gpt_image(site.folder(), "image.raw", 48, 7);
    site.import("test-os", &image).await?;
    for (number, protocol) in [(1, Protocol::Ipmi), (2, Protocol::Redfish)] {
        let name = format!("m{number}");
        let sim = Sim::start(&site, &name, number, SimOptions { protocol, ..SimOptions::default() }).await?;
        client.add_machine(&sim.enrolment()).await?;
        let machine = site.machine_in(&name, MachineState::Available).await?;
        assert_eq!(machine.status.power, Power::Off, "an inspected machine rests switched off");
        assert_eq!(machine.status.bmc.health, BmcHealth::Ok);
        let inventory = machine.status.inventory.expect("it was inspected");
        assert_eq!(inventory.disks[0].serial.as_deref(), Some(sim.serial.as_str()));
        assert!(sim.content()?.iter().all(|byte| *byte == 0), "inspecting writes nothing");

        let instance = format!("os{number}");
        site.create(&instance, "test-os", Some(&name)).await?;
        let running = site.instance_in(&instance, InstanceState::Running).await?;
        assert!(running.status.phoned_home.is_some());
        assert_eq!(running.status.host_keys, ["ssh-ed25519 AAAA root@sim"]);
        // The GPT was moved and got the seed's partition; all between is the image, byte for byte.
        let (from, to) = (1 << 20, image.raw().len() - (1 << 20));
        assert!(sim.content()?[from..to] == image.raw()[from..to], "the disk holds the image");
        let job = client.machine(&name).await?.status.job.expect("the deployment");
        assert!(
            job.steps.iter().all(|step| step.phase == StepPhase::Done && step.attempt == 1),
            "{:?}",
            job.steps
        );

        client.delete_instance(&instance, &DeleteInstance::default()).await?;
        site.instance_gone(&instance).await?;
        let machine = site.machine_in(&name, MachineState::Available).await?;
        assert_eq!(machine.status.instance, None);
        assert!(sim.content()?[..1 << 20].iter().all(|byte| *byte == 0), "the partition table is wiped");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_waits_for_a_machine_and_says_why() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let image = gpt_image(site.folder(), "image.raw", 16, 1);
    site.import("test-os", &image).await?;
    site.create("early", "test-os", None).await?;
    let why = eventually("it says why", async || {
        let why = client.instance_why("early").await?;
        Ok(why.waiting.is_some().then_some(why))
    })
    .await?;
    assert!(why.sentence.contains("no machines yet"), "{}", why.sentence);
    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    client.add_machine(&sim.enrolment()).await?;
    let running = site.instance_in("early", InstanceState::Running).await?;
    assert_eq!(running.status.machine_name.as_deref(), Some("m1"));
    // The second one finds it taken.
    site.create("late", "test-os", None).await?;
    let sentence = eventually("it says why", async || {
        let why = client.instance_why("late").await?;
        Ok(why.sentence.contains("1 taken").then_some(why.sentence))
    })
    .await?;
    assert!(sentence.contains("1 machines"), "{sentence}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reboot_of_a_deployed_machine_is_not_an_install() -> Result<()> {
    let site = Site::start().await?;
    let image = gpt_image(site.folder(), "image.raw", 16, 3);
    site.import("test-os", &image).await?;
    let options = SimOptions { network_first: true, ..SimOptions::default() };
    let sim = Sim::start(&site, "m1", 1, options).await?;
    site.client()?.add_machine(&sim.enrolment()).await?;
    site.create("os", "test-os", None).await?;
    site.instance_in("os", InstanceState::Running).await?;
    let before = sim.content()?;
    let boots = sim.history().len();
    sim.restart_from_network().await?;
    let history = eventually("it booted again", async || {
        let new = sim.history().split_off(boots);
        Ok((new.last().map(String::as_str) == Some("disk: phoned home")).then_some(new))
    })
    .await?;
    assert_eq!(history, ["script: disk", "disk: phoned home"]);
    assert!(sim.content()? == before, "not a byte of the disk is changed");
    Ok(())
}

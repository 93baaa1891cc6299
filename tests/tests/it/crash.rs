//! The service dies without warning, again and again, in the midst of everything: the work ends the same.

use anyhow::Result;
use provisioner_api::{DeleteInstance, InstanceState, MachineState};
use std::time::Duration;
use tests::{Protocol, Sim, SimOptions, Site, gpt_image};

/// Kills the service `times` times, after pauses that differ each time so that the blows fall everywhere.
async fn batter(site: &mut Site, times: u32, step: Duration) -> Result<()> {
    for blow in 1..=times {
        tokio::time::sleep(step * (1 + blow * 7 % 11)).await;
        site.restart().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_service_is_killed_all_the_time() -> Result<()> {
    let mut site = Site::start().await?;
    let image = gpt_image(site.folder(), "image.raw", 96, 7);
    site.import("test-os", &image).await?;
    let ipmi = SimOptions { protocol: Protocol::Ipmi, ..SimOptions::default() };
    let sims =
        [Sim::start(&site, "m1", 1, ipmi).await?, Sim::start(&site, "m2", 2, SimOptions::default()).await?];
    for sim in &sims {
        site.client()?.add_machine(&sim.enrolment()).await?;
    }
    batter(&mut site, 8, Duration::from_millis(40)).await?;
    for sim in &sims {
        site.machine_in(&sim.name, MachineState::Available).await?;
        site.create(&format!("on-{}", sim.name), "test-os", Some(&sim.name)).await?;
    }
    batter(&mut site, 12, Duration::from_millis(60)).await?;
    for sim in &sims {
        site.instance_in(&format!("on-{}", sim.name), InstanceState::Running).await?;
        let (from, to) = (1 << 20, image.raw().len() - (1 << 20));
        assert!(
            sim.content()?[from..to] == image.raw()[from..to],
            "the disk of {} holds the image",
            sim.name
        );
        site.client()?.delete_instance(&format!("on-{}", sim.name), &DeleteInstance::default()).await?;
    }
    batter(&mut site, 8, Duration::from_millis(40)).await?;
    for sim in &sims {
        site.instance_gone(&format!("on-{}", sim.name)).await?;
        site.machine_in(&sim.name, MachineState::Available).await?;
        assert!(sim.content()?[..1 << 20].iter().all(|byte| *byte == 0), "the disk of {} is wiped", sim.name);
    }
    Ok(())
}

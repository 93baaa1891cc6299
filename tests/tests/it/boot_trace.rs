//! The conversation of a machine with the boot server: seen at once, kept, and explained.

use anyhow::Result;
use provisioner_api::{BootTrace, InstanceState, MachineState};
use tests::{Sim, SimOptions, Site, eventually, gpt_image};

/// Kinds and answers, oldest first.
fn told(trace: &BootTrace) -> Vec<(&str, &str)> {
    trace.entries.iter().map(|entry| (entry.kind.as_str(), entry.answered.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boot_is_told_and_survives_a_restart() -> Result<()> {
    let mut site = Site::start().await?;
    let client = site.client()?;
    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    client.add_machine(&sim.enrolment()).await?;
    site.machine_in("m1", MachineState::Available).await?;
    let trace = client.boot_trace("m1", None).await?;
    assert_eq!(told(&trace), [("script", "boot the agent"), ("agent", "let in")]);
    assert_eq!((trace.machine_name.as_deref(), &trace.macs), (Some("m1"), &vec![sim.mac.clone()]));
    assert_eq!(trace.diagnoses, []);
    assert_eq!(trace.entries[0].network, "loopback");
    // By address, in whatever way it is written, and only what is newer.
    let last = trace.entries[0].id;
    let newer = client.boot_trace(&sim.mac.replace(':', "-"), Some(last)).await?;
    assert_eq!(told(&newer), [("agent", "let in")]);
    // Lines of the timeline are written after the conversation is.
    eventually("it is written down", async || {
        let events = client.machine_events("m1", None).await?;
        Ok(events.iter().any(|event| event.message == "asked for its boot script: agent").then_some(()))
    })
    .await?;
    site.restart().await?;
    let again = site.client()?.boot_trace("m1", None).await?;
    assert_eq!(again.entries[0], trace.entries[0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boot_that_nobody_expects_is_explained() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let image = gpt_image(site.folder(), "image.raw", 16, 3);
    site.import("test-os", &image).await?;
    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    client.add_machine(&sim.enrolment()).await?;
    site.create("web", "test-os", Some("m1")).await?;
    site.instance_in("web", InstanceState::Running).await?;
    let script = site.boot_script(&sim.mac).await?;
    assert!(!script.contains("kernel "), "{script}");
    let trace = client.boot_trace("m1", None).await?;
    assert_eq!(told(&trace).last(), Some(&("script", "boot your disk")));
    let kinds: Vec<_> = trace.diagnoses.iter().map(|diagnosis| diagnosis.kind.as_str()).collect();
    assert_eq!(kinds, ["outside-window"]);
    // It waits for nothing, so that is no reason for anything.
    assert_eq!(client.machine_why("m1").await?.diagnoses, []);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_have_a_conversation_too() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let nothing = client.boot_trace("52:54:00:00:00:77", None).await?;
    assert_eq!((nothing.entries, nothing.machine), (Vec::new(), None));
    site.boot_script("52:54:00:00:00:77").await?;
    let trace = client.boot_trace("52:54:00:00:00:77", None).await?;
    assert_eq!(told(&trace), [("script", "boot the agent")]);
    assert_eq!(client.boot_trace("nobody", None).await.unwrap_err().status(), Some(404));
    Ok(())
}

//! The story of a deployment: from every source, in the order in which it happened, and the same page by page.

use anyhow::{Context, Result};
use provisioner_api::{InstanceState, MachineState, TimelineEntry};
use provisioner_client::TimelineFilter;
use tests::{Sim, SimOptions, Site, eventually, gpt_image};

/// Where in a story something is told first.
fn place(story: &[TimelineEntry], kind: &str, words: &str) -> Result<usize> {
    let found = story.iter().position(|entry| entry.kind == kind && entry.message.contains(words));
    found.with_context(|| format!("no {kind} {words:?} in {story:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_is_one_ordered_story() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let image = gpt_image(site.folder(), "image.raw", 16, 5);
    site.import("test-os", &image).await?;
    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    client.add_machine(&sim.enrolment()).await?;
    site.machine_in("m1", MachineState::Available).await?;
    site.create("os", "test-os", Some("m1")).await?;
    site.instance_in("os", InstanceState::Running).await?;

    // What the boot server heard is written down a moment later.
    let from_network = |entry: &TimelineEntry| entry.kind == "boot" && entry.message.contains("boot script");
    let story = eventually("both boots are told", async || {
        let story = client.machine_timeline("m1", &TimelineFilter::default()).await?;
        Ok((story.iter().filter(|entry| from_network(entry)).count() >= 2).then_some(story))
    })
    .await?;
    assert!(story.is_sorted_by_key(|entry| entry.at), "{story:#?}");

    let of_instance = client.instance_timeline("os", &TimelineFilter::default()).await?;
    let order = [
        ("request", "asked for: image test-os"),
        ("request", "is given to instance os"),
        ("state", "available → deploying"),
        ("step", "power-on begins"),
        ("boot", "asked for its boot script: agent"),
        ("agent", ""),
        ("step", "write-image begins"),
        ("step", "write-image done"),
        ("os", ""),
        ("state", "deploying → deployed"),
    ];
    let places: Vec<_> =
        order.iter().map(|(kind, words)| place(&of_instance, kind, words)).collect::<Result<_>>()?;
    assert!(places.is_sorted(), "{places:?} in {of_instance:#?}");
    // The machine's story holds it, after that of its inspection.
    let inspected = place(&story, "state", "inspecting → available")?;
    assert!(inspected < place(&story, "request", "asked for: image test-os")?);

    let kinds = vec!["state".to_owned()];
    let states =
        client.machine_timeline("m1", &TimelineFilter { kinds, ..TimelineFilter::default() }).await?;
    assert!(!states.is_empty() && states.iter().all(|entry| entry.kind == "state"));
    let newest = TimelineFilter { newest: Some(3), ..TimelineFilter::default() };
    let newest = client.machine_timeline("m1", &newest).await?;
    assert_eq!(newest.len(), 3);
    assert!(newest[2].at >= story[story.len() - 1].at, "{newest:#?}");
    let since = TimelineFilter { since: Some(of_instance[0].at), ..TimelineFilter::default() };
    let since = client.machine_timeline("m1", &since).await?;
    assert!(since.starts_with(&of_instance), "the machine's story since then is the instance's: {since:#?}");

    let why = client.instance_why("os").await?;
    let machine = why.machine.context("it says on which machine it is")?;
    assert_eq!((machine.name.as_str(), machine.state.as_str()), ("m1", "deployed"));
    assert!(why.sentence.contains("running on machine m1"), "{}", why.sentence);
    Ok(())
}

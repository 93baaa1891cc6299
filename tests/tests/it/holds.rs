//! What people decide: answers to holds, cancelling, and the flags that keep hands off a machine.

use super::wrong::rot;
use anyhow::Result;
use provisioner_api::{
    Choice, DeleteInstance, InstanceAction, InstanceState, MachineAction, MachineState, MachineUpdate,
};
use provisioner_client::{Client, ClientError};
use tests::{Sim, SimOptions, Site, eventually, gpt_image};

/// Refused, and in which words.
fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> String {
    let error = answer.unwrap_err();
    assert_eq!(error.status(), Some(409), "{error}");
    error.to_string()
}

async fn set(client: &Client, update: MachineUpdate) -> Result<()> {
    let version = client.machine("m1").await?.version;
    client.update_machine("m1", version, &update).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_deployment_is_answered_by_its_number_and_given_back_wiped() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let image = gpt_image(site.folder(), "image.raw", 24, 5);
    site.import("test-os", &image).await?;
    rot(&site.folder().join("data/images/chunks"))?;
    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    client.add_machine(&sim.enrolment()).await?;
    site.create("os", "test-os", None).await?;
    let held = site.machine_held("m1").await?;
    let offers =
        |held: &provisioner_api::Held| held.offers.iter().map(|offer| offer.choice).collect::<Vec<_>>();
    assert_eq!((held.number, offers(&held)), (1, vec![Choice::Retry, Choice::GiveBack, Choice::Abandon]));
    assert!(held.choices.iter().any(|what| what.contains("instance delete os")), "{held:?}");

    set(&client, MachineUpdate { protected: Some(true), ..MachineUpdate::default() }).await?;
    assert_eq!(offers(&site.machine_held("m1").await?), [Choice::Retry]);
    assert!(refused(client.choose("m1", 1, Choice::GiveBack).await).contains("protected"));
    assert!(refused(client.instance_action("os", InstanceAction::Cancel).await).contains("protected"));
    assert!(
        refused(client.delete_instance("os", &DeleteInstance::default()).await).contains("--protected off")
    );
    set(&client, MachineUpdate { protected: Some(false), ..MachineUpdate::default() }).await?;

    client.choose("m1", 1, Choice::Retry).await?;
    let again = eventually("it is held again", async || {
        Ok(client.machine("m1").await?.status.held.filter(|held| held.number == 2))
    })
    .await?;
    assert!(again.why.contains("write-image"), "{again:?}");
    assert!(refused(client.choose("m1", 1, Choice::GiveBack).await).contains("hold 1 is over"));
    assert!(refused(client.choose("m1", 2, Choice::ItRuns).await).contains("can't be chosen"));
    client.choose("m1", 2, Choice::Abandon).await?;
    site.instance_gone("os").await?;
    let machine = site.machine_in("m1", MachineState::Available).await?;
    assert!(machine.spec.maintenance && machine.status.held.is_none(), "{machine:?}");
    assert!(sim.content()?.starts_with(&[0; 512]), "it was wiped before it became available");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cancelled_ends_and_says_so() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let image = gpt_image(site.folder(), "image.raw", 8, 1);
    site.import("test-os", &image).await?;
    site.create("wish", "test-os", None).await?;
    client.instance_action("wish", InstanceAction::Cancel).await?;
    site.instance_gone("wish").await?;

    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    client.add_machine(&sim.enrolment()).await?;
    site.machine_in("m1", MachineState::Available).await?;
    assert!(refused(client.machine_action("m1", MachineAction::Cancel).await).contains("nothing runs"));
    set(&client, MachineUpdate { retired: Some(true), ..MachineUpdate::default() }).await?;
    site.create("os", "test-os", None).await?;
    eventually("it says why it waits", async || {
        let waiting = client.instance("os").await?.status.waiting;
        Ok(waiting.filter(|waiting| waiting.why.contains("1 retired")))
    })
    .await?;
    // Nobody knows it by this address, so its agent never calls in.
    let macs = client.machine("m1").await?.spec.macs;
    let elsewhere = Some(vec!["52:54:00:ff:ff:01".to_owned()]);
    let update = MachineUpdate { retired: Some(false), macs: elsewhere, ..MachineUpdate::default() };
    set(&client, update).await?;
    let deploys = site.instance_in("os", InstanceState::Deploying).await?;
    assert_eq!(deploys.status.machine_name.as_deref(), Some("m1"));
    client.machine_action("m1", MachineAction::Cancel).await?;
    site.instance_gone("os").await?;
    let machine = site.machine_in("m1", MachineState::Available).await?;
    assert_eq!(machine.status.instance, None);
    set(&client, MachineUpdate { macs: Some(macs), ..MachineUpdate::default() }).await?;

    // It is whole: it can be given again, and protected against being given back.
    site.create("next", "test-os", None).await?;
    site.instance_in("next", InstanceState::Running).await?;
    set(&client, MachineUpdate { protected: Some(true), ..MachineUpdate::default() }).await?;
    assert!(refused(client.instance_action("next", InstanceAction::Cancel).await).contains("runs"));
    assert!(refused(client.delete_instance("next", &DeleteInstance::default()).await).contains("protected"));
    assert_eq!(client.instance("next").await?.status.state, InstanceState::Running);
    set(&client, MachineUpdate { protected: Some(false), ..MachineUpdate::default() }).await?;
    client.delete_instance("next", &DeleteInstance::default()).await?;
    site.instance_gone("next").await
}

//! Machines without a BMC: a person who is asked, a webhook, a magic packet.

use anyhow::{Context, Result};
use bmc_mock::webhook::Webhook;
use provisioner_api::{
    BmcBoot, BmcBootDevice, BmcConfirm, BmcHealth, BmcProtocol, BmcSpec, InstanceState, MachineAction,
    MachineCreate, MachineState, MachineUpdate, Power, Secret,
};
use provisioner_client::{Client, ClientError};
use tests::{Sim, SimOptions, Site, eventually, gpt_image};
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

/// Enrols a machine as if it had no BMC.
fn enrolment(sim: &Sim, bmc: BmcSpec) -> MachineCreate {
    MachineCreate { bmc, bmc_password: Secret::default(), ..sim.enrolment() }
}

/// A machine whose firmware tries the network first, as one without a BMC has to.
async fn sim(site: &Site) -> Result<Sim> {
    Sim::start(site, "m1", 1, SimOptions { network_first: true, ..SimOptions::default() }).await
}

/// Waits until a person is asked, in these words.
async fn asked(client: &Client, why: &str) -> Result<()> {
    eventually(&format!("it says `{why}`"), async || {
        let Ok(machine) = client.machine("m1").await else { return Ok(None) };
        if let Some(held) = machine.status.held {
            anyhow::bail!("held: {}", held.why);
        }
        Ok(machine.status.waiting.filter(|waiting| waiting.why == why))
    })
    .await
    .map(|waiting| assert!(waiting.hint.is_some_and(|hint| hint.contains("billet bmc confirm m1"))))
}

async fn confirm(client: &Client, power: Power) -> Result<()> {
    assert_eq!(client.machine_bmc_confirm("m1", &BmcConfirm { power }).await?.power, power);
    Ok(())
}

fn kind(error: &ClientError) -> &str {
    match error {
        ClientError::Problem(problem) => &problem.kind,
        _ => "",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_switches_it_and_confirms() -> Result<()> {
    let mut site = Site::start().await?;
    let client = site.client()?;
    let sim = sim(&site).await?;
    let chassis = sim.chassis();
    client.add_machine(&enrolment(&sim, BmcSpec::new(BmcProtocol::Manual))).await?;
    asked(&client, "somebody has to switch m1 off").await?;
    let machine = client.machine("m1").await?;
    assert_eq!((machine.status.power, machine.status.bmc.health), (Power::Unknown, BmcHealth::Unknown));
    confirm(&client, Power::Off).await?;
    let on = "somebody has to switch m1 on, so that it boots from the network";
    asked(&client, on).await?;
    let pxe = BmcBoot { device: BmcBootDevice::Pxe, persistent: false, mode: None, uri: None, path: None };
    let error = client.machine_bmc_set_boot("m1", &pxe).await.unwrap_err();
    assert_eq!(kind(&error), "refused", "a job runs: {error}");

    // What was asked and what was confirmed survives.
    site.restart().await?;
    asked(&client, on).await?;
    assert_eq!(client.machine("m1").await?.status.power, Power::Off);

    // Switched on, and forgotten to say so: the agent that calls in proves it.
    chassis.set_power(true).await?;
    asked(&client, "somebody has to switch m1 off").await?;
    assert_eq!(client.machine("m1").await?.status.power, Power::On);
    chassis.set_power(false).await?;
    confirm(&client, Power::Off).await?;
    let machine = site.machine_in("m1", MachineState::Available).await?;
    assert!(machine.status.inventory.is_some());

    // A wish is told to people, and fulfilled by none but them.
    client.machine_action("m1", MachineAction::PowerOn).await?;
    eventually("somebody is told", async || {
        let events = client.machine_events("m1", None).await?;
        let told = "somebody has to switch m1 on, and then run `billet bmc confirm m1 on`";
        Ok(events.iter().any(|event| event.message.contains(told)).then_some(()))
    })
    .await?;
    assert_eq!(client.machine_bmc_power("m1").await?.power, Power::Off);
    let error = client.machine_bmc_set_boot("m1", &pxe).await.unwrap_err();
    assert_eq!(kind(&error), "bmc-asks-person", "{error}");
    let error = client.machine_bmc_confirm("m1", &BmcConfirm { power: Power::Unknown }).await.unwrap_err();
    assert_eq!(error.status(), Some(422), "{error}");

    // With a BMC the word of a person counts for nothing, and what was confirmed is forgotten.
    let real = sim.enrolment();
    let version = client.machine("m1").await?.version;
    let without_password = MachineUpdate { bmc: Some(real.bmc.clone()), ..MachineUpdate::default() };
    let error = client.update_machine("m1", version, &without_password).await.unwrap_err();
    assert_eq!(error.status(), Some(422), "nobody logs in with nothing: {error}");
    let update = MachineUpdate { bmc_password: Some(real.bmc_password), ..without_password };
    client.update_machine("m1", version, &update).await?;
    let error = client.machine_bmc_confirm("m1", &BmcConfirm { power: Power::On }).await.unwrap_err();
    assert_eq!(kind(&error), "refused", "{error}");
    eventually("the BMC tells", async || {
        Ok((client.machine("m1").await?.status.bmc.health == BmcHealth::Ok).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_switches_it() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    let stop = CancellationToken::new();
    let _guard = stop.clone().drop_guard();
    let hook = Webhook::serve(sim.chassis(), Some(("ops", "s3cret")), stop)
        .await
        .map_err(anyhow::Error::from_boxed)?;
    let bmc = BmcSpec { address: hook.url(), username: "ops".into(), ..BmcSpec::new(BmcProtocol::Webhook) };
    let create = MachineCreate { bmc_password: Secret::new("s3cret"), ..enrolment(&sim, bmc) };
    client.add_machine(&create).await?;
    let machine = site.machine_in("m1", MachineState::Available).await?;
    assert_eq!((machine.status.power, machine.status.bmc.health), (Power::Off, BmcHealth::Ok));
    let pinned = machine.spec.bmc.context("it has its webhook")?.tls_sha256;
    assert_eq!(pinned, Some(hex::encode(hook.certificate_sha256())), "trusted at first use, and kept");
    let disk = BmcBoot { device: BmcBootDevice::Disk, persistent: true, mode: None, uri: None, path: None };
    assert_eq!(client.machine_bmc_set_boot("m1", &disk).await?.device, BmcBootDevice::Disk);
    client.machine_action("m1", MachineAction::PowerOn).await?;
    eventually("it is on", async || Ok(sim.chassis().power().await?.then_some(()))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_wakes_it_and_it_is_deployed() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let sim = sim(&site).await?;
    let chassis = sim.chassis();
    // Its network card, which listens while the machine is off.
    let card = UdpSocket::bind("127.0.0.1:0").await?;
    let to = card.local_addr()?.to_string();
    let wakes = sim.chassis();
    let listening = tokio::spawn(async move {
        let mut packet = [0; 200];
        while let Ok(length) = card.recv(&mut packet).await {
            let mac = [0x02, 0x5a, 0, 0, 0, 1].repeat(16);
            if packet[..length] == [vec![0xff; 6], mac].concat() && wakes.set_power(true).await.is_err() {
                return;
            }
        }
    });
    let bmc = BmcSpec { address: to, mac: Some(sim.mac.clone()), ..BmcSpec::new(BmcProtocol::WakeOnLan) };
    client.add_machine(&enrolment(&sim, bmc)).await?;
    asked(&client, "somebody has to switch m1 off").await?;
    confirm(&client, Power::Off).await?;
    // The packet is sent; its agent calls in, and when it is done somebody has to switch it off.
    asked(&client, "somebody has to switch m1 off").await?;
    chassis.set_power(false).await?;
    confirm(&client, Power::Off).await?;
    site.machine_in("m1", MachineState::Available).await?;

    let image = gpt_image(site.folder(), "image.raw", 16, 1);
    site.import("os", &image).await?;
    site.create("web1", "os", None).await?;
    site.instance_in("web1", InstanceState::Running).await?;
    assert_eq!(client.machine("m1").await?.status.power, Power::On, "its agent proved it");
    assert!(sim.history().iter().any(|what| what == "disk: phoned home"), "{:?}", sim.history());
    listening.abort();
    Ok(())
}

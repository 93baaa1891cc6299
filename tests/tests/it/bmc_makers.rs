//! The same day in the life of a machine with each maker's BMC: it is inspected, and people set, update and look at all
//! that its BMC can do.

use anyhow::{Context, Result, ensure};
use bmc_mock::redfish::Profile;
use provisioner_api::{
    BmcBiosApplies, BmcBiosAttribute, BmcBiosUpdate, BmcBiosValue, BmcBoot, BmcBootDevice,
    BmcBootOrderUpdate, BmcFirmwareUpdate, BmcMediaInsert, BmcMediaKind, BmcUserAdd, BmcUserPrivilege,
    MachineAction, MachineState, Power, Secret,
};
use provisioner_client::Client;
use std::collections::BTreeMap;
use tests::{Sim, SimOptions, Site, eventually};

const ISO: &str = "http://10.0.0.1/images/rescue.iso";
const IMAGE: &str = "http://10.0.0.1/firmware-9.9.9.bin";

#[tokio::test(flavor = "multi_thread")]
async fn generic() -> Result<()> {
    a_day(Profile::Generic).await
}

#[tokio::test(flavor = "multi_thread")]
async fn ami() -> Result<()> {
    a_day(Profile::Ami).await
}

#[tokio::test(flavor = "multi_thread")]
async fn dell() -> Result<()> {
    a_day(Profile::Dell).await
}

#[tokio::test(flavor = "multi_thread")]
async fn hpe() -> Result<()> {
    a_day(Profile::Hpe).await
}

#[tokio::test(flavor = "multi_thread")]
async fn lenovo() -> Result<()> {
    a_day(Profile::Lenovo).await
}

#[tokio::test(flavor = "multi_thread")]
async fn supermicro() -> Result<()> {
    a_day(Profile::Supermicro).await
}

async fn a_day(profile: Profile) -> Result<()> {
    let mut site = Site::start().await?;
    let client = site.client()?;
    let sim = Sim::start(&site, "m1", 1, SimOptions { profile, ..SimOptions::default() }).await?;
    client.add_machine(&sim.enrolment()).await?;
    site.machine_in("m1", MachineState::Available).await?;
    virtual_media(&client, &sim).await.context("virtual media")?;
    secure_boot(&client, &sim).await.context("Secure Boot")?;
    setup(&client, &sim).await.context("the firmware's setup")?;
    boots(&client).await.context("boots")?;
    users(&client).await.context("users")?;
    looks(&client, &sim).await.context("logs and parts")?;
    update(&mut site, &sim).await.context("firmware")?;
    rotation(&mut site, &sim).await.context("rotation")
}

async fn virtual_media(client: &Client, sim: &Sim) -> Result<()> {
    let media = &sim.redfish()?.parts().media;
    let insert = BmcMediaInsert { image: ISO.into(), slot: None, kind: BmcMediaKind::Cd };
    for _ in 0..2 {
        // The second time it is so already.
        let slot = client.machine_bmc_media_insert("m1", &insert).await?;
        ensure!(slot.inserted && media.images() == [ISO], "{slot:?}, {:?}", media.images());
    }
    for _ in 0..2 {
        client.machine_bmc_media_eject("m1", None).await?;
        ensure!(media.images().is_empty(), "{:?}", media.images());
    }
    Ok(())
}

async fn secure_boot(client: &Client, sim: &Sim) -> Result<()> {
    let wanted = client.machine_bmc_secure_boot("m1").await?.enabled != Some(true);
    let state = client.machine_bmc_secure_boot_set("m1", wanted).await?;
    ensure!(
        state.enabled == Some(wanted) && sim.redfish()?.parts().secure_boot.enabled() == wanted,
        "{state:?}"
    );
    client.machine_bmc_secure_boot_set("m1", !wanted).await?;
    Ok(())
}

/// An attribute that may be something else, and what.
fn another(items: &[BmcBiosAttribute]) -> Option<(String, BmcBiosValue)> {
    items.iter().find_map(|item| {
        let rule = item.rule.as_ref().filter(|rule| !rule.read_only)?;
        let other =
            rule.allowed.iter().find(|text| item.value != Some(BmcBiosValue::Text((*text).clone())))?;
        Some((item.name.clone(), BmcBiosValue::Text(other.clone())))
    })
}

async fn setup(client: &Client, sim: &Sim) -> Result<()> {
    let items = client.machine_bmc_bios("m1").await?.items;
    let (name, value) = another(&items).with_context(|| format!("no attribute can be set: {items:?}"))?;
    let wanted = BmcBiosUpdate { attributes: BTreeMap::from([(name.clone(), value.clone())]) };
    let change = client.machine_bmc_bios_set("m1", &wanted).await?;
    ensure!(change.applies == BmcBiosApplies::NextBoot, "{change:?}");
    ensure!(change.items.iter().any(|item| item.pending.as_ref() == Some(&value)), "{change:?}");
    client.machine_action("m1", MachineAction::PowerOn).await?;
    eventually("it is applied", async || {
        let items = client.machine_bmc_bios("m1").await?.items;
        let item = items.into_iter().find(|item| item.name == name).context("the attribute")?;
        Ok((item.value.as_ref() == Some(&value) && item.pending.is_none()).then_some(()))
    })
    .await?;
    let change = client.machine_bmc_bios_set("m1", &wanted).await?;
    ensure!(change.applies == BmcBiosApplies::Already, "{change:?}");
    client.machine_action("m1", MachineAction::PowerOff).await?;
    eventually("it is off", async || {
        Ok((client.machine_bmc_power("m1").await?.power == Power::Off && !sim.chassis().power().await?)
            .then_some(()))
    })
    .await
}

async fn boots(client: &Client) -> Result<()> {
    let order = client.machine_bmc_boot_order("m1").await?.items;
    let last = order.last().context("boot options")?.reference.clone();
    client.machine_bmc_boot_order_set("m1", &BmcBootOrderUpdate { first: vec![last] }).await?;
    for device in [BmcBootDevice::Pxe, BmcBootDevice::Cdrom, BmcBootDevice::Disk] {
        let boot = BmcBoot { device, ..BmcBoot::default() };
        ensure!(client.machine_bmc_set_boot("m1", &boot).await?.device == device, "{device:?}");
    }
    Ok(())
}

async fn users(client: &Client) -> Result<()> {
    let add = BmcUserAdd {
        name: "helper".into(),
        password: Secret::new("A-new-0ne-for-it"),
        privilege: BmcUserPrivilege::Operator,
    };
    let user = client.machine_bmc_user_add("m1", &add).await?;
    ensure!((user.name.as_str(), user.privilege) == ("helper", BmcUserPrivilege::Operator), "{user:?}");
    client.machine_bmc_user_remove("m1", &user.id).await?;
    let users = client.machine_bmc_users("m1").await?.items;
    ensure!(users.iter().all(|user| user.name != "helper"), "{users:?}");
    Ok(())
}

async fn looks(client: &Client, sim: &Sim) -> Result<()> {
    let logs = client.machine_bmc_logs("m1").await?.items;
    let log =
        logs.iter().find(|log| log.clearable).with_context(|| format!("none can be emptied: {logs:?}"))?;
    client.machine_bmc_log("m1", &log.id, Some(5)).await?;
    client.machine_bmc_log_clear("m1", &log.id).await?;
    let hardware = client.machine_bmc_hardware("m1").await?;
    ensure!(hardware.ports.iter().any(|port| port.mac.as_deref() == Some(sim.mac.as_str())), "{hardware:?}");
    ensure!(!hardware.processors.is_empty() && !hardware.memory.is_empty(), "{hardware:?}");
    ensure!(!client.machine_bmc_sensors("m1").await?.items.is_empty(), "no sensors");
    Ok(())
}

/// An update with a crash of the service in its middle.
async fn update(site: &mut Site, sim: &Sim) -> Result<()> {
    sim.redfish()?.parts().tasks.set_polls(4);
    let client = site.client()?;
    let update = BmcFirmwareUpdate { url: IMAGE.into(), targets: Vec::new(), apply: None };
    let task = client.machine_bmc_firmware_update("m1", &update).await?;
    ensure!(task.followed, "{task:?}");
    site.kill();
    site.restart().await?;
    let client = site.client()?;
    eventually("the update ends", async || {
        let events = client.machine_events("m1", None).await?;
        let about = events.iter().rev().find(|event| event.message.contains("the firmware update ("));
        let Some(about) = about.map(|event| event.message.clone()) else { return Ok(None) };
        ensure!(!about.contains("failed") && !about.contains("doesn't know"), "{about}");
        if about.contains("when the machine boots") {
            // Refused as soon as it goes on.
            let _ = client.machine_action("m1", MachineAction::PowerOn).await;
        }
        Ok(about.contains("is done").then_some(()))
    })
    .await?;
    let items = client.machine_bmc_firmware("m1").await?.items;
    ensure!(items.iter().any(|item| item.version.as_deref() == Some("9.9.9")), "{items:?}");
    Ok(())
}

/// The password is changed, and it alone lets the next process in.
async fn rotation(site: &mut Site, sim: &Sim) -> Result<()> {
    let controls = sim.redfish()?;
    let refused = controls.refused_logins();
    site.client()?.machine_bmc_rotate_password("m1").await?;
    site.kill();
    controls.drop_sessions();
    site.restart().await?;
    site.client()?.machine_bmc_power("m1").await?;
    ensure!(controls.refused_logins() == refused, "the old password was tried");
    Ok(())
}

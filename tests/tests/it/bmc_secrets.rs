//! No password that a BMC or a URL knows is ever answered, told on a timeline, or logged.

use anyhow::{Context, Result};
use bmc_mock::redfish::{Effect, Fault};
use provisioner_api::{
    BmcBiosUpdate, BmcBiosValue, BmcBoot, BmcBootDevice, BmcFirmwareUpdate, BmcMediaInsert, BmcMediaKind,
    BmcSubscribe, BmcUserAdd, BmcUserPrivilege, BmcUserUpdate, MachineState, MachineUpdate, Secret,
};
use provisioner_client::Client;
use reqwest::Method;
use std::collections::BTreeMap;
use tests::{Sim, SimOptions, Site, eventually};

use crate::log::Log;

/// Everything that the API shows of a machine.
async fn all_answers(site: &Site) -> Result<Vec<(String, String)>> {
    let admin = site.connection().token.reveal().to_owned();
    let mut answers = Vec::new();
    for path in [
        "",
        "/events",
        "/why",
        "/bmc",
        "/bmc/power",
        "/bmc/boot",
        "/bmc/users",
        "/bmc/media",
        "/bmc/secure-boot",
        "/bmc/bios",
        "/bmc/boot-order",
        "/bmc/firmware",
        "/bmc/tasks",
        "/bmc/hardware",
        "/bmc/logs",
        "/bmc/sel",
        "/bmc/subscriptions",
        "/bmc/sensors",
        "/bmc/fru",
    ] {
        let path = format!("/v1/machines/m1{path}");
        let (_, answer) = site.send(Some(&admin), Method::GET, &path, None).await?;
        answers.push((path, answer.context("a JSON answer")?.to_string()));
    }
    Ok(answers)
}

/// Does all that takes a secret; the answers to what failed.
async fn with_secrets(client: &Client, sim: &Sim) -> Result<Vec<String>> {
    let user = BmcUserAdd {
        name: "helper".into(),
        password: Secret::new("Pw-0f-helper-1"),
        privilege: BmcUserPrivilege::Operator,
    };
    let user = client.machine_bmc_user_add("m1", &user).await?;
    let update = BmcUserUpdate { password: Some(Secret::new("Pw-0f-helper-2")), ..Default::default() };
    client.machine_bmc_user_update("m1", &user.id, &update).await?;
    let media = |image: &str| BmcMediaInsert { image: image.into(), slot: None, kind: BmcMediaKind::Cd };
    let slot = client.machine_bmc_media_insert("m1", &media("https://u:pw-0f-iso@10.0.0.1/a.iso")).await?;
    assert_eq!(slot.image.as_deref(), Some("https://10.0.0.1/a.iso"));
    let http = BmcBoot {
        device: BmcBootDevice::Http,
        uri: Some("https://u:pw-0f-boot@10.0.0.1/a.efi".into()),
        ..BmcBoot::default()
    };
    client.machine_bmc_set_boot("m1", &http).await?;
    let to = BmcSubscribe { destination: "https://u:pw-0f-events@10.0.0.1/events".into(), context: None };
    client.machine_bmc_subscribe("m1", &to).await?;
    let firmware = |url: &str| BmcFirmwareUpdate { url: url.into(), targets: Vec::new(), apply: None };
    let update = firmware("https://u:pw-0f-bin@10.0.0.1/b-9.bin?Signature=s1gned-bin");
    client.machine_bmc_firmware_update("m1", &update).await?;
    eventually("the update ends", async || {
        let events = client.machine_events("m1", None).await?;
        Ok(events.iter().any(|event| event.message.contains("is done")).then_some(()))
    })
    .await?;

    // BMCs repeat in their errors what they were told.
    let echo = |text: &str| Effect::Error(400, "Base.1.8.ActionParameterValueError".into(), text.into());
    let fails = "https://u:pw-0f-fail@10.0.0.1/c?Signature=s1gned-fail";
    for path in ["*InsertMedia*", "*SimpleUpdate*", "*Subscriptions*", "*Bios*", "*Accounts*"] {
        let text = format!("can't use '{fails}'");
        sim.redfish()?.add_fault(Fault::new(echo(&text)).at(path).by("POST"));
        sim.redfish()?.add_fault(Fault::new(echo(&text)).at(path).by("PATCH"));
    }
    let bios = BTreeMap::from([("AdminPassword".to_owned(), BmcBiosValue::Text("pw-0f-setup".into()))]);
    let failed = [
        client.machine_bmc_media_insert("m1", &media(fails)).await.map(drop).unwrap_err(),
        client.machine_bmc_firmware_update("m1", &firmware(fails)).await.map(drop).unwrap_err(),
        client.machine_bmc_bios_set("m1", &BmcBiosUpdate { attributes: bios }).await.map(drop).unwrap_err(),
        client.machine_bmc_rotate_password("m1").await.unwrap_err(),
    ];
    sim.redfish()?.clear_faults();
    Ok(failed.iter().map(ToString::to_string).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_answered_told_or_logged() -> Result<()> {
    let log = Log::start()?;
    let mut site = Site::start().await?;
    let client = site.client()?;
    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    client.add_machine(&sim.enrolment()).await?;
    site.machine_in("m1", MachineState::Available).await?;
    let password = || Ok::<_, anyhow::Error>(sim.redfish()?.account("admin").context("our own")?.password);
    let mut secrets = vec![password()?];
    let mut shown: Vec<_> =
        with_secrets(&client, &sim).await?.into_iter().map(|text| ("an error".to_owned(), text)).collect();
    client.machine_bmc_rotate_password("m1").await?;
    secrets.push(password()?);
    assert_ne!(secrets[0], secrets[1]);
    shown.extend(all_answers(&site).await?);
    // A restart reads all of it, and a wrong password is told of.
    site.kill();
    site.restart().await?;
    let client = site.client()?;
    let update = MachineUpdate { bmc_password: Some(Secret::new("Wr0ng-password")), ..Default::default() };
    client.update_machine("m1", client.machine("m1").await?.version, &update).await?;
    sim.redfish()?.drop_sessions();
    shown.push(("an error".into(), client.machine_bmc_power("m1").await.unwrap_err().to_string()));
    shown.push(("the timeline".into(), serde_json::to_string(&client.machine_events("m1", None).await?)?));
    shown.push(("the machine".into(), serde_json::to_string(&client.machine("m1").await?)?));
    let text = log.text();
    assert!(text.contains("m1"), "nothing was logged: {} bytes", text.len());
    shown.push(("the log".into(), text));

    let words = [
        "Pw-0f-helper-1",
        "Pw-0f-helper-2",
        "pw-0f-iso",
        "pw-0f-boot",
        "pw-0f-events",
        "pw-0f-bin",
        "s1gned-bin",
        "pw-0f-fail",
        "s1gned-fail",
        "pw-0f-setup",
        "Wr0ng-password",
    ];
    secrets.extend(words.map(str::to_owned));
    secrets.push(site.connection().token.reveal().to_owned());
    for (place, text) in &shown {
        for secret in &secrets {
            let at = text.find(secret.as_str());
            // A bit of what is around it, not all of a log.
            let around = at.map(|at| {
                text[..at].chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect::<String>()
            });
            assert!(around.is_none(), "{place} tells `{secret}`: …{}", around.unwrap_or_default());
        }
    }
    Ok(())
}

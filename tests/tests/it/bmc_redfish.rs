//! People ask machines' Redfish BMCs through the API: settings, firmware, users, logs, parts, and the password that
//! Billet itself logs in with.

use anyhow::{Context, Result};
use bmc_mock::redfish::{Effect, Fate, Fault};
use provisioner_api::{
    BmcBiosApplies, BmcBiosUpdate, BmcBiosValue, BmcBoot, BmcBootDevice, BmcBootOrderUpdate, BmcButton,
    BmcFirmwareUpdate, BmcMediaInsert, BmcMediaKind, BmcSecureBootKeys, BmcSpec, BmcSubscribe, BmcTaskState,
    BmcUserAdd, BmcUserPrivilege, BmcUserUpdate, MachineAction, MachineState, MachineUpdate, Power, Secret,
};
use provisioner_client::{Client, ClientError};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tests::{Sim, SimOptions, Site, eventually};

const ISO: &str = "http://10.0.0.1/images/rescue.iso";

/// A machine with Redfish, inspected and switched off.
async fn ready(site: &Site) -> Result<(Client, Sim)> {
    let client = site.client()?;
    let sim = Sim::start(site, "m1", 1, SimOptions::default()).await?;
    client.add_machine(&sim.enrolment()).await?;
    site.machine_in("m1", MachineState::Available).await?;
    Ok((client, sim))
}

async fn told(client: &Client, text: &str) -> Result<bool> {
    Ok(client.machine_events("m1", None).await?.iter().any(|event| event.message.contains(text)))
}

async fn power_is(client: &Client, power: Power) -> Result<()> {
    eventually(&format!("power is {power:?}"), async || {
        Ok((client.machine_bmc_power("m1").await?.power == power).then_some(()))
    })
    .await
}

/// The word for programs of a problem.
fn kind(error: &ClientError) -> &str {
    match error {
        ClientError::Problem(problem) => &problem.kind,
        _ => "",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn virtual_media_and_secure_boot_are_set() -> Result<()> {
    let site = Site::start().await?;
    let (client, sim) = ready(&site).await?;
    let parts = sim.redfish()?.parts();
    let details = client.machine_bmc("m1").await?;
    for capability in ["virtual-media", "secure-boot", "bios", "boot-order", "firmware", "tasks", "restart"] {
        assert!(details.capabilities.iter().any(|can| can == capability), "{:?}", details.capabilities);
    }

    let slots = client.machine_bmc_media("m1").await?.items;
    assert!(!slots.is_empty() && slots.iter().all(|slot| !slot.inserted), "{slots:?}");
    let insert = BmcMediaInsert { image: ISO.into(), slot: None, kind: BmcMediaKind::Cd };
    let slot = client.machine_bmc_media_insert("m1", &insert).await?;
    assert_eq!((slot.image.as_deref(), slot.inserted), (Some(ISO), true));
    assert_eq!(parts.media.image(&slot.id).as_deref(), Some(ISO));
    client.machine_bmc_media_eject("m1", Some(&slot.id)).await?;
    assert_eq!(parts.media.images(), Vec::<String>::new());
    let usb = BmcMediaInsert { kind: BmcMediaKind::Usb, ..insert };
    client.machine_bmc_media_insert("m1", &usb).await?;
    client.machine_bmc_media_eject("m1", None).await?;
    assert_eq!(parts.media.images(), Vec::<String>::new());
    assert!(
        told(&client, "an operator puts http://10.0.0.1/images/rescue.iso into virtual media as cd").await?
    );

    let state = client.machine_bmc_secure_boot("m1").await?;
    let wanted = state.enabled != Some(true);
    let state = client.machine_bmc_secure_boot_set("m1", wanted).await?;
    assert_eq!(state.enabled, Some(wanted));
    assert_eq!(parts.secure_boot.enabled(), wanted);
    client.machine_bmc_secure_boot_reset_keys("m1", BmcSecureBootKeys::Default).await?;
    assert_eq!(parts.secure_boot.resets(), 1);
    assert!(told(&client, "an operator resets the keys of Secure Boot to: default").await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pending_in_the_firmwares_setup_holds_after_the_next_boot() -> Result<()> {
    let site = Site::start().await?;
    let (client, sim) = ready(&site).await?;
    let named = |name: &str, value: BmcBiosValue| BmcBiosUpdate {
        attributes: BTreeMap::from([(name.to_owned(), value)]),
    };
    let off = named("ProcVirtualization", BmcBiosValue::Text("Disabled".into()));
    let change = client.machine_bmc_bios_set("m1", &off).await?;
    assert_eq!((change.applies, change.items.len()), (BmcBiosApplies::NextBoot, 1));
    let attribute = &change.items[0];
    assert_eq!(attribute.value, Some(BmcBiosValue::Text("Enabled".into())));
    assert_eq!(attribute.pending, Some(BmcBiosValue::Text("Disabled".into())));
    assert!(attribute.rule.as_ref().is_some_and(|rule| rule.allowed.contains(&"Disabled".to_owned())));

    client.machine_action("m1", MachineAction::PowerOn).await?;
    power_is(&client, Power::On).await?;
    eventually("it is applied", async || {
        let items = client.machine_bmc_bios("m1").await?.items;
        let attribute = items.into_iter().find(|item| item.name == "ProcVirtualization");
        let attribute = attribute.context("the attribute")?;
        let applied = attribute.value == Some(BmcBiosValue::Text("Disabled".into()));
        Ok((applied && attribute.pending.is_none()).then_some(()))
    })
    .await?;
    assert_eq!(client.machine_bmc_bios_set("m1", &off).await?.applies, BmcBiosApplies::Already);

    let wrong = named("PxeRetryCount", BmcBiosValue::Number(11));
    let error = client.machine_bmc_bios_set("m1", &wrong).await.unwrap_err();
    assert!(error.to_string().contains("PxeRetryCount"), "{error}");
    assert!(!told(&client, "Disabled").await?, "values may be secrets");
    assert!(told(&client, "sets the firmware's ProcVirtualization").await?);
    client.machine_bmc_bios_reset("m1").await?;

    let order = client.machine_bmc_boot_order("m1").await?.items;
    let last = order.last().context("boot options")?.reference.clone();
    let update = BmcBootOrderUpdate { first: vec![last.clone()] };
    client.machine_bmc_boot_order_set("m1", &update).await?;
    let options = &sim.redfish()?.parts().boot_options;
    let first = options.pending().or_else(|| options.order()).context("the order was set")?;
    assert_eq!(first.first(), Some(&last));
    assert_eq!(first.len(), order.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_boots_once_by_http_or_from_a_uefi_device() -> Result<()> {
    let site = Site::start().await?;
    let (client, _sim) = ready(&site).await?;
    let http = BmcBoot {
        device: BmcBootDevice::Http,
        uri: Some("http://10.0.0.1/boot.efi".into()),
        ..BmcBoot::default()
    };
    let set = client.machine_bmc_set_boot("m1", &http).await?;
    assert_eq!((set.device, &set.uri), (http.device, &http.uri));
    let path = Some("PciRoot(0x0)/Pci(0x17,0x0)/Sata(0x0,0xFFFF,0x0)".to_owned());
    let device = BmcBoot { device: BmcBootDevice::UefiDevice, path, ..BmcBoot::default() };
    let set = client.machine_bmc_set_boot("m1", &device).await?;
    assert_eq!((set.device, &set.path), (device.device, &device.path));
    let usb = BmcBoot { device: BmcBootDevice::Usb, ..BmcBoot::default() };
    assert_eq!(client.machine_bmc_set_boot("m1", &usb).await?.device, BmcBootDevice::Usb);
    Ok(())
}

fn update(version: &str) -> BmcFirmwareUpdate {
    BmcFirmwareUpdate { url: format!("http://10.0.0.1/bios-{version}.bin"), targets: Vec::new(), apply: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_firmware_update_is_followed_to_its_end_through_a_restart_and_nobody_switches_meanwhile()
-> Result<()> {
    let mut site = Site::start().await?;
    let (client, sim) = ready(&site).await?;
    sim.redfish()?.parts().tasks.set_polls(6);
    let task = client.machine_bmc_firmware_update("m1", &update("9.9.9")).await?;
    assert!(task.followed, "{task:?}");
    let ours = client.machine_bmc_users("m1").await?.items.into_iter().find(|user| user.name == "admin");
    let password = BmcUserUpdate { password: Some(Secret::new("An0ther-password")), ..Default::default() };
    let elsewhere =
        BmcSpec { address: "127.0.0.9".into(), ..client.machine("m1").await?.spec.bmc.context("a BMC")? };
    let elsewhere = MachineUpdate { bmc: Some(elsewhere), ..MachineUpdate::default() };
    let refused = [
        client.machine_bmc_user_update("m1", &ours.context("our own")?.id, &password).await.unwrap_err(),
        client
            .update_machine("m1", client.machine("m1").await?.version, &elsewhere)
            .await
            .map(drop)
            .unwrap_err(),
        client.machine_action("m1", MachineAction::PowerOn).await.map(drop).unwrap_err(),
        client.machine_bmc_press("m1", BmcButton::Push).await.unwrap_err(),
        client.machine_bmc_restart("m1").await.unwrap_err(),
        client.machine_bmc_rotate_password("m1").await.unwrap_err(),
        client.machine_bmc_firmware_update("m1", &update("1.0.0")).await.map(drop).unwrap_err(),
    ];
    for error in &refused {
        assert_eq!(error.status(), Some(409), "{error}");
        assert!(error.to_string().contains("firmware update"), "{error}");
    }
    // Work waits, and says why.
    client.machine_action("m1", MachineAction::Inspect).await?;
    let waiting = eventually("the inspection waits", async || {
        Ok(client
            .machine("m1")
            .await?
            .status
            .waiting
            .filter(|waiting| waiting.why.contains("firmware update")))
    });
    assert!(waiting.await?.hint.is_some());

    site.kill();
    site.restart().await?;
    let client = site.client()?;
    eventually("the end is told", async || {
        Ok(told(&client, "the firmware update (http://10.0.0.1/bios-9.9.9.bin) is done").await?.then_some(()))
    })
    .await?;
    let items = client.machine_bmc_firmware("m1").await?.items;
    assert!(items.iter().any(|item| item.version.as_deref() == Some("9.9.9")), "{items:?}");
    assert_eq!(client.machine_bmc_task("m1", &task.id).await?.state, BmcTaskState::Done);
    assert!(told(&client, "is 50 % done").await? || told(&client, "is 25 % done").await?);
    // And the work goes on.
    let went_on = eventually("the inspection went on", async || {
        let agents = sim.history().iter().filter(|what| *what == "script: agent").count();
        Ok((agents > 1).then_some(()))
    })
    .await;
    let events = client.machine_events("m1", None).await?;
    let events: Vec<_> = events.iter().map(|event| format!("{} {}", event.at, event.message)).collect();
    went_on.with_context(|| format!("{events:#?} {:#?}", sim.history()))?;
    site.machine_in("m1", MachineState::Available).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_whose_answer_was_lost_is_found_again_and_one_that_hangs_can_be_let_go() -> Result<()> {
    let site = Site::start().await?;
    let (client, sim) = ready(&site).await?;
    sim.redfish()?.parts().tasks.set_fate(Fate::Hang);
    let lost =
        Fault::new(Effect::LoseAnswer).at("/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate");
    sim.redfish()?.add_fault(lost.times(1));
    let error = client.machine_bmc_firmware_update("m1", &update("9.9.9")).await.unwrap_err();
    assert_eq!(kind(&error), "bmc-unknown", "{error}");
    assert_eq!(sim.redfish()?.parts().update.fetched().len(), 1);
    let task = eventually("its task is found", async || {
        Ok(client
            .machine_bmc_tasks("m1")
            .await?
            .items
            .into_iter()
            .find(|task| task.followed && task.id != "-"))
    })
    .await?;
    let error = client.machine_action("m1", MachineAction::PowerOn).await.unwrap_err();
    assert_eq!(error.status(), Some(409), "{error}");
    let error = client.machine_bmc_task_forget("m1", "another").await.unwrap_err();
    assert_eq!(error.status(), Some(404), "{error}");
    client.machine_bmc_task_forget("m1", &task.id).await?;
    assert!(!client.machine_bmc_task("m1", &task.id).await?.followed);
    client.machine_action("m1", MachineAction::PowerOn).await?;
    power_is(&client, Power::On).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_and_a_switch_that_is_under_way_do_not_cross() -> Result<()> {
    let site = Site::start().await?;
    let (client, sim) = ready(&site).await?;
    let controls = sim.redfish()?;
    // The BMC shows for a while what was before, so that switching takes its time.
    let stale =
        Fault::new(Effect::Merge(json!({ "PowerState": "Off" }))).at("/redfish/v1/Systems/*").by("GET");
    controls.watch();
    controls.add_fault(stale.times(4));
    client.machine_action("m1", MachineAction::PowerOn).await?;
    eventually("the BMC is told to switch it on", async || {
        let reset = controls.seen().iter().any(|seen| seen.method == "POST" && seen.path.ends_with(".Reset"));
        Ok(reset.then_some(()))
    })
    .await?;
    client.machine_bmc_firmware_update("m1", &update("9.9.9")).await?;
    let events = client.machine_events("m1", None).await?;
    let place = |text: &str| events.iter().position(|event| event.message.contains(text));
    let (on, updated) = (place("as asked for: power is on"), place("an operator has firmware updated"));
    assert!(on.is_some() && on < updated, "{events:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_given_while_another_one_is_being_set_does_not_lock_us_out() -> Result<()> {
    let site = Site::start().await?;
    let (client, sim) = ready(&site).await?;
    let controls = sim.redfish()?;
    controls.watch();
    controls
        .add_fault(Fault::new(Effect::Delay(Duration::from_secs(2))).at("*/Accounts/*").by("PATCH").times(1));
    let rotating = client.clone();
    let rotation = tokio::spawn(async move { rotating.machine_bmc_rotate_password("m1").await });
    eventually("the BMC is told the new one", async || {
        Ok(controls.seen().iter().any(|seen| seen.method == "PATCH").then_some(()))
    })
    .await?;
    let old = MachineUpdate { bmc_password: Some(sim.enrolment().bmc_password), ..MachineUpdate::default() };
    let error = client.update_machine("m1", client.machine("m1").await?.version, &old).await.unwrap_err();
    assert_eq!(kind(&error), "refused", "{error}");
    rotation.await??;
    controls.drop_sessions();
    client.machine_bmc_power("m1").await.map(drop)?;
    Ok(())
}

const FETCH: &str = "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate";

/// Asks for an update and kills the service when the BMC was told, before it answers.
async fn killed_while_asking(site: &mut Site, sim: &Sim, effect: Effect) -> Result<()> {
    let controls = sim.redfish()?;
    controls.watch();
    controls.add_fault(Fault::new(effect).at(FETCH).by("POST").times(1));
    let client = site.client()?;
    let asking =
        tokio::spawn(async move { client.machine_bmc_firmware_update("m1", &update("9.9.9")).await });
    eventually("the BMC is asked", async || {
        Ok(controls.seen().iter().any(|seen| seen.method == "POST" && seen.path == FETCH).then_some(()))
    })
    .await?;
    site.kill();
    assert!(asking.await?.is_err(), "nobody was answered");
    site.restart().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_was_asked_for_before_a_crash_is_followed_to_its_end() -> Result<()> {
    let mut site = Site::start().await?;
    let (_, sim) = ready(&site).await?;
    sim.redfish()?.parts().tasks.set_polls(4);
    // The BMC took it; its answer would come much later.
    killed_while_asking(&mut site, &sim, Effect::Delay(Duration::from_secs(600))).await?;
    let client = site.client()?;
    let error = client.machine_action("m1", MachineAction::PowerOn).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("firmware update"), "{error}");
    eventually("the end is told", async || {
        Ok(told(&client, "the firmware update (http://10.0.0.1/bios-9.9.9.bin) is done").await?.then_some(()))
    })
    .await?;
    assert!(told(&client, "was lost; its task /redfish/v1/TaskService/Tasks/1 is taken for it").await?);
    assert_eq!(sim.redfish()?.parts().update.fetched().len(), 1, "it is asked for once");
    client.machine_action("m1", MachineAction::PowerOn).await?;
    power_is(&client, Power::On).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_the_bmc_may_have_taken_before_a_crash_locks_until_somebody_knows() -> Result<()> {
    let mut site = Site::start().await?;
    let (_, sim) = ready(&site).await?;
    killed_while_asking(&mut site, &sim, Effect::Hang).await?;
    let client = site.client()?;
    let error = client.machine_action("m1", MachineAction::PowerOn).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("firmware update"), "{error}");
    let tasks = client.machine_bmc_tasks("m1").await?.items;
    let open = tasks.iter().find(|task| task.followed).with_context(|| format!("{tasks:?}"))?;
    assert!(open.messages[0].contains("not known yet"), "{open:?}");
    // A person looked, and knows.
    client.machine_bmc_task_forget("m1", &open.id).await?;
    assert!(told(&client, "follow the firmware update (http://10.0.0.1/bios-9.9.9.bin) no longer").await?);
    client.machine_action("m1", MachineAction::PowerOn).await?;
    power_is(&client, Power::On).await?;
    assert_eq!(sim.redfish()?.parts().update.fetched().len(), 0, "it is never asked for again by itself");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_is_followed_while_its_bmc_starts_anew() -> Result<()> {
    let site = Site::start().await?;
    let (client, sim) = ready(&site).await?;
    sim.redfish()?.parts().tasks.set_fate(Fate::Restart(Duration::from_secs(4)));
    client.machine_bmc_firmware_update("m1", &update("9.9.9")).await?;
    let silent = AtomicBool::new(false);
    eventually("the end is told", async || {
        let error = client.machine_action("m1", MachineAction::PowerOn).await.map(drop).err();
        let done = told(&client, "the firmware update (http://10.0.0.1/bios-9.9.9.bin) is done").await?;
        // Silence is not the end: it is refused all the time.
        assert!(done || error.is_some_and(|error| error.to_string().contains("firmware update")));
        if client.machine_bmc_power("m1").await.is_err() {
            silent.store(true, Ordering::Relaxed);
        }
        Ok(done.then_some(()))
    })
    .await?;
    assert!(silent.into_inner(), "it was never away");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_the_bmc_refuses_or_fails_lets_the_machine_go() -> Result<()> {
    let site = Site::start().await?;
    let (client, sim) = ready(&site).await?;
    let refusal =
        Fault::new(Effect::Status(400)).at("/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate");
    sim.redfish()?.add_fault(refusal.times(1));
    let error = client.machine_bmc_firmware_update("m1", &update("9.9.9")).await.unwrap_err();
    assert_eq!(kind(&error), "bmc-refused", "{error}");
    assert!(told(&client, "the firmware update was not begun").await?);

    sim.redfish()?.parts().tasks.set_fate(Fate::Fail("The image is for another board.".into()));
    client.machine_bmc_firmware_update("m1", &update("9.9.9")).await?;
    eventually("the failure is told", async || Ok(told(&client, "for another board").await?.then_some(())))
        .await?;

    // A BMC that restarts with its new firmware and knows nothing of its tasks any more.
    let tasks = &sim.redfish()?.parts().tasks;
    tasks.set_fate(Fate::Restart(Duration::from_secs(2)));
    tasks.set_forgets(true);
    client.machine_bmc_firmware_update("m1", &update("9.9.9")).await?;
    eventually("that it is gone is told", async || {
        Ok(told(&client, "doesn't know the task of the firmware update").await?.then_some(()))
    })
    .await?;
    client.machine_action("m1", MachineAction::PowerOn).await?;
    power_is(&client, Power::On).await
}

#[tokio::test(flavor = "multi_thread")]
async fn users_come_and_go_but_not_the_one_that_billet_needs() -> Result<()> {
    let site = Site::start().await?;
    let (client, _sim) = ready(&site).await?;
    let add = BmcUserAdd {
        name: "helper".into(),
        password: Secret::new("A-new-0ne-for-it"),
        privilege: BmcUserPrivilege::Operator,
    };
    let user = client.machine_bmc_user_add("m1", &add).await?;
    assert_eq!((user.name.as_str(), user.privilege), ("helper", BmcUserPrivilege::Operator));
    let error = client.machine_bmc_user_add("m1", &add).await.unwrap_err();
    assert!(error.to_string().contains("helper"), "{error}");
    let change =
        BmcUserUpdate { privilege: Some(BmcUserPrivilege::User), enabled: Some(false), ..Default::default() };
    let user = client.machine_bmc_user_update("m1", &user.id, &change).await?;
    assert_eq!((user.privilege, user.enabled), (BmcUserPrivilege::User, Some(false)));
    client.machine_bmc_user_remove("m1", &user.id).await?;
    let users = client.machine_bmc_users("m1").await?.items;
    assert!(users.iter().all(|user| user.name != "helper"), "{users:?}");
    assert_eq!(client.machine_bmc_user_remove("m1", "nobody").await.unwrap_err().status(), Some(404));
    let own = users.iter().find(|user| user.name == "admin").context("our own user")?;
    assert_eq!(client.machine_bmc_user_remove("m1", &own.id).await.unwrap_err().status(), Some(409));
    let events = serde_json::to_string(&client.machine_events("m1", None).await?)?;
    assert!(events.contains("adds BMC user `helper` with privilege operator"), "{events}");
    assert!(!events.contains("A-new-0ne-for-it"), "no password is told");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_rotated_and_nobody_is_told_which() -> Result<()> {
    let mut site = Site::start().await?;
    let (client, sim) = ready(&site).await?;
    let (before, controls) = (sim.enrolment().bmc_password, sim.redfish()?);
    client.machine_bmc_rotate_password("m1").await?;
    assert_eq!(client.machine_bmc_power("m1").await?.power, Power::Off);
    // The old one lets nobody in any more, and the new one does also where no session is left.
    let refused = controls.refused_logins();
    controls.drop_sessions();
    assert_eq!(client.machine_bmc_power("m1").await?.power, Power::Off);
    client.machine_bmc_rotate_password("m1").await?;
    site.restart().await?;
    let client = site.client()?;
    controls.drop_sessions();
    assert_eq!(client.machine_bmc_power("m1").await?.power, Power::Off);
    assert_eq!(controls.refused_logins(), refused);
    let update = provisioner_api::MachineUpdate { bmc_password: Some(before), ..Default::default() };
    client.update_machine("m1", client.machine("m1").await?.version, &update).await?;
    controls.drop_sessions();
    let error = client.machine_bmc_power("m1").await.unwrap_err();
    assert!(matches!(kind(&error), "bmc-authentication" | "bmc-resting"), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_the_session_is_found_again() -> Result<()> {
    let mut site = Site::start().await?;
    let (client, sim) = ready(&site).await?;
    client.machine_bmc_power("m1").await?;
    let controls = sim.redfish()?;
    let (logins, sessions) = (controls.logins(), controls.sessions());
    for _ in 0..10 {
        site.kill();
        site.restart().await?;
        assert_eq!(site.client()?.machine_bmc_power("m1").await?.power, Power::Off);
    }
    assert_eq!((controls.logins(), controls.sessions()), (logins, sessions));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_parts_and_reports_are_shown() -> Result<()> {
    let site = Site::start().await?;
    let (client, sim) = ready(&site).await?;
    let hardware = client.machine_bmc_hardware("m1").await?;
    assert!(!hardware.processors.is_empty() && !hardware.memory.is_empty(), "{hardware:?}");
    assert!(hardware.ports.iter().any(|port| port.mac.as_deref() == Some(sim.mac.as_str())), "{hardware:?}");

    let logs = client.machine_bmc_logs("m1").await?.items;
    let log = logs.iter().find(|log| log.clearable).context("a log that can be emptied")?;
    let entries = client.machine_bmc_log("m1", &log.id, Some(5)).await?.items;
    assert!(entries.len() <= 5, "{entries:?}");
    client.machine_bmc_log_clear("m1", &log.id).await?;
    assert!(told(&client, &format!("empties the BMC's log `{}`", log.id)).await?);

    let mut reports = client.machine_bmc_reports("m1").await?;
    client.machine_action("m1", MachineAction::PowerOn).await?;
    let report = tokio::time::timeout(Duration::from_secs(30), reports.next()).await??;
    assert!(!report.context("a report")?.message.is_empty());

    let to = BmcSubscribe { destination: "https://10.0.0.1/events".into(), context: None };
    let one = client.machine_bmc_subscribe("m1", &to).await?;
    assert_eq!(
        (one.destination.as_str(), one.context.as_deref()),
        ("https://10.0.0.1/events", Some("billet"))
    );
    assert_eq!(client.machine_bmc_subscribe("m1", &to).await?.id, one.id, "already so");
    client.machine_bmc_unsubscribe("m1", &one.id).await?;
    assert_eq!(client.machine_bmc_subscriptions("m1").await?.items, Vec::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bmc_that_was_restarted_is_there_again() -> Result<()> {
    let site = Site::start().await?;
    let (client, sim) = ready(&site).await?;
    let manager = &sim.redfish()?.parts().manager;
    manager.set_downtime(Duration::from_millis(500));
    client.machine_bmc_restart("m1").await?;
    assert_eq!(manager.restarts(), 1);
    eventually("it answers again", async || Ok(client.machine_bmc_power("m1").await.ok())).await?;
    assert!(told(&client, "an operator restarts the BMC").await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_names_the_field() -> Result<()> {
    let site = Site::start().await?;
    let (_client, _sim) = ready(&site).await?;
    let admin = site.connection().token.reveal().to_owned();
    let wrong = StatusCode::UNPROCESSABLE_ENTITY;
    let (many, long) = (vec!["a"; 100_000], "a".repeat(201));
    let cases: [(Method, &str, Value, &str); 17] = [
        (Method::PUT, "bmc/boot", json!({ "device": "uefi-device" }), "path"),
        (Method::PUT, "bmc/boot", json!({ "device": "pxe", "uri": "http://a/b" }), "uri"),
        (Method::PUT, "bmc/boot", json!({ "device": "http", "uri": "ftp://a/b" }), "https://"),
        (Method::POST, "bmc/media", json!({ "image": "rescue.iso" }), "image"),
        (Method::POST, "bmc/media", json!({ "image": ISO, "kind": "tape" }), "tape"),
        (Method::PATCH, "bmc/secure-boot", json!({}), "enabled"),
        (Method::POST, "bmc/secure-boot/reset-keys", json!({ "keys": "all" }), "all"),
        (Method::PATCH, "bmc/bios", json!({ "attributes": {} }), "attributes"),
        (Method::PUT, "bmc/boot-order", json!({ "first": [] }), "first"),
        (Method::PUT, "bmc/boot-order", json!({ "first": ["a", "a"] }), "first[1]"),
        (Method::PUT, "bmc/boot-order", json!({ "first": many }), "1 to 256"),
        (Method::POST, "bmc/firmware", json!({ "url": "file.bin" }), "url"),
        (Method::POST, "bmc/firmware", json!({ "url": ISO, "targets": many }), "at most 64"),
        (Method::POST, "bmc/firmware", json!({ "url": ISO, "targets": [long] }), "targets[0]"),
        (Method::POST, "bmc/subscriptions", json!({ "destination": "ftp://a" }), "destination"),
        (Method::POST, "bmc/users", json!({ "name": "", "password": "x", "privilege": "user" }), "name"),
        (Method::GET, "bmc/logs/any?newest=0", Value::Null, "newest"),
    ];
    for (method, path, body, word) in cases {
        let path = format!("/v1/machines/m1/{path}");
        let (code, problem) = site.send(Some(&admin), method, &path, Some(&body.to_string())).await?;
        let problem = problem.context("a problem document")?.to_string();
        assert_eq!(code, wrong, "{path}: {problem}");
        assert!(problem.contains(word), "{path}: {problem}");
    }
    for path in ["media", "bios", "firmware", "tasks", "hardware", "logs", "reports", "subscriptions"] {
        let path = format!("/v1/machines/m1/bmc/{path}");
        let (code, _) = site.send(None, Method::GET, &path, None).await?;
        assert_eq!(code, StatusCode::UNAUTHORIZED, "{path}");
    }
    Ok(())
}

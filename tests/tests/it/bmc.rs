//! People ask machines' BMCs through the API: everything that they can, what goes wrong, and the serial console.

use anyhow::{Context, Result};
use bmc_mock::ipmi::{Faults, LockOut, Share};
use provisioner_api::{
    BmcBoot, BmcBootDevice, BmcButton, BmcHealth, BmcIdentify, BmcSelUpdate, BmcSettingsUpdate,
    BmcUserPrivilege, BmcUserUpdate, BootMode, InstanceState, MachineAction, MachineCreate, MachineState,
    MachineUpdate, Power, Secret,
};
use provisioner_client::{Client, ClientError, ConsoleStream};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::{net::UdpSocket, time::Duration};
use tests::{Protocol, Sim, SimOptions, Site, eventually, gpt_image};

/// A machine with IPMI, inspected and switched off.
async fn ready(site: &Site) -> Result<(Client, Sim)> {
    let client = site.client()?;
    let options = SimOptions { protocol: Protocol::Ipmi, ..SimOptions::default() };
    let sim = Sim::start(site, "m1", 1, options).await?;
    client.add_machine(&sim.enrolment()).await?;
    site.machine_in("m1", MachineState::Available).await?;
    Ok((client, sim))
}

/// The word for programs of a problem.
fn kind(error: &ClientError) -> &str {
    match error {
        ClientError::Problem(problem) => &problem.kind,
        _ => "",
    }
}

async fn told(client: &Client, text: &str) -> Result<bool> {
    let events = client.machine_events("m1", None).await?;
    Ok(events
        .iter()
        .any(|event| ["bmc", "request"].contains(&event.kind.as_str()) && event.message.contains(text)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bmc_answers_people() -> Result<()> {
    let site = Site::start().await?;
    let (client, sim) = ready(&site).await?;
    let details = client.machine_bmc("m1").await?;
    assert_eq!(details.health, BmcHealth::Ok);
    assert_eq!(details.system_uuid.as_deref(), Some("00000000-0000-4000-8000-000000000001"));
    for capability in ["power", "boot", "identify", "users", "network-settings", "asset-tag", "watchdog"] {
        assert!(details.capabilities.iter().any(|can| can == capability), "{:?}", details.capabilities);
    }
    let offered = details.network.context("its network settings")?.cipher_suites;
    assert!(offered.contains(&17), "{offered:?}");
    assert_eq!(details.weak, Vec::<String>::new());

    let update = BmcSettingsUpdate { asset_tag: Some("rack 7".into()), watchdog: Some(false) };
    let details = client.machine_bmc_update("m1", &update).await?;
    assert_eq!(details.asset_tag.as_deref(), Some("rack 7"));
    assert!(told(&client, "sets the asset tag to `rack 7` and stops the watchdog").await?);

    client.machine_bmc_identify("m1", &BmcIdentify { seconds: Some(15) }).await?;
    assert!(told(&client, "lets the lamp shine for 15 s").await?);

    assert_eq!(client.machine_bmc_power("m1").await?.power, Power::Off);
    let error = client.machine_bmc_press("m1", BmcButton::Cycle).await.unwrap_err();
    assert!(error.to_string().contains("the machine is off; switch it on instead"), "{error}");
    client.machine_action("m1", MachineAction::PowerOn).await?;
    eventually("it is on", async || {
        Ok((client.machine_bmc_power("m1").await?.power == Power::On).then_some(()))
    })
    .await?;
    let boots = sim.history().len();
    client.machine_bmc_press("m1", BmcButton::Reset).await?;
    eventually("it was reset", async || Ok((sim.history().len() > boots).then_some(()))).await?;
    assert!(told(&client, "presses a button: reset").await?);

    for (device, persistent, mode) in [
        (BmcBootDevice::Bios, false, Some(BootMode::Uefi)),
        (BmcBootDevice::Cdrom, true, Some(BootMode::Bios)),
        (BmcBootDevice::Disk, false, None),
    ] {
        let wanted = BmcBoot { device, persistent, mode, ..BmcBoot::default() };
        let set = client.machine_bmc_set_boot("m1", &wanted).await?;
        assert_eq!((set.device, set.persistent), (device, persistent));
        assert!(mode.is_none() || set.mode == mode, "{set:?}");
        assert_eq!(client.machine_bmc_boot("m1").await?, set);
    }
    let none = BmcBoot::default();
    assert_eq!(client.machine_bmc_set_boot("m1", &none).await?.device, BmcBootDevice::None);
    assert!(told(&client, "sets every boot: from cdrom").await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bmc_tells_of_the_hardware() -> Result<()> {
    let site = Site::start().await?;
    let (client, _sim) = ready(&site).await?;
    let sensors = client.machine_bmc_sensors("m1").await?.items;
    assert!(sensors.iter().any(|sensor| sensor.reading.is_some() && sensor.unit.is_some()), "{sensors:?}");
    let units = client.machine_bmc_fru("m1").await?.items;
    assert!(units.iter().any(|unit| !unit.areas.is_empty()), "{units:?}");

    let clock = "2026-11-21T10:00:00Z".parse()?;
    client.machine_bmc_sel_clock("m1", &BmcSelUpdate { clock }).await?;
    client.machine_bmc_sel_clear("m1").await?;
    let sel = client.machine_bmc_sel("m1").await?;
    // Clearing may itself be an entry.
    assert!(sel.items.len() <= 1 && !sel.overflow, "{sel:?}");
    let off = sel.clock.context("its clock")?.duration_since(clock).as_secs();
    assert!((0..120).contains(&off), "{off}");
    assert!(told(&client, "empties the hardware's event log").await?);
    assert!(told(&client, "sets the clock of the hardware's event log to 2026-11-21T10:00:00Z").await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bmc_can_not_do_names_the_capability() -> Result<()> {
    let site = Site::start().await?;
    let (client, _sim) = ready(&site).await?;
    let details = client.machine_bmc("m1").await?;
    assert_eq!(details.tls_sha256, None);
    for (error, capability) in [
        (client.machine_bmc_media("m1").await.unwrap_err(), "virtual-media"),
        (client.machine_bmc_secure_boot("m1").await.unwrap_err(), "secure-boot"),
        (client.machine_bmc_bios("m1").await.unwrap_err(), "bios"),
        (client.machine_bmc_boot_order("m1").await.unwrap_err(), "boot-order"),
        (client.machine_bmc_firmware("m1").await.unwrap_err(), "firmware"),
        (client.machine_bmc_tasks("m1").await.unwrap_err(), "tasks"),
        (client.machine_bmc_hardware("m1").await.unwrap_err(), "hardware"),
        (client.machine_bmc_reports("m1").await.unwrap_err(), "reports"),
    ] {
        assert!(!details.capabilities.iter().any(|can| can == capability));
        assert_eq!((error.status(), kind(&error)), (Some(422), "bmc-unsupported"), "{error}");
        assert!(error.to_string().contains(&format!("`{capability}`")), "{error}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_changed_but_not_the_one_that_billet_needs() -> Result<()> {
    let site = Site::start().await?;
    let (client, sim) = ready(&site).await?;
    let users = client.machine_bmc_users("m1").await?.items;
    let own = users.iter().find(|user| user.name == "admin").context("our own user")?.id.clone();
    let free =
        users.iter().find(|user| user.id > own && user.name.is_empty()).context("a free slot")?.id.clone();
    let helper = BmcUserUpdate {
        name: Some("helper".into()),
        password: Some(Secret::new("a-new-one")),
        privilege: Some(BmcUserPrivilege::Operator),
        enabled: Some(true),
    };
    let user = client.machine_bmc_user_update("m1", &free, &helper).await?;
    assert_eq!((user.name.as_str(), user.privilege), ("helper", BmcUserPrivilege::Operator));
    assert_eq!(
        sim.control()?.admin().users().slot(free.parse()?).context("the slot")?.password,
        b"a-new-one"
    );
    let events = client.machine_events("m1", None).await?;
    assert!(!serde_json::to_string(&events)?.contains("a-new-one"), "no password is told");

    for update in [
        BmcUserUpdate { name: Some("other".into()), ..BmcUserUpdate::default() },
        BmcUserUpdate { enabled: Some(false), ..BmcUserUpdate::default() },
        BmcUserUpdate { privilege: Some(BmcUserPrivilege::User), ..BmcUserUpdate::default() },
    ] {
        let error = client.machine_bmc_user_update("m1", &own, &update).await.unwrap_err();
        assert_eq!(error.status(), Some(409), "{update:?}: {error}");
    }
    // Changing the password that Billet itself uses goes on working, also where the whole session is new.
    let update = BmcUserUpdate { password: Some(Secret::new("second-s3cret")), ..BmcUserUpdate::default() };
    client.machine_bmc_user_update("m1", &own, &update).await?;
    assert_eq!(
        sim.control()?.admin().users().slot(own.parse()?).context("the slot")?.password,
        b"second-s3cret"
    );
    sim.control()?.forget_sessions();
    assert_eq!(client.machine_bmc_power("m1").await?.power, Power::Off);
    let error = client.machine_bmc_user_update("m1", "200", &update).await.unwrap_err();
    assert_eq!(error.status(), Some(404), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_the_bmcs_new_password_and_our_own_is_survived() -> Result<()> {
    let mut site = Site::start().await?;
    let (client, sim) = ready(&site).await?;
    let users = client.machine_bmc_users("m1").await?.items;
    let own = users.iter().find(|user| user.name == "admin").context("our own user")?.id.clone();
    // One wrong guess is allowed, no more.
    let lock_out = Some(LockOut { after: 2, lasts: Duration::from_secs(3600) });
    sim.control()?.set_limits(|limits| limits.lock_out = lock_out);
    sim.control()?.set_faults(Faults { slow: Duration::from_millis(100), ..Faults::default() });
    let slot: u8 = own.parse()?;
    let changing = tokio::spawn(async move {
        let update = BmcUserUpdate { password: Some(Secret::new("second-s3cret")), ..Default::default() };
        client.machine_bmc_user_update("m1", &own, &update).await
    });
    let admin = sim.control()?.admin();
    // The BMC has it, and its next answer is still under way.
    while admin.users().slot(slot).context("the slot")?.password != b"second-s3cret" {
        anyhow::ensure!(!changing.is_finished(), "it was done before it was seen");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    site.kill();
    changing.abort();
    sim.control()?.set_faults(Faults::default());
    site.restart().await?;
    let client = site.client()?;
    let power =
        eventually("the BMC lets us in again", async || Ok(client.machine_bmc_power("m1").await.ok()));
    assert_eq!(power.await?.power, Power::Off);
    // For good: the next login is with the new one alone.
    sim.control()?.forget_sessions();
    site.restart().await?;
    assert_eq!(site.client()?.machine_bmc_power("m1").await?.power, Power::Off);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bmc_with_a_key_of_its_own_needs_it() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let bmc_key = Some(vec![0x00, 0xFF, 0x10]);
    let options = SimOptions { protocol: Protocol::Ipmi, bmc_key, ..SimOptions::default() };
    let sim = Sim::start(&site, "m1", 1, options).await?;
    let long = Secret::new("x".repeat(21));
    let refused = client.add_machine(&MachineCreate { bmc_key: Some(long), ..sim.enrolment() }).await;
    assert!(refused.unwrap_err().to_string().contains("bmc_key: a BMC key (Kg) has 1 to 20 bytes"));
    client.add_machine(&sim.enrolment()).await?;
    let held = site.machine_held("m1").await?;
    assert!(held.why.contains("refuses user `admin`"), "{}", held.why);
    let key = MachineUpdate { bmc_key: Some(Secret::new("hex:00ff10")), ..MachineUpdate::default() };
    let changed = client.update_machine("m1", 1, &key).await?;
    client.machine_action("m1", MachineAction::Retry).await?;
    site.machine_in("m1", MachineState::Available).await?;
    assert_eq!(client.machine_bmc_power("m1").await?.power, Power::Off);
    // Taken away again, the next login fails.
    let none = MachineUpdate { bmc_key: Some(Secret::new("")), ..MachineUpdate::default() };
    client.update_machine("m1", changed.version, &none).await?;
    let error = client.machine_bmc_power("m1").await.unwrap_err();
    assert!(matches!(kind(&error), "bmc-authentication" | "bmc-resting"), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_tried_once_and_not_into_a_lock_out() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let options = SimOptions { protocol: Protocol::Ipmi, ..SimOptions::default() };
    let sim = Sim::start(&site, "m1", 1, options).await?;
    let lock_out = Some(LockOut { after: 2, lasts: Duration::from_secs(3600) });
    sim.control()?.set_limits(|limits| limits.lock_out = lock_out);
    let wrong = MachineCreate { bmc_password: Secret::new("guess"), ..sim.enrolment() };
    client.add_machine(&wrong).await?;
    site.machine_held("m1").await?;
    for _ in 0..3 {
        let error = client.machine_bmc_sensors("m1").await.unwrap_err();
        assert_eq!((error.status(), kind(&error)), (Some(503), "bmc-resting"), "{error}");
        assert!(!error.is_transient(), "no program is to repeat it");
    }
    assert_eq!(client.machine("m1").await?.status.bmc.health, BmcHealth::AuthenticationFailed);
    let right =
        MachineUpdate { bmc_password: Some(sim.enrolment().bmc_password), ..MachineUpdate::default() };
    client.update_machine("m1", 1, &right).await?;
    client.machine_action("m1", MachineAction::Retry).await?;
    site.machine_in("m1", MachineState::Available).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_bmc_is_silent_is_known_as_soon_as_somebody_asked_it() -> Result<()> {
    let site = Site::start().await?;
    let (client, sim) = ready(&site).await?;
    assert_eq!(client.machine("m1").await?.status.bmc.health, BmcHealth::Ok);
    sim.control()?.set_faults(Faults { lost_requests: Share::Every(1), ..Faults::default() });
    let error = client.machine_bmc_power("m1").await.unwrap_err();
    assert_eq!((error.status(), kind(&error)), (Some(504), "bmc-unreachable"), "{error}");
    let status = client.machine("m1").await?.status.bmc;
    assert_eq!(status.health, BmcHealth::Unreachable);
    assert!(status.error.is_some_and(|error| error.contains("does not answer")));

    sim.control()?.set_faults(Faults::default());
    eventually("it is well again", async || {
        Ok((client.machine("m1").await?.status.bmc.health == BmcHealth::Ok).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_with_its_mend() -> Result<()> {
    let site = Site::start().await?;
    let (client, sim) = ready(&site).await?;
    let admin = site.connection().token.reveal().to_owned();
    let cases: [(Method, &str, Value, StatusCode, &str); 10] = [
        (Method::PUT, "bmc/boot", json!({ "device": "other" }), StatusCode::UNPROCESSABLE_ENTITY, "device"),
        (Method::PUT, "bmc/boot", json!({ "device": "floppy" }), StatusCode::UNPROCESSABLE_ENTITY, "floppy"),
        (Method::POST, "bmc/power", json!({ "button": "on" }), StatusCode::UNPROCESSABLE_ENTITY, "button"),
        (Method::PATCH, "bmc", json!({ "watchdog": true }), StatusCode::UNPROCESSABLE_ENTITY, "watchdog"),
        (
            Method::PATCH,
            "bmc",
            json!({ "asset_tag": "x".repeat(64) }),
            StatusCode::UNPROCESSABLE_ENTITY,
            "63",
        ),
        (
            Method::PATCH,
            "bmc/sel",
            json!({ "clock": "1970-01-01T00:00:00Z" }),
            StatusCode::UNPROCESSABLE_ENTITY,
            "1987",
        ),
        (Method::PATCH, "bmc/users/x", json!({ "name": "a" }), StatusCode::NOT_FOUND, "id `x`"),
        (Method::PATCH, "bmc/users/3", json!({}), StatusCode::UNPROCESSABLE_ENTITY, "at least one"),
        (
            Method::PATCH,
            "bmc/users/3",
            json!({ "password": "x".repeat(21) }),
            StatusCode::UNPROCESSABLE_ENTITY,
            "20 bytes",
        ),
        (Method::POST, "console", json!("x".repeat(5000)), StatusCode::PAYLOAD_TOO_LARGE, "4096"),
    ];
    for (method, path, body, status, word) in cases {
        let path = format!("/v1/machines/m1/{path}");
        let (code, problem) = site.send(Some(&admin), method, &path, Some(&body.to_string())).await?;
        let problem = problem.context("a problem document")?.to_string();
        assert_eq!(code, status, "{path}: {problem}");
        assert!(problem.contains(word), "{path}: {problem}");
    }
    for path in ["bmc", "bmc/power", "bmc/sensors", "console", "console/status"] {
        let path = format!("/v1/machines/m1/{path}");
        let (code, _) = site.send(None, Method::GET, &path, None).await?;
        assert_eq!(code, StatusCode::UNAUTHORIZED, "{path}");
    }
    let both = client.console_read("m1", Some(1), Some(1), false).await.unwrap_err();
    assert_eq!(both.status(), Some(422), "{both}");

    // Nobody is at that port any more.
    let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
    let mut bmc = sim.enrolment().bmc;
    bmc.address = port.to_string();
    let version = client.machine("m1").await?.version;
    client.update_machine("m1", version, &MachineUpdate { bmc: Some(bmc), ..Default::default() }).await?;
    let error = client.machine_bmc_power("m1").await.unwrap_err();
    assert_eq!((error.status(), kind(&error)), (Some(502), "bmc-none"), "{error}");
    assert!(error.to_string().contains("IPMI over LAN"), "{error}");
    // The console may still have been that of the BMC that it had before.
    let error = eventually("its console can't be had", async || {
        Ok(client.console_read("m1", None, None, true).await.err())
    })
    .await?;
    assert!(matches!(error.status(), Some(502..=504)), "{error}");
    assert!(client.console_status("m1").await?.trouble.is_some());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_nobody_accepted_or_that_a_job_works_on_is_left_alone() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let options = SimOptions { protocol: Protocol::Ipmi, ..SimOptions::default() };
    let sim = Sim::start(&site, "stranger", 9, options.clone()).await?;
    sim.press_power().await?;
    let stranger = eventually("it is discovered", async || {
        Ok(client.machines(&Default::default()).await?.into_iter().find(|it| it.status.inventory.is_some()))
    })
    .await?;
    let error = client.machine_bmc(&stranger.name).await.unwrap_err();
    assert_eq!(error.status(), Some(409), "{error}");
    assert!(error.to_string().contains(&format!("billet machine set {} --bmc", stranger.name)), "{error}");
    let enrolment = sim.enrolment();
    let bmc = MachineUpdate {
        bmc: Some(enrolment.bmc),
        bmc_password: Some(enrolment.bmc_password),
        ..MachineUpdate::default()
    };
    client.update_machine(&stranger.name, stranger.version, &bmc).await?;
    // Looking is allowed, touching is not.
    client.machine_bmc_power(&stranger.name).await?;
    for refused in [
        client.machine_bmc_press(&stranger.name, BmcButton::Reset).await,
        client.machine_bmc_identify(&stranger.name, &BmcIdentify { seconds: None }).await,
        client.console_type(&stranger.name, b"x".to_vec()).await,
    ] {
        let error = refused.unwrap_err();
        assert!(error.to_string().contains("billet machine accept"), "{error}");
    }

    // Its MAC address is wrong, so its inspection waits.
    let busy = Sim::start(&site, "busy", 2, options).await?;
    let enrolment = MachineCreate { macs: vec!["52:54:00:00:00:77".into()], ..busy.enrolment() };
    client.add_machine(&enrolment).await?;
    site.machine_in("busy", MachineState::Inspecting).await?;
    let boot = BmcBoot { device: BmcBootDevice::Disk, ..BmcBoot::default() };
    for error in [
        client.machine_bmc_press("busy", BmcButton::Cycle).await.unwrap_err(),
        client.machine_bmc_set_boot("busy", &boot).await.unwrap_err(),
    ] {
        assert_eq!(error.status(), Some(409), "{error}");
        let said = error.to_string();
        assert!(said.contains("job inspect runs") && said.contains("billet machine cancel busy"), "{said}");
    }
    client.machine_bmc_identify("busy", &BmcIdentify { seconds: Some(1) }).await?;
    Ok(())
}

/// Reads a console until it said a text; all that it said.
async fn until(stream: &mut ConsoleStream, text: &str) -> Result<String> {
    let mut said = String::new();
    let reading = async {
        while !said.contains(text) {
            let bytes = stream.next().await?.with_context(|| format!("it ended after {said:?}"))?;
            said.push_str(&String::from_utf8_lossy(&bytes));
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(60), reading)
        .await
        .with_context(|| format!("`{text}` was not said: {said:?}"))??;
    Ok(said)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_watch_a_console_and_one_types() -> Result<()> {
    let mut site = Site::start().await?;
    let (client, sim) = ready(&site).await?;
    let first = client.console_status("m1").await?.end;
    let mut one = client.console_read("m1", Some(first), None, true).await?;
    assert_eq!(one.position(), first);
    client.machine_action("m1", MachineAction::PowerOn).await?;
    until(&mut one, "login: ").await?;
    client.console_type("m1", b"root\r".to_vec()).await?;
    let said = until(&mut one, "root\r\nlogin: ").await?;
    assert_eq!(sim.serial_port().typed(), b"root\r", "{said:?}");
    // Who comes later gets what was said before, and both hear the same from then on.
    let mut two = client.console_read("m1", Some(first), None, true).await?;
    until(&mut two, "root\r\nlogin: ").await?;
    client.console_break("m1").await?;
    for stream in [&mut one, &mut two] {
        until(stream, "[break]").await?;
    }
    assert_eq!((one.position(), sim.serial_port().breaks()), (two.position(), 1));
    let status = client.console_status("m1").await?;
    assert_eq!((status.connected, status.readers, status.end), (true, 2, one.position()), "{status:?}");
    assert!(client.metrics().await?.contains("billet_consoles_connected 1\n"));
    assert!(told(&client, "an operator types on the console").await?);

    // A BMC that restarts in between: the watchers are told, stay, and hear what comes then.
    sim.control()?.restart();
    until(&mut one, "[billet: ").await?;
    eventually("the console is back", async || {
        Ok(client.console_status("m1").await?.connected.then_some(()))
    })
    .await?;
    sim.serial_port().say(b"after the restart\r\n");
    until(&mut one, "after the restart").await?;
    let end = one.position();
    drop((one, two));

    // What was said can be read afterwards, after a restart of the service too, from any position.
    site.restart().await?;
    let client = site.client()?;
    let mut record = client.console_read("m1", Some(first), None, false).await?;
    let said = until(&mut record, "after the restart\r\n").await?;
    assert!(said.contains("root\r\nlogin: [break]"), "{said:?}");
    assert_eq!(record.next().await?, None);
    assert_eq!(record.position(), end);
    let mut tail = client.console_read("m1", None, Some(9), false).await?;
    assert_eq!(until(&mut tail, "restart\r\n").await?, "restart\r\n");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_is_recorded_though_nobody_watches() -> Result<()> {
    let site = Site::start().await?;
    let (client, sim) = ready(&site).await?;
    let image = gpt_image(site.folder(), "image.raw", 16, 7);
    site.import("test-os", &image).await?;
    let before = client.console_status("m1").await?.end;
    site.create("os", "test-os", Some("m1")).await?;
    site.instance_in("os", InstanceState::Running).await?;
    let mut record = client.console_read("m1", Some(before), None, false).await?;
    until(&mut record, "Simulated machine, all is well").await?;
    eventually("nobody listens any more", async || {
        Ok((!client.console_status("m1").await?.connected).then_some(()))
    })
    .await?;
    // A machine that is forgotten takes its record along.
    client.delete_instance("os", &Default::default()).await?;
    site.instance_gone("os").await?;
    client.delete_machine("m1").await?;
    let consoles = site.folder().join("data/consoles");
    eventually("the record is gone", async || Ok((std::fs::read_dir(&consoles)?.count() == 0).then_some(())))
        .await?;
    drop(sim);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_is_finished_though_the_client_goes_away() -> Result<()> {
    let site = Site::start().await?;
    let (client, sim) = ready(&site).await?;
    let wanted = BmcBoot {
        device: BmcBootDevice::Bios,
        persistent: true,
        mode: Some(BootMode::Uefi),
        ..BmcBoot::default()
    };
    sim.control()?.set_faults(Faults { slow: Duration::from_millis(200), ..Faults::default() });
    let setting = client.clone();
    let setting = tokio::spawn({
        let wanted = wanted.clone();
        async move { setting.machine_bmc_set_boot("m1", &wanted).await }
    });
    eventually("it is begun", async || Ok(told(&client, "sets every boot: from bios").await?.then_some(())))
        .await?;
    // It takes a second.
    setting.abort();
    sim.control()?.set_faults(Faults::default());
    let set = async || Ok((client.machine_bmc_boot("m1").await? == wanted).then_some(()));
    eventually("it is set", set).await?;
    Ok(())
}

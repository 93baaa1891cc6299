//! A machine that nobody announced is inventoried, and nothing more, until somebody accepts it.

use anyhow::Result;
use provisioner_api::{MachineAction, MachineState, MachineUpdate};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tests::{Sim, SimOptions, Site, eventually, gpt_image};

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_machine_is_only_inventoried() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let sim = Sim::start(&site, "stranger", 9, SimOptions::default()).await?;
    // Somebody's data is on its disk.
    let image = gpt_image(site.folder(), "data.raw", 128, 9);
    sim.put_on_disk(image.raw());
    sim.press_power().await?;
    let machine = eventually("it is discovered", async || {
        Ok(client
            .machines(&Default::default())
            .await?
            .into_iter()
            .find(|machine| machine.status.inventory.is_some()))
    })
    .await?;
    assert_eq!(machine.status.state, MachineState::Discovered);
    assert!(!machine.spec.accepted);
    assert_eq!(machine.spec.macs, std::slice::from_ref(&sim.mac));
    let why = client.machine_why(&machine.name).await?;
    assert!(why.sentence.contains("accept"), "{}", why.sentence);
    // It is let go: a server in production that netbooted by mistake runs its own system again.
    eventually("it is back on its disk", async || {
        Ok(sim.history().ends_with(&["disk: nothing".into(), "script: disk".into()]).then_some(()))
    })
    .await?;
    // An instance that would fit it doesn't get it.
    site.import("data", &image).await?;
    site.create("greedy", "data", None).await?;
    eventually("it says why", async || {
        Ok(client.instance_why("greedy").await?.sentence.contains("1 not accepted").then_some(()))
    })
    .await?;
    assert!(sim.content()? == image.raw(), "not a byte of the disk is changed");

    // Accepted and given its BMC, it goes the common way.
    client.machine_action(&machine.name, MachineAction::Accept).await?;
    let why = client.machine_why(&machine.name).await?;
    assert!(why.sentence.contains("BMC"), "{}", why.sentence);
    let enrolment = sim.enrolment();
    let bmc = MachineUpdate {
        bmc: Some(enrolment.bmc),
        bmc_password: Some(enrolment.bmc_password),
        ..MachineUpdate::default()
    };
    client.update_machine(&machine.name, machine.version, &bmc).await?;
    site.machine_in(&machine.name, MachineState::Deploying).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boot_window_is_claimed_by_the_machine_that_it_was_opened_for() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    // Its BMC is right, its MAC address isn't: nobody will claim the window.
    let expected = "52:54:00:00:00:77";
    let mut enrolment = sim.enrolment();
    enrolment.macs = vec![expected.into()];
    client.add_machine(&enrolment).await?;
    let token = eventually("its boot window is open", async || {
        let script = site.boot_script(expected).await?;
        let token = script.split_whitespace().find_map(|word| word.strip_prefix("billet.token="));
        Ok(token.map(ToOwned::to_owned))
    })
    .await?;
    let claim = async |mac: &str| {
        let nic = json!({ "name": "eth0", "mac": mac, "link": true });
        let body = json!({
            "token": token, "nonce": "1".repeat(64), "agent_version": "x",
            "inventory": { "architecture": "x86_64", "boot_mode": null, "cpu": { "model": "", "threads": 1,
            "cores": 1, "sockets": 1 }, "memory_bytes": 1, "disks": [], "nics": [nic] },
        });
        site.send(None, Method::POST, "/agent/v1/claim", Some(&body.to_string())).await
    };
    for _ in 0..2 {
        let (status, problem) = claim(&sim.mac).await?;
        assert_eq!(status, StatusCode::FORBIDDEN, "{problem:?}");
    }
    let events = client.machine_events("m1", None).await?;
    let told = events.iter().filter(|event| event.message.contains("other NICs")).count();
    assert!((1..=2).contains(&told), "{events:?}");
    assert_eq!(client.machine("m1").await?.status.state, MachineState::Inspecting);
    let (status, answer) = claim(expected).await?;
    assert_eq!(status, StatusCode::OK, "{answer:?}");
    Ok(())
}

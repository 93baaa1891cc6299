//! Which machine an instance gets: spread over zones, the same again, and with words for who gets none.

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use provisioner_api::{
    DeleteInstance, InstanceCreate, InstanceSpec, InstanceState, InstanceUpdate, MachineCreate, MachineState,
    Minimum, Spread, SpreadBy,
};
use provisioner_client::{Client, ClientError};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tests::{Sim, SimOptions, Site, eventually, gpt_image};

async fn ask(client: &Client, name: &str, spec: InstanceSpec) -> Result<()> {
    client.create_instance(&InstanceCreate { name: name.into(), spec }).await?;
    Ok(())
}

/// On which machine it runs.
async fn runs_on(site: &Site, name: &str) -> Result<String> {
    let running = site.instance_in(name, InstanceState::Running).await?;
    Ok(running.status.machine_name.expect("it has one"))
}

fn problem(error: &ClientError) -> (u16, String) {
    let ClientError::Problem(problem) = error else { panic!("{error}") };
    (problem.status, problem.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_are_spread_protected_and_get_the_same_machine_again() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let image = gpt_image(site.folder(), "image.raw", 16, 1);
    site.import("os", &image).await?;
    let mut sims = Vec::new();
    for (number, zone) in [(1, "a"), (2, "a"), (3, "b")] {
        let name = format!("m{number}");
        let sim = Sim::start(&site, &name, number, SimOptions::default()).await?;
        let enrolment = MachineCreate { zone: Some(zone.into()), rack: Some("r1".into()), ..sim.enrolment() };
        client.add_machine(&enrolment).await?;
        sims.push(sim);
        let machine = site.machine_in(&name, MachineState::Available).await?;
        assert_eq!(machine.spec.zone.as_deref(), Some(zone));
    }

    let apart = InstanceSpec {
        spread: Some(Spread { group: "db".into(), by: SpreadBy::Zone }),
        sticky: true,
        ..InstanceSpec::new("os")
    };
    ask(&client, "db1", apart.clone()).await?;
    assert_eq!(runs_on(&site, "db1").await?, "m1");
    ask(&client, "db2", apart.clone()).await?;
    assert_eq!(runs_on(&site, "db2").await?, "m3", "m2 is in the zone of the first");

    let protect = |on| InstanceUpdate { protected: Some(on), ..InstanceUpdate::default() };
    assert!(client.update_instance("db2", &protect(true)).await?.spec.protected);
    let (status, says) =
        problem(&client.delete_instance("db2", &DeleteInstance::default()).await.unwrap_err());
    assert_eq!(status, 409);
    assert!(says.contains("billet instance set db2 --protected off"), "{says}");
    let admin = site.connection().token.reveal().to_owned();
    let both = r#"{"protected": false}"#;
    let (status, _) = site.send(Some(&admin), Method::DELETE, "/v1/instances/db2", Some(both)).await?;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "not by the same request");
    client.update_instance("db2", &protect(false)).await?;
    client.delete_instance("db2", &DeleteInstance::default()).await?;
    site.instance_gone("db2").await?;

    // Without a spread m2 comes first by its name; the one that it had is preferred.
    ask(&client, "db2", InstanceSpec { sticky: true, ..InstanceSpec::new("os") }).await?;
    assert_eq!(runs_on(&site, "db2").await?, "m3");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_too_much_is_told_and_held_when_its_time_is_over() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let image = gpt_image(site.folder(), "image.raw", 16, 1);
    site.import("os", &image).await?;
    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    client.add_machine(&sim.enrolment()).await?;
    site.machine_in("m1", MachineState::Available).await?;

    let minimum = Minimum { memory_bytes: Some(64 << 30), ..Minimum::default() };
    ask(&client, "big", InstanceSpec { minimum, ..InstanceSpec::new("os") }).await?;
    let why = eventually("it says why", async || {
        let why = client.instance_why("big").await?;
        Ok(why.waiting.is_some().then_some(why))
    })
    .await?;
    assert!(why.sentence.contains("1 machines: 1 with less than 64 GiB of memory"), "{}", why.sentence);
    assert!(why.sentence.contains("ask for less memory"), "{}", why.sentence);

    let deadline = |deadline| InstanceUpdate { deadline: Some(deadline), ..InstanceUpdate::default() };
    let past = client.update_instance("big", &deadline(Some(Timestamp::UNIX_EPOCH))).await.unwrap_err();
    let (status, says) = problem(&past);
    assert!(status == 422 && says.contains("is past"), "{says}");
    let soon = Timestamp::now() + SignedDuration::from_secs(2);
    client.update_instance("big", &deadline(Some(soon))).await?;
    let held = eventually("it is held", async || Ok(client.instance("big").await?.status.held)).await?;
    assert!(held.why.starts_with("no machine by ") && held.why.contains("64 GiB"), "{}", held.why);
    let [wait_on, give_up] = &held.choices[..] else { panic!("{:?}", held.choices) };
    assert!(wait_on.contains("--deadline") && give_up.contains("instance delete big"), "{:?}", held.choices);

    let waits = client.update_instance("big", &deadline(None)).await?;
    assert!(waits.status.held.is_none());
    eventually("it waits again", async || Ok(client.instance("big").await?.status.waiting)).await?;
    client.delete_instance("big", &DeleteInstance::default()).await?;
    site.instance_gone("big").await?;

    // A wish that is misspelt is refused, and one that can't be is refused by its field.
    let admin = site.connection().token.reveal().to_owned();
    for (spec, field) in [
        (json!({"image": "os", "protectd": true}), "spec.protectd"),
        (json!({"image": "os", "minimum": {"gpus": 0}}), "spec.minimum.gpus"),
        (json!({"image": "os", "prefer_machine": "none"}), "spec.prefer_machine"),
        (json!({"image": "os", "deadline": "2001-01-01T00:00:00Z"}), "spec.deadline"),
        (
            json!({"image": "os", "expressions": [{"key": "a", "operator": "In"}]}),
            "spec.expressions[0].values",
        ),
    ] {
        let body = json!({"name": "x", "spec": spec}).to_string();
        let (status, problem) = site.send(Some(&admin), Method::POST, "/v1/instances", Some(&body)).await?;
        let problem = problem.expect("a problem document");
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        assert_eq!(problem["fields"][0]["field"].as_str(), Some(field), "{problem}");
    }
    Ok(())
}

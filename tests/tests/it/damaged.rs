//! A machine whose row can't be read: the others go on, people are told which column of which machine it is, and mending
//! it is all that is needed.

use anyhow::{Context, Result, ensure};
use provisioner_api::{InstanceState, MachineState};
use provisioner_client::MachineFilter;
use reqwest::{Method, StatusCode};
use rusqlite::Connection;
use tests::{Sim, SimOptions, Site, eventually, gpt_image};

/// Writes into a column of a machine's row as a person with sqlite3 would; what was there.
fn write(site: &Site, machine: &str, facts: &str) -> Result<String> {
    let database = Connection::open(site.folder().join("data/billet.db"))?;
    database.busy_timeout(std::time::Duration::from_secs(10))?;
    let before =
        database.query_row("SELECT facts FROM machine WHERE name = ?", [machine], |row| row.get(0))?;
    let rows = database.execute("UPDATE machine SET facts = ? WHERE name = ?", [facts, machine])?;
    ensure!(rows == 1, "there is one machine {machine}");
    Ok(before)
}

/// Waits until the service counts so many damaged objects.
async fn counts(site: &Site, damaged: u32) -> Result<()> {
    let client = site.client()?;
    let line = format!("\nbillet_damaged {damaged}\n");
    eventually(&format!("{damaged} damaged objects are counted"), async || {
        Ok(client.metrics().await?.contains(&line).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_damaged_machine_stops_no_other_and_is_well_as_soon_as_its_row_is() -> Result<()> {
    let mut site = Site::start().await?;
    let image = gpt_image(site.folder(), "image.raw", 48, 7);
    site.import("test-os", &image).await?;
    let sims = [
        Sim::start(&site, "m1", 1, SimOptions::default()).await?,
        Sim::start(&site, "m2", 2, SimOptions::default()).await?,
    ];
    for sim in &sims {
        site.client()?.add_machine(&sim.enrolment()).await?;
    }
    site.machine_in("m1", MachineState::Available).await?;
    let id = site.machine_in("m2", MachineState::Available).await?.id;
    counts(&site, 0).await?;
    site.kill();
    let whole = write(&site, "m2", "{\"power\":")?;
    site.restart().await?;

    site.create("os1", "test-os", Some("m1")).await?;
    site.instance_in("os1", InstanceState::Running).await?;
    counts(&site, 1).await?;
    let place = format!("machine {id}, column facts");
    let admin = site.connection().token.reveal().to_owned();
    let (status, problem) = site.send(Some(&admin), Method::GET, "/v1/machines/m2", None).await?;
    let problem = problem.context("a problem document")?;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::INTERNAL_SERVER_ERROR, &"damaged".into()),
        "{problem}"
    );
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(&place) && detail.contains("sqlite3"), "{detail}");
    let listed = site.client()?.machines(&MachineFilter::default()).await?;
    let names: Vec<_> = listed.iter().map(|machine| machine.name.as_str()).collect();
    assert_eq!(names, ["m1", "m2"]);
    assert_eq!(listed[0].status.held, None);
    let held = listed[1].status.held.as_ref().context("it is held")?;
    assert!(held.why.contains(&place), "{held:?}");

    write(&site, "m2", &whole)?;
    site.machine_in("m2", MachineState::Available).await?;
    site.create("os2", "test-os", Some("m2")).await?;
    site.instance_in("os2", InstanceState::Running).await?;
    counts(&site, 0).await
}

//! A machine's BMC is written down by the service, so that it can be given away.

use anyhow::{Result, ensure};
use bmc_mock::MemoryChassis;
use bmc_mock::redfish::{Identity, Options, Recording, Server};
use provisioner_api::MachineState;
use std::sync::Arc;
use tests::{Sim, SimOptions, Site};

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_tells_no_secret_and_can_be_replayed() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    client.add_machine(&sim.enrolment()).await?;
    site.machine_in("m1", MachineState::Available).await?;

    let capabilities = client.machine_bmc("m1").await?.capabilities;
    ensure!(capabilities.iter().any(|can| can == "record"), "{capabilities:?}");
    let recording = client.machine_bmc_record("m1").await?.to_string();
    let lower = recording.to_ascii_lowercase();
    let bare = sim.mac.replace(':', "").to_ascii_lowercase();
    let password = sim.enrolment().bmc_password;
    for word in [sim.mac.to_ascii_lowercase(), bare, password.reveal().to_ascii_lowercase()] {
        ensure!(!lower.contains(&word), "{word} is in the recording");
    }
    let recording = Recording::parse(recording.as_bytes())?;
    ensure!(recording.left_out.is_empty() && recording.resources.len() > 40, "{:?}", recording.left_out);
    let options = Options::new("admin", "other", Arc::new(MemoryChassis::new()), Identity::default());
    Server::start("127.0.0.1:0".parse()?, &options.with_recording(&recording)).await?;
    Ok(())
}

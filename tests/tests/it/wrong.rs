//! What is wrong ends in `held` with a sentence, or in a refusal that names the field; never in a guess.

use anyhow::Result;
use provisioner_api::{
    DeleteInstance, ImageFormat, ImageSpec, MachineAction, MachineCreate, MachineState, MachineUpdate, Secret,
};
use provisioner_client::ClientError;
use tests::{Protocol, Sim, SimOptions, Site, eventually, gpt_image};

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_bmc_password_is_held_and_mended() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    for (number, protocol) in [(1, Protocol::Ipmi), (2, Protocol::Redfish)] {
        let name = format!("m{number}");
        let sim = Sim::start(&site, &name, number, SimOptions { protocol, ..SimOptions::default() }).await?;
        let mut enrolment = sim.enrolment();
        enrolment.bmc_password = Secret::new("guess");
        client.add_machine(&enrolment).await?;
        let held = site.machine_held(&name).await?;
        assert!(held.why.contains("admin") && held.why.contains("password"), "{}", held.why);
        assert!(held.choices.iter().any(|choice| choice.contains("retry")), "{:?}", held.choices);
        let mend =
            MachineUpdate { bmc_password: Some(sim.enrolment().bmc_password), ..MachineUpdate::default() };
        client.update_machine(&name, 1, &mend).await?;
        client.machine_action(&name, MachineAction::Retry).await?;
        site.machine_in(&name, MachineState::Available).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bmc_belongs_to_one_machine() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let first = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    client.add_machine(&first.enrolment()).await?;
    let second = Sim::start(&site, "m2", 2, SimOptions::default()).await?;
    let mistyped = MachineCreate { bmc: first.enrolment().bmc, ..second.enrolment() };
    let refused = |error: ClientError| {
        let ClientError::Problem(problem) = error else { panic!("{error}") };
        assert!(
            problem.status == 409 && problem.fields.iter().any(|field| field.field == "bmc"),
            "{problem:?}"
        );
        assert!(problem.to_string().contains("machine `m1` has it"), "{problem:?}");
    };
    refused(client.add_machine(&mistyped).await.unwrap_err());
    client.add_machine(&second.enrolment()).await?;
    let mistyped = MachineUpdate { bmc: Some(first.enrolment().bmc), ..MachineUpdate::default() };
    refused(client.update_machine("m2", 1, &mistyped).await.unwrap_err());
    let kept = client.machine("m2").await?.spec.bmc.map(|bmc| bmc.address);
    assert_eq!(kept, Some(second.enrolment().bmc.address));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_does_not_match_is_refused() -> Result<()> {
    let site = Site::start().await?;
    let image = gpt_image(site.folder(), "image.raw", 8, 1);
    let spec = ImageSpec::disk("bad", format!("sha256:{}", "0".repeat(64)), ImageFormat::Raw);
    let client = site.client()?;
    let error = client.import_image(&spec, &image.path, |_| {}).await.unwrap_err().to_string();
    assert!(
        error.contains(&image.digest["sha256:".len()..]),
        "it names the digest that the file has: {error}"
    );
    assert!(client.images().await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_larger_than_the_disk_is_held() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let sim = Sim::start(&site, "m1", 1, SimOptions { disk_mib: 16, ..SimOptions::default() }).await?;
    client.add_machine(&sim.enrolment()).await?;
    site.machine_in("m1", MachineState::Available).await?;
    let image = gpt_image(site.folder(), "image.raw", 48, 1);
    site.import("large", &image).await?;
    site.create("os", "large", Some("m1")).await?;
    let held =
        eventually("the instance is held", async || Ok(client.instance("os").await?.status.held)).await?;
    assert!(held.why.contains(&(48_u64 << 20).to_string()), "{}", held.why);
    assert!(sim.content()?.iter().all(|byte| *byte == 0));
    client.delete_instance("os", &DeleteInstance::default()).await?;
    site.instance_gone("os").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_rots_in_the_store_never_reaches_a_running_system() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let image = gpt_image(site.folder(), "image.raw", 24, 5);
    site.import("test-os", &image).await?;
    rot(&site.folder().join("data/images/chunks"))?;
    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    client.add_machine(&sim.enrolment()).await?;
    site.create("os", "test-os", None).await?;
    let held = site.machine_held("m1").await?;
    assert!(held.why.contains("write-image"), "{}", held.why);
    assert!(!sim.history().contains(&"disk: phoned home".to_owned()));
    Ok(())
}

/// Flips a bit in one chunk.
pub(super) fn rot(chunks: &std::path::Path) -> Result<()> {
    for folder in std::fs::read_dir(chunks)? {
        if let Some(chunk) = std::fs::read_dir(folder?.path())?.next() {
            let path = chunk?.path();
            let mut bytes = std::fs::read(&path)?;
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            return Ok(std::fs::write(path, bytes)?);
        }
    }
    anyhow::bail!("there is no chunk in {}", chunks.display())
}

//! `billet support-bundle` at a shell: one private file, for administrators alone, and taken down that it was made.

use anyhow::{Result, ensure};
use provisioner_api::MachineState;
use std::{fs::File, io::Read, os::unix::fs::PermissionsExt};
use tests::{Operator, Sim, SimOptions, Site};

#[tokio::test(flavor = "multi_thread")]
async fn a_support_bundle_is_one_private_file() -> Result<()> {
    let site = Site::start().await?;
    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    site.client()?.add_machine(&sim.enrolment()).await?;
    site.machine_in("m1", MachineState::Available).await?;
    let operator = Operator::new()?;
    let admin = operator.client_file("admin.toml", site.connection())?;
    operator.ok(&format!("context add prod --from {admin} --use")).await?;
    operator.ok("support-bundle case.tar.gz --machine m1").await?;
    let path = operator.home().join("case.tar.gz");
    let file = File::open(&path)?;
    ensure!(file.metadata()?.permissions().mode() & 0o777 == 0o600, "for its owner alone");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut readme = String::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.path()?.ends_with("README.txt") {
            entry.read_to_string(&mut readme)?;
        }
    }
    for part in
        ["database.json", "log.txt", "machine/machine.json", "machine/timeline.json", "machine/bmc.json"]
    {
        ensure!(readme.contains(&format!("  {part}: ")), "{part}: {readme}");
    }
    ensure!(readme.contains("All that was asked for could be read."), "{readme}");

    let again = operator.types("support-bundle case.tar.gz").await?;
    ensure!(again.code == 2 && again.err.contains("--force"), "{again:?}");
    operator.ok("support-bundle case.tar.gz --force").await?;
    let missing = operator.types("support-bundle other.tar.gz --machine m9").await?;
    ensure!(missing.code == 5 && missing.err.contains("m9"), "{missing:?}");
    ensure!(!operator.home().join("other.tar.gz").exists(), "and there is no half of one");

    // Who is no administrator is refused.
    let secret = operator.ok("token create looks --role operator --expires 36h").await?;
    let (status, _) = site.send(Some(secret.trim()), reqwest::Method::GET, "/v1/support", None).await?;
    ensure!(status == 403, "{status}");
    let audit = operator.ok("audit list -o wide").await?;
    let told = |outcome: &str| {
        audit
            .lines()
            .any(|line| line.contains("/v1/support") && line.contains("GET") && line.contains(outcome))
    };
    ensure!(told("200") && told("403"), "{audit}");
    Ok(())
}

//! The log of a real process as JSON: each line can be read, and an error has all its causes.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{ProcessSite, SimOptions, ask};

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_json_log_can_be_read() -> Result<()> {
    let site = ProcessSite::start(None).await?;
    let before = site.log()?.len();
    site.restart_with(&[("BILLET__LOG__JSON", "true"), ("BILLET__LOG__FILTER", "debug")]).await?;
    let sim = site.machine("m1", 1, SimOptions::default()).await?;
    site.client()?.add_machine(&sim.enrolment()).await?;
    ask::machine_in(&site.client()?, "m1", provisioner_api::MachineState::Available).await?;
    // Whoever asks whether it is ready finds that it is not.
    std::fs::rename(site.data().join("site.key"), site.data().join("elsewhere"))?;
    site.client()?.support(None).await?;
    let log = site.log()?.split_off(before);
    ensure!(log.len() > 20, "{} lines", log.len());
    let mut lines = Vec::new();
    for line in &log {
        let read: Value = serde_json::from_str(line).with_context(|| line.clone())?;
        for field in ["timestamp", "level", "target", "message"] {
            ensure!(read[field].is_string(), "{field}: {line}");
        }
        read["timestamp"].as_str().context("text")?.parse::<jiff::Timestamp>()?;
        ensure!(read.get("fields").is_none_or(Value::is_object) && !line.contains("\\u001b"), "{line}");
        lines.push(read);
    }
    let said = lines.iter().find(|line| line["message"] == "not ready").context("it is not ready")?;
    let causes = said["fields"]["error"].as_array().context("a list")?;
    ensure!(causes.len() > 1 || causes[0].as_str().is_some_and(|text| text.contains("site.key")), "{said}");
    Ok(())
}

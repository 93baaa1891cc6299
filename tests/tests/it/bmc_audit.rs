//! People have the service audit machines' BMCs.

use anyhow::Result;
use bmc_mock::redfish::{Effect, Fault};
use provisioner_api::{BmcAuditRequest, BmcSeverity, MachineState};
use provisioner_client::ClientError;
use reqwest::StatusCode;
use tests::{Sim, SimOptions, Site};

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_is_told_and_tells_what_is_weak() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    client.add_machine(&sim.enrolment()).await?;
    site.machine_in("m1", MachineState::Available).await?;
    let controls = sim.redfish()?;
    let before = controls.refused_logins();

    // Only what the test itself started is asked.
    let own = BmcAuditRequest { ipmi_port: Some(1), http_port: Some(1), ..BmcAuditRequest::default() };
    let audit = client.machine_bmc_audit("m1", &own).await?;
    let ids: Vec<&str> = audit.findings.iter().map(|finding| finding.id.as_str()).collect();
    assert!(ids.contains(&"certificate-self-signed") && ids.contains(&"no-lock-out"), "{audit:?}");
    assert!(!ids.contains(&"certificate-not-pinned"), "it was pinned at first contact: {audit:?}");
    assert!(audit.findings.iter().all(|finding| finding.severity < BmcSeverity::High), "{audit:?}");
    assert_eq!(controls.refused_logins(), before, "it has no user that a maker delivers: none was tried");

    // The BMC shows its systems to everybody from now on.
    let collection = r#"{"Members": [{"@odata.id": "/redfish/v1/Systems/1"}]}"#;
    let open = Fault::new(Effect::Answer(200, collection.into())).at("/redfish/v1/Systems").by("GET");
    controls.add_fault(open);
    let without = BmcAuditRequest { logins: false, ..own };
    let audit = client.machine_bmc_audit("m1", &without).await?;
    assert!(audit.findings.iter().any(|finding| finding.id == "redfish-anonymous"), "{audit:?}");
    let told: Vec<String> =
        client.machine_events("m1", None).await?.into_iter().map(|event| event.message).collect();
    for text in [
        "an operator audits the BMC, with up to three logins with default passwords",
        "an operator audits the BMC, without logins of others",
        "the audit of the BMC found high: redfish-anonymous;",
    ] {
        assert!(told.iter().any(|message| message.contains(text)), "{text}: {told:?}");
    }

    let wrong = BmcAuditRequest { http_port: Some(0), ..without.clone() };
    let error = client.machine_bmc_audit("m1", &wrong).await.unwrap_err();
    assert!(
        matches!(&error, ClientError::Problem(problem) if problem.fields[0].field == "http_port"),
        "{error:?}"
    );
    let error = client.machine_bmc_audit("nobody", &without).await.unwrap_err();
    assert_eq!(error.status(), Some(StatusCode::NOT_FOUND.as_u16()));
    Ok(())
}

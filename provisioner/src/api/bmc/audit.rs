//! The audit of a machine's BMC. It changes nothing, but its logins may lock users out: so it is asked for and told like
//! a change.

use super::{ApiError, change, reach};
use crate::{api::error::Body, bmc_view as view, clock, service::Service, store::NewEvent};
use axum::{
    Json,
    extract::{Path, State},
};
use provisioner_api::{BmcAudit, BmcAuditRequest, BmcSeverity};
use std::sync::Arc;

/// Says what is weak about the BMC.
#[utoipa::path(
    post, path = provisioner_api::paths::MACHINE_BMC_AUDIT, tag = "bmc",
    request_body = BmcAuditRequest,
    responses((status = 200, body = BmcAudit)),
)]
pub(in crate::api) async fn audit(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<BmcAuditRequest>,
) -> Result<Json<BmcAudit>, ApiError> {
    for (name, port) in
        [("ipmi_port", body.ipmi_port), ("https_port", body.https_port), ("http_port", body.http_port)]
    {
        if port == Some(0) {
            return Err(ApiError::field(name, "a port is a number from 1 to 65535"));
        }
    }
    let reached = reach(&service, &key).await?;
    let logins = if body.logins {
        "with up to three logins with default passwords"
    } else {
        "without logins of others"
    };
    let message = format!("an operator audits the BMC, {logins}");
    let options = view::audit_options(&body);
    let found = match service.bmcs.endpoint(&reached.record).await? {
        Some(endpoint) => {
            let call = service.bmcs.drivers().audit(&*reached.bmc, &endpoint, &options);
            view::audit(change(&service, &reached, message, call).await?)
        }
        None => return Err(super::no_bmc(&reached.record.name)),
    };
    let event = NewEvent::machine(reached.record.id(), "bmc", summary(&found));
    service.store.event_insert(&[event], clock::now()).await?;
    Ok(Json(found))
}

/// What was found, for the timeline.
fn summary(audit: &BmcAudit) -> String {
    let found: Vec<String> = [BmcSeverity::High, BmcSeverity::Medium, BmcSeverity::Low]
        .into_iter()
        .filter_map(|severity| {
            let of_it = audit.findings.iter().filter(|finding| finding.severity == severity);
            let ids: Vec<&str> = of_it.map(|finding| finding.id.as_str()).collect();
            let severity = crate::text::word(&severity);
            (!ids.is_empty()).then(|| format!("{severity}: {}", ids.join(", ")))
        })
        .collect();
    let mut text = match found.is_empty() {
        true => "the audit of the BMC found nothing weak".to_owned(),
        false => format!("the audit of the BMC found {}", found.join("; ")),
    };
    if !audit.unchecked.is_empty() {
        text.push_str("; not all could be looked at");
    }
    text
}

//! `/boot/phone-home/{token}`: the operating system reports in, over plain HTTP because it knows no CA of ours.
//!
//! The token is good for nothing but saying that this instance runs.

use super::error::ApiError;
use crate::{
    clock,
    service::Service,
    store::{InstanceRecord, NewEvent},
    windows,
};
use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, Path, State},
    routing::post,
};
use provisioner_lifecycle::Fact;
use std::{collections::BTreeMap, sync::Arc};

/// What cloud-init's `phone_home` posts is small: host keys and names.
const BODY: usize = 64 * 1024;

/// The route, to be merged into the boot server's.
pub(crate) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/boot/phone-home/{token}", post(report_in))
        .layer(DefaultBodyLimit::max(BODY))
        .with_state(service)
}

async fn report_in(
    State(service): State<Arc<Service>>,
    Path(token): Path<String>,
    Form(form): Form<BTreeMap<String, String>>,
) -> Result<&'static str, ApiError> {
    let unknown = || ApiError::not_found("instance", "by this token");
    let id = windows::instance_of_phone_home(&service.key, &token).ok_or_else(unknown)?;
    let host_keys: Vec<_> = form
        .iter()
        .filter(|(name, key)| name.starts_with("pub_key_") && key.len() < 2048 && !key.contains('\0'))
        .map(|(_, key)| key.trim().to_owned())
        .filter(|key| !key.is_empty() && key != "N/A")
        .collect();
    let hostname = form.get("hostname").map_or("a host without name", String::as_str);
    let message = format!("the operating system reports in as {}", printable(hostname));
    let record = service
        .instance_change(id, |record, now| {
            let mut next = record.clone();
            next.standing.phoned_home = Some(now);
            next.standing.host_keys.clone_from(&host_keys);
            Some((next, vec![NewEvent::instance(id, "os", message.clone())]))
        })
        .await?
        .ok_or_else(unknown)?;
    tell_machine(&service, &record, &message).await?;
    tracing::info!(instance = record.name, at = %clock::now(), "phoned home");
    Ok("ok\n")
}

async fn tell_machine(service: &Service, record: &InstanceRecord, message: &str) -> Result<(), ApiError> {
    if let Some(machine) = record.machine {
        let event = NewEvent::machine(machine, "os", message);
        service.observe(machine, &Fact::PhonedHome { instance: record.id }, &[event]).await?;
    }
    Ok(())
}

/// What strangers send is shown without control characters, and shortened.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

//! What a BMC reports by itself: live as server-sent events, and its subscriptions.

use super::{ApiError, change, reach};
use crate::{
    api::{error::Body, validate::Fields},
    bmc_calls as calls, bmc_view as view,
    service::Service,
    text::without_secrets,
};
use axum::{
    Json,
    body::{Body as Answer, Bytes},
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use bmc::Report;
use provisioner_api::{BmcSubscribe, BmcSubscription, BmcSubscriptionList};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How often a stream without news shows that it is alive: proxies and firewalls drop silent ones.
const ALIVE: Duration = Duration::from_secs(15);

/// What a subscription marks reports with when nothing is said.
const CONTEXT: &str = "billet";

/// The reports from now on, until the client goes, the BMC ends its stream, or the service stops.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_BMC_REPORTS, tag = "bmc",
    summary = "Follows what the BMC reports by itself, as server-sent events",
    responses(
        (status = 200, body = String, content_type = "text/event-stream", description = "The data of each event is a `BmcReport`")
    ),
)]
pub(in crate::api) async fn reports(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Response, ApiError> {
    let reached = reach(&service, &key).await?;
    let reports = reached.ask(calls::follow_reports(&*reached.bmc, &reached.address)).await?;
    let headers = [
        (header::CONTENT_TYPE.as_str(), "text/event-stream"),
        (header::CACHE_CONTROL.as_str(), "no-store"),
        // For proxies that would wait for more.
        ("x-accel-buffering", "no"),
    ];
    let state = (reports, service.stopping.clone());
    let events = futures::stream::unfold(state, async |(mut reports, stopping)| {
        let event = next(&mut reports, &stopping).await?;
        Some((Ok::<_, Infallible>(Bytes::from(event)), (reports, stopping)))
    });
    Ok((headers, Answer::from_stream(events)).into_response())
}

/// The next event, or a comment as a sign of life; none at the end.
async fn next(reports: &mut mpsc::Receiver<Report>, stopping: &CancellationToken) -> Option<String> {
    tokio::select! {
        () = stopping.cancelled() => None,
        report = reports.recv() => {
            // JSON has no line ends outside of strings, and escapes those inside.
            let json = serde_json::to_string(&view::report(report?)).unwrap_or_default();
            Some(format!("data: {json}\n\n"))
        }
        () = tokio::time::sleep(ALIVE) => Some(": alive\n\n".into()),
    }
}

/// Lists the subscriptions to the BMC's reports.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_BMC_SUBSCRIPTIONS, tag = "bmc",
    responses((status = 200, body = BmcSubscriptionList)),
)]
pub(in crate::api) async fn subscriptions(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcSubscriptionList>, ApiError> {
    let reached = reach(&service, &key).await?;
    Ok(Json(reached.ask(calls::subscriptions(&*reached.bmc, &reached.address)).await?))
}

/// Has the BMC post its reports to a URL.
#[utoipa::path(
    post, path = provisioner_api::paths::MACHINE_BMC_SUBSCRIPTIONS, tag = "bmc",
    request_body = BmcSubscribe,
    responses((status = 201, body = BmcSubscription)),
)]
pub(in crate::api) async fn subscribe(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<BmcSubscribe>,
) -> Result<(StatusCode, Json<BmcSubscription>), ApiError> {
    let context = body.context.as_deref().unwrap_or(CONTEXT);
    let mut fields = Fields::default();
    fields.web_url("destination", &body.destination);
    fields.check(
        context.len() <= 128 && !context.chars().any(char::is_control),
        "context",
        "at most 128 bytes without control characters",
    );
    fields.done()?;
    let reached = reach(&service, &key).await?;
    let to = without_secrets(&body.destination);
    let message = format!("an operator has the BMC post its reports to {to}");
    let call = calls::subscribe(&*reached.bmc, &reached.address, &body.destination, context);
    Ok((StatusCode::CREATED, Json(change(&service, &reached, message, call).await?)))
}

/// Ends a subscription to the BMC's reports.
#[utoipa::path(
    delete, path = provisioner_api::paths::MACHINE_BMC_SUBSCRIPTION, tag = "bmc",
    responses((status = 204)),
)]
pub(in crate::api) async fn unsubscribe(
    State(service): State<Arc<Service>>,
    Path((key, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let reached = reach(&service, &key).await?;
    let message = format!("an operator ends subscription `{id}` of the BMC's reports");
    change(&service, &reached, message, calls::unsubscribe(&*reached.bmc, &reached.address, &id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

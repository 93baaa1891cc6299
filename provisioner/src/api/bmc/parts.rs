//! Sensors, event log and other logs, parts, the lamp.

use super::{ApiError, change, reach};
use crate::{
    api::error::{Body, Query},
    bmc_calls as calls,
    service::Service,
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use provisioner_api::{
    BmcFruList, BmcHardware, BmcIdentify, BmcLogEntries, BmcLogList, BmcSel, BmcSelUpdate, BmcSensorList,
};
use serde::Deserialize;
use std::sync::Arc;

/// How many entries of a log are shown when it is not said how many.
const NEWEST: usize = 100;

/// The most entries of a log that can be asked for: some BMCs hand out each by itself.
const MOST: usize = 10_000;

/// Which entries of a log.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Which {
    /// How many.
    #[param(minimum = 1, maximum = 10000, default = 100)]
    newest: Option<usize>,
}

/// Lists the sensors.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_BMC_SENSORS, tag = "bmc",
    responses((status = 200, body = BmcSensorList)),
)]
pub(in crate::api) async fn sensors(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcSensorList>, ApiError> {
    let reached = reach(&service, &key).await?;
    Ok(Json(reached.ask(calls::sensors(&*reached.bmc, &reached.address)).await?))
}

/// Shows the hardware's event log.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_BMC_SEL, tag = "bmc",
    responses((status = 200, body = BmcSel)),
)]
pub(in crate::api) async fn sel(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcSel>, ApiError> {
    let reached = reach(&service, &key).await?;
    Ok(Json(reached.ask(calls::sel(&*reached.bmc, &reached.address)).await?))
}

/// Empties the hardware's event log.
#[utoipa::path(
    delete, path = provisioner_api::paths::MACHINE_BMC_SEL, tag = "bmc",
    responses((status = 204)),
)]
pub(in crate::api) async fn clear_sel(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<StatusCode, ApiError> {
    let reached = reach(&service, &key).await?;
    let message = "an operator empties the hardware's event log".to_owned();
    change(&service, &reached, message, calls::sel_clear(&*reached.bmc, &reached.address)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sets the clock of the hardware's event log.
#[utoipa::path(
    patch, path = provisioner_api::paths::MACHINE_BMC_SEL, tag = "bmc",
    request_body = BmcSelUpdate,
    responses((status = 204)),
)]
pub(in crate::api) async fn set_sel_clock(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<BmcSelUpdate>,
) -> Result<StatusCode, ApiError> {
    let seconds = body.clock.as_second();
    // IPMI counts 32 bits of seconds, and takes the first 2^29 for time since its own start (table 37-1).
    if !(0x2000_0000..0xffff_ffff).contains(&seconds) {
        return Err(ApiError::field("clock", "a BMC's clock holds times from 1987 to 2106"));
    }
    let reached = reach(&service, &key).await?;
    let message = format!("an operator sets the clock of the hardware's event log to {}", body.clock);
    change(&service, &reached, message, calls::sel_clock(&*reached.bmc, &reached.address, body.clock))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the field replaceable units.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_BMC_FRU, tag = "bmc",
    responses((status = 200, body = BmcFruList)),
)]
pub(in crate::api) async fn fru(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcFruList>, ApiError> {
    let reached = reach(&service, &key).await?;
    Ok(Json(reached.ask(calls::fru(&*reached.bmc, &reached.address)).await?))
}

/// Switches the lamp that shows where the machine is.
#[utoipa::path(
    post, path = provisioner_api::paths::MACHINE_BMC_IDENTIFY, tag = "bmc",
    request_body = BmcIdentify,
    responses((status = 204)),
)]
pub(in crate::api) async fn identify(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<BmcIdentify>,
) -> Result<StatusCode, ApiError> {
    let reached = reach(&service, &key).await?;
    let message = match body.seconds {
        None => "an operator switches the lamp on".to_owned(),
        Some(0) => "an operator switches the lamp off".to_owned(),
        Some(seconds) => format!("an operator lets the lamp shine for {seconds} s"),
    };
    change(&service, &reached, message, calls::identify(&*reached.bmc, &reached.address, &body)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows the machine's parts as the BMC knows them.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_BMC_HARDWARE, tag = "bmc",
    responses((status = 200, body = BmcHardware)),
)]
pub(in crate::api) async fn hardware(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcHardware>, ApiError> {
    let reached = reach(&service, &key).await?;
    Ok(Json(reached.ask(calls::hardware(&*reached.bmc, &reached.address)).await?))
}

/// Lists the BMC's logs.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_BMC_LOGS, tag = "bmc",
    responses((status = 200, body = BmcLogList)),
)]
pub(in crate::api) async fn logs(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcLogList>, ApiError> {
    let reached = reach(&service, &key).await?;
    Ok(Json(reached.ask(calls::logs(&*reached.bmc, &reached.address)).await?))
}

/// Lists the newest entries of a log.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_BMC_LOG, tag = "bmc",
    params(Which),
    responses((status = 200, body = BmcLogEntries)),
)]
pub(in crate::api) async fn log(
    State(service): State<Arc<Service>>,
    Path((key, id)): Path<(String, String)>,
    Query(which): Query<Which>,
) -> Result<Json<BmcLogEntries>, ApiError> {
    let newest = which.newest.unwrap_or(NEWEST);
    if !(1..=MOST).contains(&newest) {
        return Err(ApiError::field("newest", format!("1 to {MOST} entries can be asked for")));
    }
    let reached = reach(&service, &key).await?;
    Ok(Json(reached.ask(calls::log(&*reached.bmc, &reached.address, &id, newest)).await?))
}

/// Empties a log.
#[utoipa::path(
    delete, path = provisioner_api::paths::MACHINE_BMC_LOG, tag = "bmc",
    responses((status = 204)),
)]
pub(in crate::api) async fn clear_log(
    State(service): State<Arc<Service>>,
    Path((key, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let reached = reach(&service, &key).await?;
    let message = format!("an operator empties the BMC's log `{id}`");
    change(&service, &reached, message, calls::log_clear(&*reached.bmc, &reached.address, &id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! A machine's BMC written down, without secrets and without what tells whose it is.

use super::{ApiError, bounded_by, reach};
use crate::{bmc_calls as calls, service::Service};
use axum::{
    Json,
    extract::{Path, State},
};
use bmc::{RecordSettings, Recording};
use std::{sync::Arc, time::Duration};

/// For how long a BMC is read; what is left then is left out.
const READING: Duration = Duration::from_secs(900);

/// For how long one may take in all.
const PATIENCE: Duration = Duration::from_secs(960);

/// Records what the BMC answers to reading.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_BMC_RECORD, tag = "bmc",
    responses((status = 200, body = Object)),
)]
pub(in crate::api) async fn record(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<Recording>, ApiError> {
    let reached = reach(&service, &key).await?;
    let settings = RecordSettings { patience: READING, ..RecordSettings::default() };
    let call = calls::record(&*reached.bmc, &reached.address, settings, &|_, _| {});
    match bounded_by(PATIENCE, call).await? {
        Ok(recording) => Ok(Json(recording)),
        Err(error) => {
            reached.note(&error).await?;
            Err(error.into())
        }
    }
}

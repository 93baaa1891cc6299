//! `/metrics`, for Prometheus, by token like everything else.

use super::error::ApiError;
use crate::{metrics, service::Service};
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// Shows the metrics, in the text format of OpenMetrics.
#[utoipa::path(
    get, path = provisioner_api::paths::METRICS, tag = "service",
    operation_id = "metrics",
    responses((status = 200, body = String, content_type = "application/openmetrics-text")),
)]
pub(crate) async fn show(State(service): State<Arc<Service>>) -> Result<Response, ApiError> {
    let text = metrics::text(&service).await?;
    Ok(([(header::CONTENT_TYPE, metrics::MEDIA_TYPE)], text).into_response())
}

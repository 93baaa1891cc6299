//! `/metrics`, for Prometheus, by token like everything else.

use super::error::ApiError;
use crate::{metrics, service::Service};
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use std::sync::Arc;

pub(crate) async fn show(State(service): State<Arc<Service>>) -> Result<Response, ApiError> {
    let text = metrics::text(&service).await?;
    Ok(([(header::CONTENT_TYPE, metrics::MEDIA_TYPE)], text).into_response())
}

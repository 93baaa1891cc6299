//! Faults that concern every request, and the headers that every answer has.

use super::answer::error;
use super::state::Shared;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Misbehaves as asked, else hands the request on.
pub(super) async fn misbehave(State(state): State<Shared>, request: Request, next: Next) -> Response {
    let _in_flight = state.controls.began();
    let faults = state.controls.faults().clone();
    if faults.silent {
        std::future::pending::<()>().await;
    }
    if state.controls.count_down(|faults| &mut faults.unavailable) {
        let message = "The service is temporarily unavailable.";
        return error(StatusCode::SERVICE_UNAVAILABLE, "ServiceTemporarilyUnavailable", message, "Retry.");
    }
    if let Some(to) = faults.redirect.and_then(|to| HeaderValue::from_str(&to).ok()) {
        return (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, to)]).into_response();
    }
    let mut response = next.run(request).await;
    if faults.padding > 0 {
        response = padded(response, faults.padding).await;
    }
    let headers = response.headers_mut();
    headers.insert("OData-Version", HeaderValue::from_static("4.0"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

async fn padded(response: Response, padding: usize) -> Response {
    let (mut parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.remove(CONTENT_LENGTH);
    let mut padded = body.to_vec();
    padded.resize(body.len() + padding, b' ');
    Response::from_parts(parts, Body::from(Bytes::from(padded)))
}

//! Who asks: operators by API token, agents by the session that their claim gave them.

use super::error::ApiError;
use crate::{keys::sha256_hex, service::Service, sessions};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::Response,
};
use std::sync::Arc;

/// Whose API token a request carries.
#[derive(Debug, Clone)]
pub(crate) struct Operator(pub(crate) String);

/// Lets nobody through but holders of an API token; tells handlers whose it is.
pub(crate) async fn operator(
    State(service): State<Arc<Service>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let token = bearer(request.headers()).ok_or_else(|| {
        unauthorized("this needs a token: `Authorization: Bearer …`; the first one is in admin.toml in the data folder")
    })?;
    // Tokens carry 256 random bits, so a plain hash is enough and the look-up leaks nothing by its time.
    match service.store.token_name(&sha256_hex(token)).await? {
        Some(name) => {
            request.extensions_mut().insert(Operator(name));
            Ok(next.run(request).await)
        }
        None => Err(unauthorized("this token is not known here")),
    }
}

/// Lets nobody through but agents with a session.
pub(crate) async fn session(
    State(service): State<Arc<Service>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let refused = || unauthorized("this needs the session of a claimed boot window");
    let token = bearer(request.headers()).ok_or_else(refused)?;
    let session = sessions::session(&service, token).await?.ok_or_else(refused)?;
    request.extensions_mut().insert(session);
    Ok(next.run(request).await)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn unauthorized(detail: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
}

//! Who may ask: a session's token or Basic authentication on all but the entry and the login.

use super::answer::error;
use super::state::Shared;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Lets a request through that is open to all or proves itself.
pub(super) async fn check(State(state): State<Shared>, request: Request, next: Next) -> Response {
    if is_open(request.method(), request.uri().path()) || proves_itself(&state, request.headers()) {
        return next.run(request).await;
    }
    refusal()
}

/// 401, as for a wrong password or a session that is gone.
pub(super) fn refusal() -> Response {
    let message = "While attempting to establish a connection, the service was denied access.";
    let mend =
        "Attempt to ensure that the URI is correct and that the service has the appropriate credentials.";
    let mut response = error(StatusCode::UNAUTHORIZED, "AccessDenied", message, mend);
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"BMC\""));
    response
}

/// What DSP0266 section 13.3.1 leaves open.
fn is_open(method: &Method, path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    match *method {
        Method::GET => matches!(path, "/redfish" | "/redfish/v1" | "/redfish/v1/odata"),
        Method::POST => path == "/redfish/v1/SessionService/Sessions",
        _ => false,
    }
}

fn proves_itself(state: &Shared, headers: &HeaderMap) -> bool {
    if let Some(token) = headers.get("X-Auth-Token") {
        return state.sessions().touch(token.as_bytes(), tokio::time::Instant::now());
    }
    let known = basic(headers).is_some_and(|(username, password)| state.knows(&username, &password));
    if known {
        state.controls.used_basic();
    }
    known
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, code) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let plain = String::from_utf8(STANDARD.decode(code.trim()).ok()?).ok()?;
    let (username, password) = plain.split_once(':')?;
    scheme.eq_ignore_ascii_case("basic").then(|| (username.into(), password.into()))
}

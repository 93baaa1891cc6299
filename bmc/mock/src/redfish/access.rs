//! Who may ask: a session's token or Basic authentication on all but the entry and the login, and the role's rights.

use super::answer::{Refusal, error};
use super::state::Shared;
use super::users::Caller;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::time::Instant;

const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

/// Who asks, if it is somebody who may. `None`: it is open to all.
pub(super) fn check(bmc: &Shared, head: &Parts) -> Result<Option<Caller>, Refusal> {
    let path = super::tree::trimmed(head.uri.path());
    if is_open(&head.method, path) {
        return Ok(None);
    }
    let caller = identify(bmc, &head.headers).ok_or_else(|| Box::new(refusal(bmc)))?;
    let own = path == format!("{}/{}", bmc.places().accounts, caller.id);
    let logs_out = head.method == Method::DELETE && is_session_of(bmc, path, &caller);
    if caller.must_change && !own && !logs_out {
        return Err(must_change(bmc, &caller).into());
    }
    if !own && !logs_out && !may(&caller.role, &head.method, path, bmc) {
        return Err(forbidden().into());
    }
    Ok(Some(caller))
}

fn is_session_of(bmc: &Shared, path: &str, caller: &Caller) -> bool {
    let id = path.strip_prefix(SESSIONS).and_then(|rest| rest.strip_prefix('/'));
    id.is_some_and(|id| bmc.sessions().owner(id) == Some(caller.id.as_str()))
}

/// 401, as for a wrong password or a session that is gone.
pub(super) fn refusal(bmc: &Shared) -> Response {
    let message = "While attempting to establish a connection, the service was denied access.";
    let mend =
        "Attempt to ensure that the URI is correct and that the service has the appropriate credentials.";
    let mut response = error(StatusCode::UNAUTHORIZED, "AccessDenied", message, mend);
    if !bmc.controls.faults().no_basic {
        let basic = HeaderValue::from_static("Basic realm=\"BMC\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, basic);
    }
    response
}

/// 403 for a role that has not the right.
pub(super) fn forbidden() -> Response {
    let message = "There are insufficient privileges for the account or credentials associated with the current \
                   session to perform the requested operation.";
    let mend =
        "Either abandon the operation or change the associated access rights and resubmit the request.";
    error(StatusCode::FORBIDDEN, "InsufficientPrivilege", message, mend)
}

/// 403 until a user has a new password (DSP0266 section 13.2.6.1).
pub(super) fn must_change(bmc: &Shared, caller: &Caller) -> Response {
    let account = format!("{}/{}", bmc.places().accounts, caller.id);
    let message = format!(
        "The password provided for this account must be changed before access is granted. PATCH the Password property \
         for this account located at the target URI '{account}' to complete this process."
    );
    let mend =
        "Change the password for this account using a PATCH to the Password property at the URI provided.";
    error(StatusCode::FORBIDDEN, "PasswordChangeRequired", &message, mend)
}

/// What DSP0266 section 13.3.1 leaves open.
fn is_open(method: &Method, path: &str) -> bool {
    match *method {
        Method::GET | Method::HEAD => {
            matches!(path, "/redfish" | "/redfish/v1" | "/redfish/v1/odata" | "/redfish/v1/$metadata")
        }
        Method::POST => path.strip_suffix("/Members").unwrap_or(path) == SESSIONS,
        _ => false,
    }
}

/// DSP0266 section 13.2.3: readers read; operators change what is not the BMC's or its users'.
fn may(role: &str, method: &Method, path: &str, bmc: &Shared) -> bool {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match role {
        "ReadOnly" | "ReadOnlyUser" | "None" => reads,
        "Operator" => {
            let places = bmc.places();
            let guarded = path.starts_with("/redfish/v1/AccountService")
                || path.starts_with("/redfish/v1/SessionService")
                || path.starts_with("/redfish/v1/UpdateService")
                || path.starts_with(&places.accounts)
                || (path.starts_with(&places.manager) && !path.contains("/VirtualMedia"));
            reads || !guarded
        }
        _ => true,
    }
}

fn identify(bmc: &Shared, headers: &HeaderMap) -> Option<Caller> {
    if let Some(token) = headers.get("X-Auth-Token") {
        let id = bmc.sessions().touch(token.as_bytes(), Instant::now())?;
        return bmc.users().caller(&id);
    }
    if bmc.controls.faults().no_basic {
        return None;
    }
    let (name, password) = basic(headers)?;
    let caller = bmc.users().login(&name, &password, Instant::now());
    match caller {
        Some(_) => bmc.controls.used_basic(),
        None => bmc.controls.refused_login(),
    }
    caller
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, code) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let plain = String::from_utf8(STANDARD.decode(code.trim()).ok()?).ok()?;
    let (username, password) = plain.split_once(':')?;
    scheme.eq_ignore_ascii_case("basic").then(|| (username.into(), password.into()))
}

//! `/v1/login`, `/v1/logout`, `/v1/whoami`: from a password to a token that ends by itself, and back.
//!
//! A wrong name and a wrong password are answered alike, after the same work. Each try stands in the audit log before it is
//! answered; of a name that nobody has only that it was tried, since people type passwords there.

use super::{
    audit,
    auth::{bearer, unauthorized},
    caller::Caller,
    error::{ApiError, Body},
};
use crate::{
    clock, config, first_start,
    keys::sha256_hex,
    listener::Peer,
    logins::PasswordError,
    service::{Service, ServiceError},
    store::UserRecord,
};
use axum::{
    Extension, Json,
    body::Body as RawBody,
    extract::{ConnectInfo, FromRequest, Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use provisioner_api::{AuditEntry, AuditOutcome, LoggedIn, Login, Secret, WhoAmI, WhoKind, paths};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// Logs a user in. The secret is told this once.
#[utoipa::path(
    post, path = provisioner_api::paths::LOGIN, tag = "users", security(()),
    summary = "Logs a user in",
    request_body = Login,
    responses(
        (status = 200, body = LoggedIn, headers(("cache-control" = String, description = "`no-store`: it has the secret"))),
        (status = 401)
    ),
)]
pub(crate) async fn login(
    State(service): State<Arc<Service>>,
    request: Request<RawBody>,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let again = Request::from_parts(parts.clone(), body);
    let Body(asked) = Body::<Login>::from_request(again, &()).await?;
    let tracked = Arc::clone(&service);
    // Of its own, so that whoever goes away is counted and taken down all the same.
    match tracked.deeds.spawn(judged(service, parts, asked)).await {
        Ok(answer) => answer,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(ApiError::internal(&error)),
    }
}

/// Ends the log-in with whose token it is asked.
#[utoipa::path(
    post, path = provisioner_api::paths::LOGOUT, tag = "users",
    responses((status = 204), (status = 409)),
)]
pub(crate) async fn logout(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    if !caller.is_login() {
        let name = caller.name();
        let detail = format!(
            "token `{name}` was not got by a log-in; `billet token revoke {name}` takes it away for good"
        );
        return Err(ApiError::new(StatusCode::CONFLICT, "refused", detail));
    }
    // Without one nobody gets here.
    let token = bearer(&headers).unwrap_or_default();
    service.store.session_delete(&sha256_hex(token)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows who asks.
#[utoipa::path(
    get, path = provisioner_api::paths::WHOAMI, tag = "users",
    responses((status = 200, body = WhoAmI)),
)]
pub(crate) async fn whoami(Extension(caller): Extension<Caller>) -> Json<WhoAmI> {
    Json(WhoAmI {
        name: caller.name().to_owned(),
        kind: if caller.is_login() { WhoKind::User } else { WhoKind::Token },
        role: caller.role(),
        pools: caller.pools().map(<[_]>::to_vec),
        expires: caller.expires(),
    })
}

/// Judges a try, and takes it down.
async fn judged(service: Arc<Service>, parts: Parts, asked: Login) -> Result<Response, ApiError> {
    let address = parts.extensions.get::<ConnectInfo<Peer>>().map(|peer| peer.0.0.ip());
    let mut entry = audit::entry(paths::LOGIN, &parts);
    // What nobody can be called is one name, so that what is remembered stays small.
    let name = config::value::dns_label(&asked.user).ok();
    let counted = name.clone().unwrap_or_default();
    let user = match &name {
        Some(name) => service.store.user_find(name).await.map_err(ServiceError::from)?,
        None => None,
    };
    entry.user = user.as_ref().map(|user| user.name.clone());
    let attempt = match service.logins.attempts.begin(&counted, address, Instant::now()) {
        Ok(attempt) => attempt,
        Err(wait) => {
            denied(&service, entry, StatusCode::TOO_MANY_REQUESTS).await;
            return Ok(limited(wait));
        }
    };
    let hash = user.as_ref().map(|user| user.password.clone());
    let judged = match service.logins.passwords.verify(hash, asked.password).await {
        // Also of one that is disabled it is first looked whether the password is right.
        Ok(right) => begun(&service, user.filter(|user| right && !user.disabled)).await,
        Err(PasswordError::Busy) => {
            service.logins.attempts.take_back(&attempt, Instant::now());
            return Ok(busy());
        }
        Err(error) => Err(ApiError::internal(&error)),
    };
    match judged {
        Ok(Some((user, answer))) => {
            service.logins.attempts.succeed(attempt, Instant::now());
            entry.role = Some(user.role);
            audit::told(&service, entry, AuditOutcome::Done, StatusCode::OK, false).await?;
            tracing::info!(
                user = user.name,
                address = address.map(tracing::field::display),
                "a user logged in"
            );
            Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
        }
        Ok(None) => {
            denied(&service, entry, StatusCode::UNAUTHORIZED).await;
            Err(refused())
        }
        Err(error) => {
            service.logins.attempts.take_back(&attempt, Instant::now());
            Err(error)
        }
    }
}

/// Begins the log-in of a user whose password was right, if they were not changed meanwhile.
pub(super) async fn begun(
    service: &Service,
    user: Option<UserRecord>,
) -> Result<Option<(UserRecord, LoggedIn)>, ApiError> {
    let Some(user) = user else { return Ok(None) };
    check_room(service, &user.name)?;
    opened(service, user).await
}

/// Whether a user may log in once more; it counts as done.
///
/// # Errors
/// 429 when they did so too often.
pub(super) fn check_room(service: &Service, user: &str) -> Result<(), ApiError> {
    // Each is an entry of the audit log that stays for ever.
    if !service.audit.may_change(&format!("log-ins of {user}"), clock::now()) {
        let detail = format!(
            "user `{user}` logged in more than {} times in ten minutes; go on later, or keep the token",
            crate::audit::CHANGES
        );
        return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "limit", detail));
    }
    Ok(())
}

/// Begins a log-in for which there is room.
pub(super) async fn opened(
    service: &Service,
    user: UserRecord,
) -> Result<Option<(UserRecord, LoggedIn)>, ApiError> {
    let now = clock::now();
    let expires = now.saturating_add(service.config.api.session).unwrap_or(Timestamp::MAX);
    let secret: Secret = first_start::first_token().map_err(|error| ApiError::internal(&error))?;
    let hash = sha256_hex(secret.reveal());
    if !service.store.session_insert(&hash, &user, (now, expires)).await? {
        return Ok(None);
    }
    let who = WhoAmI {
        name: user.name.clone(),
        kind: WhoKind::User,
        role: user.role,
        pools: user.pools.clone(),
        expires: Some(expires),
    };
    Ok(Some((user, LoggedIn { who, secret })))
}

/// Takes down that somebody was refused, who is refused even if that can't be taken down.
async fn denied(service: &Arc<Service>, entry: AuditEntry, status: StatusCode) {
    let _ = audit::told(service, entry, AuditOutcome::Denied, status, false).await;
}

/// One sentence, whichever of the two was wrong.
fn refused() -> ApiError {
    let detail = "user or password is wrong, or the user is disabled; an administrator sets another password with `billet user set NAME --new-password`";
    unauthorized("unauthorized", detail)
}

/// Too many tries.
pub(super) fn limited(wait: Duration) -> Response {
    // A part of a second is one more: who comes when told gets through.
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    later(seconds, format!("too many log-ins failed; try again in {seconds} s"))
}

/// Too many at once.
pub(super) fn busy() -> Response {
    later(1, PasswordError::Busy.to_string())
}

fn later(seconds: u64, detail: String) -> Response {
    let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "limit", detail);
    ([(header::RETRY_AFTER, seconds.to_string())], error).into_response()
}

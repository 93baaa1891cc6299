//! `/v1/password`: a user changes the own password. Deliberately not here: an administrator who sets another's (`users`).

use super::{
    auth::still_held,
    caller::Caller,
    error::{ApiError, Body},
    login::{busy, check_room, limited, opened},
    users::{check_password, found, hashed, stale},
    validate::Fields,
};
use crate::{
    listener::Peer,
    logins::PasswordError,
    service::Service,
    store::{UserRecord, UserSwap},
};
use axum::{
    Extension, Json,
    extract::{ConnectInfo, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use provisioner_api::{LoggedIn, PasswordChange};
use std::sync::Arc;
use tokio::time::Instant;

/// Changes the password of who asks. All their log-ins end; the answer is a new one.
#[utoipa::path(
    post, path = provisioner_api::paths::PASSWORD, tag = "users",
    summary = "Changes one's own password",
    operation_id = "change_password",
    request_body = PasswordChange,
    responses(
        (status = 200, body = LoggedIn, headers(("cache-control" = String, description = "`no-store`: it has the secret"))),
        (status = 409), (status = 412), (status = 429)
    ),
)]
pub(crate) async fn change(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    peer: Option<Extension<ConnectInfo<Peer>>>,
    Body(body): Body<PasswordChange>,
) -> Result<Response, ApiError> {
    let name = caller.name();
    if !caller.is_login() {
        let detail = format!("token `{name}` has no password, users have; log in with `billet login` first");
        return Err(ApiError::new(StatusCode::CONFLICT, "refused", detail));
    }
    let mut fields = Fields::default();
    check_password(&mut fields, "new", &body.new, name);
    fields.check(body.old.reveal() != body.new.reveal(), "new", "it is the old one; choose another");
    fields.done()?;
    let before = found(&service, name).await?;
    // Whoever found a log-in must not guess the password by it either.
    let address = peer.map(|peer| peer.0.0.0.ip());
    let attempt = match service.logins.attempts.begin(name, address, Instant::now()) {
        Ok(attempt) => attempt,
        Err(wait) => return Ok(limited(wait)),
    };
    match service.logins.passwords.verify(Some(before.password.clone()), body.old).await {
        Ok(true) => service.logins.attempts.succeed(attempt, Instant::now()),
        Ok(false) => return Err(ApiError::field("old", "it is not your password; nothing was changed")),
        Err(PasswordError::Busy) => {
            service.logins.attempts.take_back(&attempt, Instant::now());
            return Ok(busy());
        }
        Err(error) => {
            service.logins.attempts.take_back(&attempt, Instant::now());
            return Err(ApiError::internal(&error));
        }
    }
    let next = UserRecord { password: hashed(&service, body.new).await?, ..before.clone() };
    // What would refuse the new log-in is asked before anything is changed.
    check_room(&service, name)?;
    still_held().await?;
    match service.store.user_update(&before, &next).await? {
        UserSwap::Updated => tracing::info!(user = name, "a user changed the own password"),
        // A password alone takes no way in away.
        UserSwap::Stale | UserSwap::Last => return Err(stale(name)),
    }
    let next = UserRecord { version: before.version + 1, ..next };
    match opened(&service, next).await {
        Ok(Some((_, answer))) => Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()),
        Ok(None) => Err(changed(StatusCode::CONFLICT, "conflict")),
        Err(error) => Err(changed(error.status(), "internal")),
    }
}

/// The password is another, and no log-in came of it: nobody is to think that the old one is still good.
fn changed(status: StatusCode, kind: &str) -> ApiError {
    let detail = "your password was changed and all your log-ins ended, but no new one could be begun; log in with the new password";
    ApiError::new(status, kind, detail)
}

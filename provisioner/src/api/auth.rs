//! Who asks, and whether they may: people and programs by API token, agents by the session that their claim gave them.
//! Every route is guarded here by the policy that it names; nothing is done before.

use super::{
    audit,
    caller::{Caller, forbidden},
    error::ApiError,
    policy::{Of, Policy, Who},
};
use crate::{
    clock,
    keys::sha256_hex,
    service::{Service, ServiceError},
    sessions,
    store::TokenRecord,
};
use axum::{
    body::Body,
    extract::{FromRequestParts, RawPathParams, Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use provisioner_api::{AuditOutcome, paths};
use std::{sync::Arc, time::Duration};

/// How often it is taken down that a token is used.
const USED: SignedDuration = SignedDuration::from_secs(60);

/// How often it is looked whether who follows something still may.
const LOOK: Duration = Duration::from_secs(2);

/// A route as the guard needs it.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) service: Arc<Service>,
    pub(super) path: &'static str,
    pub(super) policy: Policy,
    pub(super) ends: Ends,
    /// Whether who asks is taken down.
    pub(super) told: bool,
    /// The largest body that is looked into.
    pub(super) body: usize,
}

/// When what a route does is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// When it is done, also when the client goes away meanwhile: what is asked of a BMC takes several commands, and what
    /// was written has to be told to the reconciler, which nobody would do any more.
    Done,
    /// When it is done, or the client goes away: nothing is changed by it.
    WithClient,
    /// It is followed, until the client goes away or may not follow it any more.
    Never,
}

/// Lets nobody through whom the route's policy doesn't name; tells handlers who it is.
pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let answer = match guard.policy.who {
        Who::Anybody => Ok(next.run(request).await),
        Who::Agent => agent(&guard, request, next).await,
        Who::Roles(_) => person(&guard, request, next).await,
    };
    answer.unwrap_or_else(IntoResponse::into_response)
}

async fn agent(guard: &Guard, mut request: Request, next: Next) -> Result<Response, ApiError> {
    let refused = || unauthorized("unauthorized", "this needs the session of a claimed boot window");
    let token = bearer(request.headers()).ok_or_else(refused)?;
    let session = sessions::session(&guard.service, token).await?.ok_or_else(refused)?;
    request.extensions_mut().insert(session);
    Ok(next.run(request).await)
}

async fn person(guard: &Guard, request: Request, next: Next) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let mut asks = None;
    let admitted = admitted(guard, &mut parts, &mut asks).await;
    let (caller, hash) = match admitted {
        Ok(admitted) => admitted,
        Err(error) => {
            denied(guard, &parts, asks.as_ref(), error.status()).await;
            return Err(error);
        }
    };
    if guard.told {
        parts.extensions.insert(caller.clone());
        return audited(guard, &caller, (parts, body), next).await;
    }
    parts.extensions.insert(caller);
    let response = next.run(Request::from_parts(parts, body)).await;
    if guard.ends == Ends::Never {
        return Ok(response.map(|body| while_known(body, Arc::clone(&guard.service), hash)));
    }
    Ok(response)
}

/// Takes down that somebody was refused. It changed nothing, so they are refused even if that can't be taken down.
async fn denied(guard: &Guard, parts: &Parts, asks: Option<&Caller>, status: StatusCode) {
    // What the database could not answer is no denial.
    if status.is_server_error() {
        return;
    }
    let mut entry = audit::entry(guard.path, parts);
    asks.iter().for_each(|caller| audit::by(&mut entry, caller));
    let _ = audit::told(&guard.service, entry, AuditOutcome::Denied, status, false).await;
}

/// Does what is asked, and takes down who asked for what and what came of it before it is answered.
async fn audited(
    guard: &Guard,
    caller: &Caller,
    (parts, body): (Parts, Body),
    next: Next,
) -> Result<Response, ApiError> {
    let mut entry = audit::entry(guard.path, &parts);
    audit::by(&mut entry, caller);
    let body = audit::read(&mut entry, &parts, body, guard.body).await?;
    let service = Arc::clone(&guard.service);
    // Typing is many requests a second; that somebody types is enough.
    let seldom = guard.path == paths::MACHINE_CONSOLE;
    let work = async move {
        let response = next.run(Request::from_parts(parts, body)).await;
        let status = response.status();
        match audit::told(&service, entry, audit::outcome(status), status, seldom).await {
            Ok(()) => response,
            Err(error) => error.into_response(),
        }
    };
    if guard.ends == Ends::Done { to_the_end(work).await } else { Ok(work.await) }
}

/// Who asks, with the hash of their token, if they may.
async fn admitted(
    guard: &Guard,
    parts: &mut Parts,
    asks: &mut Option<Caller>,
) -> Result<(Caller, String), ApiError> {
    let hash = sha256_hex(bearer(&parts.headers).ok_or_else(|| {
        unauthorized(
            "unauthorized",
            "this needs a token: `Authorization: Bearer …`; the first one is in admin.toml in the data folder",
        )
    })?);
    let caller = asks.insert(Caller(known(&guard.service, &hash).await?)).clone();
    valid(&guard.service, &caller, &hash)?;
    may(guard, &caller, parts).await?;
    Ok((caller, hash))
}

async fn to_the_end(work: impl Future<Output = Response> + Send + 'static) -> Result<Response, ApiError> {
    match tokio::spawn(work).await {
        Ok(response) => Ok(response),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(ApiError::internal(&error)),
    }
}

/// The token with this hash.
async fn known(service: &Service, hash: &str) -> Result<Arc<TokenRecord>, ApiError> {
    // Tokens carry 256 random bits, so a plain hash is enough and the look-up leaks nothing by its time.
    let found = service.store.token_find(hash).await.map_err(ServiceError::from)?;
    found.ok_or_else(|| unauthorized("unauthorized", "this token is not known here"))
}

/// Whether it may be used now. That it is used is taken down, now and then.
fn valid(service: &Arc<Service>, caller: &Caller, hash: &str) -> Result<(), ApiError> {
    let (token, now) = (&caller.0, clock::now());
    if token.is_expired(now) {
        return Err(expired(token));
    }
    if token.used.is_none_or(|used| now.duration_since(used) >= USED) {
        note_use(service, hash, now);
    }
    Ok(())
}

/// Nobody waits for it, and nobody fails by it.
fn note_use(service: &Arc<Service>, hash: &str, now: Timestamp) {
    if !service.used_tokens.is_due(hash, now) {
        return;
    }
    let (service, hash) = (Arc::clone(service), hash.to_owned());
    tokio::spawn(async move {
        if let Err(error) = service.store.token_used(&hash, now).await {
            tracing::debug!(%error, "that a token is used can't be taken down");
        }
    });
}

/// Whether the policy lets somebody through, of what the path names.
async fn may(guard: &Guard, caller: &Caller, parts: &mut Parts) -> Result<(), ApiError> {
    let Who::Roles(roles) = guard.policy.who else { return Ok(()) };
    if !roles.contains(&caller.role()) {
        return Err(forbidden(format!(
            "the role of token `{}` is {}, and this needs one of: {}",
            caller.name(),
            caller.role().word(),
            guard.policy.who_in_words()
        )));
    }
    let Some(pools) = caller.pools() else { return Ok(()) };
    let kind = match guard.policy.of {
        Of::Shared | Of::Own => return Ok(()),
        Of::Everything => {
            return Err(forbidden(format!(
                "token `{}` is for the pools {}, and this concerns all; it needs a token for all pools",
                caller.name(),
                pools.join(", ")
            )));
        }
        Of::Machine | Of::MachineOrMac => "machine",
        Of::Instance => "instance",
    };
    let key = named(parts, kind).await?;
    let service = &guard.service;
    let theirs = match guard.policy.of {
        Of::Instance => caller.has_instance(service, &key).await?,
        of => {
            let mac = of == Of::MachineOrMac;
            caller.machine(service, &key).await?.is_some() || mac && caller.has_mac(service, &key).await?
        }
    };
    if theirs { Ok(()) } else { Err(ApiError::not_found(kind, &key)) }
}

/// What the path names in this place.
async fn named(parts: &mut Parts, place: &str) -> Result<String, ApiError> {
    let unreadable = || ApiError::new(StatusCode::BAD_REQUEST, "invalid", "the path is not UTF-8");
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| unreadable())?;
    let found = params.iter().find(|(name, _)| *name == place).map(|(_, value)| value.to_owned());
    // A test looks that each route whose policy needs it has that place; without it nobody gets through.
    found.ok_or_else(|| ApiError::not_found(place, ""))
}

/// A stream that ends when the token isn't good any more.
fn while_known(body: Body, service: Arc<Service>, hash: String) -> Body {
    let over = async move {
        loop {
            tokio::time::sleep(LOOK).await;
            match service.store.token_find(&hash).await {
                Ok(Some(token)) if !token.is_expired(clock::now()) => {}
                // It is asked again; who can't reach the database revokes nothing.
                Err(_) => {}
                Ok(_) => return,
            }
        }
    };
    Body::from_stream(body.into_data_stream().take_until(Box::pin(over)))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn unauthorized(kind: &str, detail: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, kind, detail)
}

fn expired(token: &TokenRecord) -> ApiError {
    let at = token.expires.map(|at| format!(" at {at:.0}")).unwrap_or_default();
    unauthorized(
        "expired",
        format!(
            "token `{}` expired{at}; an administrator makes another with `billet token create`, after `billet token revoke {}` under the same name",
            token.name, token.name
        ),
    )
}

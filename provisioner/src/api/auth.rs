//! Who asks, and whether they may: people and programs by API token, agents by the session that their claim gave them.
//! Every route is guarded here by the policy that it names; nothing is done before. What they send and what they follow is
//! for `held`.

mod held;
mod untold;

pub(super) use self::held::{Held, still_held};
pub(crate) use self::untold::end_deeds;
use self::{held::whole, untold::Untold};
use super::{
    audit,
    caller::{Caller, forbidden},
    error::ApiError,
    once::{Once, REPLAYED},
    policy::{Of, Policy, Who},
    rate::{self, Refused},
    readable,
};
use crate::{
    clock,
    keys::sha256_hex,
    rate::{Asks, Place},
    service::{Service, ServiceError},
    sessions,
    store::TokenRecord,
};
use axum::{
    body::{Body, Bytes},
    extract::{FromRequestParts, RawPathParams, Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use provisioner_api::{AuditOutcome, MachineId, Role, paths};
use std::sync::Arc;

/// How often it is taken down that a token is used.
const USED: SignedDuration = SignedDuration::from_secs(60);

/// A route as the guard needs it.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) service: Arc<Service>,
    pub(super) path: &'static str,
    pub(super) policy: Policy,
    pub(super) ends: Ends,
    /// Whether who asks is taken down.
    pub(super) told: bool,
    /// The largest body, image uploads aside.
    pub(super) body: usize,
    /// Its body is a file of any size, which goes to the handler as it comes.
    pub(super) upload: bool,
    /// Its answer is a file of any size, which breaks off when who asked for it may not have it any more.
    pub(super) download: bool,
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
        Who::Anybody => anybody(&guard, request, next).await,
        Who::Agent => agent(&guard, request, next).await,
        Who::Roles(_) => person(&guard, request, next).await,
    };
    answer.unwrap_or_else(IntoResponse::into_response)
}

async fn anybody(guard: &Guard, request: Request, next: Next) -> Result<Response, ApiError> {
    // That the process answers has to show, however often it is asked.
    if guard.path == paths::HEALTH {
        return Ok(next.run(request).await);
    }
    let (parts, body) = request.into_parts();
    let address = rate::address(&parts.extensions);
    let is_agent = guard.path == paths::AGENT_CLAIM;
    let asks = if is_agent { Asks::NewAgent(address) } else { Asks::Stranger(address) };
    let _place = counted(guard, &parts, None, asks)?;
    Ok(next.run(Request::from_parts(parts, body)).await)
}

async fn agent(guard: &Guard, request: Request, next: Next) -> Result<Response, ApiError> {
    let refused = || unauthorized("unauthorized", "this needs the session of a claimed boot window");
    let (mut parts, body) = request.into_parts();
    let (rates, token) = (&guard.service.rates, bearer(&parts.headers));
    if !token.is_some_and(|token| rates.is_good(token)) {
        counted(guard, &parts, None, Asks::NewAgent(rate::address(&parts.extensions)))?;
    }
    let token = token.ok_or_else(refused)?;
    let session = sessions::session(&guard.service, token).await?;
    rates.found(token, session.is_some());
    let session = session.ok_or_else(refused)?;
    let _place = counted(guard, &parts, None, Asks::Agent(session.machine))?;
    parts.extensions.insert(session);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

async fn person(guard: &Guard, request: Request, next: Next) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let place = not_too_often(guard, &parts).await?;
    let (mut caller, mut held) = let_in(guard, &mut parts).await?;
    if guard.told {
        let (body, sent) = if guard.upload {
            (held.clone().file(body), Bytes::new())
        } else {
            let sent = whole(&parts.headers, body, guard.body).await?;
            // It may have come slowly: who was revoked meanwhile, or lost the object, does nothing any more.
            (caller, held) = let_in(guard, &mut parts).await?;
            (Body::from(sent.clone()), sent)
        };
        parts.extensions.insert(caller.clone());
        let who = (&caller, held.clone(), Arc::clone(&place));
        let answer = audited(guard, who, (parts, body), &sent, next).await?;
        return Ok(if guard.download { answer.map(|body| during(place, held.file(body))) } else { answer });
    }
    parts.extensions.insert(caller);
    if guard.ends == Ends::Never {
        parts.extensions.insert(held.clone());
    }
    let response = next.run(Request::from_parts(parts, body)).await;
    if guard.ends == Ends::Never {
        return Ok(response.map(|body| during(place, held.followed(body))));
    }
    Ok(response)
}

/// Counts a request whoever sends it: of a token that was not good yet against the address first, then against its bearer.
/// The place that it takes among what they have under way.
async fn not_too_often(guard: &Guard, parts: &Parts) -> Result<Arc<Place>, ApiError> {
    let (service, stranger) = (&guard.service, Asks::Stranger(rate::address(&parts.extensions)));
    let Some(token) = bearer(&parts.headers) else { return counted(guard, parts, None, stranger) };
    let as_stranger = match service.rates.is_good(token) {
        true => None,
        false => Some(counted(guard, parts, None, stranger)?),
    };
    let found = service.store.token_find(&sha256_hex(token)).await.map_err(ServiceError::from)?;
    let good = found.filter(|token| !token.is_expired(clock::now()));
    service.rates.found(token, good.is_some());
    match (good.map(Caller), as_stranger) {
        (Some(caller), _) => counted(guard, parts, Some(&caller), rate::asks(&caller)),
        // That it is none, or over, is found and told behind this.
        (None, Some(place)) => Ok(place),
        (None, None) => counted(guard, parts, None, stranger),
    }
}

/// Counts a request; a place for it among what is under way.
fn counted(
    guard: &Guard,
    parts: &Parts,
    caller: Option<&Caller>,
    asks: Asks<'_>,
) -> Result<Arc<Place>, ApiError> {
    let counted = rate::count(&guard.service, asks).and_then(|()| rate::place(&guard.service, asks));
    counted.map_err(|refused| unlisted(&guard.service, guard.path, parts, caller, refused))
}

/// What somebody is told who asks too often. It is taken down now and then, and else only counted.
pub(super) fn unlisted(
    service: &Arc<Service>,
    path: &'static str,
    parts: &Parts,
    caller: Option<&Caller>,
    Refused { error, told }: Refused,
) -> ApiError {
    let mut entry = audit::entry(path, parts);
    caller.iter().for_each(|caller| audit::by(&mut entry, caller));
    audit::over_rate(service, entry, told, error.status());
    error
}

/// An answer that keeps a place as long as it lasts.
fn during(place: Arc<Place>, body: Body) -> Body {
    Body::from_stream(body.into_data_stream().inspect(move |_| {
        let _kept = &place;
    }))
}

/// Who asks, if they may now; that they may not is taken down.
async fn let_in(guard: &Guard, parts: &mut Parts) -> Result<(Caller, Held), ApiError> {
    let mut asks = None;
    match admitted(guard, parts, &mut asks).await {
        Ok(admitted) => Ok(admitted),
        Err(error) => {
            denied(guard, parts, asks.as_ref(), error.status()).await;
            Err(error)
        }
    }
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
    (caller, held, place): (&Caller, Held, Arc<Place>),
    (parts, body): (Parts, Body),
    sent: &[u8],
    next: Next,
) -> Result<Response, ApiError> {
    // Typing is many requests a second; that somebody types is enough.
    let seldom = guard.path == paths::MACHINE_CONSOLE;
    if !seldom && let Err(error) = few(&guard.service, caller) {
        denied(guard, &parts, Some(caller), error.status()).await;
        return Err(error);
    }
    let mut entry = audit::entry(guard.path, &parts);
    audit::by(&mut entry, caller);
    audit::read(&mut entry, &parts, sent);
    let once = bearer(&parts.headers).map(sha256_hex);
    let once = once.map(|hash| Once::of(&guard.service, &hash, guard.path, &parts, sent));
    let untold = Untold::new(Arc::clone(&guard.service), entry).ok_or_else(held::stopping)?;
    let service = Arc::clone(&guard.service);
    let work = async move {
        // Also of what goes on without the client.
        let _place = place;
        let request = Request::from_parts(parts, body);
        let response = match once.transpose() {
            Ok(Some(Some(once))) => once.run(request, next).await,
            Ok(_) => next.run(request).await,
            Err(error) => error.into_response(),
        };
        let status = response.status();
        let Some(mut entry) = untold.take() else { return response };
        if response.headers().contains_key(REPLAYED) {
            audit::replayed(&mut entry);
        }
        match audit::told(&service, entry, audit::outcome(status), status, seldom).await {
            Ok(()) => response,
            Err(error) => error.into_response(),
        }
    };
    let work = held.during(work);
    if guard.ends == Ends::Done { to_the_end(&guard.service, work).await } else { Ok(work.await) }
}

/// Whether a token asked for few enough changes lately. Each is an entry that stays for ever, also of what changes nothing.
fn few(service: &Service, caller: &Caller) -> Result<(), ApiError> {
    // An administrator can do worse, and must always get through.
    if caller.role() == Role::Admin || service.audit.may_change(&caller.who(), clock::now()) {
        return Ok(());
    }
    let detail = format!(
        "{} asked for more than {} changes in ten minutes; go on later, or slower",
        caller.who(),
        crate::audit::CHANGES
    );
    Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "limit", detail))
}

/// Who asks, if they may, and what has to stay so while they follow or send something.
async fn admitted(
    guard: &Guard,
    parts: &mut Parts,
    asks: &mut Option<Caller>,
) -> Result<(Caller, Held), ApiError> {
    let hash = sha256_hex(bearer(&parts.headers).ok_or_else(|| {
        unauthorized(
            "unauthorized",
            "this needs a token: `Authorization: Bearer …`; the first one is in admin.toml in the data folder",
        )
    })?);
    let caller = asks.insert(Caller(known(&guard.service, &hash).await?)).clone();
    valid(&guard.service, &caller, &hash)?;
    let machine = may(guard, &caller, parts).await?;
    let held = Held { service: Arc::clone(&guard.service), caller: caller.clone(), hash, machine };
    Ok((caller, held))
}

async fn to_the_end(
    service: &Service,
    work: impl Future<Output = Response> + Send + 'static,
) -> Result<Response, ApiError> {
    match service.deeds.spawn(work).await {
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
    // Of a user it is known when they logged in.
    if !token.is_login && token.used.is_none_or(|used| now.duration_since(used) >= USED) {
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
            tracing::debug!(error = crate::text::logged(&error), "that a token is used can't be taken down");
        }
    });
}

/// Whether the policy lets somebody through, of what the path names; the machine that it names, if that has to be theirs.
async fn may(guard: &Guard, caller: &Caller, parts: &mut Parts) -> Result<Option<MachineId>, ApiError> {
    let Who::Roles(roles) = guard.policy.who else { return Ok(None) };
    if !roles.contains(&caller.role()) {
        return Err(forbidden(format!(
            "the role of {} is {}, and this needs one of: {}",
            caller.who(),
            caller.role().word(),
            guard.policy.who_in_words()
        )));
    }
    let Some(pools) = caller.pools() else { return Ok(None) };
    let kind = match guard.policy.of {
        Of::Shared | Of::Own => return Ok(None),
        Of::Everything => {
            return Err(forbidden(format!(
                "{} is for the pools {}, and this concerns all; it needs a token for all pools",
                caller.who(),
                pools.join(", ")
            )));
        }
        Of::Machine | Of::MachineOrMac => "machine",
        Of::Instance => "instance",
    };
    // What is looked for in the database has to be text that it can hold.
    readable::check_path(&parts.uri)?;
    let key = named(parts, kind).await?;
    let service = &guard.service;
    let (theirs, machine) = match guard.policy.of {
        Of::Instance => (caller.has_instance(service, &key).await?, None),
        Of::MachineOrMac => (caller.has_machine_or_mac(service, &key).await?, None),
        _ => {
            let found = caller.machine(service, &key).await?;
            (found.is_some(), found.map(|found| found.id()))
        }
    };
    if theirs { Ok(machine) } else { Err(ApiError::not_found(kind, &key)) }
}

/// What the path names in this place.
async fn named(parts: &mut Parts, place: &str) -> Result<String, ApiError> {
    let unreadable = || ApiError::new(StatusCode::BAD_REQUEST, "invalid", "the path is not UTF-8");
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| unreadable())?;
    let found = params.iter().find(|(name, _)| *name == place).map(|(_, value)| value.to_owned());
    // A test looks that each route whose policy needs it has that place; without it nobody gets through.
    found.ok_or_else(|| ApiError::not_found(place, ""))
}

/// What stands behind `Bearer` in the header.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// What somebody is told who could not show who they are.
pub(super) fn unauthorized(kind: &str, detail: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, kind, detail)
}

fn expired(token: &TokenRecord) -> ApiError {
    let at = token.expires.map(|at| format!(" at {at:.0}")).unwrap_or_default();
    if token.is_login {
        let detail = format!("the log-in of user `{}` ended{at}; `billet login` begins another", token.name);
        return unauthorized("expired", detail);
    }
    unauthorized(
        "expired",
        format!(
            "token `{}` expired{at}; an administrator makes another with `billet token create`, after `billet token revoke {}` under the same name",
            token.name, token.name
        ),
    )
}

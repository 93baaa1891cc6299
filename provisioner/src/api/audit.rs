//! `/v1/audit`: the log, for whoever verifies it; and what a request leaves there.

use super::{
    caller::Caller,
    error::{ApiError, Query, is_json},
    pages,
};
use crate::{
    clock,
    listener::Peer,
    service::{Service, ServiceError},
    store::StoreError,
};
use axum::{
    Json,
    extract::{ConnectInfo, State},
    http::{Method, StatusCode, header, request::Parts},
};
use percent_encoding::percent_decode_str;
use provisioner_api::{AuditEntry, AuditHead, AuditList, AuditOutcome, paths};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// Most entries of one kind of denials and failures in ten minutes: of a token, or of all that are not known.
const DENIALS: u32 = 60;

/// Most entries of log-ins that were judged and failed in ten minutes.
const LOGINS: u32 = 300;

/// Most characters of a path, and of a name.
const PATH: usize = 200;
const NAME: usize = 64;

/// What an entry says among the fields when the request was not done again: no field has such a name.
const REPLAYED: &str = "(replayed)";

/// Most names of fields, and what stands for those that there are besides.
const FIELDS: usize = 64;
const MORE: &str = "…";

/// Which entries.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Only entries after the one with this number, or the `next` of the page before.
    #[param(value_type = Option<u64>)]
    after: Option<String>,
    /// How many at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
    /// The last so many, instead of `after` and `limit`.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    newest: Option<String>,
}

/// Lists the entries of the audit log, oldest first.
#[utoipa::path(
    get, path = provisioner_api::paths::AUDIT, tag = "audit",
    params(Which),
    responses((status = 200, body = AuditList)),
)]
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    Query(which): Query<Which>,
) -> Result<Json<AuditList>, ApiError> {
    // Before the entries: whoever compares them finds all that it counts.
    let head: AuditHead = service.store.audit_head().await.map_err(ServiceError::from)?;
    if let Some(newest) = pages::number("newest", which.newest.as_deref())? {
        if which.after.is_some() || which.limit.is_some() {
            let detail = "it goes without `after` and `limit`: give either it or them";
            return Err(ApiError::field("newest", detail));
        }
        let items = service.store.audit_newest(newest).await.map_err(ServiceError::from)?;
        return Ok(Json(AuditList { items, next: None, head }));
    }
    let limit = pages::limit(which.limit.as_deref())?;
    // Databases count to the half of `u64`.
    let after: Option<i64> = pages::cursor(which.after.as_deref())?;
    let after = match after.map(u64::try_from).transpose() {
        Ok(after) => after.unwrap_or(0),
        Err(_) => return Err(ApiError::field("after", "it is below 0; take the `next` of the page before")),
    };
    let rows = service.store.audit_page(after, pages::rows(limit)).await.map_err(ServiceError::from)?;
    let (items, more) = pages::cut(rows, limit, |_| String::new());
    // By what was asked for: what an entry says of its own number may be a lie.
    let next = more.map(|_| (after + u64::from(limit)).to_string());
    Ok(Json(AuditList { items, next, head }))
}

/// An entry about a request, before it is known what comes of it.
pub(super) fn entry(route: &'static str, parts: &Parts) -> AuditEntry {
    let peer = parts.extensions.get::<ConnectInfo<Peer>>();
    AuditEntry {
        seq: 0,
        at: clock::now(),
        token: None,
        user: None,
        role: None,
        address: peer.map(|peer| peer.0.0.ip().to_canonical().to_string()),
        method: parts.method.to_string(),
        route: route.to_owned(),
        path: parts.uri.path().chars().take(PATH).collect(),
        name: None,
        fields: Vec::new(),
        outcome: AuditOutcome::Denied,
        status: 0,
        left_out: 0,
    }
}

/// Takes down what a request gives: the names of fields, and of what is new. What says that it is no JSON is left as it is.
pub(super) fn read(entry: &mut AuditEntry, parts: &Parts, sent: &[u8]) {
    entry.fields = parts.uri.query().map(query_names).unwrap_or_default();
    // A handler may read what doesn't say at all what it is.
    let may_be_json = !parts.headers.contains_key(header::CONTENT_TYPE) || is_json(&parts.headers);
    if sent.is_empty() || !may_be_json {
        return;
    }
    let Ok(Value::Object(object)) = serde_json::from_slice(sent) else {
        entry.fields.push("?".to_owned());
        return;
    };
    entry.fields.extend(names(&object));
    entry.fields.sort();
    entry.fields.dedup();
    let name = object.get("name").and_then(Value::as_str).filter(|_| parts.method == Method::POST);
    entry.name = name.map(|name| name.chars().take(NAME).collect());
}

/// The names of an object's fields, and of those of the objects in it. Of too many those of its own fields come first, and
/// that there were more is said.
fn names(object: &serde_json::Map<String, Value>) -> Vec<String> {
    let mut all = Vec::new();
    for (name, value) in object {
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                all.extend(inner.keys().map(|below| format!("{}.{}", plain(name), plain(below))));
            }
            _ => all.push(plain(name)),
        }
    }
    if all.len() <= FIELDS {
        return all;
    }
    let mut some: Vec<_> = object.keys().map(|name| plain(name)).collect();
    some.sort();
    some.dedup();
    some.extend(all.into_iter().filter(|name| !object.contains_key(name)));
    some.truncate(FIELDS);
    some.push(MORE.to_owned());
    some
}

fn query_names(query: &str) -> Vec<String> {
    let mut pairs = query.split('&').map(|pair| plain(pair.split('=').next().unwrap_or_default()));
    let mut names: Vec<_> = pairs.by_ref().take(FIELDS).collect();
    names.extend(pairs.next().map(|_| MORE.to_owned()));
    names
}

/// A name of a field as it is, if it looks like one: somebody may have put anything in its place.
fn plain(name: &str) -> String {
    let known = |letter: char| letter.is_ascii_alphanumeric() || "_-./".contains(letter);
    if (1..=NAME).contains(&name.len()) && name.chars().all(known) { name.to_owned() } else { "?".to_owned() }
}

/// Takes down that a request was answered as before, and not done again.
pub(super) fn replayed(entry: &mut AuditEntry) {
    entry.fields.push(REPLAYED.to_owned());
}

/// Names who asks.
pub(super) fn by(entry: &mut AuditEntry, caller: &Caller) {
    let place = if caller.is_login() { &mut entry.user } else { &mut entry.token };
    (*place, entry.role) = (Some(caller.name().to_owned()), Some(caller.role()));
}

/// Takes down what came of a request, before it is answered. Of what was denied or failed, and of typing on a console, only
/// so much is taken down.
pub(super) async fn told(
    service: &Arc<Service>,
    mut entry: AuditEntry,
    outcome: AuditOutcome,
    status: StatusCode,
    seldom: bool,
) -> Result<(), ApiError> {
    (entry.at, entry.outcome, entry.status) = (clock::now(), outcome, status.as_u16());
    // No token's name has a space.
    let user = entry.user.as_ref().map(|user| format!("user {user}"));
    let asks = user.or_else(|| entry.token.clone()).unwrap_or_default();
    let told = match outcome {
        // Apart from guesses that were judged, which these must not hide.
        AuditOutcome::Denied if entry.route == paths::LOGIN && status == StatusCode::TOO_MANY_REQUESTS => {
            service.audit.may_tell("log-ins that waited".to_owned(), DENIALS, entry.at)
        }
        // One kind, whoever's name was given: who exists must not show in the time that it takes.
        AuditOutcome::Denied if entry.route == paths::LOGIN => {
            service.audit.may_tell("log-ins that failed".to_owned(), LOGINS, entry.at)
        }
        // However the path is spelled.
        AuditOutcome::Done if seldom => service.audit.may_tell_typing(
            format!("{asks} {} {}", entry.method, percent_decode_str(&entry.path).decode_utf8_lossy()),
            entry.at,
        ),
        // What failed of itself may have changed something.
        AuditOutcome::Failed if status.is_server_error() && !seldom => Some(0),
        AuditOutcome::Denied | AuditOutcome::Failed => service.audit.may_tell(asks, DENIALS, entry.at),
        AuditOutcome::Done | AuditOutcome::Unknown => Some(0),
    };
    let Some(left_out) = told else { return Ok(()) };
    entry.left_out = left_out;
    // Of its own, so that it is written whoever goes away.
    let of = Arc::clone(service);
    match service.deeds.spawn(async move { write(&of, entry).await }).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(unaudited(status)),
        Err(error) => Err(ApiError::internal(&error)),
    }
}

/// Takes down that somebody asks too often, under this name so many times in ten minutes at the most. They are refused even
/// if that can't be written.
pub(super) fn over_rate(
    service: &Arc<Service>,
    mut entry: AuditEntry,
    (name, most): (String, u32),
    status: StatusCode,
) {
    let Some(left_out) = service.audit.may_tell(name, most, entry.at) else { return };
    (entry.status, entry.left_out) = (status.as_u16(), left_out);
    let of = Arc::clone(service);
    // Nobody waits for it: who is refused is refused at once.
    drop(service.deeds.spawn(async move { write(&of, entry).await }));
}

/// Takes down what the service's stop cut off.
pub(super) async fn cut_off(service: &Service, mut entry: AuditEntry) {
    (entry.at, entry.outcome, entry.status) = (clock::now(), AuditOutcome::Unknown, 0);
    // That it can't be written is in the service's log.
    let _ = write(service, entry).await;
}

async fn write(service: &Service, entry: AuditEntry) -> Result<(), StoreError> {
    let mut tries = 2;
    let mut written = service.audit.append(&service.store, entry.clone()).await;
    while written.is_err() && tries > 0 {
        tries -= 1;
        written = service.audit.again(&service.store).await;
    }
    written.inspect_err(|error| {
        tracing::error!(error = crate::text::logged(error), ?entry, "the audit log can't be written");
    })
}

fn unaudited(status: StatusCode) -> ApiError {
    let detail = format!(
        "the answer was {status}, but the audit log can't be written; look before you repeat it, and see the service's log"
    );
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unaudited", detail)
}

/// What a status says of the outcome.
pub(super) fn outcome(status: StatusCode) -> AuditOutcome {
    if status.is_client_error() || status.is_server_error() {
        AuditOutcome::Failed
    } else {
        AuditOutcome::Done
    }
}

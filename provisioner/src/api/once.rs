//! `Idempotency-Key`: a request that orders something and is sent again, because its answer was lost, is not done again
//! (draft-ietf-httpapi-idempotency-key-header). Its name and a keyed hash of it are claimed in the database before it is
//! done, and what is answered is kept behind it, for a day.
//!
//! A process that dies in between leaves a claim without an answer: whoever sends it again is told to look, and nothing is
//! ever done twice. A refusal (4xx) did nothing, so that the name is free again, as it is after what a stop kept from being begun. After another outage (503), which may have come
//! before or after it was done, whoever sends it again is told to look at once; any other answer stands.

use super::error::{ApiError, IN_FLIGHT, NotBegun};
use crate::{
    clock,
    keys::sha256_hex,
    service::Service,
    store::{KeptAnswer, KnownRequest, StoreError},
    text::logged,
};
use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts, response},
    middleware::Next,
    response::{IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp};
use provisioner_api::{Problem, paths};
use std::sync::Arc;

/// The header with the name of a request.
pub(super) const KEY: &str = "idempotency-key";

/// The header of an answer that was given before.
pub(super) const REPLAYED: &str = "idempotency-replayed";

/// How long a name stands for the same request.
pub(crate) const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// After this time what has no answer yet was cut off: no request takes as long.
const LONGEST: SignedDuration = SignedDuration::from_mins(10);

/// The longest name.
const MOST: usize = 255;

/// An answer is text of this length at most, far more than any has.
const ANSWER: usize = 16 * 1024 * 1024;

/// The longest answer that is kept.
const LONG: usize = 1024 * 1024;

/// Most names of one caller that are kept at once, which is for a day.
const NAMES: u64 = 20_000;

/// The word for a request of which nobody knows whether it was done.
const IN_DOUBT: &str = "in-doubt";

/// Where a `POST` creates or orders something, and answers no secret.
pub(super) const ORDERS: [&str; 16] = [
    paths::MACHINES,
    paths::MACHINE_ACTIONS,
    paths::MACHINE_ADOPT,
    paths::MACHINE_SERVICE,
    paths::MACHINE_CHOOSE,
    paths::MACHINE_SCRAP,
    paths::MACHINE_BMC_POWER,
    paths::MACHINE_BMC_RESTART,
    paths::INSTANCES,
    paths::INSTANCE_ACTIONS,
    paths::INSTANCE_REINSTALL,
    paths::INSTANCE_RESCUE,
    paths::INSTANCE_UNRESCUE,
    paths::ADDRESSES,
    paths::POOLS,
    paths::RESERVATIONS,
];

/// Whether a request may be named there.
pub(super) fn is_order(method: &Method, path: &str) -> bool {
    method == Method::POST && ORDERS.contains(&path)
}

/// A request that is to be done once.
pub(super) struct Once {
    service: Arc<Service>,
    /// The digest of the token.
    caller: String,
    name: String,
    /// The keyed hash of what is asked.
    request: String,
}

impl Once {
    /// What is asked, if it has a name; `sent` is its body.
    ///
    /// # Errors
    /// 422 where nothing can be named, or when the name is none.
    pub(super) fn of(
        service: &Arc<Service>,
        caller: &str,
        path: &str,
        parts: &Parts,
        sent: &[u8],
    ) -> Result<Option<Self>, ApiError> {
        let Some(name) = name(&parts.headers)? else { return Ok(None) };
        if !is_order(&parts.method, path) {
            let detail = "this takes none: it may be done again by sending it again; leave the header out";
            return Err(ApiError::field("Idempotency-Key", detail));
        }
        let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
        // A body may hold a password, which nobody is to find by trying hashes.
        let asked =
            format!("{} {}", sha256_hex(target), hex::encode(<sha2::Sha256 as sha2::Digest>::digest(sent)));
        let request = service.key.digest("idempotency", &asked);
        Ok(Some(Self { service: Arc::clone(service), caller: caller.to_owned(), name, request }))
    }

    /// Does it, or answers what was answered.
    pub(super) async fn run(self, request: Request, next: Next) -> Response {
        let (store, now, key) = (&self.service.store, clock::now(), (&*self.caller, &*self.name));
        let oldest = now.saturating_sub(KEPT).unwrap_or(Timestamp::MIN);
        match store.idempotency_claim(key, &self.request, now, oldest).await {
            Ok(None) => {
                if let Err(error) = self.check_room().await {
                    // Nothing was done.
                    Self::noted(store.idempotency_release(key).await);
                    return error.into_response();
                }
            }
            Ok(Some(known)) => return again(&known, &self.request, now),
            Err(error) => return ApiError::from(error).into_response(),
        }
        let (parts, body) = next.run(request).await.into_parts();
        let body = match to_bytes(body, ANSWER).await {
            Ok(body) => body,
            Err(error) => return ApiError::internal(&error).into_response(),
        };
        let not_begun = parts.extensions.get::<NotBegun>().is_some();
        let done = if parts.status.is_client_error() || not_begun {
            store.idempotency_release(key).await
        } else {
            store.idempotency_keep(key, &kept(&parts, &body)).await
        };
        Self::noted(done);
        Response::from_parts(parts, Body::from(body))
    }

    /// Whether the caller has room for another name.
    async fn check_room(&self) -> Result<(), ApiError> {
        if self.service.store.idempotency_count(&self.caller).await? <= NAMES {
            return Ok(());
        }
        let detail = format!(
            "more than {NAMES} requests with an Idempotency-Key came by this token within a day; go on later, or without the header"
        );
        Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "limit", detail))
    }

    /// Says that something can't be taken down. It is done all the same; who sends it again is told to look.
    fn noted(done: Result<(), StoreError>) {
        if let Err(error) = done {
            tracing::warn!(
                error = logged(&error),
                "the answer to a request with an Idempotency-Key can't be kept"
            );
        }
    }
}

/// What whoever sends it again is to be answered.
fn kept(parts: &response::Parts, body: &[u8]) -> KeptAnswer {
    // What was away may have gone before anything was done, or after it.
    if parts.status == StatusCode::SERVICE_UNAVAILABLE {
        return doubt(
            "something was away while this request was done (503), so nobody knows whether it was; look, and send it with another Idempotency-Key if it was not",
        );
    }
    if body.len() > LONG {
        return doubt(&format!(
            "this request was answered with {}, and the answer was too long to be kept; look at what it did",
            parts.status
        ));
    }
    let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    KeptAnswer {
        status: parts.status.as_u16(),
        etag: text(header::ETAG),
        content_type: text(header::CONTENT_TYPE),
        body: String::from_utf8_lossy(body).into_owned(),
    }
}

/// The answer to whoever sends again what can't be answered as before.
fn doubt(detail: &str) -> KeptAnswer {
    let status = StatusCode::CONFLICT.as_u16();
    let problem =
        Problem { kind: IN_DOUBT.to_owned(), status, detail: detail.to_owned(), fields: Vec::new() };
    KeptAnswer {
        status,
        etag: None,
        content_type: Some("application/problem+json".to_owned()),
        // Our own types always serialise.
        body: serde_json::to_string(&problem).unwrap_or_default(),
    }
}

/// The name that a request was given.
fn name(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut given = headers.get_all(KEY).iter();
    let Some(name) = given.next() else { return Ok(None) };
    let bytes = name.as_bytes();
    let good = (1..=MOST).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    match name.to_str() {
        Ok(name) if good && given.next().is_none() => Ok(Some(name.to_owned())),
        _ => {
            let detail = format!("give one, of 1 to {MOST} visible ASCII characters; a UUID will do");
            Err(ApiError::field("Idempotency-Key", detail))
        }
    }
}

/// What whoever sends something again is answered.
fn again(known: &KnownRequest, request: &str, now: Timestamp) -> Response {
    if known.request != request {
        let detail = "another request was sent with this key within a day; give each its own";
        return ApiError::field("Idempotency-Key", detail).into_response();
    }
    match &known.answer {
        Some(answer) => replay(answer),
        None if now.duration_since(known.began) < LONGEST => {
            let detail =
                "this request is under way already, by the same Idempotency-Key; ask again for its answer";
            ApiError::new(StatusCode::CONFLICT, IN_FLIGHT, detail).into_response()
        }
        None => {
            let detail = "this request was cut off, so nobody knows whether it was done; look, and send it with another Idempotency-Key if it was not";
            ApiError::new(StatusCode::CONFLICT, IN_DOUBT, detail).into_response()
        }
    }
}

fn replay(answer: &KeptAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, answer.body.clone()).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    for (name, value) in [(header::ETAG, &answer.etag), (header::CONTENT_TYPE, &answer.content_type)] {
        if let Some(value) = value.as_deref().and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

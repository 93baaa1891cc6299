//! From a request to an answer: the way that every request goes. What the answers say is the groups' and the tree's.

use super::access;
use super::answer::{Refusal, broken, error, missing, object, unknown_property, with_json, wrong_method};
use super::group::Request;
use super::metadata;
use super::query;
use super::state::Shared;
use super::tree::trimmed;
use axum::body::{Body, Bytes};
use axum::http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

/// Answers a request whose body is here. Nothing is misbehaved yet.
pub(super) async fn answer(bmc: &Shared, head: Parts, body: Bytes) -> Response {
    let caller = match access::check(bmc, &head) {
        Ok(caller) => caller,
        Err(refusal) => return *refusal,
    };
    let is_head = head.method == Method::HEAD;
    let request = Request {
        method: if is_head { Method::GET } else { head.method },
        path: trimmed(head.uri.path()).to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body,
        caller,
    };
    let response = match versioned(&request) {
        Ok(()) => with_methods(bmc, &request.path, dispatch(bmc, &request).await),
        Err(refusal) => *refusal,
    };
    if is_head { bodiless(response) } else { response }
}

/// 412 for a version of OData that isn't spoken (DSP0266 section 8.2).
fn versioned(request: &Request) -> Result<(), Refusal> {
    let version = request.headers.get("OData-Version").map(HeaderValue::as_bytes);
    if version.is_none_or(|version| version == b"4.0") {
        return Ok(());
    }
    let message = "The request asks for a version of OData that this service does not speak.";
    Err(error(StatusCode::PRECONDITION_FAILED, "HeaderInvalid", message, "Ask for OData-Version 4.0.").into())
}

/// Whoever tries a method that a resource doesn't take is told which it takes (RFC 9110 section 15.5.6).
fn with_methods(bmc: &Shared, path: &str, mut response: Response) -> Response {
    if response.status() == StatusCode::METHOD_NOT_ALLOWED && !response.headers().contains_key(ALLOW) {
        response.headers_mut().insert(ALLOW, allowed(bmc, path));
    }
    response
}

async fn dispatch(bmc: &Shared, request: &Request) -> Response {
    if bmc.controls.faults().no_sessions && request.path.starts_with("/redfish/v1/SessionService") {
        return missing();
    }
    for group in bmc.groups() {
        if let Some(response) = group.handle(bmc, request).await {
            return response;
        }
    }
    match request.method {
        Method::GET => get(bmc, request).await,
        Method::PATCH => patch(bmc, request).await.unwrap_or_else(|refusal| *refusal),
        _ => not_taken(bmc, request).await,
    }
}

async fn get(bmc: &Shared, request: &Request) -> Response {
    if let Some(response) = metadata::get(bmc, &request.path) {
        return response;
    }
    let query = match query::Query::parse(&request.query, bmc) {
        Ok(query) => query,
        Err(refusal) => return *refusal,
    };
    let resource = match bmc.load(&request.path, true).await {
        Ok(Some(resource)) => resource,
        Ok(None) => return missing(),
        Err(error) => return broken(&error),
    };
    let tag = resource.get("@odata.etag").and_then(Value::as_str).map(str::to_owned);
    if unchanged(request, tag.as_deref()) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        set_tag(&mut response, tag.as_deref());
        return response;
    }
    let shown = match query.apply(bmc, &request.path, resource).await {
        Ok(shown) => Value::Object(shown),
        Err(error) => return broken(&error),
    };
    let mut response = with_json(StatusCode::OK, &shown);
    set_tag(&mut response, tag.as_deref());
    response.headers_mut().insert(ALLOW, allowed(bmc, &request.path));
    let described = shown["@odata.type"].as_str().and_then(metadata::described_by);
    if let Some(link) = described.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert("Link", link);
    }
    response
}

/// Whether a client has it already (RFC 9110 section 13.1.2: weak comparison). A query makes it something else.
fn unchanged(request: &Request, tag: Option<&str>) -> bool {
    let known = request.headers.get(IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    match (known, tag) {
        (Some(known), Some(tag)) if request.query.is_empty() => {
            known.split(',').any(|one| bare(one) == bare(tag))
        }
        _ => false,
    }
}

fn set_tag(response: &mut Response, tag: Option<&str>) {
    if let Some(tag) = tag.and_then(|tag| HeaderValue::from_str(tag).ok()) {
        response.headers_mut().insert(ETAG, tag);
    }
}

/// PATCH by properties: each goes to the group that takes it. When none takes any of them, it is an error; else those
/// that nobody takes are told beside those that were set (DSP0266 section 7.9).
async fn patch(bmc: &Shared, request: &Request) -> Result<Response, Refusal> {
    let path = &request.path;
    match bmc.load(path, false).await {
        Ok(Some(_)) => {}
        Ok(None) => return Err(missing().into()),
        Err(error) => return Err(broken(&error).into()),
    }
    if !methods(bmc, path).contains(&Method::PATCH) {
        return Err(wrong_method().into());
    }
    if !request.headers.get(CONTENT_TYPE).is_none_or(is_json) {
        return Err(super::answer::wrong_kind().into());
    }
    bmc.precondition(request, path).await?;
    let body = object(&request.body)?;
    let (mut set, mut unknown) = (false, None);
    'properties: for (property, value) in body.iter().filter(|(name, _)| !name.starts_with("@odata.")) {
        for group in bmc.groups() {
            if let Some(done) = group.patch(bmc, path, property, value).await {
                done?;
                set = true;
                continue 'properties;
            }
        }
        unknown = Some(property.as_str());
    }
    match unknown {
        None if set => Ok(bmc.tree.manners.done()),
        Some(property) if !set => Err(unknown_property(property).into()),
        Some(property) => Ok(with_json(StatusCode::OK, &super::answer::annotated(property))),
        None => Err(super::answer::no_operation().into()),
    }
}

async fn not_taken(bmc: &Shared, request: &Request) -> Response {
    match bmc.load(&request.path, false).await {
        Ok(Some(_)) => wrong_method(),
        Ok(None) => missing(),
        Err(error) => broken(&error),
    }
}

fn methods(bmc: &Shared, path: &str) -> Vec<Method> {
    let mut methods = vec![Method::GET, Method::HEAD];
    for group in bmc.groups() {
        methods.extend(group.methods(bmc, path).iter().cloned());
    }
    methods
}

fn allowed(bmc: &Shared, path: &str) -> HeaderValue {
    let mut words: Vec<String> = methods(bmc, path).iter().map(ToString::to_string).collect();
    words.sort();
    words.dedup();
    HeaderValue::from_str(&words.join(", ")).unwrap_or_else(|_| HeaderValue::from_static("GET, HEAD"))
}

fn is_json(kind: &HeaderValue) -> bool {
    kind.to_str().is_ok_and(|kind| kind.trim_start().starts_with("application/json"))
}

fn bodiless(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    if let Some(size) = axum::body::HttpBody::size_hint(&body).exact() {
        head.headers.insert(CONTENT_LENGTH, size.into());
    }
    Response::from_parts(head, Body::empty())
}

//! Does what is wrong on purpose, before and after the right answer; and what every answer has.

use super::answer::{BASE, error, foreign_error, nothing, with_json};
use super::controls::Seen;
use super::engine;
use super::faults::Effect;
use super::state::Shared;
use super::tree::merge;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, IF_MATCH, LOCATION,
};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body::Frame;
use serde_json::Value;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The largest request body, in bytes, and the largest where firmware is pushed to.
const BODY_MAX: usize = 64 * 1024;
const PUSH_MAX: usize = 64 * 1024 * 1024;

/// The connection is to be cut without an answer.
#[derive(Debug, thiserror::Error)]
#[error("cut on purpose")]
pub(super) struct Cut;

/// Answers a request, rightly or as wrongly as was asked for.
pub(super) async fn answer(bmc: Shared, request: Request) -> Result<Response, Cut> {
    let _in_flight = bmc.controls.began();
    let (head, body) = request.into_parts();
    let faults = bmc.controls.faults().clone();
    if faults.silent {
        std::future::pending::<()>().await;
    }
    let path = head.uri.path().to_owned();
    let most = if bmc.places().pushes.contains(&path) { PUSH_MAX } else { BODY_MAX };
    let Ok(body) = axum::body::to_bytes(body, most).await else {
        let message = "The request body is larger than this service takes.";
        return Ok(finished(
            &bmc,
            error(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLarge", message, "Send less."),
        ));
    };
    bmc.controls.note(|| seen(&head, &body));
    if bmc.controls.count_down(|faults| &mut faults.unavailable) {
        let message = "The service is temporarily unavailable.";
        let refusal =
            error(StatusCode::SERVICE_UNAVAILABLE, "ServiceTemporarilyUnavailable", message, "Retry.");
        return Ok(finished(&bmc, refusal));
    }
    if let Some(to) = faults.redirect.and_then(|to| HeaderValue::from_str(&to).ok()) {
        return Ok(finished(&bmc, (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, to)]).into_response()));
    }
    let effects = bmc.controls.rules_for(head.method.as_str(), &path);
    let mut response = match instead(&effects, &head.method).await? {
        Some(response) => response,
        None => engine::answer(&bmc, head, body).await,
    };
    for effect in &effects {
        response = distort(&bmc, effect, response).await?;
    }
    if faults.padding > 0 {
        let size = faults.padding;
        response = changed(response, |mut bytes| {
            bytes.resize(bytes.len() + size, b' ');
            bytes
        })
        .await;
    }
    let response = spoken(&bmc, response).await;
    Ok(finished(&bmc, response))
}

fn seen(head: &Parts, body: &Bytes) -> Seen {
    let text = std::str::from_utf8(body).ok().filter(|text| text.len() <= 4096);
    Seen {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        if_match: head
            .headers
            .get(IF_MATCH)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
        credentials: head.headers.contains_key(AUTHORIZATION) || head.headers.contains_key("X-Auth-Token"),
        body: text.unwrap_or_default().to_owned(),
    }
}

/// What is answered instead of doing it.
async fn instead(effects: &[Effect], method: &Method) -> Result<Option<Response>, Cut> {
    let mut answer = None;
    for effect in effects {
        answer = Some(match effect {
            Effect::Status(status) => {
                error(code(*status), "GeneralError", "A general error has occurred.", "None.")
            }
            Effect::Answer(status, body) => {
                let kind = HeaderValue::from_static("application/json");
                (code(*status), [(CONTENT_TYPE, kind)], body.clone()).into_response()
            }
            Effect::Error(status, id, message) => foreign_error(code(*status), id, message, "None."),
            Effect::Ignore if !matches!(*method, Method::GET | Method::HEAD) => nothing(),
            Effect::Cut => return Err(Cut),
            Effect::Hang => std::future::pending().await,
            _ => continue,
        });
    }
    Ok(answer)
}

/// What happens to the right answer.
async fn distort(bmc: &Shared, effect: &Effect, response: Response) -> Result<Response, Cut> {
    Ok(match effect {
        Effect::Delay(time) => {
            tokio::time::sleep(*time).await;
            response
        }
        Effect::Replace(value) => {
            let status = response.status();
            with_json(if status == StatusCode::NO_CONTENT { StatusCode::OK } else { status }, value)
        }
        Effect::Merge(change) => {
            changed(response, |bytes| match serde_json::from_slice::<Value>(&bytes) {
                Ok(mut value) => {
                    merge(&mut value, change.clone(), true);
                    value.to_string().into_bytes()
                }
                Err(_) => bytes,
            })
            .await
        }
        Effect::Header(name, value) => {
            let mut response = response;
            let pair = (HeaderName::try_from(name.as_str()), HeaderValue::from_str(value));
            if let (Ok(name), Ok(value)) = pair {
                response.headers_mut().insert(name, value);
            }
            response
        }
        Effect::LoseAnswer => return Err(Cut),
        Effect::Truncate(size) => truncated(response, *size).await,
        Effect::Restart(down) => {
            bmc.controls.restart(*down);
            return Err(Cut);
        }
        _ => response,
    })
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// An answer with other bytes.
async fn changed(response: Response, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Response {
    let (mut head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, Body::from(change(body.to_vec())))
}

/// An answer that breaks off.
async fn truncated(response: Response, size: usize) -> Response {
    let (mut head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    head.headers.insert(CONTENT_LENGTH, body.len().into());
    let part = body.slice(..size.min(body.len()));
    Response::from_parts(head, Body::new(Broken::Whole(part)))
}

/// A body that ends with an error after its first piece.
enum Broken {
    /// The piece is still to come.
    Whole(Bytes),
    /// It was given; what was written is flushed before the end.
    Given,
    /// The end.
    Over,
}

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match std::mem::replace(&mut *self, Self::Over) {
            Self::Whole(piece) => {
                *self = Self::Given;
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Self::Given => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Self::Over => Poll::Ready(Some(Err(Cut))),
        }
    }
}

/// Says errors in the version of the Base registry that the profile has.
async fn spoken(bmc: &Shared, response: Response) -> Response {
    let base = bmc.tree.manners.base;
    let error = response.status().is_client_error() || response.status().is_server_error();
    if base == BASE || !error {
        return response;
    }
    let (ours, theirs) = (format!("\"{BASE}."), format!("\"{base}."));
    changed(response, |bytes| String::from_utf8_lossy(&bytes).replace(&ours, &theirs).into_bytes()).await
}

/// With the headers that every answer has.
fn finished(bmc: &Shared, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert("OData-Version", HeaderValue::from_static("4.0"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("Server", HeaderValue::from_static(bmc.tree.manners.server));
    response
}

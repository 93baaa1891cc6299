//! Reading answers: errors become `ClientError`, bodies are bounded.
//!
//! A service is trusted by its certificate, yet no answer may fill our memory.

use crate::ClientError;
use bytes::{Bytes, BytesMut};
use provisioner_api::Problem;
use reqwest::{RequestBuilder, Response};
use serde::de::DeserializeOwned;

/// The most that we take of an error body.
const PROBLEM_LIMIT: usize = 64 * 1024;

/// The most that is set aside on the word of a header alone.
const PREALLOCATED: usize = 16 * 1024 * 1024;

/// The most that we take of a JSON body: a list of some ten thousand machines with their inventories.
const JSON_LIMIT: usize = 256 * 1024 * 1024;

/// Sends a request; an answer other than 2xx is an error.
pub(crate) async fn send(request: RequestBuilder) -> Result<Response, ClientError> {
    let response = request.send().await.map_err(ClientError::from_reqwest)?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status().as_u16();
    let url = origin(&response);
    let body = bytes(response, PROBLEM_LIMIT).await.unwrap_or_default();
    match serde_json::from_slice::<Problem>(&body) {
        // The status line counts: a proxy or a bug may have put another number into the body.
        Ok(problem) => Err(ClientError::Problem(Problem { status, ..problem })),
        Err(_) => Err(ClientError::Status { url, status }),
    }
}

/// Sends a request and reads the answer's JSON.
pub(crate) async fn json<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, ClientError> {
    let response = send(request).await?;
    let url = origin(&response);
    let body = bytes(response, JSON_LIMIT).await?;
    serde_json::from_slice(&body).map_err(|error| ClientError::Garbled { url, why: error.to_string() })
}

/// The body, if it is not larger than `limit` bytes.
pub(crate) async fn bytes(mut response: Response, limit: usize) -> Result<Bytes, ClientError> {
    let url = origin(&response);
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    if announced > limit {
        return Err(ClientError::TooLarge { url, limit });
    }
    let mut body = BytesMut::with_capacity(announced.min(PREALLOCATED));
    while let Some(piece) = response.chunk().await.map_err(ClientError::from_reqwest)? {
        if body.len() + piece.len() > limit {
            return Err(ClientError::TooLarge { url, limit });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// Scheme, host and port of who answered.
fn origin(response: &Response) -> String {
    response.url().origin().ascii_serialization()
}

//! Reading answers: errors become `ClientError`, bodies are bounded.
//!
//! A service is trusted by its certificate, yet no answer may fill our memory.

use crate::ClientError;
use bytes::{Bytes, BytesMut};
use provisioner_api::Problem;
use reqwest::{RequestBuilder, Response, StatusCode, header};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The most that we take of an error body.
const PROBLEM_LIMIT: usize = 64 * 1024;

/// The most that is set aside on the word of a header alone.
const PREALLOCATED: usize = 16 * 1024 * 1024;

/// The most that we take of a JSON body: a list of some ten thousand machines with their inventories.
const JSON_LIMIT: usize = 256 * 1024 * 1024;

/// The longest that is waited in all for a service that says that it is asked too often.
const PATIENCE: Duration = Duration::from_secs(60);

/// The word of a refusal of what comes too often: nothing of it was begun, so that it may be sent again, whatever it is.
const RATE: &str = "rate";

/// Sends a request; an answer other than 2xx is an error. What the service refuses as coming too often is sent again after as
/// long as it says (`Retry-After`), for a minute in all; a body that is streamed can't be.
pub(crate) async fn send(mut request: RequestBuilder) -> Result<Response, ClientError> {
    let mut waited = Duration::ZERO;
    loop {
        let again = request.try_clone();
        let refused = match send_once(request).await {
            Ok(response) => return Ok(response),
            Err(refused) => refused,
        };
        match (refused.after, again) {
            (Some(wait), Some(again)) if waited.checked_add(wait).is_some_and(|all| all <= PATIENCE) => {
                waited += wait;
                tokio::time::sleep(wait).await;
                request = again;
            }
            _ => return Err(refused.error),
        }
    }
}

/// Why a request failed, and after how long it may be sent again if it came too often.
pub(crate) struct Refused {
    /// Why.
    pub(crate) error: ClientError,
    after: Option<Duration>,
}

impl From<Refused> for ClientError {
    fn from(refused: Refused) -> Self {
        refused.error
    }
}

/// The same without sending it again, for whoever has other services to ask.
pub(crate) async fn send_once(request: RequestBuilder) -> Result<Response, Refused> {
    let failed = |error| Refused { error, after: None };
    let response = request.send().await.map_err(|error| failed(ClientError::from_reqwest(error)))?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let url = origin(&response);
    let seconds =
        response.headers().get(header::RETRY_AFTER).and_then(|said| said.to_str().ok()?.parse().ok());
    let body = bytes(response, PROBLEM_LIMIT).await.unwrap_or_default();
    match serde_json::from_slice::<Problem>(&body) {
        // The status line counts: a proxy or a bug may have put another number into the body.
        Ok(problem) => {
            let is_rate = status == StatusCode::TOO_MANY_REQUESTS && problem.kind == RATE;
            let after = seconds.filter(|_| is_rate).map(|seconds: u64| Duration::from_secs(seconds.max(1)));
            Err(Refused {
                error: ClientError::Problem(Problem { status: status.as_u16(), ..problem }),
                after,
            })
        }
        Err(_) => Err(failed(ClientError::Status { url, status: status.as_u16() })),
    }
}

/// Sends a request and reads the answer's JSON.
pub(crate) async fn json<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, ClientError> {
    read(send(request).await?).await
}

/// Reads an answer's JSON.
pub(crate) async fn read<T: DeserializeOwned>(response: Response) -> Result<T, ClientError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TlsSettings;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        time::Instant,
    };

    /// A client that speaks plain HTTP, and a server that answers one connection after the other so; how many came.
    async fn asked(
        answers: &'static [(&'static str, &'static str)],
    ) -> (Result<Response, ClientError>, usize) {
        let ca = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap().cert.pem();
        let tls = TlsSettings::new(ca.as_bytes()).unwrap().of_one_client();
        let http = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = async {
            let mut came = 0;
            for (head, body) in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                came += 1;
                let mut request = [0; 4096];
                while !request.windows(4).any(|part| part == b"body") {
                    assert!(stream.read(&mut request).await.unwrap() > 0);
                }
                let length = body.len();
                let text =
                    format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                stream.write_all(text.as_bytes()).await.unwrap();
            }
            came
        };
        let both = async { tokio::join!(send(http.post(url).body("body")), server) };
        tokio::time::timeout(Duration::from_secs(60), both).await.expect("what is expected is sent")
    }

    const RATE_BODY: &str = r#"{"type":"rate","status":429,"detail":"too often","fields":[]}"#;

    #[tokio::test]
    async fn what_came_too_often_is_sent_again_when_it_may() {
        let began = Instant::now();
        let (answer, came) = asked(&[("429 Too\r\nretry-after: 1", RATE_BODY), ("200 OK", "")]).await;
        assert!(answer.is_ok() && came == 2 && began.elapsed() >= Duration::from_secs(1), "{answer:?}");
    }

    #[tokio::test]
    async fn what_can_t_be_known_as_not_begun_is_never_sent_again() {
        const LIMIT: &str = r#"{"type":"limit","status":429,"detail":"too many changes","fields":[]}"#;
        for (head, body) in [
            ("429 Too\r\nretry-after: 1", LIMIT),
            ("429 Too\r\nretry-after: 1", "of a proxy"),
            ("429 Too", RATE_BODY),
            ("429 Too\r\nretry-after: 3600", RATE_BODY),
            ("503 Later\r\nretry-after: 1", RATE_BODY),
        ] {
            // The borrow is of constants, the list of them is this one's.
            let answers: &'static [_] = Vec::leak(vec![(head, body)]);
            let (answer, came) = asked(answers).await;
            assert!(came == 1 && answer.is_err(), "{head} {body}: {answer:?}");
        }
    }
}

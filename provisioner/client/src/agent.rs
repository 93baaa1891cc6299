//! The agent's side of its protocol (`provisioner_api::agent`): one method for each call.
//!
//! The session that a claim gave is an argument of every other call. When to repeat, how long to wait and what an answer
//! means is the agent's business, not this file's. What is remembered: which of several replicas answers (`turn`), and the
//! highest fence of all answers, below which none counts.

mod fence;
mod turn;

use crate::{ClientError, TlsSettings, answer, tls, url};
use bytes::Bytes;
use fence::Highest;
use provisioner_api::{
    Secret,
    agent::{CACHE_CHUNK, ClaimRequest, ClaimResponse, FENCE_HEADER, Order, Report, ReportResponse},
    paths,
    permit::CHALLENGE_HEADER,
};
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};
use turn::Turns;

/// How long a call may take beyond the time that it was asked to wait.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The same where another replica can be asked.
const CALL_TIMEOUT_OF_SEVERAL: Duration = Duration::from_secs(10);

/// How long fetching one chunk or manifest may take: 4 MiB over a line of 300 kbit/s.
const FETCH_TIMEOUT: Duration = Duration::from_secs(120);

/// The same where another replica can be asked: one that was stopped takes connections and says nothing.
const FETCH_TIMEOUT_OF_SEVERAL: Duration = Duration::from_secs(20);

/// How long a cache may take for one chunk: there is another way to it.
const CACHE_TIMEOUT: Duration = Duration::from_secs(20);

/// The largest order that is taken, in bytes: a seed's user data is the big part.
const ORDER_LIMIT: usize = 16 * 1024 * 1024;

/// The largest manifest that is taken, in bytes: enough for 1 TiB without one empty chunk.
const MANIFEST_LIMIT: usize = 64 * 1024 * 1024;

/// A client of the agent's protocol, for one machine. Cheap to clone; connections and what is remembered are shared.
#[derive(Debug, Clone)]
pub struct AgentClient {
    http: reqwest::Client,
    /// For caches, which speak plain HTTP and get no token.
    plain: Arc<OnceLock<reqwest::Client>>,
    local: Option<IpAddr>,
    replicas: Arc<Turns>,
    highest: Arc<Highest>,
}

/// Whether this can be a cache's address: `http://10.0.0.9:8080`, with nothing behind the port.
///
/// # Errors
/// [`ClientError::BadUrl`] with what is wrong.
pub fn check_cache(address: &str) -> Result<(), ClientError> {
    url::cache(address).map(drop)
}

impl AgentClient {
    /// Makes a client for the service at `base_url` (`https://10.77.0.1:7443`; of several replicas all of them, with
    /// commas between); `ca_pem` is the only CA that it trusts. Does no I/O.
    ///
    /// # Errors
    /// When an address or the CA certificate can't be used.
    pub fn new(base_url: &str, ca_pem: &[u8]) -> Result<Self, ClientError> {
        Self::with_tls(base_url, &TlsSettings::new(ca_pem)?, None)
    }

    /// The same with TLS settings that were read before, for programs that hold many agents at once; each client has
    /// connections and TLS sessions of its own. `local`: the address of ours that it calls from.
    ///
    /// # Errors
    /// When an address can't be used.
    pub fn with_tls(
        base_url: &str,
        settings: &TlsSettings,
        local: Option<IpAddr>,
    ) -> Result<Self, ClientError> {
        let bases = base_url.split(',').map(url::base).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            http: tls::http_client_from(settings, CALL_TIMEOUT, local)?,
            plain: Arc::default(),
            local,
            replicas: Arc::new(Turns::new(bases)),
            highest: Arc::default(),
        })
    }

    /// Trades the boot window's token for a session. A repeat with the same nonce gets the same answer.
    ///
    /// # Errors
    /// See `ClientError`; so for every method below. 401 and 403: the token is unknown, used or too old.
    pub async fn claim(&self, claim: &ClaimRequest) -> Result<ClaimResponse, ClientError> {
        let turn = self.replicas.turn();
        let url = url::call(turn.base(), paths::AGENT_CLAIM, &[])?;
        let request = self.http.post(url).json(claim).timeout(self.patience());
        let claimed = async { answer::read(answer::send_once(request).await?).await };
        turn.end(claimed.await)
    }

    /// Asks for an order; the service answers at once when there is one, and with none after `wait` (whole seconds). A
    /// permit in it repeats the `challenge`, which is to be another one each time.
    pub async fn order(
        &self,
        session: &Secret,
        challenge: &str,
        wait: Duration,
    ) -> Result<Option<Order>, ClientError> {
        let turn = self.replicas.turn();
        let mut url = url::call(turn.base(), paths::AGENT_ORDERS, &[])?;
        url.query_pairs_mut().append_pair("wait", &wait.as_secs().to_string());
        let request = self.http.get(url).header(CHALLENGE_HEADER, challenge).timeout(wait + self.patience());
        let response = turn.end(self.fenced(sent(authorised(request, session)?).await))?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        let url = origin(&response);
        let body = answer::bytes(response, ORDER_LIMIT).await?;
        let garbled = |error: serde_json::Error| ClientError::Garbled { url, why: error.to_string() };
        serde_json::from_slice(&body).map(Some).map_err(garbled)
    }

    /// Reports on an order. Idempotent by job, epoch, step and attempt.
    pub async fn report(&self, session: &Secret, report: &Report) -> Result<ReportResponse, ClientError> {
        let turn = self.replicas.turn();
        let url = url::call(turn.base(), paths::AGENT_REPORTS, &[])?;
        let request = authorised(self.http.post(url), session)?.json(report).timeout(self.patience());
        let response = turn.end(self.fenced(sent(request).await))?;
        let url = origin(&response);
        let body = answer::bytes(response, ORDER_LIMIT).await?;
        serde_json::from_slice(&body).map_err(|error| ClientError::Garbled { url, why: error.to_string() })
    }

    /// The manifest with this SHA-256 (hex), unchecked.
    pub async fn manifest(&self, session: &Secret, sha256: &str) -> Result<Bytes, ClientError> {
        self.fetch(session, paths::AGENT_MANIFEST, sha256, MANIFEST_LIMIT).await
    }

    /// The rescue archive with this SHA-256 (hex), unchecked; at most `limit` bytes are taken.
    pub async fn rescue(&self, session: &Secret, sha256: &str, limit: usize) -> Result<Bytes, ClientError> {
        self.fetch(session, paths::AGENT_RESCUE, sha256, limit).await
    }

    /// The stored bytes of the chunk with this SHA-256 (hex), unchecked; at most `limit` bytes are taken.
    pub async fn chunk(&self, session: &Secret, sha256: &str, limit: usize) -> Result<Bytes, ClientError> {
        self.fetch(session, paths::AGENT_CHUNK, sha256, limit).await
    }

    /// The same from a cache (`http://10.0.0.9:8080`), which is told nothing but the chunk's name. No redirect is followed.
    ///
    /// # Errors
    /// See `ClientError`; [`ClientError::BadUrl`]: the cache's address can't be used.
    pub async fn cached(&self, cache: &str, sha256: &str, limit: usize) -> Result<Bytes, ClientError> {
        let plain = match self.plain.get() {
            Some(plain) => plain,
            None => {
                let made = tls::plain_client(CACHE_TIMEOUT, self.local)?;
                self.plain.get_or_init(|| made)
            }
        };
        let url = url::call(&url::cache(cache)?, CACHE_CHUNK, &[sha256])?;
        answer::bytes(sent(plain.get(url)).await?, limit).await
    }

    async fn fetch(
        &self,
        session: &Secret,
        path: &str,
        sha256: &str,
        limit: usize,
    ) -> Result<Bytes, ClientError> {
        let turn = self.replicas.turn();
        let patience = if self.replicas.are_several() { FETCH_TIMEOUT_OF_SEVERAL } else { FETCH_TIMEOUT };
        let url = url::call(turn.base(), path, &[sha256])?;
        let request = authorised(self.http.request(Method::GET, url), session)?.timeout(patience);
        let fetched = async { answer::bytes(sent(request).await?, limit).await };
        turn.end(fetched.await)
    }

    fn patience(&self) -> Duration {
        if self.replicas.are_several() { CALL_TIMEOUT_OF_SEVERAL } else { CALL_TIMEOUT }
    }

    /// An answer, unless it was read before another one that was heard already.
    fn fenced(&self, answer: Result<Response, ClientError>) -> Result<Response, ClientError> {
        let answer = answer?;
        // What is no text is no fence either, and told as that.
        let fence = answer.headers().get(FENCE_HEADER).map(|value| value.to_str().unwrap_or_default());
        self.highest.hear(fence, || origin(&answer))?;
        Ok(answer)
    }
}

/// Sends a request once: when to repeat it is the agent's business, which may ask another replica.
async fn sent(request: RequestBuilder) -> Result<Response, ClientError> {
    Ok(answer::send_once(request).await?)
}

/// Who answered.
fn origin(answer: &Response) -> String {
    answer.url().origin().ascii_serialization()
}

/// The request with the session as its bearer.
fn authorised(request: RequestBuilder, session: &Secret) -> Result<RequestBuilder, ClientError> {
    let mut value = header::HeaderValue::from_str(&format!("Bearer {}", session.reveal()))
        .map_err(|_| ClientError::BadToken)?;
    value.set_sensitive(true);
    Ok(request.header(header::AUTHORIZATION, value))
}

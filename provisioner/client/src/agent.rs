//! The agent's side of its protocol (`provisioner_api::agent`): one method for each call.
//!
//! Stateless: the session that a claim gave is an argument of every other call. When to repeat, how long to wait
//! and what an answer means is the agent's business, not this file's.

use crate::{ClientError, TlsSettings, answer, tls, url};
use bytes::Bytes;
use provisioner_api::{
    Secret,
    agent::{ClaimRequest, ClaimResponse, Order, Report, ReportResponse},
    paths,
    permit::CHALLENGE_HEADER,
};
use reqwest::{Method, RequestBuilder, StatusCode, Url, header};
use std::{net::IpAddr, time::Duration};

/// How long a call may take beyond the time that it was asked to wait.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long fetching one chunk or manifest may take: 4 MiB over a line of 300 kbit/s.
const FETCH_TIMEOUT: Duration = Duration::from_secs(120);

/// The largest order that is taken, in bytes: a seed's user data is the big part.
const ORDER_LIMIT: usize = 16 * 1024 * 1024;

/// The largest manifest that is taken, in bytes: enough for 1 TiB without one empty chunk.
const MANIFEST_LIMIT: usize = 64 * 1024 * 1024;

/// A client of the agent's protocol. Cheap to clone; connections are shared.
#[derive(Debug, Clone)]
pub struct AgentClient {
    http: reqwest::Client,
    base: Url,
}

impl AgentClient {
    /// Makes a client for the service at `base_url` (`https://10.77.0.1:7443`); `ca_pem` is the only CA that it
    /// trusts. Does no I/O.
    ///
    /// # Errors
    /// When the address or the CA certificate can't be used.
    pub fn new(base_url: &str, ca_pem: &[u8]) -> Result<Self, ClientError> {
        Self::with_tls(base_url, &TlsSettings::new(ca_pem)?, None)
    }

    /// The same with TLS settings that were read before, for programs that hold many agents at once; each client has
    /// connections and TLS sessions of its own. `local`: the address of ours that it calls from.
    ///
    /// # Errors
    /// When the address can't be used.
    pub fn with_tls(
        base_url: &str,
        settings: &TlsSettings,
        local: Option<IpAddr>,
    ) -> Result<Self, ClientError> {
        Ok(Self { http: tls::http_client_from(settings, CALL_TIMEOUT, local)?, base: url::base(base_url)? })
    }

    /// Trades the boot window's token for a session. A repeat with the same nonce gets the same answer.
    ///
    /// # Errors
    /// See `ClientError`; so for every method below. 401 and 403: the token is unknown, used or too old.
    pub async fn claim(&self, claim: &ClaimRequest) -> Result<ClaimResponse, ClientError> {
        let url = url::call(&self.base, paths::AGENT_CLAIM, &[])?;
        answer::json(self.http.post(url).json(claim)).await
    }

    /// Asks for an order; the service answers at once when there is one, and with none after `wait` (whole seconds). A
    /// permit in it repeats the `challenge`, which is to be another one each time.
    pub async fn order(
        &self,
        session: &Secret,
        challenge: &str,
        wait: Duration,
    ) -> Result<Option<Order>, ClientError> {
        let mut url = url::call(&self.base, paths::AGENT_ORDERS, &[])?;
        url.query_pairs_mut().append_pair("wait", &wait.as_secs().to_string());
        let request = self.http.get(url).header(CHALLENGE_HEADER, challenge).timeout(wait + CALL_TIMEOUT);
        let response = answer::send(authorised(request, session)?).await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        let body = answer::bytes(response, ORDER_LIMIT).await?;
        let garbled = |error: serde_json::Error| ClientError::Garbled {
            url: self.base.origin().ascii_serialization(),
            why: error.to_string(),
        };
        serde_json::from_slice(&body).map(Some).map_err(garbled)
    }

    /// Reports on an order. Idempotent by job, epoch, step and attempt.
    pub async fn report(&self, session: &Secret, report: &Report) -> Result<ReportResponse, ClientError> {
        answer::json(self.request(Method::POST, paths::AGENT_REPORTS, &[], session)?.json(report)).await
    }

    /// The manifest with this SHA-256 (hex), unchecked.
    pub async fn manifest(&self, session: &Secret, sha256: &str) -> Result<Bytes, ClientError> {
        let request = self.request(Method::GET, paths::AGENT_MANIFEST, &[sha256], session)?;
        answer::bytes(answer::send(request.timeout(FETCH_TIMEOUT)).await?, MANIFEST_LIMIT).await
    }

    /// The stored bytes of the chunk with this SHA-256 (hex), unchecked; at most `limit` bytes are taken.
    pub async fn chunk(&self, session: &Secret, sha256: &str, limit: usize) -> Result<Bytes, ClientError> {
        let request = self.request(Method::GET, paths::AGENT_CHUNK, &[sha256], session)?;
        answer::bytes(answer::send(request.timeout(FETCH_TIMEOUT)).await?, limit).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        names: &[&str],
        session: &Secret,
    ) -> Result<RequestBuilder, ClientError> {
        authorised(self.http.request(method, url::call(&self.base, path, names)?), session)
    }
}

/// The request with the session as its bearer.
fn authorised(request: RequestBuilder, session: &Secret) -> Result<RequestBuilder, ClientError> {
    let mut value = header::HeaderValue::from_str(&format!("Bearer {}", session.reveal()))
        .map_err(|_| ClientError::BadToken)?;
    value.set_sensitive(true);
    Ok(request.header(header::AUTHORIZATION, value))
}

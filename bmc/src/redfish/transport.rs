//! One HTTP exchange with one BMC: bounded in time and size, to its own origin only, errors told apart.
//!
//! Not here: who is logged in (`session`), what the bodies mean (`bmc_proto::redfish`).

use super::timing::Timing;
use super::tls::{Fingerprint, Mismatch, Trust};
use crate::{BmcError, Credentials, Endpoint};
use bmc_proto::redfish::{ResourcePath, error_report, parse, printable};
use reqwest::header::{ACCEPT, ETAG, HeaderMap, HeaderValue, IF_MATCH, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

/// The largest body that is read, in bytes.
const BODY_MAX: usize = 1024 * 1024;

/// A request to a BMC. Without `Debug`: the body of a login holds the password.
pub(super) struct Request {
    /// GET, POST, PATCH or DELETE.
    pub(super) method: Method,
    /// Of what.
    pub(super) path: ResourcePath,
    /// JSON.
    pub(super) body: Option<serde_json::Value>,
    /// The version that it changes.
    pub(super) if_match: Option<HeaderValue>,
    /// What it is for, in an operator's words.
    pub(super) during: &'static str,
}

impl Request {
    /// Reads a resource.
    pub(super) fn get(path: &ResourcePath, during: &'static str) -> Self {
        Self { method: Method::GET, path: path.clone(), body: None, if_match: None, during }
    }

    /// Posts to an action or a collection.
    pub(super) fn post(path: &ResourcePath, body: serde_json::Value, during: &'static str) -> Self {
        Self { method: Method::POST, path: path.clone(), body: Some(body), if_match: None, during }
    }
}

/// How a request proves who sends it.
#[derive(Clone, Copy)]
pub(super) enum Proof<'a> {
    /// Not at all.
    None,
    /// By a session's token.
    Token(&'a HeaderValue),
    /// By user name and password (RFC 7617).
    Basic(&'a Credentials),
}

/// What a BMC answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status.
    pub(super) status: StatusCode,
    /// The headers.
    pub(super) headers: HeaderMap,
    /// The body, whole.
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The version of the resource, from its header.
    pub(super) fn etag(&self) -> Option<HeaderValue> {
        self.headers.get(ETAG).cloned()
    }

    /// Where what was made is.
    pub(super) fn location(&self) -> Option<ResourcePath> {
        ResourcePath::from_link(self.headers.get(LOCATION)?.to_str().ok()?)
    }

    /// How long the BMC asks to wait; only the form in seconds counts.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        Some(Duration::from_secs(self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?))
    }
}

/// The way to one BMC.
pub(super) struct Transport {
    client: Client,
    origin: Url,
    trust: Arc<Trust>,
    address: String,
    username: String,
}

impl Transport {
    /// Makes the client; no I/O yet. The error says what about the endpoint is wrong.
    pub(super) fn new(
        endpoint: &Endpoint,
        pin: Option<Fingerprint>,
        timing: &Timing,
    ) -> Result<Self, String> {
        let address = address(endpoint);
        let bad_host = || format!("`{}` is not a host name or an IP address", printable(&endpoint.host, 80));
        let origin = Url::parse(&format!("https://{address}/")).map_err(|_| bad_host())?;
        // A user, a path or a second host smuggled in through the host name.
        let port = endpoint.port.unwrap_or(443);
        if origin.path() != "/"
            || !origin.username().is_empty()
            || origin.port_or_known_default() != Some(port)
        {
            return Err(bad_host());
        }
        let trust = Trust::new(pin);
        let tls = trust.client_config().map_err(|error| format!("TLS can't be set up: {error}"))?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .http1_only()
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(timing.connect)
            .timeout(timing.request)
            .pool_max_idle_per_host(1)
            // BMCs drop idle connections early; a new one is cheaper than a lost request.
            .pool_idle_timeout(Duration::from_secs(10))
            .build()
            .map_err(|error| format!("the HTTP client can't be set up: {error}"))?;
        Ok(Self { client, origin, trust, address, username: endpoint.credentials.username.clone() })
    }

    /// The certificate that is trusted, if one is yet.
    pub(super) fn pinned(&self) -> Option<Fingerprint> {
        self.trust.pinned()
    }

    /// Sends a request and reads the whole answer, whatever its status.
    pub(super) async fn send(&self, request: &Request, proof: Proof<'_>) -> Result<Answer, BmcError> {
        let response = match self.begin(request, proof).await {
            // A kept connection that the BMC closed just then; reading twice does no harm.
            Err(error) if request.method == Method::GET && !error.is_timeout() && !error.is_connect() => {
                self.begin(request, proof).await
            }
            other => other,
        };
        let response = response.map_err(|error| self.lost(&error, request.during))?;
        let answer = self.read(response, request.during).await?;
        tracing::debug!(
            address = %self.address, method = %request.method, path = %request.path, status = answer.status.as_u16(),
            "redfish"
        );
        Ok(answer)
    }

    async fn begin(&self, request: &Request, proof: Proof<'_>) -> reqwest::Result<Response> {
        let mut builder = self
            .client
            .request(request.method.clone(), self.url(&request.path))
            .header(ACCEPT, "application/json")
            .header("OData-Version", "4.0");
        builder = match proof {
            Proof::None => builder,
            Proof::Token(token) => builder.header("X-Auth-Token", token),
            Proof::Basic(user) => builder.basic_auth(&user.username, Some(user.password.as_str())),
        };
        if let Some(tag) = &request.if_match {
            builder = builder.header(IF_MATCH, tag);
        }
        if let Some(body) = &request.body {
            builder = builder.json(body);
        }
        builder.send().await
    }

    async fn read(&self, mut response: Response, during: &'static str) -> Result<Answer, BmcError> {
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.lost(&error, during))? {
            if body.len() + chunk.len() > BODY_MAX {
                return Err(self.broken(during, format!("its answer is larger than {BODY_MAX} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body })
    }

    /// Whatever the path is, the origin stays ours.
    fn url(&self, path: &ResourcePath) -> Url {
        let mut url = self.origin.clone();
        url.set_path(path.path());
        url.set_query(path.query());
        url
    }

    /// Parses a resource.
    pub(super) fn parse<T: DeserializeOwned>(
        &self,
        answer: &Answer,
        during: &'static str,
    ) -> Result<T, BmcError> {
        parse(&answer.body).map_err(|error| self.broken(during, format!("the body is no resource: {error}")))
    }

    /// Lets a success through and makes an error of the rest.
    pub(super) fn success(&self, answer: Answer, during: &'static str) -> Result<Answer, BmcError> {
        if answer.status.is_success() {
            return Ok(answer);
        }
        if answer.status.is_redirection() {
            let to = answer.headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
            let what = format!("it redirects to {}, and redirects are not followed", printable(to, 120));
            return Err(self.broken(during, what));
        }
        let said = error_report(&answer.body).sentence;
        let status = answer.status;
        let answer =
            if said.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {said}") };
        Err(BmcError::Refused { address: self.address.clone(), during, answer })
    }

    /// Why no answer came: another certificate, broken HTTP, or nothing there.
    fn lost(&self, error: &reqwest::Error, during: &'static str) -> BmcError {
        tracing::debug!(address = %self.address, %during, error = %chain(error), "redfish request lost");
        if let Some(Mismatch { seen, pinned }) = self.trust.take_mismatch() {
            let (seen, pinned) = (hex::encode(seen), hex::encode(pinned));
            return BmcError::WrongCertificate { address: self.address.clone(), seen, pinned };
        }
        if let Some(fault) = tls_fault(error) {
            return self.broken(during, format!("TLS failed: {}", printable(&fault, 200)));
        }
        if is_http_fault(error) {
            return self.broken(during, printable(&chain(error), 200));
        }
        BmcError::Unreachable { address: self.address.clone(), during, reason: None }
    }

    /// An answer that isn't the protocol.
    pub(super) fn broken(&self, during: &'static str, what: String) -> BmcError {
        BmcError::Protocol { address: self.address.clone(), during, what }
    }

    /// Something that the BMC lacks.
    pub(super) fn unsupported(&self, what: String) -> BmcError {
        BmcError::Unsupported { address: self.address.clone(), what }
    }

    /// A change that did not happen.
    pub(super) fn not_done(&self, during: &'static str, found: String) -> BmcError {
        BmcError::NotDone { address: self.address.clone(), during, found }
    }

    /// A refused login.
    pub(super) fn unauthenticated(&self) -> BmcError {
        BmcError::AuthenticationFailed {
            address: self.address.clone(),
            username: self.username.clone(),
            why: "wrong user name, password or privilege".into(),
        }
    }
}

/// `host:port`, with an IPv6 address in brackets.
pub(super) fn address(endpoint: &Endpoint) -> String {
    let port = endpoint.port.unwrap_or(443);
    let host = &endpoint.host;
    match host.parse::<std::net::Ipv6Addr>() {
        Ok(address) => format!("[{address}]:{port}"),
        Err(_) => format!("{host}:{port}"),
    }
}

/// The TLS error behind a lost request, if that is what it was.
fn tls_fault(error: &reqwest::Error) -> Option<String> {
    sources(error).find_map(|source| inside(source).downcast_ref::<rustls::Error>()).map(ToString::to_string)
}

/// What an I/O error wraps; `source()` skips it, and some libraries wrap twice.
fn inside<'e>(error: &'e (dyn std::error::Error + 'static)) -> &'e (dyn std::error::Error + 'static) {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(inner) => inside(inner),
        None => error,
    }
}

/// Whether bytes came that were no HTTP, rather than none.
fn is_http_fault(error: &reqwest::Error) -> bool {
    sources(error).filter_map(|source| source.downcast_ref::<hyper::Error>()).any(hyper::Error::is_parse)
}

fn sources<'e>(error: &'e reqwest::Error) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |source| (*source).source())
}

fn chain(error: &reqwest::Error) -> String {
    let mut words: Vec<String> = sources(error).map(ToString::to_string).collect();
    words.dedup();
    words.join(": ")
}

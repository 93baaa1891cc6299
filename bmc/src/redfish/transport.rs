//! One HTTP exchange with one BMC: bounded in time and size, to its own origin only.
//!
//! The HTTP client is made when it is needed and dropped when it idles, because ten thousand of them are too large to
//! keep; a TLS ticket stays, so that the next connection is cheap. Not here: who is logged in (`session`), what the
//! bodies mean (`bmc_proto::redfish`), why no answer came (`lost`).

use super::lost::lost;
use super::single::{Missed, Way};
use super::timing::Timing;
use super::tls::{Fingerprint, Tickets, Verifier};
use crate::{BmcError, Credentials, Endpoint, Protocol, Trust};
use bmc_proto::redfish::{ErrorReport, ResourcePath, error_report, parse, printable};
use reqwest::header::{
    ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MATCH, LOCATION, RETRY_AFTER,
};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// The largest body that is read, in bytes: attribute registries are the largest, with one or two MB.
const BODY_MAX: usize = 4 * 1024 * 1024;

/// How many redirects, all within the BMC, are followed for one request.
const REDIRECTS_MAX: usize = 3;

/// A kept connection that was idle for longer is not used for what must not be done twice: BMCs drop connections
/// early, and a request that crosses with that is lost.
const FRESH: Duration = Duration::from_secs(1);

/// From which pause on a connection that is used again is one that is used often.
const PAUSE: Duration = Duration::from_millis(500);

/// Why somebody with the right password is not let in.
pub(super) const EXPIRED: &str =
    "the password must be changed first; set a new one, or turn that demand off on the BMC";

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
    /// Whether doing it twice is not the same as once.
    pub(super) once: bool,
    /// Whether it is a GET that mostly comes alone: for it no connection is made to be kept.
    pub(super) single: bool,
}

impl Request {
    /// A request without a body.
    pub(super) fn new(method: Method, path: &ResourcePath, during: &'static str) -> Self {
        Self { method, path: path.clone(), body: None, if_match: None, during, once: false, single: false }
    }

    /// Reads a resource.
    pub(super) fn get(path: &ResourcePath, during: &'static str) -> Self {
        Self::new(Method::GET, path, during)
    }

    /// Posts to an action or a collection, where doing it twice does no harm.
    pub(super) fn post(path: &ResourcePath, body: serde_json::Value, during: &'static str) -> Self {
        Self { body: Some(body), ..Self::new(Method::POST, path, during) }
    }
}

/// A file's bytes and how they are sent. The length is always told: few BMCs read chunks.
pub(super) struct Upload {
    /// `Content-Type`.
    pub(super) content_type: String,
    /// How many bytes.
    pub(super) length: u64,
    /// The bytes.
    pub(super) body: reqwest::Body,
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
        self.headers.get(ETAG).filter(|tag| !tag.is_empty()).cloned()
    }

    /// Where what was made is.
    pub(super) fn location(&self) -> Option<ResourcePath> {
        ResourcePath::from_link(self.headers.get(LOCATION)?.to_str().ok()?)
    }

    /// How long the BMC asks to wait; only the form in seconds counts.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        Some(Duration::from_secs(self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?))
    }

    /// What its body says is wrong.
    pub(super) fn report(&self) -> ErrorReport {
        error_report(&self.body)
    }
}

/// A client that is in use, or was just now.
struct Live {
    client: Client,
    used: Instant,
    /// For how long it is kept after that.
    keep: Duration,
}

/// The way to one BMC.
pub(super) struct Transport {
    live: Arc<Mutex<Option<Live>>>,
    /// When something was last asked alone.
    alone: Mutex<Option<Instant>>,
    origin: Url,
    verifier: Arc<Verifier>,
    tickets: Arc<Tickets>,
    timing: Arc<Timing>,
    address: String,
    username: String,
    /// BMCs repeat what they were told: it is taken out of their words.
    password: Zeroizing<String>,
}

impl Transport {
    /// No I/O yet. The error says what about the endpoint is wrong.
    pub(super) fn new(endpoint: &Endpoint, timing: &Arc<Timing>) -> Result<Self, String> {
        let address = address(endpoint);
        let verifier = match &endpoint.protocol {
            Protocol::Redfish { trust: Trust::Pinned(pin) } => Verifier::pinned_to(Some(*pin)),
            Protocol::Redfish { trust: Trust::Authorities(pem) } => Verifier::signed_by(pem)?,
            _ => Verifier::pinned_to(None),
        };
        Ok(Self {
            live: Arc::default(),
            alone: Mutex::default(),
            origin: origin(endpoint, &address)?,
            verifier: Arc::new(verifier),
            tickets: Arc::default(),
            timing: Arc::clone(timing),
            address,
            username: endpoint.credentials.username.clone(),
            password: endpoint.credentials.password.clone(),
        })
    }

    /// The certificate that is trusted, if one is yet.
    pub(super) fn certificate(&self) -> Option<Fingerprint> {
        self.verifier.seen()
    }

    /// `https://host:port/`: whom everything that is secret belongs to.
    pub(super) fn origin(&self) -> &str {
        self.origin.as_str()
    }

    /// Sends a request and reads the whole answer, whatever its status. A GET follows redirects within the BMC.
    pub(super) async fn send(&self, request: &Request, proof: Proof<'_>) -> Result<Answer, BmcError> {
        let mut path = request.path.clone();
        for _ in 0..=REDIRECTS_MAX {
            let answer = self.exchange(request, &path, proof).await?;
            match self.redirect(request, &path, &answer)? {
                None => return Ok(answer),
                Some(next) => path = next,
            }
        }
        Err(self.broken(request.during, format!("it redirects more than {REDIRECTS_MAX} times")))
    }

    /// Where a GET is sent on to, if it is: within the BMC only, because credentials go with it.
    fn redirect(
        &self,
        request: &Request,
        path: &ResourcePath,
        answer: &Answer,
    ) -> Result<Option<ResourcePath>, BmcError> {
        if request.method != Method::GET || !matches!(answer.status.as_u16(), 301 | 302 | 307 | 308) {
            return Ok(None);
        }
        let location = answer.headers.get(LOCATION).and_then(|location| location.to_str().ok());
        let Some(location) = location else {
            return Err(self.broken(request.during, "it redirects to nowhere".into()));
        };
        let target =
            self.url(path).join(location).ok().filter(|target| target.origin() == self.origin.origin());
        let next = target.and_then(|target| {
            let query = target.query().map_or(String::new(), |query| format!("?{query}"));
            ResourcePath::from_link(&format!("{}{query}", target.path()))
        });
        let Some(next) = next else {
            let what = format!(
                "it redirects to {}, which is another address than its own, and nothing is sent there; if that is \
                 the BMC, set its address so",
                printable(location, 120)
            );
            return Err(self.broken(request.during, what));
        };
        Ok(Some(next))
    }

    async fn exchange(
        &self,
        request: &Request,
        path: &ResourcePath,
        proof: Proof<'_>,
    ) -> Result<Answer, BmcError> {
        if let Some(answer) = self.single(request, path, proof).await? {
            return Ok(answer);
        }
        let tried = match self.try_once(request, path, proof).await? {
            // A kept connection that the BMC closed just then, or an answer that broke off; reading twice does no harm.
            Err(error) if request.method == Method::GET && !error.is_timeout() && !error.is_connect() => {
                self.try_once(request, path, proof).await?
            }
            other => other,
        };
        let answer = tried.map_err(|error| self.lost(&error, request.during, request.once))?;
        tracing::debug!(
            address = %self.address, method = %request.method, path = %request.path, status = answer.status.as_u16(),
            "redfish"
        );
        Ok(answer)
    }

    /// What is asked alone, over a connection of its own. Nothing: it is to be asked by the client, because there is one,
    /// or it is asked so often that a kept connection is worth while, or that knows better what is wrong.
    async fn single(
        &self,
        request: &Request,
        path: &ResourcePath,
        proof: Proof<'_>,
    ) -> Result<Option<Answer>, BmcError> {
        let Proof::Token(token) = proof else { return Ok(None) };
        if !request.single || self.lock().is_some() || !self.is_rare() {
            return Ok(None);
        }
        let way = Way {
            origin: &self.origin,
            address: &self.address,
            verifier: &self.verifier,
            tickets: &self.tickets,
            connect: self.timing.connect,
            request: self.timing.request,
        };
        let url = self.url(path);
        let target =
            url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        match way.get(&target, token).await {
            Ok(answer) => Ok(Some(answer)),
            Err(Missed::Nobody(error)) => Err(BmcError::Unreachable {
                address: self.address.clone(),
                during: request.during,
                reason: error.map(|error| printable(&error.to_string(), 120)),
            }),
            Err(Missed::Odd) => Ok(None),
        }
    }

    /// Whether nothing was asked alone for longer than a connection that is used often is kept.
    fn is_rare(&self) -> bool {
        let now = Instant::now();
        let last = self.alone.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        last.is_none_or(|last| now.duration_since(last) > self.timing.kept)
    }

    /// The inner error is one of the way there and back.
    async fn try_once(
        &self,
        request: &Request,
        path: &ResourcePath,
        proof: Proof<'_>,
    ) -> Result<Result<Answer, reqwest::Error>, BmcError> {
        match self.begin(request, path, proof)?.send().await {
            Ok(response) => self.read(response, request.during).await,
            Err(error) => Ok(Err(error)),
        }
    }

    fn begin(
        &self,
        request: &Request,
        path: &ResourcePath,
        proof: Proof<'_>,
    ) -> Result<reqwest::RequestBuilder, BmcError> {
        let client = self.client(if request.once { FRESH } else { Duration::MAX })?;
        let mut builder = client
            .request(request.method.clone(), self.url(path))
            .timeout(self.timing.request)
            .header(ACCEPT, "application/json")
            .header("OData-Version", "4.0");
        builder = prove(builder, proof);
        if let Some(tag) = &request.if_match {
            builder = builder.header(IF_MATCH, tag);
        }
        if let Some(body) = &request.body {
            builder = builder.json(body);
        }
        Ok(builder)
    }

    /// Sends a file. Never repeated.
    pub(super) async fn upload(
        &self,
        path: &ResourcePath,
        upload: Upload,
        proof: Proof<'_>,
        during: &'static str,
    ) -> Result<Answer, BmcError> {
        let builder = self
            .client(FRESH)?
            .request(Method::POST, self.url(path))
            .timeout(self.timing.push)
            .header(ACCEPT, "application/json")
            .header("OData-Version", "4.0")
            .header(CONTENT_TYPE, upload.content_type)
            .header(CONTENT_LENGTH, upload.length)
            .body(upload.body);
        let response = prove(builder, proof).send().await.map_err(|error| self.lost(&error, during, true))?;
        self.read(response, during).await?.map_err(|error| self.lost(&error, during, true))
    }

    /// Opens a stream of events. Its body is read as it comes, for as long as it comes.
    pub(super) async fn open(
        &self,
        path: &ResourcePath,
        proof: Proof<'_>,
        during: &'static str,
    ) -> Result<Response, BmcError> {
        let builder = self.client(Duration::MAX)?.get(self.url(path)).header(ACCEPT, "text/event-stream");
        let sent = tokio::time::timeout(self.timing.request, prove(builder, proof).send()).await;
        match sent {
            Ok(sent) => sent.map_err(|error| self.lost(&error, during, false)),
            Err(_) => Err(BmcError::Unreachable { address: self.address.clone(), during, reason: None }),
        }
    }

    /// Reads an answer whole. The inner error is one of the way back.
    async fn read(
        &self,
        mut response: Response,
        during: &'static str,
    ) -> Result<Result<Answer, reqwest::Error>, BmcError> {
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > BODY_MAX => {
                    return Err(self.broken(during, format!("its answer is larger than {BODY_MAX} bytes")));
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return Ok(Err(error)),
            }
        }
        self.lock().as_mut().into_iter().for_each(|live| live.used = Instant::now());
        Ok(Ok(Answer { status, headers, body }))
    }

    /// The client, made if there is none, or if its connection was idle for longer than `idle`.
    fn client(&self, idle: Duration) -> Result<Client, BmcError> {
        let now = Instant::now();
        let mut live = self.lock();
        if let Some(live) = live.as_mut().filter(|live| now.duration_since(live.used) <= idle) {
            // One that comes back after a pause will again; a row of requests, as for a login, tells nothing.
            if now.duration_since(live.used) >= PAUSE {
                live.keep = self.timing.kept;
            }
            live.used = now;
            return Ok(live.client.clone());
        }
        let sweeping = live.is_some();
        let client = self.build().map_err(|what| self.unsupported(what))?;
        *live = Some(Live { client: client.clone(), used: now, keep: self.timing.kept_rarely });
        drop(live);
        if !sweeping {
            self.sweep();
        }
        Ok(client)
    }

    fn build(&self) -> Result<Client, String> {
        let tls = self
            .verifier
            .client_config(&self.tickets)
            .map_err(|error| format!("TLS can't be set up: {error}"))?;
        Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .http1_only()
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(self.timing.connect)
            .pool_max_idle_per_host(1)
            // BMCs drop idle connections early; a new one is cheaper than a lost request.
            .pool_idle_timeout(self.timing.kept)
            .build()
            .map_err(|error| format!("the HTTP client can't be set up: {error}"))
    }

    /// Drops the client when it has not been used for its time.
    fn sweep(&self) {
        let live = Arc::downgrade(&self.live);
        let mut pause = self.timing.kept_rarely;
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                let Some(live) = live.upgrade() else { return };
                let mut live = lock(&live);
                let Some(held) = live.as_ref() else { return };
                let due = held.used + held.keep;
                let now = Instant::now();
                if due <= now {
                    *live = None;
                    return;
                }
                pause = due - now;
            }
        });
    }

    /// Lets the connection go.
    pub(super) fn disconnect(&self) {
        *self.lock() = None;
    }

    /// Whether there is a client that may hold a connection.
    #[cfg(test)]
    pub(super) fn is_connected(&self) -> bool {
        self.lock().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Live>> {
        lock(&self.live)
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
            let what = format!("it redirects to {}, and changes are not sent on", printable(to, 120));
            return Err(self.broken(during, what));
        }
        Err(self.refused(answer.status, &answer.report(), during))
    }

    /// A refusal, in the BMC's words.
    pub(super) fn refused(&self, status: StatusCode, report: &ErrorReport, during: &'static str) -> BmcError {
        if report.has("PasswordChangeRequired") {
            return self.unauthenticated(EXPIRED);
        }
        let said = &report.sentence;
        let answer =
            if said.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {said}") };
        let refused = BmcError::Refused { address: self.address.clone(), during, answer };
        without(refused, &self.password)
    }

    fn lost(&self, error: &reqwest::Error, during: &'static str, once: bool) -> BmcError {
        lost(error, &self.address, &self.verifier, during, once)
    }

    /// An answer that isn't the protocol.
    pub(super) fn broken(&self, during: &'static str, what: String) -> BmcError {
        without(BmcError::Protocol { address: self.address.clone(), during, what }, &self.password)
    }

    /// Something that the BMC lacks.
    pub(super) fn unsupported(&self, what: String) -> BmcError {
        BmcError::Unsupported { address: self.address.clone(), what }
    }

    /// It is let alone for a while.
    pub(super) fn resting(&self, rest: Duration, last: String, credentials: bool) -> BmcError {
        BmcError::Resting { address: self.address.clone(), rest, last, credentials }
    }

    /// Something else than Redfish answers.
    pub(super) fn no_bmc(&self) -> BmcError {
        BmcError::NotABmc {
            address: self.address.clone(),
            what: "a web server answers there, but not with a Redfish service; is this the BMC's address and https \
                   port?"
                .into(),
        }
    }

    /// No session is to be had.
    pub(super) fn full(&self, answer: &str) -> BmcError {
        let full = BmcError::NoFreeSession { address: self.address.clone(), answer: answer.into() };
        without(full, &self.password)
    }

    /// A refused login.
    pub(super) fn unauthenticated(&self, why: &str) -> BmcError {
        BmcError::AuthenticationFailed {
            address: self.address.clone(),
            username: self.username.clone(),
            why: why.into(),
        }
    }
}

/// An error in whose words a secret does not stand: timelines and logs are read by more than may know it.
pub(super) fn without(mut error: BmcError, secret: &str) -> BmcError {
    if let BmcError::Refused { answer: words, .. }
    | BmcError::NoFreeSession { answer: words, .. }
    | BmcError::Protocol { what: words, .. }
    | BmcError::Unsupported { what: words, .. }
    | BmcError::NotDone { found: words, .. } = &mut error
    {
        *words = hidden(words, secret);
    }
    error
}

/// A text without a secret. What is shorter than four bytes stands in many words, and can't be told apart.
pub(crate) fn hidden(text: &str, secret: &str) -> String {
    if secret.len() < 4 { text.to_owned() } else { text.replace(secret, "***") }
}

fn lock(live: &Mutex<Option<Live>>) -> MutexGuard<'_, Option<Live>> {
    // It is replaced whole, or a time in it is: a panic elsewhere can't have left it half done.
    live.lock().unwrap_or_else(PoisonError::into_inner)
}

fn prove(builder: reqwest::RequestBuilder, proof: Proof<'_>) -> reqwest::RequestBuilder {
    match proof {
        Proof::None => builder,
        Proof::Token(token) => builder.header("X-Auth-Token", token),
        Proof::Basic(user) => builder.basic_auth(&user.username, Some(user.password.as_str())),
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

/// The origin. A user, a path or a second host smuggled in through the host name is refused.
fn origin(endpoint: &Endpoint, address: &str) -> Result<Url, String> {
    let bad_host = || format!("`{}` is not a host name or an IP address", printable(&endpoint.host, 80));
    let origin = Url::parse(&format!("https://{address}/")).map_err(|_| bad_host())?;
    let port = endpoint.port.unwrap_or(443);
    if origin.path() != "/" || !origin.username().is_empty() || origin.port_or_known_default() != Some(port) {
        return Err(bad_host());
    }
    Ok(origin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn transport() -> Transport {
        let endpoint = Endpoint {
            protocol: Protocol::Redfish { trust: Trust::FirstUse },
            host: "192.0.2.7".into(),
            port: Some(8443),
            credentials: Credentials {
                username: "u".into(),
                password: String::from("p").into(),
                bmc_key: None,
            },
            keeper: None,
        };
        Transport::new(&endpoint, &Timing::shared()).unwrap()
    }

    fn redirected(
        transport: &Transport,
        status: u16,
        location: &str,
    ) -> Result<Option<ResourcePath>, BmcError> {
        let mut headers = HeaderMap::new();
        if let Ok(location) = HeaderValue::from_str(location) {
            headers.insert(LOCATION, location);
        }
        let answer = Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: Vec::new() };
        let path = ResourcePath::from_link("/redfish/v1/Systems").unwrap();
        transport.redirect(&Request::get(&path, "x"), &path, &answer)
    }

    #[test]
    fn redirects_stay_within_the_bmc() {
        let transport = transport();
        for (location, path) in [
            ("/redfish/v1/Systems/", "/redfish/v1/Systems/"),
            ("Systems/", "/redfish/v1/Systems/"),
            ("https://192.0.2.7:8443/a?b=c", "/a?b=c"),
        ] {
            assert_eq!(redirected(&transport, 308, location).unwrap().unwrap().to_string(), path);
        }
        for location in [
            "http://192.0.2.7:8443/a",
            "https://192.0.2.7/a",
            "https://192.0.2.8:8443/a",
            "//192.0.2.8:8443/a",
            "https://192.0.2.7:8443@evil.example/a",
            "\\\\evil.example\\a",
        ] {
            let error = redirected(&transport, 302, location).unwrap_err();
            assert!(
                matches!(&error, BmcError::Protocol { what, .. } if what.contains("redirects to")),
                "{location}"
            );
        }
        assert_eq!(redirected(&transport, 200, "https://evil.example/").unwrap(), None);
    }

    proptest! {
        /// Wherever a BMC points, what is requested next is on its own scheme, host and port.
        #[test]
        fn credentials_never_leave_their_origin(
            link in "(https?:)?(//|/\\\\|\\\\\\\\|/)?([a-z0-9.@:\\[\\]-]{0,20}|192\\.0\\.2\\.7(:8443)?)?[!-~]{0,30}",
            status in prop_oneof![Just(301_u16), Just(302), Just(307), Just(308)],
        ) {
            let transport = transport();
            if let Ok(Some(next)) = redirected(&transport, status, &link) {
                let url = transport.url(&next);
                prop_assert_eq!(url.origin().ascii_serialization(), "https://192.0.2.7:8443");
                prop_assert!(url.username().is_empty() && url.password().is_none());
                // And it had named that origin, or none.
                let named = transport.url(&ResourcePath::root()).join(&link).unwrap();
                prop_assert_eq!(named.origin(), transport.origin.origin());
            }
            if let Some(path) = ResourcePath::from_link(&link) {
                prop_assert_eq!(transport.url(&path).origin(), transport.origin.origin());
            }
        }
    }
}

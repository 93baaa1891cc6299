//! Being logged in: one session that is kept and reused, one request at a time.
//!
//! BMCs have few sessions (four to sixteen) and little patience for parallel requests.

use super::timing::{RETRIES, Timing};
use super::transport::{Answer, Proof, Request, Transport};
use crate::{BmcError, Credentials};
use bmc_proto::redfish::{
    ErrorReport, Link, ResourcePath, ServiceRoot, Session as SessionResource, SessionService, error_report,
};
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::sync::Mutex;

const LOGIN: &str = "log in";

/// A session with one BMC.
pub(super) struct Session {
    credentials: Credentials,
    timing: Timing,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    root: Option<ServiceRoot>,
    login: Option<Login>,
}

/// How requests prove themselves.
enum Login {
    /// By a session.
    Token {
        token: HeaderValue,
        /// Where it can be ended.
        location: Option<ResourcePath>,
    },
    /// By the password each time: the BMC has no sessions, or none left.
    Basic,
}

impl Session {
    /// Not logged in yet.
    pub(super) fn new(credentials: Credentials, timing: Timing) -> Self {
        Self { credentials, timing, state: Mutex::default() }
    }

    /// The service root.
    pub(super) async fn root(&self, transport: &Transport) -> Result<ServiceRoot, BmcError> {
        let mut state = self.state.lock().await;
        self.load_root(transport, &mut state).await
    }

    /// Sends a request, logged in. Any status that is not about being logged in is handed on.
    pub(super) async fn call(&self, transport: &Transport, request: &Request) -> Result<Answer, BmcError> {
        // Held until the answer is there: that is what makes it one request at a time.
        let mut state = self.state.lock().await;
        let fresh = state.login.is_none();
        if fresh {
            state.login = Some(self.log_in(transport, &mut state).await?);
        }
        let answer = self.attempt(transport, &state, request).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let had_session = matches!(state.login, Some(Login::Token { .. }));
        state.login = None;
        if fresh || !had_session {
            return Err(transport.unauthenticated());
        }
        tracing::debug!("redfish session is gone, logging in again");
        state.login = Some(self.log_in(transport, &mut state).await?);
        let answer = self.attempt(transport, &state, request).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            state.login = None;
            return Err(transport.unauthenticated());
        }
        Ok(answer)
    }

    /// Ends the session. What goes wrong doesn't matter: the BMC ends it by itself some time.
    pub(super) async fn close(&self, transport: &Transport) {
        let login = self.state.lock().await.login.take();
        let Some(Login::Token { token, location: Some(path) }) = login else { return };
        let request = Request { method: Method::DELETE, path, body: None, if_match: None, during: "log out" };
        if let Err(error) = transport.send(&request, Proof::Token(&token)).await {
            tracing::debug!(%error, "redfish session was not ended");
        }
    }

    async fn attempt(
        &self,
        transport: &Transport,
        state: &State,
        request: &Request,
    ) -> Result<Answer, BmcError> {
        let proof = match &state.login {
            Some(Login::Token { token, .. }) => Proof::Token(token),
            Some(Login::Basic) => Proof::Basic(&self.credentials),
            None => Proof::None,
        };
        self.patiently(transport, request, proof).await
    }

    /// Repeats what the BMC was too busy for. 503 and 429 mean that it did nothing.
    async fn patiently(
        &self,
        transport: &Transport,
        request: &Request,
        proof: Proof<'_>,
    ) -> Result<Answer, BmcError> {
        let mut pause = self.timing.retry;
        for _ in 0..RETRIES {
            let answer = transport.send(request, proof).await?;
            let busy =
                matches!(answer.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
            // This one does not pass by waiting a second.
            if !busy || is_full(&error_report(&answer.body)) {
                return Ok(answer);
            }
            let asked = answer.retry_after().unwrap_or(pause);
            tokio::time::sleep(asked.min(self.timing.retry_longest)).await;
            pause *= 2;
        }
        transport.send(request, proof).await
    }

    async fn load_root(&self, transport: &Transport, state: &mut State) -> Result<ServiceRoot, BmcError> {
        if let Some(root) = &state.root {
            return Ok(root.clone());
        }
        let during = "read the Redfish service root";
        let request = Request::get(&ResourcePath::root(), during);
        let mut answer = self.patiently(transport, &request, Proof::None).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            // The standard says that the root is open; some don't know.
            answer = self.patiently(transport, &request, Proof::Basic(&self.credentials)).await?;
        }
        match answer.status {
            StatusCode::UNAUTHORIZED => return Err(transport.unauthenticated()),
            StatusCode::NOT_FOUND => {
                let what =
                    "it has no Redfish service; is this the BMC's address, and is Redfish switched on?";
                return Err(transport.unsupported(what.into()));
            }
            _ => {}
        }
        let root: ServiceRoot = transport.parse(&transport.success(answer, during)?, during)?;
        Ok(state.root.insert(root).clone())
    }

    async fn log_in(&self, transport: &Transport, state: &mut State) -> Result<Login, BmcError> {
        let root = self.load_root(transport, state).await?;
        let Some(sessions) = self.sessions_path(transport, &root).await? else { return Ok(Login::Basic) };
        let body =
            json!({ "UserName": self.credentials.username, "Password": self.credentials.password.as_str() });
        let answer = self.patiently(transport, &Request::post(&sessions, body, LOGIN), Proof::None).await?;
        let report = error_report(&answer.body);
        if answer.status.is_success() {
            return self.token(transport, &answer);
        }
        if is_missing(answer.status) || is_full(&report) {
            return Ok(Login::Basic);
        }
        // iLO says it with 400 and this message.
        let refused = matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if refused || report.has("UnauthorizedLoginAttempt") {
            return Err(transport.unauthenticated());
        }
        Err(match transport.success(answer, LOGIN) {
            Err(error) => error,
            Ok(_) => transport.broken(LOGIN, "an answer without meaning".into()),
        })
    }

    /// Reads the token out of the answer to a login (DSP0266 section 13.3.4.3).
    fn token(&self, transport: &Transport, answer: &Answer) -> Result<Login, BmcError> {
        let token = answer.headers.get("X-Auth-Token").filter(|token| !token.is_empty());
        let Some(token) = token else {
            return Err(transport.broken(LOGIN, "it made a session without an X-Auth-Token".into()));
        };
        let mut token = token.clone();
        token.set_sensitive(true);
        let in_body = || {
            let session: SessionResource = transport.parse(answer, LOGIN).ok()?;
            ResourcePath::from_link(session.odata_id.as_deref()?)
        };
        Ok(Login::Token { token, location: answer.location().or_else(in_body) })
    }

    /// Where sessions are posted to: as the root says, or the session service. `None`: there are none.
    async fn sessions_path(
        &self,
        transport: &Transport,
        root: &ServiceRoot,
    ) -> Result<Option<ResourcePath>, BmcError> {
        let direct = root.links.as_ref().and_then(|links| links.sessions.as_ref());
        if let Some(path) = direct.and_then(path_of) {
            return Ok(Some(path));
        }
        let Some(path) = root.session_service.as_ref().and_then(path_of) else { return Ok(None) };
        let during = "read the session service";
        let proof = Proof::Basic(&self.credentials);
        let answer = self.patiently(transport, &Request::get(&path, during), proof).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            return Err(transport.unauthenticated());
        }
        if is_missing(answer.status) {
            return Ok(None);
        }
        let service: SessionService = transport.parse(&transport.success(answer, during)?, during)?;
        Ok(service.sessions.as_ref().and_then(path_of))
    }
}

/// The path that a link holds, if it is one to follow.
pub(super) fn path_of(link: &Link) -> Option<ResourcePath> {
    ResourcePath::from_link(link.odata_id.as_deref()?)
}

fn is_missing(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED)
}

/// Whether all the BMC's sessions are taken, perhaps by services that died.
fn is_full(report: &ErrorReport) -> bool {
    report.has("SessionLimitExceeded") || report.has("CreateLimitReachedForResource")
}

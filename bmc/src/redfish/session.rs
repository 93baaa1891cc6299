//! Being logged in: one session that is kept and reused, also by the next process, and one request at a time.
//!
//! BMCs have few sessions (four to sixteen), which end half an hour after their last use, and little patience for
//! parallel requests. A refused password is not tried again and again: the account would be locked. A session that can't
//! be written down is ended after its exchange.

use super::kept::Kept;
use super::timing::{RETRIES, Timing};
use super::transport::{Answer, EXPIRED, Proof, Request, Transport, Upload};
use crate::breaker::{Breaker, Failure, Resting};
use crate::{BmcError, Credentials, Health, KeeperAway, SessionKeeper};
use bmc_proto::redfish::{
    Link, ResourcePath, ServiceRoot, Session as SessionResource, SessionService, Verdict, verdict,
};
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use serde_json::json;
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};
use tokio::sync::Mutex;
use tokio::time::Instant;

const LOGIN: &str = "log in";
const LOGOUT: &str = "log out";
const WRONG: &str = "wrong user name, password or privilege";

/// A session with one BMC.
pub(super) struct Session {
    credentials: Credentials,
    keeper: Option<Arc<dyn SessionKeeper>>,
    timing: Arc<Timing>,
    state: Mutex<State>,
    breaker: Lock<Breaker>,
}

#[derive(Default)]
struct State {
    root: Option<Box<ServiceRoot>>,
    login: Option<Login>,
    /// Whether the keeper answered.
    restored: bool,
    /// The keeper does not know of the session that was opened last: after a kill nobody would end it.
    unkept: bool,
    /// A session of ours that may still be there, without a token for it.
    stray: Option<ResourcePath>,
    /// With all sessions taken the password did not do either: it is not tried so again, lest the account be locked.
    no_basic: bool,
}

/// How requests prove themselves.
#[derive(Clone)]
enum Login {
    /// By a session.
    Token {
        token: HeaderValue,
        /// Where it can be ended.
        location: Option<ResourcePath>,
    },
    /// By the password each time: the BMC has no sessions, or had none left or none to be found, as while it starts;
    /// then they are tried again some time.
    Basic {
        until: Option<Instant>,
        /// All sessions were taken.
        full: bool,
    },
}

impl Session {
    /// Not logged in yet.
    pub(super) fn new(
        credentials: Credentials,
        keeper: Option<Arc<dyn SessionKeeper>>,
        timing: Arc<Timing>,
    ) -> Self {
        Self { credentials, keeper, timing, state: Mutex::default(), breaker: Lock::default() }
    }

    /// What we log in with.
    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Who we log in as.
    pub(super) fn username(&self) -> &str {
        &self.credentials.username
    }

    /// How it has been going.
    pub(super) fn health(&self) -> Health {
        self.breaker().health(Instant::now())
    }

    /// The service root.
    pub(super) async fn root(&self, transport: &Transport) -> Result<ServiceRoot, BmcError> {
        let mut state = self.state.lock().await;
        self.admit(transport)?;
        let root = self.load_root(transport, &mut state).await;
        root.inspect_err(|error| self.note(error))
    }

    /// Forgets the service root, which other firmware may have made another.
    pub(super) async fn forget_root(&self) {
        self.state.lock().await.root = None;
    }

    /// Sends a request, logged in. Any status that is not about being logged in is handed on.
    pub(super) async fn call(&self, transport: &Transport, request: &Request) -> Result<Answer, BmcError> {
        // Held until the answer is there: that is what makes it one request at a time.
        let mut state = self.state.lock().await;
        self.admit(transport)?;
        let answer = self.call_locked(transport, &mut state, request).await;
        self.end_unkept(transport, &mut state).await;
        match &answer {
            Ok(_) => self.breaker().answered(),
            Err(error) => self.note(error),
        }
        answer
    }

    async fn call_locked(
        &self,
        transport: &Transport,
        state: &mut State,
        request: &Request,
    ) -> Result<Answer, BmcError> {
        let fresh = self.ensure(transport, state).await?;
        let answer = self.attempt(transport, state, request).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        if fresh {
            return Err(self.not_let_in(transport, state).await);
        }
        let Some(Login::Token { location, .. }) = state.login.take() else {
            return Err(transport.unauthenticated(WRONG));
        };
        tracing::debug!("redfish session is gone, logging in again");
        state.stray = location;
        self.ensure(transport, state).await?;
        let answer = self.attempt(transport, state, request).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            return Err(self.not_let_in(transport, state).await);
        }
        Ok(answer)
    }

    /// Ends a session of which the keeper does not know, if it can be ended. The next exchange opens another, or goes on
    /// with the one that is kept.
    async fn end_unkept(&self, transport: &Transport, state: &mut State) {
        if !std::mem::take(&mut state.unkept) {
            return;
        }
        if let Some(Login::Token { token, location: Some(path) }) = &state.login {
            self.end(transport, path, Proof::Token(token)).await;
            state.login = None;
        }
    }

    /// A login that was made just now doesn't let us in. A session is ended: the BMC has few, and the next try makes
    /// another.
    async fn not_let_in(&self, transport: &Transport, state: &mut State) -> BmcError {
        match state.login.take() {
            Some(Login::Basic { full: true, .. }) => {
                state.no_basic = true;
                transport.full("and it takes no password without a session")
            }
            Some(Login::Token { token, location: Some(path) }) => {
                if self.end(transport, &path, Proof::Token(&token)).await {
                    self.forget().await;
                }
                transport.unauthenticated(WRONG)
            }
            _ => transport.unauthenticated(WRONG),
        }
    }

    /// Sends a file, logged in, beside other requests: it may take minutes.
    pub(super) async fn upload(
        &self,
        transport: &Transport,
        path: &ResourcePath,
        upload: Upload,
        during: &'static str,
    ) -> Result<Answer, BmcError> {
        let login = self.logged_in(transport).await?;
        transport.upload(path, upload, self.proof(Some(&login)), during).await
    }

    /// Opens a stream of events, logged in, beside other requests.
    pub(super) async fn open(
        &self,
        transport: &Transport,
        path: &ResourcePath,
        during: &'static str,
    ) -> Result<reqwest::Response, BmcError> {
        let login = self.logged_in(transport).await?;
        transport.open(path, self.proof(Some(&login)), during).await
    }

    /// A login that works just now: a session is tried out first, since what follows can't be repeated.
    async fn logged_in(&self, transport: &Transport) -> Result<Login, BmcError> {
        let root = self.root(transport).await?;
        if let Some(path) = root.systems.as_ref().and_then(path_of) {
            self.call(transport, &Request::get(&path, "check the session")).await?;
        }
        let mut state = self.state.lock().await;
        self.ensure(transport, &mut state).await?;
        // What begins now takes long and needs its session all the time, kept or not.
        state.unkept = false;
        state.login.clone().ok_or_else(|| transport.unauthenticated(WRONG))
    }

    /// Ends the session. What goes wrong doesn't matter: the BMC ends it by itself some time.
    pub(super) async fn close(&self, transport: &Transport) {
        let mut state = self.state.lock().await;
        let login = state.login.take();
        if let Some(Login::Token { token, location: Some(path) }) = login
            && self.admit(transport).is_ok()
            && self.end(transport, &path, Proof::Token(&token)).await
        {
            self.forget().await;
        }
        transport.disconnect();
    }

    /// Ends a session; whether it is gone.
    async fn end(&self, transport: &Transport, path: &ResourcePath, proof: Proof<'_>) -> bool {
        match transport.send(&Request::new(Method::DELETE, path, LOGOUT), proof).await {
            Ok(answer) => answer.status.is_success() || matches!(answer.status.as_u16(), 401 | 404),
            Err(error) => {
                tracing::debug!(%error, "redfish session was not ended");
                false
            }
        }
    }

    /// Whether a session is kept now, or need not be.
    async fn keep(&self, kept: Option<&Kept>) -> bool {
        let Some(keeper) = &self.keeper else { return true };
        let text = kept.and_then(Kept::text);
        keeper.save(text.as_deref().map(String::as_str)).await.is_ok()
    }

    /// A session that is gone need not be kept. One that is all the same is found to be gone by the next process.
    async fn forget(&self) {
        self.keep(None).await;
    }

    /// Makes that there is a login; whether it was made now.
    async fn ensure(&self, transport: &Transport, state: &mut State) -> Result<bool, BmcError> {
        if !state.restored
            && state.login.is_none()
            && let Ok(login) = self.restore(transport).await
        {
            state.login = login;
            // Not before: who asks may be gone in between.
            state.restored = true;
        }
        if matches!(state.login, Some(Login::Basic { until: Some(until), .. }) if until <= Instant::now()) {
            state.login = None;
        }
        let fresh = state.login.is_none();
        if fresh {
            state.login = Some(self.log_in(transport, state).await?);
        }
        Ok(fresh)
    }

    /// The session that the last process left, if it is ours. One with another password is ended.
    async fn restore(&self, transport: &Transport) -> Result<Option<Login>, KeeperAway> {
        let Some(keeper) = &self.keeper else { return Ok(None) };
        let text = keeper.load().await?;
        let Some(kept) = text.and_then(|text| Kept::read(&text, transport)) else { return Ok(None) };
        let (Some(token), location) = (kept.token(), kept.location()) else { return Ok(None) };
        if kept.is_of(&self.credentials) {
            tracing::debug!("redfish session was found again");
            return Ok(Some(Login::Token { token, location }));
        }
        if let Some(path) = &location {
            self.end(transport, path, Proof::Token(&token)).await;
        }
        self.forget().await;
        Ok(None)
    }

    fn proof<'a>(&'a self, login: Option<&'a Login>) -> Proof<'a> {
        match login {
            Some(Login::Token { token, .. }) => Proof::Token(token),
            Some(Login::Basic { .. }) => Proof::Basic(&self.credentials),
            None => Proof::None,
        }
    }

    async fn attempt(
        &self,
        transport: &Transport,
        state: &State,
        request: &Request,
    ) -> Result<Answer, BmcError> {
        self.patiently(transport, request, self.proof(state.login.as_ref())).await
    }

    /// Repeats what the BMC was too busy for, which means that it did nothing.
    async fn patiently(
        &self,
        transport: &Transport,
        request: &Request,
        proof: Proof<'_>,
    ) -> Result<Answer, BmcError> {
        let mut pause = self.timing.retry;
        for _ in 0..RETRIES {
            let answer = transport.send(request, proof).await?;
            if answer.status.is_success()
                || verdict(answer.status.as_u16(), &answer.report()) != Verdict::Busy
            {
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
            return Ok(ServiceRoot::clone(root));
        }
        let during = "read the Redfish service root";
        let request = Request::get(&ResourcePath::root(), during);
        let mut answer = self.patiently(transport, &request, Proof::None).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            // The standard says that the root is open; some don't know.
            answer = self.patiently(transport, &request, Proof::Basic(&self.credentials)).await?;
        }
        match answer.status {
            StatusCode::UNAUTHORIZED => return Err(transport.unauthenticated(WRONG)),
            StatusCode::NOT_FOUND => {
                let what =
                    "it has no Redfish service; is this the BMC's address, and is Redfish switched on?";
                return Err(transport.unsupported(what.into()));
            }
            _ => {}
        }
        let answer = transport.success(answer, during)?;
        let root: ServiceRoot = transport.parse(&answer, during).map_err(|_| transport.no_bmc())?;
        Ok(ServiceRoot::clone(state.root.insert(Box::new(root))))
    }

    async fn log_in(&self, transport: &Transport, state: &mut State) -> Result<Login, BmcError> {
        let root = self.load_root(transport, state).await?;
        let Some(sessions) = self.sessions_path(transport, &root).await? else {
            return Ok(Login::Basic { until: None, full: false });
        };
        let mut answer = self.post_login(transport, &sessions).await?;
        let mut judged = judge(&answer);
        if judged == Verdict::Full
            && let Some(stray) = state.stray.take()
            && self.end(transport, &stray, Proof::Basic(&self.credentials)).await
        {
            answer = self.post_login(transport, &sessions).await?;
            judged = judge(&answer);
        }
        if answer.status.is_success() {
            return self.token(transport, state, &answer).await;
        }
        match judged {
            Verdict::Absent => Ok(self.basic(false)),
            Verdict::Full if state.no_basic => Err(transport.full(&answer.report().sentence)),
            Verdict::Full => Ok(self.basic(true)),
            _ => Err(self.refused_login(transport, &answer)),
        }
    }

    fn basic(&self, full: bool) -> Login {
        Login::Basic { until: Some(Instant::now() + self.timing.full), full }
    }

    async fn post_login(&self, transport: &Transport, sessions: &ResourcePath) -> Result<Answer, BmcError> {
        let body =
            json!({ "UserName": self.credentials.username, "Password": self.credentials.password.as_str() });
        self.patiently(transport, &Request::post(sessions, body, LOGIN), Proof::None).await
    }

    fn refused_login(&self, transport: &Transport, answer: &Answer) -> BmcError {
        let report = answer.report();
        if report.has("PasswordChangeRequired") {
            return transport.unauthenticated(EXPIRED);
        }
        // iLO says it with 400 and this message.
        let refused = matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if refused || report.has("UnauthorizedLoginAttempt") {
            return transport.unauthenticated(WRONG);
        }
        transport.refused(answer.status, &report, LOGIN)
    }

    /// Reads the token out of the answer to a login (DSP0266 section 13.3.4.3), and has it kept.
    async fn token(
        &self,
        transport: &Transport,
        state: &mut State,
        answer: &Answer,
    ) -> Result<Login, BmcError> {
        let token = answer.headers.get("X-Auth-Token").filter(|token| !token.is_empty());
        let Some(token) = token else {
            return Err(transport.broken(LOGIN, "it made a session without an X-Auth-Token".into()));
        };
        // A copy of its own: a header's value is a piece of the connection's buffer, which would be kept with it.
        let mut token = HeaderValue::from_bytes(token.as_bytes())
            .map_err(|error| transport.broken(LOGIN, format!("its X-Auth-Token is no header: {error}")))?;
        token.set_sensitive(true);
        let in_body = || {
            let session: SessionResource = transport.parse(answer, LOGIN).ok()?;
            ResourcePath::from_link(session.odata_id.as_deref()?)
        };
        let location = answer.location().or_else(in_body);
        if self.keeper.is_some() {
            let kept = Kept::new(transport, &self.credentials, &token, location.as_ref());
            // One that is kept and was not read yet must not be forgotten for this one.
            state.unkept = !(state.restored && self.keep(kept.as_ref()).await);
        }
        Ok(Login::Token { token, location })
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
            return Err(transport.unauthenticated(WRONG));
        }
        if judge(&answer) == Verdict::Absent {
            return Ok(None);
        }
        let service: SessionService = transport.parse(&transport.success(answer, during)?, during)?;
        Ok(service.sessions.as_ref().and_then(path_of))
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, transport: &Transport) -> Result<(), BmcError> {
        let resting = |Resting { rest, last, credentials }| transport.resting(rest, last, credentials);
        self.breaker().admit(Instant::now()).map_err(resting)
    }

    /// Notes how a call failed, for the circuit breaker. A BMC that answers, whatever it says, is not silent.
    fn note(&self, error: &BmcError) {
        let failure = match error {
            BmcError::AuthenticationFailed { .. } => Failure::Refused,
            BmcError::Unreachable { .. }
            | BmcError::Unknown { .. }
            | BmcError::WrongCertificate { .. }
            | BmcError::Untrusted { .. }
            | BmcError::NotABmc { .. } => Failure::Silent,
            _ => return,
        };
        let mut chance = [0; 4];
        // Without it all rest for the same time, that is all.
        let _ = getrandom::fill(&mut chance);
        let chance = u32::from_le_bytes(chance);
        self.breaker().failed(failure, error.to_string(), Instant::now(), chance);
    }
}

/// The path that a link holds, if it is one to follow.
pub(super) fn path_of(link: &Link) -> Option<ResourcePath> {
    ResourcePath::from_link(link.odata_id.as_deref()?)
}

/// What an answer means; a success means nothing here.
pub(super) fn judge(answer: &Answer) -> Verdict {
    verdict(answer.status.as_u16(), &answer.report())
}

#[cfg(test)]
mod tests;

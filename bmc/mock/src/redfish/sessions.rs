//! Sessions: few, and gone after half an hour without use.

use super::access::refusal;
use super::answer::{Refusal, broken, collection, error, object, resource, with_json};
use super::resources::missing;
use super::state::Shared;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::time::Instant;

/// How many there can be.
const MAX: usize = 8;
/// How long one lasts without use.
const IDLE: Duration = Duration::from_secs(1800);
const SERVICE: &str = "/redfish/v1/SessionService";
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

/// The open sessions.
#[derive(Default)]
pub(super) struct Table {
    open: Vec<Entry>,
    generation: usize,
    last: u64,
}

struct Entry {
    id: u64,
    token: String,
    used: Instant,
}

impl Table {
    /// Forgets what is old, and all of it when told to.
    pub(super) fn tidy(&mut self, generation: usize, now: Instant) {
        if self.generation != generation {
            self.generation = generation;
            self.open.clear();
        }
        self.open.retain(|entry| now.duration_since(entry.used) < IDLE);
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether a session has this token; it then counts as used.
    pub(super) fn touch(&mut self, token: &[u8], now: Instant) -> bool {
        let found = self.open.iter_mut().find(|entry| entry.token.as_bytes().ct_eq(token).into());
        found.map(|entry| entry.used = now).is_some()
    }

    fn add(&mut self, token: String, now: Instant) -> Option<u64> {
        if self.open.len() >= MAX {
            return None;
        }
        self.last += 1;
        self.open.push(Entry { id: self.last, token, used: now });
        Some(self.last)
    }

    fn has(&self, id: u64) -> bool {
        self.open.iter().any(|entry| entry.id == id)
    }

    fn remove(&mut self, id: u64) -> bool {
        let before = self.open.len();
        self.open.retain(|entry| entry.id != id);
        self.open.len() < before
    }
}

/// GET of the service.
pub(super) async fn service(State(state): State<Shared>) -> Response {
    if state.controls.faults().no_sessions {
        return missing().await;
    }
    resource(&json!({
        "@odata.id": SERVICE,
        "@odata.type": "#SessionService.v1_1_9.SessionService",
        "Id": "SessionService",
        "Name": "Session Service",
        "ServiceEnabled": true,
        "SessionTimeout": IDLE.as_secs(),
        "Sessions": {"@odata.id": SESSIONS},
    }))
}

/// GET of the collection.
pub(super) async fn list(State(state): State<Shared>) -> Response {
    if state.controls.faults().no_sessions {
        return missing().await;
    }
    let members: Vec<String> =
        state.sessions().open.iter().map(|entry| format!("{SESSIONS}/{}", entry.id)).collect();
    collection(SESSIONS, "Session", &members)
}

/// GET of one.
pub(super) async fn one(State(state): State<Shared>, Path(id): Path<u64>) -> Response {
    if !state.sessions().has(id) {
        return missing().await;
    }
    resource(&session(id, state.username()))
}

/// POST to the collection: the login.
pub(super) async fn create(State(state): State<Shared>, body: Bytes) -> Response {
    if state.controls.faults().no_sessions {
        return missing().await;
    }
    let body = match object(&body) {
        Ok(body) => body,
        Err(refusal) => return *refusal,
    };
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let (Some(username), Some(password)) = (text("UserName"), text("Password")) else {
        let message = "The properties UserName and Password are required and missing from the request.";
        return error(StatusCode::BAD_REQUEST, "CreateFailedMissingReqProperties", message, "Send both.");
    };
    if !state.knows(username, password) {
        return refusal();
    }
    match open(&state) {
        Ok((id, token)) => {
            let mut response = with_json(StatusCode::CREATED, &session(id, username));
            response.headers_mut().insert("X-Auth-Token", token);
            if let Ok(location) = HeaderValue::from_str(&format!("{SESSIONS}/{id}")) {
                response.headers_mut().insert(LOCATION, location);
            }
            response
        }
        Err(refusal) => *refusal,
    }
}

/// DELETE of one: the log-out.
pub(super) async fn delete(State(state): State<Shared>, Path(id): Path<u64>) -> Response {
    let removed = state.sessions().remove(id);
    // Counts anew.
    drop(state.sessions());
    if removed { StatusCode::NO_CONTENT.into_response() } else { missing().await }
}

fn open(state: &Shared) -> Result<(u64, HeaderValue), Refusal> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| Box::new(broken(&error)))?;
    let token = hex::encode(random);
    let header = HeaderValue::from_str(&token).map_err(|error| Box::new(broken(&error)))?;
    let mut table = state.sessions();
    let Some(id) = table.add(token, Instant::now()) else {
        let message = "The session establishment failed due to the number of simultaneous sessions exceeding the limit \
                       of the implementation.";
        let mend = "Reduce the number of other sessions before trying to establish the session.";
        return Err(error(StatusCode::SERVICE_UNAVAILABLE, "SessionLimitExceeded", message, mend).into());
    };
    state.controls.logged_in(table.len());
    Ok((id, header))
}

fn session(id: u64, username: &str) -> Value {
    json!({
        "@odata.id": format!("{SESSIONS}/{id}"),
        "@odata.type": "#Session.v1_7_1.Session",
        "Id": id.to_string(),
        "Name": "User Session",
        "UserName": username,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unused_session_ends() {
        let minutes = |count: u64| Duration::from_secs(count * 60);
        let mut now = Instant::now();
        let mut table = Table::default();
        table.add("token".into(), now);
        for (pause, alive) in [(29, true), (29, true), (31, false)] {
            now += minutes(pause);
            table.tidy(0, now);
            assert_eq!(table.touch(b"token", now), alive);
        }
    }
}

//! Sessions: few, and gone after half an hour without use.

use super::access::refusal;
use super::answer::{Refusal, broken, error, foreign_error, missing, nothing, with_json};
use super::group::{Group, Request};
use super::state::{Shared, State};
use crate::ChassisError;
use async_trait::async_trait;
use axum::http::header::{HOST, LOCATION};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::time::Instant;

/// How many there can be, unless a fault says otherwise.
const MAX: usize = 8;
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
    id: String,
    token: String,
    /// Whose: the account's id, and the name.
    account: String,
    name: String,
    used: Instant,
}

impl Table {
    /// Forgets what is old, and all of it when told to.
    pub(super) fn tidy(&mut self, generation: usize, idle: Duration, now: Instant) {
        if self.generation != generation {
            self.generation = generation;
            self.open.clear();
        }
        self.open.retain(|entry| now.duration_since(entry.used) < idle);
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Whose session has this token: the account's id. It then counts as used.
    pub(super) fn touch(&mut self, token: &[u8], now: Instant) -> Option<String> {
        let found = self.open.iter_mut().find(|entry| entry.token.as_bytes().ct_eq(token).into())?;
        found.used = now;
        Some(found.account.clone())
    }

    /// Whose a session is: the account's id.
    pub(super) fn owner(&self, id: &str) -> Option<&str> {
        self.open.iter().find(|entry| entry.id == id).map(|entry| entry.account.as_str())
    }

    fn add(&mut self, mut entry: Entry, most: usize) -> Option<String> {
        if self.open.len() >= most {
            return None;
        }
        self.last += 1;
        entry.id.push_str(&self.last.to_string());
        let id = entry.id.clone();
        self.open.push(entry);
        Some(id)
    }

    /// Ends the sessions of this account; how many are left.
    pub(super) fn remove_of(&mut self, account: &str) -> usize {
        self.open.retain(|entry| entry.account != account);
        self.open.len()
    }

    fn remove(&mut self, id: &str) -> bool {
        let before = self.open.len();
        self.open.retain(|entry| entry.id != id);
        self.open.len() < before
    }
}

/// The session service.
pub(super) struct Sessions;

#[async_trait]
impl Group for Sessions {
    async fn show(
        &self,
        bmc: &Shared,
        path: &str,
        resource: &mut Map<String, Value>,
        _reading: bool,
    ) -> Result<(), ChassisError> {
        match path {
            SERVICE => {
                resource.insert("SessionTimeout".into(), bmc.controls.idle().as_secs().into());
            }
            SESSIONS => {
                let members: Vec<Value> = bmc
                    .sessions()
                    .open
                    .iter()
                    .map(|entry| bmc.tree.link(&format!("{SESSIONS}/{}", entry.id)))
                    .collect();
                resource.insert("Members@odata.count".into(), members.len().into());
                resource.insert("Members".into(), members.into());
            }
            _ => {}
        }
        Ok(())
    }

    fn make(&self, bmc: &Shared, path: &str) -> Option<Value> {
        let id = path.strip_prefix(SESSIONS)?.strip_prefix('/')?;
        let name = bmc.sessions().open.iter().find(|entry| entry.id == id)?.name.clone();
        Some(session(bmc, id, &name))
    }

    async fn patch(
        &self,
        bmc: &Shared,
        path: &str,
        property: &str,
        value: &Value,
    ) -> Option<Result<(), Refusal>> {
        if path != SERVICE || property != "SessionTimeout" {
            return None;
        }
        let Some(seconds @ 30..=86400) = value.as_u64() else {
            return Some(Err(super::answer::not_in_list(property, value).into()));
        };
        bmc.controls.set_idle(Duration::from_secs(seconds));
        Some(Ok(()))
    }

    async fn handle(&self, bmc: &Shared, request: &Request) -> Option<Response> {
        let below = request.path.strip_prefix(SESSIONS)?;
        match (&request.method, below) {
            (&Method::POST, "" | "/Members") => Some(create(bmc, request).unwrap_or_else(|refusal| *refusal)),
            (&Method::DELETE, below) => {
                let removed = bmc.sessions().remove(below.strip_prefix('/')?);
                // Counts anew.
                drop(bmc.sessions());
                Some(if removed { nothing() } else { missing() })
            }
            _ => None,
        }
    }

    fn methods(&self, _bmc: &Shared, path: &str) -> &'static [Method] {
        match path {
            SERVICE => &[Method::PATCH],
            SESSIONS => &[Method::POST],
            _ if path.starts_with(SESSIONS) => &[Method::DELETE],
            _ => &[],
        }
    }
}

/// POST to the collection: the login.
fn create(bmc: &Shared, request: &Request) -> Result<Response, Refusal> {
    let body = super::answer::object(&request.body)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let (Some(username), Some(password)) = (text("UserName"), text("Password")) else {
        let message = "The properties UserName and Password are required and missing from the request.";
        return Err(error(
            StatusCode::BAD_REQUEST,
            "CreateFailedMissingReqProperties",
            message,
            "Send both.",
        )
        .into());
    };
    let login = bmc.users().login(username, password, Instant::now());
    let Some(caller) = login else {
        bmc.controls.refused_login();
        return Err(refusal(bmc).into());
    };
    let token = token().map_err(|error| Box::new(broken(&error)))?;
    let header = HeaderValue::from_str(&token).map_err(|error| Box::new(broken(&error)))?;
    let prefix = bmc.tree.manners.session_ids.replace("{user}", username);
    let entry = Entry {
        id: prefix,
        token,
        account: caller.id.clone(),
        name: caller.name.clone(),
        used: Instant::now(),
    };
    let most = bmc.controls.faults().session_cap.unwrap_or(MAX);
    let mut table = bmc.sessions();
    let id = table.add(entry, most).ok_or_else(|| Box::new(full(bmc)))?;
    bmc.controls.logged_in(table.len());
    drop(table);
    let mut shown = session(bmc, &id, &caller.name);
    if caller.must_change {
        let account = bmc.tree.link(&format!("{}/{}", bmc.places().accounts, caller.id));
        shown["@Message.ExtendedInfo"] = json!([{
            "MessageId": format!("{}.PasswordChangeRequired", super::answer::BASE),
            "MessageArgs": [account["@odata.id"]],
            "Message": "The password provided for this account must be changed before access is granted.",
        }]);
    }
    let mut response = with_json(StatusCode::CREATED, &shown);
    response.headers_mut().insert("X-Auth-Token", header);
    if let Some(location) = location(bmc, request, &id) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Some BMCs say a whole URL, some a path.
fn location(bmc: &Shared, request: &Request, id: &str) -> Option<HeaderValue> {
    let link = bmc.tree.link(&format!("{SESSIONS}/{id}"));
    let path = link["@odata.id"].as_str()?;
    let host = request.headers.get(HOST).and_then(|host| host.to_str().ok());
    let text = match host.filter(|_| bmc.tree.manners.absolute_locations) {
        Some(host) => format!("https://{host}{path}"),
        None => path.to_owned(),
    };
    HeaderValue::from_str(&text).ok()
}

fn full(bmc: &State) -> Response {
    let mend = "Reduce the number of other sessions before trying to establish the session.";
    let message = "The session establishment failed due to the number of simultaneous sessions exceeding the limit \
                   of the implementation.";
    match bmc.tree.manners.sessions_full {
        Some((status, id)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            foreign_error(status, id, message, mend)
        }
        None => error(StatusCode::SERVICE_UNAVAILABLE, "SessionLimitExceeded", message, mend),
    }
}

fn token() -> Result<String, getrandom::Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    Ok(hex::encode(random))
}

fn session(bmc: &State, id: &str, username: &str) -> Value {
    let mut session = bmc.tree.link(&format!("{SESSIONS}/{id}"));
    session["@odata.type"] = "#Session.v1_7_1.Session".into();
    session["Id"] = id.into();
    session["Name"] = "User Session".into();
    session["UserName"] = username.into();
    session
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unused_session_ends() {
        let minutes = |count: u64| Duration::from_secs(count * 60);
        let mut now = Instant::now();
        let mut table = Table::default();
        let (token, account) = ("token".to_owned(), "1".to_owned());
        let entry = Entry { id: String::new(), token, account, name: String::new(), used: now };
        table.add(entry, MAX).unwrap();
        for (pause, alive) in [(29, true), (29, true), (31, false)] {
            now += minutes(pause);
            table.tidy(0, minutes(30), now);
            assert_eq!(table.touch(b"token", now).is_some(), alive);
        }
    }
}

//! The resources as a stranger's client would ask for them, without sockets. Over TLS they are tested by the driver.

mod faults;
mod makers;
mod service;
mod tasks;
mod wire;

use super::*;
use crate::{BootDevice, BootFlags, MemoryChassis};
use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};

const SYSTEM: &str = "/redfish/v1/Systems/1";
const RESET: &str = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset";
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";
/// `admin:secret`.
pub(super) const BASIC: (&str, &str) = ("authorization", "Basic YWRtaW46c2VjcmV0");

pub(super) struct Desk {
    pub(super) state: Shared,
    chassis: Arc<MemoryChassis>,
}

pub(super) struct Said {
    pub(super) status: StatusCode,
    headers: axum::http::HeaderMap,
    pub(super) body: Value,
}

impl Said {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn id(&self) -> &str {
        self.body["error"]["@Message.ExtendedInfo"][0]["MessageId"].as_str().unwrap_or("")
    }
}

impl Desk {
    fn new() -> Self {
        Self::of(Profile::Generic)
    }

    pub(super) fn of(profile: Profile) -> Self {
        let chassis = Arc::new(MemoryChassis::new());
        let identity = Identity {
            name: "n1".into(),
            uuid: "4c4c4544-0042-4a10-8051-b4c04f4d3333".into(),
            macs: vec!["52:54:00:00:00:01".into(), "52:54:00:00:00:02".into()],
            model: "M1".into(),
        };
        let options = Options::new("admin", "secret", chassis.clone(), identity).with_profile(profile);
        Self { state: State::new(&options), chassis }
    }

    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Said {
        self.try_ask(method, path, headers, body).await.unwrap()
    }

    async fn try_ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Result<Said, faulty::Cut> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = request.body(body).unwrap();
        let response = faulty::answer(self.state.clone(), request).await?;
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Ok(Said { status: parts.status, headers: parts.headers, body })
    }

    pub(super) async fn get(&self, path: &str) -> Said {
        self.ask(Method::GET, path, &[BASIC], Value::Null).await
    }

    async fn patch(&self, boot: Value) -> Said {
        self.ask(Method::PATCH, SYSTEM, &[BASIC], json!({ "Boot": boot })).await
    }

    pub(super) async fn reset(&self, kind: &str) -> Said {
        self.ask(Method::POST, RESET, &[BASIC], json!({ "ResetType": kind })).await
    }
}

/// Every resource that links lead to is there, is where it says it is, and says what it is; and every resource of the
/// profile is found by links.
#[tokio::test]
async fn every_link_leads_somewhere() {
    for profile in Profile::ALL {
        let desk = Desk::of(profile);
        let mut seen = vec!["/redfish/v1".to_owned()];
        let mut next = 0;
        while next < seen.len() {
            let path = seen[next].clone();
            next += 1;
            let said = desk.get(&path).await;
            assert_eq!(said.status, StatusCode::OK, "{profile}: {path}");
            let id = said.body["@odata.id"].as_str().unwrap_or_default();
            assert_eq!(tree::trimmed(id), path, "{profile}");
            assert!(said.body["@odata.type"].is_string(), "{profile}: {path}");
            assert!(said.body["Name"].is_string(), "{profile}: {path}");
            assert_eq!(said.header("odata-version"), "4.0");
            assert!(
                !said.body.to_string().contains("{{"),
                "{profile}: {path} is not filled in: {}",
                said.body
            );
            links(&said.body, &mut |link| {
                let path = tree::trimmed(link.split('#').next().unwrap_or_default()).to_owned();
                if !seen.contains(&path) {
                    seen.push(path);
                }
            });
        }
        let lost: Vec<&str> =
            desk.state.tree.paths().filter(|path| !seen.iter().any(|seen| seen == path)).collect();
        // What only a fault links to.
        let lost: Vec<&str> = lost.into_iter().filter(|path| !path.ends_with("/ResetActionInfo")).collect();
        assert_eq!(lost, Vec::<&str>::new(), "{profile}: no link leads there");
    }
}

/// Properties whose values are paths of resources.
const LINKS: [&str; 4] = ["@odata.id", "@Redfish.ActionInfo", "Uri", "DataSourceUri"];

fn links(value: &Value, each: &mut dyn FnMut(&str)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value.as_str() {
                    Some(link) if LINKS.contains(&key.as_str()) => each(link),
                    _ => links(value, each),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| links(item, each)),
        _ => {}
    }
}

#[tokio::test]
async fn only_the_entry_is_open() {
    let desk = Desk::new();
    for path in ["/redfish", "/redfish/v1", "/redfish/v1/", "/redfish/v1/odata", "/redfish/v1/$metadata"] {
        assert_eq!(desk.ask(Method::GET, path, &[], Value::Null).await.status, StatusCode::OK, "{path}");
    }
    let wrong = ("authorization", "Basic YWRtaW46d3Jvbmc=");
    for path in [SYSTEM, SESSIONS, "/redfish/v1/Managers/1", "/redfish/v1/Nowhere"] {
        for headers in [&[][..], &[wrong], &[("x-auth-token", "")], &[("x-auth-token", "00"), BASIC]] {
            let said = desk.ask(Method::GET, path, headers, Value::Null).await;
            assert_eq!(said.status, StatusCode::UNAUTHORIZED, "{path} {headers:?}");
            assert!(said.headers.contains_key("www-authenticate"));
        }
    }
    let said = desk.ask(Method::PATCH, "/redfish/v1/", &[], Value::Null).await;
    assert_eq!(said.status, StatusCode::UNAUTHORIZED);
    assert_eq!(desk.get("/redfish/v1/Nowhere").await.status, StatusCode::NOT_FOUND);
    let said = desk.ask(Method::DELETE, SYSTEM, &[(AUTHORIZATION.as_str(), BASIC.1)], Value::Null).await;
    assert_eq!(said.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn sessions_are_made_used_counted_and_ended() {
    let desk = Desk::new();
    let login = |password: &str| json!({"UserName": "admin", "Password": password});
    assert_eq!(desk.ask(Method::POST, SESSIONS, &[], login("wrong")).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(desk.ask(Method::POST, SESSIONS, &[], json!({})).await.status, StatusCode::BAD_REQUEST);
    let made = desk.ask(Method::POST, SESSIONS, &[], login("secret")).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let (token, location) = (made.header("x-auth-token"), made.header("location"));
    assert_eq!(made.body["@odata.id"], location);
    let by_token = [("x-auth-token", token)];
    assert_eq!(desk.ask(Method::GET, location, &by_token, Value::Null).await.status, StatusCode::OK);

    for _ in 1..8 {
        assert_eq!(desk.ask(Method::POST, SESSIONS, &[], login("secret")).await.status, StatusCode::CREATED);
    }
    let full = desk.ask(Method::POST, SESSIONS, &[], login("secret")).await;
    assert_eq!((full.status, full.id()), (StatusCode::SERVICE_UNAVAILABLE, "Base.1.18.SessionLimitExceeded"));
    assert_eq!(desk.get(SESSIONS).await.body["Members@odata.count"], 8);

    assert_eq!(
        desk.ask(Method::DELETE, location, &by_token, Value::Null).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(desk.ask(Method::GET, SYSTEM, &by_token, Value::Null).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!((desk.state.controls.logins(), desk.state.controls.sessions()), (8, 7));
    desk.state.controls.drop_sessions();
    assert_eq!(desk.get(SESSIONS).await.body["Members@odata.count"], 0);
}

#[tokio::test]
async fn the_boot_override_reaches_the_chassis() {
    let desk = Desk::new();
    let pxe = json!({
        "BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once", "BootSourceOverrideMode": "UEFI",
    });
    assert_eq!(desk.patch(pxe.clone()).await.status, StatusCode::NO_CONTENT);
    let once = BootFlags { device: Some(BootDevice::Network), persistent: false, uefi: true };
    assert_eq!(desk.chassis.boot().await.unwrap(), once);
    let shown = desk.get(SYSTEM).await.body["Boot"].clone();
    for (name, value) in pxe.as_object().unwrap() {
        assert_eq!(&shown[name], value);
    }
    let lasting = json!({"BootSourceOverrideTarget": "Hdd", "BootSourceOverrideEnabled": "Continuous"});
    desk.patch(lasting).await;
    let disk = BootFlags { device: Some(BootDevice::Disk), persistent: true, uefi: true };
    assert_eq!(desk.chassis.boot().await.unwrap(), disk);
    // The chassis uses it up.
    desk.chassis.set_boot(BootFlags { device: None, persistent: false, uefi: true }).await.unwrap();
    assert_eq!(desk.get(SYSTEM).await.body["Boot"]["BootSourceOverrideEnabled"], "Disabled");

    for (bad, id) in [
        (json!({"BootSourceOverrideTarget": "Floppy2"}), "Base.1.18.PropertyValueNotInList"),
        (json!({"BootSourceOverrideEnabled": true}), "Base.1.18.PropertyValueNotInList"),
        (json!({"BootSourceOverrideMode": "Uefi"}), "Base.1.18.PropertyValueNotInList"),
        (json!({"BootNext": "Boot0001"}), "Base.1.18.PropertyUnknown"),
        (json!("Pxe"), "Base.1.18.PropertyValueTypeError"),
    ] {
        let said = desk.patch(bad).await;
        assert_eq!((said.status, said.id()), (StatusCode::BAD_REQUEST, id));
    }
    let other = desk.ask(Method::PATCH, SYSTEM, &[BASIC], json!({"Nothing": "a"})).await;
    assert_eq!(other.id(), "Base.1.18.PropertyUnknown");
}

#[tokio::test]
async fn the_mode_outlasts_the_override() {
    let desk = Desk::new();
    let mode = async || desk.get(SYSTEM).await.body["Boot"]["BootSourceOverrideMode"].clone();
    assert_eq!(mode().await, "UEFI");
    desk.patch(json!({"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once"})).await;
    assert!(desk.chassis.boot().await.unwrap().uefi);
    desk.patch(json!({"BootSourceOverrideMode": "Legacy"})).await;
    desk.reset("On").await;
    assert_eq!(desk.chassis.boot().await.unwrap(), BootFlags::default());
    assert_eq!(mode().await, "Legacy");
}

#[tokio::test]
async fn an_etag_stands_for_one_state() {
    let desk = Desk::new();
    let tag = desk.get(SYSTEM).await.header("etag").to_owned();
    assert_eq!(desk.get(SYSTEM).await.header("etag"), tag);
    let body = json!({"Boot": {"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once"}});
    let patch = |tag: &'static str| {
        desk.ask(Method::PATCH, SYSTEM, Box::leak(Box::new([BASIC, ("if-match", tag)])), body.clone())
    };
    let tag: &'static str = Box::leak(tag.into_boxed_str());
    assert_eq!(patch("\"other\"").await.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(patch(tag).await.status, StatusCode::NO_CONTENT);
    assert_eq!(patch(tag).await.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(patch("*").await.status, StatusCode::NO_CONTENT);
    // Whoever has it already is not told again.
    let again = desk.get(SYSTEM).await.header("etag").to_owned();
    for (known, status) in [(again.as_str(), 304), (tag, 200)] {
        let said = desk.ask(Method::GET, SYSTEM, &[BASIC, ("if-none-match", known)], Value::Null).await;
        assert_eq!((said.status.as_u16(), said.header("etag")), (status, again.as_str()));
    }
}

#[tokio::test]
async fn resets() {
    let desk = Desk::new();
    let state = async || desk.get(SYSTEM).await.body["PowerState"].as_str().unwrap().to_owned();
    for (kind, status, after) in [
        ("ForceOff", StatusCode::CONFLICT, "Off"),
        ("ForceRestart", StatusCode::CONFLICT, "Off"),
        ("On", StatusCode::NO_CONTENT, "On"),
        ("On", StatusCode::CONFLICT, "On"),
        ("ForceRestart", StatusCode::NO_CONTENT, "On"),
        ("ForceOff", StatusCode::NO_CONTENT, "Off"),
        ("On", StatusCode::NO_CONTENT, "On"),
        ("GracefulShutdown", StatusCode::NO_CONTENT, "Off"),
        ("Standby", StatusCode::BAD_REQUEST, "Off"),
        ("Nmi", StatusCode::CONFLICT, "Off"),
        ("PowerCycle", StatusCode::CONFLICT, "Off"),
        ("PushPowerButton", StatusCode::NO_CONTENT, "On"),
        ("Nmi", StatusCode::NO_CONTENT, "On"),
        ("Resume", StatusCode::CONFLICT, "On"),
        ("Suspend", StatusCode::NO_CONTENT, "Paused"),
        ("Pause", StatusCode::CONFLICT, "Paused"),
        ("Resume", StatusCode::NO_CONTENT, "On"),
        ("PowerCycle", StatusCode::NO_CONTENT, "On"),
        ("FullPowerCycle", StatusCode::NO_CONTENT, "On"),
        ("GracefulRestart", StatusCode::NO_CONTENT, "On"),
        ("PushPowerButton", StatusCode::NO_CONTENT, "Off"),
        ("ForceOn", StatusCode::NO_CONTENT, "On"),
    ] {
        assert_eq!(desk.reset(kind).await.status, status, "{kind}");
        assert_eq!(state().await, after, "{kind}");
    }
    assert_eq!(desk.chassis.diagnostics(), 1);
    let resets = desk.state.controls.parts().system.resets();
    assert_eq!((resets.len(), resets.last().map(String::as_str)), (14, Some("ForceOn")));
    let more = json!({"ResetType": "On", "Delay": 1});
    assert_eq!(desk.ask(Method::POST, RESET, &[BASIC], more).await.id(), "Base.1.18.ActionParameterUnknown");
    let said = desk.ask(Method::POST, RESET, &[BASIC], json!({})).await;
    assert_eq!(said.id(), "Base.1.18.ActionParameterMissing");
    let said = desk.ask(Method::POST, RESET, &[BASIC], json!("On")).await;
    assert_eq!(said.id(), "Base.1.18.MalformedJSON");
}

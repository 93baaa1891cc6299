//! What goes wrong on purpose.

use super::*;
use crate::redfish::faulty::Cut;
use std::time::Duration;

fn patch_body() -> Value {
    json!({"Boot": {"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once"}})
}

impl Desk {
    fn fault(&self, fault: Fault) {
        self.state.controls.add_fault(fault);
    }

    async fn boot(&self) -> BootFlags {
        self.chassis.boot().await.unwrap()
    }

    async fn try_patch(&self) -> Result<Said, Cut> {
        self.try_ask(Method::PATCH, SYSTEM, &[BASIC], patch_body()).await
    }
}

#[tokio::test]
async fn answers_instead() {
    let desk = Desk::new();
    let at = |effect| Fault::new(effect).at(SYSTEM).by("PATCH").times(1);
    desk.fault(at(Effect::Status(503)));
    assert_eq!(desk.try_patch().await.unwrap().status, StatusCode::SERVICE_UNAVAILABLE);
    desk.fault(at(Effect::Error(400, "IDRAC.2.8.SYS518".into(), "Not now.".into())));
    let said = desk.try_patch().await.unwrap();
    assert_eq!((said.status.as_u16(), said.id()), (400, "IDRAC.2.8.SYS518"));
    desk.fault(at(Effect::Answer(200, "{\"half\":".into())));
    let said = desk.try_patch().await.unwrap();
    assert_eq!((said.status, said.body), (StatusCode::OK, Value::Null));
    desk.fault(at(Effect::Ignore));
    assert_eq!(desk.try_patch().await.unwrap().status, StatusCode::NO_CONTENT);
    desk.fault(at(Effect::Cut));
    assert!(desk.try_patch().await.is_err());
    // None of them was done.
    assert_eq!(desk.boot().await, BootFlags::default());
    desk.fault(at(Effect::LoseAnswer));
    assert!(desk.try_patch().await.is_err());
    assert_eq!(desk.boot().await.device, Some(BootDevice::Network));
    // Readings of the same path are as they should be, and nothing is left.
    assert_eq!(desk.get(SYSTEM).await.status, StatusCode::OK);
    assert_eq!(desk.try_patch().await.unwrap().status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn answers_distorted() {
    let desk = Desk::new();
    desk.fault(
        Fault::new(Effect::Merge(json!({"PowerState": 7, "Status": {"Health": "Bad"}, "UUID": null})))
            .at(SYSTEM),
    );
    desk.fault(Fault::new(Effect::Header("Retry-After".into(), "3".into())).at(SYSTEM));
    let said = desk.get(SYSTEM).await;
    assert_eq!((&said.body["PowerState"], &said.body["Status"]["Health"]), (&json!(7), &json!("Bad")));
    assert_eq!(said.body["Status"]["State"], "StandbyOffline");
    assert!(said.body.get("UUID").is_none());
    assert_eq!(said.header("retry-after"), "3");
    desk.state.controls.clear_faults();
    desk.fault(Fault::new(Effect::Replace(json!({"Members": []}))).at("/redfish/v1/Systems"));
    assert_eq!(desk.get("/redfish/v1/Systems").await.body, json!({"Members": []}));
    assert_eq!(desk.get(SYSTEM).await.body["PowerState"], "Off");
}

#[tokio::test]
async fn json_that_is_none_or_of_other_types() {
    let desk = Desk::new();
    for body in ["", "<html>busy</html>", "[1, 2", "{\"PowerState\": \"On\"}{", "\u{feff}{}"] {
        desk.fault(Fault::new(Effect::Answer(200, body.into())).at(SYSTEM).times(1));
        let said = desk.get(SYSTEM).await;
        assert_eq!((said.status, said.body), (StatusCode::OK, Value::Null), "{body}");
        assert_eq!(said.headers["content-type"], "application/json", "{body}");
    }
    for whole in [json!([]), json!(7), json!({"Boot": "Pxe", "PowerState": ["On"], "Actions": null})] {
        desk.fault(Fault::new(Effect::Replace(whole.clone())).at(SYSTEM).times(1));
        assert_eq!(desk.get(SYSTEM).await.body, whole);
    }
    assert_eq!(desk.get(SYSTEM).await.body["PowerState"], "Off");
}

#[tokio::test]
async fn answers_late_or_never() {
    let desk = Desk::new();
    desk.fault(Fault::new(Effect::Delay(Duration::from_millis(20))).at(SYSTEM).times(1));
    let before = tokio::time::Instant::now();
    assert_eq!(desk.get(SYSTEM).await.status, StatusCode::OK);
    assert!(before.elapsed() >= Duration::from_millis(20));
    desk.fault(Fault::new(Effect::Hang).at(SYSTEM).times(1));
    let a_while = Duration::from_millis(20);
    assert!(tokio::time::timeout(a_while, desk.get(SYSTEM)).await.is_err());
}

#[tokio::test]
async fn power_shows_late_or_on_its_way() {
    for (faults, shown) in [
        (Faults { stale_power: 2, ..Faults::default() }, ["Off", "Off", "On"]),
        (Faults { slow_power: 2, ..Faults::default() }, ["PoweringOn", "PoweringOn", "On"]),
        (Faults { ignore_reset: true, ..Faults::default() }, ["Off", "Off", "Off"]),
    ] {
        let desk = Desk::new();
        desk.state.controls.set_faults(faults);
        assert_eq!(desk.reset("On").await.status, StatusCode::NO_CONTENT);
        for expected in shown {
            assert_eq!(desk.get(SYSTEM).await.body["PowerState"], expected);
        }
    }
}

#[tokio::test]
async fn an_override_for_one_boot_is_used_up_unless_it_stays() {
    for (once_stays, after) in [(false, "Disabled"), (true, "Once")] {
        let desk = Desk::new();
        desk.state.controls.set_faults(Faults { once_stays, ..Faults::default() });
        desk.try_patch().await.unwrap();
        desk.reset("On").await;
        assert_eq!(desk.get(SYSTEM).await.body["Boot"]["BootSourceOverrideEnabled"], after);
    }
}

#[tokio::test]
async fn etags_needed_and_never_right() {
    let desk = Desk::new();
    let status = async |headers: &[(&str, &str)]| {
        desk.ask(Method::PATCH, SYSTEM, headers, patch_body()).await.status.as_u16()
    };
    desk.state.controls.set_faults(Faults { require_etag: true, ..Faults::default() });
    assert_eq!(status(&[BASIC]).await, 428);
    let tag = desk.get(SYSTEM).await.header("etag").to_owned();
    assert_eq!(status(&[BASIC, ("if-match", &tag)]).await, 204);
    desk.state.controls.set_faults(Faults { weak_etags: true, ..Faults::default() });
    let tag = desk.get(SYSTEM).await.header("etag").to_owned();
    assert!(tag.starts_with("W/"));
    assert_eq!(status(&[BASIC, ("if-match", &tag)]).await, 412);
    desk.state.controls.set_faults(Faults { stale_etags: 1, ..Faults::default() });
    assert_eq!(status(&[BASIC, ("if-match", "*")]).await, 412);
    assert_eq!(status(&[BASIC, ("if-match", "*")]).await, 204);
}

#[tokio::test]
async fn few_sessions_and_no_basic() {
    let desk = Desk::new();
    let login = json!({"UserName": "admin", "Password": "secret"});
    let faults = Faults { session_cap: Some(1), no_basic: true, ..Faults::default() };
    desk.state.controls.set_faults(faults);
    assert_eq!(desk.get(SYSTEM).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(desk.get(SYSTEM).await.header("www-authenticate"), "");
    let made = desk.ask(Method::POST, SESSIONS, &[], login.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let full = desk.ask(Method::POST, SESSIONS, &[], login).await;
    assert_eq!(full.status, StatusCode::SERVICE_UNAVAILABLE);
    let by_token = [("x-auth-token", made.header("x-auth-token"))];
    assert_eq!(desk.ask(Method::GET, SYSTEM, &by_token, Value::Null).await.status, StatusCode::OK);
}

#[tokio::test]
async fn pages_by_themselves() {
    let desk = Desk::new();
    desk.state.controls.set_faults(Faults { page_size: Some(2), ..Faults::default() });
    let collection = "/redfish/v1/Systems/1/Memory";
    let first = desk.get(collection).await.body;
    assert_eq!(
        (first["Members@odata.count"].as_u64(), first["Members"].as_array().map(Vec::len)),
        (Some(3), Some(2))
    );
    let next = first["Members@odata.nextLink"].as_str().unwrap();
    let second = desk.get(next).await.body;
    assert_eq!(second["Members"], json!([{"@odata.id": "/redfish/v1/Systems/1/Memory/DIMM3"}]));
    assert!(second.get("Members@odata.nextLink").is_none());
}

#[tokio::test]
async fn what_came_is_remembered() {
    let desk = Desk::new();
    desk.get(SYSTEM).await;
    desk.state.controls.watch();
    desk.ask(Method::PATCH, SYSTEM, &[BASIC, ("if-match", "*")], patch_body()).await;
    desk.ask(Method::GET, "/redfish/v1/?a=b", &[], Value::Null).await;
    let seen = desk.state.controls.seen();
    let expected = Seen {
        method: "PATCH".into(),
        path: SYSTEM.into(),
        if_match: Some("*".into()),
        credentials: true,
        body: patch_body().to_string(),
    };
    assert_eq!(seen[0], expected);
    assert_eq!((seen[1].path.as_str(), seen[1].credentials, seen.len()), ("/redfish/v1/?a=b", false, 2));
}

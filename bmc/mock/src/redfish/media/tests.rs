//! Virtual media as a stranger's client would use it.

use super::*;
use crate::redfish::tests::{BASIC, Desk, Said};
use serde_json::json;

async fn act(desk: &Desk, slot: &str, action: &str, body: Value) -> Said {
    desk.ask(Method::POST, &format!("{slot}{action}"), &[BASIC], body).await
}

#[tokio::test]
async fn an_image_goes_in_once_and_out() {
    let desk = Desk::of(Profile::Generic);
    let slot = desk.state.places().media[0].clone();
    let body = json!({"Image": "http://h/a.iso", "Inserted": true, "WriteProtected": true});
    assert!(act(&desk, &slot, INSERT, body.clone()).await.status.is_success());
    let shown = desk.get(&slot).await.body;
    assert_eq!((&shown["Image"], &shown["ImageName"]), (&json!("http://h/a.iso"), &json!("a.iso")));
    assert_eq!((&shown["Inserted"], &shown["ConnectedVia"]), (&json!(true), &json!("URI")));
    assert_eq!(act(&desk, &slot, INSERT, body).await.status, StatusCode::CONFLICT);
    assert!(act(&desk, &slot, EJECT, json!({})).await.status.is_success());
    let shown = desk.get(&slot).await.body;
    assert_eq!((&shown["Image"], &shown["Inserted"]), (&Value::Null, &json!(false)));
}

#[tokio::test]
async fn makers_take_what_they_take() {
    for (profile, body, id) in [
        (Profile::Supermicro, json!({"Image": "http://h/a", "Inserted": true}), "ActionParameterUnknown"),
        (Profile::Ami, json!({"Image": "http://h/a"}), "ActionParameterMissing"),
        (Profile::Generic, json!({}), "ActionParameterMissing"),
        (Profile::Generic, json!({"Image": "file:///a"}), "PropertyValueNotInList"),
        (Profile::Generic, json!({"Image": "http://h/a", "Inserted": 1}), "PropertyValueTypeError"),
        (Profile::Generic, json!({"Image": "http://h/a", "Colour": 1}), "ActionParameterUnknown"),
    ] {
        let desk = Desk::of(profile);
        let slot = desk.state.places().media[0].clone();
        let said = act(&desk, &slot, INSERT, body).await;
        assert!(
            said.status == StatusCode::BAD_REQUEST && said.id().ends_with(id),
            "{profile}: {}",
            said.body
        );
        assert!(desk.state.controls.parts().media.images().is_empty());
    }
    // iLO wants a body, were it an empty one.
    let desk = Desk::of(Profile::Hpe);
    let slot = desk.state.places().media[0].clone();
    assert_eq!(act(&desk, &slot, EJECT, Value::Null).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    // Lenovo's other slots have no actions.
    let desk = Desk::of(Profile::Lenovo);
    let slot = desk.state.places().media.iter().find(|slot| slot.ends_with("RDOC1")).unwrap().clone();
    assert_eq!(act(&desk, &slot, INSERT, json!({"Image": "http://h/a"})).await.status, StatusCode::NOT_FOUND);
}

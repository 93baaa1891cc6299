//! The boot order as a stranger's client would set it.

use super::*;
use crate::redfish::tests::{BASIC, Desk};
use axum::http::StatusCode;

#[tokio::test]
async fn an_order_has_every_option_once() {
    for profile in Profile::ALL {
        let desk = Desk::of(profile);
        let places = desk.state.places();
        let path = places.system_settings.clone().unwrap_or_else(|| places.system.clone());
        let shown = words(&desk.get(&path).await.body["Boot"]["BootOrder"]).unwrap();
        let mut turned = shown.clone();
        turned.reverse();
        for wrong in [json!(shown[1..]), json!(["Nothing"]), json!("x"), json!([1])] {
            let tag = desk.get(&path).await.header("etag").to_owned();
            let headers = [BASIC, ("if-match", tag.as_str())];
            let headers = if tag.is_empty() { &headers[..1] } else { &headers[..] };
            let said = desk.ask(Method::PATCH, &path, headers, json!({"Boot": {"BootOrder": wrong}})).await;
            assert_eq!(said.status, StatusCode::BAD_REQUEST, "{profile}: {wrong}");
        }
        let tag = desk.get(&path).await.header("etag").to_owned();
        let headers = [BASIC, ("if-match", tag.as_str())];
        let headers = if tag.is_empty() { &headers[..1] } else { &headers[..] };
        let said = desk.ask(Method::PATCH, &path, headers, json!({"Boot": {"BootOrder": turned}})).await;
        assert!(said.status.is_success(), "{profile}: {}", said.body);
        assert_eq!(words(&desk.get(&path).await.body["Boot"]["BootOrder"]).unwrap(), turned, "{profile}");
        desk.state.announce(&Event::Boot);
        assert_eq!(
            words(&desk.get(&places.system).await.body["Boot"]["BootOrder"]).unwrap(),
            turned,
            "{profile}"
        );
    }
}

//! The OpenAPI document is served, and what it doesn't know is refused. That it has what the table of routes has is tested
//! beside that table.

use anyhow::{Context, Result};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::Site;

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_served_to_everybody() -> Result<()> {
    let site = Site::start().await?;
    let (status, served) = site.send(None, Method::GET, "/v1/openapi.json", None).await?;
    assert_eq!(status, StatusCode::OK);
    let checked_in: Value = serde_json::from_str(include_str!("../../../docs/openapi.json"))?;
    assert_eq!(served.context("a document")?, checked_in);
    assert_eq!(checked_in["openapi"], "3.1.0");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_handler_understands_is_refused_with_its_name() -> Result<()> {
    let site = Site::start().await?;
    let admin = site.connection().token.reveal().to_owned();
    let spec = json!({ "protocol": "manual" });
    let machine =
        |name: Value| json!({ "name": name, "macs": ["52:54:00:00:00:01"], "bmc": spec }).to_string();
    for (method, path, body, status, field) in [
        (Method::GET, "/v1/machines/%ff", None, 400, None),
        (Method::GET, "/v1/machines/%00", None, 400, None),
        (Method::GET, "/v1/machines?pol=a", None, 422, Some("pol")),
        (Method::GET, "/v1/machines?pool=%00", None, 422, Some("pool")),
        (Method::GET, "/v1/machines?held=perhaps", None, 422, Some("held")),
        (Method::GET, "/v1/machines?limit=1&limit=2", None, 422, Some("limit")),
        (Method::GET, "/v1/images?limit=1", None, 422, Some("limit")),
        (Method::GET, "/v1/tokens?limit=1", None, 422, Some("limit")),
        (Method::GET, "/v1/audit?after=x", None, 422, Some("after")),
        (Method::DELETE, "/v1/addresses/vip?force=true", None, 422, Some("force")),
        (
            Method::GET,
            "/v1/boot-traces/52:54:00:00:00:01?after=99999999999999999999",
            None,
            422,
            Some("after"),
        ),
        (Method::POST, "/v1/machines", Some(machine(json!("a\0"))), 422, Some("name")),
        (Method::POST, "/v1/machines", Some(machine(json!(7))), 422, Some("name")),
        (
            Method::POST,
            "/v1/machines",
            Some(machine(json!("a")).replace("manual", "snmp")),
            422,
            Some("bmc.protocol"),
        ),
        (
            Method::POST,
            "/v1/machines",
            Some(machine(json!("a")).replace("\"manual\"", "\"manual\",\"tls_sha\":\"00\"")),
            422,
            Some("bmc.tls_sha"),
        ),
        (Method::POST, "/v1/works/freeze", Some("{\"wy\": \"x\"}".into()), 422, Some("wy")),
        (Method::POST, "/v1/works/freeze", Some("{\"why\": \"x\"".into()), 400, None),
        (Method::DELETE, "/v1/instances/web", Some("{\"erase\": 7}".into()), 422, Some("erase")),
    ] {
        let (code, problem) = site.send(Some(&admin), method, path, body.as_deref()).await?;
        let problem = problem.with_context(|| format!("{path}: a problem document"))?;
        assert_eq!(code.as_u16(), status, "{path}: {problem}");
        assert_eq!(problem["fields"][0]["field"].as_str(), field, "{path}: {problem}");
    }
    let none: Vec<_> = site.client()?.machines(&Default::default()).await?;
    assert!(none.is_empty(), "nothing was added");
    Ok(())
}

/// Who may not ask is not told whether it could be understood.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_learn_nothing_of_what_is_understood() -> Result<()> {
    let site = Site::start().await?;
    for path in ["/v1/machines?pol=a", "/v1/machines/%00", "/v1/machines/%ff", "/v1/addresses?limit=0"] {
        for token in [None, Some("not a token")] {
            let (status, _) = site.send(token, Method::GET, path, None).await?;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        }
    }
    Ok(())
}

//! The OpenAPI document is served, and says of each path what the router says; what it doesn't know is refused.

use anyhow::{Context, Result};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tests::Site;

/// What a path may hold that OpenAPI calls an operation.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

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

/// The router itself says which methods a path has: in `Allow`, when it is asked with another (RFC 9110 section 15.5.6).
#[tokio::test(flavor = "multi_thread")]
async fn each_path_has_the_methods_of_the_document_and_no_other() -> Result<()> {
    let site = Site::start().await?;
    let client = site.http()?;
    let connection = site.connection();
    let document: Value = serde_json::from_str(include_str!("../../../docs/openapi.json"))?;
    for (path, item) in document["paths"].as_object().context("there are paths")? {
        let operations = METHODS.into_iter().filter(|method| item.get(method).is_some());
        let documented: BTreeSet<_> = operations.map(str::to_uppercase).collect();
        let url = format!("{}{}", connection.url, path.replace(['{', '}'], ""));
        // An agent's path asks for a session first, which an operator doesn't have.
        if path.starts_with("/agent/v1/") && path != "/agent/v1/claim" {
            continue;
        }
        let asked = client.request(Method::TRACE, &url).bearer_auth(connection.token.reveal());
        let answer = asked.send().await?;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allow = answer.headers().get(header::ALLOW).with_context(|| format!("{path}: no Allow"))?;
        let mut routed: BTreeSet<_> =
            allow.to_str()?.split(',').map(|method| method.trim().to_owned()).collect();
        // Whoever answers GET answers HEAD.
        routed.remove("HEAD");
        assert_eq!(routed, documented, "{path}");
    }
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

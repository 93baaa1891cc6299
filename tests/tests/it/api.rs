//! Bad input gets a sentence that names the field and the mend; strangers get nothing.

use anyhow::Result;
use provisioner_api::MachineCreate;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{Sim, SimOptions, Site};

fn enrolment() -> Value {
    json!({
        "name": "m1",
        "macs": ["52:54:00:00:00:01"],
        "bmc": { "protocol": "redfish", "address": "127.0.0.1:1", "username": "admin" },
        "bmc_password": "secret",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_without_a_token() -> Result<()> {
    let site = Site::start().await?;
    let paths = [
        "/v1/machines",
        "/v1/instances",
        "/v1/images",
        "/v1/networks",
        "/v1/networks/loopback/reservations",
        "/v1/networks/loopback/leases",
        "/v1/boot-traces/x",
        "/v1/backup",
        "/v1/works",
        "/v1/replicas",
        "/metrics",
        "/v1/machines/x",
        "/agent/v1/orders",
    ];
    for path in paths {
        for token in [None, Some("billet_guess"), Some("")] {
            let (status, problem) = site.send(token, Method::GET, path, None).await?;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{path} {token:?}");
            assert_eq!(problem.expect("a problem document")["type"], "unauthorized");
        }
    }
    // An operator's token is no agent's session, and no boot window can be guessed.
    let admin = site.connection().token.reveal().to_owned();
    let (status, _) = site.send(Some(&admin), Method::GET, "/agent/v1/orders", None).await?;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let claim = json!({
        "token": "00000000-0000-4000-8000-000000000000.AAAA", "nonce": "0".repeat(64), "agent_version": "x",
        "inventory": { "architecture": "x86_64", "boot_mode": null, "cpu": { "model": "", "threads": 1, "cores": 1,
        "sockets": 1 }, "memory_bytes": 1, "disks": [], "nics": [] },
    });
    let (status, _) = site.send(None, Method::POST, "/agent/v1/claim", Some(&claim.to_string())).await?;
    assert_eq!(status, StatusCode::FORBIDDEN);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_wrong_field_of_a_machine_is_named() -> Result<()> {
    let site = Site::start().await?;
    let cases: [(&str, Value, &str); 9] = [
        ("/name", json!("Not A Name"), "name"),
        ("/macs", json!([]), "macs"),
        ("/macs", json!(["ff:ff:ff:ff:ff:ff"]), "macs[0]"),
        ("/macs", json!(["52:54:00:00:00:01", "52-54-00-00-00-01"]), "macs[1]"),
        ("/bmc/address", json!("http://x/"), "bmc.address"),
        ("/bmc/username", json!(""), "bmc.username"),
        ("/bmc/cipher_suite", json!(3), "bmc.cipher_suite"),
        ("/bmc/tls_sha256", json!("abc"), "bmc.tls_sha256"),
        ("/bmc_password", json!(""), "bmc_password"),
    ];
    let admin = site.connection().token.reveal().to_owned();
    for (pointer, value, field) in cases {
        let mut body = enrolment();
        body["bmc"]["cipher_suite"] = Value::Null;
        body["bmc"]["tls_sha256"] = Value::Null;
        *body.pointer_mut(pointer).expect("the field is there") = value;
        let (status, problem) =
            site.send(Some(&admin), Method::POST, "/v1/machines", Some(&body.to_string())).await?;
        let problem = problem.expect("a problem document");
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{field}: {problem}");
        let named: Vec<_> =
            problem["fields"].as_array().unwrap().iter().map(|wrong| wrong["field"].clone()).collect();
        assert_eq!(named, [json!(field)], "{problem}");
    }
    assert!(site.client()?.machines(&Default::default()).await?.is_empty(), "nothing was added");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_make_no_sense_are_told_so() -> Result<()> {
    let site = Site::start().await?;
    let admin = site.connection().token.reveal().to_owned();
    let mut unknown = enrolment();
    unknown["colour"] = json!("red");
    for (path, body, status, word) in [
        ("/v1/machines", "{".to_owned(), StatusCode::BAD_REQUEST, "EOF"),
        ("/v1/machines", "{}".to_owned(), StatusCode::UNPROCESSABLE_ENTITY, "name"),
        ("/v1/machines", unknown.to_string(), StatusCode::UNPROCESSABLE_ENTITY, "colour"),
        ("/v1/machines", format!("\"{}\"", "x".repeat(2 << 20)), StatusCode::PAYLOAD_TOO_LARGE, "length"),
        (
            "/v1/instances",
            json!({ "name": "x", "spec": { "image": "none", "machine": "nobody" } }).to_string(),
            StatusCode::UNPROCESSABLE_ENTITY,
            "image list",
        ),
        (
            "/v1/machines/nobody/actions",
            json!({ "action": "accept" }).to_string(),
            StatusCode::NOT_FOUND,
            "nobody",
        ),
        ("/v1/nonsense", "{}".to_owned(), StatusCode::NOT_FOUND, "/v1/nonsense"),
    ] {
        // A server that refuses a body for its length may close before all of it was sent.
        let answer = site.send(Some(&admin), Method::POST, path, Some(&body)).await;
        let Ok((code, problem)) = answer else {
            assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{path}: {answer:?}");
            continue;
        };
        let problem = problem.expect("a problem document").to_string();
        assert_eq!(code, status, "{path}: {problem}");
        assert!(problem.contains(word), "{path}: {problem}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_macs_are_taken_once() -> Result<()> {
    let site = Site::start().await?;
    let client = site.client()?;
    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    client.add_machine(&sim.enrolment()).await?;
    let again = client.add_machine(&sim.enrolment()).await.unwrap_err();
    assert_eq!(again.status(), Some(409));
    assert!(again.to_string().contains("`m1` is taken"), "{again}");
    let twin = client.add_machine(&MachineCreate { name: "m2".into(), ..sim.enrolment() }).await.unwrap_err();
    assert!(twin.to_string().contains(&sim.mac), "{twin}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_never_come_back() -> Result<()> {
    let site = Site::start().await?;
    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    site.client()?.add_machine(&sim.enrolment()).await?;
    let password = sim.enrolment().bmc_password.reveal().to_owned();
    let admin = site.connection().token.reveal().to_owned();
    for path in ["/v1/machines", "/v1/machines/m1", "/v1/machines/m1/events", "/v1/machines/m1/why"] {
        let (_, body) = site.send(Some(&admin), Method::GET, path, None).await?;
        assert!(!body.expect("JSON").to_string().contains(&password), "{path}");
    }
    for file in ["billet.db", "billet.db-wal"] {
        let bytes = std::fs::read(site.folder().join("data").join(file)).unwrap_or_default();
        for secret in [&password, &admin] {
            assert!(
                !bytes.windows(secret.len()).any(|window| window == secret.as_bytes()),
                "{file} holds a secret"
            );
        }
    }
    Ok(())
}

//! The driver against servers that are no BMC but an attack: each call ends, in bounded time and memory, with a typed
//! error in which no secret stands.

use super::Redfish;
use super::rig::{Rig, endpoint};
use super::timing::{QUICK, Timing};
use crate::{BiosValue, Bmc, BmcError, PowerState};
use bmc_mock::redfish::{Effect, Fault, Profile, Raw, Reply};
use bmc_proto::redfish::ResourcePath;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What only a hang takes.
const HANG: Duration = Duration::from_secs(60);

const HASTE: Timing = Timing {
    request: Duration::from_millis(300),
    collection: Duration::from_millis(300),
    parts: Duration::from_millis(300),
    ..QUICK
};

const ROOT: &str =
    r#"{"RedfishVersion":"1.6.0","Systems":{"@odata.id":"/s"},"Links":{"Sessions":{"@odata.id":"/l"}}}"#;

fn driver(raw: &Raw) -> Redfish {
    Redfish::with_timing(&endpoint(raw.address(), "secret", Some(raw.certificate_sha256())), HASTE)
}

/// A BMC that lets everybody in, and answers so for its systems.
async fn answering(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Raw {
    let served = Raw::serve(move |request| match request.split(' ').nth(1) {
        Some("/redfish/v1/") => Reply::json("200 OK", "", ROOT),
        Some("/l") => Reply::json("201 Created", "X-Auth-Token: t\r\n", "{}"),
        _ => answer(request),
    });
    served.await.unwrap()
}

async fn error_of(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> BmcError {
    let raw = answering(answer).await;
    let redfish = driver(&raw);
    tokio::time::timeout(HANG, redfish.power()).await.expect("it hangs").unwrap_err()
}

fn dripping(first: &str, then: &str, pause: u64) -> Reply {
    Reply { first: first.into(), then: then.into(), pause: Duration::from_millis(pause) }
}

#[tokio::test]
async fn what_drips_for_ever_is_given_up() {
    let drips: [(&'static str, &'static str); 5] = [
        ("", "H"),
        ("HTTP/1.1 200 OK\r\n", "X-A: b\r\n"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", " "),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n"),
    ];
    for (first, then) in drips {
        let error = error_of(move |_| dripping(first, then, 5)).await;
        let typed = matches!(error, BmcError::Unreachable { .. } | BmcError::Protocol { .. });
        assert!(typed, "{first}{then}: {error}");
    }
}

#[tokio::test]
async fn what_comes_without_end_is_cut_off() {
    let spaces = " ".repeat(16 * 1024);
    let chunk = format!("4000\r\n{spaces}\r\n");
    let error =
        error_of(move |_| dripping("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &chunk, 0)).await;
    let typed = matches!(error, BmcError::Unreachable { .. } | BmcError::Protocol { .. });
    assert!(typed, "{error}");
}

#[tokio::test]
async fn bodies_that_are_bombs_are_no_resources() {
    let deep = format!("{}{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    let wide = format!("{{\"a\":[{}]}}", vec!["{\"\":0}"; 400_000].join(","));
    let huge = format!("{{\"Members\":{}}}", "9".repeat(100_000));
    for (body, says) in [(deep, "not JSON"), (wide, "too many parts"), (huge, "not JSON")] {
        let error = error_of(move |_| Reply::json("200 OK", "", &body)).await;
        assert!(matches!(error, BmcError::Protocol { .. }) && error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_bmc_that_is_busy_for_thirty_years_is_not_waited_for() {
    for after in ["1000000000", "99999999999999999999999", "-1", "Fri, 31 Dec 2199 23:59:59 GMT"] {
        let error = error_of(move |_| {
            Reply::json("503 Service Unavailable", &format!("Retry-After: {after}\r\n"), "{}")
        })
        .await;
        assert!(matches!(error, BmcError::Refused { .. }), "{after}: {error}");
    }
}

/// Each page leads to another, and each takes a while.
#[tokio::test]
async fn a_collection_without_end_is_given_up() {
    let page = AtomicU32::new(0);
    let raw = answering(move |_| {
        let next = page.fetch_add(1, Ordering::Relaxed);
        let body = format!(r#"{{"Members":[],"Members@odata.nextLink":"/s?page={next}"}}"#);
        std::thread::sleep(Duration::from_millis(20));
        Reply::json("200 OK", "", &body)
    })
    .await;
    let redfish = driver(&raw);
    let error = tokio::time::timeout(HANG, redfish.power()).await.expect("it hangs").unwrap_err();
    assert!(error.to_string().contains("took longer"), "{error}");
    let path = ResourcePath::from_link("/s").unwrap();
    let listing = redfish.list(&path, 10, "list").await;
    // Or it is let alone by then.
    assert!(listing.as_ref().map_or(true, |listing| listing.problems[0].contains("too long")), "{listing:?}");
}

#[tokio::test]
async fn thousands_of_slow_members_are_given_up() {
    let raw = answering(move |request| {
        if request.starts_with("GET /s ") {
            let members: Vec<String> = (0..4000).map(|n| format!(r#"{{"@odata.id":"/s/{n}"}}"#)).collect();
            return Reply::json("200 OK", "", &format!(r#"{{"Members":[{}]}}"#, members.join(",")));
        }
        std::thread::sleep(Duration::from_millis(20));
        Reply::json("200 OK", "", "{}")
    })
    .await;
    let path = ResourcePath::from_link("/s").unwrap();
    let redfish = driver(&raw);
    let read = redfish.read_members(&path, "read");
    let error = tokio::time::timeout(HANG, read).await.expect("it hangs").unwrap_err();
    assert!(error.to_string().contains("took longer"), "{error}");
}

/// Each member alone is let through, and thousands of them would fill the memory.
#[tokio::test]
async fn members_that_together_fill_the_memory_are_not_held() {
    let member = format!(r#"{{"Id":"1","a":[{}]}}"#, vec![r#"{"":0}"#; 40_000].join(","));
    let raw = answering(move |request| {
        if request.starts_with("GET /s ") {
            let members: Vec<String> = (0..4000).map(|n| format!(r#"{{"@odata.id":"/s/{n}"}}"#)).collect();
            return Reply::json("200 OK", "", &format!(r#"{{"Members":[{}]}}"#, members.join(",")));
        }
        Reply::json("200 OK", "", &member)
    })
    .await;
    let redfish =
        Redfish::with_timing(&endpoint(raw.address(), "secret", Some(raw.certificate_sha256())), QUICK);
    let path = ResourcePath::from_link("/s").unwrap();
    let error = redfish.read_members(&path, "read").await.unwrap_err();
    assert!(error.to_string().contains("too large"), "{error}");
}

/// Half of all requests are answered with 401: the password is right, so each login is one that counts as good, and no
/// more than one of them is made for a call.
#[tokio::test]
async fn a_session_that_is_lost_all_the_time_is_made_anew_once_for_a_call() {
    let logins = std::sync::Arc::new(AtomicU32::new(0));
    let (count, asked) = (logins.clone(), AtomicU32::new(0));
    let raw = Raw::serve(move |request| match request.split(' ').nth(1) {
        Some("/redfish/v1/") => Reply::json("200 OK", "", ROOT),
        Some("/l") => {
            count.fetch_add(1, Ordering::Relaxed);
            Reply::json("201 Created", "X-Auth-Token: t\r\n", "{}")
        }
        _ if asked.fetch_add(1, Ordering::Relaxed) % 2 == 1 => Reply::json("401 Unauthorized", "", "{}"),
        Some("/s") => Reply::json("200 OK", "", r#"{"Members":[{"@odata.id":"/s/1"}]}"#),
        _ => Reply::json("200 OK", "", r#"{"PowerState":"On"}"#),
    })
    .await
    .unwrap();
    let redfish = driver(&raw);
    for _ in 0..5 {
        assert_eq!(redfish.power().await.unwrap(), PowerState::On);
    }
    assert!(logins.load(Ordering::Relaxed) <= 7, "{logins:?}");
}

/// BMCs repeat what they were told: neither our password nor a new one stands in an error, which many read.
#[tokio::test]
async fn no_secret_that_a_bmc_repeats_is_passed_on() {
    let echo = |status: u16, secret: &str| {
        Effect::Error(
            status,
            "Base.1.8.PropertyValueFormatError".into(),
            format!("The value '{secret}' is \u{1b}[31mbad"),
        )
    };
    let rig = Rig::of(Profile::Dell).await;
    rig.controls.add_fault(Fault::new(echo(400, "secret")).at("*/Sessions").by("POST").times(1));
    let error = rig.redfish.power().await.unwrap_err().to_string();
    assert!(error.contains("'***' is [31mbad") && !error.contains("secret"), "{error}");

    let users = rig.redfish.users().unwrap();
    let id = users.users().await.unwrap().into_iter().find(|user| user.name == "admin").unwrap().id;
    rig.controls.add_fault(Fault::new(echo(400, "Horse-7-Battery")).at("*/Accounts/*").by("PATCH").times(1));
    let error = users.set_user_password(&id, "Horse-7-Battery").await.unwrap_err().to_string();
    assert!(error.contains("***") && !error.contains("Horse"), "{error}");
    let change = BTreeMap::from([("SetupPassword".to_owned(), BiosValue::Text("Horse-7-Battery".into()))]);
    rig.controls.add_fault(Fault::new(echo(400, "Horse-7-Battery")).at("*Bios*").by("PATCH"));
    let error = rig.redfish.bios().unwrap().set_bios(&change).await.unwrap_err().to_string();
    assert!(!error.contains("Horse"), "{error}");
}

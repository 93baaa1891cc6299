//! The life of a user: made, logged in, demoted, logged out; and how often a password may be guessed.

use super::*;
use crate::{audit::Verifier, listener::Peer};
use axum::extract::ConnectInfo;
use provisioner_api::{AuditEntry, AuditList, AuditOutcome, LoggedIn, User, WhoAmI, WhoKind};
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio::time::Instant;

const PASSWORD: &str = "correct horse battery";

/// Tries to log in from an address; what is answered, and after how many seconds to come again.
async fn tried(world: &World, user: &str, password: &str, last: u8) -> (StatusCode, String, Option<u64>) {
    let body = serde_json::json!({ "user": user, "password": password }).to_string();
    let mut request = Request::builder().method(Method::POST).uri(paths::LOGIN);
    request = request.header(header::CONTENT_TYPE, "application/json");
    let mut request = request.body(Body::from(body)).unwrap();
    let peer = Peer(SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 7)));
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = world.router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let again = response.headers().get(header::RETRY_AFTER);
    let again = again.map(|again| again.to_str().unwrap().parse().unwrap());
    let body = to_bytes(response.into_body(), 64 * 1024).await.unwrap();
    (status, String::from_utf8_lossy(&body).into_owned(), again)
}

async fn logged_in(world: &World, user: &str) -> String {
    let (status, text, _) = tried(world, user, PASSWORD, 1).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    serde_json::from_str::<LoggedIn>(&text).unwrap().secret.reveal().to_owned()
}

async fn made(world: &World, admin: &str, user: &str, role: &str) {
    let body = format!(r#"{{"name":"{user}","role":"{role}","password":"{PASSWORD}"}}"#);
    let (status, text) = world.ask(Some(admin), &Method::POST, paths::USERS, &body).await;
    assert_eq!(status, StatusCode::CREATED, "{text}");
    assert!(!text.contains(PASSWORD) && !text.contains("argon2"), "{text}");
}

async fn log(world: &World, admin: &str) -> Vec<AuditEntry> {
    let (_, text) = world.ask(Some(admin), &Method::GET, "/v1/audit?limit=1000", "").await;
    assert!(!text.contains(PASSWORD) && !text.contains("argon2"), "{text}");
    let list: AuditList = serde_json::from_str(&text).unwrap();
    let mut verifier = Verifier::new(None);
    verifier.go_on(&list.items).unwrap();
    list.items.iter().map(|record| serde_json::from_str(&record.content).unwrap()).collect()
}

#[tokio::test]
async fn a_user_is_made_logs_in_and_is_what_they_are_at_each_moment() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    made(&world, &admin, "ann", "operator").await;
    let token = logged_in(&world, "ann").await;
    let (status, text) = world.ask(Some(&token), &Method::GET, paths::WHOAMI, "").await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let who: WhoAmI = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (who.name.as_str(), who.kind, who.role, who.pools),
        ("ann", WhoKind::User, Role::Operator, None)
    );
    let hours = crate::clock::now().duration_until(who.expires.unwrap()).as_hours();
    assert!((11..=12).contains(&hours), "{hours}");
    let (_, text) = world.ask(Some(&admin), &Method::GET, paths::WHOAMI, "").await;
    let who: WhoAmI = serde_json::from_str(&text).unwrap();
    assert_eq!((who.name.as_str(), who.kind, who.expires), ("admin-all", WhoKind::Token, None));

    // Nobody but an administrator makes users, whatever is asked for.
    let (status, text) =
        world.ask(Some(&token), &Method::PATCH, "/v1/users/ann", r#"{"role":"admin"}"#).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(text.contains("the role of user `ann` is operator"), "{text}");

    // A demotion acts at once, and so does everything else that changes them.
    for change in [
        r#"{"role":"viewer"}"#,
        r#"{"pools":["a"]}"#,
        r#"{"password":"another good password"}"#,
        r#"{"disabled":true}"#,
    ] {
        let back = format!(r#"{{"role":"operator","pools":null,"password":"{PASSWORD}","disabled":false}}"#);
        let (status, text) = world.ask(Some(&admin), &Method::PATCH, "/v1/users/ann", &back).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        let token = logged_in(&world, "ann").await;
        let looks = async || world.ask(Some(&token), &Method::GET, paths::MACHINES, "").await.0;
        assert_eq!(looks().await, StatusCode::OK);
        let (status, text) = world.ask(Some(&admin), &Method::PATCH, "/v1/users/ann", change).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        assert!(!text.contains("argon2") && !text.contains("password"), "{text}");
        assert_eq!(looks().await, StatusCode::UNAUTHORIZED, "{change}");
    }
    let disabled = tried(&world, "ann", PASSWORD, 1).await;
    let nobody = tried(&world, "nobody", PASSWORD, 1).await;
    let wrong = tried(&world, "ann", "wrong", 1).await;
    assert_eq!(disabled.0, StatusCode::UNAUTHORIZED);
    assert!(disabled == nobody && wrong == nobody, "all alike: {disabled:?} {wrong:?} {nobody:?}");
    let (status, _) = world.ask(Some(&admin), &Method::DELETE, "/v1/users/ann", "").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, text) = world.ask(Some(&admin), &Method::GET, "/v1/users/ann", "").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{text}");
}

#[tokio::test]
async fn a_log_in_ends_by_itself_or_when_it_is_ended() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    made(&world, &admin, "ann", "viewer").await;
    let (one, two) = (logged_in(&world, "ann").await, logged_in(&world, "ann").await);
    let (status, text) = world.ask(Some(&one), &Method::POST, paths::LOGOUT, "").await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{text}");
    assert_eq!(world.ask(Some(&one), &Method::GET, paths::WHOAMI, "").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(world.ask(Some(&two), &Method::GET, paths::WHOAMI, "").await.0, StatusCode::OK);
    let (status, text) = world.ask(Some(&admin), &Method::POST, paths::LOGOUT, "").await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(text.contains("billet token revoke admin-all"), "{text}");

    let ann = world.service.store.user_find("ann").await.unwrap().unwrap();
    let times = (samples::NOW, samples::NOW);
    assert!(world.service.store.session_insert(&sha256_hex("old"), &ann, times).await.unwrap());
    let (status, text) = world.ask(Some("old"), &Method::GET, paths::WHOAMI, "").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(
        text.contains("the log-in of user `ann` ended at 1970") && text.contains("billet login"),
        "{text}"
    );
}

#[tokio::test]
async fn guessing_is_slowed_and_stands_in_the_log() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    made(&world, &admin, "ann", "admin").await;
    logged_in(&world, "ann").await;
    // Of a name that nobody has it goes the same way.
    for (user, last) in [("ann", 1), ("ghost", 2)] {
        for _ in 0..3 {
            assert_eq!(tried(&world, user, "wrong", 2).await.0, StatusCode::UNAUTHORIZED, "{user}");
        }
        // The rest of the guesses comes in the hours to come.
        for hour in 0..8 {
            let then = Instant::now() + Duration::from_secs(hour * 1000);
            assert!(
                world.service.logins.attempts.begin(user, Some([192, 0, 2, 10 + last].into()), then).is_ok(),
                "{user} {hour}"
            );
        }
        let (status, text, again) = tried(&world, user, PASSWORD, 10 + last).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{user}: {text}");
        let seconds = again.unwrap();
        assert!(seconds > 60 && text.contains(&format!("try again in {seconds} s")), "{text}");
    }
    logged_in(&world, "ann").await;
    let told: Vec<_> = log(&world, &admin).await.into_iter().skip(1).collect();
    let tries = |user: Option<&str>, status: u16| {
        told.iter().filter(|entry| entry.user.as_deref() == user && entry.status == status).count()
    };
    assert_eq!((tries(Some("ann"), 200), tries(Some("ann"), 401), tries(Some("ann"), 429)), (2, 3, 1));
    assert_eq!((tries(None, 401), tries(None, 429)), (3, 1), "a name that nobody has is not kept");
    let first = &told[0];
    assert_eq!((first.address.as_deref(), first.role), (Some("192.0.2.1"), Some(Role::Admin)));
    assert_eq!((first.route.as_str(), first.outcome), (paths::LOGIN, AuditOutcome::Done));
    assert!(!format!("{told:?}").contains("ghost"));
}

#[tokio::test]
async fn tries_that_wait_hide_no_guess() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    for hour in 0..8 {
        let then = Instant::now() + Duration::from_secs(hour * 1000);
        assert!(world.service.logins.attempts.begin("ghost", Some([192, 0, 2, 9].into()), then).is_ok());
    }
    for _ in 0..310 {
        assert_eq!(tried(&world, "ghost", "wrong", 9).await.0, StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!(tried(&world, "nobody", "wrong", 8).await.0, StatusCode::UNAUTHORIZED);
    let told: Vec<_> = log(&world, &admin).await.into_iter().map(|entry| entry.status).collect();
    let count = |status| told.iter().filter(|told| **told == status).count();
    assert_eq!((count(429), count(401)), (60, 1));
}

#[tokio::test]
async fn a_freeze_by_a_user_is_said_to_be_a_users() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    made(&world, &admin, "ann", "admin").await;
    let ann = logged_in(&world, "ann").await;
    for (token, by) in [(&admin, "admin-all"), (&ann, "user `ann`")] {
        let (status, text) = world.ask(Some(token), &Method::POST, paths::WORKS_FREEZE, "{}").await;
        assert_eq!(status, StatusCode::OK, "{text}");
        let works: provisioner_api::Works = serde_json::from_str(&text).unwrap();
        assert_eq!(works.frozen.unwrap().by, by);
        world.ask(Some(token), &Method::POST, paths::WORKS_UNFREEZE, "{}").await;
    }
}

#[tokio::test]
async fn what_users_do_is_told_as_theirs() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    made(&world, &admin, "ann", "operator").await;
    let token = logged_in(&world, "ann").await;
    world.ask(Some(&token), &Method::POST, paths::WORKS_FREEZE, "{}").await;
    let log = log(&world, &admin).await;
    let entry = log.last().unwrap();
    assert_eq!((entry.user.as_deref(), entry.token.as_deref()), (Some("ann"), None));
    assert_eq!((entry.role, entry.outcome), (Some(Role::Operator), AuditOutcome::Denied));
    let made = &log[0];
    assert_eq!((made.name.as_deref(), made.fields.join(",")), (Some("ann"), "name,password,role".into()));
}

#[tokio::test]
async fn what_is_wrong_with_a_user_is_told() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    made(&world, &admin, "ann", "viewer").await;
    let good = r#""password":"correct horse battery""#;
    for (body, status, says) in [
        (format!(r#"{{"name":"ann","role":"viewer",{good}}}"#), 409, "`ann` is taken"),
        (format!(r#"{{"name":"A b","role":"viewer",{good}}}"#), 422, "DNS label"),
        (format!(r#"{{"name":"bob","role":"root",{good}}}"#), 422, "role"),
        (format!(r#"{{"name":"bob","role":"admin","pools":["a"],{good}}}"#), 422, "leave `pools` out"),
        (format!(r#"{{"name":"bob","role":"viewer","admin":true,{good}}}"#), 422, "admin"),
        (r#"{"name":"bob","role":"viewer","password":"short"}"#.to_owned(), 422, "12 characters at least"),
        (r#"{"name":"bob","role":"viewer"}"#.to_owned(), 422, "password"),
    ] {
        let (said, text) = world.ask(Some(&admin), &Method::POST, paths::USERS, &body).await;
        assert_eq!(said.as_u16(), status, "{body}: {text}");
        assert!(text.contains(says) && !text.contains("correct horse"), "{body}: {text}");
    }
    let login = async |body: &str| world.ask(None, &Method::POST, paths::LOGIN, body).await;
    assert_eq!(login(r#"{"user":"ann"}"#).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(login("{").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(login(r#"{"user":"A b","password":"x"}"#).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_version_that_is_not_there_any_more_is_not_changed() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    made(&world, &admin, "ann", "viewer").await;
    let patch = async |version: &str| {
        let mut request = Request::builder().method(Method::PATCH).uri("/v1/users/ann");
        request = request.header(header::AUTHORIZATION, format!("Bearer {admin}"));
        request = request.header(header::CONTENT_TYPE, "application/json").header(header::IF_MATCH, version);
        let request = request.body(Body::from(r#"{"role":"operator"}"#)).unwrap();
        world.router.clone().oneshot(request).await.unwrap()
    };
    assert_eq!(patch("\"7\"").await.status(), StatusCode::PRECONDITION_FAILED);
    let done = patch("\"1\"").await;
    assert_eq!(done.status(), StatusCode::OK);
    let tag = done.headers()[header::ETAG].to_str().unwrap().to_owned();
    assert!(tag.ends_with("-2\""), "{tag}");
    let body = to_bytes(done.into_body(), 1024).await.unwrap();
    assert_eq!(serde_json::from_slice::<User>(&body).unwrap().role, Role::Operator);
    assert_eq!(patch("\"1\"").await.status(), StatusCode::PRECONDITION_FAILED);
    assert_eq!(patch("*").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    made(&world, &admin, "root", "admin").await;
    let root = logged_in(&world, "root").await;
    for name in ["admin", "admin-all"] {
        let path = format!("/v1/tokens/{name}");
        let (status, text) = world.ask(Some(&root), &Method::DELETE, &path, "").await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{text}");
    }
    for (method, body) in [
        (Method::DELETE, ""),
        (Method::PATCH, r#"{"disabled":true}"#),
        (Method::PATCH, r#"{"role":"viewer"}"#),
    ] {
        let (status, text) = world.ask(Some(&root), &method, "/v1/users/root", body).await;
        assert_eq!(status, StatusCode::CONFLICT, "{text}");
        assert!(text.contains("make one first"), "{text}");
    }
}

#[tokio::test]
async fn who_knows_the_old_password_gives_a_new_one_and_all_other_log_ins_end() {
    const NEW: &str = "lawn-otter-cliff";
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    made(&world, &admin, "ann", "viewer").await;
    let (one, other) = (logged_in(&world, "ann").await, logged_in(&world, "ann").await);
    let ask = async |token: &str, old: &str, new: &str| {
        let body = serde_json::json!({ "old": old, "new": new }).to_string();
        world.ask(Some(token), &Method::POST, paths::PASSWORD, &body).await
    };
    let (status, text) = ask(&admin, PASSWORD, NEW).await;
    assert_eq!(status, StatusCode::CONFLICT, "a token has none: {text}");
    for (old, new, field, said) in [
        ("not it, for sure", NEW, "old", "not your password"),
        (PASSWORD, PASSWORD, "new", "the old one"),
        (PASSWORD, "elev3n ch4r", "new", "12 characters"),
        (PASSWORD, "ann-password-2026", "new", "tried first"),
    ] {
        let (status, text) = ask(&one, old, new).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
        assert!(text.contains(&format!(r#""field":"{field}""#)) && text.contains(said), "{text}");
        assert!(!text.contains(old) && !text.contains(new), "{text}");
    }
    assert_eq!(world.ask(Some(&other), &Method::GET, paths::WHOAMI, "").await.0, StatusCode::OK);
    let (status, text) = ask(&one, PASSWORD, NEW).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let again: LoggedIn = serde_json::from_str(&text).unwrap();
    let whoami = async |token: &str| world.ask(Some(token), &Method::GET, paths::WHOAMI, "").await.0;
    let ended = StatusCode::UNAUTHORIZED;
    assert_eq!([whoami(&one).await, whoami(&other).await], [ended, ended]);
    assert_eq!(whoami(again.secret.reveal()).await, StatusCode::OK);
    assert_eq!(tried(&world, "ann", PASSWORD, 1).await.0, ended);
    assert_eq!(tried(&world, "ann", NEW, 1).await.0, StatusCode::OK);
    let log = log(&world, &admin).await;
    let done = log.iter().find(|entry| entry.route == paths::PASSWORD && entry.status == 200).unwrap();
    assert_eq!((done.user.as_deref(), done.fields.join(",")), (Some("ann"), "new,old".to_owned()));
}

#[tokio::test]
async fn a_log_in_is_no_way_to_guess_the_password() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    made(&world, &admin, "ann", "viewer").await;
    let token = logged_in(&world, "ann").await;
    let mut last = StatusCode::OK;
    for number in 0..20 {
        let body = serde_json::json!({ "old": format!("guess number {number}"), "new": "lawn-otter-cliff" });
        last = world.ask(Some(&token), &Method::POST, paths::PASSWORD, &body.to_string()).await.0;
        if last == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn an_etag_means_one_user_and_no_other_of_the_same_name() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let with = async |method: Method, tag: Option<&str>, body: &str| {
        let mut request = Request::builder().method(method).uri("/v1/users/ann");
        request = request.header(header::AUTHORIZATION, format!("Bearer {admin}"));
        request = request.header(header::CONTENT_TYPE, "application/json");
        if let Some(tag) = tag {
            request = request.header(header::IF_MATCH, tag);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = world.router.clone().oneshot(request).await.unwrap();
        let tag = response.headers().get(header::ETAG).map(|tag| tag.to_str().unwrap().to_owned());
        (response.status(), tag.unwrap_or_default())
    };
    made(&world, &admin, "ann", "viewer").await;
    let (_, first) = with(Method::GET, None, "").await;
    // The id, the version, and a digest of what is shown.
    let parts: Vec<_> = first.trim_matches('"').split('-').collect();
    assert!(matches!(*parts, [id, "1", digest] if id.len() == 32 && digest.len() == 16), "{first}");
    let (status, second) = with(Method::PATCH, Some(&first), r#"{"disabled":true}"#).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(with(Method::DELETE, Some(&first), "").await.0, StatusCode::PRECONDITION_FAILED);
    assert_eq!(with(Method::DELETE, Some("\"2\""), "").await.0, StatusCode::PRECONDITION_FAILED);
    assert_eq!(with(Method::DELETE, Some(&second), "").await.0, StatusCode::NO_CONTENT);
    made(&world, &admin, "ann", "viewer").await;
    assert_eq!(
        with(Method::PATCH, Some(&first), r#"{"disabled":true}"#).await.0,
        StatusCode::PRECONDITION_FAILED
    );
    assert_eq!(with(Method::DELETE, Some(&first), "").await.0, StatusCode::PRECONDITION_FAILED);
    assert_eq!(with(Method::DELETE, Some("*"), "").await.0, StatusCode::NO_CONTENT);
}

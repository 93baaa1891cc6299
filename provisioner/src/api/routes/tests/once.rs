//! A request with an `Idempotency-Key` is done once, however often it is sent, and whatever happens in between.

use super::*;
use crate::clock;
use axum::http::Response;
use jiff::SignedDuration;
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use tokio::sync::Notify;

/// Something that never comes fails the test.
const PATIENCE: Duration = Duration::from_secs(60);

fn request(token: &str, path: &str, key: &str, body: &str) -> Request<Body> {
    Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header("Idempotency-Key", key)
        .body(Body::from(body.to_owned()))
        .unwrap()
}

/// Sends it; status, whether it was answered before, version, body.
async fn sent(router: &Router, request: Request<Body>) -> (StatusCode, bool, Option<String>, String) {
    let response: Response<Body> = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let replayed = parts.headers.contains_key("idempotency-replayed");
    let etag = parts.headers.get(header::ETAG).map(|etag| etag.to_str().unwrap().to_owned());
    let body = to_bytes(body, 1 << 20).await.unwrap();
    (parts.status, replayed, etag, String::from_utf8_lossy(&body).into_owned())
}

fn machine(name: &str, password: &str) -> String {
    format!(
        r#"{{"name":"{name}","macs":["52:54:00:00:01:0{}"],"bmc":{{"protocol":"ipmi","address":"192.0.2.{}","username":"u"}},"bmc_password":"{password}"}}"#,
        &name[1..],
        &name[1..]
    )
}

/// What an entry of the audit log says.
fn entry_of(record: &provisioner_api::AuditRecord) -> String {
    serde_json::to_string(record).unwrap()
}

#[tokio::test]
async fn what_is_sent_again_is_answered_as_before_and_done_once() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let other = world.token(Role::Operator, None).await;
    let canary = "s3cret-canary-77";
    let body = machine("m1", canary);
    let first = sent(&world.router, request(&admin, paths::MACHINES, "k1", &body)).await;
    assert_eq!((first.0, first.1), (StatusCode::CREATED, false), "{}", first.3);
    let again = sent(&world.router, request(&admin, paths::MACHINES, "k1", &body)).await;
    assert_eq!(again, (first.0, true, first.2.clone(), first.3.clone()));
    let told = world.service.store.audit_newest(2).await.unwrap();
    let replays = told.iter().map(|record| entry_of(record).contains("(replayed)"));
    assert_eq!(replays.filter(|replays| *replays).count(), 1, "the log tells the second from the first");
    // Also when what it made is gone meanwhile: it is not made anew.
    assert_eq!(
        world.ask(Some(&admin), &Method::DELETE, "/v1/machines/m1", "").await.0,
        StatusCode::NO_CONTENT
    );
    let again = sent(&world.router, request(&admin, paths::MACHINES, "k1", &body)).await;
    assert_eq!((again.0, again.1), (StatusCode::CREATED, true));
    assert!(world.service.store.machine_find("m1").await.unwrap().is_none());
    // Anything else under the same key is a mistake.
    for (path, body) in [
        (paths::MACHINES, machine("m2", canary)),
        (paths::MACHINES, machine("m1", "another")),
        (paths::INSTANCES, body.clone()),
    ] {
        let wrong = sent(&world.router, request(&admin, path, "k1", &body)).await;
        assert_eq!(wrong.0, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {}", wrong.3);
        assert!(wrong.3.contains(r#""field":"Idempotency-Key""#), "{}", wrong.3);
    }
    // Another caller's keys are its own.
    let others = sent(&world.router, request(&other, paths::MACHINES, "k1", &machine("m3", canary))).await;
    assert_eq!((others.0, others.1), (StatusCode::CREATED, false), "{}", others.3);
    // Neither the password nor its plain hash is anywhere in the database.
    world.service.store.close().await;
    let plain = sha256_hex(&body);
    for file in std::fs::read_dir(&world.service.config.data).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            for secret in [canary, &plain] {
                let there = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!there, "{secret} is in {}", path.display());
            }
        }
    }
}

#[tokio::test]
async fn what_was_refused_may_be_sent_again_and_done() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let create = r#"{"name":"web","spec":{"image":"nowhere"}}"#;
    let refused = sent(&world.router, request(&admin, paths::INSTANCES, "k", create)).await;
    assert_eq!(refused.0, StatusCode::UNPROCESSABLE_ENTITY);
    let mended = create.replace("nowhere", "os");
    let made = sent(&world.router, request(&admin, paths::INSTANCES, "k", &mended)).await;
    assert_eq!((made.0, made.1), (StatusCode::CREATED, false), "{}", made.3);
    for key in ["", "two words", &"k".repeat(256)] {
        let wrong = sent(&world.router, request(&admin, paths::INSTANCES, key, &mended)).await;
        assert_eq!(wrong.0, StatusCode::UNPROCESSABLE_ENTITY, "{key}");
    }
}

#[tokio::test]
async fn what_answers_a_secret_takes_no_key_and_does_nothing() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let body = r#"{"name":"new","role":"viewer"}"#;
    let refused = sent(&world.router, request(&admin, paths::TOKENS, "k", body)).await;
    assert_eq!(refused.0, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.3);
    assert!(refused.3.contains(r#""field":"Idempotency-Key""#), "{}", refused.3);
    assert!(world.service.store.token_list().await.unwrap().iter().all(|token| token.name != "new"));
}

/// A route that answers this, and counts how often.
fn answering(world: &World, status: StatusCode, body: String) -> (Router, Arc<AtomicUsize>) {
    let done = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&done);
    let handler = move || async move {
        counts.fetch_add(1, Ordering::SeqCst);
        (status, body)
    };
    let route = Route::new(Method::POST, paths::MACHINES, Policy::roles(OPERATORS, Of::Own), handler);
    let router = Router::new().route(paths::MACHINES, route.guarded(&world.service));
    (router.with_state(Arc::clone(&world.service)), done)
}

#[tokio::test]
async fn after_an_outage_or_an_answer_too_long_to_keep_one_is_told_to_look_at_once() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    for (key, status, body, words) in [
        ("away", StatusCode::SERVICE_UNAVAILABLE, "away".to_owned(), "nobody knows"),
        ("long", StatusCode::OK, "x".repeat((1 << 20) + 1), "too long to be kept"),
    ] {
        let (router, done) = answering(&world, status, body);
        assert_eq!(
            router.clone().oneshot(request(&admin, paths::MACHINES, key, "{}")).await.unwrap().status(),
            status
        );
        let again = sent(&router, request(&admin, paths::MACHINES, key, "{}")).await;
        assert_eq!((again.0, again.1), (StatusCode::CONFLICT, true), "{key}: {}", again.3);
        assert!(again.3.contains(r#""type":"in-doubt""#) && again.3.contains(words), "{}", again.3);
        assert_eq!(done.load(Ordering::SeqCst), 1, "{key}");
    }
}

/// A handler that counts, says that it began, and waits to be let on.
struct Slow {
    router: Router,
    done: Arc<AtomicUsize>,
    begun: Arc<Notify>,
    on: Arc<Notify>,
}

impl Slow {
    fn new(world: &World) -> Self {
        let (done, begun, on) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (counts, tells, waits) = (Arc::clone(&done), Arc::clone(&begun), Arc::clone(&on));
        let handler = move || async move {
            tells.notify_one();
            waits.notified().await;
            counts.fetch_add(1, Ordering::SeqCst);
            (StatusCode::CREATED, "made")
        };
        let policy = Policy::roles(OPERATORS, Of::Own);
        let route = Route::new(Method::POST, paths::MACHINES, policy, handler);
        let router = Router::new()
            .route(paths::MACHINES, route.guarded(&world.service))
            .with_state(Arc::clone(&world.service));
        Self { router, done, begun, on }
    }
}

#[tokio::test]
async fn what_is_under_way_is_not_done_beside_itself_even_if_its_client_went_away() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let slow = Slow::new(&world);
    let ask = || request(&admin, paths::MACHINES, "k", "{}");
    let first = tokio::spawn(slow.router.clone().oneshot(ask()));
    slow.begun.notified().await;
    let response = slow.router.clone().oneshot(ask()).await.unwrap();
    assert_eq!(response.status(), StatusCode::CONFLICT);
    assert!(response.headers().contains_key(header::RETRY_AFTER));
    // The client is killed; what it asked for goes on.
    first.abort();
    slow.on.notify_one();
    let answered = async {
        loop {
            let answer = sent(&slow.router, ask()).await;
            if answer.0 != StatusCode::CONFLICT {
                return answer;
            }
        }
    };
    let answer = tokio::time::timeout(PATIENCE, answered).await.expect("it is done");
    assert_eq!((answer.0, answer.1, answer.3.as_str()), (StatusCode::CREATED, true, "made"));
    assert_eq!(slow.done.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_was_cut_off_by_a_crash_is_never_done_again() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let slow = Slow::new(&world);
    // The process is killed between the claim and the answer: all that is left is the claim.
    let ask = || request(&admin, paths::MACHINES, "k", "{}");
    let first = tokio::spawn(slow.router.clone().oneshot(ask()));
    slow.begun.notified().await;
    let again = Slow::new(&world);
    let (caller, store) = (sha256_hex(&admin), &world.service.store);
    let minutes = |minutes| clock::now() - SignedDuration::from_mins(minutes);
    // As it would stand there a while later, and after a day.
    let key = (&*caller, "k");
    let known = store.idempotency_claim(key, "x", clock::now(), minutes(24 * 60)).await.unwrap().unwrap();
    assert_eq!(known.answer, None);
    for (age, status) in
        [(1, StatusCode::CONFLICT), (11, StatusCode::CONFLICT), (24 * 60 + 1, StatusCode::CREATED)]
    {
        store.idempotency_release(key).await.unwrap();
        store.idempotency_claim(key, &known.request, minutes(age), minutes(48 * 60)).await.unwrap();
        again.on.notify_one();
        let answer = sent(&again.router, ask()).await;
        assert_eq!(answer.0, status, "after {age} minutes: {}", answer.3);
        assert_eq!(answer.3.contains("in-doubt"), age == 11, "{}", answer.3);
    }
    assert_eq!(again.done.load(Ordering::SeqCst), 1, "only what is a day old is another request");
    first.abort();
    store.idempotency_prune(clock::now() + SignedDuration::from_secs(1)).await.unwrap();
    assert_eq!(
        store.idempotency_claim(key, "y", clock::now(), minutes(1)).await.unwrap(),
        None,
        "it is pruned"
    );
}

#[test]
fn each_order_is_a_route() {
    let table = table();
    for path in crate::api::once::ORDERS {
        let route = table.iter().find(|route| route.path == path && route.method == Method::POST);
        assert!(route.is_some_and(|route| route.ends == Ends::Done && !route.upload), "{path}");
    }
}

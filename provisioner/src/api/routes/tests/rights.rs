//! A right that is lost while its request waits is none when it is its turn; and nothing that is cut off is untold.

use super::*;
use crate::{
    api::end_deeds,
    console::{Consoles, Lines, Trouble},
    store::EventsOf,
};
use ::bmc::Bmc;
use async_trait::async_trait;
use provisioner_api::{AuditEntry, AuditOutcome, MachineId};
use std::time::Duration;
use tokio::sync::Notify;

/// Waits until a request that changes something was let in.
async fn let_in(world: &World) {
    let look = async {
        while world.service.deeds.under_way() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), look).await.expect("it is let in");
}

async fn newest(world: &World) -> AuditEntry {
    let newest = world.service.store.audit_newest(1).await.unwrap();
    serde_json::from_str(&newest[0].content).unwrap()
}

/// A machine that somebody took in.
async fn accepted(world: &World) -> MachineId {
    let mut machine = samples::machine(1);
    (machine.spec.pool, machine.machine.want.accepted) = ("own".into(), true);
    world.service.store.machine_insert(&machine, &[], &[], samples::NOW).await.unwrap();
    machine.id()
}

#[tokio::test]
async fn who_lost_the_right_while_waiting_for_the_turn_does_nothing() {
    let world = World::new().await;
    let machine = accepted(&world).await;
    let (path, press) = ("/v1/machines/m1/bmc/power", r#"{"button":"reset"}"#);
    let store = &world.service.store;
    for (lose, status) in [("revoke", StatusCode::UNAUTHORIZED), ("move", StatusCode::NOT_FOUND)] {
        let operator = world.token(Role::Operator, Some(&["own"])).await;
        let deed = world.service.bmcs.deed(machine).lock().await.unwrap();
        let asked = world.ask(Some(&operator), &Method::POST, path, press);
        let lost = async {
            let_in(&world).await;
            if lose == "revoke" {
                store.token_delete(&operator).await.unwrap();
            } else {
                let before = store.machine_find("m1").await.unwrap().unwrap();
                let mut moved = before.clone();
                moved.spec.pool = "others".into();
                store.machine_update(&before, &moved, &[], &[], samples::NOW).await.unwrap();
            }
            drop(deed);
        };
        let ((got, text), ()) = tokio::join!(asked, lost);
        assert_eq!(got, status, "{lose}: {text}");
        assert_eq!(newest(&world).await.status, status.as_u16(), "it is taken down");
    }
    let events = store.event_newest(EventsOf::Machine(machine), 10).await.unwrap();
    assert!(events.iter().all(|event| event.kind != "bmc"), "nothing was begun: {events:?}");
}

/// A console that is never connected before it may be; then it is told whether anybody typed.
struct Slow(Arc<Notify>);

#[async_trait]
impl Lines for Slow {
    async fn line(&self, _: MachineId) -> Result<Arc<dyn Bmc>, Trouble> {
        self.0.notified().await;
        Ok(crate::console::tests::fake())
    }
}

#[tokio::test]
async fn who_lost_the_right_while_the_console_was_connected_types_nothing() {
    let mut world = World::new().await;
    let may = Arc::new(Notify::new());
    let lines = Arc::new(Slow(Arc::clone(&may)));
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("consoles");
    let slow = Consoles::new(lines, place, crate::console::Recording::Never);
    let made = tempfile::tempdir().unwrap();
    world.service = app::tests::service_with(made.path(), async |_, parts| parts.consoles = slow).await;
    world.router = router(Arc::clone(&world.service));
    accepted(&world).await;
    for path in ["/v1/machines/m1/console", "/v1/machines/m1/console/break"] {
        let operator = world.token(Role::Operator, None).await;
        let lost = async {
            let_in(&world).await;
            world.service.store.token_delete(&operator).await.unwrap();
            may.notify_one();
        };
        let ((status, text), ()) =
            tokio::join!(world.ask(Some(&operator), &Method::POST, path, "rm -rf /\n"), lost);
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}: {text}");
        assert!(text.contains("revoked or changed while this waited"), "{text}");
    }
}

/// The table's way to a handler that is none of its own.
fn with(world: &World, route: Route) -> Router {
    let path = route.path;
    Router::new().route(path, route.guarded(&world.service)).with_state(Arc::clone(&world.service))
}

fn request(method: Method, path: &str, token: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    request.header(header::AUTHORIZATION, format!("Bearer {token}")).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_file_breaks_off_when_its_token_is_revoked() {
    async fn endless() -> Body {
        let first = futures::stream::iter([Ok::<_, std::io::Error>("first")]);
        Body::from_stream(futures::StreamExt::chain(first, futures::stream::pending()))
    }
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let backup = table().into_iter().find(|route| route.path == paths::BACKUP).unwrap();
    assert!(backup.download && backup.told);
    let policy = Policy::roles(ADMINS, Of::Everything);
    let router = with(&world, Route::new(Method::GET, paths::BACKUP, policy, endless).told().download());
    let response = router.oneshot(request(Method::GET, paths::BACKUP, &admin)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    world.service.store.token_delete(&admin).await.unwrap();
    let read = to_bytes(response.into_body(), 1024);
    let read = tokio::time::timeout(Duration::from_secs(60), read).await.expect("it ends");
    assert!(read.is_err(), "what is cut is never taken for the whole: {read:?}");
}

#[tokio::test]
async fn what_a_stop_cuts_off_is_told_as_unknown_and_once() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let policy = Policy::roles(ADMINS, Of::Everything);
    let goes_on = Arc::new(Notify::new());
    let waits = Arc::clone(&goes_on);
    let hangs = move || async move {
        waits.notified().await;
        StatusCode::NO_CONTENT
    };
    let router = with(&world, Route::new(Method::POST, paths::WORKS_FREEZE, policy, hangs));
    let asked = tokio::spawn(router.oneshot(request(Method::POST, paths::WORKS_FREEZE, &admin)));
    let_in(&world).await;
    end_deeds(&world.service, Duration::ZERO).await;
    let entry = newest(&world).await;
    assert_eq!((entry.outcome, entry.status), (AuditOutcome::Unknown, 0));
    assert_eq!((entry.route.as_str(), entry.token.as_deref()), (paths::WORKS_FREEZE, Some("admin-all")));
    // It ends after all, too late to be told.
    goes_on.notify_one();
    assert_eq!(asked.await.unwrap().unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(newest(&world).await.seq, entry.seq);
}

#[tokio::test]
async fn a_stop_waits_for_what_is_under_way_though_its_client_is_gone() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let policy = Policy::roles(ADMINS, Of::Everything);
    let (begun, goes_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tells, waits) = (Arc::clone(&begun), Arc::clone(&goes_on));
    let slow = move || async move {
        tells.notify_one();
        waits.notified().await;
        StatusCode::NO_CONTENT
    };
    let router = with(&world, Route::new(Method::POST, paths::WORKS_FREEZE, policy, slow));
    tokio::select! {
        response = router.oneshot(request(Method::POST, paths::WORKS_FREEZE, &admin)) => panic!("{response:?}"),
        () = begun.notified() => {}
    }
    goes_on.notify_one();
    end_deeds(&world.service, Duration::from_secs(60)).await;
    let entry = newest(&world).await;
    assert_eq!((entry.outcome, entry.status), (AuditOutcome::Done, 204));
}

#[tokio::test]
async fn nothing_is_begun_when_the_service_stops() {
    let world = World::new().await;
    let machine = accepted(&world).await;
    let operator = world.token(Role::Operator, None).await;
    let deed = world.service.bmcs.deed(machine).lock().await.unwrap();
    let stop = async {
        let_in(&world).await;
        world.service.stopping.cancel();
        drop(deed);
    };
    let press = r#"{"button":"reset"}"#;
    let asked = world.ask(Some(&operator), &Method::POST, "/v1/machines/m1/bmc/power", press);
    let ((status, text), ()) = tokio::join!(asked, stop);
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{text}");
    // A key is free again then: whoever sends it again is not told that nobody knows whether it was done.
    for _ in 0..2 {
        let mut again = request(Method::POST, "/v1/machines/m1/bmc/power", &operator);
        *again.body_mut() = Body::from(press);
        for (name, value) in [("content-type", "application/json"), ("idempotency-key", "k")] {
            again.headers_mut().insert(name, value.parse().unwrap());
        }
        let response = world.router.clone().oneshot(again).await.unwrap();
        let text = to_bytes(response.into_body(), 4096).await.unwrap();
        let text = String::from_utf8_lossy(&text);
        assert!(text.contains(r#""type":"stopping""#), "{text}");
    }
}

//! `/readyz`: whether this replica can do its work. It needs no token, so it tells which part is not ready and nothing else;
//! more is in the log. All who ask within a second get the same answer: a flood of questions costs the database one a second.

use super::replicas;
use crate::{
    service::{Service, ServiceError},
    text::logged,
};
use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use provisioner_api::{Readiness, ReadyPart};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};

/// How long each part may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an answer holds.
const HOLDS: Duration = Duration::from_secs(1);

/// What was found last, and when.
pub(crate) type Found = Mutex<Option<(Instant, Readiness)>>;

/// Says whether this replica is ready.
#[utoipa::path(
    get, path = provisioner_api::paths::READY, tag = "service",
    operation_id = "ready", security(()),
    responses((status = 200, body = Readiness), (status = 503, body = Readiness, content_type = "application/json")),
)]
pub(crate) async fn show(State(service): State<Arc<Service>>) -> impl IntoResponse {
    let readiness = answer(&service.ready, Instant::now(), async || look(&service).await).await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

/// What was found less than a second ago, or else what a fresh look finds. Only that one begins a new second.
async fn answer(found: &Found, now: Instant, look: impl AsyncFnOnce() -> Readiness) -> Readiness {
    let mut found = found.lock().await;
    match &*found {
        Some((at, known)) if now.saturating_duration_since(*at) < HOLDS => known.clone(),
        _ => found.insert((now, look().await)).1.clone(),
    }
}

pub(super) async fn look(service: &Service) -> Readiness {
    let (works, leader) = tokio::join!(timely(service.frozen_by_row()), timely(replicas::leader(service)));
    let frozen = works.as_ref().ok().map(Option::is_some);
    let parts = vec![
        part("process", (!service.stopping.is_cancelled()).then_some(()).ok_or("it is being stopped")),
        part("database", works.map(drop)),
        part("key", key(service).await),
        part("leader", leader.and_then(|leader| leader.map(drop).ok_or("no replica leads"))),
        part("boot", boot(service)),
    ];
    Readiness { ready: parts.iter().all(|part| part.ready), frozen, parts }
}

/// An answer in time. Why there is none goes to the log.
async fn timely<T>(asking: impl Future<Output = Result<T, ServiceError>>) -> Result<T, &'static str> {
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            tracing::warn!(error = logged(&error), "not ready");
            Err("the database does not answer")
        }
        Err(_) => Err("the database does not answer in time"),
    }
}

/// The key is in memory; without its file the next start would fail.
async fn key(service: &Service) -> Result<(), &'static str> {
    let key = Arc::clone(&service.key);
    let checked = tokio::task::spawn_blocking(move || key.check_file());
    match tokio::time::timeout(PATIENCE, checked).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(error))) => {
            tracing::error!(error = logged(&error), "not ready");
            Err("the file of the site key can't be read, or holds another one")
        }
        Ok(Err(_)) | Err(_) => Err("the file of the site key can't be read in time"),
    }
}

/// Its sockets are bound before anything is served; where no network is declared there are none.
fn boot(service: &Service) -> Result<(), &'static str> {
    let bound = service.config.networks.is_empty() || service.http_port.get().is_some();
    bound.then_some(()).ok_or("the boot server's sockets are not bound")
}

fn part(part: &str, found: Result<(), &'static str>) -> ReadyPart {
    ReadyPart { part: part.to_owned(), ready: found.is_ok(), why: found.err().map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app;

    fn lacks(readiness: &Readiness) -> Vec<&str> {
        readiness.parts.iter().filter(|part| !part.ready).map(|part| part.part.as_str()).collect()
    }

    #[tokio::test]
    async fn each_part_says_why_it_is_not_ready_and_nothing_secret() {
        let folder = tempfile::tempdir().unwrap();
        let service = app::tests::service(folder.path()).await;
        // Nothing runs: nobody leads.
        let found = look(&service).await;
        assert_eq!((lacks(&found), found.ready, found.frozen), (vec!["leader"], false, Some(false)));
        service.freeze("me", Some("a reason")).await.unwrap();
        let found = look(&service).await;
        assert_eq!((lacks(&found), found.frozen), (vec!["leader"], Some(true)), "it has to be reached");
        std::fs::remove_file(service.config.data.join("site.key")).unwrap();
        service.stopping.cancel();
        assert_eq!(lacks(&look(&service).await), ["process", "key", "leader"]);
        service.store.close().await;
        let found = look(&service).await;
        assert_eq!(lacks(&found)[..3], ["process", "database", "key"]);
        let text = serde_json::to_string(&found).unwrap();
        for told in [folder.path().to_str().unwrap(), "reason", "sqlite", "me\""] {
            assert!(!text.to_lowercase().contains(told), "{told}: {text}");
        }
        assert!(found.parts.iter().all(|part| part.ready == part.why.is_none()));
    }

    #[tokio::test]
    async fn whoever_asks_often_is_told_of_a_change_within_a_second() {
        let (found, start) = (Found::default(), Instant::now());
        let ask = async |after: u64, ready: bool| {
            let at = start + Duration::from_millis(after);
            let seen = Readiness { ready, frozen: None, parts: Vec::new() };
            answer(&found, at, async || seen).await.ready
        };
        // Ready at first, then not: asked each 300 ms.
        let mut told = vec![ask(0, true).await];
        for after in [300, 600, 900, 1200, 1500, 1800] {
            told.push(ask(after, false).await);
        }
        assert_eq!(told, [true, true, true, true, false, false, false]);
        assert!(!ask(2100, true).await && ask(2400, true).await, "and of the next one");
    }

    #[tokio::test]
    async fn an_answer_holds_for_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let service = app::tests::service(folder.path()).await;
        let answer = show(State(Arc::clone(&service))).await.into_response();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        let mut found = service.ready.lock().await;
        let (_, known) = found.as_ref().unwrap();
        // Whoever asks now is told what was found, not what is.
        *found = Some((Instant::now(), Readiness { ready: true, ..known.clone() }));
        drop(found);
        let answer = show(State(Arc::clone(&service))).await.into_response();
        assert_eq!(answer.status(), StatusCode::OK);
    }
}

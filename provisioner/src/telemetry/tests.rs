//! What arrives at a collector, and that one that is sick costs nothing but spans.

use super::{
    Exporter, Telemetry, WAITING,
    exporter::Pace,
    span::{Kind, Span, SpanId, TraceId},
};
use crate::{
    api, app, config, samples, secret_file,
    service::{Change, ServiceError},
};
use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Request, StatusCode},
    routing::post,
};
use provisioner_api::{JobKind, StepPhase};
use provisioner_lifecycle::StepName;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn span() -> Span {
    Span {
        trace: TraceId::random(),
        id: SpanId::random(),
        parent: None,
        name: "GET /v1/machines".into(),
        kind: Kind::Server,
        from: samples::NOW,
        until: samples::NOW,
        attributes: Vec::new(),
        failed: false,
    }
}

/// What came to a collector.
type Came = mpsc::UnboundedReceiver<(HeaderMap, Bytes)>;

/// A collector that answers so; none: never.
async fn collector(answers: Option<StatusCode>) -> (String, Came) {
    let (sender, came) = mpsc::unbounded_channel();
    let take = async move |headers: HeaderMap, body: Bytes| {
        let _ = sender.send((headers, body));
        match answers {
            Some(status) => status,
            None => std::future::pending().await,
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().route("/v1/traces", post(take));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (url, came)
}

fn open(url: &str, change: impl FnOnce(&mut config::Telemetry)) -> (Telemetry, Exporter) {
    let mut config = config::Telemetry::to(url).unwrap();
    change(&mut config);
    let (telemetry, exporter) = Telemetry::open(Some(&config), "r1").unwrap();
    (telemetry, exporter.unwrap())
}

fn counts(telemetry: &Telemetry) -> BTreeMap<&'static str, u64> {
    telemetry.counts().collect()
}

fn names(body: &[u8]) -> Vec<String> {
    let body: Value = serde_json::from_slice(body).unwrap();
    let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
    spans.iter().map(|span| span["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn spans_arrive_with_the_headers_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headers");
    secret_file::write(&file, b"authorization: Bearer canary\n", secret_file::Readers::Owner).unwrap();
    let (url, mut came) = collector(Some(StatusCode::OK)).await;
    let (telemetry, exporter) = open(&url, |config| config.headers_file = Some(file));
    let stop = CancellationToken::new();
    let running = tokio::spawn(exporter.run(stop.clone()));
    telemetry.tell(span);
    let (headers, body) = timeout(PATIENCE, came.recv()).await.unwrap().unwrap();
    assert!(headers["authorization"] == "Bearer canary" && headers["content-type"] == "application/json");
    assert_eq!(names(&body), ["GET /v1/machines"]);
    assert!(!String::from_utf8_lossy(&body).contains("canary"));
    stop.cancel();
    timeout(PATIENCE, running).await.unwrap().unwrap();
    assert_eq!(counts(&telemetry), [("dropped", 0), ("failed", 0), ("sent", 1)].into());
}

#[tokio::test]
async fn a_stop_sends_what_waits() {
    let (url, mut came) = collector(Some(StatusCode::OK)).await;
    let (telemetry, mut exporter) = open(&url, |_| {});
    exporter.pace = Pace { gather: PATIENCE, ..exporter.pace };
    let stop = CancellationToken::new();
    for _ in 0..3 {
        telemetry.tell(span);
    }
    let running = tokio::spawn(exporter.run(stop.clone()));
    // Also what is told while it gathers already.
    telemetry.tell(span);
    stop.cancel();
    timeout(PATIENCE, running).await.unwrap().unwrap();
    let mut arrived = 0;
    while let Ok((_, body)) = came.try_recv() {
        arrived += names(&body).len();
    }
    assert_eq!((arrived, counts(&telemetry)["sent"]), (4, 4));
    telemetry.tell(span);
    assert_eq!(counts(&telemetry)["dropped"], 1, "behind the end");
}

#[tokio::test]
async fn a_collector_that_hangs_costs_spans_and_neither_time_nor_memory() {
    let (url, mut came) = collector(None).await;
    let (telemetry, mut exporter) = open(&url, |_| {});
    let (gather, flush) = (Duration::from_millis(1), Duration::from_millis(50));
    exporter.pace = Pace { request: PATIENCE, gather, flush, ..exporter.pace };
    let stop = CancellationToken::new();
    let running = tokio::spawn(exporter.run(stop.clone()));
    telemetry.tell(span);
    timeout(PATIENCE, came.recv()).await.unwrap().unwrap();
    // It is asked, and does not answer: nothing is taken out of the queue from here on.
    for _ in 0..WAITING + 1000 {
        telemetry.tell(span);
    }
    assert_eq!(counts(&telemetry)["dropped"], 1000);
    stop.cancel();
    // Less than the request would take, or the test ends here.
    timeout(PATIENCE / 2, running).await.unwrap().unwrap();
    assert_eq!(counts(&telemetry)["sent"], 0);
    assert_eq!(counts(&telemetry)["failed"], WAITING as u64 + 1, "each is counted once");
}

#[tokio::test]
async fn a_collector_that_refuses_or_is_not_there_is_let_alone_for_a_while() {
    // A port that nobody listens on: it was bound, and let go.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (refusing, mut came) = collector(Some(StatusCode::UNAUTHORIZED)).await;
    for url in [format!("http://{closed}"), refusing] {
        let (telemetry, mut exporter) = open(&url, |_| {});
        let gather = Duration::from_millis(1);
        exporter.pace = Pace { gather, rest: PATIENCE, rest_most: PATIENCE, ..exporter.pace };
        let stop = CancellationToken::new();
        let running = tokio::spawn(exporter.run(stop.clone()));
        telemetry.tell(span);
        let failed = async {
            while counts(&telemetry)["failed"] == 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, failed).await.unwrap();
        telemetry.tell(span);
        stop.cancel();
        timeout(PATIENCE / 2, running).await.expect("the stop does not wait for the rest").unwrap();
        assert_eq!(counts(&telemetry), [("dropped", 0), ("failed", 2), ("sent", 0)].into(), "{url}");
    }
    assert!(came.try_recv().is_ok() && came.try_recv().is_ok() && came.try_recv().is_err());
}

#[tokio::test]
async fn only_a_share_is_told_and_nothing_while_it_is_off() {
    let (url, _came) = collector(Some(StatusCode::OK)).await;
    let (telemetry, exporter) = open(&url, |config| config.ratio = 0.0);
    for _ in 0..WAITING + 1 {
        telemetry.tell(span);
    }
    assert_eq!(counts(&telemetry)["dropped"], 0, "none waits");
    drop(exporter);
    let off = Telemetry::default();
    off.tell(|| panic!("no span is made for nobody"));
    assert!(!off.is_on() && off.counts().next().is_none());
    assert!(Telemetry::open(None, "r1").unwrap().1.is_none());
}

#[test]
fn files_that_can_not_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, "no certificate").unwrap();
    let mut config = config::Telemetry::to("https://otel.example.org").unwrap();
    config.ca_file = Some(path.clone());
    let error = Telemetry::open(Some(&config), "r1").err().unwrap();
    assert!(format!("{error:#}").contains("telemetry.ca_file"), "{error:#}");
    // Others may read it.
    (config.ca_file, config.headers_file) = (None, Some(path));
    let error = Telemetry::open(Some(&config), "r1").err().unwrap();
    assert!(format!("{error:#}").contains("chmod 600"), "{error:#}");
}

/// What comes of a service at work: requests by their routes, steps by their names, and nothing of what anybody sent.
#[tokio::test]
async fn a_service_tells_its_requests_and_steps_and_no_word_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let (url, mut came) = collector(Some(StatusCode::OK)).await;
    let (telemetry, exporter) = open(&url, |_| {});
    let change = async move |_: &_, parts: &mut crate::service::Parts| parts.telemetry = telemetry;
    let service = app::tests::service_with(folder.path(), change).await;
    let router = api::router(Arc::clone(&service));
    let mut ids = Vec::new();
    for path in ["/v1/machines/canary-name?fields=canary-query", "/canary-path"] {
        let request = Request::builder().uri(path).header("authorization", "Bearer canary-token");
        let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        ids.push(answer.headers()["x-request-id"].to_str().unwrap().to_owned());
    }
    let record = samples::machine(1);
    service.store.machine_insert(&record, &[], &[], samples::NOW).await.unwrap();
    for phase in [StepPhase::Intent, StepPhase::Done] {
        let mut step = samples::step(StepName::PowerOff, 1, phase);
        step.started = Some(samples::NOW);
        step.ended = (phase == StepPhase::Done).then_some(samples::NOW);
        step.result = Some("canary-result".into());
        let mut machine = record.machine.clone();
        machine.job = Some(samples::job(7, JobKind::Deploy, vec![step]));
        let write = service.machine_change(record.id(), |now_it_is, _| {
            Ok::<_, ServiceError>(Some(Change::new(now_it_is.with(machine.clone()), Vec::new())))
        });
        write.await.unwrap();
    }
    let stop = CancellationToken::new();
    stop.cancel();
    timeout(PATIENCE, exporter.run(stop)).await.unwrap();
    let (_, body) = came.try_recv().unwrap();
    assert_eq!(names(&body), ["GET /v1/machines/{machine}", "GET", "step power-off"]);
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(ids.iter().all(|id| text.contains(&format!(r#""traceId":"{id}""#))), "{text}");
    assert!(text.contains(r#"{"intValue":"401"}"#) && !text.contains("canary"), "{text}");
}

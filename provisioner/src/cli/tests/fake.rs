//! A service that answers by script and keeps what it was asked, behind real TLS with a CA of ours.

use crate::{listener::TlsListener, tls::Identity};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{Response, header},
};
use provisioner_api::{Problem, Secret};
use provisioner_client::Connection;
use serde::Serialize;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};
use tokio::net::TcpListener;

/// The token that it takes.
pub(super) const TOKEN: &str = "billet_test";

/// A request that it got.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// `GET /v1/machines?pool=a`
    pub(super) line: String,
    /// `If-Match`, if there was one.
    pub(super) if_match: Option<String>,
    /// The body.
    pub(super) body: Vec<u8>,
}

/// An answer.
#[derive(Clone)]
struct Answer {
    line: String,
    status: u16,
    body: Vec<u8>,
}

/// What it knows.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<Asked>>,
}

impl Script {
    /// The next answer to a line: each once, the last for ever.
    fn next(&self, line: &str) -> Option<Answer> {
        let mut answers = self.answers.lock().unwrap();
        let fitting: Vec<_> = (0..answers.len()).filter(|&index| answers[index].line == line).collect();
        match fitting.as_slice() {
            [] => None,
            [last] => Some(answers[*last].clone()),
            [first, ..] => answers.remove(*first),
        }
    }
}

/// The service; it ends with the value.
pub(super) struct Fake {
    script: Arc<Script>,
    connection: Connection,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fake {
    /// Starts one that answers 404 to everything.
    pub(super) async fn start() -> Self {
        Self::with(Router::new()).await
    }

    /// Starts one that answers 404 to everything but these paths.
    pub(super) async fn with(routes: Router) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = ["127.0.0.1".to_owned()].into();
        let identity = Identity::open(folder.path(), &names, crate::clock::now()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let connection = Connection { url, token: Secret::new(TOKEN), ca_pem: identity.ca_pem().to_owned() };
        let script = Arc::new(Script::default());
        let router = routes.merge(Router::new().fallback(answer).with_state(Arc::clone(&script)));
        let tls = TlsListener::new(listener, identity.server_config().unwrap()).unwrap();
        let task = tokio::spawn(async move { axum::serve(tls, router).await.unwrap() });
        Self { script, connection, task }
    }

    /// How to reach it.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Answers `line` (`GET /v1/machines`) so. Several answers to one line are given in turn, the last for ever.
    pub(super) fn says(&self, line: &str, status: u16, body: &impl Serialize) -> &Self {
        self.script.answers.lock().unwrap().push_back(Answer {
            line: line.to_owned(),
            status,
            body: serde_json::to_vec(body).unwrap(),
        });
        self
    }

    /// What it was asked.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.script.asked.lock().unwrap().clone()
    }
}

/// A refusal.
pub(super) fn problem(status: u16, detail: &str) -> Problem {
    Problem { kind: "test".to_owned(), status, detail: detail.to_owned(), fields: Vec::new() }
}

/// Answers a request.
async fn answer(State(script): State<Arc<Script>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let header =
        |name: header::HeaderName| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let (authorization, if_match) = (header(header::AUTHORIZATION), header(header::IF_MATCH));
    if authorization != Some(format!("Bearer {TOKEN}")) {
        return respond(401, &serde_json::to_vec(&problem(401, "this token is not known")).unwrap());
    }
    let line = format!("{} {}", parts.method, parts.uri.path_and_query().unwrap());
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    script.asked.lock().unwrap().push(Asked { line: line.clone(), if_match, body });
    match script.next(&line) {
        Some(answer) => respond(answer.status, &answer.body),
        None => respond(404, &serde_json::to_vec(&problem(404, "there is no such thing")).unwrap()),
    }
}

fn respond(status: u16, body: &[u8]) -> Response<Body> {
    let kind = if status < 300 { "application/json" } else { "application/problem+json" };
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, kind)
        .body(Body::from(body.to_vec()))
        .unwrap()
}

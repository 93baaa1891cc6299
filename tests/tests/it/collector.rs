//! A collector of traces that keeps every byte that it is sent, and answers that it took it.

use anyhow::Result;
use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// The header that it wants to see.
pub(crate) const TOKEN: &str = "canary-token-of-the-collector";

/// One that runs as long as its runtime.
pub(crate) struct Collector {
    /// Where it listens.
    pub(crate) url: String,
    /// The file with the header.
    pub(crate) headers: PathBuf,
    bodies: Bodies,
    _folder: TempDir,
}

type Bodies = Arc<Mutex<Vec<Bytes>>>;

impl Collector {
    /// Starts it.
    pub(crate) async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let headers = folder.path().join("headers");
        std::fs::write(&headers, format!("authorization: Bearer {TOKEN}\n"))?;
        std::fs::set_permissions(&headers, Permissions::from_mode(0o600))?;
        let bodies = Bodies::default();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let routes = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&bodies));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(Self { url, headers, bodies, _folder: folder })
    }

    /// All that was sent.
    pub(crate) fn text(&self) -> String {
        let bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        bodies.iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect::<Vec<_>>().join("\n")
    }
}

/// Only what came with the header counts.
async fn take(State(bodies): State<Bodies>, headers: HeaderMap, body: Bytes) {
    if headers.get("authorization").is_some_and(|value| value == &format!("Bearer {TOKEN}")) {
        bodies.lock().unwrap_or_else(PoisonError::into_inner).push(body);
    }
}

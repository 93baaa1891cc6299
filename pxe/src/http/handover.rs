//! Requests that are not for our paths: hyper and the caller's routes take the connection, with what was read of it.
//!
//! One request, then the connection ends: these are rare and small (a system that reports in).

use super::Shared;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io::Cursor;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tower::ServiceExt;
use tracing::debug;

/// Longest time that such a request may take with its answer.
const LIMIT: Duration = Duration::from_secs(600);

/// Serves the request that `read` begins with.
pub(super) async fn serve(shared: &Shared, stream: TcpStream, peer: SocketAddr, read: Vec<u8>) {
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| async move {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let response: Response = shared.routes.clone().oneshot(request).await?;
        shared.counters.http_request("other", response.status().as_u16());
        Ok::<_, Infallible>(response)
    });
    let (reader, writer) = stream.into_split();
    let both = tokio::io::join(Cursor::new(read).chain(reader), writer);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .serve_connection(TokioIo::new(both), service);
    match tokio::time::timeout(LIMIT, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%peer, %error, "a boot HTTP connection broke off"),
        Err(_) => debug!(%peer, "a boot HTTP request took too long"),
    }
}

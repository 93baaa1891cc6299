//! Connections: taken in, made secure, served until one side ends or the BMC cuts them.

use super::faulty;
use super::state::Shared;
use axum::body::Body;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::IpAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The longest that a TLS handshake, or the head of a request, may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Room for a request that is being read, in bytes; it grows as needed. Thousands of connections are kept open.
const READ_FIRST: usize = 16 * 1024;

/// Serves until it is cancelled, then drops every connection. `find` says which BMC has the address that was called.
pub(super) async fn serve(
    listener: TcpListener,
    find: impl Fn(IpAddr) -> Option<Shared>,
    cancel: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let called = stream.local_addr().ok().and_then(|address| find(address.ip().to_canonical()));
                    if let Some(bmc) = called.filter(|bmc| !bmc.controls.is_down()) {
                        connections.spawn(connection(stream, bmc));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the simulated BMC can't accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, bmc: Shared) {
    bmc.controls.connected();
    // It matters for speed only.
    let _best_effort = stream.set_nodelay(true);
    let life = bmc.controls.life();
    tokio::select! {
        () = life.cancelled() => {}
        () = secure(stream, bmc) => {}
    }
}

async fn secure(stream: TcpStream, bmc: Shared) {
    let Some(secured) = bmc.controls.transport() else { return speak(stream, bmc).await };
    match timeout(PATIENCE, secured.acceptor.accept(stream)).await {
        Ok(Ok(stream)) => speak(stream, bmc).await,
        Ok(Err(error)) => tracing::debug!(%error, "the TLS handshake failed"),
        Err(_) => tracing::debug!("the TLS handshake took too long"),
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, bmc: Shared) {
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        faulty::answer(bmc.clone(), request.map(Body::new))
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(READ_FIRST)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

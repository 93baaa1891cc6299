//! One GET over a connection of its own, which ends with its answer: for a BMC that is asked once a minute.
//!
//! Thousands of BMCs are polled so; an HTTP client with its pool, made and thrown away for each, was most of what that
//! cost beside TCP and TLS. It is also what suits BMCs best: they have few connections, drop idle ones early, and some
//! choke on kept ones (sushy, too, has each closed after its answer). Not here: retries, redirects, logging in, and
//! words for what TLS or HTTP do not like: whoever is missed here otherwise asks again by the client.

use super::tls::{Tickets, Verifier};
use super::transport::Answer;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, HeaderValue};
use hyper_util::rt::TokioIo;
use reqwest::Url;
use rustls::pki_types::ServerName;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// The largest body that is read, in bytes. What is asked so is a system, of some 10 KiB.
const BODY_MAX: usize = 512 * 1024;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Missed {
    /// Nothing answers: what the network says, or nothing if time ran out.
    Nobody(Option<io::Error>),
    /// Something of TLS or HTTP; asked by the client it is told in words.
    Odd,
}

/// To whom, and how long it may take.
pub(super) struct Way<'a> {
    pub(super) origin: &'a Url,
    /// `host:port`.
    pub(super) address: &'a str,
    pub(super) verifier: &'a Arc<Verifier>,
    pub(super) tickets: &'a Arc<Tickets>,
    /// For the connection.
    pub(super) connect: Duration,
    /// For all of it.
    pub(super) request: Duration,
}

impl Way<'_> {
    /// Gets this path, query included, with this session's token.
    pub(super) async fn get(&self, path: &str, token: &HeaderValue) -> Result<Answer, Missed> {
        let all = async {
            let stream = self.connected().await?;
            exchange(stream, self.request(path, token)?).await
        };
        timeout(self.request, all).await.unwrap_or(Err(Missed::Nobody(None)))
    }

    async fn connected(&self) -> Result<TlsStream<TcpStream>, Missed> {
        // In a URL, an IPv6 address has its brackets.
        let host = self.origin.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Missed::Odd)?;
        let config = self.verifier.client_config(self.tickets).map_err(|_| Missed::Odd)?;
        let connecting = async {
            let stream =
                TcpStream::connect(self.address).await.map_err(|error| Missed::Nobody(Some(error)))?;
            // The request must not wait for the acknowledgement of the handshake's end.
            let _ = stream.set_nodelay(true);
            TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|_| Missed::Odd)
        };
        timeout(self.connect, connecting).await.unwrap_or(Err(Missed::Nobody(None)))
    }

    fn request(&self, path: &str, token: &HeaderValue) -> Result<hyper::Request<String>, Missed> {
        // Without the port where it is the usual one, as the client does it.
        let host = self.origin.host_str().unwrap_or_default();
        let host = self.origin.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        hyper::Request::get(path)
            .header(HOST, host)
            .header(ACCEPT, "application/json")
            .header("OData-Version", "4.0")
            .header("X-Auth-Token", token)
            .header(CONNECTION, "close")
            .body(String::new())
            .map_err(|_| Missed::Odd)
    }
}

/// Sends the request and reads the answer whole; the connection is this future's own, and ends with it.
async fn exchange(stream: TlsStream<TcpStream>, request: hyper::Request<String>) -> Result<Answer, Missed> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|_: hyper::Error| Missed::Odd)?;
    let mut connection = pin!(connection);
    let mut answer = pin!(async {
        let response = sender.send_request(request).await.map_err(|_| Missed::Odd)?;
        let (head, body) = response.into_parts();
        Ok(Answer { status: head.status, headers: head.headers, body: whole(body).await? })
    });
    tokio::select! {
        biased;
        answer = &mut answer => return answer,
        _ = &mut connection => {}
    }
    // The connection ended before its answer was taken from it.
    answer.await
}

async fn whole(mut body: Incoming) -> Result<Vec<u8>, Missed> {
    let mut read = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(data) = frame.map_err(|_| Missed::Odd)?.into_data() else { continue };
        if read.len() + data.len() > BODY_MAX {
            return Err(Missed::Odd);
        }
        read.extend_from_slice(&data);
    }
    Ok(read)
}

//! A server over TLS on loopback that sends whatever bytes a test wants, at whatever pace: for what no HTTP server would
//! send. Not here: anything of Redfish.

use super::tls::{Certificate, TlsError};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// The largest request that is read, in bytes.
const REQUEST_MAX: usize = 64 * 1024;

/// What is sent for a request.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// At once.
    pub first: Vec<u8>,
    /// Behind it, again and again for ever; nothing, if empty.
    pub then: Vec<u8>,
    /// The pause before each of those.
    pub pause: Duration,
}

impl Reply {
    /// A whole answer with a body of JSON. `headers`: lines that end with CR and LF.
    pub fn json(status: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        let text = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        Self { first: text.into_bytes(), ..Self::default() }
    }
}

/// The server, until it is dropped.
#[derive(Debug)]
pub struct Raw {
    address: SocketAddr,
    fingerprint: [u8; 32],
    task: JoinHandle<()>,
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    /// No port.
    #[error("can't listen on loopback")]
    Listen(#[from] io::Error),
    /// No certificate.
    #[error("can't speak TLS")]
    Tls(#[from] TlsError),
}

impl Raw {
    /// Listens on a free port of loopback. `answer` is asked with each request, head and body as they came.
    ///
    /// # Errors
    /// When it can't listen, or make a certificate.
    pub async fn serve(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Result<Self, RawError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let secured = Certificate::own().secure(address.ip())?;
        let (fingerprint, acceptor) = (secured.fingerprint, secured.acceptor);
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            // Dropped with it, which ends them.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, answer) = (acceptor.clone(), Arc::clone(&answer));
                connections.spawn(async move {
                    // A client that goes away is what tests wait for.
                    drop(serve(stream, &acceptor, &*answer).await);
                });
            }
        });
        Ok(Self { address, fingerprint, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// SHA-256 of its certificate in DER.
    pub fn certificate_sha256(&self) -> [u8; 32] {
        self.fingerprint
    }
}

async fn serve(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    answer: &(impl Fn(&str) -> Reply + Sync),
) -> io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut read = Vec::new();
    loop {
        let Some(length) = whole(&read) else {
            let mut chunk = [0; 4096];
            let count = stream.read(&mut chunk).await?;
            if count == 0 || read.len() > REQUEST_MAX {
                return Ok(());
            }
            read.extend_from_slice(&chunk[..count]);
            continue;
        };
        let request: Vec<u8> = read.drain(..length).collect();
        let reply = answer(&String::from_utf8_lossy(&request));
        stream.write_all(&reply.first).await?;
        stream.flush().await?;
        while !reply.then.is_empty() {
            tokio::time::sleep(reply.pause).await;
            stream.write_all(&reply.then).await?;
            stream.flush().await?;
        }
    }
}

/// How long the request is that is there, once it is whole.
fn whole(read: &[u8]) -> Option<usize> {
    let head = read.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let end = head + length.unwrap_or(0usize);
    (read.len() >= end).then_some(end)
}

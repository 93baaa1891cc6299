//! HTTP as firmware speaks it: one request on a connection of its own, from the address that the machine was leased.
//!
//! A body may be a kernel or a ramdisk, for thousands of machines at once: what isn't to be kept never leaves the
//! kernel. No redirects and no TLS: boot files have neither.

use super::{Fetched, NetError};
use nix::sys::socket::{MsgFlags, recv};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the server may say nothing in the middle.
const SILENCE: Duration = Duration::from_secs(30);
/// The longest head that is read.
const HEAD: usize = 16 * 1024;
/// What is read at once of a body that is kept.
const PIECE: usize = 16 * 1024;
/// What is thrown away at once.
const DRAIN: usize = 1 << 20;

/// A request, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    server: SocketAddr,
    text: String,
}

impl Request {
    /// A GET, or the POST of a form. `service` is meant by a `url` that begins with `/`.
    pub(super) fn new(url: &str, service: SocketAddr, form: Option<&str>) -> Result<Self, NetError> {
        let bad = |why: &str| NetError::BadUrl { url: url.to_owned(), why: why.to_owned() };
        if url.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(bad("it holds a space or a control character"));
        }
        let (server, path) = match url.strip_prefix("http://") {
            None if url.starts_with('/') => (service, url),
            None => return Err(bad("it must begin with http://")),
            Some(rest) => {
                let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                // Names are not looked up: what is handed out to firmware are addresses.
                let address =
                    host.parse().or_else(|_| host.parse().map(|host: IpAddr| SocketAddr::new(host, 80)));
                (
                    address.map_err(|_| bad("its host is no IP address"))?,
                    if path.is_empty() { "/" } else { path },
                )
            }
        };
        let method = if form.is_some() { "POST" } else { "GET" };
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n");
        if let Some(form) = form {
            let length = form.len();
            text.push_str(&format!(
                "Content-Length: {length}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            ));
        }
        text.push_str("\r\n");
        text.push_str(form.unwrap_or_default());
        Ok(Self { server, text })
    }

    fn whom(&self) -> String {
        format!("http://{}", self.server)
    }
}

/// Sends a request and reads the answer, of which at most `keep` bytes are kept.
pub(super) async fn exchange(
    from: Option<Ipv4Addr>,
    request: &Request,
    keep: usize,
) -> Result<Fetched, NetError> {
    let whom = request.whom();
    let unreachable =
        |error: io::Error| NetError::Unreachable { whom: request.whom(), why: error.to_string() };
    let silent = |_| NetError::Silent { whom: request.whom() };
    let stream =
        timeout(CONNECT, connect(from, request.server)).await.map_err(silent)?.map_err(unreachable)?;
    let mut conversation = Conversation { stream, whom };
    conversation.send(request.text.as_bytes()).await?;
    let (head, rest) = conversation.head().await?;
    if head.status != 200 {
        return Err(NetError::Refused { whom: conversation.whom, code: head.status, why: head.reason });
    }
    conversation.body(head.length, rest, keep).await
}

async fn connect(from: Option<Ipv4Addr>, server: SocketAddr) -> io::Result<TcpStream> {
    let socket = if server.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(from) = from {
        socket.bind(SocketAddr::new(from.into(), 0))?;
    }
    socket.connect(server).await
}

/// What matters of an answer's head.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    reason: String,
    /// Of the body; none: until the connection ends.
    length: Option<u64>,
}

/// Reads a head; none: it isn't complete.
fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, String> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut answer = httparse::Response::new(&mut headers);
    let end = match answer.parse(bytes) {
        Ok(httparse::Status::Complete(end)) => end,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let (status, reason) = (answer.code.unwrap_or(0), answer.reason.unwrap_or_default().to_owned());
    let mut length = None;
    for header in answer.headers.iter() {
        let value = String::from_utf8_lossy(header.value);
        if header.name.eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse().map_err(|_| format!("a Content-Length of `{value}`"))?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(format!("a Transfer-Encoding of `{value}`, which firmware does not read"));
        }
    }
    Ok(Some((Head { status, reason, length }, end)))
}

/// A connection on which an answer is read.
struct Conversation {
    stream: TcpStream,
    whom: String,
}

impl Conversation {
    async fn send(&mut self, request: &[u8]) -> Result<(), NetError> {
        let sent = timeout(SILENCE, self.stream.write_all(request)).await;
        self.heard(sent)
    }

    /// The head, and what came of the body with it.
    async fn head(&mut self) -> Result<(Head, Vec<u8>), NetError> {
        let mut bytes = Vec::new();
        loop {
            if self.read(&mut bytes, 4096).await? == 0 {
                return Err(self.broken("it ended within the head"));
            }
            match parse(&bytes).map_err(|why| NetError::Garbled { whom: self.whom.clone(), why })? {
                Some((head, end)) => return Ok((head, bytes.split_off(end))),
                None if bytes.len() > HEAD => return Err(self.broken("its head has no end")),
                None => {}
            }
        }
    }

    /// The body: its beginning is kept, the rest thrown away.
    async fn body(&mut self, length: Option<u64>, begun: Vec<u8>, keep: usize) -> Result<Fetched, NetError> {
        let mut kept = begun;
        let mut bytes = kept.len() as u64;
        let open = |bytes: u64| length.is_none_or(|length| bytes < length);
        while open(bytes) && kept.len() < keep {
            match self.read(&mut kept, PIECE).await? {
                0 => break,
                count => bytes += count as u64,
            }
        }
        kept.truncate(keep);
        // What the kernel throws away is not written here: the pages of this are never touched.
        let mut nowhere = Vec::new();
        while open(bytes) {
            if nowhere.is_empty() {
                nowhere = vec![0; DRAIN];
            }
            match self.discard(&mut nowhere).await? {
                0 => break,
                count => bytes += count as u64,
            }
        }
        match length {
            Some(length) if bytes != length => Err(self.broken(&format!("{bytes} of {length} bytes came"))),
            _ => Ok(Fetched { bytes, kept }),
        }
    }

    async fn read(&mut self, into: &mut Vec<u8>, most: usize) -> Result<usize, NetError> {
        into.reserve(most);
        let read = timeout(SILENCE, self.stream.read_buf(into)).await;
        self.heard(read)
    }

    /// Takes bytes from the connection without copying them (`MSG_TRUNC`, tcp(7)); how many, 0 at its end.
    async fn discard(&self, nowhere: &mut [u8]) -> Result<usize, NetError> {
        let take = self.stream.async_io(Interest::READABLE, || {
            let flags = MsgFlags::MSG_TRUNC | MsgFlags::MSG_DONTWAIT;
            Ok(recv(self.stream.as_raw_fd(), nowhere, flags)?)
        });
        let taken = timeout(SILENCE, take).await;
        self.heard(taken)
    }

    fn heard<T>(&self, heard: Result<io::Result<T>, tokio::time::error::Elapsed>) -> Result<T, NetError> {
        match heard {
            Err(_) => Err(NetError::Silent { whom: self.whom.clone() }),
            Ok(Err(error)) => Err(self.broken(&error.to_string())),
            Ok(Ok(value)) => Ok(value),
        }
    }

    fn broken(&self, why: &str) -> NetError {
        NetError::Broken { whom: self.whom.clone(), why: why.to_owned() }
    }
}

#[cfg(test)]
mod tests;

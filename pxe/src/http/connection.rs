//! One connection: heads in, answers out, one after the other, until one side has enough.

use super::answer::{Answer, Behind};
use super::condition::{Decision, Subject, decide};
use super::head::{self, Head, Method, Read};
use super::record::Record;
use super::send::Out;
use super::target::{self, Asker, Target};
use super::{Shared, handover};
use crate::clock::wall_clock;
use crate::files::{Content, Missing};
use pxe_proto::MacText;
use pxe_proto::boot::{BootScript, later_script, render};
use pxe_proto::trace::Transfer;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, error};

/// How much is read on, and for how long, when a connection is closed while its client may still send.
const LINGER_BYTES: usize = 256 * 1024;

/// A connection.
pub(super) struct Connection<'a> {
    pub(super) shared: &'a Shared,
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
}

/// What comes after an answer.
#[derive(Debug, PartialEq, Eq)]
enum After {
    Next,
    /// Close; nothing more can be expected of the client.
    Close,
    /// Close, but hear the client out first, so that it gets the answer.
    Linger,
    HandOver,
}

/// What became of waiting for bytes.
enum Filled {
    More,
    Closed,
    Late,
}

/// A short answer: its status, its text, why it is no other.
type Refusal = (u16, &'static str);

impl Connection<'_> {
    /// Serves it to its end.
    pub(super) async fn serve(mut self) -> io::Result<()> {
        let mut input = Vec::with_capacity(1024);
        let mut until = Instant::now() + self.shared.limits.head;
        loop {
            let read = head::read(&input);
            if read == Read::Partial {
                drop(read);
                let fresh = input.is_empty();
                match self.fill(&mut input, until).await? {
                    Filled::More if fresh => until = Instant::now() + self.shared.limits.head,
                    Filled::More => {}
                    Filled::Late if !fresh => {
                        self.refuse((408, "the head of the request took too long\n"), "bad", true).await?;
                        return self.linger().await;
                    }
                    Filled::Closed | Filled::Late => return Ok(()),
                }
                continue;
            }
            let (length, after) = match &read {
                Read::Whole(head) => (head.length, self.answer(head).await?),
                Read::Bad(status) => {
                    self.refuse((*status, "not a request that can be answered\n"), "bad", true).await?;
                    (0, After::Linger)
                }
                Read::Partial => (0, After::Next),
            };
            drop(read);
            match after {
                After::Next => {}
                After::Close => return self.stream.shutdown().await,
                After::Linger => return self.linger().await,
                After::HandOver => {
                    handover::serve(self.shared, self.stream, self.peer, input).await;
                    return Ok(());
                }
            }
            input.drain(..length);
            until = Instant::now()
                + if input.is_empty() { self.shared.limits.idle } else { self.shared.limits.head };
            // A client that sends request upon request must not keep the others waiting.
            tokio::task::consume_budget().await;
        }
    }

    /// Reads more of what the client sends.
    async fn fill(&mut self, input: &mut Vec<u8>, until: Instant) -> io::Result<Filled> {
        input.reserve(1024);
        match timeout_at(until, self.stream.read_buf(input)).await {
            Ok(read) => Ok(if read? == 0 { Filled::Closed } else { Filled::More }),
            Err(_) => Ok(Filled::Late),
        }
    }

    /// Answers one request.
    async fn answer(&self, head: &Head<'_>) -> io::Result<After> {
        let target = target::parse(head.target);
        let refusal: Option<Refusal> = match (&target, head.method) {
            (Target::Other, _) => return Ok(After::HandOver),
            (_, Method::Other) => Some((405, "only GET and HEAD are answered here\n")),
            _ if head.body => Some((400, "no body is taken here\n")),
            _ if head.unknown_expectation => Some((417, "only 100-continue can be expected here\n")),
            _ => None,
        };
        if let Some(refusal) = refusal {
            let open = head.keep_alive && head.modern && !head.body;
            self.refuse(refusal, target.kind(), !open).await?;
            return Ok(if open { After::Next } else { After::Linger });
        }
        match &target {
            Target::Script(asker) => self.script(head, asker.as_ref()).await?,
            Target::File(name) => {
                let content = self.shared.files.named(name).ok_or(Missing::Nothing);
                self.file(head, &target, content).await?;
            }
            Target::Uki(arch, mac) => {
                let (files, directory) = (&self.shared.files, &*self.shared.directory);
                let content = files.uki(*arch, *mac, self.address(), directory).await;
                self.file(head, &target, content).await?;
            }
            Target::Chunk(sha256) => {
                let content = self.shared.files.chunk(sha256).await;
                self.file(head, &target, content).await?;
            }
            Target::Nothing | Target::Other => self.file(head, &target, Err(Missing::Nothing)).await?,
        }
        Ok(if head.keep_alive { After::Next } else { After::Close })
    }

    /// Answers with a file, or says that there is none.
    async fn file(
        &self,
        head: &Head<'_>,
        target: &Target<'_>,
        content: Result<Content, Missing>,
    ) -> io::Result<()> {
        let mac = if let Target::Uki(_, mac) = target { Some(*mac) } else { None };
        let only_head = head.method == Method::Head;
        let mut record = Record::new(self.shared, self.address(), mac, target::path(head.target), only_head);
        let content = match content {
            Ok(content) => content,
            Err(missing) => return self.missing(head, target, missing, &record).await,
        };
        let subject =
            Subject { length: content.length(), etag: content.etag(), modified: content.modified() };
        let (status, range) = match decide(&head.conditions, &subject) {
            Decision::All => (200, 0..subject.length),
            Decision::Part(range) => (206, range),
            Decision::NotModified => (304, 0..0),
            Decision::Failed => (412, 0..0),
            Decision::Unsatisfiable => (416, 0..0),
        };
        let bytes = range.end - range.start;
        let answer = Answer {
            status,
            media: (status < 300).then(|| media(head.target)),
            length: (status != 304).then_some(bytes),
            subject: Some(subject),
            range: match status {
                206 => Some(Some(range.clone())),
                416 => Some(None),
                _ => None,
            },
            immutable: matches!(target, Target::Chunk(_)) && matches!(status, 200 | 206 | 304),
        };
        let with_body = status < 300 && !only_head;
        let mut out = Vec::with_capacity(512);
        answer.write(behind(head), wall_clock(), &mut out);
        self.shared.counters.http_request(target.kind(), status);
        if !with_body {
            let stage = match status {
                304 => Transfer::Done { bytes: 0, millis: 0 },
                412 => Transfer::Refused { reason: "it is another file than the client meant".to_owned() },
                416 => Transfer::Refused { reason: "it has no such bytes".to_owned() },
                _ => Transfer::SizeProbe { size: bytes },
            };
            record.answered(status, stage);
            return self.out().bytes(&out, false).await;
        }
        let sent = record.begin(status, bytes);
        let delivered = async {
            self.out().bytes(&out, bytes > 0).await?;
            self.out().content(&content, range, sent).await
        };
        let delivered = delivered.await;
        if let Err(error) = &delivered {
            record.broken(error.to_string());
        }
        delivered
    }

    /// Says that there is no such file, or that it has to be asked for again.
    async fn missing(
        &self,
        head: &Head<'_>,
        target: &Target<'_>,
        missing: Missing,
        record: &Record<'_>,
    ) -> io::Result<()> {
        let (status, text) = match missing {
            Missing::Nothing => (404, "there is no such file\n"),
            Missing::Unknown => (503, "it can't be looked up now, ask again\n"),
        };
        debug!(peer = %self.peer, path = head.target, status, "a boot HTTP client asked for what it can't have");
        record.answered(status, Transfer::Refused { reason: text.trim_end().to_owned() });
        self.text(head, target.kind(), status, text).await
    }

    /// Answers with what iPXE is to do.
    async fn script(&self, head: &Head<'_>, asker: Option<&Asker>) -> io::Result<()> {
        let Some(Asker { mac, uuid, arch, asked }) = asker else {
            let text = "the parameter mac must be like 52:54:00:12:34:56\n";
            return self.text(head, "script", 400, text).await;
        };
        let (from, mac) = (self.address(), *mac);
        self.shared.peers.learn(from, mac);
        let record = Record::new(self.shared, from, Some(mac), "", head.method == Method::Head);
        let answer = self.shared.directory.script(mac, uuid.as_deref(), from, *arch).await;
        let Some(answer) = answer else {
            debug!(peer = %self.peer, mac = %MacText(mac), asked, "what it is to boot can't be said now");
            record.script("later");
            let text = later_script(&self.shared.source, mac, *arch, *asked);
            return self.text(head, "script", 200, &text).await;
        };
        let name = match &answer {
            BootScript::Agent { .. } => "agent",
            BootScript::Disk => "disk",
        };
        match render(&answer, &self.shared.source, mac, *arch) {
            Ok(text) => {
                debug!(peer = %self.peer, mac = %MacText(mac), answer = name, "boot script");
                record.script(name);
                self.text(head, "script", 200, &text).await
            }
            Err(reason) => {
                error!(peer = %self.peer, mac = %MacText(mac), %reason, "a boot script could not be made");
                record.script("refused");
                self.text(head, "script", 500, "the boot script could not be made\n").await
            }
        }
    }

    /// Answers a request with a short text.
    async fn text(&self, head: &Head<'_>, kind: &'static str, status: u16, text: &str) -> io::Result<()> {
        self.shared.counters.http_request(kind, status);
        let mut out = Vec::with_capacity(256 + text.len());
        Answer::text(status, text).write(behind(head), wall_clock(), &mut out);
        if head.method != Method::Head {
            out.extend_from_slice(text.as_bytes());
        }
        self.out().bytes(&out, false).await
    }

    /// Answers what is no request, or none for us.
    async fn refuse(&self, (status, text): Refusal, kind: &'static str, close: bool) -> io::Result<()> {
        debug!(peer = %self.peer, status, "a boot HTTP request was refused");
        self.shared.counters.http_request(kind, status);
        let mut out = Vec::new();
        let behind = if close { Behind::Closed } else { Behind::Open };
        Answer::text(status, text).write(behind, wall_clock(), &mut out);
        out.extend_from_slice(text.as_bytes());
        self.out().bytes(&out, false).await
    }

    /// Says that nothing more comes, and reads on for a while: a connection that is closed over unread bytes takes
    /// the answer with it (RFC 9112, 9.6).
    async fn linger(mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        let until = Instant::now() + self.shared.limits.linger;
        let mut input = Vec::new();
        let mut left = LINGER_BYTES;
        while let Filled::More = self.fill(&mut input, until).await? {
            left = left.saturating_sub(input.len());
            if left == 0 {
                break;
            }
            input.clear();
        }
        Ok(())
    }

    fn out(&self) -> Out<'_> {
        Out { stream: &self.stream, stall: self.shared.limits.stall }
    }

    /// The peer's address; the listeners are bound to IPv4 addresses.
    fn address(&self) -> Ipv4Addr {
        match self.peer.ip() {
            IpAddr::V4(address) => address,
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        }
    }
}

/// What becomes of the connection behind the answer to this request.
fn behind(head: &Head<'_>) -> Behind {
    match (head.keep_alive, head.modern) {
        (false, _) => Behind::Closed,
        (true, true) => Behind::Open,
        (true, false) => Behind::OpenForOld,
    }
}

/// UEFI tells an EFI program by its type, or by the end of its name (UEFI 2.10, 24.7.3.2).
fn media(target: &str) -> &'static str {
    if target::path(target).ends_with(".efi") { "application/efi" } else { "application/octet-stream" }
}

//! The head of an answer, written as bytes.

use super::condition::{Subject, http_date};
use std::io::Write as _;
use std::ops::Range;
use std::time::SystemTime;

/// After how many seconds a client may ask again for what could not be said.
const RETRY_AFTER: u32 = 5;

/// What is answered, apart from the body.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    /// One of the statuses that [`reason`] knows.
    pub(super) status: u16,
    /// Media type of the body, if there is one.
    pub(super) media: Option<&'static str>,
    /// Length of the body that a GET gets; none where there is never a body.
    pub(super) length: Option<u64>,
    /// The file that it is about.
    pub(super) subject: Option<Subject<'a>>,
    /// The part of the file that the body is (206), or none of it (416).
    pub(super) range: Option<Option<Range<u64>>>,
    /// Its name is its digest: whoever has it needs never ask again (RFC 8246).
    pub(super) immutable: bool,
}

/// What becomes of the connection behind the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// It stays open, as HTTP/1.1 has it.
    Open,
    /// It stays open for a client of HTTP/1.0 that asked for it.
    OpenForOld,
    /// It is closed.
    Closed,
}

impl Answer<'_> {
    /// An answer with a short text.
    pub(super) fn text(status: u16, text: &str) -> Self {
        let length = Some(text.len() as u64);
        Answer { status, media: Some("text/plain"), length, subject: None, range: None, immutable: false }
    }

    /// Writes the head with its empty line.
    pub(super) fn write(&self, behind: Behind, now: SystemTime, out: &mut Vec<u8>) {
        // Writing to a Vec can't fail.
        let _ =
            write!(out, "HTTP/1.1 {} {}\r\nDate: {}\r\n", self.status, reason(self.status), http_date(now));
        if let Some(media) = self.media {
            let _ = write!(out, "Content-Type: {media}\r\n");
        }
        if let Some(length) = self.length {
            let _ = write!(out, "Content-Length: {length}\r\n");
        }
        if let Some(subject) = &self.subject {
            let (etag, modified) = (subject.etag, http_date(subject.modified));
            let _ = write!(out, "Accept-Ranges: bytes\r\nETag: {etag}\r\nLast-Modified: {modified}\r\n");
            let _ = match &self.range {
                Some(Some(Range { start, end })) => {
                    write!(out, "Content-Range: bytes {start}-{}/{}\r\n", end - 1, subject.length)
                }
                Some(None) => write!(out, "Content-Range: bytes */{}\r\n", subject.length),
                None => Ok(()),
            };
        }
        if self.immutable {
            out.extend_from_slice(b"Cache-Control: public, max-age=31536000, immutable\r\n");
        }
        if self.status == 503 {
            let _ = write!(out, "Retry-After: {RETRY_AFTER}\r\n");
        }
        if self.status == 405 {
            out.extend_from_slice(b"Allow: GET, HEAD\r\n");
        }
        out.extend_from_slice(match behind {
            Behind::Open => b"\r\n",
            Behind::OpenForOld => b"Connection: keep-alive\r\n\r\n",
            Behind::Closed => b"Connection: close\r\n\r\n",
        });
    }
}

/// The words behind a status.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        304 => "Not Modified",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        412 => "Precondition Failed",
        414 => "URI Too Long",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}

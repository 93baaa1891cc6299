//! The head of a request (RFC 9112), read where it lies: no copy is made of it.
//!
//! Deliberately lenient where firmware is careless (no Host, bare line feeds), strict where it matters: what could
//! carry a body is told, so that nobody mistakes it for the next request.

use httparse::{EMPTY_HEADER, Error, Status};

/// Longest head, in bytes.
pub(super) const LONGEST: usize = 16 * 1024;
/// Most header fields.
const MOST_FIELDS: usize = 100;

/// What is to be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// Send it.
    Get,
    /// Only say what would be sent.
    Head,
    /// Anything else.
    Other,
}

/// A head, and what we make use of in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    /// Its length in bytes, with the empty line.
    pub(super) length: usize,
    pub(super) method: Method,
    /// The target as it was sent: a path with a query, or a whole URI.
    pub(super) target: &'a str,
    /// Whether the client speaks HTTP/1.1.
    pub(super) modern: bool,
    /// Whether the connection stays open behind the answer.
    pub(super) keep_alive: bool,
    /// Whether a body follows, or might.
    pub(super) body: bool,
    /// Whether something is expected of us that we don't know.
    pub(super) unknown_expectation: bool,
    pub(super) conditions: Conditions<'a>,
}

/// The fields by which a client says which bytes it wants, and when (RFC 9110, 13 and 14).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Conditions<'a> {
    pub(super) range: Option<&'a [u8]>,
    pub(super) if_range: Option<&'a [u8]>,
    /// Each field of this name; usually none.
    pub(super) if_match: Vec<&'a [u8]>,
    /// Each field of this name; usually none.
    pub(super) if_none_match: Vec<&'a [u8]>,
    pub(super) if_modified_since: Option<&'a [u8]>,
    pub(super) if_unmodified_since: Option<&'a [u8]>,
}

/// What the bytes that came so far are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read<'a> {
    /// A whole head.
    Whole(Head<'a>),
    /// The beginning of one.
    Partial,
    /// Nothing that can be answered but by this status.
    Bad(u16),
}

/// Reads the head that the bytes begin with.
pub(super) fn read(bytes: &[u8]) -> Read<'_> {
    let mut fields = [EMPTY_HEADER; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let within = &bytes[..bytes.len().min(LONGEST)];
    let length = match request.parse(within) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if bytes.len() < LONGEST => return Read::Partial,
        // Not even the first line came to its end: it is the target that is too long.
        Ok(Status::Partial) if request.version.is_none() => return Read::Bad(414),
        Ok(Status::Partial) | Err(Error::TooManyHeaders) => return Read::Bad(431),
        Err(Error::Version) => return Read::Bad(505),
        Err(_) => return Read::Bad(400),
    };
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Read::Bad(400);
    };
    let modern = version == 1;
    let mut head = Head {
        length,
        method: match method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            _ => Method::Other,
        },
        target,
        modern,
        keep_alive: modern,
        body: false,
        unknown_expectation: false,
        conditions: Conditions::default(),
    };
    for field in request.headers.iter() {
        head.take(field.name, field.value);
    }
    // A part can only be had by GET (RFC 9110, 14.2).
    if head.method != Method::Get {
        head.conditions.range = None;
    }
    Read::Whole(head)
}

impl<'a> Head<'a> {
    /// Takes note of one field.
    fn take(&mut self, name: &str, value: &'a [u8]) {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let conditions = &mut self.conditions;
        if is("connection") {
            for option in value.split(|c| *c == b',').map(<[u8]>::trim_ascii) {
                if option.eq_ignore_ascii_case(b"close") {
                    self.keep_alive = false;
                } else if option.eq_ignore_ascii_case(b"keep-alive") && !self.modern {
                    self.keep_alive = true;
                }
            }
        } else if is("content-length") {
            // A second one, or nonsense, is for hyper to refuse.
            self.body |= value.trim_ascii() != b"0";
        } else if is("transfer-encoding") || is("upgrade") {
            self.body = true;
        } else if is("expect") {
            self.unknown_expectation |= !value.trim_ascii().eq_ignore_ascii_case(b"100-continue");
        } else if is("range") {
            // Two contradict each other: an empty one is ignored.
            conditions.range = Some(if conditions.range.is_some() { b"" } else { value });
        } else if is("if-range") {
            conditions.if_range = Some(value);
        } else if is("if-match") {
            conditions.if_match.push(value);
        } else if is("if-none-match") {
            conditions.if_none_match.push(value);
        } else if is("if-modified-since") {
            conditions.if_modified_since = Some(value);
        } else if is("if-unmodified-since") {
            conditions.if_unmodified_since = Some(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(text: &str) -> Head<'_> {
        match read(text.as_bytes()) {
            Read::Whole(head) => head,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn what_firmware_and_curl_send_is_read() {
        let text = "GET /boot/files/a HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1\r\nIf-None-Match: \"a\"\r\n\
                    if-none-match: \"b\"\r\n\r\nGET";
        let head = head(text);
        assert_eq!(head.length, text.len() - 3);
        assert_eq!((head.method, head.target), (Method::Get, "/boot/files/a"));
        assert_eq!(head.conditions.range, Some(&b"bytes=0-1"[..]));
        assert_eq!(head.conditions.if_none_match, [b"\"a\"", b"\"b\""]);
        assert!(head.keep_alive && head.modern && !head.body);
    }

    #[test]
    fn connections_stay_open_by_table() {
        for (version, field, expected) in [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: Upgrade, CLOSE\r\n", false),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
            ("1.0", "Connection: keep-alive, close\r\n", false),
        ] {
            let text = format!("GET / HTTP/{version}\r\n{field}\r\n");
            assert_eq!(head(&text).keep_alive, expected, "{text:?}");
        }
    }

    #[test]
    fn whatever_could_carry_a_body_is_told() {
        for (field, expected) in [
            ("Content-Length: 0", false),
            ("Content-Length: 5", true),
            ("Content-Length: -", true),
            ("content-length: 0\r\nContent-Length: 5", true),
            ("Transfer-Encoding: chunked", true),
            ("Transfer-Encoding: identity", true),
            ("X: Content-Length: 5", false),
        ] {
            let text = format!("GET / HTTP/1.1\r\n{field}\r\n\r\n");
            assert_eq!(head(&text).body, expected, "{text:?}");
        }
        assert!(head("GET / HTTP/1.1\r\nExpect: 200-ok\r\n\r\n").unknown_expectation);
        assert!(!head("GET / HTTP/1.1\r\nExpect: 100-Continue\r\n\r\n").unknown_expectation);
        let twice = "GET / HTTP/1.1\r\nRange: bytes=0-1\r\nRange: bytes=5-6\r\n\r\n";
        assert_eq!(head(twice).conditions.range, Some(&b""[..]));
    }

    #[test]
    fn junk_by_table() {
        let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(LONGEST));
        let fields = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(LONGEST));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(MOST_FIELDS + 1));
        for (text, expected) in [
            ("", Read::Partial),
            ("GE", Read::Partial),
            ("GET / HTTP/1.1\r\nHost: x\r\n", Read::Partial),
            ("GET /\r\n\r\n", Read::Bad(400)),
            ("GET / HTTP/2.0\r\n\r\n", Read::Bad(505)),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Read::Bad(505)),
            ("\x16\x03\x01\x02", Read::Bad(400)),
            ("GET / HTTP/1.1\r\nno colon\r\n\r\n", Read::Bad(400)),
            ("GET /\0 HTTP/1.1\r\n\r\n", Read::Bad(400)),
            ("GET / HTTP/1.1\r\nX: a\0b\r\n\r\n", Read::Bad(400)),
            (&long, Read::Bad(414)),
            (&fields, Read::Bad(431)),
            (&many, Read::Bad(431)),
        ] {
            assert_eq!(read(text.as_bytes()), expected, "{:.60?}", text);
        }
    }

    proptest! {
        /// A head that comes in pieces is waited for, never refused half-way.
        #[test]
        fn every_beginning_of_a_head_is_one(
            target in "/[a-z/%?=&.]{0,40}",
            fields in proptest::collection::vec(("[A-Za-z-]{1,20}", "[ -~]{0,40}"), 0..20),
        ) {
            let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let text = format!("GET {target} HTTP/1.1\r\n{fields}\r\n");
            for end in 0..text.len() {
                prop_assert_eq!(read(&text.as_bytes()[..end]), Read::Partial);
            }
            let head = head(&text);
            prop_assert_eq!((head.length, head.target), (text.len(), target.as_str()));
        }

        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Read::Whole(head) = read(&bytes) {
                prop_assert!(head.length <= bytes.len());
            }
        }
    }
}

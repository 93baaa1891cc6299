//! Server-sent events (HTML Living Standard, section 9.2.6): bytes in, events out. Bounded.
//!
//! Retry times are not kept: each caller knows how long it waits.

/// The largest event that is taken.
const LIMIT: usize = 1024 * 1024;

/// Why a stream is not read any further.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Bad {
    /// An event without an end.
    #[error("an event of more than {LIMIT} bytes")]
    TooLarge,
    /// Not UTF-8.
    #[error("an event that is not UTF-8")]
    NotText,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its name; empty: it has none.
    pub(crate) name: String,
    /// Its data.
    pub(crate) data: String,
}

/// The events of a stream.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// What came and was not read yet.
    bytes: Vec<u8>,
    /// The data of the event that is being read, if it has any yet.
    data: Option<String>,
    /// Its name.
    name: String,
    /// Its id, if it has one.
    id: Option<String>,
    /// The last id of all that was read.
    last: Option<String>,
}

impl Events {
    /// Takes bytes as they came.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The last id of all that was read: what `Last-Event-ID` says when the stream is asked for again.
    pub(crate) fn last_id(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// The next whole event that has data.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, Bad> {
        while let Some((line, rest)) = self.line() {
            let line = std::str::from_utf8(&self.bytes[..line]).map_err(|_| Bad::NotText)?.to_owned();
            self.bytes.drain(..rest);
            if !line.is_empty() {
                self.field(&line)?;
                continue;
            }
            // An id counts also where there is no data.
            self.last = self.id.take().or(self.last.take());
            let name = std::mem::take(&mut self.name);
            if let Some(data) = self.data.take() {
                return Ok(Some(Event { name, data }));
            }
        }
        if self.bytes.len() > LIMIT { Err(Bad::TooLarge) } else { Ok(None) }
    }

    /// Takes a line of an event.
    fn field(&mut self, line: &str) -> Result<(), Bad> {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            // One with a NUL is none, by the standard.
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "data" => {
                let data = self.data.get_or_insert_default();
                if !data.is_empty() {
                    data.push('\n');
                }
                data.push_str(value);
                if data.len() > LIMIT {
                    return Err(Bad::TooLarge);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Where the first line ends, and where the next one begins; a carriage return at the very end may be half of an
    /// end.
    fn line(&self) -> Option<(usize, usize)> {
        let end = self.bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
        match (self.bytes[end], self.bytes.get(end + 1)) {
            (b'\r', Some(b'\n')) => Some((end, end + 2)),
            (b'\r', None) => None,
            _ => Some((end, end + 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_they_are_cut() {
        let stream = ": hello\n\ndata: one\n\nevent: x\r\nid:5\r\ndata:two\r\ndata: three\r\n\r\nid: 7\n\ndata: é\n\nid: 8\ndata: half";
        for cut in 1..stream.len() {
            let (mut events, mut seen) = (Events::default(), Vec::new());
            for piece in stream.as_bytes().chunks(cut) {
                events.push(piece);
                while let Some(event) = events.next().unwrap() {
                    seen.push((event.name, event.data, events.last_id().map(ToOwned::to_owned)));
                }
            }
            let told = |name: &str, data: &str, id: Option<&str>| {
                (name.to_owned(), data.to_owned(), id.map(ToOwned::to_owned))
            };
            let want = [told("", "one", None), told("x", "two\nthree", Some("5")), told("", "é", Some("7"))];
            assert_eq!(seen, want, "cut every {cut} bytes");
            assert_eq!(events.last_id(), Some("7"), "of half an event nothing counts");
        }
    }

    #[test]
    fn what_never_ends_or_is_no_text_ends_it() {
        let mut events = Events::default();
        events.push(&vec![b'x'; LIMIT + 1]);
        assert_eq!(events.next(), Err(Bad::TooLarge));
        let mut events = Events::default();
        let line = format!("data: {}\n", "x".repeat(LIMIT / 2));
        events.push(line.repeat(3).as_bytes());
        assert_eq!(events.next(), Err(Bad::TooLarge));
        let mut events = Events::default();
        events.push(b"data: \xff\n\n");
        assert_eq!(events.next(), Err(Bad::NotText));
    }
}

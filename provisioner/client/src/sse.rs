//! Server-sent events (HTML Living Standard, section 9.2.6): bytes in, the data of events out. Bounded.
//!
//! Names, ids and retry times of events are not kept: no caller needs them.

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

/// The events of a stream.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// What came and was not read yet.
    bytes: Vec<u8>,
    /// The data of the event that is being read, if it has any yet.
    data: Option<String>,
}

impl Events {
    /// Takes bytes as they came.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The data of the next whole event.
    pub(crate) fn next(&mut self) -> Result<Option<String>, Bad> {
        while let Some((line, rest)) = self.line() {
            let line = std::str::from_utf8(&self.bytes[..line]).map_err(|_| Bad::NotText)?.to_owned();
            self.bytes.drain(..rest);
            if line.is_empty() {
                if let Some(data) = self.data.take() {
                    return Ok(Some(data));
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            if field != "data" {
                continue;
            }
            let value = value.strip_prefix(' ').unwrap_or(value);
            let data = self.data.get_or_insert_default();
            if !data.is_empty() {
                data.push('\n');
            }
            data.push_str(value);
            if data.len() > LIMIT {
                return Err(Bad::TooLarge);
            }
        }
        if self.bytes.len() > LIMIT { Err(Bad::TooLarge) } else { Ok(None) }
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
        let stream = ": hello\n\ndata: one\n\nevent: x\r\ndata:two\r\ndata: three\r\n\r\nid: 7\n\ndata: é\n\ndata: half";
        for cut in 1..stream.len() {
            let (mut events, mut seen) = (Events::default(), Vec::new());
            for piece in stream.as_bytes().chunks(cut) {
                events.push(piece);
                while let Some(event) = events.next().unwrap() {
                    seen.push(event);
                }
            }
            assert_eq!(seen, ["one", "two\nthree", "é"], "cut every {cut} bytes");
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

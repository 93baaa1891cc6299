//! The last lines of the log, in memory: a few hundred KiB, whatever is logged. Older lines go when newer ones come.

use crate::text::without_secrets;
use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{Mutex, PoisonError},
};
use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// Most bytes of all lines.
const MOST: usize = 512 * 1024;

/// Most bytes of one line; of a longer one the beginning is kept, and marked.
const LINE: usize = 4096;

/// What stands at the end of such a line.
const CUT: &str = "… (cut)";

/// What a line takes besides its text.
const EACH: usize = size_of::<Box<str>>();

/// The one of this process, as its log is one.
static RECENT: Mutex<Ring> = Mutex::new(Ring { lines: VecDeque::new(), bytes: 0 });

/// The last lines, oldest first.
pub(crate) fn recent() -> String {
    RECENT.lock().unwrap_or_else(PoisonError::into_inner).text()
}

#[derive(Default)]
struct Ring {
    lines: VecDeque<Box<str>>,
    bytes: usize,
}

impl Ring {
    fn push(&mut self, line: &[u8]) {
        // Before it is cut: what is left of a URL may not be known as one, and be half a password.
        let line = without_secrets(String::from_utf8_lossy(line).trim_end());
        let line: Box<str> = match line.len() <= LINE {
            true => line.into(),
            false => format!("{}{CUT}", &line[..line.floor_char_boundary(LINE - CUT.len())]).into(),
        };
        self.bytes += line.len() + EACH;
        self.lines.push_back(line);
        while self.bytes > MOST
            && let Some(oldest) = self.lines.pop_front()
        {
            self.bytes -= oldest.len() + EACH;
        }
    }

    fn text(&self) -> String {
        let mut text = String::with_capacity(self.bytes);
        for line in &self.lines {
            text.push_str(&without_colours(line));
            text.push('\n');
        }
        text
    }
}

/// A line without what colours it on a terminal (ECMA-48 section 8.3.117: `ESC [ … m`).
fn without_colours(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.split_once('m').map_or(part, |(_, behind)| behind));
    }
    text
}

/// A writer, each of whose lines is remembered.
pub(super) struct Tee<W>(pub(super) W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Tee<W> {
    type Writer = Tee<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Tee(self.0.make_writer())
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Self::Writer {
        Tee(self.0.make_writer_for(about))
    }
}

/// A line comes in one piece.
impl<W: Write> Write for Tee<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        RECENT.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        // Remembered once, so all of it is written, too.
        self.0.write_all(line).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_pushes_the_oldest_out_and_never_takes_more() {
        let mut ring = Ring::default();
        let long = "x".repeat(LINE * 2);
        for number in 0..1000 {
            ring.push(format!("{number} {long}\n").as_bytes());
            assert!(ring.bytes <= MOST && ring.lines.iter().all(|line| line.len() <= LINE));
        }
        let text = ring.text();
        assert!(text.lines().last().unwrap().starts_with("999 ") && !text.contains("\n100 "));
        assert!(text.len() > MOST / 2);
        for _ in 0..MOST {
            ring.push(b"\n");
        }
        assert!(ring.bytes <= MOST && ring.lines.len() <= MOST / EACH, "empty lines take room, too");
    }

    #[test]
    fn a_long_line_is_cut_behind_its_secrets() {
        let mut ring = Ring::default();
        let text = format!("{} https://user:{}@host/x", "ä".repeat(LINE / 2 - 20), "secret".repeat(20));
        ring.push(format!("{text}\n").as_bytes());
        ring.push(format!("{text} {text}\n").as_bytes());
        let text = ring.text();
        assert!(!text.contains("user") && !text.contains("secret"), "{text}");
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].ends_with(" https://host/x") && lines[1].ends_with(CUT), "{text}");
    }

    #[test]
    fn colours_are_left_out() {
        let mut ring = Ring::default();
        ring.push("\u{1b}[2m12:00\u{1b}[0m \u{1b}[32m INFO\u{1b}[0m it is §\n".as_bytes());
        assert_eq!(ring.text(), "12:00  INFO it is §\n");
    }
}

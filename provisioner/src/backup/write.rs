//! Writing a backup, line after line.

use super::{BackupError, Cell, End, Header, TableHead, seal::Sealing};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Serialize, Serializer};
use std::io::{self, Write};

/// How hard is tried to make it small: zstd's usual level.
const LEVEL: i32 = 3;

/// A backup that is being written.
pub(crate) struct Writer<W: Write> {
    to: zstd::Encoder<'static, Sealing<W>>,
}

impl<W: Write> Writer<W> {
    /// Begins one.
    ///
    /// # Errors
    /// If it can't be written; so for all of them.
    pub(crate) fn begin(to: W, header: &Header) -> Result<Self, BackupError> {
        let mut begun = Self { to: zstd::Encoder::new(Sealing::new(to), LEVEL)? };
        begun.lines(&line(header))?;
        Ok(begun)
    }

    /// Writes lines that [`line`] or [`row`] made.
    pub(crate) fn lines(&mut self, lines: &[u8]) -> Result<(), BackupError> {
        Ok(self.to.write_all(lines)?)
    }

    /// Ends it, with how many rows there are, and gives back what was written to.
    pub(crate) fn finish(mut self, end: &End) -> Result<W, BackupError> {
        self.lines(&line(&serde_json::json!({ "end": end })))?;
        Ok(self.to.finish()?.seal()?)
    }
}

/// A line that is no row. Our own types always serialise.
pub(crate) fn line<T: Serialize>(value: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("own types serialise");
    line.push(b'\n');
    line
}

impl TableHead {
    /// As a line.
    pub(crate) fn line(&self) -> Vec<u8> {
        line(self)
    }
}

/// Adds a row as a line.
///
/// # Errors
/// Never with memory for it.
pub(crate) fn row(lines: &mut Vec<u8>, cells: &[Cell]) -> io::Result<()> {
    serde_json::to_writer(&mut *lines, cells)?;
    lines.push(b'\n');
    Ok(())
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => number.serialize(serializer),
            Self::Truth(truth) => truth.serialize(serializer),
            Self::Text(text) => text.serialize(serializer),
            Self::Bytes(bytes) => bytes.as_ref().map(|bytes| STANDARD.encode(bytes)).serialize(serializer),
        }
    }
}

//! Reading a backup, line after line, once its seal was found to be right.

use super::{BackupError, Cell, End, FORMAT, Header, Kind, TableHead, seal};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Read, Take},
    path::Path,
};

/// The longest line that is read, in bytes; a machine with its inventory is some ten thousand.
const LINE: u64 = 64 * 1024 * 1024;

/// What comes next in a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A table begins.
    Table(TableHead),
    /// A row of the table that began last.
    Row(Vec<Cell>),
}

/// A backup that is being read.
pub(crate) struct Contents {
    header: Header,
    from: BufReader<zstd::Decoder<'static, BufReader<Take<File>>>>,
    /// The columns of the table that began last.
    columns: Option<(String, Vec<Kind>)>,
    rows: BTreeMap<String, u64>,
    line: u64,
    ended: bool,
}

/// A line that is no row.
#[derive(Deserialize)]
#[serde(untagged)]
enum Mark {
    Table(TableHead),
    End { end: End },
}

impl Contents {
    /// Opens a file, and checks its seal before anything else.
    ///
    /// # Errors
    /// If it is no backup, was cut or changed, or is of a later format.
    pub(crate) fn open(path: &Path) -> Result<Self, BackupError> {
        let mut file = File::open(path)?;
        let length = seal::verify(&mut file)?;
        let mut from = BufReader::new(zstd::Decoder::new(file.take(length))?);
        let mut first = Vec::new();
        read_line(&mut from, &mut first, 1)?;
        Ok(Self {
            header: header(&first)?,
            from,
            columns: None,
            rows: BTreeMap::new(),
            line: 1,
            ended: false,
        })
    }

    /// Its first line.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// What comes next; `None` at its end, once all rows were there.
    ///
    /// # Errors
    /// If a line makes no sense, or rows are missing.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, BackupError> {
        if self.ended {
            return Ok(None);
        }
        let mut text = Vec::new();
        self.line += 1;
        read_line(&mut self.from, &mut text, self.line)?;
        if text.first() == Some(&b'[') {
            return self.row(&text).map(|cells| Some(Entry::Row(cells)));
        }
        match serde_json::from_slice(&text).map_err(|error| self.wrong(error))? {
            Mark::Table(head) => {
                if self.rows.insert(head.table.clone(), 0).is_some() {
                    return Err(self.wrong(format!("table `{}` is there twice", head.table)));
                }
                let kinds = head.columns.iter().map(|(_, kind)| *kind).collect();
                self.columns = Some((head.table.clone(), kinds));
                Ok(Some(Entry::Table(head)))
            }
            Mark::End { end } => self.end(&end).map(|()| None),
        }
    }

    fn row(&mut self, text: &[u8]) -> Result<Vec<Cell>, BackupError> {
        let values: Vec<Value> = serde_json::from_slice(text).map_err(|error| self.wrong(error))?;
        let (table, kinds) = self.columns.as_ref().ok_or_else(|| self.wrong("a row of no table"))?;
        if values.len() != kinds.len() {
            return Err(self.wrong(format!("a row of `{table}` with {} columns", values.len())));
        }
        let cells = values.into_iter().zip(kinds).map(|(value, kind)| cell(value, *kind));
        let cells = cells.collect::<Option<Vec<_>>>();
        let cells = cells.ok_or_else(|| self.wrong(format!("a column of `{table}` holds what it can't")))?;
        if let Some(count) = self.rows.get_mut(table) {
            *count += 1;
        }
        Ok(cells)
    }

    fn end(&mut self, end: &End) -> Result<(), BackupError> {
        self.ended = true;
        if end.rows != self.rows {
            return Err(self.wrong("it does not have the rows that its end tells"));
        }
        if self.from.fill_buf()?.is_empty() { Ok(()) } else { Err(self.wrong("it goes on behind its end")) }
    }

    fn wrong(&self, why: impl ToString) -> BackupError {
        BackupError::Line { line: self.line, why: why.to_string() }
    }
}

/// A line without its end.
fn read_line(from: &mut impl BufRead, line: &mut Vec<u8>, number: u64) -> Result<(), BackupError> {
    from.take(LINE).read_until(b'\n', line)?;
    if line.pop() == Some(b'\n') {
        return Ok(());
    }
    Err(BackupError::Line { line: number, why: "it has no end".into() })
}

/// A later format may say other things beside its number and who wrote it.
fn header(line: &[u8]) -> Result<Header, BackupError> {
    let wrong = |error: serde_json::Error| BackupError::Line { line: 1, why: error.to_string() };
    let any: Value = serde_json::from_slice(line).map_err(wrong)?;
    let format = any["billet-backup"].as_u64().and_then(|format| u32::try_from(format).ok());
    if let Some(format) = format.filter(|format| *format > FORMAT) {
        let version = any["version"].as_str().unwrap_or("of a later version").to_owned();
        return Err(BackupError::Format { format, version });
    }
    serde_json::from_value(any).map_err(wrong)
}

fn cell(value: Value, kind: Kind) -> Option<Cell> {
    Some(match (kind, value) {
        (Kind::Number, Value::Null) => Cell::Number(None),
        (Kind::Truth, Value::Null) => Cell::Truth(None),
        (Kind::Text, Value::Null) => Cell::Text(None),
        (Kind::Bytes, Value::Null) => Cell::Bytes(None),
        (Kind::Number, Value::Number(number)) => Cell::Number(Some(number.as_i64()?)),
        (Kind::Truth, Value::Bool(truth)) => Cell::Truth(Some(truth)),
        (Kind::Text, Value::String(text)) => Cell::Text(Some(text)),
        (Kind::Bytes, Value::String(text)) => Cell::Bytes(Some(STANDARD.decode(text).ok()?)),
        _ => return None,
    })
}

/// What is in a backup.
#[derive(Debug, Clone)]
pub(crate) struct Summary {
    /// Its first line.
    pub(crate) header: Header,
    /// How many rows each table has.
    pub(crate) rows: BTreeMap<String, u64>,
}

/// Reads a backup from its beginning to its end.
///
/// # Errors
/// As of [`Contents`].
pub(crate) fn check(path: &Path) -> Result<Summary, BackupError> {
    let mut contents = Contents::open(path)?;
    while contents.next()?.is_some() {}
    Ok(Summary { header: contents.header, rows: contents.rows })
}

//! `billet bmc record`: a BMC written down, for those who have none like it.

use super::{Asked, way::Way};
use crate::cli::{args::Record, error::CliError};
use serde_json::Value;
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Does it.
pub(super) async fn run(asked: &mut Asked<'_>, way: &Way, record: &Record) -> Result<(), CliError> {
    let to_file = record.file.as_os_str() != "-";
    let whole = to_file.then(|| Whole::begin(&record.file)).transpose()?;
    asked.ui.note(&format!(
        "reading all that the BMC of {} has, one resource after the other; this may take minutes, Ctrl-C ends it",
        way.whose()
    ));
    let remarks = asked.ui.remarks();
    let progress = move |read: usize, ahead: usize| {
        if read.is_multiple_of(100) {
            remarks.note(&format!("{read} resources read, {ahead} more known"));
        }
    };
    let recording = way.record(&progress).await?;
    let mut text = serde_json::to_string_pretty(&recording).map_err(|error| CliError::Print(error.into()))?;
    text.push('\n');
    for sentence in recording["left_out"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        asked.ui.note(&format!("left out: {}", crate::cli::text::clean(sentence)));
    }
    let Some(whole) = whole else { return asked.ui.raw(text.as_bytes()) };
    whole.finish(text.as_bytes())?;
    let resources = recording["resources"].as_object().map_or(0, serde_json::Map::len);
    asked.ui.done(&format!(
        "{resources} resources are in {}, without passwords, names, addresses and serial numbers; look through it before you give it away",
        record.file.display()
    ))
}

/// A file that appears when it is whole. What is there stays until then.
struct Whole<'a> {
    path: &'a Path,
    part: PathBuf,
    file: File,
}

impl<'a> Whole<'a> {
    /// Begins beside it: that nothing can be written there is said before a BMC is read for minutes.
    fn begin(path: &'a Path) -> Result<Self, CliError> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        match File::create(&part) {
            Ok(file) => Ok(Self { path, part: part.into(), file }),
            Err(source) => Err(unwritable(path, source)),
        }
    }

    fn finish(mut self, bytes: &[u8]) -> Result<(), CliError> {
        let written = self.file.write_all(bytes).and_then(|()| self.file.sync_all());
        written
            .and_then(|()| fs::rename(&self.part, self.path))
            .map_err(|source| unwritable(self.path, source))
    }
}

impl Drop for Whole<'_> {
    fn drop(&mut self) {
        // It is not there any more if all went well.
        let _ = fs::remove_file(&self.part);
    }
}

fn unwritable(path: &Path, source: io::Error) -> CliError {
    CliError::File { what: "write", path: path.to_owned(), source }
}

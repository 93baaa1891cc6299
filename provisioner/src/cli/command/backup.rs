//! `billet backup`: the database into a file that appears when it is whole.

use super::Session;
use crate::{
    backup::{self, Summary, Tail},
    cli::{args::Backup, error::CliError, ui::Ui},
    clock,
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Does it.
pub(super) async fn run(session: &mut Session<'_>, asked: &Backup) -> Result<(), CliError> {
    match &asked.file {
        Some(file) if file.as_os_str() == "-" => to_output(session).await,
        Some(file) => to_file(session, file, asked.force).await,
        None => {
            let name = format!("billet-{}.backup", clock::now().strftime("%Y%m%dT%H%M%SZ"));
            to_file(session, Path::new(&name), asked.force).await
        }
    }
}

/// What reads it from there has to look at our exit code: an end that is wrong is told when it was passed on.
async fn to_output(session: &mut Session<'_>) -> Result<(), CliError> {
    let mut tail = Tail::default();
    let Session { client, ui, .. } = session;
    client
        .backup(|piece| {
            tail.push(piece);
            ui.raw(piece)
        })
        .await?;
    tail.end().map_err(|error| CliError::Backup { path: "what the service sent".into(), error })
}

async fn to_file(session: &mut Session<'_>, path: &Path, force: bool) -> Result<(), CliError> {
    if !force && path.exists() {
        return Err(CliError::Input(format!("{} is there already; --force writes over it", path.display())));
    }
    let mut part = Part::begin(path)?;
    session
        .client
        .backup(|piece| part.file.write_all(piece).map_err(|error| unwritable(path, error)))
        .await?;
    part.file.sync_all().map_err(|error| unwritable(path, error))?;
    let summary = checked(&part.path)?;
    part.finish(path, force)?;
    let machines = summary.rows.get("machine").copied().unwrap_or(0);
    session.ui.done(&format!(
        "{machines} machines and all else are saved in {}; keep site.key from the data folder, too, but elsewhere",
        path.display()
    ))
}

/// `billet backup check`: says what is in one.
pub(in crate::cli) fn check(path: &Path, ui: &mut Ui) -> Result<(), CliError> {
    let Summary { header, rows } = checked(path)?;
    let rows: Vec<_> = rows.iter().map(|(table, rows)| format!("  {table}: {rows}\n")).collect();
    ui.raw(
        format!(
            "{} is whole and unchanged.\n\nmade: {:.0}\nby: billet {}\nschema: {}\nsite key: {}\nrows:\n{}",
            path.display(),
            header.at,
            header.version,
            header.schema,
            header.site_key,
            rows.concat()
        )
        .as_bytes(),
    )
}

fn checked(path: &Path) -> Result<Summary, CliError> {
    backup::check(path).map_err(|error| CliError::Backup { path: path.to_owned(), error })
}

/// A file that only its owner may read, and that is gone unless it is finished.
pub(super) struct Part {
    path: PathBuf,
    pub(super) file: File,
}

impl Part {
    pub(super) fn begin(path: &Path) -> Result<Self, CliError> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        // One that was left behind may have another mode.
        let _ = fs::remove_file(&part);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
        file.map(|file| Self { path: part, file }).map_err(|error| unwritable(path, error))
    }

    /// Gives it its name. Without `force` a file that came meanwhile stays.
    pub(super) fn finish(self, path: &Path, force: bool) -> Result<(), CliError> {
        let named = match force {
            true => fs::rename(&self.path, path),
            false => fs::hard_link(&self.path, path),
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        named.and_then(|()| File::open(folder)?.sync_all()).map_err(|error| unwritable(path, error))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It may have its name already.
        let _ = fs::remove_file(&self.path);
    }
}

pub(super) fn unwritable(path: &Path, source: io::Error) -> CliError {
    CliError::File { what: "write", path: path.to_owned(), source }
}

//! `billet support-bundle`: what whoever helps wants to know, in one file.

use super::{
    Session,
    backup::{Part, unwritable},
};
use crate::{
    cli::{args::SupportBundle, error::CliError},
    clock,
};
use std::{io::Write, path::PathBuf};

/// Does it.
pub(super) async fn run(session: &mut Session<'_>, asked: &SupportBundle) -> Result<(), CliError> {
    let default =
        || PathBuf::from(format!("billet-support-{}.tar.gz", clock::now().strftime("%Y%m%dT%H%M%SZ")));
    let path = asked.file.clone().unwrap_or_else(default);
    let output = path.as_os_str() == "-";
    if !output && !asked.force && path.exists() {
        return Err(CliError::Input(format!("{} is there already; --force writes over it", path.display())));
    }
    let bundle = session.client.support(asked.machine.as_deref()).await?;
    if output {
        return session.ui.raw(&bundle);
    }
    let mut part = Part::begin(&path)?;
    part.file
        .write_all(&bundle)
        .and_then(|()| part.file.sync_all())
        .map_err(|error| unwritable(&path, error))?;
    part.finish(&path, asked.force)?;
    session.ui.done(&format!(
        "{} says how the service is; it holds no secret, but names, addresses, serial numbers and lines of the log: look through it before you give it away",
        path.display()
    ))
}

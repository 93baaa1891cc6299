//! `billet erasure …`.

use super::{Session, context};
use crate::{
    cli::{
        args::{ErasureCommand, ListErasures, VerifyErasure},
        error::CliError,
        ui::Ui,
        view,
    },
    erasures::{LARGEST, verify as verified},
};
use provisioner_client::ErasureFilter;
use std::{fs::File, io::Read, path::Path};

/// Does it.
pub(super) async fn run(session: &mut Session<'_>, command: ErasureCommand) -> Result<(), CliError> {
    match command {
        ErasureCommand::List(asked) => list(session, asked).await,
        ErasureCommand::Show { id } => {
            let erasure = session.client.erasure(&id).await?;
            session.ui.object(&erasure, || view::erasure(&erasure, &context()))
        }
        ErasureCommand::Certificate { id } => {
            let certificate = session.client.erasure_certificate(&id).await?;
            // One form, whatever is asked for: `verify` reads it.
            let text = serde_json::to_string_pretty(&certificate).map_err(std::io::Error::other);
            session.ui.raw(format!("{}\n", text.map_err(CliError::Print)?).as_bytes())
        }
        ErasureCommand::Key { all } => {
            let mut keys = session.client.erasure_keys().await?;
            keys.retain(|key| all || key.current);
            let pem = |_| keys.iter().map(|key| key.pem.as_str()).collect();
            session.ui.list(&keys, pem)
        }
        ErasureCommand::Verify(asked) => verify(&asked, session.ui),
    }
}

async fn list(session: &mut Session<'_>, asked: ListErasures) -> Result<(), CliError> {
    let ListErasures { machine, serial, since, until } = asked;
    let erasures = session.client.erasures(&ErasureFilter { machine, serial, since, until }).await?;
    session.ui.list(&erasures, |wide| view::erasures(&erasures, wide, &context()))
}

/// Verifies a certificate. Needs no service.
pub(super) fn verify(asked: &VerifyErasure, ui: &mut Ui) -> Result<(), CliError> {
    let file = read(&asked.file)?;
    let keys = read(&asked.key)?;
    let certificate = verified(&file, &String::from_utf8_lossy(&keys))?;
    if ui.is_for_people() {
        return ui.line(&view::certified(&certificate, &context()));
    }
    ui.data(&certificate)
}

/// A file that somebody sent: no more of it than a certificate can have.
fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST).read_to_end(&mut bytes))
        .map_err(|source| CliError::File { what: "read", path: path.to_owned(), source })?;
    Ok(bytes)
}

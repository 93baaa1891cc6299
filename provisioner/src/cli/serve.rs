//! `billet serve` and `billet config check`: the two commands that read the configuration.

use super::{error::CliError, ui::Ui};
use crate::{
    config::{Config, Log},
    logging,
};
use std::{io::IsTerminal, path::Path};
use tracing_subscriber::util::SubscriberInitExt;

/// Reads the configuration and runs the service until it is told to stop.
pub(super) fn serve(file: &Path) -> Result<(), CliError> {
    let config = Config::load(file, variables())?;
    log(&config.log);
    if let Err(error) = pxe::raise_file_limit() {
        tracing::warn!(
            error = crate::text::logged(&error),
            "the limit of open files stays as it is: a storm of booting machines may reach it"
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| CliError::File { what: "start", path: "the runtime".into(), source })?;
    runtime.block_on(crate::app::serve(config)).map_err(CliError::Service)
}

/// Checks a configuration and says what it comes to.
pub(super) fn check(file: &Path, ui: &mut Ui) -> Result<(), CliError> {
    let config = Config::load(file, variables())?;
    let networks: Vec<_> = config.networks.iter().map(|network| network.name.as_str()).collect();
    let networks = if networks.is_empty() {
        "no network: no machine can boot from here".to_owned()
    } else {
        format!("networks: {}", networks.join(", "))
    };
    ui.done(&format!("{} is right; API on {}, {networks}", file.display(), config.api.listen))
}

/// The variables of this process that are text.
pub(super) fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Starts the log, on standard error.
fn log(log: &Log) {
    let colours = std::io::stderr().is_terminal();
    let subscriber = logging::subscriber(log, colours, std::io::stderr);
    // Whoever called us may have a log already; that one is kept then.
    let _ = subscriber.try_init();
    logging::log_panics();
}

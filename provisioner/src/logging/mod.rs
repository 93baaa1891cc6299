//! The log of a process: what a line looks like, where it goes, and which lines are remembered.
//!
//! Each line goes to the writer and, as it is, into a ring in memory (`recent`), from which a support bundle takes it. A
//! thread that panics leaves a line, too (`panics`). Deliberately not here: what is logged; nothing that is may hold a secret.

mod json;
mod panics;
mod recent;

pub use panics::log_panics;
pub(crate) use recent::recent;

use crate::config::Log;
use json::JsonLines;
use recent::Tee;
use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// What takes events and writes them as lines. Colours are for terminals; JSON has none.
pub fn subscriber<W>(log: &Log, colours: bool, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // The filter has been checked with the configuration.
    let filter = EnvFilter::builder().parse_lossy(&log.filter);
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Tee(writer));
    match log.json {
        true => Box::new(lines.with_ansi(false).event_format(JsonLines).finish()),
        false => Box::new(lines.with_ansi(colours).finish()),
    }
}

#[cfg(test)]
mod tests;

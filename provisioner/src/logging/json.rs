//! A line of the log as JSON: `timestamp`, `level`, `target`, `message`, and `fields` with all else that the event says.
//!
//! The field `error` is a list: the error, then its causes, each as its sentence. An event that has only a text there has a
//! list of one. Spans are deliberately not here: nothing of ours opens one.

use crate::clock;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use std::{error::Error, fmt};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

/// The name of the field that is a list.
const ERROR: &str = "error";

/// Most causes of an error.
const CAUSES: usize = 32;

/// One event, one line.
pub(super) struct JsonLines;

#[derive(Serialize)]
struct Line<'a> {
    timestamp: Timestamp,
    level: &'a str,
    target: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    fields: Map<String, Value>,
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut seen = Seen::default();
        event.record(&mut seen);
        let metadata = event.metadata();
        let line = Line {
            timestamp: clock::now(),
            level: metadata.level().as_str(),
            target: seen.target.as_deref().unwrap_or_else(|| metadata.target()),
            message: &seen.message,
            fields: seen.fields,
        };
        let line = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        writeln!(writer, "{line}")
    }
}

/// What an event says.
#[derive(Default)]
struct Seen {
    message: String,
    /// Of an event of the crate `log`, whose own metadata name only the bridge.
    target: Option<String>,
    fields: Map<String, Value>,
}

impl Seen {
    fn text(&mut self, field: &Field, text: String) {
        match field.name() {
            "message" => self.message = text,
            "log.target" => self.target = Some(text),
            // Where it stands in somebody's source.
            name if name.starts_with("log.") => {}
            ERROR => self.put(field, vec![text].into()),
            _ => self.put(field, text.into()),
        }
    }

    fn put(&mut self, field: &Field, value: Value) {
        // Of `r#type` the name.
        let name = field.name();
        self.fields.insert(name.strip_prefix("r#").unwrap_or(name).to_owned(), value);
    }
}

impl Visit for Seen {
    fn record_error(&mut self, field: &Field, error: &(dyn Error + 'static)) {
        let mut causes = Vec::new();
        let mut next = Some(error);
        while let Some(error) = next.filter(|_| causes.len() < CAUSES) {
            causes.push(error.to_string());
            next = error.source();
        }
        self.put(field, causes.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format!("{value:?}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        // The number of a line in somebody's source.
        if field.name() != "log.line" {
            self.put(field, value.into());
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
}

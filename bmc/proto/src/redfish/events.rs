//! What a BMC reports by itself: the event service, server-sent events, subscriptions.

use super::bounded;
use super::common::{timestamp, word_of};
use super::lenient::{lenient, lenient_list};
use super::models::Link;
use super::path::ResourcePath;
use super::quirks::{Effect, Quirks};
use super::text::printable;
use serde::Deserialize;
use serde_json::{Value, json};

/// The longest line of a stream, in bytes.
const LINE_MAX: usize = 256 * 1024;
/// The most data of one event of a stream, in bytes.
const DATA_MAX: usize = 1024 * 1024;
/// The most records of one event.
const RECORDS_MAX: usize = 256;
/// The longest message, in characters.
const MESSAGE_MAX: usize = 1024;

/// `EventService`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EventService {
    /// Whether it is switched on.
    #[serde(default, deserialize_with = "lenient")]
    pub service_enabled: Option<bool>,
    /// The subscriptions.
    #[serde(default, deserialize_with = "lenient")]
    pub subscriptions: Option<Link>,
    /// Where server-sent events come from.
    #[serde(rename = "ServerSentEventUri", default, deserialize_with = "lenient")]
    pub sse: Option<String>,
    /// The types of event that can be subscribed to, as before 2018.
    #[serde(default, deserialize_with = "lenient_list")]
    pub event_types_for_subscription: Vec<String>,
    /// What events can be formatted as.
    #[serde(default, deserialize_with = "lenient_list")]
    pub event_format_types: Vec<String>,
    /// The registries whose messages can be subscribed to, as since 2018.
    #[serde(default, deserialize_with = "lenient_list")]
    pub registry_prefixes: Vec<String>,
}

impl EventService {
    /// Where to listen.
    pub fn stream(&self, quirks: &Quirks) -> Option<ResourcePath> {
        let path = ResourcePath::from_link(self.sse.as_deref()?)?;
        if !quirks.has(Effect::ReportsWantFilter) || path.query().is_some() {
            return Some(path);
        }
        ResourcePath::from_link(&format!("{}?$filter=EventFormatType%20eq%20Event", path.path()))
    }

    /// What may be posted to have reports sent there, the best first. The next is for when the one before is refused as
    /// malformed: services before 2018 want `EventTypes`, later ones may refuse it.
    pub fn subscriptions_to(&self, destination: &str, context: &str) -> Vec<Value> {
        let plain = json!({ "Destination": destination, "Context": context, "Protocol": "Redfish" });
        let with = |name: &str, value: Value| {
            let mut body = plain.clone();
            body[name] = value;
            body
        };
        // Reports of metrics are no events, and types that can't be sent here are refused by some.
        let types: Vec<&str> = self
            .event_types_for_subscription
            .iter()
            .map(String::as_str)
            .filter(|kind| !matches!(*kind, "MetricReport" | "Other"))
            .collect();
        let by_types = (!types.is_empty()).then(|| with("EventTypes", json!(types)));
        let by_format = self
            .event_format_types
            .iter()
            .any(|kind| kind == "Event")
            .then(|| with("EventFormatType", "Event".into()));
        let modern = by_format.into_iter().chain([plain.clone()]);
        if self.registry_prefixes.is_empty() {
            return by_types.into_iter().chain(modern).collect();
        }
        modern.chain(by_types).collect()
    }
}

/// `EventDestination`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EventDestination {
    /// Its id.
    #[serde(default, deserialize_with = "lenient")]
    pub id: Option<String>,
    /// Where it posts to.
    #[serde(default, deserialize_with = "lenient")]
    pub destination: Option<String>,
    /// What it marks events with.
    #[serde(default, deserialize_with = "lenient")]
    pub context: Option<String>,
    /// `RedfishEvent`, `SSE`, …
    #[serde(default, deserialize_with = "lenient")]
    pub subscription_type: Option<String>,
}

impl EventDestination {
    /// Whether it posts there, so marked.
    pub fn is(&self, destination: &str, context: &str) -> bool {
        let plain = |url: &str| url.trim_end_matches('/').to_owned();
        self.destination.as_deref().map(plain) == Some(plain(destination))
            && self.context.as_deref().unwrap_or_default() == context
    }
}

/// A record of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventRecord {
    /// When, seconds since 1970 UTC.
    pub at: Option<i64>,
    /// Which message.
    pub message_id: Option<String>,
    /// In words.
    pub message: String,
    /// `OK`, `Warning`, `Critical`.
    pub severity: Option<String>,
    /// The resource that it is about.
    pub origin: Option<String>,
}

/// The records of an `Event`, as it is posted or streamed. None for what isn't one, such as a report of metrics.
pub fn event_records(event: &[u8]) -> Vec<EventRecord> {
    let Ok(event) = bounded::value(event) else { return Vec::new() };
    let records = event.get("Events").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    records.iter().take(RECORDS_MAX).filter_map(event_record).collect()
}

fn event_record(record: &Value) -> Option<EventRecord> {
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    let origin = record.get("OriginOfCondition");
    let origin = origin.and_then(|origin| origin.as_str().or_else(|| origin.get("@odata.id")?.as_str()));
    let message_id = word_of(text("MessageId"));
    let message = text("Message").map(|text| printable(text, MESSAGE_MAX)).unwrap_or_default();
    if message_id.is_none() && message.is_empty() {
        return None;
    }
    Some(EventRecord {
        at: text("EventTimestamp").and_then(timestamp),
        message_id,
        message,
        severity: word_of(text("MessageSeverity").or_else(|| text("Severity"))),
        origin: word_of(origin),
    })
}

/// Takes a stream of server-sent events apart (WHATWG HTML, section "Server-sent events"; DSP0266 section 12.5). Bounded:
/// an event that is too large is left out.
#[derive(Debug, Default)]
pub struct SseParser {
    line: Vec<u8>,
    /// The line is longer than any may be: the rest of its event is dropped.
    spoilt: bool,
    data: Vec<u8>,
    has_data: bool,
    /// The last byte was a CR: an LF now belongs to it.
    after_cr: bool,
    begun: bool,
    dropped: u64,
}

impl SseParser {
    /// Takes in what came, and gives out the data of the events that are complete now.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut events = Vec::new();
        for &byte in bytes {
            let belongs = std::mem::replace(&mut self.after_cr, byte == b'\r') && byte == b'\n';
            if belongs {
                continue;
            }
            if matches!(byte, b'\r' | b'\n') {
                events.extend(self.end_of_line());
            } else if self.line.len() < LINE_MAX {
                self.line.push(byte);
            } else {
                self.spoilt = true;
            }
        }
        events
    }

    /// How many events were too large.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn end_of_line(&mut self) -> Option<Vec<u8>> {
        let line = std::mem::take(&mut self.line);
        // A stream may begin with a byte order mark.
        let begun = std::mem::replace(&mut self.begun, true);
        let line = if begun { &line[..] } else { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&line) };
        if line.is_empty() {
            return self.dispatch();
        }
        // Comments begin with a colon; `event`, `id` and `retry` are of no use to us.
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => {
                (&line[..colon], line[colon + 1..].strip_prefix(b" ").unwrap_or(&line[colon + 1..]))
            }
            None => (line, &line[line.len()..]),
        };
        if field == b"data" {
            self.add(value);
        }
        None
    }

    fn add(&mut self, value: &[u8]) {
        if self.data.len() + value.len() > DATA_MAX {
            self.spoilt = true;
        }
        if self.spoilt {
            self.data = Vec::new();
            self.has_data = true;
            return;
        }
        if self.has_data {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(value);
        self.has_data = true;
    }

    fn dispatch(&mut self) -> Option<Vec<u8>> {
        let data = std::mem::take(&mut self.data);
        let had = std::mem::take(&mut self.has_data);
        if std::mem::take(&mut self.spoilt) {
            self.dropped += 1;
            return None;
        }
        had.then_some(data)
    }
}

#[cfg(test)]
mod tests;

//! Logs: which of them is the hardware's, what an entry says, in which order they come and where the newest are.
//!
//! Not here: reading them over the network.

use super::action::{Action, action};
use super::common::{timestamp, word_of};
use super::lenient::lenient;
use super::models::Link;
use super::path::ResourcePath;
use super::text::printable;
use serde::Deserialize;
use serde_json::Value;

/// The longest message of an entry, in characters.
const MESSAGE_MAX: usize = 1024;

/// `LogService`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct LogService {
    /// Its id, such as `SEL`.
    #[serde(default, deserialize_with = "lenient")]
    pub id: Option<String>,
    /// Its name.
    #[serde(default, deserialize_with = "lenient")]
    pub name: Option<String>,
    /// `SEL`, `Event`, `OEM`, `Multiple`.
    #[serde(default, deserialize_with = "lenient")]
    pub log_entry_type: Option<String>,
    /// How many entries it holds.
    #[serde(default, deserialize_with = "lenient")]
    pub max_number_of_records: Option<u64>,
    /// `WrapsWhenFull`, `NeverOverWrites`, `Unknown`.
    #[serde(rename = "OverWritePolicy", default, deserialize_with = "lenient")]
    pub overwrite_policy: Option<String>,
    /// Its clock.
    #[serde(default, deserialize_with = "lenient")]
    pub date_time: Option<String>,
    /// Its entries.
    #[serde(default, deserialize_with = "lenient")]
    pub entries: Option<Link>,
}

/// The action that empties a log.
pub fn clear_action(log_service: &Value) -> Option<Action> {
    // `Reset` was its name in 2015; some firmwares never learnt the other.
    ["#LogService.ClearLog", "#LogService.Reset"].iter().find_map(|name| action(log_service, name))
}

/// How far up a log is for the hardware's event log; `None` for one that is none. Lower is better.
fn rank(id: &str, entry_type: Option<&str>) -> Option<u8> {
    const KNOWN: [&str; 5] = ["sel", "iml", "platformlog", "standardlog", "eventlog"];
    let id = id.to_ascii_lowercase();
    if let Some(rank) = KNOWN.iter().position(|known| *known == id) {
        return u8::try_from(rank).ok().map(|rank| if rank == 0 { 0 } else { rank + 1 });
    }
    (entry_type == Some("SEL")).then_some(1)
}

/// Which of the logs is the hardware's event log, as IPMI's SEL: by its id, else by the type of its entries, else the
/// first. Its index.
pub fn pick_event_log<'a>(logs: impl Iterator<Item = &'a LogService>) -> Option<usize> {
    let ranked = logs.enumerate().map(|(index, log)| {
        let rank = rank(log.id.as_deref().unwrap_or_default(), log.log_entry_type.as_deref());
        (rank.unwrap_or(u8::MAX), index)
    });
    ranked.min().map(|(_, index)| index)
}

/// `LogEntry`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<Value>,
    #[serde(default, deserialize_with = "lenient")]
    created: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    event_timestamp: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    entry_type: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    entry_code: Option<Value>,
    #[serde(default, deserialize_with = "lenient")]
    sensor_type: Option<Value>,
    #[serde(default, deserialize_with = "lenient")]
    sensor_number: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    message: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    message_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    severity: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
}

/// What an entry of a log says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogRecord {
    /// Its id.
    pub id: String,
    /// When, seconds since 1970 UTC.
    pub at: Option<i64>,
    /// The sensor, as far as it is told: its number.
    pub sensor: String,
    /// The type of the sensor, else the id of the message, else the type of the entry.
    pub kind: String,
    /// What happened.
    pub message: String,
    /// False: it is no longer so.
    pub asserted: bool,
    /// `OK`, `Warning`, `Critical`.
    pub severity: Option<String>,
}

/// A word that is a string, or the first of a list of one: `SensorType` was a list at some.
fn word(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => word_of(Some(text)),
        Value::Array(list) => word_of(list.first()?.as_str()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Reads an entry; `None` when it has no id, as a bare link has none.
pub fn log_record(resource: &Value) -> Option<LogRecord> {
    let entry: Entry = serde_json::from_value(resource.clone()).ok()?;
    let id = word(entry.id.as_ref())?;
    let code = word(entry.entry_code.as_ref()).unwrap_or_default();
    let lowered = code.to_ascii_lowercase();
    let at =
        [&entry.created, &entry.event_timestamp].into_iter().find_map(|time| timestamp(time.as_deref()?));
    let type_of_sensor = word(entry.sensor_type.as_ref());
    let by_id = || word_of(entry.message_id.as_deref());
    let message = [&entry.message, &entry.name].into_iter().find_map(|text| {
        text.as_deref().map(|text| printable(text, MESSAGE_MAX)).filter(|text| !text.is_empty())
    });
    let message = match message {
        // SEL entries of some say in the message which sensor, and in the code what.
        Some(message) if is_telling(&lowered) => format!("{message} ({code})"),
        Some(message) => message,
        None => code,
    };
    Some(LogRecord {
        id,
        at,
        sensor: entry.sensor_number.map(|number| format!("#0x{number:02x}")).unwrap_or_default(),
        kind: type_of_sensor
            .or_else(by_id)
            .or_else(|| word_of(entry.entry_type.as_deref()))
            .unwrap_or_default(),
        message,
        asserted: !(lowered.starts_with("deassert") || lowered.starts_with("de-assert")),
        severity: word_of(entry.severity.as_deref()),
    })
}

/// Whether an entry's code says more than that it is so or no longer so.
fn is_telling(code: &str) -> bool {
    !matches!(code, "" | "assert" | "deassert" | "de-assert" | "log entry") && !code.starts_with("0x")
}

/// Whether these, in the BMC's order, have the newest first; `None`: they don't tell.
pub fn is_newest_first(records: &[LogRecord]) -> Option<bool> {
    let (first, last) = (records.first()?, records.last()?);
    if let (Some(first), Some(last)) = (first.at, last.at)
        && first != last
    {
        return Some(first > last);
    }
    let number = |record: &LogRecord| record.id.parse::<u64>().ok();
    let (first, last) = (number(first)?, number(last)?);
    (first != last).then_some(first > last)
}

/// The page that begins `newest` entries before the end, made from a link to a next page that has a `$skip`. `None` where
/// it has none: then pages are followed one by one.
pub fn last_pages(next: &ResourcePath, total: u64, newest: u64) -> Option<ResourcePath> {
    let query = next.query()?;
    let skip = total.checked_sub(newest)?;
    let is_skip = |part: &str| {
        let name = part.split_once('=').map_or(part, |(name, _)| name);
        name == "$skip" || name.eq_ignore_ascii_case("%24skip")
    };
    let told: u64 = query.split('&').find(|part| is_skip(part))?.split_once('=')?.1.parse().ok()?;
    // Nothing would be left out.
    if skip <= told {
        return None;
    }
    let parts: Vec<String> = query
        .split('&')
        .map(|part| match part.split_once('=') {
            Some((name, _)) if is_skip(part) => format!("{name}={skip}"),
            _ => part.to_owned(),
        })
        .collect();
    ResourcePath::from_link(&format!("{}?{}", next.path(), parts.join("&")))
}

/// Whether a log was emptied: nothing is left of what it had. BMCs number anew and note at once that the log was emptied.
pub fn is_emptied(before: &[LogRecord], after: &[LogRecord]) -> bool {
    let same = |a: &LogRecord, b: &LogRecord| a.id == b.id && a.at == b.at && a.message == b.message;
    !after.iter().any(|now| before.iter().any(|then| same(then, now)))
}

#[cfg(test)]
mod tests;

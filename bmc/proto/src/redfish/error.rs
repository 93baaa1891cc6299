//! What a BMC says when it refuses (DSP0266 section 9.6), as one sentence.

use super::lenient::{lenient, lenient_list, parse};
use super::text::printable;
use serde::Deserialize;

/// The longest sentence that is passed on, in characters.
const MAX: usize = 400;

/// What an error body says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorReport {
    /// Its words, fit for a log line; empty when it says nothing.
    pub sentence: String,
    ids: Vec<String>,
}

impl ErrorReport {
    /// Whether a message has this id, whatever its registry and version: `Base.1.5.Name` is `Name`.
    pub fn has(&self, name: &str) -> bool {
        self.ids.iter().any(|id| id.rsplit('.').next() == Some(name))
    }
}

#[derive(Default, Deserialize)]
struct Body {
    #[serde(default, deserialize_with = "lenient")]
    error: Option<Fault>,
    #[serde(rename = "@Message.ExtendedInfo", default, deserialize_with = "lenient_list")]
    extended: Vec<Message>,
}

#[derive(Default, Deserialize)]
struct Fault {
    #[serde(default, deserialize_with = "lenient")]
    code: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    message: Option<String>,
    #[serde(rename = "@Message.ExtendedInfo", default, deserialize_with = "lenient_list")]
    extended: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    #[serde(default, deserialize_with = "lenient")]
    message_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    message: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    resolution: Option<String>,
}

/// Reads an error body. A body that is none gives an empty report.
pub fn error_report(body: &[u8]) -> ErrorReport {
    let body: Body = parse(body).unwrap_or_default();
    let fault = body.error.unwrap_or_default();
    let messages = || fault.extended.iter().chain(&body.extended);
    let ids = messages().filter_map(|message| message.message_id.clone()).chain(fault.code.clone()).collect();
    let mut words: Vec<&str> = Vec::new();
    for text in messages().filter_map(|message| message.message.as_deref()) {
        push_new(&mut words, text);
    }
    if words.is_empty() {
        words.extend(fault.message.as_deref());
    }
    for text in messages().filter_map(|message| message.resolution.as_deref()) {
        // The standard registry's word for "no resolution".
        if !matches!(text.trim(), "None" | "None.") {
            push_new(&mut words, text);
        }
    }
    let ids: Vec<String> = ids;
    if words.is_empty() {
        words.extend(ids.first().map(String::as_str));
    }
    ErrorReport { sentence: printable(&words.join(" "), MAX), ids }
}

fn push_new<'text>(words: &mut Vec<&'text str>, text: &'text str) {
    if !text.trim().is_empty() && !words.contains(&text) {
        words.push(text);
    }
}

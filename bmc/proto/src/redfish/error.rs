//! What a BMC says when it refuses (DSP0266 section 9.6), as one sentence.

use super::lenient::{lenient, lenient_list, parse};
use super::text::printable;
use serde::Deserialize;

/// The longest sentence that is passed on, in characters.
const MAX: usize = 400;

/// The most messages that are looked at. Each is compared with those before it.
const MESSAGES_MAX: usize = 64;

/// What an error body says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorReport {
    /// Its words, fit for a log line; empty when it says nothing.
    pub sentence: String,
    ids: Vec<String>,
    /// Arguments of messages, where there is no sentence that holds them.
    arguments: Vec<String>,
    /// The last part of a message's id, and whether it is called critical.
    severe: Vec<(String, bool)>,
}

impl ErrorReport {
    /// Whether a message has this id, whatever its registry and version: `Base.1.5.Name` is `Name`.
    pub fn has(&self, name: &str) -> bool {
        self.ids.iter().any(|id| last_part(id) == name)
    }

    /// Whether its sentence, or an argument of a message, holds these words, in any case. Nothing is held by all.
    pub fn mentions(&self, words: &str) -> bool {
        let holds = |text: &String| text.to_ascii_lowercase().contains(&words.to_ascii_lowercase());
        words.is_empty() || holds(&self.sentence) || self.arguments.iter().any(holds)
    }

    /// Whether it tells of a failure, as the body of an answer with a status of success: a message is one of
    /// `failures`, or it is called critical and none of `successes`. A code without messages says nothing.
    pub(super) fn tells_of_failure(&self, failures: &[&str], successes: &[&str]) -> bool {
        self.severe.iter().any(|(name, critical)| {
            let name = name.as_str();
            failures.contains(&name) || (*critical && !successes.contains(&name))
        })
    }
}

fn last_part(id: &str) -> &str {
    id.rsplit('.').next().unwrap_or(id)
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
    // Old iLOs write MessageID.
    #[serde(alias = "MessageID", default, deserialize_with = "lenient")]
    message_id: Option<String>,
    #[serde(default, deserialize_with = "lenient_list")]
    message_args: Vec<String>,
    #[serde(default, deserialize_with = "lenient")]
    severity: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    message_severity: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    message: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    resolution: Option<String>,
}

/// Reads an error body. A body that is none gives an empty report.
pub fn error_report(body: &[u8]) -> ErrorReport {
    let body: Body = parse(body).unwrap_or_default();
    let fault = body.error.unwrap_or_default();
    let messages = || fault.extended.iter().chain(&body.extended).take(MESSAGES_MAX);
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
        // iLO tells what is wrong in arguments of a message whose sentence is in its registry only.
        words.extend(messages().flat_map(|message| &message.message_args).map(String::as_str).take(4));
    }
    let severe = messages().filter_map(Message::severity).collect();
    let arguments = messages().flat_map(|message| message.message_args.clone()).take(16).collect();
    ErrorReport { sentence: printable(&words.join(" "), MAX), ids, arguments, severe }
}

impl Message {
    /// The last part of its id, and whether it is called critical.
    fn severity(&self) -> Option<(String, bool)> {
        let severity = self.message_severity.as_ref().or(self.severity.as_ref());
        let critical = severity.is_some_and(|severity| severity.eq_ignore_ascii_case("critical"));
        let name = last_part(self.message_id.as_deref().unwrap_or_default());
        (critical || !name.is_empty()).then(|| (name.to_owned(), critical))
    }
}

fn push_new<'text>(words: &mut Vec<&'text str>, text: &'text str) {
    if !text.trim().is_empty() && !words.contains(&text) {
        words.push(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_endless_messages_only_the_first_are_compared() {
        let one = |n: usize| format!(r#"{{"Message":"{n:x}","MessageId":"a.{n:x}"}}"#);
        let many: Vec<String> = (0..8000).map(one).collect();
        let body = format!(
            r#"{{"error":{{"@Message.ExtendedInfo":[{0}]}},"@Message.ExtendedInfo":[{0}]}}"#,
            many.join(",")
        );
        let report = error_report(body.as_bytes());
        assert_eq!((report.ids.len(), report.severe.len()), (MESSAGES_MAX, MESSAGES_MAX));
        assert!(report.has("0") && report.sentence.starts_with("0 1 2 ") && report.sentence.len() < 2 * MAX);
    }
}

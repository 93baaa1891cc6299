//! Boot conversations.

use super::layout::{Page, table};
use crate::cli::{
    text::{Context, clean},
    ui::HasName,
};
use jiff::Timestamp;
use provisioner_api::{BootTrace, Diagnosis};

impl HasName for BootTrace {
    fn name(&self) -> String {
        self.machine_name.clone().unwrap_or_else(|| self.macs.join(","))
    }
}

/// A page: whose it is, the conversation, and what it means.
pub(in crate::cli) fn boot_trace(trace: &BootTrace, context: &Context) -> String {
    let mut page = Page::default();
    page.line("Machine", trace.machine_name.as_deref().unwrap_or("none with this address"));
    page.line("MACs", trace.macs.join(", "));
    if let Some(last) = trace.entries.last() {
        page.line("Last heard", context.time_and_age(last.at));
    }
    let first = trace.entries.first().map(|entry| entry.at);
    let entries = trace_entries(trace, true, first, context);
    page.block("Conversation", if trace.entries.is_empty() { "nothing was heard" } else { &entries });
    page.end() + "\n" + &diagnoses(trace)
}

/// The conversation as a table; without titles when it goes on below another one. Times are absolute, and relative
/// to `first`. Of which MAC address each is stands there if there are several.
pub(in crate::cli) fn trace_entries(
    trace: &BootTrace,
    titles: bool,
    first: Option<Timestamp>,
    context: &Context,
) -> String {
    let several = trace.macs.len() > 1;
    let rows = trace.entries.iter().map(|entry| {
        let since = first.map(|first| since(first, entry.at)).unwrap_or_default();
        let asked = format!("{}: {}", entry.kind, entry.asked);
        [context.time(entry.at), since, entry.mac.clone(), asked, entry.answered.clone()]
    });
    match (titles, several) {
        (true, true) => table(["TIME", "AFTER", "MAC", "ASKED", "ANSWERED"], rows),
        (true, false) => {
            let rows = rows.map(|[time, since, _, asked, answered]| [time, since, asked, answered]);
            table(["TIME", "AFTER", "ASKED", "ANSWERED"], rows)
        }
        (false, _) => rows
            .map(|[time, since, mac, asked, answered]| {
                let mac = if several { mac + "  " } else { String::new() };
                clean(&format!("{time}  {since:>9}  {mac}{asked}  {answered}")) + "\n"
            })
            .collect(),
    }
}

/// What a conversation means, in paragraphs.
pub(in crate::cli) fn diagnoses(trace: &BootTrace) -> String {
    if trace.diagnoses.is_empty() {
        return "Diagnosis\n  nothing is wrong as far as can be seen from here\n".to_owned();
    }
    let mut page = Page::default();
    page.block("Diagnosis", &paragraphs(&trace.diagnoses));
    page.end().trim_start().to_owned()
}

/// Each diagnosis with its mend.
pub(super) fn paragraphs(diagnoses: &[Diagnosis]) -> String {
    let paragraph = |diagnosis: &Diagnosis| {
        let [sentence, kind, mend] =
            [&diagnosis.sentence, &diagnosis.kind, &diagnosis.mend].map(|text| clean(text));
        format!("{sentence} ({kind})\n  {mend}\n")
    };
    diagnoses.iter().map(paragraph).collect()
}

/// The time since the first entry: `+0.000s`, `+3m 12s` from a minute on.
fn since(first: Timestamp, at: Timestamp) -> String {
    let past = at.duration_since(first);
    if past.as_secs().abs() < 60 {
        let millis = past.as_millis().max(0);
        return format!("+{}.{:03}s", millis / 1000, millis % 1000);
    }
    format!("+{}", crate::cli::text::duration(past))
}

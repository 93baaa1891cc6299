//! The audit log.

use super::{layout::table, word};
use crate::cli::{text::Context, ui::HasName};
use provisioner_api::{AuditEntry, AuditRecord};

impl HasName for AuditEntry {
    fn name(&self) -> String {
        self.seq.to_string()
    }
}

/// What is legible of a log; `billet audit verify` says what is not.
pub(in crate::cli) fn audit_lines(records: &[AuditRecord]) -> Vec<AuditEntry> {
    records.iter().filter_map(|record| serde_json::from_str(&record.content).ok()).collect()
}

/// A token by its name, a user as one.
fn who(entry: &AuditEntry) -> String {
    let user = entry.user.as_ref().map(|user| format!("user {user}"));
    user.or_else(|| entry.token.clone()).unwrap_or_else(|| "nobody known".to_owned())
}

/// A table of entries.
pub(in crate::cli) fn audit(entries: &[AuditEntry], wide: bool, context: &Context) -> String {
    let narrow = |entry: &AuditEntry| {
        let name = entry.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let left_out = match entry.left_out {
            0 => String::new(),
            number => format!(", {number} before left out"),
        };
        [
            entry.seq.to_string(),
            context.time(entry.at),
            who(entry),
            format!("{} {}{name}", entry.method, entry.path),
            format!("{} {}{left_out}", word(entry.outcome), entry.status),
        ]
    };
    if !wide {
        return table(["NUMBER", "TIME", "WHO", "WHAT", "OUTCOME"], entries.iter().map(narrow));
    }
    let rows = entries.iter().map(|entry| {
        let [seq, time, who, what, outcome] = narrow(entry);
        let role = entry.role.map(|role| role.word().to_owned()).unwrap_or_default();
        [
            seq,
            time,
            who,
            role,
            entry.address.clone().unwrap_or_default(),
            what,
            entry.fields.join(","),
            outcome,
        ]
    });
    table(["NUMBER", "TIME", "WHO", "ROLE", "FROM", "WHAT", "FIELDS", "OUTCOME"], rows)
}

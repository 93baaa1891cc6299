//! Audits.

use crate::cli::{
    text::clean,
    ui::HasName,
    view::{layout::table, word},
};
use provisioner_api::BmcAudit;
use serde::Serialize;
use std::fmt::Write;

/// The audit of one machine's BMC among others.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct MachineAudit {
    /// The machine's name.
    pub(in crate::cli) machine: String,
    /// What came of it.
    #[serde(flatten)]
    pub(in crate::cli) audit: Option<BmcAudit>,
    /// Why nothing did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) error: Option<String>,
}

impl HasName for MachineAudit {
    fn name(&self) -> String {
        self.machine.clone()
    }
}

impl HasName for BmcAudit {
    /// What was found.
    fn name(&self) -> String {
        let ids: Vec<&str> = self.findings.iter().map(|finding| finding.id.as_str()).collect();
        ids.join(",")
    }
}

/// A page: what an audit found, and what it could not look at.
pub(in crate::cli) fn bmc_audit(audit: &BmcAudit) -> String {
    let mut text = String::new();
    for finding in &audit.findings {
        let severity = word(finding.severity);
        // Writing to a String can't fail.
        let _ = writeln!(text, "{severity:<8}{}", clean(&finding.id));
        let _ = writeln!(text, "        {}", clean(&finding.what));
        let _ = writeln!(text, "        mend: {}", clean(&finding.mend));
    }
    if audit.findings.is_empty() {
        let all = if audit.unchecked.is_empty() { "" } else { " in what could be looked at" };
        let _ = writeln!(text, "nothing weak was found{all}");
    }
    for what in &audit.unchecked {
        let _ = writeln!(text, "not looked at: {}", clean(what));
    }
    if !audit.tried.is_empty() {
        let _ = writeln!(text, "default passwords were tried for: {}", clean(&audit.tried.join(", ")));
    }
    text
}

/// A table: what audits of several BMCs found.
pub(in crate::cli) fn bmc_audits(audits: &[MachineAudit], wide: bool) -> String {
    let mut rows = Vec::new();
    for item in audits {
        let row = |severity: String, id: &str, what: &str, mend: &str| {
            [item.machine.clone(), severity, id.to_owned(), what.to_owned(), mend.to_owned()]
        };
        if let Some(error) = &item.error {
            rows.push(row("not audited".into(), "", error, ""));
        }
        let Some(audit) = &item.audit else { continue };
        if audit.findings.is_empty() {
            rows.push(row(String::new(), "", "nothing weak was found", ""));
        }
        for finding in &audit.findings {
            rows.push(row(word(finding.severity), &finding.id, &finding.what, &finding.mend));
        }
        for what in &audit.unchecked {
            rows.push(row("not looked at".into(), "", what, ""));
        }
    }
    if wide {
        return table(["MACHINE", "SEVERITY", "FINDING", "WHAT", "MEND"], rows);
    }
    table(["MACHINE", "SEVERITY", "FINDING", "WHAT"], rows.into_iter().map(|[a, b, c, d, _]| [a, b, c, d]))
}

//! Audits.

use crate::text::without_logins;
use bmc::{Audit, AuditOptions, Severity};
use provisioner_api::{BmcAudit, BmcAuditRequest, BmcFinding, BmcSeverity};

/// How an audit is asked for.
pub(crate) fn audit_options(request: &BmcAuditRequest) -> AuditOptions {
    let BmcAuditRequest { logins, ipmi_port, https_port, http_port } = *request;
    AuditOptions { logins, ipmi_port, https_port, http_port }
}

/// What came of an audit.
pub(crate) fn audit(audit: Audit) -> BmcAudit {
    let finding = |found: bmc::Finding| BmcFinding {
        id: found.rule.id().to_owned(),
        severity: match found.rule.severity() {
            Severity::Low => BmcSeverity::Low,
            Severity::Medium => BmcSeverity::Medium,
            Severity::High => BmcSeverity::High,
        },
        what: found.what,
        mend: found.rule.mend().to_owned(),
    };
    BmcAudit {
        findings: audit.findings.into_iter().map(finding).collect(),
        unchecked: audit.unchecked.iter().map(|what| without_logins(what)).collect(),
        tried: audit.tried,
    }
}

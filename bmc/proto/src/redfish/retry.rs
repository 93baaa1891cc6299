//! What a refusal means for the one who asks: busy, not now, so already, full, or no. Rules as data, by status and by
//! message id, because makers use the same statuses for different things.

use super::error::ErrorReport;

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It did nothing, and will in a moment: send the same again.
    Busy,
    /// It did nothing, and won't until the machine is in another state (POST done, power off): wait, with patience.
    NotNow,
    /// It did nothing, because it is so already. To be read back all the same.
    AlreadySo,
    /// All sessions are taken.
    Full,
    /// No such resource, or no such method there.
    Absent,
    /// User name, password or session are not right.
    Unauthenticated,
    /// The version of the resource is another one.
    Changed,
    /// The service wants to be told the version (RFC 6585 section 3).
    VersionWanted,
    /// No.
    Refused,
}

struct Rule {
    /// The last part of the message's id.
    message: &'static str,
    /// Words that one of its arguments or sentences must hold, in any case; empty: none.
    words: &'static str,
    verdict: Verdict,
}

const fn rule(message: &'static str, verdict: Verdict) -> Rule {
    Rule { message, words: "", verdict }
}

/// By message. The first that fits counts, so "full" goes before the general "unavailable" beside it.
#[rustfmt::skip]
const RULES: &[Rule] = &[
    // Base registry (DSP8011).
    rule("SessionLimitExceeded", Verdict::Full),
    rule("CreateLimitReachedForResource", Verdict::Full),
    rule("NoValidSession", Verdict::Unauthenticated),
    rule("PreconditionFailed", Verdict::Changed),
    rule("PreconditionRequired", Verdict::VersionWanted),
    rule("ServiceTemporarilyUnavailable", Verdict::Busy),
    rule("ServiceInUnknownState", Verdict::Busy),
    rule("ServiceShuttingDown", Verdict::Busy),
    rule("ResourceInStandby", Verdict::NotNow),
    // iDRAC: RAC0218 is "the maximum number of user sessions is reached".
    // https://github.com/stmcginnis/gofish/issues/75
    rule("RAC0218", Verdict::Full),
    // "Server is already powered ON": https://github.com/dell/dellemc-openmanage-ansible-modules/issues/132
    rule("PSU501", Verdict::AlreadySo),
    // "data sources are unavailable": https://github.com/ironcore-dev/metal-operator/issues/170 and sushy's connector.
    rule("SYS518", Verdict::Busy),
    // "iDRAC is not ready": https://github.com/quadsproject/badfish/issues/129
    rule("SWC0700", Verdict::Busy),
    // "unable to complete the operation because the provider is not ready": https://github.com/microsoft/lisa/pull/4421
    rule("RAC0508", Verdict::Busy),
    // iLO during POST: https://github.com/ironcore-dev/metal-operator/issues/997
    rule("UnableToModifyDuringSystemPOST", Verdict::NotNow),
    rule("UnableModifyDuringSystemPOST", Verdict::NotNow),
    // iLO: the reset button of a machine that is off, and the power button of one that is on.
    // https://github.com/goldyfruit/ansible-ilo/issues/1
    Rule { message: "InvalidOperationForSystemState", words: "power is o", verdict: Verdict::AlreadySo },
    // iLO in between, by sushy's connector.
    rule("InvalidOperationForSystemState", Verdict::NotNow),
    // HpeCommon registry: https://hewlettpackard.github.io/ilo-rest-api-docs/ilo4/
    rule("ResourceNotReadyRetry", Verdict::Busy),
];

/// By status, where no message tells.
#[rustfmt::skip]
const STATUSES: &[(u16, Verdict)] = &[
    (401, Verdict::Unauthenticated),
    (404, Verdict::Absent), (405, Verdict::Absent), (501, Verdict::Absent),
    (412, Verdict::Changed),
    (428, Verdict::VersionWanted),
    (429, Verdict::Busy), (503, Verdict::Busy),
];

/// Judges an answer whose status is none of success.
pub fn verdict(status: u16, report: &ErrorReport) -> Verdict {
    // Messages of other meaning come with these by firmware that has one text for all.
    if status == 401 {
        return Verdict::Unauthenticated;
    }
    let said = RULES.iter().find(|rule| report.has(rule.message) && report.mentions(rule.words));
    said.map(|rule| rule.verdict)
        .or_else(|| STATUSES.iter().find(|(code, _)| *code == status).map(|(_, verdict)| *verdict))
        .unwrap_or(Verdict::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redfish::error_report;
    use serde_json::json;

    fn judge(status: u16, message: &str, text: &str) -> Verdict {
        let body = json!({"error": {"code": "Base.1.8.GeneralError", "@Message.ExtendedInfo": [
            {"MessageId": message, "Message": text},
        ]}});
        verdict(status, &error_report(body.to_string().as_bytes()))
    }

    #[test]
    fn refusals_and_their_meaning() {
        let table = [
            (503, "Base.1.12.ServiceTemporarilyUnavailable", "Retry in 30 seconds.", Verdict::Busy),
            (503, "IDRAC.2.8.SYS518", "data sources are unavailable.", Verdict::Busy),
            (500, "IDRAC.2.7.SYS518", "", Verdict::Busy),
            (400, "IDRAC.1.6.SWC0700", "iDRAC is not ready.", Verdict::Busy),
            (409, "IDRAC.1.6.PSU501", "Server is already powered ON.", Verdict::AlreadySo),
            (503, "Base.1.5.SessionLimitExceeded", "", Verdict::Full),
            (503, "IDRAC.2.8.RAC0218", "The maximum number of user sessions is reached.", Verdict::Full),
            (400, "iLO.2.37.UnableToModifyDuringSystemPOST", "", Verdict::NotNow),
            (400, "iLO.2.14.InvalidOperationForSystemState", "Power is off", Verdict::AlreadySo),
            (400, "iLO.2.14.InvalidOperationForSystemState", "The system is in POST.", Verdict::NotNow),
            (404, "Base.1.8.ResourceMissingAtURI", "", Verdict::Absent),
            (501, "", "", Verdict::Absent),
            (412, "Base.1.8.PreconditionFailed", "", Verdict::Changed),
            (428, "", "", Verdict::VersionWanted),
            (429, "", "", Verdict::Busy),
            (401, "Base.1.8.ServiceTemporarilyUnavailable", "", Verdict::Unauthenticated),
            (400, "Base.1.8.PropertyValueNotInList", "", Verdict::Refused),
            (409, "", "", Verdict::Refused),
            (500, "Base.1.8.InternalError", "", Verdict::Refused),
        ];
        for (status, message, text, expected) in table {
            assert_eq!(judge(status, message, text), expected, "{status} {message} {text}");
        }
    }
}

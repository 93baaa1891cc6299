//! Everything that an audit can find.

use std::fmt;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// It helps somebody who is on the BMCs' network.
    Medium,
    /// Whoever reaches the BMC has it, or soon will.
    High,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        })
    }
}

/// What an audit looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A password of the maker's lets somebody in.
    DefaultPassword,
    /// IPMI without authentication.
    CipherZero,
    /// IPMI for nobody in particular, without a password.
    IpmiAnonymous,
    /// IPMI 1.5 sessions without a password.
    IpmiNoPassword,
    /// Redfish without a login.
    RedfishAnonymous,
    /// Telnet.
    Telnet,
    /// IPMI 1.5 sessions.
    IpmiOld,
    /// IPMI users without a name.
    IpmiNullUser,
    /// IPMI suites without integrity or encryption, or with broken ones.
    IpmiWeakSuites,
    /// IPMI where Redfish is there.
    IpmiBesideRedfish,
    /// Redfish in the clear.
    PlainHttp,
    /// TLS before 1.2.
    OldTls,
    /// A certificate whose time is over.
    CertificateExpired,
    /// A certificate with a small key or a broken signature.
    CertificateWeak,
    /// Passwords can be guessed for as long as one likes.
    NoLockOut,
    /// Short passwords are taken.
    ShortPasswords,
    /// SNMP 1 or 2c.
    OldSnmp,
    /// Firmware that is known to be bad.
    Advisory,
    /// No IPMI suite but 3.
    IpmiSuite3,
    /// IPMI hands out hashes of passwords.
    IpmiHash,
    /// A certificate that vouches for itself.
    CertificateSelfSigned,
    /// A certificate that is believed at first sight.
    CertificateNotPinned,
    /// More administrators than Billet.
    OtherAdministrators,
    /// User names that everybody knows.
    DefaultUserName,
}

impl Rule {
    /// All of them, the worst first.
    pub const ALL: [Self; 24] = [
        Self::DefaultPassword,
        Self::CipherZero,
        Self::IpmiAnonymous,
        Self::IpmiNoPassword,
        Self::RedfishAnonymous,
        Self::Telnet,
        Self::IpmiOld,
        Self::IpmiNullUser,
        Self::IpmiWeakSuites,
        Self::IpmiBesideRedfish,
        Self::PlainHttp,
        Self::OldTls,
        Self::CertificateExpired,
        Self::CertificateWeak,
        Self::NoLockOut,
        Self::ShortPasswords,
        Self::OldSnmp,
        Self::Advisory,
        Self::IpmiSuite3,
        Self::IpmiHash,
        Self::CertificateSelfSigned,
        Self::CertificateNotPinned,
        Self::OtherAdministrators,
        Self::DefaultUserName,
    ];

    /// Its name, for programs.
    pub fn id(self) -> &'static str {
        self.row().0
    }

    /// How bad it is.
    pub fn severity(self) -> Severity {
        self.row().1
    }

    /// What mends it.
    pub fn mend(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (&'static str, Severity, &'static str) {
        use Severity::{High, Low, Medium};
        match self {
            Self::DefaultPassword => {
                ("default-password", High, "give that user a random password of its own, or disable the user")
            }
            Self::CipherZero => {
                ("cipher-0", High, "disable cipher suite 0 (all its privileges to none), or IPMI over LAN")
            }
            Self::IpmiAnonymous => {
                ("ipmi-anonymous", High, "disable the anonymous user (slot 1), or IPMI over LAN")
            }
            Self::IpmiNoPassword => {
                ("ipmi-no-password", High, "disable authentication type `none`, or IPMI over LAN")
            }
            Self::RedfishAnonymous => (
                "redfish-anonymous",
                High,
                "switch authentication on; if it has none, keep the BMC out of reach",
            ),
            Self::Telnet => ("telnet", High, "switch Telnet off; take SSH"),
            Self::IpmiOld => ("ipmi-1.5", Medium, "disable IPMI 1.5 sessions, or IPMI over LAN"),
            Self::IpmiNullUser => ("ipmi-null-user", Medium, "disable users without a name"),
            Self::IpmiWeakSuites => ("ipmi-weak-suites", Medium, "disable all cipher suites but 17"),
            Self::IpmiBesideRedfish => (
                "ipmi-beside-redfish",
                Medium,
                "switch IPMI over LAN off, unless consoles (serial over LAN) or other programs need it",
            ),
            Self::PlainHttp => ("http-plain", Medium, "switch HTTP off, or have it redirect to HTTPS"),
            Self::OldTls => ("tls-old", Medium, "set the least TLS version to 1.2; update the firmware"),
            Self::CertificateExpired => ("certificate-expired", Medium, "give the BMC a new certificate"),
            Self::CertificateWeak => (
                "certificate-weak",
                Medium,
                "give the BMC a certificate with RSA 2048 or ECDSA, signed with SHA-256 or better",
            ),
            Self::NoLockOut => {
                ("no-lock-out", Medium, "have accounts locked for a while after a few wrong passwords")
            }
            Self::ShortPasswords => {
                ("short-passwords", Medium, "set the least length of passwords to 8 or more")
            }
            Self::OldSnmp => ("snmp-old", Medium, "switch SNMP off, or leave SNMPv3 only"),
            Self::Advisory => (
                "firmware-advisory",
                Medium,
                "read the advisory, compare the versions, and update the firmware",
            ),
            Self::IpmiSuite3 => ("ipmi-suite-3", Low, "update the firmware; switch suite 17 on"),
            Self::IpmiHash => (
                "ipmi-hash",
                Low,
                "give all its users random passwords of 16 bytes or more; keep strangers out of the BMCs' network",
            ),
            Self::CertificateSelfSigned => (
                "certificate-self-signed",
                Low,
                "pin it, as Billet does; for browsers, have it signed by a CA of yours",
            ),
            Self::CertificateNotPinned => {
                ("certificate-not-pinned", Low, "compare its SHA-256 and pin it, or name a CA")
            }
            Self::OtherAdministrators => (
                "other-administrators",
                Low,
                "disable those that nobody needs; give the others less privilege",
            ),
            Self::DefaultUserName => ("default-user-name", Low, "use names that have to be guessed, too"),
        }
    }
}

/// Something weak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked for.
    pub rule: Rule,
    /// What was seen.
    pub what: String,
}

impl Finding {
    pub(super) fn new(rule: Rule, what: impl Into<String>) -> Self {
        Self { rule, what: what.into() }
    }
}

/// Findings, the worst first; else in the order of the rules.
pub fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| Rule::ALL.iter().position(|rule| *rule == finding.rule));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn rules_are_told_apart_and_sorted() {
        let ids: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.id()).collect();
        assert_eq!(ids.len(), Rule::ALL.len());
        assert!(Rule::ALL.iter().rev().is_sorted_by_key(|rule| rule.severity()), "the worst come first");
        let found = [Rule::IpmiHash, Rule::OldTls, Rule::CipherZero].map(|rule| Finding::new(rule, "x"));
        let ids = sorted(found.to_vec()).into_iter().map(|finding| finding.rule.id());
        assert_eq!(ids.collect::<Vec<_>>(), ["cipher-0", "tls-old", "ipmi-hash"]);
    }
}

//! What a TLS certificate tells.

use super::{Finding, Rule};

/// The fewest bits of an RSA key (NIST SP 800-131A).
const RSA_BITS: usize = 2048;

/// A certificate, as far as it is judged here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Its SHA-256, hex.
    pub sha256: String,
    /// Until when it holds: seconds since 1970.
    pub not_after: i64,
    /// The same, for people.
    pub until: String,
    /// Whether it is its own issuer.
    pub self_signed: bool,
    /// Size of its key, where that is RSA.
    pub rsa_bits: Option<usize>,
    /// The hash in its signature, where that is broken: `SHA-1`, `MD5`.
    pub broken_hash: Option<&'static str>,
    /// Whether it is believed without being pinned or signed by an authority that was named.
    pub first_use: bool,
}

/// What is weak about it. `now`: seconds since 1970.
pub fn of_certificate(facts: &CertificateFacts, now: i64) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |rule, what: String| findings.push(Finding::new(rule, what));
    if facts.not_after < now {
        find(Rule::CertificateExpired, format!("its certificate expired at {}", facts.until));
    }
    if let Some(bits) = facts.rsa_bits.filter(|bits| *bits < RSA_BITS) {
        find(Rule::CertificateWeak, format!("the RSA key of its certificate has {bits} bits only"));
    }
    // Nobody checks what a certificate says of itself.
    if let Some(hash) = facts.broken_hash.filter(|_| !facts.self_signed) {
        find(Rule::CertificateWeak, format!("its certificate is signed with {hash}"));
    }
    if facts.self_signed {
        find(Rule::CertificateSelfSigned, "its certificate is signed by itself".into());
    }
    if facts.first_use {
        find(
            Rule::CertificateNotPinned,
            format!("its certificate is believed without being pinned; its SHA-256 is {}", facts.sha256),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates() {
        let good = CertificateFacts { not_after: 100, rsa_bits: Some(2048), ..CertificateFacts::default() };
        let own = CertificateFacts { self_signed: true, ..good.clone() };
        let table = [
            (good.clone(), vec![]),
            (CertificateFacts { not_after: 49, ..good.clone() }, vec!["certificate-expired"]),
            (CertificateFacts { rsa_bits: Some(1024), ..good.clone() }, vec!["certificate-weak"]),
            (CertificateFacts { rsa_bits: None, ..good.clone() }, vec![]),
            (CertificateFacts { broken_hash: Some("MD5"), ..good.clone() }, vec!["certificate-weak"]),
            (CertificateFacts { broken_hash: Some("SHA-1"), ..own }, vec!["certificate-self-signed"]),
            (CertificateFacts { first_use: true, ..good }, vec!["certificate-not-pinned"]),
        ];
        for (facts, expected) in table {
            let ids: Vec<&str> = of_certificate(&facts, 50).iter().map(|finding| finding.rule.id()).collect();
            assert_eq!(ids, expected, "{facts:?}");
        }
    }
}

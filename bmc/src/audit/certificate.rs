//! Reading a certificate.

use bmc_proto::audit::CertificateFacts;
use sha2::{Digest, Sha256};
use x509_parser::parse_x509_certificate;
use x509_parser::public_key::PublicKey;

/// Signatures with a hash that is broken: their object identifiers (RFC 8017 appendix C, RFC 5758).
const BROKEN: [(&str, &str); 4] = [
    ("1.2.840.113549.1.1.4", "MD5"),
    ("1.2.840.113549.1.1.5", "SHA-1"),
    ("1.2.840.10040.4.3", "SHA-1"),
    ("1.2.840.10045.4.1", "SHA-1"),
];

/// What a certificate in DER tells. `None`: it is none.
pub(super) fn read(der: &[u8]) -> Option<CertificateFacts> {
    let (_, certificate) = parse_x509_certificate(der).ok()?;
    let end = certificate.validity().not_after;
    let rsa_bits = match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => Some(key.key_size()),
        _ => None,
    };
    let algorithm = certificate.signature_algorithm.algorithm.to_id_string();
    Some(CertificateFacts {
        sha256: hex::encode(Sha256::digest(der)),
        not_after: end.timestamp(),
        until: end.to_datetime().date().to_string(),
        self_signed: certificate.subject().as_raw() == certificate.issuer().as_raw(),
        rsa_bits,
        broken_hash: BROKEN.iter().find(|(id, _)| *id == algorithm).map(|(_, hash)| *hash),
        first_use: false,
    })
}

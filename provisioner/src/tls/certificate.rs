//! The server's certificate: issuing, reading, and judging whether it still will do.

use super::{TlsError, authority::Authority};
use jiff::Timestamp;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// How long a certificate is valid.
const LIFE: Duration = Duration::from_secs(365 * 24 * 3600);

/// With how many seconds left it is made anew.
const RENEW_BEFORE: i64 = 30 * 24 * 3600;

/// Sets until when a certificate is valid, in time since 1970. All are valid since 1970: machines whose clock
/// battery is empty wake up in 1970 or 2000, and their agents must be able to call in.
pub(super) fn set_validity(params: &mut CertificateParams, end: Duration) {
    params.not_before = rcgen::date_time_ymd(1970, 1, 1);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + end;
}

/// The time since 1970.
pub(super) fn since_epoch(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// Makes a key and a certificate for these names: PEM of the key, the certificate, the CA's certificate.
pub(super) fn issue(
    authority: &Authority,
    names: &BTreeSet<String>,
    now: Timestamp,
) -> Result<String, TlsError> {
    let mut params = CertificateParams::default();
    for name in names {
        params.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => {
                let name = name.as_str();
                SanType::DnsName(name.try_into().map_err(|_| TlsError::BadName { name: name.to_owned() })?)
            }
        });
    }
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, "Billet");
    params.distinguished_name = subject;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, (since_epoch(now.as_second()) + LIFE).min(since_epoch(authority.until)));
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.signed_by(&key, authority.issuer())?;
    Ok(format!("{}{}{}", key.serialize_pem(), certificate.pem(), authority.pem()))
}

/// Reads what `issue` wrote.
pub(super) fn read(pem: &[u8]) -> Result<CertifiedKey, String> {
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| "it holds no private key".to_owned())?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("a certificate in it can't be read ({error})"))?;
    if chain.len() < 2 {
        return Err("its certificates are missing".to_owned());
    }
    CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())
        .map_err(|error| error.to_string())
}

/// Whether a certificate is signed by this CA, holds all names and is valid for another 30 days, or as long as
/// the CA itself.
pub(super) fn is_good(
    key: &CertifiedKey,
    authority: &Authority,
    names: &BTreeSet<String>,
    now: Timestamp,
) -> bool {
    let Some(leaf) = key.cert.first() else { return false };
    let Ok((_, certificate)) = X509Certificate::from_der(leaf) else { return false };
    let Ok((_, ca)) = X509Certificate::from_der(authority.certificate()) else { return false };
    let until = certificate.validity().not_after.timestamp();
    let lasts = until > now.as_second() + RENEW_BEFORE || until >= authority.until;
    lasts
        && certificate.verify_signature(Some(ca.public_key())).is_ok()
        && names.is_subset(&held(&certificate))
}

/// The names and addresses in a certificate.
fn held(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return BTreeSet::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| Ipv4Addr::from(bytes).to_string()),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| Ipv6Addr::from(bytes).to_string()),
            _ => None,
        },
        _ => None,
    };
    extension.value.general_names.iter().filter_map(name).collect()
}

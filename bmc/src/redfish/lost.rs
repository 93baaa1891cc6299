//! Why no answer came, told apart: nothing there, another protocol, a certificate that isn't believed, an answer that
//! was lost.

use super::tls::{Mismatch, Verifier};
use crate::BmcError;
use bmc_proto::redfish::printable;
use rustls::{AlertDescription, CertificateError, Error as Tls, PeerIncompatible};
use std::error::Error as _;

/// What is wrong with the way that was tried, as an operator's error.
///
/// `once`: the request must not be repeated, so that one whose answer was lost is told as such.
pub(super) fn lost(
    error: &reqwest::Error,
    address: &str,
    verifier: &Verifier,
    during: &'static str,
    once: bool,
) -> BmcError {
    tracing::debug!(%address, %during, error = %chain(error), "redfish request lost");
    let address = address.to_owned();
    if let Some(Mismatch { seen, pinned }) = verifier.take_mismatch() {
        return BmcError::WrongCertificate { address, seen: hex::encode(seen), pinned: hex::encode(pinned) };
    }
    if let Some(fault) = tls_fault(error) {
        return of_tls(&fault, address, during);
    }
    if once && !error.is_connect() {
        return BmcError::Unknown { address, during };
    }
    if is_http_fault(error) {
        return BmcError::Protocol { address, during, what: printable(&chain(error), 200) };
    }
    BmcError::Unreachable { address, during, reason: reason(error) }
}

fn of_tls(fault: &Tls, address: String, during: &'static str) -> BmcError {
    match fault {
        Tls::InvalidCertificate(certificate) => {
            BmcError::Untrusted { address, what: of_certificate(certificate) }
        }
        // Plain HTTP begins with "HTTP/", which is no TLS record.
        Tls::InvalidMessage(_) => BmcError::NotABmc {
            address,
            what: "what answers there speaks no TLS (plain http, perhaps); give the BMC's https port, usually 443"
                .into(),
        },
        Tls::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        )
        | Tls::AlertReceived(AlertDescription::ProtocolVersion) => BmcError::Unsupported {
            address,
            what: "it speaks neither TLS 1.2 nor 1.3, and older TLS is not safe; update its firmware, or use IPMI"
                .into(),
        },
        Tls::AlertReceived(AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity)
        | Tls::PeerIncompatible(_) => BmcError::Unsupported {
            address,
            what: format!(
                "its TLS has no cipher or key in common with ours ({fault}); update its firmware, or make it a new \
                 certificate with an RSA key of 2048 bits or an ECDSA key"
            ),
        },
        fault => {
            let what = format!("TLS failed: {}", printable(&fault.to_string(), 200));
            BmcError::Protocol { address, during, what }
        }
    }
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        // The latter: of another authority that calls itself the same.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "it is not signed by one of the authorities in tls_ca (its maker's, or its own?)".into()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired; renew it, or set this host's clock".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet; set the clock of this host, or of the BMC that made it".into()
        }
        CertificateError::NotValidForName => "it is for another name than the BMC is addressed by".into(),
        CertificateError::NotValidForNameContext { expected, presented } => format!(
            "it is for {}, and the BMC is addressed as {}",
            printable(&presented.iter().map(|name| bare(name)).collect::<Vec<_>>().join(", "), 200),
            printable(&expected.to_str(), 80)
        ),
        CertificateError::Revoked => "it has been revoked".into(),
        other => {
            let words = format!("{other}");
            // What `openssl req -x509` makes, and many a BMC for itself.
            if words.contains("CaUsedAsEndEntity") {
                return "it signed itself, as an authority does, which no authority in tls_ca can vouch for; give \
                        the BMC a server's certificate, or set tls_sha256 instead of tls_ca"
                    .into();
            }
            format!("it can't be verified: {}", printable(bare(&words), 200))
        }
    }
}

/// `name` of `Kind("name")`: rustls passes on how its parts print themselves.
fn bare(name: &str) -> &str {
    let inner = name.rsplit('(').next().unwrap_or(name).trim_end_matches(')');
    inner.trim_matches('"')
}

/// The TLS error behind a lost request, if that is what it was.
fn tls_fault(error: &reqwest::Error) -> Option<Tls> {
    sources(error).find_map(|source| inside(source).downcast_ref::<Tls>()).cloned()
}

/// What an I/O error wraps; `source()` skips it, and some libraries wrap twice.
fn inside<'e>(error: &'e (dyn std::error::Error + 'static)) -> &'e (dyn std::error::Error + 'static) {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(inner) => inside(inner),
        None => error,
    }
}

/// Whether bytes came that were no HTTP, rather than none.
fn is_http_fault(error: &reqwest::Error) -> bool {
    sources(error).filter_map(|source| source.downcast_ref::<hyper::Error>()).any(hyper::Error::is_parse)
}

/// What the network says, if it says anything: not that time ran out.
fn reason(error: &reqwest::Error) -> Option<String> {
    if error.is_timeout() {
        return None;
    }
    let io = sources(error).filter_map(|source| source.downcast_ref::<std::io::Error>()).last()?;
    // rustls says it with a link to its manual.
    if io.kind() == std::io::ErrorKind::UnexpectedEof {
        return Some("it closed the connection".into());
    }
    Some(printable(&inside(io).to_string(), 120))
}

fn sources<'e>(error: &'e reqwest::Error) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |source| (*source).source())
}

fn chain(error: &reqwest::Error) -> String {
    let mut words: Vec<String> = sources(error).map(ToString::to_string).collect();
    words.dedup();
    words.join(": ")
}

#[cfg(test)]
mod tests;

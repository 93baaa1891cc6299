//! The one way to make an HTTP client: TLS 1.2 or 1.3 by ring, and Billet's own CA as the only root.
//!
//! There is deliberately no way to switch verification off, no proxy from the environment and no redirect:
//! a token goes to the service that the CA vouches for and to nobody else.

use crate::ClientError;
use rustls::{
    SupportedCipherSuite,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{sync::Arc, time::Duration};

/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// An HTTP client that trusts only the CA certificates in `ca_pem`. `timeout` bounds each whole request, body
/// included; one request may set another.
pub(crate) fn http_client(ca_pem: &[u8], timeout: Duration) -> Result<reqwest::Client, ClientError> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(client_config(ca_pem)?)
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_keepalive(Duration::from_secs(15))
        .timeout(timeout)
        .user_agent(concat!("billet/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|source| ClientError::Setup { source })
}

/// The TLS settings: the certificates in `ca_pem` are the only roots.
fn client_config(ca_pem: &[u8]) -> Result<rustls::ClientConfig, ClientError> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem) {
        let certificate = certificate.map_err(|error| ClientError::BadCa { why: error.to_string() })?;
        roots.add(certificate).map_err(|error| ClientError::BadCa { why: error.to_string() })?;
    }
    if roots.is_empty() {
        return Err(ClientError::BadCa { why: "it holds no `BEGIN CERTIFICATE` block".to_owned() });
    }
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider(has_aes())))
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientError::BadCa { why: error.to_string() })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// ring, with its own preferences where the processor knows AES. Where it doesn't (an emulated or very small one),
/// ChaCha20 comes first, which is several times faster there; the service follows the client's order.
fn provider(has_aes: bool) -> CryptoProvider {
    let mut provider = rustls::crypto::ring::default_provider();
    if !has_aes {
        // A stable sort: the order within both kinds stays.
        provider.cipher_suites.sort_by_key(|suite| !is_chacha(*suite));
    }
    provider
}

fn is_chacha(suite: SupportedCipherSuite) -> bool {
    suite.suite().as_str().is_some_and(|name| name.contains("CHACHA20"))
}

/// Whether the processor has instructions for AES-GCM.
fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes")
        && std::arch::is_aarch64_feature_detected!("pmull");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

#[cfg(test)]
mod tests {
    use super::{http_client, is_chacha, provider};
    use crate::ClientError;
    use std::time::Duration;

    #[test]
    fn a_file_that_is_no_certificate_is_refused() {
        for text in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            let refused = http_client(text.as_bytes(), Duration::from_secs(1));
            assert!(matches!(refused, Err(ClientError::BadCa { .. })), "{text:?} was taken as a CA");
        }
    }

    #[test]
    fn without_aes_instructions_chacha_comes_first() {
        let (with, without) = (provider(true).cipher_suites, provider(false).cipher_suites);
        assert!(!is_chacha(with[0]) && is_chacha(without[0]));
        assert_eq!(with.len(), without.len());
        assert!(with.iter().all(|suite| without.contains(suite)), "nothing else than the order changes");
    }
}

//! The one way to make an HTTP client: TLS 1.2 or 1.3 by ring, and Billet's own CA as the only root.
//!
//! There is deliberately no way to switch verification off, no proxy from the environment and no redirect:
//! a token goes to the service that the CA vouches for and to nobody else.

use crate::ClientError;
use rustls::{
    SupportedCipherSuite,
    client::Resumption,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{net::IpAddr, sync::Arc, time::Duration};

/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many sessions one client remembers. It speaks to one server, of which rustls keeps up to eight TLS 1.3 tickets.
const SESSIONS: usize = 8;

/// TLS settings that were read once, for any number of clients: reading the CA and building its root store costs more
/// than all else in making a client.
#[derive(Debug, Clone)]
pub struct TlsSettings(rustls::ClientConfig);

impl TlsSettings {
    /// Settings that trust only the CA certificates in `ca_pem`.
    ///
    /// # Errors
    /// When it holds no certificate, or one that can't be used.
    pub fn new(ca_pem: &[u8]) -> Result<Self, ClientError> {
        Ok(Self(client_config(ca_pem)?))
    }

    /// The settings for one client. What it remembers of its sessions is its own: clients that shared it would spare
    /// the server the handshakes that it has with clients on computers of their own.
    pub(crate) fn of_one_client(&self) -> rustls::ClientConfig {
        let mut config = self.0.clone();
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        config
    }
}

/// An HTTP client that trusts only the CA certificates in `ca_pem`. `timeout` bounds each whole request, body
/// included; one request may set another.
pub(crate) fn http_client(ca_pem: &[u8], timeout: Duration) -> Result<reqwest::Client, ClientError> {
    http_client_from(&TlsSettings::new(ca_pem)?, timeout, None)
}

/// The same with settings that were read before, and from this address of ours if one is given.
pub(crate) fn http_client_from(
    settings: &TlsSettings,
    timeout: Duration,
    local: Option<IpAddr>,
) -> Result<reqwest::Client, ClientError> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(settings.of_one_client())
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_keepalive(Duration::from_secs(15))
        .timeout(timeout)
        .local_address(local)
        .user_agent(concat!("billet/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|source| ClientError::Setup { source })
}

/// An HTTP client without TLS, for what carries its proof in its name.
pub(crate) fn plain_client(timeout: Duration, local: Option<IpAddr>) -> Result<reqwest::Client, ClientError> {
    // Nobody is trusted, and no address with https:// comes here.
    let config = config_with(rustls::RootCertStore::empty())?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(timeout)
        .local_address(local)
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
    config_with(roots)
}

fn config_with(roots: rustls::RootCertStore) -> Result<rustls::ClientConfig, ClientError> {
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
    use super::{TlsSettings, http_client, is_chacha, provider};
    use crate::ClientError;
    use rustls::{ClientConfig, HandshakeKind, ServerConfig, pki_types::PrivatePkcs8KeyDer};
    use std::{sync::Arc, time::Duration};

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

    /// Lets both talk until there is nothing left to say; how the handshake went.
    fn talk(client: &ClientConfig, server: &Arc<ServerConfig>) -> HandshakeKind {
        let name = "localhost".try_into().unwrap();
        let mut client = rustls::ClientConnection::new(Arc::new(client.clone()), name).unwrap();
        let mut server = rustls::ServerConnection::new(Arc::clone(server)).unwrap();
        loop {
            let (mut there, mut back) = (Vec::new(), Vec::new());
            while client.wants_write() {
                client.write_tls(&mut there).unwrap();
            }
            let mut bytes = there.as_slice();
            while !bytes.is_empty() {
                server.read_tls(&mut bytes).unwrap();
                server.process_new_packets().unwrap();
            }
            while server.wants_write() {
                server.write_tls(&mut back).unwrap();
            }
            let mut bytes = back.as_slice();
            while !bytes.is_empty() {
                client.read_tls(&mut bytes).unwrap();
                client.process_new_packets().unwrap();
            }
            if there.is_empty() && back.is_empty() {
                return client.handshake_kind().unwrap();
            }
        }
    }

    #[test]
    fn clients_of_the_same_settings_have_sessions_of_their_own() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let server = ServerConfig::builder_with_provider(Arc::new(provider(true)))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        let server = Arc::new(server);
        let settings = TlsSettings::new(made.cert.pem().as_bytes()).unwrap();
        let (one, other) = (settings.of_one_client(), settings.of_one_client());
        assert_eq!(talk(&one, &server), HandshakeKind::Full);
        assert_eq!(talk(&one, &server), HandshakeKind::Resumed, "its own second connection");
        assert_eq!(talk(&other, &server), HandshakeKind::Full, "another client's first");
    }
}

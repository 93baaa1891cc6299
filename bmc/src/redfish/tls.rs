//! Trust in a BMC's certificate: by its SHA-256, given or learnt at the first handshake, or by authorities.
//!
//! BMCs sign their own certificates, so for a pinned one names, chains and dates prove nothing and are not looked at;
//! with authorities all three are verified. That the other side holds the certificate's key is proved by the handshake
//! signature, which is always verified. There is no way to believe any certificate.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{
    ClientSessionStore, ResolvesClientCert, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
    WebPkiServerVerifier,
};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, CipherSuite, ClientConfig, DigitallySignedStruct, Error, NamedGroup, RootCertStore,
    SignatureScheme,
};
use sha2::{Digest, Sha256};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

/// The SHA-256 of a certificate in DER.
pub(super) type Fingerprint = [u8; 32];

/// The cryptography, which all drivers share. The suite with SHA-256 comes first: a handshake of TLS 1.3 is mostly
/// hashing, and processors do that one in hardware; it is as good (RFC 8446 section 9.1 demands it of everybody).
static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    let mut provider = rustls::crypto::ring::default_provider();
    // Stable: the others stay in their order.
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
});

/// No certificate of ours. One value for all, because rustls resumes a session only with the very same one.
static NO_CERTIFICATE: LazyLock<Arc<dyn ResolvesClientCert>> = LazyLock::new(|| Arc::new(NoCertificate));

#[derive(Debug)]
struct NoCertificate;

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// A certificate that is not the pinned one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// What was shown.
    pub(super) seen: Fingerprint,
    /// What is pinned.
    pub(super) pinned: Fingerprint,
}

#[derive(Debug, Default)]
struct Known {
    /// What alone is believed; with authorities: what was shown last.
    pinned: Option<Fingerprint>,
    mismatch: Option<Mismatch>,
}

/// The verifier, and what it has seen.
#[derive(Debug)]
pub(super) struct Verifier {
    known: Mutex<Known>,
    /// Who must have signed; `None`: the certificate itself is pinned.
    authorities: Option<Arc<WebPkiServerVerifier>>,
}

impl Verifier {
    /// Trusts the certificate that is pinned or, with `None`, the first that proves itself.
    pub(super) fn pinned_to(pinned: Option<Fingerprint>) -> Self {
        Self { known: Mutex::new(Known { pinned, mismatch: None }), authorities: None }
    }

    /// Trusts what these authorities (PEM) signed. The error says what is wrong with them.
    pub(super) fn signed_by(pem: &str) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| format!("tls_ca is no PEM: {error}"))?;
            roots
                .add(certificate)
                .map_err(|error| format!("a certificate in tls_ca can't be an authority: {error}"))?;
        }
        if roots.is_empty() {
            return Err("tls_ca holds no certificate".into());
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&PROVIDER))
            .build()
            .map_err(|error| format!("tls_ca can't be used: {error}"))?;
        Ok(Self { known: Mutex::default(), authorities: Some(verifier) })
    }

    /// The TLS settings of a client that trusts so: TLS 1.2 or 1.3, sessions resumed by `tickets`.
    pub(super) fn client_config(self: &Arc<Self>, tickets: &Arc<Tickets>) -> Result<ClientConfig, Error> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(self) as Arc<dyn ServerCertVerifier>);
        let mut config = builder.with_client_cert_resolver(Arc::clone(&*NO_CERTIFICATE));
        config.resumption = Resumption::store(Arc::clone(tickets) as Arc<dyn ClientSessionStore>);
        Ok(config)
    }

    /// The certificate that is trusted, or was shown and found good, if there is one yet.
    pub(super) fn seen(&self) -> Option<Fingerprint> {
        self.lock().pinned
    }

    /// Whether a handshake failed for its pinned certificate since this was last asked.
    pub(super) fn take_mismatch(&self) -> Option<Mismatch> {
        self.lock().mismatch.take()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Each change of `Known` is one assignment: a panic elsewhere can't have left it half done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses what is not pinned.
    fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let seen: Fingerprint = Sha256::digest(certificate).into();
        let mut known = self.lock();
        match known.pinned {
            Some(pinned) if pinned != seen => {
                known.mismatch = Some(Mismatch { seen, pinned });
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            _ => Ok(()),
        }
    }

    /// Pins the first certificate, now that its key is proved.
    fn learn(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        if self.authorities.is_some() {
            self.lock().pinned = Some(Sha256::digest(certificate).into());
            return Ok(());
        }
        // Of two handshakes at once, the first to prove its key is the one that is believed.
        let seen = Sha256::digest(certificate).into();
        self.lock().pinned.get_or_insert(seen);
        self.check(certificate)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(authorities) = &self.authorities {
            return authorities.verify_server_cert(end_entity, intermediates, name, ocsp_response, now);
        }
        self.check(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let valid = verify_tls12_signature(message, cert, dss, &PROVIDER.signature_verification_algorithms)?;
        self.learn(cert)?;
        Ok(valid)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let valid = verify_tls13_signature(message, cert, dss, &PROVIDER.signature_verification_algorithms)?;
        self.learn(cert)?;
        Ok(valid)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        PROVIDER.signature_verification_algorithms.supported_schemes()
    }
}

/// The way back into a TLS session, kept while there is no connection: one, because there is one server.
#[derive(Debug, Default)]
pub(super) struct Tickets(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    group: Option<NamedGroup>,
    // Boxed, since most BMCs have but one of them, and many drivers none yet.
    tls12: Option<Box<Tls12ClientSessionValue>>,
    tls13: Option<Box<Tls13ClientSessionValue>>,
}

impl Tickets {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.lock().group = Some(group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.lock().group
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.lock().tls12 = Some(Box::new(value));
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.lock().tls12.as_deref().cloned()
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.lock().tls12 = None;
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.lock().tls13 = Some(Box::new(value));
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.lock().tls13.take().map(|value| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::{ClientConnection, HandshakeKind, ServerConfig, ServerConnection};

    fn shown(verifier: &Verifier, certificate: &[u8]) -> bool {
        let name = ServerName::try_from("bmc").unwrap();
        let now = UnixTime::since_unix_epoch(std::time::Duration::ZERO);
        verifier.verify_server_cert(&CertificateDer::from(certificate), &[], &name, &[], now).is_ok()
    }

    #[test]
    fn only_the_pinned_certificate_is_let_through() {
        let pinned: Fingerprint = Sha256::digest(b"one").into();
        let verifier = Verifier::pinned_to(Some(pinned));
        assert!(shown(&verifier, b"one"));
        assert_eq!(verifier.take_mismatch(), None);
        assert!(!shown(&verifier, b"two"));
        assert_eq!(verifier.take_mismatch(), Some(Mismatch { seen: Sha256::digest(b"two").into(), pinned }));
        assert_eq!(verifier.take_mismatch(), None);
    }

    #[test]
    fn a_certificate_that_was_only_shown_is_not_learnt() {
        let verifier = Verifier::pinned_to(None);
        assert!(shown(&verifier, b"one") && shown(&verifier, b"two"));
        assert_eq!(verifier.seen(), None);
        verifier.learn(&CertificateDer::from(&b"one"[..])).unwrap();
        assert_eq!(verifier.seen(), Some(Sha256::digest(b"one").into()));
        assert!(!shown(&verifier, b"two"));
        assert!(verifier.learn(&CertificateDer::from(&b"two"[..])).is_err());
    }

    #[test]
    fn the_quick_suite_comes_first_and_none_is_lost() {
        let config = Arc::new(Verifier::pinned_to(None)).client_config(&Arc::default()).unwrap();
        let ours = &config.crypto_provider().cipher_suites;
        assert_eq!(ours[0].suite(), CipherSuite::TLS13_AES_128_GCM_SHA256);
        assert_eq!(ours.len(), rustls::crypto::ring::default_provider().cipher_suites.len());
    }

    /// A handshake and the tickets after it; how it went.
    fn handshake(client: ClientConfig, server: &Arc<ServerConfig>) -> Option<HandshakeKind> {
        let name = ServerName::try_from("bmc").unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
        let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
        while client.wants_write() || server.wants_write() {
            let (mut there, mut back) = (Vec::new(), Vec::new());
            while client.wants_write() {
                client.write_tls(&mut there).unwrap();
            }
            server.read_tls(&mut &*there).unwrap();
            server.process_new_packets().unwrap();
            while server.wants_write() {
                server.write_tls(&mut back).unwrap();
            }
            client.read_tls(&mut &*back).unwrap();
            client.process_new_packets().unwrap();
        }
        client.handshake_kind()
    }

    #[test]
    fn a_session_is_resumed_by_the_next_client() {
        let key = rcgen::generate_simple_self_signed(vec!["bmc".into()]).unwrap();
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let mut server = ServerConfig::builder_with_provider(Arc::clone(&PROVIDER))
                .with_protocol_versions(&[version])
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(
                    vec![key.cert.der().clone()],
                    PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()).into(),
                )
                .unwrap();
            server.ticketer = rustls::crypto::ring::Ticketer::new().unwrap();
            let server = Arc::new(server);
            let (verifier, tickets) = (Arc::new(Verifier::pinned_to(None)), Arc::default());
            // Each of them is a client of its own, as after a minute's rest.
            let kinds = [(); 3].map(|()| handshake(verifier.client_config(&tickets).unwrap(), &server));
            let resumed = Some(HandshakeKind::Resumed);
            assert!(
                kinds[0] != resumed && kinds[1] == resumed && kinds[2] == resumed,
                "{version:?} {kinds:?}"
            );
        }
    }

    #[test]
    fn authorities_must_be_some() {
        for (pem, wrong) in [
            ("", "no certificate"),
            ("text", "no certificate"),
            ("-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n", "PEM"),
            ("-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n", "can't be an authority"),
        ] {
            let error = Verifier::signed_by(pem).unwrap_err();
            assert!(error.contains(wrong), "{pem:?}: {error}");
        }
    }
}

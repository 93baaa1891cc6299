//! Trust in a BMC: the SHA-256 of its certificate, given or learnt at the first handshake.
//!
//! BMCs sign their own certificates, so names, chains and dates prove nothing and are not looked at. That the other
//! side holds the certificate's key is proved by the handshake signature, which is always verified.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The SHA-256 of a certificate in DER.
pub(super) type Fingerprint = [u8; 32];

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
    pinned: Option<Fingerprint>,
    mismatch: Option<Mismatch>,
}

/// The verifier, and what it has seen.
#[derive(Debug)]
pub(super) struct Trust {
    known: Mutex<Known>,
    provider: Arc<CryptoProvider>,
}

impl Trust {
    /// Trusts the certificate that is pinned or, with `None`, the first that proves itself.
    pub(super) fn new(pinned: Option<Fingerprint>) -> Arc<Self> {
        Arc::new(Self {
            known: Mutex::new(Known { pinned, mismatch: None }),
            provider: Arc::new(rustls::crypto::ring::default_provider()),
        })
    }

    /// The TLS settings of a client that trusts so: TLS 1.2 or 1.3.
    pub(super) fn client_config(self: &Arc<Self>) -> Result<ClientConfig, Error> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(self) as Arc<dyn ServerCertVerifier>);
        Ok(builder.with_no_client_auth())
    }

    /// The certificate that is trusted, if one is yet.
    pub(super) fn pinned(&self) -> Option<Fingerprint> {
        self.lock().pinned
    }

    /// Whether a handshake failed for its certificate since this was last asked.
    pub(super) fn take_mismatch(&self) -> Option<Mismatch> {
        self.lock().mismatch.take()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Each change of `Known` is one assignment: a panic elsewhere can't have left it half done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses what is not pinned.
    fn check(&self, certificate: &CertificateDer<'_>) -> Result<Fingerprint, Error> {
        let seen: Fingerprint = Sha256::digest(certificate).into();
        let mut known = self.lock();
        match known.pinned {
            Some(pinned) if pinned != seen => {
                known.mismatch = Some(Mismatch { seen, pinned });
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            _ => Ok(seen),
        }
    }

    /// Pins the first certificate, now that its key is proved.
    fn learn(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let seen = self.check(certificate)?;
        self.lock().pinned.get_or_insert(seen);
        Ok(())
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let valid =
            verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)?;
        self.learn(cert)?;
        Ok(valid)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let valid =
            verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)?;
        self.learn(cert)?;
        Ok(valid)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(trust: &Trust, certificate: &[u8]) -> bool {
        let name = ServerName::try_from("bmc").unwrap();
        let now = UnixTime::since_unix_epoch(std::time::Duration::ZERO);
        trust.verify_server_cert(&CertificateDer::from(certificate), &[], &name, &[], now).is_ok()
    }

    #[test]
    fn only_the_pinned_certificate_is_let_through() {
        let pinned: Fingerprint = Sha256::digest(b"one").into();
        let trust = Trust::new(Some(pinned));
        assert!(shown(&trust, b"one"));
        assert_eq!(trust.take_mismatch(), None);
        assert!(!shown(&trust, b"two"));
        assert_eq!(trust.take_mismatch(), Some(Mismatch { seen: Sha256::digest(b"two").into(), pinned }));
        assert_eq!(trust.take_mismatch(), None);
    }

    #[test]
    fn a_certificate_that_was_only_shown_is_not_learnt() {
        let trust = Trust::new(None);
        assert!(shown(&trust, b"one") && shown(&trust, b"two"));
        assert_eq!(trust.pinned(), None);
        trust.learn(&CertificateDer::from(&b"one"[..])).unwrap();
        assert_eq!(trust.pinned(), Some(Sha256::digest(b"one").into()));
        assert!(!shown(&trust, b"two"));
        assert!(trust.learn(&CertificateDer::from(&b"two"[..])).is_err());
    }
}

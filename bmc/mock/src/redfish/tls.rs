//! The certificates that a simulated BMC shows: its own by default, as BMCs have them, or one that a test wants.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// An authority that issues certificates, made for a test.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new one.
    pub fn new() -> Result<Self, TlsError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Simulated authority");
        let certificate = params.self_signed(&key)?;
        Ok(Self { pem: certificate.pem(), issuer: Issuer::new(params, key) })
    }

    /// Its certificate, PEM: what a client trusts.
    pub fn pem(&self) -> &str {
        &self.pem
    }
}

/// What certificate is shown. The default is one that is its own issuer, for the address that is listened on and
/// `localhost`, in its time.
#[derive(Clone, Default)]
pub struct Certificate {
    authority: Option<Arc<Authority>>,
    names: Option<Vec<String>>,
    expired: bool,
    old_tls: bool,
}

impl Certificate {
    /// One of its own issue.
    pub fn own() -> Self {
        Self::default()
    }

    /// One that an authority issued.
    pub fn issued_by(authority: &Arc<Authority>) -> Self {
        Self { authority: Some(Arc::clone(authority)), ..Self::default() }
    }

    /// The same for these names or addresses instead.
    pub fn named(self, names: &[&str]) -> Self {
        Self { names: Some(names.iter().map(|name| (*name).to_owned()).collect()), ..self }
    }

    /// The same, expired.
    pub fn expired(self) -> Self {
        Self { expired: true, ..self }
    }

    /// The same, shown over TLS 1.2 only.
    pub fn over_tls12(self) -> Self {
        Self { old_tls: true, ..self }
    }

    /// Makes it, with a key of its own.
    pub(super) fn secure(&self, address: IpAddr) -> Result<Secured, TlsError> {
        let names = self.names.clone().unwrap_or_else(|| vec!["localhost".to_owned(), address.to_string()]);
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "Simulated BMC");
        if self.expired {
            params.not_before = date_time_ymd(2015, 1, 1);
            params.not_after = date_time_ymd(2016, 1, 1);
        }
        let certificate = match &self.authority {
            Some(authority) => params.signed_by(&key, &authority.issuer)?,
            None => params.self_signed(&key)?,
        };
        let certificate = certificate.der().to_vec();
        let fingerprint = Sha256::digest(&certificate).into();
        let config = config(certificate, PrivateKeyDer::Pkcs8(key.serialize_der().into()), self.old_tls)?;
        Ok(Secured { fingerprint, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }
}

/// A certificate in use.
pub(super) struct Secured {
    /// SHA-256 of the certificate in DER.
    pub(super) fingerprint: [u8; 32],
    pub(super) acceptor: TlsAcceptor,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It could not be made.
    #[error("can't make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// TLS could not be set up with it.
    #[error("can't set up TLS")]
    Setup(#[from] rustls::Error),
}

/// Sessions are resumed by tickets, as a client that comes back often needs it.
fn config(
    certificate: Vec<u8>,
    key: PrivateKeyDer<'static>,
    old_tls: bool,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = if old_tls {
        builder.with_protocol_versions(&[&rustls::version::TLS12])?
    } else {
        builder.with_safe_default_protocol_versions()?
    };
    let mut config =
        builder.with_no_client_auth().with_single_cert(vec![CertificateDer::from(certificate)], key)?;
    config.ticketer = rustls::crypto::ring::Ticketer::new()?;
    Ok(config)
}

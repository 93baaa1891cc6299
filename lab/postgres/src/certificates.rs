//! A CA of a server's own, and the certificate by which the server proves over TLS that it is 127.0.0.1 and nobody else.

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};

/// All as PEM.
pub(crate) struct Certificates {
    pub(crate) ca: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Certificates {
    /// New ones.
    pub(crate) fn new() -> Result<Self> {
        let mut authority = CertificateParams::new(Vec::new()).context("no names are good names")?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().context("can't make a CA's key")?;
        let ca = CertifiedIssuer::self_signed(authority, key).context("can't make a CA")?;
        let key = KeyPair::generate().context("can't make a key")?;
        let server = CertificateParams::new(vec!["127.0.0.1".to_owned()]).context("an address is a name")?;
        let certificate = server.signed_by(&key, &ca).context("can't make a certificate")?;
        Ok(Self { ca: ca.pem(), certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

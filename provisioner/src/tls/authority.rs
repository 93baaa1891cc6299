//! The CA: made once, kept for ten years, never replaced by itself.

use super::{TlsError, certificate};
use crate::secret_file::{self, Readers};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData,
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use sha2::{Digest, Sha256};
use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Ten years.
const LIFE: Duration = Duration::from_secs(3650 * 24 * 3600);

/// What to do about a CA that can't be used.
const MEND: &str = "restore the folder from a backup; or, if there is none, move the whole folder away, start again, and give the new ca.pem to all clients";

/// The CA.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
    path: PathBuf,
    /// Until when it is valid, in seconds since 1970.
    pub(super) until: i64,
}

impl Authority {
    /// Reads the CA in `folder`, or makes it if there is none.
    pub(super) fn open(folder: &Path, now: Timestamp) -> Result<Self, TlsError> {
        let (key_path, path) = (folder.join("ca.key"), folder.join("ca.pem"));
        let damaged = |path: &Path, why: &str| TlsError::Damaged {
            path: path.to_owned(),
            why: why.to_owned(),
            mend: MEND,
        };
        let kept = secret_file::read_public(&path)?;
        let key = match secret_file::read_secret(&key_path)? {
            Some(pem) => {
                let text = std::str::from_utf8(&pem).map_err(|_| damaged(&key_path, "it is no PEM"))?;
                KeyPair::from_pem(text).map_err(|_| damaged(&key_path, "it holds no private key"))?
            }
            None if kept.is_some() => return Err(damaged(&key_path, "it is gone, but ca.pem is there")),
            None => {
                let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
                secret_file::write(&key_path, key.serialize_pem().as_bytes(), Readers::Owner)?;
                key
            }
        };
        let pem = match kept {
            Some(pem) => pem,
            // The first start was cut short, or the file was deleted. Made from the same key under the same name it
            // is the same CA to everybody who trusts it.
            None => {
                let pem = params(&key, now)?.self_signed(&key)?.pem();
                secret_file::write(&path, pem.as_bytes(), Readers::All)?;
                pem
            }
        };
        let authority = Self::new(key, pem, path)?;
        match Timestamp::from_second(authority.until) {
            Ok(until) if until <= now => Err(TlsError::Expired { path: authority.path, since: until }),
            _ => Ok(authority),
        }
    }

    /// Puts the parts together, if they belong together.
    fn new(key: KeyPair, pem: String, path: PathBuf) -> Result<Self, TlsError> {
        let damaged = |why: &str| TlsError::Damaged { path: path.clone(), why: why.to_owned(), mend: MEND };
        let certificate =
            CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| damaged("it holds no certificate"))?;
        let (until, public_key) = {
            let (_, parsed) =
                X509Certificate::from_der(&certificate).map_err(|_| damaged("it is no X.509 certificate"))?;
            (parsed.validity().not_after.timestamp(), parsed.public_key().raw.to_vec())
        };
        if public_key != key.subject_public_key_info() {
            return Err(damaged("it does not belong to the key in ca.key"));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key)
            .map_err(|_| damaged("it is not the certificate of a CA"))?;
        Ok(Self { issuer, certificate, pem, path, until })
    }

    /// What signs.
    pub(super) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    /// Its certificate, DER.
    pub(super) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Its certificate, PEM.
    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// The file with its certificate.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of its public key, hex.
    pub(super) fn key_sha256(&self) -> String {
        hex::encode(Sha256::digest(self.issuer.key().subject_public_key_info()))
    }

    /// SHA-256 of its certificate, hex.
    pub(super) fn sha256(&self) -> String {
        hex::encode(Sha256::digest(&self.certificate))
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What is in the CA's certificate.
fn params(key: &KeyPair, now: Timestamp) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::default();
    // The name tells sites apart, and is the same whenever it is made from the same key.
    let print = hex::encode(Sha256::digest(key.subject_public_key_info()));
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, format!("Billet site CA {}", &print[..12]));
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    certificate::set_validity(&mut params, certificate::since_epoch(now.as_second()) + LIFE);
    Ok(params)
}

//! The key of certificates of erasure. It is derived from the site key: its secret half is in no file and in no database,
//! the same after each start, and comes back with a backup of the site key. A rotation of the site key makes another one; the
//! public halves of those that signed anything stay in the database. That of the one that signs lies in `<data>/erasure.pub`.

use crate::{
    keys::SiteKey,
    secret_file::{self, Readers, SecretFileError},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use provisioner_api::{ErasureCertificate, SignedCertificate, certified};
use ring::signature::{Ed25519KeyPair, KeyPair};
use sha2::{Digest, Sha256};
use std::{fmt, path::Path, sync::Arc};

/// The file with the public key, under the data folder.
const FILE: &str = "erasure.pub";

/// How the public key of Ed25519 begins in DER (RFC 8410, section 4); its 32 bytes follow.
pub(super) const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The first and the last line of PEM (RFC 7468, section 13).
pub(super) const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
pub(super) const END: &str = "-----END PUBLIC KEY-----";

/// Why nothing is signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignError {
    /// The derived key is none.
    #[error("no key for certificates of erasure can be derived from the site key: {0}")]
    Key(ring::error::KeyRejected),
    /// The public key can't be written.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// A certificate can't be written as text.
    #[error("a certificate of erasure can't be written")]
    Text(#[from] serde_json::Error),
}

/// What signs certificates: with the site key as it is at that moment.
#[derive(Clone)]
pub(crate) struct ErasureSigner(Arc<SiteKey>);

/// A certificate that was just signed, and the public key that it is verified with.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    /// What it says.
    pub(crate) says: ErasureCertificate,
    /// What travels.
    pub(crate) certificate: SignedCertificate,
    /// 32 bytes.
    pub(crate) public_key: Vec<u8>,
}

impl ErasureSigner {
    /// The signer of this site.
    pub(crate) fn new(key: Arc<SiteKey>) -> Self {
        Self(key)
    }

    /// Puts the public key of the key that signs into the data folder.
    pub(crate) fn publish(&self, data: &Path) -> Result<(), SignError> {
        let pem = to_pem(&self.public_key()?);
        Ok(secret_file::write(&data.join(FILE), pem.as_bytes(), Readers::All)?)
    }

    /// The public key of the key that signs: 32 bytes.
    pub(crate) fn public_key(&self) -> Result<Vec<u8>, SignError> {
        Ok(self.pair()?.public_key().as_ref().to_vec())
    }

    /// Signs what is made for the key with this id.
    pub(crate) fn sign(
        &self,
        certificate: impl FnOnce(String) -> ErasureCertificate,
    ) -> Result<Signed, SignError> {
        let pair = self.pair()?;
        let public_key = pair.public_key().as_ref().to_vec();
        let key = key_id(&public_key);
        let says = certificate(key.clone());
        let text = says.to_text()?;
        let signature = STANDARD.encode(pair.sign(&certified(&text)));
        Ok(Signed { says, certificate: SignedCertificate { text, signature, key }, public_key })
    }

    fn pair(&self) -> Result<Ed25519KeyPair, SignError> {
        Ed25519KeyPair::from_seed_unchecked(self.0.erasure_seed().as_slice()).map_err(SignError::Key)
    }
}

impl fmt::Debug for ErasureSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErasureSigner")
    }
}

/// The id of a public key: the first half of its SHA-256, hex.
pub(crate) fn key_id(public_key: &[u8]) -> String {
    hex::encode(&Sha256::digest(public_key)[..16])
}

/// A public key as PEM, as other programs read it.
pub(crate) fn to_pem(public_key: &[u8]) -> String {
    format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode([&SPKI[..], public_key].concat()))
}

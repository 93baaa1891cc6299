//! Whether a certificate is good, offline: from its file and a file with public keys, and nothing else. Pure.

use super::key::{BEGIN, END, SPKI, key_id};
use base64::{Engine, engine::general_purpose::STANDARD};
use provisioner_api::{BadCertificate, ErasureCertificate, SignedCertificate, certified};
use ring::signature::{ED25519, UnparsedPublicKey};

/// The largest file that is read, in bytes.
pub(crate) const LARGEST: u64 = 4 << 20;

/// Why a certificate proves nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotGood {
    /// The file is not what `billet erase certificate` prints.
    #[error("the file is no certificate: {0}")]
    NoCertificate(serde_json::Error),
    /// The file of keys holds none.
    #[error(
        "the key file holds no public key of Ed25519 in PEM; it is <data>/erasure.pub, or what `billet erase key` prints"
    )]
    NoKey,
    /// It was signed with another key.
    #[error("it was signed with key {wanted}, and the key file has {}", known.join(", "))]
    OtherKey {
        /// Which.
        wanted: String,
        /// Those that are there.
        known: Vec<String>,
    },
    /// The signature is not of this text and this key.
    #[error("its signature is not good: it was changed, or somebody else made it")]
    Signature,
    /// The text names another key than it was signed with.
    #[error("it says of itself that it was signed with key {said}, and was signed with key {key}")]
    Contradicts {
        /// What it says.
        said: String,
        /// What is so.
        key: String,
    },
    /// It was signed, but can't be understood.
    #[error(transparent)]
    Text(#[from] BadCertificate),
    /// It was signed, but names no disk.
    #[error("it names no disk")]
    Empty,
}

/// Reads a certificate and verifies it with the key of `keys` (PEM, one or several) that it was signed with.
///
/// # Errors
/// It proves nothing, and why.
pub(crate) fn verify(file: &[u8], keys: &str) -> Result<ErasureCertificate, NotGood> {
    let signed: SignedCertificate = serde_json::from_slice(file).map_err(NotGood::NoCertificate)?;
    let known = public_keys(keys);
    if known.is_empty() {
        return Err(NotGood::NoKey);
    }
    let Some(key) = known.iter().find(|key| key_id(key) == signed.key) else {
        let known = known.iter().map(|key| key_id(key)).collect();
        return Err(NotGood::OtherKey { wanted: signed.key, known });
    };
    let signature = STANDARD.decode(&signed.signature).map_err(|_| NotGood::Signature)?;
    UnparsedPublicKey::new(&ED25519, key)
        .verify(&certified(&signed.text), &signature)
        .map_err(|_| NotGood::Signature)?;
    let certificate = ErasureCertificate::from_text(&signed.text)?;
    if certificate.key != signed.key {
        return Err(NotGood::Contradicts { said: certificate.key, key: signed.key });
    }
    if certificate.disks.is_empty() {
        return Err(NotGood::Empty);
    }
    Ok(certificate)
}

/// The public keys of Ed25519 in a PEM file, 32 bytes each; what else is there is passed over.
fn public_keys(pem: &str) -> Vec<Vec<u8>> {
    let blocks = pem.split(BEGIN).skip(1).filter_map(|block| block.split_once(END));
    let key = |(body, _): (&str, &str)| {
        let body: String = body.split_whitespace().collect();
        let der = STANDARD.decode(body).ok()?;
        der.strip_prefix(&SPKI[..]).filter(|key| key.len() == 32).map(<[u8]>::to_vec)
    };
    blocks.filter_map(key).collect()
}

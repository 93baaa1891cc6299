//! Signatures of whole image files, and whom to believe: minisign's (prehashed) and those of `cosign sign-blob` with a key.
//!
//! A signature is checked over the very bytes whose digest is made, before anything of them is parsed. Certificates,
//! transparency logs and keys that are fetched from somewhere are deliberately not here.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::ecdsa::{DerSignature, VerifyingKey};
use p256::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use sha2::{Digest as _, Sha256};

/// The longest signature that is looked at, in bytes; minisign's has about 400.
pub const MAX_SIGNATURE: usize = 4096;

/// Whose signatures are believed, and whether an image needs one.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The keys.
    pub keys: Vec<TrustedKey>,
    /// Whether an image without a signature is refused.
    pub required: bool,
}

/// A key that is believed.
#[derive(Debug, Clone)]
pub struct TrustedKey {
    name: String,
    key: Key,
}

#[derive(Debug, Clone)]
enum Key {
    Minisign(minisign_verify::PublicKey),
    Cosign(VerifyingKey),
}

/// What a signature was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// minisign: Ed25519 over BLAKE2b-512 of the file.
    Minisign,
    /// cosign `sign-blob --key`: ECDSA on P-256 over SHA-256 of the file.
    Cosign,
}

/// Who signed an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBy {
    /// With what.
    pub scheme: Scheme,
    /// The key, by [`TrustedKey::name`].
    pub key: String,
}

/// A text that is no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is neither minisign's public key (the line that begins with `RW`) nor one of ECDSA on P-256 (`-----BEGIN PUBLIC KEY-----`, as cosign writes it)"
)]
pub struct KeyForm;

impl TrustedKey {
    /// Reads minisign's public key (its line, or the file of two lines), or a PEM of one for ECDSA on P-256.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, KeyForm> {
        let text = text.trim();
        if text.starts_with("-----BEGIN") {
            let key = VerifyingKey::from_public_key_pem(text).map_err(|_| KeyForm)?;
            let der = key.to_public_key_der().map_err(|_| KeyForm)?;
            let name = format!("sha256:{}", hex::encode(Sha256::digest(der.as_bytes())));
            return Ok(Self { name, key: Key::Cosign(key) });
        }
        let line = text.lines().last().unwrap_or_default().trim();
        let key = minisign_verify::PublicKey::from_base64(line).map_err(|_| KeyForm)?;
        let bytes = STANDARD.decode(line).map_err(|_| KeyForm)?;
        // Behind two bytes for the algorithm; minisign shows it as a number, whose last byte comes first.
        let id: Vec<u8> = bytes.get(2..10).ok_or(KeyForm)?.iter().rev().copied().collect();
        Ok(Self { name: hex::encode_upper(id), key: Key::Minisign(key) })
    }

    /// How it is called: minisign's key number, or `sha256:` and the digest of the key (SubjectPublicKeyInfo, DER).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Why a signature is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// None was given.
    #[error("the image needs a signature by a trusted key; give it with the upload (`--signature FILE`)")]
    Missing,
    /// Nobody is believed.
    #[error(
        "no key is trusted here, so that the signature says nothing; set `images.trust`, or leave it out"
    )]
    NoKeys,
    /// Not of a form that is known.
    #[error(
        "the signature is neither minisign's (a file of four lines) nor cosign's (`cosign sign-blob --key`, base64 of one line)"
    )]
    Form,
    /// minisign's old form.
    #[error(
        "the signature is of minisign's old form, which is not prehashed; sign the file again with `minisign -S -H`"
    )]
    Legacy,
    /// By a key that is not trusted, or over another file.
    #[error("the signature is not one of this file by a trusted key")]
    Wrong,
}

/// A signature whose form is right.
pub(super) enum Signature {
    Minisign(minisign_verify::Signature),
    Cosign(DerSignature),
}

impl Signature {
    /// Reads the text of a signature file.
    pub(super) fn parse(text: &str) -> Result<Self, SignatureError> {
        if text.len() > MAX_SIGNATURE {
            return Err(SignatureError::Form);
        }
        if text.starts_with("untrusted comment:") {
            return minisign_verify::Signature::decode(text)
                .map(Self::Minisign)
                .map_err(|_| SignatureError::Form);
        }
        let bytes = STANDARD.decode(text.trim()).map_err(|_| SignatureError::Form)?;
        DerSignature::try_from(&bytes[..]).map(Self::Cosign).map_err(|_| SignatureError::Form)
    }
}

/// A check under way: takes the file's bytes, and in the end says who signed them.
pub(super) enum Check<'a> {
    /// There is no signature, and none is needed.
    Unsigned,
    Minisign {
        key: &'a str,
        stream: Box<minisign_verify::StreamVerifier<'a>>,
    },
    Cosign {
        keys: &'a [TrustedKey],
        signature: &'a DerSignature,
        hash: Sha256,
    },
}

impl<'a> Check<'a> {
    /// Begins one; what can be said without the file is said here.
    pub(super) fn begin(trust: &'a Trust, signature: Option<&'a Signature>) -> Result<Self, SignatureError> {
        let Some(signature) = signature else {
            return if trust.required { Err(SignatureError::Missing) } else { Ok(Self::Unsigned) };
        };
        if trust.keys.is_empty() {
            return Err(SignatureError::NoKeys);
        }
        match signature {
            Signature::Cosign(signature) => {
                Ok(Self::Cosign { keys: &trust.keys, signature, hash: Sha256::new() })
            }
            Signature::Minisign(signature) => {
                for trusted in &trust.keys {
                    let Key::Minisign(key) = &trusted.key else { continue };
                    match key.verify_stream(signature) {
                        Ok(stream) => {
                            return Ok(Self::Minisign { key: &trusted.name, stream: Box::new(stream) });
                        }
                        Err(minisign_verify::Error::UnsupportedLegacyMode) => {
                            return Err(SignatureError::Legacy);
                        }
                        // Another key's.
                        Err(_) => {}
                    }
                }
                Err(SignatureError::Wrong)
            }
        }
    }

    /// Adds bytes of the file.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Unsigned => {}
            Self::Minisign { stream, .. } => stream.update(bytes),
            Self::Cosign { hash, .. } => hash.update(bytes),
        }
    }

    /// Who signed all of them; `None`: nobody, and nobody had to.
    pub(super) fn finish(self) -> Result<Option<SignedBy>, SignatureError> {
        match self {
            Self::Unsigned => Ok(None),
            Self::Minisign { key, mut stream } => {
                stream.finalize().map_err(|_| SignatureError::Wrong)?;
                Ok(Some(SignedBy { scheme: Scheme::Minisign, key: key.to_owned() }))
            }
            Self::Cosign { keys, signature, hash } => {
                let digest = hash.finalize();
                let signed = |trusted: &&TrustedKey| match &trusted.key {
                    Key::Cosign(key) => key.verify_prehash(&digest, signature).is_ok(),
                    Key::Minisign(_) => false,
                };
                let by = keys.iter().find(signed).ok_or(SignatureError::Wrong)?;
                Ok(Some(SignedBy { scheme: Scheme::Cosign, key: by.name.clone() }))
            }
        }
    }
}

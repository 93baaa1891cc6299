//! The site key: it encrypts secrets at rest, and tokens and the key of permits are derived from it so that none is stored.
//!
//! The key is a file of 32 random bytes under the data folder, made at first start, readable by its owner alone.

use crate::secret_file::{self, Readers, SecretFileError};
use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Why there is no site key, or a secret can't be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The file can't be read or written, or others may read it.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// The file is not a key.
    #[error("the site key {} must be a file of 32 bytes; restore it from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The file is gone, but the database that was sealed with it is there.
    #[error(
        "the site key {} is gone, but there is a database: without the key no BMC password and no user data in it can be read; restore the key from a backup (for one more replica copy site.key, tls/ca.key and tls/ca.pem from the first one), or, if there is none, make 32 random bytes with mode 600 there and set all BMC passwords anew; on PostgreSQL they are refused until DELETE FROM site in the database, with all replicas stopped, see docs/replicas.md",
        path.display()
    )]
    Gone {
        /// The file.
        path: PathBuf,
    },
    /// A secret was encrypted under another key or was tampered with.
    #[error(
        "the secret `{name}` of {owner} can't be decrypted: it was written under another site key, or changed"
    )]
    Undecipherable {
        /// Whose.
        owner: String,
        /// Which.
        name: String,
    },
    /// No randomness.
    #[error("the system gives no random bytes")]
    Random(#[source] getrandom::Error),
}

/// An encrypted secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// 12 random bytes.
    pub(crate) nonce: Vec<u8>,
    /// The secret and its tag.
    pub(crate) ciphertext: Vec<u8>,
}

/// The site key.
pub(crate) struct SiteKey(Zeroizing<[u8; 32]>);

impl SiteKey {
    /// Reads the key, or makes it when there is none; but not when there is a `database` already: a new key would open
    /// nothing of it.
    pub(crate) fn open(path: &Path, database: bool) -> Result<Self, KeyError> {
        if let Some(key) = Self::read(path)? {
            return Ok(key);
        }
        // The first start writes the key before it makes the database, so that a crash between them does no harm.
        if database {
            return Err(KeyError::Gone { path: path.to_owned() });
        }
        let key = Self(Zeroizing::new(random()?));
        secret_file::write(path, key.0.as_slice(), Readers::Owner)?;
        Ok(key)
    }

    /// Reads the key, if there is one.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, KeyError> {
        let Some(bytes) = secret_file::read_secret(path)? else { return Ok(None) };
        match <[u8; 32]>::try_from(bytes.as_slice()) {
            Ok(key) => Ok(Some(Self(Zeroizing::new(key)))),
            Err(_) => Err(KeyError::Damaged { path: path.to_owned() }),
        }
    }

    /// What tells this key from others and gives nothing of it away.
    pub(crate) fn fingerprint(&self) -> String {
        hex::encode(&self.subkey("fingerprint")[..16])
    }

    /// Encrypts a secret for its place in the database.
    pub(crate) fn seal(&self, owner: &str, name: &str, secret: &[u8]) -> Result<Sealed, KeyError> {
        let nonce: [u8; 12] = random()?;
        let aad = format!("{owner}\0{name}");
        let payload = Payload { msg: secret, aad: aad.as_bytes() };
        let ciphertext = self
            .cipher()
            .encrypt(Nonce::from_slice(&nonce), payload)
            .map_err(|_| KeyError::Undecipherable { owner: owner.into(), name: name.into() })?;
        Ok(Sealed { nonce: nonce.to_vec(), ciphertext })
    }

    /// Decrypts a secret from its place in the database.
    pub(crate) fn open_sealed(
        &self,
        owner: &str,
        name: &str,
        sealed: &Sealed,
    ) -> Result<Zeroizing<String>, KeyError> {
        let refused = || KeyError::Undecipherable { owner: owner.into(), name: name.into() };
        let aad = format!("{owner}\0{name}");
        if sealed.nonce.len() != 12 {
            return Err(refused());
        }
        let payload = Payload { msg: &sealed.ciphertext, aad: aad.as_bytes() };
        let bytes =
            self.cipher().decrypt(Nonce::from_slice(&sealed.nonce), payload).map_err(|_| refused())?;
        String::from_utf8(bytes).map(Zeroizing::new).map_err(|_| refused())
    }

    /// A token that proves knowledge of this key: `<subject>.<MAC>`. The same inputs always give the same token.
    pub(crate) fn token(&self, purpose: &str, subject: &str, salt: &str) -> String {
        format!("{subject}.{}", self.mac(purpose, subject, salt))
    }

    /// The subject of a token for this purpose, if the token is genuine. The salt is looked up by the subject.
    pub(crate) fn verify(&self, purpose: &str, token: &str, salt: &str) -> bool {
        let Some((subject, mac)) = token.split_once('.') else { return false };
        self.mac(purpose, subject, salt).as_bytes().ct_eq(mac.as_bytes()).into()
    }

    /// The seed of the Ed25519 key that signs permits.
    pub(crate) fn permit_seed(&self) -> Zeroizing<[u8; 32]> {
        self.subkey("permit")
    }

    /// A hash for this purpose that nobody can try texts against without this key.
    pub(crate) fn digest(&self, purpose: &str, text: &str) -> String {
        self.mac(purpose, text, "")
    }

    fn mac(&self, purpose: &str, subject: &str, salt: &str) -> String {
        let key = self.subkey("token");
        // HMAC takes a key of any length.
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key.as_slice()).expect("any key length will do");
        for part in [purpose, subject, salt] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(aes_gcm::Key::<Aes256Gcm>::from_slice(self.subkey("seal").as_slice()))
    }

    fn subkey(&self, label: &str) -> Zeroizing<[u8; 32]> {
        // HMAC takes a key of any length.
        let mut mac =
            <Hmac<Sha256> as Mac>::new_from_slice(self.0.as_slice()).expect("any key length will do");
        mac.update(label.as_bytes());
        Zeroizing::new(mac.finalize().into_bytes().into())
    }
}

/// The SHA-256 of a text, hex: how API tokens are kept.
pub(crate) fn sha256_hex(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// Random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt};

    fn key() -> (tempfile::TempDir, SiteKey) {
        let folder = tempfile::tempdir().unwrap();
        let key = SiteKey::open(&folder.path().join("site.key"), false).unwrap();
        (folder, key)
    }

    #[test]
    fn the_key_is_kept_and_a_damaged_one_refused() {
        let (folder, key) = key();
        let path = folder.path().join("site.key");
        let database = folder.path().join("billet.db");
        fs::write(&database, b"").unwrap();
        assert_eq!(SiteKey::open(&path, database.exists()).unwrap().0, key.0);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(
            matches!(SiteKey::open(&path, database.exists()), Err(KeyError::File(_))),
            "others may read it"
        );
        fs::write(&path, b"short").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(
            matches!(SiteKey::open(&path, database.exists()), Err(KeyError::Damaged { .. })),
            "it is too short"
        );
        fs::remove_file(&path).unwrap();
        assert!(
            matches!(SiteKey::open(&path, database.exists()), Err(KeyError::Gone { .. })),
            "a database needs it"
        );
        assert!(!path.exists(), "no key is made in its place");
    }

    #[test]
    fn a_sealed_secret_opens_only_in_its_own_place() {
        let (_folder, key) = key();
        let sealed = key.seal("machine a", "bmc", b"hunter2").unwrap();
        assert!(!sealed.ciphertext.windows(7).any(|part| part == b"hunter2"));
        assert_eq!(key.open_sealed("machine a", "bmc", &sealed).unwrap().as_str(), "hunter2");
        assert!(key.open_sealed("machine b", "bmc", &sealed).is_err());
        assert!(key.open_sealed("machine a", "other", &sealed).is_err());
    }

    #[test]
    fn a_token_is_good_for_its_purpose_subject_and_salt_only() {
        let (_folder, key) = key();
        let token = key.token("session", "w1", "nonce");
        assert!(key.verify("session", &token, "nonce"));
        assert!(!key.verify("claim", &token, "nonce"));
        assert!(!key.verify("session", &token, "other"));
        assert!(!key.verify("session", &token.replace("w1", "w2"), "nonce"));
        assert!(!key.verify("session", "nonsense", "nonce"));
    }
}

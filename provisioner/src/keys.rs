//! The site key: it encrypts secrets at rest, and tokens and the keys of permits and of certificates of erasure
//! are derived from it so that none is stored.
//!
//! The key is a file of 32 random bytes under the data folder, made at first start, readable by its owner alone. After a
//! rotation (`key_rotation`) the file holds the older keys as well (`ring`): what any of them sealed or signed is believed until
//! they are taken out.

mod ring;

use crate::secret_file::{self, Readers, SecretFileError};
use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
pub(crate) use ring::MOST;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use ring::{Generation, Ring};
use sha2::{Digest, Sha256};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Why there is no site key, or a secret can't be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The file can't be read or written, or others may read it.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// The file is not a key.
    #[error("the site key {} must be a file of 32 bytes, or as a rotation wrote it; restore it from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The file is gone, but the database that was sealed with it is there.
    #[error(
        "the site key {} is gone, but there is a database: without the key no BMC password and no user data in it can be read; restore the key from a backup (for one more replica copy site.key, tls/ca.key and tls/ca.pem from the first one), or, if there is none, make 32 random bytes with mode 600 there, an empty file site.key.lost beside it, and set all BMC passwords anew; on PostgreSQL they are refused until DELETE FROM site in the database, with all replicas stopped, see docs/replicas.md",
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

/// The site key: the one that seals, and those before it that are still believed.
pub(crate) struct SiteKey {
    path: PathBuf,
    /// Replaced as a whole.
    ring: RwLock<Arc<Ring>>,
}

/// A key that is in the file and is not used yet.
pub(crate) struct NextKey(Ring);

/// A key as it is told of: nothing gives it away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyPrint {
    /// Its number.
    pub(crate) generation: u32,
    /// What tells it from others.
    pub(crate) fingerprint: String,
    /// Whether it seals.
    pub(crate) current: bool,
}

impl SiteKey {
    /// Reads the key, or makes it when there is none; but not when there is a `database` already: a new key would open
    /// nothing of it.
    pub(crate) fn open(path: &Path, database: bool) -> Result<Self, KeyError> {
        if let Some(key) = Self::read(path)? {
            key.remove_unfinished();
            return Ok(key);
        }
        // The first start writes the key before it makes the database, so that a crash between them does no harm.
        if database {
            return Err(KeyError::Gone { path: path.to_owned() });
        }
        let ring = Ring::first(random()?);
        secret_file::write(path, &ring.to_bytes(), Readers::Owner)?;
        Ok(Self::new(path, ring))
    }

    /// Reads the key, if there is one.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, KeyError> {
        let Some(bytes) = secret_file::read_secret(path)? else { return Ok(None) };
        match Ring::parse(&bytes) {
            Some(ring) => Ok(Some(Self::new(path, ring))),
            None => Err(KeyError::Damaged { path: path.to_owned() }),
        }
    }

    /// Removes what a crash left of a file half written. One with a key that we lack stays: somebody may have named it so.
    fn remove_unfinished(&self) {
        let path = secret_file::unfinished(&self.path);
        match Self::read(&path) {
            Ok(None) => return,
            Ok(Some(left)) if left.prints().iter().any(|print| !self.has(&print.fingerprint)) => {
                let file = path.display();
                tracing::warn!(%file, "it has a key that site.key lacks: a rotation that was cut short made it, or somebody put it there; move it away");
                return;
            }
            _ => {}
        }
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::warn!(error = crate::text::logged(&error), file = %path.display(), "what was left of writing the key can't be removed");
        }
    }

    fn new(path: &Path, ring: Ring) -> Self {
        Self { path: path.to_owned(), ring: RwLock::new(Arc::new(ring)) }
    }

    /// Whether the file is there and holds the key that seals: a host whose disk was lost goes on until its next start.
    pub(crate) fn check_file(&self) -> Result<(), KeyError> {
        let damaged = || KeyError::Damaged { path: self.path.clone() };
        match Self::read(&self.path)? {
            None => Err(KeyError::Gone { path: self.path.clone() }),
            Some(there) => there.has(&self.fingerprint()).then_some(()).ok_or_else(damaged),
        }
    }

    /// What tells this key from others and gives nothing of it away.
    pub(crate) fn fingerprint(&self) -> String {
        let ring = self.ring();
        ring.all[ring.current].fingerprint()
    }

    /// Whether a key with this fingerprint is among those that are believed.
    pub(crate) fn has(&self, fingerprint: &str) -> bool {
        self.ring().all.iter().any(|key| key.fingerprint() == fingerprint)
    }

    /// All keys, oldest first.
    pub(crate) fn prints(&self) -> Vec<KeyPrint> {
        let ring = self.ring();
        let print = |(at, key): (usize, &Generation)| KeyPrint {
            generation: key.number,
            fingerprint: key.fingerprint(),
            current: at == ring.current,
        };
        ring.all.iter().enumerate().map(print).collect()
    }

    /// From now on the key with this fingerprint seals. Whether there is one.
    pub(crate) fn seal_with(&self, fingerprint: &str) -> bool {
        let ring = self.ring();
        let at = ring.all.iter().position(|key| key.fingerprint() == fingerprint);
        if let Some(current) = at {
            self.replace(Ring { current, ..Ring::clone(&ring) });
        }
        at.is_some()
    }

    /// Makes a new key and puts it into the file beside the others: after a crash at any instant the file holds all keys that
    /// sealed anything.
    pub(crate) fn prepare(&self) -> Result<NextKey, KeyError> {
        let next = self.ring().with(random()?);
        secret_file::write(&self.path, &next.to_bytes(), Readers::Owner)?;
        Ok(NextKey(next))
    }

    /// From now on the new key seals and signs.
    pub(crate) fn install(&self, next: NextKey) {
        self.replace(next.0);
    }

    /// Takes all keys but the one that seals out of the file and out of use. What they sealed can't be read any more.
    pub(crate) fn retire(&self) -> Result<(), KeyError> {
        let alone = self.ring().alone();
        secret_file::write(&self.path, &alone.to_bytes(), Readers::Owner)?;
        self.replace(alone);
        Ok(())
    }

    /// Encrypts a secret for its place in the database.
    pub(crate) fn seal(&self, owner: &str, name: &str, secret: &[u8]) -> Result<Sealed, KeyError> {
        let ring = self.ring();
        ring.all[ring.current].seal(owner, name, secret)
    }

    /// Decrypts a secret that is text from its place in the database.
    pub(crate) fn open_sealed(
        &self,
        owner: &str,
        name: &str,
        sealed: &Sealed,
    ) -> Result<Zeroizing<String>, KeyError> {
        let text = String::from_utf8(self.open_sealed_bytes(owner, name, sealed)?.to_vec());
        let refused = |_| KeyError::Undecipherable { owner: owner.into(), name: name.into() };
        text.map(Zeroizing::new).map_err(refused)
    }

    /// Decrypts a secret from its place in the database.
    pub(crate) fn open_sealed_bytes(
        &self,
        owner: &str,
        name: &str,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let ring = self.ring();
        let ours = ring.all[ring.current].open(owner, name, sealed);
        let bytes = ours.or_else(|| ring.all.iter().rev().find_map(|key| key.open(owner, name, sealed)));
        bytes.ok_or_else(|| KeyError::Undecipherable { owner: owner.into(), name: name.into() })
    }

    /// The fingerprint of the key that opens a secret; none: no key here does.
    pub(crate) fn opener(&self, owner: &str, name: &str, sealed: &Sealed) -> Option<String> {
        let ring = self.ring();
        let opens = |key: &&Generation| key.open(owner, name, sealed).is_some();
        ring.all.iter().rev().find(opens).map(Generation::fingerprint)
    }

    /// A secret that an older key sealed, sealed anew; none: the key that seals did.
    pub(crate) fn reseal(
        &self,
        owner: &str,
        name: &str,
        sealed: &Sealed,
    ) -> Result<Option<Sealed>, KeyError> {
        let ring = self.ring();
        let current = &ring.all[ring.current];
        if current.open(owner, name, sealed).is_some() {
            return Ok(None);
        }
        let secret = self.open_sealed(owner, name, sealed)?;
        current.seal(owner, name, secret.as_bytes()).map(Some)
    }

    /// A token that proves knowledge of this key: `<subject>.<MAC>`. The same inputs always give the same token, until the key
    /// is rotated.
    pub(crate) fn token(&self, purpose: &str, subject: &str, salt: &str) -> String {
        let ring = self.ring();
        format!("{subject}.{}", ring.all[ring.current].mac(purpose, subject, salt))
    }

    /// Whether a token is genuine. The salt is looked up by the subject.
    pub(crate) fn verify(&self, purpose: &str, token: &str, salt: &str) -> bool {
        let Some((subject, mac)) = token.split_once('.') else { return false };
        self.ring()
            .all
            .iter()
            .rev()
            .any(|key| key.mac(purpose, subject, salt).as_bytes().ct_eq(mac.as_bytes()).into())
    }

    /// The seed of the Ed25519 key that signs permits: of the oldest key, so that agents which run already go on believing us
    /// for as long as it is there.
    pub(crate) fn permit_seed(&self) -> Zeroizing<[u8; 32]> {
        self.ring().all[0].subkey("permit")
    }

    /// The seed of the Ed25519 key that signs certificates of erasure: of the key that seals, so that what leaked before a
    /// rotation signs nothing of after it. Public keys of before are kept in the database.
    pub(crate) fn erasure_seed(&self) -> Zeroizing<[u8; 32]> {
        let ring = self.ring();
        ring.all[ring.current].subkey("erasure certificate")
    }

    /// A hash for this purpose that nobody can try texts against without this key. By the oldest key, so that it stays the same
    /// when the key is rotated.
    pub(crate) fn digest(&self, purpose: &str, text: &str) -> String {
        self.ring().all[0].mac(purpose, text, "")
    }

    fn ring(&self) -> Arc<Ring> {
        // It is replaced as a whole: nobody leaves half of one.
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, ring: Ring) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
    }
}

impl Generation {
    fn fingerprint(&self) -> String {
        hex::encode(&self.subkey("fingerprint")[..16])
    }

    fn seal(&self, owner: &str, name: &str, secret: &[u8]) -> Result<Sealed, KeyError> {
        let nonce: [u8; 12] = random()?;
        let aad = format!("{owner}\0{name}");
        let payload = Payload { msg: secret, aad: aad.as_bytes() };
        let ciphertext = self
            .cipher()
            .encrypt(Nonce::from_slice(&nonce), payload)
            .map_err(|_| KeyError::Undecipherable { owner: owner.into(), name: name.into() })?;
        Ok(Sealed { nonce: nonce.to_vec(), ciphertext })
    }

    /// None: another key sealed it, for another place, or it was changed.
    fn open(&self, owner: &str, name: &str, sealed: &Sealed) -> Option<Zeroizing<Vec<u8>>> {
        let aad = format!("{owner}\0{name}");
        if sealed.nonce.len() != 12 {
            return None;
        }
        let payload = Payload { msg: &sealed.ciphertext, aad: aad.as_bytes() };
        self.cipher().decrypt(Nonce::from_slice(&sealed.nonce), payload).ok().map(Zeroizing::new)
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
            <Hmac<Sha256> as Mac>::new_from_slice(self.key.as_slice()).expect("any key length will do");
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
        assert_eq!(SiteKey::open(&path, database.exists()).unwrap().prints(), key.prints());
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

    #[test]
    fn a_rotated_key_opens_and_believes_what_the_one_before_made_until_that_is_retired() {
        let (folder, key) = key();
        let path = folder.path().join("site.key");
        let (old, token, seed) =
            (key.seal("m", "bmc", b"hunter2").unwrap(), key.token("p", "s", ""), key.permit_seed());
        let before = key.fingerprint();
        let next = key.prepare().unwrap();
        assert_eq!(key.fingerprint(), before, "it is in the file, and does nothing yet");
        assert!(key.reseal("m", "bmc", &old).unwrap().is_none());
        key.install(next);
        assert!(key.has(&before) && key.fingerprint() != before);
        let again = SiteKey::read(&path).unwrap().unwrap();
        assert_eq!(again.prints(), key.prints(), "after a crash");
        for key in [&key, &again] {
            assert_eq!(key.open_sealed("m", "bmc", &old).unwrap().as_str(), "hunter2");
            assert!(key.verify("p", &token, ""));
            assert_eq!(key.permit_seed(), seed, "agents have its public half");
        }
        assert_ne!(key.token("p", "s", ""), token);
        let new = again.reseal("m", "bmc", &old).unwrap().unwrap();
        assert!(key.reseal("m", "bmc", &new).unwrap().is_none(), "it is of the new key");
        assert!(key.reseal("other", "bmc", &old).is_err());
        key.retire().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for key in [key, SiteKey::read(&path).unwrap().unwrap()] {
            assert_eq!(key.open_sealed("m", "bmc", &new).unwrap().as_str(), "hunter2");
            assert!(key.open_sealed("m", "bmc", &old).is_err() && !key.verify("p", &token, ""));
            assert_ne!(key.permit_seed(), seed);
            assert!(!key.has(&before));
            key.check_file().unwrap();
        }
    }

    #[test]
    fn what_a_crash_left_is_removed_unless_it_may_be_somebodys_key() {
        let (folder, key) = key();
        let path = folder.path().join("site.key");
        let left = folder.path().join("site.key.new");
        for (content, stays) in
            [(b"half".to_vec(), false), (fs::read(&path).unwrap(), false), (vec![7; 32], true)]
        {
            secret_file::write(&left, &content, Readers::Owner).unwrap();
            assert_eq!(SiteKey::open(&path, true).unwrap().prints(), key.prints());
            assert_eq!(left.exists(), stays);
        }
    }

    #[test]
    fn the_file_has_to_be_there() {
        let (folder, key) = key();
        key.check_file().unwrap();
        let path = folder.path().join("site.key");
        fs::write(&path, [7; 32]).unwrap();
        assert!(matches!(key.check_file(), Err(KeyError::Damaged { .. })), "it is another one");
        fs::remove_file(&path).unwrap();
        assert!(matches!(key.check_file(), Err(KeyError::Gone { .. })));
    }
}

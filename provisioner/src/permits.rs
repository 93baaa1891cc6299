//! Signs permits. The key is derived from the site key: it is in no file and in no database, the same after each start,
//! and comes back with a backup of the site key. Its public half is appended to the ramdisks beside our CA, and lies in
//! `<data>/permit.pub` for tools that run the agent elsewhere.
//!
//! What a permit says is the lifecycle's (`Leave`), how it is checked is the agent's.

use crate::{
    keys::SiteKey,
    secret_file::{self, Readers, SecretFileError},
};
use provisioner_api::permit::{Permit, SignedPermit, message};
use ring::signature::{Ed25519KeyPair, KeyPair};
use std::{fmt, path::Path};

/// The file with the public key, under the data folder.
const FILE: &str = "permit.pub";

/// Why permits can't be signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PermitError {
    /// The derived key is none.
    #[error("no key for permits can be derived from the site key: {0}")]
    Key(ring::error::KeyRejected),
    /// The public key can't be written.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// A permit can't be written as text.
    #[error("a permit can't be written")]
    Text(#[from] serde_json::Error),
}

/// What signs permits.
pub(crate) struct PermitSigner(Ed25519KeyPair);

impl PermitSigner {
    /// The signer of this site.
    pub(crate) fn new(key: &SiteKey) -> Result<Self, PermitError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(key.permit_seed().as_slice());
        pair.map(Self).map_err(PermitError::Key)
    }

    /// Puts the public key into the data folder.
    pub(crate) fn publish(&self, data: &Path) -> Result<(), PermitError> {
        let line = format!("{}\n", self.public_key());
        Ok(secret_file::write(&data.join(FILE), line.as_bytes(), Readers::All)?)
    }

    /// The public key, hex.
    pub(crate) fn public_key(&self) -> String {
        hex::encode(self.0.public_key())
    }

    /// Signs. Nothing is kept: a permit answers one question of an agent, which asks once for each order that it does.
    pub(crate) fn sign(&self, permit: &Permit) -> Result<SignedPermit, PermitError> {
        let text = permit.to_text()?;
        let signature = hex::encode(self.0.sign(&message(&text)));
        Ok(SignedPermit { text, signature })
    }
}

impl fmt::Debug for PermitSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PermitSigner({})", self.public_key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provisioner_api::{
        JobId, MachineId,
        permit::{Chassis, PermitDisk, PermitMethod},
    };
    use ring::signature::{ED25519, UnparsedPublicKey};
    use uuid::Uuid;

    #[test]
    fn what_is_signed_is_the_text_that_travels() {
        let folder = tempfile::tempdir().unwrap();
        let key = SiteKey::open(&folder.path().join("site.key"), false).unwrap();
        let signer = PermitSigner::new(&key).unwrap();
        signer.publish(folder.path()).unwrap();
        let published = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert_eq!(published.trim_end(), signer.public_key());
        assert_eq!(PermitSigner::new(&key).unwrap().public_key(), signer.public_key(), "at each start");
        let permit = Permit {
            challenge: "00".into(),
            machine: MachineId(Uuid::from_u128(1)),
            chassis: Chassis::default(),
            job: JobId(Uuid::from_u128(2)),
            epoch: 3,
            step: "write-image".into(),
            attempt: 1,
            method: PermitMethod::WriteImage { manifest: "ab".into() },
            disks: vec![PermitDisk { serial: "A".into(), wwn: None, allowed: false }],
            now: jiff::Timestamp::UNIX_EPOCH,
            expires: jiff::Timestamp::UNIX_EPOCH,
        };
        let signed = signer.sign(&permit).unwrap();
        assert_eq!(Permit::from_text(&signed.text).unwrap(), permit);
        let public = UnparsedPublicKey::new(&ED25519, hex::decode(signer.public_key()).unwrap());
        let signature = hex::decode(&signed.signature).unwrap();
        public.verify(&message(&signed.text), &signature).unwrap();
        assert!(
            public.verify(signed.text.as_bytes(), &signature).is_err(),
            "the text alone is not what is signed"
        );
        assert!(!format!("{signer:?}").contains(&hex::encode(key.permit_seed().as_slice())));
    }
}

//! Passwords as they are kept: argon2id (RFC 9106) with the parameters of OWASP's cheat sheet on storing passwords, as PHC
//! strings. Hashing takes 19 MiB and tens of milliseconds, so it is done by few at once, on threads that may block.

use crate::keys::{KeyError, random};
use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{self, PasswordHash, PasswordHasher, PasswordVerifier, SaltString},
};
use provisioner_api::Secret;
use std::sync::Arc;
use tokio::sync::{AcquireError, Semaphore};

/// Fewest characters of a password.
pub(crate) const LEAST: usize = 12;

/// Most bytes of a password.
pub(crate) const MOST: usize = 1024;

/// Memory in KiB, passes, lanes.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);

/// How many are hashed at once.
const AT_ONCE: usize = 2;

/// How many log-ins may wait for that.
const WAITING: usize = 32;

/// The hash of nothing that anybody knows, of the same cost: whoever gives a name that nobody has waits as long. A test
/// holds its cost against [`COST`].
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$q7vTvGvYw0kYl2mWJpE3tQ$XyoB0qN7lM3Jc5rQe9yVt1hUu8fZk2nGd4sWp6aLxH0";

/// Why it is not known whether a password is right.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasswordError {
    /// Too many wait already.
    #[error("too many log in at this moment; try again in a second")]
    Busy,
    /// There are no random bytes.
    #[error("a password can't be hashed")]
    Random(#[from] KeyError),
    /// What is kept is no hash, or it can't be computed.
    #[error("the hash of a password can't be used: {0}")]
    Hash(password_hash::Error),
    /// The service stops.
    #[error("the service stops")]
    Stopping,
}

impl From<password_hash::Error> for PasswordError {
    fn from(error: password_hash::Error) -> Self {
        Self::Hash(error)
    }
}

impl From<AcquireError> for PasswordError {
    fn from(_: AcquireError) -> Self {
        Self::Stopping
    }
}

/// Hashes passwords, few at once.
#[derive(Debug)]
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), room: Arc::new(Semaphore::new(AT_ONCE + WAITING)) }
    }
}

impl Passwords {
    /// The hash to keep of a new password.
    ///
    /// # Errors
    /// When the system gives no random bytes, or the service stops.
    pub(crate) async fn hash(&self, password: Secret) -> Result<Secret, PasswordError> {
        let salt: [u8; 16] = random()?;
        self.in_turn(move || {
            let salt = SaltString::encode_b64(&salt)?;
            let hash = argon2id()?.hash_password(password.reveal().as_bytes(), &salt)?;
            Ok(Secret::new(hash.to_string()))
        })
        .await
    }

    /// Whether a password is the one of this hash; without one it is not, and takes as long.
    ///
    /// # Errors
    /// `Busy` when too many wait already.
    pub(crate) async fn verify(&self, hash: Option<Secret>, password: Secret) -> Result<bool, PasswordError> {
        // Strangers get no further than that.
        let _room = Arc::clone(&self.room).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        self.in_turn(move || {
            let known = hash.is_some();
            let kept = hash.unwrap_or_else(|| Secret::new(NOBODY));
            let kept = PasswordHash::new(kept.reveal())?;
            match argon2id()?.verify_password(password.reveal().as_bytes(), &kept) {
                Ok(()) => Ok(known),
                Err(password_hash::Error::Password) => Ok(false),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Does it when it is its turn. Who goes away meanwhile does not let one more begin.
    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.unwrap_or(Err(PasswordError::Stopping))
    }
}

fn argon2id() -> Result<Argon2<'static>, password_hash::Error> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_right_or_wrong_and_its_hash_tells_nothing() {
        let passwords = Passwords::default();
        let secret = || Secret::new("correct horse battery");
        let (one, two) = (passwords.hash(secret()).await.unwrap(), passwords.hash(secret()).await.unwrap());
        assert!(one.reveal().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", one.reveal());
        assert_ne!(one.reveal(), two.reveal(), "salted");
        assert!(passwords.verify(Some(one.clone()), secret()).await.unwrap());
        assert!(!passwords.verify(Some(one), Secret::new("correct horse batterz")).await.unwrap());
        assert!(!passwords.verify(None, secret()).await.unwrap());
        let damaged = passwords.verify(Some(Secret::new("$argon2id$")), secret()).await;
        assert!(matches!(damaged, Err(PasswordError::Hash(_))), "{damaged:?}");
    }

    #[test]
    fn who_is_nobody_costs_what_somebody_does() {
        let nobody = PasswordHash::new(NOBODY).unwrap();
        let params = Params::try_from(&nobody).unwrap();
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), COST);
        assert_eq!((nobody.algorithm.as_str(), nobody.hash.unwrap().len()), ("argon2id", 32));
        assert_eq!(nobody.salt.unwrap().as_str().len(), SaltString::encode_b64(&[7; 16]).unwrap().len());
    }

    #[tokio::test]
    async fn few_wait_and_the_others_are_sent_away() {
        let passwords = Passwords::default();
        let held = Arc::clone(&passwords.room).acquire_many_owned((AT_ONCE + WAITING) as u32).await.unwrap();
        let sent_away = passwords.verify(None, Secret::new("x")).await;
        assert!(matches!(sent_away, Err(PasswordError::Busy)), "{sent_away:?}");
        assert!(passwords.hash(Secret::new("an administrator's")).await.is_ok(), "who may is not a stranger");
        drop(held);
        assert!(!passwords.verify(None, Secret::new("x")).await.unwrap());
    }
}

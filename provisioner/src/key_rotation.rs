//! Rotating the site key while the service runs: a new key seals, what older ones sealed is sealed anew in small transactions,
//! and at last a person takes the older ones away.
//!
//! 1. The new key is put into the file beside the others (fsync, rename). 2. It seals from then on. 3. Each secret of an older
//!    key is put back sealed by the new one, unless somebody wrote there meanwhile. Killed in between, the next process finds
//!    all keys in the file and goes on with 3.
//!
//! Not on PostgreSQL: each replica has a key file of its own, and none can hand another a secret. One that stalls, and goes on
//! after the others rotated, would seal with a key that is gone. Deliberately not here: the file (`keys`).

use crate::{
    bmcs,
    erasures::ErasureSigner,
    key_use,
    keys::{KeyPrint, MOST},
    service::{Service, ServiceError},
    store::{StoreError, StoredSecret},
    text::logged,
};
use provisioner_api::MachineId;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{MutexGuard, Notify},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// How many secrets are looked at between two looks at the clock and at the end.
const PAGE: u32 = 200;

/// How long after a rotation a secret may still come that was sealed before it.
const UNDER_WAY: Duration = Duration::from_secs(60);

/// How long a rotation that could not go on rests.
const AGAIN: Duration = Duration::from_secs(30);

/// What this process knows of rotations.
#[derive(Default)]
pub(crate) struct KeyRotation {
    /// Held by whoever changes keys, or seals secrets anew.
    turn: tokio::sync::Mutex<()>,
    /// When a key was put to use by this process.
    installed: Mutex<Option<Instant>>,
    /// A key was put to use: what was under way then is looked for.
    news: Notify,
}

/// Why a key is not rotated, or not taken away.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RotateError {
    /// The service failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// Others may serve with the old key, or come back with it.
    #[error(
        "the site key is not rotated on PostgreSQL: each replica has a key file of its own, and one that missed it would lose secrets. Keep site.key and its copies secret; if it leaked, stop all replicas, put another key in its place as docs/replicas.md says (When the keys are lost for good), and set all BMC passwords anew"
    )]
    Shared,
    /// The file is full.
    #[error(
        "the key file holds {MOST} keys, which is all that it may; take the older ones away first: `billet key retire`"
    )]
    Full,
    /// Secrets are still sealed with older keys.
    #[error(
        "{secrets} secrets are still sealed with older keys, or were a minute ago; ask again in a minute"
    )]
    Sealed {
        /// How many are known of.
        secrets: u64,
    },
    /// Agents and systems that start have tokens of older keys.
    #[error(
        "{machines} machines are at work: their agents hold tokens of the older keys; ask again when their jobs have ended (`billet machine list`)"
    )]
    AtWork {
        /// How many.
        machines: usize,
    },
}

impl From<StoreError> for RotateError {
    fn from(error: StoreError) -> Self {
        Self::Service(error.into())
    }
}

impl From<crate::keys::KeyError> for RotateError {
    fn from(error: crate::keys::KeyError) -> Self {
        Self::Service(error.into())
    }
}

/// How far it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The keys, oldest first.
    pub(crate) keys: Vec<KeyPrint>,
    /// How many secrets there are.
    pub(crate) secrets: u64,
    /// How many of them an older key sealed.
    pub(crate) older: u64,
    /// How many no key opens.
    pub(crate) unreadable: u64,
}

/// Whose turn it is to work with the keys: nobody else does for as long as it is held.
pub(crate) type Turn<'a> = MutexGuard<'a, ()>;

/// Waits for the turn.
pub(crate) async fn turn(service: &Service) -> Turn<'_> {
    service.rotation.turn.lock().await
}

/// Puts a new key to use, and seals all secrets with it.
pub(crate) async fn rotate(service: &Service, _turn: &Turn<'_>) -> Result<(), RotateError> {
    unshared(service)?;
    if service.key.prints().len() >= MOST {
        return Err(RotateError::Full);
    }
    let before = service.key.fingerprint();
    let next = service.key.prepare()?;
    service.key.install(next);
    *installed(service) = Some(Instant::now());
    // The next start makes up for it.
    if let Err(error) = ErasureSigner::new(Arc::clone(&service.key)).publish(&service.config.data) {
        tracing::warn!(error = logged(&error), "the public key of certificates of erasure can't be written");
    }
    service.rotation.news.notify_one();
    tracing::warn!(before, now = service.key.fingerprint(), "the site key was rotated");
    // It is rotated all the same: whoever asks is told how many secrets are left, and `run` goes on with them.
    if let Err(error) = seal_anew(service).await {
        tracing::warn!(error = logged(&error), "not all secrets are sealed with the new site key yet");
    }
    Ok(())
}

/// Takes the older keys away.
pub(crate) async fn retire(service: &Service, _turn: &Turn<'_>) -> Result<(), RotateError> {
    unshared(service)?;
    if service.key.prints().len() < 2 {
        return Ok(());
    }
    seal_anew(service).await?;
    all_sealed(service).await?;
    let machines = service.store.machines_at_work().await?.len();
    if machines > 0 {
        return Err(RotateError::AtWork { machines });
    }
    service.key.retire()?;
    tracing::warn!(now = service.key.fingerprint(), "the older site keys were taken away");
    Ok(())
}

/// How far it is: opens every secret.
pub(crate) async fn standing(service: &Service) -> Result<Standing, ServiceError> {
    let keys = service.key.prints();
    let found = key_use::of(&service.store, &service.key).await?;
    let (secrets, unreadable) = (found.secrets(), found.unreadable);
    let ours = keys.iter().find(|print| print.current).map_or(0, |print| found.opened_by(&print.fingerprint));
    Ok(Standing { keys, secrets, older: secrets - unreadable - ours, unreadable })
}

/// Keeps the keys as they are for as long as the answer is held; refused while secrets are sealed with older ones.
pub(crate) async fn settled(service: &Service) -> Result<Turn<'_>, RotateError> {
    let turn = turn(service).await;
    if service.key.prints().len() > 1 {
        all_sealed(service).await?;
    }
    Ok(turn)
}

/// Refuses while secrets are sealed with older keys, or may come that are.
async fn all_sealed(service: &Service) -> Result<(), RotateError> {
    let just_now = installed(service).is_some_and(|at| at.elapsed() < UNDER_WAY);
    let secrets = standing(service).await?.older;
    if secrets > 0 || just_now { Err(RotateError::Sealed { secrets }) } else { Ok(()) }
}

/// Ends what a process before left, and tries again where the database was away.
pub(crate) async fn run(service: Arc<Service>, shutdown: CancellationToken) -> anyhow::Result<()> {
    loop {
        let sealing = async {
            let _turn = service.rotation.turn.lock().await;
            if service.key.prints().len() > 1 { seal_anew(&service).await } else { Ok(0) }
        };
        let sealed = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            sealed = sealing => sealed,
        };
        match &sealed {
            Ok(0) => {}
            Ok(secrets) => tracing::info!(secrets, "secrets of older site keys are sealed with the new one"),
            Err(error) => {
                tracing::error!(error = logged(error), "secrets can't be sealed anew; that is tried again")
            }
        }
        let again = async {
            match &sealed {
                // Whoever read the key before it was rotated may write late.
                Ok(0) if service.key.prints().len() > 1 => tokio::time::sleep(UNDER_WAY).await,
                Ok(0) => service.rotation.news.notified().await,
                _ => tokio::time::sleep(AGAIN).await,
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = again => {}
        }
    }
}

/// Refuses where other processes may use the same database.
fn unshared(service: &Service) -> Result<(), RotateError> {
    if service.store.is_shared() { Err(RotateError::Shared) } else { Ok(()) }
}

/// Seals with the key in use what older ones sealed; how many. Whoever calls it has the turn.
async fn seal_anew(service: &Service) -> Result<u64, ServiceError> {
    let (mut sealed, mut last) = (0, None);
    loop {
        let page = service.store.secret_page(last.as_ref(), PAGE).await?;
        for stored in &page {
            sealed += u64::from(seal_one(service, stored).await?);
        }
        last = page.into_iter().last();
        if last.is_none() {
            return Ok(sealed);
        }
    }
}

async fn seal_one(service: &Service, stored: &StoredSecret) -> Result<bool, ServiceError> {
    let anew = match service.key.reseal(&stored.owner, &stored.name, &stored.sealed) {
        Ok(Some(anew)) => anew,
        Ok(None) => return Ok(false),
        Err(error) => {
            // Whoever needs it is told as well; a rotation neither mends nor worsens that.
            tracing::debug!(error = crate::text::logged(&error), "a secret stays as it is");
            return Ok(false);
        }
    };
    let machine = stored.owner.strip_prefix("machine ").and_then(|id| id.parse::<MachineId>().ok());
    // Whoever finds out which of two passwords holds compares this one with what it read before.
    let _turn = match machine.filter(|_| stored.name == bmcs::NEXT) {
        Some(id) => Some(service.bmcs.turn(id).lock().await?),
        None => None,
    };
    let written = service.store.secret_reseal(stored, &anew).await?;
    if let Some(id) = machine.filter(|_| written) {
        service.bmcs.resealed(id, &stored.sealed, &anew);
    }
    Ok(written)
}

fn installed(service: &Service) -> std::sync::MutexGuard<'_, Option<Instant>> {
    // It is set as a whole.
    service.rotation.installed.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

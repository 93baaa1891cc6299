//! Rotating the site key while the service runs: a new key seals, what older ones sealed is sealed anew in small transactions,
//! and at last a person takes the older ones away.
//!
//! 1. The new key is put into the file beside the others (fsync, rename). 2. On PostgreSQL the database is told that the site
//!    has that key. 3. It seals from then on. 4. Each secret of an older key is put back sealed by the new one, unless somebody
//!    wrote there meanwhile. Killed in between, the next process finds all keys in the file and goes on with 4; where the
//!    database was not told (2), the key that it knows goes on sealing.
//!
//! Each replica has a key file of its own, and none can hand another a secret (security.md, R-19): so the key is rotated
//! while one serves alone, and the file is copied to the others then. Deliberately not here: the file (`keys`).

use crate::{
    bmcs,
    keys::{KeyPrint, MOST},
    service::{Service, ServiceError},
    store::{StoreError, StoredSecret},
    text::chain,
};
use provisioner_api::MachineId;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};
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
    /// A key was put to use: what was under way then is looked for a minute later.
    news: Notify,
}

/// Why a key is not rotated, or not taken away.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RotateError {
    /// The service failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// Others serve with the old key.
    #[error(
        "the replicas on {} serve, too, each with a key file of its own: stop them, rotate here, copy site.key from this data folder to theirs, and start them again", hosts.join(", ")
    )]
    Replicas {
        /// Where they are.
        hosts: Vec<String>,
    },
    /// Somebody else changed the key of the site.
    #[error("the database is of a site with another key by now; start the service again, and ask again")]
    Moved,
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

/// Puts a new key to use, and seals all secrets with it.
pub(crate) async fn rotate(service: &Service) -> Result<(), RotateError> {
    let _turn = service.rotation.turn.lock().await;
    if service.key.prints().len() >= MOST {
        return Err(RotateError::Full);
    }
    let before = service.key.fingerprint();
    alone(service).await?;
    let next = service.key.prepare()?;
    if let Err(refusal) = tell(service, &before, &next.fingerprint()).await {
        // It never sealed anything, and the database does not know it. When that is not known, it stays.
        if !matches!(&refusal, RotateError::Service(_)) {
            service.key.withdraw()?;
        }
        return Err(refusal);
    }
    service.key.install(next);
    *installed(service) = Some(Instant::now());
    service.rotation.news.notify_one();
    tracing::warn!(before, now = service.key.fingerprint(), "the site key was rotated");
    seal_anew(service).await?;
    Ok(())
}

/// Takes the older keys away.
pub(crate) async fn retire(service: &Service) -> Result<(), RotateError> {
    let _turn = service.rotation.turn.lock().await;
    alone(service).await?;
    let Standing { older, keys, .. } = standing(service).await?;
    if keys.len() < 2 {
        return Ok(());
    }
    let just_now = installed(service).is_some_and(|at| at.elapsed() < UNDER_WAY);
    if older > 0 || just_now {
        return Err(RotateError::Sealed { secrets: older });
    }
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
    let mut standing = Standing { keys: service.key.prints(), secrets: 0, older: 0, unreadable: 0 };
    let mut last: Option<StoredSecret> = None;
    loop {
        let page = service.store.secret_page(last.as_ref(), PAGE).await?;
        for StoredSecret { owner, name, sealed } in &page {
            standing.secrets += 1;
            match service.key.reseal(owner, name, sealed) {
                Ok(None) => {}
                Ok(Some(_)) => standing.older += 1,
                Err(_) => standing.unreadable += 1,
            }
        }
        last = page.into_iter().last();
        if last.is_none() {
            return Ok(standing);
        }
    }
}

/// How many secrets an older key sealed; nothing is read where there is none.
pub(crate) async fn older(service: &Service) -> Result<u64, ServiceError> {
    if service.key.prints().len() < 2 {
        return Ok(0);
    }
    Ok(standing(service).await?.older)
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
                tracing::error!(error = chain(error), "secrets can't be sealed anew; that is tried again")
            }
        }
        let again = async {
            if matches!(sealed, Ok(0)) {
                service.rotation.news.notified().await;
                tokio::time::sleep(UNDER_WAY).await;
            } else {
                tokio::time::sleep(AGAIN).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = again => {}
        }
    }
}

/// Refuses while other replicas live.
async fn alone(service: &Service) -> Result<(), RotateError> {
    if !service.store.is_shared() {
        return Ok(());
    }
    let others = service.store.replica_list().await?.into_iter();
    let others = others.filter(|row| row.alive && row.owner != service.replica.owner);
    let hosts: Vec<_> = others.map(|row| row.about.map_or(row.owner, |about| about.host)).collect();
    if hosts.is_empty() { Ok(()) } else { Err(RotateError::Replicas { hosts }) }
}

/// Says in the database that the site has another key, so that no replica starts with the one before. One that started
/// meanwhile is seen, or sees it: it looks at the key again after it told that it is there.
async fn tell(service: &Service, before: &str, next: &str) -> Result<(), RotateError> {
    if !service.store.is_shared() {
        return Ok(());
    }
    if !service.store.site_rekey(before, next).await? {
        return Err(RotateError::Moved);
    }
    let refused = match alone(service).await {
        Ok(()) => return Ok(()),
        Err(refused) => refused,
    };
    service.store.site_rekey(next, before).await?;
    Err(refused)
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
            tracing::warn!(%error, "a secret stays as it is");
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

//! The drivers of the machines' BMCs: one for each, kept while its settings stay, because a BMC has few sessions.
//!
//! A password that is being changed at the BMC (`rotation`) is kept beside the old one until the BMC took it; which of
//! the two it knows after a crash in between is found out when the driver is asked for next, with one login for each,
//! once.

mod audit;
mod endpoint;
mod locks;
mod password;
mod rotation;
mod session;

pub(crate) use endpoint::split_address;
pub(crate) use rotation::Change as PasswordChange;

use crate::{
    clock, config,
    keys::{KeyError, Sealed, SiteKey},
    locks::Lock,
    service::ServiceError,
    store::{MachineRecord, NewEvent, NewSecret, Store, Swap},
};
use bmc::{Bmc, BmcError, Credentials, Drivers, Endpoint, PowerState, SessionKeeper, Settings};
use futures::StreamExt;
use locks::Locks;
use provisioner_api::{BmcProtocol, BmcSpec, MachineId};
use session::StoredSession;
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use zeroize::Zeroizing;

/// The name of a BMC's password among a machine's secrets.
const PASSWORD: &str = "bmc-password";

/// The name of the password that is just being set at a BMC.
pub(crate) const NEXT: &str = "bmc-password-next";

/// The name of a BMC's key Kg.
const KEY: &str = "bmc-key";

/// How many sessions are ended at the same time at shutdown.
const CLOSED_AT_ONCE: usize = 64;

/// The longest Kg (IPMI 2.0 section 13.33).
const KEY_BYTES: usize = 20;

/// The drivers in use.
pub(crate) struct Bmcs {
    store: Arc<Store>,
    key: Arc<SiteKey>,
    drivers: Drivers,
    /// Not in the map itself, which is half empty and for a moment there twice when it grows.
    known: Mutex<HashMap<MachineId, Arc<Known>>>,
    /// Who holds a machine's changes its password, or finds out which one holds.
    turns: Locks,
    /// Who holds a machine's switches it or has its firmware updated. Taken before its turn, where both are.
    deeds: Locks,
}

/// A driver, and the settings and secrets that it was made with.
#[derive(Clone)]
struct Known {
    spec: BmcSpec,
    password: Sealed,
    bmc_key: Option<Sealed>,
    driver: Arc<dyn Bmc>,
    /// A next password that the BMC refused as well as this one: no further guess is made.
    refused: Option<Sealed>,
}

/// A BMC's secrets as they are stored.
#[derive(Clone, PartialEq, Eq)]
struct Secrets {
    password: Sealed,
    next: Option<Sealed>,
    bmc_key: Option<Sealed>,
}

impl Known {
    fn is_for(&self, spec: &BmcSpec, secrets: &Secrets) -> bool {
        self.spec == *spec && self.password == secrets.password && self.bmc_key == secrets.bmc_key
    }
}

impl Bmcs {
    /// No driver yet. Open IPMI sessions are noted below the `data` folder, so that the next process can close them.
    pub(crate) fn new(store: Arc<Store>, key: Arc<SiteKey>, data: &Path, programs: &config::Bmc) -> Self {
        let config::Bmc { virsh, vboxmanage, .. } = programs.clone();
        let drivers =
            Drivers::new(Settings { sessions: Some(data.join("ipmi-sessions")), virsh, vboxmanage });
        Self {
            turns: Locks::new(Arc::clone(&store), "password"),
            deeds: Locks::new(Arc::clone(&store), "deed"),
            store,
            key,
            drivers,
            known: Mutex::default(),
        }
    }

    /// The driver of a machine's BMC; none when it has no BMC.
    pub(crate) async fn driver(&self, record: &MachineRecord) -> Result<Option<Arc<dyn Bmc>>, ServiceError> {
        let id = record.id();
        let Some(spec) = &record.spec.bmc else { return Ok(None) };
        // Asked for each time: a driver with a password that was changed meanwhile must not be used again.
        let Some(secrets) = self.secrets(id).await? else { return Ok(None) };
        let known = self.known(id, spec, &secrets).await?;
        if let Some(confirmations) = known.driver.confirmations() {
            let on = |(on, _)| if on { PowerState::On } else { PowerState::Off };
            confirmations.confirm(record.machine.facts.power.map(on));
        }
        let Some(next) = &secrets.next else { return Ok(Some(Arc::clone(&known.driver))) };
        if known.refused.as_ref() == Some(next) {
            return Ok(Some(Arc::clone(&known.driver)));
        }
        // Somebody is about to change the password, or finds out already.
        let Some(_turn) = self.turn(id).try_lock().await else { return Ok(Some(Arc::clone(&known.driver))) };
        if self.secrets(id).await?.as_ref() != Some(&secrets) {
            return Ok(Some(Arc::clone(&known.driver)));
        }
        Ok(Some(self.find_out(id, known, next).await?))
    }

    /// The driver of a machine's BMC by the machine's id; none when it has none, or is gone.
    pub(crate) async fn driver_of(&self, id: MachineId) -> Result<Option<Arc<dyn Bmc>>, ServiceError> {
        match self.store.machine_get(id).await? {
            Some(record) => self.driver(&record).await,
            None => Ok(None),
        }
    }

    /// The driver for these settings and secrets: the one that is kept, or a new one.
    async fn known(
        &self,
        id: MachineId,
        spec: &BmcSpec,
        secrets: &Secrets,
    ) -> Result<Arc<Known>, ServiceError> {
        let kept = self.lock().get(&id).filter(|known| known.is_for(spec, secrets)).cloned();
        if let Some(known) = kept {
            return Ok(known);
        }
        let made = self.make(id, spec, secrets)?;
        // Two may have made one at once: each would try a wrong password, where one of them rests after it.
        let (known, old) = {
            let mut all = self.lock();
            match all.get(&id).filter(|known| known.is_for(spec, secrets)) {
                Some(known) => (Arc::clone(known), None),
                None => (Arc::clone(&made), all.insert(id, made)),
            }
        };
        if let Some(old) = old {
            old.driver.close().await;
        }
        Ok(known)
    }

    /// Makes the next password the password. Nothing, if it is not the next one any more.
    async fn promote(
        &self,
        id: MachineId,
        next: &Sealed,
        password: &str,
    ) -> Result<Option<Sealed>, ServiceError> {
        let new = new_password(&self.key, id, password)?;
        let sealed = new[0].sealed.clone();
        let event = NewEvent::machine(id, "bmc", rotation::NEW_HOLDS);
        let swap = self.store.secret_settle(&held(id, NEXT, next), &new, &[event], clock::now()).await?;
        Ok(sealed.filter(|_| swap == Swap::Updated))
    }

    /// Whether this is the password that is used.
    pub(crate) async fn is_password(&self, id: MachineId, password: &str) -> Result<bool, ServiceError> {
        let owner = secret_owner(id);
        let Some(sealed) = self.store.secret_get(&owner, PASSWORD).await? else { return Ok(false) };
        Ok(self.key.open_sealed(&owner, PASSWORD, &sealed)?.as_str() == password)
    }

    /// Whose turn it is to change a machine's password. Whoever holds it keeps others from finding out meanwhile.
    pub(crate) fn turn(&self, id: MachineId) -> Lock {
        self.turns.of(id)
    }

    /// Whether somebody changes a machine's password just now, so that one of the two is wrong.
    pub(crate) fn is_changing(&self, id: MachineId) -> bool {
        self.turns.is_held(id)
    }

    /// Whose deed is under way at a machine: what a job, an operator's button and a firmware update do must not cross.
    /// Whoever takes it looks at the machine again before acting.
    pub(crate) fn deed(&self, id: MachineId) -> Lock {
        self.deeds.of(id)
    }

    async fn secrets(&self, id: MachineId) -> Result<Option<Secrets>, ServiceError> {
        let owner = secret_owner(id);
        let all = self.store.secret_all(&owner).await?;
        let Some(password) = all.get(PASSWORD).cloned() else { return Ok(None) };
        Ok(Some(Secrets { password, next: all.get(NEXT).cloned(), bmc_key: all.get(KEY).cloned() }))
    }

    /// A driver that was not used yet.
    fn make(&self, id: MachineId, spec: &BmcSpec, secrets: &Secrets) -> Result<Arc<Known>, ServiceError> {
        let password = self.key.open_sealed(&secret_owner(id), PASSWORD, &secrets.password)?;
        let driver = self.connect(id, spec, password, secrets.bmc_key.as_ref())?;
        Ok(Arc::new(Known {
            spec: spec.clone(),
            password: secrets.password.clone(),
            bmc_key: secrets.bmc_key.clone(),
            driver,
            refused: None,
        }))
    }

    async fn keep(&self, id: MachineId, known: Arc<Known>) {
        let old = self.lock().insert(id, known);
        if let Some(old) = old {
            old.driver.close().await;
        }
    }

    fn connect(
        &self,
        id: MachineId,
        spec: &BmcSpec,
        password: Zeroizing<String>,
        bmc_key: Option<&Sealed>,
    ) -> Result<Arc<dyn Bmc>, ServiceError> {
        let text = bmc_key.map(|sealed| self.key.open_sealed(&secret_owner(id), KEY, sealed)).transpose()?;
        // What was stored was read once already, when it was given.
        let bmc_key = text.and_then(|text| read_bmc_key(&text).ok());
        let keeper = (spec.protocol == BmcProtocol::Redfish).then(|| {
            let (store, key) = (Arc::clone(&self.store), Arc::clone(&self.key));
            Arc::new(StoredSession::new(store, key, id)) as Arc<dyn SessionKeeper>
        });
        let credentials = Credentials { username: spec.username.clone(), password, bmc_key };
        Ok(self.drivers.connect(Endpoint { keeper, ..endpoint::endpoint(spec, credentials) }))
    }

    /// The driver that is kept, for a look: whoever changes the BMC's settings or password has it made anew by the next
    /// full look at the machine.
    pub(crate) fn kept(&self, id: MachineId) -> Option<Arc<dyn Bmc>> {
        self.lock().get(&id).map(|known| Arc::clone(&known.driver))
    }

    /// The certificate that this driver has believed since it was first shown is the one that its machine must show
    /// from now on: the driver goes on, with its session.
    pub(crate) fn pinned(&self, id: MachineId, driver: &Arc<dyn Bmc>, seen: String) {
        if let Some(known) = self.lock().get_mut(&id)
            && Arc::ptr_eq(&known.driver, driver)
            && known.spec.tls_sha256.is_none()
        {
            Arc::make_mut(known).spec.tls_sha256 = Some(seen);
        }
    }

    /// A secret was sealed anew: the driver that was made with it goes on, and a password that the BMC refused stays so.
    pub(crate) fn resealed(&self, id: MachineId, from: &Sealed, to: &Sealed) {
        let mut all = self.lock();
        let Some(known) = all.get_mut(&id).map(Arc::make_mut) else { return };
        let kept = [Some(&mut known.password), known.bmc_key.as_mut(), known.refused.as_mut()];
        for sealed in kept.into_iter().flatten().filter(|sealed| **sealed == *from) {
            sealed.clone_from(to);
        }
    }

    /// Ends a driver's session and forgets it.
    pub(crate) async fn forget(&self, id: MachineId) {
        self.turns.forget(id);
        self.deeds.forget(id);
        let old = self.lock().remove(&id);
        if let Some(old) = old {
            old.driver.close().await;
        }
    }

    /// Forgets a driver that lets its BMC rest, so that the next call asks at once: a person wants it now.
    pub(crate) async fn ask_again(&self, id: MachineId) {
        let rests = |known: &Arc<Known>| known.driver.health().rests_for.is_some();
        if self.lock().get(&id).is_some_and(rests) {
            let old = self.lock().remove(&id);
            if let Some(old) = old {
                old.driver.close().await;
            }
        }
    }

    /// Ends all sessions, at shutdown; so many at once that connections and sockets stay few.
    pub(crate) async fn close(&self) {
        let all: Vec<_> = self.lock().drain().map(|(_, known)| Arc::clone(&known.driver)).collect();
        futures::stream::iter(all)
            .for_each_concurrent(CLOSED_AT_ONCE, |driver| async move { driver.close().await })
            .await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<MachineId, Arc<Known>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a BMC refuses our login, or is let alone because it did: only a person can mend that.
pub(crate) fn is_refused_login(error: &BmcError) -> bool {
    matches!(error, BmcError::AuthenticationFailed { .. } | BmcError::Resting { credentials: true, .. })
}

/// A BMC's password, sealed for its place. A next one that was under way is void then.
pub(crate) fn new_password(key: &SiteKey, id: MachineId, password: &str) -> Result<[NewSecret; 2], KeyError> {
    Ok([new_secret(key, id, PASSWORD, password)?, gone(id, NEXT)])
}

/// The password that is about to be set at a BMC, sealed for its place.
pub(crate) fn next_password(key: &SiteKey, id: MachineId, password: &str) -> Result<NewSecret, KeyError> {
    new_secret(key, id, NEXT, password)
}

/// A BMC's key Kg as `read_bmc_key` reads it, sealed for its place; an empty text takes it away.
pub(crate) fn new_bmc_key(key: &SiteKey, id: MachineId, text: &str) -> Result<NewSecret, KeyError> {
    if text.is_empty() { Ok(gone(id, KEY)) } else { new_secret(key, id, KEY, text) }
}

fn new_secret(key: &SiteKey, id: MachineId, name: &'static str, text: &str) -> Result<NewSecret, KeyError> {
    let owner = secret_owner(id);
    let sealed = key.seal(&owner, name, text.as_bytes())?;
    Ok(NewSecret { owner, name, sealed: Some(sealed) })
}

fn held(id: MachineId, name: &'static str, sealed: &Sealed) -> NewSecret {
    NewSecret { owner: secret_owner(id), name, sealed: Some(sealed.clone()) }
}

fn gone(id: MachineId, name: &'static str) -> NewSecret {
    NewSecret { owner: secret_owner(id), name, sealed: None }
}

/// Reads a BMC key Kg: 1 to 20 bytes as text, or as `hex:` and hex digits.
pub(crate) fn read_bmc_key(text: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let bytes = match text.strip_prefix("hex:") {
        Some(digits) => {
            hex::decode(digits).map_err(|_| "an even number of hex digits has to follow `hex:`")?
        }
        None => text.as_bytes().to_vec(),
    };
    let bytes = Zeroizing::new(bytes);
    if bytes.is_empty() || bytes.len() > KEY_BYTES {
        return Err("a BMC key (Kg) has 1 to 20 bytes; write it as text, or as `hex:` and hex digits");
    }
    Ok(bytes)
}

/// Under which name a machine's secrets are kept.
fn secret_owner(id: MachineId) -> String {
    format!("machine {id}")
}

#[cfg(test)]
mod killed;
#[cfg(test)]
mod tests;

//! The drivers of the machines' BMCs: one for each, kept while its settings stay, because a BMC has few sessions.
//!
//! A password that is being changed at the BMC is kept beside the old one until the BMC took it; which of the two it
//! knows after a crash in between is found out here, with one login for each, once.

use crate::{
    keys::{KeyError, Sealed, SiteKey},
    service::ServiceError,
    store::{MachineRecord, NewSecret, Store, Swap},
};
use bmc::{Bmc, BmcError, Cipher, Credentials, Drivers, Endpoint, Privilege, Protocol, Settings};
use provisioner_api::{BmcProtocol, BmcSpec, MachineId};
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use zeroize::Zeroizing;

/// The name of a BMC's password among a machine's secrets.
const PASSWORD: &str = "bmc-password";

/// The name of the password that is just being set at a BMC.
const NEXT: &str = "bmc-password-next";

/// The name of a BMC's key Kg.
const KEY: &str = "bmc-key";

/// The longest Kg (IPMI 2.0 section 13.33).
const KEY_BYTES: usize = 20;

/// The drivers in use.
pub(crate) struct Bmcs {
    store: Arc<Store>,
    key: Arc<SiteKey>,
    drivers: Drivers,
    known: Mutex<HashMap<MachineId, Known>>,
    /// Who holds a machine's changes its password, or finds out which one holds.
    turns: Mutex<HashMap<MachineId, Arc<tokio::sync::Mutex<()>>>>,
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
    pub(crate) fn new(store: Arc<Store>, key: Arc<SiteKey>, data: &Path) -> Self {
        let drivers = Drivers::new(Settings { sessions: Some(data.join("ipmi-sessions")) });
        Self { store, key, drivers, known: Mutex::default(), turns: Mutex::default() }
    }

    /// The driver of a machine's BMC; none when it has no BMC.
    pub(crate) async fn driver(&self, record: &MachineRecord) -> Result<Option<Arc<dyn Bmc>>, ServiceError> {
        let id = record.id();
        let Some(spec) = &record.spec.bmc else { return Ok(None) };
        // Asked for each time: a driver with a password that was changed meanwhile must not be used again.
        let Some(secrets) = self.secrets(id).await? else { return Ok(None) };
        let kept = self.lock().get(&id).filter(|known| known.is_for(spec, &secrets)).cloned();
        let known = match kept {
            Some(known) => known,
            None => self.make(id, spec, &secrets).await?,
        };
        let Some(next) = &secrets.next else { return Ok(Some(known.driver)) };
        if known.refused.as_ref() == Some(next) {
            return Ok(Some(known.driver));
        }
        // Somebody is about to change the password, or finds out already.
        let Ok(_turn) = self.turn(id).try_lock_owned() else { return Ok(Some(known.driver)) };
        if self.secrets(id).await?.as_ref() != Some(&secrets) {
            return Ok(Some(known.driver));
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

    /// Which of two passwords the BMC knows; answers the driver with it. When it can't be found out now, the old one.
    async fn find_out(
        &self,
        id: MachineId,
        known: Known,
        next: &Sealed,
    ) -> Result<Arc<dyn Bmc>, ServiceError> {
        // A session that is open already would prove nothing.
        known.driver.close().await;
        match known.driver.info().await {
            Ok(_) => {
                self.store.secret_settle(&held(id, NEXT, next), &[gone(id, NEXT)]).await?;
                return Ok(known.driver);
            }
            Err(error) if is_refused_login(&error) => {}
            Err(_) => return Ok(known.driver),
        }
        let password = self.key.open_sealed(&secret_owner(id), NEXT, next)?;
        let candidate = self.connect(id, &known.spec, password.clone(), known.bmc_key.as_ref())?;
        match candidate.info().await {
            Ok(_) => {
                tracing::info!(machine = %id, "the BMC took the new password before a crash; it is used from now on");
                let sealed = self.promote(id, next, &password).await?;
                if let Some(password) = sealed {
                    self.keep(id, Known { password, driver: Arc::clone(&candidate), ..known }).await;
                }
                Ok(candidate)
            }
            Err(error) => {
                candidate.close().await;
                if is_refused_login(&error)
                    && let Some(known) = self.lock().get_mut(&id)
                {
                    known.refused = Some(next.clone());
                }
                Ok(known.driver)
            }
        }
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
        let swap = self.store.secret_settle(&held(id, NEXT, next), &new).await?;
        Ok(sealed.filter(|_| swap == Swap::Updated))
    }

    /// Makes the password that was kept as the next one the password: the BMC took it.
    pub(crate) async fn took(&self, id: MachineId, password: &str) -> Result<(), ServiceError> {
        if let Some(next) = self.store.secret_get(&secret_owner(id), NEXT).await? {
            self.promote(id, &next, password).await?;
        }
        Ok(())
    }

    /// Whether this is the password that is used.
    pub(crate) async fn is_password(&self, id: MachineId, password: &str) -> Result<bool, ServiceError> {
        let owner = secret_owner(id);
        let Some(sealed) = self.store.secret_get(&owner, PASSWORD).await? else { return Ok(false) };
        Ok(self.key.open_sealed(&owner, PASSWORD, &sealed)?.as_str() == password)
    }

    /// Whose turn it is to change a machine's password. Whoever holds it keeps others from finding out meanwhile.
    pub(crate) fn turn(&self, id: MachineId) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(self.turns.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default())
    }

    async fn secrets(&self, id: MachineId) -> Result<Option<Secrets>, ServiceError> {
        let owner = secret_owner(id);
        let mut all = self.store.secret_all(&owner).await?;
        let Some(password) = all.remove(PASSWORD) else { return Ok(None) };
        Ok(Some(Secrets { password, next: all.remove(NEXT), bmc_key: all.remove(KEY) }))
    }

    async fn make(&self, id: MachineId, spec: &BmcSpec, secrets: &Secrets) -> Result<Known, ServiceError> {
        let password = self.key.open_sealed(&secret_owner(id), PASSWORD, &secrets.password)?;
        let driver = self.connect(id, spec, password, secrets.bmc_key.as_ref())?;
        let known = Known {
            spec: spec.clone(),
            password: secrets.password.clone(),
            bmc_key: secrets.bmc_key.clone(),
            driver,
            refused: None,
        };
        self.keep(id, known.clone()).await;
        Ok(known)
    }

    async fn keep(&self, id: MachineId, known: Known) {
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
        let credentials = Credentials { username: spec.username.clone(), password, bmc_key };
        Ok(self.drivers.connect(endpoint(spec, credentials)))
    }

    /// Ends a driver's session and forgets it.
    pub(crate) async fn forget(&self, id: MachineId) {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        let old = self.lock().remove(&id);
        if let Some(old) = old {
            old.driver.close().await;
        }
    }

    /// Forgets a driver that lets its BMC rest, so that the next call asks at once: a person wants it now.
    pub(crate) async fn ask_again(&self, id: MachineId) {
        let rests = |known: &Known| known.driver.health().rests_for.is_some();
        if self.lock().get(&id).is_some_and(rests) {
            let old = self.lock().remove(&id);
            if let Some(old) = old {
                old.driver.close().await;
            }
        }
    }

    /// Ends all sessions, at shutdown.
    pub(crate) async fn close(&self) {
        let all: Vec<_> = self.lock().drain().map(|(_, known)| known.driver).collect();
        futures::future::join_all(all.iter().map(|driver| driver.close())).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<MachineId, Known>> {
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

fn endpoint(spec: &BmcSpec, credentials: Credentials) -> Endpoint {
    let (host, port) = split_address(&spec.address);
    let protocol = match spec.protocol {
        BmcProtocol::Ipmi => Protocol::Ipmi {
            cipher: if spec.cipher_suite == Some(3) { Cipher::Suite3 } else { Cipher::Suite17 },
            privilege: Privilege::default(),
        },
        BmcProtocol::Redfish => Protocol::Redfish {
            tls_sha256: spec.tls_sha256.as_ref().and_then(|pin| hex::decode(pin).ok()?.try_into().ok()),
        },
    };
    Endpoint { protocol, host, port, credentials }
}

/// Splits `host`, `host:port`, `[v6]:port` or a bare IPv6 address.
pub(crate) fn split_address(address: &str) -> (String, Option<u16>) {
    if let Some((host, rest)) = address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host.to_owned(), rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match address.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host.to_owned(), port.parse().ok()),
        _ => (address.to_owned(), None),
    }
}

#[cfg(test)]
mod tests;

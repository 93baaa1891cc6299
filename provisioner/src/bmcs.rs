//! The drivers of the machines' BMCs: one for each, kept while its settings stay, because a BMC has few sessions.

use crate::{
    keys::{KeyError, Sealed, SiteKey},
    service::ServiceError,
    store::{MachineRecord, NewSecret, Store},
};
use bmc::{Bmc, Cipher, Credentials, Drivers, Endpoint, Privilege, Protocol};
use provisioner_api::{BmcProtocol, BmcSpec, MachineId};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The name of a BMC's password among a machine's secrets.
const PASSWORD: &str = "bmc-password";

/// The drivers in use.
#[derive(Default)]
pub(crate) struct Bmcs {
    known: Mutex<HashMap<MachineId, Known>>,
    drivers: Drivers,
}

/// A driver, and the settings and the password that it was made with.
struct Known {
    spec: BmcSpec,
    password: Sealed,
    driver: Arc<dyn Bmc>,
}

impl Bmcs {
    /// The driver of a machine's BMC; none when it has no BMC.
    pub(crate) async fn driver(
        &self,
        store: &Store,
        key: &SiteKey,
        record: &MachineRecord,
    ) -> Result<Option<Arc<dyn Bmc>>, ServiceError> {
        let Some(spec) = &record.spec.bmc else { return Ok(None) };
        let owner = secret_owner(record.id());
        // Asked for each time: a driver with a password that was changed meanwhile must not be used again.
        let Some(sealed) = store.secret_get(&owner, PASSWORD).await? else { return Ok(None) };
        if let Some(known) = self.lock().get(&record.id())
            && known.spec == *spec
            && known.password == sealed
        {
            return Ok(Some(Arc::clone(&known.driver)));
        }
        let password = key.open_sealed(&owner, PASSWORD, &sealed)?;
        let driver = self.drivers.connect(endpoint(spec, password));
        let known = Known { spec: spec.clone(), password: sealed, driver: Arc::clone(&driver) };
        let old = self.lock().insert(record.id(), known);
        if let Some(old) = old {
            old.driver.close().await;
        }
        Ok(Some(driver))
    }

    /// Ends a driver's session and forgets it.
    pub(crate) async fn forget(&self, id: MachineId) {
        let old = self.lock().remove(&id);
        if let Some(old) = old {
            old.driver.close().await;
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

/// A BMC's password, sealed for its place.
pub(crate) fn new_password(key: &SiteKey, id: MachineId, password: &str) -> Result<NewSecret, KeyError> {
    let owner = secret_owner(id);
    let sealed = key.seal(&owner, PASSWORD, password.as_bytes())?;
    Ok(NewSecret { owner, name: PASSWORD, sealed })
}

/// Under which name a machine's secrets are kept.
fn secret_owner(id: MachineId) -> String {
    format!("machine {id}")
}

fn endpoint(spec: &BmcSpec, password: zeroize::Zeroizing<String>) -> Endpoint {
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
    let credentials = Credentials { username: spec.username.clone(), password, bmc_key: None };
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
mod tests {
    use super::split_address;

    #[test]
    fn addresses_split() {
        for (text, host, port) in [
            ("10.0.0.1", "10.0.0.1", None),
            ("10.0.0.1:9011", "10.0.0.1", Some(9011)),
            ("bmc1.example:443", "bmc1.example", Some(443)),
            ("[fe80::1]:623", "fe80::1", Some(623)),
            ("fe80::1", "fe80::1", None),
        ] {
            assert_eq!(split_address(text), (host.to_owned(), port), "{text}");
        }
    }
}

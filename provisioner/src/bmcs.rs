//! The drivers of the machines' BMCs: one for each, kept while its settings stay, because a BMC has few sessions.

use crate::{
    keys::SiteKey,
    service::ServiceError,
    store::{MachineRecord, Store},
};
use bmc::{Bmc, Cipher, Credentials, Endpoint, Protocol};
use provisioner_api::{BmcProtocol, BmcSpec, MachineId};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The name of a BMC's password among a machine's secrets.
const PASSWORD: &str = "bmc-password";

/// The drivers in use.
#[derive(Default)]
pub(crate) struct Bmcs(Mutex<HashMap<MachineId, (BmcSpec, Arc<dyn Bmc>)>>);

impl Bmcs {
    /// The driver of a machine's BMC; none when it has no BMC.
    pub(crate) async fn driver(
        &self,
        store: &Store,
        key: &SiteKey,
        record: &MachineRecord,
    ) -> Result<Option<Arc<dyn Bmc>>, ServiceError> {
        let Some(spec) = &record.spec.bmc else { return Ok(None) };
        if let Some((known, driver)) = self.lock().get(&record.id())
            && known == spec
        {
            return Ok(Some(Arc::clone(driver)));
        }
        let owner = secret_owner(record.id());
        let Some(sealed) = store.secret_get(&owner, PASSWORD).await? else { return Ok(None) };
        let password = key.open_sealed(&owner, PASSWORD, &sealed)?;
        let driver = bmc::connect(endpoint(spec, password));
        let old = self.lock().insert(record.id(), (spec.clone(), Arc::clone(&driver)));
        if let Some((_, old)) = old {
            old.close().await;
        }
        Ok(Some(driver))
    }

    /// Stores a BMC's password and forgets the driver that had another.
    pub(crate) async fn set_password(
        &self,
        store: &Store,
        key: &SiteKey,
        id: MachineId,
        password: &str,
    ) -> Result<(), ServiceError> {
        let owner = secret_owner(id);
        let sealed = key.seal(&owner, PASSWORD, password.as_bytes())?;
        store.secret_put(&owner, PASSWORD, &sealed).await?;
        self.forget(id).await;
        Ok(())
    }

    /// Ends a driver's session and forgets it.
    pub(crate) async fn forget(&self, id: MachineId) {
        let old = self.lock().remove(&id);
        if let Some((_, driver)) = old {
            driver.close().await;
        }
    }

    /// Ends all sessions, at shutdown.
    pub(crate) async fn close(&self) {
        let all: Vec<_> = self.lock().drain().map(|(_, (_, driver))| driver).collect();
        futures::future::join_all(all.iter().map(|driver| driver.close())).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<MachineId, (BmcSpec, Arc<dyn Bmc>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Under which name a machine's secrets are kept.
fn secret_owner(id: MachineId) -> String {
    format!("machine {id}")
}

fn endpoint(spec: &BmcSpec, password: zeroize::Zeroizing<String>) -> Endpoint {
    let (host, port) = split_address(&spec.address);
    let protocol = match spec.protocol {
        BmcProtocol::Ipmi if spec.cipher_suite == Some(3) => Protocol::Ipmi { cipher: Cipher::Suite3 },
        BmcProtocol::Ipmi => Protocol::Ipmi { cipher: Cipher::Suite17 },
        BmcProtocol::Redfish => Protocol::Redfish {
            tls_sha256: spec.tls_sha256.as_ref().and_then(|pin| hex::decode(pin).ok()?.try_into().ok()),
        },
    };
    Endpoint { protocol, host, port, credentials: Credentials { username: spec.username.clone(), password } }
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

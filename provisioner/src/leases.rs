//! The lease store of the boot server: the database, as one of its replicas sees it.
//!
//! What to answer is decided in `pxe::leases`; the statements are in `store`.

use crate::{
    config::{Config, Network},
    replicas::Replica,
    service::Service,
    store::{Store, StoreError},
    text::parse_mac_bytes,
};
use async_trait::async_trait;
use pxe::leases::{
    Beat, Block, CLAIM, Claimed, Elsewhere, Keeper, LeaseStore, Leases, NetworkWrite, Plan, StoreFailure,
    SubnetPlan, SystemClock,
};
use std::{net::Ipv4Addr, sync::Arc};

#[cfg(test)]
mod tests;

/// Takes up the leases of all networks. The keeper has to be run.
pub(crate) async fn open(
    store: &Arc<Store>,
    replica: &Replica,
    config: &Config,
) -> Result<(Leases, Keeper), StoreFailure> {
    let store = Arc::new(DatabaseLeases { store: Arc::clone(store), owner: replica.owner.clone() });
    let plans = config.networks.iter().map(|network| (network.name.clone(), plan(network))).collect();
    Leases::open(store, plans, Arc::new(SystemClock::start())).await
}

/// The address that a client has, or had last.
pub(crate) fn address_of(service: &Service, mac: &str) -> Option<Ipv4Addr> {
    service.boot.leases.address_of(parse_mac_bytes(mac)?)
}

/// The address plan of a network.
fn plan(network: &Network) -> Plan {
    let subnets: Vec<SubnetPlan> = network
        .subnets
        .iter()
        .map(|subnet| SubnetPlan {
            address: subnet.told.address,
            prefix: subnet.told.prefix,
            relay: subnet.told.relay,
            ranges: subnet.ranges.clone(),
            exclude: subnet.exclude.clone(),
            own: own(network, &subnet.told.routers),
        })
        .collect();
    Plan::new(&subnets)
}

/// What is never a client's, although a range may contain it.
fn own(network: &Network, routers: &[Ipv4Addr]) -> Vec<Ipv4Addr> {
    let relays = network.subnets.iter().filter_map(|subnet| subnet.told.relay);
    [network.address, network.server_identifier]
        .into_iter()
        .chain(routers.iter().copied())
        .chain(relays)
        .collect()
}

/// The leases in the database, as one replica sees them.
struct DatabaseLeases {
    store: Arc<Store>,
    owner: String,
}

/// What the engine is told of a failure.
fn failure(error: StoreError) -> StoreFailure {
    StoreFailure::new(error)
}

#[async_trait]
impl LeaseStore for DatabaseLeases {
    async fn beat(&self, reservations: Option<u64>) -> Result<Beat, StoreFailure> {
        self.store.replica_beat(&self.owner, CLAIM, reservations).await.map_err(failure)
    }

    async fn claim(
        &self,
        network: &str,
        wanted: &[Block],
        most: usize,
    ) -> Result<Vec<Claimed>, StoreFailure> {
        self.store.replica_claim(&self.owner, network, wanted, most).await.map_err(failure)
    }

    async fn give_back(&self, network: &str, blocks: &[Block]) -> Result<(), StoreFailure> {
        self.store.replica_give_back(&self.owner, network, blocks).await.map_err(failure)
    }

    async fn elsewhere(&self, network: &str) -> Result<Vec<Elsewhere>, StoreFailure> {
        self.store.replica_elsewhere(&self.owner, network).await.map_err(failure)
    }

    async fn commit(&self, writes: &[NetworkWrite]) -> Result<bool, StoreFailure> {
        let written = self.store.lease_commit(&self.owner, writes).await.map_err(failure)?;
        Ok(written == writes.len() as u64)
    }

    async fn leave(&self) -> Result<(), StoreFailure> {
        self.store.replica_leave(&self.owner).await.map_err(failure)
    }
}

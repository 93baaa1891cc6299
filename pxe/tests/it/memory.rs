//! A lease store in memory, of one replica that holds every block it wants.

use async_trait::async_trait;
use pxe::leases::{
    Beat, Block, Claimed, Elsewhere, Keeper, Lease, LeaseStore, Leases, NetworkWrite, Plan, Reservation,
    StoreFailure, SubnetPlan, SystemClock,
};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// What is stored.
#[derive(Default)]
pub(crate) struct Memory {
    mine: Mutex<Vec<(String, Block)>>,
    leases: Mutex<BTreeMap<Ipv4Addr, Lease>>,
    reservations: Vec<(String, Reservation)>,
    /// Whether nothing can be written.
    pub(crate) broken: AtomicBool,
}

impl Memory {
    /// What is stored of an address.
    pub(crate) fn lease(&self, address: Ipv4Addr) -> Option<Lease> {
        self.leases.lock().unwrap().get(&address).cloned()
    }
}

#[async_trait]
impl LeaseStore for Memory {
    #[expect(clippy::disallowed_methods, reason = "the database's clock")]
    async fn beat(&self, reservations: Option<u64>) -> Result<Beat, StoreFailure> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64;
        let reservations = reservations.is_none().then(|| (1, self.reservations.clone()));
        let mine = self.mine.lock().unwrap().clone();
        Ok(Beat { now, replicas: 1, mine, taken: Vec::new(), reservations })
    }

    async fn claim(&self, network: &str, wanted: &[Block], _: usize) -> Result<Vec<Claimed>, StoreFailure> {
        self.mine.lock().unwrap().extend(wanted.iter().map(|block| (network.to_owned(), *block)));
        Ok(wanted.iter().map(|block| Claimed { block: *block, leases: Vec::new() }).collect())
    }

    async fn give_back(&self, _: &str, _: &[Block]) -> Result<(), StoreFailure> {
        Ok(())
    }

    async fn elsewhere(&self, _: &str) -> Result<Vec<Elsewhere>, StoreFailure> {
        Ok(Vec::new())
    }

    async fn commit(&self, writes: &[NetworkWrite]) -> Result<bool, StoreFailure> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreFailure::new("the disk is full"));
        }
        let mut leases = self.leases.lock().unwrap();
        for write in writes {
            leases.insert(write.write.lease.address, write.write.lease.clone());
        }
        Ok(true)
    }

    async fn leave(&self) -> Result<(), StoreFailure> {
        Ok(())
    }
}

/// Leases of the network `lab`, whose subnets and ranges are given: first address, length of the prefix, range.
pub(crate) async fn leases(
    store: Arc<Memory>,
    subnets: &[(Ipv4Addr, u8, (Ipv4Addr, Ipv4Addr))],
) -> (Leases, Keeper) {
    let subnet = |(address, prefix, range): &(Ipv4Addr, u8, (Ipv4Addr, Ipv4Addr))| SubnetPlan {
        address: *address,
        prefix: *prefix,
        relay: None,
        ranges: vec![*range],
        exclude: Vec::new(),
        own: Vec::new(),
    };
    let plan = Plan::new(&subnets.iter().map(subnet).collect::<Vec<_>>());
    let clock = Arc::new(SystemClock::start());
    Leases::open(store, vec![("lab".to_owned(), plan)], clock).await.unwrap()
}

/// No leases at all.
pub(crate) async fn no_leases() -> Leases {
    leases(Arc::default(), &[]).await.0
}

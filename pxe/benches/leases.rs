//! What an answer from the lease engine costs, without packets and without a database: `cargo bench -p pxe --bench
//! leases`. The numbers are printed for people; nothing is compared.

#![allow(clippy::print_stdout, reason = "a bench tells its numbers on the terminal")]

use async_trait::async_trait;
use pxe::leases::{
    Ask, Beat, Block, Claimed, Elsewhere, Keep, LeaseStore, Leases, NetworkWrite, Plan, StoreFailure,
    SubnetPlan, SystemClock,
};
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::time::Instant;

/// How many clients there are.
const CLIENTS: u32 = 50_000;

/// A store that keeps nothing.
struct Nowhere;

#[async_trait]
impl LeaseStore for Nowhere {
    async fn beat(&self, _: Option<u64>) -> Result<Beat, StoreFailure> {
        Ok(Beat { now: 1_800_000_000_000, replicas: 1, ..Beat::default() })
    }
    async fn claim(&self, _: &str, wanted: &[Block], most: usize) -> Result<Vec<Claimed>, StoreFailure> {
        let claimed = |block: &Block| Claimed { block: *block, leases: Vec::new() };
        Ok(wanted.iter().take(most).map(claimed).collect())
    }
    async fn give_back(&self, _: &str, _: &[Block]) -> Result<(), StoreFailure> {
        Ok(())
    }
    async fn elsewhere(&self, _: &str) -> Result<Vec<Elsewhere>, StoreFailure> {
        Ok(Vec::new())
    }
    async fn commit(&self, _: &[NetworkWrite]) -> Result<bool, StoreFailure> {
        Ok(true)
    }
    async fn leave(&self) -> Result<(), StoreFailure> {
        Ok(())
    }
}

fn ask(client: u32) -> Ask {
    let [a, b, c, d] = client.to_be_bytes();
    Ask {
        mac: [2, 0, a, b, c, d],
        client_id: None,
        subnet: 0,
        requested: None,
        seconds: 600,
        relay: None,
        hostname: None,
        firmware: false,
        reserved_only: false,
    }
}

/// Runs a round for all clients and prints what one costs.
fn round(what: &str, mut one: impl FnMut(u32)) {
    let before = Instant::now();
    (0..CLIENTS).for_each(&mut one);
    let each = before.elapsed().as_nanos() / u128::from(CLIENTS);
    println!("{what:<40} {each:>6} ns");
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let plan = Plan::new(&[SubnetPlan {
        address: Ipv4Addr::new(198, 18, 0, 0),
        prefix: 16,
        relay: None,
        ranges: vec![(Ipv4Addr::new(198, 18, 0, 10), Ipv4Addr::new(198, 18, 255, 250))],
        exclude: Vec::new(),
        own: vec![Ipv4Addr::new(198, 18, 0, 1)],
    }]);
    let clock = Arc::new(SystemClock::start());
    let (leases, mut keeper) = Leases::open(Arc::new(Nowhere), vec![("bench".into(), plan)], clock).await?;
    let mut offers = Vec::new();
    round("offer to a new client", |client| offers.extend(leases.offer("bench", &ask(client))));
    anyhow::ensure!(offers.len() == CLIENTS as usize, "every client is offered an address");
    round("offer to a known client", |client| {
        std::hint::black_box(leases.offer("bench", &ask(client)));
    });
    let keep = |client: u32| {
        let address = offers[client as usize];
        leases.keep("bench", &ask(client), address, Box::new(|_| ()))
    };
    let before = Instant::now();
    for client in 0..CLIENTS {
        anyhow::ensure!(keep(client) == Keep::Later, "a new lease is stored first");
        if client % 50 == 49 {
            keeper.commit().await;
        }
    }
    let each = before.elapsed().as_nanos() / u128::from(CLIENTS);
    println!("{:<40} {each:>6} ns", "request, queued and settled by fifties");
    round("renewal that is covered", |client| {
        std::hint::black_box(keep(client));
    });
    Ok(())
}

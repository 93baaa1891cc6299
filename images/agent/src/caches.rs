//! Caches in front of the service: asked first for the chunks of an image, believed in nothing.
//!
//! A chunk is what its SHA-256 says or it is none; so a cache may be anybody's, over plain HTTP, and is told no session.
//! One that fails a few times in one order isn't asked any more in that order. Deliberately not here: retries of the
//! service (`link`), and the manifest, which says what an image is and comes from the service alone.

use crate::{Host, Service, ServiceError, link::Link};
use bytes::Bytes;
use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

/// How often a cache may fail before it is left alone.
const FAULTS: u32 = 3;

/// The caches of one order.
pub(crate) struct Caches {
    host: Arc<dyn Host>,
    service: Arc<dyn Service>,
    all: Vec<Cache>,
}

struct Cache {
    address: String,
    faults: AtomicU32,
    given: AtomicU64,
}

impl Caches {
    /// The caches at these addresses, the nearest first.
    pub(crate) fn new(host: Arc<dyn Host>, service: Arc<dyn Service>, addresses: &[String]) -> Self {
        let cache = |address: &String| Cache {
            address: address.clone(),
            faults: AtomicU32::default(),
            given: AtomicU64::default(),
        };
        Self { host, service, all: addresses.iter().map(cache).collect() }
    }

    /// The stored bytes of a chunk: from a cache, and those are right; else from the service, and those are unchecked.
    pub(crate) async fn chunk(&self, link: &Link, sha256: &str, limit: usize) -> Result<Bytes, ServiceError> {
        for cache in self.all.iter().filter(|cache| cache.faults.load(Relaxed) < FAULTS) {
            match self.service.cached(&cache.address, sha256, limit).await {
                Ok(bytes) if images::sha256_hex(&bytes) == sha256 => {
                    cache.given.fetch_add(1, Relaxed);
                    return Ok(bytes);
                }
                Ok(_) => self.blame(cache, "it gave other bytes than a chunk's name says"),
                Err(error) => self.blame(cache, &error.to_string()),
            }
        }
        link.chunk(sha256, limit).await
    }

    fn blame(&self, cache: &Cache, why: &str) {
        let faults = cache.faults.fetch_add(1, Relaxed) + 1;
        // Threads that had asked it already are no news.
        if faults <= FAULTS {
            let then = if faults == FAULTS { "; it isn't asked any more" } else { "" };
            self.host.say(&format!("cache {}: {why}{then}", cache.address));
        }
    }

    /// What caches gave, for the evidence: `, 12 chunks from http://10.0.0.9:8080`.
    pub(crate) fn told(&self) -> String {
        let given = self.all.iter().map(|cache| (cache.given.load(Relaxed), &cache.address));
        given
            .filter(|(given, _)| *given > 0)
            .map(|(given, address)| {
                format!(", {given} {} from {address}", if given == 1 { "chunk" } else { "chunks" })
            })
            .collect()
    }
}

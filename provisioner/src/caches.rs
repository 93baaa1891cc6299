//! Caches of image chunks: which of them a machine asks, and what they get from us.
//!
//! A cache is a plain HTTP server in a rack (`docs/caches.md`). It is asked before we are, and told nothing but the names of
//! chunks; an agent believes nothing of it that isn't what its SHA-256 says. Without a configured cache nothing of an image
//! leaves by plain HTTP.

use crate::reads::read_apart;
use async_trait::async_trait;
use images::import::{Store, StoreError};
use provisioner_api::MachineSpec;
use std::{fs::File, io, sync::Arc};

/// A cache, and whom it is near to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// `http://10.0.0.9:8080`.
    pub url: String,
    /// For machines of this zone only; none: of all.
    pub zone: Option<String>,
    /// For machines of this rack only; none: of all in the zone.
    pub rack: Option<String>,
}

/// The caches of a machine in this zone and rack: first those of its rack, then those of its zone, then everybody's.
pub(crate) fn nearest(caches: &[Cache], of: &MachineSpec) -> Vec<String> {
    let fits = |wanted: &Option<String>, has: &Option<String>| wanted.is_none() || wanted == has;
    let mut near: Vec<&Cache> =
        caches.iter().filter(|cache| fits(&cache.zone, &of.zone) && fits(&cache.rack, &of.rack)).collect();
    // Stable: what is equally near is asked in the order in which it was written down.
    near.sort_by_key(|cache| (cache.rack.is_none(), cache.zone.is_none()));
    near.into_iter().map(|cache| cache.url.clone()).collect()
}

/// The image store as the boot HTTP server gives it to caches.
#[derive(Debug)]
pub(crate) struct PlainChunks(pub(crate) Arc<Store>);

#[async_trait]
impl pxe::Chunks for PlainChunks {
    async fn open(&self, sha256: &[u8; 32]) -> io::Result<Option<File>> {
        let (store, name) = (Arc::clone(&self.0), hex::encode(sha256));
        // Read whole and compared, since a cache keeps for ever what it was given once.
        let open = move || {
            match store.read_chunk(&name) {
                Err(StoreError::Missing { .. }) => return Ok(None),
                Err(error) => return Err(io::Error::other(error)),
                Ok(_) => {}
            }
            let path = store.chunk_path(&name).map_err(io::Error::other)?;
            File::open(path).map(Some)
        };
        read_apart(open).await.map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(url: &str, zone: Option<&str>, rack: Option<&str>) -> Cache {
        Cache { url: url.into(), zone: zone.map(Into::into), rack: rack.map(Into::into) }
    }

    #[test]
    fn a_machine_asks_what_is_near() {
        let caches = [
            cache("all", None, None),
            cache("zone", Some("z1"), None),
            cache("other zone", Some("z2"), None),
            cache("rack", Some("z1"), Some("r1")),
            cache("same rack of another zone", Some("z2"), Some("r1")),
            cache("all, too", None, None),
        ];
        let of = |zone: Option<&str>, rack: Option<&str>| {
            let spec = MachineSpec {
                zone: zone.map(Into::into),
                rack: rack.map(Into::into),
                ..MachineSpec::in_pool("default")
            };
            nearest(&caches, &spec)
        };
        assert_eq!(of(Some("z1"), Some("r1")), ["rack", "zone", "all", "all, too"]);
        assert_eq!(of(Some("z1"), Some("r9")), ["zone", "all", "all, too"]);
        assert_eq!(
            of(Some("z2"), Some("r1")),
            ["same rack of another zone", "other zone", "all", "all, too"]
        );
        assert_eq!(of(None, Some("r1")), ["all", "all, too"], "a rack's name is one of its zone");
    }
}

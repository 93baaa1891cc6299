//! Records of erasures and their certificates.

use crate::{Client, ClientError, rest::Listed};
use provisioner_api::{Erasure, ErasureKey, ErasureKeyList, ErasureList, SignedCertificate, paths};

/// Which records.
#[derive(Debug, Clone, Default)]
pub struct ErasureFilter {
    /// Those of this machine: its id, or its name when it was wiped.
    pub machine: Option<String>,
    /// Those of a disk with this serial number.
    pub serial: Option<String>,
    /// Those from this time on.
    pub since: Option<jiff::Timestamp>,
    /// Those from before this time.
    pub until: Option<jiff::Timestamp>,
}

impl Listed for ErasureList {
    type Item = Erasure;
    fn parts(self) -> (Vec<Erasure>, Option<String>) {
        (self.items, self.next)
    }
}

impl Client {
    /// The records of erasures, oldest first: all of them, page by page.
    ///
    /// # Errors
    /// See `ClientError`; so for every method below.
    pub async fn erasures(&self, filter: &ErasureFilter) -> Result<Vec<Erasure>, ClientError> {
        let texts = [("machine", filter.machine.clone()), ("serial", filter.serial.clone())];
        let times = [("since", filter.since), ("until", filter.until)];
        let times = times.map(|(name, time)| (name, time.map(|time| time.to_string())));
        let query: Vec<_> =
            texts.into_iter().chain(times).filter_map(|(name, value)| Some((name, value?))).collect();
        self.all::<ErasureList>(paths::ERASURES, &[], &query, None).await
    }

    /// A record by its id.
    pub async fn erasure(&self, id: &str) -> Result<Erasure, ClientError> {
        self.get(paths::ERASURE, &[id]).await
    }

    /// Its certificate.
    pub async fn erasure_certificate(&self, id: &str) -> Result<SignedCertificate, ClientError> {
        self.get(paths::ERASURE_CERTIFICATE, &[id]).await
    }

    /// The public keys of certificates: the one that signs first.
    pub async fn erasure_keys(&self) -> Result<Vec<ErasureKey>, ClientError> {
        Ok(self.get::<ErasureKeyList>(paths::ERASURE_KEYS, &[]).await?.items)
    }
}

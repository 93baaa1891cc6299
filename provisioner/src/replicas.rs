//! Who this replica is among those that serve from the same database, and what it needs to be one of them.
//!
//! Its id lies in the data folder, so that what was its before a restart is its again; its process is another one after
//! each start. Deliberately not here: whose turn it is (`leader`), and which addresses it hands out (`leases`).

use crate::{
    clock,
    config::Config,
    keys::SiteKey,
    secret_file::{self, Readers, SecretFileError},
    store::{ReplicaAbout, ReplicaRow, SitePrint, Store, StoreError},
    tls,
};
use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::Instant;
use uuid::Uuid;

/// The file with the replica's id, under the data folder.
const FILE: &str = "replica.id";

/// How long one waits for a sign of life of another process with the same id: a beat (5 s), and some.
const WATCH: Duration = Duration::from_secs(7);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// Why this process can't be a replica of that site.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplicaError {
    /// The store failed.
    #[error("the replicas can't be read or written")]
    Store(#[from] StoreError),
    /// The file that says who we are.
    #[error("the id of this replica can't be read or written")]
    Id(#[from] SecretFileError),
    /// The data folder can't be looked at.
    #[error("the data folder {} can't be looked at", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No randomness.
    #[error("the system gives no random numbers")]
    Random(#[from] getrandom::Error),
    /// The data folder was copied.
    #[error(
        "the replica on {host} is alive and has the same id: this data folder is a copy of its; delete {} here, and start again", path.display()
    )]
    Copied {
        /// Where the other one is.
        host: String,
        /// The file with the id.
        path: PathBuf,
    },
    /// The site key or the CA is another one.
    #[error(
        "this database is of a site with another {what}; copy site.key, tls/ca.key and tls/ca.pem from the data folder of the replica that was first into {}, and start again (if they are lost for good: DELETE FROM site in the database, and docs/replicas.md)", data.display()
    )]
    OtherSite {
        /// `site key` or `CA`.
        what: &'static str,
        /// Our data folder.
        data: PathBuf,
    },
}

/// Who this replica is.
#[derive(Debug, Clone)]
pub(crate) struct Replica {
    /// The id in the data folder.
    pub(crate) owner: String,
    /// This process.
    pub(crate) process: Uuid,
    /// The last process of this folder on this host since it started: it is dead, since the folder's lock is ours.
    pub(crate) predecessor: Option<Uuid>,
    about: ReplicaAbout,
}

impl Replica {
    /// Reads who we are, or makes it up at the first start. Only one service works with a data folder at a time.
    pub(crate) fn open(config: &Config, api_port: u16) -> Result<Self, ReplicaError> {
        let host = tls::hostname().unwrap_or_else(|| config.api.listen.ip().to_string());
        let at = |address: &str| format!("https://{address}:{api_port}");
        let about = ReplicaAbout {
            url: at(&host),
            host,
            networks: config
                .networks
                .iter()
                .map(|network| (network.name.clone(), at(&network.address.to_string())))
                .collect(),
            place: place(&config.data)?,
            since: clock::now(),
        };
        Ok(Self { owner: owner(&config.data)?, process: Uuid::new_v4(), predecessor: None, about })
    }

    /// Tells the others who is here, unless another process with our id lives: two would hand out the same addresses.
    ///
    /// The lock of the data folder keeps a second process from the same folder, so that the last one of *this* folder is
    /// gone, and needs no waiting for.
    pub(crate) async fn settle(&mut self, store: &Store, data: &Path) -> Result<(), ReplicaError> {
        if let Some(host) = self.twin(store).await? {
            return Err(ReplicaError::Copied { host, path: data.join(FILE) });
        }
        let last = store.replica_list().await?.into_iter().find(|row| row.owner == self.owner);
        let here = |row: &ReplicaRow| row.about.as_ref().is_some_and(|about| about.place == self.about.place);
        self.predecessor = last.filter(here).and_then(|row| row.process);
        Ok(store.replica_tell(&self.owner, self.process, &self.about).await?)
    }

    /// Where another living process with our id is, if there is one.
    async fn twin(&self, store: &Store) -> Result<Option<String>, StoreError> {
        let until = Instant::now() + WATCH;
        let mut first = None;
        loop {
            let row = store.replica_list().await?.into_iter().find(|row| row.owner == self.owner);
            let Some(row) = row.filter(|row| row.alive) else { return Ok(None) };
            let Some(about) = row.about.filter(|about| about.place != self.about.place) else {
                return Ok(None);
            };
            // It may have died a moment ago, and this be its folder on another host.
            if row.beat > *first.get_or_insert(row.beat) {
                return Ok(Some(about.host));
            }
            if Instant::now() >= until {
                return Ok(None);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Which folder it is, in words that no copy of it shares: the start of the host, the file system and the file there.
fn place(data: &Path) -> Result<String, ReplicaError> {
    let failed = |source| ReplicaError::Folder { path: data.to_owned(), source };
    let folder = std::fs::metadata(data).map_err(failed)?;
    // Where the kernel doesn't tell it, the name of the host has to do.
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    let boot = boot.or_else(tls::hostname).unwrap_or_default();
    Ok(format!("{} {}:{}", boot.trim(), folder.dev(), folder.ino()))
}

fn owner(data: &Path) -> Result<String, ReplicaError> {
    let path = data.join(FILE);
    if let Some(id) = secret_file::read_public(&path)? {
        let id = id.trim();
        if !id.is_empty() {
            return Ok(id.to_owned());
        }
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    let id = hex::encode(bytes);
    secret_file::write(&path, id.as_bytes(), Readers::All)?;
    Ok(id)
}

/// Before a CA is made or read: whether the database is of this site key, and has a CA that is missing here.
pub(crate) async fn check_key(store: &Store, key: &SiteKey, data: &Path) -> Result<(), ReplicaError> {
    // Beside a file nobody else makes another one.
    let print = if store.is_shared() { store.site().await? } else { None };
    let Some(print) = print else { return Ok(()) };
    let other = |what| Err(ReplicaError::OtherSite { what, data: data.to_owned() });
    // One that was rotated beside a file, before all moved here, may have several: the one that the replicas share seals.
    if !key.seal_with(&print.key) {
        return other("site key");
    }
    if !tls::has_authority(data) { other("CA") } else { Ok(()) }
}

/// Whether the database is of this site key and this CA; of the first replica it is from now on.
pub(crate) async fn check_site(
    store: &Store,
    key: &SiteKey,
    identity: &tls::Identity,
    data: &Path,
) -> Result<(), ReplicaError> {
    if !store.is_shared() {
        return Ok(());
    }
    let ours = SitePrint { key: key.fingerprint(), ca: identity.ca_key_sha256() };
    let print = store.site_settle(&ours).await?;
    let other = |what| Err(ReplicaError::OtherSite { what, data: data.to_owned() });
    match (print.key == ours.key, print.ca == ours.ca) {
        (true, true) => Ok(()),
        (false, _) => other("site key"),
        (true, false) => other("CA"),
    }
}

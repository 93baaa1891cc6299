//! Which of the site's keys open what is in a database. It is found by trying: which key sealed a secret is written nowhere.
//!
//! Deliberately not here: sealing anew (`key_rotation`), and the file with the keys (`keys`).

use crate::{
    keys::SiteKey,
    store::{Store, StoreError, StoredSecret},
};
use anyhow::bail;
use std::{collections::BTreeMap, path::Path};

/// How many secrets are read at once.
const PAGE: u32 = 200;

/// What opens with which key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyUse {
    /// How many secrets, by the fingerprint of the key that opens them.
    opened: BTreeMap<String, u64>,
    /// How many secrets no key opens.
    pub(crate) unreadable: u64,
}

impl KeyUse {
    /// How many secrets there are.
    pub(crate) fn secrets(&self) -> u64 {
        self.opened.values().sum::<u64>() + self.unreadable
    }

    /// How many the key with this fingerprint opens.
    pub(crate) fn opened_by(&self, fingerprint: &str) -> u64 {
        self.opened.get(fingerprint).copied().unwrap_or(0)
    }
}

/// Tries the keys on every secret: some ten microseconds for each.
pub(crate) async fn of(store: &Store, key: &SiteKey) -> Result<KeyUse, StoreError> {
    let mut found = KeyUse::default();
    let mut last: Option<StoredSecret> = None;
    loop {
        let page = store.secret_page(last.as_ref(), PAGE).await?;
        for StoredSecret { owner, name, sealed } in &page {
            match key.opener(owner, name, sealed) {
                Some(fingerprint) => *found.opened.entry(fingerprint).or_default() += 1,
                None => found.unreadable += 1,
            }
        }
        last = page.into_iter().last();
        if last.is_none() {
            return Ok(found);
        }
    }
}

/// Whether somebody said that the key of what is there is lost for good: a file `site.key.lost` beside the key.
pub(crate) fn is_lost(data: &Path) -> bool {
    data.join("site.key.lost").exists()
}

/// Refuses a key that opens nothing of what is there, which would be noticed only when a BMC is asked for something.
///
/// # Errors
/// A sentence for the operator.
pub(crate) async fn check(store: &Store, key: &SiteKey, data: &Path) -> anyhow::Result<()> {
    let found = of(store, key).await?;
    let (secrets, unreadable) = (found.secrets(), found.unreadable);
    if unreadable == 0 {
        return Ok(());
    }
    if unreadable == secrets && !is_lost(data) {
        let path = data.join("site.key");
        let path = path.display();
        bail!(
            "{path} is not the site key of this database: none of the {secrets} secrets in it (BMC passwords, user data) can be opened. \
             Put the right one back: it may lie beside it under another name, or where copies of the key are kept. If it is lost for \
             good, make an empty file {path}.lost, start again, and set all BMC passwords anew"
        );
    }
    tracing::warn!(
        unreadable,
        secrets,
        "secrets can't be opened with any key in site.key: set them anew, or put the key back that they need"
    );
    Ok(())
}

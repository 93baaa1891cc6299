//! The audit log: its chain of hashes, how that is verified, and how entries get into the database before what they tell of
//! is answered.

mod limit;

use self::limit::Limit;
use crate::store::{Store, StoreError};
use jiff::Timestamp;
use provisioner_api::{AuditEntry, AuditHead, AuditRecord};
use sha2::{Digest, Sha256};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The hash before the first entry.
pub(crate) const FIRST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Most entries that wait for a database that is away.
const WAITING: usize = 10_000;

/// Most changes that a token may ask for in ten minutes, administrators' aside.
pub(crate) const CHANGES: u32 = 3000;

/// The hash of an entry: over that of the one before and its content.
pub(crate) fn chain(before: &str, content: &str) -> String {
    let hash = Sha256::new().chain_update(before).chain_update("\n").chain_update(content);
    hex::encode(hash.finalize())
}

/// What is wrong with a log.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// What is there as this entry does not follow from the one before.
    #[error(
        "entry {0} is not what was written: it was changed, or one before it was removed or put elsewhere"
    )]
    Entry(u64),
    /// There are fewer entries, or others, than where the log ended.
    #[error("the log has {found} entries, and {expected} were written: its end was removed")]
    Short {
        /// How many there are.
        found: u64,
        /// How many there have to be.
        expected: u64,
    },
    /// The hash of then is none of the log's.
    #[error("the hash {0} is none of this log's: entries were removed or changed since it was taken down")]
    NoSuchHash(String),
}

/// Goes along a log.
#[derive(Debug)]
pub(crate) struct Verifier {
    head: AuditHead,
    /// A hash that has to come.
    wanted: Option<String>,
}

impl Verifier {
    /// From the first entry on; somewhere has to be the hash that was taken down before.
    pub(crate) fn new(wanted: Option<String>) -> Self {
        let wanted = wanted.filter(|hash| hash != FIRST);
        Self { head: AuditHead { entries: 0, hash: FIRST.to_owned() }, wanted }
    }

    /// The next entries.
    pub(crate) fn go_on(&mut self, records: &[AuditRecord]) -> Result<(), Broken> {
        for record in records {
            let seq = self.head.entries + 1;
            let entry: Option<AuditEntry> = serde_json::from_str(&record.content).ok();
            let follows = entry.is_some_and(|entry| entry.seq == seq)
                && chain(&self.head.hash, &record.content) == record.hash;
            if !follows {
                return Err(Broken::Entry(seq));
            }
            self.head = AuditHead { entries: seq, hash: record.hash.clone() };
            self.wanted.take_if(|wanted| *wanted == record.hash);
        }
        Ok(())
    }

    /// The end, which has to be at least where the log ended when it began to be read; where it is.
    pub(crate) fn end(self, ended: &AuditHead) -> Result<AuditHead, Broken> {
        if let Some(wanted) = self.wanted {
            return Err(Broken::NoSuchHash(wanted));
        }
        if self.head.entries < ended.entries {
            return Err(Broken::Short { found: self.head.entries, expected: ended.entries });
        }
        if self.head.entries == ended.entries && self.head.hash != ended.hash {
            return Err(Broken::NoSuchHash(ended.hash.clone()));
        }
        Ok(self.head)
    }
}

/// What is on its way into the log. Entries of several requests are written together.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    queue: Mutex<Queue>,
    /// Held by whoever writes what waits.
    turn: tokio::sync::Mutex<()>,
    /// Each of its own, so that none can be filled to blind another.
    refusals: Limit,
    typing: Limit,
    changes: Limit,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<AuditEntry>,
    /// How many were ever handed in, and how many of these wait no more.
    handed_in: u64,
    gone: u64,
}

impl Audit {
    /// How many of a kind were left out since one was last let through; none: this one is left out, too.
    pub(crate) fn may_tell(&self, kind: String, most: u32, now: Timestamp) -> Option<u64> {
        self.refusals.may(kind, most, now)
    }

    /// The same of typing on one console by one token, which is told once in ten minutes.
    pub(crate) fn may_tell_typing(&self, console: String, now: Timestamp) -> Option<u64> {
        self.typing.may(console, 1, now)
    }

    /// Whether a token may ask for one more change.
    pub(crate) fn may_change(&self, token: &str, now: Timestamp) -> bool {
        self.changes.may(token.to_owned(), CHANGES, now).is_some()
    }

    /// Writes an entry; it is in the database when this returned. What could not be written is written with the next one.
    /// After a connection that broke it may be there twice.
    pub(crate) async fn append(&self, store: &Store, entry: AuditEntry) -> Result<(), StoreError> {
        let ticket = self.hand_in(entry);
        self.write(store, ticket).await
    }

    /// Tries again to write all that waits.
    pub(crate) async fn again(&self, store: &Store) -> Result<(), StoreError> {
        let ticket = self.queue().handed_in;
        self.write(store, ticket).await
    }

    /// Returns when nothing up to this one waits any more. Who is dropped here leaves it to the next one.
    async fn write(&self, store: &Store, ticket: u64) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        let (waiting, gone) = {
            let queue = self.queue();
            (queue.waiting.clone(), queue.gone)
        };
        if gone >= ticket {
            return Ok(());
        }
        store.audit_append(&waiting).await?;
        let mut queue = self.queue();
        // Nobody else takes from it, but for the oldest, when too many wait.
        let written = gone + waiting.len() as u64;
        let still = usize::try_from(written.saturating_sub(queue.gone)).unwrap_or(usize::MAX);
        let still = still.min(queue.waiting.len());
        queue.waiting.drain(..still);
        queue.gone += still as u64;
        Ok(())
    }

    fn hand_in(&self, entry: AuditEntry) -> u64 {
        let mut queue = self.queue();
        if queue.waiting.len() >= WAITING {
            let lost = queue.waiting.remove(0);
            queue.gone += 1;
            tracing::error!(?lost, "the audit log can't be written; an entry is only here");
        }
        queue.waiting.push(entry);
        queue.handed_in += 1;
        queue.handed_in
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing in here panics half way.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

//! Rows as this process last wrote or read them, for a moment: most are looked at several times between two writes.
//!
//! What is kept is never newer than the database, and older only by what another process wrote: then for no longer than
//! it is believed, and not at all while another one is known to be alive. That holds because
//!
//! * before a write begins, what is known of its row is forgotten, while the only connection that writes is held;
//! * what was written is kept only after its commit, while that connection is still held;
//! * what was read is kept only if since before the reading no write has begun, and none was under way then.
//!
//! Whoever changes a row by what was found here does it by compare-and-set all the same. Deliberately not here: which
//! rows there are and what a write touches (`memory`).

use std::{
    borrow::Borrow,
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How long a row is believed to be as it was written or read, unless something else is said for its kind.
pub(super) const BELIEVED: Duration = Duration::from_secs(2);

/// Most rows of one kind that are kept, unless something else is said for it.
const MOST: usize = 4096;

/// Rows of one kind.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    inner: Mutex<Inner<K, V>>,
    believed: Duration,
    most: usize,
}

#[derive(Debug)]
struct Inner<K, V> {
    /// Each with the time from which on it is not believed any more.
    known: HashMap<K, (Instant, V)>,
    /// Those times in their order, so that nothing stays for longer. What was forgotten meanwhile is passed over.
    ends: VecDeque<(Instant, K)>,
    /// Others write to this database, too.
    others: bool,
    /// How many writes have begun.
    writes: u64,
    /// A write has begun of which it is not known yet how it ended.
    open: bool,
}

/// What a reading has to show for its answer to be kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    began: Instant,
    /// How many writes had begun and ended then. None: there was one under way, or others write.
    writes: Option<u64>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self::believing(BELIEVED, MOST)
    }
}

impl<K, V> Recent<K, V> {
    /// Rows that are believed for so long, and of which so many are kept at most.
    pub(super) fn believing(believed: Duration, most: usize) -> Self {
        let (known, ends) = (HashMap::new(), VecDeque::new());
        let inner = Mutex::new(Inner { known, ends, others: false, writes: 0, open: false });
        Self { inner, believed, most }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Recent<K, V> {
    /// The row, if it was written or read a moment ago.
    pub(super) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.get_at(key, Instant::now())
    }

    fn get_at<Q: Hash + Eq + ?Sized>(&self, key: &Q, now: Instant) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let inner = self.lock();
        inner.known.get(key).filter(|(until, _)| now < *until).map(|(_, value)| value.clone())
    }

    /// It is about to be written. The only connection that writes has to be held from before this until after the
    /// commit, and until after [`Recent::keep`] or [`Recent::ended`].
    pub(super) fn forget<Q: Hash + Eq + ?Sized>(&self, key: &Q)
    where
        K: Borrow<Q>,
    {
        let mut inner = self.lock();
        inner.begin();
        inner.known.remove(key);
    }

    /// The same where it is not known which rows are about to be written.
    pub(super) fn forget_all(&self) {
        let mut inner = self.lock();
        inner.begin();
        inner.clear();
    }

    /// The write that began last has ended, and this was committed by it.
    pub(super) fn keep(&self, key: K, value: V) {
        self.keep_at(key, value, Instant::now());
    }

    fn keep_at(&self, key: K, value: V, now: Instant) {
        let mut inner = self.lock();
        inner.open = false;
        inner.put(key, value, now, (self.believed, self.most));
    }

    /// Every write that began has ended, whatever came of it: whoever calls this holds the only connection that writes.
    pub(super) fn ended(&self) {
        self.lock().open = false;
    }

    /// To be called before the database is asked.
    pub(super) fn reading(&self) -> Reading {
        self.reading_at(Instant::now())
    }

    fn reading_at(&self, began: Instant) -> Reading {
        let inner = self.lock();
        Reading { began, writes: (!inner.open && !inner.others).then_some(inner.writes) }
    }

    /// What the database answered. It is kept if no write of this process can have come between.
    pub(super) fn keep_read(&self, reading: Reading, key: K, value: V) {
        let mut inner = self.lock();
        if reading.writes == Some(inner.writes) {
            inner.put(key, value, reading.began, (self.believed, self.most));
        }
    }

    /// Whether other processes use this database. To be told now and then, by whoever holds the only connection that
    /// writes: what is not believed any more is dropped then, too.
    pub(super) fn others(&self, others: bool) {
        self.others_at(others, Instant::now());
    }

    fn others_at(&self, others: bool, now: Instant) {
        let mut inner = self.lock();
        inner.open = false;
        inner.others = others;
        if others {
            inner.clear();
        }
        inner.expire(now);
        if inner.known.is_empty() {
            // A thousand that were at work at once need not be made room for until the end of time.
            inner.known.shrink_to_fit();
            inner.ends.shrink_to_fit();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<K, V>> {
        // Nothing in here panics half way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq + Clone, V> Inner<K, V> {
    fn begin(&mut self) {
        self.writes += 1;
        self.open = true;
    }

    fn clear(&mut self) {
        self.known.clear();
        self.ends.clear();
    }

    fn put(&mut self, key: K, value: V, now: Instant, (believed, most): (Duration, usize)) {
        if self.others {
            return;
        }
        self.expire(now);
        // Both are bounded: what is written again and again leaves an end behind each time.
        if self.ends.len() >= most {
            self.clear();
        }
        let until = now + believed;
        self.ends.push_back((until, key.clone()));
        self.known.insert(key, (until, value));
    }

    /// Drops what is not believed any more.
    fn expire(&mut self, now: Instant) {
        while let Some((until, key)) = self.ends.pop_front_if(|(until, _)| *until <= now) {
            // It may have been kept anew since.
            if self.known.get(&key).is_some_and(|(end, _)| *end == until) {
                self.known.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests;

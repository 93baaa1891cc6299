//! The feed of changes, for those who watch. There is one in a process, while somebody watches or listed to do so.
//!
//! On each poke, and now and then without one, it looks which machines, instances and images there are and in which version
//! (`Store::census`), and takes down what is another than before (`log`). So it does not matter in which order transactions
//! are committed, which replica wrote, or whether a poke was lost: what is committed differs at the next look. Who lists has
//! their position from before they read, so that whatever they did not see yet comes behind it.
//!
//! Deliberately not here: who may see what, and how it is told (`api::watch`).

mod log;

pub(crate) use log::{Entry, Facet, Labels, Missed, Object, Pool, Position, Seen};

use crate::{
    service::Service,
    store::{KnownLabels, StoreError},
    text::logged,
};
use log::Log;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};
use uuid::Uuid;

/// How many changes are kept at least: who misses more has to list again.
const KEPT: usize = 8192;

/// How many are kept for each object that there is: in a large fleet something changes of everything at once.
const OF_EACH: usize = 4;

/// Between two looks without a poke: what another process wrote whose word was lost.
const LOOK: Duration = Duration::from_secs(5);

/// Between two looks at least.
const SPACING: Duration = Duration::from_millis(50);

/// So many times as long as the last look took, at least: it takes no more than a tenth of a core however much changes.
const SHARE: u32 = 9;

/// After a look that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// When no look succeeded for so long, the feed ends, and with it all that watch: they would be told nothing, and not know it.
const BLIND: Duration = Duration::from_secs(60);

/// How long a position is kept for somebody who listed and has not watched yet.
const UNUSED: Duration = Duration::from_secs(300);

/// How many watch at once with one token.
const OF_TOKEN: usize = 16;

/// How many watch at once.
const OF_ALL: usize = 256;

/// The feed.
#[derive(Default)]
pub(crate) struct Feed {
    /// There while the feed runs.
    log: Mutex<Option<Log>>,
    /// Held while it is begun or ended.
    turn: tokio::sync::Mutex<()>,
    /// Rung when something changed, and when it ended.
    bell: watch::Sender<()>,
    /// Held while a change is read for a watcher: other requests never wait for all of them.
    reader: tokio::sync::Mutex<()>,
    watchers: Mutex<Watchers>,
}

#[derive(Default)]
struct Watchers {
    /// How many there are, by the names of their tokens.
    count: HashMap<String, usize>,
    /// When somebody last asked for a position.
    asked: Option<Instant>,
}

/// A watcher's place among those that there may be at once.
pub(crate) struct Place {
    service: Arc<Service>,
    token: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut watchers = held(&self.service.feed.watchers);
        if let Some(count) = watchers.count.get_mut(&self.token) {
            *count -= 1;
            if *count == 0 {
                watchers.count.remove(&self.token);
            }
        }
        watchers.asked = Some(Instant::now());
    }
}

/// A place to watch from, if there is one left.
pub(crate) fn place(service: &Arc<Service>, token: &str) -> Option<Place> {
    let mut watchers = held(&service.feed.watchers);
    let all: usize = watchers.count.values().sum();
    let count = watchers.count.get(token).copied().unwrap_or(0);
    if all >= OF_ALL || count >= OF_TOKEN {
        return None;
    }
    watchers.count.insert(token.to_owned(), count + 1);
    Some(Place { service: Arc::clone(service), token: token.to_owned() })
}

/// Where the feed is now. It begins with this, if it doesn't run: what is committed by then and is not in it comes behind.
pub(crate) async fn position(service: &Arc<Service>) -> Result<Position, StoreError> {
    let feed = &service.feed;
    let _turn = feed.turn.lock().await;
    held(&feed.watchers).asked = Some(Instant::now());
    if let Some(log) = &*held(&feed.log) {
        return Ok(log.newest());
    }
    // Before the look: a poke that comes while it is taken has another taken.
    let news = service.hub.news();
    let mut labels = KnownLabels::default();
    let frozen = service.works.shown().is_some();
    let log = Log::new(Uuid::new_v4(), service.store.census(&mut labels).await?);
    let looks = Looks { frozen, failing: None, labels };
    let position = log.newest();
    *held(&feed.log) = Some(log);
    tokio::spawn(run(Arc::clone(service), news, looks));
    Ok(position)
}

impl Feed {
    /// At most so many changes behind a position.
    pub(crate) fn behind(&self, position: Position, most: usize) -> Result<Vec<Entry>, Missed> {
        let log = held(&self.log);
        log.as_ref().ok_or(Missed::OtherHistory)?.behind(position, most)
    }

    /// Rung when there are changes. Ask for it *before* looking for them.
    pub(crate) fn bell(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }

    /// The turn to read a change for a watcher; there is one for all of them.
    pub(crate) async fn reading(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.reader.lock().await
    }

    /// How many watch.
    #[cfg(test)]
    pub(crate) fn watchers(&self) -> usize {
        held(&self.watchers).count.values().sum()
    }

    /// Whether nobody watches, nor asked for a position lately.
    fn is_idle(&self) -> bool {
        let watchers = held(&self.watchers);
        watchers.count.is_empty() && watchers.asked.is_none_or(|asked| asked.elapsed() >= UNUSED)
    }
}

/// Ends the history with the task that goes on with it, also where that is stopped midway: nobody waits for what never comes.
struct Ends<'a>(&'a Feed);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        *held(&self.0.log) = None;
        self.0.bell.send_replace(());
    }
}

/// What is known from one look to the next.
struct Looks {
    /// Whether everything was frozen: that is shown of each machine, though none changes by it.
    frozen: bool,
    /// Since when no look succeeded.
    failing: Option<Instant>,
    /// What labels machines have.
    labels: KnownLabels,
}

async fn run(service: Arc<Service>, mut news: watch::Receiver<()>, mut looks: Looks) {
    let feed = &service.feed;
    let ends = Ends(feed);
    loop {
        let wait = tokio::select! {
            () = service.stopping.cancelled() => return,
            wait = look(&service, &mut news, &mut looks) => wait,
        };
        if looks.failing.is_some_and(|since| since.elapsed() >= BLIND) {
            tracing::error!("what changed can't be read for a minute; who watches is cut off");
            let _turn = feed.turn.lock().await;
            drop(ends);
            return;
        }
        tokio::select! {
            () = service.stopping.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        tokio::select! {
            () = service.stopping.cancelled() => return,
            _ = tokio::time::timeout(LOOK, news.changed()) => {}
        }
        if feed.is_idle() {
            let _turn = feed.turn.lock().await;
            if feed.is_idle() {
                drop(ends);
                return;
            }
        }
    }
}

/// Looks what changed. How long to wait at least before the next look.
async fn look(service: &Service, news: &mut watch::Receiver<()>, looks: &mut Looks) -> Duration {
    news.mark_unchanged();
    let began = Instant::now();
    let frozen = service.works.shown().is_some();
    let census = match service.store.census(&mut looks.labels).await {
        Ok(census) => census,
        Err(error) => {
            // What was told of is still to be looked for.
            news.mark_changed();
            if looks.failing.is_none() {
                looks.failing = Some(began);
                tracing::warn!(error = logged(&error), "what changed can't be read; it is tried again");
            }
            return AGAIN;
        }
    };
    looks.failing = None;
    let flips = std::mem::replace(&mut looks.frozen, frozen) != frozen;
    if take(&mut held(&service.feed.log), census, flips) {
        service.feed.bell.send_replace(());
    }
    SPACING.max(began.elapsed() * SHARE)
}

/// Takes down what there is. Whether that is news to somebody. When everything is frozen or let go on, what is shown of all is
/// another: then a new history begins, so that each watcher lists again.
fn take(log: &mut Option<Log>, census: HashMap<Object, Seen>, flips: bool) -> bool {
    let Some(log) = log else { return false };
    if flips {
        *log = Log::new(Uuid::new_v4(), census);
        return true;
    }
    let (before, most) = (log.newest(), KEPT.max(OF_EACH * census.len()));
    log.take(census, most);
    log.newest() != before
}

/// Locks. Nothing that is done under these locks can leave them half changed.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

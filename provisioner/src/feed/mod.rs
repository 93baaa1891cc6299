//! The feed of changes, for those who watch. There is one in a process, while somebody watches or listed to do so.
//!
//! On each poke, and now and then without one, it looks which machines, instances and images there are and in which version
//! (`Store::census`), and takes down what is another than before (`log`). So it does not matter in which order transactions
//! are committed, which replica wrote, or whether a poke was lost: what is committed differs at the next look. Who lists has
//! their position from before they read, so that whatever they did not see yet comes behind it.
//!
//! Deliberately not here: who may see what, and how it is told (`api::watch`).

mod log;

pub(crate) use log::{Entry, Facet, Missed, Object, Pool, Position, Seen};

use crate::{service::Service, store::StoreError, text::chain};
use log::Log;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};
use uuid::Uuid;

/// How many changes are kept: who misses more has to list again.
const KEPT: usize = 8192;

/// Between two looks without a poke: what another process wrote whose word was lost.
const LOOK: Duration = Duration::from_secs(5);

/// Between two looks at least.
const SPACING: Duration = Duration::from_millis(50);

/// So many times as long as the last look took, at least: it takes no more than a tenth of a core however much changes.
const SHARE: u32 = 9;

/// After a look that failed.
const AGAIN: Duration = Duration::from_secs(1);

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
    let log = Log::new(Uuid::new_v4(), service.store.census().await?, KEPT);
    let position = log.newest();
    *held(&feed.log) = Some(log);
    tokio::spawn(run(Arc::clone(service), news));
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

async fn run(service: Arc<Service>, mut news: watch::Receiver<()>) {
    let feed = &service.feed;
    let ends = Ends(feed);
    loop {
        let wait = tokio::select! {
            () = service.stopping.cancelled() => return,
            wait = look(&service, &mut news) => wait,
        };
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
async fn look(service: &Service, news: &mut watch::Receiver<()>) -> Duration {
    news.mark_unchanged();
    let began = Instant::now();
    match service.store.census().await {
        Ok(census) => {
            let mut log = held(&service.feed.log);
            if let Some(log) = &mut *log {
                let before = log.newest();
                log.take(census);
                if log.newest() == before {
                    return SPACING.max(began.elapsed() * SHARE);
                }
            }
        }
        Err(error) => {
            tracing::debug!(error = chain(&error), "what changed can't be read; it is tried again");
            return AGAIN;
        }
    }
    service.feed.bell.send_replace(());
    SPACING.max(began.elapsed() * SHARE)
}

/// Locks. Nothing that is done under these locks can leave them half changed.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

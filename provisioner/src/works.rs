//! Whether anybody may work: what this process knows of the freeze, and who is being wiped.
//!
//! The database's row has the word. What was read of it is believed for as long as leave to destroy lasts
//! ([`Pace::leave`], 2 s), counted from when it was asked for on a clock that nobody sets: whoever can't ask any more
//! does not know, and begins nothing. With a file for a database nobody else writes the row, so it is always known. An
//! order that destroys is given only after a look at the row itself ([`Service::frozen_by_row`]).
//!
//! Deliberately not here: what is stopped by a freeze (`reconcile`, `api::agent`, `books`), SQL, and who gives leave to
//! wipe (`reconcile::erase`).

use crate::{
    clock,
    hub::Poke,
    service::{Service, ServiceError},
    store::{NewEvent, Store, StoreError},
    text::logged,
};
use jiff::SignedDuration;
use provisioner_api::MachineId;
use provisioner_lifecycle::{Erasures, Freeze, Pace};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often the row is read where other processes may write it.
const BEAT: Duration = Duration::from_millis(500);

/// What this process knows.
pub(crate) struct Works {
    /// Nobody else writes the row.
    alone: bool,
    known: Mutex<Known>,
    /// Whether everything is frozen, for whoever is in the midst of something.
    frozen: watch::Sender<bool>,
    erasures: Mutex<Arc<Erasures>>,
    /// Machines of whose wiping there is news since leave was given last.
    news: Mutex<EraseNews>,
    /// Held while the row is written and that is taken down, so that what is known last is what was written last.
    writing: tokio::sync::Mutex<()>,
}

struct Known {
    freeze: Option<Arc<Freeze>>,
    /// When the question was sent, since the host started.
    asked: SignedDuration,
}

/// Of more machines than so many it is news of all: a replica that never leads takes none.
const MANY_NEWS: usize = 4096;

/// Whose wiping may be elsewhere than it was.
#[derive(Debug)]
pub(crate) enum EraseNews {
    /// Theirs.
    Of(BTreeSet<MachineId>),
    /// Anybody's: pokes may have been lost, or they are many.
    OfAll,
}

impl Default for EraseNews {
    fn default() -> Self {
        Self::Of(BTreeSet::new())
    }
}

/// Whether anybody may work, as far as is known without asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Everybody may.
    Open,
    /// Nobody may.
    Frozen(Arc<Freeze>),
    /// It has to be asked.
    Unknown,
}

impl Works {
    /// Reads the row. `alone`: nobody else writes it.
    pub(crate) async fn open(store: &Store, alone: bool) -> Result<Self, StoreError> {
        let asked = clock::since_boot();
        let freeze = store.works().await?.map(Arc::new);
        let frozen = watch::Sender::new(freeze.is_some());
        if let Some(freeze) = &freeze {
            tracing::warn!("{freeze}; `billet unfreeze` ends that");
        }
        Ok(Self {
            alone,
            known: Mutex::new(Known { freeze, asked }),
            frozen,
            erasures: Mutex::default(),
            news: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        })
    }

    /// What is known without asking.
    pub(crate) fn gate(&self) -> Gate {
        self.gate_at(clock::since_boot())
    }

    fn gate_at(&self, now: SignedDuration) -> Gate {
        let known = held(&self.known);
        let age = now.saturating_sub(known.asked);
        match &known.freeze {
            // Whoever goes by one that is over only begins later.
            Some(freeze) => Gate::Frozen(Arc::clone(freeze)),
            None if self.alone || age <= Pace::default().leave => Gate::Open,
            None => Gate::Unknown,
        }
    }

    /// Returns as soon as it is known that everything is frozen.
    pub(crate) async fn until_frozen(&self) {
        // It can't fail: the sender lives as long as this.
        let _ = self.frozen.subscribe().wait_for(|frozen| *frozen).await;
    }

    /// The freeze that was known last, for what is shown only.
    pub(crate) fn shown(&self) -> Option<Arc<Freeze>> {
        held(&self.known).freeze.clone()
    }

    /// Who was being wiped, and who waited for that, when leave was given last. For what is shown only.
    pub(crate) fn erasures(&self) -> Arc<Erasures> {
        Arc::clone(&held(&self.erasures))
    }

    /// Takes down who is being wiped.
    pub(crate) fn set_erasures(&self, erasures: Erasures) {
        *held(&self.erasures) = Arc::new(erasures);
    }

    /// A machine's wiping may be elsewhere than it was.
    pub(crate) fn erase_news(&self, machine: MachineId) {
        let mut news = held(&self.news);
        if let EraseNews::Of(machines) = &mut *news {
            machines.insert(machine);
            if machines.len() > MANY_NEWS {
                *news = EraseNews::OfAll;
            }
        }
    }

    /// Any machine's wiping may be.
    pub(crate) fn erase_news_of_all(&self) {
        *held(&self.news) = EraseNews::OfAll;
    }

    /// Of whom that was said since the last question.
    pub(crate) fn take_erase_news(&self) -> EraseNews {
        std::mem::take(&mut *held(&self.news))
    }

    /// Takes down what was read. Answers whether that ends a freeze; none: something newer is known.
    fn take(&self, freeze: Option<Freeze>, asked: SignedDuration) -> Option<bool> {
        let mut known = held(&self.known);
        if asked < known.asked {
            return None;
        }
        let thaws = known.freeze.is_some() && freeze.is_none();
        self.frozen.send_replace(freeze.is_some());
        *known = Known { freeze: freeze.map(Arc::new), asked };
        Some(thaws)
    }
}

impl Service {
    /// Whether everything is frozen; asks if it is not known.
    pub(crate) async fn frozen(&self) -> Result<Option<Arc<Freeze>>, ServiceError> {
        match self.works.gate() {
            Gate::Open => Ok(None),
            Gate::Frozen(freeze) => Ok(Some(freeze)),
            Gate::Unknown => self.frozen_by_row().await,
        }
    }

    /// The same by the row itself: before leave to destroy is given.
    pub(crate) async fn frozen_by_row(&self) -> Result<Option<Arc<Freeze>>, ServiceError> {
        let asked = clock::since_boot();
        let freeze = self.store.works().await?;
        self.knows(freeze.clone(), asked);
        Ok(freeze.map(Arc::new))
    }

    /// Freezes everything. It is in force here when this returns, everywhere 2 s later at the latest, and lasts until
    /// somebody ends it. One that is there already stays as it is. Answers the one that there is then, and whether it is
    /// this one.
    pub(crate) async fn freeze(&self, by: &str, why: Option<&str>) -> Result<(Freeze, bool), ServiceError> {
        let writing = self.works.writing.lock().await;
        let (freeze, is_new) = self.store.works_freeze(by, why).await?;
        self.knows(Some(freeze.clone()), clock::since_boot());
        drop(writing);
        if is_new {
            tracing::warn!("{freeze}; `billet unfreeze` ends that");
            // Only what timelines say of it: that must neither delay nor undo it.
            if let Err(error) = self.tell_freeze(&freeze).await {
                tracing::error!(error = logged(&error), "timelines don't say that everything is frozen");
            }
        }
        Ok((freeze, is_new))
    }

    async fn tell_freeze(&self, freeze: &Freeze) -> Result<(), StoreError> {
        let at_work = self.store.machines_at_work().await?;
        let events: Vec<_> =
            at_work.into_iter().map(|id| NewEvent::machine(id, "request", freeze.to_string())).collect();
        self.store.event_insert(&events, clock::now()).await
    }

    /// Ends the freeze, if there is one: everything goes on where it was.
    pub(crate) async fn unfreeze(&self, by: &str) -> Result<(), ServiceError> {
        let _writing = self.works.writing.lock().await;
        let tell = |id: MachineId, was: &Freeze| {
            let message = format!("{by} ends the freeze since {}: everything goes on", was.since);
            NewEvent::machine(id, "request", message)
        };
        let was = self.store.works_thaw(tell, clock::now()).await?;
        if let Some(was) = was {
            tracing::warn!(since = %was.since, by, "the freeze is over");
        }
        self.knows(None, clock::since_boot());
        Ok(())
    }

    /// Takes down what is known of the row. When a freeze is over, whoever waited for that is woken.
    fn knows(&self, freeze: Option<Freeze>, asked: SignedDuration) {
        if self.works.take(freeze, asked) == Some(true) {
            self.hub.poke(Poke::All);
        }
    }
}

/// Looks at the row all the time, where other processes may write it.
pub(crate) async fn follow(service: Arc<Service>, shutdown: CancellationToken) -> anyhow::Result<()> {
    if service.works.alone {
        shutdown.cancelled().await;
        return Ok(());
    }
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(BEAT) => {}
        }
        if let Err(error) = service.frozen_by_row().await {
            // Nothing is begun meanwhile; that the database is away is told elsewhere.
            tracing::debug!(error = logged(&error), "whether everything is frozen can't be read");
        }
    }
}

/// Locks. Nothing that is done under these locks can leave them half changed.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

//! A lock that is this process's and, where there are other replicas, theirs, too: on PostgreSQL an advisory lock beside
//! the one in memory. For what a compare-and-set can't keep apart: two processes at one BMC, or at the shared images.
//!
//! It lasts as long as the connection that holds it; a process that dies lets go. One whose connection broke goes on
//! without knowing: the time of one deed.

use crate::store::Store;
use std::{sync::Arc, time::Duration};
use tokio::{
    runtime::Handle,
    sync::{Mutex, OwnedMutexGuard, oneshot},
};

/// Between two tries to get what another process has.
const AGAIN: Duration = Duration::from_millis(200);

/// A lock to be taken.
#[derive(Clone)]
pub(crate) struct Lock {
    here: Arc<Mutex<()>>,
    store: Arc<Store>,
    name: Arc<str>,
}

impl Lock {
    /// The lock of this name. In this process it is this one and its clones.
    pub(crate) fn new(store: Arc<Store>, name: impl Into<Arc<str>>) -> Self {
        Self { here: Arc::default(), store, name: name.into() }
    }

    /// Takes it, as soon as nobody has it.
    pub(crate) async fn lock(&self) -> Held {
        let here = Arc::clone(&self.here).lock_owned().await;
        loop {
            if let Some(elsewhere) = self.elsewhere().await {
                return Held { _elsewhere: elsewhere, _here: here };
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Takes it, unless somebody has it, or other processes can't be asked.
    pub(crate) async fn try_lock(&self) -> Option<Held> {
        let here = Arc::clone(&self.here).try_lock_owned().ok()?;
        self.elsewhere().await.map(|elsewhere| Held { _elsewhere: elsewhere, _here: here })
    }

    /// Whether somebody in this process has it.
    pub(crate) fn is_held_here(&self) -> bool {
        self.here.try_lock().is_err()
    }

    async fn elsewhere(&self) -> Option<Elsewhere> {
        if !self.store.is_shared() {
            return Some(Elsewhere(None));
        }
        let (answer, answered) = oneshot::channel();
        let (store, name) = (Arc::clone(&self.store), Arc::clone(&self.name));
        // Apart, so that one who stops waiting leaves neither a lock nor a question half asked. What nobody takes is
        // dropped, and let go with that.
        tokio::spawn(async move {
            let free = store.lock_elsewhere(&name).await.unwrap_or_else(|error| {
                tracing::warn!(%error, lock = &*name, "whether another replica holds it can't be asked");
                false
            });
            _ = answer.send(free.then(|| Elsewhere(Some((store, name)))));
        });
        answered.await.ok().flatten()
    }
}

/// A lock that is held until this is dropped. Other processes hear of its end first.
pub(crate) struct Held {
    _elsewhere: Elsewhere,
    _here: OwnedMutexGuard<()>,
}

/// What other processes see of it.
struct Elsewhere(Option<(Arc<Store>, Arc<str>)>);

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let Some((store, name)) = self.0.take() else { return };
        // Without a runtime the process ends, and its connection with it.
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Err(error) = store.unlock_elsewhere(&name).await {
                tracing::warn!(%error, lock = &*name, "other replicas can't be told that it is free");
            }
        });
    }
}

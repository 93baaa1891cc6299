//! A lock that is this process's and, where there are other replicas, theirs, too: on PostgreSQL an advisory lock beside
//! the one in memory. For what a compare-and-set can't keep apart: two processes at one BMC, or at the shared images.
//!
//! It lasts as long as the connection that holds it; a process that dies lets go, and so does one that is stopped: the
//! server ends a connection that is silent for 15 s. One whose connection broke goes on without knowing: the time of one
//! deed.

use crate::{
    store::{DbError, DbErrorKind, Store, StoreError},
    text::logged,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    runtime::Handle,
    sync::{Mutex, OwnedMutexGuard, oneshot},
    time::Instant,
};

/// Between two tries to get what another process has.
const AGAIN: Duration = Duration::from_millis(200);

/// How long it is asked without an answer, before that is an error.
const PATIENCE: Duration = Duration::from_secs(10);

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

    /// Takes it, as soon as nobody has it. It is an error when other processes could not be asked for 10 s.
    pub(crate) async fn lock(&self) -> Result<Held, StoreError> {
        self.lock_within(PATIENCE).await
    }

    /// That somebody has it is an answer, and is waited for without limit.
    async fn lock_within(&self, patience: Duration) -> Result<Held, StoreError> {
        let here = Arc::clone(&self.here).lock_owned().await;
        let mut answered = Instant::now();
        loop {
            match self.elsewhere().await {
                Ok(Some(elsewhere)) => return Ok(Held { _elsewhere: elsewhere, _here: here }),
                Ok(None) => answered = Instant::now(),
                Err(error) if answered.elapsed() >= patience => return Err(error),
                Err(_) => {}
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Takes it, unless somebody has it, or other processes can't be asked.
    pub(crate) async fn try_lock(&self) -> Option<Held> {
        let here = Arc::clone(&self.here).try_lock_owned().ok()?;
        match self.elsewhere().await {
            Ok(elsewhere) => elsewhere.map(|elsewhere| Held { _elsewhere: elsewhere, _here: here }),
            Err(error) => {
                self.cannot_ask(&error);
                None
            }
        }
    }

    fn cannot_ask(&self, error: &StoreError) {
        let (lock, error) = (&*self.name, logged(error));
        tracing::warn!(error, lock, "whether another replica holds it can't be asked");
    }

    /// Whether somebody in this process has it.
    pub(crate) fn is_held_here(&self) -> bool {
        self.here.try_lock().is_err()
    }

    /// What other processes see of it; none: one of them has it.
    async fn elsewhere(&self) -> Result<Option<Elsewhere>, StoreError> {
        if !self.store.is_shared() {
            return Ok(Some(Elsewhere(None)));
        }
        let (answer, answered) = oneshot::channel();
        let (store, name) = (Arc::clone(&self.store), Arc::clone(&self.name));
        // Apart, so that one who stops waiting leaves neither a lock nor a question half asked. What nobody takes is
        // dropped, and let go with that.
        tokio::spawn(async move {
            let free = store.lock_elsewhere(&name).await;
            _ = answer.send(free.map(|free| free.then(|| Elsewhere(Some((store, name))))));
        });
        let ends = |_| DbError::new(DbErrorKind::Lost, "the service ends");
        answered.await.map_err(ends)?
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
                tracing::warn!(
                    error = crate::text::logged(&error),
                    lock = &*name,
                    "other replicas can't be told that it is free"
                );
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tests_postgres::Server;

    #[tokio::test]
    async fn a_lock_that_is_held_is_waited_for_and_one_that_cannot_be_asked_for_is_an_error() {
        let server = Server::start().await.unwrap();
        let database = server.database().await.unwrap();
        let options = database.url().parse().unwrap();
        let one = Arc::new(Store::open_server(&options).await.unwrap());
        let two = Arc::new(Store::open_server(&options).await.unwrap());
        let held = Lock::new(Arc::clone(&one), "images").lock().await.unwrap();
        let wanted = Lock::new(Arc::clone(&two), "images");
        let mut waits = Box::pin(wanted.lock_within(Duration::ZERO));
        let a_few_tries = tokio::time::timeout(3 * AGAIN, &mut waits).await;
        assert!(a_few_tries.is_err(), "held is an answer");
        drop(held);
        drop(waits.await.unwrap());
        server.stop().await.unwrap();
        let error = wanted.lock_within(Duration::ZERO).await.err().unwrap();
        assert!(error.is_lost(), "{error:?}");
        server.start_again().await.unwrap();
        drop(wanted.lock().await.unwrap());
        one.close().await;
        two.close().await;
    }
}

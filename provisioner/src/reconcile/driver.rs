//! When: one task for each machine and instance, woken by pokes and by its own next time.
//!
//! A poke only says "look again", so a lost, late or doubled one does no harm. After a restart every object is looked
//! at once: there is no other path for picking work up again.

use super::{Next, instance, machine};
use crate::{
    clock,
    hub::Poke,
    service::{Service, ServiceError},
};
use provisioner_api::{InstanceId, MachineId};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, Semaphore, broadcast::error::RecvError},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// How many machines are acted on at once: each may hold a BMC connection for half a minute.
const AT_ONCE: usize = 64;

/// After a failure of our own (database), this long until the next look.
const AFTER_ERROR: Duration = Duration::from_secs(2);

/// Objects are looked at this often even if nothing happens.
const IDLE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Machine(MachineId),
    Instance(InstanceId),
}

struct Workers {
    service: Arc<Service>,
    slots: Arc<Semaphore>,
    bells: HashMap<Key, Arc<Notify>>,
    tasks: JoinSet<Key>,
    shutdown: CancellationToken,
}

/// Reconciles until cancelled. What is being done then is given up where it is: every effect can be repeated.
pub(crate) async fn run(service: Arc<Service>, shutdown: CancellationToken) -> Result<(), ServiceError> {
    let mut pokes = service.hub.listen();
    let mut workers = Workers {
        slots: Arc::new(Semaphore::new(AT_ONCE)),
        bells: HashMap::new(),
        tasks: JoinSet::new(),
        shutdown: shutdown.clone(),
        service,
    };
    workers.wake_all().await?;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            poke = pokes.recv() => match poke {
                Ok(Poke::Machine(id)) => workers.wake(Key::Machine(id)),
                Ok(Poke::Instance(id)) => workers.wake(Key::Instance(id)),
                Ok(Poke::Pending) | Err(RecvError::Lagged(_)) => workers.wake_all().await?,
                Err(RecvError::Closed) => break,
            },
            Some(ended) = workers.tasks.join_next() => match ended {
                Ok(key) => { workers.bells.remove(&key); }
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => {}
            },
        }
    }
    workers.tasks.shutdown().await;
    Ok(())
}

impl Workers {
    fn wake(&mut self, key: Key) {
        if let Some(bell) = self.bells.get(&key) {
            bell.notify_one();
            return;
        }
        let bell = Arc::new(Notify::new());
        self.bells.insert(key, Arc::clone(&bell));
        let work = work(Arc::clone(&self.service), key, bell, Arc::clone(&self.slots), self.shutdown.clone());
        self.tasks.spawn(work);
    }

    /// Instances that wait for a machine are few; machines are woken only if they have no task yet.
    async fn wake_all(&mut self) -> Result<(), ServiceError> {
        for record in self.service.store.machine_list().await? {
            if !self.bells.contains_key(&Key::Machine(record.id())) {
                self.wake(Key::Machine(record.id()));
            }
        }
        for record in self.service.store.instance_list().await? {
            let key = Key::Instance(record.id);
            if record.machine.is_none() || !self.bells.contains_key(&key) {
                self.wake(key);
            }
        }
        Ok(())
    }
}

async fn work(
    service: Arc<Service>,
    key: Key,
    bell: Arc<Notify>,
    slots: Arc<Semaphore>,
    shutdown: CancellationToken,
) -> Key {
    loop {
        let next = tokio::select! {
            () = shutdown.cancelled() => return key,
            next = look(&service, key, &slots) => next,
        };
        let pause = match next {
            Ok(Next::Now) => continue,
            Ok(Next::Gone) => return key,
            Ok(Next::At(at)) => {
                let left = at.duration_since(clock::now()).max(jiff::SignedDuration::ZERO);
                Duration::try_from(left).unwrap_or(IDLE).min(IDLE)
            }
            Err(error) => {
                tracing::error!(?key, error = chain(&error), "reconciling failed; it is tried again");
                AFTER_ERROR
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return key,
            () = bell.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn look(service: &Service, key: Key, slots: &Semaphore) -> Result<Next, ServiceError> {
    // The semaphore is never closed.
    let _slot = slots.acquire().await;
    match key {
        Key::Machine(id) => machine::reconcile(service, id).await,
        Key::Instance(id) => instance::reconcile(service, id).await,
    }
}

/// An error with its whole chain of causes, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

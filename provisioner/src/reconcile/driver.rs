//! When: one task for each machine and instance, woken by pokes and by its own next time.
//!
//! A poke only says "look again", so a lost, late or doubled one does no harm. After a restart every object is looked
//! at once: there is no other path for picking work up again.

use super::{Next, Slots, instance, machine};
use crate::{
    clock,
    hub::Poke,
    service::{Service, ServiceError},
};
use provisioner_api::{InstanceId, MachineId};
use provisioner_lifecycle::Fact;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, broadcast::error::RecvError},
    task::{AbortHandle, JoinError, JoinSet},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

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
    slots: Arc<Slots>,
    bells: HashMap<Key, (Arc<Notify>, AbortHandle)>,
    tasks: JoinSet<Key>,
    shutdown: CancellationToken,
}

/// Reconciles until cancelled. What is being done then is given up where it is: every effect can be repeated.
pub(crate) async fn run(service: Arc<Service>, shutdown: CancellationToken) -> Result<(), ServiceError> {
    let mut pokes = service.hub.listen();
    let mut workers = Workers {
        slots: Arc::default(),
        bells: HashMap::new(),
        tasks: JoinSet::new(),
        shutdown: shutdown.clone(),
        service,
    };
    listens_again(&workers.service).await?;
    // Its first tick, which comes at once, picks everything up; later ones what a request that was cut off, a lagging
    // hub or a failing database left behind.
    let mut sweep = tokio::time::interval(IDLE);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = sweep.tick() => told(workers.wake_missing().await),
            poke = pokes.recv() => match poke {
                Ok(Poke::Machine(id)) => workers.wake(Key::Machine(id)),
                Ok(Poke::Instance(id)) => workers.wake(Key::Instance(id)),
                Ok(Poke::Pending) => told(workers.wake_pending().await),
                Err(RecvError::Lagged(_)) => {
                    workers.bells.values().for_each(|(bell, _)| bell.notify_one());
                    told(workers.wake_missing().await);
                }
                Err(RecvError::Closed) => break,
            },
            Some(ended) = workers.tasks.join_next() => workers.bury(ended),
        }
    }
    workers.tasks.shutdown().await;
    Ok(())
}

/// Nobody could be heard while the service was down: silence counts from now.
async fn listens_again(service: &Service) -> Result<(), ServiceError> {
    for id in service.store.machine_working_ids().await? {
        service.observe(id, &Fact::Listening, &[]).await?;
    }
    Ok(())
}

/// The database may fail for a while; the next sweep tries again.
fn told(swept: Result<(), ServiceError>) {
    if let Err(error) = swept {
        tracing::error!(error = chain(&error), "what there is to do can't be read; it is tried again");
    }
}

impl Workers {
    fn wake(&mut self, key: Key) {
        if let Some((bell, _)) = self.bells.get(&key) {
            bell.notify_one();
            return;
        }
        let bell = Arc::new(Notify::new());
        let (service, slots) = (Arc::clone(&self.service), Arc::clone(&self.slots));
        let task = self.tasks.spawn(work(service, key, Arc::clone(&bell), slots, self.shutdown.clone()));
        self.bells.insert(key, (bell, task));
    }

    /// Wakes the instances that have no machine.
    async fn wake_pending(&mut self) -> Result<(), ServiceError> {
        for id in self.service.store.instance_pending_ids().await? {
            self.wake(Key::Instance(id));
        }
        Ok(())
    }

    /// Wakes what has no task.
    async fn wake_missing(&mut self) -> Result<(), ServiceError> {
        let machines = self.service.store.machine_ids().await?.into_iter().map(Key::Machine);
        let instances = self.service.store.instance_ids().await?.into_iter().map(Key::Instance);
        for key in machines.chain(instances) {
            if !self.bells.contains_key(&key) {
                self.wake(key);
            }
        }
        Ok(())
    }

    /// Forgets a task that ended. One that stumbled must not take the others with it: the next sweep starts it anew.
    fn bury(&mut self, ended: Result<Key, JoinError>) {
        match ended {
            Ok(key) => drop(self.bells.remove(&key)),
            Err(error) => {
                let key =
                    self.bells.iter().find(|(_, (_, task))| task.id() == error.id()).map(|(key, _)| *key);
                tracing::error!(?key, %error, "reconciling stumbled: this is a bug; it is tried again in a minute");
                key.map(|key| self.bells.remove(&key));
            }
        }
    }
}

async fn work(
    service: Arc<Service>,
    key: Key,
    bell: Arc<Notify>,
    slots: Arc<Slots>,
    shutdown: CancellationToken,
) -> Key {
    let mut glance = None;
    loop {
        let next = tokio::select! {
            () = shutdown.cancelled() => return key,
            next = look(&service, key, &slots, &mut glance) => next,
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

async fn look(
    service: &Service,
    key: Key,
    slots: &Slots,
    glance: &mut Option<machine::Glance>,
) -> Result<Next, ServiceError> {
    match key {
        Key::Machine(id) => machine::reconcile(service, id, slots, glance).await,
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

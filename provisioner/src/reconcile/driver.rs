//! When: one queue for all machines and instances, woken by pokes and by their own times. There is a task for an object
//! only while it is looked at, and of these a bounded number: ten thousand machines that rest are ten thousand entries.
//!
//! A poke only says "look again", so a late or doubled one does no harm. After a restart every object is looked at:
//! those with something to do at once, jobs that run first, the others spread over a minute, so that their BMCs are not
//! all asked at once, then or later. There is no other path for picking work up again.

use super::{
    Key, Limits, Next, Slots, Turn, allocate, instance, machine,
    queue::{Because, Queue},
    sweep,
};
use crate::{
    clock,
    hub::Poke,
    service::{Service, ServiceError},
};
use jiff::Timestamp;
use provisioner_api::MachineId;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    sync::OwnedSemaphorePermit,
    task::{Id, JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// After a failure of our own (database), this long until the next look.
const AFTER_ERROR: Duration = Duration::from_secs(2);

/// After a look that stumbled over a bug.
const AFTER_BUG: Duration = Duration::from_secs(60);

/// Objects are looked at this often even if nothing happens.
const IDLE: Duration = Duration::from_mins(10);

/// No two looks at an object follow each other faster because of the time: clocks are read at different moments.
const SOON: Duration = Duration::from_millis(10);

/// How long pokes of those that wait for a machine are gathered: a hundred that are asked for one after the other are one
/// decision.
const GATHER: Duration = Duration::from_millis(50);

/// How many objects are looked at at once: all that may talk to a BMC, and some more, so that the others are never kept
/// waiting by slow BMCs.
const LOOKS: usize = super::DEEDS + super::POLLS + 32;

struct Driver {
    service: Arc<Service>,
    limits: Arc<Limits>,
    began: Instant,
    queue: Queue<Key>,
    /// What the last looks at machines left for the next ones.
    glances: HashMap<MachineId, machine::Glance>,
    allocation: allocate::Memory,
    /// Whether what there was at the start is known.
    swept: bool,
    looks: JoinSet<Looked>,
    /// What each task looks at, for those that stumble.
    tasks: HashMap<Id, Key>,
}

/// What came of a look.
struct Looked {
    key: Key,
    next: Result<Next, ServiceError>,
    left: Left,
}

/// What a look leaves for the next one.
enum Left {
    Nothing,
    Glance(Option<machine::Glance>),
    Allocation(allocate::Memory),
    Found(Vec<sweep::Found>),
}

/// Reconciles until cancelled. What is being done then is given up where it is: every effect can be repeated.
pub(crate) async fn run(service: Arc<Service>, shutdown: CancellationToken) -> Result<(), ServiceError> {
    // Nobody could be heard while the service was down: silence counts from now.
    let working = service.store.machines_listen(clock::now()).await?;
    let mut driver = Driver {
        limits: Arc::default(),
        began: Instant::now(),
        queue: Queue::new(),
        glances: HashMap::new(),
        allocation: allocate::Memory::default(),
        swept: false,
        looks: JoinSet::new(),
        tasks: HashMap::new(),
        service: Arc::clone(&service),
    };
    for id in working {
        driver.queue.wake(Key::Machine(id), Duration::ZERO);
    }
    driver.queue.wake(Key::Allocation, Duration::ZERO);
    driver.queue.wake(Key::Sweep, Duration::ZERO);
    loop {
        driver.begin_looks();
        let room = driver.looks.len() < LOOKS;
        let due = driver.queue.due().filter(|_| room).map(|due| driver.began + due);
        tokio::select! {
            () = shutdown.cancelled() => break,
            pokes = service.hub.taken() => pokes.into_iter().for_each(|poke| driver.poked(poke)),
            Some(ended) = driver.looks.join_next_with_id() => driver.ended(ended),
            () = until(due) => {}
        }
    }
    driver.looks.shutdown().await;
    Ok(())
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

impl Driver {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn poked(&mut self, poke: Poke) {
        let now = self.now();
        match poke {
            Poke::Machine(id) => self.queue.wake(Key::Machine(id), now),
            Poke::Instance(id) => self.queue.wake(Key::Instance(id), now),
            Poke::Pending => {
                let at = self.allocation.earliest(self.began).max(now + GATHER);
                self.queue.wake(Key::Allocation, at);
            }
        }
    }

    /// Begins what there is room for: first those whose turn has come.
    fn begin_looks(&mut self) {
        let now = self.now();
        for turn in [Turn::Deed, Turn::Poll] {
            while self.looks.len() < LOOKS
                && let Some(leave) = self.limits.leave(turn)
                && let Some(key) = self.queue.call(turn)
            {
                self.look(key, Because::Asked, Some((turn, leave)));
            }
        }
        while self.looks.len() < LOOKS
            && let Some((key, because)) = self.queue.begin(now)
        {
            self.look(key, because, None);
        }
    }

    fn look(&mut self, key: Key, because: Because, leave: Option<(Turn, OwnedSemaphorePermit)>) {
        let service = Arc::clone(&self.service);
        let task = match key {
            Key::Machine(id) => {
                let slots = Slots::new(Arc::clone(&self.limits), leave);
                let glance = self.glances.remove(&id);
                self.looks.spawn(look_at_machine(service, id, slots, glance, because))
            }
            Key::Instance(id) => self.looks.spawn(async move {
                let next = instance::reconcile(&service, id).await;
                Looked { key, next, left: Left::Nothing }
            }),
            Key::Allocation => {
                let mut memory = std::mem::take(&mut self.allocation);
                self.looks.spawn(async move {
                    let next = allocate::pass(&service.store, &service.hub, &mut memory).await;
                    Looked { key, next, left: Left::Allocation(memory) }
                })
            }
            Key::Sweep => {
                let first = !self.swept;
                self.looks.spawn(look_around(service, first))
            }
        };
        self.tasks.insert(task.id(), key);
    }

    fn ended(&mut self, ended: Result<(Id, Looked), JoinError>) {
        let now = self.now();
        match ended {
            Ok((id, looked)) => {
                self.tasks.remove(&id);
                self.take(looked, now);
            }
            // One that stumbles must not take the others with it.
            Err(error) => {
                let key = self.tasks.remove(&error.id());
                tracing::error!(?key, %error, "reconciling stumbled: this is a bug; it is tried again in a minute");
                if let Some(key) = key {
                    self.queue.rests(key, now + AFTER_BUG);
                }
            }
        }
    }

    fn take(&mut self, looked: Looked, now: Duration) {
        let Looked { key, next, left } = looked;
        match (left, key) {
            (Left::Glance(Some(glance)), Key::Machine(id)) => drop(self.glances.insert(id, glance)),
            (Left::Allocation(memory), _) => self.allocation = memory,
            (Left::Found(found), _) => {
                self.swept |= next.is_ok();
                for sweep::Found { key, after } in found {
                    if !self.queue.knows(key) {
                        self.queue.wake(key, now + after);
                    }
                }
            }
            _ => {}
        }
        let then = |at: Timestamp| now + pause(at, clock::now());
        match next {
            Ok(Next::Now) => {
                self.queue.rests(key, now);
                // More than its time has it looked at: what was just done.
                self.queue.wake(key, now);
            }
            Ok(Next::At(at)) => self.queue.rests(key, then(at)),
            Ok(Next::Crowded(turn, at)) => self.queue.waits(key, turn, then(at)),
            Ok(Next::Gone) => {
                self.queue.gone(key);
                if let Key::Machine(id) = key {
                    self.glances.remove(&id);
                }
            }
            Err(error) => {
                tracing::error!(?key, error = chain(&error), "reconciling failed; it is tried again");
                self.queue.rests(key, now + AFTER_ERROR);
                self.queue.wake(key, now + AFTER_ERROR);
            }
        }
    }
}

/// How long until then.
fn pause(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default().clamp(SOON, IDLE)
}

async fn look_at_machine(
    service: Arc<Service>,
    id: MachineId,
    slots: Slots,
    mut glance: Option<machine::Glance>,
    because: Because,
) -> Looked {
    // Where nothing happened but that time passed, a look at the power may be all.
    let glanced = match because {
        Because::Time => machine::glance(&service, id, &slots, &mut glance).await,
        Because::Asked => None,
    };
    let next = match glanced {
        Some(next) => Ok(next),
        None => machine::reconcile(&service, id, &slots, &mut glance).await,
    };
    Looked { key: Key::Machine(id), next, left: Left::Glance(glance) }
}

async fn look_around(service: Arc<Service>, first: bool) -> Looked {
    let (next, found) = match sweep::look(&service, first).await {
        Ok(found) => (Ok(sweep::next(clock::now())), found),
        Err(error) => (Err(error), Vec::new()),
    };
    Looked { key: Key::Sweep, next, left: Left::Found(found) }
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

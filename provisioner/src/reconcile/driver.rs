//! When: one queue for all machines and instances, woken by pokes and by their own times. There is a task for an object
//! only while it is looked at, and of these a bounded number: ten thousand machines that rest are ten thousand entries.
//!
//! A poke only says "look again", so a late or doubled one does no harm. After a restart every object is looked at:
//! those with something to do at once, jobs that run first, the others spread over a minute, so that their BMCs are not
//! all asked at once, then or later. There is no other path for picking work up again.

use super::{
    Key, Limits, Next, Slots, Turn, allocate, erase, instance, machine,
    queue::{Because, Queue},
    sweep,
};
use crate::{clock, hub::Poke, leader::Led, service::ServiceError, text::logged};
use jiff::{SignedDuration, Timestamp};
use provisioner_api::MachineId;
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{
    sync::OwnedSemaphorePermit,
    task::{Id, JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// After a failure of our own (database), this long until the next look.
const AFTER_ERROR: Duration = Duration::from_secs(2);

/// After a look that stumbled over a bug, or over records that can't be read.
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

/// How often it is seen at least that this process runs.
const TICK: Duration = Duration::from_secs(5);

/// By how much somebody sets the clock without everything being frozen: daemons that keep the time correct less.
const LEAP: SignedDuration = SignedDuration::from_mins(5);

/// After so long without a tick this process did not run, or the clock was set.
const ASLEEP: SignedDuration = SignedDuration::from_secs(15);

struct Driver {
    service: Arc<Led>,
    limits: Arc<Limits>,
    began: Instant,
    /// When it was last known to run, by the clock that silence is counted by.
    awake: Timestamp,
    /// The same by a clock that nobody sets.
    awake_since_boot: SignedDuration,
    queue: Queue<Key>,
    /// What the last looks at machines left for the next ones.
    glances: HashMap<MachineId, machine::Glance>,
    allocation: allocate::Memory,
    wiping: erase::Memory,
    /// What can't be looked at because of damaged records.
    damaged: HashSet<Key>,
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
    Wiping(erase::Memory),
    Found(Vec<sweep::Found>),
}

/// Reconciles until cancelled. What is being done then is given up where it is: every effect can be repeated.
pub(crate) async fn run(service: Arc<Led>, shutdown: CancellationToken) -> Result<(), ServiceError> {
    // Nobody could be heard while the service was down: silence counts from now.
    let working = tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        working = service.store.machines_listen(clock::now()) => working?,
    };
    let mut driver = Driver::new(Arc::clone(&service));
    for id in working {
        driver.queue.wake(Key::Machine(id), Duration::ZERO);
    }
    driver.queue.wake(Key::Allocation, Duration::ZERO);
    driver.queue.wake(Key::Wiping, Duration::ZERO);
    driver.queue.wake(Key::Sweep, Duration::ZERO);
    loop {
        if let Err(error) = driver.wakes().await {
            tracing::error!(error = logged(&error), "what was missed can't be written; it is tried again");
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(AFTER_ERROR) => continue,
            }
        }
        driver.begin_looks();
        let room = driver.looks.len() < LOOKS;
        let due = driver.queue.due().filter(|_| room).map(|due| driver.began + due);
        tokio::select! {
            () = shutdown.cancelled() => break,
            pokes = service.hub.taken() => pokes.into_iter().for_each(|poke| driver.poked(poke)),
            Some(ended) = driver.looks.join_next_with_id() => driver.ended(ended),
            () = until(due) => {}
            () = tokio::time::sleep(TICK) => {}
        }
    }
    if let Some(patience) = service.farewell() {
        // Whoever leads next need not find what was done to half.
        let ends = async { while driver.looks.join_next().await.is_some() {} };
        _ = tokio::time::timeout(patience, ends).await;
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
    fn new(service: Arc<Led>) -> Self {
        Self {
            limits: Arc::default(),
            began: Instant::now(),
            awake: clock::now(),
            awake_since_boot: clock::since_boot(),
            queue: Queue::new(),
            glances: HashMap::new(),
            allocation: allocate::Memory::default(),
            wiping: erase::Memory::default(),
            damaged: HashSet::new(),
            swept: false,
            looks: JoinSet::new(),
            tasks: HashMap::new(),
            service,
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Before anything is decided: while this process was stopped (a paused virtual machine, say) nobody was silent, and
    /// what a clock that is set forward leaps over nobody could fill with words.
    async fn wakes(&mut self) -> Result<(), ServiceError> {
        let (now, since_boot) = (clock::now(), clock::since_boot());
        let leap = leap(now.duration_since(self.awake), since_boot.saturating_sub(self.awake_since_boot));
        if let Some(leap) = leap.filter(|_| self.service.config.freeze_on_clock_leap) {
            let why = format!(
                "the clock was set by {leap:#}; look whether it is right, and whether the database is as new as the machines"
            );
            self.service.freeze("billet", Some(&why)).await?;
        }
        if slept(self.awake, now) {
            let seconds = now.duration_since(self.awake).as_secs();
            tracing::warn!(
                seconds,
                "the service was stopped, or the clock was set: that time counts for nobody"
            );
            self.service.store.machines_missed(self.awake, now).await?;
        }
        (self.awake, self.awake_since_boot) = (now, since_boot);
        Ok(())
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
            Poke::Wiping => self.queue.wake(Key::Wiping, now + GATHER),
            Poke::All => {
                self.service.works.erase_news_of_all();
                self.queue.wake(Key::Sweep, now);
                self.queue.wake_all(now);
            }
        }
    }

    /// Begins what there is room for: first those whose turn has come.
    fn begin_looks(&mut self) {
        let now = self.now();
        for turn in [Turn::Deed, Turn::Poll] {
            while self.looks.len() < LOOKS
                && let Some(leave) = self.limits.leave(turn)
                && let Some((key, because)) = self.queue.call(turn)
            {
                self.look(key, because, Some((turn, leave)));
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
                    let next = allocation(&service, &mut memory).await;
                    Looked { key, next, left: Left::Allocation(memory) }
                })
            }
            Key::Wiping => {
                let mut memory = std::mem::take(&mut self.wiping);
                self.looks.spawn(async move {
                    let next = erase::pass(&service, &mut memory).await;
                    Looked { key, next, left: Left::Wiping(memory) }
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
                tracing::error!(
                    ?key,
                    error = crate::text::logged(&error),
                    "reconciling stumbled: this is a bug; it is tried again in a minute"
                );
                if let Some(key) = key {
                    self.queue.rests(key, now + AFTER_BUG);
                }
            }
        }
    }

    /// Takes down whether an object's records are damaged, for those who count.
    fn note_damage(&mut self, key: Key, damage: bool) {
        let news = if damage { self.damaged.insert(key) } else { self.damaged.remove(&key) };
        if news {
            self.service.damaged.store(self.damaged.len(), Ordering::Relaxed);
        }
    }

    fn take(&mut self, looked: Looked, now: Duration) {
        let Looked { key, next, left } = looked;
        match (left, key) {
            (Left::Glance(Some(glance)), Key::Machine(id)) => drop(self.glances.insert(id, glance)),
            (Left::Allocation(memory), _) => self.allocation = memory,
            (Left::Wiping(memory), _) => self.wiping = memory,
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
        let damage = next.as_ref().err().is_some_and(ServiceError::is_damage);
        self.note_damage(key, damage);
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
            // Until somebody mends it, each look ends so.
            Err(error) if damage => {
                tracing::error!(?key, error = logged(&error), "it can't be looked at: records are damaged");
                self.queue.rests(key, now + AFTER_BUG);
            }
            Err(error) if error.is_not_leading() => {
                tracing::info!(?key, error = logged(&error), "what was decided is not written");
                self.queue.rests(key, now + AFTER_ERROR);
                self.service.lost();
            }
            Err(error) => {
                tracing::error!(?key, error = logged(&error), "reconciling failed; it is tried again");
                self.queue.rests(key, now + AFTER_ERROR);
                self.queue.wake(key, now + AFTER_ERROR);
            }
        }
    }
}

/// Whether this process did not run in between. A clock that is set back only makes silence longer to conclude.
fn slept(awake: Timestamp, now: Timestamp) -> bool {
    now.duration_since(awake) >= ASLEEP
}

/// By how much the clock was set while so much time passed by it and by one that nobody sets, if that is much. A host
/// that was suspended has run by both.
fn leap(by_day: SignedDuration, passed: SignedDuration) -> Option<SignedDuration> {
    let leap = by_day.checked_sub(passed).unwrap_or(SignedDuration::MIN);
    (leap.unsigned_abs() > LEAP.unsigned_abs()).then_some(SignedDuration::from_secs(leap.as_secs()))
}

/// How long until then.
fn pause(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default().clamp(SOON, IDLE)
}

async fn look_at_machine(
    service: Arc<Led>,
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

/// Gives machines to those that wait, unless everything is frozen.
async fn allocation(service: &Led, memory: &mut allocate::Memory) -> Result<Next, ServiceError> {
    match service.frozen().await? {
        None => allocate::pass(&service.store, &service.hub, memory).await,
        Some(_) => Ok(after(IDLE)),
    }
}

/// So long from now.
fn after(pause: Duration) -> Next {
    let now = clock::now();
    Next::At(now.saturating_add(pause).unwrap_or(now))
}

async fn look_around(service: Arc<Led>, first: bool) -> Looked {
    let (next, found) = match sweep::look(&service, first).await {
        Ok(found) => (Ok(sweep::next(clock::now())), found),
        Err(error) => (Err(error), Vec::new()),
    };
    Looked { key: Key::Sweep, next, left: Left::Found(found) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{app, service::Parts};

    #[test]
    fn only_a_clock_that_is_set_leaps() {
        let minutes = SignedDuration::from_mins;
        for (by_day, passed, expected) in [
            (0, 0, None),
            (5, 0, None),
            (6, 0, Some(6)),
            (-6, 0, Some(-6)),
            // A host that was suspended over night.
            (600, 600, None),
            (600, 1, Some(599)),
            (1, 600, Some(-599)),
        ] {
            let passed = SignedDuration::from_mins(passed);
            assert_eq!(leap(minutes(by_day), passed), expected.map(minutes), "{by_day} {passed:?}");
        }
        assert!(leap(SignedDuration::MIN, SignedDuration::MAX).is_some());
    }

    #[tokio::test]
    async fn a_clock_that_is_set_freezes_everything_where_that_is_wanted() {
        for wanted in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let set = async |_: &_, parts: &mut Parts| parts.config.freeze_on_clock_leap = wanted;
            let service = app::tests::service_with(folder.path(), set).await;
            let mut driver = Driver::new(Arc::new(Led::alone(&service)));
            driver.awake -= SignedDuration::from_hours(1);
            driver.wakes().await.unwrap();
            let freeze = service.frozen_by_row().await.unwrap();
            assert_eq!(freeze.is_some(), wanted);
            if let Some(freeze) = freeze {
                let why = freeze.why.clone().unwrap_or_default();
                // Some moments passed by both clocks.
                assert!(freeze.by == "billet" && why.starts_with("the clock was set by"), "{freeze}");
            }
        }
    }

    #[test]
    fn ticks_are_no_sleep_and_clocks_that_are_set_back_are_none() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let tick = i64::try_from(TICK.as_secs()).unwrap();
        for (now, expected) in
            [(1000, false), (1000 + 2 * tick, false), (1015, true), (9999, true), (0, false)]
        {
            assert_eq!(slept(at(1000), at(now)), expected, "{now}");
        }
    }
}

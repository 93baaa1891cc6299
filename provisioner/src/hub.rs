//! Pokes: "look at this object again". They carry an id only, and a lost one is made good by a timer.
//!
//! Other replicas are told of them, too (`elsewhere`): only one of them reconciles, and agents wait at all of them.
//!
//! Two listen. The reconciler takes whatever was poked since it last asked, each object once, however often it was poked
//! meanwhile: so it can't lag behind. An agent's long poll watches its own machine only: were it woken by every poke,
//! a thousand agents that wait would cost a thousand wake-ups for each step of each of them.

use provisioner_api::{InstanceId, MachineId};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::{Notify, watch};

/// What is to be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Poke {
    /// A machine.
    Machine(MachineId),
    /// An instance.
    Instance(InstanceId),
    /// Every instance that waits for a machine.
    Pending,
    /// Every machine that waits for leave to be wiped.
    Wiping,
    /// All there is: a freeze is over, or pokes of other replicas may have been lost.
    All,
}

/// What other replicas are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Word {
    /// A poke.
    Poke(Poke),
    /// Who watches this machine is to look at it; its leader need not.
    Rouse(MachineId),
    /// The turn is to be had.
    Turn,
}

/// What waits to be told to other replicas.
#[derive(Default)]
struct Outbox {
    /// Somebody passes it on; else nothing is kept.
    open: bool,
    words: HashSet<Word>,
}

/// Passes pokes to the reconciler and to those who watch a machine.
#[derive(Default)]
pub(crate) struct Hub {
    /// What was poked since the reconciler last asked: bounded by the number of objects.
    due: Mutex<HashSet<Poke>>,
    /// Rung after `due` was added to.
    bell: Notify,
    outbox: Mutex<Outbox>,
    /// Rung after the outbox was added to.
    post: Notify,
    /// Rung when another replica gave up the turn.
    turn: Notify,
    watched: Arc<Mutex<Watched>>,
    /// Rung whenever anything may have changed.
    news: watch::Sender<()>,
}

/// The machines that somebody watches.
type Watched = HashMap<MachineId, watch::Sender<()>>;

impl Hub {
    /// Pokes, here and elsewhere. It is no error when nobody listens.
    pub(crate) fn poke(&self, poke: Poke) {
        self.poke_here(poke);
        self.tell(Word::Poke(poke));
    }

    /// Wakes those who watch a machine, but not the reconciler: for what it did itself and goes on from.
    pub(crate) fn rouse(&self, id: MachineId) {
        self.rouse_here(id);
        self.tell_watchers();
        self.tell(Word::Rouse(id));
    }

    /// Tells other replicas that this one gave up the turn.
    pub(crate) fn give_up_turn(&self) {
        self.tell(Word::Turn);
    }

    /// Rung by every poke from now on, whatever it is of.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Something changed that nobody has to look at but who watches.
    pub(crate) fn tell_watchers(&self) {
        self.news.send_replace(());
    }

    /// Waits until another replica gives up the turn, from when this is first asked.
    pub(crate) async fn turn_given_up(&self) {
        self.turn.notified().await;
    }

    /// From now on what is poked is kept for other replicas.
    pub(crate) fn open_outbox(&self) {
        held(&self.outbox).open = true;
    }

    /// Waits until there is something to tell other replicas. For one alone. It takes nothing, so nothing is lost when the
    /// future is dropped.
    pub(crate) async fn outgoing(&self) {
        while held(&self.outbox).words.is_empty() {
            self.post.notified().await;
        }
    }

    /// What other replicas are to be told since this was last asked; perhaps nothing.
    pub(crate) fn take_outgoing(&self) -> Untold<'_> {
        Untold { hub: self, words: std::mem::take(&mut held(&self.outbox).words) }
    }

    /// Another replica said that.
    pub(crate) fn heard(&self, word: Word) {
        match word {
            Word::Poke(poke) => self.poke_here(poke),
            Word::Rouse(id) => {
                self.rouse_here(id);
                self.tell_watchers();
            }
            Word::Turn => self.turn.notify_waiters(),
        }
    }

    fn tell(&self, word: Word) {
        let mut outbox = held(&self.outbox);
        let all = Word::Poke(Poke::All);
        // Whoever looks at everything looks at this, too.
        if !outbox.open || (word != Word::Turn && outbox.words.contains(&all)) {
            return;
        }
        if word == all {
            outbox.words.retain(|word| *word == Word::Turn);
        }
        if outbox.words.insert(word) {
            self.post.notify_one();
        }
    }

    fn poke_here(&self, poke: Poke) {
        match poke {
            Poke::Machine(id) => self.rouse_here(id),
            Poke::All => held(&self.watched).values().for_each(|sender| sender.send_replace(())),
            Poke::Instance(_) | Poke::Pending | Poke::Wiping => {}
        }
        self.tell_watchers();
        if held(&self.due).insert(poke) {
            self.bell.notify_one();
        }
    }

    fn rouse_here(&self, id: MachineId) {
        if let Some(sender) = held(&self.watched).get(&id) {
            sender.send_replace(());
        }
    }

    /// What was poked since this was last asked, at least one; waits for it. For the reconciler alone: what one has
    /// taken another does not get. Nothing is lost when the future is dropped.
    pub(crate) async fn taken(&self) -> HashSet<Poke> {
        loop {
            let due = std::mem::take(&mut *held(&self.due));
            if !due.is_empty() {
                return due;
            }
            // A poke between the look and this left its permit in the bell.
            self.bell.notified().await;
        }
    }

    /// Watches one machine from now on. Ask for this *before* looking at the machine: a poke that comes between the
    /// look and [`Watch::poked`] is kept, so that no change is slept through.
    ///
    /// ```ignore
    /// let mut watch = service.hub.watch(id);
    /// loop {
    ///     if let Some(order) = standing_order(id).await? { return order }
    ///     watch.poked().await; // in a timeout
    /// }
    /// ```
    pub(crate) fn watch(&self, id: MachineId) -> Watch {
        let mut watched = held(&self.watched);
        let receiver = watched.entry(id).or_insert_with(|| watch::Sender::new(())).subscribe();
        Watch { id, receiver: Some(receiver), watched: Arc::clone(&self.watched) }
    }
}

/// Words that are being told. Unless they are said to be told, others are to look at everything instead, and it is that
/// which waits to be told again: it does not grow, however often it fails.
pub(crate) struct Untold<'a> {
    hub: &'a Hub,
    words: HashSet<Word>,
}

impl Untold<'_> {
    /// The words.
    pub(crate) fn words(&self) -> &HashSet<Word> {
        &self.words
    }

    /// They were told.
    pub(crate) fn told(mut self) {
        self.words.clear();
    }
}

impl Drop for Untold<'_> {
    fn drop(&mut self) {
        if self.words.is_empty() {
            return;
        }
        if self.words.contains(&Word::Turn) {
            self.hub.tell(Word::Turn);
        }
        if self.words.iter().any(|word| *word != Word::Turn) {
            self.hub.tell(Word::Poke(Poke::All));
        }
    }
}

/// Wakes its holder when one machine is poked.
pub(crate) struct Watch {
    id: MachineId,
    /// There until this is dropped.
    receiver: Option<watch::Receiver<()>>,
    watched: Arc<Mutex<Watched>>,
}

impl Watch {
    /// Waits until the machine was poked since the watch began, or since this last returned. Several pokes count as
    /// one. Nothing is lost when the future is dropped.
    pub(crate) async fn poked(&mut self) {
        let changed = match &mut self.receiver {
            Some(receiver) => receiver.changed().await,
            None => return,
        };
        // The sender lives as long as somebody watches.
        if changed.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = held(&self.watched);
        // Under the lock, so that the last of several that are dropped at once sees that it is the last.
        drop(self.receiver.take());
        if watched.get(&self.id).is_some_and(|sender| sender.receiver_count() == 0) {
            watched.remove(&self.id);
        }
    }
}

/// Locks. Nothing that is done under these locks can leave them half changed.
fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use uuid::Uuid;

    fn machine(number: u128) -> MachineId {
        MachineId(Uuid::from_u128(number))
    }

    #[test]
    fn a_watch_is_woken_by_its_own_machine_only_and_by_what_came_since_it_began() {
        let hub = Hub::default();
        hub.poke(Poke::Machine(machine(1)));
        let (mut one, mut again, mut two) =
            (hub.watch(machine(1)), hub.watch(machine(1)), hub.watch(machine(2)));
        assert!(one.poked().now_or_never().is_none(), "that was before");
        hub.poke(Poke::Machine(machine(1)));
        hub.poke(Poke::Machine(machine(1)));
        hub.poke(Poke::Pending);
        assert!(one.poked().now_or_never().is_some(), "between the look and the wait");
        assert!(one.poked().now_or_never().is_none(), "two pokes count as one");
        assert!(again.poked().now_or_never().is_some(), "each that watches is woken");
        assert!(two.poked().now_or_never().is_none(), "not by another's");
    }

    #[test]
    fn the_end_of_a_freeze_wakes_all_that_watch() {
        let hub = Hub::default();
        let (mut one, mut two) = (hub.watch(machine(1)), hub.watch(machine(2)));
        hub.poke(Poke::All);
        assert!(one.poked().now_or_never().is_some() && two.poked().now_or_never().is_some());
        assert!(hub.taken().now_or_never().unwrap().contains(&Poke::All));
    }

    #[test]
    fn a_machine_is_forgotten_with_its_last_watch() {
        let hub = Hub::default();
        let (one, two) = (hub.watch(machine(1)), hub.watch(machine(1)));
        drop(one);
        assert_eq!(held(&hub.watched).len(), 1);
        drop(two);
        assert!(held(&hub.watched).is_empty());
    }

    #[test]
    fn words_that_were_not_told_are_told_again_as_all_and_do_not_grow() {
        let hub = Hub::default();
        hub.poke(Poke::Pending);
        assert!(hub.take_outgoing().words().is_empty(), "nobody passes it on");
        hub.open_outbox();
        hub.poke(Poke::Machine(machine(1)));
        assert!(hub.outgoing().now_or_never().is_some());
        let one = HashSet::from([Word::Poke(Poke::Machine(machine(1)))]);
        let untold = hub.take_outgoing();
        assert_eq!(*untold.words(), one);
        drop(untold);
        let all = HashSet::from([Word::Poke(Poke::All)]);
        for number in 2..100 {
            hub.poke(Poke::Machine(machine(number)));
            hub.rouse(machine(number));
        }
        let untold = hub.take_outgoing();
        assert_eq!(*untold.words(), all, "it stands for all the others");
        untold.told();
        assert!(hub.take_outgoing().words().is_empty() && hub.outgoing().now_or_never().is_none());
        hub.rouse(machine(1));
        hub.give_up_turn();
        drop(hub.take_outgoing());
        assert_eq!(*hub.take_outgoing().words(), HashSet::from([Word::Poke(Poke::All), Word::Turn]));
    }

    #[test]
    fn the_reconciler_gets_each_object_once_and_none_is_lost() {
        let hub = Hub::default();
        assert!(hub.taken().now_or_never().is_none());
        for _ in 0..10_000 {
            hub.poke(Poke::Machine(machine(1)));
        }
        hub.poke(Poke::Pending);
        let taken = hub.taken().now_or_never().unwrap();
        assert_eq!(taken, HashSet::from([Poke::Machine(machine(1)), Poke::Pending]));
        assert!(hub.taken().now_or_never().is_none());
        hub.poke(Poke::Pending);
        assert_eq!(hub.taken().now_or_never().unwrap(), HashSet::from([Poke::Pending]));
    }
}

//! In which order objects are looked at: each has a time at which it is due, and one that waits its turn has a place in
//! a line as well.
//!
//! An object that rests costs an entry here and nothing else. It is never looked at twice at once, and what happens to
//! it while it is looked at has it looked at again afterwards. No clock and no task is here: times are durations since
//! the driver began, and are told.

use super::Turn;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::Hash,
    time::Duration,
};

/// What is to be looked at, and when.
#[derive(Debug)]
pub(super) struct Queue<K> {
    objects: HashMap<K, Object>,
    /// Those that rest, by when they are due.
    due: BTreeSet<(Duration, K)>,
    /// Those that rest and wait their turn, by their number in the line.
    lines: BTreeMap<Turn, BTreeMap<u64, K>>,
    numbers: u64,
}

#[derive(Debug, Clone, Copy)]
struct Object {
    stage: Stage,
    /// The line in which it stands, and its number there; it keeps its place when it is looked at for another reason.
    place: Option<(Turn, u64)>,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// It is due then.
    Rests { due: Duration, because: Because },
    /// It is being looked at; it is due then again, if somebody asked meanwhile.
    Looked { again: Option<Duration> },
}

/// Why an object is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Because {
    /// Its own time came, or its turn in a line, and nothing else happened.
    Time,
    /// Somebody asked for it.
    Asked,
}

impl Object {
    /// It is looked at from now on. Why.
    fn begin(&mut self) -> Because {
        match std::mem::replace(&mut self.stage, Stage::Looked { again: None }) {
            Stage::Rests { because, .. } => because,
            Stage::Looked { .. } => Because::Asked,
        }
    }
}

impl<K: Copy + Ord + Hash> Queue<K> {
    pub(super) fn new() -> Self {
        Self { objects: HashMap::new(), due: BTreeSet::new(), lines: BTreeMap::new(), numbers: 0 }
    }

    /// All that are known.
    pub(super) fn known(&self) -> Vec<K> {
        self.objects.keys().copied().collect()
    }

    /// Whether it is known.
    pub(super) fn knows(&self, key: K) -> bool {
        self.objects.contains_key(&key)
    }

    /// Somebody asks for it to be looked at: then, or when it is due if that is sooner. One that is being looked at is
    /// looked at again afterwards.
    pub(super) fn wake(&mut self, key: K, at: Duration) {
        let place = match self.objects.get_mut(&key) {
            Some(Object { stage: Stage::Looked { again }, .. }) => {
                *again = Some(again.map_or(at, |again| again.min(at)));
                return;
            }
            Some(Object { stage: Stage::Rests { due, because }, .. }) if *due <= at => {
                *because = Because::Asked;
                return;
            }
            Some(Object { stage: Stage::Rests { due, .. }, place }) => {
                self.due.remove(&(*due, key));
                *place
            }
            None => None,
        };
        self.rest(key, at, Because::Asked, place);
    }

    /// The next one that is due by now: it counts as being looked at until [`Queue::rests`], [`Queue::waits`] or
    /// [`Queue::gone`] is called for it.
    pub(super) fn begin(&mut self, now: Duration) -> Option<(K, Because)> {
        let (at, key) = self.due.first().copied().filter(|(at, _)| *at <= now)?;
        self.due.remove(&(at, key));
        let object = self.objects.get_mut(&key)?;
        let because = object.begin();
        if let Some((turn, number)) = object.place {
            self.line(turn).remove(&number);
        }
        Some((key, because))
    }

    /// The next one in a line: its turn has come. As [`Queue::begin`].
    pub(super) fn call(&mut self, turn: Turn) -> Option<(K, Because)> {
        let (_, key) = self.line(turn).pop_first()?;
        let object = self.objects.get_mut(&key)?;
        if let Stage::Rests { due, .. } = object.stage {
            self.due.remove(&(due, key));
        }
        Some((key, object.begin()))
    }

    /// When the next one is due.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    /// It was looked at, and is due then again.
    pub(super) fn rests(&mut self, key: K, until: Duration) {
        let (at, because) = self.after_look(key, until);
        self.rest(key, at, because, None);
    }

    /// It was looked at and waits its turn; it is due then at the latest.
    pub(super) fn waits(&mut self, key: K, turn: Turn, until: Duration) {
        let (at, because) = self.after_look(key, until);
        let place = self.objects.get(&key).and_then(|object| object.place).filter(|(of, _)| *of == turn);
        let place = place.unwrap_or_else(|| {
            self.numbers += 1;
            (turn, self.numbers)
        });
        self.rest(key, at, because, Some(place));
    }

    /// It was looked at and is gone, unless somebody asked meanwhile.
    pub(super) fn gone(&mut self, key: K) {
        match self.after_look(key, Duration::MAX) {
            (at, Because::Asked) => self.rest(key, at, Because::Asked, None),
            (_, Because::Time) => drop(self.objects.remove(&key)),
        }
    }

    fn after_look(&self, key: K, until: Duration) -> (Duration, Because) {
        match self.objects.get(&key).map(|object| object.stage) {
            Some(Stage::Looked { again: Some(again) }) => (again.min(until), Because::Asked),
            _ => (until, Because::Time),
        }
    }

    fn rest(&mut self, key: K, due: Duration, because: Because, place: Option<(Turn, u64)>) {
        self.due.insert((due, key));
        if let Some((turn, number)) = place {
            self.line(turn).insert(number, key);
        }
        self.objects.insert(key, Object { stage: Stage::Rests { due, because }, place });
    }

    fn line(&mut self, turn: Turn) -> &mut BTreeMap<u64, K> {
        self.lines.entry(turn).or_default()
    }
}

#[cfg(test)]
mod tests;

//! What changed, in the order in which it was seen, and from where on one may go on: pure.

use provisioner_api::WatchKind;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    str::FromStr,
    sync::Arc,
};
use uuid::Uuid;

/// An object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Object {
    /// What it is.
    pub(crate) kind: WatchKind,
    /// Its id.
    pub(crate) id: Uuid,
}

/// Who may see an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pool {
    /// Everybody.
    Shared,
    /// Who has this pool.
    Of(String),
    /// Nobody knows; who has all pools.
    Unknown,
}

/// What watchers choose by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facet {
    /// Its name.
    pub(crate) name: String,
    /// Whose it is.
    pub(crate) pool: Pool,
    /// The word of its state.
    pub(crate) state: Option<String>,
    /// Its work waits for a person.
    pub(crate) held: bool,
    /// A machine's labels.
    pub(crate) labels: Labels,
}

/// Labels, which many looks share.
pub(crate) type Labels = Arc<BTreeMap<String, String>>;

/// An object as it was seen. What is shown of it is the same for as long as this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its version, and that of what is shown with it.
    versions: [i64; 2],
    /// The name of its owner.
    owner: Option<String>,
    facet: Facet,
}

impl Seen {
    /// One of these versions.
    pub(crate) fn new(versions: [i64; 2], owner: Option<String>, facet: Facet) -> Self {
        Self { versions, owner, facet }
    }

    /// What watchers choose by.
    #[cfg(test)]
    pub(crate) fn facet(&self) -> &Facet {
        &self.facet
    }
}

/// A place between two changes. Each process begins a history of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    history: Uuid,
    /// How many changes came before.
    at: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.history.simple(), self.at)
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (history, at) = text.split_once('-').ok_or(())?;
        // `u64` would take a `+`, too.
        if at.is_empty() || !at.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(());
        }
        Ok(Self { history: Uuid::try_parse(history).map_err(|_| ())?, at: at.parse().map_err(|_| ())? })
    }
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Just behind it.
    pub(crate) position: Position,
    /// What changed.
    pub(crate) object: Object,
    /// As it was; none: it is new.
    pub(crate) before: Option<Facet>,
    /// As it is; none: it is gone.
    pub(crate) after: Option<Facet>,
}

/// Why somebody can't go on from where they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Missed {
    /// The position is another history's.
    #[error(
        "the service was started again, or this is another replica, or the database was restored, or everything was frozen or let go on"
    )]
    OtherHistory,
    /// What followed is not kept any more.
    #[error("more has changed since than is kept")]
    TooOld,
}

/// What changed.
#[derive(Debug)]
pub(super) struct Log {
    history: Uuid,
    /// How many changes there were.
    newest: u64,
    /// The last ones.
    entries: VecDeque<Entry>,
    known: HashMap<Object, Seen>,
}

impl Log {
    /// A history that begins with what there is.
    pub(super) fn new(history: Uuid, known: HashMap<Object, Seen>) -> Self {
        Self { history, newest: 0, entries: VecDeque::new(), known }
    }

    /// Behind everything that is known.
    pub(super) fn newest(&self) -> Position {
        Position { history: self.history, at: self.newest }
    }

    /// Compares what there is with what was known. What went comes first, so that a name is given up before it is taken.
    /// So many changes are kept at most.
    pub(super) fn take(&mut self, census: HashMap<Object, Seen>, most: usize) {
        let known = std::mem::replace(&mut self.known, census);
        let gone = known.iter().filter(|(object, _)| !self.known.contains_key(object));
        let gone = gone.map(|(object, seen)| (*object, Some(seen.facet.clone()), None));
        let other = self.known.iter().filter(|(object, seen)| known.get(object) != Some(seen));
        let other = other.map(|(object, seen)| {
            let before = known.get(object).map(|seen| seen.facet.clone());
            (*object, before, Some(seen.facet.clone()))
        });
        let mut changes: Vec<_> = gone.chain(other).collect();
        changes.sort_by_key(|(object, _, after)| (after.is_some(), *object));
        for (object, before, after) in changes {
            self.newest += 1;
            let position = self.newest();
            self.entries.push_back(Entry { position, object, before, after });
        }
        let surplus = self.entries.len().saturating_sub(most);
        self.entries.drain(..surplus);
    }

    /// At most so many changes behind a position, oldest first.
    ///
    /// # Errors
    /// What is missed, if not all of them are there.
    pub(super) fn behind(&self, position: Position, most: usize) -> Result<Vec<Entry>, Missed> {
        // Nobody was ever told of what is still to come.
        if position.history != self.history || position.at > self.newest {
            return Err(Missed::OtherHistory);
        }
        let wanted = usize::try_from(self.newest - position.at).map_err(|_| Missed::TooOld)?;
        let first = self.entries.len().checked_sub(wanted).ok_or(Missed::TooOld)?;
        Ok(self.entries.range(first..).take(most).cloned().collect())
    }
}

#[cfg(test)]
mod tests;

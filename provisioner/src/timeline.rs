//! One story of many sources: events and boot conversations, put into the order in which things happened. Pure.
//!
//! Events hold one line for each thing that matters; a boot conversation also holds what is no line of its own (a file that
//! was begun, a size that was asked for), and what was heard before anybody knew whose address it was.
//! Deliberately not here: where they are read, and what of them a machine waits for.

use crate::{store::Numbered, text::format_mac, trace};
use jiff::Timestamp;
use provisioner_api::{Event, MachineId, TimelineEntry};
use pxe_proto::trace::What;
use std::{collections::HashMap, fmt, str::FromStr};

/// An entry becomes an event at most so much later, in microseconds: versions before 2026-11-22 gave the event the
/// time of its writing.
const WRITTEN_WITHIN: i64 = 5_000_000;

/// The longest key of an entry: an UUID, or a MAC address and a number.
const LONGEST_KEY: usize = 40;

/// The place of an entry in its timeline. Entries of one moment are told apart by a key that is theirs for ever.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Microseconds since 1970.
    micros: i64,
    key: String,
}

impl Place {
    /// When it was.
    pub(crate) fn at(&self) -> Timestamp {
        Timestamp::from_microsecond(self.micros).unwrap_or(Timestamp::MAX)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.micros, self.key)
    }
}

/// What is no place of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (micros, key) = text.split_once('.').ok_or(NoPlace)?;
        let micros: i64 = micros.parse().map_err(|_| NoPlace)?;
        let known = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() || b"-:".contains(&byte);
        let fits = (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(known);
        let place = Self { micros, key: key.to_owned() };
        if fits && Timestamp::from_microsecond(micros).is_ok() { Ok(place) } else { Err(NoPlace) }
    }
}

/// Which part of a timeline.
#[derive(Debug, Clone, Default)]
pub(crate) struct Part {
    /// What happened then or later.
    pub(crate) since: Option<Timestamp>,
    /// What happened before then.
    pub(crate) until: Option<Timestamp>,
    /// Only these kinds; none: all.
    pub(crate) kinds: Vec<String>,
    /// What comes behind this place.
    pub(crate) after: Option<Place>,
}

impl Part {
    /// From when on things have to be read.
    pub(crate) fn begin(&self) -> Option<Timestamp> {
        self.since.max(self.after.as_ref().map(Place::at))
    }

    fn has(&self, place: &Place, entry: &TimelineEntry) -> bool {
        self.since.is_none_or(|since| entry.at >= since)
            && self.until.is_none_or(|until| entry.at < until)
            && (self.kinds.is_empty() || self.kinds.contains(&entry.kind))
            && self.after.as_ref().is_none_or(|after| place > after)
    }
}

/// A part of the timeline that events and the boot conversation of a machine make, oldest first. An event that is there
/// twice, and an entry of the conversation that has an event, are told once.
pub(crate) fn merge(
    events: Vec<Event>,
    machine: Option<MachineId>,
    conversation: &[Numbered],
    part: &Part,
) -> Vec<TimelineEntry> {
    let told = Told::of(&events);
    let mut entries: Vec<_> =
        conversation.iter().filter_map(|numbered| from_trace(numbered, machine, &told)).collect();
    entries.extend(events.into_iter().map(from_event));
    entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    entries.dedup_by(|(one, _), (other, _)| one == other);
    entries.retain(|(place, entry)| part.has(place, entry));
    entries.into_iter().map(|(_, entry)| entry).collect()
}

/// The newest of some events, oldest first; one that is there twice counts once.
pub(crate) fn newest(mut events: Vec<Event>, most: usize) -> Vec<Event> {
    events.sort_unstable_by_key(|event| (event.at, event.id));
    events.dedup_by_key(|event| event.id);
    events.split_off(events.len().saturating_sub(most))
}

/// What events say of booting, and when.
struct Told<'a>(HashMap<&'a str, Vec<i64>>);

impl<'a> Told<'a> {
    fn of(events: &'a [Event]) -> Self {
        let mut told: HashMap<&str, Vec<i64>> = HashMap::new();
        for event in events.iter().filter(|event| matches!(event.kind.as_str(), "dhcp" | "boot")) {
            told.entry(&event.message).or_default().push(event.at.as_microsecond());
        }
        Self(told)
    }

    fn has(&self, micros: i64, message: &str) -> bool {
        let near = |at: &i64| (0..=WRITTEN_WITHIN).contains(&at.saturating_sub(micros));
        self.0.get(message).is_some_and(|times| times.iter().any(near))
    }
}

fn from_event(event: Event) -> (Place, TimelineEntry) {
    let place = Place { micros: event.at.as_microsecond(), key: event.id.to_string() };
    let entry = TimelineEntry {
        id: place.to_string(),
        at: event.at,
        machine: event.machine,
        instance: event.instance,
        kind: event.kind,
        message: event.message,
    };
    (place, entry)
}

/// An entry of a conversation, unless it has an event.
fn from_trace(
    (id, heard): &Numbered,
    machine: Option<MachineId>,
    told: &Told<'_>,
) -> Option<(Place, TimelineEntry)> {
    let at = trace::time(heard);
    let (kind, message) = match (trace::line(heard), &heard.what) {
        (Some((_, message)), _) if told.has(at.as_microsecond(), &message) => return None,
        (Some(line), _) => line,
        // The claim has an event of its own.
        (None, What::Agent) => return None,
        (None, _) => {
            let wire = trace::wire(*id, heard);
            ("boot", format!("{}: {}", wire.asked, wire.answered))
        }
    };
    let key = format!("{}-{id}", format_mac(heard.mac));
    let place = Place { micros: at.as_microsecond(), key };
    let entry =
        TimelineEntry { id: place.to_string(), at, machine, instance: None, kind: kind.to_owned(), message };
    Some((place, entry))
}

#[cfg(test)]
mod tests;

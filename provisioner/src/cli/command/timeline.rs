//! `billet machine timeline`, `billet instance timeline`: the story of one object, once or as it goes on.

use super::{Session, context};
use crate::cli::{
    args::{Output, Timeline},
    error::CliError,
    validate::Since,
    view,
};
use jiff::{SignedDuration, Timestamp};
use provisioner_api::TimelineEntry;
use provisioner_client::{ClientError, TimelineFilter};
use std::{collections::HashSet, time::Duration};
use tokio::time::sleep;

/// How long between two questions.
const PAUSE: Duration = Duration::from_secs(1);

/// How far back each question goes: what was observed is written down a moment later, behind what came after it.
const OVERLAP: SignedDuration = SignedDuration::from_secs(10);

/// Prints the part that is asked for, and with `--follow` what comes, until interrupted.
pub(super) async fn run(
    session: &mut Session<'_>,
    asked: &Timeline,
    ask: impl AsyncFn(&TimelineFilter) -> Result<Vec<TimelineEntry>, ClientError>,
) -> Result<(), CliError> {
    let now = crate::clock::now();
    let since = asked.since.map(|since| match since {
        Since::Time(time) => time,
        Since::Ago(ago) => now.saturating_sub(ago).unwrap_or(Timestamp::MIN),
    });
    let filter = TimelineFilter { since, until: None, kinds: asked.kinds.clone(), newest: asked.newest };
    let entries = ask(&filter).await?;
    if !asked.follow {
        return session.ui.list(&entries, |_| view::timeline(&entries, true, &context()));
    }
    print(session, &entries, true)?;
    let mut seen = Seen::default();
    seen.new_of(entries);
    loop {
        sleep(PAUSE).await;
        // Behind what was there at the beginning, whether that was all of it or not.
        let again = TimelineFilter { since: seen.since().max(since), newest: None, ..filter.clone() };
        let entries = match ask(&again).await {
            // The service may be restarted meanwhile.
            Err(error) if error.is_transient() => continue,
            entries => seen.new_of(entries?),
        };
        print(session, &entries, false)?;
    }
}

/// What makes an entry what it is. Not its id: what a booting client asked gets another one when it is written down.
type Told = (Timestamp, String, String);

/// What was printed of the last moments.
#[derive(Default)]
struct Seen {
    told: HashSet<Told>,
    /// The time of the first entry that was ever printed, and of the newest.
    times: Option<(Timestamp, Timestamp)>,
}

impl Seen {
    /// From when on to ask again.
    fn since(&self) -> Option<Timestamp> {
        let (first, last) = self.times?;
        Some(last.saturating_sub(OVERLAP).unwrap_or(first).max(first))
    }

    /// Those that were not seen before.
    fn new_of(&mut self, mut entries: Vec<TimelineEntry>) -> Vec<TimelineEntry> {
        let told = |entry: &TimelineEntry| (entry.at, entry.kind.clone(), entry.message.clone());
        let answer: HashSet<Told> = entries.iter().map(told).collect();
        entries.retain(|entry| !self.told.contains(&told(entry)));
        if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
            let (first, last) = (first.at, last.at);
            self.times = Some(self.times.map_or((first, last), |(begin, end)| (begin, end.max(last))));
        }
        // What the next answer can hold was in this one, or is new.
        self.told = answer;
        entries
    }
}

/// Prints entries that came at once.
fn print(session: &mut Session<'_>, entries: &[TimelineEntry], first: bool) -> Result<(), CliError> {
    match session.ui.output {
        Output::Table | Output::Wide => {
            session.ui.list(entries, |_| view::timeline(entries, first, &context()))
        }
        // One document each, so that a program can read them as they come.
        _ => entries.iter().try_for_each(|entry| session.ui.object(entry, String::new)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, second: i64) -> TimelineEntry {
        TimelineEntry {
            id: id.to_owned(),
            at: Timestamp::from_second(second).unwrap(),
            machine: None,
            instance: None,
            kind: "step".to_owned(),
            message: id.to_owned(),
        }
    }

    #[test]
    fn what_is_written_late_is_printed_and_nothing_twice() {
        let mut seen = Seen::default();
        let ids = |entries: Vec<TimelineEntry>| entries.into_iter().map(|entry| entry.id).collect::<String>();
        assert_eq!(seen.since(), None);
        assert_eq!(ids(seen.new_of(vec![entry("a", 100), entry("b", 200)])), "ab");
        assert_eq!(seen.since(), Timestamp::from_second(190).ok());
        // `c` happened before `b`, and was written after it.
        assert_eq!(ids(seen.new_of(vec![entry("c", 195), entry("b", 200), entry("d", 201)])), "cd");
        assert_eq!(ids(seen.new_of(vec![entry("c", 195), entry("b", 200), entry("d", 201)])), "");
        assert_eq!(seen.since(), Timestamp::from_second(191).ok());
        // What was told of a conversation has another id once it is an event.
        let event = TimelineEntry { id: "e".to_owned(), ..entry("d", 201) };
        assert_eq!(ids(seen.new_of(vec![event])), "");
        // What was left out at the beginning (`--newest`) does not come later.
        let mut seen = Seen::default();
        seen.new_of(vec![entry("b", 200)]);
        assert_eq!(seen.since(), Timestamp::from_second(200).ok());
    }
}

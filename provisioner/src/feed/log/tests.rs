//! Whoever goes on from where they were gets every change from there on, or is told that they can't.

use super::*;
use proptest::prelude::*;

fn object(id: u128) -> Object {
    Object { kind: WatchKind::Machine, id: Uuid::from_u128(id) }
}

fn facet(id: u128) -> Facet {
    Facet {
        name: format!("m{id}"),
        pool: Pool::Of("p".into()),
        state: None,
        held: false,
        labels: Labels::default(),
    }
}

/// Objects in versions.
fn census(versions: &[(u128, i64)]) -> HashMap<Object, Seen> {
    versions.iter().map(|(id, version)| (object(*id), Seen::new([*version, 0], None, facet(*id)))).collect()
}

/// What changed, in short: `+1` is new, `~1` another, `-1` gone.
fn short(entries: &[Entry]) -> Vec<String> {
    let of = |entry: &Entry| {
        let sign = match (&entry.before, &entry.after) {
            (None, Some(_)) => '+',
            (Some(_), Some(_)) => '~',
            _ => '-',
        };
        format!("{sign}{}", entry.object.id.as_u128())
    };
    entries.iter().map(of).collect()
}

const HISTORY: Uuid = Uuid::from_u128(7);

#[test]
fn a_look_tells_what_is_new_another_or_gone_and_what_went_first() {
    let mut log = Log::new(HISTORY, census(&[(1, 1), (2, 1), (3, 1)]));
    let start = log.newest();
    log.take(census(&[(1, 1), (2, 2), (4, 1)]), 100);
    assert_eq!(short(&log.behind(start, 9).unwrap()), ["-3", "~2", "+4"]);
    assert_eq!(short(&log.behind(start, 1).unwrap()), ["-3"], "a part at a time");
    let end = log.newest();
    log.take(census(&[(1, 1), (2, 2), (4, 1)]), 100);
    assert_eq!(log.newest(), end, "nothing changed");
    assert_eq!(log.behind(end, 9).unwrap(), []);
}

#[test]
fn a_resume_is_decided_by_history_and_age() {
    let mut log = Log::new(HISTORY, census(&[]));
    for version in 1..=5 {
        log.take(census(&[(1, version)]), 3);
    }
    let at = |at: u64| Position { history: HISTORY, at };
    for (position, got) in [
        (at(5), Ok(0)),
        (at(4), Ok(1)),
        (at(2), Ok(3)),
        (at(1), Err(Missed::TooOld)),
        (at(0), Err(Missed::TooOld)),
        (at(6), Err(Missed::OtherHistory)),
        (at(u64::MAX), Err(Missed::OtherHistory)),
        (Position { history: Uuid::from_u128(8), at: 5 }, Err(Missed::OtherHistory)),
    ] {
        assert_eq!(log.behind(position, 9).map(|entries| entries.len()), got, "{position:?}");
    }
}

#[test]
fn a_position_is_read_as_it_is_written_and_nothing_else_is_one() {
    let position = Position { history: HISTORY, at: 42 };
    assert_eq!(position.to_string().parse(), Ok(position));
    let history = HISTORY.simple();
    for text in [
        String::new(),
        "42".into(),
        format!("{history}-"),
        format!("{history}-+1"),
        format!("{history}--1"),
        format!("{history}-99999999999999999999"),
        "x-1".into(),
    ] {
        assert_eq!(text.parse::<Position>(), Err(()), "{text}");
    }
}

proptest! {
    /// A watcher that reads now and then, a few at a time, knows in the end what there is; or was told to list again, and
    /// then it does.
    #[test]
    fn nothing_is_lost_however_seldom_one_reads(
        steps in prop::collection::vec((prop::collection::btree_map(0u128..6, 1i64..4, 0..6), any::<bool>(), 1usize..5), 1..60),
        most in 1usize..12,
    ) {
        let mut log = Log::new(HISTORY, census(&[]));
        let mut told: HashMap<Object, Facet> = HashMap::new();
        let mut position = log.newest();
        let count = steps.len();
        for (step, (versions, reads, part)) in steps.into_iter().enumerate() {
            let versions: Vec<_> = versions.into_iter().collect();
            log.take(census(&versions), most);
            if !reads && step + 1 < count {
                continue;
            }
            loop {
                match log.behind(position, part) {
                    Ok(entries) if entries.is_empty() => break,
                    Ok(entries) => for entry in entries {
                        position = entry.position;
                        match entry.after {
                            Some(after) => { told.insert(entry.object, after); }
                            None => { told.remove(&entry.object); }
                        }
                    },
                    Err(missed) => {
                        prop_assert_eq!(missed, Missed::TooOld);
                        position = log.newest();
                        told = log.known.iter().map(|(object, seen)| (*object, seen.facet.clone())).collect();
                    }
                }
            }
        }
        let there: HashMap<_, _> = log.known.iter().map(|(object, seen)| (*object, seen.facet.clone())).collect();
        prop_assert_eq!(told, there);
        prop_assert!(log.entries.len() <= most);
    }
}

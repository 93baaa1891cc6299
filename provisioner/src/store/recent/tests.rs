//! What is told from memory was in the database a moment ago, whoever writes and reads in between.

use super::*;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

#[test]
fn a_row_is_believed_for_two_seconds_after_it_was_written() {
    let (rows, start) = (Recent::default(), Instant::now());
    rows.forget("a");
    rows.keep_at("a", 1, start);
    assert_eq!(rows.get_at("a", start + BELIEVED - MILLI), Some(1));
    assert_eq!(rows.get_at("a", start + BELIEVED), None);
    assert_eq!(rows.get_at("b", start), None);
    rows.forget("a");
    assert_eq!(rows.get_at("a", start), None);
}

#[test]
fn what_was_read_is_kept_only_if_nobody_wrote_meanwhile() {
    let (rows, start) = (Recent::default(), Instant::now());
    let keeps = |reading| {
        rows.keep_read(reading, "a", 1);
        let kept = rows.get_at("a", start).is_some();
        rows.lock().clear();
        kept
    };
    assert!(keeps(rows.reading_at(start)));

    let reading = rows.reading_at(start);
    rows.forget("b");
    assert!(!keeps(reading), "a write began");
    assert!(!keeps(rows.reading_at(start)), "a write is under way");
    let reading = rows.reading_at(start);
    rows.ended();
    assert!(!keeps(reading), "a write was under way");
    assert!(keeps(rows.reading_at(start)), "it has ended");

    rows.forget_all();
    rows.others_at(false, start);
    assert!(keeps(rows.reading_at(start)), "whoever beats holds the connection: it has ended");
    rows.others_at(true, start);
    assert!(!keeps(rows.reading_at(start)), "others write");
}

#[test]
fn nothing_is_believed_while_another_process_is_known() {
    let (rows, start) = (Recent::default(), Instant::now());
    rows.keep_at("a", 1, start);
    let reading = rows.reading_at(start);
    rows.others_at(true, start);
    assert_eq!(rows.get_at("a", start), None);
    rows.keep_at("a", 1, start);
    rows.keep_read(reading, "b", 1);
    rows.others_at(false, start);
    assert_eq!((rows.get_at("a", start), rows.get_at("b", start)), (None, None));
}

#[test]
fn ten_thousand_rows_that_rest_are_not_held() {
    let (rows, start) = (Recent::default(), Instant::now());
    let held = || {
        let inner = rows.lock();
        (inner.known.len(), inner.ends.len())
    };
    for number in 0..10_000_u32 {
        // A hundred a second are written.
        rows.keep_at(number, (), start + 10 * MILLI * number);
        assert!(held().0 <= 200 && held().1 <= 200, "{:?}", held());
    }
    assert_eq!(held(), (200, 200));
    rows.others_at(false, start + 200 * SECOND);
    assert_eq!(held(), (0, 0));
    assert_eq!(rows.lock().known.capacity(), 0);

    for number in 0..10_000 {
        rows.keep_at(number, (), start);
        rows.keep_at(0, (), start);
    }
    assert!(held().0 <= MOST && held().1 <= MOST, "{:?}", held());
}

/// What happens at the database.
#[derive(Debug, Clone)]
enum Deed {
    /// A write of ours begins, if there is none.
    Begin(usize),
    /// It is committed, and said so.
    Commit,
    /// It changes nothing, and says so.
    Refuse,
    /// Whoever waits for it goes away.
    Lose,
    /// What became of it then.
    Settle(bool),
    /// Another process writes.
    Foreign(usize),
    /// A reading begins.
    Ask(usize),
    /// The database answers it.
    Answer,
    /// Its asker gets the answer.
    Hear,
    /// We hear whether there are others.
    Beat(bool),
    /// Milliseconds go by.
    Pass(u64),
}

fn deed() -> impl Strategy<Value = Deed> {
    let key = 0..2_usize;
    prop_oneof![
        4 => key.clone().prop_map(Deed::Begin),
        4 => Just(Deed::Commit),
        1 => Just(Deed::Refuse),
        1 => Just(Deed::Lose),
        2 => any::<bool>().prop_map(Deed::Settle),
        2 => key.clone().prop_map(Deed::Foreign),
        4 => key.prop_map(Deed::Ask),
        4 => Just(Deed::Answer),
        4 => Just(Deed::Hear),
        1 => any::<bool>().prop_map(Deed::Beat),
        2 => (0..2500_u64).prop_map(Deed::Pass),
    ]
}

/// A value in the database: when another process wrote over it, or that we did.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    Holds,
    Ours,
    Foreign(Instant),
}

struct World {
    rows: Recent<usize, usize>,
    now: Instant,
    /// Each value that was ever there is a place in here.
    values: Vec<Then>,
    /// What is there now, by key.
    database: [usize; 2],
    writing: Option<usize>,
    /// A write of ours that nobody waits for any more, and that is not over yet.
    lost: Option<usize>,
    /// Who asks, for what, and what was answered.
    asking: Option<(Reading, usize, Option<usize>)>,
    others: bool,
}

impl World {
    fn new() -> Self {
        Self {
            rows: Recent::default(),
            now: Instant::now(),
            values: vec![Then::Holds; 2],
            database: [0, 1],
            writing: None,
            lost: None,
            asking: None,
            others: false,
        }
    }

    /// Whether the connection that writes is.
    fn is_free(&self) -> bool {
        self.writing.is_none() && self.lost.is_none()
    }

    fn write(&mut self, key: usize, then: Then) {
        self.values[self.database[key]] = then;
        self.database[key] = self.values.len();
        self.values.push(Then::Holds);
    }

    fn perform(&mut self, deed: &Deed) {
        match *deed {
            Deed::Begin(key) if self.is_free() => {
                self.rows.forget(&key);
                self.writing = Some(key);
            }
            Deed::Commit => {
                if let Some(key) = self.writing.take() {
                    self.write(key, Then::Ours);
                    self.rows.keep_at(key, self.database[key], self.now);
                }
            }
            Deed::Refuse if self.writing.take().is_some() => self.rows.ended(),
            Deed::Lose if self.lost.is_none() => self.lost = self.writing.take(),
            Deed::Settle(committed) => {
                if let Some(key) = self.lost.take()
                    && committed
                {
                    self.write(key, Then::Ours);
                }
            }
            Deed::Foreign(key) => self.write(key, Then::Foreign(self.now)),
            Deed::Ask(key) => self.asking = Some((self.rows.reading_at(self.now), key, None)),
            Deed::Answer => {
                if let Some((_, key, answer)) = &mut self.asking {
                    *answer = Some(self.database[*key]);
                }
            }
            Deed::Hear => {
                if let Some((reading, key, Some(answer))) = self.asking.take() {
                    self.rows.keep_read(reading, key, answer);
                }
            }
            Deed::Beat(others) if self.is_free() => {
                self.rows.others_at(others, self.now);
                self.others = others;
            }
            Deed::Pass(millis) => self.now += MILLI * u32::try_from(millis).unwrap_or(0),
            Deed::Begin(_) | Deed::Refuse | Deed::Lose | Deed::Beat(_) => {}
        }
    }

    fn check(&self) {
        for key in 0..2 {
            let Some(value) = self.rows.get_at(&key, self.now) else { continue };
            assert!(!self.others, "others are known");
            match self.values[value] {
                Then::Holds => assert_eq!(value, self.database[key]),
                Then::Ours => panic!("older than what we wrote ourselves"),
                Then::Foreign(at) => assert!(self.now < at + BELIEVED, "older than it may be"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_told_is_not_older_than_what_others_just_wrote(
        deeds in proptest::collection::vec(deed(), 1..60),
    ) {
        let mut world = World::new();
        for deed in &deeds {
            world.perform(deed);
            world.check();
        }
    }
}

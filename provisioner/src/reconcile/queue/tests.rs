use super::*;
use proptest::prelude::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn the_one_that_is_due_first_comes_first_and_nothing_before_its_time() {
    let mut queue = Queue::new();
    for (key, at) in [(1, 30), (2, 10), (3, 20)] {
        queue.wake(key, ms(at));
    }
    assert_eq!((queue.due(), queue.begin(ms(9))), (Some(ms(10)), None));
    let order: Vec<_> = std::iter::from_fn(|| queue.begin(ms(25))).map(|(key, _)| key).collect();
    assert_eq!(order, [2, 3]);
    // They are being looked at: only the third is due.
    assert_eq!(queue.due(), Some(ms(30)));
}

#[test]
fn all_that_are_known_can_be_asked_for_at_once() {
    let mut queue = Queue::new();
    for (key, at) in [(1, 0), (2, 500), (3, 900)] {
        queue.wake(key, ms(at));
    }
    assert_eq!(queue.begin(ms(0)), Some((1, Because::Asked)));
    queue.wake_all(ms(10));
    let order: Vec<_> = std::iter::from_fn(|| queue.begin(ms(10))).map(|(key, _)| key).collect();
    assert_eq!(order, [2, 3]);
    queue.rests(1, ms(5000));
    assert_eq!(queue.due(), Some(ms(10)), "it was asked for while it was looked at");
}

#[test]
fn what_comes_while_it_is_looked_at_has_it_looked_at_again() {
    // (what comes meanwhile, how the look ends, when it is due then)
    for (meanwhile, gone, expected) in [
        (None, false, Some((ms(1000), Because::Time))),
        (Some(ms(5)), false, Some((ms(5), Because::Asked))),
        (None, true, None),
        (Some(ms(5)), true, Some((ms(5), Because::Asked))),
    ] {
        let mut queue = Queue::new();
        queue.wake(1, ms(0));
        assert_eq!(queue.begin(ms(0)), Some((1, Because::Asked)));
        if let Some(at) = meanwhile {
            queue.wake(1, at + ms(70));
            queue.wake(1, at);
            assert_eq!(queue.begin(ms(5000)), None, "never twice at once");
        }
        if gone {
            queue.gone(1)
        } else {
            queue.rests(1, ms(1000))
        }
        assert_eq!(queue.due(), expected.map(|(at, _)| at));
        assert_eq!(queue.begin(ms(5000)), expected.map(|(_, because)| (1, because)));
        assert_eq!(queue.knows(1), expected.is_some());
    }
}

#[test]
fn one_that_only_its_time_wakes_is_told_from_one_that_somebody_asked_for() {
    let mut queue = Queue::new();
    queue.wake(1, ms(0));
    queue.begin(ms(0));
    queue.rests(1, ms(100));
    assert_eq!(queue.begin(ms(100)), Some((1, Because::Time)));
    queue.rests(1, ms(200));
    // A poke that changes nothing of when it is due is one all the same.
    queue.wake(1, ms(300));
    assert_eq!(queue.begin(ms(200)), Some((1, Because::Asked)));
}

#[test]
fn a_line_is_called_in_its_order_and_a_place_is_kept() {
    let mut queue = Queue::new();
    for key in [3, 1, 2] {
        queue.wake(key, ms(0));
    }
    while queue.begin(ms(0)).is_some() {}
    for key in [3, 1, 2] {
        queue.waits(key, Turn::Deed, ms(60_000));
    }
    assert_eq!(queue.call(Turn::Poll), None);
    // It is poked, and still has to wait: its place is the old one.
    queue.wake(3, ms(10));
    assert_eq!(queue.begin(ms(10)), Some((3, Because::Asked)));
    assert_eq!(queue.call(Turn::Deed), Some((1, Because::Time)), "not the one that is looked at");
    queue.waits(3, Turn::Deed, ms(60_000));
    queue.wake(3, ms(60_000));
    assert_eq!(queue.call(Turn::Deed), Some((3, Because::Asked)), "it was asked for while it waited");
    // Who had its turn stands at the end the next time.
    queue.rests(3, ms(20));
    assert_eq!(queue.begin(ms(20)), Some((3, Because::Time)));
    queue.waits(3, Turn::Deed, ms(60_000));
    let mut called = || queue.call(Turn::Deed).map(|(key, _)| key);
    assert_eq!((called(), called()), (Some(2), Some(3)));
    assert_eq!(queue.call(Turn::Deed), None);
    // One that waits is looked at when it is due, too, but once.
    queue.waits(1, Turn::Deed, ms(70));
    assert_eq!(queue.begin(ms(70)), Some((1, Because::Time)));
    assert_eq!(queue.call(Turn::Deed), None);
}

#[derive(Debug, Clone)]
enum Step {
    Wake(u8, u64),
    Pass(u64),
    Begin,
    Call(Turn),
    End(usize, End),
}

#[derive(Debug, Clone, Copy)]
enum End {
    Rests(u64),
    Waits(Turn, u64),
    Gone,
}

fn step() -> impl Strategy<Value = Step> {
    let turn = || prop_oneof![Just(Turn::Deed), Just(Turn::Poll)];
    let end = prop_oneof![
        (0_u64..100).prop_map(End::Rests),
        (turn(), 0_u64..100).prop_map(|(turn, after)| End::Waits(turn, after)),
        Just(End::Gone),
    ];
    prop_oneof![
        3 => (0_u8..6, 0_u64..100).prop_map(|(key, after)| Step::Wake(key, after)),
        2 => (0_u64..60).prop_map(Step::Pass),
        4 => Just(Step::Begin),
        1 => turn().prop_map(Step::Call),
        4 => (0_usize..6, end).prop_map(|(which, end)| Step::End(which, end)),
    ]
}

/// Each object stands where it should, and nowhere else.
fn check(queue: &Queue<u8>) {
    for (key, object) in &queue.objects {
        let due = queue.due.iter().filter(|(_, other)| other == key).map(|(at, _)| *at).collect::<Vec<_>>();
        let lines = queue
            .lines
            .iter()
            .flat_map(|(turn, line)| line.iter().map(move |(number, key)| (*turn, *number, *key)));
        let places: Vec<_> =
            lines.filter(|(.., other)| other == key).map(|(turn, number, _)| (turn, number)).collect();
        match object.stage {
            Stage::Rests { due: at, .. } => {
                assert_eq!(due, [at]);
                assert_eq!(places, object.place.into_iter().collect::<Vec<_>>());
            }
            Stage::Looked { .. } => assert!(due.is_empty() && places.is_empty()),
        }
    }
    let known = |key| queue.objects.contains_key(key);
    assert!(queue.due.iter().all(|(_, key)| known(key)));
    assert!(queue.lines.values().flat_map(BTreeMap::values).all(known));
}

proptest! {
    #[test]
    fn nothing_is_lost_and_nothing_is_looked_at_twice_at_once(steps in proptest::collection::vec(step(), 0..200)) {
        let mut queue = Queue::new();
        let mut now = ms(0);
        let mut looked: Vec<u8> = Vec::new();
        // What was asked for and not begun since: when it has to be due at the latest.
        let mut asked: BTreeMap<u8, Duration> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Wake(key, after) => {
                    queue.wake(key, now + ms(after));
                    let at = asked.entry(key).or_insert(now + ms(after));
                    *at = (*at).min(now + ms(after));
                }
                Step::Pass(time) => now += ms(time),
                Step::Begin => if let Some((key, because)) = queue.begin(now) {
                    prop_assert!(!looked.contains(&key), "{key} twice at once");
                    let wanted = asked.remove(&key).is_some();
                    prop_assert!(!wanted || because == Because::Asked, "{key} was asked for");
                    looked.push(key);
                }
                Step::Call(turn) => if let Some((key, because)) = queue.call(turn) {
                    prop_assert!(!looked.contains(&key), "{key} twice at once");
                    let wanted = asked.remove(&key).is_some();
                    prop_assert!(!wanted || because == Because::Asked, "{key} was asked for");
                    looked.push(key);
                }
                Step::End(which, end) => if which < looked.len() {
                    let key = looked.remove(which);
                    match end {
                        End::Rests(after) => queue.rests(key, now + ms(after)),
                        End::Waits(turn, after) => queue.waits(key, turn, now + ms(after)),
                        End::Gone => queue.gone(key),
                    }
                }
            }
            check(&queue);
            for (key, at) in &asked {
                let object = queue.objects.get(key).expect("what was asked for is known");
                let due = match object.stage {
                    Stage::Rests { due, .. } => Some(due),
                    Stage::Looked { again } => again,
                };
                prop_assert!(due.is_some_and(|due| due <= *at), "{key} is not due by then: {object:?}");
            }
        }
    }
}

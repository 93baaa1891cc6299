use super::*;
use proptest::prelude::*;

const PACE: Pace = Pace {
    lease: SignedDuration::from_secs(12),
    effect: SignedDuration::from_secs(8),
    leave: SignedDuration::from_secs(2),
};
const OPEN: Works = Works { frozen: None };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn held(term: u64, holder: u8, until: i64) -> Turn<u8> {
    Turn { term, holder: Some(holder), until: at(until) }
}

#[test]
fn a_turn_is_taken_when_it_is_nobodys_or_its_lease_is_over() {
    let cases = [
        ("nobody ever took it", Turn::default(), Ok((0, 1))),
        ("the lease is over", held(7, 2, 99), Ok((7, 8))),
        ("it ends just now", held(7, 2, 100), Ok((7, 8))),
        ("one's own is over", held(7, 1, 99), Ok((7, 8))),
        ("another's lasts", held(7, 2, 101), Err(NotNow::Taken { until: at(101) })),
        ("one's own lasts", held(7, 1, 101), Err(NotNow::Taken { until: at(101) })),
    ];
    for (what, turn, expected) in cases {
        let taken = may_take(&turn, 1, at(100), &PACE);
        let expected =
            expected.map(|(seen, term)| Taking { seen, seen_until: turn.until, turn: held(term, 1, 112) });
        assert_eq!(taken, expected, "{what}");
    }
}

#[test]
fn a_taking_lands_on_what_was_read() {
    let taking = may_take(&held(7, 2, 99), 1, at(100), &PACE).unwrap();
    assert!(taking.lands(&held(7, 2, 99)));
    assert!(!taking.lands(&held(7, 2, 112)), "its holder renewed it since");
    assert!(!taking.lands(&held(8, 3, 99)), "somebody was quicker");
}

#[test]
fn only_the_holder_of_the_term_renews_and_never_to_an_earlier_end() {
    assert_eq!(renew(&held(7, 1, 105), 1, 7, at(100), &PACE), Ok(held(7, 1, 112)));
    assert_eq!(renew(&held(7, 1, 90), 1, 7, at(100), &PACE), Ok(held(7, 1, 112)), "nobody else took it");
    assert_eq!(renew(&held(7, 1, 150), 1, 7, at(100), &PACE), Ok(held(7, 1, 150)));
    let lost = |now| Err(NotNow::Lost { term: 7, now });
    assert_eq!(renew(&held(8, 2, 105), 1, 7, at(100), &PACE), lost(8));
    assert_eq!(renew(&held(8, 1, 105), 1, 7, at(100), &PACE), lost(8), "its own, but a later one");
    assert_eq!(renew(&held(7, 2, 105), 1, 7, at(100), &PACE), lost(7), "of another history");
}

#[test]
fn a_restored_turn_is_nobodys_and_above_what_was_given() {
    let micros = 100_000_000;
    let turn = restored(&held(7, 2, 50), at(100), &PACE);
    assert_eq!(turn, Turn { term: micros, holder: None, until: at(112) });
    assert_eq!(may_take(&turn, 1, at(111), &PACE), Err(NotNow::Taken { until: at(112) }));
    assert!(may_take(&turn, 1, at(112), &PACE).is_ok());
    // The same backup once more, a second later, after a thousand takings.
    assert!(lifted(7, at(101)) > micros + 1000);
    // A clock that was set back lowers nothing.
    assert_eq!(lifted(micros + 5, at(1)), micros + 6);
}

#[test]
fn an_effect_is_begun_if_it_ends_within_the_lease() {
    let begin = |turn: &Turn<u8>, clock| may_begin(turn, &1, 7, at(clock), PACE.effect);
    let turn = held(7, 1, 112);
    assert_eq!(begin(&turn, 100), Ok(()));
    assert_eq!(begin(&turn, 104), Ok(()));
    let short = |left| {
        let left = SignedDuration::from_secs(left);
        Err(NotNow::TooShort { left, needs: PACE.effect })
    };
    assert_eq!(begin(&turn, 105), short(7));
    assert_eq!(begin(&turn, 120), short(-8));
    assert_eq!(begin(&held(8, 2, 112), 100), Err(NotNow::Lost { term: 7, now: 8 }));
}

#[test]
fn while_all_is_frozen_nothing_is_ordered_and_after_the_leave_it_is_in_force() {
    let frozen = Works { frozen: Some(at(100)) };
    assert_eq!(may_order(&held(7, 1, 112), 5, &frozen), Err(NotNow::Frozen { since: at(100) }));
    assert_eq!(may_order(&held(7, 1, 112), 5, &OPEN), Ok(Fence { term: 7, epoch: 5 }));
    assert!(PACE.leave_lasts(at(100), at(102)) && !frozen.in_force(at(102), &PACE));
    assert!(!PACE.leave_lasts(at(100), at(103)) && frozen.in_force(at(103), &PACE));
    assert!(!OPEN.in_force(at(1000), &PACE));
}

#[test]
fn a_fence_goes_by_the_term_and_then_by_the_epoch() {
    let fence = |term, epoch| Fence { term, epoch };
    let highest = fence(7, 5);
    for passes in [fence(7, 5), fence(7, 6), fence(8, 5), fence(8, 6)] {
        assert!(passes.passes(highest), "{passes:?}");
    }
    for late in [fence(7, 4), fence(6, 5), fence(6, 4), Fence::default()] {
        assert!(!late.passes(highest), "{late:?}");
    }
}

#[test]
fn the_default_pace_leaves_time_to_begin_and_lets_others_go_on_in_time() {
    let pace = Pace::default();
    let renewed_each = SignedDuration::from_secs(4);
    assert!(pace.lease - renewed_each >= pace.effect);
    assert!(pace.lease + SignedDuration::from_secs(2) <= SignedDuration::from_secs(15), "resume within 15 s");
    assert!(pace.leave <= SignedDuration::from_secs(2), "a freeze is in force within 2 s");
}

#[test]
fn what_is_refused_says_what_to_do() {
    let words = NotNow::TooShort { left: SignedDuration::from_secs(3), needs: PACE.effect }.to_string();
    assert!(words.contains("3s") && words.contains("8s") && words.contains("renew"), "{words}");
    assert!(NotNow::Frozen { since: at(0) }.to_string().contains("billet unfreeze"));
}

/// What a replica did, or did with what it read before.
#[derive(Debug, Clone)]
enum Deed {
    Look(u8),
    Take(u8),
    Renew(u8),
    Pass(i64),
    Restore,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (0..3_u8).prop_map(Deed::Look),
        4 => (0..3_u8).prop_map(Deed::Take),
        2 => (0..3_u8).prop_map(Deed::Renew),
        2 => (1..9_i64).prop_map(Deed::Pass),
        1 => Just(Deed::Restore),
    ]
}

proptest! {
    /// However late what was read is used: terms rise, each has one holder, and nobody loses a turn before its lease is
    /// over, also when it was renewed.
    #[test]
    fn each_term_has_one_holder_and_no_lease_is_cut_short(deeds in prop::collection::vec(deed(), 1..80)) {
        let (mut row, mut clock) = (Turn::default(), at(1000));
        let first = row;
        let mut views = [(row, clock); 3];
        let mut holders = std::collections::HashMap::new();
        for deed in deeds {
            let before = row;
            match deed {
                Deed::Look(who) => views[usize::from(who)] = (row, clock),
                Deed::Pass(seconds) => clock += SignedDuration::from_secs(seconds),
                Deed::Restore => {
                    row = restored(&first, clock, &PACE);
                    // It takes longer than that to restore one.
                    clock += SignedDuration::from_secs(1);
                }
                Deed::Take(who) => {
                    let (turn, read) = views[usize::from(who)];
                    if let Ok(taking) = may_take(&turn, who, read, &PACE)
                        && taking.lands(&row)
                    {
                        prop_assert!(row.holder.is_none() || row.until <= clock, "a lease was cut short");
                        row = taking.turn;
                    }
                }
                Deed::Renew(who) => {
                    let (turn, read) = views[usize::from(who)];
                    if let Ok(longer) = renew(&turn, who, turn.term, read, &PACE)
                        && turn.term == row.term
                    {
                        prop_assert!(longer.until >= turn.until);
                        row.until = row.until.max(longer.until);
                    }
                }
            }
            prop_assert!(row.term >= before.term);
            if let Some(holder) = row.holder {
                prop_assert_eq!(*holders.entry(row.term).or_insert(holder), holder);
            }
        }
    }
}

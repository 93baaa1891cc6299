use super::*;
use jiff::Timestamp;

const ME: Uuid = Uuid::from_u128(1);

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

/// Taken at second 1000 of the database's clock, which was asked for at second 50 of ours.
fn lease() -> Lease {
    let (pace, clock) = (Pace::default(), Timestamp::from_second(1000).unwrap());
    let turn = Turn { term: 7, holder: Some(ME), until: clock + pace.lease };
    let known = Mutex::new((TurnSeen { turn, clock }, seconds(50)));
    Lease { me: ME, term: 7, pace, known, over: CancellationToken::new() }
}

#[test]
fn an_effect_is_begun_while_enough_is_left_counted_from_when_the_question_was_sent() {
    let lease = lease();
    for (now, left, begins) in
        [(50, 12, true), (54, 8, true), (55, 7, false), (62, 0, false), (92, -30, false)]
    {
        assert_eq!(lease.left(seconds(now)), seconds(left), "{now}");
        assert_eq!(lease.may_begin(seconds(now)).is_ok(), begins, "{now}");
    }
    // Renewed by what was asked for at second 54, however late the answer came.
    let seen = TurnSeen { clock: Timestamp::from_second(1004).unwrap(), ..lease.seen(seconds(54)).0 };
    let longer = renew(&seen.turn, ME, 7, seen.clock, &lease.pace).unwrap();
    lease.put(longer, seen, seconds(54));
    assert_eq!(lease.left(seconds(56)), seconds(10));
    assert!(lease.may_begin(seconds(58)).is_ok() && lease.may_begin(seconds(59)).is_err());
    assert!(!lease.is_due(seconds(57)) && lease.is_due(seconds(58)));
    lease.over.cancel();
    assert!(lease.may_begin(seconds(56)).is_err(), "it is known to be another's");
}

#[test]
fn what_is_under_way_ends_before_the_lease() {
    let lease = lease();
    assert_eq!(lease.farewell(seconds(50)), Some(Duration::from_secs(8)), "no effect takes longer");
    assert_eq!(lease.farewell(seconds(58)), Some(Duration::from_secs(3)));
    assert_eq!(lease.farewell(seconds(63)), None);
}

#[test]
fn terms_that_were_heard_of_late_lower_nothing() {
    let standing = Standing::default();
    standing.heard(7);
    standing.heard(6);
    assert_eq!(standing.term(), 7);
}

//! What a look does to the history.

use super::*;
use provisioner_api::WatchKind;

fn census(count: u128, version: i64) -> HashMap<Object, Seen> {
    let one = |id| {
        let object = Object { kind: WatchKind::Machine, id: Uuid::from_u128(id) };
        let facet = Facet { name: format!("m{id}"), pool: Pool::Shared, state: None, held: false };
        (object, Seen::new([version, 0], None, facet))
    };
    (0..count).map(one).collect()
}

#[test]
fn a_freeze_begins_a_new_history_and_nothing_new_is_no_news() {
    let mut log = Some(Log::new(Uuid::from_u128(1), census(2, 1)));
    let start = log.as_ref().unwrap().newest();
    assert!(!take(&mut log, census(2, 1), false));
    assert!(take(&mut log, census(2, 1), true), "nobody's version is another, and what is shown is");
    assert_eq!(log.as_ref().unwrap().behind(start, 1), Err(Missed::OtherHistory));
    assert!(!take(&mut None, census(2, 2), true));
}

#[test]
fn a_whole_fleet_may_change_four_times_while_somebody_is_away() {
    let fleet = 3000;
    let mut log = Some(Log::new(Uuid::from_u128(1), census(fleet, 0)));
    let start = log.as_ref().unwrap().newest();
    for version in 1..=4 {
        assert!(take(&mut log, census(fleet, version), false));
    }
    assert!(log.as_ref().unwrap().behind(start, 1).is_ok());
    take(&mut log, census(fleet, 5), false);
    assert_eq!(log.as_ref().unwrap().behind(start, 1), Err(Missed::TooOld));
}

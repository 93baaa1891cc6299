use super::story::{Story, silent};
use super::*;
use std::collections::BTreeSet;

#[test]
fn a_good_run_breaks_no_promise() {
    silent(&Story::good());
}

#[test]
fn the_promises_are_eleven_and_have_names_of_their_own() {
    let checker = Checker::new(&Limits::default());
    let names: BTreeSet<_> = checker.checks.iter().map(|check| check.name()).collect();
    assert_eq!((checker.checks.len(), names.len()), (11, 11));
}

#[test]
fn an_empty_run_breaks_none() {
    assert_eq!(Checker::new(&Limits::default()).at_rest(&Snapshot::default()), []);
}

#[test]
fn a_journal_that_was_written_down_is_read_back_alike() {
    let story = Story::good();
    for entry in &story.journal {
        let line = serde_json::to_string(entry).unwrap();
        let back: Entry = serde_json::from_str(&line).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), line);
    }
}

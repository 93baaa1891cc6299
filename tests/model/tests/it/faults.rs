//! With one rule broken: the check finds it.

use super::go_through;
use tests_model::{Broken, Fault, Scene};

#[track_caller]
fn is_found(fault: Fault, scene: Scene, broken: Broken) {
    let found = go_through(scene, Some(fault), &[broken.promise()]);
    assert!(found.broken.contains(broken.promise()), "{fault:?} is not found among {} states", found.states);
}

#[test]
fn the_term_is_not_compared() {
    is_found(Fault::TermNotCompared, Scene::QUIET, Broken::OldTerm);
}

#[test]
fn the_version_is_not_compared() {
    let scene = Scene { job: false, clients: 2, end: 1, ..Scene::QUIET };
    is_found(Fault::VersionNotCompared, scene, Broken::LostClaim);
}

#[test]
fn a_renewal_is_not_compared() {
    is_found(Fault::RenewalNotCompared, Scene { end: 8, ..Scene::QUIET }, Broken::Overlap);
}

#[test]
fn a_replica_goes_by_its_own_clock() {
    is_found(Fault::OwnClock, Scene::QUIET, Broken::Overlap);
}

#[test]
fn an_effect_is_begun_at_the_end_of_a_lease() {
    is_found(Fault::ShortLease, Scene::QUIET, Broken::Overlap);
}

#[test]
fn the_fence_is_not_raised_at_a_take_over() {
    is_found(Fault::FenceNotRaised, Scene { begun: true, freezes: 1, end: 4, ..Scene::QUIET }, Broken::Late);
}

#[test]
fn an_agent_takes_old_leave() {
    is_found(Fault::OldLeave, Scene { begun: true, freezes: 1, ..Scene::QUIET }, Broken::Frozen);
}

#[test]
fn a_boot_window_is_claimed_twice() {
    is_found(Fault::WindowTwice, Scene { begun: true, reboots: 1, ..Scene::QUIET }, Broken::Twice);
}

#[test]
fn what_nobody_answered_is_done_again() {
    is_found(Fault::UnknownIsRepeated, Scene { unknown: 1, ..Scene::QUIET }, Broken::Undone);
}

#[test]
fn what_nobody_answered_is_told_as_refused() {
    let scene = Scene { job: false, clients: 1, unknown: 1, end: 1, ..Scene::QUIET };
    is_found(Fault::UnknownIsRefused, scene, Broken::RefusedHolds);
}

#[test]
fn a_restored_database_works_at_once() {
    is_found(
        Fault::ThawAtRestore,
        Scene { replicas: 1, restores: 1, end: 6, ..Scene::QUIET },
        Broken::Unconfirmed,
    );
}

#[test]
fn a_restored_database_counts_on_from_what_it_holds() {
    is_found(Fault::NotLifted, Scene { restores: 1, ..Scene::QUIET }, Broken::TermTwice);
}

#[test]
fn a_restored_database_lets_everybody_take_turns_at_once() {
    is_found(Fault::NoWaiting, Scene { restores: 1, end: 2, ..Scene::QUIET }, Broken::Overlap);
}

/// No fault but a limit, which `turn.rs` tells: a BMC has no fence. What destroys stays safe, because agents have one.
#[test]
fn a_process_that_is_stopped_right_before_it_sends_is_late_at_the_bmc_alone() {
    let found = go_through(Scene { end: 4, ..Scene::QUIET }, Some(Fault::StoppedBeforeSending), &[]);
    let mut broken = found.broken;
    assert!(broken.remove(Broken::Overlap.promise()), "the limit is none any more: say so in turn.rs");
    assert!(broken.remove(tests_model::FINISHES));
    assert!(broken.is_empty(), "{}", found.way);
}

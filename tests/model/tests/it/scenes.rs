//! With all rules kept.

use super::go_through;
use tests_model::{FINISHES, Scene};

/// All of it was gone through, the job was done, and no promise was broken.
#[track_caller]
fn keeps_all(scene: Scene) {
    let found = go_through(scene, None, &[]);
    let mut broken = found.broken.clone();
    assert_eq!(broken.remove(FINISHES), scene.job, "{}", found.way);
    assert!(broken.is_empty(), "{} states\n{}", found.states, found.way);
}

#[test]
fn two_replicas_that_are_stopped_at_will() {
    keeps_all(Scene { end: 4, ..Scene::QUIET });
}

#[test]
fn two_replicas_whose_agent_waits() {
    keeps_all(Scene { begun: true, ..Scene::QUIET });
}

#[test]
fn a_replica_dies() {
    keeps_all(Scene { begun: true, crashes: 1, end: 4, ..Scene::QUIET });
}

#[test]
fn answers_to_commits_are_lost() {
    keeps_all(Scene { unknown: 1, end: 4, ..Scene::QUIET });
}

#[test]
fn the_agent_dies() {
    keeps_all(Scene { begun: true, reboots: 1, end: 4, ..Scene::QUIET });
}

#[test]
fn the_works_are_frozen() {
    keeps_all(Scene { begun: true, freezes: 1, end: 4, ..Scene::QUIET });
}

#[test]
fn a_backup_is_restored_while_an_agent_waits() {
    keeps_all(Scene { begun: true, restores: 1, end: 4, ..Scene::QUIET });
}

#[test]
fn a_backup_is_restored_and_worked_on() {
    keeps_all(Scene { replicas: 1, restores: 1, ..Scene::QUIET });
}

#[test]
fn three_clients_claim_of_three_replicas() {
    keeps_all(Scene { job: false, replicas: 3, clients: 3, unknown: 2, end: 1, ..Scene::QUIET });
}

#[test]
fn who_does_not_dawdle_comes_to_an_end() {
    keeps_all(Scene { crashes: 1, unknown: 1, reboots: 1, end: 16, urgent: true, ..Scene::QUIET });
}

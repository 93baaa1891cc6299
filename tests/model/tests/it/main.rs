//! The world is gone through: with all rules kept nothing is found, and each broken rule is.

mod faults;
mod scenes;

use stateright::{Checker, HasDiscoveries, Model};
use std::collections::BTreeSet;
use tests_model::{Fault, Scene, World};

/// What a check found: the names of promises, with the way to the state that breaks each, and how much was gone through.
struct Found {
    broken: BTreeSet<&'static str>,
    way: String,
    states: usize,
}

/// Goes through a world: all of it, or until one of these is found.
fn go_through(scene: Scene, fault: Option<Fault>, until: &[&'static str]) -> Found {
    let world = World { scene, fault };
    let mut checker = world.checker();
    if !until.is_empty() {
        checker = checker.finish_when(HasDiscoveries::AnyOf(until.iter().copied().collect()));
    }
    let checker = checker.spawn_bfs().join();
    let mut found =
        Found { broken: BTreeSet::new(), way: String::new(), states: checker.unique_state_count() };
    for (name, path) in checker.discoveries() {
        found.broken.insert(name);
        let actions: Vec<_> = path.into_actions().iter().map(|action| format!("{action:?}")).collect();
        found.way.push_str(&format!("{name}: {}\n", actions.join(", ")));
    }
    found
}

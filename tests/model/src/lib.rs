//! A model of several replicas at one machine: every interleaving of a small world is gone through, and each promise
//! is looked at in each state.
//!
//! The world ([`Site`]) is one machine's row in the database, the database's clock, two or three processes of the
//! service, the agent on the machine, its BMC, and people who claim the machine, freeze the works, or restore a backup.
//! Whoever does nothing for a while is stopped: a process takes no step between any two of its own while the clock and
//! the others go on, which is SIGSTOP, a long garbage of scheduling, or a slow network. A commit may be lost, or land
//! and its answer be lost. The rules are those of `provisioner_lifecycle` (`turn.rs`), called and not copied.
//!
//! A [`Scene`] says how much of what may go wrong, so that its states can be counted; a [`Fault`] in the design breaks one
//! rule, and the tests require that each of them is found, so that a check that finds nothing says something.
//!
//! What is made small: one machine, so that the turn stands in its row, one job of two steps (switch it on by the BMC, wipe
//! it by the agent), whole seconds, a lease of three. Deliberately not here: SQL (the store's tests have it), and how the
//! real service schedules itself.

mod act;
mod agent;
mod people;
mod replica;
mod scene;
mod site;

pub use act::Action;
pub use scene::{Fault, Scene};
pub use site::{Broken, Site};

use stateright::{Model, Property};

/// The world with what may go wrong in it.
#[derive(Debug, Clone)]
pub struct World {
    /// How much may happen.
    pub scene: Scene,
    /// The rule that is broken, if any.
    pub fault: Option<Fault>,
}

impl World {
    /// Whether this rule is broken in this world.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}

/// A promise: it was never broken on the way to this state.
fn kept(broken: Broken) -> Property<World> {
    // A property is a plain function, so that there is one for each promise.
    let holds: fn(&World, &Site) -> bool = match broken {
        Broken::TermTwice => |_, site| !site.broken.contains(&Broken::TermTwice),
        Broken::OldTerm => |_, site| !site.broken.contains(&Broken::OldTerm),
        Broken::Overlap => |_, site| !site.broken.contains(&Broken::Overlap),
        Broken::Twice => |_, site| !site.broken.contains(&Broken::Twice),
        Broken::Late => |_, site| !site.broken.contains(&Broken::Late),
        Broken::Frozen => |_, site| !site.broken.contains(&Broken::Frozen),
        Broken::Unconfirmed => |_, site| !site.broken.contains(&Broken::Unconfirmed),
        Broken::Undone => |_, site| !site.broken.contains(&Broken::Undone),
        Broken::LostClaim => |_, site| !site.broken.contains(&Broken::LostClaim),
        Broken::RefusedHolds => |_, site| !site.broken.contains(&Broken::RefusedHolds),
    };
    Property::always(broken.promise(), holds)
}

impl Model for World {
    type State = Site;
    type Action = Action;

    fn init_states(&self) -> Vec<Site> {
        let mut site = Site::new(&self.scene);
        if self.has(Fault::FenceNotRaised) {
            site.agent.highest.term = 0;
        }
        vec![site]
    }

    fn actions(&self, site: &Site, actions: &mut Vec<Action>) {
        self.possible(site, actions);
    }

    fn next_state(&self, site: &Site, action: Action) -> Option<Site> {
        let mut next = site.clone();
        self.apply(&mut next, action);
        next.judge();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all: Vec<_> = Broken::ALL.into_iter().map(kept).collect();
        if self.scene.job {
            all.push(Property::sometimes(FINISHES, |_: &Self, site: &Site| site.row.is_done()));
        }
        if self.scene.urgent {
            all.push(Property::eventually(COMES_TO_AN_END, |_: &Self, site: &Site| site.row.is_done()));
            all.push(Property::always(IN_TIME, |world: &Self, site: &Site| {
                site.clock < world.scene.end || site.row.is_done()
            }));
        }
        all
    }
}

/// The job can be finished at all.
pub const FINISHES: &str = "a job can be finished";
/// Where nobody dawdles, it is.
pub const COMES_TO_AN_END: &str = "a job is finished in the end";
/// And before the scene's last second.
pub const IN_TIME: &str = "a job is finished in time";

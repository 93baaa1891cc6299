//! What a pool's policy does to requests: no machine of it is wiped by less than the pool says. And how many of its machines
//! may have an instance at once, which `allocate` heeds.
//!
//! A policy makes wiping stricter, never weaker: what is asked for counts where it is more, and a pool without a policy
//! changes nothing. Deliberately not here: pools as objects, and who may write them.

use crate::{
    admit::{Refusal, Request, admit},
    machine::{Machine, Owner},
};
use provisioner_api::{ErasePolicy, ServiceStep};

/// How many machines of a pool may have an instance at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// So many have one.
    pub used: u64,
    /// So many may.
    pub most: u64,
}

impl Quota {
    /// How many more may.
    pub fn room(self) -> u64 {
        self.most.saturating_sub(self.used)
    }
}

/// Puts a request to a machine whose pool says the `least` that a wiping must do; `None`: it says nothing.
///
/// The pool's word counts from when a machine is given to an instance, or given back, and stays with that owner: neither
/// another pool nor another policy of the pool takes it away.
///
/// # Errors
/// As of [`admit`].
pub fn admit_in_pool(
    machine: &Machine,
    request: &Request,
    least: Option<ErasePolicy>,
) -> Result<Machine, Refusal> {
    let before = machine.want.owner.as_ref();
    if let Request::Service(steps) = request {
        // What is wiped holds data of its owner, whose pool may have been a stricter one.
        let least = least.max(before.and_then(|owner| owner.least)).unwrap_or_default();
        return admit(machine, &Request::Service(raised(steps, least)));
    }
    let mut next = admit(machine, request)?;
    let Some(least) = least else { return Ok(next) };
    if let Some(owner) = next.want.owner.as_mut().filter(|owner| is_news(before, owner)) {
        owner.least = owner.least.max(Some(least));
    }
    Ok(next)
}

/// Whether it is another owner than before, or how it gives the machine back is another.
fn is_news(before: Option<&Owner>, after: &Owner) -> bool {
    before.is_none_or(|before| (before.instance, before.release) != (after.instance, after.release))
}

/// The steps of a servicing, none of which wipes by less.
fn raised(steps: &[ServiceStep], least: ErasePolicy) -> Vec<ServiceStep> {
    let raise = |step: &ServiceStep| match step {
        ServiceStep::Erase { disks, method } => {
            ServiceStep::Erase { disks: disks.clone(), method: (*method).max(least) }
        }
        ServiceStep::Inspect => ServiceStep::Inspect,
    };
    steps.iter().map(raise).collect()
}

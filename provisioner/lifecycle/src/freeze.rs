//! The freeze: while somebody stopped everything, nobody begins anything.
//!
//! What is so goes on being observed and asked for; only nothing is done about it. Where the freeze is kept, and how soon
//! every process knows of it, is the service's; why it is in force everywhere within [`crate::Pace::leave`] stands in
//! `turn`.

use crate::{
    deadline::Limits,
    decide::{Decision, Patience, decide},
    machine::Machine,
};
use jiff::Timestamp;
use std::fmt;

/// What ends a freeze.
const HINT: &str = "`billet unfreeze` ends that, and everything goes on where it was";

/// Somebody stopped everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// Since when, by the database's clock.
    pub since: Timestamp,
    /// Who.
    pub by: String,
    /// Why, if that was said.
    pub why: Option<String>,
}

impl fmt::Display for Freeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "everything is frozen since {} by {}", self.since, self.by)?;
        self.why.as_ref().map_or(Ok(()), |why| write!(f, ": {why}"))
    }
}

impl Freeze {
    /// What whoever would work waits for.
    pub fn patience(&self) -> Patience {
        Patience::for_a_person(self.to_string(), self.since, HINT)
    }
}

/// Decides as [`decide`], but begins nothing while everything is frozen, and concludes nothing from time that passes: a
/// machine that rests or is held does so still, one on which work is to be done waits for the end of the freeze.
pub fn decide_while(freeze: Option<&Freeze>, machine: &Machine, limits: &Limits, now: Timestamp) -> Decision {
    let decision = decide(machine, limits, now);
    let Some(freeze) = freeze else { return decision };
    match decision {
        Decision::Done => Decision::Done,
        Decision::Wait(patience) if machine.running_job().is_none() => Decision::Wait(patience),
        _ => Decision::Wait(freeze.patience()),
    }
}

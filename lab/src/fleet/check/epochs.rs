//! Promised: orders never go back. What was done and taken down is not ordered again, whoever was killed in between;
//! a job that starts anew does so under a higher epoch.
//!
//! Seen: live. An agent asks for orders one after the other, and only after its last report was answered, so that the
//! order of the journal is the order of things for each machine. A report whose answer was lost is not in the journal:
//! it proves nothing, and doesn't count. One that was answered "does not stand any more" doesn't count either.
//!
//! A machine that was deleted and added again begins anew; the journal does not say which one it is, so that all do.

use super::{Broken, Check, machine};
use crate::fleet::entry::{Entry, Seen, What};
use std::collections::{HashMap, HashSet};

/// The job of those that have none: machines that nobody added.
const NO_JOB: &str = "00000000-0000-0000-0000-000000000000";

#[derive(Default)]
pub(super) struct Epochs {
    /// The highest epoch that each machine's agents saw, and its job.
    highest: HashMap<u32, (u64, String)>,
    /// What was reported as done, and that was answered: machine, job, epoch, step.
    done: HashSet<(u32, String, u64, String)>,
}

impl Epochs {
    fn ordered(&mut self, number: u32, job: &str, epoch: u64, step: &str, broken: &mut Broken) {
        let highest = self.highest.entry(number).or_insert_with(|| (epoch, job.to_owned()));
        if epoch < highest.0 {
            let why = format!("{step} was ordered in epoch {epoch}, after an order of epoch {}", highest.0);
            return broken.add(machine(number), why);
        }
        if epoch == highest.0 && job != highest.1 {
            let why = format!("the jobs {} and {job} have the same epoch {epoch}", highest.1);
            return broken.add(machine(number), why);
        }
        if epoch > highest.0 {
            *highest = (epoch, job.to_owned());
            self.done.retain(|(of, ..)| *of != number);
        }
        if self.done.contains(&(number, job.to_owned(), epoch, step.to_owned())) {
            let why = format!(
                "{step} was ordered again in epoch {epoch}, although it was done and that was acknowledged"
            );
            broken.add(machine(number), why);
        }
    }
}

impl Check for Epochs {
    fn name(&self) -> &'static str {
        "epochs"
    }

    fn see(&mut self, entry: &Entry, broken: &mut Broken) {
        match (&entry.what, entry.machine) {
            (What::Call { method, path, .. }, _)
                if method == "DELETE" && path.starts_with("/v1/machines/") =>
            {
                self.highest.clear();
                self.done.clear();
            }
            (What::Seen(Seen::Order { job, epoch, step, .. }), Some(number)) if job != NO_JOB => {
                self.ordered(number, job, *epoch, step, broken);
            }
            (What::Seen(Seen::Reported { job, epoch, step, outcome }), Some(number))
                if matches!(outcome.as_str(), "done" | "inventory") =>
            {
                self.done.insert((number, job.clone(), *epoch, step.clone()));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::{Story, only, silent};
    use super::*;

    fn order(job: &str, epoch: u64, step: &str) -> Seen {
        Seen::Order { job: job.to_owned(), epoch, step: step.to_owned(), attempt: 1 }
    }

    fn reported(step: &str, outcome: &str) -> Seen {
        Seen::Reported { job: "J".to_owned(), epoch: 50, step: step.to_owned(), outcome: outcome.to_owned() }
    }

    /// A good story that goes on like this for a machine.
    fn then(seen: Vec<Seen>) -> Story {
        let mut story = Story::good();
        for seen in seen {
            story.seen(0, seen);
        }
        story
    }

    #[test]
    fn what_was_done_is_ordered_again() {
        only(
            &then(vec![
                order("J", 50, "inspect"),
                reported("inspect", "inventory"),
                order("J", 50, "inspect"),
            ]),
            "epochs",
        );
    }

    #[test]
    fn an_epoch_goes_back_and_two_jobs_share_one() {
        only(&then(vec![order("J", 50, "erase"), order("J", 49, "erase")]), "epochs");
        only(&then(vec![order("J", 50, "erase"), order("K", 50, "erase")]), "epochs");
    }

    #[test]
    fn what_may_be() {
        // The answer to the first report was lost: it is not in the journal.
        silent(&then(vec![order("J", 50, "erase"), order("J", 50, "erase"), reported("erase", "done")]));
        // It failed, or came too late to count.
        for outcome in ["failed", "progress", "done-void"] {
            silent(&then(vec![order("J", 50, "erase"), reported("erase", outcome), order("J", 50, "erase")]));
        }
        // The job starts anew, and another one comes later.
        silent(&then(vec![
            order("J", 50, "erase"),
            reported("erase", "done"),
            order("J", 51, "erase"),
            order("K", 52, "erase"),
        ]));
        silent(&then(vec![
            order("J", 50, "erase"),
            order(NO_JOB, 0, "inspect"),
            order(NO_JOB, 0, "inspect"),
        ]));
    }

    #[test]
    fn a_machine_that_was_added_again_begins_anew() {
        let mut story = then(vec![order("J", 50, "erase")]);
        let call = |method: &str, path: &str| What::Call {
            id: 900,
            method: method.to_owned(),
            path: path.to_owned(),
            about: "never-added".to_owned(),
            body: serde_json::Value::Null,
        };
        story.push(None, call("DELETE", "/v1/machines/never-added"));
        story.seen(0, order("L", 1, "inspect"));
        silent(&story);
    }
}

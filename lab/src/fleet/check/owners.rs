//! Judges a history: whether there is any order of what happened in which each machine had one owner at a time and
//! every answer was true. If there is none, a machine had two owners, or a claim that was acknowledged is lost.
//!
//! **What suffices.** A machine is a register, and its values are instances, each of which lives once: from `s` to `e`,
//! `s ≤ e`, somewhere between asking and answering. Write `first`, `had_begun`, `went_on`, `last` for the four times of a
//! [`Life`]. The claim and all answers that name the instance are true if and only if
//! `first ≤ s ≤ had_begun` and `went_on ≤ e ≤ last`: a read of `[asked, answered]` shows the instance if `s ≤ answered` and
//! `asked ≤ e`. So where `had_begun < went_on` the machine is surely its own all that time, its *core*; else its life may
//! be as short as a moment, anywhere from `max(went_on, first)` to `min(had_begun, last)`. A history is good if and only
//! if
//!
//! 1. each instance that is known to have begun was claimed, has one machine, `first ≤ had_begun`, `first ≤ last` and
//!    `went_on ≤ last`;
//! 2. the cores at each machine don't overlap;
//! 3. each momentary life has a moment outside the cores of the others;
//! 4. each read that shows no owner has a moment outside all cores.
//!
//! *Necessary*: a core is owned whatever `s` and `e` are, and 3 and 4 ask for a moment that is not owned by another one.
//! *Sufficient*: let each instance with a core live exactly that long, all others a moment each as in 3, and reads happen
//! at the moment that there is for them: by 1 it is within their bounds, by 2 to 4 nobody else owns the machine then. At
//! one and the same moment several may come and go, at the ends of cores too: all of them were under way then, so that
//! any order of them is allowed, one after the other. An instance that nobody was told of may never have begun.
//!
//! Machines don't depend on each other, but for an instance that has two, which 1 forbids. The search of a checker for
//! linearizability in general (Wing and Gong 1993; Knossos), exponential, is not needed because no value comes twice; a
//! test compares with it.

use super::history::{Empty, History, Life};
use std::collections::BTreeMap;

/// What is wrong with a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The machine or instance.
    pub about: String,
    /// In a sentence.
    pub why: String,
}

/// The time for which a machine surely was an instance's: after `from` and before `to`.
#[derive(Debug, Clone, Copy)]
struct Core<'a> {
    instance: &'a str,
    from: u64,
    to: u64,
}

/// What is wrong with a history; nothing: there is an order that explains it.
#[must_use]
pub fn judge(history: &History) -> Vec<Wrong> {
    let lives = history.lives();
    let mut wrong: Vec<_> = lives.iter().filter_map(|(instance, life)| by_itself(instance, life)).collect();
    let mut cores: BTreeMap<&str, Vec<Core<'_>>> = BTreeMap::new();
    let alone = |life: &&Life| by_itself("", life).is_none();
    for (instance, life) in lives.iter().filter(|(_, life)| alone(life)) {
        if let [machine] = &life.machines[..]
            && life.had_begun < life.went_on
        {
            let core = Core { instance, from: life.had_begun, to: life.went_on };
            cores.entry(machine).or_default().push(core);
        }
    }
    for (machine, cores) in &mut cores {
        cores.sort_by_key(|core| (core.from, core.to));
        wrong.extend(overlaps(machine, cores));
    }
    for (instance, life) in lives.iter().filter(|(_, life)| alone(life)) {
        let [machine] = &life.machines[..] else { continue };
        let first = life.first.unwrap_or_default();
        if life.had_begun >= life.went_on
            && let Some(other) =
                covered(cores.get(machine.as_str()), life.went_on.max(first), life.had_begun.min(life.last))
        {
            let why = format!("{instance} had it, and all that time it was {}'s", other.instance);
            wrong.push(Wrong { about: machine.clone(), why });
        }
    }
    wrong.extend(history.empty().filter_map(|read| lost(&read, cores.get(read.machine))));
    wrong
}

/// Condition 1.
fn by_itself(instance: &str, life: &Life) -> Option<Wrong> {
    if let [one, two, ..] = &life.machines[..] {
        let why = format!("{instance} has {one} and {two}");
        return Some(Wrong { about: instance.to_owned(), why });
    }
    let machine = life.machines.first()?;
    let why = match life.first {
        None if life.refused => format!("its claim was refused, and {machine} is its own"),
        None => format!("{machine} is its own, and nobody claimed it"),
        Some(first) if first > life.had_begun => {
            format!("{machine} was its own before anybody claimed it")
        }
        Some(first) if first > life.last => "it was given back before anybody claimed it".to_owned(),
        Some(_) if life.went_on > life.last => {
            format!("{machine} is its own after it was given back, which was answered with yes")
        }
        Some(_) => return None,
    };
    Some(Wrong { about: instance.to_owned(), why })
}

/// Condition 2: `cores` by their beginnings.
fn overlaps(machine: &str, cores: &[Core<'_>]) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let mut longest: Option<Core<'_>> = None;
    for core in cores {
        if let Some(other) = longest.filter(|other| core.from < other.to) {
            let (first, second) = (other.instance, core.instance);
            let why = format!("it was {first}'s and {second}'s at one time");
            wrong.push(Wrong { about: machine.to_owned(), why });
        }
        if longest.is_none_or(|other| other.to < core.to) {
            longest = Some(*core);
        }
    }
    wrong
}

/// Condition 4.
fn lost(read: &Empty<'_>, cores: Option<&Vec<Core<'_>>>) -> Option<Wrong> {
    let core = covered(cores, read.span.asked, read.span.answered)?;
    let why = format!("{} has it, and it was read that nobody has: the claim is lost", core.instance);
    Some(Wrong { about: read.machine.to_owned(), why })
}

/// Who had a machine, if from `from` to `to` there was no moment at which nobody surely had it. `cores` by their
/// beginnings; they may overlap, which is told elsewhere.
fn covered<'a>(cores: Option<&Vec<Core<'a>>>, from: u64, to: u64) -> Option<Core<'a>> {
    let (mut moment, mut by) = (from, None);
    for core in cores.into_iter().flatten() {
        if core.from < moment && moment < core.to {
            (moment, by) = (core.to, Some(*core));
        }
    }
    by.filter(|_| moment > to)
}

#[cfg(test)]
mod tests;

//! A history: what clients asked about the owners of machines, when they asked, when they were answered, and with what.
//!
//! An instance lives once: a claim gives it one machine, a release ends that, and it never comes back. A claim or a
//! release that nobody answered may have happened or not, then or at any time later. Deliberately not here: the
//! judgement (`owners`), and where a history comes from.

use std::collections::BTreeMap;

/// When something was asked and answered; microseconds, or any other numbers that grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) asked: u64,
    /// Nobody answered: [`NEVER`].
    pub(super) answered: u64,
}

/// Later than everything.
pub const NEVER: u64 = u64::MAX;

/// What was asked, and answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// A machine for an instance. Repeated tries are one claim.
    Claim {
        /// Which.
        instance: String,
        /// What came of it.
        answer: Claimed,
    },
    /// The end of an instance; it may have been done or not where `done` is false.
    Release {
        /// Which.
        instance: String,
        /// Whether it surely ended.
        done: bool,
    },
    /// Whose a machine is.
    Read {
        /// Which.
        machine: String,
        /// The instance that has it.
        owner: Option<String>,
    },
}

/// What came of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// This machine.
    Granted(String),
    /// None, and that is final for this try.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// Deeds in any order.
#[derive(Debug, Default)]
pub struct History {
    deeds: Vec<(Span, Deed)>,
}

/// What is known of an instance's time with its machine. All times are inclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Life {
    /// The machines that were named with it: granted or seen. More than one is a contradiction.
    pub(super) machines: Vec<String>,
    /// When it began at the earliest: a claim of it was asked; none: nobody asked, or each try was refused.
    pub(super) first: Option<u64>,
    /// When it had begun at the latest, because somebody was told so.
    pub(super) had_begun: u64,
    /// Until when it went on at least: a release was asked, or it was seen later.
    pub(super) went_on: u64,
    /// When it had ended at the latest: a release was answered.
    pub(super) last: u64,
    /// Whether a claim was refused.
    pub(super) refused: bool,
}

impl Life {
    /// Of whom nothing is known: it goes on for ever, if it ever begins.
    const UNKNOWN: Self = Self {
        machines: Vec::new(),
        first: None,
        had_begun: NEVER,
        went_on: NEVER,
        last: NEVER,
        refused: false,
    };

    fn on(&mut self, machine: &str) {
        if !self.machines.iter().any(|known| known == machine) {
            self.machines.push(machine.to_owned());
        }
    }
}

/// A read of a machine that showed no owner.
#[derive(Debug, Clone, Copy)]
pub(super) struct Empty<'a> {
    pub(super) machine: &'a str,
    pub(super) span: Span,
}

impl History {
    /// Adds a deed, with when it was asked for and answered ([`NEVER`]: nobody answered).
    pub fn add(&mut self, asked: u64, answered: u64, deed: Deed) {
        self.deeds.push((Span { asked, answered }, deed));
    }

    /// What it says of each instance.
    pub(super) fn lives(&self) -> BTreeMap<&str, Life> {
        let mut lives: BTreeMap<&str, Life> = BTreeMap::new();
        for (span, deed) in &self.deeds {
            match deed {
                Deed::Claim { instance, answer } => {
                    let life = lives.entry(instance).or_insert(Life::UNKNOWN);
                    match answer {
                        Claimed::Refused => {
                            life.refused = true;
                            continue;
                        }
                        Claimed::Granted(machine) => {
                            life.on(machine);
                            life.had_begun = life.had_begun.min(span.answered);
                        }
                        Claimed::Unknown => {}
                    }
                    life.first = Some(life.first.map_or(span.asked, |first| first.min(span.asked)));
                }
                Deed::Release { instance, done } => {
                    let life = lives.entry(instance).or_insert(Life::UNKNOWN);
                    life.went_on = life.went_on.min(span.asked);
                    if *done {
                        life.last = life.last.min(span.answered);
                    }
                }
                Deed::Read { machine, owner: Some(instance) } => {
                    let life = lives.entry(instance).or_insert(Life::UNKNOWN);
                    life.on(machine);
                    life.had_begun = life.had_begun.min(span.answered);
                }
                Deed::Read { owner: None, .. } => {}
            }
        }
        // Once it is known when the first release was asked, what was seen later counts.
        for (span, deed) in &self.deeds {
            if let Deed::Read { owner: Some(instance), .. } = deed
                && let Some(life) = lives.get_mut(instance.as_str())
            {
                life.went_on = life.went_on.max(span.asked);
            }
        }
        lives
    }

    /// The reads that showed no owner.
    pub(super) fn empty(&self) -> impl Iterator<Item = Empty<'_>> {
        self.deeds.iter().filter_map(|(span, deed)| match deed {
            Deed::Read { machine, owner: None } => Some(Empty { machine, span: *span }),
            _ => None,
        })
    }
}

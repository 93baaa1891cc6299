//! The state of a world: what is in the database, what each process knows, what is under way, and what was promised.

use crate::scene::{PACE, Scene};
use jiff::Timestamp;
use provisioner_lifecycle::{Fence, Seen, Turn, Works};
use std::collections::BTreeSet;

/// A time of the database's clock, in whole seconds.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::constant(second, 0)
}

/// A world at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Site {
    /// The database's clock.
    pub(crate) clock: i64,
    pub(crate) row: Row,
    pub(crate) works: Works,
    /// What can be restored.
    pub(crate) backup: Option<Row>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) agent: Agent,
    /// Answers to the agent that are under way.
    pub(crate) answers: BTreeSet<Answer>,
    /// What is under way at the BMC.
    pub(crate) deeds: BTreeSet<Deed>,
    /// What each client was told.
    pub(crate) told: Vec<Told>,
    pub(crate) left: Left,
    pub(crate) past: Past,
    /// The promises that were broken.
    pub(crate) broken: BTreeSet<Broken>,
}

/// The machine in the database, and the turn, which is the works': a world has one machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) version: u64,
    pub(crate) turn: Turn<u8>,
    pub(crate) owner: Option<u8>,
    pub(crate) epoch: u64,
    pub(crate) step: Step,
    /// Whether the step's intent is stored.
    pub(crate) intent: bool,
    /// The epoch whose boot window an agent claimed.
    pub(crate) window: Option<u64>,
}

impl Row {
    /// What a write compares.
    pub(crate) fn seen(&self) -> Seen {
        Seen { version: self.version, term: self.turn.term }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.step == Step::Done
    }

    /// Whether an order to wipe stands.
    pub(crate) fn wipes(&self) -> bool {
        self.step == Step::Wipe && self.intent
    }
}

/// A step of the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    /// Switched on, by the BMC.
    Power,
    /// Wiped, by the agent.
    Wipe,
    Done,
}

/// A process of the service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Replica {
    /// Another one after each start.
    pub(crate) id: u8,
    /// What it read last, if it believes that still.
    pub(crate) view: Option<View>,
    /// The epoch in which it performed the step at the BMC.
    pub(crate) performed: Option<u64>,
    /// It looked at its clock and is about to send. In worlds where it may be stopped there.
    pub(crate) about_to: bool,
    /// What it does once more because it heard no answer. In worlds where that is broken.
    pub(crate) repeats: Option<Move>,
}

/// What one statement read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct View {
    pub(crate) row: Row,
    pub(crate) works: Works,
    pub(crate) read: i64,
}

/// A change of the job that the holder of a turn writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Move {
    /// The step's intent is stored.
    Begin,
    /// The machine is on.
    Advance,
    /// The agent is silent: all anew.
    Restart,
}

/// The agent on the machine, since its boot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Agent {
    /// The epoch of its session.
    pub(crate) session: Option<u64>,
    /// The highest fence that it heard of.
    pub(crate) highest: Fence,
    /// The highest that was really meant, by what the database held when each answer was read.
    pub(crate) meant: Fence,
    /// When it sent the question that is not answered yet.
    pub(crate) asked: Option<i64>,
    /// When it asked last.
    pub(crate) last: i64,
    /// Epochs in which it wiped.
    pub(crate) done: BTreeSet<u64>,
}

/// An answer to the agent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Answer {
    pub(crate) session: u64,
    /// When the agent had asked, which it knows by itself.
    pub(crate) asked: i64,
    pub(crate) fence: Fence,
    /// Term and epoch in the database when it was read.
    pub(crate) meant: Fence,
    /// Whether it is to wipe; else there is nothing to do.
    pub(crate) wipe: bool,
}

/// An exchange with the BMC.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deed {
    pub(crate) id: u8,
    pub(crate) epoch: u64,
    /// It is over before this second.
    pub(crate) ends: i64,
}

/// What a client was told of its claim last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Told {
    Nothing,
    Granted,
    Refused,
    /// Nobody answered.
    Unknown,
    /// It gave the machine back, and that was acknowledged.
    Released,
}

/// What may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    pub(crate) unknown: u8,
    pub(crate) crashes: u8,
    pub(crate) reboots: u8,
    pub(crate) freezes: u8,
    pub(crate) restores: u8,
}

/// What happened, known to nobody in the world.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Past {
    /// Each term that was taken, and by whom.
    pub(crate) taken: BTreeSet<(u64, u8)>,
    /// Epochs in which the machine was wiped.
    pub(crate) wiped: BTreeSet<u64>,
    /// Since when nobody has confirmed a restoration.
    pub(crate) unconfirmed: Option<i64>,
}

/// A promise that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Broken {
    /// Two processes took the same term.
    TermTwice,
    /// A write landed that was decided in an older term.
    OldTerm,
    /// Effects of two processes were under way at the BMC at once.
    Overlap,
    /// The agent wiped twice in one epoch.
    Twice,
    /// It began what an older holder or epoch meant, having heard of a later one.
    Late,
    /// It began although a freeze was in force.
    Frozen,
    /// It began although a database was restored and nobody confirmed that.
    Unconfirmed,
    /// A job was said to be done, and nothing was wiped.
    Undone,
    /// A claim was granted, and the machine is another's or nobody's.
    LostClaim,
    /// A claim was refused, and the machine is that client's.
    RefusedHolds,
}

impl Broken {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::TermTwice,
        Self::OldTerm,
        Self::Overlap,
        Self::Twice,
        Self::Late,
        Self::Frozen,
        Self::Unconfirmed,
        Self::Undone,
        Self::LostClaim,
        Self::RefusedHolds,
    ];

    /// The promise, in words.
    #[must_use]
    pub const fn promise(self) -> &'static str {
        match self {
            Self::TermTwice => "a term has one holder",
            Self::OldTerm => "no write of an old term lands",
            Self::Overlap => "effects of two processes are never under way at once",
            Self::Twice => "nothing is wiped twice in one epoch",
            Self::Late => "an agent that heard of a later term or epoch begins nothing of an earlier one",
            Self::Frozen => "nothing is wiped while a freeze is in force",
            Self::Unconfirmed => "nothing is wiped after a restoration until a person confirms it",
            Self::Undone => "what is done was done",
            Self::LostClaim => "no granted claim is lost",
            Self::RefusedHolds => "who was refused has no machine",
        }
    }
}

impl Site {
    /// The beginning.
    pub(crate) fn new(scene: &Scene) -> Self {
        let mut site = Self::at_nothing(scene);
        if scene.begun {
            let turn = Turn { term: 1, holder: Some(0), until: at(1 + PACE.lease.as_secs()) };
            site.past.taken.insert((1, 0));
            site.row = Row { turn, step: Step::Wipe, intent: true, window: Some(1), ..site.row };
            let fence = turn.fence(1);
            site.agent = Agent { session: Some(1), highest: fence, meant: fence, ..Agent::default() };
        }
        site
    }

    fn at_nothing(scene: &Scene) -> Self {
        let replica = |id| Replica { id, view: None, performed: None, about_to: false, repeats: None };
        let row = Row {
            version: 1,
            turn: Turn::default(),
            owner: None,
            epoch: 1,
            step: Step::Power,
            intent: false,
            window: None,
        };
        Self {
            clock: 1,
            row,
            works: Works::default(),
            backup: None,
            replicas: (0..scene.replicas).map(replica).collect(),
            agent: Agent::default(),
            answers: BTreeSet::new(),
            deeds: BTreeSet::new(),
            told: vec![Told::Nothing; usize::from(scene.clients)],
            left: Left {
                unknown: scene.unknown,
                crashes: scene.crashes,
                reboots: scene.reboots,
                freezes: scene.freezes,
                restores: scene.restores,
            },
            past: Past::default(),
            broken: BTreeSet::new(),
        }
    }

    /// Looks at the promises that show in a state.
    pub(crate) fn judge(&mut self) {
        if self.row.is_done() && !self.past.wiped.contains(&self.row.epoch) {
            self.broken.insert(Broken::Undone);
        }
        for (client, told) in (0..).zip(&self.told) {
            let has = self.row.owner == Some(client);
            match told {
                Told::Granted if !has => self.broken.insert(Broken::LostClaim),
                Told::Refused | Told::Released if has => self.broken.insert(Broken::RefusedHolds),
                _ => false,
            };
        }
    }
}

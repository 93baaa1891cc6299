//! Whose turn it is to work, of several replicas: until when, and what one may do with it.
//!
//! Replicas talk through the database alone. There is one [`Turn`] for the whole works: a term that rises with each
//! taking, who took it, and until when by the database's clock. Its holder, the leader, decides and acts; the others serve.
//! The rules, and why:
//!
//! 1. **Time is the database's.** A replica's clock may be wrong by minutes. The one use of its own is to count what has
//!    passed since a question to the database was *sent*, on a clock that nobody sets and that runs while it is stopped.
//! 2. **Taking is read, decide, write.** Turn and clock are read by one statement, [`may_take`] decides, and the write has
//!    the condition of [`Taking::lands`]: term and end of the lease are those that were read. The term alone would cut the
//!    lease of a holder short that renewed it since, and may be in the midst of an effect. A freeze hinders nobody: who
//!    takes the turn finds it, and what it forbids is asked for where it is begun ([`may_order`]). Else a works that is
//!    restarted while it is frozen would tell nobody anything.
//! 3. **Every write of the leader compares `term` besides `version`** ([`Seen::lands`]), in one transaction with the write.
//!    Taking leaves versions as they are; so with the version alone, a replica that was stopped for longer than its lease
//!    would still get a write in, between the successor's look and its first write, while the successor acts on what it saw.
//! 4. **Who took a turn knows nothing**: it reads everything again before it decides. What was committed and not
//!    answered may have happened; it is read again, never repeated and never taken for refused.
//! 5. **A job's epoch stays.** Windows, sessions and reports name it, and an agent at work goes on through the death of
//!    a replica. What fences the old holder off is the [`Fence`] of every answer to an agent: the term, then the epoch.
//!    An agent refuses what is lower than the highest that it heard of.
//! 6. **An effect is begun only if it is over before the lease** ([`may_begin`]): so the successor's comes after it. The
//!    limit is of one exchange with a BMC, not of the step, which is made of many; one that takes longer is cut off.
//! 7. **Who destroys asks first.** An agent counts from when it *sent* its question, and begins within [`Pace::leave`] of
//!    that or asks again. So a freeze is in force ([`Works::in_force`]) that long after it was committed, whoever is
//!    stopped with an answer in hand.
//! 8. **A holder is a process, not a place.** A process that is started anew takes a new term, and when the old lease is
//!    over. Only where its predecessor is known to be dead (the lock of one data folder on one host since its start was
//!    that one's) it takes it at once, as it does on a file: of a dead process a last datagram may be under way, no more.
//! 9. **A restored database is frozen, its turn is [`restored`], and its epochs [`lifted`]** above all that the lost
//!    history can have given: two holders of one term, and an agent that refuses everything, would be the price else.
//!    Nobody takes the turn for the length of a lease: the processes of the lost history may be in the midst of effects.
//!
//! What these rules do not give: a process that is stopped between its look at the clock and the call that sends a
//! datagram to a BMC sends it late. Agents refuse what is late; a BMC has no fence. Effects on it name an end, and who
//! set it reads it back. `tests/model` checks the rules against each other, and shows this.
//!
//! Deliberately not here: SQL, who looks when, and what is done with a turn (`provisioner/src/leader.rs`).

use jiff::{SignedDuration, Timestamp};
pub use provisioner_api::agent::Fence;

/// How long things last. All processes at one database must agree on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// A turn, from its taking or its last renewal.
    pub lease: SignedDuration,
    /// The longest that one effect of a replica may take, from its begin until nothing of it is under way any more.
    pub effect: SignedDuration,
    /// How old leave to destroy may be when it is used, counted from the question.
    pub leave: SignedDuration,
}

impl Default for Pace {
    /// A dead leader's work goes on after 12 s and a look (2 s), which is within 15 s; an exchange with a BMC and its
    /// repetitions take less than 8 s, and who renews each 4 s can always begin one.
    fn default() -> Self {
        Self {
            lease: SignedDuration::from_secs(12),
            effect: SignedDuration::from_secs(8),
            leave: SignedDuration::from_secs(2),
        }
    }
}

impl Pace {
    /// Whether leave that was asked for then, by the asker's own clock, still counts.
    pub fn leave_lasts(&self, asked: Timestamp, now: Timestamp) -> bool {
        now.duration_since(asked) <= self.leave
    }
}

/// Whose turn it is. `R` tells processes apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Turn<R> {
    /// Raised by each taking, never lowered.
    pub term: u64,
    /// Who took it last.
    pub holder: Option<R>,
    /// The end of the lease, by the database's clock: from then on another one may take it.
    pub until: Timestamp,
}

impl<R> Default for Turn<R> {
    /// Nobody's, as yet.
    fn default() -> Self {
        Self { term: 0, holder: None, until: Timestamp::UNIX_EPOCH }
    }
}

/// Whether the service as a whole may work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Works {
    /// Since when nothing is to be destroyed, by the database's clock.
    pub frozen: Option<Timestamp>,
}

impl Works {
    /// Whether a freeze is in force: no leave that was given before it is good any more.
    pub fn in_force(&self, clock: Timestamp, pace: &Pace) -> bool {
        self.frozen.is_some_and(|since| !pace.leave_lasts(since, clock))
    }
}

/// Why something may not be done now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// Nothing is destroyed.
    #[error("everything is frozen since {since}; `billet unfreeze` ends that")]
    Frozen {
        /// Since when.
        since: Timestamp,
    },
    /// Somebody's lease lasts.
    #[error("a process has the turn until {until}")]
    Taken {
        /// Until when.
        until: Timestamp,
    },
    /// It is not, or not any more, this process's turn.
    #[error("it was term {term}, and is another process's turn by now, of term {now}")]
    Lost {
        /// The term that this process believed in.
        term: u64,
        /// The one that there is.
        now: u64,
    },
    /// The lease might end before the effect does.
    #[error("the lease ends in {left:#} and the effect may take {needs:#}; renew it first")]
    TooShort {
        /// What is left of the lease.
        left: SignedDuration,
        /// What the effect may take.
        needs: SignedDuration,
    },
}

/// A turn to be taken: the write, and its condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Taking<R> {
    /// The term that was read.
    pub seen: u64,
    /// The end of the lease that was read: renewing changes it, and not the term.
    pub seen_until: Timestamp,
    /// The turn to write.
    pub turn: Turn<R>,
}

impl<R> Taking<R> {
    /// The condition of the write, by what is in the database when it is written.
    pub fn lands(&self, now: &Turn<R>) -> bool {
        now.term == self.seen && now.until == self.seen_until
    }
}

/// Decides whether `me` may take the turn, by turn and clock as one statement read them.
///
/// # Errors
/// While a lease lasts, one's own too: that is [`renew`]ed.
pub fn may_take<R: Copy>(turn: &Turn<R>, me: R, clock: Timestamp, pace: &Pace) -> Result<Taking<R>, NotNow> {
    if clock < turn.until {
        return Err(NotNow::Taken { until: turn.until });
    }
    let term = turn.term.saturating_add(1);
    let taken = Turn { term, holder: Some(me), until: after(clock, pace.lease) };
    Ok(Taking { seen: turn.term, seen_until: turn.until, turn: taken })
}

/// Whether the turn of this term is still this process's. A lease that is over is still its holder's as long as nobody
/// else took it; but see [`may_begin`].
pub fn still_mine<R: PartialEq>(turn: &Turn<R>, me: &R, term: u64) -> bool {
    turn.term == term && turn.holder.as_ref() == Some(me)
}

/// The turn with a longer lease, to be written on condition that the term is still this one. A freeze hinders nobody:
/// nothing is begun by it.
///
/// # Errors
/// If it is not this process's turn any more.
pub fn renew<R: Copy + PartialEq>(
    turn: &Turn<R>,
    me: R,
    term: u64,
    clock: Timestamp,
    pace: &Pace,
) -> Result<Turn<R>, NotNow> {
    if !still_mine(turn, &me, term) {
        return Err(NotNow::Lost { term, now: turn.term });
    }
    Ok(Turn { until: turn.until.max(after(clock, pace.lease)), ..*turn })
}

/// Decides whether an effect that may take so long is begun now: `turn` as it was read last, `clock` the database's as
/// it was then and what has passed since the question was sent.
///
/// # Errors
/// If it is not this process's turn, or the lease might end before the effect. For what an agent is to destroy there is
/// [`may_order`].
pub fn may_begin<R: PartialEq>(
    turn: &Turn<R>,
    me: &R,
    term: u64,
    clock: Timestamp,
    takes: SignedDuration,
) -> Result<(), NotNow> {
    if !still_mine(turn, me, term) {
        return Err(NotNow::Lost { term, now: turn.term });
    }
    let left = turn.until.duration_since(clock);
    if left < takes { Err(NotNow::TooShort { left, needs: takes }) } else { Ok(()) }
}

/// Decides whether an agent that asks is given an order that destroys, and with which fence. Any process may answer:
/// the order stands in the database, and the agent counts the age of the answer by itself.
///
/// # Errors
/// While everything is frozen.
pub fn may_order<R>(turn: &Turn<R>, epoch: u64, works: &Works) -> Result<Fence, NotNow> {
    match works.frozen {
        Some(since) => Err(NotNow::Frozen { since }),
        None => Ok(turn.fence(epoch)),
    }
}

impl<R> Turn<R> {
    /// The fence of what is answered by this turn and this epoch. "There is nothing to do" carries it as well. As both
    /// parts never fall in the database, of two answers the one that was read later has the higher fence, or the same.
    pub fn fence(&self, epoch: u64) -> Fence {
        Fence { term: self.term, epoch }
    }
}

/// What was read of a machine, and must be so still when it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seen {
    /// The version.
    pub version: u64,
    /// The term.
    pub term: u64,
}

impl Seen {
    /// The condition of every write of the leader, by what is in the database when it is written.
    pub fn lands(self, now: Self) -> bool {
        self == now
    }
}

/// A term or an epoch of a database that was restored at this moment, by its clock. It is above every one that was given
/// before, since none is given oftener than each microsecond, and also above those of an earlier restoration.
pub fn lifted(number: u64, clock: Timestamp) -> u64 {
    let floor = u64::try_from(clock.as_microsecond()).unwrap_or(0);
    number.saturating_add(1).max(floor)
}

/// The turn in a database that was restored at this moment: nobody's, and nobody takes it before the last
/// holder of the lost history has ended, who may have renewed its lease just now.
pub fn restored<R>(turn: &Turn<R>, clock: Timestamp, pace: &Pace) -> Turn<R> {
    Turn { term: lifted(turn.term, clock), holder: None, until: turn.until.max(after(clock, pace.lease)) }
}

fn after(clock: Timestamp, lasts: SignedDuration) -> Timestamp {
    clock.saturating_add(lasts).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;

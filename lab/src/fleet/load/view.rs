//! What the service says of itself: its counters each second, its lists when they may have something new.
//!
//! Lists of ten thousand machines cost the service something, and what it costs is what is measured here; so they are
//! read rarely, the rarer the longer they take.

mod counts;

pub(crate) use counts::Counts;

use super::{Load, Outcomes};
use crate::fleet::entry::SeenKind;
use crate::fleet::scenario::Limits;
use provisioner_api::{Instance, Machine, MachineState};
use provisioner_client::{Client, MachineFilter};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Between two readings of the counters.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// While nothing is asked for, what it costs must not be ours.
const IDLE_TICK: Duration = Duration::from_secs(15);

/// Reading lists takes this share of the time at most.
const SHARE: u32 = 30;

/// How long nothing may move before lists are read, whatever the counters say.
const RARELY: Duration = Duration::from_secs(20);

/// The least and the most patience with a service in which nothing moves.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(300));

/// The same while the service is killed again and again.
const WHILE_KILLED: Duration = Duration::from_secs(25);

/// No phase takes longer.
const LONGEST: Duration = Duration::from_secs(3600);

/// What the service's counters say of the end of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hint {
    /// Work is in hand.
    Works,
    /// It may have come to its end; lists have to tell.
    Likely,
    /// So many came to their end, all that there are, and nobody is held: there is nothing to look for in lists.
    Done(u64),
}

/// Everything that there is.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    pub(crate) machines: Vec<Machine>,
    pub(crate) instances: Vec<Instance>,
}

impl View {
    /// Whether work is in hand that no person has to help with.
    pub(crate) fn moves(&self) -> bool {
        self.machines.iter().any(|machine| works(machine) && machine.status.held.is_none())
    }

    /// The machines that wait for a person.
    pub(crate) fn held(&self) -> impl Iterator<Item = &Machine> {
        self.machines.iter().filter(|machine| machine.status.held.is_some())
    }

    /// Whether a machine is free for any instance.
    pub(crate) fn has_free(&self) -> bool {
        self.machines.iter().any(|machine| {
            machine.status.state == MachineState::Available
                && machine.status.held.is_none()
                && machine.status.instance.is_none()
        })
    }
}

/// Whether a machine is neither free nor just running something.
pub(crate) fn works(machine: &Machine) -> bool {
    !matches!(machine.status.state, MachineState::Available | MachineState::Deployed)
}

/// Reads the service's counters each second until `stop`; `idle` says when to do so rarely.
pub(crate) fn watch_counts(
    client: Client,
    idle: watch::Receiver<bool>,
    stop: CancellationToken,
) -> watch::Receiver<Counts> {
    let (sender, receiver) = watch::channel(Counts::default());
    tokio::spawn(async move {
        let mut idle = idle;
        while !stop.is_cancelled() {
            if let Ok(text) = client.metrics().await {
                sender.send_replace(Counts::read(&text));
            }
            let tick = if *idle.borrow_and_update() { IDLE_TICK } else { TICK };
            tokio::select! {
                () = tokio::time::sleep(tick) => {}
                Ok(()) = idle.changed() => {}
                () = stop.cancelled() => {}
            }
        }
    });
    receiver
}

/// How long nothing may move before it is said that nothing moves any more: longer than any of the service's limits,
/// within reason.
fn patience(limits: &Limits) -> Duration {
    let longest = limits.bmc.max(limits.agent_call_in).max(limits.phone_home).max(limits.agent_silence).0;
    (longest + longest / 2).clamp(PATIENCE.0, PATIENCE.1)
}

impl Load {
    /// All machines and instances; none: the run ended before the service answered.
    pub(crate) async fn view(&self) -> Option<View> {
        let filter = MachineFilter::default();
        let machines = self.caller.until_read(|| self.client.machines(&filter)).await?;
        let instances = self.caller.until_read(|| self.client.instances()).await?;
        Some(View { machines, instances })
    }

    /// Watches until everything has come to its end, or nothing moves any more, or the run ends.
    ///
    /// `hint` says by the counters how far it is; where they can't tell, `judge` gives what is done and held, and what is
    /// missing, by the lists. Either has to say twice in a row that nothing is missing: neither is read at one moment. The
    /// end is when it was said first.
    pub(super) async fn until_settled(
        self: &Arc<Self>,
        hint: impl Fn(&Counts) -> Hint,
        mut judge: impl FnMut(&View) -> Outcomes,
    ) -> Outcomes {
        let begun = Instant::now();
        // Each start of the service begins its patience anew; what is stuck until then is for the rest at the end.
        let killed = self.scenario.kill.is_some();
        let patience = if killed { WHILE_KILLED } else { patience(&self.scenario.limits) };
        let (mut moved, mut last_move) = (begun, None);
        let (mut looked, mut took) = (begun, Duration::ZERO);
        let (mut last, mut counts): (Option<Outcomes>, _) = (None, self.counts.clone());
        // When counters or lists first said that nothing is missing, since they say so.
        let mut over: Option<Instant> = None;
        // Whether the counters were read since the last turn.
        let mut fresh = false;
        loop {
            let now_counts = counts.borrow_and_update().clone();
            let move_now = (now_counts.clone(), self.movement());
            if last_move.as_ref() != Some(&move_now) {
                (moved, last_move) = (Instant::now(), Some(move_now));
            }
            let hint = hint(&now_counts);
            if let (Hint::Done(done), true) = (hint, fresh) {
                if let Some(ended) = over {
                    return Outcomes { done, ended: Some(ended), ..Outcomes::default() };
                }
                over = Some(Instant::now());
            }
            let settled = last.is_some_and(|last| last.missing == 0);
            let due = match hint {
                Hint::Done(_) => false,
                Hint::Likely if settled => looked.elapsed() >= TICK,
                // Where lists take long, there must be looks within our patience all the same.
                Hint::Likely => looked.elapsed() >= TICK.max(took * SHARE).min(patience / 4),
                Hint::Works => moved.elapsed().min(looked.elapsed()) >= RARELY.min(patience / 4),
            };
            if due {
                let start = Instant::now();
                let Some(view) = self.view().await else { return last.unwrap_or_default() };
                (looked, took) = (Instant::now(), start.elapsed());
                let outcomes = judge(&view);
                if last.replace(outcomes) == Some(outcomes) && outcomes.missing == 0 {
                    return Outcomes { ended: over, ..outcomes };
                }
                over = (outcomes.missing == 0).then_some(start);
            } else if fresh && !matches!(hint, Hint::Done(_)) && !settled {
                over = None;
            }
            if moved.elapsed() > patience || begun.elapsed() > LONGEST {
                // What was seen last may be from before the last move.
                return self.view().await.map(|view| judge(&view)).or(last).unwrap_or_default();
            }
            tokio::select! {
                changed = counts.changed() => fresh = changed.is_ok(),
                () = tokio::time::sleep(TICK) => fresh = false,
                () = self.stop.cancelled() => return last.unwrap_or_default(),
            }
        }
    }

    /// Changes when machines do something that brings them further.
    fn movement(&self) -> u64 {
        let kinds = [
            SeenKind::Claimed,
            SeenKind::Order,
            SeenKind::Wrote,
            SeenKind::Seeded,
            SeenKind::PhonedHome,
            SeenKind::Answer,
        ];
        kinds.into_iter().map(|kind| self.eyes.count(kind)).sum()
    }
}

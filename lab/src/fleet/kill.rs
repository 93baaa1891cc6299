//! What goes wrong on purpose: the service is killed, and faults begin and end.
//!
//! A kill is aimed at what the fleet sees ("40 µs after the 17th report was answered") and not at a time, so that the
//! same script and seed hit the same places again. What is hit then is not here.

mod aim;
mod deed;
mod faults;

pub(crate) use aim::Aim;
pub(crate) use deed::Deed;
pub(crate) use faults::Faults;

use crate::dice::Dice;
use crate::fleet::Eyes;
use crate::fleet::entry::SeenKind;
use crate::fleet::run::Service;
use crate::fleet::scenario::Kill;
use anyhow::Result;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long the killer waits for what it aims at, and then as long for whatever comes next; then it kills anyway.
const FALLBACK: Duration = Duration::from_secs(3);

/// How long the service stays dead at most.
const DEAD: f64 = 0.5;

/// Kills the service again and again.
pub(crate) struct Killer {
    service: Arc<Service>,
    eyes: Arc<Eyes>,
    kill: Kill,
    dice: Mutex<Dice>,
    /// What is left of the kills of a journal; none: they are chosen by the dice.
    script: Option<Mutex<VecDeque<Aim>>>,
}

impl Killer {
    pub(crate) fn new(
        service: Arc<Service>,
        eyes: Arc<Eyes>,
        kill: Kill,
        dice: &Dice,
        script: Option<Vec<Aim>>,
    ) -> Arc<Self> {
        let script = script.map(|aims| Mutex::new(VecDeque::from(aims)));
        Arc::new(Self { service, eyes, kill, dice: Mutex::new(dice.fork("kill", 0)), script })
    }

    /// Whether it kills in a phase.
    pub(crate) fn kills_in(&self, phase: &str) -> bool {
        self.kill.during == "*" || self.kill.during == phase
    }

    /// Kills until `stop`.
    ///
    /// # Errors
    /// When the service does not come back.
    pub(crate) async fn run(&self, stop: CancellationToken) -> Result<()> {
        loop {
            let (pause, dead) = {
                let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
                let spread = self.kill.every.to - self.kill.every.from;
                (
                    self.kill.every.from + spread.mul_f64(dice.roll()),
                    Duration::from_secs_f64(dice.roll() * DEAD),
                )
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return Ok(()),
            }
            let Some(aim) = self.next() else {
                stop.cancelled().await;
                return Ok(());
            };
            let hit = tokio::select! {
                hit = self.wait_for(&aim) => hit,
                () = stop.cancelled() => {
                    self.put_back(aim);
                    return Ok(());
                }
            };
            let (after, plus_us) = hit.map_or((None, 0), |hit| (Some((hit.kind, hit.nth)), hit.plus_us));
            // Not cancelled in the middle: the service must come back.
            self.service.kill_and_restart(after, plus_us, dead).await?;
            self.service.count_kill();
        }
    }

    /// What is aimed at next; none: the script has ended.
    fn next(&self) -> Option<Aim> {
        let chosen = {
            // With a script, too: the dice's next pauses are to be those of the run that it is from.
            let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
            Aim::choose(&mut dice, &self.kill.at, |kind: SeenKind| self.eyes.count(kind))
        };
        match &self.script {
            Some(script) => script.lock().unwrap_or_else(PoisonError::into_inner).pop_front(),
            None => Some(chosen),
        }
    }

    /// The phase ended before what the script aims at: the next phase goes on with it.
    fn put_back(&self, aim: Aim) {
        if let Some(script) = &self.script {
            script.lock().unwrap_or_else(PoisonError::into_inner).push_front(aim);
        }
    }

    /// Returns at the moment that is aimed at, or after whatever came next when that did not come; with what it was.
    /// None: nothing came.
    async fn wait_for(&self, aim: &Aim) -> Option<Aim> {
        let aimed = self.eyes.reached(aim.kind, aim.nth);
        let hit = if tokio::time::timeout(FALLBACK, aimed).await.is_ok() {
            aim.clone()
        } else {
            let kinds = aim.instead(&self.kill.at);
            let (kind, nth) = tokio::time::timeout(FALLBACK, self.eyes.next_of(&kinds)).await.ok()?;
            Aim { kind, nth, ..*aim }
        };
        let moment = Instant::now() + Duration::from_micros(aim.plus_us.into());
        if aim.plus_us > 2_000 {
            tokio::time::sleep_until(moment).await;
        }
        // The timer counts in milliseconds; what is shorter is waited for by looking.
        while Instant::now() < moment {
            tokio::task::yield_now().await;
        }
        Some(hit)
    }
}

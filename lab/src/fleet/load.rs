//! What a run asks of the service: the calls, what was asked for, and waiting until it is so.
//!
//! A call that nobody answered may have happened or not, so each is repeated until somebody answers; waiting is by
//! looking at the service's own counters, and politely at its lists.

mod call;
mod churn;
mod deploy;
mod intake;
mod ledger;
mod power;
mod reinstall;
mod sample;
mod view;

pub(crate) use call::{Caller, Outcome};
pub(crate) use sample::Sampler;
use view::Hint;
pub(crate) use view::{Counts, View, watch_counts, works};

use crate::dice::Dice;
use crate::fleet::entry::Violation;
use crate::fleet::fleet::Fleet;
use crate::fleet::run::Service;
use crate::fleet::scenario::{Do, Phase};
use crate::fleet::{Eyes, Scenario};
use anyhow::Result;
use ledger::Ledger;
use provisioner_client::Client;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What every phase needs.
pub(crate) struct Load {
    pub(crate) caller: Caller,
    pub(crate) client: Client,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) eyes: Arc<Eyes>,
    pub(crate) service: Arc<Service>,
    pub(crate) scenario: Scenario,
    /// The name of the image that is deployed.
    pub(crate) image: String,
    /// The service's counters, as they were last read.
    pub(crate) counts: watch::Receiver<Counts>,
    pub(crate) stop: CancellationToken,
    ledger: Mutex<Ledger>,
    dice: Mutex<Dice>,
    problems: Mutex<Vec<Violation>>,
}

/// What became of a phase.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Outcomes {
    pub(crate) done: u64,
    pub(crate) held: u64,
    pub(crate) missing: u64,
    /// How long the service took to come back, where that was timed.
    pub(crate) ready: Option<Duration>,
    /// When that was so first, where it is known to have been before now.
    pub(crate) ended: Option<Instant>,
}

impl Load {
    #[expect(clippy::too_many_arguments, reason = "the parts of a run meet here, once")]
    pub(crate) fn new(
        caller: Caller,
        client: Client,
        fleet: Arc<Fleet>,
        eyes: Arc<Eyes>,
        service: Arc<Service>,
        scenario: Scenario,
        counts: watch::Receiver<Counts>,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let dice = Dice::new(scenario.seed).fork("load", 0);
        let ledger = Ledger::new(scenario.machines);
        Arc::new(Self {
            caller,
            client,
            fleet,
            eyes,
            service,
            image: "fleet".into(),
            counts,
            stop,
            ledger: Mutex::new(ledger),
            dice: Mutex::new(dice),
            problems: Mutex::default(),
            scenario,
        })
    }

    /// Does one phase to its end.
    pub(crate) async fn run(self: &Arc<Self>, phase: &Phase) -> Result<Outcomes> {
        match phase.deed {
            Do::Intake => intake::intake(self, phase).await,
            Do::PowerUp => power::power_up(self).await,
            Do::Deploy => deploy::deploy(self, phase).await,
            Do::Reinstall => reinstall::reinstall(self, phase).await,
            Do::Release => deploy::release(self, phase).await,
            Do::Churn => churn::churn(self, phase).await,
            Do::Steady => {
                let lasts = phase.lasts.unwrap_or_default().0;
                tokio::select! {
                    () = tokio::time::sleep(lasts) => {}
                    () = self.stop.cancelled() => {}
                }
                Ok(Outcomes { done: u64::from(self.scenario.machines), ..Outcomes::default() })
            }
            Do::Restart => {
                let ready = self.service.kill_and_restart(None, 0, Duration::ZERO).await?;
                Ok(Outcomes { done: 1, ready: Some(ready), ..Outcomes::default() })
            }
        }
    }

    /// A promise is broken that only who asks can see.
    pub(crate) fn problem(&self, invariant: &str, about: &str, why: impl Into<String>) {
        let violation = Violation { invariant: invariant.into(), about: about.into(), why: why.into() };
        lock(&self.problems).push(violation);
    }

    /// Those that were found so far; they are told once.
    pub(crate) fn take_problems(&self) -> Vec<Violation> {
        std::mem::take(&mut *lock(&self.problems))
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    fn hits(&self, chance: f64) -> bool {
        lock(&self.dice).hits(chance)
    }

    /// Does something for each of many, so many at once and so many a second as the phase says.
    async fn each<T, F, Fut>(self: &Arc<Self>, phase: &Phase, items: Vec<T>, deed: F)
    where
        T: Send + 'static,
        F: Fn(Arc<Self>, T) -> Fut,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let places = Arc::new(Semaphore::new(phase.parallel.unwrap_or(16) as usize));
        let pause = phase.rate.filter(|rate| *rate > 0.0).map(|rate| Duration::from_secs_f64(1.0 / rate));
        let mut ticks = pause.map(tokio::time::interval);
        let mut running = JoinSet::new();
        for item in items {
            if let Some(ticks) = &mut ticks {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = self.stop.cancelled() => {}
                }
            }
            // It is never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
            if self.stop.is_cancelled() {
                break;
            }
            let work = deed(Arc::clone(self), item);
            running.spawn(async move {
                work.await;
                drop(place);
            });
            while running.try_join_next().is_some() {}
        }
        running.join_all().await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is done under these locks can leave them half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

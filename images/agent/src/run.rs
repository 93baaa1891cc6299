//! The agent's life: claim, ask for orders, perform them, report.
//!
//! The service may be killed and started again at any time: the agent goes on writing meanwhile and reports later.
//! One order is worked on at a time; whether it still stands comes back with every progress report.

use crate::{
    Host, HostError, PermitKey, Service,
    ledger::{Ledger, Verdict},
    link::{Asked, Delivered, Link},
    perform::{Gauge, Leave, Stop, Work, whole},
    permit,
};
use provisioner_api::{
    Secret,
    agent::{Action, Order, Outcome, Report},
};
use std::{sync::Arc, time::Duration};
use tokio::{runtime::Handle, time::Instant};
use tokio_util::sync::CancellationToken;

/// How an agent's life ended. The deed is the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The machine is to restart; that was reported as done.
    Reboot,
    /// Reboot into the system that the machine has, past the network.
    RebootToDisk,
    /// The system that was loaded ([`Host::load_system`]) is to be started in the agent's place; that was reported as done.
    StartLoaded,
    /// The machine is to switch off; that was reported as done.
    PowerOff,
    /// The caller asked to stop.
    Cancelled,
}

/// Why the agent could not even begin.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The machine doesn't tell what it is.
    #[error("can't take the inventory")]
    Inventory(#[from] HostError),
    /// The kernel gives no random bytes.
    #[error("the kernel gives no random bytes")]
    Random(#[from] getrandom::Error),
}

/// How patient the agent is.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long the service may hold back an answer when there is no order.
    pub order_wait: Duration,
    /// The least time between two requests for orders that brought nothing new.
    pub idle: Duration,
    /// The time between two progress reports.
    pub progress: Duration,
    /// The pause before a failed call is repeated for the first time; it doubles each time.
    pub retry_first: Duration,
    /// The longest such pause.
    pub retry_most: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            order_wait: Duration::from_secs(25),
            idle: Duration::from_secs(1),
            progress: Duration::from_secs(1),
            retry_first: Duration::from_millis(500),
            retry_most: Duration::from_secs(10),
        }
    }
}

/// Runs the agent with this boot window's token until an order or `cancel` ends it. It destroys nothing but with permits
/// of this `key`; without one, nothing at all.
///
/// # Errors
/// When it could not begin: no inventory, no random bytes. A service that is away is no error.
pub async fn run(
    host: Arc<dyn Host>,
    service: Arc<dyn Service>,
    token: Secret,
    key: Option<PermitKey>,
    pace: Pace,
    cancel: CancellationToken,
) -> Result<Exit, RunError> {
    let inventory = blocking({
        let host = host.clone();
        move || host.inventory()
    })
    .await?;
    let link = Arc::new(Link::new(host.clone(), service, token, inventory, pace)?);
    let agent = Agent { host, link, key, pace };
    tokio::select! {
        biased;
        () = cancel.cancelled() => Ok(Exit::Cancelled),
        exit = agent.live() => Ok(exit),
    }
}

struct Agent {
    host: Arc<dyn Host>,
    link: Arc<Link>,
    key: Option<PermitKey>,
    pace: Pace,
}

impl Agent {
    /// Order after order, until one ends it.
    async fn live(&self) -> Exit {
        let mut ledger = Ledger::default();
        loop {
            let asked = Instant::now();
            let machine = self.link.claimed().await.machine;
            let answer = match self.link.order(self.pace.order_wait).await {
                Ok(Some(answer)) => answer,
                Ok(None) => {
                    tokio::time::sleep_until(asked + self.pace.idle).await;
                    continue;
                }
                Err(error) => {
                    self.host.say(&format!("the service gives no orders: {error}"));
                    tokio::time::sleep(self.pace.retry_most).await;
                    continue;
                }
            };
            let (leave, order) = (self.leave(&answer), answer.order);
            // Before anything else, and without a trace: what nobody signed must not count as done, nor as seen.
            let verdict = match &leave {
                Ok(_) => ledger.admit(machine, &order),
                Err(why) => Verdict::Refuse(why.clone()),
            };
            match verdict {
                Verdict::Perform { again } => {
                    let leave = leave.ok().flatten();
                    if let Some(exit) = self.obey(order, leave, again, &mut ledger).await {
                        return exit;
                    }
                }
                Verdict::Repeat(outcome) => {
                    let loaded = is_loaded(&order, &outcome);
                    if self.answer_again(asked, &order, *outcome).await == Delivered::Stands && loaded {
                        return Exit::StartLoaded;
                    }
                }
                Verdict::Refuse(why) => {
                    self.host.say(&format!("refused: {why}"));
                    // Whatever comes of that, there is nothing to do.
                    let _ = self.answer_again(asked, &order, Outcome::Refused { why }).await;
                }
            }
        }
    }

    /// Leave to destroy, where an order needs it; or why it must not be obeyed.
    fn leave(&self, answer: &Asked) -> Result<Option<Leave>, String> {
        let permit = permit::of(&answer.order, self.key.as_ref(), &answer.challenge)?;
        Ok(permit.map(|permit| Leave { permit, sent: answer.sent, received: answer.at }))
    }

    /// Does an order and reports what came of it. `again`: it was begun before and taken back.
    async fn obey(
        &self,
        order: Order,
        leave: Option<Leave>,
        again: bool,
        ledger: &mut Ledger,
    ) -> Option<Exit> {
        let exit = match order.action {
            Action::Reboot => Some(Exit::Reboot),
            Action::RebootToDisk => Some(Exit::RebootToDisk),
            Action::PowerOff => Some(Exit::PowerOff),
            _ => None,
        };
        if let Some(exit) = exit {
            let evidence = format!("the agent is about to {}", step(exit));
            let outcome = Outcome::Done { evidence, disks: Vec::new() };
            self.host.say(step(exit));
            // A service that takes the order back gets its agent back.
            return match self.link.deliver(&report(&order, outcome)).await {
                Delivered::Stands => Some(exit),
                Delivered::Void => None,
            };
        }
        let Some(outcome) = self.work(&order, leave, again).await else {
            ledger.stop(&order);
            return None;
        };
        self.host.say(&format!("{}: {}", order.step, in_words(&outcome)));
        ledger.settle(&order, outcome.clone());
        let loaded = is_loaded(&order, &outcome);
        let delivered = self.link.deliver(&report(&order, outcome)).await;
        // As with a reboot: a service that takes the order back gets its agent back.
        (loaded && delivered == Delivered::Stands).then(|| {
            self.host.say(step(Exit::StartLoaded));
            Exit::StartLoaded
        })
    }

    /// Reports what was reported or refused before, and does not hurry to ask again.
    async fn answer_again(&self, asked: Instant, order: &Order, outcome: Outcome) -> Delivered {
        let delivered = self.link.deliver(&report(order, outcome)).await;
        tokio::time::sleep_until(asked + self.pace.idle).await;
        delivered
    }

    /// Performs an order on a thread of its own and tells how far it is. None: the order was taken back.
    async fn work(&self, order: &Order, leave: Option<Leave>, again: bool) -> Option<Outcome> {
        self.host.say(&format!("{}: begun (attempt {})", order.step, order.attempt));
        let (gauge, stop) = (Arc::new(Gauge::default()), Stop::default());
        // Also when this future is dropped: nobody would hear of the result.
        let _stop = PullOnDrop(stop.clone());
        let work = Work {
            host: self.host.clone(),
            caches: self.link.caches(&order.caches),
            link: self.link.clone(),
            runtime: Handle::current(),
            order: order.clone(),
            leave,
            key: self.key,
            again,
            gauge: gauge.clone(),
            stop: stop.clone(),
        };
        let mut worker = tokio::task::spawn_blocking(move || work.perform());
        let outcome = tokio::select! {
            outcome = &mut worker => outcome,
            () = self.tell_progress(order, &gauge) => {
                self.host.say(&format!("{}: the order was taken back; stopping", order.step));
                stop.pull();
                // No other order is begun while this one's threads still write.
                let _ = worker.await;
                return None;
            }
        };
        let stumbled = |error| Outcome::Failed { why: format!("the agent stumbled: {}", whole(&error)) };
        let outcome = outcome.unwrap_or_else(|error| Some(stumbled(error)));
        if outcome.is_none() {
            self.host.say(&format!("{}: the order does not stand any more; nothing was changed", order.step));
        }
        outcome
    }

    /// Tells how far the work is, as often as the pace says: also while it only waits (for a manifest, a disk, a chunk),
    /// since silence would count as death. Returns when the order doesn't stand any more.
    async fn tell_progress(&self, order: &Order, gauge: &Gauge) {
        loop {
            tokio::time::sleep(self.pace.progress).await;
            let report = report(order, Outcome::Progress { progress: gauge.read() });
            if self.link.mention(&report).await == Some(Delivered::Void) {
                return;
            }
        }
    }
}

/// Pulls the stop when it goes out of scope.
struct PullOnDrop(Stop);

impl Drop for PullOnDrop {
    fn drop(&mut self) {
        self.0.pull();
    }
}

/// Whether a system is loaded with that, which is to be started.
fn is_loaded(order: &Order, outcome: &Outcome) -> bool {
    matches!((&order.action, outcome), (Action::BootRam { .. }, Outcome::Done { .. }))
}

fn report(order: &Order, outcome: Outcome) -> Report {
    Report { job: order.job, epoch: order.epoch, step: order.step.clone(), attempt: order.attempt, outcome }
}

fn step(exit: Exit) -> &'static str {
    match exit {
        Exit::Reboot | Exit::RebootToDisk => "reboot",
        Exit::StartLoaded => "start the system that was loaded",
        Exit::PowerOff => "switch off",
        Exit::Cancelled => "stop",
    }
}

/// An outcome for the console.
fn in_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Progress { .. } => "under way".to_owned(),
        Outcome::Done { evidence, .. } => format!("done: {evidence}"),
        Outcome::Inventory { inventory } => {
            format!("done: {} disks, {} network interfaces", inventory.disks.len(), inventory.nics.len())
        }
        Outcome::Rescued { access } => {
            format!("done: ssh root@{}, host key {}", access.addresses.join(" or "), access.host_key)
        }
        Outcome::Failed { why } => format!("failed: {why}"),
        Outcome::Refused { why } => format!("refused: {why}"),
    }
}

/// Runs what blocks on a thread of its own.
async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(call).await {
        Ok(value) => value,
        // It can't be cancelled; what is left is that it panicked.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests;

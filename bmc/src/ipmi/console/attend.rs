//! The task of a console that has readers: connects, carries, and connects again until nobody reads.

use super::backoff::Backoff;
use super::carry::{Carrier, End, LASTED};
use super::connect::{Connected, Connection};
use super::typing::Order;
use super::{CONNECTING, ConsoleEvent, FAREWELL};
use crate::driver::BmcError;
use crate::ipmi::Ipmi;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Runs until nobody reads, or it can't be connected. `ready` is told how the first connection went.
pub(super) async fn run(
    ipmi: Ipmi,
    events: broadcast::Sender<ConsoleEvent>,
    orders: mpsc::Receiver<Order>,
    left: CancellationToken,
    take_over: bool,
    ready: oneshot::Sender<Result<(), BmcError>>,
) {
    let busy = Arc::clone(&ipmi.console.busy);
    let _alone = busy.lock().await;
    let mut attendant = Attendant { ipmi, events, orders, left };
    match attendant.connect(take_over).await {
        Err(error) | Ok(Connected::Taken(error)) => _ = ready.send(Err(error)),
        Ok(Connected::Yes(connection)) => {
            if ready.send(Ok(())).is_err() {
                return attendant.leave(*connection).await;
            }
            if let Some(why) = attendant.attend(*connection).await {
                // Nobody joins any more who would not hear it.
                attendant.orders.close();
                let _nobody_reads = attendant.events.send(ConsoleEvent::Closed(why));
            }
        }
    }
}

struct Attendant {
    ipmi: Ipmi,
    events: broadcast::Sender<ConsoleEvent>,
    orders: mpsc::Receiver<Order>,
    left: CancellationToken,
}

impl Attendant {
    /// Bounded in time like any call, but that there are several.
    async fn connect(&self, take_over: bool) -> Result<Connected, BmcError> {
        let limit = self.ipmi.timing.call * 2;
        self.ipmi.bounded(limit, CONNECTING, self.ipmi.connect_console(take_over)).await
    }

    /// Attends to readers; why it is over, if it is not because they left.
    async fn attend(&mut self, first: Connection) -> Option<String> {
        let mut connection = first;
        let pace = self.ipmi.console.pace();
        let mut backoff = Backoff::new(pace.first, pace.longest);
        loop {
            let since = Instant::now();
            let Self { ipmi, events, orders, left } = self;
            let end = Carrier { ipmi, events, orders, left, pace }.carry(&mut connection).await;
            if since.elapsed() >= LASTED {
                backoff = Backoff::new(pace.first, pace.longest);
            }
            let why = match end {
                End::Left => {
                    self.leave(connection).await;
                    return None;
                }
                End::Taken => return Some("somebody else took the console over".into()),
                End::Ended => {
                    backoff = Backoff::new(pace.ended, pace.longest.max(pace.ended));
                    "the BMC ended the console"
                }
                End::Lost(why) => why,
            };
            tracing::debug!(address = %self.ipmi.errors.address, why, "console interrupted");
            // The port of a dead session.
            drop(connection);
            let _nobody_reads = self.events.send(ConsoleEvent::Interrupted(why.into()));
            connection = match self.reconnect(&mut backoff).await {
                Ok(connection) => connection,
                Err(why) => return why,
            };
            let _nobody_reads = self.events.send(ConsoleEvent::Resumed);
        }
    }

    /// Connects again, as often as it takes. An error is the reason to stop, `None` that everybody left.
    async fn reconnect(&mut self, backoff: &mut Backoff) -> Result<Connection, Option<String>> {
        let mut rest = Duration::ZERO;
        loop {
            let wait = backoff.next(chance()).max(rest);
            self.pause(wait).await?;
            // Whoever leaves now is noticed when it is connected.
            match self.connect(false).await {
                Ok(Connected::Yes(connection)) => return Ok(*connection),
                Ok(Connected::Taken(error)) => return Err(Some(error.to_string())),
                Err(error) if is_final(&error) => return Err(Some(error.to_string())),
                Err(error) => {
                    rest = match &error {
                        BmcError::Resting { rest, .. } => *rest,
                        _ => Duration::ZERO,
                    };
                    tracing::debug!(%error, "console not connected yet");
                }
            }
        }
    }

    /// Waits, and refuses what is typed meanwhile.
    async fn pause(&mut self, wait: Duration) -> Result<(), Option<String>> {
        let until = Instant::now() + wait;
        loop {
            tokio::select! {
                () = self.left.cancelled() => return Err(None),
                () = tokio::time::sleep_until(until) => return Ok(()),
                Some(order) = self.orders.recv() => {
                    let why = "the console is interrupted, and being connected again";
                    let _gone = order.reply.send(Err(self.ipmi.not_typed(why)));
                }
            }
        }
    }

    async fn leave(&self, connection: Connection) {
        let _too_slow = tokio::time::timeout(FAREWELL, self.ipmi.disconnect_console(connection.owner)).await;
    }
}

/// Whether trying again is of no use, or of harm.
fn is_final(error: &BmcError) -> bool {
    matches!(
        error,
        BmcError::AuthenticationFailed { .. }
            | BmcError::Unsupported { .. }
            | BmcError::Resting { credentials: true, .. }
    )
}

fn chance() -> u8 {
    let mut byte = [0];
    // Without it all wait for the same time, that is all.
    let _ = getrandom::fill(&mut byte);
    byte[0]
}

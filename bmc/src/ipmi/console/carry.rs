//! One connection of the console, from its activation to its end.

use super::connect::Connection;
use super::typing::{Order, Typing};
use super::{ConsoleEvent, Pace};
use crate::ipmi::Ipmi;
use crate::ipmi::port::PortEvent;
use bmc_proto::ipmi::sol::{self, Console};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Why a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nobody reads any more.
    Left,
    /// It was lost.
    Lost(&'static str),
    /// The BMC ended it: perhaps somebody wants it.
    Ended,
    /// Somebody has it now.
    Taken,
}

const SESSION_LOST: &str = "the session with the BMC was lost";
const SILENT: &str = "the BMC does not acknowledge what was typed";

/// Moves bytes, time and orders in and out of the console.
pub(super) struct Carrier<'a> {
    pub(super) ipmi: &'a Ipmi,
    pub(super) events: &'a broadcast::Sender<ConsoleEvent>,
    pub(super) orders: &'a mut mpsc::Receiver<Order>,
    pub(super) left: &'a CancellationToken,
    pub(super) pace: Pace,
}

/// The question whose the console is, while it is under way.
type Check = Pin<Box<dyn Future<Output = Option<End>> + Send>>;

impl Carrier<'_> {
    /// Carries until the end.
    pub(super) async fn carry(&mut self, connection: &mut Connection) -> End {
        let mut console = Console::new(connection.limits, self.pace.retry);
        let mut typing = None;
        let end = self.turns(connection, &mut console, &mut typing).await;
        if let Some(typing) = typing {
            typing.fail(&mut console, self.ipmi, "the console was lost meanwhile");
        }
        end
    }

    async fn turns(
        &mut self,
        connection: &mut Connection,
        console: &mut Console,
        typing: &mut Option<Typing>,
    ) -> End {
        let born = Instant::now();
        let mut check: Option<Check> = None;
        let mut check_at = connection.owner.map(|_| born + self.pace.check);
        loop {
            *typing =
                typing.take().and_then(|typing| typing.go_on(console, born.elapsed(), self.pace.typing));
            while let Some(payload) = console.poll_transmit() {
                connection.port.send(payload);
            }
            if let Some(end) = self.tell(console) {
                return match end {
                    // It may be that somebody has it already.
                    End::Ended => self.check(connection.owner).await.unwrap_or(End::Ended),
                    end => end,
                };
            }
            let timeout = console.poll_timeout().map(|at| born + at);
            let deadline = typing.as_ref().map(Typing::deadline);
            tokio::select! {
                () = self.left.cancelled() => return End::Left,
                event = connection.port.recv() => match event {
                    PortEvent::Bytes(payload) => console.handle(&payload, born.elapsed()),
                    PortEvent::SessionLost => return End::Lost(SESSION_LOST),
                },
                () = until(timeout) => console.handle_timeout(born.elapsed()),
                Some(order) = self.orders.recv(), if typing.is_none() => {
                    *typing = Some(Typing::begin(order, console, born.elapsed(), self.pace.typing));
                }
                () = until(deadline) => self.give_up(console, typing),
                () = until(check_at) => {
                    check_at = None;
                    check = Some(Box::pin(check_of(self.ipmi.clone(), connection.owner)));
                }
                end = finished(&mut check) => {
                    check = None;
                    if let Some(end) = end {
                        return end;
                    }
                    check_at = Some(Instant::now() + self.pace.check);
                }
            }
        }
    }

    /// Tells the readers what happened.
    fn tell(&self, console: &mut Console) -> Option<End> {
        while let Some(event) = console.poll_event() {
            let event = match event {
                sol::ConsoleEvent::Output(bytes) => ConsoleEvent::Output(Arc::from(bytes)),
                sol::ConsoleEvent::Break => ConsoleEvent::Break,
                sol::ConsoleEvent::Lost => ConsoleEvent::Interrupted("some output was lost here".into()),
                // Only who types is told.
                sol::ConsoleEvent::Unavailable | sol::ConsoleEvent::Available => continue,
                sol::ConsoleEvent::Deactivated => return Some(End::Ended),
                sol::ConsoleEvent::Failed => return Some(End::Lost(SILENT)),
            };
            let _nobody_reads = self.events.send(event);
        }
        None
    }

    fn give_up(&self, console: &mut Console, typing: &mut Option<Typing>) {
        let why = if console.is_unavailable() {
            "the BMC says that the machine takes nothing now; it is off or in reset"
        } else {
            "the machine does not take it"
        };
        if let Some(typing) = typing.take() {
            typing.fail(console, self.ipmi, why);
        }
    }

    async fn check(&self, owner: Option<u32>) -> Option<End> {
        check_of(self.ipmi.clone(), owner).await
    }
}

/// Whether the console is another's now, or nobody's. What can't be found out is none.
async fn check_of(ipmi: Ipmi, owner: Option<u32>) -> Option<End> {
    let owner = owner?;
    match ipmi.console_owner().await.ok()? {
        Some(now) if now == owner => None,
        Some(_) => Some(End::Taken),
        None => Some(End::Ended),
    }
}

async fn finished(check: &mut Option<Check>) -> Option<End> {
    match check {
        Some(check) => check.as_mut().await,
        None => std::future::pending().await,
    }
}

/// Never without a time.
pub(super) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// How long a connection must have lasted for the next waits to begin from the shortest again.
pub(super) const LASTED: Duration = Duration::from_secs(60);

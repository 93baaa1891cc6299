//! What somebody types, until the BMC has all of it.

use crate::driver::BmcError;
use crate::ipmi::Ipmi;
use bmc_proto::ipmi::sol::Console;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// What is to be done.
pub(super) enum What {
    Type(Vec<u8>),
    Break,
}

/// What is to be done, and who waits for it.
pub(super) struct Order {
    pub(super) what: What,
    pub(super) reply: oneshot::Sender<Result<(), BmcError>>,
}

/// An order that is under way.
pub(super) struct Typing {
    /// What the machine had no room for yet.
    rest: Vec<u8>,
    total: usize,
    /// How much was not acknowledged when it was looked last.
    open: usize,
    /// Until when some more must be.
    deadline: Instant,
    reply: oneshot::Sender<Result<(), BmcError>>,
}

impl Typing {
    pub(super) fn begin(order: Order, console: &mut Console, now: Duration, patience: Duration) -> Self {
        let rest = match order.what {
            What::Type(bytes) => bytes,
            What::Break => {
                console.send_break(now);
                Vec::new()
            }
        };
        let (total, deadline) = (rest.len(), Instant::now() + patience);
        Self { open: total, rest, total, deadline, reply: order.reply }
    }

    /// Until when some more must be acknowledged.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Goes on; `None` when all is done and whoever waited was told.
    pub(super) fn go_on(mut self, console: &mut Console, now: Duration, patience: Duration) -> Option<Self> {
        let taken = console.write(&self.rest, now);
        self.rest.drain(..taken);
        let open = self.rest.len() + console.unacknowledged();
        if open == 0 && console.is_settled() {
            let _gone = self.reply.send(Ok(()));
            return None;
        }
        if open < self.open {
            self.open = open;
            self.deadline = Instant::now() + patience;
        }
        Some(self)
    }

    /// Gives up, in time or because the console is lost.
    pub(super) fn fail(self, console: &mut Console, ipmi: &Ipmi, why: &str) {
        let open = self.rest.len() + console.discard();
        let what = match (self.total, open) {
            (0, _) => "the break was not confirmed".to_owned(),
            (total, open) => {
                format!("{open} of {total} bytes were not confirmed")
            }
        };
        let _gone = self.reply.send(Err(ipmi.not_typed(format!("{what}: {why}"))));
    }
}

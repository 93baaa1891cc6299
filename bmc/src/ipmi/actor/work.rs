//! The actor's task: it owns the session, and with it the port.

use super::{Order, Repeat, Shared, What};
use crate::driver::BmcError;
use crate::ipmi::link::{Link, LinkError};
use crate::ipmi::port::{PayloadPort, Plug, Wire};
use bmc_proto::ipmi::command::CloseSession;
use bmc_proto::ipmi::{Answer, GetDeviceId, Message, SessionError};
use std::sync::Arc;
use tokio::time::Instant;

/// Runs until there is neither an order nor a session.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut worker = Worker { shared, link: None, plug: None, silent_since: None, ended: false };
    loop {
        let order = worker.shared.desk().orders.pop_front();
        match order {
            Some(order) => worker.serve(order).await,
            None if worker.link.is_some() => worker.idle().await,
            None if worker.end() => return,
            None => {}
        }
    }
}

struct Worker {
    shared: Arc<Shared>,
    link: Option<Box<Link>>,
    /// Our end of the port, while somebody uses it.
    plug: Option<Plug>,
    /// When a login last got no answer.
    silent_since: Option<Instant>,
    ended: bool,
}

impl Drop for Worker {
    /// Also when the task was aborted: a later order begins anew, the waiting ones are told.
    fn drop(&mut self) {
        if !self.ended {
            let mut desk = self.shared.desk();
            desk.running = false;
            desk.orders.clear();
        }
    }
}

impl Worker {
    /// Ends, unless an order came.
    fn end(&mut self) -> bool {
        let mut desk = self.shared.desk();
        self.ended = desk.orders.is_empty();
        desk.running = !self.ended;
        // It may rest for long.
        desk.orders.shrink_to_fit();
        self.ended
    }

    async fn serve(&mut self, order: Order) {
        if order.is_abandoned() {
            return;
        }
        // It waited while the BMC proved to be silent. It would prove nothing else now.
        let stale = self.silent_since.is_some_and(|since| order.since < since);
        let Order { what, during, since } = order;
        match what {
            What::Close { reply } => {
                self.close().await;
                let _ = reply.send(());
            }
            What::Exchange { reply, .. } if stale && self.link.is_none() => {
                let _ = reply.send(Err(self.shared.errors.unreachable(during)));
            }
            What::Attach { reply } if stale && self.link.is_none() => {
                let _ = reply.send(Err(self.shared.errors.unreachable(during)));
            }
            What::Exchange { message, repeat, reply } => {
                let gone = || reply.is_closed();
                let result = self.exchange(message, repeat, during, since, &gone).await;
                let _ = reply.send(result);
            }
            What::Attach { reply } => {
                let gone = || reply.is_closed();
                let port = self.attach(during, since, &gone).await;
                let _ = reply.send(port);
            }
        }
    }

    /// One exchange. A cached session that gives no answer is taken for lost, and a new one opened once.
    async fn exchange(
        &mut self,
        message: Message,
        repeat: Repeat,
        during: &'static str,
        since: Instant,
        gone: &(dyn Fn() -> bool + Sync),
    ) -> Result<Answer, BmcError> {
        let reads = repeat == Repeat::Reading;
        self.leave_reading(reads).await;
        if self.link.is_some() {
            match self.in_session(message.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(_) if repeat == Repeat::Never => {
                    return Err(self.fail(self.shared.errors.unknown(during)));
                }
                Err(error) if gone() => return Err(self.fail_link(error, during)),
                Err(_) => {}
            }
        }
        if reads && self.shared.is_alone() {
            self.log_in(true, during, since, gone).await?;
            match self.in_session(message.clone()).await {
                Ok(answer) if answer.completion != Answer::INSUFFICIENT_PRIVILEGE => return Ok(answer),
                Err(error) if gone() => return Err(self.fail_link(error, during)),
                // The standard has every session begin at user level; this BMC is asked the longer way from now on.
                _ => self.shared.desk().wants_more = true,
            }
            self.leave_reading(false).await;
        }
        self.log_in(false, during, since, gone).await?;
        match self.in_session(message).await {
            Ok(answer) => Ok(answer),
            Err(_) if repeat == Repeat::Never => Err(self.fail(self.shared.errors.unknown(during))),
            Err(error) => Err(self.fail_link(error, during)),
        }
    }

    /// Closes a session that was made for one reading, for what is none.
    async fn leave_reading(&mut self, reads: bool) {
        if !reads && self.link.as_ref().is_some_and(|link| link.only_reads()) {
            self.close().await;
        }
    }

    /// An exchange in the session that is open. Without an answer it is given up.
    async fn in_session(&mut self, message: Message) -> Result<Answer, LinkError> {
        let wire = self.plug.as_ref().map(|plug| Arc::clone(&plug.0));
        let Some(link) = &mut self.link else {
            return Err(SessionError::NoAnswer { logged_in: false, rejected: None }.into());
        };
        let result = link.exchange(message, wire.as_deref()).await;
        self.shared.desk().used = Some(link.used);
        match &result {
            Ok(_) => self.shared.breaker().answered(),
            Err(error) => self.lose(error),
        }
        result
    }

    async fn attach(
        &mut self,
        during: &'static str,
        since: Instant,
        gone: &(dyn Fn() -> bool + Sync),
    ) -> Result<PayloadPort, BmcError> {
        self.leave_reading(false).await;
        if self.link.is_none() {
            self.log_in(false, during, since, gone).await?;
        }
        let (plug, port) = Wire::pair(Arc::clone(&self.shared.wake));
        self.plug = Some(plug);
        Ok(port.of_session(self.link.as_ref().and_then(|link| link.system_id())))
    }

    /// Opens a session, one for a reading if that is enough. While all are taken it waits for a free one, as long as the
    /// call may take.
    async fn log_in(
        &mut self,
        reads: bool,
        during: &'static str,
        since: Instant,
        gone: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), BmcError> {
        let shared = Arc::clone(&self.shared);
        shared.admit()?;
        let config = shared.config().map_err(|error| shared.errors.config(&error))?;
        let peer = match shared.resolve().await {
            Ok(peer) => peer,
            Err(error) => return Err(self.fail(error)),
        };
        // What was left over is closed by an administrator only.
        let reads = reads && shared.hub.ledger.left_over(peer, &shared.username).is_empty();
        let config = if reads { config.only_reading() } else { config };
        // Early enough to say that the sessions are taken before the call's own time is over.
        let give_up = since + shared.timing.call * 4 / 5;
        loop {
            match Link::open(&shared.hub, &shared.wake, peer, &shared.username, config.clone()).await {
                Ok(link) => {
                    self.link = Some(Box::new(link));
                    self.silent_since = None;
                    self.clear_left_overs().await;
                    return Ok(());
                }
                Err(LinkError::Session(SessionError::NoFreeSession { .. }))
                    if Instant::now() + shared.timing.full < give_up && !gone() && self.pause().await => {}
                Err(error) => return Err(self.fail_link(error, during)),
            }
        }
    }

    /// Waits a little for a free session. False: the driver is gone.
    async fn pause(&self) -> bool {
        let until = Instant::now() + self.shared.timing.full;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return true,
                () = self.shared.wake.notified() => {
                    if self.shared.desk().dropped {
                        return false;
                    }
                }
            }
        }
    }

    /// Closes what an earlier session of ours, or of a process that was killed, left open at this BMC.
    async fn clear_left_overs(&mut self) {
        let Some(peer) = self.link.as_ref().map(|link| link.peer()) else { return };
        let shared = Arc::clone(&self.shared);
        for id in shared.hub.ledger.left_over(peer, &shared.username) {
            // That there is no such session any more is as good.
            match self.in_session(CloseSession { system_id: id }.into()).await {
                Ok(answer) => {
                    tracing::debug!(%peer, id, completion = answer.completion, "left-over IPMI session closed");
                    shared.hub.ledger.settled(peer, &shared.username, id);
                }
                Err(_) => return,
            }
        }
    }

    /// Waits for an order while the session is open; closes it when none comes.
    async fn idle(&mut self) {
        if self.plug.as_ref().is_some_and(|plug| plug.0.is_left()) {
            self.plug = None;
        }
        let Some(link) = &mut self.link else { return };
        let wire = self.plug.as_ref().map(|plug| Arc::clone(&plug.0));
        let due = match &wire {
            Some(_) => link.used + self.shared.timing.keep_alive,
            None if self.shared.desk().dropped || link.only_reads() => link.used,
            None => link.used + self.shared.timing.idle,
        };
        if due <= Instant::now() {
            return match wire {
                Some(_) => {
                    self.shared.hub.ledger.in_use();
                    let _ = self.in_session(GetDeviceId.into()).await;
                }
                None => self.close().await,
            };
        }
        match link.turn(wire.as_deref(), Some(due)).await {
            Ok(None) => {}
            Ok(Some(event)) => self.lose(&format!("the session reported {event:?}")),
            Err(error) => self.lose(&error),
        }
    }

    async fn close(&mut self) {
        self.plug = None;
        if let Some(link) = self.link.take() {
            link.close().await;
        }
    }

    /// The session is gone.
    fn lose(&mut self, why: &dyn std::fmt::Display) {
        tracing::debug!(address = %self.shared.errors.address, error = %why, "IPMI session lost");
        self.link = None;
        self.plug = None;
    }

    fn fail_link(&mut self, error: LinkError, during: &'static str) -> BmcError {
        let has_answered = self.shared.breaker().has_answered();
        let error = self.shared.errors.link(error, during, has_answered);
        self.fail(error)
    }

    fn fail(&mut self, error: BmcError) -> BmcError {
        if matches!(error, BmcError::Unreachable { .. }) {
            self.silent_since = Some(Instant::now());
        }
        self.shared.failed(&error);
        error
    }
}

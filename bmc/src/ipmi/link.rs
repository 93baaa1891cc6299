//! One session: moves datagrams and time between the session machine and the shared sockets.

use super::hub::Hub;
use super::ledger::Note;
use super::network::{Attachment, Incoming, Trouble};
use super::port::Wire;
use bmc_proto::ipmi::handshake::privilege;
use bmc_proto::ipmi::packet::payload;
use bmc_proto::ipmi::{Answer, Config, Event, Message, Session, SessionError};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// So many sendings in a row must have met the same trouble, without any datagram between them, before it is believed.
const BELIEVED: u8 = 2;

/// An open session.
pub(super) struct Link {
    hub: Arc<Hub>,
    attachment: Attachment,
    /// Tells that something happened: a datagram came, an order, an outgoing payload.
    wake: Arc<Notify>,
    session: Session,
    clock: Clock,
    hints: Hints,
    username: Arc<str>,
    /// Whether it was left at user level.
    only_reads: bool,
    /// Of the sessions that the BMC granted in this login, the last one last.
    notes: Vec<Note>,
    /// When it was used last.
    pub(super) used: Instant,
}

/// Why there is no session, or no longer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// The session machine gave up.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The network says that nothing arrives there.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// No socket or no random numbers.
    #[error("the network of this host failed")]
    Io(#[from] io::Error),
}

impl Link {
    /// Logs in. `wake` is this session's alone.
    pub(super) async fn open(
        hub: &Arc<Hub>,
        wake: &Arc<Notify>,
        peer: SocketAddr,
        username: &Arc<str>,
        config: Config,
    ) -> Result<Self, LinkError> {
        hub.ledger.prepare();
        let attachment = hub.network.attach(peer, Arc::clone(wake))?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let clock = Clock::start();
        let mut link = Self {
            hub: Arc::clone(hub),
            attachment,
            wake: Arc::clone(wake),
            session: Session::new(config, seed, Duration::ZERO),
            used: clock.born,
            clock,
            hints: Hints::default(),
            username: Arc::clone(username),
            only_reads: false,
            notes: Vec::new(),
        };
        match link.event(None).await? {
            Event::Established { privilege: level } => {
                tracing::debug!(%peer, privilege = level, "IPMI session opened");
                // The session machine has closed what earlier attempts of this login opened.
                let last = link.notes.pop();
                link.notes.drain(..).for_each(Note::closed);
                link.notes.extend(last);
                link.only_reads = level == privilege::USER;
                Ok(link)
            }
            Event::Failed(error) => {
                if frees_the_slot(&error) {
                    link.notes.pop().into_iter().for_each(Note::closed);
                }
                Err(error.into())
            }
            event => Err(unexpected(&event)),
        }
    }

    /// The BMC's id of this session.
    pub(super) fn system_id(&self) -> Option<u32> {
        self.session.system_id()
    }

    /// Whether it was left at user level, for one reading.
    pub(super) fn only_reads(&self) -> bool {
        self.only_reads
    }

    /// Where the BMC is.
    pub(super) fn peer(&self) -> SocketAddr {
        self.attachment.peer()
    }

    /// Sends a request and waits for its answer. After an error the link is of no use any more.
    pub(super) async fn exchange(
        &mut self,
        message: Message,
        wire: Option<&Wire>,
    ) -> Result<Answer, LinkError> {
        self.used = Instant::now();
        if !self.session.request(message, self.clock.now()) {
            return Err(io::Error::other("a request was made before the login, or after the end").into());
        }
        match self.event(wire).await? {
            Event::Answered(answer) => Ok(answer),
            Event::Failed(error) => Err(error.into()),
            event => Err(unexpected(&event)),
        }
    }

    /// Ends the session, with a short time for the BMC to confirm it.
    pub(super) async fn close(mut self) {
        self.session.close(self.clock.now());
        match self.event(None).await {
            Ok(_) => self.notes.drain(..).for_each(Note::closed),
            Err(error) => tracing::debug!(%error, "IPMI session not closed properly"),
        }
    }

    async fn event(&mut self, wire: Option<&Wire>) -> Result<Event, LinkError> {
        loop {
            if let Some(event) = self.turn(wire, None).await? {
                return Ok(event);
            }
        }
    }

    /// Does what there is to do, or else waits until something happens, or until the time given.
    pub(super) async fn turn(
        &mut self,
        wire: Option<&Wire>,
        until: Option<Instant>,
    ) -> Result<Option<Event>, LinkError> {
        if let Some(event) = self.next_event(wire) {
            // The farewell of a session that just ended.
            let _ = self.transmit().await;
            return Ok(Some(event));
        }
        self.transmit().await?;
        // First, so that no flood of datagrams stops the clock.
        self.session.handle_timeout(self.clock.now());
        if let Some(incoming) = self.attachment.take() {
            return self.receive(&incoming).map(|()| None);
        }
        if let Some(bytes) = wire.and_then(Wire::take_outgoing) {
            self.session.send_payload(payload::SOL, &bytes);
            return Ok(None);
        }
        let timeout = self.session.poll_timeout().map(|at| self.clock.instant(at));
        match timeout.into_iter().chain(until).min() {
            None => self.wake.notified().await,
            Some(due) => tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep_until(due) => self.session.handle_timeout(self.clock.now()),
            },
        }
        Ok(None)
    }

    /// The next event that is not dealt with here.
    fn next_event(&mut self, wire: Option<&Wire>) -> Option<Event> {
        loop {
            match self.session.poll_event()? {
                // Before anything else is sent in it: from here on the BMC has one session less.
                Event::Opened { system_id } => {
                    self.notes.push(self.hub.ledger.opened(self.peer(), &self.username, system_id));
                }
                Event::Payload { payload_type, bytes } => {
                    if let Some(wire) = wire.filter(|_| payload_type == payload::SOL) {
                        wire.deliver(bytes);
                    }
                }
                event => return Some(event),
            }
        }
    }

    async fn transmit(&mut self) -> Result<(), LinkError> {
        while let Some(datagram) = self.session.poll_transmit() {
            self.clock.exclude(self.hub.network.turn().await);
            self.hints.sent();
            if let Err(trouble) = self.attachment.send(&datagram) {
                self.meet(trouble)?;
            }
        }
        Ok(())
    }

    /// In a session only the session's own signature counts: anybody can forge an ICMP error, and a BMC that is really
    /// gone is found out by its silence.
    fn meet(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        if self.session.is_ready() { Ok(()) } else { self.hints.met(trouble) }
    }

    fn receive(&mut self, incoming: &Incoming) -> Result<(), LinkError> {
        match incoming {
            Incoming::Datagram(datagram) => {
                self.hints.heard();
                self.session.handle(datagram, self.clock.now());
                Ok(())
            }
            Incoming::Trouble(trouble) => Ok(self.meet(*trouble)?),
        }
    }
}

/// Whether the BMC has forgotten a session whose login failed so: it refused it, or we told it of our refusal.
fn frees_the_slot(error: &SessionError) -> bool {
    matches!(
        error,
        SessionError::UserRefused { .. }
            | SessionError::WrongPassword
            | SessionError::NoProof
            | SessionError::NoPrivilege
            | SessionError::Refused { .. }
            | SessionError::NoFreeSession { .. }
    )
}

fn unexpected(event: &Event) -> LinkError {
    io::Error::other(format!("the session reported {event:?} out of turn")).into()
}

/// A session's time. The time that its datagrams wait for their turn does not count, or they would be sent twice.
struct Clock {
    born: Instant,
    excluded: Duration,
}

impl Clock {
    fn start() -> Self {
        Self { born: Instant::now(), excluded: Duration::ZERO }
    }

    fn now(&self) -> Duration {
        self.born.elapsed().saturating_sub(self.excluded)
    }

    fn instant(&self, at: Duration) -> Instant {
        self.born + self.excluded + at
    }

    fn exclude(&mut self, wait: Duration) {
        self.excluded += wait;
    }
}

/// What the network said of our datagrams. One ICMP error proves nothing: it may be forged, or the BMC restarts.
#[derive(Default)]
struct Hints {
    /// Sendings in a row that met trouble.
    met: u8,
    /// Whether something was sent since the last trouble.
    sent: bool,
}

impl Hints {
    fn sent(&mut self) {
        self.sent = true;
    }

    fn heard(&mut self) {
        *self = Self::default();
    }

    fn met(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        if std::mem::take(&mut self.sent) {
            self.met += 1;
        }
        if self.met >= BELIEVED { Err(trouble) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_believed_when_a_second_sending_meets_it() {
        const CLOSED: Trouble = Trouble::PortClosed;
        let mut hints = Hints::default();
        // Not ours: nothing was sent.
        assert_eq!(hints.met(CLOSED), Ok(()));
        hints.sent();
        // However often it is said of one sending.
        assert_eq!([(); 3].map(|()| hints.met(CLOSED)), [Ok(()); 3]);
        hints.sent();
        // Something is there.
        hints.heard();
        hints.sent();
        assert_eq!(hints.met(CLOSED), Ok(()));
        hints.sent();
        assert_eq!(hints.met(CLOSED), Err(CLOSED));
    }
}

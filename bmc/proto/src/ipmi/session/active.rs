//! Inside the session: sealed requests, their answers, other payloads, raising the privilege, closing.

use super::progress::Progress;
use super::{Event, PAYLOADS_KEPT, Phase, Resend, Session, SessionError, Tidying, success};
use crate::ipmi::Message;
use crate::ipmi::command::{Answer, CloseSession, SetSessionPrivilege};
use crate::ipmi::handshake::privilege;
use crate::ipmi::keys::{Protection, Rejection};
use crate::ipmi::message::{LanMessage, SEQUENCES};
use crate::ipmi::packet::{Plus, payload};
use crate::ipmi::window::Window;
use std::time::Duration;
use zeroize::Zeroizing;

/// How often Close Session is sent: it is a courtesy, the BMC's own time-out does the rest.
const CLOSE_TRIES: u8 = 2;
/// How often the first request is sent where it is doubtful whether the BMC still has our keys.
const DOUBTFUL_TRIES: u8 = 2;

/// The state of an open session.
pub(super) struct Link {
    protection: Protection,
    console_id: u32,
    system_id: u32,
    /// Session sequence number of the last packet that we sent.
    sequence: u32,
    window: Window,
    /// `rqSeq` of the last request.
    request_sequence: u8,
    pending: Option<LanMessage>,
    /// Whether the BMC said of the pending request that it had it before.
    known: bool,
}

/// What a good packet carries.
enum Opened {
    Answer(Answer),
    Payload(u8, Zeroizing<Vec<u8>>),
    /// Nothing that is waited for.
    Stray,
}

impl Link {
    pub(super) fn new(protection: Protection, console_id: u32, system_id: u32) -> Self {
        Self {
            protection,
            console_id,
            system_id,
            sequence: 0,
            window: Window::new(),
            request_sequence: 0,
            pending: None,
            known: false,
        }
    }

    pub(super) fn system_id(&self) -> u32 {
        self.system_id
    }

    /// Makes this the request that is sent and whose answer is awaited.
    pub(super) fn begin(&mut self, message: Message) {
        self.request_sequence = (self.request_sequence + 1) % SEQUENCES;
        self.pending = Some(LanMessage::request(self.request_sequence, &message));
        self.known = false;
    }

    /// Gives a request that may be executed twice a new number, if the BMC answers no more under the old one.
    fn renumber(&mut self) {
        if let (true, Some(request)) = (self.known, &mut self.pending) {
            self.request_sequence = (self.request_sequence + 1) % SEQUENCES;
            request.sequence = self.request_sequence;
            self.known = false;
        }
    }

    /// Seals a packet under the next session sequence number.
    pub(super) fn seal(&mut self, payload_type: u8, bytes: &[u8], iv: [u8; 16]) -> Vec<u8> {
        // 0 is for packets outside a session.
        self.sequence = self.sequence.checked_add(1).unwrap_or(1);
        self.protection.seal(payload_type, self.system_id, self.sequence, bytes, iv)
    }

    fn seal_pending(&mut self, iv: [u8; 16]) -> Option<Vec<u8>> {
        let bytes = self.pending.as_ref()?.encode();
        Some(self.seal(payload::IPMI, &bytes, iv))
    }

    /// What the packet carries, if the BMC made it for this session and it did not come before.
    fn open(&mut self, plus: &Plus<'_>) -> Result<Opened, Rejection> {
        if plus.session_id != self.console_id {
            return Err(Rejection::Stray);
        }
        let bytes = self.protection.open(plus)?;
        if !self.window.accept(plus.sequence) {
            return Err(Rejection::Replayed);
        }
        if plus.payload_type != payload::IPMI {
            return Ok(Opened::Payload(plus.payload_type, bytes));
        }
        // Some BMCs get the checksums inside wrong (freeipmi's `nochecksumcheck`); the signature says more.
        let message = LanMessage::decode_signed(&bytes).ok_or(Rejection::NotIpmi)?;
        let Some((&completion, data)) = message.body.split_first() else { return Err(Rejection::NotIpmi) };
        if !self.pending.as_ref().is_some_and(|request| message.answers(request)) {
            return Ok(Opened::Stray);
        }
        if completion == Answer::DUPLICATED {
            // To a repetition, whose first sending is still being worked on (ipmitool waits on, too).
            self.known = true;
            return Ok(Opened::Stray);
        }
        self.pending = None;
        Ok(Opened::Answer(Answer { completion, data: data.to_vec() }))
    }
}

impl Session {
    /// Logged in, at user level: asks for more.
    pub(super) fn raise_privilege(&mut self, mut link: Box<Link>, progress: Progress, now: Duration) {
        link.begin(SetSessionPrivilege(progress.level()).into());
        let mut retransmission = self.config.retransmission;
        if progress.may_restart() {
            retransmission.tries = retransmission.tries.min(DOUBTFUL_TRIES);
        }
        self.phase = Phase::RaisingPrivilege(link, progress);
        self.start_with(Resend::Request, retransmission.interval, retransmission.tries, now);
        self.send_sealed();
    }

    /// Logged in, at user level, and that is enough.
    pub(super) fn stay_user(&mut self, link: Box<Link>, now: Duration) {
        self.tidy(link, Tidying { privilege: privilege::USER, left: Vec::new() }, now);
    }

    /// Ends the session, or the login. An event `Closed` follows at once, after an answer, or after a short time without
    /// one.
    pub fn close(&mut self, now: Duration) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Ready(link) | Phase::Tidying(link, _) | Phase::RaisingPrivilege(link, _) => {
                self.begin_closing(link, now);
            }
            closing @ Phase::Closing(_) => self.phase = closing,
            Phase::LoggingIn(login) => self.close_login(*login, now),
            Phase::Over => self.finish(Event::Closed),
        }
    }

    pub(super) fn begin_closing(&mut self, mut link: Box<Link>, now: Duration) {
        link.begin(CloseSession { system_id: link.system_id }.into());
        self.phase = Phase::Closing(link);
        self.events.clear();
        self.start_with(Resend::Request, self.config.retransmission.interval, CLOSE_TRIES, now);
        self.send_sealed();
    }

    /// Sends the pending request in a new envelope.
    pub(super) fn send_sealed(&mut self) {
        let iv = self.random.bytes();
        if let Some(link) = self.phase.link() {
            self.outbox.extend(link.seal_pending(iv));
        }
    }

    /// Sends the pending request again. Those that this machine makes by itself name an end, so that they may be executed
    /// twice; of the others only their maker knows.
    pub(super) fn repeat_sealed(&mut self) {
        let is_ours = !matches!(self.phase, Phase::Ready(_));
        if let (true, Some(link)) = (is_ours, self.phase.link()) {
            link.renumber();
        }
        self.send_sealed();
    }

    /// A datagram while the session is open.
    pub(super) fn handle_sealed(&mut self, plus: &Plus<'_>, now: Duration) {
        let Some(link) = self.phase.link() else { return };
        match link.open(plus) {
            Ok(Opened::Answer(answer)) => self.answered(answer, now),
            Ok(Opened::Payload(payload_type, bytes)) => self.keep_payload(payload_type, &bytes),
            Ok(Opened::Stray) => {}
            Err(why) => self.rejected = Some(why),
        }
    }

    fn keep_payload(&mut self, payload_type: u8, bytes: &[u8]) {
        // The others belong to the key exchange, which has no place here (table 13-16).
        let is_handshake = (payload::OPEN_SESSION_REQUEST..=payload::RAKP4).contains(&payload_type);
        if matches!(self.phase, Phase::Ready(_)) && !is_handshake && self.events.len() < PAYLOADS_KEPT {
            self.events.push_back(Event::Payload { payload_type, bytes: bytes.to_vec() });
        }
    }

    fn answered(&mut self, answer: Answer, now: Duration) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::RaisingPrivilege(link, progress) => self.privilege_answered(link, progress, &answer, now),
            // Whether or not it closed it: that is all we can do.
            Phase::Tidying(link, tidying) => self.tidy(link, tidying, now),
            Phase::Ready(link) => {
                self.phase = Phase::Ready(link);
                self.timer = None;
                self.events.push_back(Event::Answered(answer));
            }
            // Whatever it says to Close Session, it is over.
            _ => self.finish(Event::Closed),
        }
    }

    fn privilege_answered(
        &mut self,
        link: Box<Link>,
        mut progress: Progress,
        answer: &Answer,
        now: Duration,
    ) {
        let granted = success::<SetSessionPrivilege>(answer);
        if let Some(privilege) = granted.filter(|granted| *granted >= privilege::OPERATOR) {
            let left = if privilege >= privilege::ADMINISTRATOR { progress.abandoned } else { Vec::new() };
            self.tidy(link, Tidying { privilege, left }, now);
        } else if progress.lower() {
            self.raise_privilege(link, progress, now);
        } else {
            self.begin_closing(link, now);
            // The farewell is in the outbox; its answer is of no interest.
            self.fail(SessionError::NoPrivilege);
        }
    }

    /// Closes the next session that an earlier attempt left, or is ready. The BMC proved that it gave us these ids.
    fn tidy(&mut self, mut link: Box<Link>, mut tidying: Tidying, now: Duration) {
        // A BMC may give the same id again.
        let next = std::iter::from_fn(|| tidying.left.pop()).find(|id| *id != link.system_id);
        if let Some(system_id) = next {
            link.begin(CloseSession { system_id }.into());
            self.phase = Phase::Tidying(link, tidying);
            self.start_with(Resend::Request, self.config.retransmission.interval, CLOSE_TRIES, now);
            self.send_sealed();
            return;
        }
        // A late answer to what was given up is nobody's.
        link.pending = None;
        self.timer = None;
        self.config.forget_secrets();
        self.phase = Phase::Ready(link);
        self.events.push_back(Event::Established { privilege: tidying.privilege });
    }

    /// The pending request was sent for the last time, and there is no answer.
    pub(super) fn give_up_request(&mut self, now: Duration) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::RaisingPrivilege(link, mut progress) if progress.may_restart() => {
                progress.abandoned.push(link.system_id);
                self.restart(progress, now);
            }
            Phase::Tidying(link, tidying) => self.tidy(link, tidying, now),
            Phase::Ready(mut link) if link.known => {
                link.pending = None;
                self.phase = Phase::Ready(link);
                self.timer = None;
                let answer = Answer { completion: Answer::DUPLICATED, data: Vec::new() };
                self.events.push_back(Event::Answered(answer));
            }
            _ => self.fail(SessionError::NoAnswer { logged_in: true, rejected: self.rejected }),
        }
    }
}

#[cfg(test)]
impl Session {
    /// Goes on with this session sequence number.
    pub(super) fn jump_to_sequence(&mut self, sequence: u32) {
        if let Some(link) = self.phase.link() {
            link.sequence = sequence;
        }
    }
}

impl Phase {
    fn link(&mut self) -> Option<&mut Link> {
        match self {
            Self::RaisingPrivilege(link, _)
            | Self::Tidying(link, _)
            | Self::Ready(link)
            | Self::Closing(link) => Some(link),
            Self::LoggingIn(_) | Self::Over => None,
        }
    }
}

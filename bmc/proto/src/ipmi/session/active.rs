//! Inside the session: sealed requests, their answers, raising the privilege, closing.

use super::{Event, Phase, Resend, Retransmission, Session, SessionError, Timer, success};
use crate::ipmi::Message;
use crate::ipmi::command::{Answer, CloseSession, SetSessionPrivilege};
use crate::ipmi::handshake::privilege;
use crate::ipmi::keys::{Protection, Rejection};
use crate::ipmi::message::{LanMessage, SEQUENCES};
use crate::ipmi::packet::{Plus, payload};
use crate::ipmi::window::Window;
use std::time::Duration;

/// How often Close Session is sent: it is a courtesy, the BMC's own time-out does the rest.
const CLOSE_TRIES: u8 = 2;

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
        }
    }

    /// Makes this the request that is sent and whose answer is awaited.
    pub(super) fn begin(&mut self, message: Message) {
        self.request_sequence = (self.request_sequence + 1) % SEQUENCES;
        self.pending = Some(LanMessage::request(self.request_sequence, &message));
    }

    fn seal(&mut self, iv: [u8; 16]) -> Option<Vec<u8>> {
        let request = self.pending.as_ref()?;
        // 0 is for packets outside a session.
        self.sequence = self.sequence.checked_add(1).unwrap_or(1);
        Some(self.protection.seal(payload::IPMI, self.system_id, self.sequence, &request.encode(), iv))
    }

    /// The answer to the pending request, if the packet is it. `Ok(None)`: valid, but a stray.
    fn open(&mut self, plus: &Plus<'_>) -> Result<Option<Answer>, Rejection> {
        if plus.session_id != self.console_id || plus.payload_type != payload::IPMI {
            return Err(Rejection::NotIpmi);
        }
        let bytes = self.protection.open(plus)?;
        if !self.window.accept(plus.sequence) {
            return Err(Rejection::Replayed);
        }
        let message = LanMessage::decode(&bytes).ok_or(Rejection::NotIpmi)?;
        let Some((&completion, data)) = message.body.split_first() else { return Err(Rejection::NotIpmi) };
        let awaited = self.pending.as_ref().is_some_and(|request| {
            (message.sequence, message.netfn, message.command)
                == (request.sequence, request.netfn | 1, request.command)
        });
        if !awaited {
            return Ok(None);
        }
        self.pending = None;
        Ok(Some(Answer { completion, data: data.to_vec() }))
    }
}

impl Session {
    /// Logged in, at user level: asks for more.
    pub(super) fn raise_privilege(&mut self, mut link: Link, level: u8, now: Duration) {
        link.begin(SetSessionPrivilege(level).into());
        self.phase = Phase::RaisingPrivilege(link, level);
        self.start(Resend::Request, now);
        self.send_sealed();
    }

    /// Ends the session. An event `Closed` follows at once, after an answer, or after a short time without one.
    pub fn close(&mut self, now: Duration) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Ready(mut link) | Phase::RaisingPrivilege(mut link, _) => {
                link.begin(CloseSession { system_id: link.system_id }.into());
                self.phase = Phase::Closing(link);
                self.events.clear();
                let Retransmission { interval, .. } = self.config.retransmission;
                let again_at = now + interval;
                self.timer = Some(Timer { again_at, sendings_left: CLOSE_TRIES - 1, what: Resend::Request });
                self.send_sealed();
            }
            closing @ Phase::Closing(_) => self.phase = closing,
            Phase::LoggingIn(_) | Phase::Over => self.finish(Event::Closed),
        }
    }

    /// Sends the pending request in a new envelope.
    pub(super) fn send_sealed(&mut self) {
        let iv = self.random.bytes();
        if let Phase::RaisingPrivilege(link, _) | Phase::Ready(link) | Phase::Closing(link) = &mut self.phase
        {
            self.outbox.extend(link.seal(iv));
        }
    }

    /// A datagram while the session is open.
    pub(super) fn handle_sealed(&mut self, plus: &Plus<'_>, now: Duration) {
        let (Phase::RaisingPrivilege(link, _) | Phase::Ready(link) | Phase::Closing(link)) = &mut self.phase
        else {
            return;
        };
        let answer = match link.open(plus) {
            Ok(Some(answer)) => answer,
            Ok(None) => return,
            Err(why) => {
                self.rejected = Some(why);
                return;
            }
        };
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::RaisingPrivilege(link, level) => self.privilege_answered(link, level, &answer, now),
            Phase::Ready(link) => {
                self.phase = Phase::Ready(link);
                self.timer = None;
                self.events.push_back(Event::Answered(answer));
            }
            // Whatever it says to Close Session, it is over.
            _ => self.finish(Event::Closed),
        }
    }

    fn privilege_answered(&mut self, link: Link, level: u8, answer: &Answer, now: Duration) {
        let granted = success::<SetSessionPrivilege>(answer);
        if granted.is_some_and(|granted| granted >= privilege::OPERATOR) {
            self.timer = None;
            self.phase = Phase::Ready(link);
            self.events.push_back(Event::Established { privilege: granted.unwrap_or(level) });
        } else if level > privilege::OPERATOR {
            self.raise_privilege(link, privilege::OPERATOR, now);
        } else {
            self.phase = Phase::Ready(link);
            self.close(now);
            // The farewell is in the outbox; its answer is of no interest.
            self.fail(SessionError::NoPrivilege);
        }
    }
}

//! Logging in: Open Session, RAKP 1 to 4 (sections 13.17 to 13.24).

use super::active::Link;
use super::{Phase, Resend, Session, SessionError};
use crate::ipmi::handshake::{
    Challenge, Grant, NAME_ONLY, OpenSessionRequest, OpenSessionResponse, Rakp1, Rakp2, Rakp3, Rakp4, Status,
    privilege,
};
use crate::ipmi::keys::{Exchange, Protection, same};
use crate::ipmi::packet::{self, Plus, payload};
use std::time::Duration;
use zeroize::Zeroizing;

/// A login under way.
pub(super) struct Login {
    tag: u8,
    /// Privilege that is asked for.
    level: u8,
    console_id: u32,
    step: Step,
}

enum Step {
    Opening,
    Rakp1 { system_id: u32, console_random: [u8; 16] },
    Rakp3 { exchange: Exchange, session_key: Zeroizing<Vec<u8>> },
}

/// What to do after a valid message.
type Next = Result<(), SessionError>;

impl Session {
    /// Begins a login for this privilege.
    pub(super) fn open(&mut self, level: u8, now: Duration) {
        let tag = self.random.bytes()[0];
        let console_id = self.random.id();
        self.phase = Phase::LoggingIn(Login { tag, level, console_id, step: Step::Opening });
        let algorithms = self.config.suite.algorithms();
        // Privilege 0 asks for the highest; the role is set in RAKP 1.
        let request = OpenSessionRequest { tag, max_privilege: 0, console_id, algorithms };
        self.send_plain(payload::OPEN_SESSION_REQUEST, &request.encode(), now);
    }

    fn send_plain(&mut self, payload_type: u8, payload: &[u8], now: Duration) {
        let datagram = packet::plain(payload_type, payload);
        self.outbox.push_back(datagram.clone());
        self.start(Resend::Datagram(datagram), now);
    }

    /// A datagram while logging in. Other payload types than the awaited are strays (late duplicates).
    pub(super) fn handle_login(&mut self, plus: &Plus<'_>, now: Duration) {
        let Phase::LoggingIn(login) = &self.phase else { return };
        if plus.authenticated || plus.encrypted || plus.session_id != 0 {
            return;
        }
        let (tag, console_id) = (login.tag, login.console_id);
        // An error may come without our id, or with 0 for it.
        let ours = |tag_seen: u8, id: Option<u32>, is_error: bool| {
            tag_seen == tag && (id == Some(console_id) || is_error && id.unwrap_or(0) == 0)
        };
        let next = match (&login.step, plus.payload_type) {
            (Step::Opening, payload::OPEN_SESSION_RESPONSE) => OpenSessionResponse::decode(plus.payload)
                .filter(|answer| ours(answer.tag, answer.console_id, answer.outcome.is_err()))
                .map(|answer| self.opened(answer.outcome, now)),
            (Step::Rakp1 { .. }, payload::RAKP2) => Rakp2::decode(plus.payload)
                .filter(|answer| ours(answer.tag, answer.console_id, answer.outcome.is_err()))
                .map(|answer| self.challenged(answer.outcome, now)),
            (Step::Rakp3 { .. }, payload::RAKP4) => Rakp4::decode(plus.payload)
                .filter(|answer| ours(answer.tag, answer.console_id, answer.outcome.is_err()))
                .map(|answer| self.proven(answer.outcome, now)),
            _ => None,
        };
        if let Some(Err(error)) = next {
            self.fail(error);
        }
    }

    fn opened(&mut self, outcome: Result<Grant, Status>, now: Duration) -> Next {
        let grant = outcome.map_err(|status| match status {
            // This request carries nothing but algorithms that could be illegal.
            status if status.is_about_algorithms() || status == Status::ILLEGAL_PARAMETER => {
                SessionError::NoCipherSuite { status }
            }
            status => refusal(status),
        })?;
        if grant.algorithms != self.config.suite.algorithms() {
            return Err(SessionError::OtherAlgorithms { granted: grant.algorithms });
        }
        if grant.system_id == 0 {
            return Err(SessionError::Invalid { what: "it gave session id 0" });
        }
        let console_random = self.random.bytes();
        let Phase::LoggingIn(login) = &mut self.phase else { return Ok(()) };
        login.tag = login.tag.wrapping_add(1);
        login.step = Step::Rakp1 { system_id: grant.system_id, console_random };
        let rakp1 = Rakp1 {
            tag: login.tag,
            system_id: grant.system_id,
            console_random,
            role: login.level | NAME_ONLY,
            username: self.config.username.clone(),
        };
        self.send_plain(payload::RAKP1, &rakp1.encode(), now);
        Ok(())
    }

    fn challenged(&mut self, outcome: Result<Challenge, Status>, now: Duration) -> Next {
        let Phase::LoggingIn(login) = &mut self.phase else { return Ok(()) };
        let Step::Rakp1 { system_id, console_random } = login.step else { return Ok(()) };
        let challenge = match outcome {
            Ok(challenge) => challenge,
            Err(status) if status.is_about_role() && login.level == privilege::ADMINISTRATOR => {
                self.open(privilege::OPERATOR, now);
                return Ok(());
            }
            Err(status) if status.is_about_user() => return Err(SessionError::UserRefused { status }),
            Err(status) => return Err(refusal(status)),
        };
        let exchange = Exchange {
            suite: self.config.suite,
            console_id: login.console_id,
            system_id,
            console_random,
            system_random: challenge.system_random,
            system_guid: challenge.system_guid,
            role: login.level | NAME_ONLY,
            username: self.config.username.clone(),
        };
        login.tag = login.tag.wrapping_add(1);
        let tag = login.tag;
        if !same(&exchange.rakp2_code(&self.config.password), &challenge.code) {
            // Frees the BMC's session slot. Nothing waits for an answer.
            let rakp3 = Rakp3 { tag, system_id, outcome: Err(Status::INVALID_INTEGRITY) };
            self.outbox.push_back(packet::plain(payload::RAKP3, &rakp3.encode()));
            return Err(SessionError::WrongPassword);
        }
        let code = exchange.rakp3_code(&self.config.password).to_vec();
        let session_key = exchange.session_key(self.config.bmc_key.as_ref().unwrap_or(&self.config.password));
        login.step = Step::Rakp3 { exchange, session_key };
        let rakp3 = Rakp3 { tag, system_id, outcome: Ok(code) };
        self.send_plain(payload::RAKP3, &rakp3.encode(), now);
        Ok(())
    }

    fn proven(&mut self, outcome: Result<Vec<u8>, Status>, now: Duration) -> Next {
        let Phase::LoggingIn(Login {
            level, console_id, step: Step::Rakp3 { exchange, session_key }, ..
        }) = &self.phase
        else {
            return Ok(());
        };
        let level = *level;
        let code = match outcome {
            Ok(code) => code,
            Err(status) if status.is_about_role() && level == privilege::ADMINISTRATOR => {
                self.open(privilege::OPERATOR, now);
                return Ok(());
            }
            Err(status) => return Err(refusal(status)),
        };
        if !same(&exchange.rakp4_code(session_key), &code) {
            return Err(SessionError::WrongIntegrity);
        }
        let protection = Protection::new(exchange.suite, session_key);
        let link = Link::new(protection, *console_id, exchange.system_id);
        self.raise_privilege(link, level, now);
        Ok(())
    }
}

/// The error of a status that no step treats otherwise.
fn refusal(status: Status) -> SessionError {
    if status.is_about_resources() {
        SessionError::NoFreeSession { status }
    } else if status.is_about_role() {
        SessionError::NoPrivilege
    } else {
        SessionError::Refused { status }
    }
}

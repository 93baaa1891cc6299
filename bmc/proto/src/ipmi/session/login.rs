//! Logging in: Open Session, RAKP 1 to 4 (sections 13.17 to 13.24).
//!
//! Nothing of the key exchange is signed by itself, and its messages are not made for repetition: a BMC that gets RAKP 1
//! twice may answer with two random numbers and hold the later one (OpenBMC's `rakp12.cpp`), and one that gets RAKP 3
//! twice may spoil its keys (OpenBMC's `rakp34.cpp` lengthens its session key each time) or refuse the second. So:
//! - a repeated RAKP 1 has a new tag, and the answer to the last one is waited for if an earlier answer comes late;
//! - RAKP 3 is repeated only after four times the time that RAKP 2 took, and in a further attempt as late as can be;
//! - what goes wrong in a way that crossing messages explain begins the login anew, three times at most.

use super::active::Link;
use super::progress::{Progress, RESTARTS};
use super::suites::Asking;
use super::{Event, Phase, Resend, Session, SessionError};
use crate::ipmi::handshake::{
    Challenge, Grant, NAME_ONLY, OpenSessionRequest, OpenSessionResponse, Rakp1, Rakp2, Rakp3, Rakp4, Status,
};
use crate::ipmi::keys::{Exchange, Protection, Rejection, same};
use crate::ipmi::packet::{self, Packet, payload};
use std::time::Duration;
use zeroize::Zeroizing;

/// A login under way.
pub(super) struct Login {
    progress: Progress,
    step: Step,
    /// A refusal that doesn't carry our session id, which nobody else knows: payload type and payload. Anybody may have
    /// sent it, so it counts only when nothing better comes before the next repetition.
    held: Option<(u8, Vec<u8>)>,
}

enum Step {
    Opening,
    Rakp1(Asked),
    Rakp3 { exchange: Box<Exchange>, session_key: Zeroizing<Vec<u8>> },
    AskingSuites(Asking),
}

/// RAKP 1 is sent.
struct Asked {
    system_id: u32,
    console_random: [u8; 16],
    /// The tag of its first sending.
    first_tag: u8,
    /// When that was.
    since: Duration,
    /// The tag of a good answer, and what it makes: not yet used, because a later RAKP 1 was sent and the BMC may hold the
    /// random number of its answer to that.
    late: Option<(u8, Box<Exchange>)>,
}

/// Whether a message is an answer to ours.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Belief {
    Ours,
    /// A refusal without our session id.
    Perhaps,
    Stray,
}

/// What to do after a valid message.
type Next = Result<(), SessionError>;

impl Login {
    pub(super) fn system_id(&self) -> Option<u32> {
        match &self.step {
            Step::Opening | Step::AskingSuites(_) => None,
            Step::Rakp1(asked) => Some(asked.system_id),
            Step::Rakp3 { exchange, .. } => Some(exchange.system_id),
        }
    }

    /// Whether a message answers ours. Some BMCs leave the tag 0, and in errors the id, too: OpenBMC's `rakp12.cpp`
    /// does so in errors, others always (xcat2/xcat-core pull request 7555).
    fn answers(&self, console_id: u32, tag: u8, id: Option<u32>, is_error: bool) -> Belief {
        let newest = self.progress.tag;
        let oldest = match &self.step {
            Step::Rakp1(asked) => asked.first_tag,
            _ => newest,
        };
        let is_tagged = tag == 0 || (oldest..=newest).contains(&tag);
        match id {
            _ if !is_tagged => Belief::Stray,
            id if id == Some(console_id) => Belief::Ours,
            None | Some(0) if is_error => Belief::Perhaps,
            _ => Belief::Stray,
        }
    }
}

impl Session {
    /// Begins an attempt to log in.
    pub(super) fn open(&mut self, mut progress: Progress, now: Duration) {
        progress.repeated = false;
        let request = OpenSessionRequest {
            tag: progress.next_tag(),
            max_privilege: progress.open_privilege,
            console_id: self.console_id,
            algorithms: self.config.suite.algorithms(),
        };
        self.phase = Phase::LoggingIn(Box::new(Login { progress, step: Step::Opening, held: None }));
        let datagram = packet::plain(payload::OPEN_SESSION_REQUEST, &request.encode());
        self.outbox.push_back(datagram.clone());
        self.start(Resend::Datagram(datagram), now);
    }

    /// Begins anew after messages crossed.
    pub(super) fn restart(&mut self, mut progress: Progress, now: Duration) {
        progress.restarts_left = progress.restarts_left.saturating_sub(1);
        self.open(progress, now);
    }

    /// A datagram while logging in. Other payload types than the awaited are strays (late duplicates).
    pub(super) fn handle_login(&mut self, packet: &Packet<'_>, now: Duration) {
        let Phase::LoggingIn(login) = &self.phase else { return };
        if let Step::AskingSuites(_) = login.step {
            return self.handle_suites(packet, now);
        }
        let Packet::Plus(plus) = packet else { return };
        if plus.authenticated || plus.encrypted || plus.session_id != 0 {
            return;
        }
        match self.step_on(plus.payload_type, plus.payload, false, now) {
            Some(Ok(())) => {}
            Some(Err(error)) => self.fail(error),
            // Our own request, sent back by something that echoes what it gets: no more than noise.
            None if plus.payload_type == payload::OPEN_SESSION_REQUEST => {
                self.rejected = self.rejected.or(Some(Rejection::NotIpmi));
            }
            None => self.rejected = Some(Rejection::Stray),
        }
    }

    /// It is time to send again, and a refusal was held back: nothing better came. False: there is none.
    pub(super) fn believe_held(&mut self, now: Duration) -> bool {
        let Phase::LoggingIn(login) = &mut self.phase else { return false };
        let Some((payload_type, payload)) = login.held.take() else { return false };
        match self.step_on(payload_type, &payload, true, now) {
            Some(Ok(())) => true,
            Some(Err(error)) => {
                self.fail(error);
                true
            }
            None => false,
        }
    }

    /// `None`: it is nothing that is waited for. `credulous`: a refusal without our session id counts, too.
    fn step_on(&mut self, payload_type: u8, bytes: &[u8], credulous: bool, now: Duration) -> Option<Next> {
        let Phase::LoggingIn(login) = &mut self.phase else { return None };
        let id = self.console_id;
        let believe = |login: &mut Login, belief| match belief {
            Belief::Stray => None,
            Belief::Perhaps if !credulous => {
                login.held.get_or_insert_with(|| (payload_type, bytes.to_vec()));
                Some(false)
            }
            Belief::Perhaps | Belief::Ours => {
                login.held = None;
                Some(true)
            }
        };
        match (&login.step, payload_type) {
            (Step::Opening, payload::OPEN_SESSION_RESPONSE) => {
                let answer = OpenSessionResponse::decode(bytes)?;
                let belief = login.answers(id, answer.tag, answer.console_id, answer.outcome.is_err());
                let believed = believe(login, belief)?;
                Some(if believed { self.opened(answer.outcome, now) } else { Ok(()) })
            }
            (Step::Rakp1(_), payload::RAKP2) => {
                let answer = Rakp2::decode(bytes)?;
                let belief = login.answers(id, answer.tag, answer.console_id, answer.outcome.is_err());
                let believed = believe(login, belief)?;
                Some(if believed { self.challenged(answer.tag, answer.outcome, now) } else { Ok(()) })
            }
            (Step::Rakp3 { .. }, payload::RAKP4) => {
                let answer = Rakp4::decode(bytes)?;
                let belief = login.answers(id, answer.tag, answer.console_id, answer.outcome.is_err());
                let believed = believe(login, belief)?;
                Some(if believed { self.proven(answer.outcome, now) } else { Ok(()) })
            }
            _ => None,
        }
    }

    fn opened(&mut self, outcome: Result<Grant, Status>, now: Duration) -> Next {
        let Phase::LoggingIn(login) = &mut self.phase else { return Ok(()) };
        let grant = match outcome {
            Ok(grant) => grant,
            // Some BMCs don't know 0 for "the highest" (freeipmi's `opensesspriv`, ipmitool's `intelplus`).
            Err(status)
                if login.progress.open_privilege == 0
                    && (status.is_about_role() || status == Status::ILLEGAL_PARAMETER) =>
            {
                login.progress.open_privilege = login.progress.level;
                self.again(now);
                return Ok(());
            }
            // This request carries nothing else that could be illegal.
            Err(status) if status.is_about_algorithms() || status == Status::ILLEGAL_PARAMETER => {
                self.ask_suites(status, now);
                return Ok(());
            }
            Err(status) => return Err(refusal(status)),
        };
        // The privilege that it grants is not looked at: some say 0 or less than is meant; the session's own counts.
        if grant.algorithms != self.config.suite.algorithms() {
            return Err(SessionError::OtherAlgorithms { granted: grant.algorithms });
        }
        if grant.system_id == 0 {
            return Err(SessionError::Invalid { what: "it gave session id 0" });
        }
        let console_random = self.random.bytes();
        let first_tag = login.progress.next_tag();
        let system_id = grant.system_id;
        login.step = Step::Rakp1(Asked { system_id, console_random, first_tag, since: now, late: None });
        self.events.push_back(Event::Opened { system_id });
        self.send_rakp1();
        self.start(Resend::Rakp1, now);
        Ok(())
    }

    /// Sends RAKP 1 once more. Not when an answer came already: then only the answer to the last one is waited for.
    pub(super) fn repeat_rakp1(&mut self) {
        let Phase::LoggingIn(login) = &mut self.phase else { return };
        login.progress.repeated = true;
        login.progress.next_tag();
        self.send_rakp1();
    }

    fn send_rakp1(&mut self) {
        let Phase::LoggingIn(login) = &self.phase else { return };
        let Step::Rakp1(asked) = &login.step else { return };
        let rakp1 = Rakp1 {
            tag: login.progress.tag,
            system_id: asked.system_id,
            console_random: asked.console_random,
            role: login.progress.level | NAME_ONLY,
            username: self.config.username.clone(),
        };
        self.outbox.push_back(packet::plain(payload::RAKP1, &rakp1.encode()));
    }

    fn challenged(&mut self, tag: u8, outcome: Result<Challenge, Status>, now: Duration) -> Next {
        let Phase::LoggingIn(login) = &mut self.phase else { return Ok(()) };
        let Step::Rakp1(asked) = &mut login.step else { return Ok(()) };
        let challenge = match outcome {
            Ok(challenge) => challenge,
            // It refuses the repeated RAKP 1, so its earlier answer stands.
            Err(_) if asked.late.is_some() => {
                self.prove_late(now);
                return Ok(());
            }
            Err(status) => return self.challenge_refused(status, now),
        };
        let exchange = Exchange {
            suite: self.config.suite,
            console_id: self.console_id,
            system_id: asked.system_id,
            console_random: asked.console_random,
            system_random: challenge.system_random,
            system_guid: challenge.system_guid,
            role: login.progress.level | NAME_ONLY,
            username: self.config.username.clone(),
        };
        let expected = exchange.rakp2_code(&self.config.password);
        if !proves(&expected, &challenge.code) {
            let is_empty = !challenge.code.is_empty() && challenge.code.iter().all(|byte| *byte == 0);
            self.send_farewell(Status::INVALID_INTEGRITY);
            // Seen at Lenovo's BMCs in suite 17 (xcat2/xcat-core issue 7512).
            return Err(if is_empty { SessionError::NoProof } else { SessionError::WrongPassword });
        }
        if !login.progress.repeated || tag == login.progress.tag {
            self.prove(exchange, now);
            return Ok(());
        }
        let is_first = asked.late.is_none();
        if asked.late.as_ref().is_none_or(|(earlier, _)| *earlier <= tag) {
            asked.late = Some((tag, Box::new(exchange)));
        }
        if !is_first {
            return Ok(());
        }
        // The BMC is there, but slow: no further RAKP 1, and as much time for the last one as this one took.
        let wait = now
            .saturating_sub(asked.since)
            .clamp(self.config.retransmission.interval, self.config.retransmission.longest());
        self.start_with(Resend::Rakp1, wait, 1, now);
        Ok(())
    }

    fn challenge_refused(&mut self, status: Status, now: Duration) -> Next {
        let Phase::LoggingIn(login) = &mut self.phase else { return Ok(()) };
        if status.is_about_role() && login.progress.lower() {
            self.again(now);
            return Ok(());
        }
        if status.is_about_session() && login.progress.must_have_crossed(status) {
            self.restart_login(now);
            return Ok(());
        }
        Err(if status.is_about_user() { SessionError::UserRefused { status } } else { refusal(status) })
    }

    /// Tells the BMC that it can free the slot. Nothing waits for an answer.
    fn send_farewell(&mut self, status: Status) {
        let Phase::LoggingIn(login) = &mut self.phase else { return };
        let Some(system_id) = login.system_id() else { return };
        let rakp3 = Rakp3 { tag: login.progress.next_tag(), system_id, outcome: Err(status) };
        self.outbox.push_back(packet::plain(payload::RAKP3, &rakp3.encode()));
    }

    fn prove(&mut self, exchange: Exchange, now: Duration) {
        let code = exchange.rakp3_code(&self.config.password).to_vec();
        let session_key = exchange.session_key(self.config.bmc_key.as_ref().unwrap_or(&self.config.password));
        let Phase::LoggingIn(login) = &mut self.phase else { return };
        let Step::Rakp1(asked) = &login.step else { return };
        let took = now.saturating_sub(asked.since);
        let system_id = exchange.system_id;
        let tag = login.progress.next_tag();
        let retransmission = self.config.retransmission;
        login.step = Step::Rakp3 { exchange: Box::new(exchange), session_key };
        let rakp3 = Rakp3 { tag, system_id, outcome: Ok(code) };
        let datagram = packet::plain(payload::RAKP3, &rakp3.encode());
        self.outbox.push_back(datagram.clone());
        let is_first = login.progress.restarts_left == RESTARTS;
        let longest = retransmission.longest();
        let wait = if is_first { (took * 4).clamp(retransmission.interval, longest) } else { longest };
        self.start_with(Resend::Datagram(datagram), wait, retransmission.tries, now);
    }

    /// Goes on with the late answer to an earlier RAKP 1. False: there is none.
    fn prove_late(&mut self, now: Duration) -> bool {
        let Phase::LoggingIn(login) = &mut self.phase else { return false };
        let Step::Rakp1(asked) = &mut login.step else { return false };
        let Some((_, exchange)) = asked.late.take() else { return false };
        self.prove(*exchange, now);
        true
    }

    /// A datagram of the key exchange was sent again.
    pub(super) fn mark_repeated(&mut self) {
        if let Phase::LoggingIn(login) = &mut self.phase {
            login.progress.repeated |= !matches!(login.step, Step::Opening);
        }
    }

    fn proven(&mut self, outcome: Result<Vec<u8>, Status>, now: Duration) -> Next {
        let Phase::LoggingIn(login) = &mut self.phase else { return Ok(()) };
        let Step::Rakp3 { exchange, session_key } = &login.step else { return Ok(()) };
        let code = match outcome {
            Ok(code) => code,
            Err(status) if status.is_about_role() && login.progress.lower() => {
                self.again(now);
                return Ok(());
            }
            // It knows that we have the password, as we know that it has.
            Err(status) if login.progress.must_have_crossed(status) => {
                self.restart_login(now);
                return Ok(());
            }
            Err(status) => return Err(refusal(status)),
        };
        if !proves(&exchange.rakp4_code(session_key), &code) {
            if login.progress.may_restart() {
                self.restart_login(now);
                return Ok(());
            }
            if login.progress.repeated {
                // In doubt nobody is sent to look for a key.
                return Err(SessionError::NoAnswer { logged_in: false, rejected: Some(Rejection::Stray) });
            }
            // The BMC holds the session open, and under keys that we don't have.
            return Err(SessionError::WrongBmcKey { configured: self.config.bmc_key.is_some() });
        }
        let protection = Protection::new(exchange.suite, session_key);
        let link = Link::new(protection, self.console_id, exchange.system_id);
        if let Phase::LoggingIn(login) = std::mem::replace(&mut self.phase, Phase::Over) {
            if self.config.reads_only && login.progress.is_plain() {
                self.stay_user(Box::new(link), now);
            } else {
                self.raise_privilege(Box::new(link), login.progress, now);
            }
        }
        Ok(())
    }

    /// Begins the same login with what was changed in its progress.
    fn again(&mut self, now: Duration) {
        if let Phase::LoggingIn(login) = std::mem::replace(&mut self.phase, Phase::Over) {
            self.open(login.progress, now);
        }
    }

    fn restart_login(&mut self, now: Duration) {
        if let Phase::LoggingIn(mut login) = std::mem::replace(&mut self.phase, Phase::Over) {
            if let Step::Rakp3 { exchange, .. } = &login.step {
                login.progress.abandoned.push(exchange.system_id);
            }
            self.restart(login.progress, now);
        }
    }

    /// Nothing more is sent, and nothing came.
    pub(super) fn give_up_login(&mut self, now: Duration) {
        if self.prove_late(now) {
            return;
        }
        let Phase::LoggingIn(login) = &self.phase else { return };
        match &login.step {
            Step::AskingSuites(asking) => {
                let error = asking.error();
                self.fail(error);
            }
            Step::Opening if self.rejected == Some(Rejection::NotIpmi) => self.fail(SessionError::NotRmcp),
            _ => self.fail(SessionError::NoAnswer { logged_in: false, rejected: self.rejected }),
        }
    }

    /// Ends a login. What the BMC has set aside for it is given back.
    pub(super) fn close_login(&mut self, login: Login, now: Duration) {
        match &login.step {
            Step::Rakp3 { exchange, session_key } => {
                // The BMC may have opened the session already; if so it has these keys.
                let protection = Protection::new(exchange.suite, session_key);
                let link = Link::new(protection, self.console_id, exchange.system_id);
                self.begin_closing(Box::new(link), now);
            }
            Step::Rakp1(_) => {
                self.phase = Phase::LoggingIn(Box::new(login));
                self.send_farewell(Status::NO_RESOURCES);
                self.finish(Event::Closed);
            }
            Step::Opening | Step::AskingSuites(_) => self.finish(Event::Closed),
        }
    }

    fn ask_suites(&mut self, status: Status, now: Duration) {
        let asking = Asking::new(status);
        let datagram = asking.datagram();
        if let Phase::LoggingIn(login) = &mut self.phase {
            login.step = Step::AskingSuites(asking);
        }
        self.ask(datagram, now);
    }

    /// Sends a question whose answer only makes an error clearer: once, and not waited for any longer than that.
    fn ask(&mut self, datagram: Vec<u8>, now: Duration) {
        self.outbox.push_back(datagram.clone());
        self.start_with(Resend::Datagram(datagram), self.config.retransmission.interval, 1, now);
    }

    fn handle_suites(&mut self, packet: &Packet<'_>, now: Duration) {
        let Phase::LoggingIn(login) = &mut self.phase else { return };
        let Step::AskingSuites(asking) = &mut login.step else { return };
        if !asking.handle(packet) {
            return;
        }
        match asking.next() {
            Some(datagram) => self.ask(datagram, now),
            None => {
                let error = asking.error();
                self.fail(error);
            }
        }
    }
}

/// Whether a code is the expected one. Some BMCs send more bytes than that: those after it are of no meaning (freeipmi's
/// `supermicro20`), and every expected byte is compared.
fn proves(expected: &[u8], got: &[u8]) -> bool {
    got.get(..expected.len()).is_some_and(|code| same(expected, code))
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

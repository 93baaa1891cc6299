//! Who is logged in: the BMC's half of the RMCP+ handshake and the table of sessions. Pure.

use super::IDLE_LIMIT;
use bmc_proto::ipmi::command::{CloseSession, SetSessionPrivilege};
use bmc_proto::ipmi::handshake::{
    Challenge, Grant, OpenSessionRequest, OpenSessionResponse, Rakp1, Rakp2, Rakp3, Rakp4, Status, privilege,
};
use bmc_proto::ipmi::keys::{Exchange, Protection, same};
use bmc_proto::ipmi::message::LanMessage;
use bmc_proto::ipmi::packet::{self, Plus, payload};
use bmc_proto::ipmi::{Answer, CipherSuite, NetFn, Window};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// Level at which a session starts (22.18).
const USER_LEVEL: u8 = 2;
/// Completion code of Set Session Privilege Level: more than the user may have.
const EXCEEDS_LIMIT: u8 = 0x81;
/// Completion code of Close Session: no such session.
const NO_SUCH_SESSION: u8 = 0x87;

/// A user of the simulated BMC.
#[derive(Clone)]
pub struct User {
    username: String,
    password: String,
    limit: u8,
}

impl User {
    /// One who may do everything.
    pub fn administrator(username: &str, password: &str) -> Self {
        Self { username: username.into(), password: password.into(), limit: privilege::ADMINISTRATOR }
    }

    /// One who may read and switch the power.
    pub fn operator(username: &str, password: &str) -> Self {
        Self { username: username.into(), password: password.into(), limit: privilege::OPERATOR }
    }
}

/// The users and their sessions.
pub(super) struct Sessions {
    users: Vec<User>,
    guid: [u8; 16],
    limit: usize,
    slots: BTreeMap<u32, Slot>,
    last_id: u32,
    logins: u64,
    /// The suites that are granted.
    pub(super) suites: Vec<CipherSuite>,
    /// Completion codes for the next commands.
    pub(super) refusals: VecDeque<u8>,
}

struct Slot {
    peer: SocketAddr,
    console_id: u32,
    suite: CipherSuite,
    touched: Duration,
    /// The last handshake message and the answer to it, for when the answer was lost.
    last: (Vec<u8>, Vec<u8>),
    stage: Stage,
}

enum Stage {
    Opened,
    Challenged { exchange: Exchange, user: usize },
    Active(Active),
}

struct Active {
    protection: Protection,
    window: Window,
    sequence: u32,
    limit: u8,
    privilege: u8,
    answered: Option<(LanMessage, Answer)>,
}

impl Sessions {
    pub(super) fn new(users: Vec<User>, guid: [u8; 16], limit: usize) -> Self {
        Self {
            users,
            guid,
            limit,
            slots: BTreeMap::new(),
            last_id: 0,
            logins: 0,
            suites: CipherSuite::ALL.to_vec(),
            refusals: VecDeque::new(),
        }
    }

    pub(super) fn forget(&mut self) {
        self.slots.clear();
    }

    pub(super) fn open_sessions(&self) -> usize {
        self.slots.values().filter(|slot| matches!(slot.stage, Stage::Active(_))).count()
    }

    pub(super) fn logins(&self) -> u64 {
        self.logins
    }

    /// The answer to a message of the handshake. `None`: not understood, or not wanted.
    pub(super) fn handshake(
        &mut self,
        payload_type: u8,
        bytes: &[u8],
        peer: SocketAddr,
        now: Duration,
        random: &mut dyn FnMut() -> Option<[u8; 16]>,
    ) -> Option<Vec<u8>> {
        self.slots.retain(|_, slot| now.saturating_sub(slot.touched) < IDLE_LIMIT);
        let repeated = self.slots.values().find(|slot| slot.peer == peer && slot.last.0 == bytes);
        if let Some(slot) = repeated {
            return Some(slot.last.1.clone());
        }
        match payload_type {
            payload::OPEN_SESSION_REQUEST => {
                let request = OpenSessionRequest::decode(bytes)?;
                let outcome = self.open_session(&request, peer, now);
                let id = outcome.as_ref().ok().map(|grant| grant.system_id);
                let answer =
                    OpenSessionResponse { tag: request.tag, console_id: Some(request.console_id), outcome };
                let answer = packet::plain(payload::OPEN_SESSION_RESPONSE, &answer.encode());
                self.remember(id, now, bytes, answer)
            }
            payload::RAKP1 => {
                let rakp1 = Rakp1::decode(bytes)?;
                let outcome = self.challenge(&rakp1, random()?);
                let console_id = Some(self.slots.get(&rakp1.system_id).map_or(0, |slot| slot.console_id));
                let answer = Rakp2 { tag: rakp1.tag, console_id, outcome };
                self.remember(
                    Some(rakp1.system_id),
                    now,
                    bytes,
                    packet::plain(payload::RAKP2, &answer.encode()),
                )
            }
            payload::RAKP3 => {
                let rakp3 = Rakp3::decode(bytes)?;
                let console_id = Some(self.slots.get(&rakp3.system_id).map_or(0, |slot| slot.console_id));
                let outcome = self.prove(&rakp3)?;
                let answer = Rakp4 { tag: rakp3.tag, console_id, outcome };
                self.remember(
                    Some(rakp3.system_id),
                    now,
                    bytes,
                    packet::plain(payload::RAKP4, &answer.encode()),
                )
            }
            _ => None,
        }
    }

    fn remember(
        &mut self,
        id: Option<u32>,
        now: Duration,
        question: &[u8],
        answer: Vec<u8>,
    ) -> Option<Vec<u8>> {
        if let Some(slot) = id.and_then(|id| self.slots.get_mut(&id)) {
            slot.touched = now;
            slot.last = (question.to_vec(), answer.clone());
        }
        Some(answer)
    }

    fn open_session(
        &mut self,
        request: &OpenSessionRequest,
        peer: SocketAddr,
        now: Duration,
    ) -> Result<Grant, Status> {
        let suite = CipherSuite::from_algorithms(request.algorithms)
            .filter(|suite| self.suites.contains(suite))
            .ok_or(Status::NO_CIPHER_SUITE)?;
        if self.slots.len() >= self.limit {
            return Err(Status::NO_RESOURCES);
        }
        self.last_id = self.last_id.wrapping_add(1).max(1);
        let slot = Slot {
            peer,
            console_id: request.console_id,
            suite,
            touched: now,
            last: (Vec::new(), Vec::new()),
            stage: Stage::Opened,
        };
        self.slots.insert(self.last_id, slot);
        Ok(Grant {
            max_privilege: privilege::ADMINISTRATOR,
            system_id: self.last_id,
            algorithms: request.algorithms,
        })
    }

    fn challenge(&mut self, rakp1: &Rakp1, system_random: [u8; 16]) -> Result<Challenge, Status> {
        let slot = self.slots.get_mut(&rakp1.system_id).ok_or(Status::INVALID_SESSION)?;
        if matches!(slot.stage, Stage::Active(_)) {
            return Err(Status::INVALID_SESSION);
        }
        let found = self.users.iter().position(|user| user.username.as_bytes() == rakp1.username);
        let refusal = match found {
            None => Some(Status::UNAUTHORIZED_NAME),
            Some(user) if rakp1.role & 0x0F > self.users[user].limit => Some(Status::UNAUTHORIZED_ROLE),
            Some(_) => None,
        };
        if let Some(status) = refusal {
            self.slots.remove(&rakp1.system_id);
            return Err(status);
        }
        let user = found.ok_or(Status::UNAUTHORIZED_NAME)?;
        let exchange = Exchange {
            suite: slot.suite,
            console_id: slot.console_id,
            system_id: rakp1.system_id,
            console_random: rakp1.console_random,
            system_random,
            system_guid: self.guid,
            role: rakp1.role,
            username: rakp1.username.clone(),
        };
        let code = exchange.rakp2_code(self.users[user].password.as_bytes()).to_vec();
        slot.stage = Stage::Challenged { exchange, user };
        Ok(Challenge { system_random, system_guid: self.guid, code })
    }

    /// `None`: the console gave up; there is nothing to answer.
    fn prove(&mut self, rakp3: &Rakp3) -> Option<Result<Vec<u8>, Status>> {
        let Some(slot) = self.slots.get_mut(&rakp3.system_id) else {
            return Some(Err(Status::INVALID_SESSION));
        };
        let Stage::Challenged { exchange, user } = &slot.stage else {
            return Some(Err(Status::INVALID_SESSION));
        };
        let Ok(code) = &rakp3.outcome else {
            self.slots.remove(&rakp3.system_id);
            return None;
        };
        let user = &self.users[*user];
        if !same(&exchange.rakp3_code(user.password.as_bytes()), code) {
            self.slots.remove(&rakp3.system_id);
            return Some(Err(Status::INVALID_INTEGRITY));
        }
        let session_key = exchange.session_key(user.password.as_bytes());
        let code = exchange.rakp4_code(&session_key).to_vec();
        let limit = match exchange.role & 0x0F {
            0 => user.limit,
            role => role.min(user.limit),
        };
        slot.stage = Stage::Active(Active {
            protection: Protection::new(slot.suite, &session_key),
            window: Window::new(),
            sequence: 0,
            limit,
            privilege: USER_LEVEL.min(limit),
            answered: None,
        });
        self.logins += 1;
        Some(Ok(code))
    }

    /// Checks and decrypts a request; with it, the answer that it got already if it is a repetition.
    pub(super) fn open(&mut self, plus: &Plus<'_>, now: Duration) -> Option<(LanMessage, Option<Answer>)> {
        if plus.payload_type != payload::IPMI {
            return None;
        }
        self.slots.retain(|_, slot| now.saturating_sub(slot.touched) < IDLE_LIMIT);
        let slot = self.slots.get_mut(&plus.session_id)?;
        let Stage::Active(active) = &mut slot.stage else { return None };
        let bytes = active.protection.open(plus).ok()?;
        if !active.window.accept(plus.sequence) {
            return None;
        }
        slot.touched = now;
        let request = LanMessage::decode(&bytes)?;
        let repeated = active.answered.as_ref().filter(|(last, _)| *last == request);
        Some((request.clone(), repeated.map(|(_, answer)| answer.clone())))
    }

    /// Privilege of a session.
    pub(super) fn privilege(&mut self, id: u32) -> Option<u8> {
        Some(self.active(id)?.privilege)
    }

    /// Does those commands that are about sessions, and refuses those that are to be refused.
    pub(super) fn command(&mut self, id: u32, request: &LanMessage) -> Option<(u8, Vec<u8>)> {
        let command = (request.netfn == NetFn::App.request_value()).then_some(request.command);
        match (command, request.body.as_slice()) {
            (Some(SetSessionPrivilege::COMMAND), &[level]) => Some(self.set_privilege(id, level & 0x0F)),
            (Some(CloseSession::COMMAND), &[a, b, c, d, ..]) => {
                Some(self.close(u32::from_le_bytes([a, b, c, d])))
            }
            (Some(SetSessionPrivilege::COMMAND | CloseSession::COMMAND), _) => {
                Some((Answer::INVALID_LENGTH, vec![]))
            }
            _ => self.refusals.pop_front().map(|completion| (completion, vec![])),
        }
    }

    fn set_privilege(&mut self, id: u32, level: u8) -> (u8, Vec<u8>) {
        let Some(active) = self.active(id) else { return (Answer::UNSPECIFIED, vec![]) };
        match level {
            // 0 asks for the present level, 1 (callback) is not for LAN sessions.
            0 => {}
            1 => return (Answer::INVALID_FIELD, vec![]),
            level if level > active.limit => return (EXCEEDS_LIMIT, vec![]),
            level => active.privilege = level,
        }
        (Answer::OK, vec![active.privilege])
    }

    /// Marks a session as closed; it goes when its farewell was sealed.
    fn close(&mut self, id: u32) -> (u8, Vec<u8>) {
        match self.active(id) {
            Some(active) => {
                active.limit = 0;
                (Answer::OK, vec![])
            }
            None => (NO_SUCH_SESSION, vec![]),
        }
    }

    /// Signs and encrypts an answer, and keeps it for a repetition.
    pub(super) fn seal(
        &mut self,
        id: u32,
        request: &LanMessage,
        answer: Answer,
        iv: [u8; 16],
    ) -> Option<Vec<u8>> {
        let slot = self.slots.get_mut(&id)?;
        let console_id = slot.console_id;
        let Stage::Active(active) = &mut slot.stage else { return None };
        active.sequence = active.sequence.checked_add(1).unwrap_or(1);
        let bytes = request.response(answer.completion, &answer.data).encode();
        let datagram = active.protection.seal(payload::IPMI, console_id, active.sequence, &bytes, iv);
        active.answered = Some((request.clone(), answer));
        self.slots.retain(|_, slot| !matches!(&slot.stage, Stage::Active(active) if active.limit == 0));
        Some(datagram)
    }

    fn active(&mut self, id: u32) -> Option<&mut Active> {
        match &mut self.slots.get_mut(&id)?.stage {
            Stage::Active(active) => Some(active),
            _ => None,
        }
    }
}

//! Who is logged in: the table of sessions, and the commands about sessions. Pure.
//!
//! - `login`: the BMC's half of the RMCP+ handshake;
//! - `info`: Get Session Info.

mod info;
mod login;

use super::group::{Done, answer, lock, refuse};
use super::identity::{Identity, Limits, Openness};
use super::socket::Peer;
use super::users::UserTable;
use bmc_proto::ipmi::command::{CloseSession, SetSessionPrivilege};
use bmc_proto::ipmi::handshake::privilege;
use bmc_proto::ipmi::keys::{Exchange, Protection};
use bmc_proto::ipmi::message::LanMessage;
use bmc_proto::ipmi::packet::{Plus, payload};
use bmc_proto::ipmi::{Answer, CipherSuite, NetFn, Window};
use login::WrongPasswords;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Level at which a session starts (22.18).
const USER_LEVEL: u8 = 2;
const COLD_RESET: u8 = 0x02;
const WARM_RESET: u8 = 0x03;
const GET_SESSION_INFO: u8 = 0x3D;
/// How many answers are kept for requests that come again, late: far fewer than a client has sequence numbers.
const REPETITIONS: usize = 4;
/// Completion code of Set Session Privilege Level: more than the user may have.
const EXCEEDS_LIMIT: u8 = 0x81;
/// Completion code of Close Session: no such session.
const NO_SUCH_SESSION: u8 = 0x87;
/// RMCP+ header of a packet that is neither signed nor encrypted.
const FORGED: [u8; 6] = [0x06, 0x00, 0xFF, 0x07, 0x06, payload::IPMI];
/// The same, said to be signed and encrypted.
const FORGED_SIGNED: [u8; 6] = [0x06, 0x00, 0xFF, 0x07, 0x06, 0xC0];

/// The sessions of one BMC.
pub(in crate::ipmi) struct Sessions {
    users: Arc<Mutex<UserTable>>,
    guid: [u8; 16],
    bmc_key: Option<Box<[u8]>>,
    pub(in crate::ipmi) limits: Limits,
    slots: BTreeMap<u32, Slot>,
    last_id: u32,
    logins: u64,
    /// Logins with a wrong password.
    refused: u64,
    wrong: WrongPasswords,
    /// What it is open to.
    pub(in crate::ipmi) openness: Openness,
    /// The suites that are granted.
    pub(in crate::ipmi) suites: Vec<CipherSuite>,
    /// Completion codes for the next commands.
    pub(in crate::ipmi) refusals: VecDeque<u8>,
    /// Sessions that ended, and of which nobody was told yet.
    ended: Vec<u32>,
}

struct Slot {
    peer: Peer,
    console_id: u32,
    suite: CipherSuite,
    touched: Duration,
    stage: Stage,
}

enum Stage {
    Opening(Box<Opening>),
    Active(Box<Active>),
}

/// A session that is not open yet.
struct Opening {
    /// The last message of the handshake and the answer to it, for when the answer was lost.
    last: (Vec<u8>, Vec<u8>),
    /// From RAKP 1 on: what both know, the user's slot and password.
    challenged: Option<(Exchange, login::Claim)>,
    /// It was asked for with suite 0, and leads nowhere.
    unprotected: bool,
}

struct Active {
    protection: Protection,
    window: Window,
    sequence: u32,
    limit: u8,
    privilege: u8,
    /// The user's slot.
    user: u8,
    /// The latest requests and what they were answered.
    answered: VecDeque<(LanMessage, Answer)>,
    /// RAKP 3 and RAKP 4, for when RAKP 4 was lost.
    last: (Vec<u8>, Vec<u8>),
    /// It goes when its farewell is sealed.
    closing: bool,
}

/// What is to be done with a request.
pub(in crate::ipmi) enum Order {
    /// Nothing any more.
    Done(Done),
    /// That, at this privilege.
    Execute {
        /// Of the session.
        privilege: u8,
    },
    /// The BMC restarts.
    Restart,
}

impl Sessions {
    pub(in crate::ipmi) fn new(identity: &Identity, guid: [u8; 16]) -> Self {
        Self {
            users: Arc::new(Mutex::new(UserTable::new(&identity.users))),
            guid,
            bmc_key: identity.bmc_key.as_deref().map(Into::into),
            limits: identity.limits,
            slots: BTreeMap::new(),
            last_id: 0,
            logins: 0,
            refused: 0,
            wrong: WrongPasswords::default(),
            openness: identity.openness,
            suites: identity.suites.clone(),
            refusals: VecDeque::new(),
            ended: Vec::new(),
        }
    }

    /// The users, which others may change.
    pub(in crate::ipmi) fn users(&self) -> Arc<Mutex<UserTable>> {
        Arc::clone(&self.users)
    }

    pub(in crate::ipmi) fn forget(&mut self) {
        let gone = std::mem::take(&mut self.slots);
        self.ended.extend(gone.into_iter().filter(|(_, slot)| slot.is_active()).map(|(id, _)| id));
    }

    /// Those that are open.
    pub(in crate::ipmi) fn open_sessions(&self) -> usize {
        self.slots.values().filter(|slot| slot.is_active()).count()
    }

    /// Those that are being opened.
    pub(in crate::ipmi) fn half_open_sessions(&self) -> usize {
        self.slots.len() - self.open_sessions()
    }

    pub(in crate::ipmi) fn logins(&self) -> u64 {
        self.logins
    }

    pub(in crate::ipmi) fn refused(&self) -> u64 {
        self.refused
    }

    /// The sessions that ended since the last call.
    pub(in crate::ipmi) fn take_ended(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.ended)
    }

    /// Forgets those that were silent for too long.
    pub(in crate::ipmi) fn expire(&mut self, now: Duration) {
        let Limits { idle, login, .. } = self.limits;
        let ended = &mut self.ended;
        self.slots.retain(|id, slot| {
            let patience = if slot.is_active() { idle } else { login };
            let stays = now.saturating_sub(slot.touched) < patience;
            if !stays && slot.is_active() {
                ended.push(*id);
            }
            stays
        });
    }

    /// Checks and decrypts a packet of a session.
    pub(in crate::ipmi) fn open(&mut self, plus: &Plus<'_>, now: Duration) -> Option<Vec<u8>> {
        self.expire(now);
        let slot = self.slots.get_mut(&plus.session_id)?;
        let Stage::Active(active) = &mut slot.stage else { return None };
        let bytes = active.protection.open(plus).ok()?;
        if !active.window.accept(plus.sequence) {
            return None;
        }
        slot.touched = now;
        Some(bytes.to_vec())
    }

    /// The answer that a request got already, if it is a repetition.
    pub(in crate::ipmi) fn answered(&mut self, id: u32, request: &LanMessage) -> Option<Answer> {
        let answered = &self.active(id)?.answered;
        answered.iter().find(|(known, _)| known == request).map(|(_, answer)| answer.clone())
    }

    /// Does those commands that are about sessions, and refuses those that are to be refused.
    pub(in crate::ipmi) fn command(&mut self, id: u32, request: &LanMessage, now: Duration) -> Order {
        let Some(active) = self.active(id) else { return Order::Done(refuse(Answer::UNSPECIFIED)) };
        let privilege = active.privilege;
        let command = (request.netfn == NetFn::App.request_value()).then_some(request.command);
        Order::Done(match (command, request.body.as_slice()) {
            (Some(SetSessionPrivilege::COMMAND), &[level]) => self.set_privilege(id, level & 0x0F),
            (Some(CloseSession::COMMAND), &[a, b, c, d, ..]) => {
                self.close(id, privilege, u32::from_le_bytes([a, b, c, d]))
            }
            (Some(SetSessionPrivilege::COMMAND | CloseSession::COMMAND), _) => refuse(Answer::INVALID_LENGTH),
            _ if !self.refusals.is_empty() => {
                refuse(self.refusals.pop_front().unwrap_or(Answer::UNSPECIFIED))
            }
            (Some(GET_SESSION_INFO), body) => self.info(id, body, now),
            (Some(COLD_RESET | WARM_RESET), []) if privilege >= privilege::ADMINISTRATOR => {
                return Order::Restart;
            }
            (Some(COLD_RESET | WARM_RESET), []) => refuse(Answer::INSUFFICIENT_PRIVILEGE),
            _ => return Order::Execute { privilege },
        })
    }

    fn set_privilege(&mut self, id: u32, level: u8) -> Done {
        let Some(active) = self.active(id) else { return refuse(Answer::UNSPECIFIED) };
        match level {
            // 0 asks for the present level, 1 (callback) is not for LAN sessions.
            0 => {}
            1 => return refuse(Answer::INVALID_FIELD),
            level if level > active.limit => return refuse(EXCEEDS_LIMIT),
            level => active.privilege = level,
        }
        answer([active.privilege])
    }

    /// Ends one's own session; an administrator ends anybody's, one that is being opened, too.
    fn close(&mut self, own: u32, privilege: u8, id: u32) -> Done {
        if id == own {
            if let Some(active) = self.active(id) {
                active.closing = true;
            }
            return answer([]);
        }
        if privilege < privilege::ADMINISTRATOR {
            return refuse(Answer::INSUFFICIENT_PRIVILEGE);
        }
        match self.slots.remove(&id) {
            Some(slot) => {
                self.ended.extend(slot.is_active().then_some(id));
                answer([])
            }
            None => refuse(NO_SUCH_SESSION),
        }
    }

    /// Signs and encrypts an answer, and keeps it for a repetition.
    pub(in crate::ipmi) fn seal(
        &mut self,
        id: u32,
        request: &LanMessage,
        answer: Answer,
        iv: [u8; 16],
        wrong_checksum: bool,
    ) -> Option<Vec<u8>> {
        let slot = self.slots.get_mut(&id)?;
        let console_id = slot.console_id;
        let Stage::Active(active) = &mut slot.stage else { return None };
        let mut bytes = request.response(answer.completion, &answer.data).encode();
        if wrong_checksum && let Some(last) = bytes.last_mut() {
            *last ^= 0x55;
        }
        let sequence = active.next_sequence();
        let datagram = active.protection.seal(payload::IPMI, console_id, sequence, &bytes, iv);
        if !active.answered.iter().any(|(known, _)| known == request) {
            active.answered.truncate(REPETITIONS - 1);
            active.answered.push_front((request.clone(), answer));
        }
        if active.closing {
            self.slots.remove(&id);
            self.ended.push(id);
        }
        Some(datagram)
    }

    /// Signs and encrypts a payload of another type; with it, whom it is for.
    pub(in crate::ipmi) fn seal_payload(
        &mut self,
        id: u32,
        payload_type: u8,
        bytes: &[u8],
        iv: [u8; 16],
        now: Duration,
    ) -> Option<(Vec<u8>, Peer)> {
        self.expire(now);
        let slot = self.slots.get_mut(&id)?;
        let Stage::Active(active) = &mut slot.stage else { return None };
        let sequence = active.next_sequence();
        Some((active.protection.seal(payload_type, slot.console_id, sequence, bytes, iv), slot.peer))
    }

    /// Answers that anybody could send: the next sequence number, success, and data that tell that all is on.
    pub(in crate::ipmi) fn forge(&mut self, id: u32, request: &LanMessage) -> Vec<Vec<u8>> {
        let Some(slot) = self.slots.get(&id) else { return vec![] };
        let Stage::Active(active) = &slot.stage else { return vec![] };
        let message = request.response(Answer::OK, &[0x01; 16]).encode();
        let signed = [&[0x5A; 16], &message[..message.len() / 16 * 16]].concat();
        let datagram = |head: [u8; 6], body: &[u8], trailer: &[u8]| {
            let mut bytes = head.to_vec();
            bytes.extend(slot.console_id.to_le_bytes());
            bytes.extend(active.sequence.wrapping_add(1).to_le_bytes());
            // A message of two dozen bytes.
            bytes.extend([body.len() as u8, 0]);
            bytes.extend_from_slice(body);
            bytes.extend_from_slice(trailer);
            bytes
        };
        let trailer = [&[0xFF, 0xFF, 0x02, 0x07][..], &[0x11; 16][..slot.suite.integrity_len()]].concat();
        vec![datagram(FORGED, &message, &[]), datagram(FORGED_SIGNED, &signed, &trailer)]
    }

    /// Whether there are users with a name who may log in, and one without.
    pub(in crate::ipmi) fn kinds_of_users(&self) -> (bool, bool) {
        let anonymous = lock(&self.users).find(b"").is_some_and(|account| account.enabled);
        (true, anonymous)
    }

    /// The slot of an open session's user.
    pub(in crate::ipmi) fn user_of(&mut self, id: u32) -> Option<u8> {
        self.active(id).map(|active| active.user)
    }

    fn active(&mut self, id: u32) -> Option<&mut Active> {
        match &mut self.slots.get_mut(&id)?.stage {
            Stage::Active(active) => Some(active),
            Stage::Opening(_) => None,
        }
    }
}

impl Slot {
    fn is_active(&self) -> bool {
        matches!(self.stage, Stage::Active(_))
    }
}

impl Active {
    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.checked_add(1).unwrap_or(1);
        self.sequence
    }
}

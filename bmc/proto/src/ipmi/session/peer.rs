//! A BMC for the tests of the session: answers what the client sends, has the habits of real ones, or spoils it as a
//! test says.

use super::*;
use crate::ipmi::command::{CloseSession, GetChannelCipherSuites, SetSessionPrivilege};
use crate::ipmi::handshake::*;
use crate::ipmi::keys::{Exchange, Protection, same};
use crate::ipmi::message::LanMessage;
use crate::ipmi::packet::{Plus, payload};
use crate::ipmi::{CipherSuite, Window};

pub(super) const PASSWORD: &str = "calvin";
/// The id of the first session.
pub(super) const FIRST_ID: u32 = 0x0A0B_0C0D;
/// A command that answers with its own data.
pub(super) const ECHO: u8 = 0x7E;

/// What the peer does wrong, or otherwise than others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Fault {
    #[default]
    None,
    /// Answers Open Session with these algorithms.
    Grant([u8; 3]),
    /// Grants this privilege in Open Session.
    GrantPrivilege(u8),
    /// Answers Open Session with this status.
    OpenStatus(u8),
    /// Answers Open Session for "the highest" privilege with this status.
    HighestStatus(u8),
    /// Answers RAKP 1 with this status, if the role asked for is administrator.
    AdminStatus(u8),
    /// Answers RAKP 1 with this status.
    Rakp2Status(u8),
    /// As the last, but leaves tag and id 0.
    BareRakp2Status(u8),
    /// Answers RAKP 3 with this status.
    Rakp4Status(u8),
    /// Answers Set Session Privilege Level for administrator with 0x81.
    NoAdmin,
    /// Answers Set Session Privilege Level with 0x81.
    NoPrivilege,
    /// Flips a bit in RAKP 4's code.
    BadRakp4,
    /// Its code in RAKP 2 is zeros.
    ZeroProof,
    /// Leaves the tag 0.
    TagZero,
    /// Sends more bytes after each code.
    LongCodes,
    /// Answers from another logical unit and address, and with wrong checksums.
    OddMessages,
}

/// What it does with messages that come twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Habit {
    /// Answers them as it did the first time.
    #[default]
    Remembers,
    /// A new random number for each RAKP 1, other keys after each RAKP 3; executes each request (OpenBMC).
    StartsOver,
    /// Refuses them: RAKP with "invalid session id", requests with 0xCF.
    Refuses,
}

pub(super) struct Slot {
    pub(super) id: u32,
    pub(super) exchange: Option<Exchange>,
    session_key: Vec<u8>,
    pub(super) protection: Option<Protection>,
    pub(super) sequence: u32,
    window: Window,
    last: Option<(LanMessage, LanMessage)>,
}

pub(super) struct Peer {
    suite: CipherSuite,
    pub(super) fault: Fault,
    pub(super) habit: Habit,
    pub(super) key: Option<Vec<u8>>,
    pub(super) suites: Option<Vec<u8>>,
    /// Executed more than once although it remembers.
    pub(super) executed: Vec<Vec<u8>>,
    console_id: u32,
    pub(super) slots: Vec<Slot>,
    /// How many slots it ever gave.
    pub(super) opened: u32,
    random: u8,
    pub(super) privilege: u8,
    pub(super) gave_up: Option<Status>,
    pub(super) closed: Vec<u32>,
}

impl Peer {
    pub(super) fn new(suite: CipherSuite, fault: Fault) -> Self {
        Self {
            suite,
            fault,
            habit: Habit::Remembers,
            key: None,
            suites: None,
            executed: Vec::new(),
            console_id: 0,
            slots: Vec::new(),
            opened: 0,
            random: 7,
            privilege: 0,
            gave_up: None,
            closed: Vec::new(),
        }
    }

    /// Its answer to a datagram.
    pub(super) fn answer(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        let Some(Packet::Plus(plus)) = packet::parse(datagram) else { panic!("client sent no RMCP+") };
        match plus.payload_type {
            payload::OPEN_SESSION_REQUEST => Some(self.open_session(plus.payload)),
            payload::RAKP1 => Some(self.rakp1(plus.payload)),
            payload::RAKP3 => self.rakp3(plus.payload),
            payload::IPMI if plus.session_id == 0 => self.list_suites(plus.payload),
            _ => self.sealed(&plus),
        }
    }

    fn open_session(&mut self, bytes: &[u8]) -> Vec<u8> {
        let request = OpenSessionRequest::decode(bytes).unwrap();
        assert_eq!(request.algorithms, self.suite.algorithms());
        self.console_id = request.console_id;
        let (mut algorithms, mut max_privilege) = (request.algorithms, 4);
        match self.fault {
            Fault::Grant(other) => algorithms = other,
            Fault::GrantPrivilege(other) => max_privilege = other,
            _ => {}
        }
        let outcome = match self.fault {
            Fault::OpenStatus(status) => Err(Status(status)),
            Fault::HighestStatus(status) if request.max_privilege == 0 => Err(Status(status)),
            _ => Ok(Grant { max_privilege, system_id: self.new_slot(), algorithms }),
        };
        let tag = self.tag(request.tag);
        let response = OpenSessionResponse { tag, console_id: Some(self.console_id), outcome };
        packet::plain(payload::OPEN_SESSION_RESPONSE, &response.encode())
    }

    fn new_slot(&mut self) -> u32 {
        let id = FIRST_ID + self.opened;
        self.opened += 1;
        self.slots.push(Slot {
            id,
            exchange: None,
            session_key: Vec::new(),
            protection: None,
            sequence: 0,
            window: Window::new(),
            last: None,
        });
        id
    }

    fn tag(&self, tag: u8) -> u8 {
        if self.fault == Fault::TagZero { 0 } else { tag }
    }

    fn slot(&mut self, id: u32) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.id == id)
    }

    /// The session that is open.
    pub(super) fn active(&mut self) -> &mut Slot {
        self.slots.iter_mut().rfind(|slot| slot.protection.is_some()).unwrap()
    }

    fn rakp1(&mut self, bytes: &[u8]) -> Vec<u8> {
        let rakp1 = Rakp1::decode(bytes).unwrap();
        let (mut tag, mut console_id) = (self.tag(rakp1.tag), Some(self.console_id));
        let outcome = match self.fault {
            Fault::Rakp2Status(status) => Err(Status(status)),
            Fault::BareRakp2Status(status) => {
                (tag, console_id) = (0, Some(0));
                Err(Status(status))
            }
            Fault::AdminStatus(status) if rakp1.role & 0x0F == privilege::ADMINISTRATOR => {
                Err(Status(status))
            }
            _ => self.challenge(&rakp1),
        };
        packet::plain(payload::RAKP2, &Rakp2 { tag, console_id, outcome }.encode())
    }

    fn challenge(&mut self, rakp1: &Rakp1) -> Result<Challenge, Status> {
        let (habit, fault, suite, console_id) = (self.habit, self.fault, self.suite, self.console_id);
        self.random = self.random.wrapping_add(1);
        let fresh = [self.random; 16];
        let slot = self.slot(rakp1.system_id).ok_or(Status::INVALID_SESSION)?;
        let system_random = match &slot.exchange {
            Some(_) if habit == Habit::Refuses => return Err(Status::INVALID_SESSION),
            Some(exchange) if habit == Habit::Remembers => exchange.system_random,
            _ => fresh,
        };
        let exchange = Exchange {
            suite,
            console_id,
            system_id: rakp1.system_id,
            console_random: rakp1.console_random,
            system_random,
            system_guid: [9; 16],
            role: rakp1.role,
            username: rakp1.username.clone(),
        };
        let mut code = exchange.rakp2_code(PASSWORD.as_bytes()).to_vec();
        slot.exchange = Some(exchange);
        match fault {
            Fault::LongCodes => code.extend([0xEE; 12]),
            Fault::ZeroProof => code.fill(0),
            _ => {}
        }
        Ok(Challenge { system_random, system_guid: [9; 16], code })
    }

    fn rakp3(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let rakp3 = Rakp3::decode(bytes).unwrap();
        let outcome = match (rakp3.outcome, self.fault) {
            (Err(status), _) => {
                self.gave_up = Some(status);
                self.slots.retain(|slot| slot.id != rakp3.system_id);
                return None;
            }
            (_, Fault::Rakp4Status(status)) => Err(Status(status)),
            (Ok(code), _) => self.prove(rakp3.system_id, &code),
        };
        let (tag, console_id) = (self.tag(rakp3.tag), Some(self.console_id));
        Some(packet::plain(payload::RAKP4, &Rakp4 { tag, console_id, outcome }.encode()))
    }

    fn prove(&mut self, id: u32, code: &[u8]) -> Result<Vec<u8>, Status> {
        let (habit, fault, suite) = (self.habit, self.fault, self.suite);
        let key = self.key.clone().unwrap_or_else(|| PASSWORD.into());
        let slot = self.slot(id).ok_or(Status::INVALID_SESSION)?;
        let exchange = slot.exchange.clone().ok_or(Status::INVALID_SESSION)?;
        if !same(&exchange.rakp3_code(PASSWORD.as_bytes()), code) {
            self.slots.retain(|slot| slot.id != id);
            return Err(Status::INVALID_INTEGRITY);
        }
        match (&slot.protection, habit) {
            (Some(_), Habit::Refuses) => return Err(Status::INVALID_SESSION),
            (Some(_), Habit::Remembers) => {}
            _ => {
                slot.session_key.extend_from_slice(&exchange.session_key(&key));
                slot.protection = Some(Protection::new(suite, &slot.session_key));
            }
        }
        let mut code = exchange.rakp4_code(&slot.session_key).to_vec();
        match fault {
            Fault::BadRakp4 => code[0] ^= 1,
            Fault::LongCodes => code.extend([0xEE; 20]),
            _ => {}
        }
        Ok(code)
    }

    fn list_suites(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let request = LanMessage::decode(bytes).unwrap();
        assert_eq!((request.netfn, request.command), (6, GetChannelCipherSuites::COMMAND));
        let list = self.suites.as_ref()?;
        let from = 16 * usize::from(request.body[2] & 0x3F);
        let part = list.get(from..list.len().min(from + 16)).unwrap_or_default();
        let answer = request.response(0, &[&[1], part].concat());
        Some(packet::plain(payload::IPMI, &answer.encode()))
    }

    fn sealed(&mut self, plus: &Plus<'_>) -> Option<Vec<u8>> {
        let habit = self.habit;
        let slot = self.slot(plus.session_id)?;
        let bytes = slot.protection.as_ref()?.open(plus).ok()?;
        if !slot.window.accept(plus.sequence) {
            return None;
        }
        let request = LanMessage::decode(&bytes).unwrap();
        let before =
            slot.last.as_ref().filter(|(last, _)| *last == request).map(|(_, answer)| answer.clone());
        let answer = match (before, habit) {
            (Some(answer), Habit::Remembers) => answer,
            (Some(_), Habit::Refuses) => request.response(Answer::DUPLICATED, &[]),
            _ => self.execute(&request),
        };
        let sealed = self.seal_for(plus.session_id, &answer);
        if let Some(slot) = self.slot(plus.session_id) {
            slot.last = Some((request, answer));
        }
        self.slots.retain(|slot| !self.closed.contains(&slot.id));
        sealed
    }

    /// The request in a sealed packet of the open session.
    pub(super) fn request(&mut self, plus: &Plus<'_>) -> LanMessage {
        let slot = self.active();
        assert_eq!(plus.session_id, slot.id);
        let bytes = slot.protection.as_ref().unwrap().open(plus).unwrap();
        LanMessage::decode(&bytes).unwrap()
    }

    fn execute(&mut self, request: &LanMessage) -> LanMessage {
        match (request.netfn, request.command) {
            (6, SetSessionPrivilege::COMMAND) => {
                let level = request.body[0];
                let refused = self.fault == Fault::NoPrivilege
                    || self.fault == Fault::NoAdmin && level == privilege::ADMINISTRATOR;
                if refused {
                    return request.response(0x81, &[]);
                }
                self.privilege = level;
                request.response(0, &[level])
            }
            (6, CloseSession::COMMAND) => {
                let id = u32::from_le_bytes(*request.body.first_chunk().unwrap());
                self.closed.push(id);
                request.response(0, &[])
            }
            // Get Device ID, of an invented device.
            (6, 1) => request.response(0, &[0x20, 1, 2, 0x15, 2, 0xBF, 0xA2, 2, 0, 0, 1]),
            (6, ECHO) => {
                self.executed.push(request.body.clone());
                request.response(0, &request.body)
            }
            _ => request.response(Answer::INVALID_COMMAND, &[]),
        }
    }

    /// Seals a message for the client of the open session.
    pub(super) fn seal(&mut self, message: &LanMessage) -> Vec<u8> {
        let id = self.active().id;
        self.seal_for(id, message).unwrap()
    }

    fn seal_for(&mut self, id: u32, message: &LanMessage) -> Option<Vec<u8>> {
        let mut bytes = message.encode();
        if self.fault == Fault::OddMessages {
            let odd = LanMessage { from: 0x2C, from_lun: 3, to: 0x8F, to_lun: 2, ..message.clone() };
            bytes = odd.encode();
            bytes[2] ^= 0x55;
            *bytes.last_mut().unwrap() ^= 0x55;
        }
        self.seal_bytes(id, payload::IPMI, &bytes)
    }

    /// Seals any payload for the client.
    pub(super) fn seal_payload(&mut self, payload_type: u8, bytes: &[u8]) -> Vec<u8> {
        let id = self.active().id;
        self.seal_bytes(id, payload_type, bytes).unwrap()
    }

    fn seal_bytes(&mut self, id: u32, payload_type: u8, bytes: &[u8]) -> Option<Vec<u8>> {
        let console_id = self.console_id;
        let slot = self.slot(id)?;
        slot.sequence = slot.sequence.checked_add(1).unwrap_or(1);
        let sequence = slot.sequence;
        Some(slot.protection.as_ref()?.seal(payload_type, console_id, sequence, bytes, [0x5A; 16]))
    }

    pub(super) fn console_id(&self) -> u32 {
        self.console_id
    }
}

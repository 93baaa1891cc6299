//! A BMC for the tests of the session: answers what the client sends, or spoils it as a test says.

use super::*;
use crate::ipmi::command::{CloseSession, SetSessionPrivilege};
use crate::ipmi::handshake::*;
use crate::ipmi::keys::{Exchange, Protection, same};
use crate::ipmi::message::LanMessage;
use crate::ipmi::packet::{Plus, payload};

pub(super) const SYSTEM_ID: u32 = 0x0A0B_0C0D;
pub(super) const PASSWORD: &str = "calvin";

/// What the peer does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Fault {
    #[default]
    None,
    /// Answers Open Session with these algorithms.
    Grant([u8; 3]),
    /// Answers Open Session with this status.
    OpenStatus(u8),
    /// Answers RAKP 1 with this status, if the role asked for is administrator.
    AdminStatus(u8),
    /// Answers RAKP 1 with this status.
    Rakp2Status(u8),
    /// Answers Set Session Privilege Level for administrator with 0x81.
    NoAdmin,
    /// Answers Set Session Privilege Level with 0x81.
    NoPrivilege,
    /// Flips a bit in RAKP 4's code.
    BadRakp4,
}

pub(super) struct Peer {
    suite: CipherSuite,
    pub(super) fault: Fault,
    console_id: u32,
    exchange: Option<Exchange>,
    pub(super) protection: Option<Protection>,
    pub(super) sequence: u32,
    pub(super) privilege: u8,
    pub(super) gave_up: Option<Status>,
    pub(super) closed: bool,
}

impl Peer {
    pub(super) fn new(suite: CipherSuite, fault: Fault) -> Self {
        Self {
            suite,
            fault,
            console_id: 0,
            exchange: None,
            protection: None,
            sequence: 0,
            privilege: 0,
            gave_up: None,
            closed: false,
        }
    }

    /// Its answer to a datagram.
    pub(super) fn answer(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        let Some(Packet::Plus(plus)) = packet::parse(datagram) else { panic!("client sent no RMCP+") };
        match plus.payload_type {
            payload::OPEN_SESSION_REQUEST => Some(self.open_session(plus.payload)),
            payload::RAKP1 => Some(self.rakp1(plus.payload)),
            payload::RAKP3 => self.rakp3(plus.payload),
            _ => Some(self.sealed(&plus)),
        }
    }

    fn open_session(&mut self, bytes: &[u8]) -> Vec<u8> {
        let request = OpenSessionRequest::decode(bytes).unwrap();
        assert_eq!(request.algorithms, self.suite.algorithms());
        self.console_id = request.console_id;
        let algorithms = match self.fault {
            Fault::Grant(algorithms) => algorithms,
            _ => request.algorithms,
        };
        let outcome = match self.fault {
            Fault::OpenStatus(status) => Err(Status(status)),
            _ => Ok(Grant { max_privilege: 4, system_id: SYSTEM_ID, algorithms }),
        };
        let response = OpenSessionResponse { tag: request.tag, console_id: Some(self.console_id), outcome };
        packet::plain(payload::OPEN_SESSION_RESPONSE, &response.encode())
    }

    fn rakp1(&mut self, bytes: &[u8]) -> Vec<u8> {
        let rakp1 = Rakp1::decode(bytes).unwrap();
        let exchange = Exchange {
            suite: self.suite,
            console_id: self.console_id,
            system_id: SYSTEM_ID,
            console_random: rakp1.console_random,
            system_random: [7; 16],
            system_guid: [9; 16],
            role: rakp1.role,
            username: rakp1.username,
        };
        let code = exchange.rakp2_code(PASSWORD.as_bytes()).to_vec();
        self.exchange = Some(exchange);
        let outcome = match self.fault {
            _ if rakp1.system_id != SYSTEM_ID => Err(Status::INVALID_SESSION),
            Fault::Rakp2Status(status) => Err(Status(status)),
            Fault::AdminStatus(status) if rakp1.role & 0x0F == privilege::ADMINISTRATOR => {
                Err(Status(status))
            }
            _ => Ok(Challenge { system_random: [7; 16], system_guid: [9; 16], code }),
        };
        let rakp2 = Rakp2 { tag: rakp1.tag, console_id: Some(self.console_id), outcome };
        packet::plain(payload::RAKP2, &rakp2.encode())
    }

    fn rakp3(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let rakp3 = Rakp3::decode(bytes).unwrap();
        let code = match rakp3.outcome {
            Ok(code) => code,
            Err(status) => {
                self.gave_up = Some(status);
                return None;
            }
        };
        let exchange = self.exchange.as_ref().unwrap();
        assert!(same(&exchange.rakp3_code(PASSWORD.as_bytes()), &code));
        let session_key = exchange.session_key(PASSWORD.as_bytes());
        self.protection = Some(Protection::new(self.suite, &session_key));
        let mut code = exchange.rakp4_code(&session_key).to_vec();
        if self.fault == Fault::BadRakp4 {
            code[0] ^= 1;
        }
        let rakp4 = Rakp4 { tag: rakp3.tag, console_id: Some(self.console_id), outcome: Ok(code) };
        Some(packet::plain(payload::RAKP4, &rakp4.encode()))
    }

    fn sealed(&mut self, plus: &Plus<'_>) -> Vec<u8> {
        let request = self.request(plus);
        let answer = self.execute(&request);
        self.seal(&answer)
    }

    /// The request in a sealed packet.
    pub(super) fn request(&self, plus: &Plus<'_>) -> LanMessage {
        assert_eq!(plus.session_id, SYSTEM_ID);
        let bytes = self.protection.as_ref().unwrap().open(plus).unwrap();
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
                assert_eq!(request.body, SYSTEM_ID.to_le_bytes());
                self.closed = true;
                request.response(0, &[])
            }
            // Get Device ID, of an invented device.
            (6, 1) => request.response(0, &[0x20, 1, 2, 0x15, 2, 0xBF, 0xA2, 2, 0, 0, 1]),
            _ => request.response(Answer::INVALID_COMMAND, &[]),
        }
    }

    /// Seals a message for the client.
    pub(super) fn seal(&mut self, message: &LanMessage) -> Vec<u8> {
        self.sequence += 1;
        let protection = self.protection.as_ref().unwrap();
        protection.seal(payload::IPMI, self.console_id, self.sequence, &message.encode(), [0x5A; 16])
    }

    pub(super) fn console_id(&self) -> u32 {
        self.console_id
    }
}

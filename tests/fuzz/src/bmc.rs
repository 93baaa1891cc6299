//! An honest BMC for the targets that drive an IPMI session: it does what the specification says, and keeps what it
//! sealed, so that a target can tell what only it can have said.

use bmc_proto::ipmi::command::{CloseSession, SetSessionPrivilege};
use bmc_proto::ipmi::handshake::{
    Challenge, Grant, OpenSessionRequest, OpenSessionResponse, Rakp1, Rakp2, Rakp3, Rakp4, Status,
};
use bmc_proto::ipmi::keys::{Exchange, Protection, same};
use bmc_proto::ipmi::message::LanMessage;
use bmc_proto::ipmi::packet::{self, Packet, Plus, payload};
use bmc_proto::ipmi::{CipherSuite, Window};

/// The command that answers with its own data, under the application network function.
pub const ECHO: u8 = 0x7E;
/// The password of its only user, whatever the user's name.
pub const PASSWORD: &str = "calvin";

/// The BMC.
pub struct Bmc {
    suite: CipherSuite,
    console_id: u32,
    slots: Vec<Slot>,
    random: u8,
    /// What it sealed beside answers.
    pub payloads: Vec<Vec<u8>>,
}

struct Slot {
    id: u32,
    exchange: Option<Exchange>,
    protection: Option<Protection>,
    sequence: u32,
    window: Window,
}

/// An answer of the BMC.
pub struct Said {
    /// The datagram.
    pub datagram: Vec<u8>,
    /// Of the session that it proves with it to be open: its id.
    pub proves: Option<u32>,
}

impl Bmc {
    /// One that speaks this suite.
    #[must_use]
    pub fn new(suite: CipherSuite) -> Self {
        Self { suite, console_id: 0, slots: Vec::new(), random: 0, payloads: Vec::new() }
    }

    /// Its answer to a datagram.
    ///
    /// # Panics
    /// If the client says anything that is not RMCP+.
    pub fn answer(&mut self, datagram: &[u8]) -> Option<Said> {
        let Some(Packet::Plus(plus)) = packet::parse(datagram) else { panic!("the client sent no RMCP+") };
        match plus.payload_type {
            payload::OPEN_SESSION_REQUEST => self.open(plus.payload),
            payload::RAKP1 => self.challenge(plus.payload),
            payload::RAKP3 => self.prove(plus.payload),
            payload::IPMI if plus.session_id != 0 => self.execute(&plus),
            _ => None,
        }
    }

    /// Seals a payload of its own accord, in the session that was opened last.
    pub fn volunteer(&mut self, bytes: &[u8]) -> Option<Said> {
        let id = self.slots.iter().rfind(|slot| slot.protection.is_some())?.id;
        let said = self.seal(id, payload::SOL, bytes)?;
        self.payloads.push(bytes.to_vec());
        Some(said)
    }

    fn open(&mut self, bytes: &[u8]) -> Option<Said> {
        let request = OpenSessionRequest::decode(bytes)?;
        assert_eq!(
            CipherSuite::from_algorithms(request.algorithms),
            Some(self.suite),
            "another suite is asked for"
        );
        self.console_id = request.console_id;
        let id = 1 + self.slots.len() as u32;
        self.slots.push(Slot { id, exchange: None, protection: None, sequence: 0, window: Window::new() });
        let grant = Grant { max_privilege: 4, system_id: id, algorithms: request.algorithms };
        let response =
            OpenSessionResponse { tag: request.tag, console_id: Some(self.console_id), outcome: Ok(grant) };
        Some(plain(payload::OPEN_SESSION_RESPONSE, &response.encode()))
    }

    fn slot(&mut self, id: u32) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.id == id)
    }

    fn challenge(&mut self, bytes: &[u8]) -> Option<Said> {
        let rakp1 = Rakp1::decode(bytes)?;
        let (suite, console_id) = (self.suite, self.console_id);
        self.random = self.random.wrapping_add(1);
        let system_random = [self.random; 16];
        let slot = self.slot(rakp1.system_id)?;
        if slot.protection.is_some() {
            return None;
        }
        let exchange = Exchange {
            suite,
            console_id,
            system_id: rakp1.system_id,
            console_random: rakp1.console_random,
            system_random,
            system_guid: [9; 16],
            role: rakp1.role,
            username: rakp1.username,
        };
        let code = exchange.rakp2_code(PASSWORD.as_bytes()).to_vec();
        slot.exchange = Some(exchange);
        let outcome = Ok(Challenge { system_random, system_guid: [9; 16], code });
        Some(plain(payload::RAKP2, &Rakp2 { tag: rakp1.tag, console_id: Some(console_id), outcome }.encode()))
    }

    fn prove(&mut self, bytes: &[u8]) -> Option<Said> {
        let rakp3 = Rakp3::decode(bytes)?;
        let (suite, console_id) = (self.suite, self.console_id);
        let slot = self.slot(rakp3.system_id)?;
        let exchange = slot.exchange.as_ref()?;
        let refusal = match rakp3.outcome {
            Err(_) => return None,
            Ok(_) if slot.protection.is_some() => Some(Status::INVALID_SESSION),
            Ok(code) if !same(&exchange.rakp3_code(PASSWORD.as_bytes()), &code) => {
                Some(Status::INVALID_INTEGRITY)
            }
            Ok(_) => None,
        };
        let (outcome, proves) = match refusal {
            Some(status) => (Err(status), None),
            None => {
                let key = exchange.session_key(PASSWORD.as_bytes());
                slot.protection = Some(Protection::new(suite, &key));
                (Ok(exchange.rakp4_code(&key).to_vec()), Some(slot.id))
            }
        };
        let rakp4 = Rakp4 { tag: rakp3.tag, console_id: Some(console_id), outcome };
        Some(Said { proves, ..plain(payload::RAKP4, &rakp4.encode()) })
    }

    fn execute(&mut self, plus: &Plus<'_>) -> Option<Said> {
        let slot = self.slot(plus.session_id)?;
        let bytes = slot.protection.as_ref()?.open(plus).expect("the client seals badly");
        if !slot.window.accept(plus.sequence) {
            return None;
        }
        let request = LanMessage::decode(&bytes).expect("the client sends no message");
        let answer = match request.command {
            SetSessionPrivilege::COMMAND | ECHO => request.response(0, &request.body),
            CloseSession::COMMAND => request.response(0, &[]),
            _ => request.response(0xC1, &[]),
        };
        self.seal(plus.session_id, payload::IPMI, &answer.encode())
    }

    fn seal(&mut self, id: u32, payload_type: u8, bytes: &[u8]) -> Option<Said> {
        let console_id = self.console_id;
        let slot = self.slot(id)?;
        slot.sequence += 1;
        let protection = slot.protection.as_ref()?;
        let datagram = protection.seal(payload_type, console_id, slot.sequence, bytes, [0x5A; 16]);
        Some(Said { datagram, proves: None })
    }
}

fn plain(payload_type: u8, bytes: &[u8]) -> Said {
    Said { datagram: packet::plain(payload_type, bytes), proves: None }
}

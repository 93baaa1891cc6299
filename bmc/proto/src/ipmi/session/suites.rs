//! After a refused cipher suite: which ones the BMC says it has (Get Channel Cipher Suites, 22.15).
//!
//! The question and its answers are not signed: what they say goes into an error text and nowhere else.

use super::{Packet, SessionError, success};
use crate::ipmi::command::{Answer, CipherSuiteList, GetChannelCipherSuites};
use crate::ipmi::handshake::Status;
use crate::ipmi::message::LanMessage;
use crate::ipmi::packet::{self, payload};

/// How many parts of the list are asked for: 16 bytes each, five bytes a suite. The standard has 20 suites.
const PARTS: u8 = 16;

/// The question under way.
pub(super) struct Asking {
    status: Status,
    part: u8,
    list: CipherSuiteList,
}

impl Asking {
    pub(super) fn new(status: Status) -> Self {
        Self { status, part: 0, list: CipherSuiteList::default() }
    }

    fn message(&self) -> LanMessage {
        LanMessage::request(self.part, &GetChannelCipherSuites { part: self.part }.into())
    }

    /// The question for the present part, in the RMCP+ wrapper as ipmitool sends it.
    pub(super) fn datagram(&self) -> Vec<u8> {
        packet::plain(payload::IPMI, &self.message().encode())
    }

    /// Takes an answer in, whichever wrapper it comes in. False: it is none.
    pub(super) fn handle(&mut self, packet: &Packet<'_>) -> bool {
        let bytes = match packet {
            Packet::V15 { payload } => payload,
            Packet::Plus(plus)
                if plus.payload_type == payload::IPMI
                    && plus.session_id == 0
                    && !plus.authenticated
                    && !plus.encrypted =>
            {
                plus.payload
            }
            Packet::Plus(_) => return false,
        };
        let Some(message) = LanMessage::decode(bytes).filter(|message| message.answers(&self.message()))
        else {
            return false;
        };
        let Some((&completion, data)) = message.body.split_first() else { return false };
        let answer = Answer { completion, data: data.to_vec() };
        match success::<GetChannelCipherSuites>(&answer) {
            Some(part) => self.list.add(&part),
            None => self.list.end(),
        }
        true
    }

    /// The question for the next part, if there is one.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        self.part += 1;
        (!self.list.is_whole() && self.part < PARTS).then(|| self.datagram())
    }

    /// What is known now.
    pub(super) fn error(&self) -> SessionError {
        SessionError::NoCipherSuite { status: self.status, offered: self.list.suites() }
    }
}

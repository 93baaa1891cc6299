//! Commands that need no session: what can be spoken, and who the BMC is (22.13, 22.15, 22.14).

use super::group::{Done, answer, refuse};
use super::identity::Openness;
use super::sessions::Sessions;
use bmc_proto::ipmi::command::GetSystemGuid;
use bmc_proto::ipmi::message::LanMessage;
use bmc_proto::ipmi::{Answer, CipherSuite, NetFn};

const GET_CHANNEL_AUTHENTICATION_CAPABILITIES: u8 = 0x38;
const GET_CHANNEL_CIPHER_SUITES: u8 = 0x54;
/// Bytes of records in one answer about cipher suites.
const RECORDS: usize = 16;
/// The channel that everybody talks on.
pub(super) const CHANNEL: u8 = 1;
/// IPMI 1.5's authentication types: none, MD2, MD5, straight password.
const ALL_TYPES: u8 = 0x17;
/// "The channel that this command came on."
const PRESENT: u8 = 0x0E;

/// What everybody may know of a BMC.
pub(super) struct Outside {
    /// As it is sent.
    pub(super) guid: [u8; 16],
    /// Whether there is a Kg.
    pub(super) bmc_key: bool,
}

impl Outside {
    /// A command outside a session.
    pub(super) fn execute(&self, request: &LanMessage, sessions: &Sessions) -> Done {
        self.inside(request, sessions).unwrap_or_else(|| refuse(Answer::INSUFFICIENT_PRIVILEGE))
    }

    /// The same inside one. `None`: it is not such a command.
    pub(super) fn inside(&self, request: &LanMessage, sessions: &Sessions) -> Option<Done> {
        if request.netfn != NetFn::App.request_value() {
            return None;
        }
        Some(match (request.command, request.body.as_slice()) {
            (GET_CHANNEL_AUTHENTICATION_CAPABILITIES, &[channel, level]) => {
                self.capabilities(channel, level, sessions)
            }
            (GET_CHANNEL_CIPHER_SUITES, &[channel, _, index]) if is_here(channel) => {
                let open = sessions.openness.suite_zero;
                let records = cipher_records(&sessions.suites, open, index & 0x80 != 0);
                let part = records.chunks(RECORDS).nth(usize::from(index & 0x3F)).unwrap_or_default();
                answer([&[CHANNEL], part].concat())
            }
            (GET_CHANNEL_CIPHER_SUITES, &[_, _, _]) => refuse(Answer::INVALID_FIELD),
            (GetSystemGuid::COMMAND, []) => answer(self.guid),
            (
                GET_CHANNEL_AUTHENTICATION_CAPABILITIES | GET_CHANNEL_CIPHER_SUITES | GetSystemGuid::COMMAND,
                _,
            ) => refuse(Answer::INVALID_LENGTH),
            _ => return None,
        })
    }

    /// Get Channel Authentication Capabilities. Who doesn't ask for the extended form speaks IPMI 1.5 only, and is
    /// told that there is no way for that.
    fn capabilities(&self, channel: u8, level: u8, sessions: &Sessions) -> Done {
        if !is_here(channel) || !(1..=5).contains(&(level & 0x0F)) {
            return refuse(Answer::INVALID_FIELD);
        }
        let (named, nameless) = sessions.kinds_of_users();
        let Openness { anonymous, old_sessions, .. } = sessions.openness;
        let status = u8::from(self.bmc_key) << 5
            | u8::from(named) << 2
            | u8::from(nameless || anonymous) << 1
            | u8::from(anonymous);
        let (types, extended) = if channel & 0x80 == 0 { (0, 0) } else { (0x80, 0x02) };
        let (old_types, old) = if old_sessions { (ALL_TYPES, 0x01) } else { (0, 0) };
        answer([CHANNEL, types | old_types, status, extended | old, 0, 0, 0, 0])
    }
}

fn is_here(channel: u8) -> bool {
    matches!(channel & 0x0F, CHANNEL | PRESENT)
}

/// The records of Get Channel Cipher Suites (table 22-18): by suite, or just the algorithms that there are.
fn cipher_records(suites: &[CipherSuite], open: bool, by_suite: bool) -> Vec<u8> {
    let tagged = |suite: &CipherSuite| {
        let [authentication, integrity, confidentiality] = suite.algorithms();
        [authentication, 0x40 | integrity, 0x80 | confidentiality]
    };
    if by_suite {
        let record = |suite: &CipherSuite| [&[0xC0, suite.id()][..], &tagged(suite)].concat();
        let zero = [0xC0, 0, 0, 0x40, 0x80];
        let zero = zero.iter().take(if open { zero.len() } else { 0 });
        return zero.copied().chain(suites.iter().flat_map(record)).collect();
    }
    let zero = if open { &[0, 0x40, 0x80][..] } else { &[] };
    let mut algorithms: Vec<u8> = suites.iter().flat_map(tagged).chain(zero.iter().copied()).collect();
    algorithms.sort_unstable();
    algorithms.dedup();
    algorithms
}

//! The settings of the simulated BMC's serial over LAN, and who may use it.

use crate::ipmi::group::{Done, Request, answer, refuse};
use bmc_proto::ipmi::Answer;
use bmc_proto::ipmi::command::payload::{GetChannelPayloads, GetUserSolAccess, SetUserSolAccess};
use bmc_proto::ipmi::command::sol::{
    self, BitRate, REVISION, SolParameter, accumulate_interval, completion, parameter,
};
use bmc_proto::ipmi::handshake::privilege;
use bmc_proto::ipmi::sol::{PortSettings, Retry};
use std::collections::BTreeSet;
use std::time::Duration;

/// Get Channel Payload Version (24.9).
const GET_CHANNEL_PAYLOAD_VERSION: u8 = 0x4F;
/// The channel that everybody talks on, by its number and by the one that means "this".
const CHANNELS: [u8; 2] = [1, sol::THIS_CHANNEL];

/// Parameters, and the users that may not.
pub(super) struct Settings {
    pub(super) enabled: bool,
    pub(super) privilege: u8,
    forced: (bool, bool),
    accumulation: (u8, u8),
    retry: (u8, u8),
    rates: (BitRate, BitRate),
    /// The session whose settings are in progress.
    in_progress: Option<u32>,
    locked_out: BTreeSet<u8>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            privilege: privilege::OPERATOR,
            forced: (false, false),
            accumulation: (4, 96),
            retry: (7, 50),
            rates: (BitRate::B115200, BitRate::B115200),
            in_progress: None,
            locked_out: BTreeSet::new(),
        }
    }
}

impl Settings {
    /// What a console that is activated now has.
    pub(super) fn port(&self) -> PortSettings {
        let interval = Duration::from_millis(10) * u32::from(self.retry.1);
        PortSettings {
            retry: Retry { first: interval, longest: interval, sendings: self.retry.0 + 1 },
            accumulate: accumulate_interval(self.accumulation.0),
            threshold: self.accumulation.1.into(),
            ..PortSettings::default()
        }
    }

    /// A session is over, and with it what it had in progress.
    pub(super) fn session_closed(&mut self, session: u32) {
        self.in_progress.take_if(|own| *own == session);
    }

    /// Set and Get SOL Configuration Parameters. `port`: our UDP port.
    pub(super) fn execute(&mut self, request: &Request<'_>, port: u16) -> Option<Done> {
        match (request.command, request.body) {
            (sol::SET_COMMAND, &[channel, number, ref value @ ..]) => Some(if knows(channel) {
                self.set(request.session, number, value)
            } else {
                refuse(Answer::INVALID_FIELD)
            }),
            (sol::GET_COMMAND, &[channel, number, _, _]) => Some(match self.get(number, port) {
                _ if !knows(channel) => refuse(Answer::INVALID_FIELD),
                // The version alone was asked for.
                _ if channel & 0x80 != 0 => answer([REVISION]),
                Some(value) => answer([&[REVISION][..], &value.encode()].concat()),
                None => refuse(completion::UNSUPPORTED),
            }),
            (sol::SET_COMMAND | sol::GET_COMMAND, _) => Some(refuse(Answer::INVALID_LENGTH)),
            _ => None,
        }
    }

    fn get(&self, number: u8, port: u16) -> Option<SolParameter> {
        Some(match number {
            parameter::SET_IN_PROGRESS => SolParameter::SetInProgress(u8::from(self.in_progress.is_some())),
            parameter::ENABLE => SolParameter::Enable(self.enabled),
            parameter::AUTHENTICATION => SolParameter::Authentication {
                force_encryption: self.forced.0,
                force_authentication: self.forced.1,
                privilege: self.privilege,
            },
            parameter::ACCUMULATION => {
                SolParameter::Accumulation { interval: self.accumulation.0, threshold: self.accumulation.1 }
            }
            parameter::RETRY => SolParameter::Retry { count: self.retry.0, interval: self.retry.1 },
            parameter::BIT_RATE => SolParameter::BitRate(self.rates.0),
            parameter::VOLATILE_BIT_RATE => SolParameter::VolatileBitRate(self.rates.1),
            parameter::CHANNEL => SolParameter::Channel(CHANNELS[0]),
            parameter::PORT => SolParameter::Port(port),
            _ => return None,
        })
    }

    fn set(&mut self, session: u32, number: u8, value: &[u8]) -> Done {
        if number > parameter::PORT {
            return refuse(completion::UNSUPPORTED);
        }
        let Some(value) = SolParameter::decode(number, value) else { return refuse(Answer::INVALID_LENGTH) };
        match value {
            SolParameter::SetInProgress(1) if self.in_progress.is_some_and(|own| own != session) => {
                return refuse(completion::IN_PROGRESS);
            }
            SolParameter::SetInProgress(state) => self.in_progress = (state == 1).then_some(session),
            SolParameter::Enable(enabled) => self.enabled = enabled,
            SolParameter::Authentication { force_encryption, force_authentication, privilege } => {
                if !(1..=5).contains(&privilege) {
                    return refuse(Answer::INVALID_FIELD);
                }
                self.forced = (force_encryption, force_authentication);
                self.privilege = privilege;
            }
            SolParameter::Accumulation { interval: 0, .. } => return refuse(Answer::INVALID_FIELD),
            SolParameter::Accumulation { interval, threshold } => self.accumulation = (interval, threshold),
            SolParameter::Retry { count, interval } => self.retry = (count, interval),
            SolParameter::BitRate(BitRate::Other(_)) | SolParameter::VolatileBitRate(BitRate::Other(_)) => {
                return refuse(Answer::INVALID_FIELD);
            }
            SolParameter::BitRate(rate) => self.rates = (rate, rate),
            SolParameter::VolatileBitRate(rate) => self.rates.1 = rate,
            SolParameter::Channel(_) | SolParameter::Port(_) => return refuse(completion::READ_ONLY),
        }
        answer([])
    }

    /// The users' access, and what the channel can do.
    pub(super) fn payloads(&mut self, request: &Request<'_>) -> Option<Done> {
        let done = match (request.command, request.body) {
            (
                SetUserSolAccess::COMMAND
                | GetUserSolAccess::COMMAND
                | GetChannelPayloads::COMMAND
                | GET_CHANNEL_PAYLOAD_VERSION,
                &[channel, ..],
            ) if !knows(channel) => refuse(Answer::INVALID_FIELD),
            (SetUserSolAccess::COMMAND, &[_, user, standard, _, _, _]) => {
                self.set_access(user, standard & 0x02 != 0)
            }
            (GetUserSolAccess::COMMAND, &[_, user]) => {
                answer([if self.locked_out.contains(&(user & 0x3F)) { 0x00 } else { 0x02 }, 0, 0, 0])
            }
            // IPMI and SOL; Open Session and RAKP 1 to 4; no OEM types.
            (GetChannelPayloads::COMMAND, &[_]) => answer([0x03, 0, 0x3F, 0, 0, 0, 0, 0]),
            // Both in version 1.0.
            (GET_CHANNEL_PAYLOAD_VERSION, &[_, 0 | 1]) => answer([0x10]),
            (GET_CHANNEL_PAYLOAD_VERSION, &[_, _]) => refuse(0x80),
            (
                SetUserSolAccess::COMMAND
                | GetUserSolAccess::COMMAND
                | GetChannelPayloads::COMMAND
                | GET_CHANNEL_PAYLOAD_VERSION,
                _,
            ) => refuse(Answer::INVALID_LENGTH),
            _ => return None,
        };
        Some(done)
    }

    fn set_access(&mut self, user: u8, about_sol: bool) -> Done {
        let (operation, user) = (user >> 6, user & 0x3F);
        if operation > 1 {
            return refuse(Answer::INVALID_FIELD);
        }
        if about_sol && operation == 0 {
            self.locked_out.remove(&user);
        } else if about_sol {
            self.locked_out.insert(user);
        }
        answer([])
    }

    /// Whether a user is not allowed to.
    pub(super) fn locks_out(&self, user: u8) -> bool {
        self.locked_out.contains(&user)
    }
}

fn knows(channel: u8) -> bool {
    CHANNELS.contains(&(channel & 0x0F))
}

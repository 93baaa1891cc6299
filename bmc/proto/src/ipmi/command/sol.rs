//! SOL Configuration Parameters (sections 26.2 and 26.3, table 26-5): whether serial over LAN is on, for whom, how fast.

use crate::ipmi::{IpmiCommand, Message, NetFn, NotEnoughData};
use std::time::Duration;

/// Number of Set SOL Configuration Parameters under the transport network function.
pub const SET_COMMAND: u8 = 0x21;
/// Number of Get SOL Configuration Parameters under the transport network function.
pub const GET_COMMAND: u8 = 0x22;
/// The channel that is being talked on.
pub const THIS_CHANNEL: u8 = 0x0E;
/// Version of the parameters in the answer.
pub const REVISION: u8 = 0x11;

/// Completion codes of Set SOL Configuration Parameters.
pub mod completion {
    /// The BMC doesn't have the parameter.
    pub const UNSUPPORTED: u8 = 0x80;
    /// Somebody else's settings are in progress.
    pub const IN_PROGRESS: u8 = 0x81;
    /// It can only be read.
    pub const READ_ONLY: u8 = 0x82;
    /// It can only be written.
    pub const WRITE_ONLY: u8 = 0x83;
}

/// Numbers of the parameters.
pub mod parameter {
    /// Set in progress.
    pub const SET_IN_PROGRESS: u8 = 0;
    /// Enable.
    pub const ENABLE: u8 = 1;
    /// Authentication: forced protection, privilege.
    pub const AUTHENTICATION: u8 = 2;
    /// Character accumulate interval and send threshold.
    pub const ACCUMULATION: u8 = 3;
    /// Retry.
    pub const RETRY: u8 = 4;
    /// Bit rate, kept.
    pub const BIT_RATE: u8 = 5;
    /// Bit rate, until the BMC restarts.
    pub const VOLATILE_BIT_RATE: u8 = 6;
    /// Channel of the payload; read only.
    pub const CHANNEL: u8 = 7;
    /// UDP port of the payload.
    pub const PORT: u8 = 8;
}

/// A parameter with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SolParameter {
    /// 0: complete; 1: in progress; 2: commit.
    SetInProgress(u8),
    /// Whether it is on.
    Enable(bool),
    /// What its sessions must be.
    Authentication {
        /// Only encrypted payloads.
        force_encryption: bool,
        /// Only signed payloads.
        force_authentication: bool,
        /// The least that a session must be allowed, see [`privilege`](crate::ipmi::handshake::privilege).
        privilege: u8,
    },
    /// How characters are gathered.
    Accumulation {
        /// In 5 ms; 1 at least.
        interval: u8,
        /// So many are sent at once.
        threshold: u8,
    },
    /// When packets are sent again.
    Retry {
        /// How often again, 0 to 7.
        count: u8,
        /// In 10 ms.
        interval: u8,
    },
    /// Bit rate, kept.
    BitRate(BitRate),
    /// Bit rate, until the BMC restarts.
    VolatileBitRate(BitRate),
    /// Channel of the payload.
    Channel(u8),
    /// UDP port of the payload.
    Port(u16),
}

/// A bit rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BitRate {
    /// That of the serial channel, by its own settings.
    Serial,
    /// 9,600 bit/s.
    B9600,
    /// 19,200 bit/s.
    B19200,
    /// 38,400 bit/s.
    B38400,
    /// 57,600 bit/s.
    B57600,
    /// 115,200 bit/s.
    B115200,
    /// Another number.
    Other(u8),
}

const RATES: [(BitRate, u8); 6] = [
    (BitRate::Serial, 0),
    (BitRate::B9600, 6),
    (BitRate::B19200, 7),
    (BitRate::B38400, 8),
    (BitRate::B57600, 9),
    (BitRate::B115200, 10),
];

impl BitRate {
    /// Of its number on the wire.
    pub fn from_number(number: u8) -> Self {
        let number = number & 0x0F;
        RATES.iter().find(|(_, known)| *known == number).map_or(Self::Other(number), |(rate, _)| *rate)
    }

    /// Its number on the wire.
    pub fn number(self) -> u8 {
        match self {
            Self::Other(number) => number & 0x0F,
            known => RATES.iter().find(|(rate, _)| *rate == known).map_or(0, |(_, number)| *number),
        }
    }
}

impl SolParameter {
    /// Its number.
    pub fn number(self) -> u8 {
        match self {
            Self::SetInProgress(_) => parameter::SET_IN_PROGRESS,
            Self::Enable(_) => parameter::ENABLE,
            Self::Authentication { .. } => parameter::AUTHENTICATION,
            Self::Accumulation { .. } => parameter::ACCUMULATION,
            Self::Retry { .. } => parameter::RETRY,
            Self::BitRate(_) => parameter::BIT_RATE,
            Self::VolatileBitRate(_) => parameter::VOLATILE_BIT_RATE,
            Self::Channel(_) => parameter::CHANNEL,
            Self::Port(_) => parameter::PORT,
        }
    }

    /// Its value's bytes.
    pub fn encode(self) -> Vec<u8> {
        match self {
            Self::SetInProgress(state) => vec![state & 0x03],
            Self::Enable(enabled) => vec![u8::from(enabled)],
            Self::Authentication { force_encryption, force_authentication, privilege } => {
                let forced = u8::from(force_encryption) << 7 | u8::from(force_authentication) << 6;
                vec![forced | privilege & 0x0F]
            }
            Self::Accumulation { interval, threshold } => vec![interval, threshold],
            Self::Retry { count, interval } => vec![count & 0x07, interval],
            Self::BitRate(rate) | Self::VolatileBitRate(rate) => vec![rate.number()],
            Self::Channel(channel) => vec![channel & 0x0F],
            Self::Port(port) => port.to_le_bytes().to_vec(),
        }
    }

    /// Of a number and its value. `None`: no such parameter, or its value is too short.
    pub fn decode(number: u8, value: &[u8]) -> Option<Self> {
        let (&first, second) = (value.first()?, value.get(1).copied());
        Some(match number {
            parameter::SET_IN_PROGRESS => Self::SetInProgress(first & 0x03),
            parameter::ENABLE => Self::Enable(first & 0x01 != 0),
            parameter::AUTHENTICATION => Self::Authentication {
                force_encryption: first & 0x80 != 0,
                force_authentication: first & 0x40 != 0,
                privilege: first & 0x0F,
            },
            parameter::ACCUMULATION => Self::Accumulation { interval: first, threshold: second? },
            parameter::RETRY => Self::Retry { count: first & 0x07, interval: second? },
            parameter::BIT_RATE => Self::BitRate(BitRate::from_number(first)),
            parameter::VOLATILE_BIT_RATE => Self::VolatileBitRate(BitRate::from_number(first)),
            parameter::CHANNEL => Self::Channel(first & 0x0F),
            parameter::PORT => Self::Port(u16::from_le_bytes([first, second?])),
            _ => return None,
        })
    }
}

/// How long characters are gathered, of the accumulate interval's number.
pub fn accumulate_interval(number: u8) -> Duration {
    Duration::from_millis(5) * u32::from(number.max(1))
}

/// Set SOL Configuration Parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetSolParameter {
    /// The channel.
    pub channel: u8,
    /// What is set.
    pub parameter: SolParameter,
}

impl From<SetSolParameter> for Message {
    fn from(set: SetSolParameter) -> Self {
        let mut data = vec![set.channel & 0x0F, set.parameter.number()];
        data.extend(set.parameter.encode());
        Self::new_request(NetFn::Transport, SET_COMMAND, data)
    }
}

impl IpmiCommand for SetSolParameter {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(_: &[u8]) -> Result<(), NotEnoughData> {
        Ok(())
    }
}

/// Get SOL Configuration Parameters; read the answer with [`SolParameter::decode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetSolParameter {
    /// The channel.
    pub channel: u8,
    /// The parameter's number.
    pub parameter: u8,
}

impl From<GetSolParameter> for Message {
    fn from(get: GetSolParameter) -> Self {
        Self::new_request(NetFn::Transport, GET_COMMAND, vec![get.channel & 0x0F, get.parameter, 0, 0])
    }
}

impl IpmiCommand for GetSolParameter {
    /// The value's bytes.
    type Output = Vec<u8>;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<Vec<u8>, NotEnoughData> {
        // The first byte is the version of the parameters.
        data.split_first().map(|(_, value)| value.to_vec()).ok_or(NotEnoughData)
    }
}

#[cfg(test)]
mod tests;

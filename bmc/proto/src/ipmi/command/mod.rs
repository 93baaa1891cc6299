//! Commands that know their network function and number and read their own answer.
//!
//! They are `IpmiCommand`s of `ipmi-rs-core`, whose Get Device ID is used as it is; here is what it lacks.

pub mod boot;
pub mod channel;
mod chassis;
mod cipher_suites;
pub mod dcmi;
pub mod device;
mod guid;
pub mod identify;
pub mod lan;
mod login;
pub mod payload;
mod session_info;
pub mod sol;
pub mod user;
pub mod watchdog;

pub use chassis::{ChassisControl, ChassisStatus, GetChassisStatus};
pub use cipher_suites::{CipherSuiteList, GetChannelCipherSuites, cipher_suite_records};
pub use guid::{GetSystemGuid, guid_to_uuid, uuid_to_guid};
pub use login::{CloseSession, SetSessionPrivilege};
pub use session_info::{GetSessionInfo, SessionInfo, SessionOwner};

/// The answer to a command: completion code and data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 0 is success (table 5-2).
    pub completion: u8,
    /// What follows the completion code.
    pub data: Vec<u8>,
}

impl Answer {
    /// Success.
    pub const OK: u8 = 0x00;
    /// The BMC is busy; ask again.
    pub const BUSY: u8 = 0xC0;
    /// It doesn't know the command.
    pub const INVALID_COMMAND: u8 = 0xC1;
    /// It took too long; ask again.
    pub const TIMEOUT: u8 = 0xC3;
    /// The request is too short or too long.
    pub const INVALID_LENGTH: u8 = 0xC7;
    /// A parameter is out of range.
    pub const OUT_OF_RANGE: u8 = 0xC9;
    /// A field is wrong.
    pub const INVALID_FIELD: u8 = 0xCC;
    /// It had this request before, and can't say once more what it answered: whatever the request does was done, or
    /// is being done.
    pub const DUPLICATED: u8 = 0xCF;
    /// Its firmware is being updated; ask again.
    pub const IN_FIRMWARE_UPDATE: u8 = 0xD1;
    /// It is starting; ask again.
    pub const INITIALISING: u8 = 0xD2;
    /// The session's privilege doesn't suffice.
    pub const INSUFFICIENT_PRIVILEGE: u8 = 0xD4;
    /// Not in this state.
    pub const WRONG_STATE: u8 = 0xD5;
    /// Some error.
    pub const UNSPECIFIED: u8 = 0xFF;
    /// Boot option parameter that the BMC doesn't have (28.12, 28.13).
    pub const PARAMETER_UNSUPPORTED: u8 = 0x80;

    /// Whether asking again a little later may help; of what may be done twice.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.completion,
            Self::BUSY | Self::TIMEOUT | Self::DUPLICATED | Self::IN_FIRMWARE_UPDATE | Self::INITIALISING
        )
    }
}

/// A completion code in words (table 5-2).
pub fn completion_text(code: u8) -> String {
    let words = match code {
        0x00 => "success",
        0xC0 => "node busy",
        0xC1 => "invalid command",
        0xC2 => "command invalid for this unit",
        0xC3 => "timeout while processing",
        0xC4 => "out of space",
        0xC5 => "reservation cancelled",
        0xC6 => "request data truncated",
        0xC7 => "request data length invalid",
        0xC8 => "request data too long",
        0xC9 => "parameter out of range",
        0xCA => "cannot return so many bytes",
        0xCB => "not present",
        0xCC => "invalid data field in request",
        0xCD => "command illegal for this sensor or record",
        0xCE => "response could not be provided",
        0xCF => "duplicated request",
        0xD0 => "sensor data are being updated",
        0xD1 => "firmware is being updated",
        0xD2 => "the BMC is starting",
        0xD3 => "destination unavailable",
        0xD4 => "insufficient privilege",
        0xD5 => "not in this state",
        0xD6 => "sub-function disabled",
        0xFF => "unspecified error",
        0x80..=0xBE => "command-specific",
        _ => "manufacturer-specific or reserved",
    };
    format!("completion code {code:#04X} ({words})")
}

#[cfg(test)]
mod settings_tests;
#[cfg(test)]
mod tests;

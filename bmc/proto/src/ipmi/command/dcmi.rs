//! DCMI: power reading, asset tag, the BMC's name. Section and table numbers are those of the "Data Center
//! Manageability Interface Specification", v1.5, rev. 1.0.
//!
//! Deliberately not here: power limits, thermal management, DCMI's own sensor discovery.

use crate::ipmi::{IpmiCommand, Message, NetFn, NotEnoughData};
use std::time::Duration;

/// Network function of the group extensions.
pub const NETFN: NetFn = NetFn::Reserved(0x2C);
/// The first byte of every request and answer: which group extension it is.
pub const GROUP: u8 = 0xDC;
/// The most bytes of a text that one message carries.
pub const CHUNK: u8 = 16;
/// The longest asset tag, bytes.
pub const MAX_ASSET_TAG: usize = 63;
/// The longest name of a BMC, bytes, without the zero behind it.
pub const MAX_NAME: usize = 63;

fn message(command: u8, data: &[u8]) -> Message {
    Message::new_request(NETFN, command, [&[GROUP][..], data].concat())
}

/// What follows the group's byte.
fn body(data: &[u8]) -> Result<&[u8], NotEnoughData> {
    match data.split_first() {
        Some((&GROUP, body)) => Ok(body),
        _ => Err(NotEnoughData),
    }
}

/// Get DCMI Capabilities Info (6.1), parameter 1: what it supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetCapabilities;

/// What a BMC supports of DCMI (table 6-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Its version of DCMI.
    pub version: (u8, u8),
    /// Whether it measures power.
    pub power: bool,
}

impl GetCapabilities {
    /// Its number.
    pub const COMMAND: u8 = 0x01;
    /// The parameter that it asks for.
    pub const SUPPORTED: u8 = 1;
}

impl Capabilities {
    /// The answer: group, version, parameter revision, three bytes.
    pub fn encode(self) -> [u8; 7] {
        const PARAMETER_REVISION: u8 = 2;
        // Manageability access: SOL and the LAN.
        [GROUP, self.version.0, self.version.1, PARAMETER_REVISION, 0, u8::from(self.power), 0x03]
    }
}

impl From<GetCapabilities> for Message {
    fn from(_: GetCapabilities) -> Self {
        message(GetCapabilities::COMMAND, &[GetCapabilities::SUPPORTED])
    }
}

impl IpmiCommand for GetCapabilities {
    type Output = Capabilities;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<Capabilities, NotEnoughData> {
        let &[major, minor, _, _, platform, ..] = body(data)? else { return Err(NotEnoughData) };
        Ok(Capabilities { version: (major, minor), power: platform & 0x01 != 0 })
    }
}

/// Get Power Reading (6.6.1), system power statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetPowerReading;

/// A power reading (table 6-16), in watts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerReading {
    /// Now.
    pub now: u16,
    /// The least.
    pub minimum: u16,
    /// The most.
    pub maximum: u16,
    /// On average.
    pub average: u16,
    /// Seconds since 1970 UTC.
    pub at: u32,
    /// The period of the statistics; whole milliseconds, 2^32 at the most.
    pub period: Duration,
    /// Whether it is being measured.
    pub active: bool,
}

impl GetPowerReading {
    /// Its number.
    pub const COMMAND: u8 = 0x02;
    /// The mode that it asks for.
    pub const SYSTEM: u8 = 1;
}

impl PowerReading {
    /// The answer, with the group's byte.
    pub fn encode(self) -> Vec<u8> {
        let mut bytes = vec![GROUP];
        for watts in [self.now, self.minimum, self.maximum, self.average] {
            bytes.extend(watts.to_le_bytes());
        }
        bytes.extend(self.at.to_le_bytes());
        bytes.extend(u32::try_from(self.period.as_millis()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.push(u8::from(self.active) << 6);
        bytes
    }
}

impl From<GetPowerReading> for Message {
    fn from(_: GetPowerReading) -> Self {
        message(GetPowerReading::COMMAND, &[GetPowerReading::SYSTEM, 0, 0])
    }
}

impl IpmiCommand for GetPowerReading {
    type Output = PowerReading;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<PowerReading, NotEnoughData> {
        let body: &[u8; 17] = body(data)?.first_chunk().ok_or(NotEnoughData)?;
        let watts = |at: usize| u16::from_le_bytes([body[at], body[at + 1]]);
        let long = |at: usize| u32::from_le_bytes([body[at], body[at + 1], body[at + 2], body[at + 3]]);
        Ok(PowerReading {
            now: watts(0),
            minimum: watts(2),
            maximum: watts(4),
            average: watts(6),
            at: long(8),
            period: Duration::from_millis(long(12).into()),
            active: body[16] & 0x40 != 0,
        })
    }
}

/// A text that is carried in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// The asset tag (6.4.2, 6.4.3).
    AssetTag,
    /// The BMC's name (6.4.6).
    ControllerName,
}

impl Text {
    /// Number of the command that reads it.
    pub fn get_command(self) -> u8 {
        match self {
            Self::AssetTag => 0x06,
            Self::ControllerName => 0x09,
        }
    }

    /// Number of the command that writes it.
    pub fn set_command(self) -> u8 {
        match self {
            Self::AssetTag => 0x08,
            Self::ControllerName => 0x0A,
        }
    }
}

/// Reads a piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetText {
    /// Of which.
    pub text: Text,
    /// From where.
    pub offset: u8,
    /// How much, 16 at the most.
    pub count: u8,
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// How long the whole text is.
    pub total: u8,
    /// The piece.
    pub bytes: Vec<u8>,
}

impl From<GetText> for Message {
    fn from(get: GetText) -> Self {
        message(get.text.get_command(), &[get.offset, get.count])
    }
}

impl IpmiCommand for GetText {
    type Output = Piece;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<Piece, NotEnoughData> {
        let (&total, bytes) = body(data)?.split_first().ok_or(NotEnoughData)?;
        Ok(Piece { total, bytes: bytes.iter().copied().take(usize::from(CHUNK)).collect() })
    }
}

/// Writes a piece of a text; the one that ends it makes it the text's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetText {
    /// Of which.
    pub text: Text,
    /// To where.
    pub offset: u8,
    /// The piece, 16 bytes at the most.
    pub bytes: Vec<u8>,
}

impl SetText {
    /// What is written to make this the whole text, in order. An empty text is one empty piece.
    pub fn pieces(text: Text, whole: &[u8]) -> Vec<Self> {
        if whole.is_empty() {
            return vec![Self { text, offset: 0, bytes: Vec::new() }];
        }
        (0..)
            .step_by(usize::from(CHUNK))
            .zip(whole.chunks(usize::from(CHUNK)))
            .map(|(offset, bytes)| Self { text, offset, bytes: bytes.to_vec() })
            .collect()
    }
}

impl From<SetText> for Message {
    fn from(set: SetText) -> Self {
        let bytes = &set.bytes[..set.bytes.len().min(usize::from(CHUNK))];
        let count = u8::try_from(bytes.len()).unwrap_or(CHUNK);
        message(set.text.set_command(), &[&[set.offset, count][..], bytes].concat())
    }
}

impl IpmiCommand for SetText {
    /// How long the text is now.
    type Output = u8;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<u8, NotEnoughData> {
        body(data)?.first().copied().ok_or(NotEnoughData)
    }
}

/// What marks a text as UTF-8 (6.4.2); without it, it is ASCII or Latin-1.
const UTF8_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A text's bytes: ASCII as it is, everything else marked as UTF-8.
pub fn text_bytes(text: &str) -> Vec<u8> {
    let mark = if text.is_ascii() { &[] } else { UTF8_MARK };
    [mark, text.as_bytes()].concat()
}

/// The text of such bytes, without zeros behind it. What claims or seems to be UTF-8 is read as that.
pub fn text_of(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let bytes = &bytes[..end];
    match bytes.strip_prefix(UTF8_MARK) {
        Some(marked) => String::from_utf8_lossy(marked).into_owned(),
        None => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().copied().map(char::from).collect(),
        },
    }
}

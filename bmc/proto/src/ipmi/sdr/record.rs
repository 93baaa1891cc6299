//! The sensor data records that say something to us (section 43): what is there is read, what is wrong is left out.
//!
//! Not `ipmi-rs-core`'s: its parsers index behind the end of short records, panic on a reserved id string modifier,
//! lose the ninth bit of M, and take "cubic" for "square root".

use super::sensor::Sensor;
use crate::ipmi::text::{encode_latin1, id_string};

/// Bytes before the body: id, version, type, length.
pub const HEADER: usize = 5;
/// The longest record that there can be.
pub const LONGEST: usize = HEADER + 255;
/// The version of records that we write (1.5, which 2.0 kept: 43.1).
const VERSION: u8 = 0x51;

/// Record types.
pub(super) mod kind {
    pub(crate) const FULL: u8 = 0x01;
    pub(crate) const COMPACT: u8 = 0x02;
    pub(crate) const EVENT_ONLY: u8 = 0x03;
    pub(crate) const FRU: u8 = 0x11;
    pub(crate) const CONTROLLER: u8 = 0x12;
}

/// A record.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A sensor (43.1 to 43.3).
    Sensor(Box<Sensor>),
    /// Where a field replaceable unit's data are (43.8).
    Fru(FruLocator),
    /// A management controller (43.9).
    Controller(ControllerLocator),
    /// Something that is of no use here, or too short for its type.
    Other {
        /// Its type.
        kind: u8,
    },
}

/// Where a unit's data are (43.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FruLocator {
    /// Slave address of the controller that gives access.
    pub address: u8,
    /// Number of the unit at that controller; for others than logical ones a slave address.
    pub id: u8,
    /// Whether it is read by the FRU commands.
    pub logical: bool,
    /// The LUN of those commands.
    pub lun: u8,
    /// Channel of the controller.
    pub channel: u8,
    /// What it is at: entity id and instance (43.13, 43.14).
    pub entity: (u8, u8),
    /// Its name.
    pub name: String,
}

/// A management controller (43.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerLocator {
    /// Its slave address.
    pub address: u8,
    /// Its channel.
    pub channel: u8,
    /// What it can do: bit 0 sensors, 1 SDR repository, 2 SEL, 3 FRU, …
    pub capabilities: u8,
    /// What it is at: entity id and instance.
    pub entity: (u8, u8),
    /// Its name.
    pub name: String,
}

/// How long the record is of which these are the first bytes. `None`: fewer than its header.
pub fn length(first: &[u8]) -> Option<usize> {
    first.get(4).map(|length| HEADER + usize::from(*length))
}

impl Record {
    /// Reads a record with its header. `None`: it has not even that. Its own length says less than the bytes that are
    /// there: some BMCs count wrongly.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (header, body) = bytes.split_at_checked(HEADER)?;
        let body = &body[..body.len().min(usize::from(header[4]))];
        let other = Self::Other { kind: header[3] };
        Some(match header[3] {
            kind::FULL | kind::COMPACT | kind::EVENT_ONLY => {
                Sensor::parse(header[3], body).map_or(other, |sensor| Self::Sensor(Box::new(sensor)))
            }
            kind::FRU => FruLocator::parse(body).map_or(other, Self::Fru),
            kind::CONTROLLER => ControllerLocator::parse(body).map_or(other, Self::Controller),
            _ => other,
        })
    }

    /// Its bytes with this id. `None`: records of other types aren't written.
    pub fn encode(&self, id: u16) -> Option<Vec<u8>> {
        let (kind, body) = match self {
            Self::Sensor(sensor) => sensor.encode(),
            Self::Fru(locator) => (kind::FRU, locator.encode()),
            Self::Controller(locator) => (kind::CONTROLLER, locator.encode()),
            Self::Other { .. } => return None,
        };
        let [low, high] = id.to_le_bytes();
        // A body is 43 bytes and a name of 16 at the most.
        let mut bytes = vec![low, high, VERSION, kind, body.len() as u8];
        bytes.extend(body);
        Some(bytes)
    }
}

impl FruLocator {
    fn parse(body: &[u8]) -> Option<Self> {
        let &[address, id, flags, channel, _, _, _, entity, instance, _, type_length, ref name @ ..] = body
        else {
            return None;
        };
        Some(Self {
            address: address & 0xFE,
            id,
            logical: flags & 0x80 != 0,
            lun: flags >> 3 & 0x03,
            channel: channel >> 4,
            entity: (entity, instance),
            name: id_string(type_length, name),
        })
    }

    fn encode(&self) -> Vec<u8> {
        let flags = u8::from(self.logical) << 7 | (self.lun & 0x03) << 3;
        // Device type 10h: logical FRU device, read by the FRU commands.
        let (entity, instance) = self.entity;
        let mut body =
            vec![self.address & 0xFE, self.id, flags, self.channel << 4, 0, 0x10, 0, entity, instance, 0];
        body.extend(encode_latin1(&self.name, 16));
        body
    }
}

impl ControllerLocator {
    fn parse(body: &[u8]) -> Option<Self> {
        let &[address, channel, _, capabilities, _, _, _, entity, instance, _, type_length, ref name @ ..] =
            body
        else {
            return None;
        };
        Some(Self {
            address: address & 0xFE,
            channel: channel & 0x0F,
            capabilities,
            entity: (entity, instance),
            name: id_string(type_length, name),
        })
    }

    fn encode(&self) -> Vec<u8> {
        let (entity, instance) = self.entity;
        let mut body = vec![self.address & 0xFE, self.channel & 0x0F, 0, self.capabilities];
        body.extend([0, 0, 0, entity, instance, 0]);
        body.extend(encode_latin1(&self.name, 16));
        body
    }
}

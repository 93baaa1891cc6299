//! A sensor's record: full, compact or event-only (43.1 to 43.3), and the several sensors that one compact record may
//! stand for.

use super::record::kind;
use crate::ipmi::sensor::{Factors, Format, Scale, Units};
use crate::ipmi::text::{encode_latin1, id_string};

/// The BMC's own slave address: the owner of the sensors that it reads itself.
pub const BMC: u8 = 0x20;

/// A sensor as its record describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sensor {
    /// Whether it can be read, and how much is known about it.
    pub form: Form,
    /// Slave address or software id of its owner.
    pub owner: u8,
    /// Channel of its owner.
    pub channel: u8,
    /// The owner's LUN.
    pub lun: u8,
    /// Its number.
    pub number: u8,
    /// What it is at: entity id (43.14) and instance.
    pub entity: (u8, u8),
    /// Sensor initialisation (byte 11 of the record).
    pub initialization: u8,
    /// Sensor capabilities (byte 12 of the record).
    pub capabilities: u8,
    /// Sensor type (table 42-3).
    pub sensor_type: u8,
    /// Event/reading type (table 42-1).
    pub reading_type: u8,
    /// The three masks: assertions or lower thresholds, deassertions or upper thresholds, states or settable and
    /// readable thresholds (bytes 15 to 20).
    pub masks: [u16; 3],
    /// Its units.
    pub units: Units,
    /// How its reading becomes a number; only full records of analog sensors have it.
    pub scale: Option<Scale>,
    /// Raw thresholds in the order of the answer to Get Sensor Thresholds: lower non-critical, critical,
    /// non-recoverable, upper non-critical, critical, non-recoverable. Only in full records.
    pub thresholds: Option<[u8; 6]>,
    /// Raw hysteresis, up and down.
    pub hysteresis: [u8; 2],
    /// The sensors that share the record.
    pub sharing: Sharing,
    /// Its name; printable.
    pub name: String,
}

/// The form of a sensor's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Everything.
    Full,
    /// No number, no limits.
    Compact,
    /// It can't be read: it only sends events.
    EventOnly,
}

/// The sensors that share a record (43.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sharing {
    /// How many sensors share it; 0 and 1 are one.
    pub count: u8,
    /// Whether their names end with letters instead of numbers.
    pub letters: bool,
    /// The first one's number or letter.
    pub offset: u8,
    /// Whether each is at the next instance of the entity.
    pub instances: bool,
}

/// What a threshold sensor lets be read of its limits (byte 12, bits 3:2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThresholdAccess {
    /// It has none.
    None,
    /// Get Sensor Thresholds has them.
    Readable,
    /// They are fixed: the record has them.
    Fixed,
}

/// Offset of the name's type/length byte in the body of a full record.
const FULL_NAME: usize = 43;
/// In that of a compact record.
const COMPACT_NAME: usize = 27;
/// In that of an event-only record.
const EVENT_ONLY_NAME: usize = 12;

impl Sensor {
    /// Reads the body of a record. `None`: it is too short.
    pub(super) fn parse(record: u8, body: &[u8]) -> Option<Self> {
        let (form, name_at) = match record {
            kind::FULL => (Form::Full, FULL_NAME),
            kind::COMPACT => (Form::Compact, COMPACT_NAME),
            _ => (Form::EventOnly, EVENT_ONLY_NAME),
        };
        // The byte before the name's characters is its type/length.
        let (fixed, name) = body.split_at_checked(name_at)?;
        let (&type_length, fixed) = fixed.split_last()?;
        let word = |at: usize| u16::from_le_bytes([fixed[at], fixed[at + 1]]);
        let mut sensor = Self {
            form,
            owner: fixed[0],
            channel: fixed[1] >> 4,
            lun: fixed[1] & 0x03,
            number: fixed[2],
            entity: (fixed[3], fixed[4]),
            initialization: 0,
            capabilities: 0,
            sensor_type: fixed[5],
            reading_type: fixed[6],
            masks: [0; 3],
            units: Units::default(),
            scale: None,
            thresholds: None,
            hysteresis: [0; 2],
            sharing: Sharing::default(),
            name: id_string(type_length, name),
        };
        if form == Form::EventOnly {
            sensor.sharing = Sharing::parse(fixed[7], fixed[8]);
            return Some(sensor);
        }
        (sensor.initialization, sensor.capabilities) = (fixed[5], fixed[6]);
        (sensor.sensor_type, sensor.reading_type) = (fixed[7], fixed[8]);
        sensor.masks = [word(9), word(11), word(13)];
        sensor.units = Units { flags: fixed[15], base: fixed[16], modifier: fixed[17] };
        if form == Form::Compact {
            sensor.sharing = Sharing::parse(fixed[18], fixed[19]);
            sensor.hysteresis = [fixed[20], fixed[21]];
        } else {
            let factors = Factors::parse(&[fixed[19], fixed[20], fixed[21], fixed[22], fixed[23], fixed[24]]);
            sensor.scale = Format::of(fixed[15]).map(|format| Scale {
                format,
                linearization: fixed[18] & 0x7F,
                factors,
            });
            sensor.thresholds = Some([fixed[36], fixed[35], fixed[34], fixed[33], fixed[32], fixed[31]]);
            sensor.hysteresis = [fixed[37], fixed[38]];
        }
        Some(sensor)
    }

    /// Record type and body.
    pub(super) fn encode(&self) -> (u8, Vec<u8>) {
        let (entity, instance) = self.entity;
        let mut body = vec![self.owner, self.channel << 4 | self.lun & 0x03, self.number, entity, instance];
        let record = match self.form {
            Form::EventOnly => {
                body.extend([self.sensor_type, self.reading_type]);
                body.extend(self.sharing.encode());
                body.extend([0, 0]);
                kind::EVENT_ONLY
            }
            Form::Compact => {
                self.encode_common(&mut body);
                body.extend(self.sharing.encode());
                body.extend(self.hysteresis);
                body.extend([0; 4]);
                kind::COMPACT
            }
            Form::Full => {
                self.encode_common(&mut body);
                self.encode_analog(&mut body);
                kind::FULL
            }
        };
        body.extend(encode_latin1(&self.name, 16));
        (record, body)
    }

    fn encode_common(&self, body: &mut Vec<u8>) {
        body.extend([self.initialization, self.capabilities, self.sensor_type, self.reading_type]);
        body.extend(self.masks.iter().flat_map(|mask| mask.to_le_bytes()));
        let format = match (self.form, self.scale) {
            (_, Some(scale)) => scale.format.bits(),
            (Form::Full, None) => 0xC0,
            (_, None) => self.units.flags & 0xC0,
        };
        body.extend([self.units.flags & 0x3F | format, self.units.base, self.units.modifier]);
    }

    fn encode_analog(&self, body: &mut Vec<u8>) {
        body.push(self.scale.map_or(0, |scale| scale.linearization));
        body.extend(self.scale.map_or([0; 6], |scale| scale.factors.encode()));
        // No nominal reading; the full range of a byte, in two's complement from -128 to 127.
        let signed = self.scale.is_some_and(|scale| scale.format != Format::Unsigned);
        let (maximum, minimum) = if signed { (0x7F, 0x80) } else { (0xFF, 0x00) };
        body.extend([0, 0, 0, 0, maximum, minimum]);
        let [lnc, lc, lnr, unc, uc, unr] = self.thresholds.unwrap_or_default();
        body.extend([unr, uc, unc, lnr, lc, lnc]);
        body.extend(self.hysteresis);
        body.extend([0; 3]);
    }

    /// The sensors that the record stands for, each with its own number, name and instance.
    pub fn expand(self) -> Vec<Self> {
        let Sharing { count, letters, offset, instances } = self.sharing;
        if count < 2 {
            return vec![self];
        }
        (0..count)
            .map_while(|index| {
                let mut sensor = self.clone();
                sensor.number = self.number.checked_add(index)?;
                let suffix = offset.saturating_add(index);
                sensor.name.push_str(&if letters { letter(suffix) } else { suffix.to_string() });
                if instances {
                    sensor.entity.1 = self.entity.1.wrapping_add(index) & 0x7F | self.entity.1 & 0x80;
                }
                sensor.sharing = Sharing::default();
                Some(sensor)
            })
            .collect()
    }

    /// Whether the BMC itself can read it for us.
    pub fn is_readable(&self) -> bool {
        self.form != Form::EventOnly && self.owner == BMC && self.lun == 0 && self.number != 0xFF
    }

    /// How its limits can be known.
    pub fn threshold_access(&self) -> ThresholdAccess {
        match self.capabilities >> 2 & 0b11 {
            0b01 | 0b10 if self.scale.is_some() => ThresholdAccess::Readable,
            0b11 if self.scale.is_some() => ThresholdAccess::Fixed,
            _ => ThresholdAccess::None,
        }
    }

    /// Which thresholds it has, one bit each, in the order of `thresholds`.
    pub fn threshold_mask(&self) -> u8 {
        // The lower byte of the last mask; the order of its bits is the same.
        self.masks[2].to_le_bytes()[0] & 0x3F
    }
}

impl Sharing {
    fn parse(first: u8, second: u8) -> Self {
        Self {
            count: first & 0x0F,
            // 00b numeric, 01b alphabetic; the others are reserved.
            letters: first >> 4 & 0b11 == 0b01,
            offset: second & 0x7F,
            instances: second & 0x80 != 0,
        }
    }

    fn encode(self) -> [u8; 2] {
        [self.count & 0x0F | u8::from(self.letters) << 4, self.offset & 0x7F | u8::from(self.instances) << 7]
    }
}

/// 0 is A, 25 is Z, 26 is AA (43.2).
fn letter(index: u8) -> String {
    let char = |value: u8| char::from(b'A' + value % 26);
    match index / 26 {
        0 => char(index).to_string(),
        more => [char(more - 1), char(index)].iter().collect(),
    }
}

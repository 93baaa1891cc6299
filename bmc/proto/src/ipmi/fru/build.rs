//! Writing a unit's data: what the simulated BMC says of itself.

use super::parse::{HEADER, sum};
use crate::ipmi::text::encode_latin1;

/// The longest field.
const LONGEST: usize = 63;
/// The longest area, so that the offsets of all three fit into a byte, in units of 8 bytes.
const AREA: usize = 80 * HEADER;

/// A unit's data. Texts are cut after 63 characters, and what Latin-1 doesn't have becomes `?`; extra fields that
/// don't fit into their area are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// The case.
    pub chassis: Option<ChassisArea>,
    /// The board.
    pub board: Option<BoardArea>,
    /// The whole product.
    pub product: Option<ProductArea>,
}

/// The chassis area.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChassisArea {
    /// SMBIOS chassis type; 0x17 is a rack mount chassis.
    pub kind: u8,
    /// Part number.
    pub part_number: String,
    /// Serial number.
    pub serial: String,
    /// Further fields.
    pub extra: Vec<String>,
}

/// The board area.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BoardArea {
    /// When it was made, in minutes since 1996-01-01 00:00 UTC, at most 24 bits; 0: not said.
    pub made: u32,
    /// Manufacturer.
    pub manufacturer: String,
    /// Name.
    pub name: String,
    /// Serial number.
    pub serial: String,
    /// Part number.
    pub part_number: String,
    /// Further fields.
    pub extra: Vec<String>,
}

/// The product area.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProductArea {
    /// Manufacturer.
    pub manufacturer: String,
    /// Name.
    pub name: String,
    /// Part or model number.
    pub part_number: String,
    /// Version.
    pub version: String,
    /// Serial number.
    pub serial: String,
    /// Asset tag.
    pub asset_tag: String,
    /// Further fields.
    pub extra: Vec<String>,
}

impl Contents {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let areas = [
            self.chassis.as_ref().map(ChassisArea::encode),
            self.board.as_ref().map(BoardArea::encode),
            self.product.as_ref().map(ProductArea::encode),
        ];
        let mut bytes = vec![1, 0, 0, 0, 0, 0, 0, 0];
        for (index, area) in areas.into_iter().enumerate() {
            let Some(area) = area else { continue };
            // Three of the longest areas fit.
            let Ok(offset) = u8::try_from(bytes.len() / HEADER) else { continue };
            bytes[2 + index] = offset;
            bytes.extend(area);
        }
        bytes[HEADER - 1] = sum(&bytes[..HEADER]).wrapping_neg();
        bytes
    }
}

impl ChassisArea {
    fn encode(&self) -> Vec<u8> {
        area(&[self.kind], &[&self.part_number, &self.serial], &self.extra)
    }
}

impl BoardArea {
    fn encode(&self) -> Vec<u8> {
        let [low, middle, high, _] = self.made.min(0x00FF_FFFF).to_le_bytes();
        let fields = [&self.manufacturer, &self.name, &self.serial, &self.part_number, &String::new()];
        area(&[0, low, middle, high], &fields, &self.extra)
    }
}

impl ProductArea {
    fn encode(&self) -> Vec<u8> {
        let fields = [
            &self.manufacturer,
            &self.name,
            &self.part_number,
            &self.version,
            &self.serial,
            &self.asset_tag,
            &String::new(),
        ];
        area(&[0], &fields, &self.extra)
    }
}

/// Version, length, the fixed bytes, the fields, their end, and the checksum.
fn area(fixed: &[u8], fields: &[&String], extra: &[String]) -> Vec<u8> {
    let mut bytes = vec![1, 0];
    bytes.extend(fixed);
    for field in fields {
        bytes.extend(encode_latin1(field, LONGEST));
    }
    for field in extra {
        let field = encode_latin1(field, LONGEST);
        if bytes.len() + field.len() + 2 > AREA {
            break;
        }
        bytes.extend(field);
    }
    bytes.push(0xC1);
    let length = (bytes.len() + 1).next_multiple_of(HEADER);
    bytes.resize(length - 1, 0);
    // At most 80: seven fields are shorter than the longest area.
    bytes[1] = (length / HEADER) as u8;
    bytes.push(sum(&bytes).wrapping_neg());
    bytes
}

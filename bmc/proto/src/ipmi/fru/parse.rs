//! Reading a unit's data (FRU information storage definition 1.3): common header, chassis, board and product areas.
//!
//! What is wrong is said, and what can be read all the same is read.

use crate::ipmi::text::{bcd_plus, latin1, printable, six_bit, utf16};

/// The length of the common header, and the unit that its offsets and the areas' lengths are counted in.
pub const HEADER: usize = 8;
/// The type/length byte that ends an area's fields.
const END: u8 = 0xC1;
/// 1996-01-01 00:00 UTC, from where boards count minutes.
const EPOCH: i64 = 820_454_400;

/// An area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AreaKind {
    /// The case.
    Chassis,
    /// The board.
    Board,
    /// The whole product.
    Product,
}

/// An area's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    /// Which.
    pub kind: AreaKind,
    /// Its fields that say something, in their order.
    pub fields: Vec<Field>,
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// `type`, `manufacturer`, `name`, `part-number`, `version`, `serial`, `asset-tag`, `file-id`, `made`, `extra`.
    pub name: &'static str,
    /// Its text; it can be printed.
    pub value: String,
}

impl AreaKind {
    /// `chassis`, `board` or `product`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chassis => "chassis",
            Self::Board => "board",
            Self::Product => "product",
        }
    }

    /// Its fields behind the fixed ones.
    fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Chassis => &["part-number", "serial"],
            Self::Board => &["manufacturer", "name", "serial", "part-number", "file-id"],
            Self::Product => {
                &["manufacturer", "name", "part-number", "version", "serial", "asset-tag", "file-id"]
            }
        }
    }

    /// Where they begin.
    fn fixed(self) -> usize {
        match self {
            Self::Board => 6,
            Self::Chassis | Self::Product => 3,
        }
    }
}

/// The areas that the common header (section 8) names, with their offsets in bytes; what is wrong with it is added to
/// `problems`.
pub fn areas(header: &[u8], problems: &mut Vec<String>) -> Vec<(AreaKind, usize)> {
    let Some(header) = header.first_chunk::<HEADER>() else {
        problems.push("there is no header".into());
        return Vec::new();
    };
    if header[0] & 0x0F != 1 {
        problems.push(match header[0] {
            0x00 | 0xFF => "nothing is written into it".into(),
            version => format!("its format has version {}, we know 1", version & 0x0F),
        });
        return Vec::new();
    }
    if sum(header) != 0 {
        problems.push("the checksum of its header is wrong".into());
    }
    let kinds = [AreaKind::Chassis, AreaKind::Board, AreaKind::Product];
    let offsets = [header[2], header[3], header[4]].map(|offset| usize::from(offset) * HEADER);
    kinds.into_iter().zip(offsets).filter(|(_, offset)| *offset > 0).collect()
}

/// The length of an area in bytes, of its first two; `None`: it has none.
pub fn area_length(first: &[u8]) -> Option<usize> {
    first.get(1).map(|length| usize::from(*length) * HEADER).filter(|length| *length > 0)
}

/// Reads an area (sections 10 to 12), whose bytes these are.
pub fn parse_area(kind: AreaKind, bytes: &[u8], problems: &mut Vec<String>) -> Area {
    let name = kind.name();
    let mut area = Area { kind, fields: Vec::new() };
    let Some((fixed, mut rest)) = bytes.split_at_checked(kind.fixed()) else {
        problems.push(format!("the {name} area is too short"));
        return area;
    };
    if sum(bytes) != 0 {
        problems.push(format!("the checksum of the {name} area is wrong"));
    }
    let language = if kind == AreaKind::Chassis { 0 } else { fixed[2] };
    match *fixed {
        [_, _, chassis] if kind == AreaKind::Chassis => area.push("type", chassis_type(chassis).to_owned()),
        [_, _, _, low, middle, high] => area.push("made", made([low, middle, high])),
        _ => {}
    }
    let names = kind.fields().iter().copied().chain(std::iter::repeat("extra"));
    for field in names {
        let Some((&type_length, behind)) = rest.split_first() else {
            problems.push(format!("the fields of the {name} area don't end"));
            break;
        };
        if type_length == END {
            break;
        }
        let length = usize::from(type_length & 0x3F);
        if length > behind.len() {
            problems.push(format!("a field of the {name} area is longer than the area"));
        }
        let (text, behind) = behind.split_at(length.min(behind.len()));
        area.push(field, field_text(type_length >> 6, language, text));
        rest = behind;
    }
    area
}

/// Reads a whole inventory.
pub fn parse(bytes: &[u8]) -> (Vec<Area>, Vec<String>) {
    let mut problems = Vec::new();
    let mut found = Vec::new();
    for (kind, offset) in areas(bytes, &mut problems) {
        let rest = bytes.get(offset..).unwrap_or_default();
        match area_length(rest) {
            None => problems.push(missing(kind)),
            Some(length) => found.push(parse_area(kind, &rest[..length.min(rest.len())], &mut problems)),
        }
    }
    (found, problems)
}

/// What is said of an area that the header names and that isn't there.
pub fn missing(kind: AreaKind) -> String {
    format!("the {} area is not where the header says", kind.name())
}

impl Area {
    fn push(&mut self, name: &'static str, value: String) {
        if !value.is_empty() {
            self.fields.push(Field { name, value });
        }
    }
}

/// A field's text (section 13).
fn field_text(kind: u8, language: u8, bytes: &[u8]) -> String {
    // 0 and 25 are English; the others should be UTF-16, but many boards give any number and write ASCII.
    let ascii = bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
    let text = match kind {
        0b00 => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        0b01 => bcd_plus(bytes),
        0b10 => six_bit(bytes),
        _ if matches!(language, 0 | 25) || ascii || !bytes.len().is_multiple_of(2) => latin1(bytes),
        _ => utf16(bytes),
    };
    printable(&text)
}

/// When a board was made: minutes since 1996, 0 is unspecified.
fn made(minutes: [u8; 3]) -> String {
    let [low, middle, high] = minutes;
    let minutes = i64::from(u32::from_le_bytes([low, middle, high, 0]));
    if minutes == 0 {
        return String::new();
    }
    let seconds = EPOCH + minutes * 60;
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let minute = seconds.rem_euclid(86_400) / 60;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:00Z", minute / 60, minute % 60)
}

/// Year, month and day of a number of days since 1970 (Hinnant's `civil_from_days`); from 1996 to 2027 here.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year + i64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

/// Chassis types are SMBIOS's (DSP0134, 7.4.1).
fn chassis_type(kind: u8) -> &'static str {
    const NAMES: &[&str] = &[
        "",
        "Other",
        "Unknown",
        "Desktop",
        "Low Profile Desktop",
        "Pizza Box",
        "Mini Tower",
        "Tower",
        "Portable",
        "Laptop",
        "Notebook",
        "Hand Held",
        "Docking Station",
        "All in One",
        "Sub Notebook",
        "Space-saving",
        "Lunch Box",
        "Main Server Chassis",
        "Expansion Chassis",
        "SubChassis",
        "Bus Expansion Chassis",
        "Peripheral Chassis",
        "RAID Chassis",
        "Rack Mount Chassis",
        "Sealed-case PC",
        "Multi-system Chassis",
        "CompactPCI",
        "AdvancedTCA",
        "Blade",
        "Blade Enclosure",
        "Tablet",
        "Convertible",
        "Detachable",
        "IoT Gateway",
        "Embedded PC",
        "Mini PC",
        "Stick PC",
    ];
    NAMES.get(usize::from(kind)).copied().unwrap_or("")
}

/// A zero-checksum sums up to zero.
pub(super) fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

//! Units of readings (table 43-15) in words; those of ipmitool, which operators know.

/// By unit type.
const NAMES: &[&str] = &[
    "",
    "degrees C",
    "degrees F",
    "degrees K",
    "Volts",
    "Amps",
    "Watts",
    "Joules",
    "Coulombs",
    "VA",
    "Nits",
    "lumen",
    "lux",
    "Candela",
    "kPa",
    "PSI",
    "Newton",
    "CFM",
    "RPM",
    "Hz",
    "microsecond",
    "millisecond",
    "second",
    "minute",
    "hour",
    "day",
    "week",
    "mil",
    "inches",
    "feet",
    "cu in",
    "cu feet",
    "mm",
    "cm",
    "m",
    "cu cm",
    "cu m",
    "liters",
    "fluid ounce",
    "radians",
    "steradians",
    "revolutions",
    "cycles",
    "gravities",
    "ounce",
    "pound",
    "ft-lb",
    "oz-in",
    "gauss",
    "gilberts",
    "henry",
    "millihenry",
    "farad",
    "microfarad",
    "ohms",
    "siemens",
    "mole",
    "becquerel",
    "PPM",
    "",
    "Decibels",
    "DbA",
    "DbC",
    "gray",
    "sievert",
    "color temp deg K",
    "bit",
    "kilobit",
    "megabit",
    "gigabit",
    "byte",
    "kilobyte",
    "megabyte",
    "gigabyte",
    "word",
    "dword",
    "qword",
    "line",
    "hit",
    "miss",
    "retry",
    "reset",
    "overflow",
    "underrun",
    "collision",
    "packets",
    "messages",
    "characters",
    "error",
    "correctable error",
    "uncorrectable error",
    "fatal error",
    "grams",
];
/// By rate (byte 21, bits 5:3).
const RATES: [&str; 8] = ["", "microsecond", "millisecond", "second", "minute", "hour", "day", ""];

/// The three unit bytes of a record (bytes 21 to 23).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Units {
    /// Format of the reading, rate, what the modifier does, percentage.
    pub flags: u8,
    /// The unit.
    pub base: u8,
    /// What the unit is multiplied with or divided by.
    pub modifier: u8,
}

impl Units {
    /// A plain unit, by its type.
    pub fn of(base: u8) -> Self {
        Self { flags: 0, base, modifier: 0 }
    }

    /// In words. `None`: it has none.
    pub fn text(&self) -> Option<String> {
        let percent = self.flags & 0x01 != 0;
        let mut text = match (name(self.base), percent) {
            ("", true) => "percent".to_owned(),
            (base, true) => format!("% {base}"),
            (base, false) => base.to_owned(),
        };
        match (self.flags >> 1 & 0b11, name(self.modifier)) {
            (0b01, modifier) if !modifier.is_empty() => text = format!("{text}/{modifier}"),
            (0b10, modifier) if !modifier.is_empty() => text = format!("{text}*{modifier}"),
            _ => {}
        }
        let rate = RATES[usize::from(self.flags >> 3 & 0b111)];
        if !rate.is_empty() {
            text = format!("{text} per {rate}").trim_start().to_owned();
        }
        (!text.is_empty()).then_some(text)
    }
}

/// A unit's name; empty where there is none.
fn name(unit: u8) -> &'static str {
    match NAMES.get(usize::from(unit)) {
        Some(name) => name,
        // 255 and what is reserved.
        None => "",
    }
}

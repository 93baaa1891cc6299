//! An entry of the event log (section 32): sixteen bytes.

/// The length of an entry.
pub const LENGTH: usize = 16;

/// An entry. Encoding what was parsed gives the same bytes.
///
/// `ipmi-rs-core`'s own refuses record types and channels that it doesn't know; entries that real BMCs have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub id: u16,
    /// What it says.
    pub body: Body,
}

/// What an entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// A system event record, type 02h, and the types below C0h that aren't specified.
    Event(Event),
    /// Types C0h to DFh: a manufacturer's, with a time.
    OemTimed {
        /// Record type.
        kind: u8,
        /// See [`super::time`].
        timestamp: u32,
        /// IANA enterprise number, 24 bits, the lowest first.
        manufacturer: [u8; 3],
        /// The manufacturer's.
        data: [u8; 6],
    },
    /// Types E0h to FFh: a manufacturer's, without a time.
    Oem {
        /// Record type.
        kind: u8,
        /// The manufacturer's.
        data: [u8; 13],
    },
}

/// An event (table 32-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Record type; 02h.
    pub kind: u8,
    /// See [`super::time`].
    pub timestamp: u32,
    /// Who says it: slave address or software id, then channel and LUN.
    pub generator: [u8; 2],
    /// Format of the event message; 04h.
    pub revision: u8,
    /// Sensor type (table 42-3).
    pub sensor_type: u8,
    /// Sensor number.
    pub number: u8,
    /// Whether it is no longer so.
    pub deasserted: bool,
    /// Event/reading type (table 42-1).
    pub reading_type: u8,
    /// Event data 1 to 3 (table 29-6).
    pub data: [u8; 3],
}

impl Event {
    /// What happened, as an offset into the table of its event/reading type or sensor type.
    pub fn offset(&self) -> u8 {
        self.data[0] & 0x0F
    }
}

impl Record {
    /// Reads an entry.
    pub fn parse(bytes: &[u8; LENGTH]) -> Self {
        let [i0, i1, kind, t0, t1, t2, t3, g0, g1, revision, sensor_type, number, direction, d1, d2, d3] =
            *bytes;
        let timestamp = u32::from_le_bytes([t0, t1, t2, t3]);
        let body = match kind {
            0xE0.. => Body::Oem {
                kind,
                data: [t0, t1, t2, t3, g0, g1, revision, sensor_type, number, direction, d1, d2, d3],
            },
            0xC0.. => Body::OemTimed {
                kind,
                timestamp,
                manufacturer: [g0, g1, revision],
                data: [sensor_type, number, direction, d1, d2, d3],
            },
            _ => Body::Event(Event {
                kind,
                timestamp,
                generator: [g0, g1],
                revision,
                sensor_type,
                number,
                deasserted: direction & 0x80 != 0,
                reading_type: direction & 0x7F,
                data: [d1, d2, d3],
            }),
        };
        Self { id: u16::from_le_bytes([i0, i1]), body }
    }

    /// Its bytes.
    pub fn encode(&self) -> [u8; LENGTH] {
        let [i0, i1] = self.id.to_le_bytes();
        match self.body {
            Body::Oem { kind, data: [a, b, c, d, e, f, g, h, i, j, k, l, m] } => {
                [i0, i1, kind, a, b, c, d, e, f, g, h, i, j, k, l, m]
            }
            Body::OemTimed { kind, timestamp, manufacturer: [m0, m1, m2], data: [a, b, c, d, e, f] } => {
                let [t0, t1, t2, t3] = timestamp.to_le_bytes();
                [i0, i1, kind, t0, t1, t2, t3, m0, m1, m2, a, b, c, d, e, f]
            }
            Body::Event(event) => {
                let [t0, t1, t2, t3] = event.timestamp.to_le_bytes();
                let [g0, g1] = event.generator;
                let [d1, d2, d3] = event.data;
                let direction = event.reading_type & 0x7F | u8::from(event.deasserted) << 7;
                let Event { kind, revision, sensor_type, number, .. } = event;
                [i0, i1, kind, t0, t1, t2, t3, g0, g1, revision, sensor_type, number, direction, d1, d2, d3]
            }
        }
    }

    /// Its time as it stands there; `None` for types without one.
    pub fn timestamp(&self) -> Option<u32> {
        match self.body {
            Body::Event(Event { timestamp, .. }) | Body::OemTimed { timestamp, .. } => Some(timestamp),
            Body::Oem { .. } => None,
        }
    }

    /// Whether it says that the log was emptied, which some BMCs write into the empty log.
    pub fn is_log_cleared(&self) -> bool {
        matches!(self.body, Body::Event(event)
            if event.sensor_type == 0x10 && event.reading_type == 0x6F && event.offset() == 2)
    }
}

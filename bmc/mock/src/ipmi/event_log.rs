//! The simulated BMC's event log: entries with room for so many, reservations, erasing that takes its time, a clock
//! (section 31), and the events that are sent to it (29.3).
//!
//! Deliberately not here: partial adding; where events go besides the log.

use super::group::{Done, Request, answer, lock, refuse};
use bmc_proto::ipmi::chain;
use bmc_proto::ipmi::sel::{
    AddSelEntry, CLEAR, DELETE, ERASING, Event, GET_INFO, GetSelAllocation, GetSelEntry, GetSelTime,
    GetSelUtcOffset, LENGTH, RESERVE, Record, SetSelTime,
};
use bmc_proto::ipmi::{Answer, NetFn, sel, sensor};
use std::sync::Mutex;

/// Completion codes of table 5-2 that are used here only.
const OUT_OF_SPACE: u8 = 0xC4;
const RESERVATION_CANCELLED: u8 = 0xC5;
const OUT_OF_RANGE: u8 = 0xC9;
const TOO_MANY_BYTES: u8 = 0xCA;
const NOT_PRESENT: u8 = 0xCB;
/// Where events that come over the network are from: the software id of a remote console.
const REMOTE: u8 = 0x81;
/// What a newly erased log calls its own entry's sensor.
const LOG_SENSOR: u8 = 0x62;
/// Sensor number of the system's ACPI power state, in the server model.
const ACPI_SENSOR: u8 = 0x60;

/// An event log.
pub struct EventLog(Mutex<State>);

/// What a log does other than the specification says, or may do and most don't.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogQuirks {
    /// No more bytes than these at once; more are refused.
    pub at_once: Option<u8>,
    /// Writes an entry about it when it was erased.
    pub tells_erasure: bool,
    /// Takes so many questions about its state until it is erased.
    pub slow_erasure: u8,
    /// Says that it was erased, and keeps everything.
    pub keeps_all: bool,
    /// The last entry's next is the first one.
    pub circle: bool,
    /// There is always one more entry.
    pub endless: bool,
    /// Does not know the UTC offset's commands.
    pub no_utc_offset: bool,
}

struct State {
    records: Vec<[u8; LENGTH]>,
    capacity: u16,
    last_id: u16,
    reservation: u16,
    /// What its clock is ahead of this machine's, in seconds.
    shift: i64,
    utc_offset: u16,
    added: u32,
    erased: u32,
    overflow: bool,
    erasing: u8,
    quirks: LogQuirks,
}

impl EventLog {
    /// An empty log with room for so many entries.
    pub(super) fn new(capacity: u16) -> Self {
        Self(Mutex::new(State {
            records: Vec::new(),
            capacity,
            last_id: 0,
            reservation: 0,
            shift: 0,
            utc_offset: GetSelUtcOffset::UNSPECIFIED,
            added: 0,
            erased: 0,
            overflow: false,
            erasing: 0,
            quirks: LogQuirks::default(),
        }))
    }

    /// Writes an entry as it is, but for its id, which it returns. `None`: there is no room.
    pub fn put(&self, record: Record) -> Option<u16> {
        lock(&self.0).put(record)
    }

    /// Its entries.
    pub fn records(&self) -> Vec<Record> {
        lock(&self.0).records.iter().map(Record::parse).collect()
    }

    /// Behaves so from now on.
    pub fn set_quirks(&self, quirks: LogQuirks) {
        lock(&self.0).quirks = quirks;
    }

    /// Minutes that its clock is ahead of UTC, as it says.
    pub fn set_utc_offset(&self, minutes: i16) {
        lock(&self.0).utc_offset = minutes.cast_unsigned();
    }

    /// Writes that the machine was switched.
    pub(super) fn power_changed(&self, on: bool, unix: u32) {
        let mut state = lock(&self.0);
        let timestamp = state.time(unix);
        let offset = if on { 0 } else { 5 };
        state.put(record(
            0x20,
            timestamp,
            [0x04, 0x22, ACPI_SENSOR, sensor::SENSOR_SPECIFIC, offset, 0xFF, 0xFF],
        ));
    }

    pub(super) fn execute(&self, request: &Request<'_>) -> Option<Done> {
        let mut state = lock(&self.0);
        let (body, unix) = (request.body, request.unix);
        Some(match (request.netfn, request.command) {
            (NetFn::SensorEvent, sensor::PLATFORM_EVENT) => state.event(body, unix),
            (NetFn::Storage, GET_INFO) => state.info(),
            (NetFn::Storage, GetSelAllocation::COMMAND) => state.allocation(),
            (NetFn::Storage, RESERVE) => answer(state.reserve().to_le_bytes()),
            (NetFn::Storage, GetSelEntry::COMMAND) => state.get(body),
            (NetFn::Storage, AddSelEntry::COMMAND) => state.add(body, unix),
            (NetFn::Storage, DELETE) => state.delete(body, unix),
            (NetFn::Storage, CLEAR) => state.clear(body, unix),
            (NetFn::Storage, GetSelTime::COMMAND) => answer(state.time(unix).to_le_bytes()),
            (NetFn::Storage, SetSelTime::COMMAND) => state.set_time(body, unix),
            (NetFn::Storage, GetSelUtcOffset::COMMAND) if !state.quirks.no_utc_offset => {
                answer(state.utc_offset.to_le_bytes())
            }
            (NetFn::Storage, GetSelUtcOffset::SET_COMMAND) if !state.quirks.no_utc_offset => {
                state.set_utc_offset(body)
            }
            _ => return None,
        })
    }
}

/// An event of this generator; the bytes are those of an event message: revision, sensor type, number, direction and
/// type, data.
fn record(generator: u8, timestamp: u32, message: [u8; 7]) -> Record {
    let [revision, sensor_type, number, direction, first, second, third] = message;
    let body = sel::Body::Event(Event {
        kind: 0x02,
        timestamp,
        generator: [generator, 0],
        revision,
        sensor_type,
        number,
        deasserted: direction & 0x80 != 0,
        reading_type: direction & 0x7F,
        data: [first, second, third],
    });
    Record { id: 0, body }
}

impl State {
    fn put(&mut self, mut record: Record) -> Option<u16> {
        if self.records.len() >= usize::from(self.capacity) {
            self.overflow = true;
            return None;
        }
        // 0 and 0xFFFF are no records.
        self.last_id = if self.last_id >= 0xFFFE { 1 } else { self.last_id + 1 };
        record.id = self.last_id;
        self.added = record.timestamp().unwrap_or(self.added);
        self.records.push(record.encode());
        Some(self.last_id)
    }

    fn time(&self, unix: u32) -> u32 {
        u32::try_from(i64::from(unix) + self.shift).unwrap_or(0)
    }

    fn event(&mut self, body: &[u8], unix: u32) -> Done {
        // With the generator's id first where it comes over the system's own interface.
        let (generator, message) = match *body {
            [generator, ref message @ ..] if message.len() == 7 => (generator, message),
            ref message => (REMOTE, message),
        };
        let Ok(message) = <[u8; 7]>::try_from(message) else { return refuse(Answer::INVALID_LENGTH) };
        match self.put(record(generator, self.time(unix), message)) {
            Some(_) => answer([]),
            None => refuse(OUT_OF_SPACE),
        }
    }

    /// 31.2: version 1.5 as everybody has it; deleting, reserving and allocation info are there.
    fn info(&self) -> Done {
        if self.erasing > 0 {
            return refuse(ERASING);
        }
        let count = u16::try_from(self.records.len()).unwrap_or(u16::MAX);
        let free = self.capacity.saturating_sub(count).saturating_mul(16).min(0xFFFE);
        let mut data = vec![0x51];
        data.extend(count.to_le_bytes());
        data.extend(free.to_le_bytes());
        data.extend(self.added.to_le_bytes());
        data.extend(self.erased.to_le_bytes());
        data.push(u8::from(self.overflow) << 7 | 0x0B);
        answer(data)
    }

    fn allocation(&self) -> Done {
        let free = self.capacity.saturating_sub(u16::try_from(self.records.len()).unwrap_or(u16::MAX));
        let words = [self.capacity, 16, free, free];
        let mut data: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        data.push(1);
        answer(data)
    }

    fn reserve(&mut self) -> u16 {
        self.reservation = self.reservation.wrapping_add(1).max(1);
        self.reservation
    }

    fn position(&self, id: u16) -> Option<usize> {
        match id {
            chain::FIRST => (!self.records.is_empty()).then_some(0),
            chain::LAST => self.records.len().checked_sub(1),
            id => self.records.iter().position(|record| record[..2] == id.to_le_bytes()),
        }
    }

    fn get(&self, body: &[u8]) -> Done {
        let &[r0, r1, i0, i1, offset, length] = body else { return refuse(Answer::INVALID_LENGTH) };
        if self.erasing > 0 {
            return refuse(ERASING);
        }
        if offset > 0 && u16::from_le_bytes([r0, r1]) != self.reservation {
            return refuse(RESERVATION_CANCELLED);
        }
        let id = u16::from_le_bytes([i0, i1]);
        let (record, next) = match self.position(id) {
            Some(at) => (self.records[at], self.next(at)),
            None if self.quirks.endless && !self.records.is_empty() => {
                let mut record = self.records[0];
                record[..2].copy_from_slice(&[i0, i1]);
                (record, id.wrapping_add(1))
            }
            None => return refuse(NOT_PRESENT),
        };
        let Some(rest) = record.get(usize::from(offset)..) else { return refuse(OUT_OF_RANGE) };
        let wanted = if length == 0xFF { rest.len() } else { usize::from(length).min(rest.len()) };
        if self.quirks.at_once.is_some_and(|most| wanted > usize::from(most)) {
            return refuse(TOO_MANY_BYTES);
        }
        answer([&next.to_le_bytes()[..], &rest[..wanted]].concat())
    }

    fn next(&self, at: usize) -> u16 {
        let id = |record: &[u8; LENGTH]| u16::from_le_bytes([record[0], record[1]]);
        match self.records.get(at + 1) {
            Some(record) => id(record),
            None if self.quirks.circle => id(&self.records[0]),
            None if self.quirks.endless => id(&self.records[at]).wrapping_add(1),
            None => chain::LAST,
        }
    }

    fn add(&mut self, body: &[u8], unix: u32) -> Done {
        let Ok(bytes) = <[u8; LENGTH]>::try_from(body) else { return refuse(Answer::INVALID_LENGTH) };
        let mut record = Record::parse(&bytes);
        let now = self.time(unix);
        match &mut record.body {
            sel::Body::Event(Event { timestamp, .. }) | sel::Body::OemTimed { timestamp, .. } => {
                *timestamp = now
            }
            sel::Body::Oem { .. } => {}
        }
        match self.put(record) {
            Some(id) => answer(id.to_le_bytes()),
            None => refuse(OUT_OF_SPACE),
        }
    }

    fn delete(&mut self, body: &[u8], unix: u32) -> Done {
        let &[r0, r1, i0, i1] = body else { return refuse(Answer::INVALID_LENGTH) };
        if u16::from_le_bytes([r0, r1]) != self.reservation {
            return refuse(RESERVATION_CANCELLED);
        }
        let Some(at) = self.position(u16::from_le_bytes([i0, i1])) else { return refuse(NOT_PRESENT) };
        let record = self.records.remove(at);
        self.erased = self.time(unix);
        self.overflow = false;
        answer([record[0], record[1]])
    }

    fn clear(&mut self, body: &[u8], unix: u32) -> Done {
        let &[r0, r1, b'C', b'L', b'R', action] = body else { return refuse(Answer::INVALID_FIELD) };
        if u16::from_le_bytes([r0, r1]) != self.reservation {
            return refuse(RESERVATION_CANCELLED);
        }
        match action {
            0xAA => {
                self.erase(unix);
                self.erasing = self.quirks.slow_erasure;
            }
            0x00 => self.erasing = self.erasing.saturating_sub(1),
            _ => return refuse(Answer::INVALID_FIELD),
        }
        answer([u8::from(self.erasing == 0)])
    }

    fn erase(&mut self, unix: u32) {
        if self.quirks.keeps_all {
            return;
        }
        self.records = Vec::new();
        self.overflow = false;
        self.erased = self.time(unix);
        if self.quirks.tells_erasure {
            let message = [0x04, 0x10, LOG_SENSOR, sensor::SENSOR_SPECIFIC, 0x02, 0xFF, 0xFF];
            self.put(record(0x20, self.erased, message));
        }
    }

    fn set_time(&mut self, body: &[u8], unix: u32) -> Done {
        let Ok(time) = <[u8; 4]>::try_from(body) else { return refuse(Answer::INVALID_LENGTH) };
        self.shift = i64::from(u32::from_le_bytes(time)) - i64::from(unix);
        answer([])
    }

    fn set_utc_offset(&mut self, body: &[u8]) -> Done {
        let Ok(offset) = <[u8; 2]>::try_from(body) else { return refuse(Answer::INVALID_LENGTH) };
        let minutes = i16::from_le_bytes(offset);
        let offset = u16::from_le_bytes(offset);
        if offset != GetSelUtcOffset::UNSPECIFIED && !(-1440..=1440).contains(&minutes) {
            return refuse(Answer::INVALID_FIELD);
        }
        self.utc_offset = offset;
        answer([])
    }
}

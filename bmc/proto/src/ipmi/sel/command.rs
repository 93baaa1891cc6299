//! The commands of the event log (31.2 to 31.11).
//!
//! Get SEL Info, Reserve SEL and Clear SEL are `ipmi-rs-core`'s. Ours are those that it lacks; Get SEL Entry, because
//! its own reads whole entries only and loses the bytes of those that it can't name; and Get SEL Allocation Info,
//! because its own panics on an answer of eight bytes.

use crate::ipmi::{IpmiCommand, Message, NetFn, NotEnoughData};

/// Number of Get SEL Info under the storage network function.
pub const GET_INFO: u8 = 0x40;
/// Number of Reserve SEL.
pub const RESERVE: u8 = 0x42;
/// Number of Delete SEL Entry.
pub const DELETE: u8 = 0x46;
/// Number of Clear SEL.
pub const CLEAR: u8 = 0x47;
/// Completion code of most of them: the log is being erased.
pub const ERASING: u8 = 0x81;

/// Get SEL Allocation Info (31.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetSelAllocation;

/// The room of a repository (tables 31-3, 33-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocation {
    /// How many units there are; 0: unspecified.
    pub units: u16,
    /// The size of a unit in bytes; 0: unspecified.
    pub unit_size: u16,
    /// How many units are free.
    pub free: u16,
}

impl GetSelAllocation {
    /// Its number under the storage network function.
    pub const COMMAND: u8 = 0x41;
}

impl From<GetSelAllocation> for Message {
    fn from(_: GetSelAllocation) -> Self {
        Self::new_request(NetFn::Storage, GetSelAllocation::COMMAND, Vec::new())
    }
}

impl IpmiCommand for GetSelAllocation {
    type Output = Allocation;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<Allocation, NotEnoughData> {
        let &[a, b, c, d, e, f, ..] = data else { return Err(NotEnoughData) };
        let word = |low, high| u16::from_le_bytes([low, high]);
        Ok(Allocation { units: word(a, b), unit_size: word(c, d), free: word(e, f) })
    }
}

/// Get SEL Entry (31.5), whole or in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetSelEntry {
    /// The reservation; only needed for a part that does not begin at 0.
    pub reservation: u16,
    /// The record, see [`chain`](crate::ipmi::chain).
    pub id: u16,
    /// From which byte on.
    pub offset: u8,
    /// How many bytes; 0xFF: all.
    pub length: u8,
}

impl GetSelEntry {
    /// Its number under the storage network function.
    pub const COMMAND: u8 = 0x43;

    /// Asks for all of a record.
    pub fn whole(id: u16) -> Self {
        Self { reservation: 0, id, offset: 0, length: 0xFF }
    }
}

impl From<GetSelEntry> for Message {
    fn from(get: GetSelEntry) -> Self {
        let mut data = get.reservation.to_le_bytes().to_vec();
        data.extend(get.id.to_le_bytes());
        data.extend([get.offset, get.length]);
        Self::new_request(NetFn::Storage, GetSelEntry::COMMAND, data)
    }
}

/// A part of a record, and which comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The next record's id.
    pub next: u16,
    /// The bytes, as many as the BMC gave.
    pub bytes: Vec<u8>,
}

impl Part {
    /// Reads the answer to any command that returns parts of records.
    pub(crate) fn parse(data: &[u8]) -> Result<Self, NotEnoughData> {
        let (next, bytes) = data.split_first_chunk().ok_or(NotEnoughData)?;
        Ok(Self { next: u16::from_le_bytes(*next), bytes: bytes.to_vec() })
    }
}

impl IpmiCommand for GetSelEntry {
    type Output = Part;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<Part, NotEnoughData> {
        Part::parse(data)
    }
}

/// Add SEL Entry (31.6). The BMC sets the record's id, and for most types its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddSelEntry(
    /// The record.
    pub [u8; 16],
);

impl AddSelEntry {
    /// Its number under the storage network function.
    pub const COMMAND: u8 = 0x44;
}

impl From<AddSelEntry> for Message {
    fn from(AddSelEntry(record): AddSelEntry) -> Self {
        Self::new_request(NetFn::Storage, AddSelEntry::COMMAND, record.to_vec())
    }
}

impl IpmiCommand for AddSelEntry {
    /// The id that it got.
    type Output = u16;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<u16, NotEnoughData> {
        data.first_chunk().map(|id| u16::from_le_bytes(*id)).ok_or(NotEnoughData)
    }
}

/// Get SEL Time (31.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetSelTime;

impl GetSelTime {
    /// Its number under the storage network function.
    pub const COMMAND: u8 = 0x48;
}

impl From<GetSelTime> for Message {
    fn from(_: GetSelTime) -> Self {
        Self::new_request(NetFn::Storage, GetSelTime::COMMAND, Vec::new())
    }
}

impl IpmiCommand for GetSelTime {
    /// See [`super::time`].
    type Output = u32;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<u32, NotEnoughData> {
        data.first_chunk().map(|time| u32::from_le_bytes(*time)).ok_or(NotEnoughData)
    }
}

/// Set SEL Time (31.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetSelTime(
    /// See [`super::time`].
    pub u32,
);

impl SetSelTime {
    /// Its number under the storage network function.
    pub const COMMAND: u8 = 0x49;
}

impl From<SetSelTime> for Message {
    fn from(SetSelTime(time): SetSelTime) -> Self {
        Self::new_request(NetFn::Storage, SetSelTime::COMMAND, time.to_le_bytes().to_vec())
    }
}

impl IpmiCommand for SetSelTime {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(_: &[u8]) -> Result<(), NotEnoughData> {
        Ok(())
    }
}

/// Get SEL Time UTC Offset (31.11a).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetSelUtcOffset;

impl GetSelUtcOffset {
    /// Its number under the storage network function.
    pub const COMMAND: u8 = 0x5C;
    /// Number of Set SEL Time UTC Offset (31.11b).
    pub const SET_COMMAND: u8 = 0x5D;
    /// No offset is set.
    pub const UNSPECIFIED: u16 = 0x07FF;
}

impl From<GetSelUtcOffset> for Message {
    fn from(_: GetSelUtcOffset) -> Self {
        Self::new_request(NetFn::Storage, GetSelUtcOffset::COMMAND, Vec::new())
    }
}

impl IpmiCommand for GetSelUtcOffset {
    /// Minutes that the log's clock is ahead of UTC; 0 where it isn't specified or out of its range of a day.
    type Output = i16;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<i16, NotEnoughData> {
        let minutes = data.first_chunk().map(|offset| i16::from_le_bytes(*offset)).ok_or(NotEnoughData)?;
        Ok(if (-1440..=1440).contains(&minutes) { minutes } else { 0 })
    }
}

//! The commands of the sensor data records: of the repository (33.9 to 33.12), and of a device that keeps its own
//! (35.2 to 35.4).
//!
//! Not `ipmi-rs-core`'s: its Get SDR Repository Info indexes behind the end of a short answer, and it reads whole
//! device records only.

use crate::ipmi::sel::Part;
use crate::ipmi::{IpmiCommand, Message, NetFn, NotEnoughData};

/// Where records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The SDR repository: all records of the system.
    Repository,
    /// The device itself: the records of its own sensors.
    Device,
}

impl Source {
    fn netfn(self) -> NetFn {
        match self {
            Self::Repository => NetFn::Storage,
            Self::Device => NetFn::SensorEvent,
        }
    }
}

/// Get SDR Repository Info (33.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetRepositoryInfo;

/// The state of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepositoryInfo {
    /// How many records there are.
    pub records: u16,
    /// When one was added last, see [`time`](crate::ipmi::sel::time).
    pub added: u32,
    /// When one was erased last.
    pub erased: u32,
    /// Whether Reserve SDR Repository is there.
    pub reserve: bool,
}

impl GetRepositoryInfo {
    /// Its number under the storage network function.
    pub const COMMAND: u8 = 0x20;
    /// Number of Get SDR Repository Allocation Info.
    pub const ALLOCATION: u8 = 0x21;
    /// Number of Get SDR Repository Time.
    pub const TIME: u8 = 0x28;
}

impl From<GetRepositoryInfo> for Message {
    fn from(_: GetRepositoryInfo) -> Self {
        Self::new_request(NetFn::Storage, GetRepositoryInfo::COMMAND, Vec::new())
    }
}

impl IpmiCommand for GetRepositoryInfo {
    type Output = RepositoryInfo;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<RepositoryInfo, NotEnoughData> {
        let &[_, c0, c1, _, _, a0, a1, a2, a3, e0, e1, e2, e3, support, ..] = data else {
            return Err(NotEnoughData);
        };
        Ok(RepositoryInfo {
            records: u16::from_le_bytes([c0, c1]),
            added: u32::from_le_bytes([a0, a1, a2, a3]),
            erased: u32::from_le_bytes([e0, e1, e2, e3]),
            reserve: support & 0x02 != 0,
        })
    }
}

/// Get Device SDR Info (35.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetDeviceSdrInfo;

/// The state of a device's own records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceSdrInfo {
    /// How many sensors there are on the asked LUN.
    pub sensors: u8,
    /// Changes whenever the population does; `None`: it is static.
    pub changed: Option<u32>,
}

impl GetDeviceSdrInfo {
    /// Its number under the sensor/event network function.
    pub const COMMAND: u8 = 0x20;
}

impl From<GetDeviceSdrInfo> for Message {
    fn from(_: GetDeviceSdrInfo) -> Self {
        Self::new_request(NetFn::SensorEvent, GetDeviceSdrInfo::COMMAND, Vec::new())
    }
}

impl IpmiCommand for GetDeviceSdrInfo {
    type Output = DeviceSdrInfo;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<DeviceSdrInfo, NotEnoughData> {
        let &[sensors, flags, ref rest @ ..] = data else { return Err(NotEnoughData) };
        let changed = rest.first_chunk().filter(|_| flags & 0x80 != 0);
        Ok(DeviceSdrInfo { sensors, changed: changed.map(|bytes| u32::from_le_bytes(*bytes)) })
    }
}

/// Reserve SDR Repository (33.11) and Reserve Device SDR Repository (35.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReserveSdr(
    /// Which.
    pub Source,
);

impl ReserveSdr {
    /// Its number, under either network function.
    pub const COMMAND: u8 = 0x22;
}

impl From<ReserveSdr> for Message {
    fn from(ReserveSdr(source): ReserveSdr) -> Self {
        Self::new_request(source.netfn(), ReserveSdr::COMMAND, Vec::new())
    }
}

impl IpmiCommand for ReserveSdr {
    /// The reservation.
    type Output = u16;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<u16, NotEnoughData> {
        data.first_chunk().map(|id| u16::from_le_bytes(*id)).ok_or(NotEnoughData)
    }
}

/// Get SDR (33.12) and Get Device SDR (35.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetSdr {
    /// From where.
    pub source: Source,
    /// The reservation; only needed for a part that does not begin at 0.
    pub reservation: u16,
    /// The record, see [`chain`](crate::ipmi::chain).
    pub id: u16,
    /// From which byte on.
    pub offset: u8,
    /// How many bytes; 0xFF: all.
    pub length: u8,
}

impl GetSdr {
    /// Its number under the storage network function.
    pub const COMMAND: u8 = 0x23;
    /// Its number for a device's records, under the sensor/event network function.
    pub const DEVICE_COMMAND: u8 = 0x21;
}

impl From<GetSdr> for Message {
    fn from(get: GetSdr) -> Self {
        let command = match get.source {
            Source::Repository => GetSdr::COMMAND,
            Source::Device => GetSdr::DEVICE_COMMAND,
        };
        let mut data = get.reservation.to_le_bytes().to_vec();
        data.extend(get.id.to_le_bytes());
        data.extend([get.offset, get.length]);
        Self::new_request(get.source.netfn(), command, data)
    }
}

impl IpmiCommand for GetSdr {
    type Output = Part;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<Part, NotEnoughData> {
        Part::parse(data)
    }
}

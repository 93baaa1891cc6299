//! The commands of the FRU inventory (34.1 to 34.3).

use crate::ipmi::{IpmiCommand, Message, NetFn, NotEnoughData};

/// Get FRU Inventory Area Info.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetFruInfo(
    /// The unit's number.
    pub u8,
);

/// The inventory of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FruInfo {
    /// Its size in bytes.
    pub size: u16,
    /// Whether it is read by words: offsets and counts are then in words.
    pub words: bool,
}

impl GetFruInfo {
    /// Its number under the storage network function.
    pub const COMMAND: u8 = 0x10;
}

impl From<GetFruInfo> for Message {
    fn from(GetFruInfo(id): GetFruInfo) -> Self {
        Self::new_request(NetFn::Storage, GetFruInfo::COMMAND, vec![id])
    }
}

impl IpmiCommand for GetFruInfo {
    type Output = FruInfo;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<FruInfo, NotEnoughData> {
        let &[low, high, access, ..] = data else { return Err(NotEnoughData) };
        Ok(FruInfo { size: u16::from_le_bytes([low, high]), words: access & 0x01 != 0 })
    }
}

/// Read FRU Data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadFru {
    /// The unit's number.
    pub id: u8,
    /// From where on, in bytes or words.
    pub offset: u16,
    /// How much, in bytes or words.
    pub count: u8,
}

impl ReadFru {
    /// Its number under the storage network function.
    pub const COMMAND: u8 = 0x11;
}

impl From<ReadFru> for Message {
    fn from(read: ReadFru) -> Self {
        let [low, high] = read.offset.to_le_bytes();
        Self::new_request(NetFn::Storage, ReadFru::COMMAND, vec![read.id, low, high, read.count])
    }
}

impl IpmiCommand for ReadFru {
    /// The bytes. The count before them is not looked at: it is in bytes or words, and some BMCs take the one for the
    /// other.
    type Output = Vec<u8>;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<Vec<u8>, NotEnoughData> {
        data.get(1..).map(<[u8]>::to_vec).ok_or(NotEnoughData)
    }
}

/// Number of Write FRU Data under the storage network function.
pub const WRITE: u8 = 0x12;

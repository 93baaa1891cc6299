//! Get System GUID, and how its bytes become a UUID's text.

use crate::ipmi::{IpmiCommand, Message, NetFn, NotEnoughData};

/// Get System GUID (22.14): the UUID that the system's SMBIOS shows, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetSystemGuid;

impl GetSystemGuid {
    /// Its number under the application network function.
    pub const COMMAND: u8 = 0x37;
}

impl From<GetSystemGuid> for Message {
    fn from(_: GetSystemGuid) -> Self {
        Self::new_request(NetFn::App, GetSystemGuid::COMMAND, Vec::new())
    }
}

impl IpmiCommand for GetSystemGuid {
    type Output = [u8; 16];
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<[u8; 16], NotEnoughData> {
        data.first_chunk().copied().ok_or(NotEnoughData)
    }
}

/// A GUID as a UUID's text, lower case with dashes. `None`: all bytes are equal, which says "not set".
///
/// The specification wants the UUID with all its bytes reversed (table 20-10). Most BMCs send it as SMBIOS stores it
/// (the first three fields little-endian), some as RFC 9562 writes it. The order whose version and variant bits
/// make sense is taken, SMBIOS first and in doubt.
pub fn guid_to_uuid(guid: [u8; 16]) -> Option<String> {
    if guid.iter().all(|byte| *byte == guid[0]) {
        return None;
    }
    let mut reversed = guid;
    reversed.reverse();
    let smbios = swap_fields(guid);
    let uuid = [smbios, guid, reversed].into_iter().find(is_rfc_uuid).unwrap_or(smbios);
    let hex: String = uuid.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

/// The bytes that a BMC sends for a UUID (in the order of its text), in SMBIOS order.
pub fn uuid_to_guid(uuid: [u8; 16]) -> [u8; 16] {
    swap_fields(uuid)
}

/// Turns the first three fields round; it is its own inverse.
fn swap_fields(mut bytes: [u8; 16]) -> [u8; 16] {
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}

fn is_rfc_uuid(bytes: &[u8; 16]) -> bool {
    (1..=8).contains(&(bytes[6] >> 4)) && bytes[8] & 0xC0 == 0x80
}

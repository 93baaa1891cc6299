//! Get Session Info (section 22.20): how many sessions a BMC has, and who is behind one.

use crate::ipmi::{IpmiCommand, Message, NetFn, NotEnoughData};
use std::net::Ipv4Addr;

/// Get Session Info: of which session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GetSessionInfo {
    /// Of the one that asks.
    Present,
    /// Of the nth active one, from 1 on.
    Nth(u8),
    /// Of the one with this handle.
    Handle(u8),
    /// Of the one with this id (the BMC's).
    Id(u32),
}

impl GetSessionInfo {
    /// Its number under the application network function.
    pub const COMMAND: u8 = 0x3D;

    /// Reads a request's data.
    pub fn decode(data: &[u8]) -> Option<Self> {
        match *data {
            [0x00] => Some(Self::Present),
            [0xFE, handle] => Some(Self::Handle(handle)),
            [0xFF, a, b, c, d] => Some(Self::Id(u32::from_le_bytes([a, b, c, d]))),
            [nth @ 0x01..=0xFD] => Some(Self::Nth(nth)),
            _ => None,
        }
    }
}

impl From<GetSessionInfo> for Message {
    fn from(get: GetSessionInfo) -> Self {
        let data = match get {
            GetSessionInfo::Present => vec![0x00],
            GetSessionInfo::Nth(nth) => vec![nth.clamp(0x01, 0xFD)],
            GetSessionInfo::Handle(handle) => vec![0xFE, handle],
            GetSessionInfo::Id(id) => [&[0xFF], &id.to_le_bytes()[..]].concat(),
        };
        Self::new_request(NetFn::App, GetSessionInfo::COMMAND, data)
    }
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionInfo {
    /// Handle of the session; 0: there is none such.
    pub handle: u8,
    /// How many sessions are possible at once.
    pub slots: u8,
    /// How many are open.
    pub active: u8,
    /// Who is behind it; `None` where there is no such session.
    pub owner: Option<SessionOwner>,
}

/// Who is behind a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionOwner {
    /// Number of the user.
    pub user: u8,
    /// What the session may do now.
    pub privilege: u8,
    /// Channel that it came on.
    pub channel: u8,
    /// Whether it is one of IPMI 2.0.
    pub rmcp_plus: bool,
    /// Where from: address and UDP port, on a LAN channel.
    pub peer: Option<(Ipv4Addr, u16)>,
}

impl SessionInfo {
    /// The answer's bytes, after the completion code.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.handle, self.slots & 0x3F, self.active & 0x3F];
        let Some(owner) = self.owner else { return bytes };
        let protocol = if owner.rmcp_plus { 0x10 } else { 0 };
        bytes.extend([owner.user & 0x3F, owner.privilege & 0x0F, protocol | owner.channel & 0x0F]);
        if let Some((address, port)) = owner.peer {
            bytes.extend(address.octets());
            // The peer's MAC address is not known.
            bytes.extend([0; 6]);
            bytes.extend(port.to_le_bytes());
        }
        bytes
    }
}

impl IpmiCommand for GetSessionInfo {
    type Output = SessionInfo;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<SessionInfo, NotEnoughData> {
        let (&[handle, slots, active], rest) = data.split_first_chunk().ok_or(NotEnoughData)?;
        let owner = rest.split_first_chunk().map(|(&[user, privilege, channel], rest)| SessionOwner {
            user: user & 0x3F,
            privilege: privilege & 0x0F,
            channel: channel & 0x0F,
            rmcp_plus: channel >> 4 == 1,
            peer: peer(rest),
        });
        Ok(SessionInfo { handle, slots: slots & 0x3F, active: active & 0x3F, owner })
    }
}

/// Address, MAC address, port.
fn peer(bytes: &[u8]) -> Option<(Ipv4Addr, u16)> {
    let &[a, b, c, d, _, _, _, _, _, _, low, high] = bytes.first_chunk()?;
    Some((Ipv4Addr::new(a, b, c, d), u16::from_le_bytes([low, high])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_written() {
        let table = [
            (GetSessionInfo::Present, "00"),
            (GetSessionInfo::Nth(2), "02"),
            (GetSessionInfo::Handle(7), "fe07"),
            (GetSessionInfo::Id(0x0403_0201), "ff01020304"),
        ];
        for (get, expected) in table {
            let message = Message::from(get);
            assert_eq!((message.netfn_raw(), message.cmd()), (6, 0x3D));
            assert_eq!(hex::encode(message.data()), expected);
            assert_eq!(GetSessionInfo::decode(message.data()), Some(get));
        }
        assert_eq!(GetSessionInfo::decode(&[0xFF, 1]), None);
        assert_eq!(GetSessionInfo::decode(&[]), None);
    }

    #[test]
    fn answers_are_read_as_written() {
        let owner = SessionOwner {
            user: 2,
            privilege: 4,
            channel: 1,
            rmcp_plus: true,
            peer: Some((Ipv4Addr::new(192, 0, 2, 9), 40000)),
        };
        let whole = SessionInfo { handle: 5, slots: 4, active: 2, owner: Some(owner) };
        let serial = SessionInfo { owner: Some(SessionOwner { peer: None, ..owner }), ..whole };
        let none = SessionInfo { handle: 0, slots: 4, active: 2, owner: None };
        for info in [whole, serial, none] {
            assert_eq!(GetSessionInfo::parse_success_response(&info.encode()).unwrap(), info);
        }
        assert_eq!(hex::encode(whole.encode()), "050402020411c0000209000000000000409c");
        assert!(GetSessionInfo::parse_success_response(&[1, 2]).is_err());
    }
}

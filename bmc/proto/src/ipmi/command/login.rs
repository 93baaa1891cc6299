//! Set Session Privilege Level and Close Session (sections 22.18, 22.19).

use crate::ipmi::{IpmiCommand, Message, NetFn, NotEnoughData};

/// Set Session Privilege Level. A session starts at user level, whatever RAKP 1 asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetSessionPrivilege(
    /// See [`privilege`](crate::ipmi::handshake::privilege).
    pub u8,
);

impl SetSessionPrivilege {
    /// Its number under the application network function.
    pub const COMMAND: u8 = 0x3B;
}

impl From<SetSessionPrivilege> for Message {
    fn from(SetSessionPrivilege(level): SetSessionPrivilege) -> Self {
        Self::new_request(NetFn::App, SetSessionPrivilege::COMMAND, vec![level])
    }
}

impl IpmiCommand for SetSessionPrivilege {
    /// The new level.
    type Output = u8;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<u8, NotEnoughData> {
        data.first().map(|level| level & 0x0F).ok_or(NotEnoughData)
    }
}

/// Close Session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseSession {
    /// The BMC's session id.
    pub system_id: u32,
}

impl CloseSession {
    /// Its number under the application network function.
    pub const COMMAND: u8 = 0x3C;
}

impl From<CloseSession> for Message {
    fn from(close: CloseSession) -> Self {
        Self::new_request(NetFn::App, CloseSession::COMMAND, close.system_id.to_le_bytes().to_vec())
    }
}

impl IpmiCommand for CloseSession {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(_: &[u8]) -> Result<(), NotEnoughData> {
        Ok(())
    }
}

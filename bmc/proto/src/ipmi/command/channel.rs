//! Channels: which one is the LAN, and how open it is (sections 22.22 to 22.24).
//!
//! The two questions are `ipmi-rs-core`'s; here is what sets, what a BMC answers with, and how the LAN is told.

use crate::ipmi::{IpmiCommand, Message, NetFn, NotEnoughData};
pub use ipmi_rs_core::app::{
    AuxChannelInfo, ChannelAccess, ChannelAccessMode, ChannelAccessType, ChannelInfo, ChannelMediumType,
    ChannelPrivilegeLevel, ChannelProtocolType, ChannelSessionSupport, GetChannelAccess, GetChannelInfo,
};
pub use ipmi_rs_core::connection::Channel;

/// Number of Get Channel Info under the application network function.
pub const GET_INFO_COMMAND: u8 = 0x42;
/// Number of Get Channel Access under the application network function.
pub const GET_ACCESS_COMMAND: u8 = 0x41;
/// The channel that the request comes on.
pub const PRESENT: u8 = 0x0E;
/// The last channel number that a LAN can have.
pub const LAST: u8 = 0x0B;
/// Completion code: the channel is there and has no sessions, or its access can't be set (tables 22-26, 22-28).
pub const NOT_SUPPORTED: u8 = 0x82;

/// Whether a channel is a LAN with sessions, as those are that we can come in on.
pub fn is_lan(info: &ChannelInfo) -> bool {
    let lan = matches!(info.medium_type, ChannelMediumType::Lan802_3 | ChannelMediumType::OtherLan);
    lan && info.session_support != ChannelSessionSupport::Sessionless
}

/// What a BMC answers to Get Channel Info for its LAN channel: 802.3, IPMB messages, several sessions.
pub fn lan_info(channel: u8, active_sessions: u8) -> [u8; 9] {
    const MULTI_SESSION: u8 = 0x80;
    const IPMI_FORUM: [u8; 3] = [0xF2, 0x1B, 0x00];
    let [a, b, c] = IPMI_FORUM;
    [channel & 0x0F, 0x04, 0x01, MULTI_SESSION | active_sessions.min(0x3F), a, b, c, 0, 0]
}

/// What a BMC answers to Get Channel Access, and keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessSettings {
    /// Alerting disabled (bit 5), per-message authentication disabled (4), user level authentication disabled (3),
    /// access mode (2 to 0: disabled, pre-boot only, always available, shared).
    pub mode: u8,
    /// The most that anybody may do on it (four bits).
    pub limit: u8,
}

impl AccessSettings {
    /// The two bytes of the answer.
    pub fn encode(self) -> [u8; 2] {
        [self.mode & 0x3F, self.limit & 0x0F]
    }
}

/// Set Channel Access (22.22).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetChannelAccess {
    /// The channel.
    pub channel: u8,
    /// Sets the access mode and the bits beside it; `true`: only until the next restart. `None` leaves them.
    pub mode: Option<(u8, bool)>,
    /// Sets the privilege limit; `true`: only until the next restart. `None` leaves it.
    pub limit: Option<(u8, bool)>,
}

impl SetChannelAccess {
    /// Its number under the application network function.
    pub const COMMAND: u8 = 0x40;

    /// Reads a request. `None`: its length is wrong, or it wants something reserved.
    pub fn decode(body: &[u8]) -> Option<Self> {
        let &[channel, mode, limit] = body else { return None };
        let part = |byte: u8, mask: u8| match byte >> 6 {
            0 => Some(None),
            1 => Some(Some((byte & mask, false))),
            2 => Some(Some((byte & mask, true))),
            _ => None,
        };
        Some(Self { channel: channel & 0x0F, mode: part(mode, 0x3F)?, limit: part(limit, 0x0F)? })
    }
}

impl From<SetChannelAccess> for Message {
    fn from(set: SetChannelAccess) -> Self {
        let part = |part: Option<(u8, bool)>, mask: u8| match part {
            None => 0,
            Some((bits, false)) => 0x40 | bits & mask,
            Some((bits, true)) => 0x80 | bits & mask,
        };
        let data = vec![set.channel & 0x0F, part(set.mode, 0x3F), part(set.limit, 0x0F)];
        Self::new_request(NetFn::App, SetChannelAccess::COMMAND, data)
    }
}

impl IpmiCommand for SetChannelAccess {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(_: &[u8]) -> Result<(), NotEnoughData> {
        Ok(())
    }
}

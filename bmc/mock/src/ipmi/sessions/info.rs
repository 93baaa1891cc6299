//! Get Session Info (22.20).

use super::{Sessions, Stage};
use crate::ipmi::group::{Done, answer, refuse};
use crate::ipmi::outside::CHANNEL;
use bmc_proto::ipmi::Answer;
use std::net::IpAddr;
use std::time::Duration;

/// By handle, or by id.
const BY_HANDLE: u8 = 0xFE;
const BY_ID: u8 = 0xFF;
/// Protocol of the channel: RMCP+ (table 22-24).
const RMCP_PLUS: u8 = 0x10;

impl Sessions {
    pub(super) fn info(&mut self, own: u32, body: &[u8], now: Duration) -> Done {
        self.expire(now);
        // A session's handle is its place in the list, from 1.
        let open: Vec<u32> =
            self.slots.iter().filter(|(_, slot)| slot.is_active()).map(|(id, _)| *id).collect();
        let wanted = match *body {
            [0] => open.iter().position(|id| *id == own),
            [BY_HANDLE, 0] | [BY_HANDLE | BY_ID] => return refuse(Answer::INVALID_LENGTH),
            [BY_HANDLE, place] | [place] => Some(usize::from(place) - 1),
            [BY_ID, a, b, c, d] => open.iter().position(|id| *id == u32::from_le_bytes([a, b, c, d])),
            _ => return refuse(Answer::INVALID_LENGTH),
        };
        let found = wanted.and_then(|place| Some((place, self.slots.get(open.get(place)?)?)));
        let count = |number: usize| u8::try_from(number).unwrap_or(0x3F).min(0x3F);
        let Some((place, slot)) = found else {
            return answer([0, count(self.limits.sessions), count(open.len())]);
        };
        let Stage::Active(active) = &slot.stage else { return refuse(Answer::UNSPECIFIED) };
        let mut data = vec![count(place + 1), count(self.limits.sessions), count(open.len())];
        data.extend([active.user, active.privilege, RMCP_PLUS | CHANNEL]);
        let address = match slot.peer.address.ip() {
            IpAddr::V4(address) => address.octets(),
            // There is no room for an IPv6 address.
            IpAddr::V6(_) => [0; 4],
        };
        data.extend(address);
        // The MAC address is not known here.
        data.extend([0; 6]);
        data.extend(slot.peer.address.port().to_le_bytes());
        answer(data)
    }
}

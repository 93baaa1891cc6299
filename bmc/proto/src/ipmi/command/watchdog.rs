//! The watchdog timer (sections 27.5 to 27.7).

use crate::ipmi::{IpmiCommand, Message, NetFn, NotEnoughData};
use std::time::Duration;

/// Completion code of Reset Watchdog Timer: it was never set since the BMC started.
pub const NEVER_SET: u8 = 0x80;
/// What a count of the countdown is.
const COUNT: Duration = Duration::from_millis(100);

/// What a watchdog does when its time is up (table 27-3, timer actions).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutAction {
    /// Nothing.
    None,
    /// Hard reset.
    Reset,
    /// Off.
    PowerDown,
    /// Off and on.
    PowerCycle,
    /// A reserved number.
    Other(u8),
}

impl TimeoutAction {
    fn from_bits(bits: u8) -> Self {
        match bits & 0x07 {
            0 => Self::None,
            1 => Self::Reset,
            2 => Self::PowerDown,
            3 => Self::PowerCycle,
            other => Self::Other(other),
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Reset => 1,
            Self::PowerDown => 2,
            Self::PowerCycle => 3,
            Self::Other(other) => other & 0x07,
        }
    }
}

/// How a watchdog is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchdogTimer {
    /// Whether the end of the time is to be kept out of the event log.
    pub unlogged: bool,
    /// Get: whether it runs. Set: whether it is not to be stopped.
    pub running: bool,
    /// Who uses it (1 to 5, see [`WatchdogTimer::used_by`]).
    pub user: u8,
    /// What it does when its time is up.
    pub action: TimeoutAction,
    /// What it does a little before (0: nothing, 1: SMI, 2: NMI, 3: message).
    pub pre_timeout: u8,
    /// How long before, in seconds.
    pub pre_timeout_seconds: u8,
    /// Get: for which users its time was up since they cleared it, a bit each. Set: for which to clear that.
    pub expired: u8,
    /// What it starts from, in tenths of a second.
    pub countdown: u16,
}

impl WatchdogTimer {
    /// Who uses it, in words.
    pub fn used_by(&self) -> &'static str {
        match self.user {
            1 => "BIOS FRB2",
            2 => "BIOS/POST",
            3 => "OS load",
            4 => "SMS/OS",
            5 => "OEM",
            _ => "nobody",
        }
    }

    /// What it starts from.
    pub fn set_to(&self) -> Duration {
        COUNT * u32::from(self.countdown)
    }

    /// The six bytes of Set Watchdog Timer, which are the first six of the answer to Get.
    pub fn encode(self) -> [u8; 6] {
        let [low, high] = self.countdown.to_le_bytes();
        [
            u8::from(self.unlogged) << 7 | u8::from(self.running) << 6 | self.user & 0x07,
            (self.pre_timeout & 0x07) << 4 | self.action.bits(),
            self.pre_timeout_seconds,
            self.expired & 0x3E,
            low,
            high,
        ]
    }

    /// Reads those six bytes.
    pub fn decode(data: [u8; 6]) -> Self {
        let [user, actions, pre_timeout_seconds, expired, low, high] = data;
        Self {
            unlogged: user & 0x80 != 0,
            running: user & 0x40 != 0,
            user: user & 0x07,
            action: TimeoutAction::from_bits(actions),
            pre_timeout: actions >> 4 & 0x07,
            pre_timeout_seconds,
            expired: expired & 0x3E,
            countdown: u16::from_le_bytes([low, high]),
        }
    }
}

/// Get Watchdog Timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetWatchdogTimer;

impl GetWatchdogTimer {
    /// Its number under the application network function.
    pub const COMMAND: u8 = 0x25;
}

impl From<GetWatchdogTimer> for Message {
    fn from(_: GetWatchdogTimer) -> Self {
        Self::new_request(NetFn::App, GetWatchdogTimer::COMMAND, Vec::new())
    }
}

impl IpmiCommand for GetWatchdogTimer {
    /// How it is set, and what is left. A BMC that doesn't tell (OpenIPMI's) may have all of it left.
    type Output = (WatchdogTimer, Duration);
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<(WatchdogTimer, Duration), NotEnoughData> {
        let (&timer, rest) = data.split_first_chunk().ok_or(NotEnoughData)?;
        let timer = WatchdogTimer::decode(timer);
        let left = rest.first_chunk().map_or(timer.countdown, |left| u16::from_le_bytes(*left));
        Ok((timer, COUNT * u32::from(left)))
    }
}

/// Set Watchdog Timer. It stops the timer if it does not say that it runs on; Reset starts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetWatchdogTimer(
    /// How it shall be set.
    pub WatchdogTimer,
);

impl SetWatchdogTimer {
    /// Its number under the application network function.
    pub const COMMAND: u8 = 0x24;
}

impl From<SetWatchdogTimer> for Message {
    fn from(SetWatchdogTimer(timer): SetWatchdogTimer) -> Self {
        Self::new_request(NetFn::App, SetWatchdogTimer::COMMAND, timer.encode().to_vec())
    }
}

impl IpmiCommand for SetWatchdogTimer {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(_: &[u8]) -> Result<(), NotEnoughData> {
        Ok(())
    }
}

/// Reset Watchdog Timer: starts it, or starts it anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResetWatchdogTimer;

impl ResetWatchdogTimer {
    /// Its number under the application network function.
    pub const COMMAND: u8 = 0x22;
}

impl From<ResetWatchdogTimer> for Message {
    fn from(_: ResetWatchdogTimer) -> Self {
        Self::new_request(NetFn::App, ResetWatchdogTimer::COMMAND, Vec::new())
    }
}

impl IpmiCommand for ResetWatchdogTimer {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(_: &[u8]) -> Result<(), NotEnoughData> {
        Ok(())
    }
}

//! The lamp that shows where a machine is: Chassis Identify (section 28.5), what the chassis can (28.1) and what the
//! lamp does (28.2).

use crate::ipmi::{IpmiCommand, Message, NetFn, NotEnoughData};

/// For how long the lamp shines where the request doesn't say.
pub const DEFAULT_SECONDS: u8 = 15;

/// Chassis Identify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChassisIdentify {
    /// Shines for so many seconds; 0 goes out.
    For(u8),
    /// Shines until told otherwise. Optional.
    On,
}

impl ChassisIdentify {
    /// Its number under the chassis network function.
    pub const COMMAND: u8 = 0x04;

    /// Reads a request. `None`: its length is wrong.
    pub fn decode(body: &[u8]) -> Option<Self> {
        match *body {
            [] => Some(Self::For(DEFAULT_SECONDS)),
            [seconds] => Some(Self::For(seconds)),
            [_, force] if force & 0x01 != 0 => Some(Self::On),
            [seconds, _] => Some(Self::For(seconds)),
            _ => None,
        }
    }
}

impl From<ChassisIdentify> for Message {
    fn from(identify: ChassisIdentify) -> Self {
        let data = match identify {
            // Without the second byte, which BMCs of IPMI 1.5 refuse.
            ChassisIdentify::For(seconds) => vec![seconds],
            ChassisIdentify::On => vec![0, 1],
        };
        Self::new_request(NetFn::Chassis, ChassisIdentify::COMMAND, data)
    }
}

impl IpmiCommand for ChassisIdentify {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(_: &[u8]) -> Result<(), NotEnoughData> {
        Ok(())
    }
}

/// What the lamp does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LampState {
    /// Dark.
    Off,
    /// Shines for some time.
    Temporary,
    /// Shines until told otherwise.
    On,
}

impl LampState {
    /// The bits that it has in the third byte of Get Chassis Status, with the one that says that they mean something.
    pub fn misc_bits(self) -> u8 {
        match self {
            Self::Off => 0x40,
            Self::Temporary => 0x50,
            Self::On => 0x60,
        }
    }
}

/// Get Chassis Status, for the lamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetLamp;

impl From<GetLamp> for Message {
    fn from(_: GetLamp) -> Self {
        super::GetChassisStatus.into()
    }
}

impl IpmiCommand for GetLamp {
    /// `None`: the BMC doesn't tell.
    type Output = Option<LampState>;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<Option<LampState>, NotEnoughData> {
        let &[_, _, misc, ..] = data else { return Err(NotEnoughData) };
        Ok(match misc >> 4 & 0x07 {
            4 => Some(LampState::Off),
            5 => Some(LampState::Temporary),
            6 => Some(LampState::On),
            _ => None,
        })
    }
}

/// Get Chassis Capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetChassisCapabilities;

/// What a chassis can, and where its devices are on the IPMB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChassisCapabilities {
    /// Interlock of the power.
    pub power_interlock: bool,
    /// A diagnostic interrupt.
    pub diagnostic_interrupt: bool,
    /// Locking of the front panel.
    pub front_panel_lockout: bool,
    /// Detection of intrusion.
    pub intrusion: bool,
    /// Addresses of FRU data, sensor data, event log and system management devices.
    pub devices: [u8; 4],
}

impl GetChassisCapabilities {
    /// Its number under the chassis network function.
    pub const COMMAND: u8 = 0x00;
}

impl ChassisCapabilities {
    /// The five mandatory bytes of the answer.
    pub fn encode(self) -> [u8; 5] {
        let flags = u8::from(self.power_interlock) << 3
            | u8::from(self.diagnostic_interrupt) << 2
            | u8::from(self.front_panel_lockout) << 1
            | u8::from(self.intrusion);
        let [fru, sdr, sel, management] = self.devices;
        [flags, fru, sdr, sel, management]
    }
}

impl From<GetChassisCapabilities> for Message {
    fn from(_: GetChassisCapabilities) -> Self {
        Self::new_request(NetFn::Chassis, GetChassisCapabilities::COMMAND, Vec::new())
    }
}

impl IpmiCommand for GetChassisCapabilities {
    type Output = ChassisCapabilities;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<ChassisCapabilities, NotEnoughData> {
        let &[flags, fru, sdr, sel, management, ..] = data else { return Err(NotEnoughData) };
        Ok(ChassisCapabilities {
            power_interlock: flags & 0x08 != 0,
            diagnostic_interrupt: flags & 0x04 != 0,
            front_panel_lockout: flags & 0x02 != 0,
            intrusion: flags & 0x01 != 0,
            devices: [fru, sdr, sel, management],
        })
    }
}

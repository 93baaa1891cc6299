//! Power: Get Chassis Status and Chassis Control (sections 28.2, 28.3).

use crate::ipmi::{IpmiCommand, Message, NetFn, NotEnoughData};

/// Get Chassis Status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetChassisStatus;

/// The part of Get Chassis Status that is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChassisStatus {
    /// Whether the system is on (S0 or S1..S3 where the BMC can't tell).
    pub power_on: bool,
    /// Whether its power supply has a fault.
    pub power_fault: bool,
}

impl GetChassisStatus {
    /// Its number under the chassis network function.
    pub const COMMAND: u8 = 0x01;
}

impl From<GetChassisStatus> for Message {
    fn from(_: GetChassisStatus) -> Self {
        Self::new_request(NetFn::Chassis, GetChassisStatus::COMMAND, Vec::new())
    }
}

impl IpmiCommand for GetChassisStatus {
    type Output = ChassisStatus;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<ChassisStatus, NotEnoughData> {
        // Three bytes are mandatory; the power state is all in the first.
        let &[current, _, _, ..] = data else { return Err(NotEnoughData) };
        Ok(ChassisStatus { power_on: current & 0x01 != 0, power_fault: current & 0x08 != 0 })
    }
}

/// Chassis Control: what is done to the power. The first two end in a state, the others are buttons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChassisControl {
    /// Hard off.
    PowerDown,
    /// On.
    PowerUp,
    /// Off, a second later on.
    PowerCycle,
    /// Reset.
    HardReset,
    /// Diagnostic interrupt (NMI).
    DiagnosticInterrupt,
    /// Asks the operating system to shut down.
    SoftShutdown,
}

impl ChassisControl {
    /// Its number under the chassis network function.
    pub const COMMAND: u8 = 0x02;

    /// The control byte.
    pub fn byte(self) -> u8 {
        match self {
            Self::PowerDown => 0,
            Self::PowerUp => 1,
            Self::PowerCycle => 2,
            Self::HardReset => 3,
            Self::DiagnosticInterrupt => 4,
            Self::SoftShutdown => 5,
        }
    }

    /// Of a control byte.
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte & 0x0F {
            0 => Some(Self::PowerDown),
            1 => Some(Self::PowerUp),
            2 => Some(Self::PowerCycle),
            3 => Some(Self::HardReset),
            4 => Some(Self::DiagnosticInterrupt),
            5 => Some(Self::SoftShutdown),
            _ => None,
        }
    }
}

impl From<ChassisControl> for Message {
    fn from(control: ChassisControl) -> Self {
        Self::new_request(NetFn::Chassis, ChassisControl::COMMAND, vec![control.byte()])
    }
}

impl IpmiCommand for ChassisControl {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(_: &[u8]) -> Result<(), NotEnoughData> {
        Ok(())
    }
}

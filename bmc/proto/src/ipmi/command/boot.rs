//! System boot options (sections 28.12 to 28.14): the boot flags and the parameters that real BMCs want around them.

use crate::ipmi::{IpmiCommand, Message, NetFn, NotEnoughData};

/// Number of Set System Boot Options under the chassis network function.
pub const SET_COMMAND: u8 = 0x08;
/// Number of Get System Boot Options under the chassis network function.
pub const GET_COMMAND: u8 = 0x09;

/// Boot option parameters (table 28-14).
pub mod parameter {
    /// Set in progress.
    pub const SET_IN_PROGRESS: u8 = 0;
    /// When the BMC clears the valid bit of the boot flags.
    pub const VALID_BIT_CLEARING: u8 = 3;
    /// Boot info acknowledge.
    pub const ACKNOWLEDGE: u8 = 4;
    /// Boot flags.
    pub const BOOT_FLAGS: u8 = 5;
}

/// Boot device selector of the boot flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// No override.
    None,
    /// PXE; with the EFI bit: UEFI network boot.
    Network,
    /// The default hard disk.
    Disk,
    /// CD or DVD.
    Cd,
    /// The firmware's setup.
    Setup,
    /// Another one, by its number (0 to 15).
    Other(u8),
}

impl Device {
    /// Of a selector's number.
    pub fn from_selector(selector: u8) -> Self {
        match selector & 0x0F {
            0 => Self::None,
            1 => Self::Network,
            2 => Self::Disk,
            5 => Self::Cd,
            6 => Self::Setup,
            other => Self::Other(other),
        }
    }

    /// Its number.
    pub fn selector(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Network => 1,
            Self::Disk => 2,
            Self::Cd => 5,
            Self::Setup => 6,
            Self::Other(other) => other & 0x0F,
        }
    }
}

/// Boot flags, parameter 5. The bits that are not here (console redirection, locks, verbosity) are written as 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootFlags {
    /// Whether the flags hold. Cleared by the BMC after one boot, if not persistent.
    pub valid: bool,
    /// Whether they hold for every boot.
    pub persistent: bool,
    /// Whether the boot is to be UEFI.
    pub efi: bool,
    /// From what.
    pub device: Device,
}

impl BootFlags {
    /// The five bytes of the parameter.
    pub fn encode(self) -> [u8; 5] {
        let first = u8::from(self.valid) << 7 | u8::from(self.persistent) << 6 | u8::from(self.efi) << 5;
        [first, self.device.selector() << 2, 0, 0, 0]
    }

    /// Reads the parameter. Some BMCs send fewer than five bytes; two are needed.
    pub fn decode(data: &[u8]) -> Option<Self> {
        let (&first, &second) = (data.first()?, data.get(1)?);
        Some(Self {
            valid: first & 0x80 != 0,
            persistent: first & 0x40 != 0,
            efi: first & 0x20 != 0,
            device: Device::from_selector(second >> 2),
        })
    }
}

/// Set System Boot Options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetBootOption {
    parameter: u8,
    data: Vec<u8>,
}

impl SetBootOption {
    /// Opens (true) or completes (false) a group of settings. Many BMCs don't have it; its failure means nothing.
    pub fn in_progress(begins: bool) -> Self {
        Self { parameter: parameter::SET_IN_PROGRESS, data: vec![u8::from(begins)] }
    }

    /// Tells the BMC to keep the valid bit though no chassis control follows within 60 s (bit 3).
    pub fn keep_valid() -> Self {
        Self { parameter: parameter::VALID_BIT_CLEARING, data: vec![0x08] }
    }

    /// Marks the last boot info as handled by the firmware: some BMCs keep old flags otherwise.
    pub fn acknowledge() -> Self {
        Self { parameter: parameter::ACKNOWLEDGE, data: vec![0x01, 0x01] }
    }

    /// Writes the boot flags.
    pub fn flags(flags: BootFlags) -> Self {
        Self { parameter: parameter::BOOT_FLAGS, data: flags.encode().to_vec() }
    }
}

impl From<SetBootOption> for Message {
    fn from(option: SetBootOption) -> Self {
        let mut data = vec![option.parameter];
        data.extend(option.data);
        Self::new_request(NetFn::Chassis, SET_COMMAND, data)
    }
}

impl IpmiCommand for SetBootOption {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(_: &[u8]) -> Result<(), NotEnoughData> {
        Ok(())
    }
}

/// Get System Boot Options for the boot flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetBootFlags;

impl From<GetBootFlags> for Message {
    fn from(_: GetBootFlags) -> Self {
        Self::new_request(NetFn::Chassis, GET_COMMAND, vec![parameter::BOOT_FLAGS, 0, 0])
    }
}

impl IpmiCommand for GetBootFlags {
    type Output = BootFlags;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<BootFlags, NotEnoughData> {
        // Parameter version, then parameter with the "invalid or locked" bit, then the parameter's data.
        let (_, flags) = data.split_at_checked(2).ok_or(NotEnoughData)?;
        BootFlags::decode(flags).ok_or(NotEnoughData)
    }
}

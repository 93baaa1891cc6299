//! What a simulated BMC controls.

use async_trait::async_trait;
use std::sync::Mutex;

/// The machine behind a simulated BMC.
#[async_trait]
pub trait Chassis: Send + Sync + 'static {
    /// Whether it is on.
    async fn power(&self) -> Result<bool, ChassisError>;
    /// Switches it on or, hard, off. Already so is success.
    async fn set_power(&self, on: bool) -> Result<(), ChassisError>;
    /// Presses its reset button. An error when it is off.
    async fn reset(&self) -> Result<(), ChassisError>;
    /// Asks the operating system to shut down (ACPI power button).
    async fn shut_down(&self) -> Result<(), ChassisError>;
    /// The boot flags.
    async fn boot(&self) -> Result<BootFlags, ChassisError>;
    /// Sets the boot flags. The chassis itself clears them after one boot if they are not persistent.
    async fn set_boot(&self, flags: BootFlags) -> Result<(), ChassisError>;
}

/// What the next boot, or every boot, comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BootFlags {
    /// The device; `None`: no override.
    pub device: Option<BootDevice>,
    /// Whether it stays after one boot.
    pub persistent: bool,
    /// Whether UEFI boot was asked for.
    pub uefi: bool,
}

/// A device to boot from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootDevice {
    /// PXE or UEFI network boot.
    Network,
    /// The first hard disk.
    Disk,
    /// An optical drive.
    Cd,
    /// The firmware's setup.
    Setup,
}

/// Why a chassis did not obey.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ChassisError(pub String);

/// A chassis that is only state.
#[derive(Debug, Default)]
pub struct MemoryChassis {
    state: Mutex<(bool, BootFlags)>,
}

impl MemoryChassis {
    /// Off, no override.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, act: impl FnOnce(&mut (bool, BootFlags)) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

#[async_trait]
impl Chassis for MemoryChassis {
    async fn power(&self) -> Result<bool, ChassisError> {
        Ok(self.with(|state| state.0))
    }

    async fn set_power(&self, on: bool) -> Result<(), ChassisError> {
        self.with(|state| state.0 = on);
        Ok(())
    }

    async fn reset(&self) -> Result<(), ChassisError> {
        self.with(|state| if state.0 { Ok(()) } else { Err(ChassisError("it is off".into())) })
    }

    async fn shut_down(&self) -> Result<(), ChassisError> {
        self.set_power(false).await
    }

    async fn boot(&self) -> Result<BootFlags, ChassisError> {
        Ok(self.with(|state| state.1))
    }

    async fn set_boot(&self, flags: BootFlags) -> Result<(), ChassisError> {
        self.with(|state| state.1 = flags);
        Ok(())
    }
}

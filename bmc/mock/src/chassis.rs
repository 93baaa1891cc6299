//! What a simulated BMC controls.

use crate::serial::{SerialDevice, SerialPort};
use async_trait::async_trait;
use std::sync::{Arc, Mutex, OnceLock};

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
    /// Presses its diagnostic button (NMI). An error when it has none or is off.
    async fn diagnostic(&self) -> Result<(), ChassisError> {
        Err(ChassisError("it has no diagnostic interrupt".into()))
    }
    /// The boot flags.
    async fn boot(&self) -> Result<BootFlags, ChassisError>;
    /// Sets the boot flags. The chassis itself clears them after one boot if they are not persistent.
    async fn set_boot(&self, flags: BootFlags) -> Result<(), ChassisError>;
    /// Asks the operating system to start anew. By default that is a reset.
    async fn restart(&self) -> Result<(), ChassisError> {
        self.reset().await
    }
    /// Whether it is on, but suspended or halted.
    async fn paused(&self) -> Result<bool, ChassisError> {
        Ok(false)
    }
    /// Suspends or halts it. An error when it can't be, or is off.
    async fn pause(&self) -> Result<(), ChassisError> {
        Err(ChassisError("it can't be suspended".into()))
    }
    /// Lets it go on. An error when it can't be, or is off.
    async fn resume(&self) -> Result<(), ChassisError> {
        Err(ChassisError("it can't be suspended".into()))
    }
    /// Its serial port, if it has one.
    fn serial(&self) -> Option<Arc<dyn SerialPort>> {
        None
    }
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
    /// A USB device.
    Usb,
    /// UEFI HTTP boot.
    Http,
    /// A device of the UEFI boot manager's, by its path or name.
    Uefi,
}

impl BootDevice {
    /// Its word, for logs and people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Disk => "disk",
            Self::Cd => "cd",
            Self::Setup => "setup",
            Self::Usb => "usb",
            Self::Http => "http",
            Self::Uefi => "uefi",
        }
    }
}

/// Why a chassis did not obey.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ChassisError(pub String);

/// A chassis that is only state.
#[derive(Debug, Default)]
pub struct MemoryChassis {
    state: Mutex<State>,
    /// Made when somebody looks at it.
    serial: OnceLock<Arc<SerialDevice>>,
}

#[derive(Debug, Default)]
struct State {
    on: bool,
    paused: bool,
    flags: BootFlags,
    diagnostics: u32,
}

impl State {
    /// Firmware uses up what is for one boot.
    fn boots(&mut self) {
        if !self.flags.persistent {
            self.flags = BootFlags::default();
        }
    }
}

impl MemoryChassis {
    /// Off, no override.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many diagnostic interrupts it got.
    pub fn diagnostics(&self) -> u32 {
        self.with(|state| state.diagnostics)
    }

    /// Its serial port.
    pub fn serial_device(&self) -> &Arc<SerialDevice> {
        self.serial.get_or_init(|| Arc::new(SerialDevice::new(self.with(|state| state.on))))
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn with_power(&self, act: impl FnOnce(&mut State)) -> Result<(), ChassisError> {
        self.with(|state| {
            if !state.on {
                return Err(ChassisError("it is off".into()));
            }
            act(state);
            Ok(())
        })
    }
}

#[async_trait]
impl Chassis for MemoryChassis {
    async fn power(&self) -> Result<bool, ChassisError> {
        Ok(self.with(|state| state.on))
    }

    async fn set_power(&self, on: bool) -> Result<(), ChassisError> {
        self.with(|state| {
            if on && !state.on {
                state.boots();
            }
            state.on = on;
            state.paused = false;
        });
        if let Some(serial) = self.serial.get() {
            serial.set_power(on);
        }
        Ok(())
    }

    async fn reset(&self) -> Result<(), ChassisError> {
        self.with_power(|state| {
            state.paused = false;
            state.boots();
        })?;
        if let Some(serial) = self.serial.get() {
            serial.boot();
        }
        Ok(())
    }

    async fn shut_down(&self) -> Result<(), ChassisError> {
        self.set_power(false).await
    }

    async fn diagnostic(&self) -> Result<(), ChassisError> {
        self.with_power(|state| state.diagnostics += 1)
    }

    async fn paused(&self) -> Result<bool, ChassisError> {
        Ok(self.with(|state| state.paused))
    }

    async fn pause(&self) -> Result<(), ChassisError> {
        self.with_power(|state| state.paused = true)
    }

    async fn resume(&self) -> Result<(), ChassisError> {
        self.with_power(|state| state.paused = false)
    }

    async fn boot(&self) -> Result<BootFlags, ChassisError> {
        Ok(self.with(|state| state.flags))
    }

    async fn set_boot(&self, flags: BootFlags) -> Result<(), ChassisError> {
        self.with(|state| state.flags = flags);
        Ok(())
    }

    fn serial(&self) -> Option<Arc<dyn SerialPort>> {
        Some(Arc::clone(self.serial_device()) as Arc<dyn SerialPort>)
    }
}

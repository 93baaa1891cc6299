//! What a machine's BMC controls. What BMCs do wrong is not here (`bmc`).

use super::{Input, Mains, Sim};
use crate::fleet::entry::Seen;
use async_trait::async_trait;
use bmc_mock::{BootFlags, Chassis, ChassisError, SerialPort};
use std::sync::Arc;

/// A machine as its BMC has it.
pub(super) struct Wired(pub(super) Arc<Sim>);

impl Wired {
    fn asked(&self, deed: &str) {
        self.0.eyes.see(self.0.number, Seen::Bmc { deed: deed.into() });
    }

    fn powered(&self) -> Result<(), ChassisError> {
        if self.0.core().mains == Mains::There {
            return Ok(());
        }
        Err(ChassisError("its rack has no power".into()))
    }
}

#[async_trait]
impl Chassis for Wired {
    async fn power(&self) -> Result<bool, ChassisError> {
        self.asked("power");
        Ok(self.0.power())
    }

    async fn set_power(&self, on: bool) -> Result<(), ChassisError> {
        self.asked("set-power");
        self.powered()?;
        self.0.feed(None, Input::Power(on));
        Ok(())
    }

    async fn reset(&self) -> Result<(), ChassisError> {
        self.asked("reset");
        self.powered()?;
        if !self.0.power() {
            return Err(ChassisError("it is off".into()));
        }
        self.0.feed(None, Input::Reset);
        Ok(())
    }

    async fn shut_down(&self) -> Result<(), ChassisError> {
        self.set_power(false).await
    }

    async fn boot(&self) -> Result<BootFlags, ChassisError> {
        Ok(self.0.flags())
    }

    async fn set_boot(&self, flags: BootFlags) -> Result<(), ChassisError> {
        self.asked("set-boot");
        self.0.feed(None, Input::SetBoot(flags));
        Ok(())
    }

    fn serial(&self) -> Option<Arc<dyn SerialPort>> {
        Some(self.0.serial_port())
    }
}

//! Reading and switching the power.

use super::Ipmi;
use crate::driver::{BmcError, PowerState};
use bmc_proto::ipmi::Answer;
use bmc_proto::ipmi::command::{ChassisControl, GetChassisStatus};
use tokio::time::Instant;

/// For error messages.
pub(super) const READING: &str = "reading the power state";
/// For error messages.
pub(super) const SWITCHING: &str = "switching the power";

impl Ipmi {
    pub(super) async fn read_power(&self) -> Result<PowerState, BmcError> {
        let status = self.call(GetChassisStatus, READING).await?;
        Ok(if status.power_on { PowerState::On } else { PowerState::Off })
    }

    /// Reads, commands, and reads until it is so. The command is given again after a while: some BMCs lose "on" when
    /// it comes shortly after "off".
    pub(super) async fn switch_power(&self, target: PowerState) -> Result<(), BmcError> {
        if self.read_power().await? == target {
            return Ok(());
        }
        let give_up = Instant::now() + self.timing.power;
        while Instant::now() < give_up {
            let answer = self.command_power(target).await?;
            let insist = Instant::now() + self.timing.insist;
            while Instant::now() < insist.min(give_up) {
                if self.read_power().await? == target {
                    return Ok(());
                }
                // "Not in this state" passes while a machine is just going off; other refusals are final.
                if !matches!(answer.completion, Answer::OK | Answer::WRONG_STATE) {
                    return Err(self.errors.refused(&answer, SWITCHING));
                }
                tokio::time::sleep(self.timing.poll).await;
            }
        }
        let found = match self.read_power().await? {
            found if found == target => return Ok(()),
            PowerState::On => "on",
            PowerState::Off => "off",
        };
        Err(self.errors.not_done(SWITCHING, found.into()))
    }

    /// Gives the command once. What the BMC says to it is not an error yet: it may be so already.
    async fn command_power(&self, target: PowerState) -> Result<Answer, BmcError> {
        let control = match target {
            PowerState::On => ChassisControl::PowerUp,
            PowerState::Off => ChassisControl::PowerDown,
        };
        self.answer(control.into(), SWITCHING).await
    }
}

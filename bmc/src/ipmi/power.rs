//! Reading and switching the power, and the buttons.
//!
//! One reading is no proof: some BMCs say for seconds what was, and some say "off" for a moment in a reset. Where it
//! matters, two readings in a row must agree.

use super::Ipmi;
use crate::driver::{BmcError, Button, PowerState};
use bmc_proto::ipmi::Answer;
use bmc_proto::ipmi::command::{ChassisControl, ChassisStatus, GetChassisStatus};
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

/// For error messages.
pub(super) const READING: &str = "reading the power state";
/// For error messages.
pub(super) const SWITCHING: &str = "switching the power";
/// For error messages.
pub(super) const PRESSING: &str = "pressing a button";

/// The last power state that was told.
#[derive(Default)]
pub(super) struct Known(Mutex<Option<PowerState>>);

impl Known {
    fn get(&self) -> Option<PowerState> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: PowerState) -> PowerState {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
        state
    }
}

impl Ipmi {
    /// The power. A change must be seen twice; when the second reading contradicts it, a third decides.
    pub(super) async fn read_power(&self) -> Result<PowerState, BmcError> {
        let mut seen = state_of(&self.glance(GetChassisStatus, READING).await?);
        if self.known.get().is_some_and(|known| known != seen) && self.observe_again().await? != seen {
            seen = self.observe_again().await?;
        }
        Ok(self.known.set(seen))
    }

    async fn observe(&self) -> Result<PowerState, BmcError> {
        Ok(state_of(&self.call(GetChassisStatus, READING).await?))
    }

    async fn observe_again(&self) -> Result<PowerState, BmcError> {
        tokio::time::sleep(self.timing.confirm).await;
        self.observe().await
    }

    /// Whether two readings say so.
    async fn is_surely(&self, target: PowerState) -> Result<bool, BmcError> {
        let sure = self.observe().await? == target && self.observe_again().await? == target;
        if sure {
            self.known.set(target);
        }
        Ok(sure)
    }

    /// Reads, commands, and reads until it is so. The command is given again after a while: some BMCs lose "on" when
    /// it comes shortly after "off".
    pub(super) async fn switch_power(&self, target: PowerState) -> Result<(), BmcError> {
        if self.is_surely(target).await? {
            return Ok(());
        }
        let give_up = Instant::now() + self.timing.power;
        while Instant::now() < give_up {
            let answer = self.command_power(target).await?;
            let insist = Instant::now() + self.timing.insist;
            while Instant::now() < insist.min(give_up) {
                if self.is_surely(target).await? {
                    return Ok(());
                }
                // "Not in this state" passes while a machine is just going off; other refusals are final.
                if !matches!(answer.completion, Answer::OK | Answer::WRONG_STATE) {
                    return Err(self.errors.refused(&answer, SWITCHING));
                }
                tokio::time::sleep(self.timing.poll).await;
            }
        }
        if self.is_surely(target).await? {
            return Ok(());
        }
        let found = match self.observe().await? {
            // It changes its mind.
            found if found == target => "now the one and now the other",
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

    /// Sees to it that there is a session and that it works, so that a button is pressed in a good one.
    pub(super) async fn prepare_press(&self) -> Result<(), BmcError> {
        self.observe().await.map(|_| ())
    }

    /// Presses a button, once whatever happens.
    pub(super) async fn press_button(&self, button: Button) -> Result<(), BmcError> {
        let control = match button {
            Button::Cycle => ChassisControl::PowerCycle,
            Button::Reset => ChassisControl::HardReset,
            Button::ShutDown => ChassisControl::SoftShutdown,
            Button::Diagnostic => ChassisControl::DiagnosticInterrupt,
            Button::Restart
            | Button::PushPower
            | Button::FullCycle
            | Button::Suspend
            | Button::Pause
            | Button::Resume => {
                let what = "IPMI has no such button; there are cycle, reset, soft and diag";
                return Err(self.errors.unsupported(what.into()));
            }
        };
        let answer = self.answer_once(control.into(), PRESSING).await?;
        match answer.completion {
            // It began, and can't say more.
            Answer::TIMEOUT | Answer::DUPLICATED => Err(self.errors.unknown(PRESSING)),
            Answer::WRONG_STATE if self.observe().await? == PowerState::Off => {
                Err(self.errors.answered(PRESSING, "the machine is off; switch it on instead".into()))
            }
            _ => self.read::<ChassisControl>(&answer, PRESSING),
        }
    }
}

fn state_of(status: &ChassisStatus) -> PowerState {
    if status.power_on { PowerState::On } else { PowerState::Off }
}

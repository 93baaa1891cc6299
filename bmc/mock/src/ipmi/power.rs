//! Chassis commands: status, control, restore policy, cause of the last restart, hours of operation (chapter 28).

use super::boot::BootOptions;
use super::commands::Call;
use super::group::{Done, answer, lock, refuse};
use crate::{Chassis, ChassisError};
use bmc_proto::ipmi::Answer;
use bmc_proto::ipmi::command::identify::LampState;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(super) const GET_STATUS: u8 = 0x01;
pub(super) const CONTROL: u8 = 0x02;
pub(super) const SET_RESTORE_POLICY: u8 = 0x06;
pub(super) const GET_RESTART_CAUSE: u8 = 0x07;
pub(super) const GET_POWER_ON_HOURS: u8 = 0x0F;
/// Restore policies: 0 stays off, 1 as before, 2 on. This one changes nothing.
const NO_CHANGE: u8 = 3;
/// What Chassis Control does.
const DOWN: u8 = 0;
const UP: u8 = 1;
const CYCLE: u8 = 2;
const RESET: u8 = 3;
const DIAGNOSTIC: u8 = 4;
const SOFT: u8 = 5;
/// Cause of a restart: a chassis control command (28.11).
const BY_COMMAND: u8 = 1;
const MINUTES_PER_COUNT: u8 = 60;
/// "Chassis Identify is supported", in the third byte of the status.
const IDENTIFY: u8 = 0x40;

/// Told that the machine was switched on (or off).
pub(super) type Tell<'a> = &'a (dyn Fn(bool) + Sync);

/// The machine, as the BMC sees it.
pub(super) struct PowerUnit {
    chassis: Arc<dyn Chassis>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether it was on when we last looked.
    known: Option<bool>,
    policy: u8,
    cause: u8,
    /// The last time it was switched on was by IPMI.
    by_ipmi: bool,
    /// Its power supply is said to have a fault.
    fault: bool,
    /// How long it was on, up to `on_since`.
    powered: Duration,
    on_since: Option<Duration>,
}

impl PowerUnit {
    pub(super) fn new(chassis: Arc<dyn Chassis>) -> Self {
        Self { chassis, state: Mutex::default() }
    }

    pub(super) fn chassis(&self) -> &Arc<dyn Chassis> {
        &self.chassis
    }

    pub(super) fn set_fault(&self, fault: bool) {
        lock(&self.state).fault = fault;
    }

    /// Looks whether it is on, and tells those who must know when that changed.
    pub(super) async fn look(&self, now: Duration, tell: Tell<'_>) -> Result<bool, ChassisError> {
        let on = self.chassis.power().await?;
        let changed = {
            let mut state = lock(&self.state);
            if on {
                state.on_since.get_or_insert(now);
            } else if let Some(since) = state.on_since.take() {
                state.powered += now.saturating_sub(since);
            }
            // What it was when the BMC was made is no change.
            state.known.replace(on).unwrap_or(on) != on
        };
        if changed {
            tell(on);
        }
        Ok(on)
    }

    /// Get Chassis Status (28.2), with what the lamp does.
    pub(super) async fn status(&self, call: &Call<'_>, tell: Tell<'_>, lamp: LampState) -> Done {
        let on = match self.look(call.now, tell).await {
            Ok(on) => on,
            Err(error) => return failed(&error),
        };
        let on = call.faulty(|faulty| faulty.lie(call.now)).flatten().unwrap_or(on);
        let lamp = match lamp {
            LampState::Off => 0x00,
            LampState::Temporary => 0x10,
            LampState::On => 0x20,
        };
        let state = lock(&self.state);
        let power = u8::from(on) | u8::from(state.fault) << 3 | state.policy << 5;
        answer([power, u8::from(state.by_ipmi) << 4, IDENTIFY | lamp, 0])
    }

    /// Chassis Control (28.3).
    pub(super) async fn control(&self, call: &Call<'_>, boot: &BootOptions, tell: Tell<'_>) -> Done {
        let &[byte] = call.body() else { return refuse(Answer::INVALID_LENGTH) };
        let control = byte & 0x0F;
        if control > SOFT {
            return refuse(Answer::INVALID_FIELD);
        }
        if call.faulty(|faulty| faulty.faults().ignores_power).unwrap_or(false) {
            return answer([]);
        }
        match self.act(control, call, boot, tell).await {
            Ok(done) => done,
            Err(error) => failed(&error),
        }
    }

    async fn act(
        &self,
        control: u8,
        call: &Call<'_>,
        boot: &BootOptions,
        tell: Tell<'_>,
    ) -> Result<Done, ChassisError> {
        let was_on = self.look(call.now, tell).await?;
        // These do nothing to a machine that is off.
        if !was_on && matches!(control, CYCLE | RESET | DIAGNOSTIC) {
            return Ok(refuse(Answer::WRONG_STATE));
        }
        boot.expire(call, &*self.chassis).await?;
        match control {
            DOWN => self.chassis.set_power(false).await?,
            UP => self.chassis.set_power(true).await?,
            CYCLE => {
                self.chassis.set_power(false).await?;
                self.look(call.now, tell).await?;
                self.chassis.set_power(true).await?;
            }
            RESET => self.chassis.reset().await?,
            DIAGNOSTIC => self.chassis.diagnostic().await?,
            // SOFT: there is no other.
            _ => self.chassis.shut_down().await?,
        }
        let starts = matches!(control, CYCLE | RESET) || (control == UP && !was_on);
        boot.commanded(call.now, starts);
        {
            let mut state = lock(&self.state);
            if starts {
                state.cause = BY_COMMAND;
            }
            if matches!(control, UP | CYCLE) {
                state.by_ipmi = true;
            }
        }
        let is_on = self.look(call.now, tell).await?;
        if is_on != was_on {
            call.faulty(|faulty| faulty.power_changed(was_on, call.now));
        }
        Ok(answer([]))
    }

    /// Set Power Restore Policy (28.8); answers which there are: all three.
    pub(super) fn set_restore_policy(&self, body: &[u8]) -> Done {
        let &[policy] = body else { return refuse(Answer::INVALID_LENGTH) };
        match policy & 7 {
            NO_CHANGE => {}
            policy @ 0..NO_CHANGE => lock(&self.state).policy = policy,
            _ => return refuse(Answer::INVALID_FIELD),
        }
        answer([0x07])
    }

    /// Get System Restart Cause (28.11).
    pub(super) fn restart_cause(&self) -> Done {
        answer([lock(&self.state).cause, super::outside::CHANNEL])
    }

    /// Get POH Counter (28.14).
    pub(super) fn power_on_hours(&self, now: Duration) -> Done {
        let state = lock(&self.state);
        let on = state.on_since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        let minutes = (state.powered + on).as_secs() / 60;
        let counts = u32::try_from(minutes / u64::from(MINUTES_PER_COUNT)).unwrap_or(u32::MAX);
        answer([&[MINUTES_PER_COUNT][..], &counts.to_le_bytes()].concat())
    }
}

pub(super) fn failed(error: &ChassisError) -> Done {
    tracing::warn!(%error, "the chassis did not obey");
    refuse(Answer::UNSPECIFIED)
}

//! The watchdog timer, which may reset the machine behind our back.
//!
//! Deliberately not here: starting it. That is the operating system's.

use super::Ipmi;
use crate::capability::{Watchdog, WatchdogState};
use crate::driver::BmcError;
use async_trait::async_trait;
use bmc_proto::ipmi::command::watchdog::{GetWatchdogTimer, SetWatchdogTimer, TimeoutAction, WatchdogTimer};
use std::time::Duration;

const READING: &str = "reading the watchdog";
const STOPPING: &str = "stopping the watchdog";

#[async_trait]
impl Watchdog for Ipmi {
    async fn watchdog(&self) -> Result<WatchdogState, BmcError> {
        let (timer, left) = self.bounded(self.timing.call, READING, self.read_watchdog(READING)).await?;
        Ok(WatchdogState {
            running: timer.running,
            used_by: timer.used_by().into(),
            action: match timer.action {
                TimeoutAction::None => "none".into(),
                TimeoutAction::Reset => "hard reset".into(),
                TimeoutAction::PowerDown => "power down".into(),
                TimeoutAction::PowerCycle => "power cycle".into(),
                TimeoutAction::Other(number) => format!("reserved {number}"),
            },
            set_to: timer.set_to(),
            left,
        })
    }

    async fn stop_watchdog(&self) -> Result<(), BmcError> {
        self.bounded(self.timing.call, STOPPING, self.switch_watchdog_off()).await
    }
}

impl Ipmi {
    async fn read_watchdog(&self, during: &'static str) -> Result<(WatchdogTimer, Duration), BmcError> {
        match self.optional(GetWatchdogTimer, during).await? {
            Some(watchdog) => Ok(watchdog),
            None => Err(self.cannot("it has no watchdog")),
        }
    }

    async fn switch_watchdog_off(&self) -> Result<(), BmcError> {
        let (timer, _) = self.read_watchdog(STOPPING).await?;
        if !timer.running {
            return Ok(());
        }
        // All as it was, so that who resets it starts what it set; no expiry is cleared.
        let stopped = WatchdogTimer { running: false, expired: 0, ..timer };
        self.call(SetWatchdogTimer(stopped), STOPPING).await?;
        let (timer, left) = self.read_watchdog(STOPPING).await?;
        if timer.running {
            let found = format!("that it runs for {} s more", left.as_secs());
            return Err(self.errors.not_done(STOPPING, found));
        }
        Ok(())
    }
}

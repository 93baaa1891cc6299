//! The simulated BMC's watchdog: a real countdown, at whose end it does to the machine what it was told to
//! (27.5 to 27.7).
//!
//! Deliberately not here: the interrupt before the end.

use super::group::{Done, Request, answer, lock, refuse};
use crate::{Chassis, ChassisError};
use bmc_proto::ipmi::Answer;
use bmc_proto::ipmi::command::watchdog::{
    GetWatchdogTimer, NEVER_SET, ResetWatchdogTimer, SetWatchdogTimer, TimeoutAction, WatchdogTimer,
};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// The watchdog.
pub(super) struct Watchdog(Arc<Mutex<Option<Box<State>>>>);

/// Exists since it was set for the first time.
struct State {
    timer: WatchdogTimer,
    /// When its time is up, by the BMC's clock. `None`: it does not run.
    end: Option<Duration>,
    /// Changes with each start and stop, so that the end of an earlier countdown means nothing.
    round: u64,
}

impl Watchdog {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// Commands under the application network function. Needs a runtime.
    pub(super) fn execute(&self, request: &Request<'_>, chassis: &Arc<dyn Chassis>) -> Option<Done> {
        match request.command {
            GetWatchdogTimer::COMMAND => Some(self.get(request.now)),
            SetWatchdogTimer::COMMAND => Some(self.set(request, chassis)),
            ResetWatchdogTimer::COMMAND => Some(self.start(request.now, chassis)),
            _ => None,
        }
    }

    fn get(&self, now: Duration) -> Done {
        let state = lock(&self.0);
        let Some(state) = state.as_deref() else {
            // As it is born: used by nobody.
            return answer([0; 8]);
        };
        let left = match state.end {
            Some(end) => u16::try_from(end.saturating_sub(now).as_millis().div_ceil(100)).unwrap_or(u16::MAX),
            None => state.timer.countdown,
        };
        let timer = WatchdogTimer { running: state.end.is_some(), ..state.timer };
        answer([&timer.encode()[..], &left.to_le_bytes()].concat())
    }

    fn set(&self, request: &Request<'_>, chassis: &Arc<dyn Chassis>) -> Done {
        let Ok(bytes) = <[u8; 6]>::try_from(request.body) else { return refuse(Answer::INVALID_LENGTH) };
        let wanted = WatchdogTimer::decode(bytes);
        if matches!(wanted.action, TimeoutAction::Other(_)) || !(1..=5).contains(&wanted.user) {
            return refuse(Answer::INVALID_FIELD);
        }
        let mut slot = lock(&self.0);
        let before = slot.take();
        let (expired, round, ran) =
            before.map_or((0, 0, false), |state| (state.timer.expired, state.round, state.end.is_some()));
        let timer = WatchdogTimer { expired: expired & !wanted.expired, running: false, ..wanted };
        let mut state = Box::new(State { timer, end: None, round: round + 1 });
        // One that runs may go on, from its new start; the flag never starts one.
        if ran && wanted.running {
            self.begin(&mut state, request.now, chassis);
        }
        *slot = Some(state);
        answer([])
    }

    fn start(&self, now: Duration, chassis: &Arc<dyn Chassis>) -> Done {
        let mut slot = lock(&self.0);
        let Some(state) = slot.as_deref_mut() else { return refuse(NEVER_SET) };
        self.begin(state, now, chassis);
        answer([])
    }

    fn begin(&self, state: &mut State, now: Duration, chassis: &Arc<dyn Chassis>) {
        let countdown = state.timer.set_to();
        state.end = Some(now + countdown);
        state.round += 1;
        tokio::spawn(count_down(Arc::downgrade(&self.0), state.round, countdown, Arc::clone(chassis)));
    }
}

/// Waits for the end of a countdown, and acts if it was not stopped or begun anew meanwhile.
async fn count_down(
    watchdog: Weak<Mutex<Option<Box<State>>>>,
    round: u64,
    countdown: Duration,
    chassis: Arc<dyn Chassis>,
) {
    tokio::time::sleep(countdown).await;
    let Some(watchdog) = watchdog.upgrade() else { return };
    let action = {
        let mut slot = lock(&watchdog);
        let Some(state) = slot.as_deref_mut().filter(|state| state.round == round) else { return };
        state.end = None;
        state.timer.expired |= 1 << state.timer.user;
        state.timer.action
    };
    if let Err(error) = act(action, &*chassis).await {
        tracing::warn!(%error, ?action, "the chassis did not obey the watchdog");
    }
}

async fn act(action: TimeoutAction, chassis: &dyn Chassis) -> Result<(), ChassisError> {
    match action {
        TimeoutAction::None | TimeoutAction::Other(_) => Ok(()),
        TimeoutAction::PowerDown => chassis.set_power(false).await,
        TimeoutAction::Reset | TimeoutAction::PowerCycle if !chassis.power().await? => Ok(()),
        TimeoutAction::Reset => chassis.reset().await,
        TimeoutAction::PowerCycle => {
            chassis.set_power(false).await?;
            chassis.set_power(true).await
        }
    }
}

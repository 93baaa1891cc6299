//! The simulated machine's lamp, and what its chassis can (28.1, 28.5).

use super::group::{Done, Request, answer, lock, refuse};
use bmc_proto::ipmi::Answer;
use bmc_proto::ipmi::command::identify::{
    ChassisCapabilities, ChassisIdentify, GetChassisCapabilities, LampState,
};
use std::sync::Mutex;
use std::time::Duration;

/// Address of the BMC on the IPMB: it is all four devices of the chassis.
const BMC: u8 = 0x20;

/// The lamp.
pub(super) struct Identify(Mutex<State>);

struct State {
    lamp: Lamp,
    /// Refuses to shine without end.
    timed_only: bool,
}

enum Lamp {
    Off,
    /// By the BMC's clock.
    Until(Duration),
    On,
}

impl Identify {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { lamp: Lamp::Off, timed_only: false }))
    }

    pub(super) fn set_timed_only(&self, timed_only: bool) {
        lock(&self.0).timed_only = timed_only;
    }

    /// What the lamp does at this time.
    pub(super) fn lamp(&self, now: Duration) -> LampState {
        match lock(&self.0).lamp {
            Lamp::On => LampState::On,
            Lamp::Until(end) if now < end => LampState::Temporary,
            _ => LampState::Off,
        }
    }

    /// Commands under the chassis network function.
    pub(super) fn execute(&self, request: &Request<'_>) -> Option<Done> {
        match request.command {
            GetChassisCapabilities::COMMAND => {
                let capabilities = ChassisCapabilities {
                    power_interlock: false,
                    diagnostic_interrupt: true,
                    front_panel_lockout: false,
                    intrusion: false,
                    devices: [BMC; 4],
                };
                Some(answer(capabilities.encode()))
            }
            ChassisIdentify::COMMAND => Some(self.switch(request)),
            _ => None,
        }
    }

    fn switch(&self, request: &Request<'_>) -> Done {
        let Some(wanted) = ChassisIdentify::decode(request.body) else {
            return refuse(Answer::INVALID_LENGTH);
        };
        let mut state = lock(&self.0);
        state.lamp = match wanted {
            ChassisIdentify::On if state.timed_only => return refuse(Answer::INVALID_FIELD),
            ChassisIdentify::On => Lamp::On,
            ChassisIdentify::For(0) => Lamp::Off,
            ChassisIdentify::For(seconds) => Lamp::Until(request.now + Duration::from_secs(seconds.into())),
        };
        answer([])
    }
}

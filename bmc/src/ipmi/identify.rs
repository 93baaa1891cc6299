//! The lamp that shows where a machine is.

use super::Ipmi;
use crate::capability::{Identify, Lamp};
use crate::driver::BmcError;
use async_trait::async_trait;
use bmc_proto::ipmi::Answer;
use bmc_proto::ipmi::command::identify::{ChassisIdentify, GetLamp, LampState};
use std::time::Duration;

const SWITCHING: &str = "switching the identify lamp";
/// How often the lamp is looked at, and the wait between; BMCs are not quick to tell.
const LOOKS: u32 = 4;
const WAIT: Duration = Duration::from_millis(250);

#[async_trait]
impl Identify for Ipmi {
    async fn identify(&self, lamp: Lamp) -> Result<(), BmcError> {
        self.bounded(self.timing.call, SWITCHING, self.switch_lamp(lamp)).await
    }
}

impl Ipmi {
    async fn switch_lamp(&self, lamp: Lamp) -> Result<(), BmcError> {
        let command = match lamp {
            Lamp::On => ChassisIdentify::On,
            Lamp::Off => ChassisIdentify::For(0),
            Lamp::For(time) => ChassisIdentify::For(self.seconds(time)?),
        };
        let endless = command == ChassisIdentify::On;
        let codes = [Answer::INVALID_LENGTH, 0xC8, Answer::INVALID_FIELD, Answer::OUT_OF_RANGE];
        let refused = if endless { &codes[..] } else { &[] };
        if self.unless(command, refused, SWITCHING).await?.is_none() {
            return Err(self.cannot("its lamp can't shine without end; ask for a time, 255 s at the most"));
        }
        let lit = command != ChassisIdentify::For(0);
        for look in 1..=LOOKS {
            match self.call(GetLamp, SWITCHING).await? {
                // It doesn't tell.
                None => return Ok(()),
                // Some BMCs know of one way to shine only.
                Some(state) if (state != LampState::Off) == lit => return Ok(()),
                Some(_) if look < LOOKS => tokio::time::sleep(WAIT).await,
                Some(_) => {}
            }
        }
        Err(self.errors.not_done(SWITCHING, if lit { "that it is dark" } else { "that it shines" }.into()))
    }

    /// Whole seconds, rounded up.
    fn seconds(&self, time: Duration) -> Result<u8, BmcError> {
        u8::try_from(time.as_millis().div_ceil(1000))
            .map_err(|_| self.cannot("its lamp shines 255 s at the most; leave the time out for without end"))
    }
}

//! Asking an operating system to shut down, before its power is cut.
//!
//! How long it may take, and that its power is cut then, is the lifecycle's to say.

use crate::store::MachineRecord;
use bmc::{Bmc, BmcError, Button, PowerState};
use provisioner_lifecycle::Effect;

/// The system is off. It is asked once, and looked at from then on: a second request makes some systems stop at once.
pub(super) async fn shut_down(bmc: &dyn Bmc, record: &MachineRecord) -> Result<String, BmcError> {
    if bmc.power().await? == PowerState::Off {
        return Ok("the system is off".into());
    }
    let step = record.machine.running_job().and_then(|job| job.current());
    if step.is_some_and(|step| step.attempt == 1) {
        bmc.press(Button::ShutDown).await?;
    }
    match bmc.power().await? {
        PowerState::Off => Ok("the system shut down".into()),
        found => Err(BmcError::NotDone {
            address: address(record),
            during: "asking the system to shut down",
            found: format!("that power is {} still", if found == PowerState::On { "on" } else { "not off" }),
        }),
    }
}

fn address(record: &MachineRecord) -> String {
    record.spec.bmc.as_ref().map(|bmc| bmc.address.clone()).unwrap_or_default()
}

/// Where nobody can be asked, its power is cut.
pub(super) fn or_not(effect: Effect, done: Result<String, BmcError>) -> Result<String, BmcError> {
    match (effect, done) {
        (Effect::ShutDown, Err(BmcError::AsksPerson { .. } | BmcError::Unsupported { .. })) => {
            Ok("its BMC can't ask the system to shut down: its power is cut".into())
        }
        (_, done) => done,
    }
}

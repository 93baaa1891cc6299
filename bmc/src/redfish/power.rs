//! Power: read, switched to an end, and buttons pressed once.

use super::Redfish;
use super::client::is_passing;
use super::session::judge;
use super::transport::{Answer, Request};
use crate::{BmcError, Button, PowerState};
use bmc_proto::redfish::{
    ComputerSystem, PowerReading, Press, ResourcePath, Verdict, action, full_cycle, press_harms, press_names,
    press_word, printable, push_type, read_power, read_power_of, reset_type,
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const READING: &str = "read power";
/// For error messages.
pub(super) const SWITCHING: &str = "set power";
const PRESSING: &str = "press a button";
const RESET: &str = "#ComputerSystem.Reset";

/// How the machine is switched: where, and what it takes.
struct Switch {
    target: ResourcePath,
    allowable: Vec<String>,
    /// All of the system.
    system: Value,
}

/// What came of giving a reset.
enum Given {
    /// As far as the BMC says.
    Taken,
    Refused(BmcError),
    /// Perhaps: there was no answer.
    Lost(BmcError),
}

impl Given {
    /// The refusal, and the loss.
    fn apart(self) -> (Option<BmcError>, Option<BmcError>) {
        match self {
            Self::Taken => (None, None),
            Self::Refused(error) => (Some(error), None),
            Self::Lost(error) => (None, Some(error)),
        }
    }
}

impl Redfish {
    /// Power as the BMC shows it. This is what is asked most often, so nothing else is parsed.
    pub(super) async fn power_reading(&self) -> Result<PowerReading, BmcError> {
        let known = self.places.lock().await.known_system();
        let Some(path) = known else { return self.power_of(&self.system().await?.system) };
        let answer = self.call(&Request { single: true, ..Request::get(&path, READING) }).await?;
        if answer.status == StatusCode::NOT_FOUND {
            // It looks for where the system is now.
            return self.power_of(&self.system().await?.system);
        }
        let transport = self.transport()?;
        let answer = transport.success(answer, READING)?;
        let reading = read_power_of(&answer.body)
            .map_err(|error| transport.broken(READING, format!("the body is no resource: {error}")))?;
        reading.map_err(|word| self.odd_power(&word))
    }

    /// Power for the outside: all that isn't off is on.
    pub(super) async fn observe(&self) -> Result<PowerState, BmcError> {
        Ok(if self.power_reading().await?.is_on() { PowerState::On } else { PowerState::Off })
    }

    fn power_of(&self, system: &ComputerSystem) -> Result<PowerReading, BmcError> {
        let word = || system.power_state.clone().unwrap_or_default();
        read_power(system).ok_or_else(|| self.odd_power(&word()))
    }

    fn odd_power(&self, word: &str) -> BmcError {
        let shown = if word.is_empty() { "absent".into() } else { printable(word, 40) };
        BmcError::Protocol {
            address: self.address.clone(),
            during: READING,
            what: format!("PowerState is {shown}"),
        }
    }

    async fn switch(&self) -> Result<(Switch, PowerReading), BmcError> {
        let loaded = self.system().await?;
        let reading = self.power_of(&loaded.system)?;
        let Some(reset) = action(&loaded.raw, RESET) else {
            return Err(self.cannot("its system has no Reset action"));
        };
        let allowable = self.allowable(&reset, "ResetType").await?;
        Ok((Switch { target: reset.target, allowable, system: loaded.raw }, reading))
    }

    /// Reads, resets, and reads until it is so. The reset is given again after a while: some BMCs lose "on" when it
    /// comes shortly after "off".
    pub(super) async fn switch_power(&self, target: PowerState) -> Result<(), BmcError> {
        let on = target == PowerState::On;
        // Most often it is so already, and then the action is nobody's business.
        let loaded = self.system().await?;
        let reading = self.power_of(&loaded.system)?;
        if reading.is_settled(on) && self.is_no_echo(on).await? {
            return Ok(());
        }
        let Some(reset) = action(&loaded.raw, RESET) else {
            return Err(self.cannot("its system has no Reset action"));
        };
        let allowable = self.allowable(&reset, "ResetType").await?;
        let give_up = Instant::now() + self.timing.power;
        let Some(word) = reset_type(on, &allowable) else {
            let push = push_type(on, &allowable).filter(|_| reading == PowerReading::Off);
            return match push {
                // It is a change, not an end: once, and only from off.
                Some(word) => {
                    let (refusal, lost) = self.command(&reset.target, word).await?.apart();
                    let came = self.await_power(on, refusal, give_up).await?;
                    came.map_err(|found| lost.unwrap_or_else(|| self.not_switched(found)))
                }
                None => Err(self.no_reset_type(on, &allowable)),
            };
        };
        let mut again = false;
        loop {
            let given = match self.command(&reset.target, word).await {
                // It took the first, and may be away for a moment.
                Err(error) if again && is_passing(&error) && Instant::now() < give_up => Given::Lost(error),
                other => other?,
            };
            let (refusal, lost) = match given.apart() {
                // The first was taken: a BMC whose readings lag refuses the second because it is so already.
                (refusal, lost) if again => (None, refusal.or(lost)),
                first => first,
            };
            again = true;
            let until = give_up.min(Instant::now() + self.timing.insist);
            let came = match self.await_power(on, refusal, until).await {
                // It is away; what was given may still come true.
                Err(BmcError::Unreachable { .. } | BmcError::Resting { credentials: false, .. })
                    if Instant::now() < give_up =>
                {
                    continue;
                }
                other => other?,
            };
            match came {
                Ok(()) => return Ok(()),
                Err(found) if Instant::now() >= give_up => {
                    return Err(lost.unwrap_or_else(|| self.not_switched(found)));
                }
                Err(_) => {}
            }
        }
    }

    fn no_reset_type(&self, on: bool, allowable: &[String]) -> BmcError {
        let wanted = if on { "on" } else { "off" };
        let offered = printable(&allowable.join(", "), 200);
        self.cannot(format!("no reset type switches it {wanted} for certain, only {offered}"))
    }

    /// Whether a reading is not just a stale one: shortly after a reset it must be the same again a moment later.
    async fn is_no_echo(&self, on: bool) -> Result<bool, BmcError> {
        let recent = self.switched().is_some_and(|at| at.elapsed() < self.timing.insist);
        if !recent {
            return Ok(true);
        }
        sleep(self.timing.poll).await;
        Ok(self.power_reading().await?.is_settled(on))
    }

    /// Gives the reset once. What the BMC says to it is not an error yet: it may be so already. That it is lost isn't,
    /// either: what is so is read afterwards.
    async fn command(&self, target: &ResourcePath, word: &str) -> Result<Given, BmcError> {
        let mut request = Request::post(target, json!({ "ResetType": word }), SWITCHING);
        request.once = true;
        self.note_switched();
        let answer = match self.call(&request).await {
            Ok(answer) => answer,
            Err(lost @ BmcError::Unknown { .. }) => return Ok(Given::Lost(lost)),
            Err(error) => return Err(error),
        };
        // "So already" by a BMC whose readings lag, or "not now" by one that is just going off, both pass.
        if !answer.status.is_success() && matches!(judge(&answer), Verdict::AlreadySo | Verdict::NotNow) {
            return Ok(Given::Taken);
        }
        match self.outcome(answer, SWITCHING).await {
            Ok(_) => Ok(Given::Taken),
            Err(error @ BmcError::Refused { .. }) => Ok(Given::Refused(error)),
            Err(error) => Err(error),
        }
    }

    /// Reads power until it is settled there; what it reads at the end, if it isn't. A refusal counts only if it isn't
    /// so, or on its way.
    async fn await_power(
        &self,
        on: bool,
        refusal: Option<BmcError>,
        until: Instant,
    ) -> Result<Result<(), PowerReading>, BmcError> {
        let mut refusal = refusal;
        loop {
            let late = Instant::now() >= until;
            match self.power_reading().await {
                Ok(power) if power.is_settled(on) => return Ok(Ok(())),
                Ok(power) if !power.is_moving(on) && refusal.is_some() => {
                    tracing::debug!(?power, "redfish power change was refused");
                    return refusal.take().map_or(Ok(Err(power)), Err);
                }
                Ok(power) if late => return Ok(Err(power)),
                Err(error) if late || !is_passing(&error) => return Err(error),
                Ok(_) | Err(_) => {}
            }
            sleep(self.timing.poll).await;
        }
    }

    fn not_switched(&self, power: PowerReading) -> BmcError {
        self.not_done(SWITCHING, format!("PowerState {power:?}"))
    }

    /// Presses a button, once whatever happens.
    pub(super) async fn press_button(&self, button: Button) -> Result<(), BmcError> {
        // A good session, and where to press, before what can't be repeated.
        let (switch, reading) = self.switch().await?;
        let press = press(button);
        let quirks = self.quirks().await?;
        if let Some(harm) = press_harms(press, &quirks) {
            return Err(self.cannot(harm));
        }
        let word = press_word(press, &switch.allowable);
        let standard = word.map(|word| (switch.target.clone(), json!({ "ResetType": word })));
        let makers = || (press == Press::FullCycle).then(|| full_cycle(&switch.system, &quirks)).flatten();
        let Some((target, body)) = standard.or_else(makers) else {
            let offered = printable(&switch.allowable.join(", "), 200);
            let names = match press_names(&switch.allowable).join(", ") {
                none if none.is_empty() => "on and off".into(),
                names => format!("{names}, or on and off"),
            };
            return Err(self.cannot(format!("it has no such button, only {offered}: use {names}")));
        };
        if reading == PowerReading::Off && needs_power(press) {
            let answer = "the machine is off; switch it on instead".into();
            return Err(BmcError::Refused { address: self.address.clone(), during: PRESSING, answer });
        }
        let mut request = Request::post(&target, body, PRESSING);
        request.once = true;
        self.note_switched();
        let answer: Answer = self.call(&request).await?;
        self.outcome(answer, PRESSING).await.map(drop)
    }
}

fn press(button: Button) -> Press {
    match button {
        Button::Cycle => Press::Cycle,
        Button::Reset => Press::Reset,
        Button::ShutDown => Press::ShutDown,
        Button::Diagnostic => Press::Diagnostic,
        Button::Restart => Press::Restart,
        Button::PushPower => Press::PushPower,
        Button::FullCycle => Press::FullCycle,
        Button::Suspend => Press::Suspend,
        Button::Pause => Press::Pause,
        Button::Resume => Press::Resume,
    }
}

/// Buttons that mean nothing to a machine that is off; some BMCs switch it on instead.
fn needs_power(press: Press) -> bool {
    matches!(
        press,
        Press::Cycle
            | Press::Reset
            | Press::ShutDown
            | Press::Diagnostic
            | Press::Restart
            | Press::Suspend
            | Press::Pause
    )
}

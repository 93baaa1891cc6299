//! Power: what a BMC says, and which `ResetType` brings what is wanted.

use super::lenient::{ParseError, lenient};
use super::models::ComputerSystem;
use super::path::ResourcePath;
use super::quirks::{Effect, Quirks};
use super::value::link;
use serde::Deserialize;
use serde_json::{Value, json};

/// What `PowerState` says (DSP8010 `Resource.PowerState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerReading {
    /// On.
    On,
    /// Off.
    Off,
    /// Between off and on.
    PoweringOn,
    /// Between on and off.
    PoweringOff,
    /// On, but its processors are halted.
    Paused,
}

impl PowerReading {
    /// Whether the machine has power, as far as anybody can tell: all that isn't off is on.
    pub fn is_on(self) -> bool {
        self != Self::Off
    }

    /// Whether it is on (`true`) or off, and stays so.
    pub fn is_settled(self, on: bool) -> bool {
        self == if on { Self::On } else { Self::Off }
    }

    /// Whether it is on its way there.
    pub fn is_moving(self, on: bool) -> bool {
        self == if on { Self::PoweringOn } else { Self::PoweringOff }
    }
}

/// Reads `PowerState`; `None` when it is absent or no known word. That never means off.
pub fn read_power(system: &ComputerSystem) -> Option<PowerReading> {
    of_word(system.power_state.as_deref()?)
}

/// As `read_power`, out of the body of a system of which nothing else is wanted: no more than that is kept of it.
/// The word that isn't known, or the empty one, in the inner error.
pub fn read_power_of(body: &[u8]) -> Result<Result<PowerReading, String>, ParseError> {
    #[derive(Deserialize)]
    struct Power {
        #[serde(rename = "PowerState", default, deserialize_with = "lenient")]
        state: Option<String>,
    }
    // A struct is also read from a list, and a resource is none.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(serde_json::from_slice::<serde::de::IgnoredAny>(body)
            .map_or_else(ParseError::NotJson, |_| ParseError::NotAnObject));
    }
    let power: Power = serde_json::from_slice(body).map_err(ParseError::NotJson)?;
    let word = power.state.unwrap_or_default();
    Ok(of_word(&word).ok_or(word))
}

fn of_word(state: &str) -> Option<PowerReading> {
    const WORDS: [(&str, PowerReading); 5] = [
        ("On", PowerReading::On),
        ("Off", PowerReading::Off),
        ("PoweringOn", PowerReading::PoweringOn),
        ("PoweringOff", PowerReading::PoweringOff),
        ("Paused", PowerReading::Paused),
    ];
    WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(state)).map(|(_, reading)| *reading)
}

/// The `ResetType` that switches on or, hard, off; `None` when the BMC allows none that names this end.
///
/// An empty list means that the BMC doesn't tell, so the common word is tried. `PushPowerButton` and `PowerCycle` are
/// never chosen: they are changes, and repeating them does harm.
pub fn reset_type(on: bool, allowable: &[String]) -> Option<&'static str> {
    let words: &[&'static str] = if on { &["On", "ForceOn"] } else { &["ForceOff"] };
    if allowable.is_empty() {
        return words.first().copied();
    }
    words.iter().find(|word| allowable.iter().any(|allowed| allowed == *word)).copied()
}

/// The `ResetType` that switches on a machine that is surely off where no other does: the button, to be pushed once.
pub fn push_type(on: bool, allowable: &[String]) -> Option<&'static str> {
    (on && allowable.iter().any(|allowed| allowed == "PushPowerButton")).then_some("PushPowerButton")
}

/// What a person presses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Press {
    /// Off and on.
    Cycle,
    /// Hard reset.
    Reset,
    /// Asks the operating system to shut down.
    ShutDown,
    /// Diagnostic interrupt.
    Diagnostic,
    /// Asks the operating system to start anew.
    Restart,
    /// The power button.
    PushPower,
    /// Standby power away, too.
    FullCycle,
    /// To RAM.
    Suspend,
    /// Halts the processors.
    Pause,
    /// Goes on.
    Resume,
}

/// The `ResetType` (DSP8010) that presses a button; `None` when the BMC doesn't take it. There is no second best: a
/// person who asks for one gets that one or is told.
pub fn press_word(press: Press, allowable: &[String]) -> Option<&'static str> {
    let word = match press {
        Press::Cycle => "PowerCycle",
        Press::Reset => "ForceRestart",
        Press::ShutDown => "GracefulShutdown",
        Press::Diagnostic => "Nmi",
        Press::Restart => "GracefulRestart",
        Press::PushPower => "PushPowerButton",
        Press::FullCycle => "FullPowerCycle",
        Press::Suspend => "Suspend",
        Press::Pause => "Pause",
        Press::Resume => "Resume",
    };
    (allowable.is_empty() || allowable.iter().any(|allowed| allowed == word)).then_some(word)
}

/// The buttons that a BMC with these `ResetType`s has, in the words of `billet bmc power`.
pub fn press_names(allowable: &[String]) -> Vec<&'static str> {
    const NAMES: [(Press, &str); 10] = [
        (Press::Cycle, "cycle"),
        (Press::Reset, "reset"),
        (Press::ShutDown, "soft"),
        (Press::Diagnostic, "diag"),
        (Press::Restart, "restart"),
        (Press::PushPower, "push"),
        (Press::FullCycle, "full-cycle"),
        (Press::Suspend, "suspend"),
        (Press::Pause, "pause"),
        (Press::Resume, "resume"),
    ];
    NAMES.iter().filter(|(press, _)| press_word(*press, allowable).is_some()).map(|(_, name)| *name).collect()
}

/// Why a button is better not pressed at this BMC, though it is there.
pub fn press_harms(press: Press, quirks: &Quirks) -> Option<&'static str> {
    (press == Press::Reset && quirks.has(Effect::ResetHangs)).then_some(
        "with its firmware a reset leaves this model hanging; switch it off and on, or update the BMC",
    )
}

/// The maker's action that takes standby power away, too, and what is posted to it.
pub fn full_cycle(system: &Value, quirks: &Quirks) -> Option<(ResourcePath, Value)> {
    const PLACES: [(&str, &str); 2] = [
        ("/Oem/Hpe/Actions/#HpeComputerSystemExt.SystemReset/target", "AuxCycle"),
        ("/Actions/Oem/#LenovoComputerSystem.SystemReset/target", "ACPowerCycle"),
    ];
    if !quirks.has(Effect::FullCycleByMaker) {
        return None;
    }
    PLACES.iter().find_map(|(place, word)| Some((link(system, place)?, json!({ "ResetType": word }))))
}

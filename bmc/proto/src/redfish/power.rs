//! Power: what a BMC says, and which `ResetType` brings what is wanted.

use super::models::ComputerSystem;

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
    const WORDS: [(&str, PowerReading); 5] = [
        ("On", PowerReading::On),
        ("Off", PowerReading::Off),
        ("PoweringOn", PowerReading::PoweringOn),
        ("PoweringOff", PowerReading::PoweringOff),
        ("Paused", PowerReading::Paused),
    ];
    let state = system.power_state.as_deref()?;
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

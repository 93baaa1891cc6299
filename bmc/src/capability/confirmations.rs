//! What a person at the machine confirms, or an agent proves by calling in, where nothing else tells it.
//!
//! Deliberately not here: where it is kept. The caller stores it and tells it to each new driver.

use crate::PowerState;

/// Takes the word of people for how the power is. Drivers for machines without a BMC have it.
pub trait Confirmations: Send + Sync {
    /// The power is so; `None`: nobody knows. Replaces what was told before.
    fn confirm(&self, power: Option<PowerState>);
}

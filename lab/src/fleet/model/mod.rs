//! A machine as a pure state machine: power, firmware, DHCP, loader, boot script, kernel, agent, operating system.
//!
//! Inputs go in, outputs come out; the driver (`sim`) carries them. No clock, no I/O and no task is here: times are
//! data, and randomness comes from dice with a seed.
//!
//! - `machine`: the model; `deed`: what happens to it and what it does; `phase`: where in its life a machine is;
//! - `dhcp_client`, `message`: how firmware, loader and systems get an address and learn what to boot;
//! - `script`: what a boot script or a unified kernel image says; `traits`: what kind of machine it is, and its times.

mod deed;
mod dhcp_client;
mod machine;
mod message;
mod phase;
mod script;
mod traits;

pub use deed::{Content, Fetch, Input, Item, Origin, Output, Outputs, Refusal};
pub use machine::Model;
pub(super) use machine::uuid;
pub use message::{Message, discover};
pub use phase::PhaseName;
pub use traits::{Compress, FirmwareKind, Path, Timings, Traits};

//! Redfish (DMTF DSP0266, schemas DSP8010): what is read from a BMC and what is written to it.
//!
//! Models are tolerant: every property may be absent or of a wrong type, unknown ones are ignored, because BMCs are
//! that way and are hostile input anyway. Not here: HTTP, sessions, retries; those are in the `bmc` crate.

mod boot;
mod error;
mod lenient;
mod models;
mod path;
mod power;
mod system;
mod text;

pub use boot::{BootPatch, BootRefusal, Mode, Reading, Target, Wanted, read_boot};
pub use error::{ErrorReport, error_report};
pub use lenient::{ParseError, parse};
pub use models::{
    ActionInfo, ActionParameter, Boot, Collection, ComputerSystem, Link, Manager, ResetAction, RootLinks,
    ServiceRoot, Session, SessionService, SystemActions, SystemLinks,
};
pub use path::ResourcePath;
pub use power::{PowerReading, read_power, reset_type};
pub use system::{PickError, manager_path, normal_uuid, pick_system};
pub use text::printable;

#[cfg(test)]
mod tests;

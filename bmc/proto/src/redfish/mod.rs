//! Redfish (DMTF DSP0266, schemas DSP8010): what is read from a BMC and what is written to it.
//!
//! Models are tolerant: every property may be absent or of a wrong type, unknown ones are ignored, because BMCs are
//! that way and are hostile input anyway. Not here: HTTP, sessions, retries; those are in the `bmc` crate.

pub mod accounts;
mod action;
pub mod bios;
mod boot;
mod boot_cd;
pub mod boot_order;
mod bounded;
pub mod chassis;
mod common;
mod error;
pub mod events;
pub mod firmware;
pub mod hardware;
mod lenient;
pub mod logs;
pub mod media;
mod models;
mod path;
mod power;
mod quirks;
mod receipt;
pub mod record;
mod retry;
pub mod secure_boot;
pub mod sensors;
pub mod settings;
mod system;
pub mod task;
mod text;
pub mod value;

pub use action::{Action, action};
pub use boot::{
    BootPatch, BootRefusal, Mode, Reading, Target, Wanted, boot_settings, merged_boot, read_boot,
};
pub use boot_cd::{are_attributes, attributes_link, cd_attributes};
pub use bounded::tree_size;
pub use common::{Status, date_time, number, own_path, path_of, timestamp, word_of};
pub use error::{ErrorReport, error_report};
pub use lenient::{ParseError, parse};
pub use models::{
    ActionInfo, ActionParameter, Boot, Collection, ComputerSystem, Link, Manager, Names, ProtocolFeatures,
    ResetAction, RootLinks, ServiceRoot, Session, SessionService, SettingsLink, SystemActions, SystemLinks,
};
pub use path::ResourcePath;
pub use power::{
    PowerReading, Press, full_cycle, press_harms, press_names, press_word, push_type, read_power,
    read_power_of, reset_type,
};
pub(crate) use quirks::version;
pub use quirks::{Effect, Identity, Quirk, Quirks, TABLE as QUIRKS, Vendor};
pub use receipt::{Receipt, receipt};
pub use retry::{Verdict, verdict};
pub use system::{PickError, manager_path, normal_uuid, pick_system};
pub use text::printable;

#[cfg(test)]
mod tests;

//! What several fuzz targets share: choices that an input makes, networks to decide on, and a second, independent
//! reading of what comes out.
//!
//! The targets themselves are in `targets/`, one a file. A target must hold for every input: it asserts what a
//! client or an operator relies on, not how the code under test does it.

pub mod bmc;
pub mod json;
mod knobs;
mod network;
mod reply;
mod wire;

pub use knobs::Knobs;
pub use network::{SERVER, answer, settings};
pub use reply::check;
pub use wire::Message;

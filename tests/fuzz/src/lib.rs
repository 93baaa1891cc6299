//! What several fuzz targets share: reading their input, and a second, independent reading of what comes out.
//!
//! The targets themselves are in `targets/`, one a file. A target must hold for every input: it asserts what a
//! client or an operator relies on, not how the code under test does it.

mod knobs;
pub mod wire;

pub use knobs::Knobs;

//! One context for journeys: the whole service in this process on free ports, and simulated machines that boot
//! through it with the real agent library behind simulated BMCs that speak the real protocols.
//!
//! Real firmware is not here: that is `lab`.

mod image;
mod machine;
mod site;

pub use image::{TestImage, gpt_image};
pub use machine::{Protocol, Sim, SimOptions};
pub use site::{Site, eventually};

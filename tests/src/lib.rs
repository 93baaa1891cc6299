//! One context for journeys: the whole service in this process on free ports, and simulated machines that boot
//! through it with the real agent library behind simulated BMCs that speak the real protocols.
//!
//! `LabSite` is the same with real firmware: the service as a process among the machines of `lab`. `net` is hosts that
//! are network namespaces, for the boot server and real network clients.

mod cluster;
mod image;
mod lab_site;
mod machine;
pub mod net;
mod site;

pub use cluster::{Cluster, serve};
pub use image::{TestImage, gpt_image};
pub use lab_site::{LabSite, artifacts, can_run, has_arm64};
pub use machine::{Protocol, Sim, SimOptions};
pub use site::{Site, eventually};

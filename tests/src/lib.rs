//! One context for journeys: the whole service in this process on free ports, and simulated machines that boot
//! through it with the real agent library behind simulated BMCs that speak the real protocols.
//!
//! `ProcessSite` is the same with the service as a process of its own, for tests that kill it or its database. `LabSite` is
//! the same with real firmware: the service as a process among the machines of `lab`. `net` is hosts that
//! are network namespaces, for the boot server and real network clients.

pub mod ask;
mod cluster;
mod image;
mod lab_site;
mod machine;
pub mod net;
mod operator;
mod process_site;
mod ram_image;
mod site;
mod socket_door;

pub use cluster::{Cluster, serve};
pub use image::{TestImage, gpt_image};
pub use lab_site::{LabSite, artifacts, can_run, has_arm64};
pub use machine::{Protocol, Sim, SimOptions};
pub use operator::{Operator, Said};
pub use process_site::{BILLET_DIE_AT, ProcessSite};
pub use ram_image::RamImage;
pub use site::{Site, eventually};

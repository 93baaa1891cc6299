//! The rescue system: an archive that is unpacked in RAM beside the agent, and a server that lets its owner log in by SSH.
//!
//! - `archive`: what is taken from an archive, and where it may go;
//! - `system`: the deed on a real machine.
//!
//! Deliberately not here: which archive (`perform` compares its digest with the order), and anything about disks. Whoever
//! logs in may do what they like with them; the agent touches none.

mod archive;
mod system;

pub(crate) use system::{NoRescue, RescueSystem};

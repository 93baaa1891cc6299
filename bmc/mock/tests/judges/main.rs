//! The simulated Redfish BMC judged by programs that we did not write: OpenStack's client `sushy`, `redfishtool`, DMTF's
//! Tacklebox (on its library `redfish`), and DMTF's service validator and protocol validator; each on every profile.
//!
//! `lab/setup` installs them. Without them the tests are skipped with a line, but not on a build server. What they found and
//! what they can't judge is in docs/compatibility.md.

mod redfishtool;
mod rig;
mod sushy;
mod tacklebox;
mod validators;

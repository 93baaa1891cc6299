//! Journeys across packages, in this process: no root, no firmware, minutes at most.

mod api;
mod bmc;
mod boot_trace;
mod crash;
mod discovery;
mod network;
mod story;
mod tidy;
mod wrong;

//! Journeys across packages, in this process: no root, no firmware, minutes at most.

mod api;
mod crash;
mod discovery;
mod story;
mod tidy;
mod wrong;

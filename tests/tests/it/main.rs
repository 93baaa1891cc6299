//! Journeys across packages, in this process: no root, no firmware, minutes at most.

mod adopt;
mod api;
mod bmc;
mod bmc_audit;
mod bmc_makers;
mod bmc_record;
mod bmc_redfish;
mod bmc_scan;
mod bmc_secrets;
mod boot_trace;
mod crash;
mod damaged;
mod discovery;
mod holds;
mod lists;
mod network;
mod placement;
mod postgres;
mod reinstall;
mod simple_bmc;
mod story;
mod tidy;
mod timeline;
mod wrong;

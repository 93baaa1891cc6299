//! Journeys across packages, in this process: no root, no firmware, minutes at most.

mod api;
mod bmc;
mod bmc_audit;
mod bmc_makers;
mod bmc_record;
mod bmc_redfish;
mod bmc_scan;
mod bmc_secrets;
mod boot_trace;
mod claims;
mod crash;
mod damaged;
mod discovery;
mod holds;
mod kills;
mod lists;
mod network;
mod outage;
mod placement;
mod postgres;
mod replicas;

mod restored;
mod simple_bmc;
mod story;
mod tidy;
mod timeline;
mod works;
mod wrong;

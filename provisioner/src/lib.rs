//! The provisioning service and its command line.
//!
//! `app` is the whole composition; `reconcile` is the only place that acts; every decision is in
//! `provisioner-lifecycle`.

mod address_plan;
mod api;
pub mod app;
mod audit;
mod backup;
mod bmc_calls;
mod bmc_view;
mod bmcs;
mod books;
mod boot_index;
mod caches;
pub mod cli;
mod clock;
pub mod config;
mod console;
mod deeds;
#[cfg(debug_assertions)]
mod die;
mod directory;
mod elsewhere;
mod erasures;
mod feed;
mod first_start;
mod hardware;
mod hub;
mod key_rotation;
mod key_use;
mod keys;
mod leader;
mod leases;
mod listener;
mod locks;
pub mod logging;
mod logins;
mod metrics;
mod netconfig;
mod older;
mod permits;
mod progress;
mod rate;
mod reads;
mod reconcile;
mod replicas;
mod rescue;
pub mod restore;
#[cfg(test)]
mod samples;
mod secret_file;
mod seed;
mod selector;
mod service;
mod sessions;
mod slow;
mod store;
mod support_bundle;
mod telemetry;
mod text;
mod timeline;
pub mod tls;
mod trace;
mod used_tokens;
mod windows;
mod works;

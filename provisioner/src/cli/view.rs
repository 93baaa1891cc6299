//! How things look to people: tables and pages, one file for each kind of object. Pure.

mod address;
mod audit;
mod bmc;
mod boot_trace;
mod context;
mod erasure;
mod event;
mod image;
mod instance;
mod job;
mod key;
mod layout;
mod losses;
mod machine;
mod network;
mod overview;
mod pool;
mod replica;
mod token;
mod top;
mod user;
mod why;
mod works;

pub(super) use address::{address, addresses};
pub(super) use audit::{audit, audit_lines};
pub(super) use bmc::{
    MachineAudit, bmc, bmc_audit, bmc_audits, bmc_bios, bmc_bios_change, bmc_boot, bmc_boot_order,
    bmc_boot_sentence, bmc_firmware, bmc_firmware_changes, bmc_found, bmc_fru, bmc_hardware, bmc_logs,
    bmc_media, bmc_report, bmc_secure_boot, bmc_sel, bmc_sel_clock, bmc_sel_info, bmc_sensors,
    bmc_subscriptions, bmc_task, bmc_task_state, bmc_tasks, bmc_users, bmc_watchdog,
};
pub(super) use boot_trace::{boot_trace, diagnoses, trace_entries};
pub(super) use context::{context, contexts};
pub(super) use erasure::{certified, erasure, erasures};
pub(super) use event::{events, timeline};
pub(super) use image::{image, images};
pub(super) use instance::{instance, instances};
pub(super) use job::{current, phase};
pub(super) use key::{keys, rotated};
pub(super) use losses::{Loss, LostDisk, losses};
pub(super) use machine::{machine, machines};
pub(super) use network::{leases, network, networks, reservations};
pub(super) use overview::{fleet_events, job, jobs, zones};
pub(super) use pool::{policy, pool, pools};
pub(super) use replica::replicas;
pub(super) use token::{new_token, tokens};
pub(super) use top::{Fleet, Size, top};
pub(super) use user::{logged_in, user, users, whoami};
pub(super) use why::why;
pub(super) use works::{frozen, works};

use serde::Serialize;

/// A unit variant as the word that it has on the wire.
pub(super) fn word<T: Serialize>(value: T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "?".to_owned(),
    }
}

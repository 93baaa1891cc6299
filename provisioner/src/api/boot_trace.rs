//! `/v1/boot-traces`: the conversation of a machine or a MAC address with the boot server, and what it means.

use super::error::{ApiError, Query};
use crate::{
    clock,
    service::{Service, ServiceError},
    store::{MachineRecord, Numbered},
    text::{format_mac, parse_mac_bytes, word},
    trace,
};
use axum::{
    Json,
    extract::{Path, State},
};
use provisioner_api::{BootTrace, Diagnosis};
use provisioner_lifecycle::StepName;
use pxe_proto::{
    Mac,
    trace::{Entry, Fault, diagnose, nothing_to_boot, unheard},
};
use serde::Deserialize;
use std::sync::Arc;

/// Which entries.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct After {
    /// Only newer than the entry with this id.
    after: Option<u64>,
}

/// Shows the boot conversation of a machine or of a MAC address.
#[utoipa::path(
    get, path = provisioner_api::paths::BOOT_TRACE, tag = "boot-traces",
    params(After),
    responses((status = 200, body = BootTrace)),
)]
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Path(target): Path<String>,
    Query(query): Query<After>,
) -> Result<Json<BootTrace>, ApiError> {
    let (machine, macs) = whose(&service, &target).await?;
    let entries = entries(&service, &macs).await?;
    let diagnoses = diagnoses(machine.as_ref(), &entries);
    let newer = entries.iter().filter(|(id, _)| query.after.is_none_or(|after| *id > after));
    let entries = newer.map(|(id, entry)| trace::wire(*id, entry)).collect();
    Ok(Json(BootTrace {
        machine: machine.as_ref().map(MachineRecord::id),
        machine_name: machine.map(|machine| machine.name),
        macs: macs.into_iter().map(format_mac).collect(),
        entries,
        diagnoses,
    }))
}

/// The machine and the MACs that are meant: one address, whoever has it, or all of a machine's.
async fn whose(service: &Service, target: &str) -> Result<(Option<MachineRecord>, Vec<Mac>), ApiError> {
    if let Some(record) = service.store.machine_find(target).await? {
        let macs = record.spec.macs.iter().filter_map(|mac| parse_mac_bytes(mac)).collect();
        return Ok((Some(record), macs));
    }
    let Some(mac) = parse_mac_bytes(target) else {
        let detail = format!(
            "there is no machine `{target}`, and it is no MAC address; `billet machine list` shows what there is"
        );
        return Err(ApiError::new(axum::http::StatusCode::NOT_FOUND, "not-found", detail));
    };
    Ok((service.store.machine_by_mac(&format_mac(mac)).await?, vec![mac]))
}

/// What is known of some MACs: in memory, and stored, by this replica or another, or before it was forgotten here.
pub(super) async fn entries(service: &Service, macs: &[Mac]) -> Result<Vec<Numbered>, ServiceError> {
    let mut entries = service.traces.of(macs);
    for mac in macs {
        entries.extend(service.store.boot_trace_list(&format_mac(*mac)).await?);
    }
    entries.sort_by_key(|(id, entry)| (*id, entry.mac));
    entries.dedup_by_key(|(id, entry)| (*id, entry.mac));
    Ok(entries)
}

/// What the conversation of a machine means, for `why`; nothing unless it waits for its agent.
pub(super) async fn of_waiting(
    service: &Service,
    record: &MachineRecord,
) -> Result<Vec<Diagnosis>, ServiceError> {
    if waits_for_agent(record).is_none() {
        return Ok(Vec::new());
    }
    let macs: Vec<_> = record.spec.macs.iter().filter_map(|mac| parse_mac_bytes(mac)).collect();
    Ok(diagnoses(Some(record), &entries(service, &macs).await?))
}

/// Since when a machine waits for its agent's first call, in milliseconds since 1970.
fn waits_for_agent(record: &MachineRecord) -> Option<u64> {
    let step = record.machine.running_job()?.current()?;
    let started = step.started.filter(|_| step.name == StepName::Agent)?;
    u64::try_from(started.as_millisecond()).ok()
}

fn diagnoses(machine: Option<&MachineRecord>, entries: &[Numbered]) -> Vec<Diagnosis> {
    let now = u64::try_from(clock::now().as_millisecond()).unwrap_or(0);
    let plain: Vec<Entry> = entries.iter().map(|(_, entry)| entry.as_ref().clone()).collect();
    let waits = machine.and_then(waits_for_agent);
    let mut found = match waits {
        // What it did before is of no account.
        Some(since) if plain.iter().all(|entry| entry.at < since) => {
            unheard(&plain, since, now).into_iter().collect()
        }
        _ => diagnose(&plain, now),
    };
    if waits.is_some() {
        for diagnosis in found.iter_mut().filter(|diagnosis| diagnosis.kind == Fault::OutsideWindow) {
            *diagnosis = nothing_to_boot();
        }
    }
    let wire = |found: pxe_proto::trace::Diagnosis| Diagnosis {
        kind: word(&found.kind),
        sentence: found.sentence,
        mend: found.mend,
    };
    found.into_iter().map(wire).collect()
}

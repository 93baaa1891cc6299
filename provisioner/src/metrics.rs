//! What is measured, as text for Prometheus: the boot server's counters, and what there is in the database.

use crate::service::{Service, ServiceError};
use pxe::leases::Usage;
use std::{
    collections::BTreeMap,
    fmt::{Display, Write},
};

/// What ends the text (OpenMetrics 1.0).
const END: &str = "# EOF\n";

/// The media type of the text.
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All of it, in the text format of OpenMetrics 1.0.
pub(crate) async fn text(service: &Service) -> Result<String, ServiceError> {
    let boot = &service.boot;
    for network in &service.config.networks {
        if let Some(usage) = boot.leases.usage(&network.name) {
            let sum = |of: fn(&Usage) -> u64| usage.iter().map(of).sum();
            let states = [
                ("leased", sum(|usage| usage.leased)),
                ("free", sum(|usage| usage.free)),
                ("offered", sum(|usage| usage.offered)),
                ("quarantined", sum(|usage| usage.quarantined)),
                ("reserved", sum(|usage| usage.reserved)),
            ];
            for (state, count) in states {
                boot.counters.leases(&network.name, state, count);
            }
        }
    }
    // Writing to a String can't fail.
    let mut text = boot.counters.encode().unwrap_or_default();
    text.truncate(text.strip_suffix(END).map_or(text.len(), str::len));
    consoles(&mut text, service);
    machines(&mut text, service).await?;
    instances(&mut text, service).await?;
    text.push_str(END);
    Ok(text)
}

fn consoles(text: &mut String, service: &Service) {
    let consoles = &service.consoles;
    single(text, "billet_consoles_connected", "gauge", "Serial consoles connected now", consoles.connected());
    family(text, "billet_console_bytes", "counter", "Bytes that serial consoles said");
    // Writing to a String can't fail.
    let _ = writeln!(text, "billet_console_bytes_total {}", consoles.recorded());
}

async fn machines(text: &mut String, service: &Service) -> Result<(), ServiceError> {
    let (mut states, mut held) = (BTreeMap::new(), 0u64);
    for record in service.store.machine_list().await? {
        *states.entry(crate::text::word(&record.machine.state.name)).or_insert(0u64) += 1;
        held += u64::from(record.machine.state.hold.is_some());
    }
    family(text, "billet_machines", "gauge", "Machines by state");
    for (state, count) in states {
        let _ = writeln!(text, "billet_machines{{state=\"{state}\"}} {count}");
    }
    single(text, "billet_machines_held", "gauge", "Machines whose work waits for a person", held);
    Ok(())
}

async fn instances(text: &mut String, service: &Service) -> Result<(), ServiceError> {
    let mut states = BTreeMap::new();
    for record in service.store.instance_list().await? {
        *states.entry(crate::text::word(&record.state)).or_insert(0u64) += 1;
    }
    family(text, "billet_instances", "gauge", "Instances by state");
    for (state, count) in states {
        let _ = writeln!(text, "billet_instances{{state=\"{state}\"}} {count}");
    }
    Ok(())
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} {kind}");
}

fn single(text: &mut String, name: &str, kind: &str, help: &str, value: impl Display) {
    family(text, name, kind, help);
    let _ = writeln!(text, "{name} {value}");
}

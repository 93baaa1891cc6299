//! What is measured, as text for Prometheus: the boot server's counters, and what there is in the database.

use crate::service::{Service, ServiceError};
use pxe::leases::Usage;
use std::{
    fmt::{Display, Write},
    sync::atomic::Ordering,
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
    slow_steps(&mut text, service);
    works(&mut text, service).await?;
    let help = "Machines and instances whose records can't be read";
    single(&mut text, "billet_damaged", "gauge", help, service.damaged.load(Ordering::Relaxed));
    let help = "Whether this replica decides and acts; the others only answer";
    single(&mut text, "billet_leads", "gauge", help, u8::from(service.standing.leads()));
    single(
        &mut text,
        "billet_term",
        "gauge",
        "The highest term that this replica knows of",
        service.standing.term(),
    );
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
    by_state(text, "billet_machines", "Machines by state", &service.store.machine_counts().await?);
    let held = service.store.machine_held_count().await?;
    single(text, "billet_machines_held", "gauge", "Machines whose work waits for a person", held);
    Ok(())
}

async fn instances(text: &mut String, service: &Service) -> Result<(), ServiceError> {
    by_state(text, "billet_instances", "Instances by state", &service.store.instance_counts().await?);
    Ok(())
}

async fn works(text: &mut String, service: &Service) -> Result<(), ServiceError> {
    let frozen = u8::from(service.frozen().await?.is_some());
    single(text, "billet_frozen", "gauge", "Whether everything is frozen", frozen);
    let erasures = service.store.erasures(service.config.limits.erase_limit).await?;
    single(text, "billet_erasures_running", "gauge", "Machines that are being wiped", erasures.running());
    let help = "Machines that wait for leave to be wiped";
    single(text, "billet_erasures_queued", "gauge", help, erasures.queue().len());
    single(text, "billet_erasures_most", "gauge", "Machines that may be wiped at once", erasures.most());
    Ok(())
}

fn slow_steps(text: &mut String, service: &Service) {
    let help = "Steps that took longer than usual, since this process began";
    family(text, "billet_slow_steps", "counter", help);
    for (step, count) in service.slow.counts() {
        // Writing to a String can't fail.
        let _ = writeln!(text, "billet_slow_steps_total{{step=\"{step}\"}} {count}");
    }
}

fn by_state(text: &mut String, name: &str, help: &str, counts: &[(String, i64)]) {
    family(text, name, "gauge", help);
    for (state, count) in counts {
        let _ = writeln!(text, "{name}{{state=\"{state}\"}} {count}");
    }
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} {kind}");
}

fn single(text: &mut String, name: &str, kind: &str, help: &str, value: impl Display) {
    family(text, name, kind, help);
    let _ = writeln!(text, "{name} {value}");
}

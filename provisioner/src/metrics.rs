//! What is measured, as text for Prometheus: the boot server's counters, and what there is in the database.

mod declared;

use crate::service::{Service, ServiceError};
use pxe::{Metric, MetricKind, leases::Usage};
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
    each(&mut text, &declared::REFUSED, service.rates.refused());
    each(&mut text, &declared::SPANS, service.telemetry.counts());
    works(&mut text, service).await?;
    single(&mut text, &declared::DAMAGED, service.damaged.load(Ordering::Relaxed));
    single(&mut text, &declared::LEADS, u8::from(service.standing.leads()));
    single(&mut text, &declared::TERM, service.standing.term());
    text.push_str(END);
    Ok(text)
}

fn consoles(text: &mut String, service: &Service) {
    let consoles = &service.consoles;
    single(text, &declared::CONSOLES_CONNECTED, consoles.connected());
    single(text, &declared::CONSOLE_BYTES, consoles.recorded());
}

async fn machines(text: &mut String, service: &Service) -> Result<(), ServiceError> {
    each(text, &declared::MACHINES, service.store.machine_counts().await?);
    single(text, &declared::MACHINES_HELD, service.store.machine_held_count().await?);
    Ok(())
}

async fn instances(text: &mut String, service: &Service) -> Result<(), ServiceError> {
    each(text, &declared::INSTANCES, service.store.instance_counts().await?);
    Ok(())
}

async fn works(text: &mut String, service: &Service) -> Result<(), ServiceError> {
    single(text, &declared::FROZEN, u8::from(service.frozen().await?.is_some()));
    let erasures = service.store.erasures(service.config.limits.erase_limit).await?;
    single(text, &declared::ERASURES_RUNNING, erasures.running());
    single(text, &declared::ERASURES_QUEUED, erasures.queue().len());
    single(text, &declared::ERASURES_MOST, erasures.most());
    Ok(())
}

fn slow_steps(text: &mut String, service: &Service) {
    each(text, &declared::SLOW_STEPS, service.slow.counts());
}

/// A metric with one label, by its values.
fn each(text: &mut String, metric: &Metric, counts: impl IntoIterator<Item = (impl Display, impl Display)>) {
    family(text, metric);
    let label = metric.labels.first().copied().unwrap_or_default();
    for (value, count) in counts {
        // Writing to a String can't fail.
        let _ = writeln!(text, "{}{}{{{label}=\"{value}\"}} {count}", metric.name, suffix(metric));
    }
}

/// A metric without labels.
fn single(text: &mut String, metric: &Metric, value: impl Display) {
    family(text, metric);
    let _ = writeln!(text, "{}{} {value}", metric.name, suffix(metric));
}

fn family(text: &mut String, Metric { name, kind, help, .. }: &Metric) {
    let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} {}", kind.word());
}

/// What a sample's name has behind the metric's.
fn suffix(metric: &Metric) -> &'static str {
    if metric.kind == MetricKind::Counter { "_total" } else { "" }
}

#[cfg(test)]
mod tests;

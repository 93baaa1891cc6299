//! The service's own metrics, the one place where they are declared; the boot server's are in `pxe::METRICS`.
//!
//! `docs/metrics.md` is printed from both. What is counted, and where, is not here.

use pxe::Metric;

pub(super) const CONSOLES_CONNECTED: Metric =
    Metric::gauge("billet_consoles_connected", &[], "Serial consoles connected now");
pub(super) const CONSOLE_BYTES: Metric =
    Metric::counter("billet_console_bytes", &[], "Bytes that serial consoles said");
pub(super) const MACHINES: Metric = Metric::gauge("billet_machines", &["state"], "Machines by state");
pub(super) const MACHINES_HELD: Metric =
    Metric::gauge("billet_machines_held", &[], "Machines whose work waits for a person");
pub(super) const INSTANCES: Metric = Metric::gauge("billet_instances", &["state"], "Instances by state");
pub(super) const SLOW_STEPS: Metric = Metric::counter(
    "billet_slow_steps",
    &["step"],
    "Steps that took longer than usual, since this process began",
);
pub(super) const REFUSED: Metric = Metric::counter(
    "billet_api_refused",
    &["who"],
    "Requests to the API that came too often or were too many at once, by the kind of who asked",
);
pub(super) const SPANS: Metric = Metric::counter(
    "billet_telemetry_spans",
    &["outcome"],
    "Spans of traces by what became of them: sent, failed (the collector did not take them), dropped (too many waited)",
);
pub(super) const FROZEN: Metric = Metric::gauge("billet_frozen", &[], "Whether everything is frozen");
pub(super) const ERASURES_RUNNING: Metric =
    Metric::gauge("billet_erasures_running", &[], "Machines that are being wiped");
pub(super) const ERASURES_QUEUED: Metric =
    Metric::gauge("billet_erasures_queued", &[], "Machines that wait for leave to be wiped");
pub(super) const ERASURES_MOST: Metric =
    Metric::gauge("billet_erasures_most", &[], "Machines that may be wiped at once");
pub(super) const DAMAGED: Metric =
    Metric::gauge("billet_damaged", &[], "Machines and instances whose records can't be read");
pub(super) const LEADS: Metric =
    Metric::gauge("billet_leads", &[], "Whether this replica decides and acts; the others only answer");
pub(super) const TERM: Metric =
    Metric::gauge("billet_term", &[], "The highest term that this replica knows of");

/// All of them, as they are told.
#[cfg(test)]
pub(super) const METRICS: &[Metric] = &[
    CONSOLES_CONNECTED,
    CONSOLE_BYTES,
    MACHINES,
    MACHINES_HELD,
    INSTANCES,
    SLOW_STEPS,
    REFUSED,
    SPANS,
    FROZEN,
    ERASURES_RUNNING,
    ERASURES_QUEUED,
    ERASURES_MOST,
    DAMAGED,
    LEADS,
    TERM,
];

//! Logs, what a BMC reports by itself, and to whom.

use crate::cli::{
    text::{Context, duration},
    ui::HasName,
    view::layout::{Page, table},
};
use provisioner_api::{BmcLog, BmcReport, BmcSel, BmcSelEntry, BmcSubscription};

impl HasName for BmcSel {
    fn name(&self) -> String {
        "sel".to_owned()
    }
}

impl HasName for BmcSelEntry {
    fn name(&self) -> String {
        number(self)
    }
}

impl HasName for BmcLog {
    fn name(&self) -> String {
        self.id.clone()
    }
}

impl HasName for BmcReport {
    fn name(&self) -> String {
        self.message_id.clone().unwrap_or_default()
    }
}

impl HasName for BmcSubscription {
    fn name(&self) -> String {
        self.id.clone()
    }
}

/// A table of the event log's entries.
pub(in crate::cli) fn bmc_sel(entries: &[BmcSelEntry], wide: bool, context: &Context) -> String {
    let short = |entry: &BmcSelEntry| {
        let time = entry.at.map_or_else(|| "clock not set".to_owned(), |at| context.time(at));
        let state = if entry.asserted { "asserted" } else { "deasserted" };
        let sensor = match (entry.kind.as_str(), entry.sensor.as_str()) {
            (kind, "") => kind.to_owned(),
            ("", sensor) => sensor.to_owned(),
            (kind, sensor) => format!("{kind} {sensor}"),
        };
        [number(entry), time, sensor, entry.message.clone(), state.to_owned()]
    };
    if !wide {
        return table(["ID", "TIME", "SENSOR", "EVENT", "STATE"], entries.iter().map(short));
    }
    let rows = entries.iter().map(|entry| {
        let [id, time, sensor, event, state] = short(entry);
        [id, time, sensor, event, state, entry.raw.clone()]
    });
    table(["ID", "TIME", "SENSOR", "EVENT", "STATE", "RAW"], rows)
}

/// A page: how full the event log is.
pub(in crate::cli) fn bmc_sel_info(sel: &BmcSel, context: &Context) -> String {
    let mut page = Page::default();
    page.line("Entries", sel.entries.to_string())
        .line("Free", sel.free.map(|free| free.to_string()).unwrap_or_default())
        .line("Overflow", if sel.overflow { "yes: entries were lost because it was full" } else { "no" })
        .line("Clock", bmc_sel_clock(sel, context));
    page.end()
}

/// The event log's clock.
pub(in crate::cli) fn bmc_sel_clock(sel: &BmcSel, context: &Context) -> String {
    let Some(clock) = sel.clock else {
        return "it is not set; `billet bmc sel time --set now` sets it".to_owned();
    };
    let off = clock.duration_since(context.now);
    let text = context.time(clock);
    match off.as_secs() {
        // The way there and back, and the rounding to seconds.
        -2..=2 => text,
        seconds if seconds > 0 => format!("{text} ({} ahead)", duration(off)),
        _ => format!("{text} ({} behind)", duration(off.abs())),
    }
}

/// The id of an entry: of IPMI, whose records are hex, the number as ipmitool has it.
fn number(entry: &BmcSelEntry) -> String {
    let is_ipmi = !entry.raw.is_empty() && entry.raw.bytes().all(|byte| byte.is_ascii_hexdigit());
    match entry.id.parse::<u32>() {
        Ok(id) if is_ipmi => format!("{id:#x}"),
        _ => entry.id.clone(),
    }
}

/// A table of logs.
pub(in crate::cli) fn bmc_logs(logs: &[BmcLog]) -> String {
    let rows = logs.iter().map(|log| {
        [
            log.id.clone(),
            log.name.clone(),
            log.entries.map(|entries| entries.to_string()).unwrap_or_default(),
            if log.clearable { "yes" } else { "no" }.to_owned(),
        ]
    });
    table(["ID", "NAME", "ENTRIES", "CAN BE EMPTIED"], rows)
}

/// A report in a line.
pub(in crate::cli) fn bmc_report(report: &BmcReport, context: &Context) -> String {
    let when = report.at.map_or_else(|| "time not told".to_owned(), |at| context.time(at));
    let mut line = when;
    for part in [&report.severity, &report.message_id].into_iter().flatten().filter(|part| !part.is_empty()) {
        line.push_str("  ");
        line.push_str(part);
    }
    if !report.message.is_empty() {
        line.push_str("  ");
        line.push_str(&report.message);
    }
    if let Some(origin) = &report.origin {
        line.push_str(&format!(" ({origin})"));
    }
    line
}

/// A table of subscriptions.
pub(in crate::cli) fn bmc_subscriptions(subscriptions: &[BmcSubscription]) -> String {
    let rows = subscriptions
        .iter()
        .map(|one| [one.id.clone(), one.destination.clone(), one.context.clone().unwrap_or_default()]);
    table(["ID", "POSTS TO", "MARKED WITH"], rows)
}

//! What a BMC says: of itself, its sensors, its event log, its parts, its users.

use super::{
    layout::{Page, table},
    word,
};
use crate::cli::{
    text::{Context, clean, duration},
    ui::HasName,
};
use jiff::SignedDuration;
use provisioner_api::{
    BmcBoot, BmcBootDevice, BmcDetails, BmcFru, BmcPower, BmcSel, BmcSelEntry, BmcSensor, BmcUserEntry,
    BmcWatchdog,
};

impl HasName for BmcDetails {
    fn name(&self) -> String {
        self.address.clone()
    }
}

impl HasName for BmcPower {
    fn name(&self) -> String {
        word(self.power)
    }
}

impl HasName for BmcBoot {
    fn name(&self) -> String {
        word(self.device)
    }
}

impl HasName for BmcSensor {
    fn name(&self) -> String {
        self.name.clone()
    }
}

impl HasName for BmcSel {
    fn name(&self) -> String {
        "sel".to_owned()
    }
}

impl HasName for BmcSelEntry {
    fn name(&self) -> String {
        number(self.id)
    }
}

impl HasName for BmcFru {
    fn name(&self) -> String {
        self.name.clone()
    }
}

impl HasName for BmcUserEntry {
    fn name(&self) -> String {
        if self.name.is_empty() { format!("#{}", self.slot) } else { self.name.clone() }
    }
}

/// A page: what a BMC says of itself.
pub(in crate::cli) fn bmc(details: &BmcDetails) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut page = Page::default();
    page.line("Address", &details.address)
        .line("Manufacturer", text(&details.manufacturer))
        .line("Product", text(&details.product))
        .line("Firmware", text(&details.firmware))
        .line("System UUID", text(&details.system_uuid))
        .line("Asset tag", text(&details.asset_tag))
        .line("Certificate", text(&details.tls_sha256));
    for weak in &details.weak {
        page.line("Weak", weak);
    }
    if let Some(power) = &details.power_reading {
        let period =
            duration(SignedDuration::from_secs(i64::try_from(power.period_seconds).unwrap_or(i64::MAX)));
        let over = format!(
            "{} to {} W, {} W on average over {period}",
            power.minimum_watts, power.maximum_watts, power.average_watts
        );
        if power.active {
            page.line("Power drawn", format!("{} W; {over}", power.now_watts));
        } else {
            page.line("Power drawn", "not being measured");
        }
    }
    if details.watchdog.is_some() {
        page.line("Watchdog", bmc_watchdog(details.watchdog.as_ref()));
    }
    page.line("It can", details.capabilities.join(", "));
    if let Some(network) = &details.network {
        let mut block = Page::default();
        let suites: Vec<_> = network.cipher_suites.iter().map(ToString::to_string).collect();
        block
            .line("Address", text(&network.address))
            .line("From", text(&network.source))
            .line("Netmask", text(&network.netmask))
            .line("Gateway", text(&network.gateway))
            .line("MAC", text(&network.mac))
            .line("VLAN", network.vlan.map(|vlan| vlan.to_string()).unwrap_or_default())
            .line("Suites", suites.join(", "));
        page.block("Network", &block.end());
    }
    page.end()
}

/// A watchdog in a sentence.
pub(in crate::cli) fn bmc_watchdog(watchdog: Option<&BmcWatchdog>) -> String {
    let Some(watchdog) = watchdog else { return "the BMC tells of no watchdog".to_owned() };
    if watchdog.running {
        format!(
            "runs for {}: {} in {} s of {} s",
            watchdog.used_by, watchdog.action, watchdog.left_seconds, watchdog.set_to_seconds
        )
    } else {
        "stopped".to_owned()
    }
}

/// A page: the boot override.
pub(in crate::cli) fn bmc_boot(boot: &BmcBoot) -> String {
    let mut page = Page::default();
    page.line("Device", word(boot.device));
    if boot.device != BmcBootDevice::None {
        page.line("For", if boot.persistent { "every boot" } else { "the next boot" });
    }
    page.line("Mode", boot.mode.map(word).unwrap_or_default());
    page.end()
}

/// The boot override in a sentence.
pub(in crate::cli) fn bmc_boot_sentence(boot: &BmcBoot) -> String {
    let from = match boot.device {
        BmcBootDevice::None => return "boots in the firmware's own order".to_owned(),
        BmcBootDevice::Pxe => "from the network",
        BmcBootDevice::Disk => "from the disk",
        BmcBootDevice::Cdrom => "from the optical drive",
        BmcBootDevice::Bios => "into the firmware's setup",
        BmcBootDevice::Other => "from something else",
    };
    let when = if boot.persistent { "every boot is" } else { "the next boot is" };
    let mode = boot.mode.map(|mode| format!(" ({})", word(mode))).unwrap_or_default();
    format!("{when} {from}{mode}")
}

/// A table of sensors.
pub(in crate::cli) fn bmc_sensors(sensors: &[BmcSensor], wide: bool) -> String {
    let value = |value: Option<f64>| value.map(decimal).unwrap_or_default();
    let short = |sensor: &BmcSensor| {
        let unit = sensor.unit.clone().unwrap_or_default();
        [
            sensor.name.clone(),
            value(sensor.reading),
            if sensor.reading.is_some() { unit } else { String::new() },
            word(sensor.health),
            sensor.states.join(", "),
        ]
    };
    if !wide {
        return table(["SENSOR", "READING", "UNIT", "HEALTH", "STATES"], sensors.iter().map(short));
    }
    let rows = sensors.iter().map(|sensor| {
        let [name, reading, unit, health, states] = short(sensor);
        let limits = &sensor.thresholds;
        let number = sensor.number.map(|number| format!("{number:#04x}")).unwrap_or_default();
        [
            name,
            reading,
            unit,
            health,
            value(limits.lower_non_recoverable),
            value(limits.lower_critical),
            value(limits.lower_non_critical),
            value(limits.upper_non_critical),
            value(limits.upper_critical),
            value(limits.upper_non_recoverable),
            sensor.kind.clone(),
            sensor.entity.clone(),
            number,
            states,
        ]
    });
    let titles = [
        "SENSOR", "READING", "UNIT", "HEALTH", "LNR", "LC", "LNC", "UNC", "UC", "UNR", "KIND", "AT",
        "NUMBER", "STATES",
    ];
    table(titles, rows)
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
        [number(entry.id), time, sensor, entry.message.clone(), state.to_owned()]
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

/// Parts, one section for each.
pub(in crate::cli) fn bmc_fru(units: &[BmcFru]) -> String {
    let mut text = String::new();
    for unit in units {
        let mut page = Page::default();
        for area in &unit.areas {
            let mut lines = Page::default();
            for field in &area.fields {
                lines.line(&field.name, &field.value);
            }
            page.block(&area.kind, &lines.end());
        }
        if !unit.problems.is_empty() {
            let problems: String = unit.problems.iter().map(|problem| clean(problem) + "\n").collect();
            page.block("problems", &problems);
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!("{} (number {})\n", clean(&unit.name), unit.id));
        for line in page.end().lines().filter(|line| !line.is_empty()) {
            text.push_str("  ");
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// A table of user slots.
pub(in crate::cli) fn bmc_users(users: &[BmcUserEntry]) -> String {
    let rows = users.iter().map(|user| {
        let enabled = user.enabled.map(|enabled| if enabled { "yes" } else { "no" });
        [
            user.slot.to_string(),
            user.name.clone(),
            enabled.unwrap_or_default().to_owned(),
            word(user.privilege),
        ]
    });
    table(["SLOT", "NAME", "MAY LOG IN", "PRIVILEGE"], rows)
}

/// The number of an entry, as ipmitool has it, but told apart from a decimal one.
fn number(id: u32) -> String {
    format!("{id:#x}")
}

/// A reading with up to three digits behind the point.
fn decimal(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn readings_are_short() {
        for (value, want) in [
            (0.0, "0"),
            (-0.0001, "0"),
            (12.0, "12"),
            (3.3, "3.3"),
            (12.096, "12.096"),
            (-5.25, "-5.25"),
            (1200.0, "1200"),
            (0.12345, "0.123"),
        ] {
            assert_eq!(decimal(value), want);
        }
    }
}

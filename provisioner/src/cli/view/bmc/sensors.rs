//! Sensors.

use crate::cli::{
    ui::HasName,
    view::{layout::table, word},
};
use provisioner_api::BmcSensor;

impl HasName for BmcSensor {
    fn name(&self) -> String {
        self.name.clone()
    }
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

//! `billet bmc sensors`, `fru`, `identify`.

use super::{Asked, way::Way};
use crate::cli::{args::Identify, error::CliError, view};
use provisioner_api::{BmcIdentify, BmcSensorHealth};

/// For how long the lamp shines if nothing is said, as ipmitool has it.
const LAMP_SECONDS: u8 = 15;

/// `billet bmc sensors`.
pub(super) async fn sensors(
    asked: &mut Asked<'_>,
    way: &Way,
    kind: Option<&str>,
    bad: bool,
) -> Result<(), CliError> {
    let kind = kind.map(str::to_lowercase);
    let mut sensors = way.sensors().await?.items;
    if let Some(kind) = &kind
        && !sensors.iter().any(|sensor| sensor.kind.to_lowercase().contains(kind))
    {
        let mut there: Vec<_> = sensors.iter().map(|sensor| sensor.kind.to_lowercase()).collect();
        there.sort_unstable();
        there.dedup();
        let there = if there.is_empty() {
            "it has none at all".to_owned()
        } else {
            format!("there are: {}", there.join(", "))
        };
        return Err(CliError::Missing(format!(
            "{} has no sensors of the kind `{kind}`; {there}",
            way.whose()
        )));
    }
    sensors.retain(|sensor| {
        let fits = kind.as_ref().is_none_or(|kind| sensor.kind.to_lowercase().contains(kind));
        fits && (!bad || sensor.health >= BmcSensorHealth::Warning)
    });
    asked.ui.list(&sensors, |wide| view::bmc_sensors(&sensors, wide))
}

/// `billet bmc fru`.
pub(super) async fn fru(asked: &mut Asked<'_>, way: &Way, id: Option<u8>) -> Result<(), CliError> {
    let mut units = way.fru().await?.items;
    if let Some(id) = id {
        units.retain(|unit| unit.id == id);
        if units.is_empty() {
            return Err(CliError::Missing(format!("{} has no unit with the number {id}", way.whose())));
        }
    }
    asked.ui.list(&units, |_| view::bmc_fru(&units))
}

/// `billet bmc identify`.
pub(super) async fn lamp(asked: &mut Asked<'_>, way: &Way, identify: &Identify) -> Result<(), CliError> {
    let given = match way {
        Way::Direct(_) => identify.first.as_deref(),
        Way::Machine { .. } => identify.second.as_ref().and(identify.first.as_deref()),
    };
    let wrong = || {
        CliError::Input("the lamp shines for 0 to 255 seconds; give a number, or --on or --off".to_owned())
    };
    let given = given.map(|text| text.parse::<u8>().map_err(|_| wrong())).transpose()?;
    if given.is_some() && (identify.on || identify.off) {
        return Err(CliError::Input("give a number of seconds, --on or --off, not two of them".to_owned()));
    }
    let (seconds, done) = match (identify.on, identify.off, given) {
        (true, ..) => (None, "shines until it is switched off".to_owned()),
        (_, true, _) | (.., Some(0)) => (Some(0), "is out".to_owned()),
        (.., given) => {
            let seconds = given.unwrap_or(LAMP_SECONDS);
            (Some(seconds), format!("shines for {seconds} s"))
        }
    };
    way.identify(&BmcIdentify { seconds }).await?;
    asked.ui.done(&format!("{}: the lamp {done}", way.whose()))
}

//! Values that occur in many resources: status, time, numbers, links.

use super::lenient::lenient;
use super::models::Link;
use super::path::ResourcePath;
use super::text::printable;
use serde::Deserialize;
use serde_json::Value;

/// The longest text of a resource that is passed on, in characters.
const TEXT_MAX: usize = 256;

/// Seconds since 1970 UTC of 1990-01-01. A BMC whose clock was never set counts from 1970 or from its firmware's date.
const CLOCK_UNSET: i64 = 631_152_000;

/// `Resource.Status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Status {
    /// `Enabled`, `Disabled`, `Absent`, `StandbyOffline`, …
    #[serde(default, deserialize_with = "lenient")]
    pub state: Option<String>,
    /// `OK`, `Warning`, `Critical`.
    #[serde(default, deserialize_with = "lenient")]
    pub health: Option<String>,
    /// As `health`, with all that is below.
    #[serde(default, deserialize_with = "lenient")]
    pub health_rollup: Option<String>,
}

impl Status {
    /// Whether the part is there. A BMC that doesn't tell lists only what is.
    pub fn is_present(&self) -> bool {
        self.state.as_deref() != Some("Absent")
    }

    /// `OK`, `Warning` or `Critical`; of the part itself if it tells, else with what is below.
    pub fn health(&self) -> Option<String> {
        let word = self.health.as_deref().or(self.health_rollup.as_deref());
        word_of(word)
    }
}

/// A text of the BMC, fit to be stored and shown; none for an empty one.
pub fn word_of(text: Option<&str>) -> Option<String> {
    text.map(|text| printable(text, TEXT_MAX)).filter(|text| !text.is_empty())
}

/// The path that a link holds, if it is one to follow.
pub fn path_of(link: Option<&Link>) -> Option<ResourcePath> {
    ResourcePath::from_link(link?.odata_id.as_deref()?)
}

/// The path of the resource that this is, or that it links to.
pub fn own_path(resource: &Value) -> Option<ResourcePath> {
    ResourcePath::from_link(resource.get("@odata.id")?.as_str()?)
}

/// A finite number, or a text that is one: some BMCs quote their readings.
pub fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

/// Deserialises with [`number`].
pub(super) fn lenient_number<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<f64>, D::Error> {
    Ok(number(&Value::deserialize(deserializer)?))
}

/// Deserialises a text with [`word_of`].
pub(super) fn lenient_word<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    Ok(word_of(lenient::<D, String>(deserializer)?.as_deref()))
}

/// Deserialises a count of which 0 means "not known".
pub(super) fn lenient_count<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u32>, D::Error> {
    let count = whole(lenient_number(deserializer)?).filter(|count| *count > 0);
    Ok(count.and_then(|count| u32::try_from(count).ok()))
}

/// Deserialises a status; one that is not told is one that tells nothing.
pub(super) fn lenient_status<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Status, D::Error> {
    Ok(lenient(deserializer)?.unwrap_or_default())
}

/// A whole number that isn't negative, however it is written.
pub(super) fn whole(number: Option<f64>) -> Option<u64> {
    // Beyond 2^53 a double is no exact count; no BMC counts that far.
    number
        .filter(|number| (0.0..9_007_199_254_740_992.0).contains(number))
        .map(|number| number.round() as u64)
}

/// A date and time in ISO 8601 as seconds since 1970 UTC; without an offset it is taken for UTC. `None`: it is no time,
/// or one at which the BMC's clock can't have been set.
pub fn timestamp(text: &str) -> Option<i64> {
    let text = text.trim();
    let seconds = match text.parse::<jiff::Timestamp>() {
        Ok(at) => at.as_second(),
        Err(_) => text
            .parse::<jiff::civil::DateTime>()
            .ok()?
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()?
            .timestamp()
            .as_second(),
    };
    (seconds >= CLOCK_UNSET).then_some(seconds)
}

/// A time as DSP0266 section 7.3.5 has it written; `None` beyond the year 9999.
pub fn date_time(seconds: i64) -> Option<String> {
    let at = jiff::Timestamp::from_second(seconds).ok()?;
    Some(at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string())
}

#[cfg(test)]
mod tests;

//! Changes that hold from the next boot on: the settings object of a resource (DSP0266 section 9.10) and when it is
//! applied.

use super::path::ResourcePath;
use super::quirks::{Effect, Quirks};
use super::value::{link, text, words};
use serde_json::{Value, json};

/// Where the future state of a resource is written to; `None`: it is changed in place.
pub fn settings_object(resource: &Value) -> Option<ResourcePath> {
    link(resource, "/@Redfish.Settings/SettingsObject")
}

/// Adds the wish that a change be applied at the next boot, where the BMC says that it heeds one or is known to drop
/// changes without it. `settings` is the settings object, if it was read.
pub fn with_apply_time(
    mut body: Value,
    resource: &Value,
    settings: Option<&Value>,
    quirks: &Quirks,
) -> Value {
    const OFFERED: [&str; 2] = [
        "/@Redfish.Settings/SupportedApplyTimes",
        "/@Redfish.SettingsApplyTime/ApplyTime@Redfish.AllowableValues",
    ];
    let offers = |resource: &Value| {
        OFFERED.iter().any(|pointer| words(resource, pointer).iter().any(|word| word == "OnReset"))
    };
    let told = offers(resource) || settings.is_some_and(offers);
    if told || quirks.has(Effect::SettingsNeedApplyTime) {
        body["@Redfish.SettingsApplyTime"] = json!({ "ApplyTime": "OnReset" });
    }
    body
}

/// What the BMC says of the last time that it applied the settings, if it failed.
pub fn applying_failed(resource: &Value) -> Option<String> {
    let messages = resource.pointer("/@Redfish.Settings/Messages")?.as_array()?;
    messages.iter().take(16).find_map(|message| {
        let severity = text(message, "/MessageSeverity").or_else(|| text(message, "/Severity"))?;
        if severity != "Critical" {
            return None;
        }
        super::value::shown(message, "/Message", 200)
    })
}

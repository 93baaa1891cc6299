//! Booting a virtual CD by attributes of the manager, where the override means a real drive: Dell's `ServerBoot.1`.
//!
//! The names are those of sushy `oem/dell/resources/manager/manager.py`, which writes them by a configuration profile.
//! Not here: all other overrides (`boot`).

use super::boot::{Target, Wanted};
use super::path::ResourcePath;
use super::quirks::{Effect, Quirks};
use super::value::{link_of, list, text};
use serde_json::{Value, json};

/// What the attributes have to be for this override; `None` where the override itself does it.
pub fn cd_attributes(wanted: &Wanted, quirks: &Quirks) -> Option<Value> {
    if wanted.target != Target::Cd || !quirks.has(Effect::VirtualCdByAttribute) {
        return None;
    }
    let once = if wanted.persistent { "Disabled" } else { "Enabled" };
    Some(json!({ "ServerBoot.1.BootOnce": once, "ServerBoot.1.FirstBootDevice": "VCD-DVD" }))
}

/// Where the manager has its attributes: of several lists, the one that is called like the manager.
pub fn attributes_link(manager: &Value) -> Option<ResourcePath> {
    let id = text(manager, "/Id")?;
    let mut links = list(manager, "/Links/Oem/Dell/DellAttributes").iter().filter_map(link_of);
    links.find(|path| path.path().trim_end_matches('/').rsplit('/').next() == Some(id))
}

/// Whether all attributes read back as they were sent.
pub fn are_attributes(sent: &Value, resource: &Value) -> bool {
    let Some(sent) = sent.as_object() else { return false };
    let shown = resource.get("Attributes");
    sent.iter().all(|(name, value)| shown.and_then(|shown| shown.get(name)) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_managers_own_attributes_are_found() {
        let links =
            ["System.Embedded.1", "iDRAC.Embedded.1"].map(|id| json!({"@odata.id": format!("/a/{id}")}));
        let manager =
            json!({"Id": "iDRAC.Embedded.1", "Links": {"Oem": {"Dell": {"DellAttributes": links}}}});
        assert_eq!(attributes_link(&manager).unwrap().path(), "/a/iDRAC.Embedded.1");
        assert_eq!(attributes_link(&json!({"Id": "1"})), None);
    }

    #[test]
    fn all_of_what_was_sent_must_read_back() {
        let sent = json!({"A": "x", "B": "y"});
        for (shown, same) in [
            (json!({"A": "x", "B": "y", "C": "z"}), true),
            (json!({"A": "x", "B": "z"}), false),
            (json!({"A": "x"}), false),
            (Value::Null, false),
        ] {
            assert_eq!(are_attributes(&sent, &json!({ "Attributes": shown })), same, "{shown}");
        }
    }
}

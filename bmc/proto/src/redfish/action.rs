//! Actions that a resource offers (DSP0266 section 9.5.12): where they are posted to and what their parameters may be.

use super::path::ResourcePath;
use serde_json::Value;
use std::collections::BTreeMap;

/// The end of the name of the annotation that tells allowable values.
const ALLOWABLE: &str = "@Redfish.AllowableValues";

/// An action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Where it is posted to.
    pub target: ResourcePath,
    /// What its parameters may be, by parameter, as far as the resource tells it itself.
    pub allowable: BTreeMap<String, Vec<String>>,
    /// Where an `ActionInfo` tells it instead.
    pub info: Option<ResourcePath>,
}

impl Action {
    /// The values that a parameter may have; empty when the resource itself doesn't tell.
    pub fn allowable(&self, parameter: &str) -> &[String] {
        self.allowable.get(parameter).map_or(&[], Vec::as_slice)
    }

    /// Whether a parameter may have this value, as far as it is told: what isn't told may be.
    pub fn allows(&self, parameter: &str, value: &str) -> bool {
        let allowable = self.allowable(parameter);
        allowable.is_empty() || allowable.iter().any(|allowed| allowed == value)
    }
}

/// The action with this name, such as `#VirtualMedia.InsertMedia`: among `Actions`, among `Actions.Oem`, or one level
/// further down, below the maker's name. `None` if there is none that can be posted.
pub fn action(resource: &Value, name: &str) -> Option<Action> {
    let actions = resource.get("Actions")?;
    let oem = actions.get("Oem").and_then(Value::as_object);
    let makers = oem.into_iter().flat_map(|oem| oem.values()).filter_map(|maker| maker.get(name));
    let direct = [actions.get(name), oem.and_then(|oem| oem.get(name))].into_iter().flatten();
    direct.chain(makers).find_map(read)
}

fn read(action: &Value) -> Option<Action> {
    let action = action.as_object()?;
    let target = ResourcePath::from_link(action.get("target")?.as_str()?)?;
    let info = action.get("@Redfish.ActionInfo").and_then(Value::as_str).and_then(ResourcePath::from_link);
    let allowable = action
        .iter()
        .filter_map(|(key, values)| {
            let words = values.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            Some((key.strip_suffix(ALLOWABLE)?.to_owned(), words))
        })
        .collect();
    Some(Action { target, allowable, info })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_action_is_found_wherever_makers_put_it() {
        let standard =
            json!({"Actions": {"#A.Do": {"target": "/t", "P@Redfish.AllowableValues": ["x", 1, "y"]}}});
        let found = action(&standard, "#A.Do").unwrap();
        assert_eq!((found.target.path(), found.allowable("P")), ("/t", &["x".to_owned(), "y".into()][..]));
        assert!(found.allows("P", "x") && !found.allows("P", "z") && found.allows("Q", "z"));
        for odd in [
            json!({"Actions": {"Oem": {"#A.Do": {"target": "/t"}}}}),
            json!({"Actions": {"#A.Do": {}, "Oem": {"Maker": {"#A.Do": {"target": "https://h/t"}}}}}),
        ] {
            assert_eq!(action(&odd, "#A.Do").unwrap().target.path(), "/t", "{odd}");
        }
        let info = json!({"Actions": {"#A.Do": {"target": "/t", "@Redfish.ActionInfo": "/i"}}});
        assert_eq!(action(&info, "#A.Do").unwrap().info.unwrap().path(), "/i");
    }

    #[test]
    fn what_cannot_be_posted_is_no_action() {
        for none in [
            json!({}),
            json!({"Actions": []}),
            json!({"Actions": {"#A.Do": {"target": 3}, "Oem": [1]}}),
            json!({"Actions": {"#A.Do": {"target": "//elsewhere/x"}, "Oem": {"#A.Do": "text"}}}),
        ] {
            assert_eq!(action(&none, "#A.Do"), None, "{none}");
        }
    }
}

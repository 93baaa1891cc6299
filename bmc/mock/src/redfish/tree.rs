//! The resources of a profile as they are when the BMC leaves the factory, shared by all BMCs of that profile, and
//! where in them the groups find their own.
//!
//! Texts may hold `{{name}}`, `{{uuid}}`, `{{model}}`, `{{serial}}` and `{{mac0}}`, which each BMC fills in.

use super::profiles::Manners;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The resources of a profile.
#[derive(Debug)]
pub(super) struct Tree {
    resources: BTreeMap<String, Value>,
    /// Where groups find their resources.
    pub(super) places: Places,
    /// How BMCs of this profile answer.
    pub(super) manners: Manners,
}

/// Where the resources of the groups are, without slashes at the end. An empty list, or `None`: this profile has none.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    /// The computer system.
    pub(super) system: String,
    /// Its manager.
    pub(super) manager: String,
    /// Its chassis, the main one first.
    pub(super) chassis: Vec<String>,
    /// The collection of accounts.
    pub(super) accounts: String,
    /// The collection of roles.
    pub(super) roles: String,
    /// Slots for virtual media.
    pub(super) media: Vec<String>,
    /// `SecureBoot`.
    pub(super) secure_boot: Option<String>,
    /// `Bios`.
    pub(super) bios: Option<String>,
    /// What pending BIOS settings are written to (`@Redfish.Settings`).
    pub(super) bios_settings: Option<String>,
    /// The attribute registry itself, not the `MessageRegistryFile` that points to it.
    pub(super) bios_registry: Option<String>,
    /// The collection of boot options.
    pub(super) boot_options: Option<String>,
    /// What pending settings of the system are written to, where it has such (`@Redfish.Settings`).
    pub(super) system_settings: Option<String>,
    /// The update service.
    pub(super) update: Option<String>,
    /// The collection of firmware.
    pub(super) firmware: Option<String>,
    /// The collection of tasks.
    pub(super) tasks: Option<String>,
    /// The collection of the maker's own jobs, as Dell has it.
    pub(super) jobs: Option<String>,
    /// Where images of firmware are pushed to: bodies may be large there.
    pub(super) pushes: Vec<String>,
    /// The event service.
    pub(super) events: Option<String>,
    /// The collection of subscriptions.
    pub(super) subscriptions: Option<String>,
    /// Log services.
    pub(super) logs: Vec<String>,
    /// `Thermal`, the older form of sensors.
    pub(super) thermal: Vec<String>,
    /// `Power`, the older form of sensors.
    pub(super) power: Vec<String>,
    /// Collections of `Sensor`, the newer form.
    pub(super) sensors: Vec<String>,
    /// The network interfaces of the manager.
    pub(super) manager_ports: Vec<String>,
}

impl Tree {
    /// With nothing in it.
    pub(super) fn new(manners: Manners) -> Self {
        Self { resources: BTreeMap::new(), places: Places::default(), manners }
    }

    /// Puts a resource at `path`, in the place of one that is there. `@odata.id` is added, with the profile's slash at
    /// its end.
    pub(super) fn put(&mut self, path: &str, mut resource: Value) {
        resource["@odata.id"] = self.link(path)["@odata.id"].take();
        self.resources.insert(trimmed(path).to_owned(), resource);
    }

    /// Puts a resource just as it is.
    pub(super) fn keep(&mut self, path: &str, resource: Value) {
        self.resources.insert(trimmed(path).to_owned(), resource);
    }

    /// Puts a collection of these members.
    pub(super) fn collection<S: AsRef<str>>(&mut self, path: &str, kind: &str, members: &[S]) {
        let links: Vec<Value> = members.iter().map(|member| self.link(member.as_ref())).collect();
        let collection = json!({
            "@odata.type": format!("#{kind}Collection.{kind}Collection"),
            "Name": format!("{kind} Collection"),
            "Members@odata.count": links.len(),
            "Members": links,
        });
        self.put(path, collection);
    }

    /// Merges into a resource that is there: objects are merged, all else is replaced, `null` takes away.
    pub(super) fn merge(&mut self, path: &str, change: Value) {
        if let Some(resource) = self.resources.get_mut(trimmed(path)) {
            merge(resource, change, true);
        }
    }

    /// Sets a property of a resource that is there.
    pub(super) fn set(&mut self, path: &str, property: &str, value: Value) {
        if let Some(resource) = self.resources.get_mut(trimmed(path)) {
            resource[property] = value;
        }
    }

    /// A link in this profile's way.
    pub(super) fn link(&self, path: &str) -> Value {
        let slash = if self.manners.trailing_slash { "/" } else { "" };
        json!({ "@odata.id": format!("{}{slash}", trimmed(path)) })
    }

    /// A resource.
    pub(super) fn get(&self, path: &str) -> Option<&Value> {
        self.resources.get(path)
    }

    /// All paths.
    #[cfg(test)]
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.resources.keys().map(String::as_str)
    }

    /// Names of the members of a collection, as far as the profile has any.
    pub(super) fn members(&self, path: &str) -> Vec<String> {
        let members = self.get(trimmed(path)).and_then(|collection| collection["Members"].as_array());
        let links = members.into_iter().flatten().filter_map(|member| member["@odata.id"].as_str());
        links.map(|link| trimmed(link).to_owned()).collect()
    }

    /// Types that are used, such as `ComputerSystem.v1_22_1`, sorted.
    pub(super) fn types(&self) -> Vec<&str> {
        let kinds = self.resources.values().filter_map(|resource| resource["@odata.type"].as_str());
        let mut kinds: Vec<&str> = kinds
            .filter_map(|kind| kind.strip_prefix('#')?.rsplit_once('.').map(|(versioned, _)| versioned))
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

/// A path without the slash at its end.
pub(super) fn trimmed(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

/// Merges a change into a value. `null` takes a property away, or stays as `null`.
pub(super) fn merge(value: &mut Value, change: Value, null_removes: bool) {
    match (value, change) {
        (Value::Object(value), Value::Object(change)) => {
            for (name, change) in change {
                if change.is_null() && null_removes {
                    value.remove(&name);
                } else {
                    merge(value.entry(name).or_insert(Value::Null), change, null_removes);
                }
            }
        }
        (value, change) => *value = change,
    }
}

/// Fills in what each BMC has of its own.
pub(super) fn fill(value: &mut Value, with: &dyn Fn(&str) -> Option<String>) {
    match value {
        Value::String(text) if text.contains("{{") => *text = filled(text, with),
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, with)),
        Value::Object(map) => map.values_mut().for_each(|value| fill(value, with)),
        _ => {}
    }
}

fn filled(text: &str, with: &dyn Fn(&str) -> Option<String>) -> String {
    let mut done = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else { break };
        done.push_str(before);
        done.push_str(&with(name).unwrap_or_default());
        rest = behind;
    }
    done + rest
}

/// An object's map; empty when it is none.
pub(super) fn into_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

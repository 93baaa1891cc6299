//! BIOS attributes and their registry, in a maker's names.

use super::blocks::Builder;
use serde_json::{Map, Value, json};

/// An attribute.
pub(super) struct Attribute<'a> {
    name: &'a str,
    shown: &'a str,
    value: Value,
    rule: Value,
}

/// One of these words; the first is the default.
pub(super) fn one_of<'a>(name: &'a str, shown: &'a str, words: &[&str]) -> Attribute<'a> {
    let values: Vec<Value> =
        words.iter().map(|word| json!({"ValueName": word, "ValueDisplayName": word})).collect();
    let first = words.first().copied().unwrap_or_default();
    let rule = json!({"Type": "Enumeration", "Value": values});
    Attribute { name, shown, value: first.into(), rule }
}

/// A number between these.
pub(super) fn number<'a>(
    name: &'a str,
    shown: &'a str,
    value: i64,
    least: i64,
    most: i64,
    step: i64,
) -> Attribute<'a> {
    let rule = json!({"Type": "Integer", "LowerBound": least, "UpperBound": most, "ScalarIncrement": step});
    Attribute { name, shown, value: value.into(), rule }
}

/// A text of at most so many characters.
pub(super) fn text<'a>(name: &'a str, shown: &'a str, value: &str, longest: u32) -> Attribute<'a> {
    let rule = json!({"Type": "String", "MinLength": 0, "MaxLength": longest});
    Attribute { name, shown, value: value.into(), rule }
}

/// Yes or no.
pub(super) fn flag<'a>(name: &'a str, shown: &'a str, value: bool) -> Attribute<'a> {
    Attribute { name, shown, value: value.into(), rule: json!({"Type": "Boolean"}) }
}

impl Attribute<'_> {
    /// The same, but nobody can set it.
    pub(super) fn read_only(mut self) -> Self {
        self.rule["ReadOnly"] = true.into();
        self
    }

    /// The same, but it holds at once.
    pub(super) fn at_once(mut self) -> Self {
        self.rule["ResetRequired"] = false.into();
        self
    }
}

/// Where a profile has what concerns the BIOS.
pub(super) struct BiosPlaces<'a> {
    pub(super) bios: &'a str,
    pub(super) settings: &'a str,
    /// The registry's name.
    pub(super) registry: &'a str,
    /// Where it is.
    pub(super) registry_uri: &'a str,
}

impl Builder {
    /// What the firmware's setup has: the BIOS, what is pending for it, the registries, its own among them, and Secure
    /// Boot.
    pub(super) fn setup(
        &mut self,
        places: &BiosPlaces<'_>,
        attributes: &[Attribute<'_>],
        apply_times: &[&str],
    ) {
        let values: Map<String, Value> =
            attributes.iter().map(|attribute| (attribute.name.to_owned(), attribute.value.clone())).collect();
        let mut settings = json!({
            "@odata.type": "#Settings.v1_3_5.Settings",
            "SettingsObject": self.link(places.settings),
        });
        if !apply_times.is_empty() {
            settings["SupportedApplyTimes"] = json!(apply_times);
        }
        let more = json!({
            "AttributeRegistry": places.registry,
            "Attributes": values,
            "@Redfish.Settings": settings,
            "Actions": {"#Bios.ResetBios": {"target": format!("{}/Actions/Bios.ResetBios", places.bios)}},
        });
        self.put(places.bios, "Bios.v1_2_1", "BIOS Configuration Current Settings", more);
        let more = json!({"AttributeRegistry": places.registry, "Attributes": {}});
        self.put(places.settings, "Bios.v1_2_1", "BIOS Configuration Pending Settings", more);
        self.registry(places, attributes);
        let found = &mut self.tree.places;
        found.bios = Some(places.bios.into());
        found.bios_settings = Some(places.settings.into());
        found.bios_registry = Some(places.registry_uri.into());
        self.registries(places.registry, places.registry_uri);
        let secure_boot = format!("{}/SecureBoot", self.system);
        self.secure_boot(&secure_boot);
        let change = json!({"Bios": self.link(places.bios), "SecureBoot": self.link(&secure_boot)});
        self.tree.merge(&self.system.clone(), change);
    }

    fn registry(&mut self, places: &BiosPlaces<'_>, attributes: &[Attribute<'_>]) {
        let entries: Vec<Value> = attributes
            .iter()
            .enumerate()
            .map(|(number, attribute)| {
                let mut entry = json!({
                    "AttributeName": attribute.name,
                    "DisplayName": attribute.shown,
                    "HelpText": attribute.shown,
                    "DefaultValue": attribute.value,
                    "DisplayOrder": number,
                    "MenuPath": "./Setup",
                    "ReadOnly": false,
                    "Hidden": false,
                    "ResetRequired": true,
                });
                for (name, value) in attribute.rule.as_object().into_iter().flatten() {
                    entry[name] = value.clone();
                }
                entry
            })
            .collect();
        let more = json!({
            "Id": places.registry,
            "Language": "en",
            "OwningEntity": "Simulated",
            "RegistryVersion": "1.0.0",
            "SupportedSystems": [{"ProductName": "{{model}}", "SystemId": "1"}],
            "RegistryEntries": {"Attributes": entries, "Dependencies": [], "Menus": []},
        });
        self.put(places.registry_uri, "AttributeRegistry.v1_3_8", "BIOS Attribute Registry", more);
    }
}

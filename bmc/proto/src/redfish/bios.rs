//! BIOS attributes: what they are and will be, what may be set, whether it was done.
//!
//! The registry that tells what an attribute may be is in `registry`.

mod registry;
#[cfg(test)]
mod tests;

pub use registry::{Registry, Rule, find_registry, registry_location};

use super::path::ResourcePath;
use super::quirks::{Effect, Quirks};
use super::text::printable;
use super::value::{link, text};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The most attributes that are read.
const ATTRIBUTES_MAX: usize = 8192;

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    /// A text, or a word of a list.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

impl Setting {
    /// Reads one; `None` for what none can be (null, lists, fractions).
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::Text(text.chars().take(4096).collect())),
            Value::Bool(flag) => Some(Self::Flag(*flag)),
            Value::Number(number) => number.as_i64().map(Self::Number),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Number(number) => (*number).into(),
            Self::Flag(flag) => (*flag).into(),
        }
    }
}

impl std::fmt::Display for Setting {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => formatter.write_str(&printable(text, 120)),
            Self::Number(number) => write!(formatter, "{number}"),
            Self::Flag(flag) => write!(formatter, "{flag}"),
        }
    }
}

/// An attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// What it is.
    pub value: Option<Setting>,
    /// What it will be after the next boot, if something else.
    pub pending: Option<Setting>,
    /// What it may be.
    pub rule: Option<Rule>,
}

impl Attribute {
    /// What it is after the next boot.
    fn will_be(&self) -> Option<&Setting> {
        self.pending.as_ref().or(self.value.as_ref())
    }
}

/// Why attributes can't be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BiosRefusal {
    /// The system links to none.
    #[error("its system shows no BIOS attributes; some show them only after a first boot")]
    None,
    /// There is no such attribute.
    #[error("there is no BIOS attribute `{name}`{}", if close.is_empty() { String::new() } else { format!("; is {close} meant?") })]
    Unknown {
        /// As it was given.
        name: String,
        /// Names that are like it.
        close: String,
    },
    /// It can't be set.
    #[error("the BIOS attribute `{name}` can't be set: it is {why}")]
    ReadOnly {
        /// Which.
        name: String,
        /// Why.
        why: &'static str,
    },
    /// It can't be that.
    #[error("the BIOS attribute `{name}` can't be `{value}`: it is {may}")]
    NotThat {
        /// Which.
        name: String,
        /// What was given.
        value: String,
        /// What it may be.
        may: String,
    },
    /// There is nothing to reset.
    #[error("its BIOS offers no reset to the maker's defaults; do it in the firmware's setup")]
    NoReset,
}

/// Where a system's `Bios` is.
pub fn bios_link(system: &Value) -> Result<ResourcePath, BiosRefusal> {
    link(system, "/Bios").ok_or(BiosRefusal::None)
}

/// All attributes, by name. `settings` is the settings object; `registry` what they may be.
pub fn read_attributes(
    bios: &Value,
    settings: Option<&Value>,
    registry: Option<&Registry>,
) -> Vec<Attribute> {
    let pending = settings.and_then(|settings| settings.get("Attributes")).and_then(Value::as_object);
    let empty = Map::new();
    let shown = bios.get("Attributes").and_then(Value::as_object).unwrap_or(&empty);
    let mut all: Vec<Attribute> = shown
        .iter()
        .filter(|(name, _)| !name.contains('@'))
        .take(ATTRIBUTES_MAX)
        .map(|(name, value)| {
            let value = Setting::read(value);
            let next = pending.and_then(|pending| pending.get(name)).and_then(Setting::read);
            Attribute {
                name: printable(name, 200),
                pending: next.filter(|next| Some(next) != value.as_ref()),
                value,
                rule: registry.and_then(|registry| registry.rule(name)).cloned(),
            }
        })
        .collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

/// Checks changes against what is there and what it may be; answers those that are not so already, in the
/// attributes' own types.
pub fn plan_bios(
    attributes: &[Attribute],
    changes: &BTreeMap<String, Setting>,
) -> Result<BTreeMap<String, Setting>, BiosRefusal> {
    let mut planned = BTreeMap::new();
    for (name, wanted) in changes {
        let found = attributes.binary_search_by(|attribute| attribute.name.as_str().cmp(name));
        let attribute = match found {
            Ok(index) => &attributes[index],
            Err(_) => {
                return Err(BiosRefusal::Unknown {
                    name: printable(name, 100),
                    close: close_to(attributes, name),
                });
            }
        };
        let value = registry::fit(attribute, wanted)?;
        if attribute.will_be() != Some(&value) {
            planned.insert(name.clone(), value);
        }
    }
    Ok(planned)
}

/// What sets them.
pub fn bios_patch(planned: &BTreeMap<String, Setting>) -> Value {
    let attributes: Map<String, Value> =
        planned.iter().map(|(name, value)| (name.clone(), value.json())).collect();
    json!({ "Attributes": attributes })
}

/// When what was sent holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// Now.
    Now,
    /// After the next boot.
    NextBoot,
    /// Not at all: this is what reads back.
    Not(String),
}

/// Judges what reads back after a change: in the attributes themselves, or pending in the settings object.
/// `accepted_task`: the BMC made a task or job of it, which counts where it shows pending values nowhere.
pub fn judge_bios(
    sent: &BTreeMap<String, Setting>,
    bios: &Value,
    settings: Option<&Value>,
    accepted_task: bool,
    quirks: &Quirks,
) -> Applied {
    let read = |resource: &Value, name: &str| {
        // Not a pointer: names of attributes may hold slashes.
        resource.get("Attributes").and_then(|all| all.get(name)).and_then(Setting::read)
    };
    let pending = |name: &str| settings.and_then(|settings| read(settings, name));
    // What is as wanted now becomes something else at the next boot if that is pending.
    let holds = |name: &str, value: &Setting| {
        read(bios, name).as_ref() == Some(value) && pending(name).is_none_or(|pending| pending == *value)
    };
    // Some show what is pending as if it held already.
    let early = settings.is_some() && quirks.has(Effect::BiosShowsPending);
    if !early && sent.iter().all(|(name, value)| holds(name, value)) {
        return Applied::Now;
    }
    let missing = sent.iter().find(|(name, value)| {
        let pending = pending(name);
        // A job that took the values away from the settings object carries them out at the next boot.
        let taken = accepted_task
            && pending.as_ref().is_none_or(|pending| Some(pending) == read(bios, name).as_ref());
        pending.as_ref() != Some(value) && !holds(name, value) && !taken
    });
    match missing {
        None => Applied::NextBoot,
        Some((name, value)) => {
            let now = read(bios, name);
            let next = pending(name).filter(|next| now.as_ref() == Some(value) && next != value);
            let next = next.map_or_else(|| "nothing else".into(), |next| next.to_string());
            let now = now.map_or_else(|| "absent".into(), |now| now.to_string());
            Applied::Not(format!("{} {now}, and {next} pending", printable(name, 100)))
        }
    }
}

/// Where the reset to defaults is posted to, and what.
pub fn plan_bios_reset(
    bios: &Value,
    settings: Option<&Value>,
    quirks: &Quirks,
) -> Result<(ResourcePath, Value), BiosRefusal> {
    // iLO has the action at the settings object.
    let find = |resource| super::action::action(resource, "#Bios.ResetBios");
    let action = find(bios).or_else(|| settings.and_then(find)).ok_or(BiosRefusal::NoReset)?;
    let body =
        if quirks.has(Effect::BiosResetNeedsType) { json!({ "ResetType": "default" }) } else { json!({}) };
    Ok((action.target, body))
}

/// The name of the registry of its attributes.
pub fn registry_name(bios: &Value) -> Option<&str> {
    text(bios, "/AttributeRegistry")
}

/// Up to three names that are most like a misspelt one.
fn close_to(attributes: &[Attribute], name: &str) -> String {
    let wanted = name.to_ascii_lowercase();
    let distance = |attribute: &Attribute| {
        let own = attribute.name.to_ascii_lowercase();
        let inside = own.contains(&wanted) || (own.len() > 3 && wanted.contains(&own));
        if inside { 1 } else { edits(&own, &wanted) }
    };
    let limit = 1 + wanted.len() / 3;
    let mut near: Vec<(usize, &str)> = attributes
        .iter()
        .filter(|attribute| attribute.name.len() <= 128 && wanted.len() <= 128 && !wanted.is_empty())
        .map(|attribute| (distance(attribute), attribute.name.as_str()))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    near.sort_unstable();
    near.iter().take(3).map(|(_, name)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// How many letters have to be put in, left out or replaced to make one of the other (Levenshtein).
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (index, own) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *own);
            diagonal = row[index + 1];
            row[index + 1] = replaced.min(row[index] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

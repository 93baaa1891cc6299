//! The attribute registry (DSP8010 `AttributeRegistry`): where it is, and what an attribute may be.
//!
//! Registries have 1 to 3 MiB, so that they are read entry by entry, and only what is used is kept.

use super::{Attribute, BiosRefusal, Setting};
use crate::redfish::bounded::Bounded;
use crate::redfish::path::ResourcePath;
use crate::redfish::text::printable;
use crate::redfish::value::{flag, link, list, shown, text};
use flate2::read::GzDecoder;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::io::Read as _;

/// The most entries and words of one entry that are kept.
const ENTRIES_MAX: usize = 8192;
const WORDS_MAX: usize = 512;
/// The most memory that one entry may take while it is read, in bytes.
const ENTRY_MAX: usize = 8 * 1024 * 1024;
/// The most bytes of a packed registry, unpacked.
const UNPACKED_MAX: u64 = 16 * 1024 * 1024;

/// What an attribute may be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rule {
    /// What it is called in the setup's menu.
    pub display_name: Option<String>,
    /// `Enumeration`, `String`, `Integer`, `Boolean`, `Password`.
    pub kind: String,
    /// The words of an enumeration.
    pub allowed: Vec<String>,
    /// The least number.
    pub least: Option<i64>,
    /// The largest number.
    pub most: Option<i64>,
    /// The step between numbers.
    pub step: Option<i64>,
    /// The shortest text, in characters.
    pub shortest: Option<u32>,
    /// The longest text, in characters.
    pub longest: Option<u32>,
    /// A pattern for texts, as the maker wrote it.
    pub pattern: Option<String>,
    /// Whether it can't be set.
    pub read_only: bool,
    /// Whether it needs a boot.
    pub needs_reset: Option<bool>,
    /// The maker's default.
    pub default: Option<Setting>,
}

impl Rule {
    fn read(entry: &Value) -> Option<(String, Self)> {
        let name = text(entry, "/AttributeName").filter(|name| name.len() <= 200)?.to_owned();
        let number = |at: &str| entry.get(at).and_then(Value::as_i64);
        let length = |at: &str| number(at).and_then(|length| u32::try_from(length).ok());
        let word = |value: &Value| shown(value, "/ValueName", 200);
        let rule = Self {
            display_name: shown(entry, "/DisplayName", 200),
            kind: shown(entry, "/Type", 40).unwrap_or_default(),
            allowed: list(entry, "/Value").iter().take(WORDS_MAX).filter_map(word).collect(),
            least: number("LowerBound"),
            most: number("UpperBound"),
            step: number("ScalarIncrement").filter(|step| *step > 1),
            shortest: length("MinLength"),
            longest: length("MaxLength"),
            pattern: shown(entry, "/ValueExpression", 200),
            read_only: flag(entry, "/ReadOnly") == Some(true) || flag(entry, "/Immutable") == Some(true),
            needs_reset: flag(entry, "/ResetRequired"),
            default: entry.get("DefaultValue").and_then(Setting::read),
        };
        Some((name, rule))
    }
}

/// A registry.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    rules: HashMap<String, Rule>,
}

impl Registry {
    /// Reads one out of its file; `None` when it is no JSON or holds no attributes. iLO sends its registries packed
    /// (gzip), whatever the client says that it accepts.
    pub fn parse(body: &[u8]) -> Option<Self> {
        if body.starts_with(&[0x1f, 0x8b]) {
            let mut unpacked = Vec::new();
            GzDecoder::new(body).take(UNPACKED_MAX).read_to_end(&mut unpacked).ok()?;
            return Self::parse_plain(&unpacked);
        }
        Self::parse_plain(body)
    }

    fn parse_plain(body: &[u8]) -> Option<Self> {
        let mut rules = HashMap::new();
        let mut reader = serde_json::Deserializer::from_slice(body);
        // A tail after the object, as some send, takes nothing away from what was read.
        Into { rules: &mut rules, at: Place::File }.deserialize(&mut reader).ok()?;
        (!rules.is_empty()).then_some(Self { rules })
    }

    /// What an attribute may be.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.get(name)
    }
}

/// Where in the file the reading is.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    File,
    Entries,
    Attributes,
}

/// Walks down to `RegistryEntries.Attributes` and reads each element by itself, so that never more than one of them
/// is in memory as JSON.
struct Into<'r> {
    rules: &'r mut HashMap<String, Rule>,
    at: Place,
}

impl<'de> DeserializeSeed<'de> for Into<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Into<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a part of an attribute registry")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let next = match (self.at, key.as_str()) {
                (Place::File, "RegistryEntries") => Place::Entries,
                (Place::Entries, "Attributes") => Place::Attributes,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            map.next_value_seed(Into { rules: &mut *self.rules, at: next })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if self.at != Place::Attributes {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        while self.rules.len() < ENTRIES_MAX {
            let mut left = ENTRY_MAX;
            let Some(entry) = items.next_element_seed(Bounded { left: &mut left })? else { return Ok(()) };
            self.rules.extend(Rule::read(&entry));
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Which of the registries is the one with this name: by the last part of their paths, which is their id.
pub fn find_registry(paths: &[ResourcePath], name: &str) -> Option<ResourcePath> {
    let id = |path: &ResourcePath| {
        path.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_ascii_lowercase()
    };
    let name = name.to_ascii_lowercase();
    let exact = paths.iter().find(|path| id(path) == name);
    // `BiosAttributeRegistry` for `BiosAttributeRegistry.v1_0_3`; `BiosAttributeRegistryU32` is another.
    let versioned = || {
        paths.iter().find(|path| {
            name.strip_prefix(&id(path)).is_some_and(|rest| !id(path).is_empty() && rest.starts_with('.'))
        })
    };
    exact.or_else(versioned).cloned()
}

/// Where the file of a registry is: the English one, or else the first.
pub fn registry_location(file: &Value) -> Option<ResourcePath> {
    let locations = list(file, "/Location");
    let uri = |location: &Value| {
        let uri = location.get("Uri")?;
        // iLO 4 wrote {"extref": …}.
        uri.as_str()
            .or_else(|| uri.get("extref")?.as_str())
            .and_then(ResourcePath::from_link)
            .or_else(|| link(location, "/Uri"))
    };
    let english = locations.iter().find(|location| {
        text(location, "/Language").is_some_and(|language| language.to_ascii_lowercase().starts_with("en"))
    });
    english.and_then(uri).or_else(|| locations.iter().find_map(uri))
}

/// A wanted value in the attribute's own type, if it may be that.
pub(super) fn fit(attribute: &Attribute, wanted: &Setting) -> Result<Setting, BiosRefusal> {
    let name = || attribute.name.clone();
    let Some(rule) = &attribute.rule else {
        let same = attribute.value.as_ref().and_then(|value| like(value, wanted));
        return match (&attribute.value, same) {
            (_, Some(value)) => Ok(value),
            (None, None) => Ok(wanted.clone()),
            (Some(value), None) => Err(not_that(attribute, wanted, &format!("{} now", kind_of(value)))),
        };
    };
    if rule.read_only {
        return Err(BiosRefusal::ReadOnly { name: name(), why: "read-only" });
    }
    let fitted = match rule.kind.as_str() {
        "Password" => {
            return Err(BiosRefusal::ReadOnly {
                name: name(),
                why: "a password, which has an action of its own",
            });
        }
        "Integer" => integer(rule, wanted),
        "Boolean" => boolean(wanted),
        "Enumeration" => word(rule, wanted),
        _ => string(rule, wanted),
    };
    fitted.ok_or_else(|| not_that(attribute, wanted, &describe(rule)))
}

fn not_that(attribute: &Attribute, wanted: &Setting, may: &str) -> BiosRefusal {
    BiosRefusal::NotThat { name: attribute.name.clone(), value: wanted.to_string(), may: may.to_owned() }
}

fn kind_of(value: &Setting) -> &'static str {
    match value {
        Setting::Text(_) => "a text",
        Setting::Number(_) => "a number",
        Setting::Flag(_) => "true or false",
    }
}

/// A value of the same type as the present one, where there is no registry.
fn like(value: &Setting, wanted: &Setting) -> Option<Setting> {
    match value {
        Setting::Text(_) => Some(Setting::Text(plain(wanted))),
        Setting::Number(_) => number(wanted).map(Setting::Number),
        Setting::Flag(_) => boolean(wanted),
    }
}

fn plain(value: &Setting) -> String {
    match value {
        Setting::Text(text) => text.clone(),
        Setting::Number(number) => number.to_string(),
        Setting::Flag(flag) => flag.to_string(),
    }
}

fn number(value: &Setting) -> Option<i64> {
    match value {
        Setting::Number(number) => Some(*number),
        Setting::Text(text) => text.trim().parse().ok(),
        Setting::Flag(_) => None,
    }
}

fn boolean(value: &Setting) -> Option<Setting> {
    match value {
        Setting::Flag(flag) => Some(Setting::Flag(*flag)),
        Setting::Text(text) => text.trim().to_ascii_lowercase().parse().ok().map(Setting::Flag),
        Setting::Number(_) => None,
    }
}

fn integer(rule: &Rule, wanted: &Setting) -> Option<Setting> {
    let number = number(wanted)?;
    let least = rule.least.is_none_or(|least| number >= least);
    let most = rule.most.is_none_or(|most| number <= most);
    let from = rule.least.unwrap_or(0);
    let stepped = rule.step.is_none_or(|step| number.checked_sub(from).is_none_or(|over| over % step == 0));
    (least && most && stepped).then_some(Setting::Number(number))
}

fn word(rule: &Rule, wanted: &Setting) -> Option<Setting> {
    let wanted = plain(wanted);
    let exact = rule.allowed.iter().find(|word| **word == wanted);
    let alike = || rule.allowed.iter().find(|word| word.eq_ignore_ascii_case(&wanted));
    if rule.allowed.is_empty() {
        return Some(Setting::Text(wanted));
    }
    exact.or_else(alike).map(|word| Setting::Text(word.clone()))
}

fn string(rule: &Rule, wanted: &Setting) -> Option<Setting> {
    let wanted = plain(wanted);
    let length = u32::try_from(wanted.chars().count()).ok()?;
    let short = rule.shortest.is_some_and(|shortest| length < shortest);
    let long = rule.longest.is_some_and(|longest| length > longest);
    (!short && !long).then_some(Setting::Text(wanted))
}

/// What a rule allows, in words.
fn describe(rule: &Rule) -> String {
    match rule.kind.as_str() {
        "Integer" => {
            let bound = |bound: Option<i64>| bound.map_or_else(|| "any".into(), |bound| bound.to_string());
            let step = rule.step.map(|step| format!(" in steps of {step}")).unwrap_or_default();
            format!("a number from {} to {}{step}", bound(rule.least), bound(rule.most))
        }
        "Boolean" => "true or false".into(),
        "Enumeration" => printable(&format!("one of {}", rule.allowed.join(", ")), 400),
        _ => {
            let longest = rule.longest.map_or_else(|| "any number of".into(), |longest| longest.to_string());
            format!("a text of {} to {longest} characters", rule.shortest.unwrap_or(0))
        }
    }
}

//! Replaces what tells whose a machine is, each by the same other thing of its kind wherever it stands, also in paths and
//! in names of properties. First everything is learnt, then everything is replaced.

use super::Recorded;
use super::shapes::{Kind, is_public, shapes};
use super::words::{is_common_user, is_nothing, is_peculiar, is_version, kind_of};
use serde_json::{Map, Value};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What stands in the place of a secret.
const HIDDEN: &str = "redacted";
/// The longest value that is looked for elsewhere, in bytes.
const PATTERN_MAX: usize = 256;
/// So many bytes of each pattern are compared by a table; none is shorter.
const HEAD: usize = 3;

/// What is known beforehand to tell whose it is.
#[derive(Clone, Copy, Default)]
pub struct Known<'a> {
    /// The BMC's address or host name.
    pub host: &'a str,
    /// The user who reads.
    pub username: &'a str,
    /// That user's password.
    pub password: &'a str,
}

/// Knows what is replaced, and by what.
#[derive(Debug, Default)]
pub struct Redactor {
    /// By their first bytes in lower case, by their length, the longest first, and by all of their bytes in lower case: so
    /// that looking for one takes no longer the more there are.
    patterns: HashMap<[u8; HEAD], ByLength>,
    /// What stands for a value in a property that is known to hold such a one.
    values: HashMap<(Kind, String), String>,
    counts: BTreeMap<Kind, u32>,
    /// Names of properties, in lower case.
    names: BTreeSet<String>,
}

/// Patterns by their length, the longest first, and by their bytes.
type ByLength = BTreeMap<Reverse<usize>, HashMap<Vec<u8>, Pattern>>;

/// What is replaced wherever it stands.
#[derive(Debug)]
struct Pattern {
    to: String,
    kind: Kind,
}

impl Redactor {
    /// Learns what is to be replaced.
    pub fn learn(resources: &BTreeMap<String, Recorded>, known: &Known<'_>) -> Self {
        let mut redactor = Self::default();
        for body in resources.values().filter_map(|one| one.body.as_ref()) {
            redactor.learn_names(body);
        }
        for (kind, value) in
            [(Kind::Host, known.host), (Kind::User, known.username), (Kind::Secret, known.password)]
        {
            redactor.note(kind, value);
        }
        for (path, recorded) in resources {
            redactor.look(path, false);
            recorded.headers.values().for_each(|value| redactor.look(value, false));
            if let Some(body) = &recorded.body {
                redactor.learn_value(body, "", None);
            }
        }
        redactor
    }

    /// Resources with everything replaced.
    pub fn resources(&self, resources: BTreeMap<String, Recorded>) -> BTreeMap<String, Recorded> {
        let all = resources.into_iter().map(|(path, mut recorded)| {
            if let Some(body) = &mut recorded.body {
                self.replace(body, "", None);
            }
            for value in recorded.headers.values_mut() {
                *value = self.text(value);
            }
            (self.text(&path), recorded)
        });
        all.collect()
    }

    /// A text with everything replaced.
    pub fn text(&self, text: &str) -> String {
        self.replaced(text, false)
    }

    fn learn_names(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.learn_names(item)),
            Value::Object(map) => map.iter().for_each(|(name, value)| {
                self.names.insert(name.to_ascii_lowercase());
                self.learn_names(value);
            }),
            _ => {}
        }
    }

    fn learn_value(&mut self, value: &Value, name: &str, kind: Option<Kind>) {
        match value {
            Value::String(text) => {
                if let Some(kind) = kind {
                    self.note(kind, text);
                }
                if kind != Some(Kind::Prose) {
                    self.look(text, is_version(name));
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn_value(item, name, kind)),
            Value::Object(map) => {
                for (name, value) in map {
                    self.look(name, false);
                    self.learn_value(value, name, kind_within(map, name, kind));
                }
            }
            _ => {}
        }
    }

    /// Notes what is in a text by its shape.
    fn look(&mut self, text: &str, version: bool) {
        for (range, kind) in shapes(text) {
            if !(version && kind == Kind::V4) {
                self.note(kind, &text[range]);
            }
        }
    }

    /// Notes one value: what stands for it, and the forms in which it may stand elsewhere.
    fn note(&mut self, kind: Kind, value: &str) {
        let value = value.trim();
        if is_nothing(kind, value) || kind == Kind::Prose || (kind == Kind::User && is_common_user(value)) {
            return;
        }
        let kind = sharper(kind, value);
        let entry = (kind, canonical(kind, value));
        if self.values.contains_key(&entry) {
            return;
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let number = *count;
        let hex_only = kind == Kind::Octets || kind == Kind::Uuid;
        let forms =
            if hex_only { hex_forms(kind, &entry.1, number) } else { plain_forms(kind, value, number) };
        self.values.insert(entry, stand_in(kind, value, number));
        if kind == Kind::Host {
            self.note_parts(value);
        }
        let word = matches!(kind, Kind::Host | Kind::User | Kind::Words | Kind::Secret)
            && self.names.contains(&value.to_ascii_lowercase());
        if word || value.len() > PATTERN_MAX || !is_peculiar(kind, value) {
            return;
        }
        for (from, to) in forms {
            if let Some(head) = head(from.as_bytes()) {
                let alike = self.patterns.entry(head).or_default().entry(Reverse(from.len())).or_default();
                alike.entry(from.to_ascii_lowercase().into_bytes()).or_insert(Pattern { to, kind });
            }
        }
    }

    /// Notes the host's own name and its domains.
    fn note_parts(&mut self, host: &str) {
        let Some((label, domain)) = host.split_once('.') else { return };
        if !is_public(domain) {
            for part in [label, domain].into_iter().filter(|part| *part == label || part.contains('.')) {
                self.note(Kind::Host, part);
            }
        }
    }

    fn replace(&self, value: &mut Value, name: &str, kind: Option<Kind>) {
        match value {
            Value::String(text) => *text = self.value(text, name, kind),
            Value::Number(_) if kind.is_some() => *value = 0.into(),
            Value::Array(items) => items.iter_mut().for_each(|item| self.replace(item, name, kind)),
            Value::Object(map) => {
                let kinds: Vec<_> = map.keys().map(|name| kind_within(map, name, kind)).collect();
                let old = std::mem::take(map);
                for ((name, mut value), kind) in old.into_iter().zip(kinds) {
                    self.replace(&mut value, &name, kind);
                    map.insert(self.text(&name), value);
                }
            }
            _ => {}
        }
    }

    /// A text of a property.
    fn value(&self, text: &str, name: &str, kind: Option<Kind>) -> String {
        let value = text.trim();
        let Some(kind) = kind.filter(|kind| !is_nothing(*kind, value)) else {
            return self.replaced(text, is_version(name));
        };
        if matches!(kind, Kind::Secret | Kind::Prose) {
            return HIDDEN.into();
        }
        let kind = sharper(kind, value);
        let known = self.values.get(&(kind, canonical(kind, value)));
        match known {
            // Their forms differ, and each form has its own.
            Some(_) if matches!(kind, Kind::Octets | Kind::Uuid) => self.text(text),
            Some(known) => known.clone(),
            None => self.text(text),
        }
    }

    fn replaced(&self, text: &str, version: bool) -> String {
        let bytes = text.to_ascii_lowercase().into_bytes();
        let mut done = String::with_capacity(text.len());
        let (mut copied, mut at) = (0, 0);
        while at + HEAD <= bytes.len() {
            match self.pattern_at(&bytes, at).filter(|(_, found)| !(version && found.kind == Kind::V4)) {
                Some((length, found)) => {
                    done.push_str(&text[copied..at]);
                    done.push_str(&found.to);
                    at += length;
                    copied = at;
                }
                None => at += 1,
            }
        }
        done.push_str(&text[copied..]);
        done
    }

    /// The longest pattern that stands here, in lower case, and is not a part of a longer word; and its length.
    fn pattern_at(&self, bytes: &[u8], at: usize) -> Option<(usize, &Pattern)> {
        let all = self.patterns.get(&head(&bytes[at..])?)?;
        all.iter().find_map(|(Reverse(length), alike)| {
            let end = at + length;
            let pattern = alike.get(bytes.get(at..end)?)?;
            pattern.stands_alone(bytes, at, end).then_some((*length, pattern))
        })
    }
}

impl Pattern {
    fn stands_alone(&self, bytes: &[u8], at: usize, end: usize) -> bool {
        let before = at.checked_sub(1).map(|before| bytes[before]);
        let after = bytes.get(end).copied();
        let glued = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        match self.kind {
            // They are often glued to other words, in ids above all, and long enough to be nothing else.
            Kind::Serial | Kind::Octets | Kind::Uuid if end - at >= 8 => true,
            Kind::V4 => {
                let more = after == Some(b'.') && glued(bytes.get(end + 1).copied());
                !glued(before) && before != Some(b'.') && !glued(after) && !more
            }
            _ => !glued(before) && !glued(after),
        }
    }
}

/// What a property within an object is, by its name, by what the object is, and by what the object is within.
fn kind_within(map: &Map<String, Value>, name: &str, above: Option<Kind>) -> Option<Kind> {
    if name.contains('@') {
        return None;
    }
    if is_prose(map, name) {
        return Some(Kind::Prose);
    }
    // Registries, and lists of settings, tell a value beside its name.
    let attribute = map.get("AttributeName").or_else(|| map.get("Name")).and_then(Value::as_str);
    let is_value = ["CurrentValue", "DefaultValue", "Value"].contains(&name);
    let owner = attribute.filter(|_| is_value).unwrap_or(name);
    kind_of(owner).or(above.filter(|above| matches!(above, Kind::Words | Kind::Secret | Kind::Prose)))
}

/// Sentences of logs name people and programs; those about hardware don't.
fn is_prose(map: &Map<String, Value>, name: &str) -> bool {
    let text = |name: &str| map.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_entry = text("@odata.type").starts_with("#LogEntry.") || map.contains_key("EntryType");
    is_entry
        && text("EntryType") != "SEL"
        && ["Message", "MessageArgs", "Description", "Originator"].contains(&name)
}

/// What a value is, if its shape tells it better than its property.
fn sharper(kind: Kind, value: &str) -> Kind {
    if matches!(kind, Kind::Secret | Kind::Prose | Kind::Url) {
        return kind;
    }
    let digits = value.bytes().filter(u8::is_ascii_hexdigit).count();
    match shapes(value).as_slice() {
        [(range, found)] if *range == (0..value.len()) => *found,
        _ if kind == Kind::Octets && digits == value.len() && [12, 16].contains(&digits) => Kind::Octets,
        _ if kind == Kind::Uuid && digits == value.len() && digits == 32 => Kind::Uuid,
        _ if matches!(kind, Kind::Octets | Kind::Uuid) => Kind::Serial,
        _ => kind,
    }
}

/// What is the same for all forms of a value.
fn canonical(kind: Kind, value: &str) -> String {
    let lower = value.to_ascii_lowercase();
    match kind {
        Kind::Octets | Kind::Uuid => lower.chars().filter(char::is_ascii_hexdigit).collect(),
        _ => lower,
    }
}

/// What stands for a value.
fn stand_in(kind: Kind, value: &str, number: u32) -> String {
    let [.., high, low] = number.to_be_bytes();
    match kind {
        Kind::Serial => format!("SERIAL{number:04}"),
        Kind::Octets | Kind::Uuid => hex_digits(value.len(), number),
        // RFC 2544 section C.2.2: nobody's, and enough.
        Kind::V4 => Ipv4Addr::new(198, 18 + (number >> 16) as u8 % 2, high, low).to_string(),
        Kind::V6 => {
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, (number >> 16) as u16, number as u16).to_string()
        }
        Kind::Host => format!("host{number}.example"),
        Kind::User => format!("user{number}"),
        Kind::Mail => format!("person{number}@mail.example"),
        Kind::Url => {
            let scheme = value.split_once("://").map_or("https", |(scheme, _)| scheme);
            let end = value.rsplit_once('.').map(|(_, end)| end).filter(|end| ["iso", "img"].contains(end));
            format!(
                "{scheme}://host.example/{number}{}",
                end.map(|end| format!(".{end}")).unwrap_or_default()
            )
        }
        Kind::Words => format!("words{number}"),
        Kind::Secret | Kind::Prose => HIDDEN.into(),
    }
}

/// Hex digits that nobody's are: a number, and a first octet that says "given locally".
fn hex_digits(length: usize, number: u32) -> String {
    let width = length.saturating_sub(4);
    let digits = format!("{number:0width$}");
    format!("02ff{}", &digits[digits.len() - width.min(digits.len())..])
}

/// The forms in which octets and UUIDs are written, and what stands for each.
fn hex_forms(kind: Kind, digits: &str, number: u32) -> Vec<(String, String)> {
    let other = hex_digits(digits.len(), number);
    if kind == Kind::Uuid {
        let dashed = |digits: &str| -> Option<String> {
            let part = |range: std::ops::Range<usize>| digits.get(range);
            Some([part(0..8)?, part(8..12)?, part(12..16)?, part(16..20)?, part(20..32)?].join("-"))
        };
        let both = dashed(digits).zip(dashed(&other));
        return both.into_iter().chain([(digits.to_owned(), other.clone())]).collect();
    }
    let with = |digits: &str, sign: &str| -> String {
        let pairs = digits.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).into_owned());
        pairs.collect::<Vec<_>>().join(sign)
    };
    [":", "-", ""].iter().map(|sign| (with(digits, sign), with(&other, sign))).collect()
}

/// The forms in which all else is written.
fn plain_forms(kind: Kind, value: &str, number: u32) -> Vec<(String, String)> {
    let to = stand_in(kind, value, number);
    let mut forms = vec![(value.to_owned(), to.clone())];
    if value.contains(' ') {
        forms.push((value.replace(' ', "%20"), to.clone()));
    }
    // Addresses are also written in their shortest form.
    if let Ok(address) = value.parse::<IpAddr>()
        && address.to_string() != value
    {
        forms.push((address.to_string(), to));
    }
    forms
}

fn head(bytes: &[u8]) -> Option<[u8; HEAD]> {
    let mut head: [u8; HEAD] = *bytes.first_chunk()?;
    head.make_ascii_lowercase();
    Some(head)
}

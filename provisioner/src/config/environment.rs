//! Variables that override the file: `BILLET__API__LISTEN` is `api.listen`. Scalars only; lists and networks are
//! the file's.

use super::Problem;
use toml::{Table, Value};

/// What all of our variables begin with.
const PREFIX: &str = "BILLET__";

/// What kind of value a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    Number,
    Flag,
}

/// Every key that a variable may set. A test compares it with `wire`.
const KEYS: &[(&str, Kind)] = &[
    ("data", Kind::Text),
    ("database", Kind::Text),
    ("database_password_file", Kind::Text),
    ("api.listen", Kind::Text),
    ("api.session", Kind::Text),
    ("api.rate.per_token", Kind::Integer),
    ("api.rate.per_address", Kind::Integer),
    ("api.rate.per_agent", Kind::Integer),
    ("api.rate.agents_per_address", Kind::Integer),
    ("api.rate.at_once", Kind::Integer),
    ("boot.http_port", Kind::Integer),
    ("boot.dhcp_port", Kind::Integer),
    ("boot.tftp_port", Kind::Integer),
    ("boot.kernel", Kind::Text),
    ("boot.ramdisk", Kind::Text),
    ("boot.kernel_arm64", Kind::Text),
    ("boot.ramdisk_arm64", Kind::Text),
    ("boot.rescue", Kind::Text),
    ("boot.rescue_arm64", Kind::Text),
    ("boot.stub_x64", Kind::Text),
    ("boot.stub_arm64", Kind::Text),
    ("boot.ipxe", Kind::Text),
    ("images.required", Kind::Flag),
    ("bmc.virsh", Kind::Text),
    ("bmc.vboxmanage", Kind::Text),
    ("limits.bmc", Kind::Text),
    ("limits.person", Kind::Text),
    ("limits.agent_call_in", Kind::Text),
    ("limits.agent_silence", Kind::Text),
    ("limits.inspect", Kind::Text),
    ("limits.write", Kind::Text),
    ("limits.write_stall", Kind::Text),
    ("limits.erase", Kind::Text),
    ("limits.erase_stall", Kind::Text),
    ("limits.phone_home", Kind::Text),
    ("limits.restarts", Kind::Integer),
    ("limits.order_attempts", Kind::Integer),
    ("limits.erase_limit", Kind::Text),
    ("history.events", Kind::Text),
    ("history.most", Kind::Integer),
    ("history.boots", Kind::Text),
    ("freeze_on_clock_leap", Kind::Flag),
    ("log.filter", Kind::Text),
    ("console.record", Kind::Text),
    ("log.json", Kind::Flag),
    ("telemetry.collector", Kind::Text),
    ("telemetry.service", Kind::Text),
    ("telemetry.ratio", Kind::Number),
    ("telemetry.headers_file", Kind::Text),
    ("telemetry.ca_file", Kind::Text),
];

/// Puts the variables that are ours into the table; what can't be put is returned.
pub(super) fn apply(
    table: &mut Table,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, text) in environment {
        let Some(key) = name.strip_prefix(PREFIX) else { continue };
        let key = key.to_ascii_lowercase().replace("__", ".");
        if let Err(detail) = set(table, &key, text) {
            problems.push(Problem::new(name, detail));
        }
    }
    problems
}

/// Sets one key.
fn set(table: &mut Table, key: &str, text: String) -> Result<(), String> {
    let Some((_, kind)) = KEYS.iter().find(|(known, _)| *known == key) else {
        let known: Vec<_> = KEYS.iter().map(|(known, _)| *known).collect();
        return Err(format!(
            "there is no key `{key}` that a variable may set; there are {}",
            known.join(", ")
        ));
    };
    let value = match kind {
        Kind::Text => Value::String(text),
        Kind::Integer => Value::Integer(text.parse().map_err(|_| format!("`{text}` is not a whole number"))?),
        Kind::Number => Value::Float(text.parse().map_err(|_| format!("`{text}` is not a number"))?),
        Kind::Flag => {
            Value::Boolean(text.parse().map_err(|_| format!("`{text}` is neither true nor false"))?)
        }
    };
    let (sections, key) = key.rsplit_once('.').unwrap_or(("", key));
    let mut within = table;
    for section in sections.split('.').filter(|section| !section.is_empty()) {
        let section = within.entry(section).or_insert_with(|| Value::Table(Table::new()));
        // A section that is no table is told with its line when the file's shape is checked.
        let Value::Table(section) = section else { return Ok(()) };
        within = section;
    }
    within.insert(key.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{KEYS, Kind, apply};
    use crate::config::wire;
    use toml::{Table, Value};

    /// Every scalar of `wire` can be set, and nothing else.
    #[test]
    fn the_table_of_keys_is_complete() {
        fn scalars_of(place: &str, value: &serde_json::Value) -> Vec<String> {
            let dot = if place.is_empty() { "" } else { "." };
            match value {
                serde_json::Value::Object(keys) => {
                    keys.iter().flat_map(|(key, v)| scalars_of(&format!("{place}{dot}{key}"), v)).collect()
                }
                serde_json::Value::Array(_) => Vec::new(),
                _ => vec![place.to_owned()],
            }
        }
        let mut scalars = scalars_of("", &serde_json::to_value(wire::File::default()).unwrap());
        let mut known: Vec<_> = KEYS.iter().map(|(key, _)| (*key).to_owned()).collect();
        scalars.sort();
        known.sort();
        assert_eq!(scalars, known);
    }

    #[test]
    fn each_kind_of_key_is_accepted_by_the_file() {
        for (key, kind) in KEYS {
            let name = format!("BILLET__{}", key.to_ascii_uppercase().replace('.', "__"));
            let text = match kind {
                Kind::Text => "x",
                Kind::Integer => "7",
                Kind::Number => "0.5",
                Kind::Flag => "true",
            };
            let mut table = Table::new();
            assert_eq!(apply(&mut table, [(name, text.to_owned())]), []);
            let file: Result<wire::File, _> = table.try_into();
            assert!(file.is_ok(), "{key}: {file:?}");
        }
    }

    #[test]
    fn variables_override_the_file() {
        let mut table: Table = "data = '/a'\n[api]\nlisten = '1.2.3.4:5'\nnames = ['n']".parse().unwrap();
        let variables = [
            ("BILLET__API__LISTEN", "[::]:7443"),
            ("BILLET_CLIENT", "x"),
            ("PATH", "/bin"),
            ("BILLET__LOG__JSON", "true"),
        ];
        let problems = apply(&mut table, variables.map(|(name, text)| (name.to_owned(), text.to_owned())));
        assert_eq!(problems, []);
        assert_eq!(table["api"]["listen"], Value::String("[::]:7443".to_owned()));
        assert_eq!(table["api"]["names"][0], Value::String("n".to_owned()));
        assert_eq!(table["log"]["json"], Value::Boolean(true));
        assert_eq!(table["data"], Value::String("/a".to_owned()));
    }

    #[test]
    fn wrong_variables_are_told() {
        let table = [
            ("BILLET__API__LISTN", "x", "no key `api.listn`"),
            ("BILLET__API__NAMES", "x", "no key `api.names`"),
            ("BILLET__BOOT__HTTP_PORT", "http", "not a whole number"),
            ("BILLET__LOG__JSON", "yes", "neither true nor false"),
            ("BILLET__TELEMETRY__RATIO", "half", "not a number"),
        ];
        for (name, text, want) in table {
            let problems = apply(&mut Table::new(), [(name.to_owned(), text.to_owned())]);
            assert_eq!(problems.len(), 1);
            assert_eq!(problems[0].key, name);
            assert!(problems[0].detail.contains(want), "{}", problems[0]);
        }
    }
}

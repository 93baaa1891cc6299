//! JSON in the manner of a BMC, made of an input's bytes: names and words that models know in places where they may or may
//! not belong, links that lead in circles, numbers of every size.

use crate::Knobs;
use serde_json::{Map, Value, json};
use std::sync::OnceLock;

/// How deep values are nested; parsers end at 128 by themselves.
const DEPTH: u32 = 8;

/// Names of properties and words that are their values, as the readers know them.
fn words() -> &'static [&'static str] {
    static WORDS: OnceLock<Vec<&'static str>> = OnceLock::new();
    WORDS.get_or_init(|| include_str!("redfish_words.txt").lines().collect())
}

const LINKS: [&str; 14] = [
    "/redfish/v1",
    "/redfish/v1/",
    "/redfish/v1/Systems/1",
    "/redfish/v1/Systems?$skip=1",
    "/redfish/v1/Registries/BiosAttributeRegistry.v1_0_0",
    "/redfish/v1/TaskService/TaskMonitors/7",
    "/redfish/v1/Chassis/CZ12345678#/Fans/0",
    "https://10.1.2.3/redfish/v1/Managers/1",
    "https://evil.example/redfish/v1/../../x",
    "//evil.example/redfish/v1",
    "/redfish/v1/../v1",
    "javascript:alert(1)",
    "/redfish/v1/a\\b",
    "",
];

const TEXTS: [&str; 16] = [
    "52:54:00:aa:bb:01",
    "525400AABB01",
    "4c4c4544-0042-4a10-8051-b4c04f4d3333",
    "10.1.2.3",
    "fe80::5054:ff:fe00:1",
    "https://user:pw@files.corp.net/a.iso",
    "2026-01-01T00:00:00+25:61",
    "9999-12-31T23:59:59.999999999Z",
    "P0DT0H0M0S",
    "1e400",
    "-0x1",
    "CZ12345678",
    "srv17.dc1.corp.net",
    "\u{202e}\u{0}\u{1b}[2J",
    "100%",
    " ",
];

const NUMBERS: [f64; 9] = [0.0, -0.0, 0.5, -1.0, 65535.5, 1e18, 1e308, 5e-324, 4_294_967_296.0];

/// A resource.
#[must_use]
pub fn resource(knobs: &mut Knobs<'_>) -> Value {
    object(knobs, DEPTH)
}

fn object(knobs: &mut Knobs<'_>, depth: u32) -> Value {
    let mut map = Map::new();
    for _ in 0..knobs.byte() % 12 {
        if knobs.is_empty() {
            break;
        }
        map.insert(word(knobs), value(knobs, depth - 1));
    }
    Value::Object(map)
}

fn value(knobs: &mut Knobs<'_>, depth: u32) -> Value {
    match knobs.byte() % 16 {
        0..=3 if depth > 0 => object(knobs, depth),
        4 | 5 if depth > 0 => {
            let count = knobs.byte() % 6;
            (0..count).map(|_| value(knobs, depth - 1)).collect()
        }
        6 | 7 => json!({"@odata.id": knobs.pick(&LINKS)}),
        8 => knobs.pick(&LINKS).into(),
        9 => knobs.pick(&TEXTS).into(),
        10 => knobs.pick(&NUMBERS).into(),
        11 => i64::from(knobs.short()).wrapping_mul(i64::MAX >> (knobs.byte() % 63)).into(),
        12 => knobs.flip().into(),
        13 => Value::Null,
        14 => {
            let length = usize::from(knobs.byte() % 40);
            String::from_utf8_lossy(knobs.take(length)).into()
        }
        _ => word(knobs).into(),
    }
}

fn word(knobs: &mut Knobs<'_>) -> String {
    let words = words();
    words[usize::from(knobs.short()) % words.len()].to_owned()
}

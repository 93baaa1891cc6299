//! JSON as a `Value`, bounded in the memory that it takes: the tree of a small body such as `[{"":0},{"":0},…]` takes a
//! hundred times its size, and there are thousands of BMCs.

use super::lenient::ParseError;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// The most memory that the tree of one body may take, in bytes. The largest logs and registries of real BMCs take a
/// quarter.
pub(super) const TREE_MAX: usize = 64 * 1024 * 1024;

/// What an element takes: itself, and the room that its list has ready.
const ELEMENT: usize = 64;
/// What an object takes with its first member, which is room for eleven, and what each member takes of it.
const OBJECT: usize = 640;
const MEMBER: usize = 110;

/// Reads a body of any JSON.
pub(super) fn value(body: &[u8]) -> Result<Value, ParseError> {
    value_within(body, &mut { TREE_MAX })
}

/// Reads a body of any JSON, and takes what its tree takes from `left`.
pub(super) fn value_within(body: &[u8], left: &mut usize) -> Result<Value, ParseError> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = Bounded { left: &mut *left }.deserialize(&mut reader);
    match read.and_then(|value| reader.end().map(|()| value)) {
        Err(_) if *left == 0 => Err(ParseError::TooIntricate),
        read => read.map_err(ParseError::NotJson),
    }
}

/// About how much memory a tree takes, in bytes; at least one.
pub fn tree_size(value: &Value) -> usize {
    1 + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| ELEMENT + tree_size(item)).sum(),
        Value::Object(map) => {
            let members = map.iter().map(|(name, value)| MEMBER + name.len() + tree_size(value));
            OBJECT + members.sum::<usize>()
        }
        _ => 0,
    }
}

/// Reads a value as long as there is memory left for it.
pub(super) struct Bounded<'l> {
    /// In bytes. Zero: it did not suffice.
    pub(super) left: &'l mut usize,
}

impl Bounded<'_> {
    fn take<E: Error>(&mut self, bytes: usize) -> Result<(), E> {
        let left = self.left.checked_sub(bytes).filter(|left| *left > 0);
        *self.left = left.unwrap_or(0);
        left.map(drop).ok_or_else(|| E::custom("it has too many parts"))
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(mut self, value: &str) -> Result<Value, E> {
        self.take(value.len())?;
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Bounded { left: &mut *self.left })? {
            self.take(ELEMENT)?;
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            self.take(if map.is_empty() { OBJECT } else { MEMBER } + name.len())?;
            map.insert(name, members.next_value_seed(Bounded { left: &mut *self.left })?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// So large is the largest body that is read.
    const BODY: usize = 4 * 1024 * 1024;

    fn repeated(part: &str) -> Vec<u8> {
        let inside = vec![part; BODY / (part.len() + 1)].join(",");
        format!("[{inside}]").into_bytes()
    }

    #[test]
    fn what_would_fill_the_memory_is_not_read() {
        for part in ["0", "[]", "\"\"", "{\"\":0}", "{\"a\":{\"b\":[]}}"] {
            let read = value(&repeated(part)).err();
            assert!(matches!(read, Some(ParseError::TooIntricate)), "{part}: {read:?}");
        }
    }

    #[test]
    fn the_largest_logs_are_read() {
        let entry = r##"{"@odata.id":"/redfish/v1/Managers/1/LogServices/Log/Entries/1","@odata.type":"#LogEntry.v1_9_0.LogEntry","Id":"1","Name":"Log Entry","EntryType":"Event","Severity":"OK","Created":"2026-01-01T00:00:00Z","Message":"The system was powered on.","MessageArgs":["a","b"],"Links":{"OriginOfCondition":{"@odata.id":"/redfish/v1/Systems/1"}}}"##;
        assert!(value(&repeated(entry)).is_ok());
    }

    #[test]
    fn sizes_of_trees() {
        assert_eq!(tree_size(&Value::Null), 1);
        let tree = serde_json::json!({"ab": [1, "xyz"]});
        assert_eq!(tree_size(&tree), 1 + OBJECT + MEMBER + 2 + 1 + 2 * ELEMENT + 1 + 4);
    }

    #[test]
    fn what_is_left_is_counted() {
        let mut left = 2000;
        value_within(br#"{"a":[1,2]}"#, &mut left).unwrap();
        assert_eq!(left, 2000 - (OBJECT + 1) - 2 * ELEMENT);
        value_within(br#"{"a":[1,2]}"#, &mut left).unwrap();
        value_within(br#"{"a":[1,2]}"#, &mut left).unwrap_err();
        assert_eq!(left, 0);
    }

    proptest! {
        #[test]
        fn it_reads_as_any_other_reader(text in "[\\[\\]{},:\"a-c0-9.e \\\\-]{0,40}|\\PC{0,40}") {
            prop_assert_eq!(value(text.as_bytes()).ok(), serde_json::from_slice(text.as_bytes()).ok());
        }
    }
}

//! Reading JSON of which no property can be relied on.

use super::bounded::{self, Bounded, TREE_MAX};
use serde::de::{DeserializeOwned, DeserializeSeed as _, Deserializer};
use serde_json::Value;

/// The longest list that is read; what is behind is left out.
const LIST_MAX: usize = 8192;

/// A body that is not a JSON object.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Not JSON at all, or nested deeper than 128.
    #[error("it is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// JSON of so many parts that it would fill the memory.
    #[error("it is JSON of too many parts")]
    TooIntricate,
    /// JSON, but not an object; every Redfish resource is one (DSP0266 section 9.2).
    #[error("it is JSON, but not an object")]
    NotAnObject,
}

/// Reads a resource. Only a body that isn't a JSON object is an error.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ParseError> {
    let value = bounded::value(body)?;
    if !value.is_object() {
        return Err(ParseError::NotAnObject);
    }
    serde_json::from_value(value).map_err(ParseError::NotJson)
}

/// A property of a wrong type counts as absent.
pub(super) fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(serde_json::from_value(Bounded { left: &mut { TREE_MAX } }.deserialize(deserializer)?).ok())
}

/// A list: elements of a wrong type are left out, and one that is not in a list counts as a list of one.
pub(super) fn lenient_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let items = match (Bounded { left: &mut { TREE_MAX } }).deserialize(deserializer)? {
        Value::Array(items) => items,
        Value::Null => Vec::new(),
        one => vec![one],
    };
    Ok(items.into_iter().take(LIST_MAX).filter_map(|item| serde_json::from_value(item).ok()).collect())
}

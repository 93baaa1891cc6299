//! Single properties of a resource that has no model of its own. A property of a wrong type counts as absent.
//!
//! Places are JSON pointers (RFC 6901), such as `/Boot/BootOrder`.

use super::path::ResourcePath;
use super::text::printable;
use serde_json::Value;

/// The longest list that is read out of a resource.
const LIST_MAX: usize = 4096;

/// A text that is not empty.
pub fn text<'v>(resource: &'v Value, pointer: &str) -> Option<&'v str> {
    resource.pointer(pointer)?.as_str().filter(|text| !text.trim().is_empty())
}

/// A text of at most `max` characters, fit to be stored and shown.
pub fn shown(resource: &Value, pointer: &str, max: usize) -> Option<String> {
    text(resource, pointer).map(|text| printable(text, max)).filter(|text| !text.is_empty())
}

/// Yes or no.
pub fn flag(resource: &Value, pointer: &str) -> Option<bool> {
    resource.pointer(pointer)?.as_bool()
}

/// The elements of a list; none when it is no list.
pub fn list<'v>(resource: &'v Value, pointer: &str) -> &'v [Value] {
    let items = resource.pointer(pointer).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    &items[..items.len().min(LIST_MAX)]
}

/// The texts of a list; other elements are left out.
pub fn words(resource: &Value, pointer: &str) -> Vec<String> {
    list(resource, pointer).iter().filter_map(Value::as_str).map(Into::into).collect()
}

/// Where a link (`{"@odata.id": …}`, or a plain text where makers wrote one) leads to.
pub fn link(resource: &Value, pointer: &str) -> Option<ResourcePath> {
    link_of(resource.pointer(pointer)?)
}

/// As [`link`], of the link itself.
pub fn link_of(link: &Value) -> Option<ResourcePath> {
    let text = link.as_str().or_else(|| link.get("@odata.id")?.as_str())?;
    ResourcePath::from_link(text)
}

#[cfg(test)]
mod tests;

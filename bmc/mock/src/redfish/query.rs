//! Query parameters (DSP0266 section 7.3): `$top`, `$skip`, `$expand`, `$select`, `only`; and paging, which BMCs do
//! without being asked.

use super::answer::{Refusal, error};
use super::state::Shared;
use super::tree::trimmed;
use crate::ChassisError;
use axum::http::StatusCode;
use serde_json::{Map, Value};

/// How deep `$expand` goes at the most.
const LEVELS: u8 = 6;

/// What was asked for.
#[derive(Debug, Default)]
pub(super) struct Query {
    top: Option<usize>,
    skip: usize,
    expand: Option<(Links, u8)>,
    select: Vec<String>,
    only: bool,
}

/// Which links are expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Links {
    /// `.`: those that are not under `Links`.
    Subordinate,
    /// `~`: those under `Links`.
    Dependent,
    /// `*`: all.
    All,
}

impl Query {
    /// Reads it. Parameters that begin with `$` and are not known are refused, others are ignored, as the standard
    /// wants it.
    pub(super) fn parse(text: &str, bmc: &Shared) -> Result<Self, Refusal> {
        let mut query = Self::default();
        let known = bmc.tree.manners.queries;
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (decoded(name), decoded(value));
            match name.as_str() {
                "$top" => query.top = Some(number(&name, &value)?),
                "$skip" => query.skip = number(&name, &value)?,
                "$expand" if known => query.expand = Some(expansion(&value)?),
                "$select" if known => {
                    query.select = value.split(',').map(|word| word.trim().into()).collect()
                }
                "only" | "excerpt" if known && !value.is_empty() => {
                    return Err(out_of_range(&name, &value).into());
                }
                "only" if known => query.only = true,
                _ if name.starts_with('$') => return Err(unsupported(&name).into()),
                _ => {}
            }
        }
        Ok(query)
    }

    /// What is to be shown of a resource.
    pub(super) async fn apply(
        &self,
        bmc: &Shared,
        path: &str,
        mut resource: Map<String, Value>,
    ) -> Result<Map<String, Value>, ChassisError> {
        if let (true, Some([only])) = (self.only, members(&resource)) {
            let path = only["@odata.id"].as_str().map(trimmed).unwrap_or_default().to_owned();
            if let Some(only) = bmc.load(&path, true).await? {
                resource = only;
            }
        }
        self.page(bmc, path, &mut resource);
        if let Some((links, levels)) = self.expand {
            let mut whole = Value::Object(resource);
            expand(bmc, &mut whole, links, levels, false).await?;
            resource = super::tree::into_map(whole);
        }
        if !self.select.is_empty() {
            resource.retain(|name, _| {
                name.starts_with("@odata.") || self.select.iter().any(|wanted| wanted == name)
            });
        }
        Ok(resource)
    }

    /// Cuts the members of a collection to a page, with a link to the next.
    fn page(&self, bmc: &Shared, path: &str, resource: &mut Map<String, Value>) {
        let Some(Value::Array(all)) = resource.get_mut("Members") else { return };
        let count = all.len();
        let most = bmc.controls.faults().page_size.unwrap_or(bmc.tree.manners.page).max(1);
        let wanted = self.top.unwrap_or(usize::MAX);
        let page: Vec<Value> = all.drain(..).skip(self.skip).take(wanted.min(most)).collect();
        let next = self.skip + page.len();
        let cut = next < count && page.len() < wanted;
        *all = page;
        resource.insert("Members@odata.count".into(), count.into());
        if cut {
            let top = self.top.map(|top| format!("&$top={}", top - most)).unwrap_or_default();
            resource.insert("Members@odata.nextLink".into(), format!("{path}?$skip={next}{top}").into());
        }
    }
}

fn members(resource: &Map<String, Value>) -> Option<&[Value]> {
    resource.get("Members")?.as_array().map(Vec::as_slice)
}

/// Puts resources in the place of links to them.
async fn expand(
    bmc: &Shared,
    value: &mut Value,
    links: Links,
    levels: u8,
    dependent: bool,
) -> Result<(), ChassisError> {
    let items: Vec<(&mut Value, bool)> = match value {
        Value::Array(items) => items.iter_mut().map(|item| (item, dependent)).collect(),
        Value::Object(map) => map
            .iter_mut()
            .filter(|(name, _)| !name.contains('@'))
            .map(|(name, item)| (item, dependent || name == "Links"))
            .collect(),
        _ => return Ok(()),
    };
    for (item, dependent) in items {
        let wanted = match links {
            Links::All => true,
            Links::Subordinate => !dependent,
            Links::Dependent => dependent,
        };
        let Some(path) = link(item).filter(|_| wanted) else {
            Box::pin(expand(bmc, item, links, levels, dependent)).await?;
            continue;
        };
        let Some(resource) = bmc.load(&path, true).await? else { continue };
        *item = Value::Object(resource);
        if levels > 1 {
            Box::pin(expand(bmc, item, links, levels - 1, false)).await?;
        }
    }
    Ok(())
}

/// The path of what is nothing but a link to a resource.
fn link(value: &Value) -> Option<String> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    Some(trimmed(map.get("@odata.id")?.as_str()?).to_owned())
}

fn expansion(value: &str) -> Result<(Links, u8), Refusal> {
    let wrong = || Box::new(out_of_range("$expand", value));
    let (word, levels) = value.split_once('(').unwrap_or((value, "$levels=1)"));
    let links = match word {
        "." => Links::Subordinate,
        "~" => Links::Dependent,
        "*" => Links::All,
        _ => return Err(wrong()),
    };
    let levels = levels.strip_prefix("$levels=").and_then(|rest| rest.strip_suffix(')')).ok_or_else(wrong)?;
    let levels: u8 = levels.parse().map_err(|_| wrong())?;
    if (1..=LEVELS).contains(&levels) { Ok((links, levels)) } else { Err(wrong()) }
}

fn number(name: &str, value: &str) -> Result<usize, Refusal> {
    value.parse().map_err(|_| Box::new(out_of_range(name, value)))
}

fn out_of_range(name: &str, value: &str) -> axum::response::Response {
    let message = format!("The value '{value}' for the query parameter {name} is out of range.");
    let mend = "Reduce the value for the query parameter to a value that is within range.";
    error(StatusCode::BAD_REQUEST, "QueryParameterOutOfRange", &message, mend)
}

fn unsupported(name: &str) -> axum::response::Response {
    let message = format!("Querying is not supported by the implementation: {name}.");
    let mend = "Remove the query parameters and resubmit the request if the operation failed.";
    error(StatusCode::NOT_IMPLEMENTED, "QueryNotSupported", &message, mend)
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

//! `?fields=name,status.state`: of what is shown, only that. A field that there is not is refused, by the schema of the type as
//! the OpenAPI document has it, so that a misspelt one is not taken for one that happens to have no value.
//!
//! It only takes away of what the asker would be shown without it.

use super::{
    error::ApiError,
    json::{Long, long},
    openapi::has_field,
    unchanged,
};
use axum::{
    Json,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// How many fields may be named at once.
const MOST: usize = 100;

/// What a look at one object may be narrowed to.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shown {
    /// Only these fields, as paths with dots: `name,status.state`.
    pub(super) fields: Option<String>,
}

/// The fields that are asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// All that there is here.
    All,
    /// These, and what is asked for of each.
    Some(BTreeMap<String, Selection>),
}

impl Selection {
    /// Reads what is asked for of objects of a type, by its name in the OpenAPI document.
    ///
    /// # Errors
    /// Which field there is not.
    pub(super) fn of(kind: &str, asked: Option<&str>) -> Result<Self, ApiError> {
        let Some(asked) = asked else { return Ok(Self::All) };
        let paths: Vec<&str> = asked.split(',').map(str::trim).collect();
        if paths.len() > MOST {
            return Err(ApiError::field("fields", format!("these are more than {MOST} fields; name fewer")));
        }
        let mut fields = Self::Some(BTreeMap::new());
        for path in paths {
            let names: Vec<&str> = path.split('.').collect();
            if names.contains(&"") || !has_field(kind, &names) {
                let detail = format!("there is no field `{path}`; name them as in `name,status.state`");
                return Err(ApiError::field("fields", detail));
            }
            fields.add(&names);
        }
        Ok(fields)
    }

    /// Asks for one more; of one that is asked for as a whole all stays.
    fn add(&mut self, names: &[&str]) {
        let Self::Some(fields) = self else { return };
        match names {
            [] => *self = Self::All,
            [name, rest @ ..] => {
                fields.entry((*name).to_owned()).or_insert_with(|| Self::Some(BTreeMap::new())).add(rest);
            }
        }
    }

    /// An object as an answer, under the `ETag` of its version.
    pub(super) fn shown(&self, headers: &HeaderMap, version: &str, object: impl Serialize) -> Response {
        if *self == Self::All {
            return unchanged::shown(headers, version, &object);
        }
        // Our own types always serialise.
        let mut value = serde_json::to_value(object).unwrap_or_default();
        self.narrow(&mut value);
        unchanged::shown(headers, version, &value)
    }

    /// A page of a list as an answer: of its items only this, and where it goes on.
    pub(super) fn page(&self, list: impl Serialize) -> Response {
        if *self == Self::All {
            return Long(list).into_response();
        }
        let mut value = serde_json::to_value(list).unwrap_or_default();
        if let Some(items) = value.get_mut("items") {
            self.narrow(items);
        }
        Json(value).into_response()
    }

    /// The same of a list that is made while it is written, which may fail. It is expected to have so many bytes.
    ///
    /// # Errors
    /// That of an item: the whole list is refused then.
    pub(super) fn page_of(&self, list: &impl Serialize, bytes: usize) -> Result<Response, ApiError> {
        let internal = |error: serde_json::Error| ApiError::internal(&error);
        if *self == Self::All {
            let mut body = Vec::with_capacity(bytes);
            serde_json::to_writer(&mut body, list).map_err(internal)?;
            return Ok(long(body));
        }
        let mut value = serde_json::to_value(list).map_err(internal)?;
        if let Some(items) = value.get_mut("items") {
            self.narrow(items);
        }
        Ok(Json(value).into_response())
    }

    fn narrow(&self, value: &mut Value) {
        let Self::Some(fields) = self else { return };
        match value {
            Value::Object(object) => {
                object.retain(|name, _| fields.contains_key(name));
                for (name, value) in object {
                    fields[name].narrow(value);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.narrow(item)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn narrowed(asked: &str, mut value: Value) -> Value {
        Selection::of("Machine", Some(asked)).unwrap().narrow(&mut value);
        value
    }

    #[test]
    fn only_what_is_asked_for_is_shown() {
        let machine = json!({
            "name": "m1", "version": 1, "spec": { "pool": "a", "labels": { "rack": "r7", "b": "c" } },
            "status": { "state": "held", "job": { "kind": "deploy", "steps": [{ "name": "x", "attempt": 1 }] } }
        });
        for (asked, shown) in [
            ("name", json!({ "name": "m1" })),
            ("name, status.state", json!({ "name": "m1", "status": { "state": "held" } })),
            ("spec.labels.rack", json!({ "spec": { "labels": { "rack": "r7" } } })),
            ("status.job.steps.name", json!({ "status": { "job": { "steps": [{ "name": "x" }] } } })),
            ("spec.pool,spec", json!({ "spec": { "pool": "a", "labels": { "rack": "r7", "b": "c" } } })),
            ("spec,spec.pool", json!({ "spec": { "pool": "a", "labels": { "rack": "r7", "b": "c" } } })),
            ("status.held", json!({ "status": {} })),
        ] {
            assert_eq!(narrowed(asked, machine.clone()), shown, "{asked}");
        }
    }

    #[test]
    fn what_there_is_not_is_refused_by_name() {
        let many = vec!["name"; MOST + 1].join(",");
        for asked in [
            "",
            "nme",
            "name,",
            "status.",
            ".name",
            "status.stat",
            "name.x",
            "bmc_password",
            "spec.bmc.password",
            &many,
        ] {
            let error = Selection::of("Machine", Some(asked)).unwrap_err();
            assert_eq!(error.fields()[0].field, "fields", "{asked}");
            let wrong = if asked.len() > 100 {
                "more than 100"
            } else {
                &*format!("`{}`", asked.trim_start_matches("name,"))
            };
            assert!(error.fields()[0].detail.contains(wrong), "{asked}: {error:?}");
        }
        assert_eq!(Selection::of("Machine", None).unwrap(), Selection::All);
        assert!(Selection::of("Instance", Some("status.machine_name,spec.image")).is_ok());
    }
}

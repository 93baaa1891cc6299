//! JSON bodies: read, or refused with the field that is wrong; and long answers.

use super::{error::ApiError, objects::Objects};
use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use provisioner_api::FieldError;
use serde::{
    Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::{Deserializer, Value};

/// A NUL character as JSON writes it; it knows no other way.
const NUL: &[u8] = b"\\u0000";

/// A long answer, written into a `Vec`: axum writes into a buffer that is asked for room at each word.
pub(crate) struct Long<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Long<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => long(body),
            Err(error) => ApiError::internal(&error).into_response(),
        }
    }
}

/// An answer that is written already.
pub(super) fn long(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Reads a body.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    if bytes.windows(NUL.len()).any(|part| part == NUL) {
        check_nul(bytes)?;
    }
    let mut json = Deserializer::from_slice(bytes);
    let body = serde_path_to_error::deserialize(Objects(&mut json)).map_err(|error| {
        let field = error.path().to_string();
        refused(bytes, &field, error.inner())
    })?;
    json.end().map_err(|error| malformed(&error))?;
    Ok(body)
}

fn refused(bytes: &[u8], field: &str, error: &serde_json::Error) -> ApiError {
    if error.is_data() {
        return wrong("body", field, &without_value(&error.to_string()));
    }
    // A number in the place of a word is told as if it were broken JSON.
    match serde_json::from_slice::<IgnoredAny>(bytes) {
        Ok(_) => wrong("body", field, &format!("it can't be this: {error}")),
        Err(_) => malformed(error),
    }
}

/// Serde's message without the value that it quotes, which may be a secret in the wrong place: its type says enough.
fn without_value(message: &str) -> String {
    let cut = || {
        let start =
            ["invalid type: ", "invalid value: "].into_iter().find(|start| message.starts_with(start))?;
        let (kind, rest) = message[start.len()..].split_once(['"', '`'])?;
        // What is quoted may have quotes and these words in it; what was expected comes from our types and has neither.
        let (_, expected) = rest.rsplit_once(", expected ")?;
        Some(format!("{start}{}, expected {expected}", kind.trim_end()))
    };
    cut().unwrap_or_else(|| message.to_owned())
}

/// A wrong field of a body or a query; of what is missing or unknown, the error itself says which it is.
pub(super) fn wrong(of: &str, field: &str, detail: &str) -> ApiError {
    let named = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| detail.strip_prefix(start)?.split_once('`'))
        .map(|(name, _)| name);
    match (field, named) {
        (".", Some(name)) => ApiError::field(name, detail),
        (".", None) => {
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", format!("the {of} is wrong: {detail}"))
        }
        (field, _) => ApiError::field(field, detail),
    }
}

fn malformed(error: &serde_json::Error) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "invalid", format!("the body is no JSON: {error}"))
}

/// Refuses NUL characters, which are in no text that anybody means, and which PostgreSQL can't keep.
fn check_nul(bytes: &[u8]) -> Result<(), ApiError> {
    let body: Value = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
    let mut wrong = Vec::new();
    nuls("", &body, &mut wrong);
    if wrong.is_empty() { Ok(()) } else { Err(ApiError::invalid(wrong)) }
}

/// Collects the texts with NUL characters.
fn nuls(at: &str, value: &Value, wrong: &mut Vec<FieldError>) {
    let detail = "it has a NUL character (`\\u0000`); leave it out";
    match value {
        Value::String(text) if text.contains('\0') => {
            wrong.push(FieldError { field: at.to_owned(), detail: detail.to_owned() });
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| nuls(&format!("{at}[{index}]"), item, wrong));
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                if name.contains('\0') {
                    wrong.push(FieldError { field: at.replace('\0', "\u{fffd}"), detail: detail.to_owned() });
                }
                nuls(&at, field, wrong);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;
    use provisioner_api::InstanceCreate;

    /// The status, and the fields that are named.
    fn wrong(body: &str) -> (u16, String) {
        let error = read::<InstanceCreate>(body.as_bytes()).unwrap_err();
        let fields: Vec<_> = error.fields().iter().map(|field| field.field.clone()).collect();
        (error.into_response().status().as_u16(), fields.join(","))
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, status, fields) in [
            ("{", 400, ""),
            ("", 400, ""),
            (r#"{"name": "x", "spec": {"image": "i"}} x"#, 400, ""),
            ("{}", 422, "name"),
            ("[]", 422, ""),
            (r#" ["x", {"image": "i"}]"#, 422, ""),
            (r#"{"name": "x", "spec": ["i"]}"#, 422, "spec"),
            (r#"{"name": "x", "spec": {"image": "i", "minimum": [1]}}"#, 422, "spec.minimum"),
            (r#"{"name": "x", "spec": {"image": "i"}, "colour": 1}"#, 422, "colour"),
            (r#"{"name": "x", "spec": {"imgae": "i"}}"#, 422, "spec.imgae"),
            (r#"{"name": 7, "spec": {"image": "i"}}"#, 422, "name"),
            (r#"{"name": "x", "spec": {"image": "i", "minimum": {"gpus": -1}}}"#, 422, "spec.minimum.gpus"),
            (r#"{"name": "x", "spec": {"image": "i", "erase": "burn"}}"#, 422, "spec.erase"),
            (r#"{"name": "x", "spec": {"image": "i", "erase": 7}}"#, 422, "spec.erase"),
            (r#"{"name": "x", "spec": {"image": "i", "erase": 7}"#, 400, ""),
            (r#"{"name": "x", "spec": {"image": "i", "ssh_keys": ["a", 7]}}"#, 422, "spec.ssh_keys[1]"),
            (r#"{"name": "\u0000", "spec": {"ssh_keys": ["a", "b\u0000"]}}"#, 422, "name,spec.ssh_keys[1]"),
        ] {
            assert_eq!(wrong(body), (status, fields.to_owned()), "{body}");
        }
        let deep = format!(r#"{{"name": {}1{}}}"#, "[".repeat(500), "]".repeat(500));
        assert!(matches!(wrong(&deep).0, 400 | 422));
        let deep = format!(r#"{{"name": {}"\u0000"{}}}"#, "[".repeat(500), "]".repeat(500));
        assert_eq!(wrong(&deep).0, 400);
    }

    #[test]
    fn a_value_in_the_wrong_place_is_not_repeated() {
        for (body, told) in [
            (r#""hunter2""#, "invalid type: string, expected struct"),
            (r#""hunter2\", expected hunter2""#, "invalid type: string, expected struct"),
            (r#"{"name": 4711}"#, "invalid type: integer, expected a string"),
            (r#"{"name": 47.11}"#, "invalid type: floating point, expected a string"),
            (r#"{"name": true}"#, "invalid type: boolean, expected a string"),
            (r#"{"name": "x", "spec": "hunter2"}"#, "invalid type: string, expected struct"),
            (
                r#"{"name": "x", "spec": {"image": "i", "minimum": {"gpus": -4711}}}"#,
                "invalid value: integer, expected u",
            ),
            (
                r#"{"name": "x", "spec": {"image": "i", "ssh_keys": "hunter2"}}"#,
                "invalid type: string, expected a sequence",
            ),
            (r#"{"name": null}"#, "invalid type: null, expected a string"),
        ] {
            let said = format!("{:?}", read::<InstanceCreate>(body.as_bytes()).unwrap_err());
            assert!(said.contains(told), "{body}: {said}");
            for value in ["hunter2", "4711", "47.11", "true"] {
                assert!(!said.contains(value), "{body}: {said}");
            }
        }
    }

    #[test]
    fn a_backslash_before_a_u_is_no_nul() {
        let body = r#"{"name": "x", "spec": {"image": "i", "user_data": "a\\u0000"}}"#;
        let read: InstanceCreate = read(body.as_bytes()).unwrap();
        assert_eq!(read.spec.user_data.as_deref(), Some("a\\u0000"));
    }
}

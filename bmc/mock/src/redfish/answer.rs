//! Answers: resources, and errors in the form of DSP0266 section 9.6 with messages of the Base registry (DSP8011).

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// An error answer, small enough to be returned as an `Err`.
pub(super) type Refusal = Box<Response>;

/// A resource.
pub(super) fn resource(value: &Value) -> Response {
    with_json(StatusCode::OK, value)
}

/// JSON with a status.
pub(super) fn with_json(status: StatusCode, value: &Value) -> Response {
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    (status, [(CONTENT_TYPE, kind)], value.to_string()).into_response()
}

/// A collection of resources at `path`.
pub(super) fn collection(path: &str, kind: &str, members: &[String]) -> Response {
    let links: Vec<Value> = members.iter().map(|member| json!({ "@odata.id": member })).collect();
    resource(&json!({
        "@odata.id": path,
        "@odata.type": format!("#{kind}Collection.{kind}Collection"),
        "Name": format!("{kind} Collection"),
        "Members@odata.count": links.len(),
        "Members": links,
    }))
}

/// An error with one message of the Base registry.
pub(super) fn error(status: StatusCode, id: &str, message: &str, resolution: &str) -> Response {
    let id = format!("Base.1.18.{id}");
    with_json(
        status,
        &json!({"error": {
            "code": id,
            "message": message,
            "@Message.ExtendedInfo": [{
                "@odata.type": "#Message.v1_1_2.Message",
                "MessageId": id,
                "Message": message,
                "MessageArgs": [],
                "Severity": "Critical",
                "Resolution": resolution,
            }],
        }}),
    )
}

/// 400 for a value that a property or parameter can't have.
pub(super) fn not_in_list(property: &str, value: &Value) -> Response {
    let message =
        format!("The value '{value}' for the property {property} is not in the list of acceptable values.");
    let mend = "Choose a value from the enumeration list that the implementation can support and resubmit the request.";
    error(StatusCode::BAD_REQUEST, "PropertyValueNotInList", &message, mend)
}

/// 500 for a chassis that did not obey.
pub(super) fn broken(why: &dyn std::fmt::Display) -> Response {
    let message = format!("The request failed due to an internal service error: {why}");
    error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", &message, "Resubmit the request.")
}

/// Reads a request's body.
pub(super) fn object(body: &Bytes) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(error(
            StatusCode::BAD_REQUEST,
            "MalformedJSON",
            "The request body submitted was malformed JSON and could not be parsed by the receiving service.",
            "Ensure that the request body is valid JSON and resubmit the request.",
        )
        .into()),
    }
}

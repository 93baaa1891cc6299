//! Answers: resources, and errors in the form of DSP0266 section 9.6 with messages of the Base registry (DSP8011).

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// The Base registry, in the version that errors here are written in; a profile may say another one (`Manners::base`).
pub(super) const BASE: &str = "Base.1.18";

/// An error answer, small enough to be returned as an `Err`.
pub(super) type Refusal = Box<Response>;

/// JSON with a status.
pub(super) fn with_json(status: StatusCode, value: &Value) -> Response {
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    (status, [(CONTENT_TYPE, kind)], value.to_string()).into_response()
}

/// 204.
pub(super) fn nothing() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// An error with one message of the Base registry.
pub(super) fn error(status: StatusCode, id: &str, message: &str, resolution: &str) -> Response {
    foreign_error(status, &format!("{BASE}.{id}"), message, resolution)
}

/// An error with one message of any registry: a maker's own.
pub(super) fn foreign_error(status: StatusCode, id: &str, message: &str, resolution: &str) -> Response {
    with_json(
        status,
        &json!({"error": {
            "code": id,
            "message": message,
            "@Message.ExtendedInfo": [self::message(id, message, "Critical", resolution)],
        }}),
    )
}

/// 400 with a message of the Base registry about one property or parameter, with the message's arguments: clients read them.
fn about(id: &str, message: &str, resolution: &str, arguments: &[&str], property: &str) -> Response {
    let code = format!("{BASE}.{id}");
    let mut info = self::message(&code, message, "Critical", resolution);
    info["MessageArgs"] = json!(arguments);
    info["RelatedProperties"] = json!([format!("#/{property}")]);
    with_json(
        StatusCode::BAD_REQUEST,
        &json!({"error": {"code": code, "message": message, "@Message.ExtendedInfo": [info]}}),
    )
}

/// A message, as it stands in `@Message.ExtendedInfo` and in tasks.
pub(super) fn message(id: &str, message: &str, severity: &str, resolution: &str) -> Value {
    json!({
        "@odata.type": "#Message.v1_1_2.Message",
        "MessageId": id,
        "Message": message,
        "MessageArgs": [],
        "Severity": severity,
        "MessageSeverity": severity,
        "Resolution": resolution,
    })
}

/// 400 for a value that a property or parameter can't have.
pub(super) fn not_in_list(property: &str, value: &Value) -> Response {
    let message =
        format!("The value '{value}' for the property {property} is not in the list of acceptable values.");
    let mend = "Choose a value from the enumeration list that the implementation can support and resubmit the request.";
    about("PropertyValueNotInList", &message, mend, &[&value.to_string(), property], property)
}

/// 400 for a value of another type.
pub(super) fn wrong_type(property: &str, value: &Value) -> Response {
    let message = format!(
        "The value '{value}' for the property {property} is not a type that the property can accept."
    );
    let mend = "Correct the value for the property in the request body and resubmit the request.";
    about("PropertyValueTypeError", &message, mend, &[&value.to_string(), property], property)
}

/// 400 for a property that nobody may set.
pub(super) fn read_only(property: &str) -> Response {
    let message = format!("The property {property} is a read-only property and cannot be assigned a value.");
    let mend = "Remove the property from the request body and resubmit the request.";
    about("PropertyNotWritable", &message, mend, &[property], property)
}

/// 400 for a property that isn't known.
pub(super) fn unknown_property(property: &str) -> Response {
    let message = format!("The property {property} is not in the list of valid properties for the resource.");
    let mend = "Remove the unknown property from the request body and resubmit the request.";
    about("PropertyUnknown", &message, mend, &[property], property)
}

/// 400 for an action without what it needs.
pub(super) fn parameter_missing(action: &str, parameter: &str) -> Response {
    let message = format!("The action {action} requires the parameter {parameter} to be present.");
    about("ActionParameterMissing", &message, "Supply the parameter.", &[action, parameter], parameter)
}

/// 400 for a parameter that an action doesn't have.
pub(super) fn parameter_unknown(action: &str, parameter: &str) -> Response {
    let message = format!("The action {action} was submitted with the invalid parameter {parameter}.");
    let mend = "Correct the invalid parameter and resubmit the request.";
    about("ActionParameterUnknown", &message, mend, &[action, parameter], parameter)
}

/// 409 for what can't be done as things are now.
pub(super) fn conflict(message: &str) -> Response {
    let mend = "Change the state, or send no request if it is as wanted.";
    error(StatusCode::CONFLICT, "ResourceInUse", message, mend)
}

/// 500 for a chassis that did not obey.
pub(super) fn broken(why: &dyn std::fmt::Display) -> Response {
    let message = format!("The request failed due to an internal service error: {why}");
    error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", &message, "Resubmit the request.")
}

/// 404.
pub(super) fn missing() -> Response {
    let message = "The requested resource was not found.";
    let mend = "Provide a valid resource identifier and resubmit the request.";
    error(StatusCode::NOT_FOUND, "ResourceMissingAtURI", message, mend)
}

/// 405 for a method that a resource doesn't take.
pub(super) fn wrong_method() -> Response {
    let message = "The HTTP method is not allowed on this resource.";
    error(StatusCode::METHOD_NOT_ALLOWED, "OperationNotAllowed", message, "None.")
}

/// 415 for a body that isn't JSON.
pub(super) fn wrong_kind() -> Response {
    let message = "The request specifies a Content-Type for the body that is not supported.";
    error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message, "Send application/json.")
}

/// 400 for a change of nothing.
pub(super) fn no_operation() -> Response {
    let message =
        "The request body submitted contain no data to act upon and no changes to the resource took place.";
    error(StatusCode::BAD_REQUEST, "NoOperation", message, "Add properties and resubmit the request.")
}

/// What a change of several properties of which one isn't known brings.
pub(super) fn annotated(property: &str) -> Value {
    let text = format!("The property {property} is not in the list of valid properties for the resource.");
    let mend = "Remove the unknown property from the request body and resubmit the request.";
    let id = format!("{BASE}.PropertyUnknown");
    json!({ format!("{property}@Message.ExtendedInfo"): [message(&id, &text, "Warning", mend)] })
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

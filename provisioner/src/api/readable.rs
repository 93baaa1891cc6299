//! Refuses what no handler would understand rightly: paths that are no text, NUL characters, which PostgreSQL can't keep,
//! and query parameters that an operation does not have. One that is misspelt would silently mean nothing.

use super::{error::ApiError, openapi::query_parameters};
use axum::{
    extract::{MatchedPath, Request},
    http::{Method, StatusCode, Uri},
    middleware::Next,
    response::Response,
};
use percent_encoding::percent_decode_str;
use provisioner_api::FieldError;
use url::form_urlencoded;

/// Lets through what can be understood.
pub(super) async fn check(path: MatchedPath, request: Request, next: Next) -> Result<Response, ApiError> {
    check_path(request.uri())?;
    check_query(path.as_str(), request.method(), request.uri().query())?;
    Ok(next.run(request).await)
}

/// Refuses a path that is no text.
pub(super) fn check_path(uri: &Uri) -> Result<(), ApiError> {
    let refused = |detail: &str| Err(ApiError::new(StatusCode::BAD_REQUEST, "invalid", detail));
    match percent_decode_str(uri.path()).decode_utf8() {
        Err(_) => refused("the path is no text: what follows each `%` has to be a byte of UTF-8"),
        Ok(path) if path.contains('\0') => refused("the path has a NUL character (`%00`); leave it out"),
        Ok(_) => Ok(()),
    }
}

fn check_query(path: &str, method: &Method, query: Option<&str>) -> Result<(), ApiError> {
    let Some(query) = query.filter(|query| !query.is_empty()) else { return Ok(()) };
    // Of an operation that nobody documented nothing is known.
    let known: Vec<_> = query_parameters(path, method).into_iter().flatten().collect();
    let mut wrong = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let detail = if !known.contains(&&*name) {
            match &known[..] {
                [] => "there is no such parameter: this takes none".to_owned(),
                some => format!("there is no such parameter; there are {}", some.join(", ")),
            }
        } else if value.contains('\0') {
            "it has a NUL character (`%00`); leave it out".to_owned()
        } else {
            continue;
        };
        wrong.push(FieldError { field: name.into_owned(), detail });
    }
    if wrong.is_empty() { Ok(()) } else { Err(ApiError::invalid(wrong)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;
    use provisioner_api::paths;

    #[test]
    fn a_path_is_text_without_nul() {
        for (path, good) in
            [("/v1/machines/m1", true), ("/v1/machines/%c3%a4", true), ("/x/%ff", false), ("/x/%00", false)]
        {
            let uri = Uri::from_static(path);
            let status = check_path(&uri).map_err(|error| error.into_response().status().as_u16());
            assert_eq!(status, if good { Ok(()) } else { Err(400) }, "{path}");
        }
    }

    #[test]
    fn only_parameters_that_there_are_may_be_given() {
        for (path, query, wrong) in [
            (paths::MACHINES, None, ""),
            (paths::MACHINES, Some(""), ""),
            (paths::MACHINES, Some("pool=a&limit=7"), ""),
            (paths::MACHINES, Some("pol=a&limit=7&x"), "pol,x"),
            (paths::MACHINES, Some("pool=%00"), "pool"),
            (paths::IMAGES, Some("limit=7&resume=true"), "limit"),
            ("/nowhere", Some("limit=7"), "limit"),
        ] {
            let fields = match check_query(path, &Method::GET, query) {
                Ok(()) => Vec::new(),
                Err(error) => error.fields().iter().map(|field| field.field.clone()).collect(),
            };
            assert_eq!(fields.join(","), wrong, "{path} {query:?}");
        }
    }
}

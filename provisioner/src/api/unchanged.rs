//! `If-None-Match`: who has an object already as it is shown is told so (304), and not sent it again (RFC 9110, section 13.1.2).
//!
//! Of a machine the version alone does not say that: state, owner and jobs are none of it. So the `ETag` of what is looked at
//! has a digest of all that is shown behind the version; `version` leaves it away where `If-Match` is compared.

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// How many bytes of the digest are in an `ETag`: it tells apart what one object looked like, and proves nothing.
const DIGEST: usize = 8;

/// An object as it is shown, under the `ETag` of its version.
pub(super) fn shown(headers: &HeaderMap, version: &str, object: &impl Serialize) -> Response {
    // Our own types always serialise.
    let body = serde_json::to_vec(object).unwrap_or_default();
    let digest = hex::encode(&Sha256::digest(&body)[..DIGEST]);
    let tag = format!("{}-{digest}\"", version.trim_end_matches('"'));
    let mut response = if has(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, "application/json")], Bytes::from(body)).into_response()
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    // For this caller alone, and asked for each time: what is shown depends on who asks, and rights may end (RFC 9111).
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("authorization"));
    response
}

/// Whether who asks has what this `ETag` stands for.
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    // No `ETag` of ours has a comma in it. Weak ones are compared as strong ones are.
    let mut tags = lists.flat_map(|list| list.split(',')).map(str::trim);
    tags.any(|has| has == "*" || has.strip_prefix("W/").unwrap_or(has) == tag)
}

/// The `ETag` of a version, out of one of what was shown.
pub(super) fn version(tag: &str) -> String {
    let inner = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    match inner.and_then(|inner| inner.rsplit_once('-')) {
        Some((version, digest)) if is_digest(digest) => format!("\"{version}\""),
        _ => tag.to_owned(),
    }
}

/// No number of a version is as long.
fn is_digest(text: &str) -> bool {
    text.len() == 2 * DIGEST && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(has: &[&'static str]) -> HeaderMap {
        has.iter().map(|has| (header::IF_NONE_MATCH, HeaderValue::from_static(has))).collect()
    }

    #[test]
    fn what_is_had_already_is_not_sent_again() {
        let first = shown(&asked(&[]), "\"ab-7\"", &"x");
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
        assert!(tag.starts_with("\"ab-7-") && tag.len() == "\"ab-7-\"".len() + 2 * DIGEST, "{tag}");
        assert_eq!(version(&tag), "\"ab-7\"");
        for (has, status) in [
            (tag.clone(), 304),
            (format!("\"x\", W/{tag}"), 304),
            ("*".to_owned(), 304),
            ("\"ab-7\"".to_owned(), 200),
            (tag.replace("ab-7", "ab-8"), 200),
            (tag.trim_matches('"').to_owned(), 200),
        ] {
            let headers =
                [(header::IF_NONE_MATCH, HeaderValue::from_str(&has).unwrap())].into_iter().collect();
            let answer = shown(&headers, "\"ab-7\"", &"x");
            assert_eq!(answer.status().as_u16(), status, "{has}");
            assert_eq!(answer.headers()[header::ETAG], *tag);
            assert_eq!(answer.headers()[header::CACHE_CONTROL], "private, no-cache");
            assert_eq!(answer.headers()[header::VARY], "authorization");
        }
        assert_eq!(shown(&asked(&["\"x\"", "*"]), "\"ab-7\"", &"x").status(), StatusCode::NOT_MODIFIED);
        let other = shown(&asked(&[]), "\"ab-7\"", &"y");
        assert_ne!(other.headers()[header::ETAG], *tag, "it looks otherwise in the same version");
    }

    #[test]
    fn only_a_digest_is_left_away() {
        for tag in
            ["\"7\"", "*", "", "\"", "\"00000000000000000000000000000001-7\"", "W/\"ab-7-0123456789abcdef\""]
        {
            assert_eq!(version(tag), tag);
        }
        assert_eq!(version("\"7-0123456789abcdef\""), "\"7\"");
    }
}

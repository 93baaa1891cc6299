//! `If-Match`: who says which version they mean changes and takes away no other one, and no other object of the same name.
//!
//! Deliberately not here: when it is compared; that is done where the object is written.

use super::{error::ApiError, unchanged};
use axum::http::{HeaderMap, StatusCode, header};
use provisioner_api::etag;
use uuid::Uuid;

/// Whether a version without the object's id is one, such as `"7"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bare {
    /// As older clients give it. It may mean an object that is gone, so it is for what can be changed back.
    Taken,
    /// What is taken away is gone with its disks.
    Refused,
}

/// Whether `If-Match`, where it is given, names this version of this object.
pub(super) fn is_wanted(headers: &HeaderMap, id: Uuid, version: u64, bare: Bare) -> bool {
    let Some(wanted) = headers.get(header::IF_MATCH) else { return true };
    let is_bare = || bare == Bare::Taken && wanted.as_bytes() == format!("\"{version}\"").as_bytes();
    // That of what was shown names the version, too.
    let named = wanted.to_str().is_ok_and(|wanted| unchanged::version(wanted) == etag(id, version));
    wanted == "*" || named || is_bare()
}

/// What is told when `If-Match` names another one than there is.
pub(super) fn another_version(kind: &str, name: &str, version: u64) -> ApiError {
    let detail = format!(
        "{kind} `{name}` was changed by somebody else meanwhile, and is at version {version} now; look at it again, and give its `ETag` as it is"
    );
    ApiError::new(StatusCode::PRECONDITION_FAILED, "stale", detail)
}

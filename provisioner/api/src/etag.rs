//! The `ETag` of an object. Deliberately not here: which versions are compared, which is the server's.

use uuid::Uuid;

/// The `ETag` of an object in a version, as `If-Match` takes it (RFC 9110 section 8.8.3). It names the object itself, too:
/// versions begin anew with whatever comes in its place under the same name.
pub fn etag(id: Uuid, version: u64) -> String {
    format!("\"{}-{version}\"", id.simple())
}

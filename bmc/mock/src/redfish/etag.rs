//! ETags: a digest of what is shown, in the profile's form (RFC 9110 section 8.8.3, DSP0266 section 6.5).

use super::profiles::Etags;
use super::state::State;
use axum::http::HeaderValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The tag of a resource; `None`: this BMC has none, or none for collections.
pub(super) fn of(resource: &Map<String, Value>, bmc: &State) -> Option<String> {
    if resource.contains_key("Members") {
        return None;
    }
    let weak = match bmc.tree.manners.etags {
        Etags::None => return None,
        Etags::Strong => bmc.controls.faults().weak_etags,
        Etags::Weak => true,
    };
    let mut text = serde_json::to_vec(resource).ok()?;
    // The tag is no part of what it stands for, and a clock goes on by itself.
    if resource.contains_key("@odata.etag") || resource.contains_key("DateTime") {
        let mut bare = resource.clone();
        bare.remove("@odata.etag");
        bare.remove("DateTime");
        text = serde_json::to_vec(&bare).ok()?;
    }
    let digest = hex::encode(&Sha256::digest(text)[..8]);
    Some(if weak { format!("W/\"{digest}\"") } else { format!("\"{digest}\"") })
}

/// Whether a given tag, or list of tags, is that of a resource. Strong comparison: a weak tag matches nothing (RFC 9110
/// section 13.1.1), except where all of the profile's are weak and it takes them nevertheless, as BMCs do.
pub(super) fn matches(given: &HeaderValue, tag: Option<&str>, takes_weak: bool) -> bool {
    let given = given.to_str().unwrap_or_default();
    let same = |one: &str| Some(one) == tag && (takes_weak || !one.starts_with("W/"));
    given.trim() == "*" || given.split(',').any(|one| same(one.trim()))
}

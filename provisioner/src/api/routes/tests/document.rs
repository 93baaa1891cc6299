//! The OpenAPI document has the routes of the table, and no other.

use super::*;
use crate::api::openapi::tests::documented;
use std::collections::BTreeSet;

#[test]
fn the_document_has_each_route_and_no_other() {
    let routed: BTreeSet<_> = table()
        .into_iter()
        .map(|Route { method, path, policy, .. }| {
            let proof: &[&str] = match policy.who {
                Who::Anybody => &[],
                Who::Agent => &["session"],
                Who::Roles(_) => &["token"],
            };
            let proof: Vec<_> = proof.iter().map(|&scheme| scheme.to_owned()).collect();
            (method.to_string(), path.to_owned(), proof)
        })
        .collect();
    let documented = documented();
    let undocumented: Vec<_> = routed.difference(&documented).collect();
    assert!(
        undocumented.is_empty(),
        "these have no #[utoipa::path], or are not in api/openapi.rs: {undocumented:?}"
    );
    let unrouted: Vec<_> = documented.difference(&routed).collect();
    assert!(unrouted.is_empty(), "these are no routes: {unrouted:?}");
}

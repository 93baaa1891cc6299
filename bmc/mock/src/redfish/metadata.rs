//! What describes the service: the versions, the OData service document and the OData metadata (DSP0266 sections 6.6
//! and 8.4). It is made from what is in the tree.

use super::answer::with_json;
use super::state::Shared;
use super::tree::Tree;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const SCHEMAS: &str = "http://redfish.dmtf.org/schemas/v1";

/// Answers a GET of one of them.
pub(super) fn get(bmc: &Shared, path: &str) -> Option<Response> {
    match path {
        "/redfish" => Some(with_json(StatusCode::OK, &json!({"v1": "/redfish/v1/"}))),
        "/redfish/v1/odata" => Some(with_json(StatusCode::OK, &service(&bmc.tree))),
        "/redfish/v1/$metadata" => {
            let kind = HeaderValue::from_static("application/xml; charset=utf-8");
            Some((StatusCode::OK, [(CONTENT_TYPE, kind)], document(&bmc.tree)).into_response())
        }
        _ => None,
    }
}

/// The header `Link` of a resource of a type.
pub(super) fn described_by(kind: &str) -> Option<String> {
    let file = kind.strip_prefix('#')?.rsplit_once('.')?.0;
    Some(format!("<{SCHEMAS}/{file}.json>; rel=describedby"))
}

fn service(tree: &Tree) -> Value {
    let root = tree.get("/redfish/v1").and_then(Value::as_object);
    let links = root.into_iter().flatten().filter_map(|(name, value)| {
        let url = value.get("@odata.id")?;
        Some(json!({"name": name, "kind": "Singleton", "url": url}))
    });
    let mut value = vec![json!({"name": "Service", "kind": "Singleton", "url": "/redfish/v1/"})];
    value.extend(links);
    json!({"@odata.context": "/redfish/v1/$metadata", "value": value})
}

fn document(tree: &Tree) -> String {
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for kind in tree.types() {
        let name = kind.split_once('.').map_or(kind, |(name, _)| name);
        files.entry(name).or_default().push(kind);
    }
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <edmx:Edmx xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\" Version=\"4.0\">\n",
    );
    for (name, versions) in files {
        // Writing to a `String` can't fail.
        let _ = writeln!(text, "  <edmx:Reference Uri=\"{SCHEMAS}/{name}_v1.xml\">");
        let all = std::iter::once(name).chain(versions.into_iter().filter(|version| *version != name));
        for namespace in all {
            let _ = writeln!(text, "    <edmx:Include Namespace=\"{namespace}\"/>");
        }
        text.push_str("  </edmx:Reference>\n");
    }
    let _ = writeln!(
        text,
        "  <edmx:Reference Uri=\"{SCHEMAS}/RedfishExtensions_v1.xml\">\n    \
           <edmx:Include Namespace=\"RedfishExtensions.v1_0_0\" Alias=\"Redfish\"/>\n  </edmx:Reference>\n  \
         <edmx:DataServices>\n    <Schema xmlns=\"http://docs.oasis-open.org/odata/ns/edm\" Namespace=\"Service\">\n      \
           <EntityContainer Name=\"Service\" Extends=\"ServiceRoot.v1_0_0.ServiceContainer\"/>\n    </Schema>\n  \
         </edmx:DataServices>\n</edmx:Edmx>"
    );
    text
}

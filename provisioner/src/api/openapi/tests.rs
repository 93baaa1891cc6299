//! The document is what is checked in, and has all paths that there are.

use super::*;
use std::{collections::BTreeSet, fs, path::Path};
use utoipa::openapi::PathItem;

fn operations(item: &PathItem) -> impl Iterator<Item = &Operation> {
    [&item.get, &item.put, &item.post, &item.patch, &item.delete].into_iter().flatten()
}

#[test]
fn the_document_is_the_one_that_is_checked_in() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let text = format!("{}\n", DOCUMENT.to_pretty_json().unwrap());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let known = fs::read_to_string(&file).unwrap_or_default();
    assert!(known == text, "{} is of other handlers: `make generate` rewrites it", file.display());
}

#[test]
fn every_path_is_in_the_document_and_no_other() {
    let constants = include_str!("../../../api/src/paths.rs").lines();
    let paths: BTreeSet<_> = constants
        .filter(|line| line.starts_with("pub const "))
        .filter_map(|line| line.split_once(" = \"")?.1.strip_suffix("\";"))
        .collect();
    assert!(paths.contains("/v1/machines/{machine}/bmc/users/{id}"), "{paths:?}");
    let documented: BTreeSet<_> = DOCUMENT.paths.paths.keys().map(String::as_str).collect();
    assert_eq!(documented, paths);
}

#[test]
fn every_operation_has_a_name_of_its_own_a_summary_and_an_answer() {
    let mut ids = BTreeSet::new();
    for (path, item) in &DOCUMENT.paths.paths {
        for operation in operations(item) {
            let id = operation.operation_id.clone().unwrap_or_default();
            assert!(operation.summary.as_ref().is_some_and(|summary| !summary.is_empty()), "{path} {id}");
            let answers = operation.responses.responses.keys();
            assert!(answers.clone().any(|status| status.starts_with('2')), "{path} {id}");
            assert!(ids.insert(id.clone()), "{path}: {id} is the id of another operation too");
        }
    }
}

#[test]
fn the_query_parameters_of_an_operation_are_known() {
    let of = |path: &str, method: Method| {
        query_parameters(path, &method).map(|names| names.collect::<Vec<_>>().join(","))
    };
    let machines = provisioner_api::paths::MACHINES;
    for method in [Method::GET, Method::HEAD] {
        assert_eq!(of(machines, method).as_deref(), Some("state,pool,held,limit,after"));
    }
    assert_eq!(of(machines, Method::POST).as_deref(), Some(""));
    assert_eq!(of(provisioner_api::paths::MACHINE, Method::PATCH).as_deref(), Some(""));
    assert_eq!(of(machines, Method::DELETE), None);
}

//! The document is what is checked in, and has all paths that there are. That it has the operations of the table of routes is
//! tested there.

use super::*;
use std::{collections::BTreeSet, fs, path::Path};
use utoipa::openapi::PathItem;

/// The method and the path of each operation, and what proves who asks; nothing: anybody may.
pub(in crate::api) fn documented() -> BTreeSet<(String, String, Vec<String>)> {
    let mut found = BTreeSet::new();
    for (path, item) in &DOCUMENT.paths.paths {
        let item = serde_json::to_value(item).unwrap();
        // Whatever else a path has would be taken for a method, and no route has it.
        for (method, operation) in item.as_object().into_iter().flatten() {
            let needed = operation["security"].as_array().into_iter().flatten();
            let schemes = needed.filter_map(|needed| needed.as_object()).flat_map(|needed| needed.keys());
            found.insert((method.to_uppercase(), path.clone(), schemes.cloned().collect()));
        }
    }
    found
}

/// An operation as JSON.
fn operation(method: &str, path: &str) -> serde_json::Value {
    let item = DOCUMENT.paths.paths.get(path).unwrap_or_else(|| panic!("no {path}"));
    serde_json::to_value(item).unwrap()[method].take()
}

/// The statuses that an operation may answer.
fn statuses(method: &str, path: &str) -> Vec<u16> {
    let operation = operation(method, path);
    operation["responses"].as_object().unwrap().keys().map(|status| status.parse().unwrap()).collect()
}

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
    // The text behind it may be on a line of its own.
    let constants = include_str!("../../../api/src/paths.rs").split("\npub const ").skip(1);
    let paths: BTreeSet<_> =
        constants.map(|constant| constant.split('"').nth(1).expect("a path in quotes")).collect();
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
        assert_eq!(of(machines, method).as_deref(), Some("state,pool,held,labels,limit,after,resume,fields"));
    }
    assert_eq!(of(machines, Method::POST).as_deref(), Some(""));
    assert_eq!(of(provisioner_api::paths::MACHINE, Method::PATCH).as_deref(), Some(""));
    assert_eq!(of(machines, Method::DELETE), None);
}

#[test]
fn what_is_in_braces_is_known() {
    for path in DOCUMENT.paths.paths.keys() {
        for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            assert!(common::IN_PATHS.iter().any(|(known, _)| *known == name), "{path}: what is {name}?");
        }
        assert_eq!(path.matches('{').count(), path.matches("/{").count(), "{path}: not a whole part");
    }
}

#[test]
fn what_the_layers_answer_is_told() {
    use provisioner_api::paths;
    for (method, path, told, never) in [
        ("get", paths::MACHINES, &[401, 403, 400, 422, 429, 500, 503][..], &[404, 409, 413, 415][..]),
        ("post", paths::MACHINES, &[401, 403, 400, 413, 415, 422, 429], &[404]),
        ("post", paths::TOKENS, &[201, 401, 403, 409, 413, 415, 422], &[404]),
        // Nobody reads its body, but it is read.
        ("delete", paths::TOKEN, &[204, 401, 403, 404, 409, 413, 429], &[415]),
        ("post", paths::ADDRESSES, &[200, 201, 403, 409, 422], &[404]),
        // Its body may be left out, so nobody looks what it calls itself.
        ("delete", paths::INSTANCE, &[202, 403, 404, 409, 413, 422], &[415]),
        ("post", paths::MACHINE_CONSOLE, &[204, 403, 404, 413, 429, 502, 504, 507], &[415]),
        ("post", paths::MACHINE_CONSOLE_BREAK, &[204, 403, 404, 413, 429, 502, 504, 507], &[415]),
        ("post", paths::IMAGES, &[201, 403, 409, 429], &[404, 413]),
        ("get", paths::AGENT_ORDERS, &[200, 204, 401, 409, 422], &[403, 415]),
        ("post", paths::AGENT_CLAIM, &[200, 403, 409, 413, 415], &[401]),
    ] {
        let statuses = statuses(method, path);
        for status in told {
            assert!(statuses.contains(status), "{method} {path} doesn't tell of {status}");
        }
        for status in never {
            assert!(!statuses.contains(status), "{method} {path} never answers {status}");
        }
    }
    assert_eq!(statuses("get", paths::HEALTH), [200]);
    assert_eq!(statuses("get", paths::OPENAPI), [200, 429]);
}

#[test]
fn whoever_meets_a_database_that_is_gone_is_told_when_to_come_again() {
    let document = serde_json::to_value(&*DOCUMENT).unwrap();
    let problem = &document["components"]["responses"]["problem-503"];
    assert!(problem["headers"]["Retry-After"].is_object(), "{problem}");
}

#[test]
fn types_that_refuse_other_fields_say_so() {
    let document = serde_json::to_value(&*DOCUMENT).unwrap();
    let schemas = &document["components"]["schemas"];
    // What is asked for is as it is refused; what is kept and shown may grow.
    for (name, closed) in
        [("GivenBmc", true), ("BmcSpec", false), ("AddressClaim", true), ("TokenCreate", true)]
    {
        let schema = &schemas[name];
        assert!(schema["properties"].is_object(), "there is no {name}");
        assert_eq!(schema["additionalProperties"] == false, closed, "{name}");
    }
    let bmc = schemas["MachineCreate"]["properties"]["bmc"].to_string();
    assert!(bmc.contains("/GivenBmc"), "{bmc}");
    let erase = &schemas["ServiceStep"]["oneOf"][1];
    assert_eq!(
        (&erase["properties"]["do"]["enum"][0], &erase["additionalProperties"]),
        (&"erase".into(), &false.into())
    );
}

#[test]
fn what_is_only_in_words_is_a_component_too() {
    let components = DOCUMENT.components.as_ref().unwrap();
    for name in ["AuditEntry", "BmcReport", "Problem"] {
        assert!(components.schemas.contains_key(name), "{name}");
    }
}

//! The table of routes, and that each route does what its policy says, whoever asks for whatever. What is tried follows from
//! the table: a new route is among it by itself.

mod audit;
mod bodies;
mod document;
mod erasures;
mod matrix;
mod once;
mod overview;
mod pools;
mod rates;
mod rights;
mod secrets;
mod shown;
mod users;
mod versions;
mod watching;

use super::*;
use crate::{app, keys::sha256_hex, samples, service::Service, store::TokenRecord};
use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use std::{collections::HashSet, fmt::Write};
use tower::ServiceExt;

/// Where the list is.
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/routes.md");

/// A service that answers, and what is in it.
struct World {
    service: Arc<Service>,
    router: Router,
    _folder: tempfile::TempDir,
}

impl World {
    /// One with an image, and nothing else.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let service = app::tests::service(folder.path()).await;
        service.store.image_insert(&samples::image()).await.unwrap();
        Self { router: router(Arc::clone(&service)), service, _folder: folder }
    }

    /// A token of this role, for all pools or these; what its bearer sends.
    async fn token(&self, role: Role, pools: Option<&[&str]>) -> String {
        let name =
            format!("{}-{}", role.word(), pools.map_or_else(|| "all".to_owned(), |pools| pools.join("-")));
        let pools = pools.map(|pools| pools.iter().map(|pool| (*pool).to_owned()).collect());
        let token = TokenRecord { role, pools, ..TokenRecord::admin(&name, samples::NOW) };
        self.service.store.token_insert(&sha256_hex(&name), &token).await.unwrap();
        name
    }

    /// A machine of a pool.
    async fn machine(&self, number: u128, pool: &str) -> String {
        let mut machine = samples::machine(number);
        machine.spec.pool = pool.into();
        self.service.store.machine_insert(&machine, &[], &[], samples::NOW).await.unwrap();
        machine.name
    }

    /// An instance that waits for a machine of a pool.
    async fn instance(&self, number: u128, pool: &str) -> String {
        let mut instance = samples::instance(number);
        instance.spec.pool = Some(pool.into());
        self.service.store.instance_insert(&instance, None, &[], samples::NOW).await.unwrap();
        instance.name
    }

    /// Asks; what is answered.
    async fn ask(
        &self,
        token: Option<&str>,
        method: &Method,
        path: &str,
        body: &str,
    ) -> (StatusCode, String) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
            request = request.header(header::CONTENT_LENGTH, body.len());
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        // It would never end.
        if response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream") {
            return (status, String::new());
        }
        let body = to_bytes(response.into_body(), 64 * 1024 * 1024).await.unwrap();
        (status, String::from_utf8_lossy(&body).into_owned())
    }
}

#[test]
fn the_list_of_routes_is_up_to_date() {
    let mut text = String::from(
        "# Routes\n\nEvery route of the API with who may use it, and of which objects, printed from `provisioner/src/api/routes.rs`;\n`UPDATE=1 cargo test -p provisioner routes` writes it anew. Who may not have an object is told what is told of one that\nisn't there (404). What needs all pools is refused to a token that is limited to some (403).\n\n| method | path | who | of |\n|---|---|---|---|\n",
    );
    for Route { method, path, policy, .. } in table() {
        let _ =
            writeln!(text, "| {method} | `{path}` | {} | {} |", policy.who_in_words(), policy.of_in_words());
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PATH, &text).unwrap();
    }
    let kept = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(kept == text, "docs/routes.md is out of date; run UPDATE=1 cargo test -p provisioner routes");
}

#[test]
fn what_a_path_names_is_what_its_policy_looks_at() {
    let mut seen = HashSet::new();
    for Route { method, path, policy, .. } in table() {
        assert!(seen.insert((method.clone(), path)), "{method} {path} is there twice");
        let names = |place: &str| path.contains(place);
        let looked_at = match policy.of {
            Of::Machine | Of::MachineOrMac => "{machine}",
            Of::Instance => "{instance}",
            Of::Shared | Of::Everything | Of::Own => "",
        };
        assert!(names(looked_at), "{path} names no {looked_at}");
        for place in ["{machine}", "{instance}"] {
            assert!(place == looked_at || !names(place), "nobody looks whose {place} is in {method} {path}");
        }
        assert!(
            !matches!(policy.who, Who::Anybody)
                || [paths::HEALTH, paths::READY, paths::AGENT_CLAIM, paths::OPENAPI, paths::LOGIN]
                    .contains(&path),
            "{path} is open to anybody"
        );
    }
}

/// There is no way past the table: the only other router is that of the boot server.
#[test]
fn no_route_is_made_elsewhere() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
    let mut makers = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = if path.is_file() { std::fs::read_to_string(&path).unwrap() } else { String::new() };
        if text.contains(".route(") {
            makers.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    makers.sort();
    assert_eq!(makers, ["phone_home.rs", "routes.rs"]);
}

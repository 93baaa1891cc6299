//! The OpenAPI document: what each handler says of itself, in one. It is served, and checked in as `docs/openapi.json`.
//!
//! Each handler has its path, parameters, body and answers at itself (`#[utoipa::path]`), the types have theirs in
//! `provisioner-api`; what all operations have in common is in `common`. Deliberately not here: the boot server's paths,
//! which firmware and instances ask, and which no program of anybody else's should.

mod common;

use axum::{
    http::{Method, header},
    response::IntoResponse,
};
use common::Common;
use provisioner_api::{AuditEntry, BmcReport, Problem, WatchBegan, WatchChange, WatchEnded, WatchReset};
use serde_json::Value;
use std::sync::LazyLock;
use utoipa::{
    OpenApi, PartialSchema, ToSchema,
    openapi::{
        HttpMethod, KnownFormat, ObjectBuilder, OpenApi as Document, RefOr, Schema, SchemaFormat, Type,
        path::{Operation, ParameterIn},
    },
};

/// Where the document begins: its list of handlers, in the order of the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Billet",
        description = "Bare-metal provisioning: machines, instances, images, networks.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/", description = "The service that serves this document")),
    paths(
        super::health::show,
        show,
        super::machines::list,
        super::machines::create,
        super::machines::show,
        super::machines::update,
        super::machines::delete,
        super::machines::act,
        super::machines::choose,
        super::machines::events,
        super::machines::why,
        super::adopt::adopt,
        super::servicing::begin,
        super::scrap::scrap,
        super::timeline::of_machine,
        super::timeline::of_instance,
        super::instances::list,
        super::instances::create,
        super::instances::show,
        super::instances::delete,
        super::instances::act,
        super::instances::events,
        super::instances::why,
        super::instance_update::update,
        super::reinstall::reinstall,
        super::rescue::rescue,
        super::rescue::unrescue,
        super::images::list,
        super::images::show,
        super::images::import,
        super::images::delete,
        super::networks::list,
        super::networks::show,
        super::networks::leases,
        super::reservations::list,
        super::reservations::add,
        super::reservations::remove,
        super::addresses::list,
        super::addresses::claim,
        super::addresses::show,
        super::addresses::release,
        super::boot_trace::show,
        super::backup::show,
        super::support::show,
        super::watch::watch,
        super::ready::show,
        super::key::show,
        super::key::rotate,
        super::key::retire,
        super::works::show,
        super::works::freeze,
        super::works::unfreeze,
        super::bmc_scans::scan,
        super::overview::events,
        super::overview::job,
        super::overview::jobs,
        super::pools::list,
        super::pools::create,
        super::pools::show,
        super::pools::update,
        super::pools::delete,
        super::overview::zones,
        super::erasures::list,
        super::erasures::keys,
        super::erasures::show,
        super::erasures::certificate,
        super::replicas::list,
        super::audit::list,
        super::tokens::list,
        super::tokens::create,
        super::tokens::revoke,
        super::users::list,
        super::users::create,
        super::users::show,
        super::users::update,
        super::users::delete,
        super::login::login,
        super::login::logout,
        super::password::change,
        super::login::whoami,
        super::metrics::show,
        super::console::read,
        super::console::write,
        super::console::send_break,
        super::console::status,
        super::bmc::basics::show,
        super::bmc::basics::update,
        super::bmc::basics::power,
        super::bmc::basics::press,
        super::bmc::basics::boot,
        super::bmc::basics::set_boot,
        super::bmc::users::users,
        super::bmc::users::update_user,
        super::bmc::users::rotate_password,
        super::bmc::users::add_user,
        super::bmc::users::remove_user,
        super::bmc::settings::media,
        super::bmc::settings::insert_media,
        super::bmc::settings::eject_all,
        super::bmc::settings::eject_media,
        super::bmc::settings::secure_boot,
        super::bmc::settings::set_secure_boot,
        super::bmc::settings::reset_keys,
        super::bmc::settings::bios,
        super::bmc::settings::set_bios,
        super::bmc::settings::reset_bios,
        super::bmc::settings::boot_order,
        super::bmc::settings::set_boot_order,
        super::bmc::settings::restart,
        super::bmc::parts::sensors,
        super::bmc::parts::sel,
        super::bmc::parts::clear_sel,
        super::bmc::parts::set_sel_clock,
        super::bmc::parts::fru,
        super::bmc::parts::identify,
        super::bmc::parts::hardware,
        super::bmc::parts::logs,
        super::bmc::parts::log,
        super::bmc::parts::clear_log,
        super::bmc::firmware::firmware,
        super::bmc::firmware::start_update,
        super::bmc::firmware::tasks,
        super::bmc::firmware::task,
        super::bmc::firmware::forget_task,
        super::bmc::audit::audit,
        super::bmc::confirm::confirm,
        super::bmc::record::record,
        super::bmc::reports::reports,
        super::bmc::reports::subscriptions,
        super::bmc::reports::subscribe,
        super::bmc::reports::unsubscribe,
        super::agent::claim,
        super::agent::orders,
        super::agent::report,
        super::agent::manifest,
        super::agent::chunk,
        super::agent::rescue,
    ),
    // No answer has the others as such: one is the text of an entry, the rest are those of events of streams.
    components(schemas(Problem, AuditEntry, BmcReport, WatchBegan, WatchChange, WatchReset, WatchEnded)),
    modifiers(&Common),
    tags(
        (name = "machines", description = "Physical servers"),
        (name = "instances", description = "Operating systems that were asked for on some machine"),
        (name = "timeline", description = "What happened to a machine or an instance, from every source"),
        (name = "images", description = "Operating systems that can be written to a disk, or run from RAM"),
        (name = "networks", description = "Networks, leases and reservations"),
        (name = "addresses", description = "The address plan: static addresses of instances, and virtual ones with a name"),
        (name = "boot-traces", description = "What machines asked the boot server"),
        (name = "bmc", description = "A machine's BMC, asked directly"),
        (name = "console", description = "A machine's serial console"),
        (name = "fleet", description = "All machines at a glance: jobs, events, pools, zones"),
        (name = "works", description = "What concerns everything at once"),
        (name = "service", description = "The service itself"),
        (name = "tokens", description = "API tokens: who may ask, and for what"),
        (name = "users", description = "People who log in with a name and a password"),
        (name = "audit", description = "Who asked for what, and what came of it"),
        (name = "agent", description = "For the program in a machine's RAM alone; it may change with it"),
    )
)]
struct Handlers;

/// Built once.
static DOCUMENT: LazyLock<Document> = LazyLock::new(Handlers::openapi);

/// As it is sent; empty if it can't be written, which a test rules out.
static TEXT: LazyLock<String> = LazyLock::new(|| DOCUMENT.to_json().unwrap_or_default());

/// The types by their names.
static SCHEMAS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::to_value(DOCUMENT.components.as_ref().map(|all| &all.schemas)).unwrap_or_default()
});

/// The bytes of a file, of any form.
pub(crate) struct File;

impl PartialSchema for File {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
    }
}

impl ToSchema for File {}

/// Shows this document.
#[utoipa::path(
    get, path = provisioner_api::paths::OPENAPI, tag = "service",
    operation_id = "openapi", security(()),
    responses((status = 200, body = Object)),
)]
pub(crate) async fn show() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str())
}

/// The names of the query parameters that an operation takes; nothing if there is no such operation.
pub(super) fn query_parameters(path: &str, method: &Method) -> Option<impl Iterator<Item = &'static str>> {
    let method = match method.as_str() {
        // Whoever reads may ask for the headers alone.
        "GET" | "HEAD" => HttpMethod::Get,
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => return None,
    };
    let operation: &'static Operation = DOCUMENT.paths.get_path_operation(path, method)?;
    let parameters = operation.parameters.iter().flatten();
    let named = parameters.filter(|parameter| parameter.parameter_in == ParameterIn::Query);
    Some(named.map(|parameter| parameter.name.as_str()))
}

/// Whether objects of a type have such a field; of a list its items are meant, and of a map any of its values.
pub(super) fn has_field(kind: &str, path: &[&str]) -> bool {
    SCHEMAS.get(kind).is_some_and(|schema| has(schema, path))
}

fn has(schema: &Value, path: &[&str]) -> bool {
    let Some((name, rest)) = path.split_first() else { return true };
    if let Some(place) = schema["$ref"].as_str() {
        return has_field(place.rsplit('/').next().unwrap_or_default(), path);
    }
    let parts = ["oneOf", "anyOf", "allOf"].iter().filter_map(|of| schema[of].as_array()).flatten();
    let maps = Some(&schema["additionalProperties"]).filter(|of| of.is_object());
    schema["properties"].get(name).or(maps).is_some_and(|field| has(field, rest))
        || schema.get("items").is_some_and(|items| has(items, path))
        || parts.into_iter().any(|part| has(part, path))
}

#[cfg(test)]
pub(super) mod tests;

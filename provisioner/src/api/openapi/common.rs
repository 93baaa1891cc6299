//! What operations have in common, so that no handler has to say it: who may ask, what stands in the path, and the problems
//! that the layers around the handlers answer with (`auth`, `readable`, `error`).

use crate::api::once;
use axum::http::{Method, StatusCode};
use provisioner_api::{Problem, paths};
use utoipa::{
    Modify, PartialSchema, ToSchema,
    openapi::{
        Components, ContentBuilder, Header, HeaderBuilder, OpenApi, Ref, RefOr, Required, Response,
        ResponseBuilder, Schema,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem},
        schema::AdditionalProperties,
        security::{Http, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

/// The scheme of people and their programs.
const TOKEN: &str = "token";

/// The scheme of agents.
const SESSION: &str = "session";

/// The problems that there are, and when.
const PROBLEMS: [(u16, &str); 15] = [
    (400, "The request can't be read"),
    (401, "There is no token that is known here, or it expired"),
    (403, "The token's role or pools are not enough, or this boot window is not for whoever asks"),
    (404, "There is no such object"),
    (409, "It contradicts what is"),
    (412, "It was changed by somebody else since the version in `If-Match`"),
    (413, "The body is too large"),
    (415, "The body is of another media type"),
    (422, "Fields or parameters are wrong; `fields` names them where it is one of them"),
    (
        429,
        "Whoever asks does so too often, or has too much under way (`rate`: nothing was begun); or too many read this already, or the token asked for too many changes lately, or too many log-ins failed",
    ),
    (500, "The service failed; its log says why"),
    (502, "The BMC refused, or what it answers can't be used"),
    (
        503,
        "The database can't be reached, or the BMC is let alone for a while, or the audit log can't be written: look before you repeat it",
    ),
    (504, "The BMC does not answer in time"),
    (507, "There is no room in the data folder"),
];

/// What stands in a path, by its name there.
pub(super) const IN_PATHS: [(&str, &str); 14] = [
    ("machine", "A machine's name or id"),
    ("instance", "An instance's name or id"),
    ("image", "An image's name or id"),
    ("network", "A network's name"),
    ("mac", "A MAC address"),
    ("name", "The name under which an address was claimed"),
    ("job", "The id of a job"),
    ("erasure", "The id of the record of an erasure"),
    ("pool", "A pool's name"),
    ("token", "A token's name"),
    ("user", "A user's name"),
    ("slot", "The id of a slot for virtual media"),
    ("sha256", "A SHA-256, 64 hex digits"),
    ("id", "The id of an object of the BMC's"),
];

/// Types whose variants with fields refuse others, which their derived schemas don't say.
const CLOSED: [&str; 1] = ["ServiceStep"];

/// Fills in what the handlers leave out.
pub(super) struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_with(Components::new);
        for (name, what) in [
            (TOKEN, "An API token: `Authorization: Bearer …`"),
            (SESSION, "The session of a claimed boot window, which the claim answers"),
        ] {
            components.security_schemes.insert(name.to_owned(), bearer(what));
        }
        for (status, what) in PROBLEMS {
            components.responses.insert(problem_name(status), RefOr::T(problem(status, what)));
        }
        for name in CLOSED {
            if let Some(schema) = components.schemas.get_mut(name) {
                close(schema);
            }
        }
        for (path, item) in &mut document.paths.paths {
            for (changes, operation) in operations(item) {
                complete(path, changes, operation);
            }
        }
    }
}

fn bearer(what: &str) -> SecurityScheme {
    let http: Http = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(what)).build();
    SecurityScheme::Http(http)
}

fn problem(status: u16, what: &str) -> Response {
    let body = Ref::from_schema_name(Problem::name());
    let content = ContentBuilder::new().schema(Some(body)).build();
    let mut problem =
        ResponseBuilder::new().description(what).content("application/problem+json", content).build();
    let again = match status {
        409 => Some("After how many seconds to ask again; of the kind `in-flight` alone"),
        429 => Some("After how many seconds to ask again"),
        503 => Some("After how many seconds to ask again; of the kind `database` alone"),
        _ => None,
    };
    if let Some(again) = again {
        problem.headers.insert("Retry-After".to_owned(), header(again));
    }
    problem
}

fn header(what: &str) -> Header {
    HeaderBuilder::new().schema(String::schema()).description(Some(what)).build()
}

/// Says of each variant with more than its tag that it has no other fields.
fn close(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::OneOf(variants)) = schema else { return };
    for variant in &mut variants.items {
        if let RefOr::T(Schema::Object(variant)) = variant
            && variant.properties.len() > 1
        {
            variant.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        }
    }
}

fn problem_name(status: u16) -> String {
    format!("problem-{status}")
}

/// The operations of a path, and whether they change something.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (bool, &mut Operation)> {
    let PathItem { get, put, post, patch, delete, .. } = item;
    let all = [(false, get), (true, put), (true, post), (true, patch), (true, delete)];
    all.into_iter().filter_map(|(changes, operation)| Some((changes, operation.as_mut()?)))
}

fn complete(path: &str, changes: bool, operation: &mut Operation) {
    let named = parameters(path);
    if !named.is_empty() {
        operation.parameters.get_or_insert_default().splice(0..0, named);
    }
    // Of what else these paths have nothing changes anything.
    if changes && once::is_order(&Method::POST, path) {
        operation.parameters.get_or_insert_default().push(name_of_request());
    }
    if operation.security.is_none() {
        let scheme = if is_agents(path) { SESSION } else { TOKEN };
        operation.security = Some(vec![SecurityRequirement::new::<_, _, String>(scheme, [])]);
    }
    // Ids are unique: what a handler is called, behind what it is about.
    let tag = operation.tags.iter().flatten().next().cloned().unwrap_or_default();
    operation.operation_id =
        operation.operation_id.take().map(|id| format!("{}_{id}", tag.replace('-', "_")));
    for status in problems(path, changes, operation) {
        operation.responses.responses.entry(status.to_string()).or_insert_with(|| refer(status));
    }
    for (status, response) in &mut operation.responses.responses {
        let status = status.parse().unwrap_or_default();
        match response {
            RefOr::T(_) if status >= 400 => *response = refer(status),
            RefOr::T(answer) => describe(status, answer),
            RefOr::Ref(_) => {}
        }
    }
}

fn refer(status: u16) -> RefOr<Response> {
    RefOr::Ref(Ref::from_response_name(problem_name(status)))
}

/// The header by which a request is known that is sent again.
fn name_of_request() -> Parameter {
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("A name for this request, such as a UUID: sent again within a day it is answered as before, and not done again"))
        .schema(Some(String::schema()))
        .build()
}

/// What is in braces.
fn parameters(path: &str) -> Vec<Parameter> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameter = |name: &str| {
        let known = IN_PATHS.iter().find(|(known, _)| *known == name);
        // A test looks that all are known.
        let what = known.map_or("", |(_, what)| *what);
        let what = if path == paths::BOOT_TRACE { "A machine's name or id, or a MAC address" } else { what };
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(what))
            .schema(Some(String::schema()))
            .build()
    };
    names.map(parameter).collect()
}

fn is_agents(path: &str) -> bool {
    path.starts_with("/agent/")
}

/// Which problems the layers around a handler answer with, and all handlers of its kind.
fn problems(path: &str, changes: bool, operation: &Operation) -> Vec<u16> {
    // They read nothing of a request.
    if path == paths::HEALTH {
        return Vec::new();
    }
    if path == paths::OPENAPI {
        return vec![429];
    }
    let takes_json =
        operation.request_body.as_ref().is_some_and(|body| body.content.contains_key("application/json"));
    // A body that may be left out is read whatever it calls itself.
    let needs_json = takes_json
        && operation.request_body.as_ref().is_some_and(|body| matches!(body.required, Some(Required::True)));
    let has_query =
        operation.parameters.iter().flatten().any(|other| other.parameter_in == ParameterIn::Query);
    let asks_bmc = path.contains("/bmc/") || path.ends_with("/bmc") || path.contains("/console");
    let open = operation.security.iter().flatten().any(|needed| *needed == SecurityRequirement::default());
    let operators = !is_agents(path);
    // What changes something is read whole before anything is done. A file has no size.
    let told = operators && changes;
    [
        (true, &[429, 500, 503][..]),
        (!open, &[401]),
        (operators && !open, &[403]),
        (path.contains('{'), &[404]),
        (operators || takes_json, &[400, 422]),
        (has_query, &[422]),
        (takes_json || told && path != paths::IMAGES, &[413]),
        (needs_json, &[415]),
        (asks_bmc, &[409, 502, 504]),
        (changes && once::is_order(&Method::POST, path), &[409]),
    ]
    .into_iter()
    .filter(|(applies, _)| *applies)
    .flat_map(|(_, statuses)| statuses.iter().copied())
    .collect()
}

/// A description, which OpenAPI demands; and the `ETag` of what has a version.
fn describe(status: u16, answer: &mut Response) {
    if answer.description.is_empty() {
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        answer.description = reason.unwrap_or_default().to_owned();
    }
    let versioned = answer.content.values().any(|content| {
        let Some(RefOr::Ref(body)) = &content.schema else { return false };
        ["/Machine", "/Instance", "/Pool", "/User"].iter().any(|name| body.ref_location.ends_with(name))
    });
    if versioned {
        answer.headers.insert("ETag".to_owned(), header("The version, for `If-Match`"));
    }
}

//! What operations have in common, so that no handler has to say it: who may ask, what stands in the path, and the problems
//! that the layers around the handlers answer with (`auth`, `readable`, `error`).

use axum::http::StatusCode;
use provisioner_api::{Problem, paths};
use utoipa::{
    Modify, PartialSchema, ToSchema,
    openapi::{
        Components, ContentBuilder, Header, HeaderBuilder, OpenApi, Ref, RefOr, Required, Response,
        ResponseBuilder,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem},
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
    (401, "There is no token that is known here"),
    (403, "This boot window is not for whoever asks"),
    (404, "There is no such object"),
    (409, "It contradicts what is"),
    (412, "It was changed by somebody else since the version in `If-Match`"),
    (413, "The body is too large"),
    (415, "The body is of another media type"),
    (422, "Fields or parameters are wrong; `fields` names them"),
    (429, "Too many read this already"),
    (500, "The service failed; its log says why"),
    (502, "The BMC refused, or what it answers can't be used"),
    (503, "The database can't be reached, or the BMC is let alone for a while"),
    (504, "The BMC does not answer in time"),
    (507, "There is no room in the data folder"),
];

/// What stands in a path, by its name there.
const IN_PATHS: [(&str, &str); 7] = [
    ("machine", "A machine's name or id"),
    ("instance", "An instance's name or id"),
    ("image", "An image's name or id"),
    ("network", "A network's name"),
    ("mac", "A MAC address"),
    ("slot", "The id of a slot for virtual media"),
    ("sha256", "A SHA-256, 64 hex digits"),
];

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
            components.responses.insert(problem_name(status), RefOr::T(problem(what)));
        }
        for (path, item) in &mut document.paths.paths {
            for operation in operations(item) {
                complete(path, operation);
            }
        }
    }
}

fn bearer(what: &str) -> SecurityScheme {
    let http: Http = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(what)).build();
    SecurityScheme::Http(http)
}

fn problem(what: &str) -> Response {
    let body = Ref::from_schema_name(Problem::name());
    let content = ContentBuilder::new().schema(Some(body)).build();
    ResponseBuilder::new().description(what).content("application/problem+json", content).build()
}

fn problem_name(status: u16) -> String {
    format!("problem-{status}")
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, patch, delete, .. } = item;
    [get, put, post, patch, delete].into_iter().flatten()
}

fn complete(path: &str, operation: &mut Operation) {
    let named = parameters(path);
    if !named.is_empty() {
        operation.parameters.get_or_insert_default().splice(0..0, named);
    }
    if operation.security.is_none() {
        let scheme = if is_agents(path) { SESSION } else { TOKEN };
        operation.security = Some(vec![SecurityRequirement::new::<_, _, String>(scheme, [])]);
    }
    // Ids are unique: what a handler is called, behind what it is about.
    let tag = operation.tags.iter().flatten().next().cloned().unwrap_or_default();
    operation.operation_id =
        operation.operation_id.take().map(|id| format!("{}_{id}", tag.replace('-', "_")));
    for status in problems(path, operation) {
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

/// What is in braces.
fn parameters(path: &str) -> Vec<Parameter> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameter = |name: &str| {
        let known = IN_PATHS.iter().find(|(known, _)| *known == name);
        let what = known.map_or("The id of an object of the BMC's", |(_, what)| *what);
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
fn problems(path: &str, operation: &Operation) -> Vec<u16> {
    // They read nothing of a request.
    if [paths::HEALTH, paths::OPENAPI].contains(&path) {
        return Vec::new();
    }
    let takes_json =
        operation.request_body.as_ref().is_some_and(|body| body.content.contains_key("application/json"));
    let has_query =
        operation.parameters.iter().flatten().any(|other| other.parameter_in == ParameterIn::Query);
    let asks_bmc = path.contains("/bmc/") || path.ends_with("/bmc") || path.contains("/console");
    let open = operation.security.iter().flatten().any(|needed| *needed == SecurityRequirement::default());
    let operators = !is_agents(path);
    [
        (true, &[500, 503][..]),
        (!open, &[401]),
        (path.contains('{'), &[404]),
        (operators || takes_json, &[400, 422]),
        (has_query, &[422]),
        (takes_json, &[413, 415]),
        (asks_bmc, &[409, 502, 504]),
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
        ["/Machine", "/Instance"].iter().any(|name| body.ref_location.ends_with(name))
    });
    if versioned {
        let tag: Header = HeaderBuilder::new()
            .schema(String::schema())
            .description(Some("The version, for `If-Match`"))
            .build();
        answer.headers.insert("ETag".to_owned(), tag);
    }
}

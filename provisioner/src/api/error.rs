//! Errors on the wire: the only place with status codes.

use super::json;
use crate::{service::ServiceError, store::StoreError, text::without_secrets};
use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, Method, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use bmc::BmcError;
use provisioner_api::{FieldError, Problem};
use serde::de::DeserializeOwned;
use url::form_urlencoded;

/// The word for a database that can't be reached.
const LOST: &str = "database";

/// The word for a request that is under way already.
pub(super) const IN_FLIGHT: &str = "in-flight";

/// The word for what comes too often or is too much at once. It was not begun: who knows this kind may send it again.
const RATE: &str = "rate";

/// The word for what a stop kept from being begun.
pub(super) const STOPPING: &str = "stopping";

/// Marks an answer to what was not begun, so that it may be asked for again.
#[derive(Debug, Clone, Copy)]
pub(super) struct NotBegun;

/// What is told then.
const NO_DATABASE: &str =
    "the service can't reach its database; nothing was changed, and it may be asked again soon";

/// After how many seconds. The service goes on meanwhile, and tries to reach a PostgreSQL that is away again by itself.
const AGAIN: u64 = 10;

/// A failed request, and after how many seconds it may be asked again if that is known better than for all of its kind.
#[derive(Debug)]
pub(crate) struct ApiError(Box<Problem>, Option<u64>);

impl ApiError {
    /// An error with a word for programs and a sentence for people.
    pub(crate) fn new(status: StatusCode, kind: &str, detail: impl Into<String>) -> Self {
        let problem = Problem {
            kind: kind.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            fields: Vec::new(),
        };
        Self(Box::new(problem), None)
    }

    /// Wrong fields in the body; all of them at once.
    pub(crate) fn invalid(fields: Vec<FieldError>) -> Self {
        let mut error =
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "the request has wrong fields");
        error.0.fields = fields;
        error
    }

    /// One wrong field.
    pub(crate) fn field(field: &str, detail: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError { field: field.to_owned(), detail: detail.into() }])
    }

    /// It comes too often, and may come again after so many seconds. Nothing of it was begun.
    pub(super) fn rate(seconds: u64, detail: impl Into<String>) -> Self {
        let mut error = Self::new(StatusCode::TOO_MANY_REQUESTS, RATE, detail);
        error.1 = Some(seconds);
        error
    }

    /// Its HTTP status.
    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Its sentence for people.
    pub(super) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// There is no such object.
    pub(crate) fn not_found(kind: &str, key: &str) -> Self {
        let detail = format!("there is no {kind} `{key}`; `billet {kind} list` shows what there is");
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// It contradicts what is.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// Names the field that it is about.
    pub(super) fn about(mut self, field: &str) -> Self {
        let detail = std::mem::replace(&mut self.0.detail, "this conflicts with what there is".into());
        self.0.fields = vec![FieldError { field: field.to_owned(), detail }];
        self
    }

    /// The same without whose it is that is in the way.
    pub(super) fn without_whose(mut self) -> Self {
        if self.0.status == StatusCode::CONFLICT.as_u16() {
            self.0
                .fields
                .iter_mut()
                .for_each(|field| "it is taken already; choose another".clone_into(&mut field.detail));
        }
        self
    }

    /// The fields that it names.
    pub(super) fn fields(&self) -> &[FieldError] {
        &self.0.fields
    }

    /// Our own fault. The cause goes to the log with its whole chain, not to the client.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        log(error);
        let detail = "the service failed; its log says why. Nothing was changed unless a later look shows it";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }
}

/// Takes down an error that is no matter of the request's, with its whole chain.
fn log(error: &(dyn std::error::Error + 'static)) {
    tracing::error!(error = crate::text::logged(error), "a request failed");
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let later =
            self.0.kind == LOST || self.0.kind == IN_FLIGHT || status == StatusCode::TOO_MANY_REQUESTS;
        let again = later.then(|| [(header::RETRY_AFTER, come_again(self.1.unwrap_or(AGAIN)).to_string())]);
        let not_begun = self.0.kind == STOPPING;
        let problem = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (status, again, problem, Json(self.0)).into_response();
        if not_begun {
            response.extensions_mut().insert(NotBegun);
        }
        response
    }
}

/// In how many seconds somebody is to come again who may at the earliest in so many: some later than others, so that those
/// who were sent away together don't come back together.
fn come_again(seconds: u64) -> u64 {
    let mut random = [0; 2];
    // Without randomness they all come at the earliest time.
    let _ = getrandom::fill(&mut random);
    spread(seconds, u16::from_ne_bytes(random))
}

/// Up to half as long again, and a second at least; ten at most, since clients have no patience without end.
fn spread(seconds: u64, random: u16) -> u64 {
    seconds + u64::from(random) % ((seconds / 2).min(9) + 2)
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::NotFound { kind, key } => Self::not_found(kind, &key),
            ServiceError::Refused(refusal) => Self::new(StatusCode::CONFLICT, "refused", refusal.to_string()),
            ServiceError::Contended { .. } => Self::conflict(error.to_string()),
            ServiceError::Store(error) => error.into(),
            ServiceError::Key(_) | ServiceError::Permit(_) => Self::internal(&error),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken { field, .. } => Self::conflict(error.to_string()).about(field),
            StoreError::ImageGone { .. } => Self::conflict(error.to_string()).about("spec.image"),
            StoreError::AddressGone { .. } => {
                Self::conflict(error.to_string()).about("spec.network.virtual_addresses")
            }
            StoreError::InUse { .. } => Self::conflict(error.to_string()),
            StoreError::Unknown(_) => {
                log(&error);
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unknown", error.to_string())
            }
            error if error.is_lost() => {
                log(&error);
                Self::new(StatusCode::SERVICE_UNAVAILABLE, LOST, NO_DATABASE)
            }
            // Lists show as much; the object itself is not worth less words.
            error if error.is_damage() => {
                log(&error);
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged", error.damage())
            }
            _ => Self::internal(&error),
        }
    }
}

impl ApiError {
    /// A BMC's failure is not the service's: the kind says which it is, and that asking again at once is of no use.
    pub(super) fn bmc(error: &BmcError) -> Self {
        use StatusCode as S;
        let (status, kind) = match error {
            BmcError::Unreachable { .. } => (S::GATEWAY_TIMEOUT, "bmc-unreachable"),
            BmcError::Unknown { .. } => (S::GATEWAY_TIMEOUT, "bmc-unknown"),
            BmcError::Resting { .. } => (S::SERVICE_UNAVAILABLE, "bmc-resting"),
            BmcError::NoFreeSession { .. } => (S::SERVICE_UNAVAILABLE, "bmc-no-session"),
            BmcError::NotABmc { .. } => (S::BAD_GATEWAY, "bmc-none"),
            BmcError::AuthenticationFailed { .. } => (S::BAD_GATEWAY, "bmc-authentication"),
            BmcError::WrongCertificate { .. } | BmcError::Untrusted { .. } => {
                (S::BAD_GATEWAY, "bmc-certificate")
            }
            BmcError::Refused { .. } => (S::BAD_GATEWAY, "bmc-refused"),
            BmcError::NotDone { .. } => (S::BAD_GATEWAY, "bmc-not-done"),
            BmcError::Protocol { .. } => (S::BAD_GATEWAY, "bmc-protocol"),
            BmcError::Unsupported { .. } => (S::UNPROCESSABLE_ENTITY, "bmc-unsupported"),
            BmcError::AsksPerson { .. } => (S::CONFLICT, "bmc-asks-person"),
            BmcError::OnlyWhileOff { .. } => (S::CONFLICT, "bmc-only-while-off"),
        };
        Self::new(status, kind, without_secrets(&error.to_string()))
    }
}

impl From<BmcError> for ApiError {
    fn from(error: BmcError) -> Self {
        Self::bmc(&error)
    }
}

/// JSON bodies whose rejection is a problem document.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            let detail =
                "the body has to be JSON, and the header to say so: `Content-Type: application/json`";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid", detail));
        }
        json::read(&bytes(request, state).await?).map(Self)
    }
}

/// JSON bodies that may be left out.
pub(crate) struct OptionalBody<T>(pub(crate) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = bytes(request, state).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        // What is left out may be written as `null`, too.
        json::read::<Option<T>>(&bytes).map(|read| Self(read.unwrap_or_default()))
    }
}

/// The whole body, if it is not too large.
async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    let read = Bytes::from_request(request, state).await;
    read.map_err(|error| ApiError::new(error.status(), "invalid", error.body_text()))
}

/// Whether a body says that it is JSON (RFC 8259), or something that is written in it (RFC 6839).
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let said = headers.get(header::CONTENT_TYPE).and_then(|said| said.to_str().ok()).unwrap_or_default();
    let kind = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// Queries whose rejection is a problem document.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let read = serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(query));
        read.map(Self)
            .map_err(|error| json::wrong("query", &error.path().to_string(), &error.inner().to_string()))
    }
}

/// An unknown path.
pub(crate) async fn no_route(uri: Uri) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "not-found", format!("there is no path {}", uri.path()))
}

/// A path that doesn't know the method.
pub(crate) async fn no_method(method: Method, uri: Uri) -> ApiError {
    let detail = format!("{} can't be used with {method}", uri.path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{DbError, DbErrorKind};
    use provisioner_api::{DeleteInstance, ErasePolicy};

    #[tokio::test]
    async fn a_body_that_may_be_left_out_may_be_null_but_not_wrong() {
        let other = Some(ErasePolicy::Overwrite);
        for (body, wanted) in [
            ("", Ok(None)),
            ("null", Ok(None)),
            ("{}", Ok(None)),
            (r#"{"erase": "overwrite"}"#, Ok(other)),
            (r#"{"erase": 7}"#, Err(("erase".to_owned(), 422))),
            (r#"{"ersae": "overwrite"}"#, Err(("ersae".to_owned(), 422))),
            ("nul", Err((String::new(), 400))),
        ] {
            let read = OptionalBody::<DeleteInstance>::from_request(Request::new(body.into()), &()).await;
            let read = read.map(|OptionalBody(read)| read.erase).map_err(|error| {
                let field = error.fields().first().map(|field| field.field.clone());
                (field.unwrap_or_default(), error.status().as_u16())
            });
            assert_eq!(read, wanted, "{body}");
        }
    }

    #[test]
    fn who_is_sent_away_comes_back_at_another_time_than_others() {
        for (seconds, latest) in [(0, 1), (1, 2), (10, 16), (60, 70)] {
            let all: std::collections::BTreeSet<_> =
                (0..=u16::MAX).map(|random| spread(seconds, random)).collect();
            assert_eq!((all.first(), all.last()), (Some(&seconds), Some(&latest)), "never earlier");
            assert_eq!(all.len() as u64, latest - seconds + 1, "each second in between");
        }
    }

    #[test]
    fn who_meets_a_database_that_is_gone_is_told_to_come_again() {
        for (kind, status, again) in [
            (DbErrorKind::Lost, StatusCode::SERVICE_UNAVAILABLE, Some(AGAIN)),
            (DbErrorKind::Unknown, StatusCode::SERVICE_UNAVAILABLE, None),
            (DbErrorKind::Other, StatusCode::INTERNAL_SERVER_ERROR, None),
        ] {
            let lost = StoreError::from(DbError::new(kind, "gone"));
            let answer = ApiError::from(lost).into_response();
            assert_eq!(answer.status(), status, "{kind:?}");
            let told = answer.headers().get(header::RETRY_AFTER);
            let told = told.map(|value| value.to_str().unwrap().parse::<u64>().unwrap());
            assert_eq!(told.is_some(), again.is_some(), "{kind:?}");
            assert!(told.is_none_or(|told| (AGAIN..=AGAIN + 6).contains(&told)), "{told:?}");
        }
    }
}

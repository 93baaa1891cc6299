//! The span of a request to the API: method, the route as the table names it, status. Never the path itself, a query, a
//! header or a body. Its trace's id is the id of the request, which the answer says.

use super::{
    Telemetry,
    span::{Kind, Span, SpanId, TraceId, Value},
};
use crate::{clock, service::Service};
use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method},
    middleware::Next,
    response::Response,
};
use jiff::Timestamp;
use std::sync::Arc;

/// Says which trace tells of the request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a span calls a method that nobody registered: anybody may send any word.
const OTHER: &str = "_OTHER";

/// Tells of a request. Of one that is followed, up to where the answer begins.
pub(crate) async fn traced(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let trace = TraceId::random();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let open = Open {
        telemetry: service.telemetry.clone(),
        trace,
        method: method(request.method()),
        route,
        from: clock::now(),
        status: None,
    };
    let mut answer = next.run(request).await;
    open.answered(answer.status().as_u16());
    if let Ok(id) = HeaderValue::from_str(&hex::encode(trace.0)) {
        answer.headers_mut().insert(REQUEST_ID, id);
    }
    answer
}

fn method(method: &Method) -> &'static str {
    let known = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
    ];
    let words = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    known.iter().zip(words).find(|(known, _)| *known == method).map_or(OTHER, |(_, word)| word)
}

/// A request that is being answered. Whose client goes away before is told of, too.
struct Open {
    telemetry: Telemetry,
    trace: TraceId,
    method: &'static str,
    route: Option<MatchedPath>,
    from: Timestamp,
    status: Option<u16>,
}

impl Open {
    fn answered(mut self, status: u16) {
        self.status = Some(status);
    }

    fn span(&self, until: Timestamp) -> Span {
        let route = self.route.as_ref().map(|route| route.as_str().to_owned());
        let name = match &route {
            Some(route) => format!("{} {route}", self.method),
            None => self.method.to_owned(),
        };
        let mut attributes: Vec<(_, Value)> = vec![
            ("http.request.method", self.method.into()),
            ("billet.request.id", hex::encode(self.trace.0).into()),
        ];
        attributes.extend(route.map(|route| ("http.route", route.into())));
        match self.status {
            Some(status) => attributes.push(("http.response.status_code", u64::from(status).into())),
            None => attributes.push(("error.type", "client-gone".into())),
        }
        Span {
            trace: self.trace,
            id: SpanId::random(),
            parent: None,
            name: name.into(),
            kind: Kind::Server,
            from: self.from,
            until: until.max(self.from),
            attributes,
            // As OpenTelemetry's conventions for HTTP servers say: what a client does wrong is no failure of ours.
            failed: self.status.is_some_and(|status| status >= 500),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.telemetry.sends(self.trace) {
            self.telemetry.tell(|| self.span(clock::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_of_a_client_is_in_a_span() {
        assert_eq!(method(&Method::PATCH), "PATCH");
        assert_eq!(method(&Method::from_bytes(b"CANARY").unwrap()), OTHER);
        let (telemetry, trace) = (Telemetry::default(), TraceId([1; 16]));
        let mut open = Open {
            telemetry,
            trace,
            method: OTHER,
            route: None,
            from: Timestamp::UNIX_EPOCH,
            status: Some(404),
        };
        let span = open.span(Timestamp::UNIX_EPOCH);
        assert!(span.name == OTHER && !span.failed, "{span:?}");
        assert!(span.attributes.contains(&("http.response.status_code", 404_u64.into())));
        assert!(span.attributes.contains(&("billet.request.id", "01".repeat(16).into())));
        open.status = Some(503);
        assert!(open.span(Timestamp::UNIX_EPOCH).failed);
        open.status = None;
        assert!(open.span(Timestamp::UNIX_EPOCH).attributes.contains(&("error.type", "client-gone".into())));
    }
}

//! Spans in the JSON of OTLP (opentelemetry-proto 1.x, `ExportTraceServiceRequest`; OTLP 1.x section "JSON Protobuf
//! Encoding": ids in hex, 64-bit numbers as strings, enums as numbers). Pure.

use super::span::{Kind, Span, Value};
use jiff::Timestamp;
use serde_json::{Value as Json, json};

/// What is said of the process that sends.
#[derive(Debug)]
pub(super) struct Resource {
    /// `service.name`.
    pub(super) service: String,
    /// `service.instance.id`.
    pub(super) instance: String,
}

/// The body of a request.
pub(super) fn body(resource: &Resource, spans: &[Span]) -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    let about = [
        ("service.name", resource.service.as_str()),
        ("service.instance.id", resource.instance.as_str()),
        ("service.version", version),
    ];
    let about: Vec<_> =
        about.iter().map(|(key, word)| json!({"key": key, "value": {"stringValue": word}})).collect();
    let spans: Vec<_> = spans.iter().map(span).collect();
    let body = json!({"resourceSpans": [{
        "resource": {"attributes": about},
        "scopeSpans": [{"scope": {"name": "billet", "version": version}, "spans": spans}],
    }]});
    body.to_string().into_bytes()
}

fn span(span: &Span) -> Json {
    let Span { trace, id, parent, name, kind, from, until, attributes, failed } = span;
    let attributes: Vec<_> =
        attributes.iter().map(|(key, value)| json!({"key": key, "value": any(value)})).collect();
    let mut told = json!({
        "traceId": hex::encode(trace.0), "spanId": hex::encode(id.0), "name": name, "kind": number(*kind),
        "startTimeUnixNano": nanoseconds(*from), "endTimeUnixNano": nanoseconds(*until),
        "attributes": attributes, "status": if *failed { json!({"code": 2}) } else { json!({}) },
    });
    if let Some(parent) = parent {
        told["parentSpanId"] = hex::encode(parent.0).into();
    }
    told
}

fn any(value: &Value) -> Json {
    match value {
        Value::Word(word) => json!({"stringValue": word}),
        Value::Number(number) => json!({"intValue": number.to_string()}),
    }
}

/// `SpanKind`.
fn number(kind: Kind) -> u8 {
    match kind {
        Kind::Internal => 1,
        Kind::Server => 2,
        Kind::Client => 3,
    }
}

fn nanoseconds(at: Timestamp) -> String {
    at.as_nanosecond().max(0).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::span::{SpanId, TraceId};

    #[test]
    fn a_batch_is_as_the_specification_writes_it() {
        let span = Span {
            trace: TraceId([0xab; 16]),
            id: SpanId([0x01; 8]),
            parent: Some(SpanId([0xff; 8])),
            name: "step write-image".into(),
            kind: Kind::Internal,
            from: "2026-11-23T04:05:06.000001Z".parse().unwrap(),
            until: "2026-11-23T04:05:07Z".parse().unwrap(),
            attributes: vec![("billet.step", "write-image".into()), ("billet.job.epoch", 7_u64.into())],
            failed: true,
        };
        let root = Span { parent: None, failed: false, kind: Kind::Server, ..span.clone() };
        let resource = Resource { service: "billet".into(), instance: "r1".into() };
        let read: Json = serde_json::from_slice(&body(&resource, &[span, root])).unwrap();
        let told = &read["resourceSpans"][0];
        assert_eq!(
            told["resource"]["attributes"][0],
            json!({"key": "service.name", "value": {"stringValue": "billet"}})
        );
        let spans = &told["scopeSpans"][0]["spans"];
        assert_eq!(
            spans[0],
            json!({
                "traceId": "ab".repeat(16), "spanId": "01".repeat(8), "parentSpanId": "ff".repeat(8),
                "name": "step write-image", "kind": 1,
                "startTimeUnixNano": "1795406706000001000", "endTimeUnixNano": "1795406707000000000",
                "attributes": [
                    {"key": "billet.step", "value": {"stringValue": "write-image"}},
                    {"key": "billet.job.epoch", "value": {"intValue": "7"}},
                ],
                "status": {"code": 2},
            })
        );
        assert_eq!((&spans[1]["kind"], &spans[1]["status"]), (&json!(2), &json!({})));
        assert!(spans[1].get("parentSpanId").is_none());
    }
}

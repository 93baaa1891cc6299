use super::*;
use crate::redfish::Identity;
use crate::redfish::sensors::tests::any_json;
use proptest::prelude::*;

fn parsed(bytes: &[u8]) -> Vec<String> {
    let mut parser = SseParser::default();
    parser.feed(bytes).into_iter().map(|data| String::from_utf8(data).unwrap()).collect()
}

#[test]
fn a_stream_is_taken_apart() {
    let table: [(&[u8], &[&str]); 9] = [
        (b"data: a\n\n", &["a"]),
        (b"data:a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]),
        (b"data: a\r\rdata: b\r\r", &["a", "b"]),
        (b": comment\nid: 7\nevent: x\nretry: 5\ndata: a\ndata:  b\n\n", &["a\n b"]),
        (b"\xEF\xBB\xBFdata: a\n\n", &["a"]),
        (b"id: 1\n\n: keep alive\n\n", &[]),
        (b"data\n\n", &[""]),
        // Not complete.
        (b"data: a\n", &[]),
        (b"nonsense: a\n\n\n\n", &[]),
    ];
    for (bytes, events) in table {
        assert_eq!(parsed(bytes), events, "{}", bytes.escape_ascii());
    }
}

#[test]
fn what_is_too_large_is_left_out_and_the_next_is_not() {
    let mut parser = SseParser::default();
    let line = [b"data: ".to_vec(), vec![b'x'; LINE_MAX], b"\n\n".to_vec()].concat();
    assert!(parser.feed(&line).is_empty());
    let mut many = Vec::new();
    for _ in 0..=DATA_MAX / 1000 {
        many.extend([b"data: ".to_vec(), vec![b'y'; 1000], b"\n".to_vec()].concat());
    }
    many.push(b'\n');
    assert!(parser.feed(&many).is_empty());
    assert_eq!(parser.feed(b"data: small\n\n"), [b"small".to_vec()]);
    assert_eq!(parser.dropped(), 2);
}

#[test]
fn records_are_read_as_makers_write_them() {
    let event = br#"{"Id": "1", "Events": [
        {"EventType": "Alert", "MessageId": "IDRAC.2.8.PSU0003", "Message": "The power input for PSU 2 is lost.",
         "Severity": "Critical", "EventTimestamp": "2024-03-01T12:00:00+00:00",
         "OriginOfCondition": {"@odata.id": "/redfish/v1/Chassis/System.Embedded.1"}},
        {"MessageId": "ResourceEvent.1.3.ResourceChanged", "MessageSeverity": "OK", "OriginOfCondition": "/redfish/v1/Systems/1"},
        {"nothing": 1}, 7]}"#;
    let records = event_records(event);
    assert_eq!(
        records[0],
        EventRecord {
            at: Some(1_709_294_400),
            message_id: Some("IDRAC.2.8.PSU0003".into()),
            message: "The power input for PSU 2 is lost.".into(),
            severity: Some("Critical".into()),
            origin: Some("/redfish/v1/Chassis/System.Embedded.1".into()),
        }
    );
    assert_eq!(records[1].origin.as_deref(), Some("/redfish/v1/Systems/1"));
    assert_eq!(records.len(), 2);
    for none in [&b"[]"[..], b"{}", b"\xff", br#"{"@odata.type": "MetricReport", "MetricValues": []}"#] {
        assert!(event_records(none).is_empty());
    }
    let flood = json!({"Events": vec![json!({"MessageId": "A.1.0.B"}); 10_000]}).to_string();
    assert_eq!(event_records(flood.as_bytes()).len(), RECORDS_MAX);
}

fn service(value: Value) -> EventService {
    serde_json::from_value(value).unwrap()
}

#[test]
fn subscriptions_are_tried_as_the_service_is_old() {
    let names = |service: &EventService| -> Vec<Vec<String>> {
        let extra = |body: &Value| {
            let known = ["Destination", "Context", "Protocol"];
            let keys = body.as_object().unwrap().keys().filter(|key| !known.contains(&key.as_str()));
            keys.cloned().collect()
        };
        service.subscriptions_to("https://us/", "c").iter().map(extra).collect()
    };
    let old = service(json!({"EventTypesForSubscription": ["Alert", "MetricReport", "Other"]}));
    assert_eq!(names(&old), [vec!["EventTypes".to_owned()], vec![]]);
    assert_eq!(old.subscriptions_to("https://us/", "c")[0]["EventTypes"], json!(["Alert"]));
    let new = service(
        json!({"EventFormatTypes": ["Event"], "RegistryPrefixes": ["Base"], "EventTypesForSubscription": ["Alert"]}),
    );
    assert_eq!(names(&new), [vec!["EventFormatType".to_owned()], vec![], vec!["EventTypes".to_owned()]]);
    let bare = service(json!({}));
    assert_eq!(
        bare.subscriptions_to("https://us/", "c"),
        [json!({"Destination": "https://us/", "Context": "c", "Protocol": "Redfish"})]
    );
}

#[test]
fn the_same_subscription_is_known() {
    let there: EventDestination =
        serde_json::from_value(json!({"Id": "1", "Destination": "https://us/hook/", "Context": "c"}))
            .unwrap();
    assert!(there.is("https://us/hook", "c"));
    assert!(!there.is("https://us/hook", "d") && !there.is("https://us/other", "c"));
}

#[test]
fn a_filter_is_added_where_it_is_wanted() {
    let dell = Identity { vendors: vec!["Dell".into()], ..Identity::default() };
    let quirks = |filtered| if filtered { Quirks::of(&dell) } else { Quirks::default() };
    let path = |uri: &str, filtered| {
        service(json!({"ServerSentEventUri": uri})).stream(&quirks(filtered)).map(|path| path.to_string())
    };
    assert_eq!(path("/redfish/v1/SSE", false).as_deref(), Some("/redfish/v1/SSE"));
    assert_eq!(
        path("/redfish/v1/SSE", true).as_deref(),
        Some("/redfish/v1/SSE?$filter=EventFormatType%20eq%20Event")
    );
    assert_eq!(path("/sse?x=1", true).as_deref(), Some("/sse?x=1"));
    assert_eq!(service(json!({})).stream(&quirks(true)), None);
}

proptest! {
    #[test]
    fn a_stream_may_be_cut_anywhere(bytes in prop::collection::vec(prop::sample::select(b"data: x\r\n:id".to_vec()), 0..200), cuts in prop::collection::vec(0usize..200, 0..5)) {
        let whole = SseParser::default().feed(&bytes);
        let mut parser = SseParser::default();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<Vec<u8>> = cuts.windows(2).flat_map(|pair| parser.feed(&bytes[pair[0]..pair[1]])).collect();
        prop_assert_eq!(pieces, whole);
    }

    #[test]
    fn nothing_that_a_bmc_says_makes_it_panic(value in any_json(), bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        event_records(value.to_string().as_bytes());
        event_records(&bytes);
        SseParser::default().feed(&bytes);
        if let Ok(service) = serde_json::from_value::<EventService>(value) {
            service.subscriptions_to("https://a", "b");
            service.stream(&Quirks::default());
        }
    }
}
